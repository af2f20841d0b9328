"""How the columns of an office's own export become ours: a file of TOML, by name, in the node's folder.

A mapping is for one kind of file and for one header. For each of our columns it says where the text comes from (a
column, several put together, or a constant), in which form its dates are, and which of the office's values is which of
ours. What no rule covers makes the row an error; nothing is guessed while a file is imported.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from passerelle.core.errors import FormatError
from passerelle.core.tables import folded
from passerelle.node.csv_cells import nearest
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import MAX_HEADER, MAX_REMEMBERED

FORMAT: Final = "passerelle.mapping/v1"
MAX_FILE: Final = 512 * 1024
MAX_MAPPINGS: Final = 200
"""Mappings of one node that are looked through for a header."""
MAX_VALUES: Final = 10_000
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
STARTS: Final = (
    "banner-awards", "banner-results", "peoplesoft-awards", "peoplesoft-results", "colleague-awards",
    "colleague-results",
)  # fmt: skip
"""Starting mappings that come with the node."""
MAX_SHORT: Final = 200
"""Characters of a text that is remembered with what was made of it."""
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_KEYS: Final = frozenset({"from", "template", "constant", "date", "values", "otherwise"})
DATE_FORMS: Final = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY/MM/DD": "%Y/%m/%d",
    "YYYYMMDD": "%Y%m%d",
    "DD/MM/YYYY": "%d/%m/%Y",
    "MM/DD/YYYY": "%m/%d/%Y",
    "DD-MM-YYYY": "%d-%m-%Y",
    "MM-DD-YYYY": "%m-%d-%Y",
    "DD.MM.YYYY": "%d.%m.%Y",
    "DD-MON-YYYY": "%d-%b-%Y",
}
"""What ``date`` takes. Month names of three letters are English, as databases write them."""
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LENGTHS: Final = {"DD-MON-YYYY": 11, "YYYYMMDD": 8}
Otherwise = Literal["refuse", "keep", "empty"]


def read_date(text: str, form: str) -> str | None:
    """The date as YYYY-MM-DD, None where the text is not of the form. A time of day after a blank is left out."""
    day = text.partition(" ")[0].partition("T")[0] if form != "DD-MON-YYYY" else text.partition(" ")[0]
    if len(day) != _LENGTHS.get(form, 10) or not day.isascii():
        return None
    if form == "DD-MON-YYYY":
        month = day[3:6].lower()
        if month not in _MONTHS:
            return None
        day, form = f"{day[:2]}-{_MONTHS.index(month) + 1:02d}-{day[7:]}", "DD-MM-YYYY"
    try:
        return dt.datetime.strptime(day, DATE_FORMS[form]).date().isoformat()
    except ValueError:
        return None


def header_key(cells: Sequence[str]) -> str:
    """Equal for headers with the same columns in the same order, whatever their case, accents and signs."""
    return hashlib.sha256("\x1f".join(folded(cell) for cell in cells).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one of our columns comes from. ``template`` names columns in braces; a constant has none."""

    template: str
    date: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    otherwise: Otherwise = "refuse"

    @property
    def sources(self) -> tuple[str, ...]:
        """The office's columns that it names."""
        return tuple(_PLACE.findall(self.template))


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """A mapping by name. ``header`` is that of the file for which it was made; empty: of any file."""

    name: str
    kind: str
    rules: Mapping[str, Rule]
    header: tuple[str, ...] = ()
    note: str = ""

    @property
    def key(self) -> str:
        """What its header is known by; empty for a starting point, which is never taken by itself."""
        return header_key(self.header) if self.header else ""

    def over(self, rows: Callable[[], Iterator[RawRow]]) -> Callable[[], Iterator[RawRow]]:
        """The rows of a file under our own columns. Raises FormatError ``mapping-invalid`` where a column is absent."""

        def mapped() -> Iterator[RawRow]:
            source = rows()
            header = next(source, None)
            if header is None or header.code:
                yield from () if header is None else (header,)
                return
            makers = self._makers(header.cells)
            yield RawRow(header.number, list(self.rules))
            for raw in source:
                yield _mapped(raw, makers, len(header.cells))

        return mapped

    def _makers(self, header: Sequence[str]) -> list[_Maker]:
        places: dict[str, int] = {}
        for place, cell in enumerate(header[:MAX_HEADER]):
            places.setdefault(folded(cell), place)
        makers = []
        for column, rule in self.rules.items():
            absent = [name for name in rule.sources if folded(name) not in places]
            if absent:
                what = f"the mapping {self.name} takes {column} from a column that the file does not have"
                fix = f"Map the file again: passerelle node map FILE; or correct [columns.{column}]."
                raise FormatError("mapping-invalid", what, where=f"columns.{column}", fix=fix)
            ours = FORMS[self.kind].find(column)
            dated = ours is not None and ours.cell.form.startswith("date")
            makers.append(_Maker(column, rule, tuple(places[folded(name)] for name in rule.sources), dated))
        return makers


