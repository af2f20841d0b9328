"""Letters, exports and deadlines of cases."""

from __future__ import annotations

import csv
import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.drawer import CASE, CREDIT, HELD, OfficeDesk

from passerelle.core.errors import PasserelleError
from passerelle.node import case_texts
from passerelle.node.case_export import FIELDS, PERSONAL, PLAIN, read_mapping
from passerelle.node.case_letter import outcome_text
from passerelle.node.due import deadline_of
from passerelle.node.people import Person
from passerelle.node.transfers import Step, view_of

ANN = Person("Ann <b>Planted</b>", "1999-01-02", "S1", "ann@example.test")
DAY_MS = 86_400_000


def decided(*lines: dict[str, Any], **data: Any) -> OfficeDesk:
    desk = OfficeDesk()
    learner = desk.vault.enrol(ANN)
    desk.drawer.learners[learner.id] = learner
    desk.drawer.members = {
        "queens": {"names": {"en": "Queen's University"}},
        "humber": {"names": {"fr": "Collège Humber"}},
    }
    desk.rules.known = {"humber/stat": {"": "Statistics", "en": "Statistics", "fr": "Statistique"}}
    desk.open(*HELD, learner=learner.id, programme="queens/bsc")
    desk.step("decided", 12, lines=list(lines) or [desk.line(recognition_index=7)], **data)
    return desk


async def letter(desk: OfficeDesk, tmp_path: Path, language: str = "en") -> str:
    out = tmp_path / "letter.html"
    await desk.work.letters.write(CASE, out, language)
    assert os.stat(out).st_mode & 0o077 == 0
    return out.read_text(encoding="utf-8")


async def test_a_letter_says_who_what_why_and_how_to_appeal(tmp_path: Path) -> None:
    none = {
        "line": 2,
        "credential": HELD[1],
        "status": "no-credit",
        "reason": "level",
        "individual_reason": "First year",
    }
    desk = decided(OfficeDesk().line(recognition_index=7), none, appeal_by="2026-12-01")
    page = await letter(desk, tmp_path)
    for text in (
        'lang="en"', "Queen&#39;s University", "Collège Humber", "Statistics", "Credit granted: assigned credit",
        "3 units", "rule queens/r1 (entry 7)", "No credit", "individual assessment: First year", "the level differs",
        "appeal until 2026-12-01", "@media print", CASE,
    ):  # fmt: skip
        assert text in page, text


async def test_a_letter_in_french_is_french(tmp_path: Path) -> None:
    page = await letter(decided(final=True), tmp_path, "fr")
    for text in ('lang="fr"', "Décision de transfert", "Statistique", "Crédit accordé", "finale", "sous réserve de"):
        assert text in page, text
    assert "Credit granted" not in page


async def test_a_letter_holds_of_the_person_the_name_only_and_no_markup_of_theirs(tmp_path: Path) -> None:
    page = await letter(decided(), tmp_path)
    assert "Ann &lt;b&gt;Planted" in page
    assert not [text for text in ("1999-01-02", "ann@example", ">S1<") if text in page]
    assert "http" not in page.replace("http-equiv", "")


async def test_what_no_letter_is_written_about(tmp_path: Path) -> None:
    desk = OfficeDesk()
    desk.open()
    for language, code in (("en", "step-illegal"), ("de", "language-unknown")):
        with pytest.raises(PasserelleError) as caught:
            await letter(desk, tmp_path, language)
        assert caught.value.code == code
    assert not (tmp_path / "letter.html").exists()


def test_every_coded_text_stands_in_both_languages() -> None:
    for table in (case_texts.CHANGES, case_texts.LETTER, case_texts.STATUS, case_texts.NO_CREDIT, case_texts.OUTCOMES):
        for english, french in table.values():
            assert english
            assert french
    assert case_texts.pick(case_texts.STATUS, "unheard-of", "fr") == "unheard-of"


def test_a_sum_is_told_part_by_part() -> None:
    both = {"type": "sum", "of": [CREDIT, {"type": "exemption", "achievement": "queens/x"}]}
    said = outcome_text(both, str.upper, "en")
    assert said == "all of these: assigned credit, QUEENS/STAT-101, 3 units; exemption without credit, QUEENS/X"


# Export


