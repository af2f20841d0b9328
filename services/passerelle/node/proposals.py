"""A decision proposed from the rules, line by line with its trace; a person accepts, changes or declines each line.

Nothing is decided here: what a person has answered becomes the lines of an ordinary ``decided`` event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import NotFound, Refused, Unavailable
from passerelle.events.codec import check_data
from passerelle.node.case_ports import Proposal, WorkStore
from passerelle.node.permission import Permissions
from passerelle.node.permission_return import Return, check_learner, returning
from passerelle.node.preliminary import Promise
from passerelle.node.rules_asked import Ruled, Rules
from passerelle.node.transfers import CaseView, Transfers
from passerelle.runtime.clock import Clock

MAX_SEARCHED: Final = 5_000
"""Own decisions looked through for precedents, newest first."""
MAX_PRECEDENTS: Final = 5
MAX_ELSEWHERE: Final = 20
PAGE: Final = 500
HONOURED: Final = (
    "Preliminary assessment of {made_on} honoured; the rule has changed since."
    " / Évaluation préliminaire du {made_on} respectée ; la règle a changé depuis."
)
ANSWERS: Final = ("accepted", "changed", "declined")


@dataclass(frozen=True, slots=True)
class Proposals:
    """The use cases."""

    store: WorkStore
    transfers: Transfers
    rules: Rules
    clock: Clock
    member: str
    permissions: Permissions

    async def propose(self, case: str, promise: Promise | None = None) -> Proposal:
        """Evaluate the case's credentials by this member's rules, with precedents; kept in place of an earlier one.

        ``promise``: a preliminary assessment that is honoured where it was given on the very facts of a credential. A
        letter of permission that the case names is honoured before it. Raises NotFound ``not-found``, Refused
        ``step-illegal`` where the case is not to be decided, ``learner-mismatch`` and ``permission-invalid`` where the
        permission cannot be honoured, Unavailable.
        """
        view = await self.transfers.view(case)
        _check_decidable(view)
        facts = [await self.facts(credential) for credential in view.credentials]
        permission = await self._permission(view, [fact["line"] for fact in facts])
        answers = await self.rules.evaluate([fact["line"] for fact in facts], self.member)
        best: dict[int, Ruled] = {}
        for answer in answers:
            best.setdefault(answer.number, answer)
        earlier = await self._precedents({str(fact["line"]["achievement"]) for fact in facts}, case)
        lines: list[dict[str, Any]] = []
        for number, (credential, fact) in enumerate(zip(view.credentials, facts, strict=True), 1):
            achievement = str(fact["line"]["achievement"])
            if number not in best:
                raise Unavailable(
                    "service-unavailable", "the query service left a line unanswered", where=f"line {number}"
                )
            line = proposed_line(number, credential, best[number], fact)
            if permission is not None:
                line = permission.honoured(line, best[number], fact["line"])
            if promise is not None and "honoured" not in line:
                line = _honoured(line, promise, best[number], fact)
            line = _once(line, lines)
            line |= {"precedents": earlier.get(achievement, []), "elsewhere": await self._elsewhere(achievement)}
            lines.append(line)
        position = max((answer.position for answer in answers), default=0)
        proposal = Proposal(case, view.version, position, tuple(lines))
        await self.store.save_proposal(proposal, self.clock.now_ms())
        return proposal

    async def _permission(self, view: CaseView, facts: Sequence[Mapping[str, Any]]) -> Return | None:
        if not view.permission:
            return None
        granted = await self.permissions.view(view.permission)
        row = await self.store.case(view.id)
        learner = row.learner if row is not None else None
        await check_learner(self.store, granted, learner, confirmed=row is None or row.matched == "confirmed")
        return await returning(self.store, self.rules, self.member, granted, facts)

    async def facts(self, credential: str) -> dict[str, Any]:
        """What the office holds of a credential, as a transcript line. Raises NotFound ``body-absent``."""
        data: dict[str, Any] = {}
        for body in await self.store.bodies_of(f"credential:{credential}"):
            if body.type in {BY_NAME["credential.issued"].full, BY_NAME["credential.amended"].full}:
                data |= {name: value for name, value in orjson.loads(body.body)["data"].items() if value is not None}
        if "achievement" not in data:
            what = "this node does not hold the body of a credential of the case"
            raise NotFound("body-absent", what, where=f"credential {credential}")
        line = {"achievement": data["achievement"], "version": data["achievement_version"]}
        line |= {"completed_on": data["conferred_on"], "basis": data.get("basis")}
        line |= {"grade": data.get("result"), "credits": data.get("credits")}
        return {"line": {name: value for name, value in line.items() if value}}

    async def _precedents(self, achievements: set[str], case: str) -> dict[str, list[dict[str, Any]]]:
        """What this member decided on the same achievements in other cases, newest first; each case's latest word."""
        found: dict[str, list[dict[str, Any]]] = {}
        known: dict[str, str] = {}
        seen, searched, before = {case}, 0, None
        while searched < MAX_SEARCHED and (rows := await self.store.decisions(before, PAGE)):
            searched, before = searched + len(rows), rows[-1].sequence
            for row in rows:
                if row.subject in seen:
                    continue
                seen.add(row.subject)
                for line in orjson.loads(row.signed.body)["data"]["lines"]:
                    about = await self._achievement(line["credential"], known)
                    if about in achievements and len(found.setdefault(about, [])) < MAX_PRECEDENTS:
                        kept = ("status", "recognition", "individual_reason", "outcome", "reason")
                        told = {name: line[name] for name in kept if line.get(name)}
                        found[about].append({"case": row.subject, "index": row.index, **told})
        return found

    async def _achievement(self, credential: str, known: dict[str, str]) -> str:
        if credential not in known:
            bodies = await self.store.bodies_of(f"credential:{credential}")
            issued = [body for body in bodies if body.type == BY_NAME["credential.issued"].full]
            known[credential] = str(orjson.loads(issued[0].body)["data"]["achievement"]) if issued else ""
        return known[credential]

    async def _elsewhere(self, achievement: str) -> list[dict[str, Any]]:
        """What other receivers published: binding for nobody here."""
        try:
            found = await self.rules.elsewhere(achievement, MAX_ELSEWHERE)
        except NotFound:
            return []
        return [
            {
                "receiver": one.receiver,
                "verdict": one.verdict,
                "rule": one.rule,
                "outcome": one.outcome,
                "index": one.index,
            }
            for one in found
            if one.receiver != self.member
        ]

    async def of(self, case: str) -> Proposal:
        """The proposal for the present version. Raises NotFound ``proposal-absent``, Refused ``version-stale``."""
        proposal = await self.store.proposal(case)
        if proposal is None:
            raise NotFound("proposal-absent", "no decision was proposed for this case", where="CASE")
        view = await self.transfers.view(case)
        if proposal.version != view.version:
            what = f"the proposal is for version {proposal.version}, the case is at version {view.version}"
            raise Refused("version-stale", what, where="CASE", fix="Run passerelle node transfer propose again.")
        return proposal

    async def answer(
        self, case: str, number: int, answer: str, *, reason: str = "", change: Mapping[str, Any] | None = None
    ) -> Proposal:
        """A person's answer to one line: accepted, changed (``change`` over what was proposed) or declined.

        Declined is no credit; ``change`` states its coded reason. Raises Refused ``argument-missing`` without a reason
        for a change or a refusal, NotFound, and the errors of the schema.
        """
        proposal = await self.of(case)
        lines = [dict(line) for line in proposal.lines]
        line = next((line for line in lines if line["line"] == number), None)
        if line is None:
            raise NotFound("not-found", f"the proposal has no line {number}", where="LINE")
        final = _final(line, answer, reason, dict(change or {}))
        check_data(BY_NAME["transfer.decided"], {"expected_version": proposal.version, "lines": [final]})
        line |= {"answer": answer, "reason": reason, "final": final}
        answered = replace(proposal, lines=tuple(lines))
        await self.store.save_proposal(answered, self.clock.now_ms())
        return answered

    async def decision(self, case: str) -> tuple[list[dict[str, Any]], int]:
        """The lines as answered, and the version they are for. Raises Refused ``proposal-open``."""
        proposal = await self.of(case)
        opened = [line["line"] for line in proposal.lines if not line.get("answer")]
        if opened:
            what = f"lines {', '.join(map(str, opened))} have no answer"
            raise Refused("proposal-open", what, where="CASE", fix="Answer them: passerelle node transfer line.")
        return [dict(line["final"]) for line in proposal.lines], proposal.version


