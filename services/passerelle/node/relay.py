"""The relay: every numbered event to Kafka, in order, again and again until the ledger has answered it.

A Kafka acknowledgement is not an answer. What was answered is sent once more where the ledger asks for it: its database
was restored, and the bodies are past retention. Nothing goes out before the registry shows the key that signed it,
except the operator's own admission, which the root key signs, and nothing before the node's streams were compared with
the ledger's. A sequence conflict stops the relay: this node's database and the ledger tell two stories of one stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from passerelle.core.errors import Retryable, Unavailable
from passerelle.core.signature import Signer
from passerelle.node.messages import signing_keys
from passerelle.node.ports import DraftStore, OutboxRow, OutboxStore, Publisher
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.clock import Clock
from passerelle.runtime.waking import rung_by, woken

_LOG = structlog.get_logger(__name__)
PAGE: Final = 1024
MAX_DOUBLINGS: Final = 4
IDLE_S: Final = 1.0
"""The database wakes the relay; this is for a wake-up that was lost."""
RETRY_FIRST_S: Final = 0.5
RETRY_LAST_S: Final = 10.0


@dataclass(slots=True)
class _Progress:
    """How far one family was sent: ``oldest`` unanswered since ``since`` (monotonic seconds), sent again ``tries``.

    ``ahead``: rows that were read while those before them were sent; as they were signed then.
    """

    cursor: int = 0
    oldest: int = 0
    since: float = 0.0
    tries: int = 0
    ahead: Sequence[OutboxRow] = ()

    def observe(self, oldest: int, now: float, resend_after_s: float) -> bool:
        """Take note of the oldest unanswered number; True where it is time to send again from there."""
        if oldest != self.oldest:
            self.oldest, self.since, self.tries = oldest, now, 0
            return False
        if self.cursor < oldest or now - self.since < resend_after_s * 2 ** min(self.tries, MAX_DOUBLINGS):
            return False
        self.cursor, self.since, self.tries = oldest - 1, now, self.tries + 1
        return True


class Relay:
    """Releases drafts and sends the outbox. One a node: its progress is in memory and starts at the oldest open row."""

    def __init__(
        self,
        drafts: DraftStore,
        outbox: OutboxStore,
        publisher: Publisher,
        signer: Signer,
        clock: Clock,
        *,
        network: str,
        member: str,
        bootstrap_key: str | None,
        resend_after_s: float,
        held: Callable[[], str] = lambda: "",
        in_flight_max: int | None = None,
        before_release: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """``bootstrap_key``: id of the root key at the operator's node, None elsewhere. ``held``: why nothing may be
        numbered or sent, because the streams were not compared with the ledger's yet; empty where it may.
        ``in_flight_max``: how many unanswered events of a family may be sent; None: any number. ``before_release``:
        what may draft more of itself; how many drafts that were.
        """
        self._drafts = drafts
        self._outbox = outbox
        self._publisher = publisher
        self._signer = signer
        self._clock = clock
        self._network = network
        self._member = member
        self._bootstrap_key = bootstrap_key
        self._resend_after_s = resend_after_s
        self._held = held
        self._in_flight_max = in_flight_max
        self._before_release = before_release
        self._pauses = Backoff(f"relay-{member}", RETRY_FIRST_S, RETRY_LAST_S)
        self._progress: dict[str, _Progress] = {}
        self._asked: dict[str, int] = {}
        """Family -> the next answered number to send once more."""
        self._wake = asyncio.Event()
        self._sign_again = True
        self.state = "starting"
        self.problem: Mapping[str, Any] | None = None
        self.sent = 0

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def rewind(self, family: str, sequence: int) -> None:
        """Send a family again from this number on: the ledger asked."""
        progress = self._progress.setdefault(family, _Progress())
        progress.cursor = min(progress.cursor, sequence - 1)
        self._asked[family] = min(sequence, self._asked.get(family, sequence))
        self.wake()

    def renew_signatures(self) -> None:
        """Sign what is unanswered anew: the ledger did not take the key, or the key changed."""
        self._sign_again = True
        for progress in self._progress.values():
            progress.cursor = 0
        self.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; a broker or database that is away is tried again."""
        with rung_by(stop, self._wake):
            while not stop.is_set():
                self._wake.clear()
                try:
                    busy = await self.step()
                    self._pauses.reset()
                except (Unavailable, Retryable) as error:
                    _LOG.warning("the relay waits", code=error.code, where=error.where)
                    self.state = f"waiting: {error.code}"
                    # New work must not shorten the pause.
                    await self._pauses.pause(stop)
                    continue
                if not busy:
                    await woken(self._wake, IDLE_S)

    async def step(self) -> bool:
        """Release what is ready, send what is open; whether there was anything to do."""
        now = await self._outbox.situation(self._member)
        self.problem = now.problem
        if self.problem is not None:
            # Nothing more is numbered either: it would grow on a stream that the ledger has otherwise.
            self.state = f"stopped: {self.problem['code']}"
            return False
        if why := self._held():
            self.state = why
            return False
        now_ms = self._clock.now_ms()
        drafted = 0 if self._before_release is None else await self._before_release()
        busy = False
        if now.drafts or drafted:
            released = await self._drafts.release_ready(
                self._signer, network=self._network, member=self._member, now_ms=now_ms
            )
            # What was released is sent by the next step, which comes at once.
            busy = released > 0
        keys = await self._usable_keys(now.record, now_ms)
        if keys:
            for family, start in list(self._asked.items()):
                busy = await self._once_more(family, start) or busy
            for family, oldest in now.oldest.items():
                busy = await self._family(family, oldest, keys) or busy
        return busy

    async def _once_more(self, family: str, start: int) -> bool:
        """Send a page of answered rows, as they were signed: the ledger asked from ``start`` on."""
        rows = await self._outbox.answered_rows(family, start - 1, PAGE)
        if rows:
            await self._publisher.publish(family, rows)
            self.sent += len(rows)
        if self._asked.get(family) == start:
            # Unless an earlier number was asked for meanwhile.
            del self._asked[family]
            if rows:
                self._asked[family] = rows[-1].sequence + 1
        return bool(rows)

    async def _usable_keys(self, record: Mapping[str, Any] | None, now_ms: int) -> frozenset[str]:
        """Ids of keys under which rows may go out now; none while the registry does not show this node's key."""
        if record is None and self._bootstrap_key is not None:
            self.state = "waiting: the operator's own admission"
            return frozenset({self._bootstrap_key})
        keys = signing_keys(record, now_ms)
        if self._signer.key_id not in keys:
            status = "absent" if record is None else record.get("status", "active")
            shown = "does not show this node's key" if status == "active" else f"says that this member is {status}"
            self.state = f"waiting: the registry {shown}"
            return frozenset()
        if self._sign_again:
            await self._renew()
        self.state = "relaying"
        return frozenset({self._signer.key_id})

    async def _renew(self) -> None:
        renewed = 0
        while count := await self._outbox.sign_again(self._signer, network=self._network, member=self._member):
            renewed += count
        self._sign_again = False
        for progress in self._progress.values():
            progress.ahead = ()
        if renewed:
            _LOG.info("signed unanswered events anew", events=renewed, key=self._signer.key_id)

    async def _family(self, family: str, oldest: int, keys: frozenset[str]) -> bool:
        progress = self._progress.setdefault(family, _Progress())
        again = progress.observe(oldest, self._clock.monotonic(), self._resend_after_s)
        start = max(progress.cursor, oldest - 1)
        most = PAGE if self._in_flight_max is None else min(PAGE, self._in_flight_max - (start - oldest + 1))
        if most <= 0:
            # The next receipt wakes the relay, or the time comes to send again.
            return False
        rows = await self._page(family, start, most)
        foreign = next((place for place, row in enumerate(rows) if row.signed.key_id not in keys), None)
        if foreign == 0:
            # Signed under a key that went since: the next step signs it anew.
            self._sign_again = True
        rows = rows[:foreign]
        if not rows:
            return False
        try:
            await self._publish(family, rows, more=foreign is None and len(rows) == PAGE)
        except Unavailable:
            progress.cursor = oldest - 1
            raise
        progress.cursor = rows[-1].sequence
        if progress.tries == 0 and not again:
            progress.since = self._clock.monotonic()
        self.sent += len(rows)
        await self._outbox.note_sent(family, progress.cursor, now_ms=self._clock.now_ms(), again=again)
        return True

    async def _page(self, family: str, start: int, most: int) -> Sequence[OutboxRow]:
        """At most ``most`` unanswered rows after ``start``: those read ahead, if they are the next ones."""
        progress = self._progress[family]
        ahead, progress.ahead = progress.ahead, ()
        if ahead and ahead[0].sequence == start + 1:
            return ahead[:most]
        return await self._outbox.open_rows(family, start, most)

    async def _publish(self, family: str, rows: Sequence[OutboxRow], *, more: bool) -> None:
        """Send rows until they are acknowledged; where there may be ``more``, the next page is read meanwhile."""
        if not more:
            await self._publisher.publish(family, rows)
            return
        reading = asyncio.create_task(self._outbox.open_rows(family, rows[-1].sequence, PAGE))
        try:
            await self._publisher.publish(family, rows)
            self._progress[family].ahead = await reading
        finally:
            reading.cancel()
            await asyncio.wait({reading})
