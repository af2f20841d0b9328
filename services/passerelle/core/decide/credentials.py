"""Rules for credentials and releases."""

from __future__ import annotations

from typing import Any

from passerelle.core.decide.achievements import check_bodies
from passerelle.core.decide.context import Context, member_of
from passerelle.core.errors import Refused
from passerelle.core.things import Dependency, Effects, Thing


def _members(urns: list[str] | tuple[str, ...]) -> list[str]:
    return [member for member in map(member_of, urns) if member is not None]


def _parties(thing: Thing) -> tuple[str, ...]:
    return tuple(sorted({*thing.data["awarding"], thing.data["registration"]}))


def issued(context: Context) -> Effects:
    """``issued``: one credential under a published version; a joint award waits for its co-signatures."""
    data = context.data
    context.step(context.view.thing(context.subject_key))
    achievement = context.reference("achievement", data["achievement"], "data.achievement")
    context.require(
        data["achievement_version"] <= achievement.data["version"],
        "reference-invalid",
        f"the latest version of the achievement is {achievement.data['version']}",
        "data.achievement_version",
        "name a version that was published",
    )
    check_bodies(context, "data.awarding_bodies")
    context.require(
        set(data["awarding_bodies"]) <= set(achievement.data["awarding_bodies"]),
        "not-awarding-body",
        "an awarding body of the credential is not one of the achievement",
        "data.awarding_bodies",
        "name awarding bodies of the achievement",
    )
    context.member(data["registration"], "data.registration")
    stack = _check_stack(context)
    awarding = _members(data["awarding_bodies"]) or [context.event.member]
    to_sign = sorted(set(awarding) - {context.event.member})
    facts: dict[str, Any] = {
        "awarding": sorted(set(awarding)),
        "registration": data["registration"],
        "achievement": data["achievement"],
        "unsigned": to_sign,
        "revoked_by": [],
    }
    thing = context.create("awaiting-co-award" if to_sign else "issued", facts)
    return Effects(things=(thing,), parties=_parties(thing), dependencies=stack)


def _check_stack(context: Context) -> tuple[Dependency, ...]:
    """A stack's components are in force and are the issuer's own or covered by a release to it."""
    data, event = context.data, context.event
    covered: set[str] = set()
    for number, release_id in enumerate(data.get("releases", ())):
        release = context.reference("release", release_id, f"data.releases[{number}]")
        check_release(context, release, event.member, f"data.releases[{number}]")
        covered.update(release.data["credentials"])
    for number, component_id in enumerate(data.get("components", ())):
        where = f"data.components[{number}]"
        context.require(
            component_id != event.subject,
            "stack-circular",
            "the stack contains itself",
            where,
            "name the credentials that it is made of",
        )
        component = context.reference("credential", component_id, where)
        _check_in_force(context, component, where)
        context.require(
            component_id in covered or event.member in component.data["awarding"],
            "release-invalid",
            "no release to the issuer covers this component",
            where,
            "ask the learner for a release from the component's issuer",
        )
    keys = [f"credential:{component}" for component in data.get("components", ())]
    return context.rests_on(context.subject_key, event.member, keys)


def _check_in_force(context: Context, credential: Thing, where: str) -> None:
    context.require(
        credential.state == "issued",
        "reference-invalid",
        f"the credential is not in force: its state is {credential.state}",
        where,
        "name a credential that is in force",
    )


def check_release(context: Context, release: Thing, receiver: str, where: str) -> None:
    """Accepted, not withdrawn, not ended, and to this receiver (``contracts/formats.md``, parties)."""
    context.require(
        release.state == "granted",
        "release-withdrawn",
        "the release was withdrawn",
        where,
        "ask the learner for a new release",
    )
    context.require(
        release.data["receiver"] == receiver,
        "release-invalid",
        "the release names another receiver",
        where,
        "use a release that names the signer as receiver",
    )
    context.require(
        release.data["ends_on"] >= context.event.date,
        "release-expired",
        f"the release ended on {release.data['ends_on']}",
        where,
        "ask the learner for a new release",
    )


