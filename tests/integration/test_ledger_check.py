"""``ledger check`` and ``ledger rebuild`` on a real database: a sound one passes, every tampering is named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from tests.integration.ledger_out import ANN, Sample, empty_topics, until_shown, vkey_of, whole_ledger

from passerelle.core.errors import PasserelleError
from passerelle.core.note import VerifierKey
from passerelle.core.registry import Registry
from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.check_run import Report, replay_all, run_check
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.postgres.check import open_rebuild, open_snapshot
from passerelle.runtime.clock import SystemClock
from passerelle.testing.federation import Federation, Member, granted, uuid_of
from passerelle.testing.running_ledger import begin_at_the_end, make_config


@dataclass
class World:
    config: LedgerConfig
    look: asyncpg.Connection
    size: int

    async def check(self, keys: tuple[VerifierKey, ...] | None = None) -> Report:
        return await check(self.config, [vkey_of(self.config)] if keys is None else list(keys))

    async def faults(self) -> set[tuple[str, str]]:
        return {(fault.code, fault.where) for fault in (await self.check()).faults}

    async def index(self, member: str, family: str, sequence: int) -> int:
        return int(
            await self.look.fetchval(
                "SELECT index FROM ledger.entry WHERE (member, family, sequence) = ($1, $2, $3)",
                member,
                family,
                sequence,
            )
        )

    @asynccontextmanager
    async def tampered(self, table: str, statement: str) -> AsyncIterator[None]:
        """The table changed for a while."""
        await self.look.execute(f"CREATE TABLE public.kept AS TABLE ledger.{table}")
        try:
            assert int((await self.look.execute(statement)).rpartition(" ")[2]) > 0
            yield
        finally:
            await self.look.execute(f"DELETE FROM ledger.{table}")
            await self.look.execute(f"INSERT INTO ledger.{table} SELECT * FROM public.kept")
            await self.look.execute("DROP TABLE public.kept")


def registry_of(config: LedgerConfig) -> Registry:
    return Registry(config.network, config.operator, config.root_public_key())


async def check(config: LedgerConfig, keys: list[VerifierKey]) -> Report:
    async with open_snapshot(config.database) as store:
        return await run_check(store, registry_of(config), keys, SystemClock())


def further(sample: Sample) -> None:
    """More kinds of decisions: member changes, refusals by rule, references that never came, a case to its end."""
    operator, humber, york, laval = sample.federation.operator, sample.humber, sample.york, sample.laval
    wrong_owner = granted("york", "humber/energy", "york/energy-2")
    outcome = wrong_owner["outcome"]
    line = {"line": 1, "credential": ANN, "status": "credited", "recognition": "york/rule", "outcome": outcome}
    case = uuid_of("case")
    post = {"expected_version": 2, "programme": "york/programme", "posted_on": "2026-02-01"}
    new = Member("laval", laval.network, key_name="laval 2")
    sample.events += [
        operator.event("member.suspended", "humber", {"member": "york", "reason": "x"}),
        operator.changes_keys(laval, add=[new.key()], remove=[{"key_id": laval.signer.key_id}]),
    ]
    laval.rekey("laval 2")
    sample.events += [
        york.achievement("programme", kind="certificate"),
        york.event("transfer.decided", case, {"expected_version": 1, "lines": [line]}),
        york.event("transfer.posted", case, post),
        york.event("transfer.posted", case, post),
        york.granted("gone", "humber/never", "york/energy-2"),
        laval.event("credential.achievement-retired", "laval/none", {"effective_on": "2026-01-01"}),
        york.granted("rule", "humber/energy", "york/energy-2"),
        humber.event("credential.suspended", ANN, {"reason": "fees"}),
        humber.issued("cat", "energy"),
        humber.event("credential.reinstated", uuid_of("cat"), {}),
        humber.event("credential.erased", uuid_of("cat"), {"ground": "learner-request"}),
    ]


@pytest.fixture
async def world(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[World]:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation, reference_wait_s=0.5)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        further(sample)
        # What is signed under the new key must come after the event that lists it.
        await ledger.send(*sample.events[15:17])
        await ledger.until_size(17)
        await ledger.send(*sample.events[17:])
        await until_shown(ledger, len(sample.events))
    look = await asyncpg.connect(database)
    try:
        yield World(config, look, len(sample.events))
    finally:
        await look.close()


async def test_a_sound_ledger_passes_and_says_what_was_checked(world: World) -> None:
    report = await world.check()
    assert report.faults == []
    assert report.sound
    counts = report.counts
    assert (report.size, counts["entries"], counts["signatures"]) == (world.size, world.size, world.size)
    assert counts["accepted"] + counts["refused"] == world.size
    assert counts["refused"] >= 6
    assert counts["party bodies erased"] == 3
    # Bob's issue and amendment, Cat's issue and the refused step on it.
    assert counts["decisions made again"] == world.size - 4
    assert counts["decisions that could not be made again"] == 4
    assert counts["checkpoints"] >= 1
    assert (counts["tiles"], counts["members"]) == (1, 4)
    assert report.seconds > 0
    # Nothing is left behind.
    schemas = await world.look.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ledger_check%'")
    assert schemas == 0


TAMPERINGS = [
    ("entry", "UPDATE ledger.entry SET entry = set_byte(entry, 40, 49) WHERE index = 6", "index 6"),
    ("entry", "UPDATE ledger.entry SET accepted_at = accepted_at + 1 WHERE index = 6", "index 6"),
    ("entry", "UPDATE ledger.entry SET code = 'schema-invalid' WHERE index = 5", "index 5"),
    ("entry", "UPDATE ledger.entry SET subject = 'humber/other' WHERE subject = 'humber/energy'", None),
    ("entry", "UPDATE ledger.entry SET type = NULL WHERE index = 2", "index 2"),
    ("entry", "UPDATE ledger.entry SET digest = sha256(digest) WHERE index = 7", "index 7"),
    ("entry", "DELETE FROM ledger.entry WHERE index = 8", "index 8"),
    ("entry", "DELETE FROM ledger.entry WHERE index = (SELECT max(index) FROM ledger.entry)", "head"),
    ("public_body", "UPDATE ledger.public_body SET body = body || ' ' WHERE index = 1", "index 1"),
    ("public_body", "UPDATE ledger.public_body SET sha256 = sha256(sha256) WHERE index = 1", "index 1"),
    ("public_body", "DELETE FROM ledger.public_body WHERE index = 1", "index 1"),
    ("public_body", "INSERT INTO ledger.public_body VALUES (99999, sha256('x'), 'x')", "public_body 99999"),
    ("party_body", "UPDATE ledger.party_body SET parties = '{humber,laval}' WHERE 'york' = ANY (parties)", None),
    ("party_body", "UPDATE ledger.party_body SET body = NULL WHERE 'york' = ANY (parties)", None),
    ("party_body", "UPDATE ledger.party_body SET subject = 'x' WHERE 'york' = ANY (parties)", None),
    ("party_body", "UPDATE ledger.party_body SET body = 'again' WHERE body IS NULL", None),
    ("refused_body", "UPDATE ledger.refused_body SET member = 'laval' WHERE member = 'humber'", None),
    ("refused_body", "UPDATE ledger.refused_body SET body = 'x' WHERE member = 'humber'", None),
    ("thing", "UPDATE ledger.thing SET state = 'retired' WHERE key = 'achievement:humber/energy'", "thing"),
    ("thing", "UPDATE ledger.thing SET data = data || '{\"x\": 1}' WHERE kind = 'transfer'", "thing"),
    ("thing", "DELETE FROM ledger.thing WHERE kind = 'release'", "thing"),
    ("thing", "INSERT INTO ledger.thing VALUES ('a:b','a','b','c',1,'york',1,1,'{}')", "thing"),
    ("dependency", "DELETE FROM ledger.dependency WHERE on_key = 'achievement:humber/energy'", "dependency"),
    ("member", "UPDATE ledger.member SET changed = changed + 1 WHERE member = 'laval'", "member"),
    ("registry", "UPDATE ledger.registry SET snapshot = snapshot || '{\"index\": 0}'", "registry"),
    ("stream", "UPDATE ledger.stream SET sequence = sequence + 1 WHERE member = 'york'", "stream"),
    ("volume", "UPDATE ledger.volume SET refused = refused + 1", "volume"),
    ("tile", "UPDATE ledger.tile SET hashes = set_byte(hashes, 65, 7)", "tile/0/000.p/28"),
    ("tile", "INSERT INTO ledger.tile VALUES (1, 0, sha256('x'))", "tile/1/0"),
    ("head", "UPDATE ledger.head SET frontier = set_byte(frontier, 0, 7)", "head"),
    ("head", "UPDATE ledger.head SET size = size + 1", "head"),
    ("head", "UPDATE ledger.head SET floor = 1", "head"),
    ("checkpoint", "UPDATE ledger.checkpoint SET root = sha256(root)", "checkpoint 28"),
    (
        "checkpoint",
        "UPDATE ledger.checkpoint SET note = replace(note, E'\\n28\\n', E'\\n27\\n') WHERE size = 28",
        "checkpoint 28",
    ),
    ("checkpoint", "UPDATE ledger.checkpoint SET size = 29 WHERE size = 28", "checkpoint 29"),
]


async def test_every_tampering_is_found_and_named(world: World) -> None:
    assert world.size == 28
    missed = []
    for table, statement, where in TAMPERINGS:
        async with world.tampered(table, statement):
            faults = await world.faults()
        named = {place for _code, place in faults}
        if not faults or (where is not None and where not in named):
            missed.append((statement, sorted(faults)))
    assert missed == []
    assert (await world.check()).sound


async def test_a_wrong_decision_is_found_though_its_entry_is_well_formed(world: World) -> None:
    """The one who holds the log's key can log what it likes: the tree is right then, and the decision is not."""
    index = await world.index("york", "recognition", 1)
    await world.look.execute(
        "UPDATE ledger.entry SET code = 'not-owner', entry ="
        " convert_to(replace(convert_from(entry, 'utf8'), E'\\naccepted\\n', E'\\nrefused not-owner\\n'), 'utf8')"
        " WHERE index = $1",
        index,
    )
    found = {(fault.where, fault.what) for fault in (await world.check()).faults}
    assert (f"index {index}", "recorded not-owner, decided accepted") in found


