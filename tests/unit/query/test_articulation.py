"""Articulation requests and what agencies ask: queues, precedents, contradictions, gaps, drafts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from tests.unit.query.world import DAY_MS, World, credit, rule_data

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import articulation_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.core.errors import FormatError, NotFound, PasserelleError
from passerelle.query.articulation_gaps import Gaps
from passerelle.query.articulation_requests import Requests
from passerelle.query.articulation_whatif import WhatIf
from passerelle.query.ports import PublicEvent


class Log:
    """Events by index, counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.read = 0

    async def events_at(self, indices: Sequence[int]) -> list[PublicEvent]:
        self.read += len(indices)
        wanted = set(indices)
        return [event for event in self.world.events if event.index in wanted]


@pytest.fixture
def world() -> World:
    made = World()
    for name in ("humber/HIST101", "humber/HIST102", "humber/MATH1", "bcit/HIST1", "bcit/HIST2", "nscc/HIST5"):
        made.course(name, name)
    return made


def ask(world: World, request: str, achievement: str, receiver: str, **more: Any) -> None:
    data = {"achievement": achievement, "receiver": receiver, **more}
    world.add("recognition.requested", request.partition("/")[0], request, data)


async def listed(requests: Requests, **asked: Any) -> list[str]:
    response = await requests.queue(pb.ListRequestsRequest(**asked), 1.0)
    assert response.total == len(response.requests)
    return [one.id for one in response.requests]


async def test_a_queue_is_cut_by_receiver_subject_state_age_and_target_day(world: World) -> None:
    requests = Requests(world.index, Log(world))
    ask(world, "humber/a", "humber/HIST101", "bcit", due_on="2026-01-05")
    world.idle(10 * DAY_MS)
    ask(world, "humber/b", "humber/MATH1", "bcit", due_on="2027-01-05")
    ask(world, "humber/c", "humber/HIST102", "nscc")
    world.add("recognition.returned", "nscc", "humber/c", {"needed": ["The outline of 2025", "Hours of lab"]})
    assert await listed(requests, receiver="bcit") == ["humber/a", "humber/b"]
    assert await listed(requests, sender="humber", subject="hist") == ["humber/a", "humber/c"]
    assert await listed(requests, overdue=True) == ["humber/a"]
    assert await listed(requests, min_age_days=5) == ["humber/a"]
    assert await listed(requests, state=pb.REQUEST_STATE_RETURNED) == ["humber/c"]
    world.add("recognition.forwarded", "bcit", "humber/b", {"evaluator": "nscc"})
    assert await listed(requests, evaluator="nscc") == ["humber/b", "humber/c"]
    world.rule("bcit/r1", "humber/HIST101", "bcit/HIST1", request="humber/a")
    assert await listed(requests, receiver="bcit") == ["humber/b"]
    assert await listed(requests, receiver="bcit", all_states=True) == ["humber/a", "humber/b"]


async def test_one_request_tells_all_its_steps_and_its_answer(world: World) -> None:
    log = Log(world)
    requests = Requests(world.index, log)
    outline = {"url": "https://humber.example/outline.pdf", "sha256": "0" * 64}
    ask(world, "humber/a", "humber/HIST101", "bcit", outline=outline, due_on="2026-03-01", note="Please")
    world.add("recognition.returned", "bcit", "humber/a", {"needed": ["Hours"]})
    known = world.size
    newer = {"url": "https://humber.example/outline2.pdf", "sha256": "1" * 64}
    world.add("recognition.resubmitted", "humber", "humber/a", {"outline": newer})
    world.idle(3 * DAY_MS)
    world.deny("bcit/d1", "humber/HIST101", request="humber/a")
    found = (await requests.get(pb.GetRequestRequest(request="humber/a"), 1.0)).request
    assert [step.event for step in found.steps] == ["requested", "returned", "resubmitted", "denied"]
    assert (found.state, found.answer, found.age_days) == (pb.REQUEST_STATE_ANSWERED, "bcit/d1", 3)
    assert (found.outline_sha256, found.note, found.due_on) == ("1" * 64, "Please", "2026-03-01")
    assert not found.overdue
    before = (await requests.get(_at("humber/a", known), 1.0)).request
    assert (before.state, list(before.needed), before.answer) == (pb.REQUEST_STATE_RETURNED, ["Hours"], "")
    read = log.read
    await requests.get(_at("humber/a", known), 1.0)
    assert log.read == read, "an event that was read is not read again"
    with pytest.raises(NotFound):
        await requests.get(pb.GetRequestRequest(request="humber/zz"), 1.0)


