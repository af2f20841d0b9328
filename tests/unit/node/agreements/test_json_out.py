"""Agreements out as JSON: what is written comes back as it was, and what a format cannot say is told."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.node.agreements.builders import BOOK, denied, granted, numbers, private_notes

from passerelle.core.errors import FormatError
from passerelle.node.agreements.assist import AssistWriter
from passerelle.node.agreements.ctdl import CtdlWriter
from passerelle.node.agreements.data import rules_in
from passerelle.node.agreements.export import export_file
from passerelle.node.agreements.ports import PublishedRule
from passerelle.node.agreements.reading import reader_of
from passerelle.node.agreements.writing import NEEDED, JsonWriter, Telling, as_stated

HOME = "bccat"
WRITERS: dict[str, Callable[[], JsonWriter]] = {"assist-json": AssistWriter, "ctdl-json": CtdlWriter}

leaf = numbers.map(lambda number: {"achievement": f"ufv/RLST{number}"})
leaves = st.lists(leaf, min_size=2, max_size=3)
alls, anys = leaves.map(lambda of: {"all_of": of}), leaves.map(lambda of: {"any_of": of})
run = st.lists(leaf | anys, min_size=2, max_size=3).map(lambda of: {"all_of": of})
assist_sending = (
    leaf | alls | anys | run
    | st.lists(leaf | alls | anys | run, min_size=2, max_size=3).map(lambda of: {"any_of": of})
    | leaves.map(lambda of: {"n_of": {"n": 2, "of": of}})
    | st.lists(leaf | anys, min_size=2, max_size=3).map(lambda of: {"n_of": {"n": 2, "of": of}})
    | leaves.map(lambda of: {"credits_from": {"credits": {"value": "6", "system": "credit-hours"}, "of": of}})
)  # fmt: skip
course = st.builds(
    lambda number, value: {"type": "assigned", "achievement": f"sfu/HUM{number}",
                           "credits": {"value": value, "system": "units"}},
    numbers, st.sampled_from(("3", "1.5", "7/3")),
)  # fmt: skip
sums = st.lists(course, min_size=2, max_size=3).map(lambda of: {"type": "sum", "of": of})
choices = st.lists(course, min_size=2, max_size=3).map(lambda of: {"type": "choice", "of": of})
common = {"receiver": st.just("sfu"), "delegation": st.just("sfu/to-bccat"), "valid_from": st.just("2020-09-01")}
more = {"valid_to": st.just("2029-08-31"), "note": st.just("As agreed"), "source": st.just("https://example.test/g")}
positive = {**common, "kind": st.just("equivalency")}
assist_rules = st.fixed_dictionaries(
    {**positive, "sending": assist_sending, "outcome": course | sums | choices}, optional=more
) | st.fixed_dictionaries({**common, "sending": leaf, "reason": st.sampled_from(("content", "other"))}, optional=more)
ctdl_rules = st.fixed_dictionaries({**positive, "sending": leaf | alls, "outcome": course | sums}, optional=more)


def read_back(folder: Path, writer: JsonWriter, form: str, entries: Sequence[Mapping[str, Any]]) -> list[Any]:
    path = folder / "out.json"
    path.write_text(writer.head + ",".join(json.dumps(one) for one in entries) + writer.tail, encoding="utf-8")
    return list(rules_in(reader_of(path, BOOK, form), HOME))


@pytest.mark.parametrize(("form", "rules"), [("assist-json", assist_rules), ("ctdl-json", ctdl_rules)])
def test_what_a_format_can_say_comes_back_as_it_was(
    form: str, rules: st.SearchStrategy[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, writer = tmp_path_factory.mktemp("out"), WRITERS[form]()

    @given(rules)
    @settings(max_examples=80, deadline=None)
    def comes_back(data: dict[str, Any]) -> None:
        rule = PublishedRule("bccat/a1", {**data, "version": 3})
        entry, unsaid = Telling(writer, BOOK, HOME).told(as_stated(rule, "", HOME))
        assert (entry is None, unsaid) == (False, [])
        assert read_back(folder, writer, form, [entry or {}]) == [("bccat/a1", data)]

    comes_back()


@pytest.mark.parametrize("form", WRITERS)
def test_nothing_is_dropped_in_silence(form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, writer = tmp_path_factory.mktemp("out"), WRITERS[form]()

    @given(granted | denied, private_notes)
    @settings(max_examples=80, deadline=None)
    def told(data: dict[str, Any], note: str) -> None:
        entry, unsaid = Telling(writer, BOOK, HOME).told(as_stated(PublishedRule("bccat/a1", data), note, HOME))
        if entry is None:
            assert unsaid
            assert all(one.left_out for one in unsaid)
            return
        ((name, back),) = read_back(folder, writer, form, [entry])
        differing = {key for key in {**data, **back} if data.get(key) != back.get(key)}
        assert name == "bccat/a1"
        assert not differing & NEEDED
        assert {one.field for one in unsaid} == differing | ({"private_note"} if note else set())

    told()


def test_an_ended_rule_ends_in_the_file_too() -> None:
    data = {"receiver": "sfu", "kind": "equivalency", "sending": {"achievement": "ufv/RLST201"}, "valid_from":
            "2020-09-01", "outcome": {"type": "assigned", "achievement": "sfu/HUM130", "credits": {"value": "3",
            "system": "units"}}, "delegation": "sfu/to-bccat"}  # fmt: skip
    stated = as_stated(PublishedRule("bccat/a1", data, "2026-08-31"), "", HOME)
    entry, unsaid = Telling(AssistWriter(), BOOK, HOME).told(stated)
    assert entry is not None
    assert (entry["end"], unsaid) == ("2026-08-31", [])


class Store:
    """Rules without a database: what an export asks for."""

    def __init__(self, rules: Sequence[PublishedRule]) -> None:
        self.rules = {rule.subject: rule for rule in rules}

    async def rule_ids(self, after: str, limit: int) -> list[str]:
        return [name for name in sorted(self.rules) if name > after][:limit]

    async def rules_of(self, subjects: Sequence[str]) -> dict[str, PublishedRule]:
        return {name: self.rules[name] for name in subjects}

    async def private_notes(self, subjects: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(subjects[:1], "Kept here")

    async def put_private_notes(self, notes: Mapping[str, str]) -> None:
        raise AssertionError(notes)

    async def achievements_of(self, member: str, limit: int) -> list[str]:
        raise AssertionError(member, limit)


@pytest.fixture
def store() -> Store:
    sent, more = {"achievement": "ufv/RLST201"}, {"receiver": "sfu", "delegation": "sfu/to-bccat"}
    common = {**more, "valid_from": "2020-09-01"}
    given = {"type": "assigned", "achievement": "sfu/HUM130", "credits": {"value": "3", "system": "units"}}
    positive = {**common, "kind": "equivalency", "outcome": given}
    graded = {**sent, "minimum_grade": {"scheme": "letter-4.33", "grade": "B"}}
    return Store([
        PublishedRule("bccat/a1", {**positive, "sending": sent, "sample": True}),
        PublishedRule("bccat/a2", {**positive, "sending": graded}),
        PublishedRule("bccat/a3", {**common, "sending": sent, "reason": "content"}),
    ])  # fmt: skip


@pytest.mark.parametrize(("form", "written", "left_out"), [("assist", 2, ["a2"]), ("ctdl", 1, ["a2", "a3"])])
async def test_a_file_is_written_and_says_what_it_lacks(
    store: Store, tmp_path: Path, form: str, written: int, left_out: list[str]
) -> None:
    path = tmp_path / "out.json"
    found = await export_file(store, BOOK, HOME, path, form=form)
    assert (found.agreements, found.left_out) == (written, len(left_out))
    assert [one.id for _, one in found.unsaid if one.left_out] == left_out
    assert {one.field for _, one in found.unsaid if one.id == "a1"} == {"sample", "private_note"}
    rules = dict(one for one in rules_in(reader_of(path, BOOK), HOME) if isinstance(one, tuple))
    assert len(rules) == written
    assert "sample" not in rules["bccat/a1"]
    assert found.unsaid[0][1].as_error(1).code == "format-cannot-say"


async def test_a_file_that_is_there_stays_and_one_that_fails_does_not(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        await export_file(store, BOOK, HOME, path, form="assist")
    assert (caught.value.code, path.read_text(encoding="utf-8")) == ("argument-invalid", "mine")
    with pytest.raises(FormatError) as caught:
        await export_file(store, BOOK, HOME, tmp_path / "new", form="xml")
    assert caught.value.code == "format-unknown"
    store.rules["bccat/a9"] = PublishedRule("bccat/a9", {**store.rules["bccat/a3"].data, "receiver": "nowhere"})
    with pytest.raises(FormatError) as caught:
        await export_file(store, BOOK, HOME, tmp_path / "new.csv", form="csv")
    assert (caught.value.code, (tmp_path / "new.csv").exists()) == ("code-unknown", False)
