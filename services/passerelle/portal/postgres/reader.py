"""Reads for pages and feeds: entries, members, achievements, volume, checkpoints."""

# Statements are put together from the constants of this package alone; every value travels as an argument.
# ruff: noqa: S608

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from passerelle.events.statistics import StatisticsRecord
from passerelle.portal.ports import (
    AchievementRow,
    CheckpointRow,
    Counts,
    FeedItem,
    KeyRow,
    MemberRow,
    RemarkRow,
    Search,
    SearchResult,
    VolumeRow,
)
from passerelle.portal.postgres import catalogue, statistics
from passerelle.portal.postgres.guard import guarded
from passerelle.runtime.postgres import borrowed

MAX_ITEMS: Final = 500
_FEED: Final = (
    "SELECT index, accepted_at, member, family, sequence, visibility, code, type, subject, title, entry, root, body"
    " FROM feed"
)
# For people: an entry about an achievement shows its title, also where the event itself does not state it.
_TITLED: Final = _FEED.replace(
    " title,",
    " coalesce(title, (SELECT a.title FROM achievement a WHERE a.id = feed.subject"
    " AND feed.type LIKE 'ca.passerelle.credential.achievement-%')) AS title,",
)
_MEMBER: Final = """
SELECT m.id, m.kind, m.names, m.jurisdictions, m.roles, m.status, m.details, m.admitted_index, m.changed_index,
    (SELECT count(*) FROM achievement a WHERE a.member = m.id AND NOT a.retired) AS achievements
FROM member m
"""
_COUNTS: Final = """
SELECT (SELECT next_index FROM progress) AS entries,
    (SELECT coalesce(sum(refused), 0)::bigint FROM volume) AS refused,
    (SELECT count(*) FROM member WHERE status = 'active' AND kind <> 'operator') AS members,
    (SELECT count(*) FROM achievement WHERE NOT retired) AS achievements,
    (SELECT count(DISTINCT j) FROM member m, unnest(m.jurisdictions) j
        WHERE m.status = 'active' AND j LIKE 'CA-%') AS jurisdictions
"""


