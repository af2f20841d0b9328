"""Compact rules: what was put in comes out, byte for byte, also through a snapshot."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.query.names import Names, Postings
from passerelle.query.rulestore import RuleStore

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
JSON = st.recursive(
    st.one_of(TEXTS, st.integers(0, 10**6), st.booleans(), st.sampled_from(["humber/a", "2024-01-01", '",":"', "\\"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["of", "n", "note"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def rule(receiver: str = "bcit", course: str = "humber/a", **more: Any) -> dict[str, Any]:
    return {
        "receiver": receiver,
        "kind": "equivalency",
        "sending": {"achievement": course},
        "outcome": {"type": "exemption", "achievement": f"{receiver}/x"},
        "valid_from": "2020-01-01",
        **more,
    }


@settings(max_examples=80, deadline=None)
@given(st.lists(JSON, min_size=1, max_size=4))
def test_any_data_comes_back_as_it_was(notes: list[Any]) -> None:
    store = RuleStore()
    for number, note in enumerate(notes):
        store.put("bcit/r1", number, rule(extra=note))
    again = RuleStore.load(store.dump())
    for kept in (store, again):
        states = list(kept.states_of("bcit/r1").upto(100))
        assert [orjson.loads(state.raw) for _, state in states] == [rule(extra=note) for note in notes]


def test_lists_by_what_a_rule_names() -> None:
    store = RuleStore()
    cluster = {"all_of": [{"achievement": "humber/a"}, {"n_of": {"n": 1, "of": [{"achievement": "humber/b"}]}}]}
    store.put("bcit/r1", 3, rule())
    store.put("nscc/r1", 4, rule("nscc") | {"sending": cluster})
    store.put("bcit/r1", 5, rule(course="humber/b", supersedes={"recognition": "bcit/r0", "mode": "replaces-all"}))
    store.end("bcit/r1", 6, "2025-06-30")
    store.end("bcit/never", 7, "2025-06-30")
    for kept in (store, RuleStore.load(store.dump())):
        assert kept.naming("humber/a") == ["bcit/r1", "nscc/r1"]
        assert kept.naming("humber/b", "bcit") == ["bcit/r1"]
        assert kept.naming("humber/b", "sfu") == kept.naming("humber/z") == []
        assert kept.superseding("bcit/r0") == ["bcit/r1"]
        assert dict(kept.view("receiver")) == {"bcit": ["bcit/r1"], "nscc": ["nscc/r1"]}
        assert dict(kept.view("outcome")) == {"bcit/x": ["bcit/r1"], "nscc/x": ["nscc/r1"]}
        assert len(kept.view("leaf")) == 2
        assert [(row.from_index, row.to_index, row.state) for row in kept.rows("bcit/r1")] == [
            (3, 5, "in-force"),
            (5, 6, "in-force"),
            (6, None, "ended"),
        ]
        assert (list(kept.ids()), kept.receiver("nscc/r1"), kept.count("bcit/r1")) == (
            ["bcit/r1", "nscc/r1"],
            "nscc",
            3,
        )
        with pytest.raises(KeyError):
            kept.receiver("bcit/never")
        with pytest.raises(KeyError):
            kept.view("leaf")["humber/z"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=6), max_size=60))
def test_names_are_numbered_as_a_dictionary_would(given_names: list[bytes]) -> None:
    names, known = Names(), {name: number for number, name in enumerate(dict.fromkeys(given_names))}
    for name in given_names:
        assert names.add(name) == known[name]
    again = Names.load(names.dump())
    assert list(again) == list(names) == list(known)
    assert all(again.find(name) == number for name, number in known.items())
    assert again.find(b"a name that nobody gave") == -1


def test_many_names_are_found_again_after_the_table_grew() -> None:
    names = Names()
    for number in range(3_000):
        names.add(f"name-{number}".encode())
    assert [names.find(f"name-{number}".encode()) for number in range(3_000)] == list(range(3_000))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**32 - 1)), max_size=80), st.booleans())
def test_postings_are_lists_in_the_order_of_their_numbers(given_pairs: list[tuple[int, int]], wide: bool) -> None:
    postings, known = Postings(wide=wide), dict[int, list[int]]()
    for key, number in given_pairs:
        value = number << 32 if wide else number
        postings.add(key, value)
        known.setdefault(key, []).append(value)
    for kept in (postings, Postings.load(postings.dump(), wide=wide)):
        assert {key: kept.of(key) for key in kept.used()} == known
        assert kept.of(-1) == kept.of(6) == []
        assert bool(kept) is bool(known)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="names"):
        Names.load([b"abc", bytes(8)])
    for parts in ([bytes(4), bytes(4), bytes(4)], [bytes(4), bytes(8), b""]):
        with pytest.raises(ValueError, match="postings"):
            Postings.load(parts)
    store = RuleStore()
    store.put("bcit/r1", 1, rule())
    dumped = store.dump()
    with pytest.raises(ValueError, match="states"):
        RuleStore.load([*dumped[:-7], b"", *dumped[-6:]])


def test_a_plain_rule_takes_few_bytes() -> None:
    store = RuleStore()
    for number in range(2_000):
        store.put(f"bcit/agreement-{number}", number, rule(course=f"humber/COURSE-{number % 100}"))
    held = sum(len(part) for part in store.dump())
    assert held / 2_000 < 140
