"""A query as a table: what may stand in its file, by which column it is paged, and its rows as those of any table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import ConfigError, FormatError
from passerelle.node.csv_cells import MAX_CELL
from passerelle.node.formats.opening import Options, open_file
from passerelle.node.formats.sql import MAX_QUERY, Asked, Query, parse_query, read_query
from passerelle.node.mapping import MappingFolder
from passerelle.node.postgres.query_source import Address

RESULTS = ("record_id", "course", "term", "status")
MAPPING = """format = "passerelle.mapping/v1"
kind = "results"
header = ["ID", "SUBJ", "NUMB"]
[columns.record_id]
{record}
[columns.course]
template = "{{SUBJ}}{{NUMB}}"
"""


class Table:
    """A source in memory: texts, as the database would make them."""

    def __init__(self, header: Sequence[str], *rows: Sequence[str | None] | None) -> None:
        self.header = header
        self.table = rows
        self.keys: list[int] = []

    def columns(self, query: Query) -> Sequence[str]:
        return self.header

    def rows(self, query: Query, key: int) -> Iterator[Sequence[str | None] | None]:
        self.keys.append(key)
        yield from self.table


def query_file(tmp_path: Path, text: str = "SELECT 1") -> Path:
    path = tmp_path / "results.sql"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("SELECT 1;", "SELECT 1"),
        ("-- awards; of this year\nSELECT ';' AS a; -- done;\n", "-- awards; of this year\nSELECT ';' AS a"),
        ("with a as (select 1) select * from a", "with a as (select 1) select * from a"),
        ("(SELECT 1) UNION (SELECT 2)", "(SELECT 1) UNION (SELECT 2)"),
        ("/* ; */ VALUES (E'\\';', \"a\", $x$;$x$, $$ $1 $$) ;", "/* ; */ VALUES (E'\\';', \"a\", $x$;$x$, $$ $1 $$)"),
        ("TABLE awards", "TABLE awards"),
    ],
)
def test_one_reading_statement_is_taken_without_its_semicolon(text: str, kept: str) -> None:
    assert parse_query(text, "q.sql").text == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DELETE FROM awards", "query-not-readonly"),
        ("-- SELECT\nUPDATE awards SET a = 1", "query-not-readonly"),
        ("copy awards to program 'x'", "query-not-readonly"),
        ("SELECT 1; SELECT 2", "query-invalid"),
        ("SELECT 1) AS q; DROP TABLE awards; --", "query-invalid"),
        ("SELECT * FROM awards WHERE id > $1", "query-invalid"),
        ("", "file-empty"),
        (" ; ", "file-empty"),
        ("-- nothing", "file-empty"),
    ],
)
def test_anything_else_is_refused(text: str, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_query(text, "q.sql")
    assert caught.value.code == code
    assert caught.value.fix


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"SELECT '\xff'", "encoding-invalid"),
        (b"SELECT 1\0", "control-character"),
        (b" " * (MAX_QUERY + 1), "file-too-large"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "q.sql"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_query(path)
    assert caught.value.code == code


@given(st.text(alphabet="SELECTselect'\"$;-*/\\()1x \n\u00e9", max_size=80))
def test_whatever_a_file_says_a_query_is_one_statement_or_a_typed_error(text: str) -> None:
    try:
        found = parse_query(text, "q.sql")
    except FormatError as error:
        refused = error.code
    else:
        refused = ""
        assert parse_query(found.text, "q.sql") == found
        assert text.startswith(found.text)
    assert refused in {"", "query-invalid", "query-not-readonly", "file-empty"}


def test_a_query_under_our_own_columns_is_a_section_of_rows(tmp_path: Path) -> None:
    source = Table(RESULTS, ("R-1", "revit", "2026F", None), ("R-2", "x" * (MAX_CELL + 1), None, None), None)
    reading = open_file(query_file(tmp_path), home="humber", options=Options(query=Asked(source), kind="results"))
    (section,) = reading.sections
    assert (reading.format, reading.mapping, section.kind, section.place) == ("sql", "", "results", "row")
    rows = list(section.rows())
    assert [(row.number, row.code) for row in rows] == [(1, ""), (2, ""), (3, "value-too-long"), (4, "row-too-long")]
    assert rows[1].cells == ["R-1", "revit", "2026F", ""]
    assert list(section.rows()) == rows
    assert source.keys == [0, 0]


def test_a_saved_mapping_is_found_by_the_querys_columns_and_says_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "marks.toml").write_text(MAPPING.format(record='from = "ID"'), encoding="utf-8")
    source = Table(("SUBJ", "ID", "NUMB"), ("MATH", "7", "101"))
    saved = Options(query=Asked(source), mappings=MappingFolder(folder), mapping="marks")
    reading = open_file(query_file(tmp_path), home="humber", options=saved)
    assert reading.mapping == "marks"
    header, row = reading.sections[0].rows()
    assert dict(zip(header.cells, row.cells, strict=True)) == {"record_id": "7", "course": "MATH101"}
    assert source.keys == [1]


@pytest.fixture
def several(tmp_path: Path) -> MappingFolder:
    """A mapping whose record id is put together of two columns."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "marks.toml").write_text(MAPPING.format(record='template = "{ID}-{NUMB}"'), encoding="utf-8")
    return MappingFolder(folder)


def test_a_record_id_of_several_columns_is_paged_by_the_one_that_is_named(
    tmp_path: Path, several: MappingFolder
) -> None:
    source = Table(("ID", "SUBJ", "NUMB"), ("7", "MATH", "101"))
    options = Options(query=Asked(source, "numb"), mappings=several)
    rows = list(open_file(query_file(tmp_path), home="humber", options=options).sections[0].rows())
    assert rows[1].cells == ["7-101", "MATH101"]
    assert source.keys == [2]


@pytest.mark.parametrize(("key", "where"), [("", "columns.record_id"), ("SUBJJ", "--key")])
def test_without_a_column_to_page_by_nothing_is_read(
    tmp_path: Path, several: MappingFolder, key: str, where: str
) -> None:
    source = Table(("ID", "SUBJ", "NUMB"), ("7", "MATH", "101"))
    options = Options(query=Asked(source, key), mappings=several)
    with pytest.raises(FormatError) as caught:
        open_file(query_file(tmp_path), home="humber", options=options)
    assert (caught.value.code, caught.value.where) == ("query-key-missing", where)
    assert not source.keys


def test_a_query_without_readable_rows_ends(tmp_path: Path) -> None:
    source = Table(RESULTS, *[None] * 1001)
    reading = open_file(query_file(tmp_path), home="humber", options=Options(query=Asked(source), kind="results"))
    with pytest.raises(FormatError) as caught:
        list(reading.sections[0].rows())
    assert caught.value.code == "too-many-errors"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://node:hunter2@sis.example/sis", "config-secret-exposed"),
        ("postgresql://node@sis.example/sis?password=hunter2", "config-secret-exposed"),
        ("mysql://node@sis.example/hunter2", "argument-invalid"),
        ("postgresql://[hunter2", "argument-invalid"),
        ("hunter2", "argument-invalid"),
    ],
)
def test_an_address_with_a_password_is_refused_and_never_repeated(url: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Address(url)
    assert caught.value.code == code
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Address("postgresql://node@sis.example/sis", "hunter2"))
