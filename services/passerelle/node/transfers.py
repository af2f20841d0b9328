"""Transfer cases: opened by the receiver under one release, decided line by line, posted, adjusted.

Each step names the version of the case that it was decided on. The node counts the versions from its own events and
from the other party's that came in; the ledger refuses a stale one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, NotFound, Refused
from passerelle.core.lifecycle import ABSENT, next_state
from passerelle.node.author import Author
from passerelle.node.csv_cells import CREDIT, CellError, owned
from passerelle.node.plan import NewEvent
from passerelle.node.ports import CaseRow, CaseStore
from passerelle.node.release_file import ProvedRelease
from passerelle.runtime.clock import Clock
from passerelle.runtime.ids import Ids


class TransferStore(CaseStore, Protocol):
    """Cases and their events."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a case; ``index`` is None while the ledger has not answered."""

    index: int | None
    name: str
    member: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as this node knows it: ``version`` is what the next step must name, ``level`` counts its decisions."""

    id: str
    state: str
    version: int
    sender: str
    receiver: str
    release: str
    credentials: tuple[str, ...]
    programme: str
    lines: tuple[Mapping[str, Any], ...]
    told: tuple[Step, ...]
    due_on: str = ""
    appeal_by: str = ""
    final: bool = False
    level: int = 0
    permission: str = ""
    """The letter of permission that the learner returns under."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its events, in order."""
        return tuple(step.name for step in self.told)

    @property
    def posted_at(self) -> int | None:
        """Log index of the latest posting."""
        return next((step.index for step in reversed(self.told) if step.name == "posted"), None)

    @property
    def documents(self) -> tuple[Mapping[str, Any], ...]:
        """What its events say of documents, in order: hash, type, size, role."""
        return tuple(document for step in self.told for document in step.data.get("documents") or ())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "case": self.id,
            "state": self.state,
            "version": self.version,
            "sender": self.sender,
            "receiver": self.receiver,
            "release": self.release,
            "credentials": list(self.credentials),
            "programme": self.programme,
            "lines": [dict(line) for line in self.lines],
            "steps": list(self.steps),
            "due_on": self.due_on,
            "appeal_by": self.appeal_by,
            "final": self.final,
            "level": self.level,
            "permission": self.permission,
        }


