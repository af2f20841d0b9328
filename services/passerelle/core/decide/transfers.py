"""Rules for transfer cases: one release, one sender, one receiver, one version at a time."""

from __future__ import annotations

from typing import Any

from passerelle.core.decide.context import Context
from passerelle.core.decide.credentials import check_release
from passerelle.core.things import Effects, Thing

EITHER_PARTY = frozenset({"evidence-added", "appealed", "withdrawn"})
NO_CASE_FACTS = {"final": False, "lines": []}


def _parties(thing: Thing) -> tuple[str, ...]:
    return tuple(sorted({thing.data["receiver"], thing.data["sender"]}))


def counted_key(receiver: str, programme: str, credential: str) -> str:
    """A credential counts once towards one programme of one receiver: the key of that fact."""
    return f"counted:{receiver}|{programme}|{credential}"


def requested(context: Context) -> Effects:
    """``requested``: by the receiver that the release names; the release serves this case from now on."""
    data, event = context.data, context.event
    state = context.step(context.view.thing(context.subject_key))
    release = context.reference("release", data["release"], "data.release")
    context.require(
        data["receiver"] == event.member,
        "not-receiver",
        "only the receiver opens the case",
        "data.receiver",
        "let the receiver publish it",
    )
    check_release(context, release, event.member, "data.release")
    context.require(
        release.owner == data["sender"],
        "release-invalid",
        "the release is not the sender's",
        "data.sender",
        "name the member that granted the release",
    )
    context.require(
        release.data["case"] is None,
        "release-used",
        "the release serves another case already",
        "data.release",
        "ask the learner for a new release",
    )
    named = sorted(set(data["credentials"]))
    context.require(
        set(named) <= set(release.data["credentials"]),
        "release-invalid",
        "the release does not cover every credential of the case",
        "data.credentials",
        "name only credentials that the release covers",
    )
    for number, credential_id in enumerate(data["credentials"]):
        where = f"data.credentials[{number}]"
        credential = context.reference("credential", credential_id, where)
        context.require(
            credential.state == "issued",
            "reference-invalid",
            f"the credential is not in force: its state is {credential.state}",
            where,
            "name a credential that is in force",
        )
    facts: dict[str, Any] = {
        "receiver": event.member,
        "sender": data["sender"],
        "release": data["release"],
        "credentials": named,
        **NO_CASE_FACTS,
    }
    case = context.create(state, facts)
    used = context.change(release, None, {**release.data, "case": event.subject})
    edges = context.rests_on(case.key, event.member, [f"credential:{name}" for name in named])
    return Effects(things=(case, used), dependencies=edges, parties=_parties(case))


def _open_case(context: Context) -> tuple[Thing, str]:
    """The case, the actor allowed, the step legal, the version the latest."""
    case = context.reference("transfer", context.event.subject, "subject")
    either = context.type.event in EITHER_PARTY
    allowed = _parties(case) if either else (case.data["receiver"],)
    context.require(
        context.event.member in allowed,
        "not-a-party" if either else "not-receiver",
        "the signer is not the party that may take this step",
        "subject",
        "only the receiver decides, and only a party acts",
    )
    state = context.step(case)
    context.require(
        context.data["expected_version"] == case.version,
        "version-stale",
        f"the case is at version {case.version}",
        "data.expected_version",
        "read the case again and decide on its latest version",
    )
    return case, state


def stepped(context: Context) -> Effects:
    """Every step that changes the state alone."""
    case, state = _open_case(context)
    event = context.type.event
    if event == "appealed":
        context.require(
            not case.data["final"],
            "decision-final",
            "the last level of appeal is spent",
            "type",
            "the decision stands",
        )
    if event == "closed" and case.state == "decided":
        credited = [line for line in case.data["lines"] if line["status"] != "no-credit"]
        context.require(
            not credited,
            "step-illegal",
            "a decision with credit is posted before the case is closed",
            "type",
            "post the credit, then close the case",
        )
    return Effects(things=(context.change(case, state),), parties=_parties(case))


