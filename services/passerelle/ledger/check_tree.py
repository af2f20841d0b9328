"""The part of ``ledger check`` about the tree: root, tiles, checkpoints as prefixes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from passerelle.core.checkpoint import open_checkpoint
from passerelle.core.errors import FormatError, ProofError
from passerelle.core.merkle import HASH_SIZE, Frontier, leaf_hashes
from passerelle.core.note import VerifierKey
from passerelle.core.tiles import WIDTH, TileCoord, grow
from passerelle.ledger.check import Findings
from passerelle.ledger.check_ports import CheckpointRow, CheckStore, HeadRow


class TreeChecker:
    """Builds the tree anew from the entries, chunk by chunk, and holds tiles and checkpoints against it."""

    def __init__(self, store: CheckStore, keys: Sequence[VerifierKey], network: str, findings: Findings) -> None:
        self.frontier = Frontier()
        self._store = store
        self._keys = keys
        self._network = network
        self._findings = findings
        self._open: dict[tuple[int, int], bytes] = {}
        self._hidden: int | None = None
        self.largest = 0
        """Size of the largest checkpoint."""
        self._checkpoints: AsyncIterator[CheckpointRow] = store.checkpoints()
        self._next: CheckpointRow | None = None
        self._asked = False

    async def take(self, entries: Sequence[bytes]) -> None:
        """Append entries; compare the tiles that became whole and the checkpoints that were reached."""
        leaves = leaf_hashes(entries)
        start, end = 0, len(leaves)
        while start < end:
            stop = end
            upcoming = await self._upcoming()
            if upcoming is not None and upcoming.checkpoint.size <= self.frontier.size + end - start:
                stop = start + max(0, upcoming.checkpoint.size - self.frontier.size)
            self._grow(leaves[start:stop])
            start = stop
            await self._reached()
        await self._compare(whole=True)

    def _grow(self, leaves: Sequence[bytes]) -> None:
        for growth in grow(self.frontier, leaves):
            place = (growth.level, growth.index)
            self._open[place] = self._open.get(place, b"") + growth.hashes

    async def _upcoming(self) -> CheckpointRow | None:
        if not self._asked:
            self._asked = True
            self._next = await anext(self._checkpoints, None)
        return self._next

    async def _reached(self) -> None:
        while (row := await self._upcoming()) is not None and row.checkpoint.size <= self.frontier.size:
            self._check(row)
            self._asked = False

    def _check(self, row: CheckpointRow) -> None:
        checkpoint = row.checkpoint
        where = f"checkpoint {checkpoint.size}"
        self.largest = max(self.largest, checkpoint.size)
        if self._hidden is not None:
            # The next one is signed only when the one before was acked.
            self._findings.fault("ledger-diverged", f"checkpoint {self._hidden}", "it is not shown, and a later one is")
        self._hidden = None if row.shown else checkpoint.size
        self._findings.add("checkpoints")
        if checkpoint.size < self.frontier.size or checkpoint.root != self.frontier.root():
            self._findings.fault("checkpoint-forked", where, "the stored root is not that of the first entries")
        if not self._keys:
            if self._findings.counts["checkpoints"] == 1:
                what = "no key is known to check the notes with: name it, or list it in the operator's admission"
                self._findings.fault("note-key-unknown", "log key", what)
            return
        try:
            opened = open_checkpoint(checkpoint.note.encode(), self._keys, origin=self._network).checkpoint
        except (FormatError, ProofError) as error:
            self._findings.fault(error.code, where, f"the note does not verify: {error.what}")
            return
        if (opened.size, opened.root) != (checkpoint.size, checkpoint.root):
            self._findings.fault("checkpoint-forked", where, "the note says another size or root than its row")

    async def _compare(self, *, whole: bool) -> None:
        """Compare the tiles that are whole (at the end: also those that are not) and forget them."""
        ready = {place: data for place, data in self._open.items() if len(data) == WIDTH * HASH_SIZE or not whole}
        by_level: dict[int, list[int]] = {}
        for level, n in ready:
            by_level.setdefault(level, []).append(n)
        for level, numbers in by_level.items():
            stored = await self._store.tiles(level, min(numbers), max(numbers))
            for n in sorted(numbers):
                self._findings.add("tiles")
                if stored.get(n) != ready[(level, n)]:
                    width = len(ready[(level, n)]) // HASH_SIZE
                    where = TileCoord(level, n, width).path
                    self._findings.fault("tile-hash-mismatch", where, "the stored tile is not that of the entries")
        for place in ready:
            del self._open[place]

    async def finish(self, head: HeadRow) -> None:
        """Compare the last tiles, the checkpoints that no entry reaches, and the head."""
        await self._reached()
        await self._compare(whole=False)
        while (row := await self._upcoming()) is not None:
            where = f"checkpoint {row.checkpoint.size}"
            self._findings.fault("checkpoint-behind", where, f"only {self.frontier.size} entries are held")
            self._asked = False
        for level, n in await self._store.stray_tiles(_tile_counts(self.frontier.size)):
            self._findings.fault("tile-hash-mismatch", f"tile/{level}/{n}", "the tree has no such tile")
        if head.size != self.frontier.size:
            self._findings.fault(
                "ledger-diverged", "head", f"size {head.size}, and {self.frontier.size} entries are held"
            )
        if head.frontier != b"".join(self.frontier.peaks):
            self._findings.fault("ledger-diverged", "head", "the stored frontier is not that of the entries")


def _tile_counts(size: int) -> list[int]:
    """Tiles of the tree by level, from the lowest."""
    counts = []
    while size:
        counts.append(-(-size // WIDTH))
        size //= WIDTH
    return counts
