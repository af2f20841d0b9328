"""What one cell of a registrar's CSV file may hold, and how its text becomes a JSON value of an event.

A cell never repeats the text it refused: a shifted column could hold a person's name. Sources: ``contracts/formats.md``
for identifiers, ISO 8601 for dates, BCP 47 and ISO 3166 for languages and jurisdictions.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from passerelle.core.errors import CODES
from passerelle.core.grades import WELL_KNOWN_LEVELS
from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.core.tables import OQF_LEVELS, province
from passerelle.events.base import DATE_PATTERN, LOCAL_PATTERN, MEMBER_PATTERN, UUID_PATTERN
from passerelle.node.csv_codes import are_unit_groups, unlisted

MAX_CELL: Final = 32 * 1024
"""Characters of the longest cell."""
LIST_SEPARATOR: Final = ";"
PART_SEPARATOR: Final = "|"

_DATE: Final = re.compile(DATE_PATTERN)
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_QUANTITY: Final = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,4}|/[1-9][0-9]{0,4})?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LIST: Final = re.compile(r"(?<!\\);")
_LOCAL: Final = re.compile(LOCAL_PATTERN)
_MEMBER: Final = re.compile(MEMBER_PATTERN)
_OWNED: Final = re.compile(rf"{MEMBER_PATTERN}/{LOCAL_PATTERN}")
_UUID: Final = re.compile(UUID_PATTERN)
_JURISDICTION: Final = re.compile(r"CA(-(AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT))?|[A-Z]{2}")
_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
_YES: Final = frozenset({"yes", "y", "true", "1", "oui", "o", "vrai"})
_NO: Final = frozenset({"no", "n", "false", "0", "non", "faux"})


class CellError(Exception):
    """A cell that cannot be read: a stable code, what is wrong and how to mend it; never the text itself.

    ``near``: the text is close to a code that is allowed, so that it is a code written wrong and no person's detail.
    """

    def __init__(self, code: str, what: str, fix: str = "", *, near: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.what = what
        self.fix = fix or CODES[code].fix
        self.near = near


@dataclass(frozen=True, slots=True)
class Cell:
    """``form`` says for people what may stand in the cell; ``parse(text, home)`` gives the JSON value.

    ``home`` is the id of the node's own member: a reference without a slash is one of its own things. The text is
    stripped and never empty. ``sure`` says of many texts whether all of them can be read, faster than reading each;
    False where some must be looked at, None where there is no such short way.
    """

    form: str
    parse: Callable[[str, str], Any]
    sure: Callable[[Sequence[str]], bool] | None = None


def nearest(text: str, allowed: Sequence[str]) -> str:
    """The allowed code that is closest to what was written, or an empty text where none is close."""
    found = difflib.get_close_matches(text.lower()[:80], allowed, n=1, cutoff=0.6)
    return found[0] if found else ""


def text(maximum: int = 300) -> Cell:
    """Free text without control characters."""

    def parse(value: str, _home: str) -> str:
        if len(value) > maximum:
            raise CellError("value-too-long", f"the text has more than {maximum} characters")
        if not value.isprintable() and _CONTROL.search(value):
            raise CellError("control-character", "the text holds a control character")
        return value

    def sure(values: Sequence[str]) -> bool:
        return max(map(len, values), default=0) <= maximum and "".join(values).isprintable()

    return Cell(f"text, at most {maximum} characters", parse, sure)


def code(maximum: int = 80) -> Cell:
    """A code of an office or a framework: printable ASCII that does not start with a space."""

    def parse(value: str, _home: str) -> str:
        if len(value) > maximum:
            raise CellError("value-too-long", f"the code has more than {maximum} characters")
        if not value.isascii() or not value.isprintable():
            raise CellError(
                "field-malformed", "a code holds letters without accents, digits and signs only", "Correct the code."
            )
        return value

    return Cell("code", parse)


def choice(*allowed: str) -> Cell:
    """One of a closed list; case does not matter."""
    known = frozenset(allowed)

    def parse(value: str, _home: str) -> str:
        if (lowered := value.lower()) in known:
            return lowered
        guess = nearest(value, allowed)
        hint = f"Did you mean '{guess}'?" if guess else f"Use one of: {', '.join(allowed)}."
        raise CellError("value-not-allowed", "the value is not one of those allowed here", hint, near=bool(guess))

    return Cell(f"one of `{'`, `'.join(allowed)}`", parse)


def _parse_flag(value: str, _home: str) -> bool:
    lowered = value.lower()
    if lowered in _YES:
        return True
    if lowered in _NO:
        return False
    raise CellError("boolean-malformed", "the cell is neither yes nor no", "Write yes or no.")


def _parse_date(value: str, _home: str) -> str:
    if not _DATE.fullmatch(value):
        raise CellError("date-impossible", "a date has the form YYYY-MM-DD, its year between 1900 and 2199")
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        raise CellError("date-impossible", "the month has no such day") from None
    return value


def whole(minimum: int, maximum: int) -> Cell:
    """A whole number between two bounds, both included."""

    def parse(value: str, _home: str) -> int:
        if not _WHOLE.fullmatch(value):
            raise CellError("number-malformed", "the cell is not a whole number", "Write digits only.")
        if not minimum <= int(value) <= maximum:
            raise CellError("value-out-of-range", f"the number is not between {minimum} and {maximum}")
        return int(value)

    return Cell(f"whole number, {minimum} to {maximum}", parse)


def _parse_quantity(value: str, _home: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise CellError("number-malformed", "the cell is not a number such as 3, 2.5 or 7/3")
    return value


def _parse_credit(value: str, home: str) -> dict[str, str]:
    number, _, system = value.partition(" ")
    if (system := system.strip().lower()) not in CREDIT_SYSTEMS:
        guess = nearest(system, CREDIT_SYSTEMS)
        hint = f"Did you mean '{guess}'?" if guess else f"Write for example '3 {CREDIT_SYSTEMS[0]}'."
        what = "an amount of credit is a number, a space and a credit system"
        raise CellError("credit-system-unknown", what, hint, near=bool(guess))
    return {"value": _parse_quantity(number, home), "system": system}


def _parse_jurisdiction(value: str, _home: str) -> str:
    if _JURISDICTION.fullmatch(value):
        return value
    guess = province(value)
    hint = f"Did you mean '{guess}'?" if guess else ""
    what = "the cell is not a province, territory or country"
    raise CellError("jurisdiction-unknown", what, hint, near=bool(guess))


def _parse_level(value: str, _home: str) -> dict[str, str]:
    framework, _, level = value.partition(" ")
    if not level.strip() or not framework.isascii():
        raise CellError(
            "field-malformed", "a level is a framework, a space and the level", "Write for example 'eqf 5'."
        )
    level = level.strip()
    known = OQF_LEVELS if framework.lower() == "oqf" else WELL_KNOWN_LEVELS.get(framework.lower(), ())
    if known and level not in known:
        guess = "" if level.isdigit() else nearest(level, known)
        hint = f"Did you mean '{guess}'?" if guess else f"It has: {', '.join(known)}."
        raise CellError("code-unknown", "the framework has no such level", hint, near=bool(guess))
    return {"framework": framework, "level": level}


def _parse_member(value: str, _home: str) -> str:
    if not _MEMBER.fullmatch(value):
        raise CellError(
            "member-id-malformed", "the cell is not a member id", "Write the id of a member, for example humber."
        )
    return value


def owned(value: str, home: str) -> str:
    """``member/local``; a local id alone is one of the own member's. Raises CellError."""
    full = value if "/" in value else f"{home}/{value}"
    if not _OWNED.fullmatch(full):
        fix = "Write member/local, or the local id alone for your own: letters, digits, dots, hyphens, underscores."
        raise CellError("field-malformed", "the cell is not an id of the form member/local", fix)
    return full


