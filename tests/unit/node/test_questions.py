"""``node init`` by questions, and the doctor's judgement of the clock and of folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.office import FixedClock
from typer.testing import CliRunner

from passerelle.cli.node import app
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.node.config import NodeConfig, PushConfig, WatchConfig
from passerelle.node.doctor import check_clock, examine
from passerelle.node.questions import MAX_TRIES, QUESTIONS, complete
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.keys import create_seed

NOW = 1_780_000_000_000


def answers(folder: Path) -> dict[str, str]:
    (folder / "root.pub").write_text(SeedSigner(bytes(32)).public_key.hex() + "\n")
    return {
        "jurisdiction": "CA-QC",
        "member": "cegep-garneau",
        "name": "fr=Cégep Garneau, en=Garneau College",
        "kind": "cegep",
        "role": "",
        "folder": "",
        "database": "",
        "kafka": "127.0.0.1:9092",
        "query": "127.0.0.1:7443",
        "root_key": str(folder / "root.pub"),
        "network": "unit.example/1",
    }


class Person:
    """Somebody at the terminal: answers in the order of the questions, wrong ones first."""

    def __init__(self, replies: dict[str, str], wrong: dict[str, list[str]] | None = None) -> None:
        self.replies, self.wrong = replies, wrong or {}
        self.asked: list[str] = []
        self.told: list[str] = []

    def prompt(self, text: str, default: str) -> str:
        self.asked.append(text)
        name = next(one.name for one in QUESTIONS if text in (one.english, one.french))
        if self.wrong.get(name):
            return self.wrong[name].pop(0)
        return self.replies[name] or default


def test_what_is_missing_is_asked_in_the_language_of_the_place(tmp_path: Path) -> None:
    person = Person(answers(tmp_path), {"jurisdiction": ["Québec"], "kafka": ["127.0.0.1"], "kind": ["cegepp"]})
    found = complete({"member": "", "kind": ""}, person.prompt, person.told.append)
    assert found["jurisdiction"] == ["CA-QC"]
    assert found["name"] == ["fr=Cégep Garneau", "en=Garneau College"]
    assert (found["role"], found["folder"]) == (["issue", "recognise"], "cegep-garneau-node")
    assert found["database"].endswith("/cegep-garneau")
    assert person.asked[2] == QUESTIONS[1].french
    assert len(person.told) == 3
    assert "Did you mean 'cegep'?" in person.told[1]


def test_what_was_given_is_not_asked(tmp_path: Path) -> None:
    given: dict[str, Any] = {**answers(tmp_path), "role": ["issue"], "folder": "x", "database": "y", "kafka": ""}
    person = Person(answers(tmp_path))
    assert (
        complete({**given, "jurisdiction": ["CA-ON"]}, person.prompt, person.told.append)["kafka"] == "127.0.0.1:9092"
    )
    assert person.asked == ["Kafka brokers, host:port"]


def test_without_a_terminal_all_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as raised:
        complete({"member": "humber", "root_key": tmp_path}, None, print)
    assert raised.value.code == "argument-missing"
    assert "--jurisdiction" in raised.value.fix
    assert "--member" not in raised.value.fix
    result = CliRunner().invoke(app, ["init", "--member", "humber"])
    assert isinstance(result.exception, FormatError)


def test_wrong_answers_come_to_an_end(tmp_path: Path) -> None:
    person = Person(answers(tmp_path), {"member": ["Humber College"] * MAX_TRIES})
    with pytest.raises(FormatError, match="needed"):
        complete({}, person.prompt, person.told.append)
    assert len(person.told) == MAX_TRIES


@pytest.mark.parametrize(
    ("ahead_s", "code"), [(0, ""), (-4, ""), (29, ""), (-6, "clock-behind"), (31, "clock-ahead"), (None, "")]
)
def test_a_clock_that_is_wrong_is_told(ahead_s: int | None, code: str) -> None:
    floor = 0 if ahead_s is None else NOW - ahead_s * 1000
    if not code:
        check_clock(NOW, floor)
        return
    with pytest.raises(PasserelleError) as raised:
        check_clock(NOW, floor)
    assert raised.value.code == code
    assert raised.value.fix


async def test_the_doctor_names_everything_that_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    create_seed(tmp_path / "good.key", bytes(32))
    (tmp_path / "open.key").write_text("0" * 64)
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "token").write_text("short")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "in").mkdir()
    config = NodeConfig(
        member="humber",
        network="unit.example/1",
        root_public_key_file=tmp_path / "root.pub",
        database=DatabaseConfig(url="postgresql://nobody@127.0.0.1:1/none"),
        kafka=KafkaConfig(bootstrap="127.0.0.1:1", request_timeout_s=1),
        query="127.0.0.1:1",
        key_file=tmp_path / "good.key",
        learner_key_file=tmp_path / "open.key",
        record_key_file=tmp_path / "none.key",
        watch=[WatchConfig(folder=tmp_path / "in"), WatchConfig(folder=tmp_path / "gone")],
        push=PushConfig(token_file=tmp_path / "token", spool_folder=tmp_path / "spool"),
    )
    findings = {one.check: one for one in await examine(config, FixedClock())}
    wrong = {name: one.code for name, one in findings.items() if not one.ok}
    assert wrong == {
        "learner key file": "key-file-unusable",
        "record key file": "key-file-unusable",
        "root public key file": "key-file-unusable",
        "database and registry": "database-unavailable",
        "database schema": "database-unavailable",
        "learner key opens the database": "key-file-unusable",
        "Kafka": "broker-unavailable",
        "query service": "service-unavailable",
        "clock": "service-unavailable",
        "watched folder 2": "file-unreadable",
        "push token file": "config-invalid",
    }
    assert all(one.what and one.fix for one in findings.values() if not one.ok)
    assert "chmod 600" in findings["learner key file"].fix
