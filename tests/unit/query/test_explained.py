"""Look-ups that are asked how they came about: the rules tried, and their clauses with the values compared."""

from typing import Any

import pytest
from tests.unit.query.world import World

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.cli.equivalency_trace import show_tried
from passerelle.core.errors import PasserelleError
from passerelle.query import traces
from passerelle.query.equivalency import Equivalency

REVIT = "humber/revit"
GRADE = {"scheme": "percentage-50", "grade": "70"}


@pytest.fixture
def world() -> World:
    made = World()
    for name in (REVIT, "humber/drafting", "bcit/bim-1", "nscc/bim"):
        made.course(name, name)
    made.rule("bcit/r1", REVIT, "bcit/bim-1", valid_to="2024-12-31")
    both = [{"achievement": REVIT, "minimum_grade": GRADE}, {"achievement": "humber/drafting"}]
    made.rule("nscc/r1", {"all_of": both}, "nscc/bim")
    return made


async def find(world: World, **more: Any) -> pb.FindResponse:
    request = pb.FindRequest(achievement=REVIT, valid_on="2025-06-01", explain=True, **more)
    return await Equivalency(world.index).find(request, 0.05)


def codes(reasons: Any) -> list[str]:
    return [reason.code for reason in reasons]


async def test_every_rule_that_was_tried_is_told_with_its_clauses(world: World) -> None:
    response = await find(world)
    late, both = response.traces
    assert (late.rule, late.receiver, late.match) == ("bcit/r1", "bcit", pb.MATCH_MISS)
    assert codes(late.reasons) == ["rule-not-in-dates"]
    assert codes(late.root.reasons) == ["outside-validity"]
    assert late.root.reasons[0].parameters["valid_to"] == "2024-12-31"
    assert (both.rule, both.match) == ("nscc/r1", pb.MATCH_MAYBE)
    graded, other = both.root.parts
    assert (both.root.kind, graded.met, other.met) == ("all_of", False, False)
    assert codes(graded.reasons) == ["grade-missing"]
    assert codes(other.reasons) == ["not-held"]
    assert not list(both.root.used_lines)


async def test_a_clause_that_is_met_says_what_was_compared(world: World) -> None:
    world.rule("queens/r1", {"achievement": REVIT, "within_years": 3}, "humber/drafting")
    (found,) = (await find(world, receiver="queens")).traces
    assert found.match == pb.MATCH_MATCH
    assert codes(found.reasons) == ["agreement"]
    assert codes(found.root.compared) == ["inside-validity", "recent-enough"]
    assert found.root.compared[1].parameters["earliest"] == "2022-06-01"


async def test_receiver_place_and_page_narrow_what_is_told(world: World) -> None:
    assert [one.rule for one in (await find(world, jurisdiction="CA-NS")).traces] == ["nscc/r1"]
    first = await find(world, page_size=1)
    assert len(first.traces) == 2
    assert not (await find(world, page_size=1, page_token=first.next_page_token)).traces
    silent = await Equivalency(world.index).find(pb.FindRequest(achievement=REVIT), 0.05)
    assert not silent.traces


async def test_the_reverse_explains_as_if_all_that_a_rule_names_were_completed(world: World) -> None:
    request = pb.ReverseRequest(achievement="nscc/bim", valid_on="2025-06-01", explain=True)
    (found,) = (await Equivalency(world.index).reverse(request, 0.05)).traces
    assert [(part.achievement, part.met) for part in found.root.parts] == [(REVIT, False), ("humber/drafting", True)]
    assert found.match == pb.MATCH_MAYBE


async def test_more_rules_than_are_explained_are_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_TRIED", 1)
    with pytest.raises(PasserelleError) as caught:
        await find(world)
    assert (caught.value.code, caught.value.where) == ("too-many-items", "explain")


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("Rules tried: 2", "✗ all of", "✗ course humber/drafting", "No grade is given", "Ledger position")),
        ("fr", ("Règles essayées : 2", "✗ tous", "✗ cours humber/drafting", "Aucune note", "Position du registre")),
    ],
)
async def test_the_trace_is_a_tree_in_both_languages(
    world: World, lang: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    show_tried(await find(world), lang)
    shown = capsys.readouterr().out
    for word in words:
        assert word in shown
