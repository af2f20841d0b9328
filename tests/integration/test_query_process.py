"""``passerelle query run`` as a process: the ready file tells the truth, and a signal ends it well."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from tests.integration.query_ledger import LedgerRows
from tests.unit.query.world import NETWORK, ROOT

from passerelle.api.equivalency.v1 import equivalency_pb2, equivalency_pb2_grpc
from passerelle.runtime.process import wait_for
from passerelle.runtime.rpc import open_channel

SERVICES = Path(__file__).resolve().parents[2] / "services"


def write_config(folder: Path, dsn: str, **changes: str) -> Path:
    (folder / "root.pub").write_text(ROOT.hex() + "\n", encoding="ascii")
    text = {"network": NETWORK, "root_public_key_file": "root.pub", "ledger": "127.0.0.1:9", **changes}
    lines = [f'{name} = "{value}"' for name, value in text.items()]
    path = folder / "query.toml"
    path.write_text("\n".join([*lines, "[database]", f'url = "{dsn}"', ""]), encoding="utf-8")
    return path


async def start(config: Path, ready: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "passerelle",
        "query",
        "run",
        "--config",
        str(config),
        "--ready-file",
        str(ready),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICES)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_runs_answers_and_stops(database: str, tmp_path: Path) -> None:
    rows = await LedgerRows.create(database)
    await rows.course("humber/a", "A course")
    ready = tmp_path / "ready.json"
    process = await start(write_config(tmp_path, database), ready)
    try:

        async def is_ready() -> bool:
            return ready.exists() or process.returncode is not None

        assert await wait_for(is_ready, timeout_s=30)
        told = json.loads(ready.read_text(encoding="utf-8"))
        assert told["pid"] == process.pid
        async with open_channel(told["grpc"]) as channel:
            stub = equivalency_pb2_grpc.EquivalencyServiceStub(channel)
            answer = await stub.Find(equivalency_pb2.FindRequest(achievement="humber/a"), timeout=5)
            assert (answer.title, answer.position.size) == ("A course", rows.size)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await rows.close()


async def test_a_wrong_setting_is_told_and_nothing_is_started(database: str, tmp_path: Path) -> None:
    rows = await LedgerRows.create(database)
    await rows.close()
    ready = tmp_path / "ready.json"
    process = await start(write_config(tmp_path, database, network="other.example/log"), ready)
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert b"config-mismatch" in told
    assert not ready.exists()
