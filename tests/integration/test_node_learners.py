"""Files that come by themselves, and a learner's end, on real servers: node, ledger, Kafka, PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, LEARNER, Desk, credential_rows, desk, person
from tests.integration.test_node_network import invoke

from passerelle.node.jobs import Asked, Job
from passerelle.node.learners import Eraser
from passerelle.node.main import open_office
from passerelle.node.people import Person
from passerelle.node.status import node_status
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.network import OPERATOR, Network, Ran

TOKEN = "integration-token-of-forty-characters-00"
COURSES = "id,kind,title,language,credit_bearing,credits\nacct101,course,Accounting,en,yes,3 credit-hours\n"
AWARDS = (
    f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}\n"
    "R1,acct101,2026-04-30,percentage-50,82,N-PLANT-1,Zoë Planted,1999-02-03,planted@example.test\n"
    "R2,acct101,2026-04-30,percentage-50,55,N-PLANT-2,Bob Planted,1998-02-03,\n"
)
RESULTS = (
    f"record_id,course,status,grade_scheme,grade,{LEARNER}\n"
    "X1,acct101,final,percentage-50,82,N-PLANT-1,Zoë Planted,1999-02-03,planted@example.test\n"
)
ZOE = Person("Zoë Planted", "1999-02-03", "N-PLANT-1", "planted@example.test")


@asynccontextmanager
async def founded(folder: Path) -> AsyncIterator[Network]:
    """The operator and Humber, whose node watches a folder and takes pushes."""
    network = Network(folder)
    try:
        await asyncio.gather(network.kafka.start(), network.postgres.start())
        await network.make_databases(["humber"])
        network.make_folders({"humber": ["issue"]})
        site = network.sites["humber"].folder
        (site / "in").mkdir()
        (site / "push.token").touch(mode=0o600)
        (site / "push.token").write_text(TOKEN + "\n")
        with (site / "node.toml").open("a") as file:
            file.write('\n[watch]\nfolder = "in"\nsettle_s = 0.3\nevery_s = 0.1\n')
            file.write('[push]\ntoken_file = "push.token"\nspool_folder = "spool"\n')
        await network.found()
        network.start_ledger()
        for member in (OPERATOR, "humber"):
            network.start_node(member)
        await network.until_shown([OPERATOR, "humber"])
        yield network
    finally:
        await network.close()


class Humber:
    """Humber's command line, folder, HTTP interface and database."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.site = network.sites["humber"]

    async def node(self, *words: str, code: int = 0) -> Ran:
        """``passerelle node ...``, which must end with this exit code."""
        ran = await asyncio.to_thread(invoke, [*words, "--config", str(self.site.toml)])
        assert ran.code == code, (words, ran.out, ran.err)
        return ran

    async def drop(self, name: str, text: str) -> dict[str, Any]:
        """Leave a file in the watched folder; the report beside where it was moved."""
        (self.site.folder / "in" / name).write_text(text)
        found: list[Path] = []

        async def taken() -> bool:
            found[:] = (self.site.folder / "in").glob(f"*/*Z-{name}.report.json")
            return bool(found) and not list((self.site.folder / "in" / "taking").iterdir())

        assert await wait_for(taken, timeout_s=20, every_s=0.1), name
        report: dict[str, Any] = json.loads(max(found).read_bytes())
        return report

    async def push(self, text: str) -> dict[str, Any]:
        """Push a file; the job once it has ended."""
        addresses = self.network.keeper.kept["node-humber"].addresses()
        assert addresses is not None
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=f"http://{addresses['push']}", headers=headers) as http:
            answer = await http.post("/v1/imports?kind=credentials", content=text.encode())
            assert answer.status_code == 202, answer.text
            job: dict[str, Any] = {}

            async def ended() -> bool:
                job.update((await http.get(answer.headers["location"])).json())
                return job["state"] in {"done", "failed"}

            assert await wait_for(ended, timeout_s=20, every_s=0.1)
        return job

    async def dump(self) -> str:
        """Every row of every table of the node's database, as text."""
        connection = await asyncpg.connect(self.site.dsn)
        try:
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'node'")
            lines = [
                str(row["line"])
                for table in tables
                for row in await connection.fetch(f'SELECT t::text AS line FROM node."{table["tablename"]}" t')
            ]
        finally:
            await connection.close()
        return "\n".join(lines)

    async def traces(self) -> list[str]:
        """Everything from which Zoë could be told: her details, and the keyed hashes of them."""
        async with open_office(self.site.config()) as office:
            vault, keys = office.vault, office.keys
            hashes = [vault.number_key("N-PLANT-1"), vault.match_key(ZOE), vault.birth_key(ZOE), vault.digest(ZOE)]
            hashes.append(keys.likeness("credential", "N-PLANT-1", "humber/acct101", "2026-04-30"))
        return ["Zoë", "Planted", "1999-02-03", "N-PLANT", "planted@example", *hashes]


