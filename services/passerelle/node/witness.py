"""A witness: cosigns what extends all that it cosigned before, and raises an alarm where the log contradicts itself.

Order: prove, store by compare-and-swap, cosign, hand over. Sources: C2SP tlog-cosignature and tlog-tiles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import prometheus_client
import structlog

from passerelle.core.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from passerelle.core.errors import Conflict, FormatError, NotFound, PasserelleError, ProofError
from passerelle.core.evidence import contradiction, log_note, tiles_between
from passerelle.core.merkle import EMPTY_ROOT, Path
from passerelle.core.note import CosignatureSigner, VerifierKey, parse_note
from passerelle.core.tiles import TileCoord
from passerelle.node.alarms import Alarms
from passerelle.node.witness_ports import CosignatureDesk, Cosigned, LogReader, WitnessStore
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
MAX_UNSETTLED: Final = 64
"""Checkpoints that could not be compared yet, beyond which no more are read."""
TRIED_AT_ONCE: Final = 4
"""Largest unsettled checkpoints that are tried in one go: mostly the first one is proved."""

_COSIGNED = prometheus_client.Gauge("passerelle_node_cosigned_size", "Largest tree that this node cosigned")


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that the log signed, and its offset on the topic; None where the log itself was asked."""

    opened: OpenedCheckpoint
    offset: int | None

    @property
    def checkpoint(self) -> Checkpoint:
        """Size and root."""
        return self.opened.checkpoint