def _parse_own(value: str, home: str) -> str:
    local = value.removeprefix(f"{home}/")
    if not _LOCAL.fullmatch(local):
        fix = "Write letters, digits, dots, hyphens or underscores, at most 80, without the member id of another."
        raise CellError("field-malformed", "the id is not one that this member can give", fix)
    return f"{home}/{local}"


def body_urn(value: str, home: str) -> str:
    """The URN of a member (``humber``) or of a listed organisation (``organisation:rru/siemens``). Raises CellError."""
    value = value.removeprefix("urn:passerelle:member:").removeprefix("urn:passerelle:")
    if value.startswith("organisation:"):
        return f"urn:passerelle:organisation:{owned(value.removeprefix('organisation:'), home)}"
    return f"urn:passerelle:member:{_parse_member(value, home)}"


def matching(pattern: str, form: str, error: str, what: str) -> Cell:
    """A text of one form."""
    compiled = re.compile(pattern)

    def parse(value: str, _home: str) -> str:
        if not compiled.fullmatch(value):
            raise CellError(error, what)
        return value

    return Cell(form, parse, lambda values: all(map(compiled.fullmatch, values)))


def split_list(value: str) -> list[str]:
    """The items of a list cell, which ``;`` separates (a semicolon in a text: ``\\;``); empty ones are left out."""
    items = (item.strip().replace("\\;", ";") for item in _LIST.split(value))
    return [item for item in items if item]


def list_of(cell: Cell, maximum: int = 64) -> Cell:
    """Several values in one cell."""

    def parse(value: str, home: str) -> list[Any]:
        items = split_list(value)
        if len(items) > maximum:
            raise CellError("too-many-items", f"the list has more than {maximum} items", "Shorten the list.")
        return [cell.parse(item, home) for item in items]

    return Cell(f"list ({cell.form})", parse)


def parts(form: str, names: Sequence[str], needed: int, finish: Callable[[dict[str, Any], str], Any]) -> Cell:
    """An item of several parts joined by ``|``; the last ones may be left out."""

    def parse(value: str, home: str) -> Any:
        found = [part.strip() for part in value.split(PART_SEPARATOR)]
        if not needed <= len(found) <= len(names) or not all(found[:needed]):
            raise CellError("field-malformed", f"the item is not of the form {form}", f"Write {form}.")
        return finish({name: part for name, part in zip(names, found, strict=False) if part}, home)

    return Cell(f"`{form}`", parse)