def _at(request: str, size: int) -> pb.GetRequestRequest:
    return pb.GetRequestRequest(request=request, known_at=common_pb2.KnownAt(size=size))


async def test_pages_fit_together_while_the_log_grows(world: World) -> None:
    requests = Requests(world.index, Log(world))
    for number in range(5):
        ask(world, f"humber/a{number}", "humber/HIST101", "bcit")
    first = await requests.queue(pb.ListRequestsRequest(page_size=3), 1.0)
    ask(world, "humber/late", "humber/HIST102", "bcit")
    token = first.next_page_token
    second = await requests.queue(pb.ListRequestsRequest(page_size=3, page_token=token), 1.0)
    assert [one.id for one in (*first.requests, *second.requests)] == [f"humber/a{number}" for number in range(5)]
    assert (second.total, second.next_page_token) == (5, "")
    with pytest.raises(FormatError) as error:
        await requests.queue(pb.ListRequestsRequest(page_size=3, page_token=token, receiver="bcit"), 1.0)
    assert error.value.code == "page-token-invalid"


async def test_the_median_time_to_decision_counts_what_was_decided(world: World) -> None:
    requests = Requests(world.index, Log(world))
    for number, days in enumerate((2, 4, 9)):
        ask(world, f"humber/a{number}", "humber/HIST101", "bcit")
        world.idle(days * DAY_MS)
        world.rule(f"bcit/r{number}", "humber/HIST101", "bcit/HIST1", request=f"humber/a{number}")
    ask(world, "humber/b", "humber/HIST102", "bcit", due_on="2026-01-17")
    ask(world, "humber/c", "humber/MATH1", "nscc")
    world.add("recognition.declined", "nscc", "humber/c", {})
    world.idle(20 * DAY_MS)
    rows = (await requests.summarise(pb.SummariseRequestsRequest(), 1.0)).receivers
    assert [(one.receiver, one.open, one.overdue, one.answered, one.declined, one.median_days) for one in rows] == [
        ("bcit", 1, 1, 3, 0, "4"),
        ("nscc", 0, 0, 0, 1, "0"),
    ]
    assert rows[0].oldest_days == 20


async def test_precedents_are_others_answers_also_for_the_course_that_was_replaced(world: World) -> None:
    gaps = Gaps(world.index)
    world.rule("bcit/r1", "humber/HIST101", "bcit/HIST1")
    world.rule("nscc/r1", "humber/HIST101", "nscc/HIST5")
    world.deny("queens/d1", "humber/HIST102")
    world.add("credential.achievement-retired", "humber", "humber/HIST101",
              {"effective_on": "2026-01-01", "replaced_by": "humber/HIST102"})  # fmt: skip
    found = await gaps.precedents(pb.ListPrecedentsRequest(achievement="humber/HIST102", receiver="nscc"), 1.0)
    assert [(one.answer.receiver, one.through) for one in found.precedents] == [
        ("queens", ""),
        ("bcit", "humber/HIST101"),
    ]
    assert not found.binding


async def test_contradictions_are_found_once_and_only_where_both_hold(world: World) -> None:
    gaps = Gaps(world.index)
    world.rule("bcit/a", "humber/HIST101", "bcit/HIST1", valid_to="2024-12-31")
    world.rule("bcit/b", "humber/HIST101", "bcit/HIST2", valid_from="2024-01-01")
    world.deny("bcit/c", "humber/HIST101", valid_from="2030-01-01")
    world.rule("bcit/d", "humber/HIST102", "bcit/HIST1", valid_to="2021-01-01")
    world.rule("bcit/e", "humber/HIST102", "bcit/HIST2", valid_from="2022-01-01")
    found = await gaps.contradictions(pb.ListContradictionsRequest(receiver="bcit"), 1.0)
    told = [(one.first.id, one.second.id, one.cause, one.from_date, one.until_date) for one in found.contradictions]
    assert told == [
        ("bcit/a", "bcit/b", "different-credit", "2024-01-01", "2024-12-31"),
        ("bcit/b", "bcit/c", "credit-and-no-credit", "2030-01-01", ""),
    ]
    newer = {"recognition": "bcit/b", "mode": "in-addition"}
    world.rule("bcit/z", "humber/HIST101", "bcit/HIST1", valid_from="2026-01-01", supersedes=newer)
    found = await gaps.contradictions(pb.ListContradictionsRequest(receiver="bcit"), 1.0)
    assert ("bcit/b", "bcit/z") not in [(one.first.id, one.second.id) for one in found.contradictions]


