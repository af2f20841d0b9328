"""``ledger check``: everything verified again from the entries, by the core alone.

Each entry's form, columns, order, link, key and signature; each body's hash and place; each decision made again where
the body is held; the tree, its tiles, the head, every checkpoint as a prefix; and the read models against a rebuild.
Signatures are gathered, so that whoever runs the check may verify them elsewhere meanwhile.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from passerelle.core.batch import batch_message, batch_root
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.decide import Accepted, Rejected, Verdict, Waiting
from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import Fatal, PasserelleError, Refused, SignatureInvalid
from passerelle.core.registry import KeyVerdict, Registry, from_snapshot
from passerelle.core.statement import PUBLIC, Statement, digest
from passerelle.core.streams import StreamHead
from passerelle.core.things import CaseCount, Effects
from passerelle.events.codec import Event, parse_event
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.ledger.check_ports import BodyRow, EntryRow, Notified
from passerelle.ledger.check_signatures import Signed
from passerelle.ledger.judging import judge, overdue, refusal_told, rejected
from passerelle.ledger.replay import Logged, Replay, State
from passerelle.runtime.clock import as_date, as_datetime

FAULTS_TOLD: Final = 50
SIGNATURES_REMEMBERED: Final = 8192
_COLUMNS: Final = ("accepted_at", "member", "family", "sequence", "visibility", "code", "digest")
_TOLD: Final = {"field", "what", "fix"}
_START: Final = StreamHead()
_EPOCH: Final = as_datetime(0)
_UNSEEN: Final = ("", -1)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it must be: where it stands, what it is."""

    code: str
    where: str
    what: str


@dataclass(slots=True)
class Findings:
    """Counts of what was checked, and the first faults."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0

    def add(self, what: str, number: int = 1) -> None:
        """Count something that was checked."""
        if number:
            self.counts[what] = self.counts.get(what, 0) + number

    def fault(self, code: str, where: str, what: str) -> None:
        """Note a fault; the first ones are kept."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(Fault(code, where, what))


@dataclass(slots=True)
class _Done:
    """What is counted for every entry."""

    entries: int = 0
    accepted: int = 0
    signatures: int = 0
    bodies: int = 0
    decisions: int = 0


class Instants:
    """How many entries there were at an instant: one pair of numbers for each instant at which any was accepted."""

    def __init__(self) -> None:
        self.at = array("q")
        self.size = array("q")

    def note(self, accepted_at: int, size: int) -> None:
        """The log had ``size`` entries once the one accepted at this instant (Unix ms, never decreasing) was in it."""
        if self.at and self.at[-1] >= accepted_at:
            self.size[-1] = size
        else:
            self.at.append(accepted_at)
            self.size.append(size)


