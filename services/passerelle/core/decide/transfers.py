"""Rules for transfer cases: one release, one sender, one receiver, one version at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from passerelle.core.decide.casecounts import credit_digest, decision_counted, withdrawal_counted
from passerelle.core.decide.context import Context
from passerelle.core.decide.credentials import check_release
from passerelle.core.decide.permissions import check_rule, used
from passerelle.core.things import Dependency, Effects, Thing

EITHER_PARTY = frozenset({"evidence-added", "appealed", "withdrawn"})
NO_CASE_FACTS = {"final": False, "lines": []}
WAITING: Final = frozenset({"pending", "conditional"})
"""Statuses of a line that is still to be settled: a grade, an admission, an enrolment or a department is awaited."""
WAITED_IN: Final = frozenset({"decided", "posted"})
"""States in which a decision can be completed without an appeal."""


def _parties(thing: Thing) -> tuple[str, ...]:
    return tuple(sorted({thing.data["receiver"], thing.data["sender"]}))


def _edges(context: Context, case: Thing, keys: Collection[str]) -> tuple[Dependency, ...]:
    """Both parties hear when something changes that the case rests on."""
    edges: list[Dependency] = []
    for member in _parties(case):
        edges += context.rests_on(case.key, member, keys)
    return tuple(edges)


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
        "requested_on": event.date,
        **NO_CASE_FACTS,
    }
    if data.get("permission") is not None:
        facts["permission"] = data["permission"]
    case = context.create(state, facts)
    served = (context.change(release, None, {**release.data, "case": event.subject}), *used(context, data["sender"]))
    edges = _edges(context, case, [f"credential:{name}" for name in named])
    return Effects(things=(case, *served), dependencies=edges, parties=_parties(case))


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
    marks: list[Thing] = []
    counted = None
    if event == "appealed":
        _check_appeal(context, case)
    if event == "withdrawn":
        counted = withdrawal_counted(case)
        context.require(
            "programme" not in case.data,
            "step-illegal",
            f"step withdrawn is not legal in state {case.state}: the credit of this case was posted",
            "type",
            "decide again, or adjust what was posted; a case is withdrawn before posting only",
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
        marks = _no_longer_counted(context, case, "", ())
    return Effects(things=(context.change(case, state), *marks), parties=_parties(case), counted=counted)


def _check_appeal(context: Context, case: Thing) -> None:
    """Not after the last level, and within the limit that the decision states."""
    context.require(
        not case.data["final"],
        "decision-final",
        "the last level of appeal is spent",
        "type",
        "the decision stands",
    )
    limit = case.data.get("appeal_by")
    context.require(
        limit is None or context.event.date <= limit,
        "appeal-late",
        f"the receiver takes appeals of this decision until {limit}",
        "type",
        "ask the receiver whether it decides anew",
    )


def decided(context: Context) -> Effects:
    """``decided``: each line about a credential of the case, resting on a rule of the receiver or a stated reason."""
    case, state = _open_case(context)
    settles = case.state in WAITED_IN
    if settles:
        _check_settling(context, case)
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
        if line.get("recognition") is not None:
            rests.append(_check_rule(context, case, line, where))
        fact = {"line": line["line"], "credential": line["credential"], "status": line["status"]}
        lines.append(fact if line.get("outcome") is None else {**fact, "outcome": credit_digest(line["outcome"])})
    final = bool(context.data.get("final", False)) or (settles and bool(case.data["final"]))
    facts = {**case.data, "lines": lines, "final": final}
    if not settles:
        # The limit of an earlier decision does not bind the appeal of this one.
        facts.pop("appeal_by", None)
    if context.data.get("appeal_by") is not None:
        facts["appeal_by"] = str(context.data["appeal_by"])
    edges = _edges(context, case, rests)
    counted = decision_counted(case, lines, context.event.date)
    thing = context.change(case, state, facts)
    return Effects(things=(thing,), dependencies=edges, parties=_parties(case), counted=counted)


def _check_settling(context: Context, case: Thing) -> None:
    """A decision is completed where a line waits; lines that do not wait are stated as they stand."""
    waiting = {line["line"] for line in case.data["lines"] if line["status"] in WAITING}
    context.require(
        bool(waiting),
        "step-illegal",
        f"step decided is not legal in state {case.state}: no line is pending or conditional",
        "type",
        "adjust what was posted, or decide again after an appeal",
    )
    stated = {line["line"]: (line["credential"], line["status"]) for line in context.data["lines"]}
    for line in case.data["lines"]:
        number, status, said = line["line"], line["status"], stated.get(line["line"])
        # What was removed from the record is never brought back by completing the rest.
        stands = said is None or said[1] == "no-credit" if status == "removed" else said == (line["credential"], status)
        context.require(
            number in waiting or stands,
            "step-illegal",
            f"line {number} does not wait: it stands as {status}, and the decision states it otherwise",
            "data.lines",
            "state lines that do not wait as they stand; only an appeal or an adjustment changes them",
        )


def _check_rule(context: Context, case: Thing, line: Mapping[str, Any], where: str) -> str:
    found = context.reference("recognition", line["recognition"], f"{where}.recognition")
    check_rule(context, found, case.data["receiver"], line.get("recognition_index"), where)
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
    marks += _no_longer_counted(context, case, programme, counted)
    facts = {**case.data, "programme": programme}
    return Effects(things=(context.change(case, state, facts), *marks), parties=_parties(case))


def _no_longer_counted(context: Context, case: Thing, programme: str, counted: Collection[str]) -> list[Thing]:
    """What an earlier posting of the case counted and its latest decision does not: free for other cases."""
    earlier = case.data.get("programme")
    if earlier is None:
        return []
    marks = []
    for credential in case.data["credentials"]:
        if earlier == programme and credential in counted:
            continue
        key = counted_key(case.data["receiver"], earlier, credential)
        mark = context.view.thing(key)
        if mark is not None and mark.state == "counted" and mark.data["case"] == case.id:
            marks.append(_mark(context, key, "removed", case.id))
    return marks


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
    lines, removed = dict(by_line), set[str]()
    marks: list[Thing] = []
    for number, line in enumerate(context.data["lines"]):
        known = by_line.get(line["line"])
        context.require(
            known is not None and known["status"] == "credited",
            "reference-invalid",
            "the decision has no credited line of this number",
            f"data.lines[{number}].line",
            "name a credited line of the decision",
        )
        if known is not None and programme is not None:
            _check_earlier(context, case, programme, known["credential"])
        if known is not None and line["outcome"] == "removed":
            lines[line["line"]] = {**known, "status": "removed"}
            removed.add(known["credential"])
        elif known is not None and line["outcome"] == "changed":
            lines[line["line"]] = {**known, "outcome": credit_digest(line["new_outcome"])}
    # A credential of two lines counts as long as one of them stands.
    removed -= {line["credential"] for line in lines.values() if line["status"] == "credited"}
    if programme is not None:
        keys = [counted_key(case.data["receiver"], programme, credential) for credential in sorted(removed)]
        marks = [_mark(context, key, "removed", case.id) for key in keys]
    facts = {**case.data, "lines": [lines[number] for number in sorted(lines)]}
    return Effects(things=(context.change(case, state, facts), *marks), parties=_parties(case))


def _check_earlier(context: Context, case: Thing, programme: str, credential: str) -> None:
    """Where the step names the posting that it adjusts, that is the one which counts the credential."""
    named = context.data.get("earlier")
    if named is None:
        return
    mark = context.view.thing(counted_key(case.data["receiver"], programme, credential))
    posted_at = None if mark is None else mark.changed
    context.require(
        posted_at == named,
        "reference-invalid",
        f"the credit was posted by entry {posted_at}",
        "data.earlier",
        "name the entry that posted the credit",
    )