def _check_decidable(view: CaseView) -> None:
    if view.state not in {"requested", "information-requested", "appealed"}:
        fix = "A decision is proposed for a case that is open or appealed."
        raise Refused("step-illegal", f"the case is in state {view.state}", where="CASE", fix=fix)


def proposed_line(number: int, credential: str, ruled: Ruled, fact: Mapping[str, Any]) -> dict[str, Any]:
    """What the rules say of one credential: the line of a decision, and why."""
    line: dict[str, Any] = {"line": number, "credential": credential}
    if ruled.rule:
        line |= {"recognition": ruled.rule["id"], "recognition_index": int(ruled.rule["recorded_from"])}
    outcome = ruled.outcome
    if outcome is not None and outcome["type"] == "no-credit":
        line |= {"status": "no-credit", "reason": outcome["reason"]}
    elif ruled.match == "match" and outcome is not None:
        line |= {"status": "credited", "outcome": dict(outcome)}
    elif ruled.match == "maybe" and outcome is not None:
        awaited = "department" if fact["line"].get("grade") else "final-grade"
        line |= {"status": "conditional", "outcome": dict(outcome), "waits_for": awaited}
    else:
        # No rule of this member fits: that is no denial, so a department looks at it.
        line = {"line": number, "credential": credential, "status": "pending", "waits_for": "department"}
    return {
        "line": number,
        "credential": credential,
        "achievement": fact["line"]["achievement"],
        "match": ruled.match,
        "rule": dict(ruled.rule),
        "reasons": [dict(reason) for reason in ruled.reasons],
        "smallest_fix": list(ruled.fix),
        "proposed": line,
        "answer": "",
        "reason": "",
        "final": None,
    }


