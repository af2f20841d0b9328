"""Taking in what comes from Kafka: registry, inbox, feed, checkpoints; each once, in order, with its position."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson
import structlog

from passerelle.core.checkpoint import OpenedCheckpoint, open_checkpoint
from passerelle.core.errors import FormatError, PasserelleError, ProofError, Retryable, Unavailable
from passerelle.core.evidence import log_note
from passerelle.core.note import VerifierKey
from passerelle.events.topics import CHECKPOINT, FEED, REGISTRY
from passerelle.node.alarms import Alarms
from passerelle.node.messages import SKIPPED, FeedEvent, InboxRecord, checked, is_newer, read_feed, read_inbox
from passerelle.node.ports import Arrived, InboxEffects, InboxStore, Ledger, OutboxStore, Source
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.clock import Clock
from passerelle.runtime.waking import rung_by, woken

_LOG = structlog.get_logger(__name__)
RETRY_FIRST_S: Final = 0.5
RETRY_LAST_S: Final = 10.0


class IntakeStore(InboxStore, OutboxStore, Protocol):
    """What comes in, and the registry's records."""


class Intake:
    """Reads the node's topics. ``effects`` hears what the relay must do."""

    def __init__(
        self,
        store: IntakeStore,
        source: Source,
        ledger: Ledger,
        clock: Clock,
        *,
        network: str,
        operator: str,
        effects: Callable[[InboxEffects], None],
        registry_changed: Callable[[], None],
        alarms: Alarms,
        inbox_open: Callable[[], bool] = lambda: True,
        name: str = "",
    ) -> None:
        """``inbox_open``: whether the streams were compared with the ledger's. Receipts name a number, so they are not
        taken in while another event may stand at that number here. ``name`` is the member's: nodes pause each in its
        own time.
        """
        self._store = store
        self._source = source
        self._ledger = ledger
        self._clock = clock
        self._network = network
        self._operator = operator
        self._effects = effects
        self._registry_changed = registry_changed
        self._alarms = alarms
        self._inbox_open = inbox_open
        self._wake = asyncio.Event()
        # The largest checkpoint of the batches so far, by its size.
        self._newest: dict[int, OpenedCheckpoint] = {}
        # The newest batch of checkpoints that came before the registry said by which key the log signs.
        self._unread: Arrived | None = None
        self._inbox = 0
        self._feed = 0
        self._pauses = Backoff(f"intake-{name}", RETRY_FIRST_S, RETRY_LAST_S)
        self._heard_at = clock.monotonic()
        self.state = "starting"

    @property
    def silent_s(self) -> float:
        """Seconds since a checkpoint came, or since the start."""
        return self._clock.monotonic() - self._heard_at

    def wake(self) -> None:
        """The inbox may be read now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event, topics: tuple[str, ...]) -> None:
        """Work until ``stop``; a broker, database or query service that is away is tried again from the positions."""
        with rung_by(stop, self._wake):
            while not stop.is_set():
                try:
                    await self._read(stop, topics)
                except (Unavailable, Retryable) as error:
                    _LOG.warning("the intake waits", code=error.code, where=error.where)
                    self.state = f"waiting: {error.code}"
                    if error.code == "sequence-conflict":
                        # Nothing was taken in: first the streams are compared, then the receipt is read again.
                        self._effects(InboxEffects(conflict=True))
                    await self._pauses.pause(stop)

    async def _read(self, stop: asyncio.Event, topics: tuple[str, ...]) -> None:
        positions = await self._store.positions()
        self._inbox = positions.get("inbox", (0, None))[0]
        self._feed = positions.get("feed", (0, None))[0]
        inbox = next(topic for topic in topics if topic.startswith("passerelle.inbox."))
        names = {"inbox": inbox, "feed": FEED, "checkpoint": CHECKPOINT}
        is_open = self._inbox_open()
        offsets: dict[str, int | None] = dict.fromkeys(topic for topic in topics if is_open or topic != inbox)
        offsets |= {
            topic: positions[name][1] for name, topic in names.items() if name in positions and topic in offsets
        }
        batches = self._source.batches(offsets)
        following: asyncio.Future[Arrived] | None = None
        try:
            # Once the inbox is open, or shut, everything is read anew from the positions.
            while not stop.is_set() and self._inbox_open() == is_open:
                self._wake.clear()
                if following is None:
                    following = asyncio.ensure_future(anext(batches))
                    following.add_done_callback(lambda _: self._wake.set())
                if not following.done():
                    await woken(self._wake)
                # The stop ends a wait for records at once; a batch that has arrived is taken in whole first.
                if following.done():
                    arrived, following = following.result(), None
                    if arrived.topic == inbox and not self._inbox_open():
                        return
                    self.state = "reading"
                    await self.take(arrived)
                    self._pauses.reset()
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait({following})
            await batches.aclose()

    async def take(self, arrived: Arrived) -> None:
        """Take one batch in."""
        if arrived.topic == REGISTRY:
            await self._take_registry(arrived)
        elif arrived.topic == FEED:
            await self._take_feed(arrived)
        elif arrived.topic == CHECKPOINT:
            await self._take_checkpoint(arrived)
        else:
            await self._take_inbox(arrived)

    async def _take_registry(self, arrived: Arrived) -> None:
        members: dict[str, Any] = {}
        for _headers, value, offset, key in arrived.records:
            try:
                if key and value:
                    name, record = key.decode("ascii"), orjson.loads(value)
                    if not isinstance(record, dict):
                        raise ValueError
                    if is_newer(record, members.get(name)):
                        members[name] = record
            except ValueError:
                await self._problem(
                    FormatError("line-malformed", "a registry record cannot be read", where=str(offset))
                )
        await self._store.put_members(members)
        self._registry_changed()
        if self._unread is not None:
            # There may be no later checkpoint for long.
            await self._take_checkpoint(self._unread)

    async def _take_inbox(self, arrived: Arrived) -> None:
        records: list[InboxRecord] = []
        expected = self._inbox + 1
        for headers, value, _offset, _key in arrived.records:
            try:
                record = read_inbox(headers, value)
            except FormatError as error:
                await self._problem(error)
                continue
            if record.number < expected:
                continue
            if record.number > expected:
                records += await self._missing(expected, record.number)
            records.append(await self._checked(record))
            expected = record.number + 1
        next_offset = arrived.records[-1][2] + 1
        self._effects(await self._store.take_inbox(records, next_offset, self._clock.now_ms()))
        self._inbox = expected - 1

    async def _missing(self, first: int, until: int) -> list[InboxRecord]:
        """Inbox records that Kafka no longer has, from the ledger by number. Those before the first one that it still
        has are past retention: they are named in a problem and passed. Raises Unavailable where it gives none at all.
        """
        found: list[InboxRecord] = []
        while first < until:
            page = await self._ledger.list_inbox(first - 1)
            if not page:
                raise Unavailable("service-unavailable", "the ledger does not give the missing records", where="inbox")
            following = min(until, page[0].number)
            if following > first:
                what = f"inbox records {first} to {following - 1} are past retention"
                await self._problem(FormatError("inbox-lost", what, where="inbox"))
                found.append(InboxRecord(following - 1, SKIPPED, {}))
            given = [record for record in page if record.number < until]
            found += [await self._checked(record) for record in given]
            first = given[-1].number + 1 if given else until
        _LOG.info("fetched inbox records that Kafka no longer had", records=len(found))
        return found

    async def _checked(self, record: InboxRecord) -> InboxRecord:
        try:
            return checked(record)
        except FormatError as error:
            await self._problem(error)
            return InboxRecord(record.number, SKIPPED, {})

    async def _take_feed(self, arrived: Arrived) -> None:
        events: list[FeedEvent] = []
        for headers, value, _offset, _key in arrived.records:
            try:
                event = read_feed(headers, value)
            except PasserelleError as error:
                await self._problem(error)
                continue
            if event.index > self._feed:
                what = f"indices {self._feed} to {event.index - 1} are missing on the feed"
                await self._problem(FormatError("feed-gap", what, where="feed"))
            if event.index >= self._feed:
                events.append(event)
                self._feed = event.index + 1
        if events:
            await self._store.take_feed(events, arrived.records[-1][2] + 1)

    async def _take_checkpoint(self, arrived: Arrived) -> None:
        """Keep the newest checkpoint of the batch, once the registry says by which key the log signs.

        Two roots of one size raise an alarm.
        """
        self._heard_at = self._clock.monotonic()
        operator = await self._store.own_record(self._operator)
        vkey = (operator or {}).get("details", {}).get("log_vkey")
        self._unread = None if vkey else arrived
        if not vkey:
            return
        keys = [VerifierKey.parse(vkey)]
        known = dict(self._newest)
        wrong: list[PasserelleError] = []
        for _headers, value, _offset, _key in arrived.records:
            try:
                opened = open_checkpoint(value or b"", keys, origin=self._network)
            except (FormatError, ProofError) as error:
                wrong.append(error)
                continue
            other = known.setdefault(opened.checkpoint.size, opened)
            if other.checkpoint.root != opened.checkpoint.root:
                await self._alarms.raise_alarm(other, opened, ())
        if wrong:
            await self._problem(wrong[0])
        if known:
            newest = known[max(known)]
            self._newest = {newest.checkpoint.size: newest}
            await self._keep_checkpoint(newest, keys, arrived.records[-1][2] + 1)

    async def _keep_checkpoint(self, newest: OpenedCheckpoint, keys: list[VerifierKey], next_offset: int) -> None:
        checkpoint, note = newest.checkpoint, log_note(newest).decode()
        held = await self._store.put_checkpoint(checkpoint.size, checkpoint.root, note, next_offset)
        if held is not None:
            first = open_checkpoint(held.encode(), keys, origin=self._network)
            await self._alarms.raise_alarm(first, newest, ())

    async def _problem(self, error: PasserelleError) -> None:
        _LOG.error("a record was not taken in", code=error.code, what=error.what, where=error.where)
        await self._store.add_problem(error.code, f"{error.what} ({error.where})", error.fix, self._clock.now_ms())
