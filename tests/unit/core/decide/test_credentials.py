"""Achievements, credentials and releases: what is accepted, refused and waited for."""

from __future__ import annotations

import pytest

from passerelle.core.decide import Accepted

from .world import World, achievement_data, credential_data, release_data, uuid


@pytest.fixture
def world() -> World:
    return World()


def test_an_achievement_grows_by_one_version_at_a_time(world: World) -> None:
    name = world.achievement("humber", "revit")
    revised = achievement_data("humber", version=3)
    world.refuse("version-stale", "humber", "credential.achievement-revised", name, revised)
    world.accept("humber", "credential.achievement-revised", name, achievement_data("humber", version=2))
    assert world.thing(f"achievement:{name}").data["version"] == 2


def test_an_achievement_is_its_owners(world: World) -> None:
    data = achievement_data("queens")
    world.refuse("not-owner", "queens", "credential.achievement-published", "humber/revit", data)


def test_publishing_twice_names_the_earlier_entry(world: World) -> None:
    name = world.achievement("humber", "revit")
    created = world.thing(f"achievement:{name}").created
    data = achievement_data("humber")
    refused = world.refuse("subject-exists", "humber", "credential.achievement-published", name, data)
    assert str(created) in refused.what


def test_a_retired_achievement_is_not_revised(world: World) -> None:
    name = world.achievement("humber", "revit")
    world.accept("humber", "credential.achievement-retired", name, {"effective_on": "2026-12-31"})
    data = achievement_data("humber", version=2)
    refused = world.refuse("step-illegal", "humber", "credential.achievement-revised", name, data)
    assert "achievement-revised" in refused.what
    assert "retired" in refused.what


def test_components_wait_for_what_they_name_and_are_never_circular(world: World) -> None:
    part = world.achievement("rru", "module")
    stacked = achievement_data("humber", components={"all_of": [{"achievement": part}, {"achievement": "sfu/x"}]})
    world.wait("achievement:sfu/x", "humber", "credential.achievement-published", "humber/stack", stacked)
    whole = world.achievement("humber", "stack", components={"any_of": [{"achievement": part}]})
    world.achievement("queens", "bigger", components={"n_of": {"n": 1, "of": [{"achievement": whole}]}})
    back = achievement_data("rru", version=2, components={"achievement": "queens/bigger"})
    world.refuse("stack-circular", "rru", "credential.achievement-revised", part, back)
    itself = achievement_data("humber", version=2, components={"achievement": whole})
    world.refuse("stack-circular", "humber", "credential.achievement-revised", whole, itself)


def test_a_stack_nests_only_so_deep(world: World) -> None:
    below = world.achievement("humber", "level-0")
    for number in range(1, 16):
        below = world.achievement("humber", f"level-{number}", components={"achievement": below})
    data = achievement_data("humber", components={"achievement": below})
    world.refuse("expression-too-large", "humber", "credential.achievement-published", "humber/level-16", data)


def test_only_others_endorse(world: World) -> None:
    name = world.achievement("humber", "revit")
    data = {"version": 1, "kinds": ["advisory"], "capacity": "employer", "jurisdictions": ["CA"]}
    world.refuse("role-missing", "queens", "credential.achievement-endorsed", name, data)
    world.wait("achievement:humber/other", "bdec", "credential.achievement-endorsed", "humber/other", data)
    world.refuse("reference-invalid", "bdec", "credential.achievement-endorsed", name, {**data, "version": 2})
    world.accept("bdec", "credential.achievement-endorsed", name, data)


def test_a_credential_waits_for_its_achievement(world: World) -> None:
    data = credential_data("humber", "humber/revit")
    world.wait("achievement:humber/revit", "humber", "credential.issued", uuid(1), data)
    world.achievement("humber", "revit")
    accepted = world.accept("humber", "credential.issued", uuid(1), data)
    assert accepted.effects.parties == ("humber",)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"achievement_version": 2}, "reference-invalid"),
        ({"awarding_bodies": ["urn:passerelle:member:queens"]}, "not-awarding-body"),
        (
            {"awarding_bodies": ["urn:passerelle:member:humber", "urn:passerelle:member:queens"]},
            "not-awarding-body",
        ),
    ],
)
def test_a_credential_is_of_its_awarding_bodies(world: World, change: dict[str, object], code: str) -> None:
    name = world.achievement("humber", "revit")
    world.refuse(code, "humber", "credential.issued", uuid(1), credential_data("humber", name, **change))


def test_the_credential_lifecycle(world: World) -> None:
    name = world.achievement("humber", "revit")
    held = world.credential("humber", 1, name)
    reason = {"reason": "other"}
    world.refuse("not-awarding-body", "queens", "credential.suspended", held, reason)
    world.refuse("step-illegal", "humber", "credential.reinstated", held, {})
    world.accept("humber", "credential.amended", held, {"reason": "clerical-error"})
    world.accept("humber", "credential.suspended", held, reason)
    world.refuse("step-illegal", "humber", "credential.amended", held, {"reason": "clerical-error"})
    world.accept("humber", "credential.reinstated", held, {})
    world.accept("humber", "credential.revoked", held, {"reason": "fraud", "effective_on": "2026-11-01"})
    world.refuse("step-illegal", "humber", "credential.reinstated", held, {})
    world.refuse("subject-unknown", "humber", "credential.amended", uuid(2), {"reason": "other"})


