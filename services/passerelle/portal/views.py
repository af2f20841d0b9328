"""Answers of the query services as plain values for the pages (pure): every enumeration becomes a word, every sentence
is picked in the page's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.api.portability.v1 import portability_pb2
from passerelle.core.reasons import REASONS
from passerelle.portal.i18n import Catalogue

VERDICTS: Final = ("unspecified", "agreement", "no-credit", "case-by-case", "under-evaluation", "never-evaluated")
PORTABILITY: Final = ("unspecified", "portable", "not-portable", "unknown")
FINDINGS: Final = ("unspecified", "met", "not-met", "unknown")
PROVINCES: Final = (
    "CA-YT", "CA-NT", "CA-NU", "CA-BC", "CA-AB", "CA-SK", "CA-MB", "CA-ON", "CA-QC", "CA-NL", "CA-NB", "CA-NS", "CA-PE",
)  # fmt: skip


def word(words: Sequence[str], number: int) -> str:
    """The word of an enumeration's number; a number newer than this portal is ``unspecified``."""
    return words[number] if 0 <= number < len(words) else words[0]


def sentence(reason: common_pb2.Reason, language: str) -> dict[str, str]:
    """A reason as code and text; a reason without its sentence is told from the table, or by its code."""
    text = reason.fr if language == "fr" else reason.en
    if not text and reason.code in REASONS:
        try:
            text = REASONS[reason.code][language].format_map(dict(reason.parameters))
        except KeyError:
            text = REASONS[reason.code][language]
    return {"code": reason.code, "text": text or reason.code}


def credit(value: common_pb2.CreditValue) -> dict[str, str] | None:
    """An amount of credit, None where there is none."""
    return {"value": value.value, "system": value.system} if value.value else None


def expression(value: common_pb2.Expression) -> dict[str, Any] | None:
    """A sending expression as a tree: ``kind``, and ``parts`` or the leaf's own conditions."""
    kind = value.WhichOneof("kind")
    match kind:
        case "leaf":
            return _leaf(value.leaf)
        case "all_of" | "any_of":
            group = value.all_of if kind == "all_of" else value.any_of
            return {"kind": kind, "parts": _parts(group.parts)}
        case "n_of":
            return {"kind": kind, "n": value.n_of.n, "parts": _parts(value.n_of.parts)}
        case "credits_from":
            pool = value.credits_from
            return {"kind": kind, "credits": credit(pool.credits), "parts": _parts(pool.parts)}
        case _:
            return None


def _parts(parts: Iterable[common_pb2.Expression]) -> list[dict[str, Any]]:
    return [tree for tree in map(expression, parts) if tree is not None]


def _leaf(leaf: common_pb2.Expression.Leaf) -> dict[str, Any]:
    return {
        "kind": "leaf",
        "achievement": leaf.achievement,
        "title": leaf.title,
        "grade": {"grade": leaf.minimum_grade.grade, "scheme": leaf.minimum_grade.scheme}
        if leaf.minimum_grade.grade
        else None,
        "level": {"level": leaf.minimum_level.level, "framework": leaf.minimum_level.framework}
        if leaf.minimum_level.level
        else None,
        "years": leaf.within_years,
        "basis": list(leaf.basis),
    }