async def test_a_list_over_many_rules_goes_on_page_by_page(world: World) -> None:
    gaps = Gaps(world.index)
    for number in range(7):
        world.rule(f"bcit/r{number}", "humber/HIST101", "bcit/HIST1")
    asked: dict[str, Any] = {"receiver": "bcit", "sender": "humber", "page_size": 3}
    found, token, pages = [], "", 0
    while pages == 0 or token:
        response = await gaps.non_reciprocal(pb.ListNonReciprocalRequest(**asked, page_token=token), 1.0)
        found += [rule.id for rule in response.rules]
        token, pages = response.next_page_token, pages + 1
    assert (found, pages) == ([f"bcit/r{number}" for number in range(7)], 3)
    world.rule("humber/back", "bcit/HIST1", "humber/HIST101")
    response = await gaps.non_reciprocal(pb.ListNonReciprocalRequest(receiver="bcit"), 1.0)
    assert not response.rules
    with pytest.raises(FormatError) as error:
        await gaps.non_reciprocal(pb.ListNonReciprocalRequest(), 1.0)
    assert error.value.code == "argument-missing"


async def test_orphans_are_rules_whose_course_changed_later(world: World) -> None:
    gaps = Gaps(world.index)
    world.rule("bcit/r1", "humber/HIST101", "bcit/HIST1")
    world.rule("bcit/r2", "humber/HIST102", "bcit/HIST2")
    world.rule("bcit/r3", "humber/MATH1", "bcit/HIST2", valid_to="2025-01-01")
    data = {"version": 2, "kind": "course", "title": "Changed", "language": "en", "credit_bearing": True,
            "awarding_bodies": ["urn:passerelle:member:humber"]}  # fmt: skip
    world.add("credential.achievement-revised", "humber", "humber/HIST101", data)
    world.add("credential.achievement-retired", "humber", "humber/HIST102",
              {"effective_on": "2026-01-01", "replaced_by": "humber/HIST101"})  # fmt: skip
    world.add("credential.achievement-retired", "humber", "humber/MATH1", {"effective_on": "2026-01-01"})
    found = (await gaps.orphans(pb.ListOrphansRequest(receiver="bcit"), 1.0)).orphans
    assert [(one.rule.id, one.achievement, one.cause, one.replaced_by) for one in found] == [
        ("bcit/r1", "humber/HIST101", "revised", ""),
        ("bcit/r2", "humber/HIST102", "renumbered", "humber/HIST101"),
    ]
    either = {"any_of": [{"achievement": "humber/HIST102"}, {"achievement": "humber/HIST101"}]}
    world.revise("bcit/r2", either, "bcit/HIST2", 2)
    world.revise("bcit/r1", "humber/HIST101", "bcit/HIST1", 2)
    assert not (await gaps.orphans(pb.ListOrphansRequest(receiver="bcit"), 1.0)).orphans


async def test_endings_and_coverage(world: World) -> None:
    gaps = Gaps(world.index)
    world.rule("bcit/r1", "humber/HIST101", "bcit/HIST1", valid_to="2026-03-01")
    world.rule("bcit/r2", "humber/HIST102", "bcit/HIST1")
    world.end("bcit/r2", "2026-12-31")
    ask(world, "humber/a", "humber/MATH1", "bcit")
    near = await gaps.ending(pb.ListEndingRequest(receiver="bcit", within_days=90), 1.0)
    assert [(rule.id, rule.valid_to) for rule in near.rules] == [("bcit/r1", "2026-03-01")]
    far = await gaps.ending(pb.ListEndingRequest(receiver="bcit", within_days=400), 1.0)
    assert [rule.id for rule in far.rules] == ["bcit/r1", "bcit/r2"]
    world.course("humber/NEW1")
    found = await gaps.coverage(pb.GetCoverageRequest(sender="humber", receiver="bcit"), 1.0)
    assert found.achievements == 4
    assert {equivalency_pb2.Verdict.Name(one.verdict): one.achievements for one in found.counts} == {
        "VERDICT_AGREEMENT": 2,
        "VERDICT_UNDER_EVALUATION": 1,
        "VERDICT_NEVER_EVALUATED": 1,
    }
    assert list(found.never_evaluated) == ["humber/NEW1"]


