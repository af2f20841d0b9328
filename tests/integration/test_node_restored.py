"""A node's database goes back to an old backup, on a real Kafka, PostgreSQL and ledger: the node finds its way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.integration.test_node_network import LEARNER, invoke

from passerelle.runtime.process import wait_for
from passerelle.testing.faults.network import OPERATOR, Network

MEMBERS = {"humber": ["issue", "recognise", "endorse"], "york": ["issue", "recognise"]}
NODE = "node-humber"
COURSES = "id,kind,title,language,credit_bearing\n"
AWARDS = f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}\n"
STEPS = "record_id,step,reason,effective_on,amendment_id\n"
ENDORSED = "id,achievement,kinds,capacity,jurisdictions\nE1,york/bba,advisory,employer,CA-ON\n"
PATIENCE_S = 60.0


def course(number: int, title: str = "Course") -> str:
    return f"c{number},course,{title} {number},en,yes\n"


def award(number: int, grade: int = 70) -> str:
    person = f"S{number},Person Number{number},1990-01-02,"
    return f"R{number},c1,2026-04-30,percentage-50,{grade},{person}\n"


@asynccontextmanager
async def founded(folder: Path) -> AsyncIterator[Network]:
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


class Office:
    """Humber's command line, its node and its database."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.site = network.sites["humber"]

    async def node(self, *words: str, code: int = 0, site: str = "humber") -> Any:
        toml = str(self.network.sites[site].toml)
        ran = await asyncio.to_thread(invoke, [*words, "--json", "--config", toml])
        assert ran.code == code, (words, ran.out, ran.err)
        return ran.json()

    async def take(self, text: str, *, site: str = "humber") -> Any:
        """Import CSV text: new, changed, unchanged rows, and events."""
        path = self.network.folder / f"{site}.csv"
        path.write_text(text, encoding="utf-8")
        return await self.node("import", str(path), site=site)

    async def settled(self, site: str = "humber") -> Any:
        return await self.node("status", "--wait", str(PATIENCE_S), site=site)

    async def execute(self, query: str, *arguments: Any) -> Any:
        """On Humber's database."""
        connection = await asyncpg.connect(self.site.dsn)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def copy_database(self, source: str, target: str) -> None:
        """Make a database of another one; nobody may be connected to either."""
        connection = await asyncpg.connect(self.network.postgres.dsn())
        try:
            for name in (source, target):
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
                )
            await connection.execute(f'DROP DATABASE IF EXISTS "{target}"')
            await connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
        finally:
            await connection.close()

    async def until_compared(self) -> Any:
        """Wait until the node has found its way back, and everything is answered."""

        async def back() -> bool:
            return (await self.node("status"))["totals"] == (await self.settled())["totals"] and not await self.behind()

        assert await wait_for(back, timeout_s=PATIENCE_S, every_s=0.2)
        return await self.settled()

    async def behind(self) -> bool:
        here = await self.execute("SELECT family, sequence FROM node.stream")
        connection = await asyncpg.connect(self.network.ledger_dsn)
        try:
            rows = await connection.fetch("SELECT family, sequence FROM ledger.stream WHERE member = 'humber'")
        finally:
            await connection.close()
        there = {row["family"]: row["sequence"] for row in rows}
        return any(row["sequence"] < there.get(row["family"], 0) for row in here)

    async def logged(self, query: str) -> Any:
        """One value of the ledger's database."""
        connection = await asyncpg.connect(self.network.ledger_dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


@pytest.mark.timeout(300)
async def test_a_restored_node_goes_on_where_it_was(tmp_path: Path) -> None:
    async with founded(tmp_path) as network:
        office = Office(network)
        await office.take("id,kind,title,language,credit_bearing,credits\nbba,programme,BBA,en,yes,\n", site="york")
        await office.take(COURSES + course(1) + course(2))
        await office.take(AWARDS + award(1) + award(2))
        await office.settled()
        await network.keeper.kill(NODE)
        await office.copy_database("node_humber", "backup")
        network.start_node("humber")
        before = await live_on(office)
        await network.keeper.kill(NODE)
        await office.copy_database("backup", "node_humber")
        await import_too_early(office)
        network.start_node("humber")
        after = await office.until_compared()
        assert after["totals"]["published"] == before["totals"]["published"] + 1
        assert after["totals"]["refused"] == 0
        assert [problem["code"] for problem in after["problems"]] == ["events-restored"]
        await import_as_usual(office)
        await reconcile(office)
        await network.keeper.kill(NODE)
        await office.copy_database("backup", "node_humber")
        await decide_a_fork(office)
        assert await office.logged("SELECT count(*) FROM ledger.conflict") == 0
        records = "SELECT count(*) - count(DISTINCT subject) FROM ledger.entry WHERE type LIKE '%credential.issued%'"
        assert await office.logged(records) == 0
        # 40 awards of then, 2 of before, 1 that was imported too early, 1 new one, 1 after the fork: each record once.
        issued = "SELECT count(*) FROM ledger.entry WHERE type LIKE '%credential.issued%' AND member = 'humber'"
        assert await office.logged(issued) == 45


async def live_on(office: Office) -> Any:
    """50 and more events, public ones and such about learners, of which the backup knows nothing."""
    await office.take(COURSES + "".join(course(number) for number in range(1, 9)))
    await office.take(AWARDS + award(1) + award(2, 75) + "".join(award(number) for number in range(3, 43)))
    await office.settled()
    await office.take(STEPS + "R3,suspended,fees,,\nR3,reinstated,,,\nR4,revoked,fraud,2026-06-01,\n")
    await office.take(ENDORSED)
    release = ("release", "create", "--record", "R5", "--receiver", "york", "--ends", "2199-01-01")
    await office.node(*release, "--out", str(office.network.folder / "one.release.json"), "--wait", str(PATIENCE_S))
    found = await office.settled()
    assert found["totals"]["published"] >= 54
    assert found["totals"]["accepted"] == found["totals"]["published"]
    return found


async def import_too_early(office: Office) -> None:
    """Somebody imports before the node ran: numbers are spent here that the ledger gave to others."""
    report = await office.take(AWARDS + award(1) + award(3) + award(4) + award(99))
    assert (report["new"], report["unchanged"]) == (3, 1)
    assert (await office.node("status"))["totals"]["waiting"] == 3


async def import_as_usual(office: Office) -> None:
    """The office's files, with one row changed and one new in each: nothing else is published."""
    courses = COURSES + "".join(course(number) for number in range(1, 8)) + course(8, "Better") + course(9)
    report = await office.take(courses)
    assert (report["new"], report["changed"], report["events"]) == (1, 1, 2)
    awards = (
        "".join(award(number) for number in (1, *range(3, 42))) + award(2, 75) + award(42, 90) + award(43) + award(99)
    )
    report = await office.take(AWARDS + awards)
    assert (report["new"], report["refused"], report["events"]) == (1, 0, 2)
    assert (await office.take(STEPS + "R3,suspended,fees,,\nR3,reinstated,,,\nR4,revoked,fraud,2026-06-01,\n"))[
        "events"
    ] == 0
    assert (await office.take(ENDORSED))["events"] == 0
    # The learners are back too: their awards can be released.
    words = ("release", "create", "--record", "R7", "--receiver", "york", "--ends", "2199-01-01")
    await office.node(*words, "--out", str(office.network.folder / "two.release.json"), "--wait", str(PATIENCE_S))
    for text in (courses, AWARDS + awards):
        report = await office.take(text)
        assert (report["new"], report["changed"], report["events"]) == (0, 0, 0)
    assert (await office.settled())["totals"]["refused"] == 0


async def reconcile(office: Office) -> None:
    """Everything agrees and is proved; what is changed by hand is named, and mended."""
    found = await office.node("reconcile")
    assert (found["differences"], found["findings"]) == (0, [])
    for stream in found["streams"]:
        assert stream["here"] == stream["ledger"]
        assert (stream["proved_by"] is not None) == (stream["ledger"] > 0)
    await office.execute(
        "UPDATE node.outbox SET body = convert_to(replace(convert_from(body, 'UTF8'), 'Course', 'Curse'), 'UTF8')"
        " WHERE family = 'credential' AND sequence = 1"
    )
    await office.execute("UPDATE node.outbox SET outcome = 'refused' WHERE family = 'credential' AND sequence = 20")
    await office.execute("DELETE FROM node.outbox WHERE family = 'credential' AND sequence = 30")
    found = await office.node("reconcile", code=1)
    events = [(one["kind"], one["sequence"]) for one in found["findings"] if one["family"]]
    assert events == [("other-content", 1), ("other-outcome", 20), ("missing-here", 30)]
    # The awards of the last two have no accepted event here any more.
    assert found["counts"]["record-without-event"] == 2
    fixed = await office.node("reconcile", "--fix")
    assert (fixed["differences"], fixed["findings"]) == (0, [])
    assert (await office.node("status"))["problems"] == []


async def decide_a_fork(office: Office) -> None:
    """As if what was imported too early had been sent: the node stops until a person decides, and goes on by itself."""
    report = await office.take(AWARDS + award(3) + award(200))
    assert report["new"] == 2
    await office.execute("UPDATE node.stream SET sent = sequence WHERE family = 'credential'")
    office.network.start_node("humber")

    async def stopped() -> bool:
        codes = [problem["code"] for problem in (await office.node("status"))["problems"]]
        return codes == ["stream-forked"]

    assert await wait_for(stopped, timeout_s=PATIENCE_S, every_s=0.2)
    assert (await office.node("status"))["relay"] == "stopped"
    found = await office.node("reconcile", code=1)
    assert found["counts"]["other-statement"] == 2
    assert found["counts"]["missing-here"] > 50
    await office.node("reconcile", "--fix")
    after = await office.settled()
    assert (after["totals"]["waiting"], after["totals"]["refused"], after["problems"]) == (0, 0, [])
    assert (await office.node("reconcile"))["differences"] == 0
