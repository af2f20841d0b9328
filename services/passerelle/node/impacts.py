"""What a change means for this office: the cases, stacks, assessments and permissions that rest on it, and the answers.

Both parties of a case are told, and home and host of a letter of permission. The receiver of a case answers; the sender
sees what is awaited, and the answer.

Everything here is read from the inbox's notices and from the events of the node's own cases, so that nothing has to be
rebuilt and nothing is told twice: a notice has a number, an answer is an ``adjusted`` step that names its entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.errors import NotFound, Refused
from passerelle.node.case_ports import WorkStore
from passerelle.node.case_texts import AT_THE_SENDER, CHANGES, PERMITTED
from passerelle.node.permission import Permissions
from passerelle.node.plan import NewEvent
from passerelle.node.transfers import CaseView, Transfers
from passerelle.runtime.clock import as_date

PAGE: Final = 500
MAX_DECISIONS: Final = 100_000
_CASE: Final = "transfer:"
_RULE: Final = "recognition:"
_PERMISSION: Final = "permission:"
ADJUSTABLE: Final = frozenset({"posted", "closed"})
REASONS: Final = {"revoked": "source-revoked", "erased": "source-revoked"}
"""Reason of the answer by the event that it answers; of other credential events ``source-amended``."""


@dataclass(frozen=True, slots=True)
class Affected:
    """One thing that rests on what changed and that this member is party of.

    ``answer``: ``open`` (this member's is due), ``awaited`` (the other party's is), ``kept``, ``changed``, ``removed``;
    empty where none is due. ``role`` of this member: ``sender``, ``receiver``, ``home``, ``host``; empty where the
    thing is its own.
    """

    thing: str
    state: str
    answer: str
    role: str = ""

    def as_dict(self) -> dict[str, str]:
        """JSON-able."""
        return {"thing": self.thing, "state": self.state, "answer": self.answer, "role": self.role}


@dataclass(frozen=True, slots=True)
class Impact:
    """A notice with what it means here; ``change`` is the ledger's (:class:`passerelle.core.things.Notice`)."""

    index: int
    event: str
    about: str
    member: str
    change: Mapping[str, Any]
    affected: tuple[Affected, ...]

    @property
    def grandfathered(self) -> bool:
        """Whether what was decided stands by itself."""
        return bool(self.change.get("grandfathered", False))

    @property
    def open(self) -> bool:
        """Whether an answer is due."""
        return any(one.answer == "open" for one in self.affected)

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """JSON-able; ``why`` is a sentence in the language."""
        return {
            "index": self.index,
            "event": self.event,
            "about": self.about,
            "member": self.member,
            "before": self.change.get("before"),
            "after": self.change.get("after"),
            "reason": self.change.get("reason"),
            "effective_on": self.change.get("effective_on"),
            "grandfathered": self.grandfathered,
            "why": self._why(1 if language == "fr" else 0),
            "open": self.open,
            "affected": [one.as_dict() for one in self.affected],
        }

    def _why(self, language: int) -> str:
        """What the change means here: to the sender, that the other office answers; to home and host, that it holds."""
        roles = {one.role for one in self.affected}
        texts = AT_THE_SENDER if "sender" in roles and self.event in AT_THE_SENDER and not self.open else CHANGES
        said = [texts.get(self.event, CHANGES[""])[language]]
        said += [PERMITTED[role][language] for role in ("home", "host") if role in roles]
        return " ".join(said)


