"""One child process: started tied to this one, watched, and ended for certain."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from passerelle.core.errors import PasserelleError

Ready = Callable[[], Awaitable[bool]]
"""A readiness condition: true once the process serves. It must bound its own waiting to about a second."""

POLL_SECONDS = 0.05
_SPAWN = Path(__file__).with_name("_spawn.py")
_LOG_LIMIT = 16 * 1024 * 1024


def tail(log: Path, lines: int = 20, limit: int = 64 * 1024) -> str:
    """Return the last `lines` of a log file, reading at most `limit` bytes; an absent file is empty."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - limit))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def is_running(pid: int) -> bool:
    """Say whether `pid` lives. A zombie does not: it holds nothing and only waits to be counted."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return not Path("/proc/self/stat").exists()
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def parents() -> dict[int, int]:
    """Return the parent of every visible process, from /proc or, where there is none, from `ps`."""
    found: dict[int, int] = {}
    if Path("/proc/self/stat").exists():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    status = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue  # it ended while we looked
                found[int(entry.name)] = int(status.rpartition(")")[2].split()[1])
        return found
    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, timeout=10, check=True)
    for line in listing.stdout.splitlines():
        pid, parent = line.split()
        found[int(pid)] = int(parent)
    return found


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`, nearest first."""
    by_pid = parents()
    found: list[int] = []
    level = {pid}
    while level:
        level = {child for child, parent in by_pid.items() if parent in level and child not in found}
        found.extend(sorted(level))
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that is gone already is what was wanted."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition` holds, at most `seconds`; return whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


class Child:
    """A started program. It has its own session, so that Ctrl-C at the terminal reaches only its parent.

    On Linux it receives `death_signal` when the thread that started it ends: start children from a thread that lives as
    long as they shall, in practice the main one.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
        user: tuple[int, int] | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `prefix` + `argv`, appending its output to `log`. `env` is added to this process's environment.

        `user` is the (user id, group id) to change to, for which this process must be root.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_name(log.name + ".1"))
        user_id, group_id = user if user is not None else (-1, -1)
        python = [sys.executable, "-I", "-S", str(_SPAWN)]
        spawn = [*python, str(os.getpid()), str(int(death_signal)), str(user_id), str(group_id)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, *spawn, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; also the id of its session and process group."""
        return self._process.pid

    def running(self) -> bool:
        """Say whether it still runs. An ended one is left for `finish` to collect, so its id stays reserved."""
        if self._process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):
            return self._process.poll() is None
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, options) is None
        except ChildProcessError:
            return False

    def finish(self) -> int:
        """Collect an ended process, and what it left running in its group; return its exit code (negative: signal)."""
        if self._process.returncode is None:
            # The leader is not collected yet, so the group's id cannot have gone to anybody else.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        return self._process.returncode

    def send(self, number: signal.Signals) -> None:
        """Signal the process alone."""
        if self.running():
            send(self.pid, number)

    async def wait_ready(self, ready: Ready, seconds: float) -> None:
        """Wait until `ready`; raise `child-failed` with the log's tail if it ends first or is not ready in time."""
        deadline = time.monotonic() + seconds
        while True:
            if not self.running():
                raise self.failure(f"{self.name} ended with {_describe(self.finish())} before it was ready.")
            if await ready():
                return
            if time.monotonic() >= deadline:
                raise self.failure(f"{self.name} was not ready after {seconds:g} s.")
            await asyncio.sleep(POLL_SECONDS)

    def failure(self, what: str) -> PasserelleError:
        """Make the error that says `what`, where the log is, and how it ends."""
        end = tail(self.log)
        text = f"{what}\n{end}\n" if end else what
        return PasserelleError("child-failed", text, where=str(self.log), fix="More may stand in the log named above.")

    async def stop(self, seconds: float = 10.0, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, wait at most `seconds`, then kill it and its group; return the exit code."""
        self.send(number)
        if not await until(lambda: not self.running(), seconds):
            await self.kill()
        return self.finish()

    async def kill(self) -> int:
        """End it at once with everything below it, and wait until all of them are gone."""
        below = descendants(self.pid) if self.running() else []
        self.send(signal.SIGKILL)
        for pid in below:
            send(pid, signal.SIGKILL)
        await until(lambda: not self.running() and not any(map(is_running, below)), 10.0)
        return self.finish()


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
