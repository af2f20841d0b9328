"""``ledger check``: everything verified again from the entries, by the core alone.

Each entry's form, columns, order, link, key and signature; each body's hash and place; each decision made again where
the body is held; the tree, its tiles, the head, every checkpoint as a prefix; and the read models against a rebuild.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from passerelle.core.batch import batch_message, batch_root
from passerelle.core.decide import Accepted, Verdict, Waiting
from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import Fatal, PasserelleError, Refused, SignatureInvalid
from passerelle.core.registry import KeyVerdict, Registry, from_snapshot
from passerelle.core.signature import verify
from passerelle.core.statement import PUBLIC, Statement, digest
from passerelle.core.streams import StreamHead
from passerelle.core.things import Effects
from passerelle.events.codec import Event, parse_event
from passerelle.ledger.check_ports import BodyRow, EntryRow
from passerelle.ledger.judging import judge, rejected
from passerelle.ledger.replay import Logged, Replay, State
from passerelle.runtime.clock import as_date, as_datetime

FAULTS_TOLD: Final = 50
SIGNATURES_REMEMBERED: Final = 8192


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
        self.counts[what] = self.counts.get(what, 0) + number

    def fault(self, code: str, where: str, what: str) -> None:
        """Note a fault; the first ones are kept."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(Fault(code, where, what))


