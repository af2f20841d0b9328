"""A ledger and a member that witnesses it, on real servers: cosigned checkpoints, and an alarm that lasts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.integration.ledger_out import empty_topics, until_shown, vkey_of, whole_ledger
from tests.integration.node_desk import node_config
from typer.testing import CliRunner, Result

import passerelle.cli.node
import passerelle.cli.proof
from passerelle.api.ledger.v1 import ledger_pb2 as pb
from passerelle.api.ledger.v1 import ledger_pb2_grpc
from passerelle.core.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.note import MAX_NOTE_SIZE, CosignatureSigner, NoteSigner, parse_note
from passerelle.core.receipt import Receipt, verify_receipt
from passerelle.core.witness import WitnessQuorum, witness_name
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import CHECKPOINT
from passerelle.ledger.config import LedgerConfig
from passerelle.node import main
from passerelle.node.config import NodeConfig, WitnessConfig
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.identity import make_token
from passerelle.runtime.keys import create_seed
from passerelle.runtime.process import wait_for
from passerelle.runtime.rpc import from_rpc_error, metadata, open_channel
from passerelle.testing.federation import Federation, Member, seed_of
from passerelle.testing.running_ledger import Ledger, begin_at_the_end, make_config

PATIENCE_S = 60.0


@dataclass
class World:
    ledger: Ledger
    trent: Member
    config: LedgerConfig
    node: NodeConfig
    toml: Path
    http: httpx.AsyncClient
    stub: ledger_pb2_grpc.LedgerServiceStub

    @property
    def witness(self) -> CosignatureSigner:
        return CosignatureSigner(witness_name(self.config.network, "trent"), seed_of("trent w"))

    async def opened(self, witnesses: int) -> OpenedCheckpoint | None:
        """The checkpoint that is served with so many cosignatures, verified; None where there is none."""
        response = await self.http.get("/checkpoint", params={"witnesses": witnesses})
        if response.status_code != httpx.codes.OK:
            assert response.json()["code"] == "witness-quorum-missing"
            return None
        policy = WitnessQuorum(witnesses, (self.witness.verifier,))
        return open_checkpoint(response.content, [vkey_of(self.config)], witnesses=policy)

    async def is_well(self) -> bool:
        """Whether the node's doctor finds nothing."""
        examined = await invoke(passerelle.cli.node.app, "doctor", "--config", self.toml, "--json")
        return all(item["ok"] for item in json.loads(examined.stdout))

    async def until_cosigned(self, size: int) -> None:
        async def cosigned() -> bool:
            found = await self.opened(1)
            return found is not None and found.checkpoint.size >= size

        assert await wait_for(cosigned, timeout_s=PATIENCE_S), f"no cosignature of {size} entries"

    async def grow(self, local: str) -> int:
        """One more entry, under a checkpoint that is shown."""
        await self.ledger.send(self.trent.achievement(local))
        size = await self.ledger.size() + 1
        await self.ledger.until_size(size)
        await until_shown(self.ledger, size)
        return size

    def forged(self, size: int) -> bytes:
        """Another root of a size, signed by the log's own key."""
        signer = NoteSigner(self.config.network, seed_of("log"))
        return sign_checkpoint(Checkpoint(self.config.network, size, b"\x09" * 32), [signer])

    async def refused(self, note: bytes, *, as_member: str = "trent") -> str:
        """The code with which a cosignature is refused."""
        now_s = SystemClock().now_ms() // 1000
        token = make_token(seed_of(as_member), member=as_member, network=self.config.network, now_s=now_s)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.stub.AddCosignature(
                pb.AddCosignatureRequest(note=note), metadata=metadata(token if as_member else None)
            )
        return from_rpc_error(caught.value).code


