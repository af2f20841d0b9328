"""The broker's further ports, and a small file system, as far as they can be tried without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.embedded.kafka_config import properties
from passerelle.testing.faults.disk import SmallDisk


def told(links: dict[int, int] | None = None) -> dict[str, str]:
    text = properties(Path("/data"), 9092, 9093, {}, links)
    return dict(line.split("=", 1) for line in text.splitlines())


def test_each_link_is_a_listener_that_tells_the_port_before_it() -> None:
    found = told({5001: 6001, 5002: 6002})
    listeners = found["listeners"].split(",")
    assert listeners[:2] == ["PLAINTEXT://127.0.0.1:9092", "CONTROLLER://127.0.0.1:9093"]
    assert listeners[2:] == ["LINK0://127.0.0.1:5001", "LINK1://127.0.0.1:5002"]
    assert found["advertised.listeners"].split(",") == [
        "PLAINTEXT://127.0.0.1:9092",
        "LINK0://127.0.0.1:6001",
        "LINK1://127.0.0.1:6002",
    ]
    assert found["listener.security.protocol.map"].endswith(",LINK0:PLAINTEXT,LINK1:PLAINTEXT")


def test_without_links_there_is_one_listener_beside_the_controller() -> None:
    found = told()
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert found == told({})


def test_a_small_disk_is_full_when_told_and_has_room_again(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "small", 4 * 1024 * 1024)
    if not disk.mount():
        pytest.skip(f"no small file system here: {disk.refusal}")
    try:
        (disk.folder / "held").write_bytes(b"x" * 1_000_000)
        assert disk.fill() >= 1_000_000
        assert disk.free_bytes() == 0
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(b"y" * 100_000)
        disk.make_room()
        assert disk.free_bytes() > 2_000_000
        (disk.folder / "more").write_bytes(b"y" * 100_000)
        assert (disk.folder / "held").stat().st_size == 1_000_000
    finally:
        disk.unmount()
    disk.unmount()
    assert not any(disk.folder.iterdir())
    assert disk.refusal == "unmounted"


def test_where_mounting_is_refused_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    disk = SmallDisk(tmp_path / "small", 4096)
    assert not disk.mount()
    assert "only root" in disk.refusal
    disk.unmount()
