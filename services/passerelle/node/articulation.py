"""Articulation requests and their answers as events of this node. Pure: what is known is given, events come out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError
from passerelle.events.codec import check_data
from passerelle.node.plan import NewEvent

MAX_ROUNDS: Final = 100
"""Times that one question can be asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """One course or programme, asked of one or many receivers. Dates are ``YYYY-MM-DD``; empty texts are left out."""

    achievement: str
    receivers: Sequence[str]
    version: int = 0
    towards: str = ""
    replaces: str = ""
    outline_url: str = ""
    outline_sha256: str = ""
    due_on: str = ""
    note: str = ""

    def data(self, receiver: str) -> dict[str, Any]:
        """The data of ``requested`` to one receiver."""
        found: dict[str, Any] = {"achievement": self.achievement, "receiver": receiver}
        given = {
            "achievement_version": self.version,
            "towards": self.towards,
            "replaces": self.replaces,
            "due_on": self.due_on,
            "note": self.note,
        }
        found |= {name: value for name, value in given.items() if value}
        if self.outline_url or self.outline_sha256:
            found["outline"] = {"url": self.outline_url, "sha256": self.outline_sha256}
        return found


def request_id(home: str, question: Question, receiver: str, number: int = 1) -> str:
    """The id of a request: the same question to the same receiver has the same id, the second time with a number.

    So asking twice by mistake asks once. A later version of the achievement is the same question.
    """
    parts = (question.achievement, receiver, question.towards, question.replaces)
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"{home}/ar-{name}" + (f"-{number}" if number > 1 else "")


def question_ids(home: str, question: Question, receiver: str, *, again: bool) -> list[str]:
    """Ids under which the question may have been asked, oldest first."""
    return [request_id(home, question, receiver, number) for number in range(1, (MAX_ROUNDS if again else 1) + 1)]


def request_events(home: str, question: Question, taken: Collection[str], *, again: bool = False) -> list[NewEvent]:
    """One ``requested`` for each receiver that was not asked yet; ``taken`` are ids of requests that were made.

    ``again`` asks anew where the question was asked before. Raises Refused for data that does not fit its schema,
    FormatError ``argument-invalid`` where there is no receiver, or one stands twice.
    """
    if not question.receivers or len(set(question.receivers)) != len(question.receivers):
        raise FormatError("argument-invalid", "name one or more receivers, each once", where="--to")
    found = BY_NAME["recognition.requested"]
    events = []
    for receiver in question.receivers:
        data = question.data(receiver)
        check_data(found, data)
        free = [one for one in question_ids(home, question, receiver, again=again) if one not in taken]
        if free:
            events.append(NewEvent(found, free[0], data))
        elif again:
            what = f"the question was asked {MAX_ROUNDS} times"
            raise FormatError("argument-invalid", what, where="--again")
    return events


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the query service shows it."""

    id: str
    achievement: str
    receiver: str
    evaluator: str
    state: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an officer answers. ``kind``: establish, no-credit, return, forward, no-change, case-by-case, resubmit.

    ``rule`` is the id of the rule that is made or confirmed; ``data`` what belongs to the kind, as JSON values.
    """

    kind: str
    rule: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    delegation: str = ""


_STEPS: Final = {
    "return": "recognition.returned",
    "forward": "recognition.forwarded",
    "case-by-case": "recognition.declined",
    "resubmit": "recognition.resubmitted",
}
_RULES: Final = {"establish": "recognition.granted", "no-credit": "recognition.denied"}
_STATE: Final = {"resubmit": "returned"}


def answer_event(home: str, asked: Asked, answer: Answer) -> NewEvent:
    """The event of an answer.

    Raises FormatError ``step-illegal`` where the request is in another state, ``not-receiver`` where it is with
    another evaluator and no delegation is named, and Refused for data that does not fit its schema.
    """
    needed = _STATE.get(answer.kind, "requested")
    if asked.state != needed:
        fix = f"This answer needs the state {needed}; see passerelle articulation show {asked.id}."
        raise FormatError("step-illegal", f"the request is in the state {asked.state}", where=asked.id, fix=fix)
    _may(home, asked, answer)
    by = {"delegation": answer.delegation} if answer.delegation else {}
    if answer.kind in _RULES:
        name, subject = _RULES[answer.kind], answer.rule or f"{home}/{asked.id.partition('/')[2]}"
        sending = {"achievement": asked.achievement}
        data = {"receiver": asked.receiver, "sending": sending, **answer.data, "request": asked.id, **by}
    elif answer.kind == "no-change":
        name, subject, data = "recognition.confirmed", answer.rule, {**answer.data, "request": asked.id}
    else:
        name, subject, data = _STEPS[answer.kind], asked.id, {**answer.data, **by}
    found = BY_NAME[name]
    check_data(found, data)
    return NewEvent(found, subject, data)


