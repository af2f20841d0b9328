"""Another key encryption key: every learner once, also after a run that was cut short, and nobody half."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.office import SECRET, CountingIds

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.node import rewrapping
from passerelle.node.key_encryption import FileKey
from passerelle.node.people import Learner, Person, Vault
from passerelle.node.records import RecordKeys
from passerelle.node.rewrapping import Rewrap, rewrap_all

IDS = CountingIds()
OLD, NEW, STRANGE = (FileKey(bytes([n]) * 32, IDS) for n in (1, 2, 3))
KEYS = RecordKeys(SECRET)


class Store:
    """Learners in memory; the write of page ``breaks`` fails."""

    def __init__(self, learners: Sequence[Learner], breaks: int = -1) -> None:
        self.learners = {one.id: one for one in learners}
        self.breaks = breaks
        self.writes = 0

    async def export_learners(self, after: str, limit: int) -> list[Learner]:
        return [one for name, one in sorted(self.learners.items()) if name > after][:limit]

    async def rewrap(self, items: Sequence[Rewrap]) -> int:
        if self.writes == self.breaks:
            raise Unavailable("database-unavailable", "away")
        self.writes += 1
        for learner, before, after in items:
            one = self.learners[learner]
            assert one.wrapped_key == before
            self.learners[learner] = Learner(one.id, one.number_key, one.match_key, one.birth_key, after, one.details)
        return len(items)


def people(count: int, key: FileKey = OLD) -> list[Learner]:
    vault = Vault(key, KEYS, IDS)
    return [vault.enrol(Person(f"Person {n}", "1999-01-02")) for n in range(count)]


def names(store: Store, key: FileKey) -> list[str]:
    vault = Vault(key, KEYS, IDS)
    return [vault.person(one).name for _, one in sorted(store.learners.items())]


@given(count=st.integers(0, 9), breaks=st.integers(-1, 4), page=st.integers(1, 4))
def test_a_run_that_was_cut_short_goes_on(count: int, breaks: int, page: int) -> None:
    import asyncio

    async def play() -> None:
        store = Store(people(count), breaks)
        before = {name: one.details for name, one in store.learners.items()}
        try:
            first = (await rewrap_all(store, OLD, NEW, IDS)).done
        except Unavailable:
            first = store.writes * page
        store.breaks = -1
        again = await rewrap_all(store, OLD, NEW, IDS)
        assert (again.already, again.already + again.done) == (first, count)
        assert names(store, NEW) == [f"Person {n}" for n in range(count)]
        assert {name: one.details for name, one in store.learners.items()} == before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewrapping, "PAGE", page)
        asyncio.run(play())


async def test_a_learner_of_neither_key_stops_it_and_is_left_alone() -> None:
    store = Store([*people(1), *people(1, STRANGE)])
    before = dict(store.learners)
    with pytest.raises(PasserelleError) as caught:
        await rewrap_all(store, OLD, NEW, IDS)
    assert caught.value.code == "key-file-unusable"
    assert store.learners == before
