"""Records out of a query on a real PostgreSQL: rows as from a file, none lost between pages, nothing written."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import run_here
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, Desk, credential_rows, desk

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.embedded import EmbeddedPostgres
from passerelle.node.csv_report import ImportReport
from passerelle.node.formats.opening import Options
from passerelle.node.formats.sql import Asked, Query, parse_query
from passerelle.node.mapping import MappingFolder
from passerelle.node.postgres import query_source
from passerelle.node.postgres.query_source import Address, PostgresQuery

SIS = """
CREATE TABLE award (
    id integer PRIMARY KEY, course varchar(20), awarded timestamp, mark numeric(5,2), honours boolean,
    person char(8), full_name text, born date);
INSERT INTO award SELECT n, 'revit', '2026-05-01 10:30', 80, n % 2 = 0, 'S' || lpad(n::text, 5, '0'),
    'Person Number' || n, '1990-01-02' FROM generate_series(0, 2999) AS n;
CREATE TABLE odd (key text, n integer);
INSERT INTO odd SELECT 'K' || n / 700, n FROM generate_series(0, 4999) AS n;
INSERT INTO odd VALUES (NULL, 5001), (NULL, 5000);
CREATE FUNCTION touch() RETURNS integer LANGUAGE plpgsql AS 'BEGIN DELETE FROM award; RETURN 1; END';
"""
OURS = """
SELECT 'A-' || id AS record_id, course AS achievement, awarded::date AS conferred_on,
       'percentage-50' AS result_scheme, mark::integer AS result_grade, person AS learner_student_number,
       full_name AS learner_name, born AS learner_birth_date, NULL AS learner_email
FROM award WHERE id < 2500;
"""


@pytest.fixture(scope="module")
def sis(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of an office's database: the same server as the node's, another database."""

    async def made(name: str) -> str:
        dsn = await postgres.create_database(name)
        look = await asyncpg.connect(dsn)
        await look.execute(SIS)
        await look.close()
        return dsn

    name = f"sis_{os.urandom(4).hex()}"
    yield run_here(made(name))
    run_here(postgres.drop_database(name))