async def test_another_key_does_not_open_the_checkpoints(world: World) -> None:
    other = VerifierKey(world.config.network, 1, bytes(range(32)))
    report = await world.check((other,))
    assert {fault.code for fault in report.faults} == {"note-key-unknown"}
    # Without one the key that the operator's own admission lists is taken.
    assert (await world.check(())).sound


async def test_rebuild_makes_the_read_models_anew_and_fences(world: World) -> None:
    models = ("thing", "dependency", "member", "registry", "stream", "volume")
    before = {table: await world.look.fetch(f"SELECT * FROM ledger.{table} ORDER BY 1, 2") for table in models}
    generation = await world.look.fetchval("SELECT generation FROM ledger.head")
    for table in models:
        await world.look.execute(f"DELETE FROM ledger.{table}")
    assert {where for _code, where in await world.faults()} == set(models)
    async with open_rebuild(world.config.database) as store:
        rows = await store.replace(await replay_all(store, registry_of(world.config)))
    assert rows == {table: len(found) for table, found in before.items()}
    for table, found in before.items():
        assert await world.look.fetch(f"SELECT * FROM ledger.{table} ORDER BY 1, 2") == found
    assert (await world.check()).sound
    assert await world.look.fetchval("SELECT generation FROM ledger.head") == generation + 1


async def test_rebuild_does_not_run_beside_a_ledger(world: World) -> None:
    async with whole_ledger(world.config):
        with pytest.raises(PasserelleError) as caught:
            async with open_rebuild(world.config.database):
                pass
    assert caught.value.code == "lease-held"


async def test_a_running_ledger_can_be_checked(world: World) -> None:
    federation = Federation(world.config.network)
    async with whole_ledger(world.config) as (_ledger, _process, _addresses):
        assert (await world.check()).sound
    assert federation.network == world.config.network
