"""Search over achievements in memory: words find candidates, the version known at the position decides."""

from __future__ import annotations

import asyncio
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.query.index import Index
from passerelle.query.records import AchievementHistory, AchievementVersion
from passerelle.query.words import MAX_QUERY_WORDS, split

_URN: Final = "urn:passerelle:member:"
AT_ONCE: Final = 1_000
"""Achievements that are tested without leaving the loop: about two milliseconds."""


async def found_achievements(index: Index, request: pb.SearchRequest, size: int) -> list[str]:
    """The ids of all achievements that match, best first, then by id. Raises FormatError ``argument-invalid``."""
    asked = split(request.words)
    if len(asked) > MAX_QUERY_WORDS:
        raise FormatError("argument-invalid", f"At most {MAX_QUERY_WORDS} words are searched.", where="words")
    if request.words.strip() and not asked:
        raise FormatError("argument-invalid", "The words hold no letter or digit.", where="words")
    histories = [index.achievements[name] for name in _candidates(index, asked)]
    if len(histories) <= AT_ONCE:
        return _matching(index, histories, asked, request, size)
    # Nothing below the position changes, so that many can be tested beside the loop that answers other calls.
    return await asyncio.to_thread(_matching, index, histories, asked, request, size)


def _matching(
    index: Index, histories: list[AchievementHistory], asked: list[str], request: pb.SearchRequest, size: int
) -> list[str]:
    found: list[tuple[int, str]] = []
    for history in histories:
        at = history.versions.at(size)
        if at is None or not _fits(index, history, at[1], request):
            continue
        score = at[1].words.score(asked) if asked else 1
        if score:
            found.append((-score - 8 * (history.id == request.words.strip()), history.id))
    return [name for _, name in sorted(found)]


def _candidates(index: Index, asked: list[str]) -> set[str]:
    """Achievements that may match: those that hold every word in some version."""
    if not asked:
        return set(index.achievements)
    found: set[str] | None = None
    for word in sorted(asked, key=len, reverse=True):
        holders = index.words.holders(word)
        found = holders if found is None else found & holders
        if not found:
            break
    return found or set()


def _fits(index: Index, history: AchievementHistory, version: AchievementVersion, request: pb.SearchRequest) -> bool:
    owner = history.owner
    return (
        (not request.member or request.member == owner or _URN + request.member in version.bodies)
        and (not request.kind or request.kind == version.kind)
        and (not request.jurisdiction or request.jurisdiction in index.jurisdictions(owner))
        and (not request.delivery_mode or request.delivery_mode in version.modes)
        and (not request.framework or request.framework in version.frameworks)
        and (not request.occupation or request.occupation in version.occupations)
    )
