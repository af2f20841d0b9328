"""The tree and its entries as static tiles (C2SP tlog-tiles): paths, bytes, growth and proofs.

A tile is a run of at most 256 hashes of 32 bytes. Tile `n` of level `l` holds the hashes of the whole subtrees of
256**l leaves with index `n * 256` and on. The store may keep one growing row for each (level, n): readers use only the
first hashes that the asked size has, so a row that is wider than needed is right too.

Error codes: `tile-address-malformed` (a path or coordinates), `tile-malformed` (the bytes of a tile or bundle), and
those of `merkle` for sizes and indices.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from passerelle.core.errors import FormatError
from passerelle.core.merkle import (
    HASH_SIZE,
    MAX_SIZE,
    Frontier,
    Path,
    consistency_ranges,
    inclusion_ranges,
    require_size,
    root_from_leaves,
    subtree_root,
)

HEIGHT = 8
WIDTH = 1 << HEIGHT
"""Hashes in a full tile, entries in a full bundle."""

MAX_LEVEL = 63
MAX_ENTRY = 0xFFFF
"""Longest entry in bytes: its length is a uint16."""

_NUMBER = r"((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_TILE_PATH = re.compile(rf"tile/(0|[1-9][0-9]?)/{_NUMBER}")
_BUNDLE_PATH = re.compile(rf"tile/entries/{_NUMBER}")


@dataclass(frozen=True, slots=True)
class TileCoord:
    """Place of a tile: level 0 to 63, index in the level, and width, 256 when full and 1 to 255 when partial."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`. Raises FormatError `tile-address-malformed` when there is no such tile."""
        if not 0 <= self.level <= MAX_LEVEL:
            raise _bad_coordinates("level")
        return f"tile/{self.level}/{_encode_number(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class BundleCoord:
    """Place of an entry bundle: index, and width, 256 when full and 1 to 255 when partial."""

    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """`tile/entries/<N>[.p/<W>]`. Raises FormatError `tile-address-malformed` when there is no such bundle."""
        return f"tile/entries/{_encode_number(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile to store: its place, and its hashes joined, `coord.width` times 32 bytes."""

    coord: TileCoord
    hashes: bytes


@dataclass(frozen=True, slots=True)
class TileGrowth:
    """Hashes that a tile gains: joined, to be put after the `start` hashes that it has."""

    level: int
    index: int
    start: int
    hashes: bytes


ReadCoord = Callable[[TileCoord], bytes]
"""Bytes of a tile, at least as many hashes as the coordinate's width."""

ReadTile = Callable[[int, int], bytes]
"""`read(level, n)`: bytes of the tile, at least as wide as the tree size in question has it."""


def parse_tile_path(path: str) -> TileCoord:
    """Read `tile/<L>/<N>[.p/<W>]` (tlog-tiles, "Merkle Tree"); only the one canonical spelling passes.

    Raises FormatError `tile-address-malformed`.
    """
    match = _TILE_PATH.fullmatch(path)
    if match is None or int(match[1]) > MAX_LEVEL:
        raise _bad_path("tile/<level 0 to 63>/<index>[.p/<width 1 to 255>]")
    return TileCoord(int(match[1]), *_decode_number(match[2], match[3]))


def parse_bundle_path(path: str) -> BundleCoord:
    """Read `tile/entries/<N>[.p/<W>]` (tlog-tiles, "Log entries"); only the one canonical spelling passes.

    Raises FormatError `tile-address-malformed`.
    """
    match = _BUNDLE_PATH.fullmatch(path)
    if match is None:
        raise _bad_path("tile/entries/<index>[.p/<width 1 to 255>]")
    return BundleCoord(*_decode_number(match[1], match[2]))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Join 1 to 256 entries, each after its length as a big-endian uint16 (tlog-tiles, "Log entries").

    Raises FormatError `tile-malformed` for another number, or for an entry beyond 65,535 bytes.
    """
    if not 1 <= len(entries) <= WIDTH:
        raise FormatError("tile-malformed", "An entry bundle holds 1 to 256 entries.", where="bundle")
    parts: list[bytes] = []
    for number, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY:
            raise FormatError("tile-malformed", "An entry is longer than 65,535 bytes.", where=f"entry {number}")
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(bundle: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. Raises FormatError `tile-malformed` for fewer, more, or a cut one."""
    if not 1 <= width <= WIDTH:
        raise _bad_coordinates("width")
    entries: list[bytes] = []
    at, end = 0, len(bundle)
    while at < end and len(entries) < width:
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > end or at > end:
            raise FormatError("tile-malformed", "The entry is cut off.", where=f"entry {len(entries)}")
        entries.append(bundle[start:at])
    if at != end or len(entries) != width:
        raise FormatError("tile-malformed", f"The bundle does not hold exactly {width} entries.", where="bundle")
    return entries


