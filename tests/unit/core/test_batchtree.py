"""A batch's tree as it becomes known: the same answers as climbing every path whole."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.batch import batch_root, parse_path
from passerelle.core.batchtree import BatchTree
from passerelle.core.errors import PasserelleError
from passerelle.core.lines import hashes_text
from passerelle.core.merkle import all_inclusion_paths, leaf_hashes, root_from_leaves

Leaf = tuple[bytes, bytes]
"""Statement and the text of its path."""


def batch(size: int) -> tuple[bytes, list[Leaf]]:
    statements = [b"statement %d of %d" % (number, size) for number in range(size)]
    hashes = leaf_hashes(statements)
    paths = [hashes_text(path).encode() for path in all_inclusion_paths(hashes)]
    return root_from_leaves(hashes), list(zip(statements, paths, strict=True))


@pytest.mark.parametrize("size", [2, 3, 5, 7, 8, 100, 255, 256])
def test_every_event_leads_to_the_root_in_any_order(size: int) -> None:
    root, leaves = batch(size)
    for seed in range(3):
        order = list(range(size))
        random.Random(seed).shuffle(order)
        tree = BatchTree(size)
        for index in order * 2:
            assert tree.climb(index, *leaves[index]) == root
        assert tree.root == root


@settings(max_examples=300)
@given(st.data())
def test_an_altered_event_gets_the_answer_that_climbing_whole_gives(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    root, leaves = batch(size)
    tree = BatchTree(size)
    for index in data.draw(st.lists(st.integers(0, size - 1), max_size=size)):
        tree.climb(index, *leaves[index])
    index = data.draw(st.integers(0, size - 1))
    statement, path = leaves[data.draw(st.integers(0, size - 1))]
    altered = bytearray(path)
    kind = data.draw(st.sampled_from(["as it is", "byte", "cut", "longer", "upper"]))
    if kind == "byte" and altered:
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    elif kind == "cut":
        del altered[data.draw(st.integers(0, len(altered))) :]
    elif kind == "longer":
        altered += data.draw(st.sampled_from([b" ", b" " + b"0" * 64, b"0"]))
    elif kind == "upper":
        altered = bytearray(bytes(altered).upper())
    first = tree.root
    assert outcome(lambda: tree.climb(index, statement, bytes(altered))) == outcome(
        lambda: batch_root(statement, index, size, parse_path(index, size, bytes(altered)))
    )
    if first is not None:
        assert tree.root == first == root
        for place, leaf in enumerate(leaves):
            assert tree.climb(place, *leaf) == root, "what was refused left nothing behind"


def outcome(call: object) -> object:
    try:
        return call()  # type: ignore[operator]
    except PasserelleError as error:
        return error.code