def _may(home: str, asked: Asked, answer: Answer) -> None:
    if answer.kind == "resubmit":
        if asked.id.partition("/")[0] != home:
            raise FormatError("not-owner", "the request was asked by another member", where=asked.id)
        return
    # A rule is the receiver's; the other steps are the evaluator's.
    who = asked.receiver if answer.kind in {*_RULES, "no-change", "carry"} else asked.evaluator
    if who != home and not answer.delegation and answer.kind != "no-change":
        fix = f"Answer from the node of {who}, or name its published delegation to you: --delegation {who}/..."
        raise FormatError("not-receiver", f"the answer is {who}'s to give", where=asked.id, fix=fix)


def _with_successor(expression: Mapping[str, Any], older: str, newer: str) -> dict[str, Any]:
    """The expression with every leaf of the older course also met by the newer one."""
    if "achievement" in expression:
        if expression["achievement"] != older:
            return dict(expression)
        successor = {name: value for name, value in expression.items() if name != "versions"}
        return {"any_of": [dict(expression), {**successor, "achievement": newer}]}
    ((kind, body),) = expression.items()
    if isinstance(body, Mapping):
        return {kind: {**body, "of": [_with_successor(part, older, newer) for part in body["of"]]}}
    return {kind: [_with_successor(part, older, newer) for part in body]}


def carried_rules(
    home: str, asked: Asked, rules: Mapping[str, Mapping[str, Any]], delegation: str = ""
) -> list[NewEvent]:
    """The receiver's confirmation that a renumbered course carries its rules: each rule that names the older course is
    revised to take the newer one too. ``rules`` are the data of the receiver's rules in force, by id.

    The first revision answers the request. Raises FormatError as :func:`answer_event`, ``argument-invalid`` where the
    request replaces nothing, ``not-found`` where no rule names the older course.
    """
    if asked.state != "requested":
        fix = f"See passerelle articulation show {asked.id}."
        raise FormatError("step-illegal", f"the request is in the state {asked.state}", where=asked.id, fix=fix)
    if not asked.replaces:
        fix = "Answer it by --establish, or by another answer."
        raise FormatError("argument-invalid", "the request is not about a renumbered course", where=asked.id, fix=fix)
    _may(home, asked, Answer("carry", delegation=delegation))
    found = BY_NAME["recognition.revised"]
    events: list[NewEvent] = []
    for name in sorted(rules):
        data = rules[name]
        sending = _with_successor(data["sending"], asked.replaces, asked.achievement)
        if data["receiver"] != asked.receiver or "outcome" not in data or sending == data["sending"]:
            continue
        kept = {field: value for field, value in data.items() if field != "request"}
        revised = {**kept, "sending": sending, "version": int(data.get("version", 1)) + 1}
        if not events:
            revised["request"] = asked.id
        check_data(found, revised)
        events.append(NewEvent(found, name, revised))
    if not events:
        fix = "Answer it by --establish or --no-credit: there is nothing to carry."
        raise FormatError("not-found", "no rule of this node names the older course", where=asked.replaces, fix=fix)
    return events


def laddering_questions(subject: str, data: Mapping[str, Any], home: str) -> list[Question]:
    """What an achievement that is designed to ladder asks of the receivers that it names; own programmes ask nobody."""
    laddering = data.get("laddering") or {}
    if laddering.get("design") != "designed":
        return []
    outline = data.get("outline") or {}
    return [
        Question(
            subject,
            (programme.partition("/")[0],),
            version=int(data["version"]),
            towards=programme,
            outline_url=str(outline.get("url") or ""),
            outline_sha256=str(outline.get("sha256") or ""),
        )
        for programme in laddering.get("into") or ()
        if programme.partition("/")[0] != home
    ]
