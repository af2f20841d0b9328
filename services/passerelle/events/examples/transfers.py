"""Two transfer cases of the story: one posted and then adjusted because its source was revoked, one withdrawn."""

from __future__ import annotations

from typing import Any, Final

from passerelle.events.examples.credentials import FIRST, RELEASE, SECOND, SECOND_RELEASE
from passerelle.events.examples.model import Bad, Example, document, uuid7
from passerelle.events.examples.recognitions import RULE

_OPENED: Final = "2026-06-16T17:00:00Z"
CASE: Final = uuid7(_OPENED, "case at BCIT")
_SECOND_CASE: Final = uuid7("2026-06-22T13:00:00Z", "case at NSCC")
_PROGRAMME: Final = "bcit/construction-diploma"
REVOKED_AT_INDEX: Final = 72
"""Log index of the revocation when the story is told alone, from an empty log."""


def _step(event: str, at: str, version: int, bad: Bad, **data: Any) -> Example:
    return Example(f"transfer.{event}", "bcit", CASE, at, {"expected_version": version, **data}, bad)


EXAMPLES: Final = (
    Example(
        "transfer.requested",
        "bcit",
        CASE,
        _OPENED,
        {
            "release": RELEASE,
            "sender": "humber",
            "receiver": "bcit",
            "programme": _PROGRAMME,
            "credentials": [FIRST],
            "documents": [document("transcript sealed to BCIT", "transcript", 48_200, "application/xml")],
            "due_on": "2026-07-15",
        },
        Bad("schema-invalid", "data.release", put={"data.release": RELEASE.upper()}),
    ),
    Example(
        "transfer.requested",
        "nscc",
        _SECOND_CASE,
        "2026-06-22T13:00:00Z",
        {"release": SECOND_RELEASE, "sender": "humber", "receiver": "nscc", "credentials": [SECOND]},
    ),
    _step(
        "information-requested",
        "2026-06-19T17:00:00Z",
        1,
        Bad("schema-invalid", "data.needed[0]", put={"data.needed.0": "The outline\u0000of the version taken"}),
        needed=["The outline of the version taken"],
    ),
    Example(
        "transfer.evidence-added",
        "humber",
        CASE,
        "2026-06-23T14:00:00Z",
        {"expected_version": 2, "documents": [document("outline of Revit 2b", "outline", 310_000)]},
        Bad("schema-invalid", "data.documents[0].size", put={"data.documents.0.size": -1}),
    ),
    _step(
        "decided",
        "2026-07-06T17:00:00Z",
        3,
        Bad("schema-invalid", "data.lines[0]", drop=("data.lines.0.outcome",), by_schema=False),
        lines=[
            {
                "line": 1,
                "credential": FIRST,
                "status": "credited",
                "recognition": RULE,
                "outcome": {
                    "type": "unassigned",
                    "subject": "drafting",
                    "level": "1",
                    "credits": {"value": "5/2", "system": "credit-hours"},
                },
            }
        ],
    ),
    _step(
        "posted",
        "2026-09-08T17:00:00Z",
        4,
        Bad("field-missing", "data.expected_version", drop=("data.expected_version",)),
        programme=_PROGRAMME,
        posted_on="2026-09-08",
    ),
    _step(
        "adjusted",
        "2026-10-26T17:00:00Z",
        5,
        Bad("schema-invalid", "data.lines[0]", put={"data.lines.0.outcome": "changed"}, by_schema=False),
        reason="source-revoked",
        cause=REVOKED_AT_INDEX,
        lines=[{"line": 1, "outcome": "removed"}],
    ),
    _step(
        "closed",
        "2026-10-27T17:00:00Z",
        6,
        Bad("body-not-json", "body", text=lambda body: body.rstrip().removesuffix("}"), by_schema=False),
        note="The learner was told, with the way to appeal",
    ),
    _step(
        "appealed",
        "2026-11-03T17:00:00Z",
        7,
        Bad("type-family-mismatch", "type", statement={"family": "credential"}, by_schema=False),
        ground="procedure",
        documents=[document("letter to the office", "letter", 21_000)],
    ),
    Example(
        "transfer.withdrawn",
        "nscc",
        _SECOND_CASE,
        "2026-06-29T13:00:00Z",
        {"expected_version": 1, "by": "learner"},
        Bad("schema-invalid", "data.by", put={"data.by": "sender"}),
    ),
)
