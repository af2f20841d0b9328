"""Party events of the story about credentials and releases. There is no learner in them, only credential ids."""

from __future__ import annotations

from typing import Any, Final

from passerelle.core.statement import member_urn
from passerelle.events.examples.achievements import REVIT
from passerelle.events.examples.model import Bad, Example, document, nonce, sha256, uuid4, uuid7
from passerelle.events.examples.references import SCALE

_AT: Final = "2026-05-20T20:00:00Z"
FIRST: Final = uuid7(_AT, "first credential")
"""Issued, amended, released to BCIT, counted there, and revoked in the end."""
SECOND: Final = uuid7("2026-05-20T20:00:01Z", "second credential")
"""Suspended and reinstated; its case at NSCC is withdrawn."""
ERASED: Final = uuid7("2026-05-20T20:00:02Z", "third credential")
JOINT: Final = uuid7("2026-05-21T18:00:00Z", "joint credential")

RELEASE: Final = uuid4("release to BCIT")
SECOND_RELEASE: Final = uuid4("release to NSCC")
_WITHDRAWN_RELEASE: Final = uuid4("release to an employer")


def _issue(at: str, subject: str, **more: Any) -> dict[str, Any]:
    return {
        "achievement": REVIT,
        "achievement_version": 2,
        "awarding_bodies": [member_urn("humber")],
        "registration": "humber",
        "conferred_on": at[:10],
        "basis": "completed",
        "record": sha256(f"record of {subject}"),
        **more,
    }


_STORY: Final = (
    Example("credential.issued", "humber", SECOND, "2026-05-20T20:00:01Z", _issue("2026-05-20", SECOND)),
    Example("credential.issued", "humber", ERASED, "2026-05-20T20:00:02Z", _issue("2026-05-20", ERASED)),
    Example(
        "credential.issued",
        "rru",
        JOINT,
        "2026-05-21T18:00:00Z",
        _issue(
            "2026-05-21",
            JOINT,
            achievement="rru/climate-adaptation-lead",
            achievement_version=1,
            awarding_bodies=[member_urn("rru"), member_urn("bcit")],
            registration="rru",
        ),
    ),
    Example(
        "credential.release-granted",
        "humber",
        SECOND_RELEASE,
        "2026-06-20T14:00:00Z",
        {"credentials": [SECOND], "receiver": "nscc", "purpose": "transfer", "ends_on": "2026-12-31"},
    ),
    Example(
        "credential.release-granted",
        "humber",
        _WITHDRAWN_RELEASE,
        "2026-06-20T14:05:00Z",
        {"credentials": [SECOND], "receiver": "coast-builders", "purpose": "employment", "ends_on": "2026-12-31"},
    ),
)

_CREDENTIALS: Final = (
    Example(
        "credential.issued",
        "humber",
        FIRST,
        _AT,
        _issue(
            "2026-05-20",
            FIRST,
            result={"scheme": SCALE, "grade": "B"},
            assessment={
                "methods": ["demonstration", "project"],
                "evidence": [document("recording of the task", "evidence", 52_000_000, "video/mp4")],
                "assessor": "independent",
                "rubric": {"url": "https://example.org/rubrics/revit-2.pdf", "sha256": sha256("rubric of Revit 2")},
                "identity_checked": True,
                "assessed_on": "2026-05-15",
            },
            expires_on="2031-05-20",
        ),
        Bad("field-unknown", "data", put={"data.learner_name": "A name that must never stand here"}),
    ),
    Example(
        "credential.co-awarded",
        "bcit",
        JOINT,
        "2026-05-22T16:00:00Z",
        {"confirmed_on": "2026-05-22"},
        Bad("event-id-malformed", "id", put={"id": uuid4("an event id of version 4")}),
    ),
    Example(
        "credential.amended",
        "humber",
        FIRST,
        "2026-06-02T14:00:00Z",
        {
            "reason": "grade-change",
            "note": "Mark entered in the wrong column",
            "result": {"scheme": SCALE, "grade": "A"},
        },
        Bad("nonce-missing", "nonce", drop=("nonce",)),
    ),
    Example(
        "credential.suspended",
        "humber",
        SECOND,
        "2026-06-03T14:00:00Z",
        {"reason": "administrative", "note": "Proctoring record of the session under review"},
        Bad("nonce-malformed", "nonce", put={"nonce": nonce("one character short")[:42]}),
    ),
    Example(
        "credential.reinstated",
        "humber",
        SECOND,
        "2026-06-10T14:00:00Z",
        {"note": "The record is complete"},
        Bad("schema-invalid", "data.note", put={"data.note": None}),
    ),
    Example(
        "credential.revoked",
        "humber",
        FIRST,
        "2026-10-19T14:00:00Z",
        {"reason": "issued-in-error", "note": "Awarded before the appeal period ended", "effective_on": "2026-10-19"},
        Bad("field-missing", "data.effective_on", drop=("data.effective_on",)),
    ),
    Example(
        "credential.erased",
        "humber",
        ERASED,
        "2026-07-15T14:00:00Z",
        {"ground": "learner-request"},
        Bad("source-mismatch", "source", put={"source": member_urn("athabasca")}, by_schema=False),
    ),
)

_RELEASES: Final = (
    Example(
        "credential.release-granted",
        "humber",
        RELEASE,
        "2026-06-15T14:00:00Z",
        {"credentials": [FIRST], "receiver": "bcit", "purpose": "transfer", "ends_on": "2027-06-30"},
        Bad("schema-invalid", "data.credentials", put={"data.credentials": []}),
    ),
    Example(
        "credential.release-withdrawn",
        "humber",
        _WITHDRAWN_RELEASE,
        "2026-06-27T14:00:00Z",
        {"note": "At the learner's wish"},
        Bad(
            "visibility-mismatch",
            "statement.visibility",
            statement={"visibility": "public"},
            by_schema=False,
        ),
    ),
)

EXAMPLES: Final = (*_STORY, *_CREDENTIALS, *_RELEASES)
