"""The judge of a fault round finds what it must find: one that passes everything proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import ACCEPTED, Entry, refused
from passerelle.core.merkle import Frontier, leaf_hash
from passerelle.core.note import NoteSigner
from passerelle.testing.audit import Audit, FeedAudit, Record
from passerelle.testing.faults.judge import InboxAudit, OutboxAudit, PortalAudit, Shown
from passerelle.testing.federation import NETWORK, Federation, seed_of

LOG = NoteSigner(NETWORK, seed_of("log"))
Row = dict[str, Any]


@dataclass
class Said:
    """What a member said, and what feed, inbox and outbox hold of it."""

    feed: list[Record] = field(default_factory=list)
    inbox: list[Record] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    portal: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """Index, entry, root."""
    audit: Audit = field(init=False)

    def __post_init__(self) -> None:
        federation = Federation()
        founding = federation.found()
        humber, admission = federation.admit("humber")
        spoken = [humber.achievement("a"), humber.issued("one", "a"), humber.achievement("a")]
        logged = [founding, admission, *spoken]
        self.audit = Audit(NETWORK, federation.root_public_key, LOG.verifier)
        frontier = Frontier()
        for index, signed in enumerate(logged):
            outcome = ACCEPTED if index < 4 else refused("subject-exists")
            public = b"\npublic\n" in signed.statement and outcome == ACCEPTED
            entry = Entry.of(1_768_478_400_000 + index, outcome, signed).encode()
            frontier.append(leaf_hash(entry))
            self.portal.append((index, entry, frontier.root()))
            headers = {"index": b"%d" % index, "entry": entry}
            self.feed.append(Record(index, b"", signed.body if public else b"", headers))
            if signed in spoken:
                self._answer(index, outcome, signed.statement)

    def _answer(self, index: int, outcome: str, statement: bytes) -> None:
        family, sequence = statement.split(b"\n")[3].decode(), int(statement.split(b"\n")[4])
        word, _, code = outcome.partition(" ")
        one: Row = {"sequence": sequence, "index": index, "outcome": word} | ({"code": code} if code else {})
        value = orjson.dumps([{"family": family, "from": sequence, "outcomes": [one]}])
        number = len(self.inbox) + 1
        self.inbox.append(Record(number - 1, b"", value, {"inbox-number": b"%d" % number, "kind": b"receipts"}))
        self.outbox.append(
            {"family": family, "sequence": sequence, "statement": statement, "index": index, "outcome": word}
            | {"code": code or None}
        )

    def faults(self) -> list[str]:
        """All that the audits of feed, inbox, outbox and portal find."""
        feed, inbox, outbox = FeedAudit(self.audit), InboxAudit("humber", self.audit), OutboxAudit("humber", self.audit)
        for record in self.feed:
            feed.take(record)
        for record in self.inbox:
            inbox.take(record)
        inbox.check()
        for row in self.outbox:
            outbox.take(row)
        outbox.check(len(self.outbox), 0, 0)
        portal = PortalAudit(self.audit, feed)
        for held in self.portal:
            portal.take(*held)
        portal.check()
        return self.audit.faults


def test_what_is_right_has_no_fault_and_repeats_are_none() -> None:
    said = Said()
    said.feed[2:2] = [replace(said.feed[1], offset=9)]
    said.inbox.append(said.inbox[0])
    assert said.faults() == []
    assert len(said.inbox) == 4


def _change(record: Record, **values: Any) -> Record:
    (stream,) = orjson.loads(record.value)
    stream["outcomes"][0] |= values
    return replace(record, value=orjson.dumps([stream]))


def drop_feed(said: Said) -> None:
    del said.feed[2]


def other_entry(said: Said) -> None:
    said.feed.append(replace(said.feed[3], headers=said.feed[3].headers | {"entry": said.feed[2].headers["entry"]}))


def drop_number(said: Said) -> None:
    del said.inbox[1]


def answer_twice(said: Said) -> None:
    said.inbox.append(_change(replace(said.inbox[0], headers=said.inbox[2].headers), index=7))


def answer_wrongly(said: Said) -> None:
    said.inbox[2] = _change(said.inbox[2], outcome="accepted")


def forget_an_answer(said: Said) -> None:
    del said.inbox[2]


def outbox_lacks_one(said: Said) -> None:
    del said.outbox[1]


def outbox_has_another(said: Said) -> None:
    said.outbox[1]["statement"] += b"x"


def outbox_was_told_otherwise(said: Said) -> None:
    said.outbox[2] |= {"outcome": "accepted", "code": None}


def log_lacks_one(said: Said) -> None:
    del said.feed[-1]


def portal_lacks_one(said: Said) -> None:
    del said.portal[1]


def portal_lacks_the_last(said: Said) -> None:
    del said.portal[-1]


def portal_has_another(said: Said) -> None:
    index, _, root = said.portal[3]
    said.portal[3] = (index, said.portal[2][1], root)


def portal_has_another_root(said: Said) -> None:
    said.portal[-1] = (*said.portal[-1][:2], bytes(32))


SPOILS: dict[Callable[[Said], None], str] = {
    drop_feed: "indices 2 to 2 are missing",
    other_entry: "another entry at index 3",
    drop_number: "number 2 is missing",
    answer_twice: "answered in two ways",
    answer_wrongly: "was told as",
    forget_an_answer: "was told as None",
    outbox_lacks_one: "2 events, 2 of them answered, and 3 in the log",
    outbox_has_another: "is not what the log holds",
    outbox_was_told_otherwise: "is not what the log holds",
    log_lacks_one: "is not what the log holds",
    portal_lacks_one: "row 1 is of index 2",
    portal_lacks_the_last: "it holds 4 of 5 entries",
    portal_has_another: "another entry than the log's",
    portal_has_another_root: "its root at size 5 is not the log's",
}


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_is_found(spoil: Callable[[Said], None]) -> None:
    said = Said()
    spoil(said)
    found = said.faults()
    assert any(SPOILS[spoil] in fault for fault in found), found


def test_unanswered_and_unsent_events_are_found() -> None:
    said = Said()
    outbox = OutboxAudit("humber", said.audit)
    outbox.check(0, 2, 1)
    assert said.audit.faults == ["outbox of humber: 2 events have no answer, 1 were never sent"]


def test_two_roots_shown_for_one_size_are_a_fork() -> None:
    shown = Shown(lambda: None)
    one, other = (sign_checkpoint(Checkpoint(NETWORK, 5, bytes([n]) * 32), [LOG]) for n in (1, 2))
    shown.take(one)
    shown.take(one)
    assert shown.forks == []
    shown.take(other)
    assert shown.forks == ["two roots were shown for size 5"]
