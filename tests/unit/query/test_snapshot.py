"""The index as a file: what it answers is kept; what does not fit is refused; the log must go on from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.query.test_source import Clock, FakeLog, FakeSnapshot
from tests.unit.query.world import NETWORK, OPERATOR, ROOT, World, credit

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError, Unavailable
from passerelle.core.merkle import Frontier, leaf_hash
from passerelle.core.registry import Registry
from passerelle.query import snapshot
from passerelle.query.equivalency import Equivalency
from passerelle.query.evaluation import Evaluation
from passerelle.query.index import Index
from passerelle.query.keeping import Keeper, restored
from passerelle.query.ports import Head
from passerelle.query.source import Follower
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.rpc import start_server


def empty() -> Index:
    return Index(Registry(NETWORK, OPERATOR, ROOT))


class TreeLog(FakeLog):
    """A log with a tree: each entry is its index as text."""

    def entries(self) -> list[bytes]:
        return [f"entry {number}".encode() for number in range(self.world.size)]

    async def head(self) -> Head:
        head = await super().head()
        tree = Frontier()
        tree.extend([leaf_hash(entry) for entry in self.entries()])
        return Head(head.network, head.size, head.accepted_at, head.floor, b"".join(tree.peaks))

    def snapshot(self) -> Any:
        return _Opened(self)


class _Opened:
    def __init__(self, log: TreeLog) -> None:
        self.log = log

    async def __aenter__(self) -> TreeSnapshot:
        return TreeSnapshot(self.log, await self.log.head())

    async def __aexit__(self, *_: object) -> None:
        return None


class TreeSnapshot(FakeSnapshot):
    async def leaves(self, first: int) -> Any:
        log = self.log
        assert isinstance(log, TreeLog)
        rows: Sequence[bytes] = log.entries()
        for start in range(first, self.head.size, 2):
            yield rows[start : min(start + 2, self.head.size)]


@pytest.fixture
def world() -> World:
    made = World()
    for course in ("humber/a", "humber/b", "bcit/x"):
        made.course(course, f"Course {course}", credits=[credit("3")], level={"framework": "cdqf", "level": "bachelor"})
    made.rule("bcit/r1", "humber/a", "bcit/x", note="Note é")
    made.revise("bcit/r1", {"all_of": [{"achievement": "humber/a"}, {"achievement": "humber/b"}]}, "bcit/x", 2)
    made.deny("bcit/no", "humber/b")
    made.end("bcit/r1", "2025-12-31")
    made.add("recognition.requested", "humber", "humber/q1", {"achievement": "humber/b", "receiver": "nscc"})
    made.add("credential.achievement-retired", "humber", "humber/b", {"effective_on": "2026-01-01"})
    return made


async def followed(world: World) -> tuple[TreeLog, Index, Follower]:
    log, index = TreeLog(world), empty()
    follower = Follower(log, index, Clock(), network=NETWORK, poll_s=0.01)
    await follower.start(0)
    return log, index, follower


async def answers(index: Index) -> list[bytes]:
    lines = [pb.TranscriptLine(achievement=name, completed_on="2025-05-01") for name in ("humber/a", "humber/b")]
    found = [
        (await Equivalency(index).find(pb.FindRequest(achievement=name), 0.05)).SerializeToString(deterministic=True)
        for name in ("humber/a", "humber/b")
    ]
    search = await Equivalency(index).search(pb.SearchRequest(words="course"), 0.05)
    whole = [one async for one in Evaluation(index).evaluate(pb.EvaluateRequest(lines=lines, explain=True), 0.05)]
    return [*found, search.SerializeToString(deterministic=True)] + [
        one.SerializeToString(deterministic=True) for one in whole
    ]


async def test_a_start_from_a_file_answers_the_same_and_goes_on(world: World, tmp_path: Path) -> None:
    log, index, follower = await followed(world)
    keeper = Keeper(tmp_path / "index", 60, index, follower)
    assert await keeper.save()
    assert not await keeper.save()
    again, mark = await restored(tmp_path / "index", NETWORK, empty)
    assert mark is not None
    assert (again.position, await answers(again)) == (index.position, await answers(index))
    world.rule("nscc/r9", "humber/a", "nscc/z")
    world.skip(3)
    later = Follower(log, again, Clock(), network=NETWORK, poll_s=0.01)
    await later.start(0, mark)
    await follower.catch_up()
    assert again.position.size == world.size
    assert await answers(again) == await answers(index)


async def test_another_story_of_the_same_length_is_refused(world: World, tmp_path: Path) -> None:
    _, index, follower = await followed(world)
    assert await Keeper(tmp_path / "index", 60, index, follower).save()
    again, mark = await restored(tmp_path / "index", NETWORK, empty)
    assert mark is not None

    class OtherLog(TreeLog):
        def entries(self) -> list[bytes]:
            return [b"another", *super().entries()[1:]]

    with pytest.raises(FormatError) as caught:
        await Follower(OtherLog(world), again, Clock(), network=NETWORK, poll_s=0.01).start(0, mark)
    assert caught.value.code == "snapshot-invalid"
    world.size -= 2
    with pytest.raises(FormatError, match="does not go on"):
        await Follower(TreeLog(world), again, Clock(), network=NETWORK, poll_s=0.01).start(0, mark)


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "header", "empty"])
async def test_a_damaged_file_is_not_used(world: World, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "index"
    _, index, follower = await followed(world)
    assert await Keeper(path, 60, index, follower).save()
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
    elif damage == "header":
        raw[120] ^= 1
    changed = {"cut": raw[:-5], "longer": raw + b"x", "empty": bytearray()}.get(damage, raw)
    path.write_bytes(changed)
    with pytest.raises(FormatError) as caught:
        snapshot.read(path, NETWORK)
    assert caught.value.code == "snapshot-invalid"
    again, mark = await restored(path, NETWORK, empty)
    assert (mark, again.position.size) == (None, 0)


async def test_an_absent_file_and_another_network_start_empty(world: World, tmp_path: Path) -> None:
    path = tmp_path / "index"
    assert (await restored(path, NETWORK, empty))[1] is None
    _, index, follower = await followed(world)
    assert await Keeper(path, 60, index, follower).save()
    assert (await restored(path, "other.example/log", empty))[1] is None


async def test_a_folder_that_is_gone_is_told_and_harms_nothing(world: World, tmp_path: Path) -> None:
    _, index, follower = await followed(world)
    keeper = Keeper(tmp_path / "gone" / "index", 60, index, follower)
    assert not await keeper.save()
    assert keeper.saved == -1


async def test_a_file_in_the_making_is_left_to_who_makes_it(world: World, tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "index"
    _, index, follower = await followed(world)
    with (tmp_path / "index.new").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not await Keeper(path, 60, index, follower).save()
    assert await Keeper(path, 60, index, follower).save()


async def test_content_of_another_operator_is_not_used(world: World, tmp_path: Path) -> None:
    path = tmp_path / "index"
    _, index, follower = await followed(world)
    assert await Keeper(path, 60, index, follower).save()

    def other() -> Index:
        return Index(Registry(NETWORK, "bcit", ROOT))

    again, mark = await restored(path, NETWORK, other)
    assert (mark, again.position.size, len(again.achievements)) == (None, 0, 0)


async def test_several_processes_share_a_port_only_where_all_say_so() -> None:
    alone = await start_server(ServerConfig(), lambda server: None, ())
    first = await start_server(ServerConfig(), lambda server: None, (), share_port=True)
    try:
        with pytest.raises(Unavailable) as caught:
            await start_server(ServerConfig(port=alone.port), lambda server: None, (), share_port=True)
        assert caught.value.code == "port-taken"
        second = await start_server(ServerConfig(port=first.port), lambda server: None, (), share_port=True)
        assert second.port == first.port
        await second.stop()
    finally:
        await first.stop()
        await alone.stop()
