"""The ten questions: each is asked of the services, and what they say is projected to what an expected answer names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import orjson

from passerelle.demo import project
from passerelle.demo.facts import Facts
from passerelle.demo.project import Reasons, event_word
from passerelle.demo.rpc import Asker

AWARDED: Final = "issued"
_NO_STACK: Final = {"achievement": "", "awarding_bodies": (), "components": (), "releases": ()}


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as the services gave it: to compare, and in ``sentences`` to read."""

    answer: dict[str, Any]
    reasons: list[dict[str, str]]
    sentences: list[str]


Question = Mapping[str, Any]
Ask = Callable[[Asker, Facts, Question], Awaitable[Given]]


def _given(answer: dict[str, Any], reasons: Reasons, *more: str) -> Given:
    return Given(answer, reasons.codes, [*reasons.sentences, *more])


async def portable(ask: Asker, _facts: Facts, question: Question) -> Given:
    """S1: is it portable, by which evidence, who recognises it where, what it leads to, what a policy says of it."""
    found = await ask.portability(
        question["achievement"], jurisdictions=question["jurisdictions"], asked_on=question["asked_on"]
    )
    reasons, sentences = Reasons(), list[str]()
    evidence: dict[str, list[list[str]]] = {}
    for criterion in found.criteria:
        reasons.add(criterion.reasons)
        # A set: in the log it stands in the order in which the members happened to publish.
        evidence[criterion.id] = sorted([one.member, event_word(one.type), one.subject] for one in criterion.evidence)
        by = ", ".join(dict.fromkeys(one.member for one in criterion.evidence))
        sentences.append(f"{criterion.id}: {project.finding(criterion.finding)}, by what {by or 'nobody'} published")
    places: dict[str, Any] = {}
    for place in found.jurisdictions:
        recognised = [[one.member, one.ground, one.subject] for one in place.recognised_by]
        places[place.jurisdiction] = {"verdict": project.portability(place.verdict), "recognised_by": recognised}
        names = ", ".join(f"{one.names['en']} ({one.ground})" for one in place.recognised_by)
        sentences.append(f"{place.jurisdiction}: recognised by {names or 'nobody'}")
    occupation, policy = await _occupation(ask, question["occupation"]), await _explained(ask, question)
    leads = ", ".join(one["achievement"] for one in occupation["leads"])
    sentences.append(f"NOC {question['occupation']['code']}, {occupation['title']}: {leads or 'nothing'} leads there")
    sentences += [f"{policy['pack']}, published by {policy['published_by']}: {one}" for one in policy.pop("sentences")]
    answer = {
        "title": found.title,
        "verdict": project.portability(found.verdict),
        "criteria": {one.id: project.finding(one.finding) for one in found.criteria},
        "evidence": evidence,
        "jurisdictions": places,
        "pack": found.pack,
        "pack_version": found.pack_version,
        "occupation": occupation,
        "policy": policy,
    }
    return _given(answer, reasons, *sentences)


async def _occupation(ask: Asker, term: Mapping[str, str]) -> dict[str, Any]:
    """Which credentials lead to an occupation; its title is known where somebody published the framework."""
    found = await ask.leads_to(term["framework"], term["code"])
    leads = [
        {
            "achievement": one.achievement,
            "member": one.member,
            "how": [ground.how for ground in one.grounds],
            "sufficient_for": list(one.sufficient_for),
        }
        for one in found.leads
    ]
    return {"title": found.title, "leads": leads}


async def _explained(ask: Asker, question: Question) -> dict[str, Any]:
    """A published pack on the achievement, clause by clause, with what each rule read."""
    found = await ask.portability(question["achievement"], pack=question["policy"], asked_on=question["asked_on"])
    clauses, sentences = {}, list[str]()
    for one in found.clauses:
        read = {field.name: field.value for field in one.explained.fields}
        clauses[one.id] = {"force": one.force, "finding": project.finding(one.finding), "rule": one.rule, "read": read}
        values = ", ".join(f"{name} is {value or 'not stated'}" for name, value in read.items())
        sentences.append(f"{one.message['en']} {project.finding(one.finding)}: {values}")
    used = found.pack_used
    by = {"origin": used.origin, "published_by": used.evidence.member}
    return {"pack": found.pack, "pack_version": found.pack_version, **by, "clauses": clauses, "sentences": sentences}


