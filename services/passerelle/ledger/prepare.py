"""From a Kafka record to an event that can be decided: form, hashes, signature, body.

Nothing here changes the ledger's state. What fails is nobody's (:class:`Unverified`), except the body: a body that is
what its member signed and yet cannot be read is refused, logged and answered, so its refusal travels in
:class:`Prepared`.

Records are prepared together, in three steps: form and hashes of all, then the signatures that are not known yet
(one for a whole batch), then the bodies. :class:`Preparer` lets the event loop run between slices of a step.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from passerelle.core.batch import read_headers
from passerelle.core.batchtree import BatchTree
from passerelle.core.decide import first_needs
from passerelle.core.errors import FormatError, Refused, SignatureInvalid
from passerelle.core.merkle import leaf_hash
from passerelle.core.registry import Registry
from passerelle.core.signature import SignedMessage, verify
from passerelle.core.statement import FAMILIES, digest, parse_statement
from passerelle.events.codec import parse_event, read_again
from passerelle.events.topics import ingress_topic
from passerelle.ledger.model import Item, Prepared, RawRecord, Unverified
from passerelle.ledger.verifying import Claim, VerifyPool, Work
from passerelle.runtime.clock import as_datetime

TREES: Final = 64
"""Batches whose trees are remembered: at most some 0.4 MB each. Events of one batch arrive close together."""
SLICE: Final = 50
"""Records between two looks at the event loop: some 3 ms."""
_TOPIC_OF: Final = {family: ingress_topic(family) for family in FAMILIES}

_T = TypeVar("_T")
TreeId = tuple[str, str, int, bytes]
"""(key id, member, size, signature)."""


class Trees:
    """The trees of the latest batches, by what they were signed with; the one unused for longest goes first."""

    __slots__ = ("_maximum", "_trees")

    def __init__(self, maximum: int = TREES) -> None:
        self._maximum = maximum
        self._trees: dict[TreeId, BatchTree] = {}

    def of(self, key: TreeId) -> BatchTree:
        """The tree of a batch, a new one where it is not remembered."""
        tree = self._trees.pop(key, None)
        if tree is None:
            tree = BatchTree(key[2])
            while len(self._trees) >= self._maximum:
                del self._trees[next(iter(self._trees))]
        self._trees[key] = tree
        return tree

    def drop(self, tree: BatchTree) -> None:
        """Forget a tree whose root was not signed: it must not stand in the way of the true one."""
        self._trees = {key: held for key, held in self._trees.items() if held is not tree}


def read_form(raw: RawRecord, registry: Registry, trees: Trees) -> Item:
    """Check all that needs no key."""
    member = ""
    try:
        arrived = read_headers(raw.headers)
        if raw.value is None:
            raise FormatError("body-absent", "The record has no value.")
        statement = parse_statement(arrived.statement)
        member = statement.member
        if statement.network != registry.network:
            return Unverified(raw, "network-mismatch", member)
        if raw.key != member.encode("ascii"):
            return Unverified(raw, "kafka-key-mismatch", member)
        if raw.topic != _TOPIC_OF[statement.family]:
            return Unverified(raw, "topic-mismatch", member)
        if digest(raw.value) != statement.body_sha256:
            return Unverified(raw, "body-hash-mismatch", member)
        size, tree = arrived.batch_size, None
        if size == 1:
            if arrived.batch_path:
                raise FormatError("path-invalid", "A batch of one has no path.", where="batch-path")
            root = leaf_hash(arrived.statement)
        else:
            tree = trees.of((arrived.key_id, member, size, arrived.batch_signature))
            root = tree.climb(arrived.batch_index, arrived.statement, arrived.batch_path)
    except (FormatError, SignatureInvalid) as error:
        return Unverified(raw, error.code, member)
    if tree is not None and root != tree.root:
        tree = None
    stream = (member, statement.family)
    return Prepared(raw, arrived, raw.value, statement, stream, digest(arrived.statement), root, tree)


@dataclass(slots=True)
class _Check:
    """One signature and the items, by their place, that stand or fall with it."""

    signed: SignedMessage
    tree: BatchTree | None
    places: list[int]


def pending(items: list[Item], registry: Registry) -> list[_Check]:
    """The signatures to check; items of a batch that is trusted are marked, those of a foreign key made unverified.

    An unknown key is not the end: a member event before it may still list it.
    """
    checks: list[_Check] = []
    of_tree: dict[int, _Check] = {}
    for place, item in enumerate(items):
        if isinstance(item, Unverified) or item.checked:
            continue
        found = registry.key_for(item.arrived.key_id)
        if found is None:
            continue
        owner, key = found
        tree = item.tree
        if owner != item.statement.member:
            items[place] = Unverified(item.raw, "key-of-other-member", item.statement.member)
        elif tree is not None and tree.trusted:
            item.checked = True
        elif tree is not None and id(tree) in of_tree:
            of_tree[id(tree)].places.append(place)
        else:
            signed = SignedMessage(key.public_key, item.message, item.arrived.batch_signature)
            check = _Check(signed, tree, [place])
            checks.append(check)
            if tree is not None:
                of_tree[id(tree)] = check
    return checks


def settle(items: list[Item], checks: Sequence[_Check], good: Sequence[bool], trees: Trees) -> None:
    """Take the outcomes of the checks in."""
    for check, fine in zip(checks, good, strict=True):
        if check.tree is not None:
            check.tree.trusted = fine
            if not fine:
                trees.drop(check.tree)
        for place in check.places:
            item = items[place]
            assert isinstance(item, Prepared)
            if fine:
                item.checked = True
            else:
                items[place] = Unverified(item.raw, "signature-invalid", item.statement.member)


def check_late(item: Prepared, registry: Registry, trees: Trees) -> Unverified | None:
    """Check an item whose key was unknown when it was prepared; None where it is good."""
    items: list[Item] = [item]
    checks = pending(items, registry)
    settle(items, checks, [verify(*check.signed) for check in checks], trees)
    if isinstance(items[0], Unverified):
        return items[0]
    return None if item.checked else Unverified(item.raw, "key-unknown", item.statement.member)


def read_body(item: Prepared, now_ms: int, now: dt.datetime | None = None, *, sound: bool = False) -> None:
    """Read the body as of ``now_ms`` into ``event`` and ``needs``, or note why it is refused.

    ``now`` is the same instant, where the caller has it at hand for a whole batch. A body that is ``sound`` was found
    good as of that instant by :mod:`passerelle.ledger.verifying`.
    """
    statement = item.statement
    item.judged_at = now_ms
    item.event, item.refusal = None, None
    try:
        if sound:
            event = read_again(item.body, statement.member)
        else:
            event = parse_event(
                item.body,
                member=statement.member,
                family=statement.family,
                visibility=statement.visibility,
                now=now or as_datetime(now_ms),
            )
    except Refused as refused:
        item.refusal = refused
        return
    item.event = event
    if event.type.family != "member":
        item.needs = frozenset(first_needs(event.type.full, event.subject, event.data))


def restore(raw: RawRecord) -> Prepared:
    """A stored waiting event: it was verified before it was stored. Raises FormatError where the row was altered."""
    arrived = read_headers(raw.headers)
    statement = parse_statement(arrived.statement)
    stream = (statement.member, statement.family)
    return Prepared(
        raw, arrived, raw.value or b"", statement, stream, digest(arrived.statement), b"", None, checked=True
    )


def prepare_all(records: Sequence[RawRecord], registry: Registry, trees: Trees, now_ms: int) -> list[Item]:
    """The records prepared at ``now_ms``, in order, at once and in this thread."""
    items = [read_form(raw, registry, trees) for raw in records]
    checks = pending(items, registry)
    settle(items, checks, [verify(*check.signed) for check in checks], trees)
    now = as_datetime(now_ms)
    for item in items:
        if isinstance(item, Prepared) and item.checked:
            read_body(item, now_ms, now)
    return items


class Preparer:
    """Prepares fetches of the running ledger; where there is much to check, processes of their own do it."""

    def __init__(self, processes: int = 2) -> None:
        self._pool = VerifyPool(processes)
        self.trees = Trees()

    async def read(self, records: Sequence[RawRecord], registry: Registry) -> list[Item]:
        """The first step: form and hashes."""
        items: list[Item] = []
        for part in _slices(records):
            items += [read_form(raw, registry, self.trees) for raw in part]
            await asyncio.sleep(0)
        return items

    async def check(self, items: list[Item], registry: Registry, now_ms: int) -> None:
        """Signatures and bodies of what was read; one call at a time. Raises Unavailable ``verifier-lost``."""
        checks = pending(items, registry)
        read = [item for item in items if isinstance(item, Prepared)]
        claims = [
            Claim(item.statement.member, item.statement.family, item.statement.visibility, item.body) for item in read
        ]
        found = await self._pool.check(Work([check.signed for check in checks], claims, now_ms))
        settle(items, checks, found.signatures, self.trees)
        now = as_datetime(now_ms)
        for slice_of in _slices(list(zip(read, found.bodies, strict=True))):
            for item, sound in slice_of:
                if item.checked:
                    read_body(item, now_ms, now, sound=sound)
            await asyncio.sleep(0)

    @property
    def running(self) -> int:
        """Processes that were started."""
        return len(self._pool.running)

    async def close(self) -> None:
        """End the processes."""
        await self._pool.close()


def _slices(items: Sequence[_T]) -> list[Sequence[_T]]:
    return [items[start : start + SLICE] for start in range(0, len(items), SLICE)]
