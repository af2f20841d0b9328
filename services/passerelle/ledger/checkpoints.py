"""Checkpoints: signed only of what lies in two places, stored before they are told, shown only once they are acked.

Order: commit; entries acked on the feed; checkpoint stored by compare-and-swap; acked on the checkpoint topic; shown
(architecture, rule 10). Sources: C2SP tlog-checkpoint and signed-note.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import Fatal, FormatError, ProofError, Unavailable
from passerelle.core.note import NoteSigner, VerifierKey
from passerelle.ledger.outgoing_metrics import CHECKPOINT
from passerelle.ledger.outgoing_ports import EMPTY, CheckpointStore, StoredCheckpoint, TopicTails
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
INTERVAL_S: Final = 1.0
"""Least time between two checkpoints while the log grows: with it the merge delay stays below two seconds."""
IDLE_S: Final = 300.0
"""How often the latest checkpoint is told again while the log does not grow."""

Publish = Callable[[StoredCheckpoint], Awaitable[None]]


class CheckpointBoard:
    """The latest shown checkpoint, held in memory; others may wait until it covers a size."""

    def __init__(self) -> None:
        self._latest: StoredCheckpoint | None = None
        self._changed = asyncio.Condition()
        self.version = 0
        """Rises with every checkpoint and cosignature that is shown."""

    @property
    def latest(self) -> StoredCheckpoint | None:
        """The latest shown checkpoint, None before the first."""
        return self._latest

    @property
    def size(self) -> int:
        """Entries that the latest shown checkpoint covers."""
        return 0 if self._latest is None else self._latest.size

    async def show(self, checkpoint: StoredCheckpoint) -> None:
        """Show a checkpoint, or the latest one with more cosignatures; a smaller one than the latest is not shown."""
        async with self._changed:
            if self._latest is None or _is_more(checkpoint, self._latest):
                self._latest = checkpoint
                CHECKPOINT.set(checkpoint.size)
            self.version += 1
            self._changed.notify_all()

    async def after(self, version: int, timeout_s: float) -> bool:
        """Wait until something was shown after ``version``; False where nothing was by then."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self.version > version)
        except TimeoutError:
            return False
        return True

    async def covering(self, size: int, timeout_s: float) -> StoredCheckpoint:
        """The latest checkpoint once it covers ``size`` entries. Raises Unavailable ``checkpoint-not-ready``."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self.size >= max(size, 1))
        except TimeoutError:
            raise Unavailable(
                "checkpoint-not-ready",
                f"the latest checkpoint covers {self.size} entries, not yet {size}",
                fix="Ask again in a second or two.",
            ) from None
        assert self._latest is not None
        return self._latest


def _is_more(checkpoint: StoredCheckpoint, latest: StoredCheckpoint) -> bool:
    """Whether it covers more, or says the same with more signatures: those only ever join."""
    return checkpoint.size > latest.size or (checkpoint.size == latest.size and len(checkpoint.note) > len(latest.note))


class Checkpointer:
    """Signs what the feed has acked, at most once a second while the log grows, and never the same size twice.

    While it does not grow, the latest one is told again every ``idle_s`` seconds.
    """

    def __init__(
        self,
        store: CheckpointStore,
        signer: NoteSigner,
        board: CheckpointBoard,
        clock: Clock,
        *,
        interval_s: float = INTERVAL_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._store = store
        self._signer = signer
        self._board = board
        self._clock = clock
        self._interval_s = interval_s
        self._idle_s = idle_s
        self._told_at = clock.monotonic()
        self._last: StoredCheckpoint | None = None
        self._signed_at: float | None = None
        self._waiting = False

    def due_in(self) -> float | None:
        """Seconds until the next checkpoint may be signed, None where nothing waits for one."""
        if not self._waiting or self._signed_at is None:
            return None
        return max(0.01, self._signed_at + self._interval_s - self._clock.monotonic())

    async def step(self, acked: int, publish: Publish) -> None:
        """Sign, store, publish and show a checkpoint of the ``acked`` entries when one is due.

        Raises Unavailable (the step is tried again), Fatal ``ledger-diverged``, ``checkpoint-forked`` or
        ``checkpoint-shrunk``.
        """
        last = await self._opened(publish)
        self._waiting = acked > last.size
        now = self._clock.monotonic()
        if not self._waiting:
            if last.size and now >= self._told_at + self._idle_s:
                # The same bytes: nothing new is promised, and whoever listens hears that somebody is there.
                await publish(last)
                self._told_at = now
            return
        if self._signed_at is not None and now < self._signed_at + self._interval_s:
            return
        checkpoint = await self._sign(last, acked)
        await self._store.add(checkpoint)
        self._last, self._signed_at, self._waiting = checkpoint, now, False
        await self._tell(checkpoint, publish)

    async def _opened(self, publish: Publish) -> StoredCheckpoint:
        """The last checkpoint stored; one that was stored and not shown is published first."""
        if self._last is None:
            self._last = await self._store.latest(shown=False) or EMPTY
        if self._last.size > self._board.size:
            await self._tell(self._last, publish)
        return self._last

    async def _sign(self, last: StoredCheckpoint, acked: int) -> StoredCheckpoint:
        roots = await self._store.roots([last.size, acked] if last.size else [acked])
        if last.size and roots[last.size] != last.root:
            # The tree no longer holds what was signed of it: nothing may be signed on top.
            raise Fatal(
                "ledger-diverged", "the tiles do not hold the last checkpoint's root", where=f"size {last.size}"
            )
        checkpoint = Checkpoint(self._signer.verifier.name, acked, roots[acked])
        note = sign_checkpoint(checkpoint, [self._signer]).decode()
        return StoredCheckpoint(acked, checkpoint.root, note, self._clock.now_ms())

    async def _tell(self, checkpoint: StoredCheckpoint, publish: Publish) -> None:
        await publish(checkpoint)
        self._told_at = self._clock.monotonic()
        await self._store.show(checkpoint.size)
        await self._board.show(checkpoint)


async def load_board(store: CheckpointStore, board: CheckpointBoard) -> None:
    """Show what was shown before the restart."""
    shown = await store.latest(shown=True)
    if shown is not None:
        await board.show(shown)


async def verify_start(store: CheckpointStore, tails: TopicTails, vkey: VerifierKey) -> None:
    """Before the first entry is taken: the database must hold all that was promised on the topics.

    Raises Fatal ``checkpoint-behind`` where PostgreSQL is still behind the checkpoint topic or the feed after it was
    filled again, ``ledger-diverged`` where they differ; Unavailable where one does not answer.
    """
    size = await store.size()
    stored = await store.latest(shown=False)
    promised = newest(await tails.checkpoints(), vkey)
    if stored is not None:
        await _require_root(store, stored.size, stored.root, size, "stored checkpoint")
    if promised is not None:
        await _require_root(store, promised.size, promised.root, size, "checkpoint topic")
    for index, entry in await tails.feed():
        if index >= size:
            raise _behind("feed", index + 1, size)
        if await store.entry(index) != entry:
            raise Fatal("ledger-diverged", "an entry on the feed is not the one stored", where=f"index {index}")
    _LOG.info("the database holds what was promised", size=size, checkpoint=promised.size if promised else 0)


def newest(notes: Sequence[bytes], vkey: VerifierKey) -> Checkpoint | None:
    """The largest of these checkpoint notes. Raises Fatal ``ledger-diverged`` where one is not the log's own."""
    found = newest_note(notes, vkey)
    return None if found is None else found[0]


