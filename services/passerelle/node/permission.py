"""Letters of permission (in Quebec: autorisation d'études hors établissement): asked, assessed, granted or refused.

The home institution's rules are asked as they stand; what a person grants goes to the ledger with the position, the
rules' entries and the versions of the policies that it rests on. The return is an ordinary transfer case that names the
permission (:mod:`passerelle.node.permission_return`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, NotFound, Refused, Unavailable
from passerelle.events.codec import check_data
from passerelle.events.permission import MAX_COURSES, MAX_POLICIES
from passerelle.node.csv_cells import CREDIT, CellError
from passerelle.node.permission_ports import AskedPermission, PermissionStore
from passerelle.node.permission_view import ASKED, PermissionView, view_of
from passerelle.node.plan import NewEvent
from passerelle.node.rules_asked import Ruled, Rules
from passerelle.runtime.clock import Clock, as_date
from passerelle.runtime.ids import Ids

GRACE_DAYS: Final = 180
"""How long after its term a permission is honoured, where nothing else is said: marks come in late."""
MAX_POLICIES_SEEN: Final = 10_000
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person sets when granting or amending; what is not given stays as the rules propose, or as it stands.

    ``changes``: by line, the fields that are otherwise (``outcome``, ``individual_reason``, ``minimum_grade``);
    ``leave``: lines that are not permitted; ``minimum_grade`` of every course; ``until``: the last day.
    """

    until: str = ""
    minimum_grade: Mapping[str, str] | None = None
    maximum: Mapping[str, str] | None = None
    changes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    leave: Sequence[int] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Permissions:
    """The use cases. Publishing the events that they return is the caller's."""

    store: PermissionStore
    rules: Rules
    clock: Clock
    ids: Ids
    member: str

    async def ask(
        self, learner: str, courses: Sequence[str], *, host: str, starts: str, ends: str, term: str, programme: str
    ) -> AskedPermission:
        """Keep what a learner asks for, with what this member's rules say of each course if it is passed.

        Raises NotFound ``not-found`` for an unknown learner, Refused ``too-many-items``, FormatError
        ``argument-missing``, ``date-impossible``, ``dates-reversed``, Unavailable.
        """
        if await self.store.learner(learner) is None:
            raise NotFound("not-found", "this node knows no such learner", where="--learner")
        named = list(dict.fromkeys(courses))
        if not named:
            raise FormatError("argument-missing", "no course is named", where="--course")
        if len(named) > MAX_COURSES:
            raise Refused("too-many-items", f"a permission is for at most {MAX_COURSES} courses", where="--course")
        starts, ends = _day(starts, "--starts"), _day(ends, "--ends")
        if ends < starts:
            raise FormatError("dates-reversed", "the term ends before it begins", where="--ends")
        # By the end of the term, without a grade: what asks for one is a maybe, with the condition among its reasons.
        facts = [{"achievement": name, "completed_on": ends, "basis": "completed"} for name in named]
        answers = await self.rules.evaluate(facts, self.member)
        best: dict[int, Ruled] = {}
        for answer in answers:
            best.setdefault(answer.number, answer)
        lines = tuple(_line(number, name, best.get(number)) for number, name in enumerate(named, 1))
        position = max((answer.position for answer in answers), default=0)
        when = {"starts_on": starts, "ends_on": ends} | ({"name": term} if term else {})
        asked = AskedPermission(self.ids.uuid7(), learner, host, programme, when, position, lines)
        await self.store.save_permission(asked, self.clock.now_ms())
        return asked

    async def view(self, permission: str) -> PermissionView:
        """The permission as this node knows it. Raises NotFound ``not-found``."""
        return await view_of(self.store, self.member, permission, await self.store.permission(permission))

    async def listed(self, limit: int) -> list[PermissionView]:
        """The permissions that this node knows, at most so many, in the order in which they were asked."""
        found: list[PermissionView] = []
        after = ""
        while len(found) < limit and (ids := await self.store.permission_ids(after, min(PAGE, limit - len(found)))):
            found += [await self.view(one) for one in ids]
            after = ids[-1]
        return found

    async def grant(self, permission: str, terms: Terms) -> NewEvent:
        """The event that grants what was asked: by the rules, or as ``terms`` say.

        Raises Refused ``step-illegal``, ``proposal-open`` where a course has no rule that gives credit and nothing else
        is said of it, and the errors of the schema; NotFound ``not-found``.
        """
        asked = await self._open(permission, "granted")
        data: dict[str, Any] = {
            "host": asked.host,
            "term": dict(asked.term),
            "expires_on": terms.until or _after(asked.term["ends_on"], GRACE_DAYS),
            "position": asked.position,
            "courses": _courses([_granted(line) for line in asked.lines], terms),
        }
        if asked.programme:
            data["programme"] = asked.programme
        policies = await self._policies()
        if policies:
            data["policies"] = policies
        return self._event("granted", permission, data | _more(terms))

    async def amend(self, permission: str, terms: Terms) -> NewEvent:
        """The event that states a granted permission anew, with what ``terms`` change."""
        view = await self._granted(permission, "amended")
        standing = [dict(course) for course in view.said["courses"]]
        data = {**view.said, "expected_version": view.version, "courses": _courses(standing, terms)}
        if terms.until:
            data["expires_on"] = terms.until
        return self._event("amended", permission, data | _more(terms))

    async def refuse(self, permission: str, reason: str, fix: str, note: str = "") -> NewEvent:
        """The event that refuses what was asked, with the coded reason and what would mend it."""
        asked = await self._open(permission, "refused")
        if not fix.strip():
            raise Refused("argument-missing", "a refusal says what would make it permissible", where="--fix")
        courses = [
            {"line": line["line"], "achievement": line["achievement"], "reason": reason, "fix": fix.strip()}
            for line in asked.lines
        ]
        data = {"host": asked.host, "term": dict(asked.term), "position": asked.position, "courses": courses}
        return self._event("refused", permission, data | ({"note": note} if note else {}))

    async def withdraw(self, permission: str, reason: str, note: str = "") -> NewEvent:
        """The event that takes a permission back before its term begins."""
        view = await self._granted(permission, "withdrawn")
        data = {"expected_version": view.version, "reason": reason}
        return self._event("withdrawn", permission, data | ({"note": note} if note else {}))

    def _event(self, step: str, permission: str, data: dict[str, Any]) -> NewEvent:
        found = BY_NAME[f"transfer.permission-{step}"]
        check_data(found, data)
        return NewEvent(found, permission, data)

    async def _open(self, permission: str, step: str) -> AskedPermission:
        view = await self.view(permission)
        if view.state != ASKED or view.asked is None:
            raise _illegal(step, view)
        return view.asked

    async def _granted(self, permission: str, step: str) -> PermissionView:
        view = await self.view(permission)
        if view.home != self.member:
            raise Refused("not-owner", "the permission is another institution's", where="PERMISSION")
        if view.state != "granted":
            raise _illegal(step, view)
        if view.said["term"]["starts_on"] <= as_date(self.clock.now_ms()):
            what = f"the term began on {view.said['term']['starts_on']}"
            raise Refused("permission-begun", what, where="PERMISSION")
        return view

    async def _policies(self) -> list[dict[str, Any]]:
        """This member's own policies, each with the latest version seen: caps and shelf lives are the receiver's."""
        seen = await self.store.policy_versions(MAX_POLICIES_SEEN)
        own = [(name, version) for name, version in sorted(seen.items()) if name.startswith(f"{self.member}/")]
        if len(own) > MAX_POLICIES:
            raise Refused("too-many-items", f"a permission names at most {MAX_POLICIES} policies", where="policies")
        return [{"policy": name, "version": version} for name, version in own]


