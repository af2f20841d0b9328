"""Nodes, a real ledger, a real Kafka and PostgreSQL, driven by the command line: one learner's way from Humber to York.

The story walks through releases, transfer, revocation and its answer; afterwards every topic, the ledger's database and
every log is searched for the learner's details, which were planted in the files.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner

from passerelle.cli.node import app
from passerelle.core.errors import PasserelleError
from passerelle.runtime.process import describe, wait_for
from passerelle.testing.faults.network import OPERATOR, Network, Ran

MEMBERS = {"humber": ["issue", "recognise"], "york": ["issue", "recognise"]}
LEARNER = "learner_student_number,learner_name,learner_birth_date,learner_email"
PLANTED = ("Planted", "planted@example", "N-PLANT")
FILES = {
    "courses": "id,kind,title,language,credit_bearing,credits\nacct101,course,Accounting,en,yes,3 credit-hours\n",
    "awards": (
        f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}\n"
        "R1,acct101,2026-04-30,percentage-50,82,N-PLANT-1,Zoë Planted,1999-02-03,planted@example.test\n"
        "R2,acct101,2026-04-30,percentage-50,55,N-PLANT-2,Bob Planted,1998-02-03,\n"
        "R3,acct101,Planted,percentage-50,55,N-PLANT-3,Carl Planted,Planted,planted@example\n"
    ),
    "results": (
        f"record_id,course,status,grade_scheme,grade,{LEARNER}\n"
        "X1,acct101,final,percentage-50,82,N-PLANT-1,Zoë Planted,1999-02-03,planted@example.test\n"
    ),
    "programmes": (
        "id,kind,title,language,credit_bearing,credits\n"
        "bba,programme,BBA,en,yes,\nadms1000,course,Intro,en,yes,3 units\n"
    ),
    "rules": (
        "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits\n"
        "r1,equivalency,humber/acct101[grade>=percentage-50 60],2020-01-01,assigned,adms1000,3 units\n"
    ),
    "amendments": "record_id,step,reason,effective_on\nR1,revoked,issued-in-error,2026-10-01\n",
}


@asynccontextmanager
async def founded(folder: Path) -> AsyncIterator[Network]:
    """A running network of the operator, Humber and York."""
    network = Network(folder)
    try:
        await asyncio.gather(network.kafka.start(), network.postgres.start())
        await network.make_databases(list(MEMBERS))
        network.make_folders(MEMBERS)
        await network.found()
        network.start_ledger()
        for member in (OPERATOR, *MEMBERS):
            network.start_node(member)
        await network.until_shown([OPERATOR, *MEMBERS])
        yield network
    finally:
        await network.close()


def invoke(words: list[str]) -> Ran:
    """The command line in this process: a new interpreter for each of thirty commands would take a minute."""
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, PasserelleError):
        return Ran(1, result.stdout, f"{result.stderr}{describe(result.exception)}")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


class Desk:
    """The command line at one member."""

    def __init__(self, network: Network, member: str) -> None:
        self.network = network
        self.toml = network.sites[member].toml

    async def node(self, *words: str, code: int = 0) -> Ran:
        """``passerelle node ...``, which must end with this exit code; what it says also goes to the logs."""
        ran = await asyncio.to_thread(invoke, [*words, "--config", str(self.toml)])
        with (self.network.folder / "logs" / "commands.log").open("a", encoding="utf-8") as file:
            file.write(f"{words}\n{ran.out}\n{ran.err}\n")
        assert ran.code == code, (words, ran.out, ran.err)
        return ran

    async def take(self, name: str, *, code: int = 0) -> Any:
        """Import one of the files; the report as JSON."""
        path = self.network.folder / f"{name}.csv"
        path.write_text(FILES[name], encoding="utf-8")
        return (await self.node("import", str(path), "--json", code=code)).json()

    async def answered(self, *words: str, code: int = 0) -> Any:
        """A command that publishes, waited for."""
        return (await self.node(*words, "--wait", "40", "--json", code=code)).json()


@pytest.mark.timeout(400)
async def test_a_learners_way_from_humber_to_york(tmp_path: Path) -> None:
    async with founded(tmp_path) as network:
        humber, york = Desk(network, "humber"), Desk(network, "york")
        await publish_all(humber, york)
        file = await release(humber, tmp_path)
        case = await transfer(york, file)
        await answer_a_revocation(humber, york, case)
        await search_for_the_learner(network)


async def publish_all(humber: Desk, york: Desk) -> None:
    """Courses, awards, results, rules: accepted, but for the row that is wrong."""
    await humber.take("courses")
    await york.take("programmes")
    await york.take("rules")
    report = await humber.take("awards", code=2)
    assert (report["new"], report["refused"]) == (2, 1)
    assert {error["column"] for error in report["errors"]} == {"conferred_on", "learner_birth_date"}
    assert (await humber.take("results"))["events"] == 0
    for desk in (humber, york):
        status = (await desk.node("status", "--wait", "40", "--json")).json()
        assert status["key_shown"]
        assert status["problems"] == []
        assert status["totals"] == {"published": 3, "accepted": 3, "waiting": 0, "held": 0, "refused": 0}


async def release(humber: Desk, folder: Path) -> Path:
    """The learner's file: proved credentials, their results, name and birth date."""
    file = folder / "zoe.release.json"
    words = ("release", "create", "--record", "R1", "--receiver", "york", "--ends", "2199-01-01", "--results")
    made = await humber.answered(*words, "--out", str(file))
    value = json.loads(file.read_bytes())
    assert value["person"] == {"name": "Zoë Planted", "birth_date": "1999-02-03"}
    assert [result["grade"]["grade"] for result in value["results"]] == ["82"]
    assert len(value["credentials"]) == 1
    shown = (await humber.node("release", "show", made["release"], "--json")).json()
    assert [event["state"] for event in shown["events"]] == ["accepted"]
    return file


