"""The portal's PostgreSQL: all or nothing with the position, search in two languages, members, checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest
from tests.browser.story import build
from tests.unit.portal.builder import OPERATOR, Log, achievement, small_log

from passerelle.core.errors import Conflict
from passerelle.core.merkle import Frontier, leaf_hash
from passerelle.portal.facts import Fact, facts
from passerelle.portal.ports import CheckpointRow, FeedItem, Position, Search
from passerelle.portal.postgres.reader import Reader
from passerelle.portal.postgres.writer import Writer
from passerelle.portal.record import read_raw, to_item
from passerelle.portal.service import MIGRATIONS
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool[Any]]:
    pool = await connect(DatabaseConfig(url=database), name="portal-tests")
    await migrate(pool, MIGRATIONS)
    yield pool
    await pool.close()


def chunk(log: Log, before: Position, count: int | None = None) -> tuple[Position, list[FeedItem], list[Fact]]:
    """The next entries of a log as a commit takes them."""
    frontier = Frontier(before.next_index, before.frontier)
    items: list[FeedItem] = []
    changes: list[Fact] = []
    for raw in log.raws()[before.next_index :][:count]:
        checked = read_raw(raw, log.network)
        frontier.append(leaf_hash(checked.entry))
        items.append(to_item(checked, frontier.root()))
        changes.extend(facts(checked))
    size = before.next_index + len(items)
    return Position(size, size, frontier.peaks), items, changes


async def store(pool: asyncpg.Pool[Any], log: Log) -> Reader:
    writer = Writer(pool)
    before = await writer.position()
    after, items, changes = chunk(log, before)
    await writer.commit(before, after, items, changes)
    return Reader(pool)


async def ids(reader: Reader, **question: Any) -> Sequence[str]:
    return [row.id for row in (await reader.search(Search(**question))).rows]


async def test_entries_position_and_tree_are_kept_together(pool: asyncpg.Pool[Any]) -> None:
    log = small_log()
    writer, reader = Writer(pool), Reader(pool)
    empty = await writer.position()
    assert empty == Position(0, 0, ())
    first, items, changes = chunk(log, empty, 4)
    await writer.commit(empty, first, items, changes)
    second, items, changes = chunk(log, await writer.position())
    await writer.commit(first, second, items, changes)
    assert await writer.position() == second
    assert await reader.root(len(log.entries)) == log.root()
    assert await reader.root(4) == log.root(4)
    assert await reader.root(len(log.entries) + 1) is None
    assert [item.entry for item in await reader.items(0, 100)] == log.entries


async def test_a_moved_position_stores_nothing(pool: asyncpg.Pool[Any]) -> None:
    log = small_log()
    writer, reader = Writer(pool), Reader(pool)
    empty = await writer.position()
    after, items, changes = chunk(log, empty)
    await writer.commit(empty, after, items, changes)
    with pytest.raises(Conflict) as caught:
        await writer.commit(empty, after, items, changes)
    assert caught.value.code == "head-moved"
    assert await reader.head() == len(log.entries)
    assert len(await reader.volume(0)) == 2


async def test_a_failure_in_the_middle_stores_nothing(pool: asyncpg.Pool[Any]) -> None:
    log = small_log()
    writer, reader = Writer(pool), Reader(pool)
    empty = await writer.position()
    after, items, changes = chunk(log, empty)
    with pytest.raises(asyncpg.UniqueViolationError):
        await writer.commit(empty, after, [*items, items[0]], changes)
    assert await writer.position() == empty
    assert await reader.items(0, 10) == []
    assert await reader.members() == []


SEARCHES: dict[str, list[str]] = {
    "revit": ["humber/revit"],
    "REVIT-1": ["humber/revit"],
    "modélisation du bâtiment": ["humber/revit"],
    "modelisation": ["humber/revit"],
    "vehicule electrique": ["boreal/vehicules-electriques"],
    "véhicules électriques": ["boreal/vehicules-electriques"],
    "technical drawings": ["humber/revit"],
    "First Nations University": ["fnuniv/indigenous-governance"],
    '"indigenous governance" -revit': ["fnuniv/indigenous-governance"],
    "INDG 201": ["fnuniv/indigenous-governance"],
    "zzzz qqqq": [],
    "'; DROP TABLE feed; --": [],
    "!!! & | ( <->": [],
}


async def test_search_by_words_in_either_language(pool: asyncpg.Pool[Any]) -> None:
    reader = await store(pool, build())
    found = {words: await ids(reader, words=words) for words in SEARCHES}
    assert found == SEARCHES


async def test_a_misspelt_word_finds_what_is_close_and_says_so(pool: asyncpg.Pool[Any]) -> None:
    reader = await store(pool, build())
    result = await reader.search(Search(words="aquapnics"))
    assert result.fuzzy
    assert [row.id for row in result.rows] == ["lethbridge/aquaponics"]
    assert not (await reader.search(Search(words="aquaponics"))).fuzzy


FILTERS: tuple[tuple[dict[str, str], set[str]], ...] = (
    ({"delivery": "hybrid"}, {"humber/revit", "fnuniv/indigenous-governance"}),
    ({"hours": "to-10"}, {"rru/climate-risk"}),
    ({"hours": "10-40", "cost": "to-250"}, {"rru/adaptation-planning"}),
    ({"cost": "free"}, {"boreal/vehicules-electriques"}),
    ({"credit": "yes", "jurisdiction": "CA-QC"}, {"limoilou/420-aec"}),
    ({"framework": "rru/climate-adaptation", "kind": "micro-credential"}, {"rru/climate-adaptation"}),
    ({"competency": "Collaboration"}, {"athabasca/lmd-leadership"}),
    ({"member": "athabasca", "credit": "no"}, set()),
    ({"hours": "nonsense"}, set()),
    ({"words": "climate", "cost": "unstated"}, {"rru/climate-adaptation"}),
)


async def test_filters(pool: asyncpg.Pool[Any]) -> None:
    reader = await store(pool, build())
    for question, expected in FILTERS:
        assert set(await ids(reader, **question)) == expected, question


async def test_filter_counts_tell_what_each_choice_would_leave(pool: asyncpg.Pool[Any]) -> None:
    reader = await store(pool, build())
    result = await reader.search(Search(delivery="hybrid"))
    delivery = {facet.value: facet.count for facet in result.facets["delivery"]}
    assert delivery["hybrid"] == 2
    # The own filter does not narrow its own counts, the others do.
    assert delivery["in-person"] == 5
    assert {facet.value: facet.count for facet in result.facets["credit"]} == {"yes": 1, "no": 1}
    for name, facets in result.facets.items():
        for facet in facets:
            question: dict[str, Any] = {"delivery": "hybrid", name: facet.value}
            narrowed = await reader.search(Search(**question))
            assert narrowed.total == facet.count, (name, facet.value)


async def test_pages_of_a_search_do_not_overlap(pool: asyncpg.Pool[Any]) -> None:
    log = small_log()
    for number in range(45):
        log.add(
            "credential.achievement-published",
            "humber",
            f"humber/c{number}",
            achievement(title=f"Course {number}", kind="course"),
        )
    reader = await store(pool, log)
    pages = [await ids(reader, kind="course", page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [20, 20, 5, 0]
    assert len({identifier for page in pages for identifier in page}) == 45


async def test_a_revision_replaces_and_a_retirement_hides(pool: asyncpg.Pool[Any]) -> None:
    log = small_log()
    log.add("credential.achievement-revised", "humber", "humber/revit", achievement(version=2, title="Plumbing"))
    reader = await store(pool, log)
    row = await reader.achievement("humber/revit")
    assert row is not None
    assert (row.version, row.title, row.first_index) == (2, "Plumbing", 3)
    assert await ids(reader, words="plumbing") == ["humber/revit"]
    log.add("credential.achievement-retired", "humber", "humber/revit", {"effective_on": "2026-11-30"})
    await store(pool, log)
    row = await reader.achievement("humber/revit")
    assert row is not None
    assert row.retired
    assert await ids(reader) == []
    assert [remark.event for remark in await reader.remarks("humber/revit")] == ["endorsed", "retired"]


async def test_members_follow_their_events(pool: asyncpg.Pool[Any]) -> None:
    log = small_log()
    old = log.key("humber")
    new = {**log.key("another key"), "use": "seal"}
    change = {"member": "humber", "add": [new], "remove": [{"key_id": old["key_id"]}]}
    log.add("member.keys-changed", OPERATOR, "humber", change)
    log.add("member.suspended", OPERATOR, "humber", {"member": "humber", "reason": "administrative"})
    reader = await store(pool, log)
    row = await reader.member("humber")
    assert row is not None
    assert (row.status, row.names["en"], row.achievements) == ("suspended", "Humber Polytechnic", 1)
    assert {key.key_id: key.removed_index for key in await reader.keys("humber")} == {
        old["key_id"]: len(log.entries) - 2,
        new["key_id"]: None,
    }
    log.add("member.roles-changed", OPERATOR, "humber", {"member": "humber", "roles": ["read"]})
    log.add("member.removed", OPERATOR, "bimco", {"member": "bimco", "reason": "merged"})
    await store(pool, log)
    rows = {row.id: row for row in await reader.members()}
    assert (rows["humber"].status, list(rows["humber"].roles)) == ("active", ["read"])
    assert rows["bimco"].status == "removed"


async def test_volume_counts_each_entry_once(pool: asyncpg.Pool[Any]) -> None:
    log = build()
    reader = await store(pool, log)
    rows = await reader.volume(0)
    assert sum(row.accepted + row.refused for row in rows) == len(log.entries)
    assert sum(row.refused for row in rows) == 1
    counts = await reader.counts()
    assert (counts.entries, counts.refused, counts.members) == (len(log.entries), 1, 15)
    assert counts.jurisdictions == 7


async def test_a_checkpoint_that_disagreed_once_stays_so(pool: asyncpg.Pool[Any]) -> None:
    writer, reader = Writer(pool), Reader(pool)
    assert await reader.checkpoint() is None
    for size in range(1, 130):
        await writer.save_checkpoint(CheckpointRow(size, b"r" * 32, b"note", size, agrees=size != 5))
    await writer.save_checkpoint(CheckpointRow(5, b"r" * 32, b"note", 999, agrees=True))
    shown = await reader.checkpoint()
    assert shown is not None
    assert (shown.size, shown.agrees) == (5, False)
    assert await pool.fetchval("SELECT count(*) FROM checkpoint") <= 101
