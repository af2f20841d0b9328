"""A change elsewhere, what rests on it here, and the answer: found from the notices and the cases alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.node.drawer import CASE, HELD, OfficeDesk

from passerelle.core.errors import PasserelleError
from passerelle.node.impacts import Impact
from passerelle.node.messages import PartyBody, checked, inbox_record

SECOND = "01990000-0000-7000-8000-00000000ca5f"
PERMISSION = "01990000-0000-7000-8000-000000000aaa"
REVOKED = {
    "before": {"state": "issued", "version": 1},
    "after": {"state": "revoked", "version": 2},
    "reason": "issued-in-error",
    "grandfathered": False,
}


def posted() -> OfficeDesk:
    """A case with two lines: one by rule r1, one by r2, both credited and posted."""
    desk = OfficeDesk()
    desk.open(*HELD)
    second = desk.line(line=2, credential=HELD[1], recognition="queens/r2")
    desk.step("decided", 11, lines=[desk.line(), second])
    desk.step("posted", 12, programme="queens/bsc", posted_on="2026-09-01")
    return desk


def tell(desk: OfficeDesk, about: str, event: str, *affects: str, change: Any = None, index: int = 20) -> None:
    kind = f"ca.passerelle.{event}.v1"
    value = {"about": about, "event": kind, "index": index, "member": "humber", "affects": list(affects)}
    desk.drawer.take("notice", value | ({"change": change} if change is not None else {}))


async def listed(desk: OfficeDesk, **options: Any) -> list[Impact]:
    return await desk.work.impacts.listed(limit=100, **options)


async def test_a_revocation_waits_for_an_answer_and_is_closed_by_it() -> None:
    desk = posted()
    tell(desk, f"credential:{HELD[0]}", "credential.revoked", f"transfer:{CASE}", change=REVOKED)
    [impact] = await listed(desk, open_only=True)
    told = impact.as_dict("fr")
    assert (told["event"], told["before"], told["reason"]) == ("revoked", REVOKED["before"], "issued-in-error")
    affected = {"thing": f"transfer:{CASE}", "state": "posted", "answer": "open", "role": "receiver"}
    assert told["affected"] == [affected]
    assert "révoqué" in told["why"]
    event = await desk.work.impacts.answer(20, CASE, "removed", "")
    assert event.data == {
        "expected_version": 3,
        "reason": "source-revoked",
        "cause": 20,
        "earlier": 12,
        "lines": [{"line": 1, "outcome": "removed"}],
    }
    desk.drawer.say("transfer.adjusted", CASE, event.data, index=21, member="queens")
    assert await listed(desk, open_only=True) == []
    [impact] = await listed(desk)
    assert impact.affected[0].answer == "removed"
    # Another desk over the same rows, after a restart, finds the same.
    again = OfficeDesk()
    again.drawer.rows, again.drawer.bodies, again.drawer.notices = (
        desk.drawer.rows,
        desk.drawer.bodies,
        desk.drawer.notices,
    )
    assert [one.as_dict() for one in await listed(again)] == [impact.as_dict()]


async def test_credit_is_kept_with_a_reason_only() -> None:
    desk = posted()
    tell(desk, f"credential:{HELD[0]}", "credential.revoked", f"transfer:{CASE}", change=REVOKED)
    with pytest.raises(PasserelleError) as caught:
        await desk.work.impacts.answer(20, CASE, "kept", " ")
    assert caught.value.code == "argument-missing"
    event = await desk.work.impacts.answer(20, CASE, "kept", "Repeated here")
    assert (event.data["note"], event.data["lines"]) == ("Repeated here", [{"line": 1, "outcome": "kept"}])


async def test_an_ended_rule_leaves_decisions_standing_and_asks_nothing() -> None:
    desk = posted()
    change = {
        "before": {"state": "in-force", "version": 1},
        "after": {"state": "ended", "version": 1},
        "grandfathered": True,
    }
    tell(desk, "recognition:queens/r2", "recognition.ended", f"transfer:{CASE}", change=change)
    [impact] = await listed(desk)
    assert (impact.grandfathered, impact.open, impact.affected[0].answer) == (True, False, "")
    assert await listed(desk, open_only=True) == []
    # The receiver may adjust all the same: the line that rests on the rule, for the programme's change.
    event = await desk.work.impacts.answer(20, CASE, "removed", "")
    assert (event.data["reason"], event.data["lines"]) == ("programme-change", [{"line": 2, "outcome": "removed"}])


async def test_an_achievement_reaches_the_cases_through_the_rules_on_it() -> None:
    desk = posted()
    desk.open(HELD[0], case=SECOND, index=30)
    change = {"grandfathered": True}
    tell(desk, "achievement:humber/stat", "credential.achievement-retired", "recognition:queens/r1", change=change)
    [impact] = await listed(desk)
    assert [one.thing for one in impact.affected] == ["recognition:queens/r1", f"transfer:{CASE}"]
    event = await desk.work.impacts.answer(20, CASE, "removed", "", [1, 2])
    assert event.data["lines"] == [{"line": 1, "outcome": "removed"}]


async def test_a_component_of_a_stack_touches_every_line_that_may_rest_on_it() -> None:
    desk = posted()
    tell(
        desk,
        "credential:01990000-0000-7000-8000-0000000000ff",
        "credential.revoked",
        f"transfer:{CASE}",
        change=REVOKED,
    )
    event = await desk.work.impacts.answer(20, CASE, "removed", "")
    assert [line["line"] for line in event.data["lines"]] == [1, 2]
    event = await desk.work.impacts.answer(20, CASE, "removed", "", [2])
    assert [line["line"] for line in event.data["lines"]] == [2]


async def test_what_is_not_posted_asks_for_nothing_and_is_not_adjusted() -> None:
    desk = OfficeDesk()
    desk.open()
    tell(desk, f"credential:{HELD[0]}", "credential.suspended", f"transfer:{CASE}", change={"grandfathered": False})
    [impact] = await listed(desk)
    assert not impact.open
    for index, code in ((20, "step-illegal"), (21, "not-found")):
        with pytest.raises(PasserelleError) as caught:
            await desk.work.impacts.answer(index, CASE, "removed", "")
        assert caught.value.code == code


async def test_a_notice_from_before_and_a_case_that_is_not_here_are_told_as_they_are() -> None:
    desk = posted()
    tell(desk, f"credential:{HELD[0]}", "credential.revoked", f"transfer:{CASE}", f"transfer:{SECOND}", "credential:x")
    [impact] = await listed(desk)
    states = {one.thing: (one.state, one.answer) for one in impact.affected}
    assert states == {
        f"transfer:{CASE}": ("posted", "open"),
        f"transfer:{SECOND}": ("unknown", ""),
        "credential:x": ("", ""),
    }
    assert impact.as_dict()["before"] is None


async def test_the_sender_sees_what_is_awaited_and_then_the_answer() -> None:
    receiver = posted()
    sender = OfficeDesk(member="humber")
    sender.drawer.bodies = [
        PartyBody(int(row.index or 0), row.type, "queens", row.subject, row.signed.body) for row in receiver.drawer.rows
    ]
    tell(sender, f"credential:{HELD[0]}", "credential.revoked", f"transfer:{CASE}", change=REVOKED)
    [impact] = await listed(sender)
    told = impact.as_dict()
    affected = {"thing": f"transfer:{CASE}", "state": "posted", "answer": "awaited", "role": "sender"}
    assert (told["open"], told["affected"]) == (False, [affected])
    assert "receiving institution answers" in told["why"]
    assert await listed(sender, open_only=True) == []
    with pytest.raises(PasserelleError) as caught:
        await sender.work.impacts.answer(20, CASE, "removed", "")
    assert caught.value.code == "not-receiver"
    lines = [{"line": 1, "outcome": "kept"}]
    data = {"expected_version": 3, "reason": "source-revoked", "cause": 20, "note": "Repeated here", "lines": lines}
    sender.drawer.hear("transfer.adjusted", CASE, data, index=21, member="queens")
    [impact] = await listed(sender)
    assert impact.affected[0].answer == "kept"


async def test_home_and_host_see_the_permission_that_rests_on_what_changed() -> None:
    grant = {"host": "humber", "expires_on": "2027-06-18", "term": {"starts_on": "2026-09-01"}, "courses": []}
    change = {
        "before": {"state": "in-force", "version": 1},
        "after": {"state": "ended", "version": 2},
        "grandfathered": True,
    }
    home, host, stranger = OfficeDesk(), OfficeDesk(member="humber"), OfficeDesk(member="york")
    home.drawer.say("transfer.permission-granted", PERMISSION, grant, index=9, member="queens")
    host.drawer.hear("transfer.permission-granted", PERMISSION, grant, index=9, member="queens")
    for desk, role, word in ((home, "home", "honoured as granted"), (host, "host", "study with you")):
        tell(desk, "recognition:queens/r1", "recognition.ended", f"permission:{PERMISSION}", change=change)
        [impact] = await listed(desk)
        told = impact.as_dict()
        affected = {"thing": f"permission:{PERMISSION}", "state": "granted", "answer": "", "role": role}
        assert (told["affected"], told["grandfathered"], told["open"]) == ([affected], True, False)
        assert word in told["why"]
        assert impact.as_dict("fr")["why"] != told["why"]
    tell(stranger, "recognition:queens/r1", "recognition.ended", f"permission:{PERMISSION}", change=change)
    [impact] = await listed(stranger)
    assert impact.affected[0].state == "unknown"


async def test_many_notices_are_read_to_the_bound() -> None:
    desk = posted()
    for number in range(620):
        tell(desk, f"credential:{HELD[0]}", "credential.amended", "credential:x", index=100 + number)
    found = await desk.work.impacts.listed(limit=600)
    assert [found[0].index, found[-1].index, len(found)] == [719, 120, 600]


def test_a_notice_with_a_change_that_is_none_is_no_notice() -> None:
    good = b'{"about":"a:b","event":"e","index":1,"member":"m","affects":[],"change":%s}'
    assert checked(inbox_record(1, "notice", good % b"{}")).value["change"] == {}
    with pytest.raises(PasserelleError) as caught:
        checked(inbox_record(1, "notice", good % b'"x"'))
    assert caught.value.code == "line-malformed"
