"""Reconciliation: every event of this node beside what the ledger holds, in order of their numbers, page by page.

A stream is complete when the log proves its last statement: each links to the one before, so the last one vouches for
all. The proof is checked under the log's key, so nothing of this rests on the word of who answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.catalogue import PREFIX, SUFFIX
from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import PasserelleError, SignatureInvalid, Unavailable
from passerelle.core.note import VerifierKey
from passerelle.core.statement import FAMILIES, Statement, digest
from passerelle.core.streams import StreamHead
from passerelle.core.tlogproof import parse_proof, verify_proof
from passerelle.node.messages import known_keys
from passerelle.node.restore import FORKED, RESTORED, Restorer, Verifier
from passerelle.node.restore_ports import LocalRow, OwnStreams, RestoreStore, StreamEvent
from passerelle.runtime.clock import Clock

PAGE: Final = 1000
LATE_MS: Final = 10 * 60 * 1000
"""An answer that did not come for so long is a difference."""
MAX_RECORDS: Final = 1000
ADVICE: Final[Mapping[str, str]] = {
    "missing-there": "The ledger answered and does not hold it now: tell the operator; the node sends it when asked.",
    "missing-here": "Say --fix: the event is fetched back, or restart the node.",
    "other-statement": "Say --fix where the row was damaged; where streams fork, see docs/operating.md.",
    "other-content": "Say --fix: what the ledger holds is put in its place; find out who changed the database.",
    "other-outcome": "Say --fix: the ledger's outcome counts; find out who changed the database.",
    "answer-missing": "Say --fix: the ledger's answer is taken from the log.",
    "unanswered": "See that the node runs and that the ledger is reachable; it sends the event again by itself.",
    "record-without-event": "Import the record's file again, and say who changed the database.",
    "unproved": "Run it again once the log has shown a checkpoint.",
    "waiting": "Nothing: the answer comes.",
    "refused": "See passerelle node refused: correct it and import it again.",
    "body-gone": "Nothing: the body was erased, withdrawn or is past retention; the entry stays.",
}
"""What to do, by kind of finding."""
NO_DIFFERENCE: Final = frozenset({"waiting", "refused", "body-gone"})
"""Findings in which node and ledger agree."""
_MENDED: Final = frozenset({"missing-here", "other-statement", "other-content", "other-outcome", "answer-missing"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One event, or office record, about which something is to be said. ``age_ms``: since its release."""

    kind: str
    family: str
    sequence: int = 0
    type: str = ""
    subject: str = ""
    what: str = ""
    age_ms: int | None = None

    @property
    def differs(self) -> bool:
        """Whether node and ledger disagree."""
        return self.kind not in NO_DIFFERENCE

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with what to do."""
        return {
            "kind": self.kind,
            "difference": self.differs,
            "family": self.family,
            "sequence": self.sequence or None,
            "type": self.type.removeprefix(PREFIX).removesuffix(SUFFIX),
            "subject": self.subject,
            "what": self.what,
            "age_ms": self.age_ms,
            "fix": ADVICE[self.kind],
        }


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream: its last number here and in the ledger; ``proved``: the size of the tree that proves it complete,
    None where nothing was to be proved or it could not be.
    """

    family: str
    here: int
    there: int
    proved: int | None
    events: int


@dataclass(slots=True)
class Reconciliation:
    """What was compared and how often something was found, by kind."""

    streams: list[StreamReport] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def differences(self) -> int:
        """Findings in which node and ledger disagree."""
        return sum(count for kind, count in self.counts.items() if kind not in NO_DIFFERENCE)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "differences": self.differences,
            "counts": dict(sorted(self.counts.items())),
            "streams": [
                {"family": one.family, "here": one.here, "ledger": one.there, "proved_by": one.proved,
                 "events": one.events}
                for one in self.streams
            ],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Logged:
    """An entry of ours in its place, with the digest of its statement."""

    found: StreamEvent
    entry: Entry
    statement: Statement
    digest: bytes