async def _looked_up(ask: Asker, achievement: str, valid_on: str, reasons: Reasons) -> dict[str, Any]:
    found = await ask.find(achievement, valid_on)
    about = await ask.achievement(achievement)
    for one in found.answers:
        reasons.add(one.reasons)
    return {
        "title": found.title,
        "awarded_by": list(about.awarding_bodies),
        "answered_for_by": about.owner,
        "answers": [project.rule_answer(one) for one in found.answers],
    }


async def equivalency(ask: Asker, _facts: Facts, question: Question) -> Given:
    """S2 and S6: what one achievement, or several, count for anywhere."""
    reasons = Reasons()
    if "achievements" in question:
        answer = {name: await _looked_up(ask, name, question["valid_on"], reasons) for name in question["achievements"]}
    else:
        answer = await _looked_up(ask, question["achievement"], question["valid_on"], reasons)
    return _given(answer, reasons)


async def transcript(ask: Asker, _facts: Facts, question: Question) -> Given:
    """S3: a whole transcript at one receiver."""
    asked = question["lines"]
    *lines, total = await ask.evaluate(asked, question["receiver"], question["valid_on"])
    reasons = Reasons()
    for line in lines:
        reasons.add(line.reasons)
    answer = {
        "lines": [
            {
                "achievement": asked[line.line - 1]["achievement"],
                "match": project.match(line.match),
                "rule": line.rule.id,
                "outcome": project.outcome(line.rule.outcome),
            }
            for line in lines
        ],
        "summary": {
            "matched": total.summary.matched,
            "maybe": total.summary.maybe,
            "missed": total.summary.missed,
            "credits": [project.credits_pair(amount) for amount in total.summary.credits],
        },
    }
    return _given(answer, reasons)


async def stack(ask: Asker, facts: Facts, question: Question) -> Given:
    """S4: a credential made of other institutions' modules, under releases."""
    issuer = question["issuer"]
    components = facts.components()
    resting = [await ask.resting_on(f"credential:{one.credential}", issuer) for one in components]
    keys = {dependent.key: dependent.state for dependents in resting for dependent in dependents}
    own = {event.subject: event for event in await ask.own_events(issuer, "credential")}
    key, state = next(iter(keys.items())) if len(keys) == 1 and all(resting) else ("", "absent")
    data: Mapping[str, Any] = own[key.partition(":")[2]].data if key else _NO_STACK
    held = [one for one in components if one.credential in data["components"]]
    about = await ask.achievement(data["achievement"] or "rru/climate-adaptation")
    needed = orjson.loads(about.data_json)["components"]["n_of"]
    lines = [{"achievement": one.achievement, "completed_on": one.conferred_on} for one in held]
    evaluated = (await ask.evaluate(lines, issuer, max(one["completed_on"] for one in lines)))[:-1]
    reasons = Reasons()
    for line in evaluated:
        reasons.add(line.reasons)
    matches = {project.match(line.match) for line in evaluated}
    answer = {
        "achievement": data["achievement"],
        "title": about.title,
        "state": state,
        "awarding_bodies": [urn.rpartition(":")[2] for urn in data["awarding_bodies"]],
        "components": sorted(
            ({"achievement": one.achievement, "issuer": one.issuer, "record": one.record} for one in held),
            key=lambda one: one["achievement"],
        ),
        "releases_from": sorted(one.issuer for one in held if one.release in data["releases"]),
        "requirement": {
            "n": needed["n"],
            "of": [leaf["achievement"] for leaf in needed["of"]],
            "rule": ", ".join(dict.fromkeys(line.rule.id for line in evaluated)),
            "match": ", ".join(sorted(matches)),
        },
    }
    return _given(answer, reasons, f"every component was released to {issuer} by its issuer")


