"""Tiles: addresses, bundles, growth and proofs read back, against the whole tree in memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import merkle, tiles
from passerelle.core.errors import FormatError, ProofError
from passerelle.core.tiles import BundleCoord, TileCoord

LEAVES = merkle.leaf_hashes(b"leaf %d" % number for number in range(1500))
COUNT = 70_000
SIZES = st.one_of(st.integers(0, len(LEAVES)), st.sampled_from([255, 256, 257, 511, 512, 513, 1024]))


class Rows:
    """One growing row for each (level, index), as the ledger keeps them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int]] = []

    def append(self, growths: list[tiles.TileGrowth]) -> None:
        for growth in growths:
            row = self.rows.get((growth.level, growth.index), b"")
            assert len(row) == growth.start * 32
            self.rows[growth.level, growth.index] = row + growth.hashes

    def read(self, level: int, index: int) -> bytes:
        self.reads.append((level, index))
        return self.rows[level, index]

    def read_coord(self, coord: TileCoord) -> bytes:
        return self.read(coord.level, coord.index)


def stored(size: int) -> Rows:
    rows = Rows()
    rows.append(tiles.grow(merkle.Frontier(), LEAVES[:size]))
    return rows


ALL = stored(len(LEAVES))


@pytest.fixture(scope="module")
def large() -> tuple[list[bytes], Rows]:
    """A tree with three levels of tiles: 70,000 leaves, the example of tlog-tiles."""
    leaves = merkle.leaf_hashes(number.to_bytes(4, "big") for number in range(COUNT))
    rows = Rows()
    rows.append(tiles.grow(merkle.Frontier(), leaves))
    return leaves, rows


@pytest.mark.parametrize(
    ("coord", "path"),
    [
        (TileCoord(0, 0), "tile/0/000"),
        (TileCoord(0, 1234067), "tile/0/x001/x234/067"),
        (TileCoord(3, 1000, 112), "tile/3/x001/000.p/112"),
        (TileCoord(63, 999, 255), "tile/63/999.p/255"),
        (TileCoord(1, 2**63 - 1, 1), "tile/1/x009/x223/x372/x036/x854/x775/807.p/1"),
    ],
)
def test_tile_paths(coord: TileCoord, path: str) -> None:
    # Index 1234067 is the example of tlog-tiles, "Merkle Tree".
    assert coord.path == path
    assert tiles.parse_tile_path(path) == coord
    bundle = "tile/entries/" + path.split("/", 2)[2]
    assert BundleCoord(coord.index, coord.width).path == bundle
    assert tiles.parse_bundle_path(bundle) == BundleCoord(coord.index, coord.width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/1234",
        "tile/0/x000/001",
        "tile/0/001/067",
        "tile/0/x001/x067",
        "tile/0/x001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001.p/1/",
        "/tile/0/001",
        "tile/0/001\n",
        "tile/0/00١",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/x001/x009/x223/x372/x036/x854/x775/807",
        "tile/0/" + "x999/" * 5000 + "999",
    ],
)
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(FormatError) as caught:
        tiles.parse_tile_path(path)
    assert caught.value.code == "tile-address-malformed"
    with pytest.raises(FormatError):
        tiles.parse_bundle_path(path.replace("tile/0/", "tile/entries/", 1))


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.text(max_size=30), st.from_regex(r"tile/[0-9]{1,2}/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?")))
def test_what_is_parsed_is_canonical(path: str) -> None:
    try:
        coord = tiles.parse_tile_path(path)
    except FormatError:
        return
    assert coord.path == path


@pytest.mark.parametrize("coord", [TileCoord(-1, 0), TileCoord(64, 0), TileCoord(0, -1), TileCoord(0, 0, 0)])
def test_no_such_tile(coord: TileCoord) -> None:
    with pytest.raises(FormatError) as caught:
        _ = coord.path
    assert caught.value.code == "tile-address-malformed"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
@settings(max_examples=40, deadline=None)
def test_bundles_round_trip(entries: list[bytes]) -> None:
    bundle = tiles.encode_bundle(entries)
    assert bundle[:2] == len(entries[0]).to_bytes(2, "big")
    assert tiles.decode_bundle(bundle, len(entries)) == entries
    for wrong in (bundle[:-1], bundle + b"\0", bundle + b"\0\0"):
        with pytest.raises(FormatError):
            tiles.decode_bundle(wrong, len(entries))
    with pytest.raises(FormatError):
        tiles.decode_bundle(bundle, len(entries) + 1)


@given(st.binary(max_size=60), st.integers(-1, 258))
def test_any_bytes_as_bundle(data: bytes, width: int) -> None:
    try:
        entries = tiles.decode_bundle(data, width)
    except FormatError:
        return
    assert len(entries) == width
    assert tiles.encode_bundle(entries) == data


def test_bundle_limits() -> None:
    longest = b"x" * 65_535
    assert tiles.decode_bundle(tiles.encode_bundle([longest]), 1) == [longest]
    for entries in ([], [b""] * 257, [longest + b"x"]):
        with pytest.raises(FormatError) as caught:
            tiles.encode_bundle(entries)
        assert caught.value.code == "tile-malformed"


def test_the_example_of_the_standard(large: tuple[list[bytes], Rows]) -> None:
    # tlog-tiles, "Partial Tiles": 70,000 leaves are 273 full tiles and one of 112, one full and one of 17, one of 1.
    _, rows = large
    widths = {level: [len(rows.rows[at]) // 32 for at in sorted(rows.rows) if at[0] == level] for level in range(4)}
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1], 3: []}
    assert tiles.tiles_at(COUNT) == [TileCoord(0, 273, 112), TileCoord(1, 1, 17), TileCoord(2, 0, 1)]
    assert tiles.tiles_at(256) == [TileCoord(0, 0, 256), TileCoord(1, 0, 1)]
    assert tiles.tiles_at(0) == []