class Reader:
    """Read access for the pages and the feeds. Every method raises Unavailable ``database-unavailable``."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def _fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        with guarded():
            async with borrowed(self._pool) as connection:
                rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        return rows

    async def head(self) -> int:
        """Number of entries held."""
        rows = await self._fetch("SELECT next_index FROM progress")
        return int(rows[0][0])

    async def items(self, first: int, limit: int) -> list[FeedItem]:
        """Entries from index ``first`` on, in order, at most ``limit`` (bounded by :data:`MAX_ITEMS`)."""
        rows = await self._fetch(f"{_FEED} WHERE index >= $1 ORDER BY index LIMIT $2", first, min(limit, MAX_ITEMS))
        return [FeedItem(**row) for row in rows]

    async def latest(
        self, before: int, limit: int, *, member: str | None = None, public: bool = False
    ) -> list[FeedItem]:
        """Entries below ``before``, newest first; of one member where named, public and accepted ones where asked."""
        chosen = " AND member = $3" if member is not None else ""
        chosen += " AND type IS NOT NULL" if public else ""
        arguments = [before, min(limit, MAX_ITEMS), *([] if member is None else [member])]
        rows = await self._fetch(f"{_TITLED} WHERE index < $1{chosen} ORDER BY index DESC LIMIT $2", *arguments)
        return [FeedItem(**row) for row in rows]

    async def item(self, index: int) -> FeedItem | None:
        """One entry."""
        rows = await self._fetch(f"{_FEED} WHERE index = $1", index)
        return FeedItem(**rows[0]) if rows else None

    async def root(self, size: int) -> bytes | None:
        """Root of the tree of the first ``size`` entries as computed here; None where that many are not held."""
        rows = await self._fetch("SELECT root FROM feed WHERE index = $1", size - 1)
        return bytes(rows[0][0]) if rows else None

    async def volume(self, since: int) -> list[VolumeRow]:
        """Entries by hour and family from the hour ``since`` (Unix ms) on, in order."""
        rows = await self._fetch(
            "SELECT hour, family, accepted, refused FROM volume WHERE hour >= $1 ORDER BY hour, family", since
        )
        return [VolumeRow(**row) for row in rows]

    async def counts(self) -> Counts:
        """Totals; jurisdictions are the provinces and territories with an active member."""
        rows = await self._fetch(_COUNTS)
        return Counts(**rows[0])

    async def members(self) -> list[MemberRow]:
        """All members, in order of id."""
        rows = await self._fetch(f"{_MEMBER} ORDER BY m.id")
        return [MemberRow(**row) for row in rows]

    async def member(self, identifier: str) -> MemberRow | None:
        """One member."""
        rows = await self._fetch(f"{_MEMBER} WHERE m.id = $1", identifier)
        return MemberRow(**rows[0]) if rows else None

    async def keys(self, member: str) -> list[KeyRow]:
        """A member's keys, in order of listing."""
        rows = await self._fetch(
            "SELECT key_id, member, public_key, use, added_index, removed_index FROM member_key"
            " WHERE member = $1 ORDER BY added_index, key_id",
            member,
        )
        return [KeyRow(**row) for row in rows]

    async def key(self, key_id: str) -> KeyRow | None:
        """One key by its id."""
        rows = await self._fetch(
            "SELECT key_id, member, public_key, use, added_index, removed_index FROM member_key WHERE key_id = $1",
            key_id,
        )
        return KeyRow(**rows[0]) if rows else None

    async def names(self, members: Iterable[str], organisations: Iterable[str] = ()) -> dict[str, Mapping[str, str]]:
        """Names by language of members and listed organisations, by their ids."""
        rows = await self._fetch(
            "SELECT id, names FROM member WHERE id = ANY($1) UNION ALL"
            " SELECT id, names FROM organisation WHERE id = ANY($2)",
            sorted(set(members)),
            sorted(set(organisations)),
        )
        return {row["id"]: row["names"] for row in rows}

    async def frameworks(self, identifiers: Iterable[str]) -> dict[str, asyncpg.Record]:
        """Published frameworks by id: title, language, translations, kind, recognised, index."""
        rows = await self._fetch(
            "SELECT id, title, language, translations, kind, recognised, index FROM framework WHERE id = ANY($1)",
            sorted(set(identifiers)),
        )
        return {row["id"]: row for row in rows}

    async def search(self, question: Search) -> SearchResult:
        """Achievements that fit, best first, with the counts of each filter."""
        return await catalogue.search(self._fetch, question)

    async def newest(self, limit: int) -> list[AchievementRow]:
        """The achievements published last."""
        rows = await self._fetch(
            f"SELECT {catalogue.COLUMNS} FROM achievement a WHERE NOT a.retired ORDER BY a.first_index DESC LIMIT $1",
            limit,
        )
        return [AchievementRow(**row) for row in rows]

    async def achievement(self, identifier: str) -> AchievementRow | None:
        """One achievement."""
        rows = await self._fetch(f"SELECT {catalogue.COLUMNS} FROM achievement a WHERE a.id = $1", identifier)
        return AchievementRow(**rows[0]) if rows else None

    async def titles(self, identifiers: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Title and language of achievements by id; absent ones are left out."""
        rows = await self._fetch(
            "SELECT id, title, language FROM achievement WHERE id = ANY($1)", sorted(set(identifiers))
        )
        return {row["id"]: (row["title"], row["language"]) for row in rows}

    async def remarks(self, achievement: str) -> list[RemarkRow]:
        """What was published about an achievement, in ledger order, at most 200."""
        rows = await self._fetch(
            "SELECT index, achievement, member, event, data FROM remark"
            " WHERE achievement = $1 ORDER BY index LIMIT 200",
            achievement,
        )
        return [RemarkRow(**row) for row in rows]

    async def checkpoint(self) -> CheckpointRow | None:
        """The largest checkpoint that was compared; one that disagreed comes before all others."""
        rows = await self._fetch(
            "SELECT size, root, note, checked_at, agrees FROM checkpoint ORDER BY agrees, size DESC LIMIT 1"
        )
        return CheckpointRow(**rows[0]) if rows else None

    async def statistics(
        self, measure: str = "", window: str = "", start: dt.date | None = None, limit: int = statistics.MAX_RECORDS
    ) -> list[StatisticsRecord]:
        """Statistics, newest window first; empty values ask for all."""
        return await statistics.find(self._fetch, measure, window, start, limit)

    async def owners(self) -> Sequence[str]:
        """Members that offer an achievement, in order."""
        rows = await self._fetch("SELECT DISTINCT member FROM achievement ORDER BY member")
        return [row[0] for row in rows]
