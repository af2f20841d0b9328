"""Codes of NOC 2021, ESCO and Skills for Success in an office's file: listed, refused, and what was meant."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.core.tables import ESCO_GROUP, ESCO_SKILL, ESCO_URI, NOC_UNIT_GROUP, TEER_LEVELS
from passerelle.node import csv_cells as c
from passerelle.node.csv_cells import Cell, CellError
from passerelle.node.csv_codes import MAX_CODE, are_unit_groups, unlisted
from passerelle.runtime.codelists import LIST_NAMES, ListName, code_list

INITIATIVE = f"{ESCO_SKILL}001115fb-569f-4ee6-8381-c6807ef2527f"
DRAFTING = "'22212' (Drafting technologists and technicians)"
ROOT = Path(__file__).resolve().parents[3]


def refusal(cell: Cell, text: str) -> CellError:
    with pytest.raises(CellError) as caught:
        cell.parse(text, "humber")
    assert caught.value.code == "code-unknown"
    return caught.value


@pytest.mark.parametrize("name", LIST_NAMES)
def test_a_list_states_its_version_source_and_licence(name: ListName) -> None:
    found = code_list(name)
    assert found.version in {"NOC 2021 version 1.0", "ESCO v1.1.1"}
    assert found.source
    assert found.licence


def test_the_lists_have_the_form_of_their_codes() -> None:
    groups = code_list("noc2021").entries
    assert len(groups) == 516
    assert all(NOC_UNIT_GROUP.fullmatch(code) and code[1] in TEER_LEVELS for code in groups)
    skills = code_list("esco").entries
    assert len(skills) == 1840
    assert all(ESCO_URI.fullmatch(ESCO_SKILL + code) for code in skills)
    assert {group for one in skills.values() for group in one.groups} == {"digital", "green", "transversal"}


def test_the_lists_are_those_of_their_sources(shared_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("code_lists", ROOT / "tools" / "code_lists.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main([str(shared_folder / "data"), "--check"]) == 0, capsys.readouterr().err
    assert dict(module.noc(shared_folder / "data").entries) == dict(code_list("noc2021").entries)


def test_a_list_is_read_when_it_is_first_needed_only() -> None:
    script = (
        "from passerelle.runtime.codelists import code_list\nimport passerelle.node.csv_forms\n"
        "assert code_list.cache_info().currsize == 0\n"
        "from passerelle.node.csv_cells import NOC\nNOC.parse('22212', 'humber')\n"
        "assert code_list.cache_info().currsize == 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "services", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_unit_group_is_taken_and_no_other_five_digits_are() -> None:
    groups = code_list("noc2021").entries
    taken = [code for code in (f"{number:05d}" for number in range(100_000)) if are_unit_groups([code])]
    assert taken == list(groups)
    assert c.NOC.sure is not None
    assert c.NOC.sure(["22212", "72310"])
    assert not c.NOC.sure(["22212", "22215"])


@pytest.mark.parametrize(
    ("text", "what", "meant"),
    [
        ("22215", "NOC 2021 version 1.0", DRAFTING),
        ("22122", "has these digits", DRAFTING),
        ("222212", "five digits", DRAFTING),
        ("2212", "four digits", DRAFTING),
        ("11", "five digits", "'00011' (Senior government managers and officials)?"),
        ("22212 Drafting", "more than the five digits", f"Did you mean {DRAFTING}?"),
        ("22215 Drafting", "more than the five digits", DRAFTING),
        ("Drafting technologists and technicians", "five digits", f"Did you mean {DRAFTING}?"),
        ("draughting technician", "five digits", f"Did you mean {DRAFTING}?"),
        ("MAITRE D'HOTEL", "five digits", "(Maîtres d'hôtel and hosts/hostesses)"),
    ],
)
def test_the_nearest_unit_groups_are_named(text: str, what: str, meant: str) -> None:
    error = refusal(c.NOC, text)
    assert what in error.what
    assert meant in error.fix
    assert error.fix.count("(") <= 4, "three are named at most"


@pytest.mark.parametrize("text", ["Jane Smith", "zzz", "0", "7777777777", "٢٢٢١٢"])
def test_without_a_near_one_it_is_said_what_to_write(text: str) -> None:
    error = refusal(c.NOC, text)
    assert error.fix.startswith("Write the five digits")
    assert not error.near


@pytest.mark.parametrize(
    ("text", "near"), [("22215", True), ("99999", False), ("software engineers", True), ("Baker", False)]
)
def test_a_text_is_shown_only_where_it_is_surely_a_code_or_a_title(text: str, near: bool) -> None:
    assert refusal(c.NOC, text).near is near


@pytest.mark.parametrize(
    "code",
    [
        INITIATIVE,
        f"{ESCO_SKILL}ffffffff-569f-4ee6-8381-c6807ef2527f",
        "http://data.europa.eu/esco/occupation/ffffffff-569f-4ee6-8381-c6807ef2527f",
        f"{ESCO_SKILL}S5.6.1",
        "http://data.europa.eu/esco/isced-f/0613",
        "http://data.europa.eu/esco/isco/C2512",
        "S5.6.1",
        "0613",
    ],
)
def test_concepts_and_groups_of_esco_are_taken(code: str) -> None:
    assert c.ALIGNMENT.parse(f"skill|esco|{code}", "humber")["code"] == code
    assert ESCO_URI.fullmatch(code) or ESCO_GROUP.fullmatch(code)


@pytest.mark.parametrize(
    "code",
    [
        INITIATIVE[:-1] + "e",
        INITIATIVE[:-1],
        INITIATIVE + "/",
        INITIATIVE.replace("http:", "https:"),
        INITIATIVE.replace("001115fb", "001115FB"),
        INITIATIVE.removeprefix(ESCO_SKILL),
        "show initiative",
        "Shows initiatives",
        "T-99|show initiative",
    ],
)
def test_the_esco_skill_that_was_meant_is_named(code: str) -> None:
    assert f"'{INITIATIVE}' (show initiative)" in refusal(c.ALIGNMENT, f"skill|esco|{code}").fix


def test_what_is_nothing_of_esco_is_refused() -> None:
    assert ESCO_SKILL in refusal(c.ALIGNMENT, "skill|esco|qqq").fix


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("skill|noc-2021|22215|Drafting technologists", DRAFTING),
        ("skill|skills-for-success|Rédaction", "'writing'"),
        ("skill|skills-for-success|writting", "'writing'"),
        ("skill|skills-for-success|Creativity and innovation", "'creativity-innovation'"),
        ("skill|skills-for-success|zzz", "adaptability, collaboration"),
    ],
)
def test_alignments_are_looked_up_in_the_list_of_their_framework(text: str, meant: str) -> None:
    assert meant in refusal(c.ALIGNMENT, text).fix


@pytest.mark.parametrize("text", ["skill|noc-2021|22212", "skill|skills-for-success|writing", "skill|rru/own|zzz"])
def test_listed_codes_and_other_frameworks_are_taken(text: str) -> None:
    assert c.ALIGNMENT.parse(text, "humber")["code"] == text.rpartition("|")[2]


@pytest.mark.parametrize("framework", ["noc-2021", "esco", "skills-for-success"])
def test_a_very_long_code_is_refused_like_any_other(framework: str) -> None:
    wrong = unlisted(framework, "q" * (MAX_CODE * 400))
    assert wrong is not None
    assert "qqq" not in wrong.what + wrong.fix


@pytest.mark.parametrize("name", LIST_NAMES)
def test_every_title_finds_its_own_entry_alone(name: ListName) -> None:
    entries = code_list(name).entries.values()
    found = {one.title: [near.title for near, _ in code_list(name).by_words(one.title)] for one in entries}
    assert all(title in near for title, near in found.items())
    # Words are letters and digits: these two are one word for us, and both are shown.
    assert {title for title, near in found.items() if len(near) > 1} <= {"C++", "C#"}
