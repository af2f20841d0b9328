"""Events that wait: for an earlier number of their stream, or for a thing of another one. Bounded by stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from passerelle.ledger.model import Limits, Prepared, StreamId


@dataclass(slots=True)
class Parked:
    """One waiting event. ``arrived_at`` (Unix ms) was stored with it and survives a restart."""

    item: Prepared
    arrived_at: int


@dataclass(slots=True)
class Lane:
    """The waiting events of one stream.

    ``blocked_on`` is the key that its next event waits for, empty while an earlier number is missing; ``where`` the
    field that names it. ``bytes`` are those of the bodies. ``gap`` is the number that is missing and ``gap_since`` when
    that was first seen.
    """

    events: dict[int, Parked] = field(default_factory=dict)
    blocked_on: str = ""
    where: str = ""
    gap: int = 0
    gap_since: int = 0
    ask_at: int = 0
    ask_delay: int = 0
    dropped: bool = False
    bytes: int = 0


class Parking:
    """All lanes, and who waits for which key."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.lanes: dict[StreamId, Lane] = {}
        self._waiters: dict[str, set[StreamId]] = {}
        self.count = 0
        self.bytes = 0

    def add(self, item: Prepared, arrived_at: int, *, first: bool) -> bool:
        """Park an event; False where the stream's lane is full. The stream's next event (``first``) always fits."""
        lane = self.lanes.get(item.stream)
        if lane is None:
            lane = self.lanes[item.stream] = Lane()
        size = len(item.body)
        full = len(lane.events) >= self.limits.park_max or lane.bytes + size > self.limits.park_bytes
        if full and not first:
            return False
        lane.events[item.statement.sequence] = Parked(item, arrived_at)
        lane.bytes += size
        self.bytes += size
        self.count += 1
        # The body is read again when its turn comes: waiting events hold their bytes only once.
        item.event, item.refusal, item.needs = None, None, frozenset()
        return True

    def remove(self, stream: StreamId, sequence: int) -> Parked:
        """Take an event out; an empty lane stays until the sequencer has looked at it."""
        lane = self.lanes[stream]
        parked = lane.events.pop(sequence)
        size = len(parked.item.body)
        lane.bytes -= size
        self.bytes -= size
        self.count -= 1
        return parked

    def block(self, stream: StreamId, key: str, where: str) -> None:
        """The stream's next event waits for ``key``."""
        lane = self.lanes[stream]
        self.unblock(stream)
        lane.blocked_on, lane.where = key, where
        self._waiters.setdefault(key, set()).add(stream)

    def unblock(self, stream: StreamId) -> None:
        """The stream's next event is to be decided again."""
        lane = self.lanes[stream]
        waiting = self._waiters.get(lane.blocked_on)
        if waiting is not None:
            waiting.discard(stream)
            if not waiting:
                del self._waiters[lane.blocked_on]
        lane.blocked_on, lane.where = "", ""

    def woken(self, key: str) -> tuple[StreamId, ...]:
        """The streams whose next event waits for ``key``, in a fixed order."""
        waiting = self._waiters.get(key)
        return tuple(sorted(waiting)) if waiting else ()

    def overdue(self, next_of: dict[StreamId, int], now: int) -> list[StreamId]:
        """Streams whose next event has waited for its reference as long as it may."""
        limit = now - self.limits.reference_wait_ms
        late = []
        for stream, lane in self.lanes.items():
            if lane.blocked_on:
                first = lane.events.get(next_of[stream])
                if first is not None and first.arrived_at <= limit:
                    late.append(stream)
        return late

    def asks(self, next_of: dict[StreamId, int], now: int) -> Iterator[tuple[StreamId, int]]:
        """(stream, number) for each gap that is to be asked for now: at once, then with back-off."""
        for stream, lane in self.lanes.items():
            if lane.blocked_on or not lane.events:
                continue
            missing = next_of[stream]
            if lane.gap != missing:
                lane.gap, lane.ask_at, lane.ask_delay = missing, now, self.limits.ask_after_ms
                lane.gap_since = min(parked.arrived_at for parked in lane.events.values())
            if lane.ask_at <= now:
                lane.ask_at = now + lane.ask_delay
                lane.ask_delay = min(2 * lane.ask_delay, self.limits.ask_at_most_every_ms)
                yield stream, missing

    def stalled(self, now: int) -> list[tuple[StreamId, int]]:
        """(stream, missing number) of gaps that are open for longer than the alarm's limit."""
        limit = now - self.limits.gap_alarm_ms
        return [
            (stream, lane.gap)
            for stream, lane in self.lanes.items()
            if lane.gap and not lane.blocked_on and lane.events and lane.gap_since <= limit
        ]
