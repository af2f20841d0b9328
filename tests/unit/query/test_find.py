"""Find: the five answers, filters, dates, pages, and the position that each answer states."""

import pytest
from tests.unit.query.world import World

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.equivalency import Equivalency

REVIT = "humber/revit"


@pytest.fixture
def world() -> World:
    made = World()
    made.course(REVIT, "Revit Architecture", kind="micro-credential")
    made.course("bcit/bim-1", "BIM 1")
    made.course("nscc/bim", "Building information modelling")
    return made


async def find(world: World, achievement: str = REVIT, **more: object) -> pb.FindResponse:
    request = pb.FindRequest(achievement=achievement, **more)  # type: ignore[arg-type]
    return await Equivalency(world.index).find(request, 0.05)


def verdicts(response: pb.FindResponse) -> list[tuple[str, int, str]]:
    return [(answer.receiver, answer.verdict, answer.rule.id) for answer in response.answers]


async def test_nobody_evaluated_it(world: World) -> None:
    response = await find(world)
    assert verdicts(response) == [("", pb.VERDICT_NEVER_EVALUATED, "")]
    assert response.title == "Revit Architecture"
    assert response.answers[0].subject_to_admission
    assert response.position.size == world.size


async def test_an_agreement_tells_rule_outcome_and_receiver(world: World) -> None:
    world.rule("bcit/r1", REVIT, "bcit/bim-1", valid_to="2029-12-31", note="As agreed", source="Guide (sample)")
    response = await find(world)
    [answer] = response.answers
    assert answer.verdict == pb.VERDICT_AGREEMENT
    assert answer.receiver_names == {"en": "British Columbia Institute of Technology"}
    assert list(answer.receiver_jurisdictions) == ["CA-BC"]
    rule = answer.rule
    assert (rule.id, rule.version, rule.kind, rule.note, rule.source) == (
        "bcit/r1", 1, "equivalency", "As agreed", "Guide (sample)",
    )  # fmt: skip
    assert (rule.valid_from, rule.valid_to) == ("2020-01-01", "2029-12-31")
    assert (rule.recorded_from, rule.recorded_to) == (world.size - 1, 0)
    assert rule.sending.leaf.title == "Revit Architecture"
    assert (rule.outcome.type, rule.outcome.achievement, rule.outcome.title) == ("assigned", "bcit/bim-1", "BIM 1")
    assert (rule.outcome.credits.value, rule.outcome.credits.system) == ("3", "credit-hours")
    assert [reason.code for reason in answer.reasons] == ["agreement"]
    assert "bcit/r1" in answer.reasons[0].en
    assert answer.reasons[0].fr != answer.reasons[0].en


async def test_denials_requests_and_case_by_case(world: World) -> None:
    world.deny("nscc/no", REVIT, "level")
    asked = world.add("recognition.requested", "bcit", "bcit/ask", {"achievement": REVIT, "receiver": "bcit"})
    world.add("recognition.requested", "queens", "queens/ask", {"achievement": REVIT, "receiver": "queens"})
    world.add("recognition.declined", "queens", "queens/ask", {})
    response = await find(world)
    assert verdicts(response) == [
        ("bcit", pb.VERDICT_UNDER_EVALUATION, "bcit/ask"),
        ("nscc", pb.VERDICT_NO_CREDIT, "nscc/no"),
        ("queens", pb.VERDICT_CASE_BY_CASE, "queens/ask"),
    ]
    assert response.answers[0].since_index == asked
    denial = response.answers[1].rule
    assert (denial.kind, denial.outcome.type, denial.outcome.reason) == ("denial", "no-credit", "level")


async def test_a_rule_that_answers_a_request_closes_it(world: World) -> None:
    world.add("recognition.requested", "bcit", "bcit/ask", {"achievement": REVIT, "receiver": "bcit"})
    open_size = world.size
    world.rule("bcit/r1", REVIT, "bcit/bim-1", request="bcit/ask")
    assert verdicts(await find(world)) == [("bcit", pb.VERDICT_AGREEMENT, "bcit/r1")]
    early = await find(world, known_at=common_pb2.KnownAt(size=open_size))
    assert verdicts(early) == [("bcit", pb.VERDICT_UNDER_EVALUATION, "bcit/ask")]


async def test_receiver_and_jurisdiction_filters(world: World) -> None:
    world.rule("bcit/r1", REVIT, "bcit/bim-1")
    world.rule("nscc/r1", REVIT, "nscc/bim")
    assert verdicts(await find(world, receiver="nscc")) == [("nscc", pb.VERDICT_AGREEMENT, "nscc/r1")]
    assert verdicts(await find(world, jurisdiction="CA-BC")) == [("bcit", pb.VERDICT_AGREEMENT, "bcit/r1")]
    assert verdicts(await find(world, jurisdiction="CA-QC")) == [("", pb.VERDICT_NEVER_EVALUATED, "")]
    assert verdicts(await find(world, receiver="queens")) == [("queens", pb.VERDICT_NEVER_EVALUATED, "")]


async def test_a_rule_names_its_own_jurisdictions(world: World) -> None:
    standing = {"type": "standing", "profession": "Architectural technologist"}
    world.rule("harbour-design/hire", REVIT, standing, kind="professional", jurisdictions=["CA-NS"])
    assert verdicts(await find(world, jurisdiction="CA-NS")) == [
        ("harbour-design", pb.VERDICT_AGREEMENT, "harbour-design/hire")
    ]
    assert verdicts(await find(world, jurisdiction="CA-BC")) == [("", pb.VERDICT_NEVER_EVALUATED, "")]