def width_at(level: int, index: int, size: int) -> int:
    """Hashes that tile `index` of `level` has at tree `size`: 0 (no such tile) to 256.

    Raises FormatError `tile-address-malformed`, ProofError `proof-size-invalid`.
    """
    require_size(size)
    if not 0 <= level <= MAX_LEVEL:
        raise _bad_coordinates("level")
    if index < 0:
        raise _bad_coordinates("index")
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


def tiles_at(size: int) -> list[TileCoord]:
    """The rightmost tile of every level at `size`, lowest level first: full or partial, none for an empty tree."""
    require_size(size)
    coords: list[TileCoord] = []
    level = 0
    while count := size >> (HEIGHT * level):
        index = (count - 1) // WIDTH
        coords.append(TileCoord(level, index, count - index * WIDTH))
        level += 1
    return coords


def grow(frontier: Frontier, leaves: Sequence[bytes]) -> list[TileGrowth]:
    """Append leaf hashes to `frontier` (changed in place) and tell what each tile gains; nothing has to be read.

    Each growth lies within one tile; levels from the lowest, indices rising. Appending `hashes` to the row of
    (level, index), which must hold `start` hashes, keeps the store equal to the tree. Raises ProofError as
    `Frontier.append`.
    """
    old_size = frontier.size
    growths: list[TileGrowth] = []
    for level, hashes in enumerate(frontier.extend_by_levels(leaves, HEIGHT)):
        first, offset = divmod(old_size >> (HEIGHT * level), WIDTH)
        at = 0
        while at < len(hashes):
            part = hashes[at : at + WIDTH - offset]
            growths.append(TileGrowth(level, first, offset, b"".join(part)))
            at += len(part)
            first, offset = first + 1, 0
    return growths


