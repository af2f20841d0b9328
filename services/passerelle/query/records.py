"""What the index keeps of each kind of thing: histories by log index, and rows for the core's look-ups."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from passerelle.core.grades import Level
from passerelle.core.quantity import Credits, parse_credits
from passerelle.core.registry import Status
from passerelle.core.rules import Request, Rule, rule_from_data
from passerelle.query.histories import Timeline
from passerelle.query.words import Words


@dataclass(frozen=True, slots=True)
class Standing:
    """A member's status and roles from one index on."""

    status: Status
    roles: frozenset[str]


def as_bytes(data: Mapping[str, Any]) -> bytes:
    """Data as JSON bytes that take no more room than they need: the writer's own buffer is several times larger."""
    return bytes(memoryview(orjson.dumps(data)))


@dataclass(frozen=True, slots=True)
class Said:
    """One event about a thing: who said it, and its data as JSON bytes."""

    type: str
    member: str
    raw: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        return dict(orjson.loads(self.raw))


@dataclass(frozen=True, slots=True)
class AchievementVersion:
    """One version of an achievement; what search tests stands apart from the whole."""

    version: int
    said: Said
    kind: str
    modes: frozenset[str]
    frameworks: frozenset[str]
    occupations: frozenset[str]
    bodies: tuple[str, ...]
    words: Words
    title: str
    credits: tuple[Credits, ...]
    level: Level | None
    into: frozenset[str] = frozenset()
    """Achievements that it is designed to lead into."""

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        return self.said.data


@dataclass(slots=True)
class AchievementHistory:
    """All that was published about one achievement."""

    id: str
    versions: Timeline[AchievementVersion] = field(default_factory=Timeline)
    retired: Timeline[Said] = field(default_factory=Timeline)
    endorsements: Timeline[Said] = field(default_factory=Timeline)
    outcomes: Timeline[Said] = field(default_factory=Timeline)
    demand: Timeline[str] = field(default_factory=Timeline)
    """Ids of demand statements that name it."""

    @property
    def owner(self) -> str:
        """The member in whose namespace it stands."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class RuleState:
    """A recognition from one index on: the data of its rule, and the date on which it was ended if it was."""

    raw: bytes
    ended_on: str | None = None


@dataclass(slots=True)
class RecognitionHistory:
    """All recorded states of one recognition."""

    id: str
    receiver: str
    states: Timeline[RuleState] = field(default_factory=Timeline)

    def rows(self) -> tuple[Rule, ...]:
        """The states as the core reads them. Raises FormatError where one cannot be evaluated."""
        return tuple(
            rule_from_data(
                orjson.loads(state.raw),
                recognition=self.id,
                from_index=first,
                to_index=end,
                ended_on=state.ended_on,
            )
            for first, end, state in self.states.spans()
        )


@dataclass(slots=True)
class RequestHistory:
    """All recorded states of one articulation request."""

    id: str
    achievement: str
    receiver: str
    since_index: int
    since_date: dt.date
    states: Timeline[str] = field(default_factory=Timeline)

    def rows(self) -> tuple[Request, ...]:
        """The states as the core reads them."""
        return tuple(
            Request(self.id, self.achievement, self.receiver, state, self.since_index, self.since_date, first, end)
            for first, end, state in self.states.spans()
        )


def achievement_version(said: Said, data: Mapping[str, Any], subject: str) -> AchievementVersion:
    """Read what search tests from the data of a published or revised achievement."""
    alignments = data.get("alignments") or ()
    delivery, level = data.get("delivery") or {}, data.get("level")
    titles = [data["title"], *(data.get("translations") or {}).values()]
    texts = [
        data.get("description") or "",
        *(data.get("outcomes") or ()),
        *(f"{tag.get('name', '')} {tag['code']}" for tag in alignments),
        subject,
    ]
    return AchievementVersion(
        version=int(data["version"]),
        said=said,
        kind=data["kind"],
        modes=frozenset(delivery.get("modes") or ()),
        frameworks=frozenset(tag["framework"] for tag in alignments),
        occupations=frozenset(data.get("occupations") or ()),
        bodies=tuple(data["awarding_bodies"]),
        words=Words.of([*titles, data.get("code") or ""], texts),
        into=frozenset((data.get("laddering") or {}).get("into") or ()),
        title=data["title"],
        credits=tuple(parse_credits(amount) for amount in data.get("credits") or ()),
        level=None if level is None else Level(sys.intern(level["framework"]), sys.intern(level["level"])),
    )
