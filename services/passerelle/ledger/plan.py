"""Building the rows of one commit while its events are decided. Pure: rows in memory, no clock, no IO."""

from __future__ import annotations

import base64
from typing import Any, Final

import orjson

from passerelle.core.batch import SignedStatement
from passerelle.core.decide import Accepted, Rejected
from passerelle.core.entry import ACCEPTED, entry_bytes, refused
from passerelle.core.errors import code_info
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.registry import Registry
from passerelle.core.statement import PUBLIC
from passerelle.core.streams import StreamHead
from passerelle.core.things import CaseCount, Effects
from passerelle.core.tiles import grow
from passerelle.ledger.judging import refusal_told
from passerelle.ledger.model import CommitPlan, Prepared, Spent, SpentId, StreamId, Unverified
from passerelle.ledger.summary import case_rows, place_of, write_summary
from passerelle.ledger.view import PlanView

HOUR_MS: Final = 3_600_000
RECEIPTS_MAX: Final = 512 * 1024
"""Bytes of receipts in one inbox record: a producer takes records below 1 MiB."""


class _Receipts:
    """The outcomes of one member: JSON pieces, because an object for each of thousands would cost more."""

    __slots__ = ("families", "heads", "size")

    def __init__(self) -> None:
        self.families: dict[str, list[bytes]] = {}
        # The highest number told of each family, and its statement's digest: a link to everything before it.
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.size = 0

    def add(self, family: str, sequence: int, spent: Spent) -> None:
        """One outcome. A refusal carries what the sender needs to mend it."""
        if spent.code is None:
            piece = b'{"sequence":%d,"index":%d,"outcome":"accepted"}' % (sequence, spent.index)
        else:
            told = {"sequence": sequence, "index": spent.index, "outcome": "refused", "code": spent.code}
            piece = orjson.dumps(told | (spent.refusal or {}))
        parts = self.families.get(family)
        if parts is None:
            start = b'{"family":"%b","from":%d,"outcomes":[' % (family.encode(), sequence)
            parts = self.families[family] = [start]
        parts.append(piece)
        self.size += len(piece) + 1
        head = self.heads.get(family)
        if head is None or sequence > head[0]:
            self.heads[family] = (sequence, spent.digest)

    def value(self) -> bytes:
        """The inbox record's value."""
        streams = (
            b'%b%b],"digest":"%b"}' % (parts[0], b",".join(parts[1:]), self.heads[family][1].hex().encode())
            for family, parts in self.families.items()
        )
        return b"[%b]" % b",".join(streams)


