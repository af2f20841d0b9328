"""Back to where the ledger is: at every start the node's streams are compared with the ledger's.

A node that was restored from a backup fetches its own missing events back, verifies each, and goes on after them. What
it had numbered meanwhile and never sent becomes drafts again. Where node and ledger hold different statements at a
number that was sent or answered, somebody signed twice: nothing goes out until a person has looked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
import structlog

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.entry import Entry, parse_entry, verify_entry
from passerelle.core.errors import FormatError, PasserelleError, Retryable, SignatureInvalid, Unavailable, code_info
from passerelle.core.statement import FAMILIES, Statement, digest
from passerelle.core.streams import StreamHead
from passerelle.node.messages import known_keys
from passerelle.node.recognise import OwnEvent
from passerelle.node.records import RecordKeys
from passerelle.node.restore_ports import Outcome, OwnStreams, RestoreStore, StreamEvent
from passerelle.runtime.clock import Clock
from passerelle.runtime.waking import rung_by, woken

_LOG = structlog.get_logger(__name__)
PAGE: Final = 256
RETRY_S: Final = 0.5
RETRY_MAX_S: Final = 5.0
FORKED_S: Final = 30.0
"""How often forked streams are looked at again: a person may have decided meanwhile."""
MAX_NAMED: Final = 20
"""Numbers named in one text; how many there are beyond is said."""
RESTORED: Final = "events-restored"
FORKED: Final = "stream-forked"
ADMISSION: Final = "waiting: the registry does not show this member"


class Verifier:
    """Believes an entry of our own stream only where we signed it and it follows what we hold."""

    def __init__(self, network: str, member: str, keys: Mapping[str, bytes]) -> None:
        """``keys``: every key that the member ever signed with, by id."""
        self._network = network
        self._member = member
        self._keys = keys

    def check(self, found: StreamEvent, family: str, before: StreamHead) -> OwnEvent:
        """The event after ``before``, verified: form, place, link, signature, body.

        Raises FormatError, SignatureInvalid ``sequence-gap`` (another place), ``sequence-conflict`` (another link), or
        of the signature, and Unavailable ``key-unknown`` while the registry does not show the key.
        """
        event, statement = self.read(found, family)
        where = _at(family, before.sequence + 1)
        if statement.sequence != before.sequence + 1:
            raise SignatureInvalid("sequence-gap", "the ledger's stream has a hole", where=where)
        if statement.prev != before.digest:
            raise SignatureInvalid("sequence-conflict", "the ledger's event does not follow ours", where=where)
        return event

    def read(self, found: StreamEvent, family: str) -> tuple[OwnEvent, Statement]:
        """The event without its place: form, signature, body. Raises as :meth:`check`."""
        entry = parse_entry(found.entry)
        statement = entry.parsed()
        where = _at(family, statement.sequence)
        if (statement.network, statement.member, statement.family) != (self._network, self._member, family):
            raise SignatureInvalid("network-mismatch", "the ledger gave an entry of another stream", where=where)
        if entry.key_id not in self._keys:
            raise Unavailable("key-unknown", "the registry does not show the key of this entry", where=where)
        verify_entry(entry, self._keys[entry.key_id])
        if found.body and digest(found.body) != statement.body_sha256:
            raise SignatureInvalid("body-hash-mismatch", "the body is not the one of its statement", where=where)
        return _event(found, entry, statement), statement


def _at(family: str, sequence: int) -> str:
    return f"{family} {sequence}"


def _event(found: StreamEvent, entry: Entry, statement: Statement) -> OwnEvent:
    signed = SignedStatement(
        entry.statement,
        found.body,
        entry.batch_size,
        entry.batch_index,
        entry.batch_path,
        entry.batch_signature,
        entry.key_id,
    )
    name, subject, data = found.type, found.subject, {}
    if found.body and entry.accepted:
        # Accepted, so of a known type and by its schema: the body says what it is, not who gave it to us.
        value = orjson.loads(found.body)
        name, subject, data = str(value["type"]), str(value["subject"]), value["data"]
    lost = "" if found.body else "body-withdrawn" if entry.accepted else "body-absent"
    info = code_info(entry.refusal)
    refused = not entry.accepted
    return OwnEvent(
        statement.family,
        statement.sequence,
        name if name in EVENT_TYPES else "",
        subject,
        signed,
        digest(entry.statement),
        statement.body_sha256,
        entry.accepted_at,
        "refused" if refused else "accepted",
        found.index,
        entry.refusal,
        found.field if refused else "",
        (found.what or info.meaning) if refused else "",
        (found.fix or info.fix) if refused else "",
        lost,
        data,
    )


class Restorer:
    """Compares, fetches back, and says whether the relay may go. One a node."""

    def __init__(
        self,
        store: RestoreStore,
        ledger: OwnStreams,
        clock: Clock,
        keys: RecordKeys,
        *,
        network: str,
        member: str,
        told: Callable[[], None],
        founds: bool = False,
        quiet: bool = False,
    ) -> None:
        """``told`` is called whenever :attr:`holds` or :attr:`may_take` may have changed; ``founds``: whether this is
        the operator's node; ``quiet``: whether nothing is logged, because a command tells what came of it.
        """
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._keys = keys
        self._network = network
        self._member = member
        self._told = told
        self._founds = founds
        self._quiet = quiet
        self._wake = asyncio.Event()
        # How often a comparison was asked for, and which of these the last one answered.
        self._asked, self._done = 1, 0
        self._forked = False
        self.state = "starting"

    @property
    def compared(self) -> bool:
        """Whether the streams were compared since it was asked for last."""
        return self._done >= self._asked

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to compare: it was done, or nobody has admitted us yet."""
        return self.compared or self.state == ADMISSION

    @property
    def holds(self) -> str:
        """Why nothing may be numbered or sent, empty where it may. The operator's node founds the network before
        anybody could compare.
        """
        return "" if self.compared or (self._founds and self.state == ADMISSION) else self.state

    @property
    def may_take(self) -> bool:
        """Whether receipts may be taken in: not while another event than the ledger's may stand at a number here."""
        return self.compared and not self._forked

    def again(self) -> None:
        """Compare once more: the ledger told of a conflict, or the registry changed."""
        self._asked += 1
        self._wake.set()

    def wake(self) -> None:
        """The registry may show us now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Compare whenever it is due, until ``stop``; whatever is away is tried again with growing pauses."""
        pause = RETRY_S
        with rung_by(stop, self._wake):
            while not stop.is_set():
                self._wake.clear()
                waits: float | None = None
                if self._done < self._asked or self._forked:
                    try:
                        if await self._admitted():
                            await self.compare()
                            waits, pause = FORKED_S if self._forked else None, RETRY_S
                    except PasserelleError as error:
                        self._hindered(error)
                        waits, pause = pause, min(2 * pause, RETRY_MAX_S)
                await woken(self._wake, waits)

    async def _admitted(self) -> bool:
        if await self._store.own_record(self._member) is not None:
            return True
        if self.state != ADMISSION:
            self.state = ADMISSION
            self._told()
        return False

    def _hindered(self, error: PasserelleError) -> None:
        away = isinstance(error, Unavailable | Retryable)
        state = f"{'waiting' if away else 'stopped'}: {error.code}"
        if state != self.state:
            self._log(
                logging.WARNING if away else logging.ERROR,
                "the streams are not compared",
                code=error.code,
                where=error.where,
            )
        self.state = state

    def _log(self, level: int, event: str, **fields: object) -> None:
        if not self._quiet:
            _LOG.log(level, event, **fields)

    async def compare(self, *, sent_too: bool = False) -> Outcome:
        """Compare every stream and fetch back what is missing here.

        ``sent_too``: events that were sent and not answered become drafts again where the ledger holds others: a person
        decided so. Raises Unavailable, and what is wrong with what the ledger gave.
        """
        asked = self._asked
        self.state = "starting: the streams are compared"
        verifier = Verifier(self._network, self._member, known_keys(await self._store.own_record(self._member)))
        outcome = Outcome()
        for family in FAMILIES:
            await self._family(family, verifier, outcome, sent_too=sent_too)
        self._forked = bool(outcome.forked)
        self.state = f"stopped: {FORKED}" if outcome.forked else "compared"
        self._done = asked
        self._told()
        return outcome

    async def _family(self, family: str, verifier: Verifier, outcome: Outcome, *, sent_too: bool) -> None:
        ledger = await self._ledger.stream_head(family)
        standing = await self._store.standing(family)
        head = standing.head
        if not await self._agrees(family, head, ledger):
            common = await self._common(family, head, ledger, verifier)
            drafted = await self._store.draft_again(family, common, sent_too=sent_too, now_ms=self._clock.now_ms())
            if drafted is None:
                await self._fork(family, common, outcome)
                return
            self._log(
                logging.WARNING, "numbered events that were never sent are drafts again", family=family, events=drafted
            )
            outcome.drafted[family] = drafted
            head = common
        while head.sequence < ledger.sequence:
            head = await self._page(family, head, verifier, outcome)
        await self._store.settle_conflicts(family)
        await self._tell(family, outcome)

    async def _agrees(self, family: str, here: StreamHead, there: StreamHead) -> bool:
        """Whether one of the streams is the beginning of the other."""
        if here.sequence == there.sequence:
            return here.digest == there.digest
        if here.sequence > there.sequence:
            # We are ahead: the relay sends the rest.
            return there.sequence == 0 or await self._store.digest_at(family, there.sequence) == there.digest
        return here.sequence == 0 or await self._digest_there(family, here.sequence) == here.digest

    async def _digest_there(self, family: str, sequence: int) -> bytes:
        """Of a number that the ledger has spent. Raises Unavailable."""
        found = await self._ledger.stream_events(family, sequence - 1, 1, bodies=False)
        if not found:
            raise _not_given(family)
        return digest(parse_entry(found[0].entry).statement)

    async def _common(self, family: str, here: StreamHead, ledger: StreamHead, verifier: Verifier) -> StreamHead:
        """The last statement that both hold. Links make it one number: below it all are the same, above it none."""
        low, held = 0, StreamHead()
        high = min(here.sequence, ledger.sequence)
        while low < high:
            middle = (low + high + 1) // 2
            mine = await self._store.digest_at(family, middle)
            if mine is not None and mine == await self._digest_there(family, middle):
                low, held = middle, StreamHead(middle, mine)
            else:
                high = middle - 1
        there = await self._ledger.stream_events(family, low, 1, bodies=False)
        if not there and low < ledger.sequence:
            raise _not_given(family)
        if there:
            # What stands there must be signed by us, or nothing of this is to be believed.
            verifier.check(there[0], family, held)
        return held

    async def _fork(self, family: str, common: StreamHead, outcome: Outcome) -> None:
        first = common.sequence + 1
        outcome.forked[family] = first
        tail = await self._store.tail(family, common.sequence)
        what = (
            f"from number {first} on the ledger holds other statements under this member's key than this node"
            f" ({tail.rows} here, {tail.answered} of them answered)"
        )
        await self._store.tell(FORKED, family, first, what, self._clock.now_ms())
        self._log(
            logging.ERROR,
            "STREAM FORKED",
            code=FORKED,
            family=family,
            sequence=first,
            what=what,
            fix=code_info(FORKED).fix,
        )

    async def _page(self, family: str, head: StreamHead, verifier: Verifier, outcome: Outcome) -> StreamHead:
        """Fetch some events, verify them, store them; the head after them."""
        found = await self._ledger.stream_events(family, head.sequence, PAGE, bodies=True)
        if not found:
            raise _not_given(family)
        events, after = verified(found, family, head, verifier)
        taken = await self._store.take_back(family, head, events, self._keys, self._clock.now_ms())
        if taken is None:
            # Somebody numbered events meanwhile: a command of this node.
            raise Retryable("head-moved", "the stream moved while it was compared", where=family)
        outcome.restored[family] = outcome.restored.get(family, 0) + taken.events
        outcome.lost.setdefault(family, []).extend(taken.lost)
        outcome.set_aside.extend(taken.set_aside)
        self._log(
            logging.WARNING,
            "own events came back from the ledger",
            family=family,
            events=taken.events,
            through=after.sequence,
        )
        return after

    async def _tell(self, family: str, outcome: Outcome) -> None:
        count, lost = outcome.restored.get(family, 0), outcome.lost.get(family, [])
        drafted = outcome.drafted.get(family, 0)
        if not count and not drafted:
            return
        head = (await self._store.standing(family)).head
        texts = [f"{count} events came back from the ledger, the last one is {head.sequence}"]
        if lost:
            texts.append(f"the bodies of {_named(lost)} are gone")
        if drafted:
            texts.append(f"{drafted} numbered events are drafts again")
        aside = sorted(set(outcome.set_aside))
        if aside:
            texts.append(f"what was drafted here about {_named(aside)} is set aside")
        await self._store.tell(RESTORED, family, head.sequence, "; ".join(texts), self._clock.now_ms())


def _not_given(family: str) -> Unavailable:
    """What the ledger has numbered is not on the feed yet, or it is no ledger: to be asked again."""
    return Unavailable("service-unavailable", "the ledger does not give what it numbered", where=family)


def verified(
    found: Sequence[StreamEvent], family: str, before: StreamHead, verifier: Verifier
) -> tuple[list[OwnEvent], StreamHead]:
    """A run of events after ``before``, each verified, and the head after them. Raises as :meth:`Verifier.check`."""
    events: list[OwnEvent] = []
    head = before
    for one in found:
        try:
            event = verifier.check(one, family, head)
        except (KeyError, TypeError, ValueError) as error:
            what = f"the body of an accepted event cannot be read: {type(error).__name__}"
            raise FormatError("body-not-json", what, where=_at(family, head.sequence + 1)) from None
        events.append(event)
        head = StreamHead(event.sequence, event.digest)
    return events, head


def _named(items: Sequence[Any]) -> str:
    shown = ", ".join(str(item) for item in items[:MAX_NAMED])
    more = len(items) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