def decided(context: Context) -> Effects:
    """``decided``: each line about a credential of the case, resting on a rule of the receiver or a stated reason."""
    case, state = _open_case(context)
    lines, rests = [], []
    for number, line in enumerate(context.data["lines"]):
        where = f"data.lines[{number}]"
        context.require(
            line["credential"] in case.data["credentials"],
            "reference-invalid",
            "the line is about a credential that is not of this case",
            f"{where}.credential",
            "name a credential of the case",
        )
        rule = line.get("recognition")
        if rule is not None:
            rests.append(_check_rule(context, case, rule, f"{where}.recognition"))
        lines.append({"line": line["line"], "credential": line["credential"], "status": line["status"]})
    facts = {**case.data, "lines": lines, "final": bool(context.data.get("final", False))}
    edges = context.rests_on(case.key, case.data["receiver"], rests)
    return Effects(things=(context.change(case, state, facts),), dependencies=edges, parties=_parties(case))


def _check_rule(context: Context, case: Thing, rule: str, where: str) -> str:
    found = context.reference("recognition", rule, where)
    context.require(
        found.data["receiver"] == case.data["receiver"],
        "reference-invalid",
        "the rule is another receiver's",
        where,
        "name a rule of the receiver, or state an individual_reason",
    )
    return found.key


def posted(context: Context) -> Effects:
    """``posted``: each credited credential counts once towards the programme."""
    case, state = _open_case(context)
    receiver, programme = case.data["receiver"], context.data["programme"]
    context.reference("achievement", programme, "data.programme")
    counted = sorted({line["credential"] for line in case.data["lines"] if line["status"] == "credited"})
    context.require(
        bool(counted),
        "step-illegal",
        "no line of the decision is credited",
        "type",
        "decide with at least one credited line, or close the case",
    )
    marks = []
    for credential in counted:
        key = counted_key(receiver, programme, credential)
        earlier = context.view.thing(key)
        free = earlier is None or earlier.state == "removed" or earlier.data["case"] == case.id
        context.require(
            free,
            "credit-counted-already",
            f"the credential counts towards this programme already, since entry {earlier.changed if earlier else 0}",
            "data.programme",
            "leave the credential out, or post to another programme",
        )
        marks.append(_mark(context, key, "counted", case.id))
    facts = {**case.data, "programme": programme}
    return Effects(things=(context.change(case, state, facts), *marks), parties=_parties(case))


def _mark(context: Context, key: str, state: str, case: str) -> Thing:
    earlier = context.view.thing(key)
    index = context.event.index
    created = index if earlier is None else earlier.created
    version = 1 if earlier is None else earlier.version + 1
    return Thing("counted", key.partition(":")[2], state, version, context.event.member, created, index, {"case": case})


def adjusted(context: Context) -> Effects:
    """``adjusted``: changed, removed or kept, line by line, of what was posted."""
    case, state = _open_case(context)
    by_line = {line["line"]: line for line in case.data["lines"]}
    programme = case.data.get("programme")
    marks, lines = [], dict(by_line)
    for number, line in enumerate(context.data["lines"]):
        known = by_line.get(line["line"])
        context.require(
            known is not None and known["status"] == "credited",
            "reference-invalid",
            "the decision has no credited line of this number",
            f"data.lines[{number}].line",
            "name a credited line of the decision",
        )
        if known is not None and line["outcome"] == "removed":
            lines[line["line"]] = {**known, "status": "removed"}
            if programme is not None:
                key = counted_key(case.data["receiver"], programme, known["credential"])
                marks.append(_mark(context, key, "removed", case.id))
    facts = {**case.data, "lines": [lines[number] for number in sorted(lines)]}
    return Effects(things=(context.change(case, state, facts), *marks), parties=_parties(case))
