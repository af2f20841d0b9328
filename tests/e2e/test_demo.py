"""``passerelle demo`` as a newcomer runs it: cut short by kill -9, gone on with, stopped by a signal."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from passerelle.core.errors import PasserelleError
from passerelle.demo.network import PREFERRED
from passerelle.demo.plan import SCENARIOS, samples_folder

pytestmark = pytest.mark.timeout(900)
RUN_S = 400
Say = Callable[[str], None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the whole story: each test goes on where the one before it left off."""
    return tmp_path_factory.mktemp("demo") / "data"


class Run:
    """A running demo: its lines as they come, its exit code."""

    def __init__(self, data: Path, *options: str) -> None:
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "passerelle", "demo", "--data", str(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._grown:
                self.lines.append(line.rstrip())
                self._grown.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; looked at with every line, and at least each half second."""
        with self._grown:
            for _ in range(2 * RUN_S):
                if condition() or self._process.poll() is not None:
                    break
                self._grown.wait(0.5)
        assert condition(), "\n".join(self.lines)

    def says(self, text: str) -> Callable[[], bool]:
        return lambda: any(text in line for line in self.lines)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        code = self._process.wait(RUN_S)
        self._reader.join(30)
        return code

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)


def processes_of(data: Path) -> dict[int, str]:
    """The running processes that hold a file below the data folder open, or name it: pid and command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            files = [os.readlink(file) for file in (entry / "fd").iterdir()]
        except OSError:
            continue
        if int(entry.name) != os.getpid() and (str(data) in command or any(str(data) in file for file in files)):
            found[int(entry.name)] = command
    return found


def journal(data: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((data / "demo.json").read_text(encoding="utf-8"))
    except OSError:
        return {"begun": {}, "done": {}}
    return found


@pytest.fixture(scope="module")
def taken() -> Iterator[set[int]]:
    """Some of the demo's preferred ports, held by somebody else: by this test where nobody does."""
    held: set[int] = set()
    sockets = []
    for name in ("grpc", "portal"):
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockets.append(holder)
        try:
            holder.bind(("127.0.0.1", PREFERRED[name]))
            holder.listen()
        except OSError:
            pass  # somebody else holds it already: as good
        held.add(PREFERRED[name])
    yield held
    for holder in sockets:
        holder.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see that nothing is left behind")
def test_killed_in_the_middle_it_leaves_no_process_behind(data: Path, taken: set[int], say: Say) -> None:
    say("demo: a first run, to be killed while 10,000 awards are imported")
    run = Run(data, "--once")
    try:
        run.wait_for(lambda: "S8:awards" in journal(data)["begun"])
        assert "S8:awards" not in journal(data)["done"]
        assert len(processes_of(data)) > 15
    finally:
        run.kill()
    stopped = threading.Event()
    for _ in range(120):
        if not processes_of(data):
            stopped.set()
            break
        stopped.wait(0.5)
    assert stopped.is_set(), processes_of(data)


def test_the_next_run_goes_on_and_every_answer_is_right(data: Path, taken: set[int], tmp_path: Path, say: Say) -> None:
    say("demo: the second run, on the folder of the first")
    report_file = tmp_path / "report.json"
    run = Run(data, "--once", "--json", str(report_file))
    try:
        assert run.end() == 0, "\n".join(run.lines)
    finally:
        run.kill()
    report = json.loads(report_file.read_text(encoding="utf-8"))
    assert set(report) == {"addresses", "answers"}
    assert set(report["addresses"]) == {"kafka", "postgres", "grpc", "portal", "log"}
    assert list(report["answers"]) == list(SCENARIOS)
    for name, given in report["answers"].items():
        assert set(given) == {"question", "answer", "reasons", "expected_equal"}
        expected = json.loads((samples_folder() / "expected" / f"{name}.json").read_text("utf-8"))
        assert given["answer"] == expected["answer"], name
        assert given["question"] == expected["question"], name
        assert given["expected_equal"] is True, name
    ports = {int(port) for address in report["addresses"].values() for port in re.findall(r":(\d{2,5})", address)}
    assert not ports & taken
    for name in SCENARIOS:
        assert any(f"✓ {name} " in line for line in run.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stays_up_until_a_signal_and_then_stops_all_it_started(
    data: Path, number: signal.Signals, tmp_path: Path, say: Say
) -> None:
    say(f"demo: up, then {number.name}")
    report_file = tmp_path / "report.json"
    run = Run(data, "--only", "S1,S3", "--json", str(report_file))
    try:
        run.wait_for(run.says("Everything runs"))
        places = json.loads(report_file.read_text(encoding="utf-8"))["addresses"]
        with closing(urllib.request.urlopen(places["log"], timeout=10)) as checkpoint:
            assert checkpoint.read().startswith(b"demo.passerelle.example/2026\n")
        with closing(urllib.request.urlopen(places["portal"], timeout=10)) as page:
            assert page.status == 200
        for name in ("kafka", "postgres", "grpc"):
            host, _, port = places[name].partition(":")
            with closing(socket.create_connection((host, int(port)), timeout=10)):
                pass
        run.signal(number)
        assert run.end() == 0, "\n".join(run.lines)
    finally:
        run.kill()
    if sys.platform == "linux":
        assert processes_of(data) == {}


def test_a_wrong_answer_is_shown_and_ends_with_exit_code_one(data: Path, tmp_path: Path, say: Say) -> None:
    """Only the expected answer is another one here: the samples, and so the data folder, are the same."""
    say("demo: an expected answer that is wrong")
    samples = tmp_path / "samples"
    shutil.copytree(samples_folder(), samples)
    expected = json.loads((samples_folder() / "expected" / "S3.json").read_text("utf-8"))
    expected["answer"]["summary"]["credits"] = [["12", "credit-hours"]]
    (samples / "expected" / "S3.json").write_text(json.dumps(expected), encoding="utf-8")
    run = Run(data, "--once", "--only", "S3", "--samples", str(samples))
    try:
        assert run.end() == 1, "\n".join(run.lines)
    finally:
        run.kill()
    assert any("differs: answer.summary.credits[0][0]: expected '12', answered '9'" in line for line in run.lines)


def test_a_folder_of_somebody_else_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    run = Run(tmp_path, "--once", "--fresh")
    assert run.end() == 1
    assert any(PasserelleError("config-mismatch", "").code in line for line in run.lines)
    assert (tmp_path / "thesis.txt").exists()
