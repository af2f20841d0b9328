"""The file of the statistics: whole or not at all, of one network, and never in the way of a start."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.portal.builder import OPERATOR, Log

from passerelle.events.topics import FEED
from passerelle.insight.config import InsightConfig
from passerelle.insight.stream import Reading
from passerelle.runtime.config import KafkaConfig


def reading(folder: Path, network: str = "test/log", generation: int = 1) -> Reading:
    kafka = KafkaConfig(bootstrap="127.0.0.1:1")
    config = InsightConfig(network=network, root_public_key_file=folder / "k", kafka=kafka, data_folder=folder)
    return Reading(config, generation)


def fill(found: Reading) -> None:
    """Take one entry in, as if it came from the topic, and save."""
    log = Log(network="test/log")
    index = log.admit(OPERATOR, "operator", {"en": "Operator"}, ["CA"], ["operate"])
    record = SimpleNamespace(offset=0, headers=log.headers(index), value=log.bodies[index])
    found._take(FEED, record)
    found._offsets[FEED] = 1
    found.save()


def test_rows_come_back_with_the_offsets_that_they_rest_on(tmp_path: Path) -> None:
    first = reading(tmp_path)
    fill(first)
    second = reading(tmp_path)
    assert second.rows == first.rows
    assert second.rows["m|operator"]["j"] == "CA"
    assert second._offsets[FEED] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["statistics-1.json"]


def test_another_generation_or_network_begins_anew(tmp_path: Path) -> None:
    fill(reading(tmp_path))
    for other in (reading(tmp_path, generation=2), reading(tmp_path, network="another/log")):
        assert other.rows == {}
        assert other._offsets[FEED] == 0


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"network":"test/log","rows":{}}'])
def test_a_damaged_file_is_counted_anew(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "statistics-1.json").write_bytes(damaged)
    found = reading(tmp_path)
    assert (found.rows, found._offsets[FEED]) == ({}, 0)
    fill(found)
    assert reading(tmp_path).rows == found.rows


def test_records_that_cannot_be_read_are_counted_and_left(tmp_path: Path) -> None:
    found = reading(tmp_path)
    for topic in found._places:
        for value in (b"", b"{", b"[1]", b'"text"', None):
            found._take(topic, SimpleNamespace(offset=0, headers=[], value=value))
    assert found.rows == {}
