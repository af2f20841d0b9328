"""One writer: who has the lease, what a zombie can do, and what an unknown outcome of COMMIT leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from passerelle.core.checkpoint import Checkpoint
from passerelle.core.errors import ConfigError, Fatal, Unavailable
from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import LedgerProcess
from passerelle.ledger.model import CommitPlan
from passerelle.ledger.ports import Parts
from passerelle.ledger.postgres.lease import Lease
from passerelle.ledger.postgres.store import PostgresStore
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import attached, begin_at_the_end, loop_running, make_config


@pytest.fixture
async def config(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> LedgerConfig:
    federation = Federation(f"test.example/{unique_name('net')}")
    made = make_config(tmp_path, kafka.bootstrap, database, federation, lease_s=1.0)
    await begin_at_the_end(made)
    return made


def no_parts(_shared: object) -> Parts:
    return Parts()


class _Hung(Lease):
    """The lease of a process that hangs: taken, never renewed. Its session still holds its lock."""

    async def renew(self) -> None:
        return


async def test_a_zombie_is_fenced_by_the_database(config: LedgerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    federation = Federation(config.network)
    async with attached(config) as ledger:
        zombie = LedgerProcess(config, make_parts=no_parts)
        with monkeypatch.context() as patch:
            patch.setattr("passerelle.ledger.main.Lease", _Hung)
            await zombie.start()
        try:
            async with loop_running(config) as (second, _):
                assert second.head.generation == zombie.head.generation + 1
                await ledger.send(federation.found())
                await ledger.until_size(1)
                stop = asyncio.Event()
                with pytest.raises(Fatal) as caught:
                    await asyncio.wait_for(zombie.run(stop), 20)
                assert caught.value.code == "lease-lost"
                humber, admission = federation.admit("humber")
                await ledger.send(admission)
                await ledger.until_size(2)
                await ledger.send(humber.achievement("a"))
                await ledger.until_size(3)
        finally:
            await zombie.close()
        assert await ledger.outcomes() == [
            ("operator", "member", 1, "accepted"),
            ("operator", "member", 2, "accepted"),
            ("humber", "credential", 1, "accepted"),
        ]


async def test_a_stopped_ledger_gives_the_lease_to_the_standby(config: LedgerConfig) -> None:
    federation = Federation(config.network)
    slow = config.model_copy(update={"lease_s": 30.0})
    async with attached(config) as ledger:
        standby = LedgerProcess(slow, make_parts=no_parts)
        async with loop_running(slow) as (first, _):
            starting = asyncio.create_task(standby.start())
            await ledger.send(federation.found())
            await ledger.until_size(1)
            assert not starting.done()
            assert standby.health() == {"ready": False, "state": "standby"}
        try:
            # Far sooner than the lease would end by itself.
            await asyncio.wait_for(starting, 20)
            assert standby.head.generation == first.head.generation + 1
            assert standby.head.size == 1
            assert standby.health()["ready"]
        finally:
            await standby.close()


class _Lost(PostgresStore):
    """Commits that are applied and yet reported as failed: what a connection cut during COMMIT looks like."""

    lost = 0

    async def commit(self, plan: CommitPlan) -> None:
        await super().commit(plan)
        if type(self).lost < 3:
            type(self).lost += 1
            raise Unavailable("commit-unknown", "the connection ended during COMMIT")


async def test_after_an_unknown_commit_everything_is_read_again(
    config: LedgerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Lost.lost = 0
    monkeypatch.setattr("passerelle.ledger.main.PostgresStore", _Lost)
    federation = Federation(config.network)
    founding = [federation.found()]
    humber, admission = federation.admit("humber")
    founding += [admission, humber.achievement("a"), humber.achievement("b")]
    async with attached(config) as ledger, loop_running(config) as (process, task):
        for count, event in enumerate(founding, 1):
            await ledger.send(event)
            await ledger.until_size(count)
        assert _Lost.lost == 3
        assert not task.done()
        assert await ledger.outcomes() == [
            ("operator", "member", 1, "accepted"),
            ("operator", "member", 2, "accepted"),
            ("humber", "credential", 1, "accepted"),
            ("humber", "credential", 2, "accepted"),
        ]
        # Told once each: nothing was decided or answered twice.
        assert [len(await ledger.letters(name, "receipts")) for name in ("operator", "humber")] == [2, 2]

        async def seen() -> bool:
            return process.head.size == 4 and set(process.registry.members) == {"operator", "humber"}

        await ledger.until(seen, "the head in memory")


async def test_a_database_of_another_network_is_refused(config: LedgerConfig) -> None:
    async with loop_running(config):
        pass
    other = LedgerProcess(config.model_copy(update={"network": "another.example/1"}), make_parts=no_parts)
    with pytest.raises(ConfigError) as caught:
        await other.start()
    await other.close()
    assert caught.value.code == "config-mismatch"


class _Promised:
    """The checkpoint topic of a test."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    async def latest(self) -> Checkpoint:
        return self._checkpoint


@pytest.mark.parametrize(("size", "code"), [(2, "checkpoint-behind"), (1, "ledger-diverged")])
async def test_nothing_starts_against_the_public_promise(config: LedgerConfig, size: int, code: str) -> None:
    from passerelle.ledger.service import LedgerService
    from passerelle.ledger.stream import IngressStream, KafkaInboxes
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.postgres import connect

    async with attached(config) as ledger, loop_running(config) as (process, _):
        await ledger.send(Federation(config.network).found())
        await ledger.until_size(1)
        generation = process.head.generation
    pool = await connect(config.database, name="test")
    store = PostgresStore(pool, config)
    store.generation = generation
    inboxes = KafkaInboxes(config.kafka)
    service = LedgerService(config, store, IngressStream(config.kafka), inboxes, SystemClock())
    try:
        with pytest.raises(Fatal) as caught:
            await service.start(checkpoints=_Promised(Checkpoint(config.network, size, bytes(range(32)))))
        assert caught.value.code == code
        frontier_root = await store.root_at(1)
        await service.start(checkpoints=_Promised(Checkpoint(config.network, 1, frontier_root)))
        assert service.health()["ready"]
    finally:
        await service.close()
        await pool.close()
