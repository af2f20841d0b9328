"""The nursery: processes of their own, their exit codes, and an end that leaves nothing behind."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.core.errors import PasserelleError
from passerelle.demo.processes import Processes
from passerelle.embedded.child import is_running

pytestmark = pytest.mark.timeout(120)


async def test_commands_answer_with_output_and_code(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    await processes.open()
    try:
        told = await processes.run("node", "--help")
        assert "import" in told.output
        with pytest.raises(PasserelleError) as error:
            await processes.run("node", "status", "--config", str(tmp_path / "absent.toml"))
        assert error.value.code == "child-failed"
        assert "config-unreadable" in error.value.what
        failed = await processes.run("node", "status", "--config", str(tmp_path / "absent.toml"), ok=(1,))
        assert failed.code == 1
    finally:
        await processes.close()
    assert not list(tmp_path.glob("command-*"))


async def test_a_service_that_ends_before_it_is_ready_is_told_with_its_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    await processes.open()
    try:
        argv = ("node", "run", "--config", str(tmp_path / "absent.toml"))
        with pytest.raises(PasserelleError) as error:
            await processes.start_all([("humber", argv, tmp_path / "ready.json")])
        assert "config-unreadable" in error.value.what
        assert error.value.where == str(tmp_path / "humber.log")
    finally:
        await processes.close()


def test_the_end_of_the_input_stops_what_runs(tmp_path: Path) -> None:
    """As when the demo itself is killed: the nursery reads the end of its input and stops every process."""
    nursery = subprocess.Popen(
        [sys.executable, "-m", "passerelle.demo.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    assert json.loads(nursery.stdout.readline()) == {"ready": True}
    # A reader of a pipe that nobody writes waits until it is stopped.
    config = tmp_path / "never.toml"
    os.mkfifo(config)
    log = str(tmp_path / "node.log")
    request = {"id": 1, "argv": ["node", "run", "--config", str(config)], "stdout": log, "stderr": log}
    nursery.stdin.write(json.dumps(request).encode() + b"\n")
    nursery.stdin.flush()
    pid = json.loads(nursery.stdout.readline())["pid"]
    assert is_running(pid)
    nursery.stdin.close()
    ended = json.loads(nursery.stdout.readline())
    assert ended["id"] == 1
    assert nursery.wait(60) == 0
    assert not is_running(pid)


async def test_a_command_is_stopped_with_the_one_who_asked(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    await processes.open()
    config = tmp_path / "never.toml"
    os.mkfifo(config)
    try:
        asked = asyncio.ensure_future(processes.run("node", "status", "--config", str(config)))
        async with asyncio.timeout(60):
            while not processes._ended:
                await asyncio.sleep(0)
        waiting = next(iter(processes._ended.values()))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        async with asyncio.timeout(60):
            code = await waiting
        assert code != 0
    finally:
        await processes.close()
