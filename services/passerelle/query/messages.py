"""From the core's values and published data to the messages of the four services."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.quantity import Credits, show_quantity
from passerelle.core.reasons import REASONS, Reason
from passerelle.core.rules import Rule
from passerelle.core.sending import Expression, Leaf, Pool
from passerelle.query.index import Index
from passerelle.query.records import AchievementHistory, AchievementVersion, Said

LANGUAGES: Final = ("en", "fr")
Fields = dict[str, Any]
"""The fields of a message by name, as its constructor takes them."""
RULE_KINDS: Final = {"denied": "denial"}
_COMPOSED: Final = frozenset({"no-credit", "choice", "sum"})
"""Outcomes of which no use is stated."""
_OUTCOME_FIELDS: Final = (
    "subject", "level", "entry_year", "profession", "reason", "note", "attributes", "exclusions"
)  # fmt: skip
"""Fields of an outcome that are told as they were published."""


def reason_fields(reason: Reason) -> Fields:
    """A coded reason with its sentences in both languages."""
    params, sentences = reason.params, REASONS[reason.code]
    told = {language: sentences[language].format_map(params) for language in LANGUAGES}
    return {"code": reason.code, "parameters": params, **told}


def reason_message(reason: Reason) -> common_pb2.Reason:
    """A coded reason with its sentences in both languages."""
    return common_pb2.Reason(**reason_fields(reason))


def reason_messages(reasons: Iterable[Reason]) -> list[common_pb2.Reason]:
    """Coded reasons, each once, in their order."""
    return [reason_message(reason) for reason in dict.fromkeys(reasons)]


def date_text(day: dt.date | None) -> str:
    """``YYYY-MM-DD``, or nothing."""
    return "" if day is None else day.isoformat()


def credit_message(data: Mapping[str, Any]) -> common_pb2.CreditValue:
    """An amount of credit as it was published."""
    return common_pb2.CreditValue(value=data["value"], system=data["system"])


def grade_message(data: Mapping[str, Any]) -> common_pb2.Grade:
    """A grade as it was published."""
    return common_pb2.Grade(scheme=data["scheme"], grade=data["grade"])


class Titles:
    """Titles of achievements as known at one size."""

    def __init__(self, index: Index, size: int) -> None:
        self._index = index
        self.size = size

    def of(self, achievement: str) -> str:
        """The official title; empty for an achievement that was not known."""
        history = self._index.achievements.get(achievement)
        found = None if history is None else history.versions.at(self.size)
        return "" if found is None else found[1].title


# Nested messages are made as fields first, and once: a message that is put into another one is copied, level by level.


def expression_fields(expression: Expression, titles: Titles) -> Fields:
    """A sending expression as the core has read it (its depth was bounded with the body's)."""
    if isinstance(expression, Leaf):
        return {"leaf": _leaf_fields(expression, titles)}
    parts = [expression_fields(part, titles) for part in expression.parts]
    if isinstance(expression, Pool):
        need = expression.need
        return {
            "credits_from": {"credits": {"value": show_quantity(need.value), "system": need.system}, "parts": parts}
        }
    if expression.kind == "n_of":
        return {"n_of": {"n": expression.need, "parts": parts}}
    return {expression.kind: {"parts": parts}}


def _leaf_fields(leaf: Leaf, titles: Titles) -> Fields:
    fields: Fields = {
        "achievement": leaf.achievement,
        "title": titles.of(leaf.achievement),
        "first_version": leaf.first,
    }
    if leaf.last:
        fields["last_version"] = leaf.last
    if leaf.within_years:
        fields["within_years"] = leaf.within_years
    if leaf.basis:
        fields["basis"] = leaf.basis
    if leaf.minimum_grade is not None:
        fields["minimum_grade"] = leaf.minimum_grade._asdict()
    if leaf.minimum_level is not None:
        fields["minimum_level"] = leaf.minimum_level._asdict()
    return fields


def amount_message(amount: Credits) -> common_pb2.CreditValue:
    """An amount of credit in its canonical text."""
    return common_pb2.CreditValue(value=show_quantity(amount.value), system=amount.system)


def outcome_fields(data: Mapping[str, Any], titles: Titles) -> Fields:
    """An outcome from its JSON values."""
    fields: Fields = {name: data[name] for name in _OUTCOME_FIELDS if data.get(name)}
    fields["type"] = data["type"]
    named = data.get("achievement") or data.get("programme")
    if named:
        fields["achievement"], fields["title"] = named, titles.of(named)
    if data["type"] not in _COMPOSED:
        fields["applicability"] = data.get("applicability") or "any"
    if "of" in data:
        fields["of"] = [outcome_fields(part, titles) for part in data["of"] or ()]
    if "credits" in data:
        fields["credits"] = {"value": data["credits"]["value"], "system": data["credits"]["system"]}
    if "conditions" in data:
        fields["conditions"] = [_condition_fields(condition) for condition in data["conditions"] or ()]
    return fields


def _condition_fields(data: Mapping[str, Any]) -> Fields:
    minimum = data["minimum_grade"]
    return {"use": data["use"], "minimum_grade": {"scheme": minimum["scheme"], "grade": minimum["grade"]}}


def outcome_message(data: Mapping[str, Any], titles: Titles) -> common_pb2.Outcome:
    """An outcome from its JSON values."""
    return common_pb2.Outcome(**outcome_fields(data, titles))


def rule_fields(rule: Rule, titles: Titles, *, valid_from: dt.date | None, valid_to: dt.date | None) -> Fields:
    """See :func:`rule_message`."""
    outcome = rule.outcome or {"type": "no-credit", "reason": rule.reason, "note": rule.note}
    fields: Fields = {
        "id": rule.id,
        "version": rule.version,
        "kind": RULE_KINDS.get(rule.kind, rule.kind),
        "receiver": rule.receiver,
        "sending": expression_fields(rule.sending, titles),
        "outcome": outcome_fields(outcome, titles),
        "valid_from": date_text(valid_from or rule.valid_from),
        "valid_to": date_text(valid_to if valid_from is not None else rule.valid_to),
        "recorded_from": rule.from_index,
    }
    # What ended the state later was not known at the position of the answer.
    if rule.to_index is not None and rule.to_index < titles.size:
        fields["recorded_to"] = rule.to_index
    if rule.note:
        fields["note"] = rule.note
    if rule.source:
        fields["source"] = rule.source
    if rule.jurisdictions:
        fields["jurisdictions"] = rule.jurisdictions
    return fields


def rule_message(
    index: Index, rule: Rule, titles: Titles, *, valid_from: dt.date | None = None, valid_to: dt.date | None = None
) -> pb.Rule:
    """One recorded state of a recognition; the dates are those that supersession leaves it, where they are given."""
    return pb.Rule(**rule_fields(rule, titles, valid_from=valid_from, valid_to=valid_to))


def achievement_message(
    history: AchievementHistory, index: int, version: AchievementVersion, *, retired: bool
) -> pb.Achievement:
    """One version of an achievement with everything that was published about it."""
    data = version.data
    return pb.Achievement(
        id=history.id,
        version=version.version,
        kind=version.kind,
        code=data.get("code") or "",
        title=data["title"],
        language=data["language"],
        translations=data.get("translations") or {},
        owner=history.owner,
        awarding_bodies=version.bodies,
        retired=retired,
        credits=[credit_message(credit) for credit in data.get("credits") or ()],
        delivery_modes=(data.get("delivery") or {}).get("modes") or (),
        effort_hours=(data.get("delivery") or {}).get("effort_hours") or "",
        cost_cad=(data.get("cost") or {}).get("amount_cad") or "",
        data_json=version.said.raw.decode(),
        index=index,
    )


def evidence_message(index: int, said: Said, subject: str) -> common_pb2.Evidence:
    """The log entry behind a statement."""
    return common_pb2.Evidence(index=index, type=said.type, member=said.member, subject=subject)


def endorsement_message(index: Index, at: int, said: Said) -> pb.Endorsement:
    """An endorsement with the names of the body that gave it."""
    data = said.data
    return pb.Endorsement(
        member=said.member,
        names=index.names(said.member),
        kinds=data["kinds"],
        capacity=data["capacity"],
        jurisdictions=data["jurisdictions"],
        index=at,
        valid_until=data.get("valid_until") or "",
        statement=data.get("statement") or "",
    )


def credits_of(outcome: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """The amounts that an outcome surely gives: those of a sum together, of a choice only where all parts agree."""
    if outcome is None:
        return ()
    parts = [credits_of(part) for part in outcome.get("of") or ()]
    if outcome["type"] == "sum":
        return [amount for part in parts for amount in part]
    if outcome["type"] == "choice":
        return parts[0] if all(part == parts[0] for part in parts) else ()
    return (outcome["credits"],) if "credits" in outcome else ()
