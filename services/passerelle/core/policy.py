"""Policy packs: versioned, effective-dated lists of clauses, each a rule that must or should be met.

A pack is data (``contracts/policies/*.yaml``, or the event ``policy-published``). Its rules are expressions of the
Common Expression Language over fields that the pack declares with their types (:mod:`passerelle.core.policyfields`).
The part of a clause's id before the first point names the criterion that it belongs to: ``assessment.appeal`` is of
``assessment``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from passerelle.core.clauses import SCOPED, Scope
from passerelle.core.errors import FormatError, NotFound, PasserelleError
from passerelle.core.facts import NATIONAL, PROVINCES, Facts, Finding, Outcome
from passerelle.core.policyfields import FIELDS, Readings
from passerelle.core.policyrule import Rule, compile_rule
from passerelle.core.sending import parse_date

MAX_CLAUSES: Final = 100
MAX_FIELDS: Final = 64
LANGUAGES: Final = ("en", "fr")
FORCES: Final = ("must", "should")
ENGINE: Final = "cel"
"""What a clause's ``test`` says: its rule is an expression of the Common Expression Language."""

_PACK_KEYS: Final = frozenset({"policy", "version", "title", "source", "effective_from", "clauses"})
_OPTIONAL: Final = frozenset({"effective_to", "pack_sha256", "fields", "jurisdictions", "sample"})
_CLAUSE_KEYS: Final = frozenset({"id", "test", "rule", "force", "message"})
_ID: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}")


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: ``force`` is ``must`` or ``should``; ``message`` by language says what it asks."""

    id: str
    rule: Rule
    force: str
    message: Mapping[str, str]

    @property
    def criterion(self) -> str:
        """The criterion that the clause belongs to."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Pack:
    """A policy pack; in force from ``effective_from`` to ``effective_to``, both included, None is open.

    ``fields`` are those that its rules may read, name to type; ``jurisdictions`` (ISO 3166-2) where it is the rule of
    the place, none: it is no place's; ``sample`` marks values that nobody has adopted.
    """

    id: str
    version: int
    title: Mapping[str, str]
    source: str
    effective_from: dt.date
    effective_to: dt.date | None
    clauses: tuple[Clause, ...]
    fields: Mapping[str, str]
    jurisdictions: tuple[str, ...] = ()
    sample: bool = False

    def in_force(self, day: dt.date) -> bool:
        """The pack holds on this day."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    @property
    def criteria(self) -> tuple[str, ...]:
        """The criteria in the order of their first clause."""
        return tuple(dict.fromkeys(clause.criterion for clause in self.clauses))


def load_pack(data: object) -> Pack:
    """Read a pack from JSON or YAML values, in the shape of the event ``policy-published``.

    Strict: every member is known, texts stand in English and French, clause ids are used once, at least one clause is a
    ``must``, every field is one of the engine's with its type and is read by a rule, and every rule compiles. Raises
    :class:`FormatError` ``policy-invalid``; ``where`` names the member, or the clause by its place and id with the line
    and column of its rule.
    """
    if not isinstance(data, Mapping):
        raise _invalid("A pack is an object.", "")
    unknown = sorted(str(name) for name in set(data) - _PACK_KEYS - _OPTIONAL)
    absent = sorted(_PACK_KEYS - set(data))
    if unknown or absent:
        raise _invalid("A member is unknown." if unknown else "A member is absent.", (unknown or absent)[0])
    if not isinstance(data["policy"], str) or _ID.fullmatch(data["policy"]) is None:
        raise _invalid("The id is lower-case letters, digits, points and hyphens.", "policy")
    version, source = data["version"], data["source"]
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise _invalid("The version is a whole number from 1.", "version")
    if not isinstance(source, str) or not source:
        raise _invalid("The source is named.", "source")
    start, end = _date(data["effective_from"], "effective_from"), None
    if data.get("effective_to") is not None:
        end = _date(data["effective_to"], "effective_to")
        if end < start:
            raise _invalid("The end lies before the start.", "effective_to")
    fields = _fields(data.get("fields"))
    clauses = _clauses(data["clauses"], fields)
    unread = sorted(set(fields) - {name for clause in clauses for name in clause.rule.fields})
    if unread:
        raise _invalid("No rule reads this field.", f"fields.{unread[0]}")
    return Pack(
        data["policy"], version, _texts(data["title"], "title"), source, start, end, clauses, fields,
        _jurisdictions(data.get("jurisdictions")), _sample(data.get("sample")),
    )  # fmt: skip


def _fields(data: object) -> dict[str, str]:
    if not isinstance(data, Mapping) or not 1 <= len(data) <= MAX_FIELDS:
        raise _invalid(f"The fields are an object of 1 to {MAX_FIELDS} names with their types.", "fields")
    for name, kind in data.items():
        known = FIELDS.get(name) if isinstance(name, str) else None
        if known is None:
            raise _invalid("There is no such field; docs/policy.md lists them.", f"fields.{str(name)[:80]}")
        if kind != known.type:
            raise _invalid(f"The type of this field is {known.type}.", f"fields.{name}")
    return {str(name): str(kind) for name, kind in data.items()}


def _jurisdictions(data: object) -> tuple[str, ...]:
    if data is None:
        return ()
    known = isinstance(data, list | tuple) and all(place in PROVINCES or place == NATIONAL for place in data)
    if not isinstance(data, list | tuple) or not known:
        raise _invalid("The jurisdictions are codes of provinces and territories, or CA.", "jurisdictions")
    return tuple(data)


def _sample(data: object) -> bool:
    if data is not None and not isinstance(data, bool):
        raise _invalid("Sample is true or false.", "sample")
    return bool(data)


def _clauses(data: object, fields: Mapping[str, str]) -> tuple[Clause, ...]:
    if not isinstance(data, list | tuple) or not 1 <= len(data) <= MAX_CLAUSES:
        raise _invalid(f"The clauses are a list of 1 to {MAX_CLAUSES}.", "clauses")
    clauses: dict[str, Clause] = {}
    for place, row in enumerate(data):
        clause = _clause(row, place, fields)
        if clause.id in clauses:
            raise _invalid("The id is used by an earlier clause.", f"clauses[{place}] ({clause.id})")
        clauses[clause.id] = clause
    if not any(clause.force == "must" for clause in clauses.values()):
        raise _invalid("At least one clause is a must.", "clauses")
    return tuple(clauses.values())


def _clause(row: object, place: int, fields: Mapping[str, str]) -> Clause:
    where = f"clauses[{place}]"
    if not isinstance(row, Mapping) or row.keys() != _CLAUSE_KEYS:
        raise _invalid("A clause has the members id, test, rule, force and message.", where)
    if not isinstance(row["id"], str) or _ID.fullmatch(row["id"]) is None:
        raise _invalid("The id is lower-case letters, digits, points and hyphens.", where)
    where = f"{where} ({row['id']})"
    if row["force"] not in FORCES:
        raise _invalid("The force is must or should.", where)
    if row["test"] != ENGINE:
        raise _invalid(f"The test is {ENGINE}, and the rule stands in the member rule.", where)
    if not isinstance(row["rule"], str):
        raise _invalid("The rule is a text.", where)
    message = _texts(row["message"], where)
    try:
        rule = compile_rule(row["rule"], fields)
    except FormatError as error:
        raise FormatError(error.code, error.what, where=f"{where}, {error.where}", fix=error.fix) from None
    return Clause(row["id"], rule, row["force"], message)


def _texts(data: object, where: str) -> dict[str, str]:
    whole = isinstance(data, Mapping) and all(isinstance(text, str) and text.strip() for text in data.values())
    if not isinstance(data, Mapping) or not whole or not set(LANGUAGES) <= set(data):
        raise _invalid("The text stands in English and French.", where)
    return {str(language): str(text) for language, text in data.items()}


def _date(value: object, where: str) -> dt.date:
    try:
        return parse_date(value, where=where)
    except PasserelleError as error:
        raise _invalid(error.what, where) from error


def _invalid(what: str, where: str) -> FormatError:
    return FormatError("policy-invalid", what, where=where)


def choose_pack(packs: Iterable[Pack], policy: str, day: dt.date) -> Pack:
    """The highest version of a policy in force on a day. Raises :class:`NotFound` ``policy-unknown``."""
    fitting = [pack for pack in packs if pack.id == policy and pack.in_force(day)]
    if not fitting:
        raise NotFound("policy-unknown", "No version of this policy pack is in force on the day.", where=policy)
    return max(fitting, key=lambda pack: pack.version)


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """What the rule of a clause found."""

    clause: Clause
    finding: Finding


@dataclass(frozen=True, slots=True)
class PackResult:
    """A pack against an achievement; only ``must`` clauses decide the outcome."""

    pack: Pack
    outcome: Outcome
    clauses: tuple[ClauseResult, ...]


def evaluate_pack(pack: Pack, facts: Facts, scope: Scope = (), *, elsewhere: PackResult | None = None) -> PackResult:
    """Judge every clause; ``scope`` as in :mod:`passerelle.core.clauses`.

    ``elsewhere`` is the result of the same pack and facts for another scope: what does not depend on the scope is taken
    from it.
    """
    readings = Readings(facts, scope)
    known = {one.clause.id: one for one in elsewhere.clauses} if elsewhere is not None else {}
    results = tuple(
        known[clause.id]
        if clause.id in known and SCOPED.isdisjoint(clause.rule.fields)
        else ClauseResult(clause, clause.rule.judge(readings))
        for clause in pack.clauses
    )
    return PackResult(pack, outcome_of(results), results)


def outcome_of(results: Iterable[ClauseResult]) -> Outcome:
    """Not met where a must is not met, else unknown where one is unknown, else met."""
    return joint(result.finding.outcome for result in results if result.clause.force == "must")


def joint(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of several that must all be met."""
    found = set(outcomes)
    if "not-met" in found:
        return "not-met"
    return "unknown" if "unknown" in found else "met"
