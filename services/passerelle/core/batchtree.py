"""The known part of one batch's tree, so that 256 events of a batch cost about one hash each and not eight.

Each event travels with its whole path (RFC 9162, section 2.1.3). The first one is climbed to the root; what it passed
is remembered, and the next one climbs only until it meets a node that is known. Every path is still checked in full:
its rest must be, byte for byte, the path that is known to lead from there to the root.
"""

from __future__ import annotations

from hashlib import sha256

from passerelle.core.batch import batch_root, parse_path, path_length

_LEVEL = 9
"""Bits of a node's place within its level: a batch has at most 256 leaves."""


class BatchTree:
    """Nodes of the tree of ``size`` leaves that lead to ``root``; whether the root is signed is not this class's.

    ``trusted`` is the caller's own mark that the root's signature was verified.
    """

    __slots__ = ("_nodes", "root", "size", "trusted")

    def __init__(self, size: int) -> None:
        self.size = size
        self.root: bytes | None = None
        """The root that the first event gave, 32 bytes."""
        self.trusted = False
        # Level and place in the level to the node's hash and the text of the path from it to the root.
        self._nodes: dict[int, tuple[bytes, bytes]] = {}

    def climb(self, index: int, statement: bytes, path: bytes) -> bytes:
        """The root that ``path`` (hex hashes joined by a space) gives for this statement as leaf ``index``, 32 bytes.

        It is this tree's root, or another one where the event is not of this tree. Raises FormatError
        ``header-malformed`` or ``path-invalid``.
        """
        known = self._nodes.get(index)
        leaf = sha256(b"\x00" + statement).digest()
        if known is None:
            root = self._learn(index, leaf, path)
            if root is not None:
                return root
        elif known[0] == leaf and known[1] == path and self.root is not None:
            return self.root
        hashes = parse_path(index, self.size, path)
        return batch_root(statement, index, self.size, hashes)

    def _learn(self, index: int, leaf: bytes, path: bytes) -> bytes | None:
        """Climb from an unknown leaf; None where the path is not the one of this tree."""
        if len(path) != max(0, 65 * path_length(index, self.size) - 1):
            return None
        nodes, found = self._nodes, []
        place, width, level, own, rest = index, self.size, 0, leaf, path
        while True:
            key = level << _LEVEL
            known = nodes.get(key | place)
            if known is not None:
                if known != (own, rest):
                    return None
                break
            found.append((key | place, own, rest))
            if width == 1:
                if self.root is not None and own != self.root:
                    return None
                self.root = own
                break
            if place ^ 1 < width:
                text, above = rest[:64], rest[64:]
                sibling = _hash(text)
                if sibling is None or (above and above[0] != 0x20):
                    return None
                found.append((key | place ^ 1, sibling, own.hex().encode() + above))
                pair = sibling + own if place & 1 else own + sibling
                own, rest = sha256(b"\x01" + pair).digest(), above[1:]
            place, width, level = place >> 1, (width + 1) >> 1, level + 1
        for key, digest, text in found:
            nodes[key] = (digest, text)
        return self.root


def _hash(text: bytes) -> bytes | None:
    """32 bytes of their one spelling in hex, else None."""
    try:
        digest = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
    return digest if len(digest) == 32 and digest.hex().encode() == text else None
