"""The records of ``passerelle.insight.v1``: one measure in one window of time, with rows of counts.

Sources: the project's architecture (rule 8: published counts about learners' events below 10 are suppressed), ISO 8601
(a week begins on Monday), ISO 3166-2 (jurisdictions). All windows are in UTC, and an event lies in the window of the
instant at which the ledger accepted it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from passerelle.core.errors import FormatError
from passerelle.core.statement import NETWORK_PATTERN
from passerelle.events.base import Date, Jurisdiction, MemberId, Model
from passerelle.events.values import NoCreditReason

SCHEMA_NAME: Final = "insight.statistics.v1.json"
LEARNERS_BELOW: Final = 10
"""Counts of events about learners below this are never shown (the project's architecture, rule 8)."""
MAX_ROWS: Final = 5_000
"""Rows of one record; the rest is counted in ``left_out``. Some 200 bytes a row keep it below 1 MiB."""

Measure = Literal["decision-time", "acceptance", "appeals", "revocations", "appeal-outcomes", "case-time"]
Window = Literal["day", "week", "month"]
Decision = Literal["credited", "conditional", "recognised", "case-by-case", "no-credit"]
AppealOutcome = Literal["changed", "kept", "withdrawn"]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[int, Field(ge=0)]

WINDOWS: Final[dict[str, tuple[str, ...]]] = {
    "decision-time": ("day", "week", "month"),
    "acceptance": ("day", "week", "month"),
    "appeals": ("month",),
    "revocations": ("day",),
    "appeal-outcomes": ("month",),
    "case-time": ("month",),
}
"""The windows of each measure. Those about learners have one, so that no shown total gives a hidden count away."""
LEARNERS: Final = frozenset({"appeals", "revocations", "appeal-outcomes", "case-time"})
"""Measures of events about learners."""
CASES: Final = frozenset({"appeal-outcomes", "case-time"})
"""Those of what became of single cases: told once their month is over, and without rows whose count is hidden."""


class StatisticsRow(Model):
    """One cell. ``count`` is absent where it is below the record's threshold, and so is what rests on it."""

    scope: Literal["network", "pair", "receiver", "member", "jurisdiction"]
    """Whole network; pair of provinces; pair and receiver; one member; one province."""
    sending: Jurisdiction | None = None
    receiving: Jurisdiction | None = None
    receiver: MemberId | None = None
    member: MemberId | None = None
    jurisdiction: Jurisdiction | None = None
    outcome: Decision | AppealOutcome | None = None
    """``recognised``: exemption, admission or standing, without credit. Of an appeal: ``changed`` (the new decision
    gives other credit), ``kept`` (it gives the same), ``withdrawn``."""
    reason: NoCreditReason | None = None
    count: Count | None = None
    p50_s: Seconds | None = None
    """Half of the requests were decided within so many seconds, to 5 %; whole days of cases."""
    p90_s: Seconds | None = None
    burst: bool | None = None
    """A member's revocations of the day are far above its usual; the rule is in docs/statistics.md."""


class StatisticsRecord(Model):
    """One measure in one window. Of two records of one window the one with the higher ``position`` counts."""

    network: Annotated[str, Field(pattern=f"^{NETWORK_PATTERN}$")]
    """The log's origin."""
    measure: Measure
    window: Window
    start: Date
    end: Date
    """The first day after the window."""
    position: Count
    """Size of the log up to which was counted."""
    threshold: Annotated[int, Field(ge=1)]
    """Smaller counts are not shown."""
    late: Count = 0
    """Of what was counted: dated by its sender more than 24 hours before the ledger accepted it."""
    left_out: Count = 0
    """Rows for which the record had no room."""
    rows: Annotated[tuple[StatisticsRow, ...], Field(max_length=MAX_ROWS)] = ()

    @model_validator(mode="after")
    def _honest(self) -> StatisticsRecord:
        if self.end <= self.start:
            raise ValueError("end is not after start")
        if self.window not in WINDOWS[self.measure]:
            raise ValueError("the measure does not have this window")
        if any(row.count is not None and row.count < self.threshold for row in self.rows):
            raise ValueError("a count below the threshold is shown")
        if self.measure in LEARNERS and self.threshold < LEARNERS_BELOW:
            raise ValueError("the threshold of counts about learners is at least 10")
        if self.measure in CASES and any(row.count is None for row in self.rows):
            raise ValueError("a row about cases without a count")
        known = _OUTCOMES.get(self.measure, frozenset())
        if any(row.outcome not in known for row in self.rows if row.outcome is not None):
            raise ValueError("an outcome that the measure does not have")
        return self

    def write(self) -> bytes:
        """The record's JSON; absent values are left out."""
        return self.model_dump_json(exclude_none=True).encode("utf-8")


_OUTCOMES: Final = {
    "acceptance": frozenset(get_args(Decision)),
    "appeal-outcomes": frozenset(get_args(AppealOutcome)),
}


def read_statistics(value: bytes | None) -> StatisticsRecord:
    """The record of these bytes. Raises FormatError ``schema-invalid``."""
    try:
        return StatisticsRecord.model_validate_json(value or b"")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FormatError("schema-invalid", f"Not a statistics record: {first['type']}.", where=place) from None


EXAMPLE: Final[dict[str, Any]] = {
    "network": "ledger.passerelle.example/2026",
    "measure": "acceptance",
    "window": "month",
    "start": "2026-11-01",
    "end": "2026-12-01",
    "position": 4711,
    "threshold": 5,
    "late": 1,
    "rows": [
        {"scope": "network", "outcome": "credited", "count": 21},
        {"scope": "pair", "sending": "CA-ON", "receiving": "CA-BC", "outcome": "credited", "count": 12},
        {"scope": "pair", "sending": "CA-ON", "receiving": "CA-BC", "outcome": "no-credit", "reason": "level"},
    ],
}
"""A good record."""
SPOILT: Final[dict[str, Any]] = {**EXAMPLE, "rows": [{"scope": "pair", "sending": "CA-ON", "outcome": "perhaps"}]}
"""A bad one: it names an outcome that there is not."""