def draft(rule: str, data: dict[str, Any] | None) -> pb.WhatIfRequest.DraftRule:
    return pb.WhatIfRequest.DraftRule(id=rule, data_json="" if data is None else orjson.dumps(data).decode())


def transcript(reference: str, *courses: str) -> pb.WhatIfRequest.Transcript:
    lines = [equivalency_pb2.TranscriptLine(achievement=name, completed_on="2025-05-01") for name in courses]
    return pb.WhatIfRequest.Transcript(reference=reference, lines=lines)


async def test_a_draft_says_who_gains_and_who_loses_and_publishes_nothing(world: World) -> None:
    what_if = WhatIf(world.index)
    world.rule("bcit/r1", "humber/HIST101", "bcit/HIST1")
    world.rule("bcit/r2", "humber/HIST102", "bcit/HIST2")
    size = world.size
    more = {"type": "assigned", "achievement": "bcit/HIST2", "credits": credit("6")}
    request = pb.WhatIfRequest(
        receiver="bcit",
        transcripts=[
            transcript("one", "humber/HIST101"), transcript("two", "humber/HIST102"),
            transcript("three", "humber/MATH1"),
            transcript("four", "humber/HIST101", "humber/HIST102"), transcript("five", "nscc/HIST5"),
        ],
        rules=[
            draft("bcit/r1", None),
            draft("bcit/r2", rule_data("bcit", "humber/HIST102", more, version=2)),
            draft("bcit/new", rule_data("bcit", "humber/MATH1", "bcit/HIST1")),
        ],
    )  # fmt: skip
    found = await what_if.what_if(request, 1.0)
    names = {one.reference: pb.WhatIfResponse.Change.Name(one.change) for one in found.transcripts}
    assert names == {
        "one": "CHANGE_LOSES", "two": "CHANGE_GAINS", "three": "CHANGE_GAINS", "four": "CHANGE_MIXED",
        "five": "CHANGE_SAME",
    }  # fmt: skip
    assert (found.gain, found.lose, found.same) == (2, 1, 1)
    two = found.transcripts[1]
    assert [one.value for one in (*two.credits_before, *two.credits_after)] == ["3", "6"]
    assert [(line.rule_before, line.rule_after) for line in found.transcripts[2].lines] == [("", "bcit/new")]
    assert world.size == size
    assert world.index.recognitions.get("bcit/new") is None


@pytest.mark.parametrize(
    ("changed", "code", "where"),
    [
        ({"receiver": ""}, "argument-missing", "receiver"),
        ({"rules": [draft("bcit/x", {"receiver": "bcit"})]}, "argument-invalid", "rules[0]"),
        ({"rules": [pb.WhatIfRequest.DraftRule(id="bcit/x", data_json="{")]}, "argument-invalid", "rules[0].data_json"),
        ({"rules": [draft("bcit/x", None)] * 2}, "argument-invalid", "rules[1].id"),
        ({"transcripts": [transcript("a", "humber/MATH1")] * 201}, "too-many-items", "transcripts"),
        ({"transcripts": [transcript("a", "")]}, "argument-missing", "transcripts[0].lines[0].achievement"),
    ],
)
async def test_a_wrong_draft_is_told_where_it_is_wrong(
    world: World, changed: dict[str, Any], code: str, where: str
) -> None:
    good = {"receiver": "bcit", "transcripts": [transcript("a", "humber/MATH1")], "rules": [draft("bcit/x", None)]}
    with pytest.raises(PasserelleError) as error:
        await WhatIf(world.index).what_if(pb.WhatIfRequest(**{**good, **changed}), 1.0)
    assert error.value.code == code
    assert error.value.where.startswith(where)
