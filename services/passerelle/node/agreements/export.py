"""Agreements out: what the node has stated, as a file of one of the formats that it also reads."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import orjson

from passerelle.core.errors import FormatError
from passerelle.node.agreements.assist import AssistWriter
from passerelle.node.agreements.book import Book
from passerelle.node.agreements.ctdl import CtdlWriter
from passerelle.node.agreements.desk import rows_of, stated_rules
from passerelle.node.agreements.objects import MAX_FILE
from passerelle.node.agreements.ports import AgreementStore
from passerelle.node.agreements.reading import format_named
from passerelle.node.agreements.table import COLUMNS
from passerelle.node.agreements.writing import JsonWriter, Telling, Unsaid, as_stated

WRITERS: Final[Mapping[str, Callable[[], JsonWriter]]] = {"assist-json": AssistWriter, "ctdl-json": CtdlWriter}
MAX_UNSAID: Final = 100_000
"""What could not be said and is listed; beyond, it is counted only."""


@dataclass(slots=True)
class Exported:
    """How many agreements were written and left out, and what of them the format cannot say."""

    agreements: int = 0
    left_out: int = 0
    unsaid_count: int = 0
    unsaid: list[tuple[int, Unsaid]] = field(default_factory=list)
    """Each with the number of its agreement in the order of the export, from 1."""

    def tell(self, number: int, found: list[Unsaid]) -> None:
        """Count, and list up to :data:`MAX_UNSAID`."""
        self.unsaid_count += len(found)
        self.unsaid += [(number, one) for one in found[: MAX_UNSAID - len(self.unsaid)]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        return {
            "agreements": self.agreements,
            "left_out": self.left_out,
            "unsaid_count": self.unsaid_count,
            "unsaid": [{"number": number, **one.as_dict()} for number, one in self.unsaid],
        }


async def export_file(
    store: AgreementStore, book: Book, home: str, path: Path, *, form: str = "csv", receiver: str = ""
) -> Exported:
    """Write a new file; nothing is left of it where it cannot be whole.

    Raises FormatError ``format-unknown``, ``argument-invalid`` where the file is there already, ``code-unknown``,
    ``file-too-large``; Unavailable.
    """
    name = format_named(form)
    try:
        out = path.open("x", encoding="utf-8", newline="")
    except FileExistsError:
        fix = "Name a new file."
        raise FormatError("argument-invalid", "the file is there already", where=str(path), fix=fix) from None
    try:
        with out:
            if name == "csv":
                return await _table(store, book, home, out, receiver)
            return await _json(store, Telling(WRITERS[name](), book, home), out, receiver)
    except BaseException:
        # Nothing half done: a file that lacks agreements would end them when it is compared as a whole.
        path.unlink(missing_ok=True)
        raise


async def _table(store: AgreementStore, book: Book, home: str, out: TextIO, receiver: str) -> Exported:
    found = Exported()
    writer = csv.DictWriter(out, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    async for row in rows_of(store, book, home, receiver=receiver):
        writer.writerow(row)
        found.agreements += 1
    return found


async def _json(store: AgreementStore, telling: Telling, out: TextIO, receiver: str) -> Exported:
    found, number = Exported(), 0
    size = out.write(telling.writer.head)
    async for rule, note in stated_rules(store, receiver):
        number += 1
        entry, unsaid = telling.told(as_stated(rule, note, telling.home))
        found.tell(number, unsaid)
        if entry is None:
            found.left_out += 1
            continue
        text = orjson.dumps(entry)
        # The bound of reading: what is written can be read again.
        size += len(text) + 2
        if size > MAX_FILE:
            what = f"the file would have more than {MAX_FILE} bytes"
            raise FormatError("file-too-large", what, where=out.name, fix="Export receiver by receiver.")
        out.write((",\n" if found.agreements else "\n") + text.decode())
        found.agreements += 1
    out.write("\n" + telling.writer.tail + "\n")
    return found