def _coded(item: dict[str, Any], name: str, cell: Cell, home: str) -> dict[str, Any]:
    """The item with one part read as a code, where it is there."""
    return item | {name: cell.parse(item[name], home)} if name in item else item


def _document(item: dict[str, Any], home: str) -> dict[str, Any]:
    return item | {"size": whole(0, 1_000_000_000).parse(item["size"], home)}


def _condition(value: str, _home: str) -> dict[str, Any]:
    words = value.split(None, 2)
    if len(words) != 3:
        fix = "Write for example 'credit letter-4.33 B'."
        raise CellError("field-malformed", "a condition is a use, a scheme and a grade", fix)
    return {"use": words[0].lower(), "minimum_grade": {"scheme": words[1], "grade": words[2]}}


def _parse_json(value: str, _home: str) -> Any:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise CellError(
            "field-malformed", "the cell is not JSON", "Correct the JSON, or use the plain columns."
        ) from None
    if not isinstance(found, dict):
        raise CellError(
            "field-malformed", "the cell is not a JSON object", "Correct the JSON, or use the plain columns."
        )
    return found


def _parse_name(value: str, home: str) -> str:
    found = unicodedata.normalize("NFC", text(200).parse(value, home))
    if "\n" in found or "\r" in found:
        raise CellError("control-character", "the name holds a line break")
    return found


def _parse_birth(value: str, home: str) -> str:
    found = str(_parse_date(value, home))
    if found > "2100":
        raise CellError("date-impossible", "the date is beyond 2100")
    return found


def _parse_noc(value: str, _home: str) -> str:
    _listed("noc-2021", value)
    return value


def _alignment(item: dict[str, Any], home: str) -> dict[str, Any]:
    _listed(item["framework"], item["code"], item.get("name", ""))
    return _coded(item, "strength", _STRENGTH, home)


def _listed(framework: str, value: str, title: str = "") -> None:
    if (wrong := unlisted(framework, value, title)) is not None:
        raise CellError("code-unknown", wrong.what, wrong.fix, near=wrong.near)


FLAG: Final = Cell("`yes` or `no`", _parse_flag)
DATE: Final = Cell("date, YYYY-MM-DD", _parse_date)
QUANTITY: Final = Cell("exact number: `3`, `2.5`, `7/3`", _parse_quantity)
CREDIT: Final = Cell("amount and credit system: `3 credit-hours`", _parse_credit)
LEVEL: Final = Cell("framework and level: `eqf 5`", _parse_level)
MEMBER: Final = Cell("member id", _parse_member)
OWN_ID: Final = Cell("id in your own namespace: `revit` or `humber/revit`", _parse_own)
REFERENCE: Final = Cell("`member/local`; your own: `local`", owned)
BODY: Final = Cell("member id, or `organisation:member/local`", body_urn)
UUID: Final = matching(UUID_PATTERN, "UUID", "uuid-malformed", "the cell is not a UUID in lower case")
SHA256: Final = matching("[0-9a-f]{64}", "SHA-256 in lower-case hex", "hash-malformed", "the cell is not a SHA-256")
URL: Final = matching(r"https://[\x21-\x7e]{3,500}", "https address", "url-malformed", "not an https address")
NOC: Final = Cell("NOC 2021 unit group, five digits", _parse_noc, are_unit_groups)
LANGUAGE: Final = matching(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?", "language tag: `en`, `fr`", "language-unknown", "not a BCP 47 tag"
)
JURISDICTION: Final = Cell("`CA-ON` and the like, `CA`, a country", _parse_jurisdiction)
_STRENGTH: Final = choice("exact", "close", "broad", "narrow", "related")
_CONFIDENCE: Final = choice("official", "published", "indicative")
ALIGNMENT: Final = parts(
    "skill|framework|code|name|level|strength",
    ("kind", "framework", "code", "name", "level", "strength"),
    3,
    _alignment,
)
LEVEL_REFERENCE: Final = parts(
    "level|framework|its level|source|confidence",
    ("level", "framework", "to_level", "source", "confidence"),
    5,
    lambda item, home: _coded(item, "confidence", _CONFIDENCE, home),
)
TERM: Final = parts("code|title|level|broader", ("code", "title", "level", "broader"), 2, lambda item, _home: item)
DOCUMENT: Final = parts("sha256|media type|bytes|role", ("sha256", "media_type", "size", "role"), 3, _document)
CONDITION: Final = Cell("`use scheme grade`: `credit letter-4.33 B`", _condition)
JSON: Final = Cell("JSON object", _parse_json)
PERSON_NAME: Final = Cell("text, at most 200 characters", _parse_name, text(200).sure)
BIRTH_DATE: Final = Cell("date, YYYY-MM-DD", _parse_birth)
EMAIL: Final = matching(_EMAIL.pattern, "e-mail address", "field-malformed", "the cell is not an e-mail address")
