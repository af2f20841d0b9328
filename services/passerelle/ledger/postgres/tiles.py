"""Reading tiles: all that one answer needs, in one query."""

from __future__ import annotations

from collections.abc import Callable

from passerelle.core.tiles import ReadTile
from passerelle.ledger.postgres.guard import guarded
from passerelle.ledger.postgres.pool import Pool

# A stand-in of the greatest width, so that a proof can be walked once only to learn which tiles it reads.
_ANY = bytes(256 * 32)


async def read_tiles(pool: Pool, coords: set[tuple[int, int]]) -> ReadTile:
    """The tiles at these (level, index); one that is not stored reads as empty. Raises Unavailable."""
    async with guarded(pool) as connection:
        rows = await connection.fetch(
            "SELECT t.level, t.n, t.hashes FROM unnest($1::smallint[], $2::bigint[]) AS w (level, n)"
            " JOIN ledger.tile t ON t.level = w.level AND t.n = w.n",
            [level for level, _ in coords],
            [n for _, n in coords],
        )
    held: dict[tuple[int, int], bytes] = {(row["level"], row["n"]): row["hashes"] for row in rows}
    return lambda level, n: held.get((level, n), b"")


def tiles_needed(walk: Callable[[ReadTile], object]) -> set[tuple[int, int]]:
    """Which tiles ``walk`` reads."""
    coords: set[tuple[int, int]] = set()

    def note(level: int, n: int) -> bytes:
        coords.add((level, n))
        return _ANY

    walk(note)
    return coords