def test_three_levels_prove(large: tuple[list[bytes], Rows]) -> None:
    leaves, rows = large
    root = merkle.root_from_leaves(leaves)
    assert tiles.root_at(COUNT, rows.read) == root
    for index in (0, 1, 255, 256, 65_535, 65_536, COUNT - 1):
        rows.reads.clear()
        path = tiles.inclusion_path_at(index, COUNT, rows.read)
        assert len(rows.reads) == len(set(rows.reads)) <= 6
        merkle.verify_inclusion(leaves[index], index, COUNT, path, root)
    for size in (1, 255, 256, 65_535, 65_536, 65_537, 69_888, COUNT):
        earlier = merkle.root_from_leaves(leaves[:size])
        assert tiles.root_at(size, rows.read) == earlier
        merkle.verify_consistency(size, earlier, COUNT, root, tiles.consistency_path_at(size, COUNT, rows.read))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=6))
def test_growing_in_steps_equals_writing_and_recomputing(steps: list[int]) -> None:
    grown, written, frontier = Rows(), Rows(), merkle.Frontier()
    size = 0
    for step in steps:
        leaves = LEAVES[size : size + step]
        grown.append(tiles.grow(frontier, leaves))
        new = tiles.write_tiles(size, leaves, written.read_coord)
        assert len({(tile.coord.level, tile.coord.index) for tile in new}) == len(new)
        size += len(leaves)
        for tile in new:
            assert tile.coord.width == tiles.width_at(tile.coord.level, tile.coord.index, size)
            assert len(tile.hashes) == tile.coord.width * 32
            written.rows[tile.coord.level, tile.coord.index] = tile.hashes
        assert grown.rows == written.rows
        assert frontier.root() == tiles.root_at(size, grown.read) == merkle.root_from_leaves(LEAVES[:size])
        assert tiles.frontier_at(size, grown.read).peaks == frontier.peaks
    assert grown.rows == stored(size).rows


@settings(max_examples=50, deadline=None)
@given(SIZES, SIZES, st.data())
def test_proofs_at_any_size_from_rows_that_are_wider(one: int, other: int, data: st.DataObject) -> None:
    first, size = sorted((one, other))
    assert tiles.root_at(size, ALL.read) == merkle.root_from_leaves(LEAVES[:size])
    assert tiles.consistency_path_at(first, size, ALL.read) == merkle.consistency_path(LEAVES[:size], first)
    if size:
        index = data.draw(st.integers(0, size - 1))
        assert tiles.inclusion_path_at(index, size, ALL.read) == merkle.inclusion_path(LEAVES[:size], index)


def test_writing_takes_only_the_first_hashes_of_a_wider_tile() -> None:
    leaves = LEAVES[300:310]
    assert tiles.write_tiles(300, leaves, ALL.read_coord) == tiles.write_tiles(300, leaves, stored(300).read_coord)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, len(LEAVES)), st.data())
def test_an_altered_tile_gives_another_root(size: int, data: st.DataObject) -> None:
    rows = stored(size)
    used = Rows()
    used.rows = dict(rows.rows)
    tiles.root_at(size, used.read)
    at = data.draw(st.sampled_from(used.reads))
    # The root rests on the partial tile of each level: what is in full tiles is summed up by the level above.
    assert len(used.rows[at]) == tiles.width_at(*at, size) * 32 < 256 * 32
    place = data.draw(st.integers(0, len(used.rows[at]) - 1))
    altered = bytearray(used.rows[at])
    altered[place] ^= 1 << data.draw(st.integers(0, 7))
    used.rows[at] = bytes(altered)
    assert tiles.root_at(size, used.read) != merkle.root_from_leaves(LEAVES[:size])


@pytest.mark.parametrize("tile", [b"", b"x" * 31, b"x" * 33, b"x" * 64, b"x" * (257 * 32)])
def test_a_tile_that_is_cut_or_too_long(tile: bytes) -> None:
    for call in (
        lambda: tiles.root_at(3, lambda level, index: tile),
        lambda: tiles.inclusion_path_at(0, 3, lambda level, index: tile),
        lambda: tiles.consistency_path_at(1, 3, lambda level, index: tile),
        lambda: tiles.write_tiles(3, LEAVES[3:4], lambda coord: tile),
    ):
        with pytest.raises(FormatError) as caught:
            call()
        assert caught.value.code == "tile-malformed"


@given(st.one_of(st.integers(max_value=-1), st.integers(min_value=2**63)))
def test_numbers_out_of_range(number: int) -> None:
    def nothing(level: int, index: int) -> bytes:
        return b""

    for call in (
        lambda: tiles.inclusion_path_at(0, number, nothing),
        lambda: tiles.inclusion_path_at(number, 5, nothing),
        lambda: tiles.consistency_path_at(1, number, nothing),
        lambda: tiles.consistency_path_at(number, 5, nothing),
        lambda: tiles.root_at(number, nothing),
        lambda: tiles.tiles_at(number),
        lambda: tiles.width_at(0, 0, number),
        lambda: tiles.width_at(number, 0, 5),
        lambda: tiles.width_at(0, -1, 5),
        lambda: tiles.write_tiles(number, LEAVES[:1], lambda coord: b""),
    ):
        with pytest.raises((FormatError, ProofError)):
            call()
