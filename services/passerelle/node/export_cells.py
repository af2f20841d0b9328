"""From an event's data back to the cells of a row: the other direction of csv_rows, checked against it cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from passerelle.node.csv_cells import BODY, LIST_SEPARATOR, PART_SEPARATOR, CellError
from passerelle.node.csv_forms import Column, Form
from passerelle.node.csv_report import safe_cell
from passerelle.node.csv_rows import plain, put

_PARTS: Final = (
    ("kind", "framework", "code", "name", "level"),
    ("sha256", "media_type", "size", "role"),
)
_URNS: Final = ("urn:passerelle:member:", "urn:passerelle:")


class CellLost(Exception):
    """A value that its column cannot hold; ``column`` names it."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def cells_of(form: Form, data: Mapping[str, Any], home: str) -> dict[str, str]:
    """The cells whose columns land in an event's data. Raises CellLost where a column cannot hold its value."""
    found: dict[str, str] = {}
    for column in form.columns:
        if not column.path:
            continue
        value = _at(data, column.path)
        if column.is_prefix:
            for language, text in sorted((value or {}).items()):
                name = f"{column.name[:-1]}{language}"
                one = form.find(name)
                if one is None:
                    raise CellLost(name)
                found[name] = _cell(one, text, home)
        elif value is not None and value != []:
            found[column.name] = _cell(column, value, home)
    return found


def data_of(form: Form, cells: Mapping[str, str], home: str) -> dict[str, Any]:
    """The data that an import would read out of these cells."""
    found: dict[str, Any] = {}
    for name, text in cells.items():
        column = form.find(name)
        if column is not None and column.path:
            put(found, column.path, column.cell.parse(text, home))
    return found


def _at(data: Mapping[str, Any], path: str) -> Any:
    found: Any = data
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _cell(column: Column, value: Any, home: str) -> str:
    text = _text(column, value)
    try:
        same = column.cell.parse(text, home) == value
    except CellError:
        same = False
    # What a table writes so that no spreadsheet computes it must come back as it was.
    if not same or not text or text != text.strip() or plain(safe_cell(text)) != text:
        raise CellLost(column.name)
    return text


def _text(column: Column, value: Any) -> str:
    if isinstance(value, list | tuple):
        return LIST_SEPARATOR.join(_item(column, one).replace(LIST_SEPARATOR, "\\;") for one in value)
    return _item(column, value)


def _item(column: Column, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _compound(value)
    text = str(value)
    if BODY.form in column.cell.form:
        for prefix in _URNS:
            text = text.removeprefix(prefix)
    return text


def _compound(value: Mapping[str, Any]) -> str:
    names = set(value)
    if names == {"value", "system"}:
        return f"{value['value']} {value['system']}"
    if names == {"framework", "level"}:
        return f"{value['framework']} {value['level']}"
    for order in _PARTS:
        if set(order[:3]) <= names <= set(order):
            return PART_SEPARATOR.join(str(value.get(name, "")) for name in order).rstrip(PART_SEPARATOR)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