@pytest.fixture
async def world(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str], postgres: Any
) -> AsyncIterator[World]:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    # A member of this test alone: on the registry topic, which all tests share, the higher index counts.
    trent = Member("trent", federation.network)
    keys = [trent.key(), Member("trent", federation.network, key_name="trent w").key("witness")]
    events = [
        federation.operator.admits(federation.operator, "operate", log_vkey=str(vkey_of(config))),
        federation.operator.admits(trent, "issue", "recognise", keys=keys),
        trent.achievement("first"),
    ]
    node_database = await postgres.create_database(unique_name("node"))
    async with whole_ledger(config, events) as (ledger, _process, addresses):
        await until_shown(ledger, len(events))
        folder = tmp_path / "trent"
        create_seed(folder / "signing.key", seed_of("trent"))
        create_seed(folder / "witness.key", seed_of("trent w"))
        node = node_config(
            folder,
            node_database,
            member="trent",
            network=federation.network,
            root=federation.root_public_key,
            kafka=config.kafka,
            query=addresses["grpc"],
            evidence_folder=folder / "evidence",
            witness=WitnessConfig(
                key_file=folder / "witness.key", log_url=addresses["log"], log_vkey=str(vkey_of(config))
            ),
        )
        toml = write_toml(folder, node)
        async with httpx.AsyncClient(base_url=addresses["log"]) as http, open_channel(addresses["grpc"]) as channel:
            yield World(ledger, trent, config, node, toml, http, ledger_pb2_grpc.LedgerServiceStub(channel))


def write_toml(folder: Path, node: NodeConfig) -> Path:
    """The node's configuration as the command line reads it."""
    lines = [f'{name} = "{getattr(node, name)}"' for name in ("member", "network", "query", "evidence_folder")]
    lines += ['root_public_key_file = "root.pub"', 'key_file = "signing.key"']
    lines += ['learner_key_file = "learners.key"', 'record_key_file = "records.key"']
    lines += [f'[database]\nurl = "{node.database.url}"', f'[kafka]\nbootstrap = "{node.kafka.bootstrap}"']
    assert node.witness is not None
    lines += [f'[witness]\nkey_file = "witness.key"\nlog_url = "{node.witness.log_url}"']
    (folder / "node.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "node.toml"


@asynccontextmanager
async def node_running(config: NodeConfig) -> AsyncIterator[Callable[[], Any]]:
    """The node in this event loop; gives a look at its health."""
    service, stop = main.build(config), asyncio.Event()
    try:
        addresses = await service.start()
        task = asyncio.create_task(service.run(stop))
        async with httpx.AsyncClient(base_url=f"http://{addresses['health']}") as client:

            async def health() -> tuple[int, dict[str, Any]]:
                response = await client.get("/readyz")
                return response.status_code, response.json()

            yield health
        stop.set()
        await asyncio.wait_for(task, 15)
    finally:
        await service.close()


async def invoke(app: Any, *words: str | Path) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, [str(word) for word in words])


async def until_alarm(health: Callable[[], Any], state: str) -> None:
    """Wait until the node says that it is not ready, and why."""

    async def told() -> bool:
        status, found = await health()
        return bool(status == 503 and found["alarm"] == "checkpoint-forked" and found["witness"] == state)

    assert await wait_for(told, timeout_s=PATIENCE_S), await health()


@pytest.mark.timeout(300)
async def test_a_member_witnesses_the_log_until_it_contradicts_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "configure_logging", lambda *_, **__: None)
    assert await world.opened(1) is None, "nothing is held back for a witness, and nobody cosigned yet"
    async with node_running(world.node) as health:
        await world.until_cosigned(3)
        size = await world.grow("second")
        await world.until_cosigned(size)
        await proofs_carry_the_cosignature(world)
        await wrong_cosignatures_are_refused(world, size)
        assert await wait_for(world.is_well, timeout_s=PATIENCE_S), "the node's own record comes by the registry topic"
        await world.ledger.producer.send_and_wait(CHECKPOINT, world.forged(size), key=b"%d" % size)
        await until_alarm(health, "stopped: checkpoint-forked")
        await evidence_is_judged(world, tmp_path)
    more = await world.grow("third")
    async with node_running(world.node) as health:
        await until_alarm(health, "stopped: checkpoint-forked")
        found = await world.opened(1)
        assert found is not None
        assert found.checkpoint.size == size, "nothing is cosigned while the alarm is open"
        await the_alarm_is_cleared(world)
        await world.until_cosigned(more)


