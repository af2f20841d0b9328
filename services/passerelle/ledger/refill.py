"""Filling the database again from the feed, at the start, where it is behind what was promised (architecture, rule 10).

A database that was restored or failed over lacks entries that the feed holds. First the whole feed beyond it is read
and its tree held against the last checkpoint: where they differ nothing is written. Then every entry is verified and
committed as it once was, by the ledger's own commit. What members were told meanwhile is read from their inboxes, so
that their numbers go on where they stand and nothing is told twice. Only then anything new is decided or signed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson
import structlog

from passerelle.core.checkpoint import Checkpoint
from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.merkle import Frontier, leaf_hash
from passerelle.core.note import VerifierKey
from passerelle.core.registry import ADMITTED
from passerelle.core.statement import digest
from passerelle.events.topics import inbox_topic
from passerelle.ledger.checkpoints import newest_note
from passerelle.ledger.model import CommitPlan, LedgerState, Place
from passerelle.ledger.outgoing_ports import (
    CheckpointStore,
    OutgoingStore,
    Record,
    StoredCheckpoint,
    Topics,
    TopicTails,
)
from passerelle.ledger.ports import Store
from passerelle.ledger.publisher import inbox_record
from passerelle.ledger.refill_letters import Told
from passerelle.ledger.refill_plan import Recorded, Refiller, recorded
from passerelle.ledger.refill_ports import FeedRecord, FeedSource, InboxTopics, IngressSource, LetterStore
from passerelle.runtime.clock import Clock

DIVERGED: Final = "ledger-diverged"
PLAN_MAX: Final = 4000
"""Most entries in one commit."""
ASK_AGAIN_MS: Final = 10 * 60 * 1000
"""A sender is asked for its bodies no more often than this."""
TOLD_EVERY_S: Final = 5.0
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """What lies on the topics."""

    feed: FeedSource
    ingress: IngressSource
    inboxes: InboxTopics
    tails: TopicTails


@dataclass(frozen=True, slots=True)
class Keeping:
    """What lies in the database beside what the ledger's own commit writes."""

    letters: LetterStore
    outgoing: OutgoingStore
    checkpoints: CheckpointStore


@dataclass(frozen=True, slots=True)
class _Promise:
    """How far the feed goes, and the newest checkpoint with its note."""

    end: int
    checkpoint: Checkpoint | None
    note: bytes

    @property
    def size(self) -> int:
        """Entries that were promised in public."""
        return max(self.end, 0 if self.checkpoint is None else self.checkpoint.size)


