"""Merkle hashing, proofs and the frontier, against the recursive definitions of RFC 9162 and published figures."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import merkle
from passerelle.core.errors import ProofError

# Leaves and roots of the Certificate Transparency test suites (google/certificate-transparency, merkletree tests;
# the same in transparency-dev/merkle): the root over the first n leaves, n = 1 to 8.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# The empty hash, published in RFC 6962 tests as the root of the empty tree.
CT_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

LEAVES = merkle.leaf_hashes(b"leaf %d" % number for number in range(600))
SIZES = st.integers(1, len(LEAVES))


def split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def rfc_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"").digest()
    k = split(len(leaves))
    return sha256(b"\x01" + rfc_root(leaves[:k]) + rfc_root(leaves[k:])).digest()


def rfc_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*rfc_path(index, leaves[:k]), rfc_root(leaves[k:])]
    return [*rfc_path(index - k, leaves[k:]), rfc_root(leaves[:k])]


def rfc_subproof(first: int, leaves: Sequence[bytes], known: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, section 2.1.4.1."""
    if first == len(leaves):
        return [] if known else [rfc_root(leaves)]
    k = split(len(leaves))
    if first <= k:
        return [*rfc_subproof(first, leaves[:k], known), rfc_root(leaves[k:])]
    return [*rfc_subproof(first - k, leaves[k:], False), rfc_root(leaves[:k])]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def test_published_roots() -> None:
    assert merkle.EMPTY_ROOT.hex() == CT_EMPTY
    assert merkle.root_from_leaves([]) == merkle.EMPTY_ROOT
    hashes = merkle.leaf_hashes(CT_LEAVES)
    assert hashes == [merkle.leaf_hash(leaf) for leaf in CT_LEAVES]
    assert [merkle.root_from_leaves(hashes[:size]).hex() for size in range(1, 9)] == CT_ROOTS


def test_every_small_tree_gives_the_rfc_proofs() -> None:
    for size in range(1, 35):
        leaves = LEAVES[:size]
        root = merkle.root_from_leaves(leaves)
        assert root == rfc_root(leaves)
        paths = merkle.all_inclusion_paths(leaves)
        assert len(paths) == size
        for index in range(size):
            assert list(paths[index]) == rfc_path(index, leaves)
            assert merkle.inclusion_path(leaves, index) == paths[index]
            merkle.verify_inclusion(leaves[index], index, size, paths[index], root)
        for first in range(1, size + 1):
            proof = merkle.consistency_path(leaves, first)
            assert list(proof) == rfc_subproof(first, leaves, True)
            merkle.verify_consistency(first, merkle.root_from_leaves(leaves[:first]), size, root, proof)


