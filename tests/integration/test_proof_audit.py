"""``passerelle proof audit`` against a real ledger's pages: everything it needs is served to anyone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.integration.ledger_out import Sample, empty_topics, until_shown, vkey_of, whole_ledger

from passerelle.core.note import NoteSigner
from passerelle.embedded import EmbeddedKafka
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import begin_at_the_end, make_config

MANY = 260


async def _audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "passerelle", "proof", "audit", *arguments]
    return await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True, timeout=60)


async def test_a_log_is_audited_from_what_it_serves(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    first, vkey, old = len(sample.events), str(vkey_of(config)), tmp_path / "old"
    size = first + MANY
    async with whole_ledger(config, sample.events) as (ledger, _process, addresses):
        await until_shown(ledger, first)
        async with httpx.AsyncClient(base_url=addresses["log"]) as client:
            old.write_bytes((await client.get("/checkpoint")).content)
        await ledger.send(*(sample.humber.achievement(f"further-{n}") for n in range(MANY)))
        await until_shown(ledger, size)
        log = ["--log", addresses["log"], "--vkey", vkey]
        told = await _audit(*log, "--root-key", federation.root_public_key.hex(), "--since", str(old), "--json")
        assert told.returncode == 0, told.stderr + told.stdout
        answer = json.loads(told.stdout)
        assert answer["checkpoint"]["size"] == size
        assert answer["faults"] == []
        counts = answer["counts"]
        assert (counts["entries"], counts["signatures"], counts["older checkpoints"]) == (size, size, 1)
        assert (counts["tiles"], counts["member events"]) == (3, 4)
        # A bit in one stored entry: the page serves it, the audit names it.
        await ledger.look.execute(
            "UPDATE ledger.entry SET entry = set_byte(entry, 30, get_byte(entry, 30) # 1) WHERE index = 5"
        )
        wrong = await _audit(*log)
        assert wrong.returncode == 1
        assert "proof-root-mismatch" in wrong.stderr
        assert f"checkpoint {size}" in wrong.stderr
        other = await _audit("--log", addresses["log"], "--vkey", str(NoteSigner(config.network, bytes(32)).verifier))
        assert (other.returncode, "note-key-unknown" in other.stderr) == (1, True)