async def transfer(york: Desk, file: Path) -> str:
    """Request, decide by rule, post; a file that was tampered with, and a person not confirmed, open no case."""
    value = json.loads(file.read_bytes())
    body = json.loads(base64.b64decode(value["credentials"][0]["body"]))
    body["data"]["result"]["grade"] = "99"
    value["credentials"][0]["body"] = base64.b64encode(json.dumps(body).encode()).decode()
    forged = file.with_name("forged.release.json")
    forged.write_text(json.dumps(value), encoding="utf-8")
    refused = await york.node("transfer", "request", "--release", str(forged), code=1)
    assert "body-hash-mismatch" in refused.err
    unmatched = await york.node("transfer", "request", "--release", str(file), code=1)
    assert "learner-mismatch" in unmatched.err
    words = ("transfer", "request", "--release", str(file), "--programme", "york/bba", "--confirm", "new")
    opened = await york.answered(*words)
    assert opened["state"] == "accepted", opened
    case = str(opened["case"])
    assert (await york.answered("transfer", "decide", case, "--recognition", "york/r1"))["state"] == "accepted"
    assert (await york.answered("transfer", "post", case, "--programme", "york/bba"))["state"] == "accepted"
    again = await york.answered("transfer", "post", case, "--programme", "york/bba", code=1)
    assert again["code"] == "step-illegal"
    view = (await york.node("transfer", "show", case, "--json")).json()
    assert (view["state"], view["version"], view["steps"]) == ("posted", 3, ["requested", "decided", "posted"])
    assert view["lines"][0]["outcome"]["achievement"] == "york/adms1000"
    # The person of the file is known now: another file of theirs would match.
    assert (await york.node("release", "accept", str(file), "--json")).json()["learner"] == opened["learner"]
    return case


async def answer_a_revocation(humber: Desk, york: Desk, case: str) -> None:
    """S9: the credit's source is revoked; the receiver is told what that affects, and answers."""
    assert (await humber.take("amendments"))["new"] == 1
    assert (await humber.take("amendments"))["unchanged"] == 1
    await humber.node("status", "--wait", "40")
    notice: list[Any] = []

    async def told() -> bool:
        notice[:] = (await york.node("notices", "--json")).json()
        return bool(notice)

    assert await wait_for(told, timeout_s=40, every_s=0.2)
    assert notice[0]["event"] == "ca.passerelle.credential.revoked.v1"
    assert notice[0]["affects"] == [f"transfer:{case}"]
    cause = str(notice[0]["index"])
    words = ("transfer", "adjust", case, "--reason", "source-revoked", "--cause", cause, "--outcome", "kept")
    assert (await york.answered(*words, "--note", "The course was repeated here."))["state"] == "accepted"
    # Humber is a party: the case and its answer are in its inbox.
    assert (await humber.node("transfer", "show", case, "--json")).json()["steps"][-1] == "adjusted"
    refused = (await york.node("refused", "--json")).json()
    assert [(row["code"], row["type"]) for row in refused] == [("step-illegal", "ca.passerelle.transfer.posted.v1")]
    assert refused[0]["fix"]


async def search_for_the_learner(network: Network) -> None:
    """Nothing of the learner stands in any topic, in the ledger's database, or in any log or printed answer."""
    places = {f"topic {name}": content for name, content in (await every_topic(network.kafka.bootstrap)).items()}
    assert len(places) > 10
    connection = await asyncpg.connect(network.ledger_dsn)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'ledger'")
        for row in tables:
            rows = await connection.fetch(f'SELECT t.* FROM ledger."{row["tablename"]}" t')
            places[f"table {row['tablename']}"] = b"\n".join(raw(value) for found in rows for value in found.values())
    finally:
        await connection.close()
    logs = {str(path): path.read_bytes() for path in (network.folder / "logs").rglob("*") if path.is_file()}
    assert any(b"node" in content for content in logs.values())
    found = [
        (place, text)
        for place, content in (places | logs).items()
        for text in PLANTED
        if text.encode() in unfold(content)
    ]
    assert found == []
    # The search itself would find something: the credential's own id is all over the place.
    held = json.loads(base64.b64decode(json.loads((network.folder / "zoe.release.json").read_bytes())["grant"]["body"]))
    credential = held["data"]["credentials"][0].encode()
    assert [place for place, content in places.items() if credential in unfold(content)]


def raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def unfold(content: bytes) -> bytes:
    """The content, and what base64 texts in it hold."""
    texts = re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", content)
    return content + b"\n".join(base64.b64decode(text) for text in texts if len(text) % 4 == 0)


async def every_topic(bootstrap: str) -> dict[str, bytes]:
    """Keys, headers and values of every record of every topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        names = sorted(name for name in await consumer.topics() if not name.startswith("__"))
        partitions = [TopicPartition(name, n) for name in names for n in consumer.partitions_for_topic(name) or ()]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        content = dict.fromkeys(names, b"")
        while [one for one in partitions if await consumer.position(one) < ends[one]]:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    parts = [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
                    content[partition.topic] += b"\n".join(parts) + b"\n"
        return content
    finally:
        await consumer.stop()