class EntryChecker:
    """Checks entries one after the other; its replay is the state that every one is judged against."""

    def __init__(self, registry: Registry, findings: Findings) -> None:
        self.replay = Replay(registry)
        self.missing: dict[str, int] = {}
        """Subject -> index of an accepted party event whose body is not held: only erasing excuses that."""
        self.accepted_at = 0
        self.instants = Instants()
        self.pending: list[Signed] = []
        """Signatures that are still to be verified, with the entry that each stands in."""
        self.notices: list[Notified] = []
        """Notices that the entries since :meth:`hand_over` must have sent."""
        self.unjudged = array("q")
        """Indices whose decision could not be made again, in order: nobody knows whom they told."""
        self.cases: list[tuple[int, CaseCount]] = []
        """What steps of cases added to the counts, by index; a few at most of each case in the replay."""
        self.reworded: set[int] = set()
        """Indices of refusals whose text is not what this release would say."""
        self.offsets: dict[tuple[str, int], int] = {}
        """Topic and partition -> highest ingress offset of an entry."""
        self._registry = registry
        self.findings = findings
        self._done = _Done()
        self._instant = (-1, "", _EPOCH)
        self._places: dict[tuple[str, str], tuple[str, int] | None] = {}
        self._asked: dict[tuple[bytes, bytes, bytes], None] = {}

    def take(self, row: EntryRow) -> None:
        """Check one entry and go on to its state. Faults are noted; the replay goes on as far as it can."""
        where = f"index {row.index}"
        if row.index != self.replay.size:
            self._fault("entry-absent", f"index {self.replay.size}", "the entry is missing")
            self.replay.size = row.index
        try:
            entry = parse_entry(row.entry)
            statement = entry.parsed()
            if entry.accepted_at != self._instant[0]:
                # Entries of one commit share their instant.
                self._instant = (entry.accepted_at, as_date(entry.accepted_at), as_datetime(entry.accepted_at))
        except PasserelleError as error:
            self._fault(error.code, where, error.what)
            self.replay.size = row.index + 1
            return
        except (ValueError, OverflowError, OSError):
            self._fault("entry-malformed", where, "accepted_at is beyond the calendar")
            self.replay.size = row.index + 1
            return
        sent = digest(entry.statement)
        self._done.entries += 1
        self._done.accepted += entry.accepted
        self._check_columns(row, entry, statement, sent)
        self._check_order(row, entry, statement, where)
        self._check_key(entry, statement, where)
        body = self._check_bodies(row, entry, statement, where)
        event, refusal = self._read(row, entry, statement, body, where)
        kind, subject = (row.type, row.subject) if event is None else (event.type.full, event.subject)
        logged = Logged(row.index, entry, statement, sent, self._instant[1], kind or "", subject or "", event)
        try:
            self._decide(row, logged, refusal, held=body is not None)
        except Fatal as error:
            self._fault(error.code, where, error.what)

    def settle(self, pending: list[Signed], verified: bytes) -> None:
        """Take the outcome of gathered signatures in: one byte each, 1 where it is good."""
        for signed, fine in zip(pending, verified, strict=True):
            if not fine:
                self._fault("signature-invalid", signed.where, "the signature does not verify under the key")

    def tell_counts(self) -> None:
        """Add what was counted since the last call to the findings."""
        done, self._done = self._done, _Done()
        self.findings.add("entries", done.entries)
        self.findings.add("accepted", done.accepted)
        self.findings.add("refused", done.entries - done.accepted)
        self.findings.add("signatures", done.signatures)
        self.findings.add("bodies", done.bodies)
        self.findings.add("decisions made again", done.decisions)

    def cases_between(self, start: int, stop: int) -> Sequence[CaseCount] | None:
        """What entries ``start`` to ``stop - 1`` added to the counts of cases; None where nobody can say it now."""
        if bisect_left(self.unjudged, start) != bisect_left(self.unjudged, stop):
            return None
        first, last = (bisect_left(self.cases, at, key=lambda one: one[0]) for at in (start, stop))
        return [counted for _, counted in self.cases[first:last]]

    def hand_over(self) -> list[Notified]:
        """The notices gathered since the last call."""
        notices, self.notices = self.notices, []
        return notices

    def _fault(self, code: str, where: str, what: str) -> None:
        self.findings.fault(code, where, what)

    def _check_columns(self, row: EntryRow, entry: Entry, statement: Statement, sent: bytes) -> None:
        stored = (row.accepted_at, row.member, row.family, row.sequence, row.visibility, row.code, row.digest)
        expected = (
            entry.accepted_at,
            statement.member,
            statement.family,
            statement.sequence,
            statement.visibility,
            entry.refusal or None,
            sent,
        )
        where = f"index {row.index}"
        if stored != expected:
            for name, value, right in zip(_COLUMNS, stored, expected, strict=True):
                if value != right:
                    self._fault("ledger-diverged", where, f"column {name} is not what the entry says")
        if entry.accepted and row.refusal is not None:
            self._fault("ledger-diverged", where, "column refusal holds a text though the event was accepted")
        if row.ingress:
            self._check_ingress(row, statement, where)

    def _check_ingress(self, row: EntryRow, statement: Statement, where: str) -> None:
        """The place of the record: of the family's topic, one of its partitions."""
        place, _, offset = row.ingress.rpartition("/")
        known = self._places.get((place, statement.family), _UNSEEN)
        if known is _UNSEEN:
            known = _partition_of(place, statement.family)
            if known is not None:
                self._places[(place, statement.family)] = known
        if known is None or not (offset.isdecimal() and offset.isascii()) or (offset[0] == "0" and offset != "0"):
            self._fault("ledger-diverged", where, "column ingress is no place of the family's topic")
            return
        self.offsets[known] = max(int(offset), self.offsets.get(known, -1))

    def _check_order(self, row: EntryRow, entry: Entry, statement: Statement, where: str) -> None:
        if statement.network != self._registry.network:
            self._fault("network-mismatch", where, "the statement is of another network")
        if entry.accepted_at < self.accepted_at:
            self._fault("ledger-diverged", where, "accepted_at is earlier than that of the entry before")
        self.accepted_at = max(self.accepted_at, entry.accepted_at)
        self.instants.note(self.accepted_at, row.index + 1)
        head = self.replay.streams.get((statement.member, statement.family), _START)
        if statement.sequence != head.sequence + 1:
            what = f"{statement.member}/{statement.family}: number {statement.sequence} follows {head.sequence}"
            self._fault("sequence-gap", where, what)
        elif statement.prev != head.digest:
            self._fault("sequence-conflict", where, "the link is not the stream's previous statement")

    def _check_key(self, entry: Entry, statement: Statement, where: str) -> None:
        """The key was the member's here; its signature is gathered, that of a batch once."""
        verdict = self._registry.key_valid(
            statement.member, entry.key_id, entry.accepted_at, statement.family, statement.sequence
        )
        found = self._registry.key_for(entry.key_id)
        if verdict is not KeyVerdict.VALID or found is None:
            self._fault("key-not-valid", where, f"the key of the entry was {verdict.value} for its member here")
            if found is None:
                return
        try:
            root = batch_root(entry.statement, entry.batch_index, entry.batch_size, entry.batch_path)
        except SignatureInvalid as error:
            self._fault(error.code, where, error.what)
            return
        message = batch_message(statement.network, statement.member, entry.batch_size, root)
        self._done.signatures += 1
        key, signature = found[1].public_key, entry.batch_signature
        if entry.batch_size > 1:
            if (key, signature, message) in self._asked:
                return
            while len(self._asked) >= SIGNATURES_REMEMBERED:
                del self._asked[next(iter(self._asked))]
            self._asked[(key, signature, message)] = None
        self.pending.append(Signed(key, message, signature, where))

    # Bodies

    def _check_bodies(self, row: EntryRow, entry: Entry, statement: Statement, where: str) -> bytes | None:
        """The body where it is held, after its place, its hash and what stands beside it were checked."""
        wanted = "refused_body" if not entry.accepted else f"{statement.visibility}_body"
        found: bytes | None = None
        for item in row.bodies:
            if item.table != wanted:
                self._fault("ledger-diverged", where, f"a row of {item.table} stands at an entry of {wanted}")
            if item.body is not None and digest(item.body) != statement.body_sha256:
                self._fault("body-hash-mismatch", where, f"the body in {item.table} is not the one that was signed")
                continue
            # A body in the wrong place is still what was signed: the decision can be made again from it.
            found = found or item.body
            self._check_note(item, row, statement, where)
        # What expires or is erased is the body: its row stays.
        if all(item.table != wanted for item in row.bodies):
            self._fault("body-absent", where, f"the row of {wanted} is missing")
        if found is not None:
            self._done.bodies += 1
        return found

    def _check_note(self, item: BodyRow, row: EntryRow, statement: Statement, where: str) -> None:
        if item.table == "public_body" and item.note != (statement.body_sha256,):
            self._fault("ledger-diverged", where, "the hash in public_body is not that of the statement")
        if item.table == "party_body":
            if item.note[0] != row.subject:
                self._fault("ledger-diverged", where, "the subject in party_body is not that of the entry")
            parties = list(item.note[1])
            if parties != sorted(set(parties)) or not self._registry.members.keys() >= {*parties, statement.member}:
                self._fault("ledger-diverged", where, "the parties in party_body are not members, each once, in order")
            if statement.member not in parties:
                self._fault("ledger-diverged", where, "the parties in party_body lack the member that signed")
        if item.table == "refused_body" and item.note != (statement.member, row.subject, row.accepted_at):
            what = "member, subject or arrived_at in refused_body are not those of the entry"
            self._fault("ledger-diverged", where, what)

    def _read(
        self, row: EntryRow, entry: Entry, statement: Statement, body: bytes | None, where: str
    ) -> tuple[Event | None, Refused | None]:
        if body is None:
            self._note_missing(row, entry, statement)
            self._check_kind(row, entry, statement, where)
            return None, None
        try:
            event = parse_event(
                body,
                member=statement.member,
                family=statement.family,
                visibility=statement.visibility,
                now=self._instant[2],
            )
        except Refused as refused:
            if row.type is not None or row.subject is not None:
                self._fault("ledger-diverged", where, "type and subject are kept of a body that cannot be read")
            return None, refused
        if (row.type, row.subject) != (event.type.full, event.subject):
            self._fault("ledger-diverged", where, "columns type and subject are not those of the body")
        return event, None

    def _note_missing(self, row: EntryRow, entry: Entry, statement: Statement) -> None:
        if not entry.accepted:
            self.findings.add("refused bodies no longer held")
        elif statement.visibility == PUBLIC:
            self.findings.add("public bodies withdrawn")
        else:
            self.findings.add("party bodies erased")
            self.missing.setdefault(row.subject or "", row.index)

    def _check_kind(self, row: EntryRow, entry: Entry, statement: Statement, where: str) -> None:
        """Type and subject where no body tells them: a type of the family, and one with the other."""
        kind = EVENT_TYPES.get(row.type or "")
        unread = not entry.accepted and (row.type, row.subject) == (None, None)
        known = kind is not None and (kind.family, kind.visibility) == (statement.family, statement.visibility)
        if not unread and not (known and row.subject is not None):
            self._fault("ledger-diverged", where, "columns type and subject are none of the family's")

    # Decisions

    def _decide(self, row: EntryRow, logged: Logged, refusal: Refused | None, *, held: bool) -> None:
        """Decide again where the body is held, compare, and take the recorded outcome in."""
        verdict = self._verdict(logged, refusal)
        told = self._told_of(row) if logged.entry.refusal else None
        if verdict is None:
            if not held:
                self.findings.add("decisions that could not be made again")
            self.unjudged.append(row.index)
            self.replay.take(logged)
            return
        self._done.decisions += 1
        recorded = logged.entry.refusal
        where = f"index {row.index}"
        if _agrees(verdict, recorded):
            if told is not None and not isinstance(verdict, Accepted) and told != refusal_told(_refused(verdict)):
                self.reworded.add(row.index)
            self._follow(row, logged, verdict)
        elif self.replay.state.touched:
            # It rests on facts that were erased since: nobody can say whether it was right.
            self.findings.add("decisions that rest on erased facts")
            self.unjudged.append(row.index)
            self.replay.take(logged)
        else:
            self.unjudged.append(row.index)
            self._fault("ledger-diverged", where, f"recorded {recorded or 'accepted'}, decided {_told(verdict)}")
            self._go_on(logged)

    def _told_of(self, row: EntryRow) -> dict[str, str] | None:
        """The text of a refusal as it was sent; None, with a fault, where it has not its form."""
        try:
            told = orjson.loads(row.refusal or "")
        except orjson.JSONDecodeError:
            told = None
        if isinstance(told, dict) and told.keys() == _TOLD and all(isinstance(text, str) for text in told.values()):
            return told
        self._fault("ledger-diverged", f"index {row.index}", "column refusal is not field, what and fix")
        return None

    def _go_on(self, logged: Logged) -> None:
        """After a wrong outcome, apply what was recorded where it can be, so that later faults mean something."""
        if logged.statement.family == "member":
            self.replay.count(logged)
            return
        self.replay.take(logged)

    def _verdict(self, logged: Logged, refusal: Refused | None) -> Verdict | None:
        state = self.replay.state
        state.touched = False
        if refusal is not None:
            return rejected(refusal)
        if logged.event is None:
            return None
        if logged.event.type.family == "member" and not logged.entry.accepted:
            # A refused member event must be seen to fail on a copy: what is judged here is changed in place.
            return _judge_refused_member(logged, self._registry)
        try:
            return judge(logged.event, logged.index, logged.date, state, self._registry)
        except (KeyError, TypeError):
            if not state.touched:
                raise
            return None

    def _follow(self, row: EntryRow, logged: Logged, verdict: Verdict) -> None:
        if not isinstance(verdict, Accepted):
            self.replay.count(logged)
            return
        if logged.statement.family == "member":
            # The registry was changed by the decision itself.
            self.replay.count(logged)
            self.replay.changed_member(logged.subject, logged.index)
            return
        if self.replay.state.touched:
            self.unjudged.append(row.index)
        else:
            self._check_parties(row, logged.statement, verdict.effects)
            self._gather_notices(logged, verdict.effects)
        if verdict.effects.counted is not None:
            self.cases.append((row.index, verdict.effects.counted))
        self.replay.count(logged)
        self.replay.take_effects(logged, verdict.effects)

    def _check_parties(self, row: EntryRow, statement: Statement, effects: Effects) -> None:
        expected = sorted({*effects.parties, statement.member})
        for item in row.bodies:
            if item.table == "party_body" and list(item.note[1]) != expected:
                self._fault(
                    "ledger-diverged", f"index {row.index}", "the parties of the body are not those of the event"
                )

    def _gather_notices(self, logged: Logged, effects: Effects) -> None:
        for notice in effects.notices:
            value = notice.value(logged.index, logged.statement.member)
            told = Notified(notice.member, logged.index, logged.entry.accepted_at, orjson.dumps(value))
            self.notices.append(told)


def _partition_of(place: str, family: str) -> tuple[str, int] | None:
    """Topic and partition of ``topic/partition``; None where they are not of the family."""
    topic, _, text = place.partition("/")
    if topic != ingress_topic(family) or not (text.isdecimal() and text.isascii()) or text != str(int(text)):
        return None
    partition = int(text)
    return (topic, partition) if partition < TOPICS[topic].partitions else None


def _judge_refused_member(logged: Logged, registry: Registry) -> Verdict:
    assert logged.event is not None
    return judge(logged.event, logged.index, logged.date, State(), from_snapshot(registry.snapshot()))


def _agrees(verdict: Verdict, recorded: str) -> bool:
    if isinstance(verdict, Accepted):
        return not recorded
    # An event that names what was not there at its index waited, and was refused when its time was over.
    return recorded == ("reference-unknown" if isinstance(verdict, Waiting) else verdict.code)


def _refused(verdict: Rejected | Waiting) -> Rejected:
    return overdue(verdict) if isinstance(verdict, Waiting) else verdict


def _told(verdict: Verdict) -> str:
    if isinstance(verdict, Accepted):
        return "accepted"
    return "reference-unknown" if isinstance(verdict, Waiting) else verdict.code
