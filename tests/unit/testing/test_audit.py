"""The separate verifier finds what it must find: a verifier that passes everything proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from passerelle.core.batch import SignedStatement
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import ACCEPTED, Entry, refused
from passerelle.core.note import NoteSigner
from passerelle.testing.audit import Audit
from passerelle.testing.federation import NETWORK, Federation, Member, seed_of

LOG = NoteSigner(NETWORK, seed_of("log"))


@dataclass
class Log:
    """A small right log: operator, two members, events signed alone and in a batch, one of them refused."""

    federation: Federation = field(default_factory=Federation)
    rows: list[tuple[Entry, bytes]] = field(default_factory=list)
    humber: Member = field(init=False)

    def __post_init__(self) -> None:
        self.add(self.federation.found())
        self.humber, admission = self.federation.admit("humber")
        york, other = self.federation.admit("york")
        self.add(admission)
        self.add(other)
        self.add(self.humber.achievement("a"))
        retired = [self.humber.write("credential.achievement-retired", "humber/a", {"effective_on": "2026-01-01"})]
        for signed in self.humber.sign(retired):
            self.add(signed)
        self.add(self.humber.issued("one", "a"))
        self.add(york.achievement("b"), refused("subject-exists"))
        self.add(york.achievement("c"))

    def add(self, signed: SignedStatement, outcome: str = ACCEPTED) -> None:
        """Log an event; a body stands beside it where it is public and accepted."""
        public = b"\npublic\n" in signed.statement and outcome == ACCEPTED
        self.rows.append(
            (Entry.of(1_768_478_400_000 + len(self.rows), outcome, signed), signed.body if public else b"")
        )

    def audit(self) -> Audit:
        """The verdict."""
        audit = Audit(NETWORK, self.federation.root_public_key, LOG.verifier)
        for entry, body in self.rows:
            audit.take(entry.encode(), body)
        return audit

    def change(self, index: int, **values: object) -> None:
        """Alter an entry."""
        entry, body = self.rows[index]
        self.rows[index] = (replace(entry, **values), body)  # type: ignore[arg-type]


def note(audit: Audit, size: int, root: bytes | None = None, network: str = NETWORK) -> bytes:
    """A checkpoint of the log, signed; of another root where one is given."""
    signer = NoteSigner(network, seed_of("log"))
    return sign_checkpoint(Checkpoint(network, size, root or audit.roots([size])[size]), [signer])


def test_a_right_log_has_no_fault() -> None:
    audit = Log().audit()
    assert audit.faults == []
    assert audit.size == 8
    assert audit.check_roots([note(audit, size) for size in range(1, 9)]) == 8
    assert audit.faults == []
    assert audit.logged["york", "credential", 1].outcome == "refused subject-exists"


WRONG: dict[str, tuple[Callable[[Log], object], str]] = {
    "an entry lost": (lambda log: log.rows.pop(3), "not the next of its stream"),
    "an entry twice": (lambda log: log.rows.append(log.rows[3]), "was logged before"),
    "two entries swapped": (lambda log: log.rows.insert(3, log.rows.pop(4)), "not the next of its stream"),
    "a forged signature": (lambda log: log.change(4, batch_signature=bytes(64)), "does not verify"),
    "a member before its admission": (lambda log: log.rows.insert(1, log.rows.pop(3)), "the key is unknown"),
    "a key of another": (lambda log: log.change(3, key_id=log.rows[7][0].key_id), "the key is unknown"),
    "time that goes back": (lambda log: log.change(5, accepted_at=1), "accepted_at goes back"),
    "a party body in the open": (lambda log: log.rows.__setitem__(5, (log.rows[5][0], b"{}")), "not public"),
    "another body": (lambda log: log.rows.__setitem__(3, (log.rows[3][0], b"{}")), "not the one that was signed"),
    "a public body held back": (lambda log: log.rows.__setitem__(3, (log.rows[3][0], b"")), "not the one"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name: str) -> None:
    change, what = WRONG[name]
    log = Log()
    change(log)
    assert any(what in fault for fault in log.audit().faults), log.audit().faults


def test_checkpoints_that_are_no_prefix_are_found() -> None:
    audit = Log().audit()
    audit.check_roots([note(audit, 5, bytes(32)), note(audit, 9, bytes(32)), note(audit, 5, network="other.example/1")])
    assert [fault.split(": ")[0] for fault in audit.faults] == ["checkpoint", "checkpoint 5", "checkpoint 9"]
