"""The read model of one plan: what is loaded, what the plan changed, and what it has not got."""

from __future__ import annotations

import pytest

from passerelle.core.things import Dependency, Effects, Thing
from passerelle.ledger.model import Loaded, Needs
from passerelle.ledger.view import NotLoaded, PlanView, ThingCache


def thing(key: str, version: int = 1) -> Thing:
    kind, _, name = key.partition(":")
    return Thing(kind, name, "published", version, "humber", 0, 0, {})


A, B = "achievement:humber/a", "achievement:humber/b"
EDGE = Dependency(A, "recognition:york/r", "york")


def test_what_was_not_loaded_is_asked_for_and_what_is_absent_is_none() -> None:
    view = PlanView(ThingCache(10), {})
    with pytest.raises(NotLoaded) as caught:
        view.thing(A)
    assert caught.value.needs == Needs(things={A})
    view.take(Needs(things={A, B}), Loaded(things={A: thing(A)}))
    assert view.thing(A) == thing(A)
    assert view.thing(B) is None


def test_a_late_answer_does_not_undo_what_the_plan_changed() -> None:
    view = PlanView(ThingCache(10), {})
    view.take(Needs(things={A}), Loaded())
    view.apply(Effects(things=(thing(A),)))
    view.take(Needs(things={A}), Loaded(things={A: thing(A, 9)}))
    assert view.thing(A) == thing(A)
    assert (view.created, list(view.changed)) == ({A}, [A])


def test_edges_are_asked_for_of_what_was_there_before_only() -> None:
    view = PlanView(ThingCache(10), {})
    view.take(Needs(things={A, B}), Loaded(things={A: thing(A)}))
    view.apply(Effects(things=(thing(B),)))
    assert view.dependents(B) == ()
    with pytest.raises(NotLoaded) as caught:
        view.dependents(A)
    assert caught.value.needs == Needs(edges={A})
    view.take(Needs(edges={A}), Loaded(edges={A: [EDGE]}))
    assert view.dependents(A) == (EDGE,)


def test_an_edge_that_ended_in_the_plan_stays_ended_when_it_is_loaded_later() -> None:
    view = PlanView(ThingCache(10), {})
    view.take(Needs(things={A}), Loaded(things={A: thing(A)}))
    view.apply(Effects(undepend=(EDGE.dependent,)))
    view.take(Needs(edges={A}), Loaded(edges={A: [EDGE]}))
    assert view.dependents(A) == ()
    view.apply(Effects(dependencies=(EDGE,)))
    assert view.dependents(A) == (EDGE,), "a new edge of the same thing holds"
    view.apply(Effects(undepend=(EDGE.dependent,)))
    assert view.dependents(A) == ()


def test_the_cache_keeps_the_latest_and_is_bounded() -> None:
    cache = ThingCache(2)
    cache.put([thing(A), thing(B)])
    cache.put([thing(A, 2)])
    cache.put([thing("achievement:humber/c")])
    assert cache.get(B) is None, "it was read longest ago"
    assert cache.get(A) == thing(A, 2)
    assert PlanView(cache, {}).missing([A, B]) == {B}
