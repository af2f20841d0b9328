"""From rows of an agreements file to the data of rules, without a node's database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from passerelle.node.agreements.table import BACK, KIND, TARGET, Read, Translated
from passerelle.node.csv_forms import FORMS, NO_CREDIT
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import Row, RowError, RowParser, read_header, row_error


def parser_of(home: str) -> RowParser:
    """What reads the cells of a translated row."""
    return read_header(FORMS[KIND], TARGET, home)


def rule_data(parser: RowParser, row: Translated) -> dict[str, Any] | list[RowError]:
    """The data of the ``granted`` or ``denied`` event of a row, without a version; or what is wrong, at the file's
    columns.
    """
    parsed = parser.parse(RawRow(row.number, [row.cells.get(name, "") for name in TARGET]))
    if not isinstance(parsed, Row):
        return [
            row_error(error.row, BACK.get(error.column, error.column), error.code, error.what, error.fix)
            for error in parsed
        ]
    data = dict(parsed.data)
    if data["kind"] == NO_CREDIT:
        del data["kind"]
    return data


def rules_in(read: Read, member: str) -> Iterator[tuple[str, dict[str, Any]] | list[RowError]]:
    """Id and data of each rule of a file, ids in the namespace of ``member``; or what is wrong with a row."""
    parser = parser_of(member)
    for row in read():
        if not isinstance(row, Translated):
            yield row
            continue
        found = rule_data(parser, row)
        if isinstance(found, list):
            yield found
            continue
        yield (row.id if "/" in row.id else f"{member}/{row.id}"), found
