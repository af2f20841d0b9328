"""What the document formats share: from a document's values to rows under our own columns.

A document says what an institution recorded; the columns say what this network can hold. What has no exact place is
left out and told as a remark, never guessed: a grade of an unnamed scheme keeps a scheme of its own that compares with
nothing, a credit in units that the network does not know is left out.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.core.quantity import format_quantity
from passerelle.events.base import LOCAL_PATTERN, MEMBER_PATTERN
from passerelle.node.csv_cells import MAX_CELL
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import RawRow
from passerelle.node.formats.ports import Section

LEARNER: Final = ("learner_student_number", "learner_name", "learner_birth_date", "learner_email")
MAX_NUMBER: Final = 40
"""Characters of the longest number that is read as one."""
_LOCAL: Final = re.compile(LOCAL_PATTERN)
_MEMBER: Final = re.compile(MEMBER_PATTERN)
_DECIMAL: Final = re.compile(r"\+?([0-9]{1,20})(?:\.([0-9]{0,20}))?")
_FRACTION: Final = re.compile(r"[0-9]{1,20}/0*[1-9][0-9]{0,19}")
_GAP: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Settings:
    """What a node tells its formats. Formats hold nothing else.

    ``schemas``: folder with published schemas and JSON-LD contexts, None where there are none. ``organisations``:
    awarding bodies as documents name them (name or code, case does not matter) to ``humber`` or
    ``organisation:humber/siemens``. ``learner``: the learner's columns as the office holds them, for a document about
    one person whom the office has recognised; they are put in place of the document's. ``own_keys``: the member's own
    keys as did:key, under which a badge that claims to be the member's must verify.
    """

    schemas: Path | None = None
    organisations: Mapping[str, str] = field(default_factory=dict)
    learner: Mapping[str, str] = field(default_factory=dict)
    own_keys: frozenset[str] = frozenset()


NONE: Final = Settings()
"""The settings of a node that was told nothing."""


class Unclear(Exception):
    """A record that cannot become a row: a stable code and what is wrong; never a value."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(code)
        self.code = code
        self.what = what


@dataclass(frozen=True, slots=True)
class Found:
    """One record of a document: its kind, where it stands, and its cells by column."""

    kind: str
    number: int
    cells: Mapping[str, str]
    code: str = ""
    what: str = ""


@dataclass(slots=True)
class Survey:
    """What a first reading of a document found: kinds, columns, and what to tell."""

    columns: dict[str, dict[str, None]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)

    def take(self, found: Found) -> None:
        """Note a record."""
        self.counts[found.kind] += 1
        self.columns.setdefault(found.kind, {}).update(dict.fromkeys(found.cells))

    def remarks(self) -> list[str]:
        """The remarks with how often each applies."""
        return [f"{text} ({count})" if count > 1 else text for text, count in self.told.items()]


Records = Callable[[Survey], Iterator[Found]]
"""Reads a document anew and gives its records, telling the survey what has no place."""


def survey(records: Records, where: str) -> Survey:
    """Read a document once. Raises FormatError, ``file-empty`` where it holds no record that has a place here."""
    found = Survey()
    for one in records(found):
        found.take(one)
    if not found.counts:
        told = "; ".join(found.remarks())
        raise FormatError(
            "file-empty", f"the document holds no award and no result to import{': ' if told else ''}{told}",
            where=where,
        )  # fmt: skip
    return found


def sections(records: Records, seen: Survey, place: str) -> list[Section]:
    """One section a kind, achievements first, so that awards find what they name."""
    order = ("achievements", "credentials", "results")
    return [_section(kind, seen, records, place) for kind in order if seen.counts[kind]]


def _section(kind: str, seen: Survey, records: Records, place: str) -> Section:
    needed = [column.name for column in FORMS[kind].columns if column.required]
    header = list(dict.fromkeys([*needed, *sorted(seen.columns[kind])]))

    def rows() -> Iterator[RawRow]:
        yield RawRow(1, list(header))
        for one in records(Survey()):
            if one.kind != kind:
                continue
            if one.code:
                yield RawRow(one.number, [], one.code, one.what)
            elif any(len(cell) > MAX_CELL for cell in one.cells.values()):
                yield RawRow(one.number, [], "value-too-long", f"a value has more than {MAX_CELL} characters")
            else:
                yield RawRow(one.number, [one.cells.get(name, "") for name in header])

    return Section(kind, rows, place)