@dataclass(frozen=True, slots=True)
class Transfers:
    """The use cases. Releasing drafts is the caller's."""

    store: TransferStore
    author: Author
    clock: Clock
    ids: Ids
    member: str

    async def request(
        self,
        proved: ProvedRelease,
        learner: str,
        *,
        programme: str,
        due_on: str,
        permission: str = "",
        pending: bool = False,
    ) -> tuple[str, Any]:
        """Draft the opening of a case; its id and the draft. ``pending``: a person has still to compare the learner."""
        case = self.ids.uuid7()
        data: dict[str, Any] = {
            "release": proved.release,
            "sender": proved.sender,
            "receiver": self.member,
            "credentials": list(proved.credentials),
        }
        more = (("programme", programme), ("due_on", due_on), ("permission", permission))
        data |= {name: value for name, value in more if value}
        draft = self.author.draft(NewEvent(BY_NAME["transfer.requested"], case, data))
        row = CaseRow(case, proved.release, proved.sender, learner)
        if pending:
            row = CaseRow(case, proved.release, proved.sender, None, "pending", learner)
        await self.store.save_case(row, [draft], self.clock.now_ms())
        return case, draft

    async def view(self, case: str) -> CaseView:
        """The case from its events, unanswered ones of ours included. Raises NotFound ``not-found``."""
        thing = f"transfer:{case}"
        rows = [row for row in await self.store.events_of(thing) if row.outcome != "refused"]
        # Ours may come back from the inbox: the index tells one from another. What is unanswered stands last.
        logged = {row.index: row.signed.body for row in rows if row.index is not None}
        logged |= {body.index: body.body for body in await self.store.bodies_of(thing)}
        steps = [_step(index, logged[index]) for index in sorted(logged)]
        steps += [_step(None, row.signed.body) for row in rows if row.index is None]
        if not steps:
            raise NotFound("not-found", "this node knows no such case", where="CASE")
        return view_of(case, steps)

    async def step(self, case: str, name: str, data: Mapping[str, Any], *, version: int | None = None) -> NewEvent:
        """A step on the case's latest version, or on the one stated.

        Raises Refused ``learner-mismatch`` where credit would go to the record of nobody.
        """
        view = await self.view(case)
        row = await self.store.case(case) if name == "posted" else None
        if row is not None and row.matched != "confirmed":
            fix = "Compare the person, then run passerelle node transfer match."
            raise Refused("learner-mismatch", f"the person of this case is {row.matched}", where="CASE", fix=fix)
        given = dict(data)
        if name == "adjusted" and view.posted_at is not None:
            given.setdefault("earlier", view.posted_at)
        return NewEvent(BY_NAME[f"transfer.{name}"], case, {"expected_version": version or view.version, **given})

    async def line(self, case: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """One decision line from what a person stated; the credential and the rule's outcome are filled in."""
        view = await self.view(case)
        line: dict[str, Any] = {name: value for name, value in given.items() if value not in (None, "")}
        if "credential" not in line:
            if len(view.credentials) != 1:
                fix = "Name it with --credential."
                raise Refused("argument-missing", "the case has several credentials", where="--credential", fix=fix)
            line["credential"] = view.credentials[0]
        if "recognition" in line:
            needed = line["status"] in {"credited", "conditional"} and "outcome" not in line
            await self._apply_rule(line, needed=needed)
        return line

    async def _apply_rule(self, line: dict[str, Any], *, needed: bool) -> None:
        """The entry of the rule's latest version into the line, and its outcome where that is ``needed``."""
        recognition = str(line["recognition"])
        rows = [row for row in await self.store.events_of(f"recognition:{recognition}") if row.outcome != "refused"]
        for row in reversed(rows):
            data = orjson.loads(row.signed.body)["data"]
            if "outcome" in data or (row.type == BY_NAME["recognition.denied"].full and not needed):
                if row.index is not None:
                    line["recognition_index"] = row.index
                if needed:
                    line["outcome"] = data["outcome"]
                return
        if not needed:
            return
        fix = "State the outcome, or name a rule that this node published."
        raise NotFound("record-unknown", "this node published no such rule", where="--recognition", fix=fix)


def _step(index: int | None, body: bytes) -> Step:
    value = orjson.loads(body)
    return Step(index, str(value["type"]).split(".")[-2], str(value["source"]).rpartition(":")[2], value["data"])


def view_of(case: str, told: Sequence[Step]) -> CaseView:
    """The case that these events make, in their order."""
    first, state, level = told[0].data, ABSENT, 0
    lines: dict[int, Mapping[str, Any]] = {}
    said: dict[str, Any] = {"final": False, "appeal_by": "", "programme": str(first.get("programme") or "")}
    for step in told:
        settles = step.name == "decided" and state in {"decided", "posted"}
        state = next_state("transfer", state, step.name) or state
        if step.name == "decided":
            level += 0 if settles else 1
            lines = {line["line"]: line for line in step.data["lines"]}
            said["final"] = bool(step.data.get("final")) or (settles and said["final"])
            said["appeal_by"] = str(step.data.get("appeal_by") or (said["appeal_by"] if settles else ""))
        elif step.name == "adjusted":
            lines |= {line["line"]: _adjusted(lines.get(line["line"], {}), line) for line in step.data["lines"]}
        elif step.name == "posted":
            said["programme"] = str(step.data["programme"])
    return CaseView(
        id=case,
        state=state,
        version=len(told),
        sender=str(first.get("sender", "")),
        receiver=str(first.get("receiver", "")),
        release=str(first.get("release", "")),
        credentials=tuple(first.get("credentials", ())),
        lines=tuple(lines[number] for number in sorted(lines)),
        told=tuple(told),
        due_on=str(first.get("due_on") or ""),
        permission=str(first.get("permission") or ""),
        level=level,
        **said,
    )


def _adjusted(line: Mapping[str, Any], change: Mapping[str, Any]) -> Mapping[str, Any]:
    """A posted line as an adjustment leaves it."""
    if change["outcome"] == "removed":
        return {**line, "status": "removed"}
    return {**line, "outcome": change["new_outcome"]} if change["outcome"] == "changed" else line


def assigned(course: str, amount: str, member: str) -> dict[str, Any] | None:
    """Assigned credit from two options; None where neither is given. Raises FormatError ``argument-invalid``."""
    if not course and not amount:
        return None
    try:
        return {"type": "assigned", "achievement": owned(course, member), "credits": CREDIT.parse(amount, member)}
    except CellError as error:
        raise FormatError("argument-invalid", error.what, where="--credit or --amount", fix=error.fix) from None
