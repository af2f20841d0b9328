"""Merkle tree hashing and proofs over SHA-256 (RFC 9162, section 2.1).

Every hash is a `bytes` of 32. A *path* is a tuple of such hashes, ordered from the leaf's sibling up to the root's
child. Verifiers return nothing and raise `ProofError`: a result that could be forgotten does not exist.

Error codes: `proof-malformed` (a hash that is not 32 bytes, a path of the wrong length, a frontier that does not fit
its size), `proof-index-outside`, `proof-size-invalid`, `tree-too-large` (wherever a size is given),
`proof-inclusion-invalid`, `proof-consistency-invalid`.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from passerelle.core.errors import ProofError

HASH_SIZE = 32
"""Bytes in every leaf, node and root hash."""

MAX_SIZE = 2**63 - 1
"""Largest tree size that is accepted, so that sizes fit a signed 64-bit column."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves: the SHA-256 of nothing (RFC 9162, section 2.1.1)."""

Path = tuple[bytes, ...]
Range = tuple[int, int]
"""Half-open range of leaf indices, `lo <= i < hi`."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf's content: SHA-256(0x00 || data) (RFC 9162, section 2.1.1)."""
    return sha256(b"\x00" + data).digest()


def leaf_hashes(items: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of every item, in order."""
    return [sha256(b"\x00" + item).digest() for item in items]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right) (RFC 9162, section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_from_leaves(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes; `EMPTY_ROOT` when there is none.

    Raises ProofError `proof-malformed` when a hash is not 32 bytes.
    """
    _require_hashes(hashes, "leaf hashes")
    if not hashes:
        return EMPTY_ROOT
    return _fold_levels(hashes)


def inclusion_path(hashes: Sequence[bytes], index: int) -> Path:
    """Path of leaf `index` in the tree over all `hashes` (RFC 9162, section 2.1.3.1).

    Raises ProofError `proof-index-outside` when the index is not that of a leaf, `proof-malformed` for a wrong hash.
    """
    _require_hashes(hashes, "leaf hashes")
    _require_index(index, len(hashes))
    path: list[bytes] = []
    for level in _levels(hashes):
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return tuple(path)


def all_inclusion_paths(hashes: Sequence[bytes]) -> list[Path]:
    """Path of every leaf, in leaf order, at the cost of one pass: leaves under one parent share its path.

    Raises ProofError `proof-malformed` when a hash is not 32 bytes.
    """
    _require_hashes(hashes, "leaf hashes")
    if not hashes:
        return []
    paths: list[Path] = [()]
    for level in reversed(_levels(hashes)[:-1]):
        last = len(level) - 1
        below: list[Path] = []
        for i in range(0, last, 2):
            upper = paths[i >> 1]
            below.append((level[i + 1], *upper))
            below.append((level[i], *upper))
        if last & 1 == 0:
            # The last node of an odd level has no sibling here: it is its own parent and keeps that path.
            below.append(paths[last >> 1])
        paths = below
    return paths


def consistency_path(hashes: Sequence[bytes], size1: int) -> Path:
    """Proof that the tree over all `hashes` extends the one over the first `size1` (RFC 9162, section 2.1.4.1).

    Empty for `size1` 0 or equal to the number of hashes. Raises ProofError `proof-size-invalid` when out of range.
    """
    _require_hashes(hashes, "leaf hashes")
    return tuple(_fold_levels(hashes[lo:hi]) for lo, hi in consistency_ranges(size1, len(hashes)))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Leaf ranges whose subtree hashes are the path of `index` at `size`, from leaf to root.

    Raises ProofError `proof-index-outside` or `proof-size-invalid`.
    """
    require_size(size)
    _require_index(index, size)
    ranges: list[Range] = []
    lo, hi = 0, size
    while hi - lo > 1:
        middle = lo + _split(hi - lo)
        if index < middle:
            ranges.append((middle, hi))
            hi = middle
        else:
            ranges.append((lo, middle))
            lo = middle
    ranges.reverse()
    return ranges


def consistency_ranges(size1: int, size2: int) -> list[Range]:
    """Leaf ranges whose subtree hashes are the consistency proof from `size1` to `size2`, in the proof's order.

    Raises ProofError `proof-size-invalid` unless 0 <= size1 <= size2.
    """
    require_size(size2)
    if not 0 <= size1 <= size2:
        raise ProofError("proof-size-invalid", "The first tree is not within the second.", where="size1")
    if size1 in (0, size2):
        return []
    ranges: list[Range] = []
    lo, hi = 0, size2
    while size1 != hi:
        middle = lo + _split(hi - lo)
        if size1 <= middle:
            ranges.append((middle, hi))
            hi = middle
        else:
            ranges.append((lo, middle))
            lo = middle
    if lo != 0:
        # When the old tree is one whole subtree at the left edge its root is known to the verifier and left out.
        ranges.append((lo, hi))
    ranges.reverse()
    return ranges


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Root that `path` gives for leaf hash `leaf` at `index` of a tree of `size` (RFC 9162, section 2.1.3.2).

    The caller compares it with a root that it trusts. Raises ProofError `proof-size-invalid`,
    `proof-index-outside`, or `proof-malformed` when the path is longer or shorter than this place in the tree has it.
    """
    require_size(size)
    _require_index(index, size)
    _require_hash(leaf, "leaf")
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise _path_length("path")
        if len(sibling) != HASH_SIZE:
            raise _hash_size("path")
        if node & 1 or node == last:
            root = sha256(b"\x01" + sibling + root).digest()
            while not node & 1 and node:
                # A node without a right neighbour rises unhashed until it is a right child.
                node >>= 1
                last >>= 1
        else:
            root = sha256(b"\x01" + root + sibling).digest()
        node >>= 1
        last >>= 1
    if last != 0:
        raise _path_length("path")
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that leaf hash `leaf` stands at `index` of the tree of `size` with this `root`.

    Returns nothing; raises ProofError, `proof-inclusion-invalid` when the path leads elsewhere, else as
    `root_from_inclusion`.
    """
    _require_hash(root, "root")
    if root_from_inclusion(leaf, index, size, path) != root:
        raise ProofError("proof-inclusion-invalid", "The inclusion path leads to another root.", where="root")


def verify_consistency(size1: int, root1: bytes, size2: int, root2: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree (size2, root2) only adds leaves to (size1, root1) (RFC 9162, section 2.1.4.2).

    Every tree extends the empty one, so `size1` 0 asks for `EMPTY_ROOT` and an empty path. Returns nothing; raises
    ProofError `proof-size-invalid`, `proof-malformed` or `proof-consistency-invalid`.
    """
    require_size(size2)
    if not 0 <= size1 <= size2:
        raise ProofError("proof-size-invalid", "The first tree is not within the second.", where="size1")
    _require_hash(root1, "root1")
    _require_hash(root2, "root2")
    _require_hashes(path, "path")
    for size, root, where in ((size1, root1, "root1"), (size2, root2, "root2")):
        if size == 0 and root != EMPTY_ROOT:
            raise _inconsistent(where)
    if size1 in (0, size2):
        if path:
            raise _path_length("path")
        if size1 == size2 and root1 != root2:
            raise _inconsistent("root2")
        return
    _walk_consistency(size1, root1, size2, root2, path)


def consistency_roots(size1: int, size2: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of the first and of the second tree to which `hashes` lead, for 0 < size1 < size2.

    `hashes` is the consistency path with the subtree that the walk begins at always first: for a `size1` that is a
    power of two, where the path leaves it out, that is the first tree's own root. Both roots follow from `hashes`
    alone, so whoever knows the second root learns what the first one must have been. Raises ProofError
    `proof-size-invalid` or `proof-malformed`.
    """
    require_size(size2)
    if not 0 < size1 < size2:
        raise ProofError("proof-size-invalid", "The first tree is not a part of the second.", where="size1")
    _require_hashes(hashes, "hashes")
    if not hashes:
        raise _path_length("hashes")
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise _path_length("path")
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise _path_length("path")
    return old, new


def _walk_consistency(size1: int, root1: bytes, size2: int, root2: bytes, path: Sequence[bytes]) -> None:
    """Rebuild both roots from a consistency path, for 0 < size1 < size2."""
    if not path:
        raise _path_length("path")
    # A first tree whose size is a power of two is one whole subtree: its root starts the walk and is not in the path.
    old, new = consistency_roots(size1, size2, (root1, *path) if size1 & (size1 - 1) == 0 else path)
    if old != root1:
        raise _inconsistent("root1")
    if new != root2:
        raise _inconsistent("root2")


class Frontier:
    """The right edge of a growing tree: one hash for each whole subtree, largest first (a *compact range*).

    It is all that is needed to append leaves and to tell the root: at most 63 hashes. `peaks` is its immutable
    snapshot; `Frontier(size, peaks)` restores it. `append` and `extend` change it in place; `copy` keeps the old one.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Restore from `size` leaves and their peaks, largest subtree first; without arguments the empty tree.

        Raises ProofError `proof-size-invalid`, or `proof-malformed` when there is not one peak of 32 bytes for each bit
        set in `size`.
        """
        require_size(size)
        self._size = size
        self._peaks = list(peaks)
        _require_hashes(self._peaks, "frontier")
        if len(self._peaks) != size.bit_count():
            raise ProofError(
                "proof-malformed",
                f"There are {len(self._peaks)} subtree hashes for a tree of {size} leaves, not {size.bit_count()}.",
                where="frontier",
                fix="Restore the size and the hashes of the same moment.",
            )

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def peaks(self) -> Path:
        """Hashes of the whole subtrees, largest (leftmost) first: one for each bit set in `size`."""
        return tuple(self._peaks)

    def copy(self) -> "Frontier":
        """An equal frontier that changes independently of this one."""
        return Frontier(self._size, self._peaks)

    def root(self) -> bytes:
        """Root of the tree at the present size."""
        return fold_peaks(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash. Raises ProofError `proof-malformed`, or `tree-too-large` at the largest size."""
        self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes in order; nothing changes when one is refused. Raises as `append`."""
        self._climb(leaves, height=0)

    def extend_by_levels(self, leaves: Sequence[bytes], height: int) -> list[list[bytes]]:
        """Add leaf hashes and tell which subtrees became whole.

        Returns one list for each multiple of `height` (0, `height`, 2 * `height`, ...) up to the last that gained a
        hash: item k holds the hashes of the subtrees of 2**(k * height) leaves that this call completed, in order, the
        first at index `old size >> (k * height)`. These are exactly the hashes that the tiles of level k gain.
        Raises as `append`.
        """
        if height < 1:
            raise ProofError("proof-size-invalid", "The level step is below 1.", where="height")
        return self._climb(leaves, height)

    def _climb(self, leaves: Sequence[bytes], height: int) -> list[list[bytes]]:
        """Pair up level by level; `height` 0 collects nothing."""
        _require_hashes(leaves, "leaf hashes")
        require_size(self._size + len(leaves))
        gained: list[list[bytes]] = []
        old = self._peaks.copy()
        kept: list[bytes] = []
        nodes, bits, level = list(leaves), self._size, 0
        while nodes or bits:
            if height and nodes and level % height == 0:
                gained.append(nodes.copy())
            if bits & 1:
                nodes.insert(0, old.pop())
            if len(nodes) & 1:
                kept.append(nodes.pop())
            nodes = _parents(nodes)
            bits >>= 1
            level += 1
        kept.reverse()
        self._peaks = kept
        self._size += len(leaves)
        return gained


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Root over the hashes of whole subtrees, largest first, as a frontier has them; `EMPTY_ROOT` for none."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def subtree_root(lo: int, hi: int, whole: Callable[[int, int], bytes]) -> bytes:
    """Hash of the subtree over leaves `lo` to `hi`, one of the ranges of a proof, or `(0, size)` for the root.

    `whole(height, index)` gives the hash of the whole subtree over leaves `index << height` to `(index + 1) << height`.
    """
    peaks: list[bytes] = []
    while lo < hi:
        # `lo` is a multiple of every power of two that fits, because proof ranges start at the split of a subtree.
        height = (hi - lo).bit_length() - 1
        peaks.append(whole(height, lo >> height))
        lo += 1 << height
    return fold_peaks(peaks)


def _parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Hashes of neighbouring pairs; a last node without a partner is left to the caller."""
    pairs = iter(nodes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]


def _fold_levels(nodes: Sequence[bytes]) -> bytes:
    while len(nodes) > 1:
        above = _parents(nodes)
        if len(nodes) & 1:
            above.append(nodes[-1])
        nodes = above
    return nodes[0]


def _levels(nodes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """All levels from the leaves to the root; the odd last node of a level rises unhashed."""
    levels = [nodes]
    while len(nodes) > 1:
        above = _parents(nodes)
        if len(nodes) & 1:
            above.append(nodes[-1])
        levels.append(above)
        nodes = above
    return levels


def _split(count: int) -> int:
    """Largest power of two below `count`, for count >= 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _require_hashes(hashes: Sequence[bytes], where: str) -> None:
    # The set of lengths is made in C: the ledger passes thousands of leaves here for each commit.
    if hashes and set(map(len, hashes)) != {HASH_SIZE}:
        raise _hash_size(where)


def _require_hash(value: bytes, where: str) -> None:
    if len(value) != HASH_SIZE:
        raise _hash_size(where)


def require_size(size: int) -> None:
    """Raise ProofError `proof-size-invalid` for a negative tree size, `tree-too-large` for one beyond `MAX_SIZE`."""
    if size < 0:
        raise ProofError("proof-size-invalid", "The tree size is negative.", where="size")
    if size > MAX_SIZE:
        raise ProofError("tree-too-large", "The tree size is beyond 2^63 - 1.", where="size")


def _require_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ProofError("proof-index-outside", f"The tree of {size} leaves has no such leaf.", where="index")


def _hash_size(where: str) -> ProofError:
    return ProofError("proof-malformed", "A hash is not 32 bytes long.", where=where)


def _path_length(where: str) -> ProofError:
    return ProofError(
        "proof-malformed", "The path is longer or shorter than this place in the tree has it.", where=where
    )


def _inconsistent(where: str) -> ProofError:
    return ProofError("proof-consistency-invalid", "The consistency proof leads to another root.", where=where)
