"""Counting the log, mending a report of an import that was cut short, configurations, and showing an answer."""

import io
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from passerelle.demo.answers import Given
from passerelle.demo.configs import Places, Ports, toml, write_node, write_services
from passerelle.demo.facts import Logged, Tally
from passerelle.demo.folder import DemoFolder
from passerelle.demo.loading import _whole
from passerelle.demo.plan import SCENARIOS, load_members, samples_folder
from passerelle.demo.project import event_word
from passerelle.demo.show import TITLES, scenario
from passerelle.ledger.config import LedgerConfig
from passerelle.node.config import NodeConfig
from passerelle.portal.config import PortalConfig
from passerelle.query.config import QueryConfig


def test_the_tally_counts_outcomes_and_finds_holes() -> None:
    tally = Tally()
    for sequence, accepted in ((1, True), (2, False), (3, True), (5, True), (5, True)):
        tally.take(Logged("ubc", "credential", sequence, accepted, "issued"))
    tally.take(Logged("sfu", "credential", 1, True, "issued"))
    assert (tally.accepted("ubc", "issued"), tally.refused("ubc")) == (4, 1)
    assert (tally.first("ubc", "credential"), tally.last("ubc", "credential")) == (1, 5)
    # 4 is missing and 5 stands twice.
    assert tally.holes("ubc", "credential") == 2
    assert tally.holes("sfu", "credential") == 0
    assert tally.first("nobody", "credential") == 0


@pytest.mark.parametrize(
    ("known", "report", "new", "unchanged"),
    [
        (0, {"new": 400, "unchanged": 600}, 1000, 0),
        (0, {"new": 1000, "unchanged": 0}, 1000, 0),
        (940, {"new": 20, "unchanged": 980}, 60, 940),
    ],
)
def test_an_import_that_was_cut_short_reports_as_if_it_had_not_been(
    known: int, report: dict[str, int], new: int, unchanged: int
) -> None:
    assert _whole(report, known) == {"new": new, "unchanged": unchanged}


@pytest.mark.parametrize("text", ["ca.passerelle.credential.revoked.v1", "credential.revoked"])
def test_an_event_is_named_by_its_last_word(text: str) -> None:
    assert event_word(text) == "revoked"


def test_toml_reads_back_as_it_was_meant() -> None:
    table = {"a": 'quote " and \\', "n": 3, "t": {"flag": True, "inner": {"host": "127.0.0.1", "port": 0}}}
    assert tomllib.loads(toml(table)) == table


def test_the_configurations_are_those_that_the_services_read(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    members = load_members(samples_folder(), frozenset(SCENARIOS))
    names = ("ledger", "query", "portal", *(member.id for member in members))
    places = Places("127.0.0.1:9092", {name: f"postgresql://{name}@127.0.0.1:5432/{name}" for name in names})
    ports = Ports(ledger=1, log=2, grpc=3, portal=4, insight=5)
    write_services(folder, places, ports, tmp_path)
    assert LedgerConfig.load(folder.config("ledger")).grpc.port == 1
    assert QueryConfig.load(folder.config("query")).ledger == "127.0.0.1:1"
    assert PortalConfig.load(folder.config("portal")).query == "127.0.0.1:3"
    for member in members:
        write_node(folder, member, places, ports)
        config = NodeConfig.load(folder.node(member.id))
        assert config.member == member.id
        assert config.language == ("fr" if "CA-QC" in member.admission["jurisdictions"] else "en")


def shown(problems: list[str]) -> str:
    out = io.StringIO()
    given = Given({"verdict": "portable", "lines": [{"line": 1}]}, [], ["an employer said so"])
    scenario(Console(file=out, width=100), "S1", given, problems)
    return out.getvalue()


def test_an_answer_is_shown_with_a_tick_or_with_what_differs() -> None:
    assert set(TITLES) == set(SCENARIOS)
    right, wrong = shown([]), shown(["answer.verdict: expected 'x', answered 'y'"])
    assert "✓" in right
    assert "because an employer said so" in right
    assert "✗" in wrong
    assert "differs: answer.verdict" in wrong
