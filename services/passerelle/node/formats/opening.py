"""Which format a file is of, and its sections: the one way by which files come into a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.node.csv_cells import nearest
from passerelle.node.formats.csv import CsvFormat
from passerelle.node.formats.exchange import Settings
from passerelle.node.formats.ports import Format, Reading
from passerelle.node.formats.sql import Asked, SqlFormat
from passerelle.node.formats.standards import standard_formats
from passerelle.node.formats.tables import TableOptions
from passerelle.node.formats.xlsx import XlsxFormat
from passerelle.node.mapping import MappingFolder
from passerelle.node.plan import Renumbered

HEAD: Final = 64 * 1024
"""Bytes by which a format is recognised."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an import was asked.

    ``kind``, ``format``, ``mapping``, ``sheet``: None where they are to be found from the file. ``full``: the file is
    the whole of its kind. ``confirm``: whatever is missing from a whole file. ``undo_ms``: how long its drafts can be
    cancelled. ``reason``: why re-sent awards are amended. ``settings`` are for the document formats. ``query``: the
    file is a query, and this is what it is put to.
    """

    kind: str | None = None
    format: str | None = None
    mapping: str | None = None
    sheet: str | None = None
    encoding: str = "utf-8"
    dry_run: bool = False
    full: bool = False
    confirm: bool = False
    undo_ms: int = 0
    reason: str = "clerical-error"
    renumbered: Renumbered = "ask"
    mappings: MappingFolder | None = None
    settings: Settings = field(default_factory=Settings)
    query: Asked | None = None


def _tables(options: Options) -> TableOptions:
    return TableOptions(options.kind, options.mapping, options.mappings, options.sheet)


def formats(options: Options) -> Sequence[Format]:
    """Every format, in the order in which they are asked; CSV, which takes anything, last."""
    tables = _tables(options)
    return (XlsxFormat(tables), *standard_formats(options.settings), CsvFormat(tables, options.encoding))


def open_file(path: Path, *, home: str, options: Options) -> Reading:
    """The sections of a file, for the node of the member ``home``. Raises FormatError, OSError."""
    if options.query is not None:
        return SqlFormat(_tables(options), options.query).open(path, home=home)
    known = formats(options)
    if options.format is not None:
        named = next((one for one in known if one.name == options.format), None)
        if named is None:
            names = [one.name for one in known]
            guess = nearest(options.format, names)
            fix = f"Did you mean '{guess}'?" if guess else f"Use one of: {', '.join(names)}."
            raise FormatError("format-unknown", "there is no such format", where="--format", fix=fix)
        return named.open(path, home=home)
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    return next(one for one in known if one.recognises(path, head)).open(path, home=home)
