"""The served log, checked by code that is not ours: golang.org/x/mod sumdb/note and sumdb/tlog (tests/external/go)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.integration.ledger_out import Sample, empty_topics, until_shown, vkey_of, whole_ledger

from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.note import NoteSigner
from passerelle.embedded import EmbeddedKafka
from passerelle.testing.federation import Federation, seed_of
from passerelle.testing.running_ledger import begin_at_the_end, make_config

SOURCE = Path(__file__).resolve().parent.parent / "external" / "go"
BUILD_S = 150
MANY = 270
"""Further entries, so that tiles and bundles are full and partial."""


@pytest.fixture(scope="session")
def logcheck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built; the test is skipped, aloud, where Go or its module cannot be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed: the log is not checked by code that is not ours")
    # As it is checked in: no newer toolchain or module is fetched, go.sum must hold.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    fetched = _run([go, "mod", "download"], environment)
    if fetched.returncode != 0:
        pytest.skip(f"golang.org/x/mod cannot be fetched: {fetched.stderr.strip()[:200]}")
    program = tmp_path_factory.mktemp("go") / "logcheck"
    built = _run([go, "build", "-o", str(program), "."], environment)
    assert built.returncode == 0, built.stderr
    return program


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=BUILD_S
    )


async def test_the_go_packages_verify_the_served_log(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str], logcheck: Path
) -> None:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    first, vkey, old = len(sample.events), str(vkey_of(config)), tmp_path / "old"
    async with whole_ledger(config, sample.events) as (ledger, _process, addresses):
        await until_shown(ledger, first)
        async with httpx.AsyncClient(base_url=addresses["log"]) as client:
            old.write_bytes((await client.get("/checkpoint")).content)
        await ledger.send(*(sample.humber.achievement(f"further-{n}") for n in range(MANY)))
        await until_shown(ledger, first + MANY)
        look = await asyncpg.connect(database)
        try:
            row = await look.fetchrow("SELECT size, root FROM ledger.checkpoint ORDER BY size DESC LIMIT 1")
        finally:
            await look.close()
        assert row is not None
        arguments = ["-log", addresses["log"], "-vkey", vkey, "-old", str(old)]
        checked = await _call(logcheck, arguments)
        assert checked.returncode == 0, checked.stderr
        told = json.loads(checked.stdout)
        assert (told["size"], told["root"]) == (first + MANY, row["root"].hex())
        assert (told["entries"], told["consistent"], told["old_size"]) == (first + MANY, True, first)
        # It can fail: another key, and a checkpoint that the log's key signed over another tree.
        other = str(NoteSigner(config.network, seed_of("another log")).verifier)
        assert "verifiable signature" in (await _call(logcheck, [*arguments[:3], other])).stderr
        old.write_bytes(_forged(config.network, first))
        refused = await _call(logcheck, arguments)
        assert (refused.returncode, "inconsistent" in refused.stderr or "proof" in refused.stderr) == (1, True)


async def _call(program: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    # The ledger that answers runs in this event loop.
    return await asyncio.to_thread(_run, [str(program), *arguments], dict(os.environ))


def _forged(network: str, size: int) -> bytes:
    return sign_checkpoint(Checkpoint(network, size, bytes(32)), [NoteSigner(network, seed_of("log"))])
