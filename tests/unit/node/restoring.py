"""A node and a ledger that compare their streams, both in memory: real bodies, statements, signatures and proofs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.unit.node.office import SECRET, CountingIds, FixedClock

from passerelle.core.catalogue import BY_NAME
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import Entry
from passerelle.core.merkle import inclusion_path, leaf_hash, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import FAMILIES, digest
from passerelle.core.streams import StreamHead
from passerelle.core.tlogproof import TlogProof
from passerelle.node.author import Author
from passerelle.node.outbox import Draft, Released, release
from passerelle.node.plan import NewEvent
from passerelle.node.ports import Proved
from passerelle.node.recognise import OwnEvent
from passerelle.node.records import RecordKeys
from passerelle.node.restore import Restorer
from passerelle.node.restore_ports import LocalRow, StreamEvent, StreamStanding, Tail, Taken

NETWORK = "restore.test.example/1"
MEMBER = "humber"
SIGNER = SeedSigner(bytes(range(32)))
LOG = NoteSigner(NETWORK, bytes([7]) * 32)
KEY = {"key_id": SIGNER.key_id, "public_key": SIGNER.public_key.hex(), "use": "sign", "removed_index": None}
RECORDS: Mapping[str, Mapping[str, Any]] = {
    MEMBER: {"member": MEMBER, "status": "active", "keys": [KEY], "details": {}},
    "operator": {"member": "operator", "status": "active", "keys": [], "details": {"log_vkey": str(LOG.verifier)}},
}


class Desk:
    """Writes drafts with real bodies."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self._author = Author(MEMBER, self.clock, CountingIds())

    def draft(self, name: str, subject: str, data: Mapping[str, Any]) -> Draft:
        """A draft of any type."""
        return self._author.draft(NewEvent(BY_NAME[name], subject, data))

    def demand(self, number: int) -> Draft:
        """A draft of a statement of demand: the smallest public event."""
        data = {
            "skill": f"Welding {number}",
            "region": "CA-ON",
            "size": 20,
            "source": "Survey",
            "stated_on": "2026-01-01",
            "valid_until": "2027-01-01",
        }
        return self.draft("credential.demand-stated", f"{MEMBER}/demand-{number}", data)


def released(
    drafts: Sequence[Draft], head: StreamHead, signer: SeedSigner = SIGNER
) -> tuple[list[Released], StreamHead]:
    """Drafts of one family, numbered, linked and signed after a head."""
    family = drafts[0].family
    rows, after = release(drafts, {family: head}, network=NETWORK, member=MEMBER, signer=signer)
    return rows, after[family]


@dataclass
class Logged:
    """The ledger: see :class:`passerelle.node.restore_ports.OwnStreams`."""

    clock: FixedClock
    entries: list[bytes] = field(default_factory=list)
    streams: dict[str, list[StreamEvent]] = field(default_factory=lambda: {family: [] for family in FAMILIES})
    heads: dict[str, StreamHead] = field(default_factory=lambda: dict.fromkeys(FAMILIES, StreamHead()))
    most: int = 1000
    asked: int = 0
    away: Exception | None = None

    def log(self, rows: Sequence[Released], *, refused: Sequence[int] = ()) -> None:
        """Take released rows in, in order; those of the numbers named are refused."""
        for row in rows:
            outcome = "refused step-illegal" if row.sequence in refused else "accepted"
            entry = Entry.of(self.clock.now, outcome, row.signed).encode()
            draft = row.draft
            told = ("type", "no", "do") if row.sequence in refused else ("", "", "")
            found = StreamEvent(len(self.entries), entry, draft.body, draft.type, draft.subject, *told)
            self.entries.append(entry)
            self.streams[draft.family].append(found)
            self.heads[draft.family] = StreamHead(row.sequence, digest(row.signed.statement))

    def erase(self, family: str, sequence: int) -> None:
        """The body of an event goes."""
        stream = self.streams[family]
        stream[sequence - 1] = replace(stream[sequence - 1], body=b"")

    async def stream_head(self, family: str) -> StreamHead:
        self.asked += 1
        if self.away is not None:
            raise self.away
        return self.heads[family]

    async def stream_events(self, family: str, after: int, limit: int, *, bodies: bool) -> list[StreamEvent]:
        self.asked += 1
        found = self.streams[family][after : after + min(limit, self.most)]
        return found if bodies else [replace(one, body=b"") for one in found]

    async def proof(self, family: str, sequence: int) -> Proved:
        found = self.streams[family][sequence - 1]
        leaves = [leaf_hash(entry) for entry in self.entries]
        note = sign_checkpoint(Checkpoint(NETWORK, len(leaves), root_from_leaves(leaves)), [LOG])
        proof = TlogProof(found.index, tuple(inclusion_path(leaves, found.index)), note)
        return Proved(found.index, found.entry, proof.serialise())


@dataclass
class Row:
    """A row of the outbox in memory."""

    row: LocalRow
    body: bytes
    draft: Draft | None = None