def test_a_joint_award_needs_every_signature_and_every_revocation(world: World) -> None:
    bodies = ["urn:passerelle:member:humber", "urn:passerelle:member:queens"]
    name = world.achievement("humber", "joint", awarding_bodies=bodies)
    held = world.credential("humber", 1, name, awarding_bodies=bodies)
    key = f"credential:{held}"
    assert world.thing(key).state == "awaiting-co-award"
    world.refuse("step-illegal", "humber", "credential.amended", held, {"reason": "other"})
    world.refuse("not-awarding-body", "rru", "credential.co-awarded", held, {"confirmed_on": "2026-06-02"})
    world.refuse("not-awarding-body", "humber", "credential.co-awarded", held, {"confirmed_on": "2026-06-02"})
    world.accept("queens", "credential.co-awarded", held, {"confirmed_on": "2026-06-02"})
    assert world.thing(key).state == "issued"
    revoked = {"reason": "fraud", "effective_on": "2026-11-01"}
    world.accept("queens", "credential.revoked", held, revoked)
    assert world.thing(key).state == "issued"
    world.refuse("step-illegal", "queens", "credential.revoked", held, revoked)
    world.accept("humber", "credential.revoked", held, revoked)
    assert world.thing(key).state == "revoked"


def test_a_release_is_of_the_issuers_credentials_in_force(world: World) -> None:
    name = world.achievement("humber", "revit")
    held = world.credential("humber", 1, name)
    grant = release_data("queens", [held])
    world.refuse("not-awarding-body", "rru", "credential.release-granted", uuid(9), grant)
    world.wait("member:nobody", "humber", "credential.release-granted", uuid(9), {**grant, "receiver": "nobody"})
    past = {**grant, "ends_on": "2026-11-01"}
    world.refuse("release-expired", "humber", "credential.release-granted", uuid(9), past)
    accepted = world.accept("humber", "credential.release-granted", uuid(9), grant)
    assert accepted.effects.parties == ("humber", "queens")
    world.accept("humber", "credential.revoked", held, {"reason": "fraud", "effective_on": "2026-11-01"})
    world.refuse("reference-invalid", "humber", "credential.release-granted", uuid(10), grant)


def test_a_stack_over_several_issuers(world: World) -> None:
    one = world.credential("humber", 1, world.achievement("humber", "module"))
    two = world.credential("queens", 2, world.achievement("queens", "module"))
    whole = world.achievement("rru", "climate")
    first = world.release("humber", 11, "rru", [one], purpose="stack")
    stack = credential_data("rru", whole, releases=[first], components=[one, two])
    refused = world.refuse("release-invalid", "rru", "credential.issued", uuid(3), stack)
    assert refused.where == "data.components[1]"
    second = world.release("queens", 12, "rru", [two], purpose="stack")
    stack["releases"] = [first, second]
    accepted = world.accept("rru", "credential.issued", uuid(3), stack)
    assert {edge.on for edge in accepted.effects.dependencies} == {f"credential:{one}", f"credential:{two}"}
    revoked = world.accept("queens", "credential.revoked", two, {"reason": "fraud", "effective_on": "2026-11-01"})
    (notice,) = revoked.effects.notices
    assert (notice.member, notice.affects) == ("rru", (f"credential:{uuid(3)}",))


def test_another_members_release_is_of_no_use(world: World) -> None:
    one = world.credential("humber", 1, world.achievement("humber", "module"))
    whole = world.achievement("rru", "climate")
    given = world.release("humber", 11, "queens", [one])
    stack = credential_data("rru", whole, releases=[given], components=[one])
    world.refuse("release-invalid", "rru", "credential.issued", uuid(3), stack)


def test_erasing_leaves_what_the_entry_alone_tells(world: World) -> None:
    held = world.credential("humber", 1, world.achievement("humber", "revit"))
    verdict = world.accept("humber", "credential.erased", held, {"ground": "learner-request"})
    assert verdict.effects.erase == (held,)
    thing = world.thing(f"credential:{held}")
    assert (thing.state, dict(thing.data)) == ("erased", {})
    world.refuse("step-illegal", "humber", "credential.amended", held, {"reason": "other"})


def test_a_suspended_or_removed_member_is_refused(world: World) -> None:
    from passerelle.core import registry as registries
    from passerelle.core.catalogue import BY_NAME

    data = {"member": "humber", "reason": "fees"}
    registries.apply(world.registry, world.index, BY_NAME["member.suspended"].full, data)
    published = achievement_data("humber")
    world.refuse("member-suspended", "humber", "credential.achievement-published", "humber/revit", published)
    roles = {"member": "humber", "roles": ["issue"]}
    registries.apply(world.registry, world.index, BY_NAME["member.roles-changed"].full, roles)
    verdict = world.say("humber", "credential.achievement-published", "humber/revit", published)
    assert isinstance(verdict, Accepted)
