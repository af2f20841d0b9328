"""Public events of the story about achievements. What the sources do not tell is invented and marked ``sample``."""

from __future__ import annotations

from typing import Any, Final

from passerelle.core.statement import member_urn
from passerelle.events.examples.model import Bad, Example, sha256
from passerelle.events.examples.references import FRAMEWORK

REVIT: Final = "humber/revit"
DRAFTING: Final = "22212"  # NOC 2021: drafting technologists and technicians.

_REVIT_DATA: Final[dict[str, Any]] = {
    "version": 1,
    "kind": "micro-credential",
    "code": "REVIT-1",
    "title": "Autodesk Revit",
    "language": "en",
    "awarding_bodies": [member_urn("humber")],
    "credit_bearing": False,
    "laddering": {"design": "open"},
    "alignments": [{"kind": "skill", "framework": "esco", "code": "S5.6.1", "name": "Using computer-aided design"}],
    "occupations": [DRAFTING],
    "outcomes": ["Model a building to a stated level of detail", "Produce a coordinated set of drawings"],
    "outline": {"url": "https://example.org/outlines/revit-1.pdf", "sha256": sha256("outline of Revit 1")},
    "assessment": {
        "methods": ["demonstration", "project"],
        "setting": "simulated",
        "performance": "direct",
        "task_analysis": True,
        "pass_standard": "70 % on a marked performance task",
        "attempts": 2,
        "assessor": "independent",
        "assessor_qualified": True,
        "identity_checked": True,
        "records_kept": True,
        "appeal": True,
        "accommodation": True,
        "evidence_visible_to_employers": True,
    },
    "delivery": {
        "modes": ["online-synchronous"],
        "intake": "dates",
        "effort_hours": "42",
        "elapsed_weeks": "7",
        "languages": ["en"],
    },
    "cost": {"amount_cad": "495", "mandatory_fees_cad": "12.50", "student_aid_eligible": True},
    "quality": {"approval_body": "Academic council (sample)", "last_review": "2025-11-01", "next_review": "2027-11-01"},
    "transcriptable": True,
    "sample": True,
}
_REVISED: Final[dict[str, Any]] = {
    **_REVIT_DATA,
    "version": 2,
    "translations": {"fr": "Autodesk Revit (traduction indicative)"},
    "validity_months": 60,
    "renewal": "A new performance task every five years",
}


def _published(at: str, subject: str, title: str, **more: Any) -> Example:
    member = subject.partition("/")[0]
    data: dict[str, Any] = {
        "version": 1,
        "kind": "micro-credential",
        "title": title,
        "language": "en",
        "awarding_bodies": [member_urn(member)],
        "credit_bearing": False,
        "sample": True,
        **more,
    }
    return Example("credential.achievement-published", member, subject, at, data)


_STORY: Final = (
    _published("2026-02-02T14:00:00Z", "humber/revit-2019", "Autodesk Revit 2019"),
    _published("2026-02-02T15:00:00Z", "athabasca/lmd-leadership", "Leadership", kind="certificate"),
    _published("2026-02-02T15:05:00Z", "athabasca/lmd-manufacturing", "Manufacturing Management", kind="certificate"),
    _published("2026-02-02T15:10:00Z", "athabasca/lmd-supply-chain", "Supply Chain Management", kind="certificate"),
    _published(
        "2026-02-02T15:15:00Z", "athabasca/mba", "Master of Business Administration", kind="degree", credit_bearing=True
    ),
    _published(
        "2026-02-02T16:00:00Z",
        "bcit/construction-diploma",
        "Building construction technology",
        kind="diploma",
        credit_bearing=True,
    ),
    _published(
        "2026-02-02T16:05:00Z",
        "bcit/bim-1",
        "Building information modelling 1",
        kind="course",
        credit_bearing=True,
        credits=[{"value": "3", "system": "credit-hours"}],
    ),
    _published(
        "2026-02-02T17:00:00Z",
        "rru/climate-adaptation-lead",
        "Climate adaptation",
        awarding_bodies=[member_urn("rru"), member_urn("bcit")],
        award="joint",
        alignments=[{"kind": "competency", "framework": FRAMEWORK, "code": "S1"}],
    ),
    _published(
        "2026-02-03T14:00:00Z",
        "boreal/vehicules-electriques",
        "Entretien de véhicules électriques à batterie",
        language="fr",
        delivery={"modes": ["in-person"], "languages": ["fr"]},
    ),
    _published(
        "2026-02-03T15:00:00Z",
        "queens/mitx-statistics",
        "Statistics and Data Science",
        awarding_bodies=["urn:passerelle:organisation:queens/mit"],
        delivery={"modes": ["online-asynchronous"]},
    ),
    _published(
        "2026-02-03T15:05:00Z",
        "queens/management-analytics",
        "Graduate studies in analytics",
        kind="programme",
        credit_bearing=True,
    ),
)

EXAMPLES: Final = (
    *_STORY,
    Example(
        "credential.achievement-published",
        "humber",
        REVIT,
        "2026-02-02T14:05:00Z",
        _REVIT_DATA,
        Bad("schema-invalid", "data.kind", put={"data.kind": "badge"}),
    ),
    Example(
        "credential.achievement-revised",
        "humber",
        REVIT,
        "2026-03-09T14:00:00Z",
        _REVISED,
        Bad("schema-invalid", "data.version", put={"data.version": 0}),
    ),
    Example(
        "credential.achievement-retired",
        "humber",
        "humber/revit-2019",
        "2026-03-09T14:30:00Z",
        {"effective_on": "2026-04-30", "reason": "Replaced by the present release", "replaced_by": REVIT},
        Bad("time-malformed", "time", put={"time": "2026-03-09T14:30:00"}),
    ),
    Example(
        "credential.achievement-endorsed",
        "coast-builders",
        REVIT,
        "2026-03-16T18:00:00Z",
        {
            "version": 2,
            "kinds": ["co-designed", "assessment-reflects-job"],
            "capacity": "body-for-employers",
            "jurisdictions": ["CA-BC"],
            "statement": "The performance task is work that our members give to new drafters (sample).",
            "valid_until": "2028-03-31",
        },
        Bad("schema-invalid", "data.jurisdictions[0]", put={"data.jurisdictions.0": "CA-XX"}),
    ),
    Example(
        "credential.demand-stated",
        "coast-builders",
        "coast-builders/demand-drafting-2026",
        "2026-03-16T18:30:00Z",
        {
            "achievement": REVIT,
            "occupation": DRAFTING,
            "skill": "Building information modelling",
            "region": "CA-BC",
            "size": 240,
            "source": "Survey of members, February 2026 (sample)",
            "stated_on": "2026-03-01",
            "valid_until": "2027-03-01",
        },
        Bad("schema-invalid", "data.size", put={"data.size": 9}),
    ),
    Example(
        "credential.achievement-outcomes-reported",
        "humber",
        REVIT,
        "2026-10-05T14:00:00Z",
        {
            "version": 2,
            "period_from": "2026-03-01",
            "period_to": "2026-08-31",
            "completed": 64,
            "employed": 41,
            "laddered": 12,
        },
        Bad("schema-invalid", "data.completed", put={"data.completed": "64"}),
    ),
)
