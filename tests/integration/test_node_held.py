"""What is held back, and until when: things of others, own things of another stream, changes in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.node_desk import ACHIEVEMENTS, Desk, desk

from passerelle.core.catalogue import BY_NAME
from passerelle.node.messages import FeedEvent
from passerelle.node.plan import NewEvent

RULES = "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits\n"


@pytest.fixture
async def humber(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        yield opened


async def held(node: Desk) -> dict[str, list[str]]:
    return {row["subject"]: row["waits_for"] for row in await node.office.store.held(100)}


async def test_a_rule_waits_for_others_things_and_for_own_ones_of_another_stream(humber: Desk) -> None:
    await humber.take(ACHIEVEMENTS)
    await humber.take(RULES + "r1,equivalency,ubc/STAT200,2020-01-01,assigned,revit,3 units\n")
    assert await held(humber) == {"humber/r1": ["achievement:humber/revit", "achievement:ubc/STAT200"]}
    await humber.answer(("credential", 1, True), number=1)
    await humber.office.release()
    assert await held(humber) == {"humber/r1": ["achievement:ubc/STAT200"]}
    await humber.office.store.take_feed([FeedEvent(0), FeedEvent(1, "achievement:ubc/STAT200", 3)], 2)
    assert await humber.office.release() == 1
    assert await held(humber) == {}


async def test_within_a_stream_own_things_need_only_have_gone_out_before(humber: Desk) -> None:
    text = ACHIEVEMENTS.replace(",credit_bearing\n", ",credit_bearing,components\n").replace(",no\n", ",no,part\n")
    await humber.take(text)
    assert await held(humber) == {"humber/revit": ["achievement:humber/part"]}
    await humber.take(ACHIEVEMENTS.replace("revit,", "part,"))
    assert await held(humber) == {}
    assert [row.subject for row in await humber.office.store.open_rows("credential", 0, 9)] == [
        "humber/part",
        "humber/revit",
    ]


async def test_a_refused_own_thing_satisfies_nobody(humber: Desk) -> None:
    await humber.take(ACHIEVEMENTS)
    await humber.answer(("credential", 1, False), number=1)
    text = ACHIEVEMENTS.replace(",credit_bearing\n", ",credit_bearing,components\n")
    await humber.take(text.replace("revit,", "whole,").replace(",no\n", ",no,revit\n"))
    assert await held(humber) == {"humber/whole": ["achievement:humber/revit"]}


async def test_changes_of_one_thing_go_out_in_their_order(humber: Desk) -> None:
    await humber.take(ACHIEVEMENTS)
    for version in (2, 3, 4):
        await humber.take(ACHIEVEMENTS.replace("Autodesk Revit", f"Revit {version}"))
    names = [row.type.split(".")[-2] for row in await humber.office.store.open_rows("credential", 0, 9)]
    assert names == ["achievement-published"] + ["achievement-revised"] * 3


async def test_members_are_waited_for_until_the_registry_shows_them(humber: Desk) -> None:
    data = {"delegate": "bccat", "valid_from": "2026-01-01"}
    event = NewEvent(BY_NAME["reference.delegation-published"], "humber/d1", data)
    assert (await humber.office.publish([event]))[0]["state"] == "held"
    assert await held(humber) == {"humber/d1": ["member:bccat"]}
    await humber.office.store.put_members({"bccat": {"member": "bccat", "status": "active", "keys": []}})
    assert await humber.office.release() == 1
