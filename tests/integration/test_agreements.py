"""Agreements files on a real PostgreSQL: in, again, compared, out, and in again elsewhere."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.integration.node_desk import Desk, desk

from passerelle.cli.articulation_answer import Given, events_of
from passerelle.core.errors import Unavailable
from passerelle.node.agreements.book import Book, Institution
from passerelle.node.agreements.desk import AgreementDesk, rows_of
from passerelle.node.agreements.diff import Change, Differ, as_csv
from passerelle.node.agreements.export import export_file
from passerelle.node.agreements.reading import reader_of
from passerelle.node.articulation import Asked
from passerelle.node.csv_report import ImportReport
from passerelle.node.publishing import compose, event_type
from passerelle.runtime.process import wait_for

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


async def test_what_the_node_stated_goes_out_as_json_and_comes_back_unchanged(agency: Agency, tmp_path: Path) -> None:
    await agency.take(FIRST)
    path, store = tmp_path / "out.json", agency.opened.office.store
    found = await export_file(store, BOOK, "bccat", path, form="assist")
    # h213 has a condition, r201 an unassigned part: ASSIST's form has neither.
    assert [(one.id, one.field) for _, one in found.unsaid] == [("h213", "outcome"), ("r201", "outcome")]
    assert (found.agreements, found.left_out) == (1, 2)
    report = await agency.desk.run(reader_of(path, BOOK), agency.opened.office.importer())
    assert counts(report) == (1, 0, 0, 1, 0)


async def test_the_bound_on_what_waits_is_counted_only_where_it_may_be_reached(agency: Agency) -> None:
    await agency.take(FIRST)
    look, store = agency.opened.look, agency.opened.office.store
    # A gap in the numbers makes the bound by the ends of the index much larger than what there is.
    await look.execute("ALTER TABLE node.draft ALTER COLUMN id RESTART WITH 5000000")
    more = FIRST + "z9,UFV RLST 201,SFU HIST 213 (3),2011-01-01,,,,\n"
    assert counts(await agency.take(more)) == (7, 1, 0, 3, 3)
    (waiting,) = await agency.opened.rows("SELECT count(*) AS n FROM node.draft")
    store.outbox_max = waiting["n"]
    with pytest.raises(Unavailable) as caught:
        await agency.take(more + "z10,UFV RLST 201,SFU HUM 130 (3),2011-01-01,,,,\n")
    assert caught.value.code == "outbox-full"


async def test_agreements_killed_in_the_middle_go_on_where_they_were_and_go_out_again(
    agency: Agency, database: str, tmp_path: Path
) -> None:
    many = 3_000
    rows = [f"m{n},UFV RLST 201,SFU HUM 130 (3),2010-05-01,,,,Kept {n}" for n in range(many)]
    path, table, config = tmp_path / "many.csv", tmp_path / "institutions.csv", tmp_path / "node.toml"
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    table.write_text("code,member,credit_system,delegation\nSFU,sfu,units,sfu/to-bccat\nUFV,ufv,,\n", encoding="utf-8")
    config.write_text(
        f'member = "bccat"\nnetwork = "{agency.opened.office.config.network}"\n'
        f'root_public_key_file = "{tmp_path / "root.pub"}"\nkey_file = "{tmp_path / "signing.key"}"\n'
        f'learner_key_file = "{tmp_path / "learners.key"}"\nrecord_key_file = "{tmp_path / "records.key"}"\n'
        f'[database]\nurl = "{database}"\n[kafka]\n',
        encoding="utf-8",
    )
    options = ("--config", str(config), "--institutions", str(table))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "passerelle", "agreements", "import", str(path), *options
    )
    query = "SELECT count(*) AS n, count(DISTINCT thing) AS things FROM node.record WHERE kind = 'recognitions'"

    async def in_the_middle() -> bool:
        return child.returncode is not None or (await agency.opened.rows(query))[0]["n"] >= 500

    await wait_for(in_the_middle, timeout_s=60, every_s=0.02)
    child.kill()
    assert await child.wait() != 0, "the import was over before it could be killed"
    stored = (await agency.opened.rows(query))[0]["n"]
    assert 0 < stored < many
    desk = AgreementDesk(agency.opened.office.store, BOOK, "bccat")
    report = await desk.run(reader_of(path, BOOK), agency.opened.office.importer())
    assert counts(report) == (many, many - stored, 0, stored, 0)
    assert await agency.opened.rows(query) == [{"n": many, "things": many}]
    events = "SELECT count(*) AS n, count(DISTINCT thing) AS things FROM node.draft"
    assert await agency.opened.rows(events) == [{"n": many, "things": many}]
    notes = await agency.opened.rows("SELECT count(*) AS n, count(DISTINCT note) AS notes FROM node.agreement_note")
    assert notes == [{"n": many, "notes": many}]
    out = tmp_path / "out.json"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "passerelle", "agreements", "export", str(out), *options, "--format", "assist", "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told = json.loads((await child.communicate())[0])
    assert (child.returncode, told["agreements"], told["left_out"]) == (0, many, 0)
    # The private notes stay at home, and that is told.
    assert {one["field"] for one in told["unsaid"]} == {"private_note"}
    assert len(Path(told["report"]).read_text(encoding="utf-8").splitlines()) == many + 1
