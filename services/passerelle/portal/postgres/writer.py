"""Stores what the feed says: entries, what they change, and the position, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from passerelle.core.errors import Conflict, Fatal
from passerelle.core.merkle import HASH_SIZE
from passerelle.portal.facts import AchievementFact, Fact, FrameworkFact, MemberFact, OrganisationFact, RemarkFact
from passerelle.portal.ports import CheckpointRow, FeedItem, Position
from passerelle.portal.postgres.guard import guarded
from passerelle.runtime.postgres import borrowed, transaction

HOUR_MS: Final = 3_600_000
Connection = asyncpg.Connection | PoolConnectionProxy
_COLUMNS: Final = (
    "index", "accepted_at", "member", "family", "sequence", "visibility", "code", "type", "subject", "title", "entry",
    "root", "body",
)  # fmt: skip

_MOVE: Final = """
UPDATE progress SET next_index = $3, next_offset = $4, frontier = $5 WHERE next_index = $1 AND next_offset = $2
"""
_VOLUME: Final = """
INSERT INTO volume AS v (hour, family, accepted, refused) VALUES ($1, $2, $3, $4)
ON CONFLICT (hour, family) DO UPDATE SET accepted = v.accepted + $3, refused = v.refused + $4
"""
_ACHIEVEMENT: Final = """
INSERT INTO achievement AS a (
    id, member, version, kind, code, title, language, credit_bearing, modes, intake, hours, cost, frameworks,
    competencies, first_index, index, data, words, search_en, search_fr)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::numeric, $12::text::numeric, $13, $14, $15, $15, $16,
    lower(unaccent($17)),
    setweight(to_tsvector('portal_en', $17), 'A') || setweight(to_tsvector('portal_en', $18), 'B')
        || setweight(to_tsvector('portal_en', issuer), 'C') || setweight(to_tsvector('portal_en', $19), 'D'),
    setweight(to_tsvector('portal_fr', $17), 'A') || setweight(to_tsvector('portal_fr', $18), 'B')
        || setweight(to_tsvector('portal_fr', issuer), 'C') || setweight(to_tsvector('portal_fr', $19), 'D')
FROM (SELECT $2 || ' ' || coalesce((SELECT string_agg(n.value, ' ') FROM member m, jsonb_each_text(m.names) n
                                    WHERE m.id = $2), '') AS issuer) AS issuers
ON CONFLICT (id) DO UPDATE SET
    version = EXCLUDED.version, kind = EXCLUDED.kind, code = EXCLUDED.code, title = EXCLUDED.title,
    language = EXCLUDED.language, credit_bearing = EXCLUDED.credit_bearing, modes = EXCLUDED.modes,
    intake = EXCLUDED.intake, hours = EXCLUDED.hours, cost = EXCLUDED.cost, frameworks = EXCLUDED.frameworks,
    competencies = EXCLUDED.competencies, index = EXCLUDED.index, data = EXCLUDED.data, words = EXCLUDED.words,
    search_en = EXCLUDED.search_en, search_fr = EXCLUDED.search_fr
"""
_REMARK: Final = """
INSERT INTO remark (index, achievement, member, event, data) VALUES ($1, $2, $3, $4, $5)
"""
_ADMIT: Final = """
INSERT INTO member (id, kind, names, jurisdictions, roles, status, details, admitted_index, changed_index)
VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $7)
ON CONFLICT (id) DO NOTHING
"""
_KEY: Final = """
INSERT INTO member_key (key_id, member, public_key, use, added_index) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key_id) DO NOTHING
"""
_ORGANISATION: Final = """
INSERT INTO organisation (id, names, kind, jurisdictions, index) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET names = $2, kind = $3, jurisdictions = $4, index = $5
"""
_FRAMEWORK: Final = """
INSERT INTO framework (id, title, language, translations, kind, recognised, index) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET title = $2, language = $3, translations = $4, kind = $5, recognised = $6, index = $7
"""
_CHECKPOINT: Final = """
INSERT INTO checkpoint (size, root, note, checked_at, agrees) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (size) DO UPDATE SET checked_at = $4, agrees = checkpoint.agrees AND $5
"""
# Old ones say no more than the latest does; one that disagreed is evidence and stays.
_FORGET: Final = """
DELETE FROM checkpoint WHERE agrees AND size < $1
    AND size < (SELECT min(size) FROM (SELECT size FROM checkpoint ORDER BY size DESC LIMIT 100) AS kept)
