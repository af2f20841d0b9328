"""Recognition events of the story: an articulation request and its answer, rules, and two learners' assessments."""

from __future__ import annotations

from typing import Any, Final

from passerelle.events.examples.achievements import REVIT
from passerelle.events.examples.model import Bad, Example, document, sha256, uuid7

REQUEST: Final = "humber/ask-bcit-revit"
RULE: Final = "bccat/bcit-revit-construction"
_LMD: Final = "athabasca/lmd-mba"
_ASSESSED_AT: Final = "2026-05-11T16:00:00Z"
_DENIED_AT: Final = "2026-10-13T16:00:00Z"


def _electives(value: str) -> dict[str, Any]:
    return {
        "type": "unassigned",
        "subject": "elective",
        "level": "graduate",
        "credits": {"value": value, "system": "credit-hours"},
        "applicability": "elective",
    }


_LMD_RULE: Final[dict[str, Any]] = {
    "version": 1,
    "receiver": "athabasca",
    "kind": "laddering",
    "sending": {"achievement": "athabasca/lmd-leadership"},
    "outcome": _electives("3"),
    "valid_from": "2024-01-01",
    "note": "LMD certificates count as electives in the MBA; the number of credits is a sample.",
    "sample": True,
}
_MITX_RULE: Final[dict[str, Any]] = {
    "version": 1,
    "receiver": "queens",
    "kind": "block-transfer",
    "sending": {"achievement": "queens/mitx-statistics"},
    "outcome": {
        "type": "block",
        "programme": "queens/management-analytics",
        "credits": {"value": "3", "system": "credit-hours"},
    },
    "valid_from": "2020-01-01",
    "sample": True,
}

_STORY: Final = (
    Example("recognition.granted", "athabasca", _LMD, "2026-03-02T16:00:00Z", _LMD_RULE),
    Example("recognition.granted", "queens", "queens/mitx-credit", "2026-03-02T17:00:00Z", _MITX_RULE),
    Example(
        "recognition.requested",
        "humber",
        "humber/ask-nscc-revit",
        "2026-03-18T14:00:00Z",
        {"achievement": REVIT, "receiver": "nscc"},
    ),
)

_REQUESTS: Final = (
    Example(
        "recognition.requested",
        "humber",
        REQUEST,
        "2026-03-17T14:00:00Z",
        {
            "achievement": REVIT,
            "achievement_version": 2,
            "receiver": "bcit",
            "towards": "bcit/construction-diploma",
            "outline": {"url": "https://example.org/outlines/revit-2.pdf", "sha256": sha256("outline of Revit 2")},
            "due_on": "2026-06-30",
        },
        Bad("schema-invalid", "data.achievement", put={"data.achievement": "revit"}),
    ),
    Example(
        "recognition.returned",
        "bcit",
        REQUEST,
        "2026-03-24T17:00:00Z",
        {"needed": ["The marking rubric of the performance task", "Hours of supervised practice"]},
        Bad("schema-invalid", "data.needed", put={"data.needed": []}),
    ),
    Example(
        "recognition.resubmitted",
        "humber",
        REQUEST,
        "2026-03-31T14:00:00Z",
        {
            "outline": {"url": "https://example.org/outlines/revit-2b.pdf", "sha256": sha256("outline of Revit 2b")},
            "note": "The rubric stands on pages 4 to 6; 24 of the 42 hours are supervised practice.",
        },
        Bad("schema-invalid", "data.outline.sha256", put={"data.outline.sha256": "abc123"}),
    ),
    Example(
        "recognition.forwarded",
        "bcit",
        REQUEST,
        "2026-04-07T17:00:00Z",
        {"evaluator": "bccat", "note": "To the agency that answers for us in drafting."},
        Bad("time-ahead", "time", put={"time": "2026-11-21T12:00:01Z"}, by_schema=False),
    ),
    Example(
        "recognition.declined",
        "nscc",
        "humber/ask-nscc-revit",
        "2026-04-14T13:00:00Z",
        {"note": "Evaluated case by case until more learners ask."},
        Bad("type-unknown", "type", put={"type": "ca.passerelle.recognition.declined.v2"}),
    ),
)