def amount(text: str, member: str) -> dict[str, str] | None:
    """An amount of credit from an option, ``6 units``; None where none is given. Raises FormatError."""
    if not text:
        return None
    try:
        found: dict[str, str] = CREDIT.parse(text, member)
    except CellError as error:
        raise FormatError("argument-invalid", error.what, where="--maximum", fix=error.fix) from None
    return found


def changes(given: object) -> dict[int, Mapping[str, Any]]:
    """A person's changes by line, from a JSON list of objects. Raises FormatError ``schema-invalid``."""
    rows = given if isinstance(given, list) else [given]
    made: dict[int, Mapping[str, Any]] = {}
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("line"), int):
            raise FormatError("schema-invalid", "a change is an object with the number of its line", where="--change")
        made[row["line"]] = {name: value for name, value in row.items() if name != "line"}
    return made


def _illegal(step: str, view: PermissionView) -> Refused:
    fix = "Ask anew: passerelle node permission ask."
    return Refused("step-illegal", f"step {step} is not legal in state {view.state}", where="PERMISSION", fix=fix)


def _day(text: str, where: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise FormatError("date-impossible", "the value is no date of the form YYYY-MM-DD", where=where) from None


def _after(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days=days)).isoformat()


def _line(number: int, course: str, ruled: Ruled | None) -> dict[str, Any]:
    if ruled is None:
        raise Unavailable("service-unavailable", "the query service left a course unanswered", where=f"line {number}")
    return {
        "line": number,
        "achievement": course,
        "match": ruled.match,
        "rule": dict(ruled.rule),
        "outcome": ruled.outcome,
        "reasons": [dict(reason) for reason in ruled.reasons],
        "smallest_fix": list(ruled.fix),
    }


