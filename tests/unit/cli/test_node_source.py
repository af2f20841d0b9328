"""What is imported: a file, or a query together with its database; anything between is refused before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.cli.node_source import file_of, query_of
from passerelle.core.errors import PasserelleError

AT, SQL, CSV = "postgresql://node@sis.example/sis", Path("a.sql"), Path("a.csv")


def test_a_file_or_a_query_is_what_is_read() -> None:
    assert file_of(CSV, "", None) == CSV
    assert file_of(None, AT, SQL) == SQL


@pytest.mark.parametrize(
    ("file", "source", "query", "code"),
    [
        (None, "", None, "argument-missing"),
        (None, AT, None, "argument-missing"),
        (CSV, AT, None, "argument-missing"),
        (None, "", SQL, "argument-missing"),
        (CSV, AT, SQL, "argument-conflict"),
    ],
)
def test_anything_else_is_refused(file: Path | None, source: str, query: Path | None, code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        file_of(file, source, query)
    assert caught.value.code == code


def test_without_a_database_there_is_no_connection_and_no_option_of_one(tmp_path: Path) -> None:
    with query_of("", None, "") as asked:
        assert asked is None
    for password, key in ((tmp_path / "p", ""), (None, "ID")):
        with pytest.raises(PasserelleError) as caught, query_of("", password, key):
            pass
        assert caught.value.code == "argument-missing"
    with pytest.raises(PasserelleError) as caught, query_of(AT, tmp_path / "absent", ""):
        pass
    assert caught.value.code == "config-unreadable"