class Refill:
    """Runs once, before the state is loaded for good: what members were told is looked at even where no entry is
    missing, because a letter of what spent no number has no entry.
    """

    def __init__(
        self,
        sources: Sources,
        keeping: Keeping,
        topics: Topics,
        vkey: VerifierKey,
        clock: Clock,
        *,
        things_cached: int = 100_000,
        lossy: bool = False,
    ) -> None:
        """With ``lossy`` accepted entries whose bodies are gone are kept without their effects."""
        self._sources = sources
        self._keeping = keeping
        self._topics = topics
        self._vkey = vkey
        self._clock = clock
        self._things_cached = things_cached
        self._lossy = lossy

    async def run(self, store: Store) -> int:
        """Fill ``store`` where it is behind; the number of entries that were written.

        Raises Fatal ``ledger-diverged`` where feed, checkpoint and database do not agree, ``lease-lost`` where another
        ledger took over; Unavailable
        ``refill-waiting`` where bodies are past retention: their senders were asked, and the next start goes on;
        Unavailable of servers: what was committed stays, and the next start goes on.
        """
        state = await store.load()
        promise = await self._promise()
        size = state.head.size
        if promise.size <= size:
            # Nothing of the log is missing; what spends no number may have been told since all the same.
            await self._settle_inboxes(sorted(state.registry.members), promise.size)
            return 0
        # Another ledger may have taken over since the load, and promised more: then this one ends here.
        await store.load()
        checkpoint = promise.checkpoint
        _LOG.warning(
            "the database is behind what was promised: it is filled again from the feed",
            size=size,
            feed=promise.end,
            checkpoint=0 if checkpoint is None else checkpoint.size,
        )
        try:
            admitted = await self._survey(store, state, promise)
            await self._settle_inboxes(sorted({*state.registry.members, *admitted}), promise.size)
            await self._fill(store, promise.size)
            await self._finish(store, promise)
        except Fatal as error:
            if error.code == DIVERGED:
                # Another ledger may have filled the database meanwhile: what was read then is of two times, and it is
                # the lease that was lost.
                await store.load()
            raise
        _LOG.warning("the database holds what was promised again", size=promise.size, entries=promise.size - size)
        return promise.size - size

    async def _promise(self) -> _Promise:
        found = newest_note(await self._sources.tails.checkpoints(), self._vkey)
        end = max((index + 1 for index, _ in await self._sources.tails.feed()), default=0)
        return _Promise(end, None, b"") if found is None else _Promise(end, *found)

    # First reading: nothing is written before the tree is known to be the promised one

    async def _survey(self, store: Store, state: LedgerState, promise: _Promise) -> Collection[str]:
        """Hold the feed's tree against the checkpoint; the members that it admits. Raises Fatal."""
        size, checkpoint = state.head.size, promise.checkpoint
        if checkpoint is not None and checkpoint.size <= size:
            _require(await store.root_at(checkpoint.size) == checkpoint.root, checkpoint.size)
        frontier = Frontier(size, state.head.peaks)
        admitted: set[str] = set()
        async for records in self._sources.feed.records(max(size - 1, 0)):
            for record in records:
                if record.index < size:
                    await self._same_as_stored(record)
                    continue
                admitted.update(_admitted(recorded(record)))
                frontier.append(leaf_hash(record.entry))
                if checkpoint is not None and frontier.size == checkpoint.size:
                    _require(frontier.root() == checkpoint.root, checkpoint.size)
        if frontier.size < promise.size:
            raise _diverged(f"the feed ends at {frontier.size} entries and {promise.size} were promised", "feed")
        return admitted

    async def _same_as_stored(self, record: FeedRecord) -> None:
        if await self._keeping.checkpoints.entry(record.index) != record.entry:
            raise _diverged("an entry on the feed is not the one stored", f"feed index {record.index}")

    # What members were told

    async def _settle_inboxes(self, members: Sequence[str], size: int) -> None:
        """Store what was published meanwhile under its own numbers; later letters follow the last of them."""
        await self._topics.ensure(members, fixed=True)
        letters = self._keeping.letters
        numbers = await letters.numbers()
        held = {member: numbers.get(member, (0, 0))[0] for member in members}
        published = await self._sources.inboxes.published(held)
        behind = {member: number for member, number in published.items() if number > held[member]}
        if behind:
            _LOG.warning("members were told more than the database holds", members=len(behind))
            await letters.mark(size)
        for member, number in behind.items():
            async for chunk in self._sources.inboxes.letters(member, held[member]):
                await letters.restore(chunk, size)
            await letters.settle(member, number, size, self._clock.now_ms())

    # Second reading: verified and written

    async def _fill(self, store: Store, goal: int) -> None:
        state = await store.load()
        told = Told()
        async for rows in self._keeping.letters.told(state.head.size):
            for row in rows:
                told.note(row)
        beginnings = await self._sources.ingress.beginnings()
        starts = {place: state.offsets.get(place, 0) for place in beginnings}
        refiller = Refiller(state, told, beginnings, goal=goal, things_cached=self._things_cached, lossy=self._lossy)
        told_at = self._clock.monotonic()
        async for entries in self._entries(state.head.size):
            held = await self._with_bodies(entries, starts)
            ready = held if self._lossy else held[: _first_missing(held)]
            for group in _by_instant(ready):
                await self._commit(store, refiller, group)
            await self._keeping.outgoing.save_feed(refiller.size)
            if len(ready) < len(held):
                await self._ask(store, [found for found in held if found.needs_body], goal)
            if self._clock.monotonic() >= told_at + TOLD_EVERY_S:
                told_at = self._clock.monotonic()
                _LOG.info("filling again", size=refiller.size, of=goal)
        if refiller.lost:
            _LOG.error("entries were kept without their effects, as the operator accepted", entries=refiller.lost)

    async def _entries(self, start: int) -> AsyncIterator[list[Recorded]]:
        """Chunks of the feed. One instant's entries, which were one commit, stay together up to a bound."""
        pending: list[Recorded] = []
        async for records in self._sources.feed.records(start):
            pending += map(recorded, records)
            last = pending[-1].entry.accepted_at
            whole = next((at for at in range(len(pending), 0, -1) if pending[at - 1].entry.accepted_at != last), 0)
            if len(pending) - whole >= PLAN_MAX:
                whole = len(pending)
            if whole:
                yield pending[:whole]
                pending = pending[whole:]
        if pending:
            yield pending

    async def _with_bodies(self, entries: Sequence[Recorded], starts: dict[Place, int]) -> list[Recorded]:
        """The entries with their bodies, as far as any ingress record still has them."""
        bodies = await self._sources.ingress.fetch([found.place for found in entries if found.body is None])
        held = [_holding(found, bodies.get(found.place)) for found in entries]
        if any(found.needs_body for found in held):
            # Their senders may have relayed them again since; the bodies of refused events come along.
            missing = {digest(found.entry.statement) for found in held if found.body is None}
            again = await self._sources.ingress.search(missing, starts)
            held = [_holding(found, again.get(digest(found.entry.statement))) for found in held]
        return held

    async def _commit(self, store: Store, refiller: Refiller, entries: Sequence[Recorded]) -> None:
        refiller.begin(entries)
        while (needs := refiller.advance()) is not None:
            refiller.take(needs, await store.answer(needs))
        plan = refiller.finish()
        if plan.admitted:
            await self._topics.ensure(plan.admitted, fixed=False)
        await store.commit(plan)

    async def _finish(self, store: Store, promise: _Promise) -> None:
        """The tree as written is the promised one; the promise itself is kept again."""
        checkpoint, checkpoints = promise.checkpoint, self._keeping.checkpoints
        if checkpoint is None:
            return
        _require(await store.root_at(checkpoint.size) == checkpoint.root, checkpoint.size)
        stored = await checkpoints.latest(shown=False)
        if stored is None or stored.size < checkpoint.size:
            note = promise.note.decode()
            await checkpoints.add(StoredCheckpoint(checkpoint.size, checkpoint.root, note, self._clock.now_ms()))
            await checkpoints.show(checkpoint.size)

    # Bodies past retention

    async def _ask(self, store: Store, missing: Sequence[Recorded], goal: int) -> None:
        """Ask the senders to relay their streams again from the first missing body, then stop.

        Raises Unavailable ``refill-waiting``.
        """
        state = await store.load()
        head, now = state.head, self._clock.now_ms()
        plan = CommitPlan(head.size, head.size, head.accepted_at, head.peaks)
        first: dict[tuple[str, str], int] = {}
        for found in missing:
            first.setdefault((found.statement.member, found.statement.family), found.statement.sequence)
        for (member, family), sequence in first.items():
            value = orjson.dumps({"family": family, "sequence": sequence})
            if await self._keeping.letters.asked(member, value, now - ASK_AGAIN_MS):
                continue
            number = state.inbox_numbers.get(member, 0) + 1
            state.inbox_numbers[member] = plan.inbox_heads[member] = number
            plan.inbox.append((member, number, "resend-from", goal, None, value, now))
        if plan.inbox:
            await store.commit(plan)
        await self._send_letters(goal)
        streams = ", ".join("/".join(stream) for stream in first)
        raise Unavailable(
            "refill-waiting",
            f"{len(missing)} bodies at and after this index are past retention; asked of the senders of {streams}",
            where=f"feed index {missing[0].index}",
            fix="Start again once they have relayed; or give the bodies up with --accept-missing-bodies.",
        )

    async def _send_letters(self, size: int) -> None:
        """Publish what waits in the inboxes: the publisher does not run yet."""
        outgoing = self._keeping.outgoing
        while rows := await outgoing.inboxes(size):
            batches: dict[str, list[Record]] = {}
            for row in rows:
                batches.setdefault(inbox_topic(row.member), []).append(inbox_record(row))
            await self._topics.publish(batches)
            await outgoing.save_inboxes({row.member: row.number for row in rows})
        await self._topics.close()