_RULES: Final = (
    Example(
        "recognition.granted",
        "bccat",
        RULE,
        "2026-04-28T17:00:00Z",
        {
            "version": 1,
            "receiver": "bcit",
            "delegation": "bcit/delegation-bccat",
            "kind": "equivalency",
            "sending": {
                "all_of": [{"achievement": REVIT, "versions": {"first": 2}, "within_years": 5, "basis": ["completed"]}]
            },
            "outcome": {
                "type": "sum",
                "of": [
                    {
                        "type": "unassigned",
                        "subject": "drafting",
                        "level": "1",
                        "credits": {"value": "5/2", "system": "credit-hours"},
                        "applicability": "elective",
                    },
                    {"type": "exemption", "achievement": "bcit/bim-1"},
                ],
            },
            "valid_from": "2026-03-01",
            "request": REQUEST,
            "source": "Provincial transfer guide (sample)",
            "sample": True,
        },
        Bad("schema-invalid", "data.outcome.of[0].credits.value", put={"data.outcome.of.0.credits.value": 2.5}),
    ),
    Example(
        "recognition.revised",
        "athabasca",
        _LMD,
        "2026-05-05T16:00:00Z",
        {
            **_LMD_RULE,
            "version": 2,
            "sending": {
                "n_of": {
                    "n": 2,
                    "of": [
                        {"achievement": "athabasca/lmd-leadership"},
                        {"achievement": "athabasca/lmd-manufacturing"},
                        {"achievement": "athabasca/lmd-supply-chain"},
                    ],
                }
            },
            "outcome": _electives("6"),
        },
        Bad("schema-invalid", "data", put={"data.valid_to": "2023-12-31"}, by_schema=False),
    ),
    Example(
        "recognition.confirmed",
        "athabasca",
        _LMD,
        "2026-09-15T16:00:00Z",
        {"reviewed_on": "2026-09-14", "next_review": "2027-09-30"},
        Bad("field-unknown", "body", put={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}),
    ),
    Example(
        "recognition.ended",
        "queens",
        "queens/mitx-credit",
        "2026-09-22T17:00:00Z",
        {"effective_on": "2026-12-31", "reason": "A new agreement follows (sample)"},
        Bad("schema-invalid", "data", put={"data": ["2026-12-31"]}),
    ),
    Example(
        "recognition.denied",
        "nscc",
        "nscc/vehicules-electriques",
        "2026-05-12T13:00:00Z",
        {
            "receiver": "nscc",
            "sending": {"achievement": "boreal/vehicules-electriques"},
            "valid_from": "2026-01-01",
            "reason": "other",
            "note": "Sample of a coded reason; no such evaluation took place.",
            "sample": True,
        },
        Bad("schema-invalid", "data.reason", put={"data.reason": "not-good-enough"}),
    ),
)

_LEARNERS: Final = (
    Example(
        "recognition.assessed",
        "bcit",
        uuid7(_ASSESSED_AT, "PLAR at BCIT"),
        _ASSESSED_AT,
        {
            "receiver": "bcit",
            "achievement": "bcit/bim-1",
            "assessment": {
                "methods": ["challenge-exam", "portfolio"],
                "evidence": [document("portfolio of a drafter", "portfolio", 8_400_000)],
                "assessor": "independent",
                "provider": "Assessment centre (sample)",
                "identity_checked": True,
                "assessed_on": "2026-05-08",
            },
            "outcome": {
                "type": "assigned",
                "achievement": "bcit/bim-1",
                "credits": {"value": "3", "system": "credit-hours"},
            },
            "parties": ["nscc"],
        },
        Bad("schema-invalid", "data.outcome", put={"data.outcome.type": "credit"}),
    ),
    Example(
        "recognition.denied-individually",
        "nscc",
        uuid7(_DENIED_AT, "evaluation at NSCC"),
        _DENIED_AT,
        {
            "receiver": "nscc",
            "reason": "content",
            "note": "The outcomes of the course asked about are not among those assessed.",
            "parties": ["humber"],
        },
        Bad("body-too-deep", "body", text=lambda body: body.replace('"content"', "[" * 45 + "]" * 45)),
    ),
)

EXAMPLES: Final = (*_STORY, *_REQUESTS, *_RULES, *_LEARNERS)