def gives_credit(line: Mapping[str, Any]) -> bool:
    """Whether a rule gives something for the course once it is passed as the rule asks."""
    outcome = line["outcome"]
    return line["match"] != "miss" and outcome is not None and outcome["type"] != "no-credit" and bool(line["rule"])


def _granted(line: Mapping[str, Any]) -> dict[str, Any]:
    """A course as the rules would have it; without an outcome where they give none."""
    course = {"line": line["line"], "achievement": line["achievement"]}
    if not gives_credit(line):
        return course
    rule = line["rule"]
    return course | {
        "recognition": rule["id"],
        "recognition_index": int(rule["recorded_from"]),
        "outcome": dict(line["outcome"]),
    }


def _courses(standing: Sequence[Mapping[str, Any]], terms: Terms) -> list[dict[str, Any]]:
    """The courses with what a person changes; those that are left out are gone."""
    known = {int(course["line"]) for course in standing}
    unknown = sorted({*terms.changes, *terms.leave} - known)
    if unknown:
        raise NotFound("not-found", f"there is no line {unknown[0]}", where="--change or --leave")
    made = []
    for course in standing:
        number = int(course["line"])
        if number in terms.leave:
            continue
        more = {**({"minimum_grade": dict(terms.minimum_grade)} if terms.minimum_grade else {})}
        change = terms.changes.get(number, {})
        merged = {**course, **more, **change, "line": number, "achievement": course["achievement"]}
        if change.get("outcome") is not None and "individual_reason" in change and "recognition" not in change:
            # Another outcome than the rule's rests on the reason, not on the rule.
            merged.pop("recognition", None)
            merged.pop("recognition_index", None)
        made.append({name: value for name, value in merged.items() if value is not None})
    opened = [str(course["line"]) for course in made if "outcome" not in course]
    if opened:
        fix = "State outcome and individual_reason with --change, leave the line out with --leave, or refuse."
        what = f"no rule gives credit for lines {', '.join(opened)}"
        raise Refused("proposal-open", what, where="PERMISSION", fix=fix)
    if not made:
        raise Refused("argument-conflict", "every course is left out", where="--leave", fix="Refuse it instead.")
    return made


def _more(terms: Terms) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if terms.maximum:
        more["maximum_credits"] = dict(terms.maximum)
    if terms.note:
        more["note"] = terms.note
    return more
