"""The return from studies elsewhere: the credit that a letter of permission promised, honoured though rules changed.

What was promised holds where its conditions are met: the course is one of the permission's, completed between the first
day of the term and the last day of the permission, with the grade that it asks, and as the rule asked that it rests on,
read as of the position that the permission is bound to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import NotFound, Refused
from passerelle.core.grades import Grade, Scale, compare, scale_from_data, scale_on, well_known_scales
from passerelle.core.quantity import parse_quantity
from passerelle.node.permission_view import PermissionView
from passerelle.node.ports import CaseStore
from passerelle.node.rules_asked import Ruled, Rules

GRANDFATHERED: Final = (
    "Letter of permission of entry {entry} honoured; the rules have changed since."
    " / Lettre de permission de l'entrée {entry} respectée ; les règles ont changé depuis."
)
BEYOND: Final = "Beyond the maximum of the letter of permission. / Au-delà du maximum de la lettre de permission."
UNMET: Final[dict[str, tuple[str, str]]] = {
    "not-named": ("the permission names no such course", "la permission ne nomme pas ce cours"),
    "outside-term": ("completed outside the permission's dates", "achevé hors des dates de la permission"),
    "grade-not-met": ("the grade that the permission asks is not reached", "la note exigée n'est pas atteinte"),
    "grade-not-compared": (
        "no stated scale compares the grade with the one asked",
        "aucune échelle publiée ne compare la note avec celle qui est exigée",
    ),
    "rule-not-met": ("the rule that it rests on is not met", "la règle sur laquelle elle repose n'est pas satisfaite"),
    "beyond-maximum": ("beyond the permission's maximum", "au-delà du maximum de la permission"),
}
"""Why a promise does not hold for a credential."""


@dataclass(slots=True)
class Return:
    """One permission against the credentials of the case that names it, in their order.

    ``then``: the answers of the rules as of the permission's position, by line of the case.
    """

    view: PermissionView
    then: Mapping[int, Sequence[Ruled]]
    scales: Mapping[str, Scale]
    _spent: Fraction = field(default=Fraction(0))
    _used: set[int] = field(default_factory=set)

    def honoured(self, line: dict[str, Any], now: Ruled, fact: Mapping[str, Any]) -> dict[str, Any]:
        """A proposed line as it was promised, with whether the rules of today say otherwise; or why not."""
        said = self.view.said
        course = next((one for one in said["courses"] if one["achievement"] == fact["achievement"]), None)
        why = self._unmet(course, line, fact)
        if why == "grade-not-compared":
            waits = {"line": line["line"], "credential": line["credential"]}
            line = line | {"proposed": {**waits, "status": "pending", "waits_for": "department"}}
        if course is None or why:
            return line | {"not_honoured": {"permission": self.view.id, "why": why, **_words(why)}}
        self._used.add(int(course["line"]))
        proposed: dict[str, Any] = {"line": line["line"], "credential": line["credential"]}
        if not self._within(course["outcome"]):
            proposed |= {"status": "no-credit", "reason": "other", "individual_reason": BEYOND}
            why = "beyond-maximum"
            unmet = {"not_honoured": {"permission": self.view.id, "why": why, **_words(why)}}
            return line | unmet | {"proposed": proposed, "by_rules_of_today": line["proposed"]}
        changed = _changed(course, now)
        proposed |= {"status": "credited", "outcome": course["outcome"]}
        kept = ("recognition", "recognition_index", "individual_reason")
        proposed |= {name: course[name] for name in kept if course.get(name) is not None}
        if changed:
            proposed["individual_reason"] = GRANDFATHERED.format(entry=self.view.entry)
        told: dict[str, Any] = {
            "permission": self.view.id,
            "entry": self.view.entry,
            "position": said["position"],
            "expires_on": said["expires_on"],
            "grandfathered": changed,
        }
        return line | {"proposed": proposed, "honoured": told, "by_rules_of_today": line["proposed"]}

    def _unmet(self, course: Mapping[str, Any] | None, line: Mapping[str, Any], fact: Mapping[str, Any]) -> str:
        if course is None or int(course["line"]) in self._used:
            return "not-named"
        said = self.view.said
        if not said["term"]["starts_on"] <= str(fact["completed_on"]) <= said["expires_on"]:
            return "outside-term"
        minimum, held = course.get("minimum_grade"), fact.get("grade")
        if minimum is not None:
            outcome = compare(Grade(**held), Grade(**minimum), self.scales) if held else "cannot-compare"
            if outcome != "met":
                return "grade-not-met" if outcome == "not-met" else "grade-not-compared"
        rule = course.get("recognition")
        answers = self.then.get(int(line["line"]), ())
        met = any(answer.match == "match" and answer.rule.get("id") == rule for answer in answers)
        return "" if rule is None or met else "rule-not-met"

    def _within(self, outcome: Mapping[str, Any]) -> bool:
        """Whether the credit fits under the maximum that is left; credit of another system is not bounded by it."""
        maximum = self.view.said.get("maximum_credits")
        if maximum is None:
            return True
        credit = sum(_credits(outcome, str(maximum["system"])), Fraction(0))
        if self._spent + credit > parse_quantity(maximum["value"]):
            return False
        self._spent += credit
        return True


def _words(why: str) -> dict[str, str]:
    english, french = UNMET[why]
    return {"en": english, "fr": french}


def _credits(outcome: Mapping[str, Any], system: str) -> Iterator[Fraction]:
    """The amounts that an outcome gives in a system; of a choice the largest."""
    if outcome["type"] == "choice":
        yield max(sum(_credits(part, system), Fraction(0)) for part in outcome["of"])
        return
    for part in outcome.get("of", ()):
        yield from _credits(part, system)
    amount = outcome.get("credits")
    if amount is not None and amount["system"] == system:
        yield parse_quantity(amount["value"])


def _changed(course: Mapping[str, Any], now: Ruled) -> bool:
    """Whether the rules of today give something else for it; what never rested on a rule stands by its reason."""
    if course.get("recognition") is None:
        return False
    same = (now.rule.get("id"), now.rule.get("recorded_from")) == (course["recognition"], course["recognition_index"])
    return now.match != "match" or now.outcome != course["outcome"] or not same


async def returning(
    store: CaseStore, rules: Rules, member: str, view: PermissionView, facts: Sequence[Mapping[str, Any]]
) -> Return:
    """A permission made ready for the credentials of a case: their facts as transcript lines, in order.

    Raises Refused ``permission-invalid`` where it is not in force here, Unavailable.
    """
    if view.state != "granted" or view.home != member or view.entry is None:
        what = f"the permission is in state {view.state}, or not accepted yet"
        raise Refused("permission-invalid", what, where="permission")
    then: dict[int, list[Ruled]] = {}
    for answer in await rules.evaluate(facts, member, known_at=int(view.said["position"])):
        then.setdefault(answer.number, []).append(answer)
    schemes = {fact["grade"]["scheme"]: str(fact["completed_on"]) for fact in facts if fact.get("grade")}
    for course in view.said["courses"]:
        if course.get("minimum_grade"):
            schemes.setdefault(course["minimum_grade"]["scheme"], str(view.said["term"]["ends_on"]))
    return Return(view, then, await _scales(store, schemes.items()))


async def _scales(store: CaseStore, asked: Iterable[tuple[str, str]]) -> dict[str, Scale]:
    """The well-known scales, and those that this member published, each in the version of the day."""
    scales = well_known_scales()
    for scheme, day in asked:
        rows = [row for row in await store.events_of(f"scale:{scheme}") if row.outcome == "accepted"]
        of_type = [row for row in rows if row.type == BY_NAME["reference.scale-published"].full]
        found = scale_on([scale_from_data(orjson.loads(row.signed.body)["data"]) for row in of_type], _date(day))
        if found is not None:
            scales[scheme] = found
    return scales


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


async def check_learner(store: CaseStore, view: PermissionView, learner: str | None, *, confirmed: bool) -> None:
    """The case is the permission's own learner's. At a node that was restored, and knows no learner, a person compares.

    Raises Refused ``learner-mismatch``, NotFound ``not-found``.
    """
    if view.asked is None:
        return
    if not confirmed:
        fix = "Compare the person first: passerelle node transfer match."
        raise Refused("learner-mismatch", "nobody has said whose the case is", where="CASE", fix=fix)
    if await store.learner(view.asked.learner) is None:
        raise NotFound("not-found", "the permission's learner was erased", where="permission")
    if learner != view.asked.learner:
        fix = "Name the permission of this learner, or open the case without one."
        raise Refused("learner-mismatch", "the permission is another learner's", where="permission", fix=fix)