"""


class Writer:
    """The one writer of a portal's database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def position(self) -> Position:
        """Where the portal stands. Raises Unavailable."""
        with guarded():
            async with borrowed(self._pool) as connection:
                row = await connection.fetchrow("SELECT next_index, next_offset, frontier FROM progress")
        if row is None:
            raise Fatal("database-schema", "the portal's position row is gone", where="progress")
        hashes = row["frontier"]
        peaks = tuple(hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
        return Position(row["next_index"], row["next_offset"], peaks)

    async def commit(self, before: Position, after: Position, items: Sequence[FeedItem], facts: Sequence[Fact]) -> None:
        """Store entries, their changes and the position together or not at all.

        Raises Conflict ``head-moved`` where another process moved the position, Unavailable otherwise.
        """
        with guarded():
            async with borrowed(self._pool) as connection, transaction(connection):
                moved = await connection.execute(
                    _MOVE,
                    before.next_index,
                    before.next_offset,
                    after.next_index,
                    after.next_offset,
                    b"".join(after.frontier),
                )
                if moved != "UPDATE 1":
                    raise Conflict("head-moved", "another process moved the portal's position", where="progress")
                rows = [tuple(getattr(item, name) for name in _COLUMNS) for item in items]
                await connection.copy_records_to_table("feed", records=rows, columns=list(_COLUMNS))
                await connection.executemany(_VOLUME, _volume(items))
                for fact in facts:
                    await _apply(connection, fact)

    async def save_checkpoint(self, row: CheckpointRow) -> None:
        """Keep what a comparison with a checkpoint gave; one that disagreed once stays so. Raises Unavailable."""
        with guarded():
            async with borrowed(self._pool) as connection, transaction(connection):
                await connection.execute(_CHECKPOINT, row.size, row.root, row.note, row.checked_at, row.agrees)
                await connection.execute(_FORGET, row.size)


def _volume(items: Sequence[FeedItem]) -> list[tuple[int, str, int, int]]:
    accepted: Counter[tuple[int, str]] = Counter()
    refused: Counter[tuple[int, str]] = Counter()
    for item in items:
        counter = accepted if item.code is None else refused
        counter[item.accepted_at - item.accepted_at % HOUR_MS, item.family] += 1
    return [(*key, accepted[key], refused[key]) for key in sorted({*accepted, *refused})]


async def _apply(connection: Connection, fact: Fact) -> None:
    match fact:
        case AchievementFact():
            await _achievement(connection, fact)
        case RemarkFact():
            await connection.execute(_REMARK, fact.index, fact.achievement, fact.member, fact.event, fact.data)
            if fact.event == "retired":
                await connection.execute("UPDATE achievement SET retired = true WHERE id = $1", fact.achievement)
        case MemberFact():
            await _member(connection, fact)
        case OrganisationFact():
            data = fact.data
            await connection.execute(
                _ORGANISATION, fact.id, data["names"], data["kind"], data["jurisdictions"], fact.index
            )
        case FrameworkFact():
            data = fact.data
            await connection.execute(
                _FRAMEWORK,
                data["framework"],
                data["title"],
                data["language"],
                data.get("translations", {}),
                data["kind"],
                data["recognised"],
                fact.index,
            )


async def _achievement(connection: Connection, fact: AchievementFact) -> None:
    data = fact.data
    await connection.execute(
        _ACHIEVEMENT,
        fact.id,
        fact.member,
        data["version"],
        data["kind"],
        data.get("code"),
        data["title"],
        data["language"],
        data["credit_bearing"],
        list(fact.modes),
        (data.get("delivery") or {}).get("intake"),
        fact.hours,
        fact.cost,
        list(fact.frameworks),
        list(fact.competencies),
        fact.index,
        data,
        fact.names,
        fact.skills,
        fact.text,
    )


async def _member(connection: Connection, fact: MemberFact) -> None:
    data, member = fact.data, fact.member
    if fact.event == "admitted":
        kept = {name: data[name] for name in ("authority", "parent", "relation", "log_vkey", "sample") if name in data}
        await connection.execute(
            _ADMIT, member, data["kind"], data["names"], data["jurisdictions"], data["roles"], kept, fact.index
        )
        await _add_keys(connection, fact, "keys")
        return
    if fact.event == "keys-changed":
        await _add_keys(connection, fact, "add")
        for removal in data.get("remove", ()):
            await connection.execute(
                "UPDATE member_key SET removed_index = $2 WHERE key_id = $1 AND member = $3",
                removal["key_id"],
                fact.index,
                member,
            )
    elif fact.event == "roles-changed":
        # Roles stated anew end a suspension; a removal is final.
        await connection.execute(
            "UPDATE member SET roles = $2, status = 'active' WHERE id = $1 AND status <> 'removed'",
            member,
            data["roles"],
        )
    else:
        await connection.execute("UPDATE member SET status = $2 WHERE id = $1", member, fact.event)
    await connection.execute("UPDATE member SET changed_index = $2 WHERE id = $1", member, fact.index)


async def _add_keys(connection: Connection, fact: MemberFact, name: str) -> None:
    rows = [
        (key["key_id"], fact.member, bytes.fromhex(key["public_key"]), key["use"], fact.index)
        for key in fact.data.get(name, ())
    ]
    if rows:
        await connection.executemany(_KEY, rows)
