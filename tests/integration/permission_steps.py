"""A letter of permission over two nodes, a real ledger and query service, by the command line: asked, granted, verified
by the host, and honoured in the case of the return though the rule ended meanwhile.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from tests.integration.test_node_network import Desk

from passerelle.runtime.process import wait_for
from passerelle.testing.faults.network import Network

LEARNER = "learner_student_number,learner_name,learner_birth_date"
TODAY = dt.datetime.now(dt.UTC).date()
ADA = "N-7,Ada Planted,1999-02-03"


def day(days: int) -> str:
    """A date so many days from today."""
    return (TODAY + dt.timedelta(days=days)).isoformat()


async def office(one: Desk, *words: str, code: int = 0) -> Any:
    """``passerelle node ... --json``."""
    return (await one.node(*words, "--json", code=code)).json()


async def service(one: Desk, *words: str) -> Any:
    """A question to the query service, as this member."""
    ran = await one.network.command(*words, config=one.toml)
    assert ran.code == 0, (words, ran.out, ran.err)
    return ran.json()


async def walk(network: Network, folder: Path) -> None:
    """The whole way. Courses, programmes and rule ``york/r1`` of the other tests of cases are in the ledger already."""
    humber, york = Desk(network, "humber"), Desk(network, "york")
    host = f"H1,acct101,{day(-1)},percentage-50,82,{ADA}"
    await take(humber, folder, f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}\n{host}\n")
    home = f"Y1,adms1000,{day(-300)},{ADA}"
    await take(york, folder, f"record_id,achievement,conferred_on,{LEARNER}\n{home}\n")
    permission = await ask(york, "--starts", day(-60), "--ends", day(20), "--term", "Fall")
    words = ("--minimum-grade", "percentage-50 60", "--maximum", "3 units")
    granted = await york.answered("permission", "grant", permission, *words)
    assert granted["state"] == "accepted", granted
    await verified(humber, permission, granted["index"])
    await asked_of_the_service(york, humber, permission, granted["index"])
    late = await york.node("permission", "withdraw", permission, "--reason", "error", code=1)
    assert "permission-begun" in late.err
    await the_rule_ends(york, humber, permission, folder)
    await come_back(humber, york, permission, folder)
    page = folder / "permission.html"
    await york.node("permission", "letter", permission, "--lang", "fr", "--out", str(page))
    assert "Lettre de permission" in page.read_text("utf-8")
    assert "Ada Planted" in page.read_text("utf-8")


async def take(one: Desk, folder: Path, text: str) -> None:
    """Import awards and wait until they are answered."""
    path = folder / "permitted.csv"
    path.write_text(text, encoding="utf-8")
    await one.node("import", str(path))
    await one.node("status", "--wait", "40")


async def ask(york: Desk, *term: str) -> str:
    """The rules are asked; without a grade the course is a maybe, and its credit is told."""
    words = ("--host", "humber", "--course", "humber/acct101", "--record", "Y1", "--programme", "york/bba")
    asked = await office(york, "permission", "ask", *words, *term)
    [line] = asked["lines"]
    assert (asked["state"], line["match"], line["rule"]["id"]) == ("asked", "maybe", "york/r1")
    return str(asked["permission"])


async def verified(humber: Desk, permission: str, index: int) -> None:
    """The host has the signed permission from the ledger, and it names nobody."""

    async def heard() -> bool:
        return bool(await office(humber, "permission", "list"))

    assert await wait_for(heard, timeout_s=40, every_s=0.2)
    shown = await office(humber, "permission", "show", permission)
    assert (shown["state"], shown["home"], shown["entry"], shown["learner"]) == ("granted", "york", index, None)
    [course] = shown["courses"]
    assert (course["recognition"], course["outcome"]["credits"]["value"]) == ("york/r1", "3")
    assert "Planted" not in json.dumps(shown)


async def asked_of_the_service(york: Desk, humber: Desk, permission: str, index: int) -> None:
    """Home and host read the same through the query service, as any program of theirs can."""
    words = ("permission", "show", permission, "--min-position", str(index + 1), "--json")
    shown = [(await service(one, *words))["permission"] for one in (york, humber)]
    assert shown[0] == shown[1]
    told = shown[0]
    assert (told["state"], told["home"], told["host"], told["entry_index"]) == ("granted", "york", "humber", index)
    assert (told["maximum_credits"]["value"], told["courses"][0]["minimum_grade"]["grade"]) == ("3", "60")
    assert "Planted" not in json.dumps(shown)


async def the_rule_ends(york: Desk, humber: Desk, permission: str, folder: Path) -> None:
    """Home and host are told, and that the permission stands."""
    ended = folder / "ended.json"
    ended.write_text(json.dumps({"effective_on": day(-200), "reason": "Replaced"}), encoding="utf-8")
    told = await york.answered("publish", "recognition.ended", str(ended), "--subject", "york/r1")
    assert told["state"] == "accepted", told
    for one, role in ((york, "home"), (humber, "host")):
        found: list[Any] = []

        async def heard(one: Desk = one, found: list[Any] = found) -> bool:
            found[:] = [each for each in await office(one, "transfer", "impacts") if each["event"] == "ended"]
            return bool(found)

        assert await wait_for(heard, timeout_s=40, every_s=0.2)
        [impact] = found
        affected = {"thing": f"permission:{permission}", "state": "granted", "answer": "", "role": role}
        assert impact["grandfathered"]
        assert affected in impact["affected"]


async def come_back(humber: Desk, york: Desk, permission: str, folder: Path) -> None:
    """The host's result is credited as promised, said to be grandfathered, and the permission is spent."""
    file = folder / "ada.release.json"
    words = ("--record", "H1", "--receiver", "york", "--ends", "2199-01-01", "--out", str(file))
    await humber.node("release", "create", *words, "--wait", "40")
    opened = await york.answered("transfer", "request", "--release", str(file), "--permission", permission)
    assert opened["state"] == "accepted", opened
    case = str(opened["case"])
    [line] = (await office(york, "transfer", "propose", case))["lines"]
    assert line["by_rules_of_today"]["status"] == "pending"
    assert (line["proposed"]["status"], line["proposed"]["recognition"]) == ("credited", "york/r1")
    assert line["honoured"]["grandfathered"]
    served = (await service(humber, "permission", "list", "--role", "host", "--json"))["permissions"]
    assert [(one["id"], one["case"]) for one in served] == [(permission, case)]
    await office(york, "transfer", "line", case, "1", "--accept")
    assert (await york.answered("transfer", "decide", case, "--proposed"))["state"] == "accepted"
    assert (await york.answered("transfer", "post", case, "--programme", "york/bba"))["state"] == "accepted"
    await humber.node("release", "create", *words[:-1], str(folder / "again.json"), "--wait", "40")
    again = await york.answered(
        "transfer", "request", "--release", str(folder / "again.json"), "--permission", permission, code=1
    )
    assert (again["state"], again["code"]) == ("refused", "permission-used")
