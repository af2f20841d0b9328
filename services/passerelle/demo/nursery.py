"""Starts Passerelle's processes from one that has the libraries loaded: ``python -m passerelle.demo.nursery``.

Every node, service and command of the demo is a process of its own that runs ``passerelle`` with its own arguments.
Loading the libraries costs more than a second of processor time each; a hundred processes share that one load by fork.
Where fork is not safe with the libraries loaded (anywhere but Linux), each process is started plainly instead.

Requests come as lines of JSON on standard input: ``{"id", "argv", "stdout", "stderr"}`` (paths). Answers go out the
same way: ``{"id", "pid"}`` at the start, ``{"id", "code"}`` at the end (negative: the signal). When the input ends,
every process still running is stopped: SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

PRELOADED: Final = (
    "passerelle.cli.main",
    "passerelle.cli.common",
    "passerelle.cli.node",
    "passerelle.cli.operator",
    "passerelle.node.main",
    "passerelle.node.config",
    "passerelle.node.setup",
    "passerelle.node.status",
    "passerelle.runtime.process",
)
"""Modules that most of the processes need. Those of the single services are loaded by these alone."""
STOP_SECONDS: Final = 12.0
_PR_SET_PDEATHSIG: Final = 1
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Serve requests until the input ends."""
    forks = sys.platform == "linux"
    if forks:
        for name in PRELOADED:
            importlib.import_module(name)
        # What is loaded now is never collected: the children's copies of these pages stay shared.
        gc.freeze()
    Nursery(forks=forks).serve()
    return 0


class Nursery:
    """The loop: one thread, so that a fork copies no lock that another thread holds."""

    def __init__(self, *, forks: bool) -> None:
        self._forks = forks
        self._running: dict[int, Any] = {}
        self._plain: dict[int, subprocess.Popen[bytes]] = {}
        self._rest = b""
        self._ended = -1

    def serve(self) -> None:
        """Take requests and tell of ends until the input ends, then stop what runs."""
        self._ended, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._ended, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOPS:
            signal.signal(number, signal.SIG_IGN)
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            self._tell({"ready": True})
            while self._turn(selector):
                self._reap()
        self._stop_all()

    def _turn(self, selector: selectors.BaseSelector) -> bool:
        for key, _ in selector.select():
            if key.fd == self._ended:
                os.read(self._ended, 4096)
                continue
            chunk = os.read(key.fd, 65536)
            if not chunk:
                return False
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._start(json.loads(line))
        return True

    def _start(self, request: Mapping[str, Any]) -> None:
        pid = self._fork(request) if self._forks else self._spawn(request)
        self._running[pid] = request["id"]
        self._tell({"id": request["id"], "pid": pid})

    def _fork(self, request: Mapping[str, Any]) -> int:
        parent = os.getpid()
        # Held back until the child has its own handlers: one that comes before would be ignored, as it is here.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        pid = os.fork()
        if pid == 0:
            # Nothing of this loop may run on in the child, whatever happens.
            try:
                os._exit(_become(request, parent))
            finally:
                os._exit(70)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        return pid

    def _spawn(self, request: Mapping[str, Any]) -> int:
        with open(request["stdout"], "ab") as out, open(request["stderr"], "ab") as err:
            child = subprocess.Popen(
                [sys.executable, "-m", "passerelle", *request["argv"]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self._plain[child.pid] = child
        return child.pid

    def _reap(self) -> None:
        for pid in list(self._running):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._plain.pop(pid, None)
                self._tell({"id": self._running.pop(pid), "code": os.waitstatus_to_exitcode(status)})

    def _stop_all(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._running:
                # A pid is ours until it was waited for, so it cannot have gone to anybody else.
                os.kill(pid, number)
            while self._running and time.monotonic() < deadline:
                select.select([self._ended], [], [], 0.05)
                self._reap()
            deadline = time.monotonic() + STOP_SECONDS

    def _tell(self, answer: Mapping[str, Any]) -> None:
        try:
            os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")
        except BrokenPipeError:
            # Whoever asked is gone; the end of the input follows and ends this process in order.
            return


def _become(request: Mapping[str, Any], parent: int) -> int:
    """In the forked child: turn into ``passerelle <argv>`` in a session of its own; its exit code."""
    os.setsid()
    _die_with_parent(parent)
    signal.set_wakeup_fd(-1)
    for number in (*_STOPS, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = (os.open(os.devnull, os.O_RDONLY), os.open(request["stdout"], flags, 0o600))
    os.dup2(files[0], 0)
    os.dup2(files[1], 1)
    os.dup2(os.open(request["stderr"], flags, 0o600), 2)
    sys.argv = ["passerelle", *request["argv"]]
    # Help and error texts name the program by its module where there is one; here that would be this one.
    sys.modules["__main__"].__package__ = None
    # The child becomes the whole program, of which the demo is a part: by name, as a new process would load it.
    program = importlib.import_module("passerelle.__main__")
    try:
        program.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - the outermost frame of a process: told whole on standard error
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _die_with_parent(parent: int) -> None:
    """On Linux: be killed when the nursery ends without its goodbye (``prctl(2)``, PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(70)


if __name__ == "__main__":
    sys.exit(main())
