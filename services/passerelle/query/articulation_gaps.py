"""What an agency looks for among the rules: precedents, contradictions, rules without their return, orphans, endings,
coverage.

Lists go through the rules of one receiver, a bounded number a page, so that a call takes as long for a large receiver
as for a small one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from passerelle.api.equivalency.v1 import articulation_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.core.errors import FormatError
from passerelle.core.expressions import Leaf
from passerelle.core.rules import Rule, Window, lookup
from passerelle.query import articulation_rules as book
from passerelle.query import messages
from passerelle.query.equivalency import VERDICTS, Equivalency, must_achievement, must_member
from passerelle.query.index import Index
from passerelle.query.moments import Moment, date_or, moment_at, resolve, wait_for_size
from passerelle.query.pages import Page, invalid_token, numbers, open_page

SCANNED: Final = 1_000
"""Rules that a page of a list looks at."""
AT_ONCE: Final = 50
"""Rules or achievements that are looked at without leaving the loop: a few milliseconds."""
WITHIN_DAYS: Final = 180
MAX_WITHIN: Final = 36_500
MAX_LISTED: Final = 1_000
MAX_CHAIN: Final = 8
"""Renumberings followed backwards."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """One page over a receiver's rules."""

    moment: Moment
    day: dt.date
    ids: tuple[str, ...]
    token: str


