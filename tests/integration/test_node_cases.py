"""A transfer case over two nodes, a real ledger, query service, Kafka and PostgreSQL, by the command line: from a
sealed release file to posted credit, an appeal, a revocation and its answer, the office's papers, and studies elsewhere
under a letter of permission.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.node_desk import desk
from tests.integration.permission_steps import walk

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import PasserelleError
from passerelle.node.case_ports import Match
from passerelle.node.people import Person
from passerelle.node.plan import NewEvent
from passerelle.node.ports import CaseRow, ReleaseRow
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.network import OPERATOR, Network, Ran

MEMBERS = {"humber": ["issue", "recognise"], "york": ["issue", "recognise"]}
LEARNER = "learner_student_number,learner_name,learner_birth_date"
FILES = {
    "courses": "id,kind,title,language,credit_bearing,credits\nacct101,course,Accounting,en,yes,3 credit-hours\n",
    "awards": (
        f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}\n"
        "R1,acct101,2026-04-30,percentage-50,82,N-1,Zoë Planted,1999-02-03\n"
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
    """A running network of the operator, Humber and York, with the query service."""
    network = Network(folder, with_query=True)
    try:
        await asyncio.gather(network.kafka.start(), network.postgres.start())
        await network.make_databases(list(MEMBERS))
        network.make_folders(MEMBERS)
        await network.found()
        network.start_ledger()
        network.start_query()
        for member in (OPERATOR, *MEMBERS):
            network.start_node(member)
        await network.until_shown([OPERATOR, *MEMBERS])
        yield network
    finally:
        await network.close()


class Desk:
    """The command line at one member."""

    def __init__(self, network: Network, member: str) -> None:
        self.network = network
        self.toml = network.sites[member].toml

    async def run(self, *words: str, code: int = 0) -> Ran:
        """``passerelle ...``, which must end with this exit code."""
        ran = await self.network.command(*words, config=self.toml)
        assert ran.code == code, (words, ran.out, ran.err)
        return ran

    async def asked(self, *words: str, code: int = 0) -> Any:
        """``passerelle node transfer ... --json``."""
        return (await self.run("node", "transfer", *words, "--json", code=code)).json()

    async def step(self, *words: str, code: int = 0) -> Any:
        """A command that publishes, waited for."""
        return await self.asked(*words, "--wait", "40", code=code)

    async def take(self, *names: str) -> None:
        """Import files and wait until everything is answered."""
        for name in names:
            path = self.network.folder / f"{name}.csv"
            path.write_text(FILES[name], encoding="utf-8")
            await self.run("node", "import", str(path))
        await self.run("node", "status", "--wait", "40")


@pytest.mark.timeout(300)
async def test_a_case_over_two_nodes_and_the_ledger(tmp_path: Path) -> None:
    async with founded(tmp_path) as network:
        humber, york = Desk(network, "humber"), Desk(network, "york")
        await asyncio.gather(humber.take("courses"), york.take("programmes"))
        await humber.take("awards")
        await york.take("rules")
        await list_the_key(network, york)
        case = await open_and_match(humber, york, tmp_path)
        await evidence(humber, york, case, tmp_path)
        await decide_and_post(york, case)
        await papers(york, case, tmp_path)
        await answer_a_revocation(humber, york, case)
        await appeal(humber, york, case)
        await walk(network, tmp_path)


async def list_the_key(network: Network, york: Desk) -> None:
    """York makes the key to which others seal; the operator lists it; York's commands use it."""
    made = (await york.run("node", "transfer", "seal-key", "--json")).json()
    york.toml.write_text(f'seal_key_file = "seal.key"\n{york.toml.read_text("utf-8")}', encoding="utf-8")
    words = ("operator", "keys", "york", "--add-seal", made["public_key"], "--wait", "40", "--json")
    await Desk(network, OPERATOR).run(*words)


async def open_and_match(humber: Desk, york: Desk, folder: Path) -> str:
    """The person of the file is York's alone to read, and credit waits until somebody has compared."""
    file = folder / "zoe.release.json"
    words = (
        "--record",
        "R1",
        "--receiver",
        "york",
        "--ends",
        "2199-01-01",
        "--out",
        str(file),
        "--wait",
        "40",
        "--sealed",
    )
    await humber.run("node", "release", "create", *words)
    assert "Planted" not in file.read_text("utf-8")
    opening = ("--release", str(file), "--programme", "york/bba", "--due", "2026-01-15", "--match-later")
    opened = await york.step("request", *opening)
    assert (opened["state"], opened["learner"]) == ("accepted", None)
    case = str(opened["case"])
    assert [one["kind"] for one in await york.asked("due")] == ["overdue"]
    assert [one["case"] for one in await york.asked("due", "--remind")] == [case]
    assert await york.asked("due", "--remind") == []
    assert (await york.asked("match", case))["person"]["name"] == "Zoë Planted"
    refused = await york.run("node", "transfer", "post", case, "--programme", "york/bba", code=1)
    assert "learner-mismatch" in refused.err
    assert (await york.asked("match", case, "--confirm", "new"))["matched"] == "confirmed"
    return case


