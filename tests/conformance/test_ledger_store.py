"""The ledger's store, one suite for the memory double and for PostgreSQL: what is committed is what is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from passerelle.core.errors import Fatal
from passerelle.core.merkle import Frontier
from passerelle.core.statement import digest
from passerelle.ledger.model import Batch, CommitPlan, LedgerState, Limits, Needs
from passerelle.ledger.ports import Store
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.store import PostgresStore
from passerelle.ledger.prepare import Trees, prepare_all
from passerelle.ledger.sequencer import Sequencer
from passerelle.runtime.postgres import connect, migrate
from passerelle.testing.federation import Federation, Member, record, uuid_of
from passerelle.testing.memory_ledger import START_MS, MemoryStore, MemoryTables
from passerelle.testing.running_ledger import make_config
from passerelle.testing.simulation.database import LedgerDatabase, LedgerStore
from passerelle.testing.simulation.world import Life, World

Open = Callable[[Federation], Store]


@pytest.fixture
def in_memory() -> Open:
    return lambda federation: MemoryStore(MemoryTables(federation))


@pytest.fixture
def in_simulation() -> Open:
    def opened(federation: Federation) -> Store:
        world = World(calm=True)
        return LedgerStore(world, Life("ledger", 1), LedgerDatabase(federation))

    return opened


@pytest.fixture
async def in_postgres(database: str, tmp_path: Path) -> AsyncIterator[Open]:
    config = make_config(tmp_path, "127.0.0.1:1", database, Federation())
    pool = await connect(config.database, name="test")
    await migrate(pool, MIGRATIONS)
    stores: list[PostgresStore] = []

    def opened(_federation: Federation) -> Store:
        stores.append(PostgresStore(pool, config))
        return stores[-1]

    yield opened
    for store in stores:
        await store.close()
    await pool.close()


@pytest.fixture(params=["in_memory", "in_simulation", "in_postgres"])
def open_store(request: pytest.FixtureRequest) -> Open:
    found: Open = request.getfixturevalue(request.param)
    return found


class Story:
    """Events fed to a sequencer over the store under test, and beside it over dictionaries that are looked into."""

    def __init__(self, store: Store, federation: Federation) -> None:
        self.store = store
        self.federation = federation
        self.model = MemoryTables(federation)
        self.now = START_MS
        self.offset = 0

    async def tell(self, *events: object) -> CommitPlan:
        """One batch, after everything was loaded again."""
        sequencer = Sequencer(await self.store.load(), Limits())
        items = []
        for signed in events:
            raw = record(signed, self.offset)  # type: ignore[arg-type]
            items += prepare_all([raw], sequencer.registry, Trees(), self.now)
            self.offset += 1
        offsets = {(item.raw.topic, item.raw.partition): item.raw.offset + 1 for item in items}
        sequencer.begin(Batch(list(items), offsets), self.now)
        while (needs := sequencer.advance()) is not None:
            loaded = await self.store.answer(needs)
            assert loaded == self.model.answer(needs)
            sequencer.take(needs, loaded)
        plan = sequencer.finish()
        await self.store.commit(plan)
        self.model.commit(plan)
        self.now += 10
        return plan


@pytest.fixture
async def story(open_store: Open) -> Story:
    federation = Federation()
    return Story(open_store(federation), federation)


def comparable(state: LedgerState) -> dict[str, object]:
    values = dataclasses.asdict(dataclasses.replace(state, registry=None))  # type: ignore[arg-type]
    values["head"]["generation"] = 0
    values["waiting"] = sorted(repr(row) for row in values["waiting"])
    values["registry"] = state.registry.snapshot()
    return values


async def found(story: Story) -> tuple[Member, Member]:
    """Two members; humber has an achievement and a credential, and york a case that rests on it."""
    founding = story.federation.found()
    humber, first = story.federation.admit("humber")
    york, second = story.federation.admit("york")
    await story.tell(founding, first, second)
    await story.tell(humber.achievement("a"), humber.issued("x", "a"))
    release = {"credentials": [uuid_of("x")], "receiver": "york", "purpose": "transfer", "ends_on": "2099-01-01"}
    await story.tell(humber.event("credential.release-granted", uuid_of("r", 4), release))
    case = {"release": uuid_of("r", 4), "sender": "humber", "receiver": "york", "credentials": [uuid_of("x")]}
    await story.tell(york.event("transfer.requested", uuid_of("case"), case))
    return humber, york


async def test_what_was_committed_is_what_is_loaded(story: Story) -> None:
    humber, york = await found(story)
    skipped = humber.achievement("skipped")
    await story.tell(humber.achievement("waits"), york.granted("r1", "humber/never", "humber/a"))
    assert comparable(await story.store.load()) == comparable(story.model.state())
    assert len((await story.store.load()).waiting) == 2
    await story.tell(skipped)
    state = await story.store.load()
    assert comparable(state) == comparable(story.model.state())
    assert [row.raw.topic for row in state.waiting] == ["passerelle.recognition.v1"]
    assert state.head.size == 9
    assert state.streams["humber", "credential"].digest == humber.heads["credential"][1]


async def test_a_change_is_told_to_what_rests_on_it_across_commits(story: Story) -> None:
    humber, _ = await found(story)
    await story.tell(humber.event("credential.suspended", uuid_of("x"), {"reason": "fees"}))
    assert [kind for kind, _ in story.model.inbox["york"]].count("notice") == 1
    key = f"credential:{uuid_of('x')}"
    loaded = await story.store.answer(Needs(things={key, "credential:none"}, edges={key}))
    assert loaded.things[key].state == "suspended"
    assert set(loaded.things) == {key}
    # Both parties of the case are told.
    assert {edge.dependent for edge in loaded.edges[key]} == {f"transfer:{uuid_of('case')}"}
    assert sorted(edge.member for edge in loaded.edges[key]) == ["humber", "york"]
    # Erased: nothing rests on what it rested on, and it is a thing of its own still.
    await story.tell(humber.event("credential.erased", uuid_of("x"), {"ground": "learner-request"}))
    loaded = await story.store.answer(Needs(things={key}, edges={key}))
    assert loaded.things[key].state == "erased"


async def test_a_spent_number_is_found_with_what_its_sender_was_told(story: Story) -> None:
    humber, _ = await found(story)
    again = humber.achievement("a")
    await story.tell(again)
    place = ("humber", "credential", 4)
    loaded = await story.store.answer(Needs(spent={place, ("humber", "credential", 5)}))
    assert set(loaded.spent) == {place}
    spent = loaded.spent[place]
    assert (spent.digest, spent.index, spent.code) == (digest(again.statement), 7, "subject-exists")
    assert spent.refusal is not None
    assert set(spent.refusal) == {"field", "what", "fix"}


async def test_a_plan_on_another_size_changes_nothing(story: Story) -> None:
    await found(story)
    before = comparable(await story.store.load())
    stale = CommitPlan(size_before=3, size=3, accepted_at=story.now, offsets={("passerelle.member.v1", 0): 99})
    with pytest.raises(Fatal) as caught:
        await story.store.commit(stale)
    assert caught.value.code == "lease-lost"
    assert comparable(await story.store.load()) == before
    with pytest.raises(Fatal):
        await story.store.raise_floor(3, story.now)


async def test_the_floor_rises_and_never_falls(story: Story) -> None:
    await found(story)
    size = (await story.store.load()).head.size
    await story.store.raise_floor(size, story.now + 5000)
    await story.store.raise_floor(size, story.now)
    head = (await story.store.load()).head
    assert head.floor == story.now + 5000
    assert head.accepted_at < head.floor


async def test_the_root_at_a_size_is_that_of_the_entries(story: Story) -> None:
    humber, _ = await found(story)
    await story.tell(*[humber.achievement(f"n{number}") for number in range(300)])
    state = await story.store.load()
    root = Frontier(state.head.size, state.head.peaks).root()
    assert await story.store.root_at(state.head.size) == root
    assert await story.store.root_at(state.head.size - 1) != root
