"""From the options of ``passerelle articulation answer`` to the events of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from passerelle.core.errors import FormatError

if TYPE_CHECKING:
    from passerelle.node.articulation import Asked
    from passerelle.node.main import Office
    from passerelle.node.plan import NewEvent

KINDS: Final = ("establish", "no_credit", "back", "forward", "no_change", "case_by_case", "carry", "resubmit")
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Given:
    """The options as they were given."""

    establish: str
    no_credit: str
    back: tuple[str, ...]
    forward: str
    no_change: str
    case_by_case: bool
    carry: bool
    resubmit: bool
    sending: str
    rule: str
    begin: str
    end: str
    conditions: str
    delegation: str
    institutions: Path | None
    outline: str
    outline_sha256: str
    note: str

    @property
    def kind(self) -> str:
        """The one answer. Raises FormatError ``argument-missing`` or ``argument-conflict``."""
        named = [name for name in KINDS if getattr(self, name)]
        told = ", ".join("--" + name.replace("back", "return").replace("_", "-") for name in KINDS)
        if not named:
            raise FormatError("argument-missing", "no answer is given", where="answer", fix=f"Give one of {told}.")
        if len(named) > 1:
            raise FormatError("argument-conflict", "two answers are given", where="answer", fix=f"Give one of {told}.")
        return {"back": "return"}.get(named[0], named[0].replace("_", "-"))


async def events_of(office: Office, asked: Asked, given: Given, today: str) -> list[NewEvent]:
    """The events of an answer. Raises FormatError or Refused; nothing is stored."""
    from passerelle.node.articulation import Answer, answer_event, carried_rules

    home, kind = office.config.member, given.kind
    if kind == "carry":
        return carried_rules(home, asked, await _rules_naming(office, asked.replaces), given.delegation)
    note = {"note": given.note} if given.note else {}
    data: dict[str, Any]
    if kind == "establish":
        data = {**_rule(asked, given, today), **note}
    elif kind == "no-credit":
        data = {"reason": given.no_credit, **_dates(given, today), **_sending(given), **note}
    elif kind == "return":
        data = {"needed": list(given.back)}
    elif kind == "forward":
        data = {"evaluator": given.forward, **note}
    elif kind == "no-change":
        data = {"reviewed_on": today}
    else:
        data = dict(note)
    if kind == "resubmit" and (given.outline or given.outline_sha256):
        data["outline"] = {"url": given.outline, "sha256": given.outline_sha256}
    named = given.no_change or given.rule
    rule = named if "/" in named or not named else f"{home}/{named}"
    return [answer_event(home, asked, Answer(kind, rule, data, given.delegation))]


def _book(given: Given) -> Any:
    from passerelle.node.agreements.book import Book, read_book

    return read_book(given.institutions) if given.institutions is not None else Book()


def _dates(given: Given, today: str) -> dict[str, str]:
    return {"valid_from": given.begin or today, **({"valid_to": given.end} if given.end else {})}


def _sending(given: Given) -> dict[str, Any]:
    """The sending expression, where one was given: as in an agreements file. Raises FormatError."""
    from passerelle.node.agreements.sending import parse_sending
    from passerelle.node.csv_cells import CellError

    if not given.sending:
        return {}
    try:
        return {"sending": parse_sending(given.sending, _book(given))}
    except CellError as error:
        raise FormatError(error.code, error.what, where="--sending", fix=error.fix) from None


def _rule(asked: Asked, given: Given, today: str) -> dict[str, Any]:
    """The rule that ``--establish`` states. Raises FormatError with the option that is wrong."""
    from passerelle.node.agreements.receiving import parse_conditions, parse_receiving, with_conditions
    from passerelle.node.csv_cells import CellError

    book = _book(given)
    institution = book.of_member(asked.receiver)
    where = "--establish"
    try:
        found = parse_receiving(given.establish, book, institution)
        where = "--conditions"
        conditions = parse_conditions(given.conditions, institution) if given.conditions else []
    except CellError as error:
        raise FormatError(error.code, error.what, where=where, fix=error.fix) from None
    if found.receiver != asked.receiver or found.outcome is None:
        fix = f"Name courses of {asked.receiver}; for no credit give --no-credit."
        raise FormatError("argument-invalid", "this is no credit at the receiver", where="--establish", fix=fix)
    outcome = with_conditions(found.outcome, conditions)
    return {"kind": "equivalency", "outcome": outcome, **_dates(given, today), **_sending(given)}


async def _rules_naming(office: Office, achievement: str) -> dict[str, Any]:
    """The data of this node's own rules that were not ended and send the achievement, by id."""
    from passerelle.core.decide.context import leaves

    found: dict[str, Any] = {}
    after = ""
    while ids := await office.store.rule_ids(after, CHUNK):
        rules = await office.store.rules_of(ids)
        for name, rule in rules.items():
            if not rule.ended_on and achievement in leaves(rule.data["sending"]):
                found[name] = rule.data
        after = ids[-1]
    return found
