"""``ledger export`` and ``ledger import``: a log out to one file, and verified into an empty database again."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from passerelle.core.checkpoint import Checkpoint, open_checkpoint
from passerelle.core.entry import parse_entry
from passerelle.core.errors import Fatal, PasserelleError, Unavailable
from passerelle.core.merkle import HASH_SIZE, Frontier, leaf_hashes
from passerelle.core.note import VerifierKey
from passerelle.core.registry import Registry
from passerelle.core.tiles import WIDTH, grow, parse_bundle_path, parse_tile_path, width_at
from passerelle.ledger.archive import (
    CHECKPOINT,
    MANIFEST,
    Bundle,
    Manifest,
    bundle_files,
    malformed,
    new_archive,
    parse_manifest,
    read_archive,
    tile_path,
)
from passerelle.ledger.check_ports import CheckStore, EntryRow
from passerelle.ledger.check_run import Progress, Report, Snapshot, replay_all, run_check
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.replay import Replay
from passerelle.runtime.clock import Clock

TILES_AT_ONCE: Final = 64


class ExportStore(CheckStore, Protocol):
    """One snapshot of the ledger's database."""

    async def ingress_offsets(self, size: int) -> list[tuple[str, int, int]]:
        """Topic, partition and offset where reading goes on after the first ``size`` entries."""
        ...

    async def inbox_numbers(self) -> dict[str, int]:
        """The last number published in each inbox."""
        ...


class ImportStore(Snapshot, Protocol):
    """An empty database in an open transaction."""

    async def add_entries(self, rows: Sequence[EntryRow]) -> None:
        """Entries and their bodies, in order."""
        ...

    async def add_tile(self, level: int, n: int, hashes: bytes) -> None:
        """One tile."""
        ...

    async def finish(
        self,
        network: str,
        checkpoint: StoredCheckpoint,
        frontier: bytes,
        ingress: Sequence[tuple[str, int, int]],
        inboxes: dict[str, int],
    ) -> None:
        """Head, checkpoint and positions."""
        ...

    async def replace(self, replay: Replay) -> dict[str, int]:
        """The read models."""
        ...


async def export_archive(
    store: ExportStore, path: Path, *, private: bool, progress: Progress | None = None
) -> Manifest:
    """Write the log up to its latest shown checkpoint to a new file; it appears there whole or not at all.

    With ``private`` also what is about learners. Raises Unavailable ``checkpoint-not-ready``, PasserelleError where the
    file cannot be written.
    """
    latest: StoredCheckpoint | None = None
    async for row in store.checkpoints():
        latest = row.checkpoint if row.shown else latest
    head = await store.head()
    if latest is None or head is None:
        raise Unavailable("checkpoint-not-ready", "the database holds no checkpoint that was shown", where="checkpoint")
    if path.exists():
        raise PasserelleError("argument-invalid", "the file exists already", where=path.name)
    size, part = latest.size, path.with_name(f"{path.name}.part")
    manifest = Manifest(
        head.network,
        size,
        latest.root.hex(),
        private,
        ingress=await store.ingress_offsets(size) if private else (),
        inboxes=await store.inbox_numbers() if private else {},
    )
    part.unlink(missing_ok=True)
    try:
        with new_archive(part) as writer:
            writer.add(CHECKPOINT, latest.note.encode())
            async for first, rows in _bundles(store, size):
                for name, data in bundle_files(first, rows, private=private):
                    writer.add(name, data)
                if progress is not None:
                    progress(first + len(rows), size)
            async for name, data in _tiles(store, size):
                writer.add(name, data)
            writer.finish(manifest)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return manifest


async def _bundles(store: CheckStore, size: int) -> AsyncIterator[tuple[int, list[EntryRow]]]:
    """The first ``size`` entries by 256. Raises Fatal ``ledger-diverged`` where one is missing."""
    pending: list[EntryRow] = []
    done = 0
    async for rows in store.entries():
        pending += rows[: max(0, size - done - len(pending))]
        while len(pending) >= WIDTH:
            yield done, pending[:WIDTH]
            pending, done = pending[WIDTH:], done + WIDTH
        if done + len(pending) == size:
            break
    if pending:
        yield done, pending
    if done + len(pending) != size:
        raise Fatal("ledger-diverged", f"the log lacks entries of its checkpoint of {size}", where="ledger.entry")


async def _tiles(store: CheckStore, size: int) -> AsyncIterator[tuple[str, bytes]]:
    """Every tile at ``size``, lowest level first."""
    level = 0
    while count := size >> (8 * level):
        last = (count - 1) // WIDTH
        for first in range(0, last + 1, TILES_AT_ONCE):
            found = await store.tiles(level, first, min(last, first + TILES_AT_ONCE - 1))
            for n in range(first, min(last, first + TILES_AT_ONCE - 1) + 1):
                width = width_at(level, n, size)
                hashes = found.get(n, b"")[: width * HASH_SIZE]
                if len(hashes) != width * HASH_SIZE:
                    raise Fatal("ledger-diverged", "a stored tile is shorter than the tree", where=f"{level}/{n}")
                yield tile_path(level, n, width), hashes
        level += 1