async def test_a_rule_counts_completions_in_its_dates(world: World) -> None:
    world.rule("bcit/r1", REVIT, "bcit/bim-1", valid_from="2024-01-01", valid_to="2025-12-31")
    inside = await find(world, valid_on="2025-06-01")
    assert verdicts(inside) == [("bcit", pb.VERDICT_AGREEMENT, "bcit/r1")]
    outside = await find(world, valid_on="2026-01-01")
    assert verdicts(outside) == [("bcit", pb.VERDICT_CASE_BY_CASE, "")]
    assert "rule-not-in-dates" in {reason.code for reason in outside.answers[0].reasons}


async def test_a_newer_rule_takes_force_even_where_it_names_other_courses(world: World) -> None:
    world.course("humber/revit-2", "Revit 2")
    world.rule("bcit/old", REVIT, "bcit/bim-1")
    before = world.size
    world.rule(
        "bcit/new", "humber/revit-2", "bcit/bim-1", supersedes={"recognition": "bcit/old", "mode": "replaces-all"}
    )
    [answer] = (await find(world)).answers
    assert answer.verdict == pb.VERDICT_CASE_BY_CASE
    assert {reason.code for reason in answer.reasons} == {"case-by-case", "rule-superseded"}
    assert verdicts(await find(world, known_at=common_pb2.KnownAt(size=before))) == [
        ("bcit", pb.VERDICT_AGREEMENT, "bcit/old")
    ]


async def test_an_ended_rule_still_counts_earlier_completions(world: World) -> None:
    world.rule("bcit/r1", REVIT, "bcit/bim-1")
    world.end("bcit/r1", "2026-06-30")
    kept = await find(world, valid_on="2026-06-30")
    assert verdicts(kept) == [("bcit", pb.VERDICT_AGREEMENT, "bcit/r1")]
    assert kept.answers[0].rule.valid_to == "2026-06-30"
    assert verdicts(await find(world, valid_on="2026-07-01")) == [("bcit", pb.VERDICT_CASE_BY_CASE, "")]


async def test_what_is_missing_or_malformed_is_told(world: World) -> None:
    for request, code, where in (
        ({"achievement": ""}, "argument-missing", "achievement"),
        ({"achievement": "humber/none"}, "not-found", "achievement"),
        ({"receiver": "nobody"}, "not-found", "receiver"),
        ({"valid_on": "2026-02-30"}, "argument-invalid", "valid_on"),
        ({"valid_on": "yesterday"}, "argument-invalid", "valid_on"),
        ({"page_size": 1001}, "argument-invalid", "page_size"),
        ({"page_token": "abc"}, "page-token-invalid", "page_token"),
        ({"known_at": common_pb2.KnownAt(instant_ms=-1)}, "argument-invalid", "known_at.instant_ms"),
        ({"known_at": common_pb2.KnownAt(instant_ms=world.now_ms + 1)}, "not-settled", "known_at.instant_ms"),
        ({"known_at": common_pb2.KnownAt(size=world.size + 1)}, "position-not-reached", "min_position"),
        ({"min_position": world.size + 1}, "position-not-reached", "min_position"),
    ):
        with pytest.raises(PasserelleError) as caught:
            await find(world, **request)
        assert (caught.value.code, caught.value.where) == (code, where)


async def test_an_achievement_is_unknown_before_it_was_published(world: World) -> None:
    before = world.size
    world.course("humber/later", "Later")
    assert (await find(world, "humber/later")).title == "Later"
    with pytest.raises(PasserelleError) as caught:
        await find(world, "humber/later", known_at=common_pb2.KnownAt(size=before))
    assert caught.value.code == "not-found"


async def test_pages_hold_every_answer_once_and_stay_at_their_position(world: World) -> None:
    for number in range(7):
        world.rule(f"bcit/r{number}", REVIT, "bcit/bim-1")
    size = world.size
    request = pb.FindRequest(achievement=REVIT, page_size=3)
    seen: list[str] = []
    while True:
        response = await Equivalency(world.index).find(request, 0.05)
        assert response.position.size == size
        seen += [answer.rule.id for answer in response.answers]
        assert len(response.answers) <= 3
        if not response.next_page_token:
            break
        # Rules that come between two pages belong to a later state of the ledger.
        world.rule(f"bcit/aa{len(seen)}", REVIT, "bcit/bim-1")
        request.page_token = response.next_page_token
    assert seen == [f"bcit/r{number}" for number in range(7)]


async def test_a_page_token_belongs_to_its_question(world: World) -> None:
    for number in range(3):
        world.rule(f"bcit/r{number}", REVIT, "bcit/bim-1")
    first = await find(world, page_size=1)
    with pytest.raises(PasserelleError) as caught:
        await find(world, page_size=1, receiver="bcit", page_token=first.next_page_token)
    assert caught.value.code == "page-token-invalid"
    again = await find(world, page_size=2, page_token=first.next_page_token)
    assert [answer.rule.id for answer in again.answers] == ["bcit/r1", "bcit/r2"]


async def test_an_instant_answers_as_of_the_last_entry_before_it(world: World) -> None:
    size = world.size
    at = world.now_ms
    world.add(
        "credential.achievement-published", "queens", "queens/x",
        {"version": 1, "kind": "course", "title": "X", "language": "en", "credit_bearing": True,
         "awarding_bodies": ["urn:passerelle:member:queens"]},
        later_ms=10_000,
    )  # fmt: skip
    for instant, expected in ((at, size), (at + 9_999, size), (at + 10_000, size + 1)):
        response = await find(world, known_at=common_pb2.KnownAt(instant_ms=instant))
        assert response.position.size == expected
    world.idle(60_000)
    settled = await find(world, known_at=common_pb2.KnownAt(instant_ms=world.now_ms))
    assert (settled.position.size, settled.position.floor_ms) == (size + 1, world.now_ms)