async def exported(desk: OfficeDesk, tmp_path: Path, mapping: Any = PLAIN) -> list[list[str]]:
    out = tmp_path / "out.csv"
    await desk.work.exports.write([CASE], out, mapping)
    assert os.stat(out).st_mode & 0o077 == 0
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def mapping_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sis.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_a_mapping_names_the_columns_in_their_order(tmp_path: Path) -> None:
    desk = decided()
    desk.step("posted", 13, programme="queens/bsc", posted_on="2026-09-08")
    path = mapping_file(
        tmp_path,
        '[columns]\n"EMPLID" = "student_number"\nType = { text = "=TR" }\n"Course" = "outcome_achievement"\n'
        'Units = "credits"\nOn = "posted_on"\n',
    )
    header, row = await exported(desk, tmp_path, read_mapping(path))
    assert header == ["EMPLID", "Type", "Course", "Units", "On"]
    assert row == ["S1", "'=TR", "queens/stat-101", "3", "2026-09-08"]


async def test_without_a_mapping_no_cell_is_about_the_person(tmp_path: Path) -> None:
    header, row = await exported(decided(), tmp_path)
    assert header == [field for field in FIELDS if field not in PERSONAL]
    told = dict(zip(header, row, strict=True))
    assert (told["status"], told["recognition_index"], told["achievement"]) == ("credited", "7", "humber/stat")
    assert not [text for text in ("Planted", "1999-01-02", "S1") if text in row]


async def test_no_cell_becomes_a_formula(tmp_path: Path) -> None:
    line = {"line": 1, "credential": HELD[0], "status": "no-credit", "reason": "other", "individual_reason": "=1+1"}
    header, row = await exported(decided(line), tmp_path)
    assert dict(zip(header, row, strict=True))["individual_reason"] == "'=1+1"


@pytest.mark.parametrize(
    "text",
    ["", "[columns]\n", "[columns]\nA = 'nothing'\n", "[columns]\nA = 1\n", "[x]\nA = 'line'\n", "\x00", "A = {"],
)
def test_a_wrong_mapping_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        read_mapping(mapping_file(tmp_path, text))
    assert caught.value.code == "mapping-invalid"
    assert "sis.toml" in caught.value.where


async def test_an_undecided_case_leaves_no_file_behind(tmp_path: Path) -> None:
    desk = OfficeDesk()
    desk.open()
    with pytest.raises(PasserelleError) as caught:
        await exported(desk, tmp_path)
    assert caught.value.code == "step-illegal"
    assert not (tmp_path / "out.csv").exists()


# Deadlines


@pytest.mark.parametrize(
    ("today", "within", "expected"),
    [
        ("2026-06-01", 14, None),
        ("2026-06-16", 14, ("due-soon", 14)),
        ("2026-06-30", 0, ("due-soon", 0)),
        ("2026-07-01", 0, ("overdue", -1)),
    ],
)
async def test_a_decision_is_due_and_then_overdue(today: str, within: int, expected: Any) -> None:
    desk = OfficeDesk()
    desk.open(due_on="2026-06-30")
    found = deadline_of(await desk.transfers.view(CASE), today, within)
    assert (None if found is None else (found.kind, found.days)) == expected


async def test_after_the_decision_the_appeal_counts_until_it_is_over_or_final() -> None:
    for data, expected in (({"appeal_by": "2026-06-30"}, "appeal-ends"), ({}, None)):
        view = await decided(**data).transfers.view(CASE)
        found = deadline_of(view, "2026-06-20", 14)
        assert (found and found.kind) == expected
        assert deadline_of(view, "2026-07-01", 14) is None
    final = await decided(appeal_by="2026-06-30", final=True).transfers.view(CASE)
    assert deadline_of(final, "2026-06-20", 14) is None


async def test_the_office_is_reminded_of_each_date_once_and_again_when_it_is_overdue() -> None:
    desk = OfficeDesk()
    desk.open(due_on="2026-06-03")
    # The clock stands at 2026-05-28.
    told = []
    for _ in range(10):
        told.append([one.kind for one in await desk.work.deadlines.due(within=3, remind=True)])
        desk.clock.now += DAY_MS
    assert told == [[], [], [], ["due-soon"], [], [], [], ["overdue"], [], []]
    assert [one.kind for one in await desk.work.deadlines.due(within=3)] == ["overdue"]
    assert "retard" in (await desk.work.deadlines.due(within=3))[0].as_dict("fr")["what"]


@given(st.dates(), st.integers(0, 365))
def test_a_day_is_overdue_after_the_date_and_due_within_the_days_before(today: dt.date, within: int) -> None:
    view = view_of(CASE, [Step(1, "requested", "queens", {"due_on": "2026-06-30"})])
    found = deadline_of(view, today.isoformat(), within)
    days = (dt.date(2026, 6, 30) - today).days
    expected = None if days > within else "due-soon" if days >= 0 else "overdue"
    assert (None if found is None else found.kind) == expected
