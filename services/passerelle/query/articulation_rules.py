"""The index as the agencies' questions read it: the one place that knows how rules and requests are kept there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from passerelle.core.expressions import leaves_of
from passerelle.core.rules import Rule, Window, outcome_achievements, windows
from passerelle.query.index import Index
from passerelle.query.records import RequestHistory


def rule_ids_of(index: Index, receiver: str) -> Sequence[str]:
    """Ids of the rules of a receiver, in the order in which they were first stated."""
    return index.by_receiver.get(receiver, ())


def windows_of(index: Index, ids: Iterable[str], known_at: int) -> list[Window]:
    """These rules as recorded at a log index, with the dates that are left to them."""
    wanted = dict.fromkeys(ids)
    return [window for window in windows(index.with_superseding(wanted), known_at) if window.rule.id in wanted]


def windows_naming(index: Index, achievement: str, known_at: int) -> list[Window]:
    """The rules whose sending expression names an achievement."""
    found = windows(index.with_superseding(index.by_leaf.get(achievement, ())), known_at)
    return [window for window in found if achievement in sent(window.rule)]


def rows_naming(index: Index, achievement: str) -> list[Rule]:
    """All recorded states of the rules that name an achievement, and of those that supersede them."""
    return index.with_superseding(index.by_leaf.get(achievement, ()))


def achievements_of(index: Index, member: str) -> Sequence[str]:
    """Ids of a member's achievements."""
    return index.by_member.get(member, ())


def all_requests(index: Index) -> Iterable[RequestHistory]:
    """Every articulation request."""
    return index.requests.values()


def request_of(index: Index, request: str) -> RequestHistory | None:
    """One articulation request."""
    return index.requests.get(request)


def replaced_by(index: Index, achievement: str, size: int) -> tuple[int, str, str] | None:
    """Index, date and successor of a retired achievement; the successor is empty where none was named."""
    history = index.achievements.get(achievement)
    found = None if history is None else history.retired.at(size)
    if found is None:
        return None
    data = found[1].data
    return found[0], str(data["effective_on"]), str(data.get("replaced_by") or "")


def sent(rule: Rule) -> set[str]:
    """The achievements that a rule's sending expression names."""
    return {leaf.achievement for leaf in leaves_of(rule.sending)}


def received(rule: Rule) -> set[str]:
    """The receiver's achievements that a rule's outcome names."""
    return set(outcome_achievements(rule.outcome))


def sends(rule: Rule, sender: str) -> bool:
    """Whether a rule names an achievement of the sender; an empty sender is anybody."""
    return not sender or any(name.partition("/")[0] == sender for name in sent(rule))


def overlap(first: Window, second: Window) -> tuple[dt.date, dt.date | None] | None:
    """The completion dates for which both rules hold; None where there is none."""
    if first.void or second.void:
        return None
    start = max(first.valid_from, second.valid_from)
    ends = [day for day in (first.valid_to, second.valid_to) if day is not None]
    end = min(ends, default=None)
    return None if end is not None and end < start else (start, end)


def in_force(window: Window, day: dt.date) -> bool:
    """Whether a rule holds, or will hold, on a day or after it."""
    return not window.void and (window.valid_to is None or window.valid_to >= day)
