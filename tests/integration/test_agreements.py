"""Agreements files on a real PostgreSQL: in, again, compared, out, and in again elsewhere."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.integration.node_desk import Desk, desk

from passerelle.cli.articulation_answer import Given, events_of
from passerelle.node.agreements.book import Book, Institution
from passerelle.node.agreements.desk import AgreementDesk, rows_of
from passerelle.node.agreements.diff import Change, Differ, as_csv
from passerelle.node.agreements.reading import reader_of
from passerelle.node.articulation import Asked
from passerelle.node.csv_report import ImportReport
from passerelle.node.publishing import compose, event_type

BOOK = Book([Institution("SFU", "sfu", "units", "letter-4.33", "sfu/to-bccat"), Institution("UFV", "ufv")])
HEADER = "agreement_id,sending,receiving,begin,end,conditions,public_note,private_note\n"
KNOWN = (
    "achievement:ufv/HIST213", "achievement:ufv/RLST201", "achievement:ufv/RLST202",
    "achievement:sfu/HIST213", "achievement:sfu/HUM130",
)  # fmt: skip
FIRST = HEADER + (
    "h213,UFV HIST 213,SFU HIST 213 (3) - B Hum,1998-09-01,,"
    "Must have a grade of C- or better to use as a prerequisite,Public,Call the department\n"
    'r201,UFV RLST 201 & 202,SFU HUM 130 (3) & HUM 1XX (3),2010-05-01,,,"Two lines\nof a note",\n'
    "n202,UFV RLST 202,SFU No credit,2010-05-01,,,,\n"
    "w1,UFV RLST 203,SFU HUM 130 (3),2010-05-01,,,,\n"
    "w2,UFV RLST 201,SFU HUM 130,2010-05-01,,,,\n"
    "w3,UFV RLST 201,SFU HUM 130 (3),2010-02-30,,,,never kept\n"
)


class Agency:
    """A desk of agreements on an open office."""

    def __init__(self, opened: Desk) -> None:
        self.opened = opened
        self.desk = AgreementDesk(opened.office.store, BOOK, "bccat")

    def _file(self, text: str) -> Path:
        path = self.opened.folder / "agreements.csv"
        path.write_text(text, encoding="utf-8")
        return path

    async def take(self, text: str, *, dry_run: bool = False) -> ImportReport:
        read = reader_of(self._file(text), BOOK)
        return await self.desk.run(read, self.opened.office.importer(), dry_run=dry_run)

    async def compare(self, text: str, *, full: bool = False) -> tuple[dict[str, int], list[Change]]:
        differ = Differ(self.desk)
        changes = [one async for one in differ.run(reader_of(self._file(text), BOOK), full=full)]
        return {name: count for name, count in differ.counts.items() if count}, changes

    async def export(self) -> list[dict[str, str]]:
        return [row async for row in rows_of(self.opened.office.store, BOOK, "bccat")]


@pytest.fixture
async def agency(database: str, tmp_path: Path) -> AsyncIterator[Agency]:
    async with desk(tmp_path, database, member="bccat") as opened:
        await opened.look.executemany("INSERT INTO node.seen (key) VALUES ($1)", [(key,) for key in KNOWN])
        yield Agency(opened)


def counts(report: Any) -> tuple[int, ...]:
    return tuple(getattr(report, name) for name in ("rows", "new", "changed", "unchanged", "refused"))


async def test_a_file_goes_in_once_and_its_wrong_rows_are_told_where_they_stand(agency: Agency) -> None:
    dry = await agency.take(FIRST, dry_run=True)
    assert counts(dry) == (6, 3, 0, 0, 3)
    assert not await agency.export()
    first = await agency.take(FIRST)
    assert counts(first) == (6, 3, 0, 0, 3)
    told = [(error.row, error.column, error.code) for error in first.errors]
    assert told == [
        (5, "sending", "reference-unknown"), (6, "receiving", "field-malformed"), (7, "begin", "date-impossible"),
    ]  # fmt: skip
    assert first.errors[0].fix == "Did you mean 'ufv/RLST201'?" or "RLST202" in first.errors[0].fix
    assert counts(await agency.take(FIRST)) == (6, 0, 0, 3, 3)
    bodies = await agency.opened.rows("SELECT convert_from(body, 'UTF8') AS body FROM node.draft")
    assert len(bodies) == 3
    assert not any("department" in str(row["body"]) for row in bodies)


async def test_export_gives_what_went_in_and_is_itself_unchanged(agency: Agency) -> None:
    await agency.take(FIRST)
    rows = {row["agreement_id"]: row for row in await agency.export()}
    assert sorted(rows) == ["h213", "n202", "r201"]
    for given in csv.DictReader(FIRST.splitlines(keepends=True)):
        if given["agreement_id"] in rows:
            assert given.items() <= rows[given["agreement_id"]].items()
    assert counts(await agency.take(as_csv(list(rows.values())))) == (3, 0, 0, 3, 0)


async def test_a_difference_is_told_field_by_field_and_changes_nothing(agency: Agency) -> None:
    await agency.take(FIRST)
    changed = HEADER + (
        "h213,UFV HIST 213,SFU HIST 213 (4) - B Hum,1998-09-01,,,Public,Call the department\n"
        'r201,UFV RLST 201 & 202,SFU HUM 130 (3) & HUM 1XX (3),2010-05-01,2026-08-31,,"Two lines\nof a note",\n'
        "n9,UFV HIST 213,SFU No credit,2010-05-01,,,,\n"
        "g9,UFV RLST 201,SFU HUM 130 (3),2010-05-01,,,,\n"
    )
    found, changes = await agency.compare(changed, full=True)
    assert found == {"grant": 1, "deny": 1, "revise": 1, "end": 1, "missing": 1}
    by_id = {change.id: change for change in changes}
    fields = {one.column: (one.before, one.after) for one in by_id["bccat/h213"].fields}
    assert fields["receiving"] == ("SFU HIST 213 (3) - B Hum", "SFU HIST 213 (4) - B Hum")
    assert set(fields) == {"receiving", "conditions"}
    assert [(one.column, one.before, one.after) for one in by_id["bccat/r201"].fields] == [("end", "", "2026-08-31")]
    assert by_id["bccat/n202"].action == "missing"
    assert (await agency.compare(FIRST))[0] == {"unchanged": 3, "refused": 3}


async def test_an_ended_agreement_stays_as_it_is(agency: Agency) -> None:
    await agency.take(FIRST)
    office = agency.opened.office
    ended = compose(
        event_type("recognition.ended"), {"effective_on": "2026-08-31"}, subject="h213", member="bccat", ids=office.ids
    )
    await office.publish([ended])
    (row,) = [row for row in await agency.export() if row["agreement_id"] == "h213"]
    assert row["end"] == "2026-08-31"
    assert counts(await agency.take(as_csv([row]))) == (1, 0, 0, 1, 0)
    report = await agency.take(FIRST)
    assert [error.code for error in report.errors if error.row == 2] == ["state-final"]


LADDERING = (
    "id,kind,title,language,credit_bearing,laddering,ladders_into\n"
    "micro,micro-credential,Designed,en,no,designed,rru/climate;own\n"
    "open,micro-credential,Open,en,no,open,rru/climate\n"
)


async def test_designed_laddering_asks_once_whatever_is_repeated(database: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database, member="humber") as opened:
        await opened.take(LADDERING, kind="achievements")
        held = await opened.rows("SELECT subject, needs FROM node.draft")
        assert [sorted(row["needs"]) for row in held] == [["achievement:humber/micro", "member:rru"]]
        await opened.take(LADDERING, kind="achievements")
        await opened.take(LADDERING.replace("Designed", "Designed anew"), kind="achievements")
        drafts = await opened.rows(
            "SELECT subject, convert_from(body, 'UTF8')::jsonb -> 'data' AS data FROM node.draft"
        )
        assert [row["subject"] for row in drafts] == [row["subject"] for row in held]
        assert drafts[0]["data"].count('"towards": "rru/climate"') == 1


async def test_an_agency_carries_the_rules_of_a_renumbered_course_and_no_others(agency: Agency) -> None:
    await agency.take(FIRST)
    asked = Asked("ufv/ar-1", "ufv/HIST214", "sfu", "sfu", "requested", replaces="ufv/HIST213")
    flags: dict[str, Any] = {field.name: "" for field in fields(Given)} | {"back": (), "institutions": None}
    flags |= dict.fromkeys(("case_by_case", "resubmit"), False)
    given = Given(**{**flags, "carry": True, "delegation": "sfu/to-bccat"})
    (event,) = await events_of(agency.opened.office, asked, given, "2026-11-01")
    assert (event.type.name, event.subject) == ("recognition.revised", "bccat/h213")
    assert event.data["sending"] == {"any_of": [{"achievement": "ufv/HIST213"}, {"achievement": "ufv/HIST214"}]}
    assert (event.data["version"], event.data["request"], event.data["delegation"]) == (2, "ufv/ar-1", "sfu/to-bccat")
    await agency.opened.office.publish([event])
    (row,) = [row for row in await agency.export() if row["agreement_id"] == "h213"]
    assert row["sending"] == "UFV HIST 213 or 214"
    # It was stated by an answer and not by a file: its export is still what is recorded.
    agency.desk.hold_unknown = True
    assert counts(await agency.take(as_csv([row]))) == (1, 0, 0, 1, 0)