class MemoryRestore:
    """See :class:`passerelle.node.restore_ports.RestoreStore`; records are not kept."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, Row]] = {family: {} for family in FAMILIES}
        self.heads: dict[str, StreamStanding] = dict.fromkeys(FAMILIES, StreamStanding(StreamHead()))
        self.drafts: list[Draft] = []
        self.problems: list[tuple[str, str, int, str]] = []
        self.records: Mapping[str, Mapping[str, Any]] = RECORDS
        self.settled: list[str] = []
        self.restored: set[tuple[str, int]] = set()

    async def number(self, drafts: Sequence[Draft]) -> list[Released]:
        """Number drafts of one family as a release does."""
        family = drafts[0].family
        rows, head = released(drafts, self.heads[family].head)
        for row in rows:
            signed = row.signed
            local = LocalRow(
                row.sequence, row.draft.type, row.draft.subject, signed.statement, digest(signed.body), 0, None, None,
                "", "",
            )  # fmt: skip
            self.rows[family][row.sequence] = Row(local, signed.body, row.draft)
        self.heads[family] = replace(self.heads[family], head=head)
        return rows

    async def answer(self, family: str, sequence: int, index: int, *, accepted: bool = True) -> None:
        """The ledger's answer to a row."""
        row = self.rows[family][sequence]
        code = "" if accepted else "step-illegal"
        outcome = "accepted" if accepted else "refused"
        row.row = replace(row.row, outcome=outcome, index=index, code=code)

    async def note_sent(self, family: str, through: int, *, now_ms: int, again: bool) -> None:
        """Rows were handed to Kafka."""
        self.heads[family] = replace(self.heads[family], sent=max(self.heads[family].sent, through))

    async def standing(self, family: str) -> StreamStanding:
        return self.heads[family]

    async def digest_at(self, family: str, sequence: int) -> bytes | None:
        row = self.rows[family].get(sequence)
        return digest(row.row.statement) if row is not None else None

    async def tail(self, family: str, after: int) -> Tail:
        above = [row.row for number, row in self.rows[family].items() if number > after]
        sent = sum(row.sequence <= self.heads[family].sent for row in above)
        return Tail(len(above), sum(row.outcome is not None for row in above), sent)

    async def take_back(
        self, family: str, before: StreamHead, events: Sequence[OwnEvent], keys: RecordKeys, now_ms: int
    ) -> Taken | None:
        if self.heads[family].head != before:
            return None
        lost = []
        for event in events:
            match = next((one for one in self.drafts if digest(one.body) == event.body_sha256), None)
            if match is not None:
                self.drafts.remove(match)
                signed = replace(event.signed, body=match.body)
                event = replace(event, lost="", signed=signed, type=match.type, subject=match.subject)
            self._put(event)
            if event.lost:
                lost.append(event.sequence)
        last = events[-1]
        sent = max(self.heads[family].sent, last.sequence)
        self.heads[family] = StreamStanding(StreamHead(last.sequence, last.digest), sent)
        return Taken(len(events), tuple(lost))

    def _put(self, event: OwnEvent) -> None:
        row = LocalRow(
            event.sequence, event.type, event.subject, event.signed.statement, digest(event.signed.body),
            event.released_at, event.outcome, event.index, event.code, event.lost,
        )  # fmt: skip
        self.rows[event.family][event.sequence] = Row(row, event.signed.body)
        self.restored.add((event.family, event.sequence))

    async def draft_again(self, family: str, common: StreamHead, *, sent_too: bool, now_ms: int) -> int | None:
        tail = await self.tail(family, common.sequence)
        if tail.answered or (tail.sent and not sent_too):
            return None
        above = sorted(number for number in self.rows[family] if number > common.sequence)
        rows = [self.rows[family].pop(number) for number in above]
        self.drafts[:0] = [row.draft for row in rows if row.draft is not None]
        sent = min(self.heads[family].sent, common.sequence)
        self.heads[family] = StreamStanding(common, sent)
        return len(rows)

    async def mend(self, family: str, events: Sequence[OwnEvent], now_ms: int) -> None:
        for event in events:
            held = self.rows[family].get(event.sequence)
            if held is not None and digest(held.body) == event.body_sha256:
                event = replace(event, signed=replace(event.signed, body=held.body), lost="")
            self._put(event)

    async def rows_after(self, family: str, after: int, limit: int) -> list[LocalRow]:
        numbers = sorted(number for number in self.rows[family] if number > after)[:limit]
        return [self.rows[family][number].row for number in numbers]

    async def records_without_event(self, limit: int) -> list[Mapping[str, Any]]:
        return []

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        return self.records.get(member)

    async def tell(self, code: str, family: str, sequence: int, what: str, now_ms: int) -> None:
        if (code, family, sequence) not in [problem[:3] for problem in self.problems]:
            self.problems.append((code, family, sequence, what))

    async def settle_conflicts(self, family: str) -> None:
        self.settled.append(family)

    async def close_problems(self, codes: Sequence[str], family: str) -> int:
        before = len(self.problems)
        self.problems = [one for one in self.problems if one[0] not in codes or one[1] != family]
        return before - len(self.problems)


class Bench:
    """A node, its ledger, and what compares them."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.store = MemoryRestore()
        self.ledger = Logged(self.desk.clock)
        self.told = 0
        self.restorer = Restorer(
            self.store,
            self.ledger,
            self.desk.clock,
            RecordKeys(SECRET),
            network=NETWORK,
            member=MEMBER,
            told=self._told,
        )

    def _told(self) -> None:
        self.told += 1

    async def publish(self, *numbers: int) -> None:
        """Number, send, log and answer demands, as a healthy node does."""
        rows = await self.store.number([self.desk.demand(number) for number in numbers])
        start = len(self.ledger.entries)
        self.ledger.log(rows)
        await self.store.note_sent("credential", rows[-1].sequence, now_ms=0, again=False)
        for place, row in enumerate(rows):
            await self.store.answer("credential", row.sequence, start + place)

    def publish_elsewhere(self, *numbers: int, refused: Sequence[int] = ()) -> list[Draft]:
        """The same in a life that the node does not remember."""
        drafts = [self.desk.demand(number) for number in numbers]
        rows, _ = released(drafts, self.ledger.heads["credential"])
        self.ledger.log(rows, refused=refused)
        return drafts