async def proofs_carry_the_cosignature(world: World) -> None:
    """A receipt proves its entry under a checkpoint that a member cosigned."""
    answer = await world.stub.GetProof(pb.GetProofRequest(index=2, witnesses=1))
    receipt = Receipt(answer.entry, answer.proof.encode(), answer.body)
    policy = WitnessQuorum(1, (world.witness.verifier,))
    key = world.trent.signer.public_key
    verified = verify_receipt(receipt, key, [vkey_of(world.config)], world.config.network, witnesses=policy)
    assert [signed.key for signed in verified.checkpoint.witnesses] == [world.witness.verifier]
    got = await world.stub.GetCheckpoint(pb.GetCheckpointRequest(size=verified.checkpoint.checkpoint.size))
    assert len(parse_note(got.note.encode()).signatures) == 2


async def wrong_cosignatures_are_refused(world: World, size: int) -> None:
    """What was not cosigned by the caller, over what was published, is not taken."""
    got = await world.stub.GetCheckpoint(pb.GetCheckpointRequest(size=size))
    good = parse_note(got.note.encode())
    now_s = SystemClock().now_ms() // 1000
    forged = parse_note(world.forged(size))
    cosigned = forged.with_signatures([world.witness.cosign(forged.text, now_s)]).serialise()
    assert await world.refused(cosigned) == "checkpoint-forked"
    assert await world.refused(good.serialise(), as_member="") == "unauthenticated"
    stranger = CosignatureSigner(witness_name(world.config.network, "trent"), bytes(32))
    plain = parse_note("\n".join(got.note.split("\n")[:5]).encode() + b"\n")
    other = plain.with_signatures([stranger.cosign(plain.text, now_s)]).serialise()
    assert await world.refused(other) == "witness-key-unknown"
    assert await world.refused(b"x" * (MAX_NOTE_SIZE + 1)) == "note-too-large"


async def evidence_is_judged(world: World, tmp_path: Path) -> None:
    """The file in the evidence folder proves what happened, to whoever has the log's key."""
    assert world.node.evidence_folder is not None
    (file,) = world.node.evidence_folder.glob("*.evidence.json")
    judged = await invoke(passerelle.cli.proof.app, "judge", file, "--vkey", str(vkey_of(world.config)), "--json")
    assert json.loads(judged.stdout)["proves"] == "checkpoint-forked"
    stranger = NoteSigner(world.config.network, bytes(32)).verifier
    wrong = await invoke(passerelle.cli.proof.app, "judge", file, "--vkey", str(stranger))
    assert isinstance(wrong.exception, PasserelleError)
    copy = tmp_path / "copy.evidence.json"
    name = file.name.partition(".")[0]
    await invoke(passerelle.cli.node.app, "witness", "evidence", name, "--config", world.toml, "--out", copy)
    assert copy.read_bytes() == file.read_bytes()


async def the_alarm_is_cleared(world: World) -> None:
    """A person closes the alarm by its name."""
    status = await invoke(passerelle.cli.node.app, "witness", "status", "--config", world.toml, "--json")
    found = json.loads(status.stdout)
    assert (status.exit_code, [alarm["code"] for alarm in found["alarms"]]) == (1, ["checkpoint-forked"])
    name = found["alarms"][0]["alarm"]
    words = ("witness", "clear", name, "--config", world.toml, "--reason", "members were told")
    assert (await invoke(passerelle.cli.node.app, *words)).exit_code == 0
    again = await invoke(passerelle.cli.node.app, *words)
    assert isinstance(again.exception, PasserelleError)
    listed = await invoke(passerelle.cli.node.app, "witness", "list", "--config", world.toml)
    assert listed.stdout.split() == [str(world.witness.verifier)]