@dataclass(frozen=True, slots=True)
class Impacts:
    """The use cases."""

    store: WorkStore
    transfers: Transfers
    permissions: Permissions

    async def listed(self, *, limit: int, open_only: bool = False) -> list[Impact]:
        """The newest notices with what they mean; at most ``limit``."""
        found: list[Impact] = []
        before: int | None = None
        views: dict[str, CaseView | None] = {}
        rules: dict[str, list[str]] | None = None
        while len(found) < limit and (rows := await self.store.notices_about(before, PAGE)):
            before = int(rows[-1]["number"])
            if rules is None and any(key.startswith(_RULE) for row in rows for key in row["affects"]):
                rules = await self._cases_by_rule()
            for row in rows:
                impact = await self._impact(row, views, rules or {})
                if (impact.open or not open_only) and len(found) < limit:
                    found.append(impact)
        return found

    async def _cases_by_rule(self) -> dict[str, list[str]]:
        """The own cases that rest on each rule, by their decisions."""
        found: dict[str, set[str]] = {}
        before, searched = None, 0
        while searched < MAX_DECISIONS and (rows := await self.store.decisions(before, PAGE)):
            before, searched = rows[-1].sequence, searched + len(rows)
            for row in rows:
                for line in orjson.loads(row.signed.body)["data"]["lines"]:
                    if line.get("recognition"):
                        found.setdefault(str(line["recognition"]), set()).add(row.subject)
        return {rule: sorted(cases) for rule, cases in found.items()}

    async def _impact(
        self, row: Mapping[str, Any], views: dict[str, CaseView | None], rules: Mapping[str, Sequence[str]]
    ) -> Impact:
        keys = list(row["affects"])
        # An achievement has rules resting on it, and these have cases.
        for key in row["affects"]:
            if key.startswith(_RULE):
                keys += [f"{_CASE}{case}" for case in rules.get(key.removeprefix(_RULE), ())]
        index, change = int(row["index"]), dict(row["change"] or {})
        due = not change.get("grandfathered", False)
        affected = [await self._affected(key, index, views, due=due) for key in dict.fromkeys(keys)]
        event = EVENT_TYPES[row["event"]].event if row["event"] in EVENT_TYPES else str(row["event"])
        return Impact(index, event, str(row["about"]), str(row["member"]), change, tuple(affected))

    async def _affected(self, key: str, index: int, views: dict[str, CaseView | None], *, due: bool) -> Affected:
        if key.startswith(_PERMISSION):
            return await self._permission(key)
        if not key.startswith(_CASE):
            return Affected(key, "", "")
        case = key.removeprefix(_CASE)
        if case not in views:
            views[case] = await self._view(case)
        view = views[case]
        if view is None:
            return Affected(key, "unknown", "")
        role = "receiver" if view.receiver == self.transfers.member else "sender"
        answer = answer_of(view, index)
        if not answer and due and view.state in ADJUSTABLE and any(one["status"] == "credited" for one in view.lines):
            answer = "open" if role == "receiver" else "awaited"
        return Affected(key, view.state, answer, role)

    async def _permission(self, key: str) -> Affected:
        """A permission holds as it was granted: no answer is due, and home may amend or withdraw it before its term."""
        try:
            view = await self.permissions.view(key.removeprefix(_PERMISSION))
        except NotFound:
            # A database that was restored may know of it by a notice first.
            return Affected(key, "unknown", "")
        today = as_date(self.transfers.clock.now_ms())
        return Affected(key, view.stands(today), "", "home" if view.home == self.transfers.member else "host")

    async def _view(self, case: str) -> CaseView | None:
        try:
            return await self.transfers.view(case)
        except NotFound:
            # A database that was restored may know of a case by a notice before it knows the case.
            return None

    async def answer(self, index: int, case: str, outcome: str, note: str, lines: Sequence[int] = ()) -> NewEvent:
        """The step that answers a notice: credit that rests on what changed is removed, or kept with a reason.

        ``lines``: these only. Raises NotFound ``not-found``, Refused ``argument-missing``, ``step-illegal``, and
        ``not-receiver`` at the sender, whose case it is not to adjust.
        """
        impact = await self._find(index, case)
        if outcome == "kept" and not note.strip():
            raise Refused("argument-missing", "credit is kept with a reason", where="--note")
        view = await self.transfers.view(case)
        if view.receiver != self.transfers.member:
            raise Refused("not-receiver", "the receiver of the case answers", where="CASE")
        if view.state not in ADJUSTABLE:
            fix = "Decide on the case as it is: the credit is not posted."
            raise Refused("step-illegal", f"step adjusted is not legal in state {view.state}", where="CASE", fix=fix)
        resting = [number for number in resting_lines(view, impact) if not lines or number in lines]
        if not resting:
            raise NotFound("not-found", "no credited line of the case rests on what changed", where="CASE")
        data: dict[str, Any] = {
            "reason": _reason(impact),
            "cause": index,
            "lines": [{"line": number, "outcome": outcome} for number in resting],
        }
        if note.strip():
            data["note"] = note.strip()
        return await self.transfers.step(case, "adjusted", data)

    async def _find(self, index: int, case: str) -> Impact:
        rows = await self.store.notices_about(None, PAGE, index=index)
        ruled = any(key.startswith(_RULE) for row in rows for key in row["affects"])
        rules = await self._cases_by_rule() if ruled else {}
        for row in rows:
            impact = await self._impact(row, {}, rules)
            if f"{_CASE}{case}" in {one.thing for one in impact.affected}:
                return impact
        fix = "See passerelle node transfer impacts."
        raise NotFound("not-found", f"no notice of entry {index} affects this case", where="INDEX", fix=fix)


def _reason(impact: Impact) -> str:
    if impact.about.startswith("credential:"):
        return REASONS.get(impact.event, "source-amended")
    return "programme-change"


def resting_lines(view: CaseView, impact: Impact) -> list[int]:
    """The credited lines of a case that rest on what changed.

    A credential that is not of the case itself is a component of a stack that is: which one the notice does not say, so
    that every credited line may rest on it.
    """
    credited = [line for line in view.lines if line["status"] == "credited"]
    kind, _, name = impact.about.partition(":")
    if kind == "credential":
        found = [line for line in credited if line["credential"] == name] or credited
    elif kind == "recognition":
        found = [line for line in credited if line.get("recognition") == name]
    else:
        rules = {one.thing.removeprefix(_RULE) for one in impact.affected if one.thing.startswith(_RULE)}
        found = [line for line in credited if line.get("recognition") in rules]
    return [line["line"] for line in found]


def answer_of(view: CaseView, index: int) -> str:
    """What the case's steps say in answer to an entry: changed, removed or kept; empty where they say nothing."""
    for step in reversed(view.told):
        if step.name == "adjusted" and step.data.get("cause") == index:
            said = {line["outcome"] for line in step.data["lines"]}
            return next(name for name in ("removed", "changed", "kept") if name in said)
    return ""
