"""Watched folders without a database: what is complete, what is refused, what is left after a stop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.office import CountingIds, FixedClock

from passerelle.core.errors import FormatError, Unavailable
from passerelle.node.config import NodeConfig, WatchConfig
from passerelle.node.csv_report import ImportReport
from passerelle.node.csv_rows import row_error
from passerelle.node.jobs import Asked, ImportDesk, Job, Later, Stopped
from passerelle.node.watching import Settling, Watcher, folder_counts, listing
from passerelle.runtime.process import wait_for


class Importing:
    """The import, as far as a folder sees it: what it was given, and what it answers."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Asked]] = []
        self.content: list[bytes] = []
        self.answers: list[BaseException] = []

    async def __call__(self, path: Path, asked: Asked) -> ImportReport:
        self.taken.append((path.name, asked))
        self.content.append(path.read_bytes())
        if self.answers:
            raise self.answers.pop(0)
        report = ImportReport("credentials", False, rows=2, new=1)
        report.refuse([row_error(3, "conferred_on", "date-impossible", "no date")])
        return report


class JobBook:
    """Ended jobs in memory."""

    def __init__(self) -> None:
        self.ended: list[Job] = []

    async def end_job(self, job: Job) -> None:
        self.ended.append(job)


class Hall:
    """One watched folder with everything around it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        folder.mkdir()
        self.folder = folder
        self.take, self.book, self.clock = Importing(), JobBook(), FixedClock()
        config = WatchConfig(folder=folder, **{"settle_s": 10, **settings})
        self.watcher = Watcher(config, self.book, ImportDesk(self.take), self.clock, CountingIds())  # type: ignore[arg-type]

    async def look(self, after_s: float = 0) -> int:
        self.clock.seconds += after_s
        return await self.watcher.look(asyncio.Event())

    def names(self, inner: str) -> list[str]:
        return sorted(path.name for path in (self.folder / inner).iterdir())


async def test_a_file_is_taken_once_it_stands_still(tmp_path: Path) -> None:
    hall = Hall(tmp_path / "in", mapping="banner-awards", kind="credentials")
    (hall.folder / "awards.csv").write_text("half")
    assert (await hall.look(), await hall.look(9)) == (0, 0)
    (hall.folder / "awards.csv").write_text("half and half")
    assert (await hall.look(5), await hall.look(9)) == (0, 0)
    assert await hall.look(1) == 1
    assert hall.take.content == [b"half and half"]
    assert hall.take.taken[0][1] == Asked("credentials", "", "banner-awards")
    name = hall.take.taken[0][0]
    assert name.endswith("Z-awards.csv")
    assert hall.names("done") == [name, f"{name}.errors.csv", f"{name}.report.json"]
    told = orjson.loads((hall.folder / "done" / f"{name}.report.json").read_bytes())
    assert (told["state"], told["report"]["new"], told["report"]["refused"]) == ("done", 1, 1)
    assert "date-impossible" in (hall.folder / "done" / f"{name}.errors.csv").read_text()
    assert [(job.source, job.state, job.name) for job in hall.book.ended] == [("folder", "done", name)]
    assert await hall.look(60) == 0
    counts = folder_counts(hall.folder)
    assert (counts["waiting"], counts["taking"], counts["failed"], counts["readable"]) == (0, 0, 0, True)


async def test_a_file_of_which_nothing_can_be_taken_goes_to_failed(tmp_path: Path) -> None:
    hall = Hall(tmp_path / "in", settle_s=0)
    hall.take.answers = [FormatError("header-unknown", "no kind fits", where="x"), ValueError("a value of a person")]
    for name in ("a.csv", "b.csv"):
        (hall.folder / name).write_text("x")
    assert await hall.look() == 2
    assert [job.error["code"] for job in hall.book.ended if job.error] == ["header-unknown", "internal"]
    assert b"a value of a person" not in b"".join(path.read_bytes() for path in (hall.folder / "failed").iterdir())
    assert len(hall.names("failed")) == 6
    assert folder_counts(hall.folder)["failed"] == 2
    assert not (hall.folder / "done").exists()


async def test_a_stop_or_a_server_that_is_away_leaves_the_file_to_be_taken_again(tmp_path: Path) -> None:
    hall = Hall(tmp_path / "in", settle_s=0)
    (hall.folder / "a.csv").write_text("x")
    hall.take.answers = [Stopped(), Unavailable("database-unavailable", "away")]
    with pytest.raises(Stopped):
        await hall.look()
    assert len(hall.names("taking")) == 1
    again = Hall(tmp_path / "other", settle_s=3600)
    again.watcher.config = WatchConfig(folder=hall.folder, settle_s=3600)
    again.take.answers = [Unavailable("database-unavailable", "away")]
    with pytest.raises(Later, match="database-unavailable"):
        await again.look()
    assert hall.book.ended == again.book.ended == []
    assert await again.look() == 1
    assert [job.state for job in again.book.ended] == ["done"]
    assert hall.names("taking") == []


async def test_nothing_outside_of_the_folder_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    hall = Hall(tmp_path / "in", settle_s=0, max_bytes=4)
    (hall.folder / "link.csv").symlink_to(secret)
    os.link(secret, hall.folder / "hard.csv")
    os.mkfifo(hall.folder / "pipe.csv")
    (hall.folder / "large.csv").write_text("12345")
    (hall.folder / "sub").mkdir()
    (hall.folder / "sub" / "deep.csv").write_text("x")
    (hall.folder / "copy.csv.part").write_text("x")
    assert await hall.look() == 4
    assert hall.take.taken == []
    codes = {job.name.partition("Z-")[2]: (job.error or {})["code"] for job in hall.book.ended}
    assert codes == {
        "link.csv": "file-unreadable",
        "hard.csv": "file-unreadable",
        "pipe.csv": "file-unreadable",
        "large.csv": "file-too-large",
    }
    assert secret.read_text() == "key"


async def test_a_planted_link_in_place_of_an_own_folder_is_refused(tmp_path: Path) -> None:
    hall = Hall(tmp_path / "in", settle_s=0)
    (hall.folder / "a.csv").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (hall.folder / "done").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FormatError, match="not a folder"):
        await hall.look()
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    hall = Hall(tmp_path / "in", settle_s=0)
    for _ in range(3):
        (hall.folder / "a.csv").write_text("x")
        await hall.look()
    assert len({name for name, _ in hall.take.taken}) == 3
    assert len(hall.names("done")) == 9


async def test_a_folder_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    hall = Hall(tmp_path / "in", settle_s=0, every_s=0.01)
    stop = asyncio.Event()
    hall.folder.rmdir()
    running = asyncio.create_task(hall.watcher.run(stop))

    async def waits() -> bool:
        return hall.watcher.state == "waiting: file-unreadable"

    assert await wait_for(waits, timeout_s=10, every_s=0.01)
    assert not folder_counts(hall.folder)["readable"]
    hall.folder.mkdir()
    (hall.folder / "a.csv").write_text("x")

    async def ended() -> bool:
        return bool(hall.book.ended)

    assert await wait_for(ended, timeout_s=10, every_s=0.01)
    stop.set()
    await running


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 8)), min_size=1, max_size=20))
def test_settling_never_tells_of_a_file_that_changed_within_the_time(steps: list[tuple[int, float]]) -> None:
    settling, now, since, last = Settling(10), 0.0, 0.0, None
    for size, passed in steps:
        now += passed
        if size != last:
            since, last = now, size
        told = settling.look({"a": (size, 0, 0)}, now)
        assert bool(told) == (now - since >= 10)


def test_the_configuration_takes_one_folder_or_several(tmp_path: Path) -> None:
    for name in ("signing", "learners", "records"):
        (tmp_path / f"{name}.key").write_text("0" * 64)
    base = (
        'member = "humber"\nnetwork = "unit.example/1"\nroot_public_key_file = "root.pub"\nkey_file = "signing.key"\n'
        'learner_key_file = "learners.key"\nrecord_key_file = "records.key"\n[database]\nurl = "postgresql://x/y"\n'
    )
    path = tmp_path / "node.toml"
    path.write_text(base + '[watch]\nfolder = "in"\n')
    assert [one.folder for one in NodeConfig.load(path).watch] == [tmp_path / "in"]
    path.write_text(base + '[[watch]]\nfolder = "in"\n[[watch]]\nfolder = "/srv/x"\nmapping = "m"\n')
    assert [one.folder for one in NodeConfig.load(path).watch] == [tmp_path / "in", Path("/srv/x")]


def test_names_that_programs_give_to_unfinished_files_are_left_alone(tmp_path: Path) -> None:
    for name in (".hidden", "a.PART", "b.tmp", "c.csv"):
        (tmp_path / name).write_text("x")
    assert list(listing(tmp_path)) == ["c.csv"]
