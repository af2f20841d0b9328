"""The data folder: a journal that survives, a lock, and nobody's files thrown away."""

import json
from pathlib import Path

import pytest

from passerelle.core.errors import PasserelleError
from passerelle.demo.folder import DemoFolder


def opened(path: Path, *, fresh: bool = False, samples: str = "a") -> tuple[DemoFolder, bool]:
    folder = DemoFolder(path)
    return folder, folder.open(fresh=fresh, samples=samples)


def test_a_new_folder_has_nothing_done(tmp_path: Path) -> None:
    folder, again = opened(tmp_path / "demo")
    assert not again
    assert not folder.done("x")
    with pytest.raises(PasserelleError, match="lacks a step"):
        folder.result("x")


def test_what_was_done_is_known_to_the_next_run_and_what_was_begun_too(tmp_path: Path) -> None:
    folder, _ = opened(tmp_path)
    assert folder.begin("a") is False
    folder.end("a", {"new": 3})
    folder.begin("b")
    folder.close()
    later, again = opened(tmp_path)
    assert again
    assert later.result("a") == {"new": 3}
    assert later.begin("a") is False
    assert later.begin("b") is True


def test_one_demo_at_a_time(tmp_path: Path) -> None:
    folder, _ = opened(tmp_path)
    with pytest.raises(PasserelleError) as told:
        opened(tmp_path)
    assert told.value.code == "lease-held"
    folder.close()


def test_other_samples_ask_for_a_fresh_start(tmp_path: Path) -> None:
    folder, _ = opened(tmp_path)
    folder.begin("a")
    (tmp_path / "humber").mkdir()
    folder.close()
    stale = DemoFolder(tmp_path)
    with pytest.raises(PasserelleError) as told:
        stale.open(fresh=False, samples="b")
    stale.close()
    assert told.value.code == "config-mismatch"
    assert "--fresh" in told.value.fix
    fresh, again = opened(tmp_path, fresh=True, samples="b")
    assert not again
    assert not (tmp_path / "humber").exists()
    fresh.close()


@pytest.mark.parametrize("fresh", [True, False])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    folder = DemoFolder(tmp_path)
    with pytest.raises(PasserelleError) as told:
        folder.open(fresh=fresh, samples="a")
    folder.close()
    assert told.value.code == "config-mismatch"
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_journal_that_cannot_be_read_asks_for_a_fresh_start(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{", encoding="utf-8")
    folder = DemoFolder(tmp_path)
    with pytest.raises(PasserelleError) as told:
        folder.open(fresh=False, samples="a")
    assert told.value.code == "config-mismatch"
    folder.open(fresh=True, samples="a")
    assert json.loads((tmp_path / "demo.json").read_text("utf-8"))["samples"] == "a"
