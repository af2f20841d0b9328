"""Articulation over a real query service: the command line asks, the ledger's rows answer, errors keep their code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from tests.integration.query_ledger import LedgerRows
from tests.integration.query_running import Running, failing, make_config, running
from tests.integration.test_query_cli import passerelle
from tests.unit.query.world import NETWORK, ROOT, rule_data

from passerelle.api.equivalency.v1 import articulation_pb2 as pb
from passerelle.api.equivalency.v1 import articulation_pb2_grpc as stubs
from passerelle.node.setup import NewNode, create_node
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.ids import SystemIds

OUTLINE = {"url": "https://humber.example/outline.pdf", "sha256": "0" * 64}


@pytest.fixture
async def live(database: str, tmp_path: Path) -> AsyncIterator[Running]:
    rows = await LedgerRows.create(database)
    for name in ("humber/HIST101", "humber/HIST102", "bcit/HIST1"):
        await rows.course(name, f"Course {name}")
    asked = {"achievement": "humber/HIST101", "receiver": "bcit", "outline": OUTLINE, "due_on": "2020-01-01"}
    await rows.add("recognition.requested", "humber", "humber/a", asked)
    await rows.add("recognition.requested", "humber", "humber/b", {"achievement": "humber/HIST102", "receiver": "bcit"})
    await rows.add("recognition.returned", "bcit", "humber/b", {"needed": ["Hours"]})
    await rows.rule("bcit/r1", "humber/HIST102", "bcit/HIST1")
    async with running(make_config(tmp_path, database)) as service:
        yield service
    await rows.close()


async def test_the_queue_is_read_from_the_ledger(live: Running) -> None:
    ran = await passerelle("articulation", "list", "--receiver", "bcit", "--json", live=live)
    first, second = ran.answer["requests"]
    assert (first["id"], first["overdue"], first["outline_sha256"]) == ("humber/a", True, "0" * 64)
    assert (second["state"], second["needed"]) == ("returned", ["Hours"])
    shown = await passerelle("articulation", "show", "humber/b", "--lang", "fr", live=live)
    assert shown.code == 0, shown.err
    assert "renvoyée pour complément" in shown.out
    stub = stubs.ArticulationServiceStub(live.channel)
    told = await failing(stub.GetRequest(pb.GetRequestRequest(request="humber/zz"), timeout=5))
    assert (told.status, told.metadata["code"]) == ("NOT_FOUND", "not-found")


async def test_a_draft_is_asked_about_by_file(live: Running, tmp_path: Path) -> None:
    transcript = tmp_path / "one.csv"
    transcript.write_text("achievement,completed_on\nhumber/HIST101,2025-05-01\n")
    draft = tmp_path / "draft.json"
    draft.write_bytes(orjson.dumps([{"id": "bcit/new", "data": rule_data("bcit", "humber/HIST101", "bcit/HIST1")}]))
    words = ("articulation", "what-if", str(draft), str(transcript), "--receiver", "bcit", "--json")
    (found,) = (await passerelle(*words, live=live)).answer["transcripts"]
    assert (found["reference"], found["change"]) == ("one.csv", "gains")
    guide = tmp_path / "draft.csv"
    guide.write_text("agreement_id,sending,receiving,begin\nr1,HUMBER HIST 102,BCIT No credit,2020-01-01\nx,,,\n")
    wrong = await passerelle("articulation", "what-if", str(guide), str(transcript), "--receiver", "bcit", live=live)
    assert (wrong.code, "row 3, column sending" in wrong.err) == (1, True), wrong.err


def node_of(folder: Path, live: Running) -> str:
    """The configuration of bcit's node, its schema beside the ledger's in one database."""
    root = folder / "root-of-network.pub"
    root.write_text(ROOT.hex() + "\n", encoding="ascii")
    node = NewNode(
        "bcit", "polytechnic", {"en": "BCIT"}, ["CA-BC"], ["issue", "recognise"], NETWORK, live.config.database.url,
        "127.0.0.1:9", live.address,
    )  # fmt: skip
    create_node(folder / "node", node, root, SystemIds(SystemClock()))
    return str(folder / "node" / "node.toml")


async def test_an_officer_answers_and_asks_by_command(live: Running, tmp_path: Path) -> None:
    config = node_of(tmp_path, live)
    credit = "BCIT HIST 1 (3) & HIST 1XX (3)"
    establish = ("articulation", "answer", "humber/a", "--establish", credit, "--config", config)
    (made,) = (await passerelle(*establish, "--json")).answer
    assert (made["type"], made["subject"], made["state"]) == ("recognition.granted", "bcit/a", "held")
    assert "articulation:humber/a" in made["needs"]
    wrong = await passerelle("articulation", "answer", "humber/b", "--case-by-case", "--config", config)
    assert (wrong.code, "step-illegal" in wrong.err) == (1, True), wrong.err
    outline = tmp_path / "outline.pdf"
    outline.write_bytes(b"An outline.")
    ask = ("articulation", "request", "bcit/HIST1", "--to", "nscc", "--to", "queens", "--config", config, "--json")
    more = ("--outline", "https://bcit.example/o.pdf", "--outline-file", str(outline))
    asked = (await passerelle(*ask, *more)).answer
    assert [(one["receiver"], one["state"]) for one in asked] == [("nscc", "held"), ("queens", "held")]
    again = (await passerelle(*ask, *more)).answer
    assert [one["state"] for one in again] == ["asked-before", "asked-before"]