@pytest.fixture
async def humber(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        await opened.take(ACHIEVEMENTS)
        yield opened


@pytest.fixture
def source(sis: str) -> Iterator[PostgresQuery]:
    with PostgresQuery(Address(sis)) as opened:
        yield opened


def query(text: str) -> Query:
    return parse_query(text, "q.sql")


async def take(
    humber: Desk, sis: str, text: str, *, dry_run: bool = False, mappings: Path | None = None, full: bool = False
) -> ImportReport:
    path = humber.folder / "in.sql"
    path.write_text(text, encoding="utf-8")
    with PostgresQuery(Address(sis)) as opened:
        folder = MappingFolder(mappings) if mappings is not None else None
        options = Options(dry_run=dry_run, full=full, query=Asked(opened), mappings=folder)
        report = await humber.office.importer().run(path, options=options)
    await humber.office.release()
    return report


def counts(report: ImportReport) -> tuple[int, ...]:
    return (report.new, report.changed, report.unchanged, report.refused)


async def test_a_query_gives_what_a_file_of_the_same_rows_gives(humber: Desk, sis: str) -> None:
    assert counts(await take(humber, sis, OURS, dry_run=True)) == (2500, 0, 0, 0)
    assert not await humber.rows("SELECT 1 FROM node.record WHERE kind = 'credential'")
    assert counts(await take(humber, sis, OURS)) == (2500, 0, 0, 0)
    assert counts(await take(humber, sis, OURS)) == (0, 0, 2500, 0)
    fewer = await take(humber, sis, OURS.replace("2500", "2400"), dry_run=True, full=True)
    assert [(one.count, one.known) for one in fewer.missing] == [(100, 2500)]
    rows = credential_rows([7], grade="80")
    person = "S00007,Person Number7,1990-01-02,"
    again = await humber.take(CREDENTIALS + rows.partition("80,")[0] + "80," + person + "\n")
    assert counts(again) == (0, 0, 1, 0)


MAPPING = """format = "passerelle.mapping/v1"
kind = "credentials"
header = ["id", "course", "awarded", "mark", "person", "full_name", "born"]
[columns.record_id]
template = "A-{id}"
[columns.achievement]
from = "course"
[columns.conferred_on]
from = "awarded"
[columns.result_scheme]
constant = "percentage-50"
[columns.result_grade]
from = "mark"
[columns.learner_student_number]
from = "person"
[columns.learner_name]
from = "full_name"
[columns.learner_birth_date]
from = "born"
"""


async def test_a_saved_mapping_reads_a_query_and_a_cut_import_goes_on(
    humber: Desk, sis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "sis.toml").write_text(MAPPING, encoding="utf-8")
    text = "SELECT id, course, awarded, mark, person, full_name, born FROM award WHERE id < 1500"
    monkeypatch.setattr(query_source, "PAGE_ROWS", 400)
    path = humber.folder / "in.sql"
    path.write_text(text, encoding="utf-8")
    other = await asyncpg.connect(sis)

    with PostgresQuery(Address(sis)) as opened:
        progress_calls: list[int] = []

        def cut(done: int, _total: int) -> None:
            progress_calls.append(done)
            if done == 1000:
                opened._wait(opened._connection.execute("SELECT 1"))
                opened._loop.call_soon_threadsafe(opened._connection.terminate)

        options = Options(query=Asked(opened), mappings=MappingFolder(folder))
        with pytest.raises(Unavailable) as caught:
            await humber.office.importer().run(path, options=options, progress=cut)
    await other.close()
    assert caught.value.code == "source-unavailable"
    assert 1000 in progress_calls
    held = len(await humber.rows("SELECT 1 FROM node.record WHERE kind = 'credential'"))
    assert 1000 <= held < 1500
    report = await take(humber, sis, text, mappings=folder)
    assert report.mapping == "sis"
    assert counts(report) == (1500 - held, 0, held, 0)


def test_pages_lose_nothing_where_keys_repeat_or_are_absent(
    source: PostgresQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_source, "PAGE_ROWS", 100)
    asked = query("SELECT key, n FROM odd ORDER BY random()")
    rows = list(source.rows(asked, 0))
    assert sorted(int(row[1] or 0) for row in rows if row is not None) == [*range(5000), 5000, 5001]
    assert [row[0] for row in rows[-2:] if row is not None] == [None, None]
    assert list(source.rows(asked, 0)) == rows
    monkeypatch.setattr(query_source, "MAX_TIES", 500)
    with pytest.raises(PasserelleError) as caught:
        list(source.rows(asked, 0))
    assert caught.value.code == "query-key-missing"


def test_types_become_the_texts_that_are_documented(source: PostgresQuery) -> None:
    text = """SELECT 1 AS k, 2.50::numeric(4,2), 0.1::float8, true, NULL::boolean, DATE '2026-02-01',
              TIMESTAMP '2026-02-01 23:59', 'a ' || U&'\\00e9', ''::text, 'ab'::char(4), 9007199254740993::bigint,
              'infinity'::date, repeat('x', 200000) IS NULL"""
    (row,) = source.rows(query(text), 0)
    assert row is not None
    assert list(row) == [
        "1", "2.50", "0.1", "yes", None, "2026-02-01", "2026-02-01", "a \u00e9", "", "ab", "9007199254740993",
        "infinity", "no",
    ]  # fmt: skip
    assert list(source.rows(query("SELECT 1 AS k, repeat('x', 200000)"), 0)) == [None]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("WITH gone AS (DELETE FROM award RETURNING id) SELECT * FROM gone", "query-not-readonly", ""),
        ("SELECT touch() AS k", "query-not-readonly", ""),
        ("SELECT (random() * 1e9)::bigint AS k, id FROM award", "query-key-missing", "changes while it is read"),
        ("SELECT id\nFROM awards", "query-invalid", "q.sql, line 2"),
        ("SELECT id,\nnow() AS at FROM award", "query-invalid", "time zone"),
        ("SELECT id, ARRAY[1] FROM award", "query-invalid", "type"),
        ("SELECT id, full_name::integer FROM award", "query-invalid", "22P02"),
        ("SELECT id, pg_sleep(60)::text FROM award", "query-timeout", "time limit"),
        ("SELECT born FROM award", "query-key-missing", "type"),
    ],
)
def test_what_is_wrong_with_a_query_has_its_own_message(sis: str, text: str, code: str, said: str) -> None:
    with PostgresQuery(Address(sis, timeout_s=1.0)) as opened, pytest.raises(PasserelleError) as caught:
        list(opened.rows(query(text), 0))
    assert caught.value.code == code, caught.value
    assert said in str(caught.value)
    assert "Person Number" not in str(caught.value)


def test_nothing_can_be_written_and_all_is_of_one_instant(source: PostgresQuery, sis: str) -> None:
    counted = query("SELECT 1 AS k, count(*) FROM award")
    before = list(source.rows(counted, 0))
    with PostgresQuery(Address(sis)) as other, pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        other._wait(other._connection.execute("DELETE FROM award"))
    add = "INSERT INTO award (id) VALUES (9999)"

    async def grow() -> None:
        writer = await asyncpg.connect(sis)
        await writer.execute(add)
        await writer.close()

    source._wait(grow())
    assert list(source.rows(counted, 0)) == before


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:9/none", "postgresql://127.0.0.1:port/none"])
def test_a_database_that_cannot_be_reached_is_told(url: str) -> None:
    with pytest.raises(PasserelleError) as caught, PostgresQuery(Address(url)):
        pass
    assert caught.value.code in {"source-unavailable", "argument-invalid"}
