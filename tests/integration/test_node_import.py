"""Imports on a real PostgreSQL: S10, idempotence, what the ledger's answers do to records, and people at home."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from tests.integration.node_desk import (
    ACHIEVEMENTS,
    CREDENTIALS,
    LEARNER,
    Desk,
    credential_rows,
    desk,
    node_config,
    person,
    seed_of,
)

from passerelle.core.batch import verify_signed
from passerelle.core.errors import Fatal
from passerelle.core.statement import ZERO, digest, parse_statement
from passerelle.events.codec import read_type
from passerelle.node.csv_report import safe_cell, write_report
from passerelle.node.main import open_office


@pytest.fixture
async def humber(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        await opened.take(ACHIEVEMENTS)
        yield opened


def counts(report: object) -> tuple[int, ...]:
    return tuple(getattr(report, name) for name in ("new", "changed", "unchanged", "refused", "events"))


BAD_ROWS = [
    "B-{n},revitt,2026-05-01,percentage-50,80,{person}\n",
    "B-{n},revit,2026-02-30,percentage-50,80,{person}\n",
    ",revit,2026-05-01,percentage-50,80,{person}\n",
    "B-{n},revit,2026-05-01,percentage-50,80\n",
    "B-{n},revit,2026-05-01,percentage-50,80,S{n},,1990-01-01,\n",
    "B-{n},revit,2026-05-01,,80,{person}\n",
]


async def test_s10_five_thousand_rows_with_sixty_bad_ones(humber: Desk, tmp_path: Path) -> None:
    good = credential_rows(range(4940))
    bad = "".join(BAD_ROWS[n % len(BAD_ROWS)].format(n=n, person=person(9000 + n)) for n in range(60))
    dry = await humber.take(CREDENTIALS + bad + good, dry_run=True)
    assert counts(dry) == (4940, 0, 0, 60, 4940)
    assert not await humber.rows("SELECT 1 FROM node.draft")
    first = await humber.take(CREDENTIALS + bad + good)
    assert counts(first) == (4940, 0, 0, 60, 4940)
    assert {error.row for error in first.errors} == set(range(2, 62))
    assert {error.code for error in first.errors} == {
        "reference-unknown", "date-impossible", "value-missing", "row-width",
    }  # fmt: skip
    assert all(error.fix for error in first.errors)
    unknown = next(error for error in first.errors if error.code == "reference-unknown")
    assert "'humber/revit'" in unknown.fix
    mended = "".join(f"B-{n},revit,2026-05-01,percentage-50,80,{person(9000 + n)}\n" for n in range(60))
    second = await humber.take(CREDENTIALS + mended + good)
    assert counts(second) == (60, 0, 4940, 0, 60)
    third = await humber.take(CREDENTIALS + mended + good)
    assert counts(third) == (0, 0, 5000, 0, 0)


async def test_what_was_imported_is_numbered_linked_and_signed(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows(range(300)))
    rows = await humber.office.store.open_rows("credential", 0, 1000)
    assert [row.sequence for row in rows] == list(range(1, 302))
    prev = ZERO
    for row in rows:
        statement = verify_signed(row.signed, humber.office.signer.public_key)
        assert statement.prev == prev
        prev = digest(row.signed.statement)
    assert {row.signed.batch_size for row in rows} == {1, 256, 44}
    assert parse_statement(rows[-1].signed.statement).visibility == "party"


async def test_rows_that_contradict_each_other_are_refused_both_and_repeats_count_once(humber: Desk) -> None:
    rows = credential_rows([1, 2]) + credential_rows([1], grade="70") + credential_rows([2])
    report = await humber.take(CREDENTIALS + rows)
    assert counts(report) == (1, 0, 1, 2, 1)
    assert [(error.row, error.code) for error in report.errors] == [(2, "record-duplicate"), (4, "record-duplicate")]
    assert "rows 2 and 4" in report.errors[0].what


async def test_a_changed_row_is_amended_once(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows(range(5)))
    report = await humber.take(CREDENTIALS + credential_rows(range(4)) + credential_rows([4], grade="91"))
    assert counts(report) == (0, 1, 4, 0, 1)
    last = (await humber.office.store.open_rows("credential", 0, 100))[-1]
    found, body = read_type(last.signed.body)
    assert found.name == "credential.amended"
    assert body["data"]["result"]["grade"] == "91"


AMENDMENTS = "record_id,step,reason,result_scheme,result_grade\n"


async def test_s8_a_file_of_amendments_corrects_forty_of_many(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows(range(1000)))
    text = AMENDMENTS + "".join(f"A-{n},amended,grade-change,percentage-50,85\n" for n in range(40))
    assert counts(await humber.take(text)) == (40, 0, 0, 0, 40)
    assert counts(await humber.take(text)) == (0, 0, 40, 0, 0)


async def test_refused_events_leave_the_record_as_the_ledger_has_it(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows([1, 2]))
    await humber.answer(("credential", 1, True), ("credential", 2, True), ("credential", 3, False), number=1)
    states = {row["key"]: row["state"] for row in await humber.office.store.records(100)}
    assert sorted(states.values()) == ["accepted", "accepted", "refused"]
    # The refused row comes again, as the same thing; the accepted ones do not.
    again = await humber.take(CREDENTIALS + credential_rows([1, 2]))
    assert counts(again) == (1, 0, 1, 0, 1)
    subjects = [row.subject for row in await humber.office.store.open_rows("credential", 0, 10)]
    refused = (await humber.office.store.refused(10))[0]
    assert subjects == [refused["subject"]]
    assert (refused["code"], refused["field"], refused["what"], refused["fix"]) == ("step-illegal", "type", "no", "do")


async def test_a_refused_change_can_be_sent_again(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows([1]))
    await humber.answer(("credential", 1, True), ("credential", 2, True), number=1)
    assert counts(await humber.take(CREDENTIALS + credential_rows([1], grade="90"))) == (0, 1, 0, 0, 1)
    await humber.answer(("credential", 3, False), number=2, index=5)
    assert counts(await humber.take(CREDENTIALS + credential_rows([1], grade="90"))) == (0, 1, 0, 0, 1)
    assert counts(await humber.take(CREDENTIALS + credential_rows([1], grade="90"))) == (0, 0, 1, 0, 0)


async def test_two_imports_at_once_publish_every_row_once(humber: Desk, database: str, tmp_path: Path) -> None:
    path = tmp_path / "same.csv"
    path.write_text(CREDENTIALS + credential_rows(range(1200)), encoding="utf-8")
    async with open_office(humber.office.config) as other:
        reports = await asyncio.gather(humber.office.importer().run(path), other.importer().run(path))
    await humber.office.release()
    assert sum(report.new for report in reports) == 1200
    assert sum(report.unchanged for report in reports) == 1200
    assert len(await humber.office.store.open_rows("credential", 1, 5000)) == 1200


async def test_learners_stay_at_home_encrypted(humber: Desk, database: str, tmp_path: Path) -> None:
    await humber.take(CREDENTIALS + credential_rows(range(3)))
    results = f"record_id,course,status,grade_scheme,grade,{LEARNER}\nX-1,revit,final,percentage-50,77,{person(1)}\n"
    assert counts(await humber.take(results)) == (1, 0, 0, 0, 0)
    planted = ("Person Number", "example.test", "S00001", "1990-01-02")
    tables = await humber.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'node'")
    assert len(tables) > 10
    for table in tables:
        rows = await humber.rows(f"SELECT * FROM node.{table['tablename']}")
        stored = "".join(
            value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for row in rows
            for value in row.values()
        )
        assert not [text for text in planted if text in stored], table
    held = await humber.rows("SELECT id, number_key FROM node.learner")
    assert len(held) == 3
    learner = await humber.office.store.learner(str(held[0]["id"]))
    assert learner is not None
    assert humber.office.vault.person(learner).name.startswith("Person Number")
    sealed = [one for row in held for one in await humber.office.store.results_of(str(row["id"]))]
    assert len(sealed) == 1


async def test_the_wrong_learner_key_file_is_noticed(humber: Desk, database: str, tmp_path: Path) -> None:
    await humber.take(CREDENTIALS + credential_rows([1]))
    config = node_config(tmp_path / "other", database, member="humber")
    (tmp_path / "other" / "records.key").write_text(seed_of("humber records").hex())
    (tmp_path / "other" / "learners.key").write_text("ab" * 32)
    path = tmp_path / "changed.csv"
    path.write_text(CREDENTIALS + credential_rows([1], grade="99"), encoding="utf-8")
    async with open_office(config) as office:
        with pytest.raises(Fatal) as caught:
            await office.importer().run(path)
    assert caught.value.code == "key-file-unusable"
    assert not await humber.rows("SELECT 1 FROM node.draft"), "nothing partial was stored"


async def test_reports_are_complete_and_no_formula(humber: Desk, tmp_path: Path) -> None:
    report = await humber.take(CREDENTIALS + "=cmd(),revit,2026-99-01,,,=1+1,=Planted(),1990-01-01,\n")
    target = tmp_path / "errors.csv"
    write_report(target, report.errors)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "column", "code", "value", "what", "fix"]
    assert rows[1][:4] == ["2", "conferred_on", "date-impossible", "9999-99-99"]
    assert "Planted" not in target.read_text(encoding="utf-8")
    assert [safe_cell(text) for text in ("=1", "+1", "-1", "@x", "\tx", "x")] == [
        "'=1",
        "'+1",
        "'-1",
        "'@x",
        "'\tx",
        "x",
    ]


async def test_events_hold_the_record_hash_by_which_a_node_knows_its_own(humber: Desk) -> None:
    await humber.take(CREDENTIALS + credential_rows([7]))
    row = (await humber.office.store.open_rows("credential", 1, 1))[0]
    assert orjson.loads(row.signed.body)["data"]["record"] == humber.office.keys.key("credential", "A-7")
