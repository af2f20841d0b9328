"""The demo as a caller of the query service: as the public, or as a member with its own key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import grpc
import orjson

from passerelle.api.equivalency.v1 import equivalency_pb2, equivalency_pb2_grpc
from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.api.portability.v1 import portability_pb2, portability_pb2_grpc
from passerelle.api.transfer.v1 import transfer_pb2, transfer_pb2_grpc
from passerelle.demo.facts import Logged, Tally
from passerelle.demo.project import event_word
from passerelle.runtime.clock import Clock
from passerelle.runtime.identity import make_token
from passerelle.runtime.rpc import from_rpc_error, metadata, open_channel

CALL_S: Final = 20.0
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """One of a member's own entries, as the ledger has it: ``data`` of the body, empty where the body is withheld."""

    type: str
    subject: str
    accepted: bool
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inboxed:
    """One record of a member's inbox."""

    number: int
    kind: str
    value: Mapping[str, Any]


class Asker:
    """All questions of the demo go through here. Raises the services' typed errors.

    ``position`` is the size of the log that answers must cover; ``seeds`` by member, for what only a party may read.
    """

    def __init__(self, address: str, *, network: str, clock: Clock, seeds: Mapping[str, bytes]) -> None:
        self._channel = open_channel(address)
        self._network = network
        self._clock = clock
        self._seeds = seeds
        self._equivalency = equivalency_pb2_grpc.EquivalencyServiceStub(self._channel)
        self._portability = portability_pb2_grpc.PortabilityServiceStub(self._channel)
        self._transfer = transfer_pb2_grpc.TransferServiceStub(self._channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(self._channel)
        self.position = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    def _token(self, member: str) -> str | None:
        if not member:
            return None
        now_s = self._clock.now_ms() // 1000
        return make_token(self._seeds[member], member=member, network=self._network, now_s=now_s)

    async def _call(self, method: Any, request: Any, member: str = "") -> Any:
        try:
            return await method(request, timeout=CALL_S, metadata=metadata(self._token(member)))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    # Public questions

    async def head(self) -> int:
        """Entries in the log."""
        return int((await self._call(self._ledger.GetHead, ledger_pb2.GetHeadRequest())).position.size)

    async def members(self) -> dict[str, Any]:
        """The registry by member id."""
        answer = await self._call(self._ledger.ListMembers, ledger_pb2.ListMembersRequest())
        return {member.id: member for member in answer.members}

    async def stream(self, member: str, family: str) -> tuple[int, int]:
        """The last number decided in a stream, and how many events wait behind it."""
        request = ledger_pb2.GetStreamRequest(member=member, family=family)
        answer = await self._call(self._ledger.GetStream, request)
        return int(answer.sequence), int(answer.waiting)

    async def portability(
        self, achievement: str, *, pack: str = "", jurisdictions: Sequence[str] = (), asked_on: str
    ) -> portability_pb2.AssessResponse:
        """Is it portable, by which pack's criteria."""
        request = portability_pb2.AssessRequest(
            achievement=achievement,
            pack=pack,
            asked_on=asked_on,
            jurisdictions=jurisdictions,
            min_position=self.position,
        )
        answer: portability_pb2.AssessResponse = await self._call(self._portability.Assess, request)
        return answer

    async def leads_to(self, framework: str, code: str) -> portability_pb2.LeadsToResponse:
        """Which achievements lead to a term of a framework, such as an occupation."""
        request = portability_pb2.LeadsToRequest(
            framework=framework, code=code, page_size=PAGE, min_position=self.position
        )
        answer: portability_pb2.LeadsToResponse = await self._call(self._portability.LeadsTo, request)
        return answer

    async def find(self, achievement: str, valid_on: str) -> equivalency_pb2.FindResponse:
        """What it counts for, anywhere."""
        request = equivalency_pb2.FindRequest(
            achievement=achievement, valid_on=valid_on, min_position=self.position, page_size=PAGE
        )
        answer: equivalency_pb2.FindResponse = await self._call(self._equivalency.Find, request)
        return answer

    async def achievement(self, achievement: str) -> equivalency_pb2.Achievement:
        """All that was published about it."""
        request = equivalency_pb2.GetAchievementRequest(achievement=achievement, min_position=self.position)
        answer = await self._call(self._equivalency.GetAchievement, request)
        found: equivalency_pb2.Achievement = answer.achievement
        return found

    async def of_framework(self, framework: str) -> tuple[int, list[equivalency_pb2.Achievement]]:
        """The achievements aligned to a framework, and how many there are."""
        request = equivalency_pb2.SearchRequest(framework=framework, page_size=PAGE)
        answer = await self._call(self._equivalency.Search, request)
        return int(answer.total), list(answer.achievements)

    async def evaluate(
        self, lines: Sequence[Mapping[str, Any]], receiver: str, valid_on: str
    ) -> list[equivalency_pb2.EvaluateResponse]:
        """A transcript at one receiver; the last answer carries the totals."""
        request = equivalency_pb2.EvaluateRequest(
            lines=[equivalency_pb2.TranscriptLine(**line) for line in lines],
            receiver=receiver,
            valid_on=valid_on,
            min_position=self.position,
        )
        try:
            return [answer async for answer in self._equivalency.Evaluate(request, timeout=CALL_S)]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    # As a party

    async def case(self, case: str, member: str) -> transfer_pb2.Case:
        """One transfer case."""
        request = transfer_pb2.ShowRequest(case=case, min_position=self.position)
        answer = await self._call(self._transfer.Show, request, member)
        found: transfer_pb2.Case = answer.case
        return found

    async def cases(self, member: str) -> list[transfer_pb2.Case]:
        """A member's cases as receiver."""
        request = transfer_pb2.ListRequest(role="receiver", page_size=PAGE, min_position=await self.head())
        return list((await self._call(self._transfer.List, request, member)).cases)

    async def resting_on(self, key: str, member: str) -> list[transfer_pb2.Dependent]:
        """A member's cases, stacks and assessments that rest on a thing."""
        request = transfer_pb2.DependentsRequest(on=key)
        return list((await self._call(self._transfer.Dependents, request, member)).dependents)

    async def own_events(self, member: str, family: str) -> list[OwnEvent]:
        """A member's stream from its first number to its last; for short streams."""
        last, _ = await self.stream(member, family)
        found = []
        for sequence in range(1, last + 1):
            where = ledger_pb2.StreamPosition(member=member, family=family, sequence=sequence)
            request = ledger_pb2.GetEntryRequest(stream=where)
            answer = await self._call(self._ledger.GetEntry, request, member)
            accepted = answer.entry.split(b"\n")[2] == b"accepted"
            data = orjson.loads(answer.body)["data"] if answer.body else {}
            found.append(OwnEvent(answer.type, answer.subject, accepted, data))
        return found

    async def inbox(self, member: str, kind: str) -> list[Inboxed]:
        """All records of one kind in a member's inbox, in order."""
        found, after = list[Inboxed](), 0
        while True:
            request = ledger_pb2.ListInboxRequest(member=member, after=after, page_size=PAGE)
            records = (await self._call(self._ledger.ListInbox, request, member)).records
            if not records:
                return [record for record in found if record.kind == kind]
            found += [Inboxed(record.number, record.kind, orjson.loads(record.value)) for record in records]
            after = found[-1].number

    async def tally(self, member: str) -> Tally:
        """Every entry of the log up to the head, counted as ``member`` may read it: the operator sees all types."""
        found, size = Tally(), await self.head()
        calls = self._ledger.Watch(ledger_pb2.WatchRequest(from_index=0), metadata=metadata(self._token(member)))
        try:
            async for answer in calls if size else _nothing():
                lines = answer.entry.decode("ascii").split("\n")
                accepted, member, family, sequence = lines[2] == "accepted", lines[10], lines[11], int(lines[12])
                found.take(Logged(member, family, sequence, accepted, event_word(answer.type)))
                if answer.index == size - 1:
                    break
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            calls.cancel()
        return found


async def _nothing() -> AsyncIterator[Any]:
    """An empty stream."""
    for answer in list[Any]():
        yield answer