def test_no_leaf_no_path() -> None:
    assert merkle.all_inclusion_paths([]) == []
    assert merkle.consistency_path([], 0) == ()


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data())
def test_inclusion_holds_and_any_change_fails(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    root, path = merkle.root_from_leaves(leaves), merkle.inclusion_path(leaves, index)
    merkle.verify_inclusion(leaves[index], index, size, path, root)
    bit = data.draw(st.integers(0, 255))
    changed: list[tuple[bytes, int, int, Sequence[bytes], bytes]] = [
        (flipped(leaves[index], bit), index, size, path, root),
        (leaves[index], index, size, path, flipped(root, bit)),
        (leaves[index], index, size, (*path, root), root),
        (leaves[index], index, size, (root, *path), root),
        (leaves[index], index + 1, size, path, root),
        (leaves[index], index - 1, size, path, root),
        (leaves[index], index, index, path, root),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        changed += [
            (leaves[index], index, size, (*path[:at], flipped(path[at], bit), *path[at + 1 :]), root),
            (leaves[index], index, size, path[:at] + path[at + 1 :], root),
            (leaves[index], index, size, (*path[:at], path[at][:-1], *path[at + 1 :]), root),
        ]
    for case in changed:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(*case)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.data())
def test_consistency_holds_and_any_change_fails(one: int, other: int, data: st.DataObject) -> None:
    first, size = sorted((one, other))
    root1, root2 = merkle.root_from_leaves(LEAVES[:first]), merkle.root_from_leaves(LEAVES[:size])
    proof = merkle.consistency_path(LEAVES[:size], first)
    merkle.verify_consistency(first, root1, size, root2, proof)
    bit = data.draw(st.integers(0, 255))
    changed: list[tuple[int, bytes, int, bytes, Sequence[bytes]]] = [
        (first, flipped(root1, bit), size, root2, proof),
        (first, root1, size, flipped(root2, bit), proof),
        (first, root1, size, root2, (*proof, root2)),
        (first, root1, size, root2, (root1, *proof)),
    ]
    if first != size:
        changed += [(size, root2, first, root1, proof), (first, root2, size, root1, proof)]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        changed += [
            (first, root1, size, root2, (*proof[:at], flipped(proof[at], bit), *proof[at + 1 :])),
            (first, root1, size, root2, proof[:at] + proof[at + 1 :]),
        ]
    for case in changed:
        with pytest.raises(ProofError):
            merkle.verify_consistency(*case)


def test_a_wrong_form_is_told_from_a_wrong_proof() -> None:
    leaves = LEAVES[:6]
    root, path = merkle.root_from_leaves(leaves), merkle.inclusion_path(leaves, 2)
    earlier, proof = merkle.root_from_leaves(leaves[:3]), merkle.consistency_path(leaves, 3)
    for bad in (path[:-1], (*path, root), (path[0][:-1], *path[1:]), (path[0] + b"x", *path[1:])):
        with pytest.raises(ProofError) as caught:
            merkle.verify_inclusion(leaves[2], 2, 6, bad, root)
        assert caught.value.code == "proof-malformed"
    for bad in (proof[:-1], (*proof, root), (), (proof[0][:-1], *proof[1:])):
        with pytest.raises(ProofError) as caught:
            merkle.verify_consistency(3, earlier, 6, root, bad)
        assert caught.value.code == "proof-malformed"


def test_every_tree_extends_the_empty_one() -> None:
    root = merkle.root_from_leaves(LEAVES[:5])
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 5, root, ())
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, ())
    for case in (
        (0, root, 5, root, ()),
        (0, merkle.EMPTY_ROOT, 5, root, (root,)),
        (0, merkle.EMPTY_ROOT, 0, root, ()),
    ):
        with pytest.raises(ProofError):
            merkle.verify_consistency(*case)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=6))
def test_frontier_equals_recomputing(steps: list[int]) -> None:
    frontier, size = merkle.Frontier(), 0
    for step in steps:
        before = frontier.peaks
        snapshot = merkle.Frontier(frontier.size, before)
        frontier.extend(LEAVES[size : size + step])
        assert snapshot.peaks == before
        for leaf in LEAVES[size : size + step]:
            snapshot.append(leaf)
        size += step
        assert snapshot.peaks == frontier.peaks
        assert len(frontier.peaks) == size.bit_count()
        assert snapshot.size == frontier.size == size
        assert frontier.root() == merkle.root_from_leaves(LEAVES[:size])


def test_frontier_copy_is_independent() -> None:
    frontier = merkle.Frontier()
    frontier.extend(LEAVES[:3])
    copy = frontier.copy()
    copy.append(LEAVES[3])
    assert frontier.root() == merkle.root_from_leaves(LEAVES[:3])
    assert copy.root() == merkle.root_from_leaves(LEAVES[:4])


def test_frontier_tells_what_became_whole() -> None:
    frontier = merkle.Frontier()
    frontier.extend(LEAVES[:3])
    gained = frontier.extend_by_levels(LEAVES[3:17], 2)
    assert gained[0] == LEAVES[3:17]
    assert gained[1] == [merkle.root_from_leaves(LEAVES[at : at + 4]) for at in (0, 4, 8, 12)]
    assert gained[2] == [merkle.root_from_leaves(LEAVES[:16])]
    assert len(gained) == 3


