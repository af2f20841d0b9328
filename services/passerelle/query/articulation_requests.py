"""Articulation requests: queues, one request with its steps, and how long decisions take.

The index says which requests there are and in which state; what was said in their steps is read from the ledger's
public events by log index. An event never changes, so that what was read is kept, up to a bound.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import Any, Final, Protocol

import orjson

from passerelle.api.equivalency.v1 import articulation_pb2 as pb
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.errors import FormatError, NotFound, PasserelleError
from passerelle.core.quantity import show_quantity
from passerelle.query import messages
from passerelle.query.articulation_rules import all_requests, request_of
from passerelle.query.equivalency import must_member
from passerelle.query.index import Index
from passerelle.query.moments import Moment, moment_at, resolve, wait_for_size
from passerelle.query.pages import numbers, open_page
from passerelle.query.ports import CaseStore, PublicEvent
from passerelle.query.records import RequestHistory
from passerelle.runtime.clock import as_datetime

MAX_MATCHING: Final = 20_000
MAX_REMEMBERED: Final = 100_000
"""Events whose data is remembered."""
OPEN: Final = frozenset({"requested", "returned"})
STATES: Final = {
    "requested": pb.REQUEST_STATE_REQUESTED,
    "returned": pb.REQUEST_STATE_RETURNED,
    "answered": pb.REQUEST_STATE_ANSWERED,
    "declined": pb.REQUEST_STATE_DECLINED,
}


class EventReader(Protocol):
    """Public events by log index."""

    async def events_at(self, indices: Sequence[int]) -> list[PublicEvent]:
        """The accepted public events at these indices whose bodies are held. Raises Unavailable."""


class QueryStore(CaseStore, EventReader, Protocol):
    """All that the services read of the ledger's database."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event about a request."""

    index: int
    member: str
    event: str
    subject: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A request at a moment: its state, its steps so far, the day of its decision (None while it is open)."""

    history: RequestHistory
    state: str
    steps: tuple[Step, ...]
    decided_on: dt.date | None

    @property
    def asked(self) -> Mapping[str, Any]:
        """What was asked: the data of its first event; empty where its body was withdrawn."""
        return self.steps[0].data if self.steps and self.steps[0].event == "requested" else {}

    @property
    def evaluator(self) -> str:
        """Whose turn it is."""
        given = [str(step.data["evaluator"]) for step in self.steps if step.event == "forwarded"]
        return given[-1] if given else self.history.receiver

    def age(self, today: dt.date) -> int:
        """Days from the question to the decision, or to today."""
        return max(0, ((self.decided_on or today) - self.history.since_date).days)

    def overdue(self, today: dt.date) -> bool:
        """Open, and past its target day."""
        due = self.asked.get("due_on")
        return self.decided_on is None and due is not None and today > dt.date.fromisoformat(str(due))


@dataclass(slots=True)
class Requests:
    """Answers about articulation requests. ``wait_s`` is how long a call may wait."""

    index: Index
    events: EventReader
    _steps: dict[int, Step] = field(default_factory=dict)

    async def queue(self, request: pb.ListRequestsRequest, wait_s: float) -> pb.ListRequestsResponse:
        """Requests that match, the oldest first. Raises the errors of the service's contract."""
        page = open_page(request)
        if page.first:
            moment = await self._moment(request, wait_s)
            start = 0
        else:
            size, start = numbers(page, 2)
            await wait_for_size(self.index, size, wait_s)
            moment = moment_at(self.index, size)
        for name in ("receiver", "evaluator", "sender"):
            must_member(self.index, getattr(request, name), moment.size, name)
        matching = [one for one in await self._at(self._like(request, moment), moment) if _fits(one, request, moment)]
        matching.sort(key=lambda one: (one.history.since_index, one.history.id))
        shown = matching[start : start + page.size]
        end = start + len(shown)
        titles = messages.Titles(self.index, moment.size)
        return pb.ListRequestsResponse(
            requests=[self._message(one, moment, titles) for one in shown],
            total=len(matching),
            next_page_token=page.token(moment.size, end) if end < len(matching) else "",
            position=moment.message(),
        )

    async def get(self, request: pb.GetRequestRequest, wait_s: float) -> pb.GetRequestResponse:
        """One request with all its steps."""
        if not request.request:
            raise FormatError("argument-missing", "Name a request.", where="request")
        moment = await self._moment(request, wait_s)
        history = request_of(self.index, request.request)
        if history is None or history.states.at(moment.size) is None:
            raise NotFound("not-found", "No such request is in the ledger at this position.", where="request")
        (found,) = await self._at([history], moment)
        message = self._message(found, moment, messages.Titles(self.index, moment.size))
        return pb.GetRequestResponse(request=message, position=moment.message())

    async def summarise(self, request: pb.SummariseRequestsRequest, wait_s: float) -> pb.SummariseRequestsResponse:
        """Counts and the median time to decision by receiver, in order of member id."""
        moment = await self._moment(request, wait_s)
        must_member(self.index, request.receiver, moment.size, "receiver")
        must_member(self.index, request.sender, moment.size, "sender")
        histories = [
            one
            for one in all_requests(self.index)
            if one.states.at(moment.size) is not None and _between(one, request.receiver, request.sender)
        ]
        # Only open ones can be overdue: what decided ones asked for need not be read.
        waiting = [one for one in histories if _state(one, moment.size) in OPEN]
        late = {one.history.id for one in await self._at(waiting, moment) if one.overdue(moment.date)}
        by_receiver: dict[str, list[RequestHistory]] = {}
        for one in histories:
            by_receiver.setdefault(one.receiver, []).append(one)
        rows = [self._summary(name, by_receiver[name], late, moment) for name in sorted(by_receiver)]
        return pb.SummariseRequestsResponse(receivers=rows, position=moment.message())

    async def _moment(self, request: Any, wait_s: float) -> Moment:
        known_at = request.known_at if request.HasField("known_at") else None
        return await resolve(self.index, known_at, request.min_position, wait_s=wait_s)

    def _like(self, request: pb.ListRequestsRequest, moment: Moment) -> list[RequestHistory]:
        """What fits as far as the index can tell. Raises PasserelleError ``too-many-items``."""
        prefix = request.subject.upper().replace(" ", "")
        wanted = {name for name, number in STATES.items() if number == request.state} or OPEN
        found = [
            one
            for one in all_requests(self.index)
            if one.states.at(moment.size) is not None
            and _between(one, request.receiver, request.sender)
            and one.achievement.partition("/")[2].upper().startswith(prefix)
            and (request.all_states or _state(one, moment.size) in wanted)
        ]
        if len(found) > MAX_MATCHING:
            raise PasserelleError(
                "too-many-items",
                f"More than {MAX_MATCHING} requests match.",
                where="receiver",
                fix="Name a receiver, a sender or a subject.",
            )
        return found

    async def _at(self, histories: Iterable[RequestHistory], moment: Moment) -> list[Found]:
        """These requests with what their steps say, at a moment."""
        held = list(histories)
        indices = {one.id: [index for index, _ in one.states.upto(moment.size)] for one in held}
        steps = await self._read(index for places in indices.values() for index in places)
        found = []
        for one in held:
            state = _state(one, moment.size)
            places = indices[one.id]
            decided = None if state in OPEN else self._day(places[-1])
            told = tuple(steps[index] for index in places if index in steps)
            found.append(Found(one, state, told, decided))
        return found

    async def _read(self, indices: Iterable[int]) -> Mapping[int, Step]:
        wanted = list(indices)
        missing = [index for index in wanted if index not in self._steps]
        if len(self._steps) + len(missing) > MAX_REMEMBERED:
            self._steps.clear()
            missing = wanted
        for first in range(0, len(missing), 1_000):
            for event in await self.events.events_at(missing[first : first + 1_000]):
                name = EVENT_TYPES[event.type].event
                data = orjson.loads(event.body)["data"]
                self._steps[event.index] = Step(event.index, event.member, name, event.subject, data)
        # What is forgotten while another call reads is still this call's.
        return {index: self._steps[index] for index in wanted if index in self._steps}

    def _day(self, index: int) -> dt.date:
        return as_datetime(self.index.clockwork.accepted_at(index + 1)).date()

    def _message(self, one: Found, moment: Moment, titles: messages.Titles) -> pb.ArticulationRequest:
        history, asked = one.history, one.asked
        outline = asked.get("outline") or {}
        for step in one.steps:
            outline = (step.data.get("outline") or outline) if step.event == "resubmitted" else outline
        needed = [step for step in one.steps if step.event == "returned"]
        last = one.steps[-1] if one.steps else None
        return pb.ArticulationRequest(
            id=history.id,
            asked_by=history.id.partition("/")[0],
            achievement=history.achievement,
            title=titles.of(history.achievement),
            achievement_version=asked.get("achievement_version") or 0,
            receiver=history.receiver,
            receiver_names=self.index.names(history.receiver),
            evaluator=one.evaluator,
            towards=asked.get("towards") or "",
            replaces=asked.get("replaces") or "",
            outline_url=outline.get("url") or "",
            outline_sha256=outline.get("sha256") or "",
            due_on=str(asked.get("due_on") or ""),
            note=asked.get("note") or "",
            state=STATES[one.state],
            since=history.since_date.isoformat(),
            since_index=history.since_index,
            age_days=one.age(moment.date),
            overdue=one.overdue(moment.date),
            answer=last.subject if last is not None and one.state == "answered" else "",
            needed=needed[-1].data["needed"] if needed and one.state == "returned" else (),
            steps=[self._step(step) for step in one.steps],
        )

    def _step(self, step: Step) -> pb.ArticulationRequest.Step:
        return pb.ArticulationRequest.Step(
            index=step.index,
            on=self._day(step.index).isoformat(),
            member=step.member,
            event=step.event,
            note="; ".join(step.data.get("needed") or ()) or step.data.get("note") or "",
        )

    def _summary(
        self, receiver: str, histories: Sequence[RequestHistory], late: set[str], moment: Moment
    ) -> pb.SummariseRequestsResponse.Summary:
        counts = dict.fromkeys(STATES, 0)
        days, oldest = list[Fraction](), 0
        for one in histories:
            state = _state(one, moment.size)
            counts[state] += 1
            if state in OPEN:
                oldest = max(oldest, (moment.date - one.since_date).days)
            else:
                last = [index for index, _ in one.states.upto(moment.size)][-1]
                days.append(Fraction((self._day(last) - one.since_date).days))
        return pb.SummariseRequestsResponse.Summary(
            receiver=receiver,
            open=counts["requested"] + counts["returned"],
            overdue=sum(one.id in late for one in histories),
            answered=counts["answered"],
            declined=counts["declined"],
            median_days=show_quantity(median(days)) if days else "",
            oldest_days=oldest,
        )


def _state(one: RequestHistory, size: int) -> str:
    found = one.states.at(size)
    return "" if found is None else found[1]


def _between(one: RequestHistory, receiver: str, sender: str) -> bool:
    return receiver in {"", one.receiver} and sender in {"", one.achievement.partition("/")[0]}


def _fits(one: Found, request: pb.ListRequestsRequest, moment: Moment) -> bool:
    """What only the steps can tell."""
    return (
        request.evaluator in {"", one.evaluator}
        and one.age(moment.date) >= request.min_age_days
        and (not request.overdue or one.overdue(moment.date))
    )