class PlanBuilder:
    """Collects rows; ``inbox_numbers`` is the sequencer's own and is counted up when the plan is finished."""

    def __init__(self, size: int, accepted_at: int, registry: Registry, inbox_numbers: dict[str, int]) -> None:
        self.plan = CommitPlan(size_before=size, size=size, accepted_at=accepted_at)
        self._registry = registry
        self._inbox_numbers = inbox_numbers
        self._leaves: list[bytes] = []
        self._receipts: dict[str, _Receipts] = {}
        self._letters: list[tuple[str, str, int | None, bytes | None]] = []
        self._told: set[tuple[str, str, str]] = set()
        self._waiting: dict[SpentId, tuple[Any, ...]] = {}
        self._counts: dict[tuple[str, str, str], list[int]] = {}
        self._cases: list[CaseCount] = []

    # Entries

    def log(self, item: Prepared, verdict: Accepted | Rejected) -> Spent:
        """One entry at the next index, its body where it belongs, its receipt. Returns what the number is spent on."""
        plan, statement, event = self.plan, item.statement, item.event
        index = plan.size
        plan.size = index + 1
        code = verdict.code if isinstance(verdict, Rejected) else None
        arrived = item.arrived
        outcome = ACCEPTED if code is None else refused(code)
        entry = entry_bytes(plan.accepted_at, outcome, arrived.proof, arrived.statement)
        self._leaves.append(entry)
        told = None
        if isinstance(verdict, Rejected):
            told = refusal_told(verdict)
        kind = event.type.full if event is not None else None
        subject = event.subject if event is not None else None
        member, family, sequence = statement.member, statement.family, statement.sequence
        plan.entries.append(
            (
                index,
                plan.accepted_at,
                member,
                family,
                sequence,
                statement.visibility,
                code,
                None if told is None else orjson.dumps(told),
                kind,
                subject,
                item.digest,
                entry,
                item.raw.ingress,
            )
        )
        if isinstance(verdict, Accepted):
            self._keep_body(item, index, verdict.effects)
        else:
            plan.refused_bodies.append((index, member, subject, plan.accepted_at, item.body))
        self._count(member, family, kind or "", accepted=code is None)
        spent = Spent(item.digest, index, code, told)
        self.receipt(member, family, sequence, spent)
        return spent

    def _keep_body(self, item: Prepared, index: int, effects: Effects) -> None:
        plan, statement, body = self.plan, item.statement, item.body
        if statement.visibility == PUBLIC:
            plan.public_bodies.append((index, statement.body_sha256, body))
            return
        assert item.event is not None
        parties = sorted({*effects.parties, statement.member})
        plan.party_bodies.append((index, item.event.subject, parties, body))
        for party in parties:
            if party != statement.member:
                self._letters.append((party, "body", index, None))

    def effects(self, item: Prepared, effects: Effects, index: int) -> None:
        """Edges, erasures, notices and counts of an accepted event; its things are in the view."""
        plan, event = self.plan, item.event
        assert event is not None
        if effects.counted is not None:
            self._cases.append(effects.counted)
        for key in effects.undepend:
            plan.undepend.append(key)
            for edge in [edge for edge in plan.dependencies if edge[1] == key]:
                del plan.dependencies[edge]
        for item_edge in effects.dependencies:
            plan.dependencies[(item_edge.on, item_edge.dependent, item_edge.member)] = item_edge
        for subject in effects.erase:
            plan.erase.append((subject, index))
        for notice in effects.notices:
            value = notice.value(index, event.member)
            self._letters.append((notice.member, "notice", None, orjson.dumps(value)))

    def _count(self, member: str, family: str, kind: str, *, accepted: bool) -> None:
        counts = self._counts.get((member, family, kind))
        if counts is None:
            counts = self._counts[(member, family, kind)] = [0, 0]
        counts[0 if accepted else 1] += 1

    # What members are told

    def receipt(self, member: str, family: str, sequence: int, spent: Spent) -> None:
        """Tell a member the outcome at one of its numbers, or tell it again."""
        receipts = self._receipts.get(member)
        if receipts is None or receipts.size >= RECEIPTS_MAX:
            self._close_receipts(member)
            receipts = self._receipts[member] = _Receipts()
        receipts.add(family, sequence, spent)

    def _close_receipts(self, member: str) -> None:
        receipts = self._receipts.pop(member, None)
        if receipts is not None:
            self._letters.append((member, "receipts", None, receipts.value()))

    def resend_from(self, stream: StreamId, sequence: int) -> None:
        """Ask a member to relay a stream again from a number."""
        value = orjson.dumps({"family": stream[1], "sequence": sequence})
        self._letters.append((stream[0], "resend-from", None, value))

    def problem(self, stream: StreamId, code: str, sequence: int, head: StreamHead) -> None:
        """Tell a member of a statement that spent no number; one a stream and code in a commit is enough."""
        told = (*stream, code)
        if told in self._told:
            return
        self._told.add(told)
        info = code_info(code)
        value = {
            "code": code,
            "family": stream[1],
            "sequence": sequence,
            "what": info.meaning,
            "fix": info.fix,
            "head": {"sequence": head.sequence, "digest": head.digest.hex()},
        }
        self._letters.append((stream[0], "problem", None, orjson.dumps(value)))

    # What spends no number

    def unverified(self, item: Unverified) -> None:
        """One record for the operator: where it lies and why, never what it says."""
        raw, at = item.raw, self.plan.accepted_at
        value: dict[str, Any] = {
            "code": item.code,
            "topic": raw.topic,
            "partition": raw.partition,
            "offset": raw.offset,
            "arrived_at": at,
            "count": 1,
        }
        if item.member_named:
            value["member_named"] = item.member_named
        self.plan.unverified.append((at, raw.ingress, item.code, orjson.dumps(value)))

    def conflict(self, item: Prepared) -> None:
        """Keep a statement that cannot stand as evidence against whoever signed two."""
        statement, signed = item.statement, item.signed
        self.plan.conflicts.append(
            (
                self.plan.accepted_at,
                statement.member,
                statement.family,
                statement.sequence,
                item.digest,
                signed.statement,
                signed.batch_signature,
                signed.key_id,
                encode_headers(signed),
                signed.body,
            )
        )

    def park(self, item: Prepared, arrived_at: int) -> None:
        """Store an event that waits."""
        raw, statement = item.raw, item.statement
        self._waiting[(statement.member, statement.family, statement.sequence)] = (
            statement.member,
            statement.family,
            statement.sequence,
            arrived_at,
            raw.topic,
            raw.partition,
            raw.offset,
            raw.key,
            encode_headers(item.signed),
            raw.value,
        )

    def unpark(self, item: Prepared) -> None:
        """The event waits no more."""
        statement = item.statement
        place = (statement.member, statement.family, statement.sequence)
        if self._waiting.pop(place, None) is None:
            self.plan.waiting_gone.append(place)

    # The end

    def finish(self, view: PlanView, frontier: Frontier) -> CommitPlan:
        """The whole plan; ``frontier`` grows by its entries."""
        plan = self.plan
        if self._leaves:
            plan.tiles = grow(frontier, leaf_hashes(self._leaves))
            plan.summary = self._summary()
            plan.volume = self._volume()
        plan.peaks = frontier.peaks
        for key, thing in view.changed.items():
            (plan.things_new if key in view.created else plan.things_changed).append(thing)
        plan.waiting_new = list(self._waiting.values())
        for member in list(self._receipts):
            self._close_receipts(member)
        for member, kind, index, value in self._letters:
            number = self._inbox_numbers.get(member, 0) + 1
            self._inbox_numbers[member] = number
            plan.inbox_heads[member] = number
            plan.inbox.append((member, number, kind, plan.size, index, value, plan.accepted_at))
        return plan

    def _volume(self) -> dict[tuple[int, str], list[int]]:
        hour = self.plan.accepted_at // HOUR_MS
        volume: dict[tuple[int, str], list[int]] = {}
        for (_, family, _), (accepted, refusals) in self._counts.items():
            total = volume.setdefault((hour, family), [0, 0])
            total[0] += accepted
            total[1] += refusals
        return volume

    def _summary(self) -> bytes:
        plan, registry = self.plan, self._registry
        counts = [
            {
                "member": member,
                "jurisdiction": place_of(registry, member),
                "family": family,
                "type": kind,
                "accepted": accepted,
                "refused": refusals,
            }
            for (member, family, kind), (accepted, refusals) in self._counts.items()
        ]
        cases = case_rows(self._cases, registry)
        return write_summary(plan.size_before, plan.size, plan.accepted_at, counts, cases)


def encode_headers(signed: SignedStatement) -> bytes:
    """The seven ingress headers as JSON: ``[[name, base64 value], ...]``. Others are of no use and may say anything."""
    return orjson.dumps([[name, base64.b64encode(value).decode()] for name, value in signed.headers()])


def decode_headers(headers: list[list[str]]) -> list[tuple[str, bytes | None]]:
    """What :func:`encode_headers` wrote, read."""
    return [(name, base64.b64decode(value)) for name, value in headers]