async def evidence(humber: Desk, york: Desk, case: str, folder: Path) -> None:
    """What is asked for comes sealed; a step on a version that is past is a conflict."""
    assert (await york.step("ask", case, "--needed", "The outline"))["state"] == "accepted"
    paper, parcel = folder / "outline.pdf", folder / "outline.sealed"
    paper.write_bytes(b"%PDF outline")

    async def asked() -> bool:
        shown = await humber.asked("show", case)
        return bool(shown["version"] == 2)

    assert await wait_for(asked, timeout_s=40, every_s=0.2)
    sealed = await humber.step("seal", case, str(paper), "--out", str(parcel), "--role", "outline")
    assert sealed["state"] == "accepted"

    async def told() -> bool:
        return bool(await york.asked("documents", case))

    assert await wait_for(told, timeout_s=40, every_s=0.2)
    assert (await york.asked("take", case, str(parcel)))["new"]
    [document] = await york.asked(
        "documents", case, "--sha256", sealed["document"]["sha256"], "--out", str(folder / "o")
    )
    assert (document["state"], (folder / "o").read_bytes()) == ("held", b"%PDF outline")
    stale = await york.step("ask", case, "--needed", "More", "--expected-version", "2", code=1)
    assert (stale["code"], "version 3" in stale["what"]) == ("version-stale", True)


async def decide_and_post(york: Desk, case: str) -> None:
    """A decision proposed from the rules, answered by a person, posted."""
    proposed = await york.asked("propose", case)
    [line] = proposed["lines"]
    assert (line["match"], line["rule"]["id"], line["proposed"]["status"]) == ("match", "york/r1", "credited")
    assert line["proposed"]["recognition_index"] == line["rule"]["recorded_from"]
    opened = await york.run("node", "transfer", "decide", case, "--proposed", code=1)
    assert "proposal-open" in opened.err
    await york.asked("line", case, "1", "--accept")
    decided = await york.step("decide", case, "--proposed", "--appeal-by", "2199-01-01")
    assert decided["state"] == "accepted", decided
    assert (await york.step("post", case, "--programme", "york/bba"))["state"] == "accepted"


async def papers(york: Desk, case: str, folder: Path) -> None:
    """Letter and export."""
    letter, table, mapping = folder / "letter.html", folder / "sis.csv", folder / "sis.toml"
    await york.run("node", "transfer", "letter", case, "--lang", "fr", "--out", str(letter))
    page = letter.read_text("utf-8")
    assert "Zoë Planted" in page
    assert "Intro" in page
    assert "jusqu&#39;au 2199-01-01" in page
    mapping.write_text('[columns]\nCourse = "outcome_achievement"\nName = "name"\n', encoding="utf-8")
    await york.run("node", "transfer", "export", "--case", case, "--out", str(table), "--mapping", str(mapping))
    assert table.read_text("utf-8").splitlines() == ["Course,Name", "york/adms1000,Zoë Planted"]


async def answer_a_revocation(humber: Desk, york: Desk, case: str) -> None:
    """The source is revoked: York finds what that touches, and answers with the entry and the posting named."""
    await humber.take("amendments")
    found: list[Any] = []

    async def told() -> bool:
        found[:] = await york.asked("impacts", "--open")
        return bool(found)

    assert await wait_for(told, timeout_s=40, every_s=0.2)
    [impact] = found
    assert (impact["event"], impact["reason"], impact["grandfathered"]) == ("revoked", "issued-in-error", False)
    assert (impact["before"]["state"], impact["after"]["state"]) == ("issued", "revoked")

    async def heard() -> bool:
        seen = [one for each in await humber.asked("impacts") for one in each["affected"]]
        return [(one["answer"], one["role"]) for one in seen] == [("awaited", "sender")]

    assert await wait_for(heard, timeout_s=40, every_s=0.2)
    refused = await humber.run("node", "transfer", "answer", case, str(impact["index"]), "--outcome", "removed", code=1)
    assert "not-receiver" in refused.err
    answered = await york.step("answer", case, str(impact["index"]), "--outcome", "removed")
    assert answered["state"] == "accepted", answered
    assert await york.asked("impacts", "--open") == []
    shown = (await york.run("transfer", "show", case, "--min-position", str(answered["index"] + 1), "--json")).json()
    [line], last = shown["case"]["lines"], shown["case"]["steps"][-1]
    assert (line["status"], line["recognition"], line["recognition_index"] > 0) == ("removed", "york/r1", True)
    assert (last["event"], last["cause_index"], last["earlier_index"] > 0) == ("adjusted", impact["index"], True)


