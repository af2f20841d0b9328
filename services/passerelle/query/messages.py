"""From the core's values and published data to the messages of the four services."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.quantity import Credits, show_quantity
from passerelle.core.reasons import Reason
from passerelle.core.rules import Rule
from passerelle.core.sending import Expression, Leaf, Pool
from passerelle.query.index import Index
from passerelle.query.records import AchievementHistory, AchievementVersion, Said

LANGUAGES: Final = ("en", "fr")
RULE_KINDS: Final = {"denied": "denial"}


def reason_message(reason: Reason) -> common_pb2.Reason:
    """A coded reason with its sentences in both languages."""
    english, french = (reason.text(language) for language in LANGUAGES)
    return common_pb2.Reason(code=reason.code, parameters=reason.params, en=english, fr=french)


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


def expression_message(data: Mapping[str, Any], titles: Titles) -> common_pb2.Expression:
    """A sending expression from its JSON values (their depth was bounded with the body's)."""
    if "achievement" in data:
        return common_pb2.Expression(leaf=_leaf(data, titles))
    kind, body = next(iter(data.items()))
    inner = body["of"] if isinstance(body, Mapping) else body
    parts = [expression_message(part, titles) for part in inner]
    if kind == "n_of":
        return common_pb2.Expression(n_of=common_pb2.Expression.Choose(n=body["n"], parts=parts))
    if kind == "credits_from":
        pool = common_pb2.Expression.CreditPool(credits=credit_message(body["credits"]), parts=parts)
        return common_pb2.Expression(credits_from=pool)
    group = common_pb2.Expression.Parts(parts=parts)
    return common_pb2.Expression(all_of=group) if kind == "all_of" else common_pb2.Expression(any_of=group)


def _leaf(data: Mapping[str, Any], titles: Titles) -> common_pb2.Expression.Leaf:
    versions = data.get("versions") or {}
    leaf = common_pb2.Expression.Leaf(
        achievement=data["achievement"],
        title=titles.of(data["achievement"]),
        first_version=versions.get("first", 1),
        last_version=versions.get("last") or 0,
        within_years=data.get("within_years") or 0,
        basis=data.get("basis") or (),
    )
    if "minimum_grade" in data:
        leaf.minimum_grade.CopyFrom(grade_message(data["minimum_grade"]))
    if "minimum_level" in data:
        level = data["minimum_level"]
        leaf.minimum_level.CopyFrom(common_pb2.LevelRef(framework=level["framework"], level=level["level"]))
    return leaf


def tree_message(expression: Expression, titles: Titles) -> common_pb2.Expression:
    """A sending expression as the core has read it."""
    if isinstance(expression, Leaf):
        return common_pb2.Expression(leaf=_tree_leaf(expression, titles))
    parts = [tree_message(part, titles) for part in expression.parts]
    if isinstance(expression, Pool):
        pool = common_pb2.Expression.CreditPool(credits=amount_message(expression.need), parts=parts)
        return common_pb2.Expression(credits_from=pool)
    if expression.kind == "n_of":
        return common_pb2.Expression(n_of=common_pb2.Expression.Choose(n=expression.need, parts=parts))
    group = common_pb2.Expression.Parts(parts=parts)
    return common_pb2.Expression(all_of=group) if expression.kind == "all_of" else common_pb2.Expression(any_of=group)


def _tree_leaf(leaf: Leaf, titles: Titles) -> common_pb2.Expression.Leaf:
    message = common_pb2.Expression.Leaf(
        achievement=leaf.achievement,
        title=titles.of(leaf.achievement),
        first_version=leaf.first,
        last_version=leaf.last or 0,
        within_years=leaf.within_years or 0,
        basis=leaf.basis or (),
    )
    if leaf.minimum_grade is not None:
        message.minimum_grade.CopyFrom(common_pb2.Grade(**leaf.minimum_grade._asdict()))
    if leaf.minimum_level is not None:
        message.minimum_level.CopyFrom(common_pb2.LevelRef(**leaf.minimum_level._asdict()))
    return message


def amount_message(amount: Credits) -> common_pb2.CreditValue:
    """An amount of credit in its canonical text."""
    return common_pb2.CreditValue(value=show_quantity(amount.value), system=amount.system)


def outcome_message(data: Mapping[str, Any], titles: Titles) -> common_pb2.Outcome:
    """An outcome from its JSON values."""
    named = data.get("achievement") or data.get("programme") or ""
    message = common_pb2.Outcome(
        type=data["type"],
        achievement=named,
        title=titles.of(named) if named else "",
        subject=data.get("subject") or "",
        level=data.get("level") or "",
        entry_year=data.get("entry_year") or 0,
        profession=data.get("profession") or "",
        reason=data.get("reason") or "",
        note=data.get("note") or "",
        attributes=data.get("attributes") or (),
        applicability="" if data["type"] in {"no-credit", "choice", "sum"} else data.get("applicability") or "any",
        exclusions=data.get("exclusions") or (),
        of=[outcome_message(part, titles) for part in data.get("of") or ()],
    )
    if "credits" in data:
        message.credits.CopyFrom(credit_message(data["credits"]))
    for condition in data.get("conditions") or ():
        grade = grade_message(condition["minimum_grade"])
        message.conditions.append(common_pb2.Outcome.Condition(use=condition["use"], minimum_grade=grade))
    return message


def rule_message(
    index: Index, rule: Rule, titles: Titles, *, valid_from: dt.date | None = None, valid_to: dt.date | None = None
) -> pb.Rule:
    """One recorded state of a recognition; the dates are those that supersession leaves it, where they are given."""
    outcome = rule.outcome or {"type": "no-credit", "reason": rule.reason, "note": rule.note}
    return pb.Rule(
        id=rule.id,
        version=rule.version,
        kind=RULE_KINDS.get(rule.kind, rule.kind),
        receiver=rule.receiver,
        sending=tree_message(rule.sending, titles),
        outcome=outcome_message(outcome, titles),
        valid_from=date_text(valid_from or rule.valid_from),
        valid_to=date_text(valid_to if valid_from is not None else rule.valid_to),
        recorded_from=rule.from_index,
        # What ended the state later was not known at the position of the answer.
        recorded_to=rule.to_index if rule.to_index is not None and rule.to_index < titles.size else 0,
        note=rule.note,
        source=rule.source,
        jurisdictions=rule.jurisdictions,
    )


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
