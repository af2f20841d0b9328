"""The supervisor: readiness, early exits, order of stopping, stubborn children, and a parent that is killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from passerelle.core.errors import PasserelleError
from passerelle.embedded import ChildSpec, Supervisor, free_port
from passerelle.embedded.child import Ready, is_running, tail, until
from passerelle.embedded.ports import LOOPBACK, is_free
from passerelle.embedded.readiness import file_ready, http_ready, tcp_ready

READY = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); "
OBEDIENT = READY + "signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "\nwhile True: signal.pause()"
PARENT_OF_ONE = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); "
    "print(p.pid, flush=True); " + OBEDIENT
)


def spec(folder: Path, name: str, code: str, *, ready: Ready | None = None, stop_seconds: float = 5.0) -> ChildSpec:
    mark = folder / f"{name}.ready"
    mark.unlink(missing_ok=True)
    argv = [sys.executable, "-c", code, str(mark)]
    return ChildSpec(name, argv, folder / f"{name}.log", ready or file_ready(mark), stop_seconds=stop_seconds)


async def test_waves_stop_in_reverse_order(tmp_path: Path) -> None:
    order = tmp_path / "order"
    note = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *a: (open({0!r}, 'a').write({1!r}), sys.exit(3))); "
    )
    supervisor = Supervisor()
    for name in ("first", "second", "third"):
        await supervisor.start(spec(tmp_path, name, note.format(str(order), f"{name} ") + READY + "signal.pause()"))
    assert await supervisor.stop() == {"first": 3, "second": 3, "third": 3}
    assert order.read_text(encoding="utf-8").split() == ["third", "second", "first"]
    assert await supervisor.stop() == {}


async def test_an_early_exit_is_reported_with_the_logs_tail(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        good = await supervisor.start(spec(tmp_path, "good", OBEDIENT))
        with pytest.raises(PasserelleError) as caught:
            await supervisor.start(spec(tmp_path, "bad", "import sys; sys.exit('the disk is on fire')"))
        assert caught.value.code == "child-failed"
        assert "exit code 1" in caught.value.what
        assert "the disk is on fire" in caught.value.what
        assert good.running()
    assert not good.running()


async def test_a_missing_program_is_an_early_exit(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        with pytest.raises(PasserelleError, match="No such file"):
            await supervisor.start(
                ChildSpec("none", ["/nonexistent/program"], tmp_path / "log", file_ready(tmp_path / "x"))
            )


async def test_a_child_that_never_gets_ready_is_reported(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    argv = [sys.executable, "-c", "import signal; signal.pause()"]
    async with Supervisor() as supervisor:
        with pytest.raises(PasserelleError, match=r"not ready after 0\.3 s"):
            await supervisor.start(ChildSpec("slow", argv, tmp_path / "log", never, ready_seconds=0.3))


async def test_a_child_that_dies_later_is_seen(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        child = await supervisor.start(spec(tmp_path, "victim", OBEDIENT))
        assert supervisor.failed() is None
        os.kill(child.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            with pytest.raises(PasserelleError, match="victim ended by itself"):
                await supervisor.watch()


async def test_a_stopped_child_is_no_failure_and_can_be_started_again(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        first = await supervisor.start(spec(tmp_path, "node", OBEDIENT))
        assert await supervisor.kill_child("node") == -signal.SIGKILL
        assert supervisor.failed() is None
        second = await supervisor.restart_child("node")
        assert second.pid != first.pid
        assert second.running()
        assert supervisor.failed() is None


async def test_a_stubborn_child_and_what_it_started_are_killed(tmp_path: Path) -> None:
    async with Supervisor() as supervisor:
        stubborn = await supervisor.start(spec(tmp_path, "stubborn", STUBBORN, stop_seconds=0.3))
        await supervisor.start(spec(tmp_path, "parent", PARENT_OF_ONE))
        grandchild = int(tail(tmp_path / "parent.log"))
        assert is_running(grandchild)
        codes = await supervisor.stop()
    assert codes["stubborn"] == -signal.SIGKILL
    assert codes["parent"] == -signal.SIGTERM
    assert not is_running(stubborn.pid)
    assert await until(lambda: not is_running(grandchild), 5)


async def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from passerelle.embedded import ChildSpec, Supervisor\n"
        "async def main():\n"
        "    argv = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "    child = await Supervisor().start(ChildSpec('x', argv, Path(sys.argv[1])))\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "log")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert is_running(pid)
        parent.kill()
    assert await until(lambda: not is_running(pid), 10)


async def test_readiness_over_tcp_and_http(tmp_path: Path) -> None:
    port = free_port()
    assert not await tcp_ready(LOOPBACK, port)()
    assert not await http_ready(f"http://{LOOPBACK}:{port}/")()
    (tmp_path / "index.html").write_text("here", encoding="utf-8")
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK, "--directory", str(tmp_path)]
    async with Supervisor() as supervisor:
        await supervisor.start(ChildSpec("web", argv, tmp_path / "log", http_ready(f"http://{LOOPBACK}:{port}/")))
        assert await tcp_ready(LOOPBACK, port)()
        assert not await http_ready(f"http://{LOOPBACK}:{port}/absent")()


def test_ports_in_use_are_chosen_around() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert not is_free(taken)
        chosen = free_port(taken)
        assert chosen > taken
        assert free_port(taken, taken={chosen}) > chosen
    assert is_free(taken)