def expression_of_data(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same tree from an expression as published (contracts/schemas)."""
    for kind in ("all_of", "any_of"):
        if kind in value:
            return {"kind": kind, "parts": [expression_of_data(part) for part in value[kind]]}
    if "n_of" in value:
        inner = value["n_of"]
        return {"kind": "n_of", "n": inner["n"], "parts": [expression_of_data(part) for part in inner["of"]]}
    if "credits_from" in value:
        inner = value["credits_from"]
        parts = [expression_of_data(part) for part in inner["of"]]
        return {"kind": "credits_from", "credits": inner["credits"], "parts": parts}
    return {
        "kind": "leaf",
        "achievement": value["achievement"],
        "title": "",
        "grade": value.get("minimum_grade"),
        "level": value.get("minimum_level"),
        "years": value.get("within_years", 0),
        "basis": list(value.get("basis", ())),
    }


def leaves(tree: Mapping[str, Any] | None) -> list[str]:
    """The achievements that a tree names."""
    if tree is None:
        return []
    if tree["kind"] == "leaf":
        return [tree["achievement"]]
    return [name for part in tree["parts"] for name in leaves(part)]


def outcome(value: common_pb2.Outcome) -> dict[str, Any]:
    """What is granted, with the parts of a choice or a sum below it."""
    return {
        "type": value.type,
        "achievement": value.achievement,
        "title": value.title,
        "credits": credit(value.credits),
        "subject": value.subject,
        "level": value.level,
        "entry_year": value.entry_year,
        "profession": value.profession,
        "reason": value.reason,
        "note": value.note,
        "attributes": list(value.attributes),
        "conditions": [
            {"use": item.use, "grade": item.minimum_grade.grade, "scheme": item.minimum_grade.scheme}
            for item in value.conditions
        ],
        "applicability": value.applicability,
        "of": [outcome(part) for part in value.of],
    }


def _rule(rule: equivalency_pb2.Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "version": rule.version,
        "kind": rule.kind,
        "sending": expression(rule.sending),
        "outcome": outcome(rule.outcome) if rule.HasField("outcome") and rule.outcome.type else None,
        "valid_from": rule.valid_from,
        "valid_to": rule.valid_to,
        "index": rule.recorded_from,
        "note": rule.note,
        "source": rule.source,
        "jurisdictions": list(rule.jurisdictions),
    }


def answers(found: Iterable[equivalency_pb2.Answer], catalogue: Catalogue) -> list[dict[str, Any]]:
    """Equivalency answers, agreements first, in the order received otherwise."""
    language = catalogue.language
    views = []
    for answer in found:
        has_rule = answer.HasField("rule") and bool(answer.rule.id)
        views.append(
            {
                "verdict": word(VERDICTS, answer.verdict),
                "receiver": answer.receiver,
                "receiver_name": catalogue.pick(dict(answer.receiver_names), answer.receiver),
                "jurisdictions": list(answer.receiver_jurisdictions),
                "rule": _rule(answer.rule) if has_rule else None,
                "since_index": answer.since_index,
                "reasons": [sentence(reason, language) for reason in answer.reasons],
                "subject_to_admission": answer.subject_to_admission,
            }
        )
    return sorted(views, key=lambda view: VERDICTS.index(view["verdict"]))


def position(value: common_pb2.Position) -> dict[str, int]:
    """The ledger position of an answer."""
    return {"size": value.size, "accepted_at": value.accepted_at_ms}


def evidence(items: Iterable[common_pb2.Evidence]) -> list[dict[str, Any]]:
    """Entries behind a statement."""
    return [{"index": i.index, "type": i.type, "member": i.member, "subject": i.subject} for i in items]


@dataclass(frozen=True, slots=True)
class Portability:
    """Whether an achievement is portable: verdict, criteria, provinces, and what is missing."""

    verdict: str
    criteria: list[dict[str, Any]]
    provinces: list[dict[str, Any]]
    grounds: list[dict[str, Any]]
    missing: list[dict[str, str]]
    pack: str
    pack_version: int
    notes: list[dict[str, str]]
    position: dict[str, int]


def portability(answer: portability_pb2.AssessResponse, catalogue: Catalogue) -> Portability:
    """The answer of PortabilityService.Assess."""
    language = catalogue.language
    criteria = [
        {
            "id": item.id,
            "force": item.force,
            "finding": word(FINDINGS, item.finding),
            "message": catalogue.pick(dict(item.message), item.id),
            "reasons": [sentence(reason, language) for reason in item.reasons],
            "evidence": evidence(item.evidence),
        }
        for item in answer.criteria
    ]
    provinces = [
        {
            "jurisdiction": item.jurisdiction,
            "verdict": word(PORTABILITY, item.verdict),
            "recognised_by": [_recogniser(by, catalogue) for by in item.recognised_by],
        }
        for item in answer.jurisdictions
    ]
    order = {code: number for number, code in enumerate(PROVINCES)}
    return Portability(
        verdict=word(PORTABILITY, answer.verdict),
        criteria=criteria,
        provinces=sorted(provinces, key=lambda item: order.get(item["jurisdiction"], 99)),
        grounds=[
            {
                "code": item.code,
                "message": catalogue.pick(dict(item.message), item.code),
                "evidence": evidence(item.evidence),
            }
            for item in answer.grounds_in_law
        ],
        missing=[sentence(reason, language) for reason in answer.missing],
        pack=answer.pack,
        pack_version=answer.pack_version,
        notes=[sentence(reason, language) for reason in answer.pack_used.notes],
        position=position(answer.position),
    )


def packs(found: Iterable[portability_pb2.PackFinding], catalogue: Catalogue) -> list[dict[str, Any]]:
    """What each definition asks of an achievement, and what is met of it."""
    return [
        {
            "id": item.pack.id,
            "version": item.pack.version,
            "title": catalogue.pick(dict(item.pack.title), item.pack.id),
            "source": item.pack.source,
            "finding": word(FINDINGS, item.finding),
            "clauses": [
                {
                    "id": clause.id,
                    "force": clause.force,
                    "finding": word(FINDINGS, clause.finding),
                    "message": catalogue.pick(dict(clause.message), clause.id),
                    "reasons": [sentence(reason, catalogue.language) for reason in clause.reasons],
                    "evidence": evidence(clause.evidence),
                }
                for clause in item.clauses
            ],
            "notes": [sentence(reason, catalogue.language) for reason in item.pack.used.notes],
            "published": evidence([item.pack.used.evidence]) if item.pack.used.HasField("evidence") else [],
        }
        for item in found
    ]


def _recogniser(by: portability_pb2.Recogniser, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "member": by.member,
        "name": catalogue.pick(dict(by.names), by.member),
        "kind": by.kind,
        "ground": by.ground,
        "subject": by.subject,
        "index": by.index,
    }