class _Loading:
    """Takes an archive in, file by file; the tree is held against the checkpoint, every tile against the tree."""

    def __init__(self, network: str, keys: Sequence[VerifierKey], store: ImportStore | None) -> None:
        self.frontier = Frontier()
        self.checkpoint: Checkpoint | None = None
        self.note = b""
        self.manifest: Manifest | None = None
        self.accepted_at = 0
        self._network, self._keys, self._store = network, keys, store
        self._bundle: Bundle | None = None
        self._open: dict[tuple[int, int], bytes] = {}
        self._tiles: dict[tuple[int, int], bytes] = {}
        """SHA-256 of every tile of the tree."""

    async def take(self, name: str, data: bytes) -> None:
        """The next file. Raises PasserelleError."""
        if self.checkpoint is None:
            self._take_checkpoint(name, data)
        elif name.startswith("tile/entries/"):
            await self._flush()
            coord = parse_bundle_path(name)
            left = self.checkpoint.size - self.frontier.size
            if coord.index * WIDTH != self.frontier.size or coord.width != min(WIDTH, left):
                raise malformed("it is not the next one", name)
            self._bundle = Bundle.of(coord, data)
        elif name.startswith("tile/"):
            await self._flush()
            await self._take_tile(name, data)
        elif name == MANIFEST:
            await self._flush()
            self._take_manifest(data)
        elif self._bundle is None:
            raise malformed("no such file belongs here", name)
        else:
            self._bundle.add(name, data)

    def _take_checkpoint(self, name: str, data: bytes) -> None:
        if name != CHECKPOINT:
            raise malformed("the first file is the checkpoint", name)
        self.checkpoint = open_checkpoint(data, self._keys, origin=self._network).checkpoint
        self.note = data

    async def _flush(self) -> None:
        """The bundle is whole: its leaves join the tree, its rows are written."""
        bundle, self._bundle = self._bundle, None
        if bundle is None:
            return
        self.accepted_at = parse_entry(bundle.entries[-1]).accepted_at
        for growth in grow(self.frontier, leaf_hashes(bundle.entries)):
            place = (growth.level, growth.index)
            hashes = self._open[place] = self._open.get(place, b"") + growth.hashes
            if len(hashes) == WIDTH * HASH_SIZE:
                self._tiles[place] = hashlib.sha256(self._open.pop(place)).digest()
        bundle.check()
        if self._store is not None:
            await self._store.add_entries(bundle.rows())

    async def _take_tile(self, name: str, data: bytes) -> None:
        assert self.checkpoint is not None
        if self.frontier.size != self.checkpoint.size:
            raise malformed("entries are missing before it", name)
        for place, hashes in self._open.items():
            self._tiles[place] = hashlib.sha256(hashes).digest()
        self._open.clear()
        coord = parse_tile_path(name)
        if self._tiles.pop((coord.level, coord.index), None) != hashlib.sha256(data).digest():
            raise malformed("the tile is not that of the entries, or stands twice", name)
        if self._store is not None:
            await self._store.add_tile(coord.level, coord.index, data)

    def _take_manifest(self, data: bytes) -> None:
        checkpoint, manifest = self.checkpoint, parse_manifest(data)
        assert checkpoint is not None
        if self.frontier.size != checkpoint.size or self.frontier.root() != checkpoint.root:
            raise malformed("the entries do not give the checkpoint's root", CHECKPOINT)
        if self._tiles or self._open:
            raise malformed("tiles are missing", MANIFEST)
        if (manifest.network, manifest.size, manifest.root) != (self._network, checkpoint.size, checkpoint.root.hex()):
            raise malformed("it says another network, size or root than the checkpoint", MANIFEST)
        self.manifest = manifest


async def verify_archive(
    path: Path, network: str, keys: Sequence[VerifierKey], progress: Progress | None = None
) -> Manifest:
    """Read an archive and write nothing: files, checkpoint, entries, bodies by hash, tree and tiles.

    Signatures and decisions are not checked: that takes an import. Raises PasserelleError.
    """
    return (await _load(path, _Loading(network, keys, None), progress))[0]


async def _load(path: Path, loading: _Loading, progress: Progress | None) -> tuple[Manifest, Checkpoint]:
    for name, data in read_archive(path):
        await loading.take(name, data)
        if progress is not None and loading.checkpoint is not None:
            progress(loading.frontier.size, loading.checkpoint.size)
    assert loading.manifest is not None
    assert loading.checkpoint is not None
    return loading.manifest, loading.checkpoint


async def import_archive(
    store: ImportStore,
    path: Path,
    registries: tuple[Registry, Registry],
    keys: Sequence[VerifierKey],
    clock: Clock,
    progress: Progress | None = None,
) -> Report:
    """Load an archive into an empty database, make the read models, and check everything, all in its transaction.

    ``registries``: two empty ones of the network. Raises FormatError ``archive-malformed`` where anything is not as it
    must be, Unavailable ``archive-incomplete``; the caller then undoes the transaction.
    """
    loading = _Loading(registries[0].network, keys, store)
    manifest, checkpoint = await _load(path, loading, progress)
    if not manifest.private:
        raise Unavailable("archive-incomplete", "the archive has no private part", where=MANIFEST)
    stored = StoredCheckpoint(checkpoint.size, checkpoint.root, loading.note.decode(), loading.accepted_at)
    inboxes = dict(manifest.inboxes)
    await store.finish(manifest.network, stored, b"".join(loading.frontier.peaks), manifest.ingress, inboxes)
    await store.replace(await replay_all(store, registries[0], progress))
    report = await run_check(store, registries[1], keys, clock, progress, any_wording=True)
    if not report.sound:
        first = report.faults[0]
        what = f"{report.fault_count} faults, the first: {first.code}: {first.what}"
        raise malformed(what, first.where)
    return report