async def assessment(ask: Asker, facts: Facts, question: Question) -> Given:
    """S5: assessed without the course; what the accepting province sees of it, and what it decided."""
    assessor, receiver = question["assessed_by"], question["accepted_by"]
    credential = facts.credential(question["record"])
    bodies = [orjson.loads(facts.decode(one.value["body"])) for one in await ask.inbox(receiver, "body")]
    seen = next(
        body["data"]
        for body in bodies
        if event_word(body["type"]) == "assessed" and body["data"].get("credential") == credential
    )
    award = next(one for one in facts.released(question["record"]))
    case = await ask.case(facts.case("S5"), receiver)
    line = next(one for one in case.lines if one.credential == credential)
    about = await ask.achievement(seen["achievement"])
    members = await ask.members()
    checked = await ask.evaluate(
        [{"achievement": seen["achievement"], "completed_on": award.conferred_on, "basis": award.basis}],
        receiver,
        award.conferred_on,
    )
    reasons = Reasons()
    reasons.add(checked[0].reasons)
    record = seen["assessment"]
    answer = {
        "achievement": seen["achievement"],
        "title": about.title,
        "basis": award.basis,
        "assessment": {
            "methods": record["methods"],
            "assessor": record["assessor"],
            "provider": record["provider"],
            "evidence": len(record["evidence"]),
            "identity_checked": record["identity_checked"],
            "assessed_on": record["assessed_on"],
        },
        "accepted_by": {
            "member": case.receiver,
            "jurisdictions": list(members[receiver].jurisdictions),
            "sender": case.sender,
            "case": case.state,
            "programme": case.programme,
            "line": {
                "status": line.status,
                "recognition": line.recognition,
                "outcome": project.outcome(line.outcome),
            },
        },
    }
    return _given(answer, reasons, f"{assessor} assessed; {receiver} counts it under {line.recognition}")


def _count(values: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(values.items(), key=lambda item: -item[1]))


async def catalogue(ask: Asker, _facts: Facts, question: Question) -> Given:
    """S7: the entries aligned to a framework, counted; each judged by a pack."""
    framework = question["framework"]
    total, found = await ask.of_framework(framework)
    reasons, elements, pack_version = Reasons(), Counter[str](), 0
    areas, methods, owners, hours, bearing, sample = Counter[str](), Counter[str](), Counter[str](), [], 0, 0
    for one in found:
        data = orjson.loads(one.data_json)
        areas.update(tag["code"] for tag in data["alignments"] if tag["framework"] == framework)
        methods.update(data["assessment"]["methods"])
        owners[one.owner] += 1
        hours.append(one.effort_hours)
        bearing += data["credit_bearing"]
        sample += data["sample"]
        judged = await ask.portability(one.id, pack=question["pack"], asked_on=question["asked_on"])
        findings = {project.finding(criterion.finding) for criterion in judged.criteria if criterion.force == "must"}
        elements["not-met" if "not-met" in findings else "unknown" if "unknown" in findings else "met"] += 1
        reasons.add(judged.missing)
        pack_version = judged.pack_version
    answer = {
        "total": total,
        "sample": sample,
        "not_for_credit": total - bearing,
        "for_credit": bearing,
        "hours": {"least": min(hours, key=Fraction), "most": max(hours, key=Fraction)},
        "by_area": _count(areas),
        "by_assessment": _count(methods),
        "by_publisher": _count(owners),
        "six_elements": {"pack": question["pack"], "pack_version": pack_version, **elements},
    }
    return _given(answer, reasons)