async def appeal(humber: Desk, york: Desk, case: str) -> None:
    """Appealed by the sender for the learner, decided at the last level, closed; both tell the same case."""
    version = (await york.asked("show", case))["version"]

    async def same() -> bool:
        return bool((await humber.asked("show", case))["version"] == version)

    assert await wait_for(same, timeout_s=40, every_s=0.2)
    assert (await humber.step("appeal", case, "--ground", "new-evidence"))["state"] == "accepted"

    async def appealed() -> bool:
        return bool((await york.asked("show", case))["state"] == "appealed")

    assert await wait_for(appealed, timeout_s=40, every_s=0.2)
    words = ("--status", "no-credit", "--reason", "not-recognised", "--final")
    assert (await york.step("decide", case, *words))["state"] == "accepted"
    refused = await york.step("appeal", case, "--ground", "other", code=1)
    assert refused["code"] == "decision-final"
    closed = await york.step("close", case)
    assert closed["state"] == "accepted", closed
    told = await york.run("transfer", "watch", "--count", "1", "--json")
    assert json.loads(told.out)["case"]["state"] == "closed"


async def test_a_nodes_database_keeps_matches_promises_and_reminders(tmp_path: Path, database: str) -> None:
    async with desk(tmp_path, database, member="york") as york:
        office, store = york.office, york.office.store
        candidate = replace(office.vault.enrol(Person("Zoë Planted", "1999-02-03")), match_key="a", birth_key="a")
        case, release = office.ids.uuid7(), office.ids.uuid4()
        details = office.vault.seal(candidate.id, candidate.wrapped_key, {"results": []})
        row = ReleaseRow(release, False, "humber", candidate.id, (), "transfer", "2199-01-01", details)
        await store.save_release(row, [], learner=candidate, proved=(), now_ms=1)
        opened = {"release": release, "sender": "humber", "receiver": "york", "credentials": [office.ids.uuid7()]}
        first = office.author.draft(NewEvent(BY_NAME["transfer.requested"], case, opened))
        await store.save_case(CaseRow(case, release, "humber", None, "pending", candidate.id), [first], 1)
        pending = await store.case(case)
        assert pending is not None
        assert (pending.matched, pending.candidate) == ("pending", candidate.id)
        gone = Match(pending, None, False, None, candidate.id, "Nobody of that name")
        assert await store.settle_match(gone, [], 2)
        # Said once: the second time nothing is done.
        assert not await store.settle_match(gone, [first], 3)
        assert (await york.rows("SELECT count(*) AS n FROM node.draft"))[0]["n"] == 1
        [held] = await york.rows("SELECT matched, match_reason, candidate FROM node.transfer_case")
        assert dict(held) == {"matched": "unmatched", "match_reason": "Nobody of that name", "candidate": None}
        [person] = await york.rows("SELECT wrapped_key, details FROM node.learner")
        assert (person["wrapped_key"], person["details"]) == (None, None)
        with pytest.raises(PasserelleError):
            await office.casework().matching.confirm(case, "new")
        await york.look.execute(
            "INSERT INTO node.seen (key, version)"
            " VALUES ('policy:york/a', 2), ('policy:york/b', NULL), ('policz:x', 9), ('achievement:x', 1)"
        )
        assert await store.policy_versions(10) == {"york/a": 2}
        assert await store.versions_seen(["policy:york/a", "policy:york/b"]) == {"policy:york/a": 2}
        for number, ends in enumerate(("2026-01-02", "2026-01-01")):
            await store.save_preliminary(office.ids.uuid4(), ends, bytes([number]), 1)
        assert await store.preliminaries("2026-01-01", 10) == [bytes([1]), bytes([0])]
        assert await store.preliminaries("2026-01-02", 10) == [bytes([0])]
        due = [(case, "overdue", "2026-01-01"), (case, "due-soon", "2026-01-01")]
        assert await store.remind(due[:1], 5) == {due[0]}
        assert await store.remind(due, 6) == {due[1]}
        assert await store.remind([], 6) == set()
        assert [one.id for one in await store.received_cases("", 5)] == [case]
        assert await store.received_cases(case, 5) == []
