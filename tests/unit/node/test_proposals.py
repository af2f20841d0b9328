"""A decision proposed from the rules: its trace, its precedents, and a person's answer to each line."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.node.drawer import CASE, CREDIT, HELD, OfficeDesk, issued
from tests.unit.query.world import credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import PasserelleError
from passerelle.core.registry import Registry
from passerelle.events.codec import check_data
from passerelle.node.rules_asked import Elsewhere, Ruled, elsewhere, outcome_data, ruled, transcript_line
from passerelle.query.index import Index
from passerelle.query.messages import Titles, outcome_message

RULE = {"id": "queens/r1", "version": 2, "kind": "equivalency", "recorded_from": 7, "valid_from": "", "valid_to": ""}
WHY = ({"code": "grade-met", "en": "The grade suffices.", "fr": "La note suffit."},)


def answer(number: int = 1, match: str = "match", outcome: Any = CREDIT, rule: Any = RULE, **more: Any) -> Ruled:
    return Ruled(number, match, rule, outcome, WHY, more.get("fix", ()), 30)


async def proposed(*answers: Ruled, held: tuple[str, ...] = HELD[:1], **credential: Any) -> list[dict[str, Any]]:
    desk = OfficeDesk(*answers)
    for number, name in enumerate(held):
        desk.drawer.hear("credential.issued", name, issued(**credential), index=number, member="humber")
    desk.open(*held)
    made = await desk.work.proposals.propose(CASE)
    assert (made.version, made.position) == (1, 30)
    return [dict(line) for line in made.lines]


async def test_a_match_is_proposed_with_the_rule_and_its_entry() -> None:
    [line] = await proposed(answer())
    assert line["proposed"] == {
        "line": 1,
        "credential": HELD[0],
        "status": "credited",
        "recognition": "queens/r1",
        "recognition_index": 7,
        "outcome": CREDIT,
    }
    assert (line["match"], line["reasons"], line["rule"]["version"]) == ("match", [dict(WHY[0])], 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(match="maybe", fix=("humber/other",)), {"status": "conditional", "waits_for": "department"}),
        (answer(match="miss", rule={}, outcome=None), {"status": "pending", "waits_for": "department"}),
        (
            answer(match="match", outcome={"type": "no-credit", "reason": "level"}),
            {"status": "no-credit", "reason": "level"},
        ),
    ],
)
async def test_what_does_not_match_is_left_to_people_and_a_denial_is_told(
    given: Ruled, expected: dict[str, str]
) -> None:
    [line] = await proposed(given)
    assert {name: line["proposed"][name] for name in expected} == expected
    assert line["smallest_fix"] == list(given.fix)
    check_data(BY_NAME["transfer.decided"], {"expected_version": 1, "lines": [line["proposed"]]})


async def test_a_maybe_without_a_grade_waits_for_it() -> None:
    [line] = await proposed(answer(match="maybe"), result=None)
    assert line["proposed"]["waits_for"] == "final-grade"


async def test_a_rule_gives_its_credit_once_however_many_credentials_it_took() -> None:
    first, second = await proposed(answer(1), answer(2), held=HELD)
    assert first["proposed"]["status"] == "credited"
    assert (second["proposed"]["status"], second["proposed"]["reason"]) == ("no-credit", "duplicate")
    assert "line 1" in second["proposed"]["individual_reason"]


async def test_a_line_without_an_answer_is_no_silent_miss() -> None:
    with pytest.raises(PasserelleError) as caught:
        await proposed(answer(1), held=HELD)
    assert caught.value.code == "service-unavailable"


async def test_a_credential_whose_body_is_not_held_is_named() -> None:
    desk = OfficeDesk(answer())
    desk.open()
    desk.drawer.bodies.clear()
    with pytest.raises(PasserelleError) as caught:
        await desk.work.proposals.propose(CASE)
    assert (caught.value.code, HELD[0] in caught.value.where) == ("body-absent", True)


async def test_an_amended_credential_is_evaluated_as_amended() -> None:
    desk = OfficeDesk(answer())
    desk.open()
    amended = {"reason": "grade-change", "result": {"scheme": "percentage-50", "grade": "51"}}
    desk.drawer.hear("credential.amended", HELD[0], amended, index=5, member="humber")
    await desk.work.proposals.propose(CASE)
    assert desk.rules.asked[0][0]["grade"]["grade"] == "51"


async def test_precedents_are_own_decisions_newest_first_and_those_elsewhere_bind_nobody() -> None:
    other = Elsewhere("ubc", "agreement", "ubc/r9", CREDIT, 4)
    desk = OfficeDesk(answer(), elsewhere=[other, Elsewhere("queens", "agreement", "queens/r1", CREDIT, 7)])
    desk.open()
    for number in range(1, 8):
        case, held = f"01990000-0000-7000-8000-00000000f00{number}", f"01990000-0000-7000-8000-00000000e00{number}"
        about = "humber/stat" if number != 3 else "humber/other"
        desk.drawer.hear("credential.issued", held, issued(about), index=20 + number, member="humber")
        desk.open(held, case=case, index=30 + number)
        line = {"line": 1, "credential": held, "status": "no-credit", "reason": "content"}
        desk.step("decided", 40 + number, case, lines=[line])
        if number == 7:
            # Only a case's latest word is a precedent, and each case one.
            desk.step("decided", 60, case, lines=[desk.line(credential=held)])
    made = await desk.work.proposals.propose(CASE)
    told: dict[str, Any] = dict(made.lines[0])
    assert [one["index"] for one in told["precedents"]] == [60, 46, 45, 44, 42]
    assert (told["precedents"][0]["status"], told["precedents"][1]["reason"]) == ("credited", "content")
    assert [one["receiver"] for one in told["elsewhere"]] == ["ubc"]


async def test_each_line_is_answered_and_then_decided_on_the_version_it_was_proposed_for() -> None:
    desk = OfficeDesk(answer(1), answer(2, match="miss", rule={}, outcome=None))
    desk.open(*HELD)
    proposals = desk.work.proposals
    await proposals.propose(CASE)
    await proposals.answer(CASE, 1, "accepted")
    with pytest.raises(PasserelleError) as caught:
        await proposals.decision(CASE)
    assert (caught.value.code, "2" in caught.value.what) == ("proposal-open", True)
    change = {"status": "credited", "outcome": CREDIT}
    await proposals.answer(CASE, 2, "changed", reason="The outline was read", change=change)
    lines, version = await proposals.decision(CASE)
    assert version == 1
    assert [line["status"] for line in lines] == ["credited", "credited"]
    assert lines[1]["individual_reason"] == "The outline was read"
    assert "waits_for" not in lines[1]
    check_data(BY_NAME["transfer.decided"], {"expected_version": version, "lines": lines})


async def test_a_declined_line_is_no_credit_with_its_reason() -> None:
    desk = OfficeDesk(answer())
    desk.open()
    await desk.work.proposals.propose(CASE)
    await desk.work.proposals.answer(CASE, 1, "declined", reason="Hours differ by half", change={"reason": "hours"})
    [line], _ = await desk.work.proposals.decision(CASE)
    assert line == {
        "line": 1,
        "credential": HELD[0],
        "status": "no-credit",
        "reason": "hours",
        "individual_reason": "Hours differ by half",
    }


async def test_another_rule_does_not_keep_the_entry_of_the_first() -> None:
    desk = OfficeDesk(answer())
    desk.open()
    await desk.work.proposals.propose(CASE)
    await desk.work.proposals.answer(CASE, 1, "changed", reason="Newer rule", change={"recognition": "queens/r2"})
    [line], _ = await desk.work.proposals.decision(CASE)
    assert line["recognition"] == "queens/r2"
    assert "recognition_index" not in line


@pytest.mark.parametrize(
    ("line", "how", "more", "code"),
    [
        (2, "accepted", {}, "not-found"),
        (1, "changed", {"change": {"status": "pending"}}, "argument-missing"),
        (1, "changed", {"reason": "why", "change": {"status": "lost"}}, "schema-invalid"),
        (1, "declined", {"reason": "why", "change": {"reason": "mood"}}, "schema-invalid"),
    ],
)
async def test_a_wrong_answer_is_told_and_keeps_the_line_open(line: int, how: str, more: Any, code: str) -> None:
    desk = OfficeDesk(answer())
    desk.open()
    await desk.work.proposals.propose(CASE)
    with pytest.raises(PasserelleError) as caught:
        await desk.work.proposals.answer(CASE, line, how, **more)
    assert caught.value.code == code
    assert not (await desk.work.proposals.of(CASE)).lines[0]["answer"]


async def test_a_proposal_is_not_for_a_case_that_moved_on() -> None:
    desk = OfficeDesk(answer())
    desk.open()
    with pytest.raises(PasserelleError) as absent:
        await desk.work.proposals.decision(CASE)
    await desk.work.proposals.propose(CASE)
    desk.drawer.hear("transfer.evidence-added", CASE, {"documents": []}, index=12, member="humber")
    with pytest.raises(PasserelleError) as stale:
        await desk.work.proposals.answer(CASE, 1, "accepted")
    assert (absent.value.code, stale.value.code) == ("proposal-absent", "version-stale")
    desk.step("decided", 13, lines=[desk.line()])
    with pytest.raises(PasserelleError) as closed:
        await desk.work.proposals.propose(CASE)
    assert closed.value.code == "step-illegal"


# What the query service says, in the terms of events

OUTCOMES: list[dict[str, Any]] = [
    CREDIT,
    {"type": "unassigned", "subject": "STAT", "level": "2", "credits": credit("3")},
    {"type": "block", "programme": "queens/bsc", "entry_year": 2},
    {"type": "block", "programme": "queens/bsc", "credits": credit("30"), "attributes": ["breadth"]},
    {"type": "exemption", "achievement": "queens/stat-101", "applicability": "elective"},
    {"type": "admission", "programme": "queens/bsc", "note": "With an interview"},
    {"type": "standing", "profession": "Technician"},
    {"type": "no-credit", "reason": "other", "note": "Not offered"},
    {"type": "choice", "of": [CREDIT, {"type": "exemption", "achievement": "queens/x"}]},
    {
        **CREDIT,
        "exclusions": ["queens/y"],
        "conditions": [{"use": "credit", "minimum_grade": {"scheme": "percentage-50", "grade": "60"}}],
    },
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=[f"{one['type']}-{len(one)}" for one in OUTCOMES])
def test_an_outcome_comes_back_as_it_was_published(outcome: dict[str, Any]) -> None:
    index = Index(Registry("test/log", "operator", bytes(32)))
    message = outcome_message(outcome, Titles(index, 0))
    assert outcome_data(message) == outcome
    line = {
        "line": 1,
        "credential": HELD[0],
        "status": "credited",
        "individual_reason": "x",
        "outcome": outcome_data(message),
    }
    check_data(BY_NAME["transfer.decided"], {"expected_version": 1, "lines": [line]})


def test_a_response_is_read_with_its_rule_reasons_and_position() -> None:
    reason = common_pb2.Reason(code="grade-met", en="The grade suffices.", fr="La note suffit.")
    rule = pb.Rule(
        id="queens/r1", version=2, recorded_from=7, outcome=common_pb2.Outcome(type="exemption", achievement="q/x")
    )
    response = pb.EvaluateResponse(line=3, match=pb.MATCH_MAYBE, rule=rule, reasons=[reason], smallest_fix=["humber/b"])
    response.position.size = 9
    found = ruled(response)
    assert (found.number, found.match, found.rule["recorded_from"], found.fix) == (3, "maybe", 7, ("humber/b",))
    assert (found.reasons, found.position, found.outcome) == (WHY, 9, {"type": "exemption", "achievement": "q/x"})
    assert ruled(pb.EvaluateResponse(line=1, match=pb.MATCH_MISS)).outcome is None


def test_a_line_and_an_answer_elsewhere_keep_their_facts() -> None:
    given = {
        "achievement": "a/b",
        "completed_on": "2026-01-01",
        "grade": {"scheme": "s", "grade": "B"},
        "credits": credit("3"),
    }
    line = transcript_line(given)
    assert (line.grade.grade, line.credits.value, line.version) == ("B", "3", 0)
    found = elsewhere(pb.Answer(verdict=pb.VERDICT_NEVER_EVALUATED, receiver="ubc"))
    assert (found.verdict, found.rule, found.outcome) == ("never-evaluated", "", None)