@pytest.mark.timeout(300)
async def test_files_come_by_themselves_and_a_learner_is_erased_for_good(tmp_path: Path) -> None:
    async with founded(tmp_path) as network:
        humber = Humber(network)
        assert (await humber.drop("courses.csv", COURSES))["report"]["new"] == 1
        job = await humber.push(AWARDS)
        assert (job["state"], job["report"]["new"]) == ("done", 2)
        assert (await humber.drop("results.csv", RESULTS))["report"]["new"] == 1
        assert (await humber.drop("broken.csv", "nothing,of,ours\n1,2,3\n"))["error"]["code"]
        status = (await humber.node("status", "--wait", "40", "--json")).json()
        assert status["totals"]["accepted"] == 3
        assert status["watched"][0]["failed"] == 1
        assert {one["state"] for one in status["imports"]} == {"done", "failed"}
        await export_and_erase(humber, tmp_path)
        await everything_else_stays_right(humber)
        await killed_in_the_middle_nothing_is_lost_or_sent_twice(humber)
        checked = await network.command("ledger", "check", config=tmp_path / "ledger.toml")
        assert checked.code == 0, checked
        logs = b"".join(path.read_bytes() for path in (tmp_path / "logs").rglob("*") if path.is_file())
        assert b"Planted" not in logs


async def export_and_erase(humber: Humber, folder: Path) -> None:
    """All that is held goes out, on record; then the key is destroyed, on a legal ground only."""
    made = (
        await humber.node("learner", "export", "--record", "R1", "--out", str(folder / "zoe.json"), "--json")
    ).json()
    told = json.loads((folder / "zoe.json").read_bytes())
    assert told["person"] == ZOE.as_dict()
    assert sorted(one["kind"] for one in told["records"]) == ["credential", "result"]
    assert told["records"][1]["result"]["grade"]["grade"] == "82"
    log = (await humber.node("access", "--learner", made["learner"], "--json")).json()
    assert [(one["format"], one["learners"]) for one in log] == [("learner-json", 1)]
    before, traces = await humber.dump(), await humber.traces()
    assert sum(trace in before for trace in traces) == 5
    refused = await humber.node("learner", "erase", "--record", "R1", code=1)
    assert "retention-running" in refused.err
    words = ("learner", "erase", "--record", "R1", "--legal-ground", "learner-request", "--json")
    done = (await humber.node(*words)).json()
    assert (done["events"], done["results"], done["already"]) == (1, 1, False)
    await humber.node("status", "--wait", "40")
    after = await humber.dump()
    assert [trace for trace in traces if trace in after] == []
    assert [one["ground"] for one in (await humber.node("learner", "erased", "--json")).json()] == ["learner-request"]
    again = (await humber.node(*words)).json()
    assert (again["events"], again["results"], again["already"]) == (0, 0, True)


async def everything_else_stays_right(humber: Humber) -> None:
    """Records, imports, releases and the comparison with the ledger know of it; the other learner is untouched."""
    records = {one["status"]: one["state"] for one in (await humber.node("records", "--json")).json()}
    assert (records["erased"], records["issued"]) == ("accepted", "accepted")
    assert (await humber.node("refused", "--json")).json() == []
    report = (await humber.drop("awards.csv", AWARDS))["report"]
    assert (report["unchanged"], report["refused"], report["events"]) == (1, 1, 0)
    assert [error["code"] for error in report["errors"]] == ["learner-erased"]
    assert (await humber.drop("again.csv", RESULTS))["report"]["errors"][0]["code"] == "learner-erased"
    release = ("release", "create", "--receiver", "operator", "--ends", "2199-01-01", "--record")
    assert "erased" in (await humber.node(*release, "R1", code=1)).err
    await humber.node(*release, "R2", "--wait", "20")
    connection = await asyncpg.connect(humber.site.dsn)
    try:
        rows = await connection.fetch("SELECT type, length(body) AS size, lost FROM node.outbox WHERE lost IS NOT NULL")
    finally:
        await connection.close()
    assert [(row["type"], row["size"]) for row in rows] == [("ca.passerelle.credential.issued.v1", 0)]
    compared = await humber.node("reconcile", "--json")
    assert "other-content" not in compared.out


