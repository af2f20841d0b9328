"""What tables share, whatever file they stand in: which kind a header is of, directly or through a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from passerelle.core.errors import FormatError
from passerelle.node.csv_forms import FORMS, detect
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import MAX_HEADER, header_names
from passerelle.node.formats.ports import Section
from passerelle.node.mapping import ColumnMapping, MappingFolder

Rows = Callable[[], Iterator[RawRow]]


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What was asked of a table: its kind, a mapping by name, where mappings lie, which sheet of several."""

    kind: str | None = None
    mapping: str | None = None
    mappings: MappingFolder | None = None
    sheet: str | None = None


def header_of(rows: Rows) -> list[str]:
    """The first row. Raises FormatError where there is none, or it cannot be read."""
    header = next(rows(), None)
    if header is None:
        raise FormatError("file-empty", "the file holds no row")
    if header.code:
        raise FormatError(header.code, header.what, where="row 1")
    if len(header.cells) > MAX_HEADER:
        raise FormatError("too-many-items", f"the header has more than {MAX_HEADER} columns", where="row 1")
    return header.cells


def section_of(rows: Rows, asked: TableOptions) -> tuple[Section, str]:
    """The table as a section, and the name of the mapping through which it is read; empty where its header is ours.

    Raises FormatError ``format-unknown`` where the header fits no kind and no mapping.
    """
    header = header_of(rows)
    if asked.mapping is not None:
        found = (asked.mappings or MappingFolder.nowhere()).load(asked.mapping)
        if asked.kind not in (None, found.kind):
            what = f"the mapping is for the kind {found.kind}"
            raise FormatError("argument-conflict", what, where="--kind", fix="Leave --kind out.")
        return _through(found, rows)
    names = header_names(header)
    kind = asked.kind or detect(names)
    fits = kind is not None and all(FORMS[kind].find(name) is not None for name in names)
    saved = asked.mappings.of_header(header) if asked.mappings is not None and not fits else None
    if saved is not None and asked.kind in (None, saved.kind):
        return _through(saved, rows)
    if kind is None:
        what = "the header fits no kind of file, or several, and no mapping of this node"
        fix = f"Name the kind: --kind {', '.join(FORMS)}; or map its columns: passerelle node map FILE."
        raise FormatError("format-unknown", what, where="row 1", fix=fix)
    return Section(kind, rows), ""


def _through(mapping: ColumnMapping, rows: Rows) -> tuple[Section, str]:
    return Section(mapping.kind, mapping.over(rows)), mapping.name
