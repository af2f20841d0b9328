"""Imports that ask before they act: the difference, whole files, undo windows, renumbered ids; a killed import."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, Desk, credential_rows, desk, person

from passerelle.core.errors import FormatError
from passerelle.node.csv_report import ImportReport
from passerelle.node.formats.opening import Options
from passerelle.runtime.process import wait_for


@pytest.fixture
async def humber(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        await opened.take(ACHIEVEMENTS)
        yield opened


async def take(opened: Desk, text: str, options: Options) -> ImportReport:
    """Import CSV text as asked; numbers what may be numbered."""
    path = opened.folder / "asked.csv"
    path.write_text(text, encoding="utf-8")
    report = await opened.office.importer().run(path, options=options)
    await opened.office.release()
    return report


def counts(report: ImportReport) -> tuple[int, ...]:
    return (report.new, report.changed, report.unchanged, report.refused, report.events)


async def test_a_dry_run_shows_what_changes_column_by_column(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows(range(5)))
    before = await humber.rows("SELECT count(*) AS n FROM node.outbox")
    moved = credential_rows([4]).replace("Person Number4", "Person Renamed")
    text = CREDENTIALS + credential_rows([0, 1]) + credential_rows([3], grade="91") + moved + credential_rows([9])
    report = await take(humber, text, Options(dry_run=True, full=True))
    assert counts(report) == (1, 2, 2, 0, 2)
    assert dict(report.by_type) == {"credential.issued": 1, "credential.amended": 1}
    assert [(one.row, one.column, one.before, one.after) for one in report.changes] == [
        (4, "result_grade", "80", "91"),
        (5, "learner_name", "xxxxxx xxxxxx9", "xxxxxx xxxxxxx"),
    ]
    missing = report.missing[0]
    assert (missing.kind, missing.known, missing.count) == ("credentials", 5, 1)
    assert missing.listed[0]["thing"].startswith("credential:")
    assert "Person" not in str(report.as_dict())
    assert await humber.rows("SELECT count(*) AS n FROM node.outbox") == before


async def test_a_whole_file_that_lacks_much_stops_and_revokes_nothing(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows(range(10)))
    text = CREDENTIALS + credential_rows(range(8)) + credential_rows([20])
    with pytest.raises(FormatError) as caught:
        await take(humber, text, Options(full=True))
    assert caught.value.code == "records-missing"
    assert not await humber.rows("SELECT 1 FROM node.draft")
    report = await take(humber, text, Options(full=True, confirm=True))
    assert counts(report) == (1, 0, 8, 0, 1)
    assert report.missing[0].count == 2
    types = {row["type"] for row in await humber.rows("SELECT DISTINCT type FROM node.outbox")}
    assert types == {"ca.passerelle.credential.achievement-published.v1", "ca.passerelle.credential.issued.v1"}


async def test_row_errors_are_kept_without_values(humber: Desk) -> None:
    bad = f"X-1,revitt,2026-05-01,percentage-50,80,{person(1)}\nX-2,revit,2026-05-99,percentage-50,80,{person(2)}\n"
    report = await take(humber, CREDENTIALS + bad, Options())
    assert [(one.code, one.value) for one in report.errors] == [
        ("date-impossible", "9999-99-99"),
        ("reference-unknown", "humber/revitt"),
    ]
    kept = [dict(row) for row in await humber.office.store.refused_rows(10)]
    assert [(row["row"], row["column"], row["code"]) for row in kept] == [
        (3, "conferred_on", "date-impossible"),
        (2, "achievement", "reference-unknown"),
    ]
    assert "revitt" not in str(kept)


async def test_an_undo_window_holds_everything_back_until_it_ends_or_is_cancelled(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows([1]))
    text = CREDENTIALS + credential_rows([1], grade="99") + credential_rows([2])
    held = await take(humber, text, Options(undo_ms=3_600_000))
    assert counts(held) == (1, 1, 0, 0, 2)
    assert len(await humber.office.store.open_rows("credential", 0, 10)) == 2
    (listed, *_) = await humber.office.store.imports(5)
    assert (str(listed["id"]), listed["drafts"]) == (held.run, 2)
    assert await humber.office.store.cancel_import(held.run, 1) == 2
    with pytest.raises(FormatError) as twice:
        await humber.office.store.cancel_import(held.run, 1)
    assert twice.value.code == "draft-unknown"
    again = await take(humber, text, Options(undo_ms=3_600_000))
    assert (again.new + again.changed, again.events) == (2, 2)
    assert await humber.office.store.end_window(again.run) == 2
    await humber.office.release()
    assert len(await humber.office.store.open_rows("credential", 0, 10)) == 4
    with pytest.raises(FormatError) as late:
        await humber.office.store.cancel_import(again.run, 1)
    assert late.value.code == "draft-released"


async def test_an_award_under_another_id_is_asked_about_and_not_doubled(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows([1, 2]))
    await humber.answer(("credential", 1, True), ("credential", 2, True), ("credential", 3, True), number=1)
    renumbered = credential_rows([1]).replace("A-1,", "Z-1,") + credential_rows([2])
    asked = await take(humber, CREDENTIALS + renumbered, Options())
    assert [(one.row, one.code) for one in asked.errors] == [(2, "record-renumbered")]
    assert counts(asked) == (0, 0, 1, 1, 0)
    # Where the old id is in the file too, they are two awards.
    both = await take(humber, CREDENTIALS + renumbered + credential_rows([1]), Options(dry_run=True))
    assert counts(both) == (1, 0, 2, 0, 1)
    same = await take(humber, CREDENTIALS + renumbered, Options(renumbered="same"))
    assert counts(same) == (0, 1, 1, 0, 0)
    assert counts(await take(humber, CREDENTIALS + renumbered, Options())) == (0, 0, 2, 0, 0)
    changed = await take(humber, CREDENTIALS + renumbered.replace(",80,", ",88,", 1), Options(reason="grade-change"))
    assert counts(changed) == (0, 1, 1, 0, 1)
    assert len(await humber.rows("SELECT 1 FROM node.record WHERE kind = 'credential'")) == 2


async def test_an_import_that_was_killed_goes_on_where_it_was(humber: Desk, database: str, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text(CREDENTIALS + credential_rows(range(3000)), encoding="utf-8")
    files = {name: tmp_path / f"{name}.key" for name in ("signing", "learners", "records")}
    config = tmp_path / "node.toml"
    config.write_text(
        f'member = "humber"\nnetwork = "{humber.office.config.network}"\n'
        f'root_public_key_file = "{tmp_path / "root.pub"}"\nkey_file = "{files["signing"]}"\n'
        f'learner_key_file = "{files["learners"]}"\nrecord_key_file = "{files["records"]}"\n'
        f'[database]\nurl = "{database}"\n[kafka]\n',
        encoding="utf-8",
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "passerelle", "node", "import", str(path), "--config", str(config)
    )
    query = "SELECT count(*) AS n FROM node.record WHERE kind = 'credential'"

    async def in_the_middle() -> bool:
        return child.returncode is not None or (await humber.rows(query))[0]["n"] >= 500

    await wait_for(in_the_middle, timeout_s=60, every_s=0.02)
    child.kill()
    assert await child.wait() != 0, "the import was over before it could be killed"
    stored = (await humber.rows(query))[0]["n"]
    assert 0 < stored < 3000
    report = await humber.office.importer().run(path)
    assert counts(report) == (3000 - stored, 0, stored, 0, 3000 - stored)
    await humber.office.release()
    issued = await humber.rows(
        "SELECT count(*) AS n, count(DISTINCT subject) AS things FROM node.outbox WHERE type LIKE '%issued%'"
    )
    assert issued == [{"n": 3000, "things": 3000}]