async def killed_in_the_middle_nothing_is_lost_or_sent_twice(humber: Humber) -> None:
    """kill -9 while a folder's file is being taken and a pushed one waits: both are there after the next start."""
    keeper, folder = humber.network.keeper, humber.site.folder / "in"
    before = (await humber.node("status", "--json")).json()["totals"]
    header = AWARDS.partition("\n")[0] + "\n"
    rows = [f"M{n},acct101,2026-05-30,percentage-50,70,N-M-{n},Made Up{n},1990-01-01,\n" for n in range(1001)]
    (folder / "many.csv").write_text(header + "".join(rows[:-1]))

    async def being_taken() -> bool:
        return bool(list((folder / "taking").glob("*-many.csv")))

    assert await wait_for(being_taken, timeout_s=20, every_s=0.005)
    address = (keeper.kept["node-humber"].addresses() or {})["push"]
    async with httpx.AsyncClient(base_url=f"http://{address}", headers={"authorization": f"Bearer {TOKEN}"}) as http:
        pushed = await http.post("/v1/imports", content=(header + rows.pop()).encode())
        assert (pushed.status_code, pushed.json()["state"]) == (202, "waiting")
    await keeper.kill("node-humber")
    assert await being_taken(), "it was killed too late to be in the middle"
    humber.network.start_node("humber")

    async def all_taken() -> bool:
        found = (await humber.node("status", "--json")).json()
        states = {one["state"] for one in found["imports"]}
        return states <= {"done", "failed"} and found["watched"][0]["taking"] == 0 and found["pushes_waiting"] == 0

    assert await wait_for(all_taken, timeout_s=40, every_s=0.3)
    assert len(list((folder / "done").glob("*-many.csv"))) == 1
    after = (await humber.node("status", "--wait", "60", "--json")).json()["totals"]
    assert {name: after[name] - before[name] for name in after} == {
        "published": 1001, "accepted": 1001, "waiting": 0, "held": 0, "refused": 0,
    }  # fmt: skip


@pytest.fixture
async def office_desk(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        yield opened


async def test_what_was_never_sent_is_taken_back_and_what_was_sent_waits_for_its_event(office_desk: Desk) -> None:
    office = office_desk.office
    await office_desk.take(ACHIEVEMENTS)
    await office_desk.take(CREDENTIALS + credential_rows([1]))
    path = office_desk.folder / "more.csv"
    path.write_text(CREDENTIALS + f"B-1,revit,2026-06-01,percentage-50,70,{person(1)}\n")
    await office.importer().run(path)
    rows = await office_desk.rows("SELECT id::text AS id FROM node.learner")
    eraser = Eraser(office.store, office.author, office.vault, office.clock, 0)
    done = await eraser.erase(rows[0]["id"], legal_ground="", account="clerk")
    assert (done.events, done.taken_back) == (1, 1)
    drafts = await office_desk.rows("SELECT type FROM node.draft")
    assert [row["type"] for row in drafts] == ["ca.passerelle.credential.erased.v1"]
    # The process may end here: the drafts are released by whoever comes next, and a second run adds nothing.
    assert (await eraser.erase(rows[0]["id"], legal_ground="", account="clerk")).events == 0
    assert await office.release() == 1
    await office_desk.answer(("credential", 1, True), ("credential", 2, True), ("credential", 3, False), number=1)
    # The ledger refused the event: the next run says it again.
    assert (await eraser.erase(rows[0]["id"], legal_ground="", account="clerk")).events == 1
    assert len(await office_desk.rows("SELECT learner FROM node.erasure WHERE account = 'clerk'")) == 1
    await office.release()
    await office_desk.answer(("credential", 4, True), number=2)
    assert await office.store.unfinished_erasures(10) == []
    fresh = await office_desk.take(CREDENTIALS + f"N-1,revit,2026-06-01,percentage-50,70,{person(1)}\n")
    assert (fresh.new, fresh.refused) == (1, 0)
    known = await office_desk.rows("SELECT id FROM node.learner WHERE wrapped_key IS NOT NULL")
    assert len(known) == 1
    # As a restored backup would have it: the ledger's word is here, and the key too.
    await office_desk.look.execute("UPDATE node.learner SET wrapped_key = '' WHERE id::text = $1", rows[0]["id"])
    assert await office.store.unfinished_erasures(10) == [rows[0]["id"]]


async def test_jobs_are_kept_in_order_bounded_and_over_a_restart(office_desk: Desk) -> None:
    store = office_desk.office.store
    ids = [f"01990000-0000-7000-8000-00000000000{n}" for n in range(4)]
    jobs = [Job(one, "push", "", Asked(kind="credentials"), "waiting", n) for n, one in enumerate(ids)]
    assert [await store.add_job(job, 3) for job in jobs] == [True, True, True, False]
    first = await store.next_job()
    assert first is not None
    assert (first.id, first.state, first.asked) == (ids[0], "running", Asked(kind="credentials"))
    assert await store.open_jobs() == 3
    assert sorted(await store.begin_jobs()) == ids[:3]
    assert (await store.next_job() or jobs[3]).id == ids[0]
    await store.end_job(replace(first, state="done", ended_at=9, report={"rows": 1}))
    folder = replace(jobs[3], source="folder", name="a.csv", state="failed", ended_at=10, error={"code": "file-empty"})
    await store.end_job(folder)
    assert (await store.job(ids[0]), await store.job(ids[3])) == (
        replace(first, state="done", ended_at=9, report={"rows": 1}),
        folder,
    )
    assert await store.open_jobs() == 2
    status = await node_status(store, member="humber", key_id="", now_ms=1)
    assert [one["code"] for one in status["imports"]] == ["file-empty", None, None, None]
