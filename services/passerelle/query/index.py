"""One in-process index over all public events, bitemporal by log index.

Every fact stands with the index that recorded it, and every read names a size of the log: an answer at an older size
never changes. Events are applied without interruption; what is beyond the position is there and not yet seen, so that
moving the position is what swaps a commit in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import structlog

from passerelle.core.catalogue import BY_NAME, EVENT_TYPES, EventType
from passerelle.core.errors import Fatal, FormatError, Refused
from passerelle.core.registry import KeyVerdict, Registry
from passerelle.core.registry import apply as apply_member
from passerelle.core.rules import Request, Rule
from passerelle.query.histories import Clockwork, Position, Timeline
from passerelle.query.ports import Head, Instant, PublicEvent
from passerelle.query.records import (
    AchievementHistory,
    RequestHistory,
    Said,
    Standing,
    achievement_version,
    as_bytes,
)
from passerelle.query.rulestore import Recognitions, RuleStore
from passerelle.query.words import WordIndex
from passerelle.runtime.clock import as_datetime

_LOG = structlog.get_logger(__name__)
MAX_CACHED_RULES: Final = 16_384
"""Rules kept decoded: about 30 MB."""
_REFERENCE_KINDS: Final = ("framework", "scale", "policy", "organisation", "delegation", "demand")
_RULING: Final = frozenset({"granted", "revised", "denied"})
_REQUEST_STATES: Final = {
    "requested": "requested",
    "returned": "returned",
    "resubmitted": "requested",
    "forwarded": "requested",
    "declined": "declined",
}


class Index:
    """The state of every public thing. ``position`` is what answers are computed at by default."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.position = Position()
        self.clockwork = Clockwork()
        self.words = WordIndex()
        self.applied = 0
        """Events below this index are applied."""
        self.standings: dict[str, Timeline[Standing]] = {}
        self.achievements: dict[str, AchievementHistory] = {}
        self.rules = RuleStore()
        self.member_events: list[tuple[int, str, str, str, bytes]] = []
        """Index, signer, type, member and data of every member event: the registry is what they make of it."""
        self.requests: dict[str, RequestHistory] = {}
        self.references: dict[str, dict[str, Timeline[Said]]] = {kind: {} for kind in _REFERENCE_KINDS}
        self.by_member: dict[str, list[str]] = {}
        """Achievements of a member."""
        self.demand_for: dict[str, dict[str, None]] = {}
        """Demand statements by the occupation that they have ever named."""
        self.requests_of: dict[str, list[str]] = {}
        self.unreadable: set[str] = set()
        """Recognitions that were accepted and that the core cannot evaluate."""
        self.changes = 0
        """Grows whenever an answer may have changed that is not bound to an older position."""
        self._settled = 0
        self._rows: dict[int, tuple[int, tuple[Rule, ...]]] = {}
        self._moved = asyncio.Event()

    @property
    def recognitions(self) -> Recognitions:
        """Every recognition with its recorded states."""
        return Recognitions(self.rules)

    @property
    def by_leaf(self) -> Mapping[str, Sequence[str]]:
        """Recognitions by an achievement that their expression has ever named."""
        return self.rules.view("leaf")

    @property
    def by_outcome(self) -> Mapping[str, Sequence[str]]:
        """Recognitions by an achievement that their outcome has ever named."""
        return self.rules.view("outcome")

    @property
    def by_receiver(self) -> Mapping[str, Sequence[str]]:
        """Recognitions by their receiver."""
        return self.rules.view("receiver")

    @property
    def superseding(self) -> Mapping[str, Sequence[str]]:
        """Recognitions by one that they have ever said to supersede."""
        return self.rules.view("older")

    # Taking the log in

    def apply(self, events: Sequence[PublicEvent]) -> None:
        """Take in a page of events, in log order. Raises Fatal ``ledger-diverged`` or ``registry-invalid``."""
        for event in events:
            if event.index < self.applied:
                raise Fatal("ledger-diverged", "An event comes twice or out of order.", where=f"index {event.index}")
            found = EVENT_TYPES.get(event.type)
            if found is not None:
                self.apply_data(event, found, orjson.loads(event.body)["data"])
            self.applied = event.index + 1

    def settle(self, head: Head, instants: Iterable[Instant] = ()) -> None:
        """Everything below the head is applied: answer from there, and wake those who wait for it."""
        if head.size < self.position.size:
            raise Fatal(
                "ledger-diverged",
                "The ledger's log is shorter than the one that was read before.",
                where=f"size {head.size} after {self.position.size}",
            )
        self.clockwork.extend(instants)
        self.applied = max(self.applied, head.size)
        grown = head.size > self.position.size
        self.position = Position(head.size, head.accepted_at, head.floor)
        if self.changes != self._settled:
            # What was applied is seen from now on only.
            self.changes += 1
            self._settled = self.changes
        if grown:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    @property
    def moved(self) -> asyncio.Event:
        """Set when the position next grows."""
        return self._moved

    def apply_data(self, event: PublicEvent, known: EventType, data: dict[str, Any]) -> None:
        """Take in one event by its data; its body is not read."""
        self.changes += 1
        kind = known.kind
        family, _, step = known.name.partition(".")
        if family == "member":
            self._apply_member(event, data)
        elif kind == "achievement":
            self._apply_achievement(event, step, data)
        elif kind == "articulation":
            self._apply_request(event, step, data)
        elif kind == "recognition":
            self._apply_recognition(event, step, data)
        elif kind in self.references:
            said = Said(event.type, event.member, as_bytes(data))
            self.references[kind].setdefault(event.subject, Timeline()).add(event.index, said)
            if kind == "demand":
                self._map_demand(event, data)

    def _apply_member(self, event: PublicEvent, data: Mapping[str, Any]) -> None:
        try:
            apply_member(self.registry, event.index, event.type, data)
        except Refused as error:
            raise Fatal("registry-invalid", error.what, where=f"index {event.index}") from None
        self.member_events.append((event.index, event.member, event.type, event.subject, as_bytes(data)))
        record = self.registry.members[event.subject]
        line = self.standings.setdefault(event.subject, Timeline())
        line.add(event.index, Standing(record.status, record.roles))

    def _apply_achievement(self, event: PublicEvent, step: str, data: dict[str, Any]) -> None:
        history = self._achievement(event.subject)
        said = Said(event.type, event.member, as_bytes(data))
        if step in {"achievement-published", "achievement-revised"}:
            version = achievement_version(said, data, event.subject)
            if not len(history.versions):
                self.by_member.setdefault(history.owner, []).append(event.subject)
            history.versions.add(event.index, version)
            self.words.add(event.subject, version.words)
        elif step == "achievement-retired":
            history.retired.add(event.index, said)
        elif step == "achievement-endorsed":
            history.endorsements.add(event.index, said)
        else:
            history.outcomes.add(event.index, said)

    def _map_demand(self, event: PublicEvent, data: Mapping[str, Any]) -> None:
        if "achievement" in data:
            self._achievement(data["achievement"]).demand.add(event.index, event.subject)
        if "occupation" in data:
            self.demand_for.setdefault(data["occupation"], {})[event.subject] = None

    def _apply_request(self, event: PublicEvent, step: str, data: Mapping[str, Any]) -> None:
        if step == "requested":
            day = as_datetime(event.accepted_at).date()
            self.add_request(RequestHistory(event.subject, data["achievement"], data["receiver"], event.index, day))
        self._request_state(event.subject, event.index, _REQUEST_STATES[step])

    def add_request(self, made: RequestHistory) -> None:
        """List a request under its achievement."""
        self.requests[made.id] = made
        self.requests_of.setdefault(made.achievement, []).append(made.id)

    def _request_state(self, request: str, index: int, state: str) -> None:
        history = self.requests.get(request)
        if history is not None:
            history.states.add(index, state)

    def _apply_recognition(self, event: PublicEvent, step: str, data: Mapping[str, Any]) -> None:
        answered = data.get("request")
        if answered is not None:
            self._request_state(str(answered), event.index, "answered")
        if step in _RULING:
            self.rules.put(event.subject, event.index, data)
        elif step == "ended":
            self.rules.end(event.subject, event.index, data["effective_on"])

    def _achievement(self, achievement: str) -> AchievementHistory:
        found = self.achievements.get(achievement)
        if found is None:
            found = self.achievements[achievement] = AchievementHistory(achievement)
        return found

    # Reading it

    def achievement(self, achievement: str, size: int) -> AchievementHistory | None:
        """The achievement, where a log of ``size`` entries holds it."""
        found = self.achievements.get(achievement)
        return found if found is not None and found.versions.at(size) is not None else None

    def member_known(self, member: str, size: int) -> bool:
        """Whether the member was admitted in a log of ``size`` entries."""
        line = self.standings.get(member)
        return line is not None and line.at(size) is not None

    def jurisdictions(self, member: str) -> tuple[str, ...]:
        """Where a member is; empty for an unknown one."""
        record = self.registry.members.get(member)
        return () if record is None else record.jurisdictions

    def kind(self, member: str) -> str:
        """A member's kind; empty for an unknown one."""
        record = self.registry.members.get(member)
        return "" if record is None else record.kind

    def names(self, member: str) -> dict[str, str]:
        """A member's names by language; empty for an unknown one."""
        record = self.registry.members.get(member)
        return {} if record is None else record.names

    def rows(self, recognition: str) -> tuple[Rule, ...]:
        """All recorded states of a recognition; empty where the core cannot evaluate one of them."""
        rule = self.rules.number(recognition)
        return self._rows_of(rule) if rule >= 0 else ()

    def _rows_of(self, rule: int) -> tuple[Rule, ...]:
        latest = self.rules.latest(rule)
        cached = self._rows.pop(rule, None)
        if cached is None or cached[0] != latest:
            cached = (latest, self._read(rule))
        self._rows[rule] = cached
        if len(self._rows) > MAX_CACHED_RULES:
            del self._rows[next(iter(self._rows))]
        return cached[1]

    def _read(self, rule: int) -> tuple[Rule, ...]:
        try:
            return self.rules.rows_of(rule)
        except FormatError as error:
            recognition = self.rules.id(rule)
            if recognition not in self.unreadable:
                self.unreadable.add(recognition)
                _LOG.warning("a recognition cannot be evaluated", recognition=recognition, code=error.code)
            return ()

    def rules_naming(self, achievement: str, receiver: str | None = None) -> list[Rule]:
        """The rows of the recognitions that name an achievement, and of those that supersede them.

        A rule supersedes rules of its own receiver only, so that one receiver's rows are whole by themselves.
        """
        return self._with_superseding(self.rules.numbers_naming(achievement, receiver))

    def with_superseding(self, recognitions: Iterable[str]) -> list[Rule]:
        """The rows of these recognitions and of those that supersede them."""
        numbers = map(self.rules.number, recognitions)
        return self._with_superseding(number for number in numbers if number >= 0)

    def _with_superseding(self, rules: Iterable[int]) -> list[Rule]:
        found: dict[int, None] = {}
        for rule in rules:
            found[rule] = None
            for newer in self.rules.numbers_superseding(rule):
                found[newer] = None
        return [row for rule in found for row in self._rows_of(rule)]

    def request_rows(self, achievement: str) -> list[Request]:
        """All recorded states of the articulation requests about an achievement."""
        return [row for name in self.requests_of.get(achievement, ()) for row in self.requests[name].rows()]

    def reference(self, kind: str, name: str, size: int) -> tuple[int, Said] | None:
        """Index and event of the latest record of a framework, scale, policy, organisation, delegation or demand."""
        line = self.references[kind].get(name)
        return None if line is None else line.at(size)

    def references_of(self, kind: str, size: int) -> Iterator[tuple[str, Said]]:
        """Every record of a kind in a log of ``size`` entries."""
        for name, line in self.references[kind].items():
            found = line.at(size)
            if found is not None:
                yield name, found[1]

    def signing_key(self, now_ms: int) -> Callable[[str], tuple[str, bytes] | None]:
        """A look-up of keys that identify a caller now: key id to member and public key."""

        def find(key: str) -> tuple[str, bytes] | None:
            found = self.registry.key_for(key)
            if found is None:
                return None
            member, record = found
            verdict = self.registry.key_valid(member, key, now_ms, "member", 1)
            return (member, record.public_key) if verdict is KeyVerdict.VALID else None

        return find


assert {row.kind for row in BY_NAME.values() if row.visibility == "public"} == {
    "achievement", "recognition", "articulation", "member", *_REFERENCE_KINDS
}  # fmt: skip