def test_refused_leaf_changes_nothing() -> None:
    frontier = merkle.Frontier()
    frontier.extend(LEAVES[:5])
    with pytest.raises(ProofError) as caught:
        frontier.extend([LEAVES[5], b"short"])
    assert caught.value.code == "proof-malformed"
    assert (frontier.size, frontier.root()) == (5, merkle.root_from_leaves(LEAVES[:5]))


@pytest.mark.parametrize(
    ("size", "peaks", "code"),
    [
        (-1, [], "proof-size-invalid"),
        (2**63, LEAVES[:1], "tree-too-large"),
        (3, LEAVES[:1], "proof-malformed"),
        (0, LEAVES[:1], "proof-malformed"),
        (1, [b"x"], "proof-malformed"),
    ],
)
def test_frontier_that_does_not_fit(size: int, peaks: list[bytes], code: str) -> None:
    with pytest.raises(ProofError) as caught:
        merkle.Frontier(size, peaks)
    assert caught.value.code == code


def test_largest_tree_is_full() -> None:
    frontier = merkle.Frontier(2**63 - 1, LEAVES[:63])
    with pytest.raises(ProofError) as caught:
        frontier.append(LEAVES[0])
    assert caught.value.code == "tree-too-large"


def test_codes_of_a_wrong_place() -> None:
    for call, code in (
        (lambda: merkle.inclusion_path(LEAVES[:4], 4), "proof-index-outside"),
        (lambda: merkle.inclusion_path(LEAVES[:4], -1), "proof-index-outside"),
        (lambda: merkle.inclusion_path([], 0), "proof-index-outside"),
        (lambda: merkle.consistency_path(LEAVES[:4], 5), "proof-size-invalid"),
        (lambda: merkle.consistency_ranges(1, 2**63), "tree-too-large"),
        (lambda: merkle.root_from_leaves([b""]), "proof-malformed"),
        (lambda: merkle.Frontier().extend_by_levels(LEAVES[:1], 0), "proof-size-invalid"),
    ):
        with pytest.raises(ProofError) as caught:
            call()
        assert caught.value.code == code


HASHES = st.one_of(st.binary(max_size=40), st.binary(min_size=32, max_size=32))
NUMBERS = st.one_of(st.integers(-2, 70), st.integers())


@settings(max_examples=150, deadline=None)
@given(HASHES, HASHES, NUMBERS, NUMBERS, st.lists(HASHES, max_size=8))
def test_random_proofs_fail_with_the_typed_error(
    one: bytes, two: bytes, low: int, high: int, path: list[bytes]
) -> None:
    if len(path) or one != two:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(one, low, high, path, two)
        with pytest.raises(ProofError):
            merkle.verify_consistency(low, one, high, two, path)


@pytest.mark.parametrize("size2", [2, 5, 8, 21])
def test_roots_follow_from_the_consistency_hashes_alone(size2: int) -> None:
    hashes = merkle.leaf_hashes(b"%d" % index for index in range(size2))
    for size1 in range(1, size2):
        path = merkle.consistency_path(hashes, size1)
        first = merkle.root_from_leaves(hashes[:size1])
        walk = (first, *path) if size1 & (size1 - 1) == 0 else path
        assert merkle.consistency_roots(size1, size2, walk) == (first, merkle.root_from_leaves(hashes))
        for wrong in (walk[:-1], (*walk, bytes(32)), ()):
            with pytest.raises(ProofError) as caught:
                merkle.consistency_roots(size1, size2, wrong)
            assert caught.value.code == "proof-malformed"
    with pytest.raises(ProofError):
        merkle.consistency_roots(size2, size2, ())
