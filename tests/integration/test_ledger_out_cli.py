"""The commands as people and scripts call them: proof get and verify, feed verify, ledger check, rebuild and vkey."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.ledger_out import SECRET, Sample, empty_topics, until_shown, vkey_of, whole_ledger

from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.config import LedgerConfig
from passerelle.runtime.keys import create_seed
from passerelle.testing.federation import Federation, seed_of
from passerelle.testing.running_ledger import Ledger, begin_at_the_end, make_config

ROOT = Path(__file__).resolve().parents[2]
STREAM = "humber/credential/1"
PARTY = "humber/credential/3"


@dataclass
class World:
    ledger: Ledger
    sample: Sample
    config: LedgerConfig
    file: Path
    grpc: str
    log: str


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, f"nothing was printed, the exit code is {self.code}: {self.err}"
        return json.loads(self.out)


@pytest.fixture
async def world(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[World]:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    file = tmp_path / "ledger.toml"
    file.write_text(
        f'network = "{config.network}"\nroot_public_key_file = "root.pub"\nlog_key_file = "log.key"\n'
        f'[database]\nurl = "{database}"\n[kafka]\nbootstrap = "{kafka.bootstrap}"\n'
    )
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    async with whole_ledger(config, sample.events) as (ledger, _process, addresses):
        await until_shown(ledger, len(sample.events))
        yield World(ledger, sample, config, file, addresses["grpc"], addresses["log"])


async def passerelle(*arguments: str | Path) -> Done:
    """Run the command line as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "passerelle",
        *map(str, arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT / "services")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


async def test_a_proof_is_fetched_and_checked_offline(world: World, tmp_path: Path) -> None:
    file = tmp_path / "energy.receipt.json"
    got = await passerelle("proof", "get", "--stream", STREAM, "--query", world.grpc, "--out", file, "--json")
    assert (got.code, got.err) == (0, "")
    assert got.json["stream"] == STREAM
    assert got.json["member_key"] == world.sample.humber.signer.public_key.hex()
    vkey = (await passerelle("ledger", "vkey", "--config", world.file)).out.strip()
    assert vkey == str(vkey_of(world.config))
    checking = ["proof", "verify", file, "--vkey", vkey, "--member-key", got.json["member_key"]]
    checked = await passerelle(*checking, "--json")
    assert checked.json["valid"] is True
    assert (checked.json["index"], checked.json["body_checked"]) == (got.json["index"], True)
    assert "valid: checked offline" in (await passerelle(*checking)).out
    receipt = json.loads(file.read_text())
    receipt["entry"] = receipt["entry"].replace("\naccepted\n", "\nrefused not-owner\n")
    file.write_text(json.dumps(receipt))
    forged = await passerelle(*checking)
    assert (forged.code, forged.out) == (1, "")
    assert "proof-inclusion-invalid" in forged.err


async def test_a_party_body_only_comes_to_a_party(world: World, tmp_path: Path) -> None:
    command = ["proof", "get", "--stream", PARTY, "--query", world.grpc, "--json"]
    public = (await passerelle(*command)).json["receipt"]
    assert "body" not in public
    keys = {}
    for member in ("humber", "laval"):
        keys[member] = tmp_path / f"{member}.key"
        create_seed(keys[member], seed_of(member))
    outsider = await passerelle(*command, "--as", "laval", "--key-file", keys["laval"])
    assert "body" not in outsider.json["receipt"]
    party = await passerelle(*command, "--as", "humber", "--key-file", keys["humber"])
    assert "body" in party.json["receipt"]
    kept = await passerelle(*command, "--as", "humber", "--key-file", keys["humber"], "--no-body")
    assert "body" not in kept.json["receipt"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--index", "99999"], "entry-absent"),
        (["--stream", "humber/credential"], "argument-invalid"),
        (["--stream", "humber/credential/99"], "entry-absent"),
        (["--index", "1", "--stream", STREAM], "argument-conflict"),
        ([], "argument-conflict"),
    ],
)
async def test_bad_arguments_are_told(world: World, arguments: list[str], code: str) -> None:
    done = await passerelle("proof", "get", "--query", world.grpc, *arguments)
    assert (done.code, done.out) == (1, "")
    assert f"error {code}" in done.err
    assert "Traceback" not in done.err


async def test_check_rebuild_and_feed_from_the_command_line(world: World) -> None:
    checked = await passerelle("ledger", "check", "--config", world.file)
    assert checked.code == 0, checked.err
    assert "sound: every entry" in checked.out
    assert "checked in" in checked.out
    feed = ["feed", "verify", "--kafka", world.config.kafka.bootstrap, "--log", world.log, "--vkey"]
    verified = await passerelle(*feed, str(vkey_of(world.config)), "--json")
    assert (verified.code, verified.json["sound"], verified.json["entries"]) == (0, True, len(world.sample.events))
    held = await passerelle("ledger", "rebuild", "--config", world.file)
    assert (held.code, "error lease-held" in held.err) == (1, True)
    await world.ledger.look.execute("UPDATE ledger.thing SET version = 9 WHERE key = 'achievement:humber/energy'")
    broken = await passerelle("ledger", "check", "--config", world.file, "--json")
    assert broken.code == 1
    assert [fault["where"] for fault in broken.json["faults"]] == ["thing"]
    assert "achievement:humber/energy" in broken.json["faults"][0]["what"]
    assert SECRET not in checked.out + broken.out
