"""Makes a real log for tests: signed statements, entries, feed records, checkpoints and proofs, with fixed keys.

Nothing is imitated: bodies come from the event codec, statements, signatures, entries and trees from the core.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from passerelle.core.batch import sign_batches
from passerelle.core.catalogue import BY_NAME
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import ACCEPTED, Entry, refused
from passerelle.core.merkle import inclusion_path, leaf_hash, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.core.receipt import Receipt
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest
from passerelle.core.tlogproof import TlogProof
from passerelle.events.codec import write_body
from passerelle.portal.ports import Raw

NETWORK = "ledger.passerelle.example/test"
OPERATOR = "operator"
START = dt.datetime(2026, 11, 2, 14, 5, tzinfo=dt.UTC)


def seed(name: str) -> bytes:
    """A fixed private key for a name: for tests only."""
    return hashlib.sha256(f"test key of {name}".encode()).digest()


@dataclass
class Log:
    """A growing log. ``bodies`` holds what the feed shows: the body where public and accepted, else nothing."""

    network: str = NETWORK
    now: dt.datetime = START
    entries: list[bytes] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)
    _heads: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    _ids: int = 0

    def __post_init__(self) -> None:
        self.signer = NoteSigner(self.network, seed("log"))

    @property
    def root_key(self) -> bytes:
        """The root public key, which signs the operator's own admission."""
        return SeedSigner(seed("root")).public_key

    def key(self, member: str) -> dict[str, str]:
        """A member's key as its admission lists it."""
        signer = SeedSigner(seed(member))
        return {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign"}

    def add(
        self,
        name: str,
        member: str,
        subject: str,
        data: Mapping[str, Any],
        *,
        code: str = "",
        after: dt.timedelta = dt.timedelta(minutes=7),
    ) -> int:
        """Log one event, refused with ``code`` where given; returns its index."""
        kind = BY_NAME[name]
        self.now += after
        self._ids += 1
        nonce = seed(f"nonce {self._ids}") if kind.visibility == "party" else None
        body = write_body(
            kind,
            member=member,
            subject=subject,
            identifier=self.uuid7(),
            time=self.now,
            data=data,
            nonce=nonce,
        )
        sequence, prev = self._heads.get((member, kind.family), (0, ZERO))
        statement = Statement(
            self.network, member, kind.family, sequence + 1, prev, kind.visibility, digest(body)
        ).encode()
        self._heads[member, kind.family] = (sequence + 1, digest(statement))
        # The very first statement is signed by the root key: nothing is listed before it.
        signer = SeedSigner(seed(member if self.entries else "root"))
        signed = sign_batches(self.network, member, [(statement, body)], signer)[0]
        outcome = refused(code) if code else ACCEPTED
        self.entries.append(Entry.of(int(self.now.timestamp() * 1000), outcome, signed).encode())
        self.bodies.append(body if kind.visibility == "public" and not code else None)
        return len(self.entries) - 1

    def uuid7(self) -> str:
        """A UUIDv7 that follows from the log's clock and count."""
        self._ids += 1
        raw = bytearray(int(self.now.timestamp() * 1000).to_bytes(6, "big") + seed(f"id {self._ids}")[:10])
        raw[6] = 0x70 | raw[6] & 0x0F
        raw[8] = 0x80 | raw[8] & 0x3F
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def admit(
        self,
        member: str,
        kind: str,
        names: Mapping[str, str],
        jurisdictions: list[str],
        roles: list[str],
        **more: Any,
    ) -> int:
        """Admit a member; the operator first, with the log's key."""
        data = {
            "member": member,
            "kind": kind,
            "names": dict(names),
            "jurisdictions": jurisdictions,
            "roles": roles,
            "keys": [self.key(member)],
            **more,
        }
        if member == OPERATOR:
            data["log_vkey"] = str(self.signer.verifier)
        return self.add("member.admitted", OPERATOR, member, data)

    def raw(self, index: int, offset: int | None = None) -> Raw:
        """The feed record of an entry; by default its offset is its index."""
        return Raw(index if offset is None else offset, self.headers(index), self.bodies[index] or b"")

    def headers(self, index: int) -> list[tuple[str, bytes]]:
        """The headers of the feed record."""
        return [
            ("index", str(index).encode()),
            ("entry", self.entries[index]),
            ("ingress", b"passerelle.member.v1/0/0"),
        ]

    def raws(self) -> list[Raw]:
        """All feed records in order."""
        return [self.raw(index) for index in range(len(self.entries))]

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` entries."""
        return root_from_leaves([leaf_hash(entry) for entry in self.entries[:size]])

    def checkpoint(self, size: int | None = None) -> bytes:
        """The signed checkpoint of the first ``size`` entries."""
        count = len(self.entries) if size is None else size
        return sign_checkpoint(Checkpoint(self.network, count, self.root(count)), [self.signer])

    def receipt(self, index: int, size: int | None = None) -> Receipt:
        """The receipt of an entry under a checkpoint."""
        count = len(self.entries) if size is None else size
        leaves = [leaf_hash(entry) for entry in self.entries[:count]]
        proof = TlogProof(index, tuple(inclusion_path(leaves, index)), self.checkpoint(count))
        return Receipt(self.entries[index], proof.serialise(), self.bodies[index])


def small_log() -> Log:
    """Operator, a college, a rule maker, one achievement, one endorsement, a party event and a refusal."""
    log = Log()
    log.admit(OPERATOR, "operator", {"en": "Operator", "fr": "Opérateur"}, ["CA"], ["operate"])
    log.admit("humber", "college", {"en": "Humber Polytechnic"}, ["CA-ON"], ["issue", "recognise"])
    log.admit("bimco", "employer", {"en": "A building firm (sample)"}, ["CA-BC"], ["endorse"], sample=True)
    log.add("credential.achievement-published", "humber", "humber/revit", achievement())
    endorsement = {"version": 1, "kinds": ["demand-confirmed"], "capacity": "employer", "jurisdictions": ["CA-BC"]}
    log.add("credential.achievement-endorsed", "bimco", "humber/revit", endorsement)
    credential = {
        "achievement": "humber/revit",
        "achievement_version": 1,
        "awarding_bodies": ["urn:passerelle:member:humber"],
        "registration": "humber",
        "conferred_on": "2026-11-02",
        "basis": "completed",
        "record": "ab" * 32,
    }
    log.add("credential.issued", "humber", log.uuid7(), credential)
    log.add("credential.achievement-published", "humber", "humber/revit", achievement(), code="subject-exists")
    return log


def achievement(**changes: Any) -> dict[str, Any]:
    """The data of a micro-credential."""
    return {
        "version": 1,
        "kind": "micro-credential",
        "title": "Autodesk Revit",
        "language": "en",
        "translations": {"fr": "Modélisation du bâtiment avec Revit"},
        "awarding_bodies": ["urn:passerelle:member:humber"],
        "credit_bearing": False,
        "alignments": [{"kind": "skill", "framework": "esco", "code": "S5.6.1", "name": "Computer-aided design"}],
        "outcomes": ["Model a building to a stated level of detail"],
        "delivery": {"modes": ["online-synchronous"], "intake": "dates", "effort_hours": "42", "elapsed_weeks": "7"},
        "cost": {"amount_cad": "495", "student_aid_eligible": True},
        "sample": True,
        **changes,
    }