class Reconciler:
    """The use case. ``found`` hears each finding as it is made; nothing is kept here but counts."""

    def __init__(
        self,
        store: RestoreStore,
        ledger: OwnStreams,
        restorer: Restorer,
        clock: Clock,
        *,
        network: str,
        member: str,
        operator: str,
        found: Callable[[Finding], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._restorer = restorer
        self._clock = clock
        self._network = network
        self._member = member
        self._operator = operator
        self._found = found
        self._report = Reconciliation()
        self._wrong: Counter[str] = Counter()

    async def run(self) -> Reconciliation:
        """Compare everything. Raises Unavailable, and what is wrong with what the ledger gave."""
        self._report = Reconciliation()
        self._wrong.clear()
        verifier = await self._verifier()
        for family in FAMILIES:
            self._report.streams.append(await self._stream(family, verifier, mend=False))
        for row in await self._store.records_without_event(MAX_RECORDS):
            self._note(Finding("record-without-event", "", subject=str(row["thing"]), what=str(row["kind"])))
        return self._report

    async def fix(self) -> None:
        """Fetch back what is missing, make events that were sent in vain drafts again, and put the ledger's rows in the
        place of damaged ones. Streams that fork among answered events stay as they are.
        """
        outcome = await self._restorer.compare(sent_too=True)
        verifier = await self._verifier()
        hear, self._found = self._found, lambda _: None
        try:
            for family in FAMILIES:
                if family not in outcome.forked:
                    await self._stream(family, verifier, mend=True)
        finally:
            self._found = hear

    async def settle(self) -> None:
        """After :meth:`run`: close the problems about the streams that were found to agree."""
        for family in FAMILIES:
            if not self._wrong[family]:
                await self._store.close_problems(("sequence-conflict", FORKED, RESTORED), family)

    async def _verifier(self) -> Verifier:
        return Verifier(self._network, self._member, known_keys(await self._store.own_record(self._member)))

    def _note(self, finding: Finding) -> None:
        self._report.counts[finding.kind] += 1
        if finding.differs:
            self._wrong[finding.family] += 1
        self._found(finding)

    async def _stream(self, family: str, verifier: Verifier, *, mend: bool) -> StreamReport:
        there = await self._ledger.stream_head(family)
        here = (await self._store.standing(family)).head
        now_ms = self._clock.now_ms()
        local = self._local(family)
        row = await anext(local, None)
        events = 0
        async for logged in self._logged(family, there):
            events += 1
            # Numbers here are unique and rise; a smaller one than the ledger's would be below 1.
            mine = row if row is not None and row.sequence == logged.statement.sequence else None
            if mine is not None:
                row = await anext(local, None)
            for finding in compare(family, mine, logged.found, logged.entry, logged.statement, now_ms):
                if mend and finding.kind in _MENDED:
                    await self._mend(logged, verifier)
                elif not mend:
                    self._note(finding)
        while row is not None:
            events += 1
            if not mend:
                await self._beyond(family, row, now_ms)
            row = await anext(local, None)
        proved = None if mend else await self._prove(family, there, verifier)
        return StreamReport(family, here.sequence, there.sequence, proved, events)

    async def _local(self, family: str) -> AsyncIterator[LocalRow]:
        after = 0
        while rows := await self._store.rows_after(family, after, PAGE):
            for row in rows:
                yield row
            after = rows[-1].sequence

    async def _logged(self, family: str, head: StreamHead) -> AsyncIterator[_Logged]:
        """The ledger's stream up to a head, each statement linked to the one before, and the last one the head's."""
        before = StreamHead()
        while before.sequence < head.sequence:
            page = await self._ledger.stream_events(family, before.sequence, PAGE, bodies=False)
            if not page:
                raise Unavailable("service-unavailable", "the ledger does not give what it numbered", where=family)
            for found in page:
                entry = parse_entry(found.entry)
                statement = entry.parsed()
                if (statement.sequence, statement.prev) != (before.sequence + 1, before.digest):
                    what = "the ledger's stream is not linked"
                    raise SignatureInvalid("sequence-conflict", what, where=f"{family} {statement.sequence}")
                before = StreamHead(statement.sequence, digest(entry.statement))
                yield _Logged(found, entry, statement, before.digest)
                if before.sequence == head.sequence:
                    break
        if before != head:
            what = "the ledger's stream does not end in the head that it names"
            raise SignatureInvalid("sequence-conflict", what, where=f"{family} {head.sequence}")

    async def _beyond(self, family: str, row: LocalRow, now_ms: int) -> None:
        """A row above the ledger's head as it was read."""
        if row.outcome is None:
            self._note(_unanswered(family, row, now_ms))
        elif (await self._ledger.stream_head(family)).sequence < row.sequence:
            what = f"this node was told that it is {row.outcome}"
            self._note(Finding("missing-there", family, row.sequence, row.type, row.subject, what))

    async def _mend(self, logged: _Logged, verifier: Verifier) -> None:
        family, sequence = logged.statement.family, logged.statement.sequence
        page = await self._ledger.stream_events(family, sequence - 1, 1, bodies=True)
        if page:
            event, _ = verifier.read(page[0], family)
            if event.digest == logged.digest:
                await self._store.mend(family, [event], self._clock.now_ms())

    async def _prove(self, family: str, head: StreamHead, verifier: Verifier) -> int | None:
        """The size of a tree, under the log's signature, that holds the stream's head signed by us."""
        if head.sequence == 0:
            return None
        try:
            proved = await self._ledger.proof(family, head.sequence)
            event, _ = verifier.read(StreamEvent(proved.index, proved.entry), family)
            if event.digest != head.digest:
                raise SignatureInvalid("sequence-conflict", "the proof is of another statement", where=family)
            opened = verify_proof(parse_proof(proved.proof), proved.entry, await self._log_keys(), origin=self._network)
        except PasserelleError as error:
            self._note(Finding("unproved", family, head.sequence, what=f"{error.code}: {error.what}"))
            return None
        return opened.checkpoint.size

    async def _log_keys(self) -> list[VerifierKey]:
        operator = await self._store.own_record(self._operator)
        vkey = (operator or {}).get("details", {}).get("log_vkey")
        if not vkey:
            raise Unavailable("checkpoint-not-ready", "the registry does not show the log's key yet", where="registry")
        return [VerifierKey.parse(str(vkey))]


def compare(
    family: str, row: LocalRow | None, found: StreamEvent, entry: Entry, statement: Statement, now_ms: int
) -> list[Finding]:
    """What is to be said about one number that the ledger has spent; ``row`` is None where this node lacks it."""
    sequence = statement.sequence
    if row is None:
        return [Finding("missing-here", family, sequence, found.type, found.subject, entry.outcome)]

    def finding(kind: str, what: str = "", age_ms: int | None = None) -> Finding:
        assert row is not None
        return Finding(kind, family, sequence, row.type, row.subject, what, age_ms)

    if row.statement != entry.statement:
        return [finding("other-statement", f"the ledger's is {digest(entry.statement).hex()}")]
    told: list[Finding] = []
    if row.body_sha256 != statement.body_sha256:
        told.append(
            finding("body-gone", row.lost) if row.lost else finding("other-content", "the body was changed here")
        )
    elif (found.type and found.type != row.type) or (found.subject and found.subject != row.subject):
        told.append(finding("other-content", "type or subject was changed here"))
    outcome = "accepted" if entry.accepted else "refused"
    if row.outcome is None:
        age = max(0, now_ms - row.released_at)
        kind = "answer-missing" if now_ms - entry.accepted_at > LATE_MS else "waiting"
        told.append(finding(kind, f"the ledger has {outcome} it", age))
    elif (row.outcome, row.index, row.code) != (outcome, found.index, entry.refusal):
        what = f"here {row.outcome} at {row.index}, in the ledger {entry.outcome} at {found.index}"
        told.append(finding("other-outcome", what))
    elif outcome == "refused":
        told.append(finding("refused", entry.refusal))
    return told


def _unanswered(family: str, row: LocalRow, now_ms: int) -> Finding:
    age = max(0, now_ms - row.released_at)
    kind = "unanswered" if age > LATE_MS else "waiting"
    return Finding(kind, family, row.sequence, row.type, row.subject, f"for {age // 1000} s", age)