def write_tiles(old_size: int, leaves: Sequence[bytes], read: ReadCoord) -> list[Tile]:
    """Whole contents of every tile that changes when `leaves` are added to the tree of `old_size`.

    `read` is asked for the partial tiles at `old_size` that grow, at most one a level. Full tiles and the partial ones
    at the new size come back, none twice. Raises FormatError `tile-malformed` for what `read` gives,
    ProofError for leaf hashes of a wrong size.
    """
    tiles: list[Tile] = []
    for growth in grow(frontier_at(old_size, lambda level, n: read(_coord(level, n, old_size))), leaves):
        coord = TileCoord(growth.level, growth.index, growth.start + len(growth.hashes) // HASH_SIZE)
        before = b""
        if growth.start:
            partial = TileCoord(growth.level, growth.index, growth.start)
            before = _first_hashes(read(partial), partial)
        tiles.append(Tile(coord, before + growth.hashes))
    return tiles


def root_at(size: int, read: ReadTile) -> bytes:
    """Root of the tree of `size`, from its tiles.

    `read` must hold what it was told to: this checks lengths (FormatError `tile-malformed`), and whoever
    does not trust the store compares the root with a checkpoint's.
    """
    return frontier_at(size, read).root()


def frontier_at(size: int, read: ReadTile) -> Frontier:
    """Frontier of the tree of `size`, from its tiles. Raises as `root_at`, and ProofError `proof-size-invalid`."""
    require_size(size)
    whole = _whole_subtrees(size, read)
    heights = [height for height in reversed(range(size.bit_length())) if size >> height & 1]
    return Frontier(size, [whole(height, (size >> height) - 1) for height in heights])


def inclusion_path_at(index: int, size: int, read: ReadTile) -> Path:
    """Inclusion path of leaf `index` in the tree of `size` (RFC 9162, section 2.1.3.1), from its tiles.

    Reads each tile at most once. Raises ProofError `proof-index-outside` or those of sizes; FormatError as `root_at`.
    """
    whole = _whole_subtrees(size, read)
    return tuple(subtree_root(lo, hi, whole) for lo, hi in inclusion_ranges(index, size))


def consistency_path_at(size1: int, size2: int, read: ReadTile) -> Path:
    """Consistency proof from `size1` to `size2` (RFC 9162, section 2.1.4.1), from the tiles of `size2`.

    Reads each tile at most once. Raises ProofError `proof-size-invalid`, FormatError as `root_at`.
    """
    whole = _whole_subtrees(size2, read)
    return tuple(subtree_root(lo, hi, whole) for lo, hi in consistency_ranges(size1, size2))


def consistency_hashes_at(size1: int, size2: int, read: ReadTile) -> Path:
    """What `merkle.consistency_roots` asks for, from the tiles of `size2`: as `consistency_path_at`, for
    0 < size1 < size2, with the subtree that the walk begins at always first.
    """
    whole = _whole_subtrees(size2, read)
    ranges = consistency_ranges(size1, size2)
    if size1 & (size1 - 1) == 0:
        ranges.insert(0, (0, size1))
    return tuple(subtree_root(lo, hi, whole) for lo, hi in ranges)


def _whole_subtrees(size: int, read: ReadTile) -> Callable[[int, int], bytes]:
    """Give `whole(height, index)` over the tiles of `size`, keeping each tile for as long as one answer is made."""
    held: dict[tuple[int, int], bytes] = {}

    def whole(height: int, index: int) -> bytes:
        level, rest = divmod(height, HEIGHT)
        number, offset = divmod(index << rest, WIDTH)
        tile = held.get((level, number))
        if tile is None:
            tile = held[level, number] = _first_hashes(read(level, number), _coord(level, number, size))
        start, count = offset * HASH_SIZE, 1 << rest
        stop = start + count * HASH_SIZE
        return root_from_leaves([tile[at : at + HASH_SIZE] for at in range(start, stop, HASH_SIZE)])

    return whole


def _coord(level: int, index: int, size: int) -> TileCoord:
    return TileCoord(level, index, width_at(level, index, size))


def _first_hashes(tile: bytes, coord: TileCoord) -> bytes:
    """Exactly the hashes that the coordinate names, from a tile that may be wider."""
    if len(tile) % HASH_SIZE or len(tile) > WIDTH * HASH_SIZE:
        raise FormatError("tile-malformed", "The tile is not at most 256 hashes of 32 bytes.", where=coord.path)
    if len(tile) < coord.width * HASH_SIZE:
        raise FormatError("tile-malformed", f"The tile holds fewer than {coord.width} hashes.", where=coord.path)
    return tile[: coord.width * HASH_SIZE]


def _encode_number(index: int, width: int) -> str:
    if not 0 <= index <= MAX_SIZE:
        raise _bad_coordinates("index")
    if not 1 <= width <= WIDTH:
        raise _bad_coordinates("width")
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text if width == WIDTH else f"{text}.p/{width}"


def _decode_number(number: str, width: str | None) -> tuple[int, int]:
    index = int(number.replace("x", "").replace("/", ""))
    columns = WIDTH if width is None else int(width)
    if index > MAX_SIZE or number.startswith("x000") or (width is not None and columns >= WIDTH):
        raise _bad_path("an index below 2**63 without leading x000, a width of 1 to 255")
    return index, columns


def _bad_path(fix: str) -> FormatError:
    return FormatError("tile-address-malformed", "This is not the path of a tile.", where="path", fix=f"Write {fix}.")


def _bad_coordinates(where: str) -> FormatError:
    return FormatError("tile-address-malformed", f"No tile has this {where}.", where=where)
