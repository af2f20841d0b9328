"""Cases of a policy pack: achievements with evidence and what each clause must find; and what differs in two packs.

A case is data (``contracts/policies/cases/*.yaml``). Its evidence is given in the form of
:class:`~passerelle.core.facts.Facts`; log indices are made up here, in the order of the case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.facts import PROVINCES, Demand, Difference, Endorsement, Facts, Framework, Outcome
from passerelle.core.policy import Pack, evaluate_pack
from passerelle.core.policyfields import CASE_FIELDS
from passerelle.core.sending import parse_date

MAX_CASES: Final = 200
_OUTCOMES: Final = ("met", "not-met", "unknown")
_KEYS: Final = frozenset(
    {"name", "asked_on", "achievement", "evidence", "given", "jurisdictions", "expected", "outcome"}
)
_NEEDED: Final = frozenset({"name", "asked_on", "achievement", "expected", "outcome"})
_EVIDENCE: Final = frozenset({"awarding_kinds", "frameworks", "endorsements", "demands", "differences"})


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the facts, the jurisdictions that an involvement must cover, the outcomes by clause and of the pack."""

    name: str
    facts: Facts
    scope: tuple[str, ...]
    expected: Mapping[str, Outcome]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A clause (empty: the pack) of a case whose outcome is not the expected one."""

    case: str
    clause: str
    expected: str
    found: str


def load_cases(data: object) -> tuple[str, tuple[Case, ...]]:
    """The pack's id and its cases. Raises FormatError ``policy-invalid`` naming the case and the member."""
    if not isinstance(data, Mapping) or data.keys() != {"pack", "cases"} or not isinstance(data["pack"], str):
        raise _invalid("A file of cases has the members pack and cases.", "")
    rows = data["cases"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_CASES:
        raise _invalid(f"The cases are a list of 1 to {MAX_CASES}.", "cases")
    return data["pack"], tuple(_case(row, f"cases[{place}]") for place, row in enumerate(rows))


def _case(row: object, where: str) -> Case:
    if not isinstance(row, Mapping) or not _NEEDED <= row.keys() <= _KEYS:
        raise _invalid(f"A case has the members {', '.join(sorted(_NEEDED))}.", where)
    where = f"{where} ({str(row['name'])[:60]})"
    try:
        facts = _facts(row)
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid(f"The evidence does not have its form: {type(error).__name__}.", where) from None
    except PasserelleError as error:
        raise _invalid(error.what, f"{where}: {error.where}") from None
    scope = row.get("jurisdictions", PROVINCES)
    if not isinstance(scope, list | tuple):
        raise _invalid("The jurisdictions are a list.", where)
    expected = row["expected"]
    outcomes = [*expected.values(), row["outcome"]] if isinstance(expected, Mapping) else [None]
    if not all(outcome in _OUTCOMES for outcome in outcomes):
        raise _invalid(f"Outcomes are {', '.join(_OUTCOMES)}.", where)
    return Case(str(row["name"]), facts, tuple(scope), expected, row["outcome"])


def _facts(row: Mapping[str, Any]) -> Facts:
    evidence, given = row.get("evidence") or {}, row.get("given") or {}
    if set(evidence) - _EVIDENCE:
        raise FormatError(
            "policy-invalid", "The kind of evidence is unknown.", where=sorted(set(evidence) - _EVIDENCE)[0]
        )
    if set(given) - set(CASE_FIELDS):
        raise FormatError(
            "policy-invalid", "The field is not one of a case.", where=sorted(set(given) - set(CASE_FIELDS))[0]
        )
    indices = count(1)
    return Facts(
        id="case/achievement",
        achievement=row["achievement"],
        index=0,
        asked_on=_day(row["asked_on"]),
        awarding_kinds=tuple(evidence.get("awarding_kinds", ())),
        frameworks={
            one["id"]: Framework(one["id"], one["recognised"], next(indices), one.get("kind", "competency"))
            for one in evidence.get("frameworks", ())
        },
        endorsements=tuple(_made(Endorsement, one, next(indices)) for one in evidence.get("endorsements", ())),
        demands=tuple(_made(Demand, one, next(indices)) for one in evidence.get("demands", ())),
        differences=tuple(_made(Difference, one, next(indices)) for one in evidence.get("differences", ())),
        given={str(name): float(value) for name, value in given.items()},
    )


def _made(kind: Callable[..., Any], row: Mapping[str, Any], index: int) -> Any:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    for name in ("valid_until", "stated_on"):
        if values.get(name) is not None:
            values[name] = _day(values[name])
    return kind(index=index, **values)


def _day(value: object) -> dt.date:
    return parse_date(value)


def _invalid(what: str, where: str) -> FormatError:
    return FormatError("policy-invalid", what, where=where)


def run_cases(pack: Pack, cases: Iterable[Case]) -> tuple[Mismatch, ...]:
    """What the pack finds otherwise than its cases expect. A case names every clause, and none that is not there."""
    wrong: list[Mismatch] = []
    for case in cases:
        result = evaluate_pack(pack, case.facts, case.scope)
        found: dict[str, str] = {one.clause.id: one.finding.outcome for one in result.clauses}
        for name in dict.fromkeys([*found, *case.expected]):
            expected, outcome = case.expected.get(name, "absent"), found.get(name, "absent")
            if expected != outcome:
                wrong.append(Mismatch(case.name, name, expected, outcome))
        if case.outcome != result.outcome:
            wrong.append(Mismatch(case.name, "", case.outcome, result.outcome))
    return tuple(wrong)


def uncovered(pack: Pack, cases: Iterable[Case]) -> tuple[str, ...]:
    """Clauses that no case expects to be met, or that every case does; what is never recorded cannot be met."""
    rows = list(cases)
    found = []
    for clause in pack.clauses:
        outcomes = {case.expected.get(clause.id) for case in rows}
        beyond = clause.rule.fields == ("evidence.not_recorded",)
        if (not beyond and "met" not in outcomes) or not outcomes - {"met"}:
            found.append(clause.id)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference of two packs: the member or clause, and its text on both sides; empty where absent."""

    place: str
    before: str
    after: str


def compare(old: Pack, new: Pack) -> tuple[Change, ...]:
    """What differs between two packs, members first, then clauses in the order of the new pack."""
    before, after = _told(old), _told(new)
    return tuple(
        Change(place, before.get(place, ""), after.get(place, ""))
        for place in dict.fromkeys([*after, *before])
        if before.get(place, "") != after.get(place, "")
    )


def _told(pack: Pack) -> dict[str, str]:
    told = {
        "policy": pack.id,
        "version": str(pack.version),
        "source": pack.source,
        "effective_from": pack.effective_from.isoformat(),
        "effective_to": "" if pack.effective_to is None else pack.effective_to.isoformat(),
        "jurisdictions": ", ".join(pack.jurisdictions),
        "sample": "yes" if pack.sample else "",
        **{f"title.{language}": text for language, text in sorted(pack.title.items())},
    }
    for clause in pack.clauses:
        told[f"{clause.id}.force"] = clause.force
        told[f"{clause.id}.rule"] = clause.rule.text
        told.update({f"{clause.id}.message.{language}": text for language, text in sorted(clause.message.items())})
    return told