async def convocation(_ask: Asker, facts: Facts, question: Question) -> Given:
    """S8: ten thousand awards in one evening and forty corrections, as the office and the ledger saw them."""
    awards, amendments = facts.report("S8:awards"), facts.report("S8:amendments")
    tally = facts.tally
    issuer = question["issuer"]
    own = facts.awarded_elsewhere(issuer)
    answer = {
        "awards": {name: awards[name] for name in ("rows", "new", "refused")},
        "amendments": {name: amendments[name] for name in ("rows", "new", "refused")},
        "ledger": {
            "issued": tally.accepted(issuer, AWARDED) - own,
            "amended": tally.accepted(issuer, "amended"),
            "refused": tally.refused(issuer),
            "stream": {
                "starts_at": tally.first(issuer, "credential"),
                "holes": tally.holes(issuer, "credential"),
                "waiting": facts.waiting(issuer),
            },
        },
    }
    sentence = f"the stream of {issuer} runs from 1 to {tally.last(issuer, 'credential')}, each number answered"
    return _given(answer, Reasons(), sentence)


async def bad_day(ask: Asker, facts: Facts, question: Question) -> Given:
    """S9: a credential is revoked after its credit was posted; who is told what, and what it answers."""
    sender, receiver, record = question["sender"], question["receiver"], question["record"]
    credential, case_id = facts.credential(record), facts.case("S9")
    case = await ask.case(case_id, receiver)
    names = {credential: record}
    notice = next(
        one.value
        for one in await ask.inbox(receiver, "notice")
        if one.value["about"] == f"credential:{credential}" and event_word(one.value["event"]) == "revoked"
    )
    adjusted = next((step for step in reversed(case.steps) if step.event == "adjusted"), None)
    reason = adjusted.reason if adjusted is not None else ""
    reasons = Reasons()
    if adjusted is not None:
        reasons.say({"code": reason}, f"{receiver} answered: {adjusted.note or reason}")
    about = names.get(notice["about"].partition(":")[2], "another")
    affected = ["the case" if key == f"transfer:{case_id}" else key for key in notice["affects"]]
    answer = {
        "notice": {
            "to": receiver,
            "about": {"issuer": notice["member"], "record": about},
            "event": event_word(notice["event"]),
            "affects": affected,
        },
        "case": {
            "state": case.state,
            "sender": case.sender,
            "receiver": case.receiver,
            "programme": case.programme,
            "lines": [
                {
                    "line": line.line,
                    "record": names.get(line.credential, "another"),
                    "status": line.status,
                    "recognition": line.recognition,
                }
                for line in case.lines
            ],
            "steps": [step.event for step in case.steps],
        },
        "answered_with": reason,
    }
    return _given(answer, reasons, f"{sender} revoked it after {receiver} had posted the credit")


async def spreadsheet(_ask: Asker, facts: Facts, question: Question) -> Given:
    """S10: a file with wrong rows, then the corrected file sent whole again."""
    member = question["member"]
    first, again = facts.report("S10:first"), facts.report("S10:again")
    by_code = Counter(error["code"] for error in first["errors"])
    sentences = {error["code"]: f"{error['what']} ({error['fix']})" for error in first["errors"]}
    reasons = Reasons()
    for code in by_code:
        reasons.say({"code": code}, f"{by_code[code]} × {code}: {sentences[code]}")
    answer = {
        "first": {
            **{name: first[name] for name in ("rows", "accepted", "new", "refused")},
            "refused_by_code": _count(by_code),
            "each_with_fix": all(error["row"] and error["what"] and error["fix"] for error in first["errors"]),
        },
        "again": {name: again[name] for name in ("rows", "accepted", "new", "changed", "unchanged", "refused")},
        "ledger": {"issued": facts.tally.accepted(member, AWARDED), "refused": facts.tally.refused(member)},
    }
    return _given(answer, reasons)


ASK: Final[dict[str, Ask]] = {
    "portability": portable,
    "equivalency": equivalency,
    "transcript": transcript,
    "stack": stack,
    "assessment": assessment,
    "catalogue": catalogue,
    "convocation": convocation,
    "bad-day": bad_day,
    "spreadsheet": spreadsheet,
}
"""By the question's ``ask``."""
