"""The receiving cell and the conditions cell of an agreement.

    SFU HIST 213 (3)                         assigned credit
    SFU HIST 213 (3) - B Hum                 with what it satisfies, several after commas
    SFU HUM 130 (3) & HUM 1XX (3)            both together
    SFU HIST 213 (3) or HIST 2XX (3)         one of them
    SFU HUM 1XX (3), SFU HUM 1st (3)         unassigned credit of a level
    SFU HUM elective (3)                     unassigned credit without a level
    SFU exemption HIST 213                   exemption without credit
    SFU No credit                            evaluated, no credit

Credits are in the receiving institution's system, or name another: ``(6 ects)``. A cell that starts with ``{`` is the
outcome as JSON, its conditions included. Conditions are sentences, several separated by ``;``:

    Must have a grade of C- or better to use as a prerequisite
    Must have a grade of C- or better to receive credit
    Must have a grade of C- (letter-4.0) or better to use in the programme
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.node.agreements.book import Book, Institution, course_id
from passerelle.node.agreements.sending import AND, OR, QUANTITY, json_cell, json_object
from passerelle.node.agreements.tokens import Tokens
from passerelle.node.csv_cells import CellError, split_list

MAX_JOINED: Final = 8
NUMBER: Final = re.compile(r"[0-9][0-9A-Za-z]{0,7}|elective", re.IGNORECASE)
_LEVEL: Final = re.compile(r"([1-9])XX+|(1st|2nd|3rd|4th)", re.IGNORECASE)
_HUNDRED: Final = re.compile(r"[1-9]00")
_ORDINAL: Final = ("1st", "2nd", "3rd", "4th")
_FIX: Final = "Write for example: SFU HUM 130 (3) & HUM 1XX (3), or SFU No credit."
USES: Final = {"prerequisite": "to use as a prerequisite", "credit": "to receive credit",
               "programme": "to use in the programme"}  # fmt: skip
_USE: Final = (
    ("prerequisite", re.compile(r"(to use|for use)?\s*as an? pre-?requisite|comme préalable", re.IGNORECASE)),
    ("credit", re.compile(r"(to receive|for)( transfer)? credit|pour obtenir (les|des) crédits", re.IGNORECASE)),
    ("programme", re.compile(r"(to use in|for) the program(me)?|pour (servir dans )?le programme", re.IGNORECASE)),
)
_CONDITION: Final = re.compile(
    r"(?:must have |doit avoir )?(?:a |une )?(?:minimum )?(?:grade|note) (?:of|de) (?P<grade>[^\s;()]+)"
    r"(?: \((?P<scheme>[^\s()]+)\))?(?: or (?:better|higher)| ou plus| ou mieux)? (?P<use>.+?)\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Receiving:
    """What a receiving cell says: the receiver, and the outcome; no outcome is no credit."""

    receiver: str
    outcome: dict[str, Any] | None


def parse_receiving(text: str, book: Book, institution: Institution | None = None) -> Receiving:
    """Receiver and outcome of a cell. Raises CellError with the place of what is wrong."""
    if text.startswith("{"):
        if institution is None:
            fix = "Fill the column receiving_institution."
            raise CellError("value-missing", "an outcome as JSON does not name the receiver", fix)
        return Receiving(institution.member, json_object(text))
    tokens = Tokens(text, book, institution, "field-malformed")
    if _starts_without_course(tokens):
        token = tokens.take()
        tokens.institution = book.find(token.text, f"at character {token.place}")
    if tokens.peek().low in {"individual", "ind", "ind."}:
        fix = "Answer its request instead: passerelle articulation answer REQUEST --case-by-case."
        raise tokens.wrong(tokens.peek(), "individual assessment is an answer and not an agreement", fix)
    if tokens.peek().low == "no" and tokens.peek(1).low == "credit":
        tokens.next += 2
        outcome = None
    else:
        outcome = _choice(tokens)
    tokens.finish()
    if tokens.institution is None:
        raise tokens.wrong(tokens.peek(), "the cell names no receiving institution", _FIX)
    return Receiving(tokens.institution.member, outcome)


def _starts_without_course(tokens: Tokens) -> bool:
    """The first word is an institution's code, and no course follows it."""
    return tokens.peek(1).low in {"no", "exemption", "individual", "ind", "ind."} and tokens.peek().low != "no"


def _choice(tokens: Tokens) -> dict[str, Any]:
    parts = [_sum(tokens)]
    while tokens.take_if(*OR):
        parts.append(_sum(tokens))
    return _joined("choice", parts)


def _sum(tokens: Tokens) -> dict[str, Any]:
    parts = [_one(tokens)]
    while tokens.take_if(*AND):
        parts.append(_one(tokens))
    return _joined("sum", parts)