class Tiles:
    """Tiles of one tree, each fetched once; what is read is what was fetched."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._held: dict[TileCoord, bytes] = {}

    async def contradiction(self, first: Checkpoint, second: Checkpoint) -> Path | None:
        """See :func:`passerelle.core.evidence.contradiction`. Raises NotFound, Unavailable too."""
        by_place: dict[tuple[int, int], bytes] = {}
        for coord in tiles_between(first.size, second.size):
            if coord not in self._held:
                self._held[coord] = await self._log.tile(coord)
            by_place[coord.level, coord.index] = self._held[coord]
        return contradiction(first, second, lambda level, index: by_place[level, index])


class Witness:
    """Takes checkpoints in and settles them. One task at a time works with it; another process may stand beside it."""

    def __init__(
        self,
        store: WitnessStore,
        alarms: Alarms,
        log: LogReader,
        desk: CosignatureDesk,
        signer: CosignatureSigner,
        clock: Clock,
        *,
        network: str,
    ) -> None:
        self._store = store
        self._alarms = alarms
        self._log = log
        self._desk = desk
        self._signer = signer
        self._clock = clock
        self._network = network
        self._unsettled: dict[tuple[int, bytes], Seen] = {}
        self._next = 0
        self._undelivered = True

    @property
    def waiting(self) -> bool:
        """Whether something is left to settle or to hand over."""
        return bool(self._unsettled) or self._undelivered

    @property
    def full(self) -> bool:
        """Whether no more should be taken before something is settled."""
        return len(self._unsettled) >= MAX_UNSETTLED

    def take(self, records: Sequence[tuple[bytes, int]], keys: Sequence[VerifierKey]) -> list[PasserelleError]:
        """Take notes with their offsets in; those that the log with these keys did not sign are left out and told."""
        wrong: list[PasserelleError] = []
        for note, offset in records:
            self._next = max(self._next, offset + 1)
            try:
                opened = open_checkpoint(note, keys, origin=self._network)
            except (FormatError, ProofError) as error:
                wrong.append(error)
                continue
            self._add(Seen(opened, offset))
        return wrong

    def _add(self, seen: Seen) -> None:
        # The empty tree says nothing and is never cosigned.
        if seen.checkpoint.size:
            self._unsettled.setdefault((seen.checkpoint.size, seen.checkpoint.root), seen)

    async def settle(self, keys: Sequence[VerifierKey]) -> None:
        """Compare what was taken in with the promise, move the promise as far as can be proved, cosign and hand over.

        While an alarm is open nothing is done. Raises Unavailable and what else hinders (nothing is lost then: settle
        again), Conflict ``witness-conflict`` where another process moved the promise.
        """
        if await self._alarms.refresh():
            return
        held = await self._held(keys)
        hindrance = None if await self._forked(held) else await self._settle(held, keys)
        if await self._alarms.refresh():
            return
        await self._deliver(keys)
        await self._save_position()
        if hindrance is not None:
            raise hindrance

    async def _held(self, keys: Sequence[VerifierKey]) -> Seen | None:
        promise = await self._store.cosigned()
        if promise is None:
            return None
        _COSIGNED.set(promise.size)
        return Seen(open_checkpoint(promise.note.encode(), keys, origin=self._network), None)

    async def _forked(self, held: Seen | None) -> bool:
        """Raise an alarm where two roots of one size are at hand: nothing has to be fetched to see that."""
        known: dict[int, Seen] = {} if held is None else {held.checkpoint.size: held}
        for seen in list(self._unsettled.values()):
            other = known.setdefault(seen.checkpoint.size, seen)
            if other.checkpoint.root != seen.checkpoint.root:
                await self._alarm(other, seen, (), drop=seen)
                return True
        return False

    async def _settle(self, held: Seen | None, keys: Sequence[VerifierKey]) -> PasserelleError | None:
        """Prove the largest checkpoint that can be, and everything smaller against it; why a larger one was not."""
        size = held.checkpoint.size if held is not None else 0
        larger = sorted((seen for seen in self._unsettled.values() if seen.checkpoint.size > size), key=_size)
        tried = larger[-TRIED_AT_ONCE:]
        asked = [seen for seen in larger if seen.offset is None and seen not in tried]
        hindrance: PasserelleError | None = None
        for candidate in (*reversed(tried), *asked):
            try:
                if await self._prove(held, candidate):
                    await self._promise(held, candidate)
                return hindrance
            except (NotFound, ProofError, FormatError) as error:
                # The tiles are not there yet, or are not this checkpoint's: a smaller one may be provable.
                hindrance = hindrance or error
        if held is not None and self._unsettled:
            await self._prove(held, held)
        if hindrance is not None:
            await self._look(keys)
        return hindrance

    async def _prove(self, held: Seen | None, newest: Seen) -> bool:
        """Whether everything up to ``newest`` is a beginning of it; an alarm is raised at the first that is not."""
        tiles = Tiles(self._log)
        first = held.checkpoint if held is not None else Checkpoint(self._network, 0, EMPTY_ROOT)
        if (hashes := await tiles.contradiction(first, newest.checkpoint)) is not None:
            assert held is not None, "the empty tree is a beginning of every tree"
            await self._alarm(held, newest, hashes, drop=newest)
            return False
        smaller = [seen for seen in self._unsettled.values() if seen.checkpoint.size <= newest.checkpoint.size]
        for seen in sorted(smaller, key=_size):
            if (hashes := await tiles.contradiction(seen.checkpoint, newest.checkpoint)) is not None:
                await self._alarm(seen, newest, hashes, drop=seen)
                return False
            if seen is not newest:
                self._forget(seen)
            # A long backlog is hashed here: others must be heard meanwhile.
            await asyncio.sleep(0)
        return True

    async def _promise(self, held: Seen | None, newest: Seen) -> None:
        """Store the promise; only then is anything cosigned."""
        before = None if held is None else _cosigned(held)
        if not await self._store.advance(before, _cosigned(newest)):
            if await self._alarms.refresh():
                return
            raise Conflict("witness-conflict", "another process moved this witness's promise")
        self._undelivered = True
        self._forget(newest)
        _COSIGNED.set(newest.checkpoint.size)

    async def _alarm(self, first: Seen, second: Seen, hashes: Path, *, drop: Seen) -> None:
        """Tell a contradiction; ``drop`` is not looked at again, so that work goes on once a person has cleared it."""
        await self._alarms.raise_alarm(first.opened, second.opened, hashes)
        self._forget(drop)
        await self._save_position()

    def _forget(self, seen: Seen) -> None:
        self._unsettled.pop((seen.checkpoint.size, seen.checkpoint.root), None)

    async def _look(self, keys: Sequence[VerifierKey]) -> None:
        """Ask the log for its own latest checkpoint: it can be proved from its tiles, and others against it."""
        opened = open_checkpoint(await self._log.checkpoint(), keys, origin=self._network)
        # One at a time: what was asked for before is known by now, or is no better.
        for seen in [seen for seen in self._unsettled.values() if seen.offset is None]:
            self._forget(seen)
        self._add(Seen(opened, None))

    async def _deliver(self, keys: Sequence[VerifierKey]) -> None:
        promise = await self._store.cosigned()
        if promise is None or promise.delivered:
            self._undelivered = False
            return
        note = parse_note(promise.note.encode())
        cosignature = self._signer.cosign(note.text, self._clock.now_ms() // 1000)
        try:
            await self._desk.add_cosignature(note.with_signatures([cosignature]).serialise())
        except PasserelleError as error:
            if error.code == "checkpoint-forked":
                await self._look(keys)
            if error.code != "cosignature-late":
                raise
            _LOG.info("the log has newer cosignatures already", code=error.code, size=promise.size)
        await self._store.note_delivered(promise.size)
        self._undelivered = False

    async def _save_position(self) -> None:
        """What is not settled is read again after a restart."""
        offsets = [seen.offset for seen in self._unsettled.values() if seen.offset is not None]
        if self._next:
            await self._store.save_witness_position(min([*offsets, self._next]))


def _size(seen: Seen) -> int:
    return seen.checkpoint.size


def _cosigned(seen: Seen) -> Cosigned:
    return Cosigned(seen.checkpoint.size, seen.checkpoint.root, log_note(seen.opened).decode())