@dataclass(frozen=True, slots=True)
class _Maker:
    column: str
    rule: Rule
    places: tuple[int, ...]
    dated: bool
    """Whether our column holds a date: what is none is told there, with its column and shape."""
    known: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Texts that were made before: dates and codes repeat in every file."""

    def text(self, cells: Sequence[str]) -> str:
        """The text of the column; raises LookupError where a value or a date is none that the mapping knows."""
        rule = self.rule
        if not self.places:
            return rule.template
        found = tuple([cells[place].strip() for place in self.places])
        if (text := self.known.get(found)) is not None:
            return text
        text = self._made(found)
        if (rule.date or rule.values) and max(map(len, found)) <= MAX_SHORT:
            if len(self.known) >= MAX_REMEMBERED:
                self.known.clear()
            self.known[found] = text
        return text

    def _made(self, found: tuple[str, ...]) -> str:
        rule = self.rule
        if not any(found):
            return ""
        if rule.template.startswith("{") and len(found) == 1 and rule.template.endswith("}"):
            text = found[0]
        else:
            parts = iter(found)
            text = _PLACE.sub(lambda _: next(parts), rule.template).strip()
        if rule.values and (known := rule.values.get(text)) is not None:
            return known
        if rule.date:
            day = read_date(text, rule.date)
            if day is None and self.dated:
                return text
            if day is None:
                raise LookupError(f"is not a date of the form {rule.date}, which the mapping names")
            return day
        if rule.values and rule.otherwise != "keep":
            if rule.otherwise == "empty":
                return ""
            raise LookupError("is a value that the mapping does not translate")
        return text


def _mapped(raw: RawRow, makers: Sequence[_Maker], width: int) -> RawRow:
    if raw.code:
        return raw
    if len(raw.cells) != width:
        what = f"the row has {len(raw.cells)} cells where the header has {width}"
        return RawRow(raw.number, [], "row-width", what)
    cells = []
    for maker in makers:
        try:
            cells.append(maker.text(raw.cells))
        except LookupError as error:
            code = "date-impossible" if maker.rule.date else "value-not-allowed"
            return RawRow(raw.number, [], code, f"what {maker.column} is taken from {error.args[0]}")
    return RawRow(raw.number, cells)


def _invalid(what: str, where: str, fix: str = "") -> FormatError:
    return FormatError("mapping-invalid", what, where=where, fix=fix)


def _text(value: object, where: str, maximum: int = 2_000) -> str:
    if not isinstance(value, str) or len(value) > maximum:
        raise _invalid(f"the value is not a text of at most {maximum} characters", where)
    return value


def _rule(column: str, value: object) -> Rule:
    where = f"columns.{column}"
    if not isinstance(value, dict) or value.keys() - _KEYS:
        raise _invalid(f"a column has these settings only: {', '.join(sorted(_KEYS))}", where)
    given = [name for name in ("from", "template", "constant") if name in value]
    if len(given) != 1:
        raise _invalid("a column has one of from, template and constant", where)
    text = _text(value[given[0]], where)
    if given[0] == "from":
        if "{" in text or "}" in text:
            raise _invalid("a column's name holds no braces", where)
        text = f"{{{text}}}"
    elif given[0] == "constant" and _PLACE.search(text):
        raise _invalid("a constant names no column", where, "Use template.")
    date = _text(value.get("date", ""), where)
    if date and date not in DATE_FORMS:
        raise _invalid("the form of the dates is not known", where, f"Use one of: {', '.join(DATE_FORMS)}.")
    values = value.get("values", {})
    if not isinstance(values, dict) or len(values) > MAX_VALUES:
        raise _invalid(f"values is not a table of at most {MAX_VALUES} entries", f"{where}.values")
    otherwise = value.get("otherwise", "refuse")
    if otherwise not in ("refuse", "keep", "empty"):
        raise _invalid("otherwise is none of refuse, keep, empty", where)
    return Rule(text, date, {str(k): _text(v, f"{where}.values") for k, v in values.items()}, otherwise)


def parse_mapping(text: str, name: str) -> ColumnMapping:
    """A mapping from its file's text. Raises FormatError ``mapping-invalid`` with the place in the file."""
    try:
        value: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"at line \d+, column \d+", str(error))
        what = f"the mapping is not TOML{f' ({place.group()})' if place else ''}"
        raise _invalid(what, name) from None
    if value.get("format") != FORMAT:
        raise _invalid(f"format is not {FORMAT}", name)
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in FORMS:
        raise _invalid(f"kind is none of: {', '.join(FORMS)}", name)
    columns = value.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise _invalid("the mapping has no columns", name)
    form = FORMS[kind]
    for column in columns:
        if form.find(column) is None:
            guess = nearest(column, tuple(form.by_name))
            fix = f"Did you mean '{guess}'?" if guess else "See docs/csv.md."
            raise _invalid(f"the kind {kind} has no such column", f"columns.{column[:60]}", fix)
    header = value.get("header", [])
    if not isinstance(header, list) or len(header) > MAX_HEADER:
        raise _invalid(f"header is not a list of at most {MAX_HEADER} texts", name)
    cells = tuple(_text(cell, "header") for cell in header)
    rules = {column: _rule(column, rule) for column, rule in columns.items()}
    return ColumnMapping(name, kind, rules, cells, _text(value.get("note", ""), "note"))


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's, which escapes all that TOML asks for but DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_mapping(mapping: ColumnMapping, remarks: Mapping[str, Sequence[str]] | None = None) -> str:
    """The file's text; ``remarks`` are comments above columns, those under an empty name at the top."""
    said = remarks or {}
    lines = [f"# {line}" for line in said.get("", ())]
    lines += [f"format = {_quoted(FORMAT)}", f"kind = {_quoted(mapping.kind)}"]
    if mapping.note:
        lines.append(f"note = {_quoted(mapping.note)}")
    lines.append("# The header of the file for which this was made; a file with the same header is read through it.")
    lines.append(f"header = [{', '.join(_quoted(cell) for cell in mapping.header)}]")
    for column, rule in mapping.rules.items():
        lines += ["", *(f"# {line}" for line in said.get(column, ())), f"[columns.{column}]"]
        lines.append(_source(rule))
        if rule.date:
            lines.append(f"date = {_quoted(rule.date)}")
        if rule.otherwise != "refuse":
            lines.append(f"otherwise = {_quoted(rule.otherwise)}")
        if rule.values:
            lines.append(f"[columns.{column}.values]")
            lines += [f"{_quoted(held)} = {_quoted(ours)}" for held, ours in rule.values.items()]
    return "\n".join(lines) + "\n"