def _owned(context: Context) -> Thing:
    thing = context.subject()
    if thing.state == "erased":
        context.step(thing)
    context.require(
        context.event.member in thing.data.get("awarding", ()),
        "not-awarding-body",
        "only an awarding body of the credential may change it",
        "subject",
        "let an awarding body publish this",
    )
    return thing


def changed(context: Context) -> Effects:
    """``amended``, ``suspended``, ``reinstated``: what rests on the credential hears of it."""
    before = _owned(context)
    after = context.change(before, context.step(before))
    return Effects(things=(after,), parties=_parties(before), notices=context.notices(before, after))


def co_awarded(context: Context) -> Effects:
    """``co-awarded``: in force when every awarding body has signed."""
    before = context.reference("credential", context.event.subject, "subject")
    state = context.step(before)
    unsigned = list(before.data["unsigned"])
    context.require(
        context.event.member in unsigned,
        "not-awarding-body",
        "the signer is not an awarding body whose signature is missing",
        "subject",
        "only the awarding bodies that have not signed yet co-award",
    )
    unsigned.remove(context.event.member)
    after = context.change(before, before.state if unsigned else state, {**before.data, "unsigned": unsigned})
    return Effects(things=(after,), parties=_parties(before))


def revoked(context: Context) -> Effects:
    """``revoked``: final once every awarding body has revoked; what rests on it hears of the last one."""
    before = _owned(context)
    state = context.step(before)
    by = sorted({*before.data["revoked_by"], context.event.member})
    if context.event.member in before.data["revoked_by"]:
        raise Refused(
            "step-illegal",
            "this awarding body has revoked the credential already",
            where="type",
            fix="the other awarding bodies must revoke it too",
        )
    signed = set(before.data["awarding"]) - set(before.data["unsigned"])
    complete = signed <= set(by)
    after = context.change(before, state if complete else before.state, {**before.data, "revoked_by": by})
    notices = context.notices(before, after) if complete else ()
    return Effects(things=(after,), parties=_parties(before), notices=notices)


def erased(context: Context) -> Effects:
    """``erased``: the bodies of the credential are deleted; what is left needs none of them."""
    before = _owned(context)
    context.step(before)
    context.require(
        before.owner == context.event.member,
        "not-owner",
        "only the member that issued the credential can erase it",
        "subject",
        "let the issuer publish this",
    )
    after = erased_thing(context)
    return Effects(
        things=(after,),
        parties=_parties(before),
        undepend=(before.key,),
        erase=(context.event.subject,),
        notices=context.notices(before, after),
    )


def erased_thing(context: Context) -> Thing:
    """The erased credential as it can be told from the entry alone."""
    return context.create("erased", {})


def release_granted(context: Context) -> Effects:
    """``release-granted``: by the issuer of every credential in it."""
    data = context.data
    state = context.step(context.view.thing(context.subject_key))
    context.member(data["receiver"], "data.receiver")
    for number, credential_id in enumerate(data["credentials"]):
        where = f"data.credentials[{number}]"
        credential = context.reference("credential", credential_id, where)
        _check_in_force(context, credential, where)
        context.require(
            context.event.member in {*credential.data["awarding"], credential.data["registration"]},
            "not-awarding-body",
            "the signer neither awarded nor registered this credential",
            where,
            "release your own learners' credentials; other issuers grant their own releases",
        )
    context.require(
        str(data["ends_on"]) >= context.event.date,
        "release-expired",
        "the release ends before it begins",
        "data.ends_on",
        "state an end date that is not past",
    )
    facts = {
        "receiver": data["receiver"],
        "credentials": sorted(set(data["credentials"])),
        "ends_on": str(data["ends_on"]),
        "case": None,
    }
    parties = tuple(sorted({context.event.member, data["receiver"]}))
    return Effects(things=(context.create(state, facts),), parties=parties)


def release_withdrawn(context: Context) -> Effects:
    """``release-withdrawn``: stops new use and undoes no decision."""
    before = context.subject()
    state = context.step(before)
    context.require(
        before.owner == context.event.member,
        "not-owner",
        "only the issuer of the release can withdraw it",
        "subject",
        "let its issuer publish this",
    )
    parties = tuple(sorted({context.event.member, before.data["receiver"]}))
    return Effects(things=(context.change(before, state),), parties=parties)