class Gaps:
    """Answers of ArticulationService about rules. ``wait_s`` is how long a call may wait."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._equivalency = Equivalency(index)
        # The rules of the receiver that was asked about last: the pages of one list follow each other.
        self._listed: tuple[str, int, tuple[str, ...]] = ("", 0, ())

    async def precedents(self, request: pb.ListPrecedentsRequest, wait_s: float) -> pb.ListPrecedentsResponse:
        """How other receivers decided on an achievement, and on those that it replaces. They bind nobody."""
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        must_member(self._index, request.receiver, moment.size, "receiver")
        day = date_or(request.valid_on, moment.date, "valid_on")
        titles = messages.Titles(self._index, moment.size)
        found = []
        for name in (history.id, *self._predecessors(history.id, moment.size)):
            rows = book.rows_naming(self._index, name)
            for answer in lookup(rows, (), name, None, day, known_at=moment.known_at):
                if answer.rule is None or answer.receiver == request.receiver:
                    continue
                told = self._equivalency._answer(answer, titles)
                through = "" if name == history.id else name
                found.append(pb.ListPrecedentsResponse.Precedent(answer=told, through=through))
        return pb.ListPrecedentsResponse(
            achievement=history.id,
            title=titles.of(history.id),
            precedents=found,
            binding=False,
            position=moment.message(),
        )

    def _predecessors(self, achievement: str, size: int) -> Iterator[str]:
        """Older courses of the same member that this one replaces, the nearest first."""
        member = achievement.partition("/")[0]
        older: dict[str, list[str]] = {}
        for name in book.achievements_of(self._index, member):
            retired = book.replaced_by(self._index, name, size)
            if retired is not None and retired[2]:
                older.setdefault(retired[2], []).append(name)
        level, seen = [achievement], {achievement}
        for _ in range(MAX_CHAIN):
            level = [name for one in level for name in older.get(one, ()) if name not in seen]
            seen.update(level)
            yield from level

    async def contradictions(
        self, request: pb.ListContradictionsRequest, wait_s: float
    ) -> pb.ListContradictionsResponse:
        """Pairs of rules that send the same, hold at the same time and do not agree."""
        scan = await self._scan(request, wait_s)

        titles = messages.Titles(self._index, scan.moment.size)
        found = []
        async for window in self._windows(scan, request.sender):
            for other in self._same_sending(window, scan.moment.known_at):
                both = book.overlap(window, other)
                cause = _cause(window.rule, other.rule)
                if both is None or not cause:
                    continue
                found.append(
                    pb.ListContradictionsResponse.Contradiction(
                        first=messages.rule_message(self._index, window.rule, titles),
                        second=messages.rule_message(self._index, other.rule, titles),
                        cause=cause,
                        from_date=both[0].isoformat(),
                        until_date=messages.date_text(both[1]),
                    )
                )
        return pb.ListContradictionsResponse(
            contradictions=found, next_page_token=scan.token, position=scan.moment.message()
        )

    def _same_sending(self, window: Window, known_at: int) -> Iterator[Window]:
        """Rules of the same receiver with the same expression; of a pair only the later one is found."""
        name = min(book.sent(window.rule))
        for other in book.windows_naming(self._index, name, known_at):
            rule = other.rule
            later = rule.id > window.rule.id and rule.receiver == window.rule.receiver
            if later and rule.sending == window.rule.sending:
                yield other

    async def non_reciprocal(self, request: pb.ListNonReciprocalRequest, wait_s: float) -> pb.ListNonReciprocalResponse:
        """Rules of one course for one course of which the sender states no return."""
        scan = await self._scan(request, wait_s)
        known_at = scan.moment.known_at

        def one_way(window: Window) -> bool:
            pair = _pair(window.rule)
            if pair is None or not window.holds_on(scan.day):
                return False
            back = book.windows_naming(self._index, pair[1], known_at)
            return not any(other.holds_on(scan.day) and _pair(other.rule) == (pair[1], pair[0]) for other in back)

        rules = await self._rules(scan, request.sender, one_way)
        return pb.ListNonReciprocalResponse(rules=rules, next_page_token=scan.token, position=scan.moment.message())

    async def ending(self, request: pb.ListEndingRequest, wait_s: float) -> pb.ListEndingResponse:
        """Rules whose last completion date is near."""
        within = request.within_days or WITHIN_DAYS
        if within > MAX_WITHIN:
            raise FormatError("argument-invalid", f"At most {MAX_WITHIN} days.", where="within_days")
        scan = await self._scan(request, wait_s)
        last = scan.day + dt.timedelta(days=within)

        def near(window: Window) -> bool:
            end = window.valid_to
            return not window.void and end is not None and scan.day <= end <= last

        rules = await self._rules(scan, request.sender, near)
        return pb.ListEndingResponse(rules=rules, next_page_token=scan.token, position=scan.moment.message())

    async def orphans(self, request: pb.ListOrphansRequest, wait_s: float) -> pb.ListOrphansResponse:
        """Rules of which a course changed after they were stated."""
        scan = await self._scan(request, wait_s)

        titles = messages.Titles(self._index, scan.moment.size)
        orphans = [
            orphan
            async for window in self._windows(scan, request.sender)
            if book.in_force(window, scan.day)
            for name in sorted(book.sent(window.rule) | book.received(window.rule))
            for orphan in self._orphan(window, name, scan.moment.size, titles)
        ]
        return pb.ListOrphansResponse(orphans=orphans, next_page_token=scan.token, position=scan.moment.message())

    def _orphan(
        self, window: Window, name: str, size: int, titles: messages.Titles
    ) -> Iterator[pb.ListOrphansResponse.Orphan]:
        rule = window.rule
        retired = book.replaced_by(self._index, name, size)
        history = self._index.achievements.get(name)
        latest = None if history is None else history.versions.at(size)
        told: dict[str, Any] = {}
        if retired is not None:
            # A rule that names the successor too was carried over.
            if retired[2] and retired[2] in book.sent(rule) | book.received(rule):
                return
            cause = "renumbered" if retired[2] else "retired"
            told = {"changed_index": retired[0], "effective_on": retired[1], "replaced_by": retired[2]}
        elif latest is not None and latest[0] > rule.from_index and latest[1].version > 1:
            cause = "revised"
            told = {"changed_index": latest[0]}
        else:
            return
        yield pb.ListOrphansResponse.Orphan(
            rule=messages.rule_message(
                self._index, rule, titles, valid_from=window.valid_from, valid_to=window.valid_to
            ),
            achievement=name,
            title=titles.of(name),
            cause=cause,
            **told,
        )

    async def coverage(self, request: pb.GetCoverageRequest, wait_s: float) -> pb.GetCoverageResponse:
        """How many of the sender's achievements the receiver has answered, by answer."""
        for name in ("sender", "receiver"):
            if not getattr(request, name):
                raise FormatError("argument-missing", f"Name the {name}.", where=name)
        if request.limit > MAX_LISTED:
            raise FormatError("argument-invalid", f"At most {MAX_LISTED} are listed.", where="limit")
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        must_member(self._index, request.sender, moment.size, "sender")
        must_member(self._index, request.receiver, moment.size, "receiver")
        day = date_or(request.valid_on, moment.date, "valid_on")
        limit = request.limit or 100

        counts = dict.fromkeys(VERDICTS, 0)
        never, total = list[str](), 0
        for number, name in enumerate(book.achievements_of(self._index, request.sender)):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            history = self._index.achievement(name, moment.size)
            if history is None or history.retired.at(moment.size) is not None:
                continue
            total += 1
            rows, asked = book.rows_naming(self._index, name), self._index.request_rows(name)
            kind = lookup(rows, asked, name, request.receiver, day, known_at=moment.known_at)[0].kind
            counts[kind] += 1
            if kind == "never-evaluated" and len(never) < limit:
                never.append(name)
        return pb.GetCoverageResponse(
            achievements=total,
            counts=[
                pb.GetCoverageResponse.Count(verdict=VERDICTS[kind], achievements=count)
                for kind, count in counts.items()
                if count
            ],
            never_evaluated=never,
            position=moment.message(),
        )

    async def _scan(self, request: Any, wait_s: float) -> _Scan:
        """The state, and the receiver's rules that this page looks at. Later pages keep the state of the first."""
        if not request.receiver:
            raise FormatError("argument-missing", "Name the receiver.", where="receiver")
        page = open_page(request)
        dated = "valid_on" in request.DESCRIPTOR.fields_by_name
        if page.first:
            known_at = request.known_at if request.HasField("known_at") else None
            moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
            day, start = date_or(request.valid_on if dated else "", moment.date, "valid_on"), 0
        else:
            moment, day, start = await self._continued(page, wait_s)
        must_member(self._index, request.receiver, moment.size, "receiver")
        must_member(self._index, request.sender, moment.size, "sender")
        every = self._rules_of(request.receiver, moment.size)
        scanned = min(page.size, MAX_LISTED) if request.page_size else SCANNED
        end = min(start + scanned, len(every))
        token = page.token(moment.size, day.toordinal(), end) if end < len(every) else ""
        return _Scan(moment, day, tuple(every[start:end]), token)

    async def _continued(self, page: Page, wait_s: float) -> tuple[Moment, dt.date, int]:
        size, ordinal, start = numbers(page, 3)
        await wait_for_size(self._index, size, wait_s)
        try:
            return moment_at(self._index, size), dt.date.fromordinal(ordinal), start
        except (ValueError, OverflowError):
            raise invalid_token() from None

    def _rules_of(self, receiver: str, size: int) -> tuple[str, ...]:
        if self._listed[:2] != (receiver, size):
            self._listed = (receiver, size, tuple(book.rule_ids_of(self._index, receiver)))
        return self._listed[2]

    async def _windows(self, scan: _Scan, sender: str) -> AsyncIterator[Window]:
        """The scanned rules that send something of the sender, a few at a time: other calls go on between."""
        for first in range(0, len(scan.ids), AT_ONCE):
            await asyncio.sleep(0)
            for window in book.windows_of(self._index, scan.ids[first : first + AT_ONCE], scan.moment.known_at):
                if book.sends(window.rule, sender):
                    yield window

    async def _rules(self, scan: _Scan, sender: str, wanted: Callable[[Window], bool]) -> list[equivalency_pb2.Rule]:
        """The scanned rules that are wanted, with the dates left to them."""
        titles = messages.Titles(self._index, scan.moment.size)
        return [
            messages.rule_message(
                self._index, window.rule, titles, valid_from=window.valid_from, valid_to=window.valid_to
            )
            async for window in self._windows(scan, sender)
            if wanted(window)
        ]


def _cause(first: Rule, second: Rule) -> str:
    """How two rules with one sending expression contradict each other; empty where they do not."""
    if (first.outcome is None) != (second.outcome is None):
        return "credit-and-no-credit"
    if first.outcome is None or second.outcome is None or first.outcome == second.outcome:
        return ""
    # Two kinds of thing may be granted together: credit by one rule and admission by another.
    alike = _credit(first) and _credit(second)
    joined = any(
        one.supersedes is not None and one.supersedes.recognition == other.id for one, other in _both(first, second)
    )
    return "different-credit" if alike and not joined else ""


def _both(first: Rule, second: Rule) -> tuple[tuple[Rule, Rule], tuple[Rule, Rule]]:
    return (first, second), (second, first)


def _credit(rule: Rule) -> bool:
    outcome = rule.outcome or {}
    return outcome.get("type") in {"assigned", "unassigned", "sum", "choice"}


def _pair(rule: Rule) -> tuple[str, str] | None:
    """Sending and receiving course of a rule of one course for one course."""
    outcome = rule.outcome or {}
    if outcome.get("type") != "assigned" or not isinstance(rule.sending, Leaf):
        return None
    return rule.sending.achievement, str(outcome["achievement"])
