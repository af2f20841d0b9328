"""Agreements as JSON: groups in positions, advisements, denied courses; transfer value profiles. Errors have a path."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.agreements.builders import BOOK

from passerelle.core.errors import FormatError
from passerelle.node.agreements.data import rules_in
from passerelle.node.agreements.reading import reader_of
from passerelle.node.csv_rows import RowError


def group(position: int, *numbers: str, joined: str = "And") -> dict[str, Any]:
    courses = [{"prefix": "RLST", "courseNumber": number} for number in numbers]
    return {"position": position, "courseConjunction": joined, "items": courses}


def joined(word: str, begin: int, end: int) -> dict[str, Any]:
    return {
        "groupConjunction": word,
        "sendingCourseGroupBeginPosition": begin,
        "sendingCourseGroupEndPosition": end,
    }


def leaf(number: str) -> dict[str, Any]:
    return {"achievement": f"ufv/RLST{number}"}


RECEIVING = {"conjunction": "And", "courses": [{"prefix": "HUM", "courseNumber": "130", "units": 3}]}
FILE: dict[str, Any] = {
    "sendingInstitution": "UFV",
    "receivingInstitution": "SFU",
    "begin": "2020-09-01",
    "articulations": [{"id": "a1", "receiving": RECEIVING, "sendingArticulation": {"items": [group(0, "201", "202")]}}],
}


def read(folder: Path, value: Any) -> list[Any]:
    path = folder / "in.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return list(rules_in(reader_of(path, BOOK), "bccat"))


def sent(folder: Path, **articulation: Any) -> Any:
    entry = {**FILE["articulations"][0], "sendingArticulation": articulation}
    (found,) = read(folder, {**FILE, "articulations": [entry]})
    assert isinstance(found, tuple), found
    return found[1]["sending"]


def test_an_entry_is_a_rule(tmp_path: Path) -> None:
    ((name, data),) = read(tmp_path, FILE)
    assert name == "bccat/a1"
    assert data["sending"] == {"all_of": [leaf("201"), leaf("202")]}
    credits = {"value": "3", "system": "units"}
    assert data["outcome"] == {"type": "assigned", "achievement": "sfu/HUM130", "credits": credits}
    assert (data["valid_from"], data["delegation"]) == ("2020-09-01", "sfu/to-bccat")


def test_and_binds_more_than_or_among_positions(tmp_path: Path) -> None:
    items = [group(2, "3", "4", joined="Or"), group(0, "1"), group(1, "2")]
    found = sent(tmp_path, items=items, courseGroupConjunctions=[joined("Or", 0, 1), joined("And", 1, 2)])
    assert found == {"any_of": [leaf("1"), {"all_of": [leaf("2"), {"any_of": [leaf("3"), leaf("4")]}]}]}


@pytest.mark.parametrize(
    ("advisement", "expected"),
    [
        ({"type": "NFollowing", "amount": 2}, {"n_of": {"n": 2, "of": [leaf("1"), leaf("2"), leaf("3")]}}),
        (
            {"type": "NUnitsFrom", "amount": 6},
            {"credits_from": {"credits": {"value": "6", "system": "credit-hours"},
                              "of": [leaf("1"), leaf("2"), leaf("3")]}},
        ),
        (
            {"type": "NInNAreas", "amount": 2, "areas": 2},
            {"n_of": {"n": 2, "of": [{"any_of": [leaf("1"), leaf("2")]}, leaf("3")]}},
        ),
    ],
)  # fmt: skip
def test_an_advisement_asks_for_some_of_the_courses(
    tmp_path: Path, advisement: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert sent(tmp_path, items=[group(0, "1", "2"), group(1, "3")], advisements=[advisement]) == expected


def test_denied_courses_are_evaluations_without_credit(tmp_path: Path) -> None:
    entry = copy.deepcopy(FILE["articulations"][0])
    entry["sendingArticulation"]["deniedCourses"] = [{"prefix": "RLST", "courseNumber": "99"}]
    rule, denied = read(tmp_path, {**FILE, "articulations": [entry]})
    assert rule[0] == "bccat/a1"
    assert (denied[0], denied[1]["reason"], denied[1]["sending"]) == ("bccat/a1-denied-RLST99", "other", leaf("99"))


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *parents, last = path.split(".")

    def apply(target: Any) -> None:
        for name in parents:
            target = target[int(name) if name.isdigit() else name]
        if value is None:
            del target[last]
        else:
            target[last] = value

    return apply


WHERE = "file.articulations[0]"


@pytest.mark.parametrize(
    ("path", "value", "code", "place"),
    [
        ("articulations.0.id", None, "value-missing", WHERE),
        ("articulations.0.receiving.courses", [], "field-malformed", f"{WHERE}.receiving"),
        ("sendingInstitution", "UFW", "code-unknown", "file.sendingInstitution"),
        (
            "articulations.0.sendingArticulation",
            {"noArticulationReason": "No Comparable Course"},
            "import-nothing",
            f"{WHERE}.sendingArticulation",
        ),
        (
            "articulations.0.sendingArticulation.items",
            [group(0, "1"), group(1, "2")],
            "expression-invalid",
            f"{WHERE}.sendingArticulation",
        ),
        (
            "articulations.0.sendingArticulation.advisements",
            [{"type": "NInNAreas", "amount": 3, "areas": 2}],
            "expression-invalid",
            f"{WHERE}.sendingArticulation.advisements[0]",
        ),
        (
            "articulations.0.sendingArticulation.items.0.position",
            "first",
            "number-malformed",
            f"{WHERE}.sendingArticulation.items[0].position",
        ),
    ],
)
def test_a_wrong_entry_is_told_with_its_path_and_the_others_go_on(
    tmp_path: Path, path: str, value: Any, code: str, place: str
) -> None:
    wrong = copy.deepcopy(FILE)
    change(path, value)(wrong)
    good = {**FILE["articulations"][0], "id": "good", "sendingInstitution": "UFV"}
    first, second = read(tmp_path, {**wrong, "articulations": [*wrong["articulations"], good]})
    assert isinstance(first[0], RowError), first
    assert (first[0].code, first[0].row) == (code, 2)
    assert place in first[0].what
    assert second[0] == "bccat/good"


def course(code: str, owner: str, **more: Any) -> dict[str, Any]:
    return {"@type": "ceterms:Course", "ceterms:codedNotation": code, "ceterms:ownedBy": [owner], **more}


THREE = {"@type": "schema:QuantitativeValue", "schema:value": 3}
PROFILE: dict[str, Any] = {
    "@context": "https://credreg.net/ctdl/schema/context/json",
    "@type": "ceterms:TransferValueProfile",
    "ceterms:ctid": "ce-1",
    "ceterms:description": {"fr-CA": "Deux cours", "en-CA": "Two courses"},
    "ceterms:startDate": "2020-09-01",
    "ceterms:transferValue": [THREE],
    "ceterms:transferValueFrom": [course("RLST 201", "UFV"), {"@id": "urn:passerelle:achievement:ufv/X-1"}],
    "ceterms:transferValueFor": [course("HUM 130", "SFU")],
}


def test_a_transfer_value_profile_is_a_rule(tmp_path: Path) -> None:
    ((name, data),) = read(tmp_path, {"@context": "x", "@graph": [PROFILE, {"@type": "ceterms:Course"}]})
    assert name == "bccat/ce-1"
    assert data["sending"] == {"all_of": [leaf("201"), {"achievement": "ufv/X-1"}]}
    credits = {"value": "3", "system": "units"}
    assert data["outcome"] == {"type": "assigned", "achievement": "sfu/HUM130", "credits": credits}
    assert data["note"] == "Two courses"


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("ceterms:transferValueFrom", [], "file"),
        ("ceterms:transferValueFor.0.ceterms:ownedBy", ["A", "B"], "file.ceterms:transferValueFor[0]"),
        ("ceterms:transferValueFrom.0.ceterms:codedNotation", "Religion", "file.ceterms:transferValueFrom[0]"),
        ("ceterms:transferValue", [THREE, THREE], "file"),
        ("ceterms:startDate", None, "file"),
    ],
)
def test_a_wrong_profile_is_told_with_its_path(tmp_path: Path, path: str, value: Any, place: str) -> None:
    wrong = copy.deepcopy(PROFILE)
    change(path, value)(wrong)
    (found,) = read(tmp_path, wrong)
    assert isinstance(found[0], RowError), found
    assert found[0].what.startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "body-not-json"),
        ('{"a": 1}', "schema-invalid"),
        ('{"@context": "x"}', "import-nothing"),
        ('{"articulations": [' + "[" * 3000 + "]" * 3000 + "]}", "body-not-json"),
    ],
)
def test_a_file_of_another_kind_stops_with_one_error(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "in.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(rules_in(reader_of(path, BOOK), "bccat"))
    assert error.value.code == code