def newest_note(notes: Sequence[bytes], vkey: VerifierKey) -> tuple[Checkpoint, bytes] | None:
    """The largest of these checkpoints with its note. Raises as :func:`newest`."""
    checkpoints = []
    for note in notes:
        try:
            checkpoints.append((open_checkpoint(note, [vkey], origin=vkey.name).checkpoint, note))
        except (FormatError, ProofError) as error:
            raise Fatal(
                "ledger-diverged",
                f"a checkpoint on the topic does not verify under the configured log key: {error.code}",
                where="checkpoint topic",
                fix="Configure the log key that signed it, or find out who wrote to the topic; nothing was changed.",
            ) from None
    return max(checkpoints, key=lambda item: item[0].size, default=None)


async def _require_root(store: CheckpointStore, size: int, root: bytes, held: int, where: str) -> None:
    if size > held:
        raise _behind(where, size, held)
    if (await store.roots([size]))[size] != root:
        raise Fatal(
            "ledger-diverged",
            f"the database has another root than the {where} for {size} entries",
            where=where,
            fix="Stop for good: keep the database, the feed and the checkpoints, and run passerelle ledger check.",
        )


def _behind(where: str, promised: int, held: int) -> Fatal:
    return Fatal(
        "checkpoint-behind",
        f"the database holds {held} entries and the {where} holds {promised}: the database was restored or failed over",
        where=where,
        fix="Bring back a database that holds every promised entry; nothing was written or signed.",
    )