def _joined(kind: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    if len(parts) > MAX_JOINED:
        raise CellError("too-many-items", f"the cell joins more than {MAX_JOINED} outcomes", "Split the agreement.")
    return parts[0] if len(parts) == 1 else {"type": kind, "of": parts}


def _one(tokens: Tokens) -> dict[str, Any]:
    exempt = tokens.take_if("exemption")
    before = tokens.institution
    institution, subject, number = tokens.named(NUMBER, _FIX)
    if before is not None and institution.member != before.member:
        raise tokens.wrong(number, "an agreement has one receiving institution", "Write one agreement for each.")
    level = _LEVEL.fullmatch(number.text)
    found: dict[str, Any]
    if exempt:
        found = {"type": "exemption", "achievement": course_id(institution, subject, number.text)}
    elif level is not None or number.low == "elective":
        found = {"type": "unassigned", "subject": subject, "credits": _credits(tokens, institution)}
        if level is not None:
            found["level"] = f"{level[1]}00" if level[1] else level[2].lower()
    else:
        course = course_id(institution, subject, number.text)
        found = {"type": "assigned", "achievement": course, "credits": _credits(tokens, institution)}
    attributes = _attributes(tokens)
    return {**found, "attributes": attributes} if attributes else found


def _credits(tokens: Tokens, institution: Institution) -> dict[str, str]:
    token = tokens.take()
    amount = tokens.take()
    if token.text != "(" or not QUANTITY.fullmatch(amount.text):
        raise tokens.wrong(token if token.text != "(" else amount, "the credits must stand here", "Write (3).")
    system = institution.credit_system
    if tokens.peek().text != ")":
        named = tokens.take()
        system = named.low
        if system not in CREDIT_SYSTEMS:
            raise tokens.wrong(named, "this is no credit system", f"Use one of: {', '.join(CREDIT_SYSTEMS)}.")
    tokens.expect(")")
    return {"value": amount.text, "system": system}


def _attributes(tokens: Tokens) -> list[str]:
    """Behind a dash, up to the next outcome: codes separated by commas."""
    if tokens.peek().low != "-":
        return []
    start = tokens.take()
    found: list[str] = []
    words: list[str] = []
    while (token := tokens.peek()).text and token.low not in (*AND, *OR):
        tokens.take()
        if token.text == ",":
            found.append(" ".join(words))
            words = []
        else:
            words.append(token.text)
    found.append(" ".join(words))
    if not all(found):
        raise tokens.wrong(start, "what the credit satisfies must stand behind the dash", "Write for example - B Hum.")
    return found


# Conditions


def parse_conditions(text: str, institution: Institution) -> list[dict[str, Any]]:
    """The conditions that a cell states. Raises CellError ``field-malformed`` with the number of the sentence."""
    found = []
    for number, sentence in enumerate(split_list(text), start=1):
        match = _CONDITION.fullmatch(sentence.strip())
        use = None if match is None else next((name for name, form in _USE if form.fullmatch(match["use"])), None)
        if match is None or use is None:
            fix = "Write for example: Must have a grade of C- or better to use as a prerequisite. Else use public_note."
            raise CellError("field-malformed", f"condition {number} of the cell is not one that can be read", fix)
        grade = {"scheme": match["scheme"] or institution.grade_scheme, "grade": match["grade"]}
        found.append({"use": use, "minimum_grade": grade})
    if len(found) > MAX_JOINED:
        raise CellError("too-many-items", f"the cell has more than {MAX_JOINED} conditions", "Shorten it.")
    return found


def with_conditions(outcome: dict[str, Any], conditions: list[dict[str, Any]]) -> dict[str, Any]:
    """The outcome with the same conditions on each of its parts."""
    if not conditions:
        return outcome
    if "of" in outcome:
        return {**outcome, "of": [with_conditions(part, conditions) for part in outcome["of"]]}
    return {**outcome, "conditions": conditions}


# Writing


def _parts(outcome: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "of" not in outcome:
        yield outcome
    for part in outcome.get("of", ()):
        yield from _parts(part)


def _bare(outcome: Mapping[str, Any]) -> dict[str, Any]:
    if "of" in outcome:
        return {**outcome, "of": [_bare(part) for part in outcome["of"]]}
    return {name: value for name, value in outcome.items() if name != "conditions"}


def write_receiving(receiver: str, outcome: Mapping[str, Any] | None, book: Book) -> tuple[str, str]:
    """The receiving and the conditions cell: as a guide writes them where that says all of it, else as JSON."""
    institution = book.of_member(receiver)
    if outcome is None:
        return f"{institution.code} No credit", ""
    conditions = [part.get("conditions") for part in _parts(outcome)]
    shared = list(conditions[0] or ()) if conditions and all(one == conditions[0] for one in conditions) else []
    bare = _bare(outcome)
    text = _outcome_text(bare, institution, book)
    told = "; ".join(_condition_text(one, institution) for one in shared)
    try:
        if text and parse_receiving(text, book) == Receiving(receiver, bare):
            again = with_conditions(bare, parse_conditions(told, institution))
            if again == outcome:
                return text, told
    except CellError:
        # The plain form cannot say it: the JSON form can.
        return json_cell(outcome), ""
    return json_cell(outcome), ""


def _condition_text(condition: Mapping[str, Any], institution: Institution) -> str:
    grade = condition["minimum_grade"]
    scheme = "" if grade["scheme"] == institution.grade_scheme else f" ({grade['scheme']})"
    return f"Must have a grade of {grade['grade']}{scheme} or better {USES[condition['use']]}"


def _outcome_text(outcome: Mapping[str, Any], institution: Institution, book: Book) -> str:
    def one(part: Mapping[str, Any]) -> str:
        kind = part["type"]
        if kind in {"choice", "sum"}:
            return (" or " if kind == "choice" else " & ").join(one(inner) for inner in part["of"])
        if kind == "unassigned":
            subject, number = part["subject"], _level_text(part.get("level"))
        else:
            named = book.course(part.get("achievement", ""))
            if named is None:
                return ""
            _, subject, number = named
        words = [*(["exemption"] if kind == "exemption" else []), subject, number]
        if credits := part.get("credits"):
            system = "" if credits["system"] == institution.credit_system else f" {credits['system']}"
            words.append(f"({credits['value']}{system})")
        tail = f" - {', '.join(part['attributes'])}" if part.get("attributes") else ""
        return " ".join(words) + tail

    return f"{institution.code} {one(outcome)}"


def _level_text(level: str | None) -> str:
    if level is None:
        return "elective"
    if _HUNDRED.fullmatch(level):
        return f"{level[0]}XX"
    return level if level in _ORDINAL else ""
