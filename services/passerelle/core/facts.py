"""What is known about one achievement when its portability is judged, and what a clause of a pack finds.

Facts come from log entries; each carries its index, so that every finding can name its evidence and be proved.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from passerelle.core.reasons import Reason

Outcome = Literal["met", "not-met", "unknown"]

PROVINCES: Final = (
    "CA-AB",
    "CA-BC",
    "CA-MB",
    "CA-NB",
    "CA-NL",
    "CA-NS",
    "CA-NT",
    "CA-NU",
    "CA-ON",
    "CA-PE",
    "CA-QC",
    "CA-SK",
    "CA-YT",
)
"""The thirteen provinces and territories, ISO 3166-2."""
NATIONAL: Final = "CA"


def covers(jurisdictions: tuple[str, ...], place: str) -> bool:
    """Whether a body that speaks for these jurisdictions speaks for ``place``; ``CA`` speaks for every province."""
    return place in jurisdictions or (NATIONAL in jurisdictions and place in PROVINCES)


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An endorsement of the achievement.

    ``capacity`` and ``kinds`` as in the event ``achievement-endorsed``; ``member_kind`` from the registry; ``version``
    the achievement's version endorsed; ``valid_until`` the last day on which it holds, None without end.
    """

    member: str
    member_kind: str
    capacity: str
    kinds: tuple[str, ...]
    jurisdictions: tuple[str, ...]
    index: int
    valid_until: dt.date | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """A statement of demand for the achievement, its skill or its occupation, in a region."""

    member: str
    region: str
    index: int
    stated_on: dt.date
    valid_until: dt.date | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Framework:
    """A published framework: ``kind`` is ``competency``, ``occupation`` or ``qualifications``."""

    id: str
    recognised: bool
    index: int
    kind: str = "competency"


@dataclass(frozen=True, slots=True)
class Recognition:
    """A rule in force on the date asked about that names the achievement.

    ``member`` is the receiver, ``kind`` the recognition's kind, ``outcome_types`` the types of its outcome
    (``assigned``, ``standing`` ...), ``jurisdictions`` where it holds: an institution's own, or those that the rule
    states.
    """

    rule: str
    member: str
    member_kind: str
    kind: str
    jurisdictions: tuple[str, ...]
    index: int
    outcome_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A published refusal of the achievement with the difference that it states.

    ``kind`` is the reason's code: ``level``, ``content``, ``hours``, ``assessment``, or another that is no difference
    of the achievement; ``jurisdictions`` are the receiver's own, or those that the refusal states.
    """

    rule: str
    member: str
    kind: str
    jurisdictions: tuple[str, ...]
    index: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the fields of policy packs are read from.

    ``achievement`` is the data of its latest version, as in the event ``achievement-published``; ``index`` that
    entry's; ``awarding_kinds`` the member kinds of its awarding bodies, as the registry lists them (listed
    organisations have none); ``frameworks`` by id, those that the alignments name; ``recognitions`` are in force on
    ``asked_on``; ``differences`` are refusals in force on it; ``given`` are facts of one case that the question brings,
    by name of field (numbers), which no log entry proves.
    """

    id: str
    achievement: Mapping[str, Any]
    index: int
    asked_on: dt.date
    awarding_kinds: tuple[str, ...] = ()
    endorsements: tuple[Endorsement, ...] = ()
    demands: tuple[Demand, ...] = ()
    frameworks: Mapping[str, Framework] = field(default_factory=dict)
    recognitions: tuple[Recognition, ...] = ()
    differences: tuple[Difference, ...] = ()
    given: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: the outcome, the log indices that it rests on, and why it is not met or not known.

    ``notes`` say how it was met where that is not plain from the evidence.
    """

    outcome: Outcome
    evidence: tuple[int, ...] = ()
    missing: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