def _honoured(line: dict[str, Any], promise: Promise, now: Ruled, fact: Mapping[str, Any]) -> dict[str, Any]:
    """A line as it was promised, with whether the rules of today would say otherwise."""
    said = promise.line_for(fact["line"])
    if said is None or said["outcome"] is None or said["outcome"]["type"] == "no-credit":
        return line
    told = promise.told(said, now)
    proposed = {name: line[name] for name in ("line", "credential")}
    proposed |= {"status": "credited", "outcome": said["outcome"]}
    proposed |= {"recognition": said["rule"]["id"], "recognition_index": int(said["rule"]["recorded_from"])}
    if told["grandfathered"]:
        proposed["individual_reason"] = HONOURED.format(made_on=told["made_on"])
    return line | {"proposed": proposed, "honoured": told, "by_rules_of_today": line["proposed"]}


def _once(line: dict[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A rule gives its outcome once, however many of the credentials it took: the others name the line that has it."""
    rule = line["proposed"].get("recognition")
    first = next((one for one in earlier if one["proposed"].get("recognition") == rule), None)
    if rule is None or first is None or line["proposed"]["status"] != "credited":
        return line
    kept = {name: line["proposed"][name] for name in ("line", "credential", "recognition", "recognition_index")}
    told = {
        "status": "no-credit",
        "reason": "duplicate",
        "individual_reason": f"Its credit stands in line {first['line']}.",
    }
    return line | {"proposed": kept | told}


def _final(line: Mapping[str, Any], answer: str, reason: str, change: dict[str, Any]) -> dict[str, Any]:
    proposed = dict(line["proposed"])
    if answer == "accepted":
        return proposed
    if not reason.strip():
        raise Refused("argument-missing", f"a line that is {answer} needs a reason", where="--reason")
    if answer == "declined":
        base: dict[str, Any] = {"line": line["line"], "credential": line["credential"], "status": "no-credit"}
        return base | {"reason": change.get("reason") or "other", "individual_reason": reason}
    if "recognition" in change and change["recognition"] != proposed.get("recognition"):
        proposed.pop("recognition_index", None)
    merged = {**proposed, **change, "line": line["line"], "credential": line["credential"]}
    if merged["status"] not in {"pending", "conditional"}:
        merged.pop("waits_for", None)
    merged.setdefault("individual_reason", reason)
    return {name: value for name, value in merged.items() if value is not None}


def summary(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a line, for a table."""
    return [
        {
            "line": line["line"],
            "achievement": line["achievement"],
            "match": line["match"],
            "proposed": line["proposed"]["status"],
            "rule": line["rule"].get("id", ""),
            "entry": line["rule"].get("recorded_from", ""),
            "precedents": len(line.get("precedents", ())),
            "answer": line["answer"] or "-",
        }
        for line in lines
    ]
