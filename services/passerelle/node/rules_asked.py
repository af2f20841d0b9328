"""What a node asks of the query service about rules, in the terms of its own events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb

MATCHES: Final = {pb.MATCH_MATCH: "match", pb.MATCH_MAYBE: "maybe", pb.MATCH_MISS: "miss"}


@dataclass(frozen=True, slots=True)
class Ruled:
    """The answer of one receiver's best rule to one line of a transcript (``number`` from 1).

    ``rule`` (empty where none concerns the line): ``{id, version, kind, recorded_from, valid_from, valid_to}``.
    ``outcome`` is as events state it. ``reasons`` are ``{code, en, fr}``; ``fix`` names achievements that would turn a
    maybe into a match. ``position`` counts the log's entries that the answer is of.
    """

    number: int
    match: str
    rule: Mapping[str, Any]
    outcome: Mapping[str, Any] | None
    reasons: tuple[Mapping[str, str], ...]
    fix: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another receiver published about an achievement: a precedent that binds nobody."""

    receiver: str
    verdict: str
    rule: str
    outcome: Mapping[str, Any] | None
    index: int


class Rules(Protocol):
    """The query service's answers. Each raises Unavailable, and the errors of contracts' services."""

    async def evaluate(
        self, lines: Sequence[Mapping[str, Any]], receiver: str, *, known_at: int | None = None
    ) -> list[Ruled]:
        """The lines at a receiver. A line: ``achievement``, ``completed_on``, ``version``, ``grade``, ``credits``,
        ``basis``, as :func:`transcript_line` reads it. ``known_at``: as if the log ended after so many entries.
        """

    async def elsewhere(self, achievement: str, limit: int) -> list[Elsewhere]:
        """What receivers have published about an achievement, at most so many."""

    async def titles(self, achievements: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """Titles by language of those achievements that are known; the official one also under ``""``."""


def transcript_line(given: Mapping[str, Any]) -> pb.TranscriptLine:
    """One line of a request."""
    line = pb.TranscriptLine(
        achievement=given["achievement"],
        version=int(given.get("version") or 0),
        completed_on=given["completed_on"],
        basis=given.get("basis") or "",
    )
    if given.get("grade"):
        line.grade.CopyFrom(common_pb2.Grade(**given["grade"]))
    if given.get("credits"):
        line.credits.CopyFrom(common_pb2.CreditValue(**given["credits"]))
    return line


def ruled(response: pb.EvaluateResponse) -> Ruled:
    """One response of ``Evaluate``."""
    rule = response.rule
    told = {
        "id": rule.id,
        "version": rule.version,
        "kind": rule.kind,
        "recorded_from": rule.recorded_from,
        "valid_from": rule.valid_from,
        "valid_to": rule.valid_to,
    }
    return Ruled(
        response.line,
        MATCHES.get(response.match, "miss"),
        told if rule.id else {},
        outcome_data(rule.outcome) if rule.id and rule.outcome.type else None,
        tuple({"code": reason.code, "en": reason.en, "fr": reason.fr} for reason in response.reasons),
        tuple(response.smallest_fix),
        response.position.size,
    )


_PLAIN: Final[dict[str, tuple[str, ...]]] = {
    "assigned": ("achievement",),
    "unassigned": ("subject", "level"),
    "block": ("entry_year",),
    "exemption": ("achievement",),
    "admission": ("note",),
    "standing": ("profession", "note"),
    "no-credit": ("reason", "note"),
}
"""Fields of an outcome by type, as they are named in both places; those that the type cannot have are never set."""


def outcome_data(outcome: common_pb2.Outcome) -> dict[str, Any]:
    """An outcome of an answer as an event states it: the reverse of what the query service made of an event."""
    kind = outcome.type
    data: dict[str, Any] = {"type": kind}
    if kind in {"choice", "sum"}:
        return data | {"of": [outcome_data(part) for part in outcome.of]}
    if kind in {"block", "admission"}:
        data["programme"] = outcome.achievement
    data |= {name: value for name in _PLAIN.get(kind, ()) if (value := getattr(outcome, name))}
    if outcome.HasField("credits"):
        data["credits"] = {"value": outcome.credits.value, "system": outcome.credits.system}
    if kind == "no-credit":
        return data
    if outcome.applicability not in {"", "any"}:
        data["applicability"] = outcome.applicability
    for name in ("attributes", "exclusions"):
        if getattr(outcome, name):
            data[name] = list(getattr(outcome, name))
    if outcome.conditions:
        data["conditions"] = [
            {"use": one.use, "minimum_grade": {"scheme": one.minimum_grade.scheme, "grade": one.minimum_grade.grade}}
            for one in outcome.conditions
        ]
    return data


def elsewhere(answer: pb.Answer) -> Elsewhere:
    """One answer of ``Find``."""
    verdict = pb.Verdict.Name(answer.verdict).removeprefix("VERDICT_").lower().replace("_", "-")
    outcome = outcome_data(answer.rule.outcome) if answer.rule.id and answer.rule.outcome.type else None
    return Elsewhere(answer.receiver, verdict, answer.rule.id, outcome, answer.rule.recorded_from)