class EntryChecker:
    """Checks entries one after the other; its replay is the state that every one is judged against."""

    def __init__(self, registry: Registry, findings: Findings) -> None:
        self.replay = Replay(registry)
        self.missing: dict[str, int] = {}
        """Subject -> index of an accepted party event whose body is not held: only erasing excuses that."""
        self._registry = registry
        self._findings = findings
        self.accepted_at = 0
        self._good: dict[tuple[bytes, bytes, bytes], None] = {}

    def take(self, row: EntryRow) -> None:
        """Check one entry and go on to its state. Faults are noted; the replay goes on as far as it can."""
        where = f"index {row.index}"
        if row.index != self.replay.size:
            self._fault("entry-absent", f"index {self.replay.size}", "the entry is missing")
            self.replay.size = row.index
        try:
            entry = parse_entry(row.entry)
            statement = entry.parsed()
        except PasserelleError as error:
            self._fault(error.code, where, error.what)
            self.replay.size = row.index + 1
            return
        self._findings.add("entries")
        self._findings.add("accepted" if entry.accepted else "refused")
        self._check_columns(row, entry, statement, where)
        self._check_order(row, entry, statement, where)
        self._check_key(entry, statement, where)
        body = self._check_bodies(row, entry, statement, where)
        event, refusal = self._read(row, entry, statement, body, where)
        logged = Logged(
            row.index,
            entry,
            statement,
            digest(entry.statement),
            as_date(entry.accepted_at),
            (event.type.full if event is not None else row.type) or "",
            (event.subject if event is not None else row.subject) or "",
            event,
        )
        try:
            self._decide(row, logged, refusal, held=body is not None)
        except Fatal as error:
            self._fault(error.code, where, error.what)

    def _fault(self, code: str, where: str, what: str) -> None:
        self._findings.fault(code, where, what)

    def _check_columns(self, row: EntryRow, entry: Entry, statement: Statement, where: str) -> None:
        expected = {
            "accepted_at": entry.accepted_at,
            "member": statement.member,
            "family": statement.family,
            "sequence": statement.sequence,
            "visibility": statement.visibility,
            "code": entry.refusal or None,
            "digest": digest(entry.statement),
        }
        for name, value in expected.items():
            if getattr(row, name) != value:
                self._fault("ledger-diverged", where, f"column {name} is not what the entry says")

    def _check_order(self, row: EntryRow, entry: Entry, statement: Statement, where: str) -> None:
        if statement.network != self._registry.network:
            self._fault("network-mismatch", where, "the statement is of another network")
        if entry.accepted_at < self.accepted_at:
            self._fault("ledger-diverged", where, "accepted_at is earlier than that of the entry before")
        self.accepted_at = max(self.accepted_at, entry.accepted_at)
        head = self.replay.streams.get((statement.member, statement.family), StreamHead())
        if statement.sequence != head.sequence + 1:
            what = f"{statement.member}/{statement.family}: number {statement.sequence} follows {head.sequence}"
            self._fault("sequence-gap", where, what)
        elif statement.prev != head.digest:
            self._fault("sequence-conflict", where, "the link is not the stream's previous statement")

    def _check_key(self, entry: Entry, statement: Statement, where: str) -> None:
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
        self._findings.add("signatures")
        known = (found[1].public_key, entry.batch_signature, message)
        if known in self._good:
            return
        if not verify(found[1].public_key, message, entry.batch_signature):
            self._fault("signature-invalid", where, "the signature does not verify under the key")
            return
        while len(self._good) >= SIGNATURES_REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[known] = None

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
        # A refused body's row goes after 30 days, or when its subject is erased.
        if entry.accepted and all(item.table != wanted for item in row.bodies):
            self._fault("body-absent", where, f"the row of {wanted} is missing")
        if found is not None:
            self._findings.add("bodies")
        return found

    def _check_note(self, item: BodyRow, row: EntryRow, statement: Statement, where: str) -> None:
        if item.table == "public_body" and item.note != (statement.body_sha256,):
            self._fault("ledger-diverged", where, "the hash in public_body is not that of the statement")
        if item.table == "party_body" and item.note[0] != row.subject:
            self._fault("ledger-diverged", where, "the subject in party_body is not that of the entry")
        if item.table == "refused_body" and item.note != (statement.member,):
            self._fault("ledger-diverged", where, "the member in refused_body is not the one that signed")

    def _read(
        self, row: EntryRow, entry: Entry, statement: Statement, body: bytes | None, where: str
    ) -> tuple[Event | None, Refused | None]:
        if body is None:
            self._note_missing(row, entry, statement)
            return None, None
        try:
            event = parse_event(
                body,
                member=statement.member,
                family=statement.family,
                visibility=statement.visibility,
                now=as_datetime(entry.accepted_at),
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
            self._findings.add("refused bodies no longer held")
        elif statement.visibility == PUBLIC:
            self._findings.add("public bodies withdrawn")
        else:
            self._findings.add("party bodies erased")
            self.missing.setdefault(row.subject or "", row.index)

    # Decisions

    def _decide(self, row: EntryRow, logged: Logged, refusal: Refused | None, *, held: bool) -> None:
        """Decide again where the body is held, compare, and take the recorded outcome in."""
        verdict = self._verdict(logged, refusal)
        if verdict is None:
            if not held:
                self._findings.add("decisions that could not be made again")
            self.replay.take(logged)
            return
        self._findings.add("decisions made again")
        recorded = logged.entry.refusal
        where = f"index {row.index}"
        if _agrees(verdict, recorded):
            self._follow(row, logged, verdict)
        elif self.replay.state.touched:
            # It rests on facts that were erased since: nobody can say whether it was right.
            self._findings.add("decisions that rest on erased facts")
            self.replay.take(logged)
        else:
            self._fault("ledger-diverged", where, f"recorded {recorded or 'accepted'}, decided {_told(verdict)}")
            self._go_on(logged)

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
        if not self.replay.state.touched:
            self._check_parties(row, logged.statement, verdict.effects)
        self.replay.count(logged)
        self.replay.take_effects(logged, verdict.effects)

    def _check_parties(self, row: EntryRow, statement: Statement, effects: Effects) -> None:
        expected = sorted({*effects.parties, statement.member})
        for item in row.bodies:
            if item.table == "party_body" and list(item.note[1]) != expected:
                self._fault(
                    "ledger-diverged", f"index {row.index}", "the parties of the body are not those of the event"
                )


def _judge_refused_member(logged: Logged, registry: Registry) -> Verdict:
    assert logged.event is not None
    return judge(logged.event, logged.index, logged.date, State(), from_snapshot(registry.snapshot()))


def _agrees(verdict: Verdict, recorded: str) -> bool:
    if isinstance(verdict, Accepted):
        return not recorded
    # An event that names what was not there at its index waited, and was refused when its time was over.
    return recorded == ("reference-unknown" if isinstance(verdict, Waiting) else verdict.code)


def _told(verdict: Verdict) -> str:
    if isinstance(verdict, Accepted):
        return "accepted"
    return "reference-unknown" if isinstance(verdict, Waiting) else verdict.code