def _source(rule: Rule) -> str:
    if not rule.sources:
        return f"constant = {_quoted(rule.template)}"
    if len(rule.sources) == 1 and rule.template == f"{{{rule.sources[0]}}}":
        return f"from = {_quoted(rule.sources[0])}"
    return f"template = {_quoted(rule.template)}"


class MappingFolder:
    """The mappings of one node: ``mappings/<name>.toml`` beside its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def nowhere(cls) -> MappingFolder:
        """A folder without mappings: only the starting points."""
        return cls(Path(os.devnull))

    def path(self, name: str) -> Path:
        """Where a mapping lies. Raises FormatError ``mapping-invalid`` for a name that cannot be one."""
        if not NAME.fullmatch(name):
            raise _invalid("a mapping's name has small letters, digits and hyphens, at most 60", "--name")
        return self.folder / f"{name}.toml"

    def load(self, name: str) -> ColumnMapping:
        """A mapping of the folder, or a starting point. Raises FormatError ``mapping-unknown``, ``mapping-invalid``."""
        path = self.path(name)
        if path.is_file():
            return parse_mapping(_read(path), name)
        if name in STARTS:
            return starting_point(name)
        known = sorted({*self.names(), *STARTS})
        guess = nearest(name, known)
        fix = f"Did you mean '{guess}'?" if guess else f"Known: {', '.join(known)}."
        raise FormatError("mapping-unknown", "there is no mapping of this name", where="--mapping", fix=fix)

    def names(self) -> list[str]:
        """The names of the folder's mappings."""
        found = self.folder.glob("*.toml") if self.folder.is_dir() else ()
        return sorted(path.stem for path in found if NAME.fullmatch(path.stem))[:MAX_MAPPINGS]

    def of_header(self, cells: Sequence[str]) -> ColumnMapping | None:
        """The mapping that was made for this header; the first by name. Raises FormatError ``mapping-invalid``."""
        key = header_key(cells)
        return next((found for found in map(self.load, self.names()) if found.key == key), None)

    def save(self, mapping: ColumnMapping, text: str, *, replace: bool) -> Path:
        """Write a mapping. Raises FormatError ``mapping-invalid`` where one of its name stands and is to stay."""
        path = self.path(mapping.name)
        if path.exists() and not replace:
            raise _invalid("a mapping of this name exists", "--name", "Give another name, or say --replace.")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        return path


def starting_point(name: str) -> ColumnMapping:
    """A mapping that comes with the node. Raises FormatError ``mapping-unknown``."""
    if name not in STARTS:
        fix = f"Use one of: {', '.join(STARTS)}."
        raise FormatError("mapping-unknown", "there is no starting mapping of this name", where="--start", fix=fix)
    found = (files("passerelle.node") / "mappings" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_mapping(found, name)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise _invalid(f"the mapping has more than {MAX_FILE} bytes", path.name)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _invalid("the mapping cannot be read as UTF-8", path.name) from None