def given(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells that hold something, control characters made spaces as in any text of a form."""
    return {name: text for name, text in cells.items() if text}


def handle(prefix: str, *parts: str) -> str:
    """A record id made of what stays the same when a document is sent again: prefix and 128 bits of a hash, so that no
    student number stands in an id."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{prefix}-{digest[:32]}"


def slug(text: str, prefix: str) -> str:
    """A local id from a title: letters without accents, digits and hyphens.

    A title in a script without Latin letters becomes ``prefix`` and a hash. Raises Unclear ``field-malformed`` for a
    word that mixes Latin letters with others that only look like them.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().replace("\N{LATIN SMALL LIGATURE OE}", "oe"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    foreign = False
    for word in re.split(r"[\W_]+", plain):
        others = [letter for letter in word if not letter.isascii()]
        foreign = foreign or bool(others)
        if others and any(letter.isascii() and letter.isalpha() for letter in word):
            raise Unclear("field-malformed", "a word mixes Latin letters with others that look like them")
    if foreign or not (found := _GAP.sub("-", plain).strip("-")):
        return handle(prefix, text)
    return found if len(found) <= 60 else f"{found[:50].rstrip('-')}-{hashlib.sha256(found.encode()).hexdigest()[:8]}"


def course_id(text: str) -> str:
    """A course code as a local id: spaces become hyphens. Raises Unclear where it is none."""
    joined = "-".join(text.split())
    if not joined.isascii():
        raise Unclear("field-malformed", "a course code holds letters outside A to Z, which may only look like them")
    if not _LOCAL.fullmatch(joined):
        raise Unclear("field-malformed", "a course code is not letters, digits, dots, hyphens and underscores")
    return joined


def number(text: str) -> str:
    """A number in the form of a quantity: no leading zeros, at most four decimals; an odd one as it stands, so that the
    row is refused with its own message. Raises Unclear ``number-malformed`` for one beyond any record."""
    text = text.strip()
    if len(text) > MAX_NUMBER:
        raise Unclear("number-malformed", f"a number has more than {MAX_NUMBER} characters")
    try:
        if _DECIMAL.fullmatch(text) or _FRACTION.fullmatch(text):
            return format_quantity(Fraction(text))
    except FormatError as error:
        raise Unclear(error.code, error.what) from None
    return text


def credit(amount: str, system: str | None) -> str:
    """A credit cell; empty where there is no amount or no system for it."""
    return f"{number(amount)} {system}" if amount and system else ""


def day(text: str) -> str:
    """The date of a date or an instant, as stated in its own time zone; an odd one as it stands."""
    return text.strip()[:40].partition("T")[0]


@dataclass(frozen=True, slots=True)
class Body:
    """Who recorded something: ``own`` when it is the node's member, a ``cell`` for awarding_bodies otherwise."""

    own: bool
    cell: str
    slug: str


def body(codes: Sequence[str], names: Sequence[str], home: str, settings: Settings) -> Body:
    """Which body a document means by its codes and names, the first that is known.

    One that is neither configured nor the member itself is a listed organisation of the member's, called by its first
    name: its awards enter as evidence that the member verified, never as issued by it. Raises Unclear.
    """
    known = {home: home, f"urn:passerelle:member:{home}": home}
    known.update((name.casefold(), cell) for name, cell in settings.organisations.items())
    stated = [" ".join(name.split()) for name in (*codes, *names) if name.strip()]
    for name in stated:
        if (cell := known.get(name.casefold())) is not None:
            return Body(cell == home, cell, cell.removeprefix("organisation:").rpartition("/")[2])
    called = next((" ".join(name.split()) for name in names if name.strip()), next(iter(stated), ""))
    if not called:
        raise Unclear("value-missing", "the document does not say which institution recorded this")
    local = slug(called, "organisation")
    return Body(False, f"organisation:{home}/{local}", local)


def evidence(whose: Body, home: str) -> dict[str, str]:
    """The columns that say who awarded and who vouches. Raises Unclear ``not-awarding-body`` for an award of another
    member, which that member issues itself."""
    if whose.own:
        return {}
    if _MEMBER.fullmatch(whose.cell):
        raise Unclear("not-awarding-body", "another member's awards come from that member, not from a file")
    return {"awarding_bodies": whose.cell, "verified_by": home}


def reference(whose: Body, own: str) -> str:
    """An achievement as a reference cell: the other member's own where the body is one."""
    return f"{whose.cell}/{own}" if not whose.own and _MEMBER.fullmatch(whose.cell) else local_id(whose, own)


def local_id(whose: Body, own: str) -> str:
    """The local id of an achievement: an outside body's stands below its name, so that two bodies never share one."""
    joined = own if whose.own else f"{whose.slug}.{own}"
    return joined if len(joined) <= 80 else f"{joined[:60]}-{hashlib.sha256(joined.encode()).hexdigest()[:12]}"


def scheme(format_name: str, whose: Body, code: str) -> str:
    """A grading scheme of a document: its code below the institution's name, since the same code means other things
    elsewhere."""
    name = _GAP.sub("-", code.casefold()).strip("-") if code.isascii() else ""
    return f"{format_name}.{whose.slug[:30]}.{name[:30] or 'unstated'}"
