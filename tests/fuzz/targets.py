"""Every parser of what comes into a node from outside, as a function of bytes: it returns, or raises what is not told.

A parser may refuse whatever it likes, by a typed error. Anything else that comes out of it is a defect: it is what
``make fuzz`` looks for by coverage, and what the unit tests look for with a few hundred examples.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.unit.node.workbooks import sheet_xml, write_book

from passerelle.core.errors import PasserelleError
from passerelle.node.csv_cells import CellError
from passerelle.node.csv_expressions import EXPRESSION
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import ENCODINGS, read_rows
from passerelle.node.formats import carrier, pesc_messages
from passerelle.node.formats.csv import CsvFormat
from passerelle.node.formats.exchange import Unclear
from passerelle.node.formats.ports import Format
from passerelle.node.formats.sql import parse_query
from passerelle.node.formats.standards import standard_formats
from passerelle.node.formats.tables import TableOptions
from passerelle.node.formats.told import read_learner
from passerelle.node.formats.xlsx import XlsxFormat
from passerelle.node.importer import open_table
from passerelle.node.mapping import parse_mapping
from passerelle.node.sealed import Content, OwnSeal, open_sealed, seal

HOME = "humber"
TOLD = (PasserelleError, CellError, Unclear)
"""What a parser says of its input."""
Target = Callable[[bytes, Path], None]
"""The input, and a file that the target may write it to."""
SEAL = OwnSeal(HOME, bytes(range(32)))
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MAX_ROWS = 5_000


def _format(known: Format) -> Target:
    """A format of files, with the rows of each section read by the columns of its kind."""

    def run(data: bytes, path: Path) -> None:
        path.write_bytes(data)
        known.recognises(path, data[:65_536])
        for section in known.open(path, home=HOME).sections:
            table = open_table(section, HOME)
            for _, raw in zip(range(MAX_ROWS), table.rows, strict=False):
                table.parser.parse(raw)

    return run


XLSX = _format(XlsxFormat(TableOptions()))


def _sheet(data: bytes, path: Path) -> None:
    """The input as the XML of a sheet: behind the archive's check sums a fuzzer would never come to it."""
    XLSX(write_book(path, {"S": data.decode("utf-8", "replace")}).read_bytes(), path)


def _of_file(read: Callable[[Path], object]) -> Target:
    def run(data: bytes, path: Path) -> None:
        path.write_bytes(data)
        read(path)

    return run


def _of_text(read: Callable[[str], object]) -> Target:
    return lambda data, _: (read(data.decode("utf-8", "replace")), None)[1]


def _csv_encodings(data: bytes, _path: Path) -> None:
    encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else ENCODINGS[0]
    for _ in read_rows(io.BytesIO(data[1:]), encoding):
        pass


def _cells(data: bytes, _path: Path) -> None:
    """The text in every column of every kind; each column that refuses it says so by its own error."""
    text = data.decode("utf-8", "replace").strip()
    for form in FORMS.values() if text else ():
        for column in form.columns:
            try:
                column.cell.parse(text, HOME)
            except CellError:
                continue


TARGETS: Mapping[str, Target] = {
    "csv": _format(CsvFormat(TableOptions())),
    "csv-encodings": _csv_encodings,
    "xlsx": XLSX,
    "xlsx-sheet": _sheet,
    **{known.name: _format(known) for known in standard_formats()},
    "pesc-request": _of_file(pesc_messages.read_request),
    "pesc-answer": _of_file(pesc_messages.read_answer),
    "carrier": _of_text(carrier.unpacked),
    "cells": _cells,
    "expression": _of_text(lambda text: EXPRESSION.parse(text.strip() or "x", HOME)),
    "mapping": _of_text(lambda text: parse_mapping(text, "any")),
    "query": _of_text(lambda text: parse_query(text, "any.sql")),
    "learner": _of_file(read_learner),
    "sealed": lambda data, _: (open_sealed(data, SEAL, "case"), None)[1],
}


def told(name: str, data: bytes, path: Path) -> bool:
    """Run a target; whether it refused the input. What is raised otherwise is a defect."""
    try:
        TARGETS[name](data, path)
    except TOLD:
        return True
    return False


ROWS = (("id", "kind", "title", "language", "credit_bearing"), ("revit", "course", "Revit", "en", "no"))


def _workbook() -> bytes:
    with TemporaryDirectory() as folder:
        return write_book(Path(folder) / "a.xlsx", {"S": sheet_xml(ROWS)}).read_bytes()


def seeds() -> dict[str, list[bytes]]:
    """Inputs that each target takes whole, to begin from."""
    formats = SAMPLES / "formats"
    xml = [path.read_bytes() for path in sorted(formats.glob("transcript-pesc-*.xml"))]
    table = (SAMPLES / "humber" / "achievements.csv").read_bytes()
    badge = (formats / "open-badge-3.0.json").read_bytes()
    return {
        "csv": [table],
        "csv-encodings": [bytes([place]) + table.decode()[:900].encode(name) for place, name in enumerate(ENCODINGS)],
        "xlsx": [_workbook()],
        "xlsx-sheet": [sheet_xml(ROWS).encode()],
        "pesc-xml": xml,
        "pesc-json": [(formats / "transcript-pesc.json").read_bytes()],
        "elmo": [(formats / "elmo.xml").read_bytes()],
        "open-badges": [badge],
        "open-badges-2": [badge.replace(b"AchievementCredential", b"Assertion")],
        "pesc-request": [(formats / "transcript-request-1.4.xml").read_bytes()],
        "pesc-answer": xml[:1],
        "carrier": [carrier.carried("credentials", {"record_id": "A-1", "achievement": "humber/revit"}).encode()],
        "cells": [b"3 credit-hours", b"2026-02-28", b"skill|esco|S1|Drafting|4;skill|esco|S2", b'{"type": "assigned"}'],
        "expression": [
            b"humber/revit",
            b"all(ubc/S200[grade>=percentage-50 65, years<=5], 2 of (rru/A, rru/B, any(rru/C)))",
        ],
        "mapping": [
            b'format = "passerelle.mapping/v1"\nkind = "results"\nheader = ["ID"]\n[columns.record_id]\nfrom = "ID"\n'
        ],
        "query": [b"SELECT 'a;' AS id -- x\nFROM awards;"],
        "learner": [b'learner_name = "Sample"\nlearner_birth_date = "1990-01-01"\n'],
        "sealed": [seal(Content("case", "other", "text/plain", b"x"), SEAL.public)],
    }
