"""Search of achievements: full text in English and French without accents, similar spellings, and filter counts."""

# Statements are put together from the constants of this package alone; every value travels as an argument.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import asyncpg

from passerelle.portal.ports import AchievementRow, Facet, Search, SearchResult

PAGE: Final = 20
MAX_PAGE: Final = 500
MAX_WORDS: Final = 200
COLUMNS: Final = "a.id, a.member, a.version, a.kind, a.title, a.language, a.retired, a.index, a.first_index, a.data"
HOURS: Final = {
    "to-10": "a.hours <= 10",
    "10-40": "a.hours > 10 AND a.hours <= 40",
    "40-120": "a.hours > 40 AND a.hours <= 120",
    "over-120": "a.hours > 120",
    "unstated": "a.hours IS NULL",
}
COST: Final = {
    "free": "a.cost = 0",
    "to-250": "a.cost > 0 AND a.cost <= 250",
    "250-1000": "a.cost > 250 AND a.cost <= 1000",
    "over-1000": "a.cost > 1000",
    "unstated": "a.cost IS NULL",
}
CREDIT: Final = {"yes": "a.credit_bearing", "no": "NOT a.credit_bearing"}
# A word that is spelt nearly as one of the title; 0.5 keeps short words from matching everything.
_SIMILAR: Final = 0.5

Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]


class _Where:
    """Conditions with their numbered arguments; each may be left out by name, for the counts of its own filter."""

    def __init__(self) -> None:
        self.arguments: list[Any] = []
        self._parts: dict[str, str] = {"live": "NOT a.retired"}

    def add(self, name: str, sql: str, *values: Any) -> None:
        """Add a condition; each ``?`` in it takes the next value."""
        for value in values:
            self.arguments.append(value)
            sql = sql.replace("?", f"${len(self.arguments)}", 1)
        self._parts[name] = sql

    def text(self, without: str = "") -> str:
        """The WHERE clause. PostgreSQL must be able to tell the type of an argument that is left out."""
        parts = [f"({sql})" for name, sql in self._parts.items() if name != without]
        if without in self._parts:
            parts.append(f"(true OR {self._parts[without]})")
        return " AND ".join(parts)


_WORDS: Final = (
    "a.search_en @@ websearch_to_tsquery('portal_en', ?) OR a.search_fr @@ websearch_to_tsquery('portal_fr', ?)"
)
_RANK: Final = (
    "greatest(ts_rank(a.search_en, websearch_to_tsquery('portal_en', {n})),"
    " ts_rank(a.search_fr, websearch_to_tsquery('portal_fr', {n}))) DESC, a.first_index DESC"
)
_CLOSE: Final = f"strict_word_similarity(lower(unaccent(?)), a.words) >= {_SIMILAR}"
_CLOSENESS: Final = "strict_word_similarity(lower(unaccent({n})), a.words) DESC, a.first_index DESC"

_COUNTS: Final = {
    "delivery": "SELECT m AS v, count(*) AS n FROM achievement a, unnest(a.modes) m WHERE {w} GROUP BY m",
    "framework": "SELECT f AS v, count(*) AS n FROM achievement a, unnest(a.frameworks) f WHERE {w} GROUP BY f",
    "competency": "SELECT c AS v, count(*) AS n FROM achievement a, unnest(a.competencies) c WHERE {w} GROUP BY c",
    "kind": "SELECT a.kind AS v, count(*) AS n FROM achievement a WHERE {w} GROUP BY 1",
    "member": "SELECT a.member AS v, count(*) AS n FROM achievement a WHERE {w} GROUP BY 1",
    "jurisdiction": (
        "SELECT j AS v, count(*) AS n FROM achievement a JOIN member o ON o.id = a.member, unnest(o.jurisdictions) j"
        " WHERE {w} GROUP BY 1"
    ),
}


def _bucketed(buckets: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {sql} THEN '{name}'" for name, sql in buckets.items())
    return f"SELECT v, count(*) AS n FROM (SELECT CASE {cases} END AS v FROM achievement a WHERE {{w}}) b GROUP BY v"


_BUCKETED: Final = {"hours": _bucketed(HOURS), "cost": _bucketed(COST), "credit": _bucketed(CREDIT)}
_LIMITS: Final = {"competency": 12, "framework": 12, "member": 200}


def _filters(question: Search) -> _Where:
    where = _Where()
    if question.delivery:
        where.add("delivery", "? = ANY(a.modes)", question.delivery)
    if question.framework:
        where.add("framework", "? = ANY(a.frameworks)", question.framework)
    if question.competency:
        where.add("competency", "? = ANY(a.competencies)", question.competency)
    if question.kind:
        where.add("kind", "a.kind = ?", question.kind)
    if question.member:
        where.add("member", "a.member = ?", question.member)
    if question.jurisdiction:
        where.add(
            "jurisdiction",
            "EXISTS (SELECT FROM member i WHERE i.id = a.member AND ? = ANY(i.jurisdictions))",
            question.jurisdiction,
        )
    for name, buckets, value in (
        ("hours", HOURS, question.hours),
        ("cost", COST, question.cost),
        ("credit", CREDIT, question.credit),
    ):
        if value:
            where.add(name, buckets.get(value, "false"))
    return where


async def search(fetch: Fetch, question: Search) -> SearchResult:
    """Answer a search; where no words match as they are, similar spellings are tried."""
    words = question.words.strip()[:MAX_WORDS]
    where, order, fuzzy = _filters(question), "a.first_index DESC", False
    if words:
        # The arguments are numbered as they are added, so the words come last and both conditions name the same one.
        number = len(where.arguments) + 1
        where.add("words", _WORDS.replace("?", f"${number}"))
        where.arguments.append(words)
        order = _RANK.format(n=f"${number}")
    total = await _count(fetch, where)
    if words and total == 0:
        where = _filters(question)
        where.add("words", _CLOSE, words)
        order = _CLOSENESS.format(n=f"${len(where.arguments)}")
        total = await _count(fetch, where)
        fuzzy = total > 0
    page = min(max(question.page, 1), MAX_PAGE)
    rows = await fetch(
        f"SELECT {COLUMNS} FROM achievement a WHERE {where.text()} ORDER BY {order}"
        f" LIMIT {PAGE} OFFSET {(page - 1) * PAGE}",
        *where.arguments,
    )
    facets = {name: await _facet(fetch, where, name, sql) for name, sql in (_COUNTS | _BUCKETED).items()}
    return SearchResult(total, [AchievementRow(**row) for row in rows], facets, fuzzy)


async def _count(fetch: Fetch, where: _Where) -> int:
    rows = await fetch(f"SELECT count(*) FROM achievement a WHERE {where.text()}", *where.arguments)
    return int(rows[0][0])


async def _facet(fetch: Fetch, where: _Where, name: str, sql: str) -> list[Facet]:
    rows = await fetch(
        f"SELECT v, n FROM ({sql.format(w=where.text(name))}) AS counted WHERE v IS NOT NULL"
        f" ORDER BY n DESC, v LIMIT {_LIMITS.get(name, 40)}",
        *where.arguments,
    )
    return [Facet(row["v"], row["n"]) for row in rows]