def _admitted(found: Recorded) -> Sequence[str]:
    """The member that an entry admits, where it admits one. Its body is public and on the feed."""
    if found.statement.family != "member" or not found.entry.accepted or found.body is None:
        return ()
    try:
        body = orjson.loads(found.body)
        return (str(body["subject"]),) if body["type"] == ADMITTED else ()
    except (KeyError, TypeError, ValueError) as error:
        what = f"an accepted member event cannot be read: {type(error).__name__}"
        raise _diverged(what, f"feed index {found.index}") from None


def _holding(found: Recorded, body: bytes | None) -> Recorded:
    """With the body, where it is the one that was signed. Another one is of a topic that was made anew."""
    if found.body is not None or body is None or digest(body) != found.statement.body_sha256:
        return found
    return replace(found, body=body)


def _first_missing(entries: Sequence[Recorded]) -> int:
    return next((at for at, found in enumerate(entries) if found.needs_body), len(entries))


def _by_instant(entries: Sequence[Recorded]) -> list[Sequence[Recorded]]:
    """Runs of entries with one ``accepted_at``, none longer than a commit may be."""
    groups: list[Sequence[Recorded]] = []
    start = 0
    for at in range(1, len(entries) + 1):
        ended = at == len(entries) or entries[at].entry.accepted_at != entries[start].entry.accepted_at
        if ended or at - start == PLAN_MAX:
            groups.append(entries[start:at])
            start = at
    return groups


def _require(same: bool, size: int) -> None:
    if not same:
        raise _diverged(f"feed and database give another root than the checkpoint of {size} entries", "checkpoint")


def _diverged(what: str, where: str) -> Fatal:
    return Fatal(
        DIVERGED,
        what,
        where=where,
        fix="Stop for good: keep the database, the feed and the checkpoints; nothing was signed.",
    )


__all__ = ["Keeping", "Refill", "Sources"]
