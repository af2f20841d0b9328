"""Letters of permission of the story: one granted, amended and withdrawn before its term, one refused."""

from __future__ import annotations

from typing import Any, Final

from passerelle.events.examples.achievements import REVIT
from passerelle.events.examples.model import Bad, Example, uuid7
from passerelle.events.examples.recognitions import RULE

_GRANTED_AT: Final = "2026-11-04T17:00:00Z"
_REFUSED_AT: Final = "2026-11-04T18:00:00Z"
PERMISSION: Final = uuid7(_GRANTED_AT, "permission of BCIT")
RULED_AT_INDEX: Final = 42
"""Log index of the rule when the story is told alone, from an empty log."""
_TERM: Final = {"starts_on": "2027-01-11", "ends_on": "2027-04-23", "name": "Winter 2027"}
_COURSE: Final[dict[str, Any]] = {
    "line": 1,
    "achievement": REVIT,
    "recognition": RULE,
    "recognition_index": RULED_AT_INDEX,
    "minimum_grade": {"scheme": "percentage-50", "grade": "60"},
    "outcome": {
        "type": "unassigned",
        "subject": "drafting",
        "level": "1",
        "credits": {"value": "5/2", "system": "credit-hours"},
    },
}
_GRANT: Final[dict[str, Any]] = {
    "host": "humber",
    "programme": "bcit/construction-diploma",
    "term": _TERM,
    "expires_on": "2027-08-31",
    "position": RULED_AT_INDEX + 1,
    "courses": [_COURSE],
    "maximum_credits": {"value": "3", "system": "credit-hours"},
}

EXAMPLES: Final = (
    Example(
        "transfer.permission-granted",
        "bcit",
        PERMISSION,
        _GRANTED_AT,
        _GRANT,
        Bad("schema-invalid", "data.courses[0]", drop=("data.courses.0.recognition_index",), by_schema=False),
    ),
    Example(
        "transfer.permission-refused",
        "bcit",
        uuid7(_REFUSED_AT, "permission refused by BCIT"),
        _REFUSED_AT,
        {
            "host": "humber",
            "term": _TERM,
            "position": RULED_AT_INDEX + 1,
            "courses": [
                {
                    "line": 1,
                    "achievement": REVIT,
                    "reason": "offered-here",
                    "fix": "Take the drafting course of the same term here, or ask again if it is full.",
                }
            ],
        },
        Bad("field-missing", "data.courses[0].fix", drop=("data.courses.0.fix",)),
    ),
    Example(
        "transfer.permission-amended",
        "bcit",
        PERMISSION,
        "2026-11-05T17:00:00Z",
        {**_GRANT, "expected_version": 1, "expires_on": "2027-09-30"},
        Bad("schema-invalid", "data", put={"data.expires_on": "2027-02-01"}, by_schema=False),
    ),
    Example(
        "transfer.permission-withdrawn",
        "bcit",
        PERMISSION,
        "2026-11-06T17:00:00Z",
        {"expected_version": 2, "reason": "course-cancelled"},
        Bad("schema-invalid", "data.reason", put={"data.reason": "no longer wanted"}),
    ),
)
