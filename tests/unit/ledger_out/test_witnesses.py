"""Cosignatures: which the ledger takes, and how they join what it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from tests.unit.ledger_out.fakes import StepClock

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import leaf_hash
from passerelle.core.note import CosignatureSigner, NoteSigner, parse_note
from passerelle.core.registry import ADMITTED, KEYS_CHANGED, SUSPENDED, Registry, apply
from passerelle.core.witness import registry_quorum, witness_name
from passerelle.ledger.access import Caller
from passerelle.ledger.checkpoints import CheckpointBoard
from passerelle.ledger.http import LogPages
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.witnesses import (
    KEPT_CHECKPOINTS,
    KEPT_COSIGNATURES,
    KEPT_OF_MEMBER,
    LEEWAY_S,
    Cosignature,
    Cosigning,
)
from passerelle.testing.federation import NETWORK, OPERATOR, Federation, Member, admitted, seed_of

LOG = NoteSigner(NETWORK, bytes(range(32)))
NOW = 1_785_000_000


class MemoryCosignatures:
    """Shown checkpoints and cosignatures in memory, bounded as the port says."""

    def __init__(self) -> None:
        self.shown: dict[int, StoredCheckpoint] = {}
        self.kept: dict[int, list[Cosignature]] = {}

    async def published(self, size: int) -> StoredCheckpoint | None:
        return self.shown.get(size)

    async def lines(self, size: int) -> Sequence[str]:
        return [item.line for item in self.kept.get(size, ())]

    async def add(self, cosignature: Cosignature) -> None:
        here = self.kept.get(cosignature.size, [])
        if any(item.key_id == cosignature.key_id for item in here):
            return
        if sum(size > cosignature.size for size in self.kept) >= KEPT_CHECKPOINTS:
            raise PasserelleError("cosignature-late", "as many newer ones are kept")
        own = [item for item in here if item.member == cosignature.member]
        if len(here) >= KEPT_COSIGNATURES or len(own) >= KEPT_OF_MEMBER:
            raise PasserelleError("too-many-items", "as many are kept")
        self.kept.setdefault(cosignature.size, []).append(cosignature)
        for size in sorted(self.kept)[:-KEPT_CHECKPOINTS]:
            del self.kept[size]

    async def cosigned(self, witnesses: int, covering: int, *, without: str) -> int | None:
        sizes = [
            size
            for size, items in self.kept.items()
            if size >= covering and len({item.member for item in items} - {without}) >= witnesses
        ]
        return max(sizes, default=None)


class Desk:
    """Cosigning over a registry of the operator, York and Laval, whose witness keys are named ``<member> w``."""

    def __init__(self) -> None:
        federation = Federation()
        self.registry = Registry(NETWORK, OPERATOR, federation.root_public_key)
        self.store, self.board, self.clock = MemoryCosignatures(), CheckpointBoard(), StepClock()
        self.clock.seconds = float(NOW)
        self.index = 0
        for member in (OPERATOR, "york", "laval"):
            keys = [
                Member(member, key_name=name).key(use) for name, use in ((member, "sign"), (f"{member} w", "witness"))
            ]
            self.apply(ADMITTED, admitted(Member(member), ["operate" if member == OPERATOR else "issue"], keys=keys))
        self.cosigning = Cosigning(self.store, self.board, lambda: self.registry, LOG.verifier, self.clock)

    def apply(self, kind: str, data: dict[str, Any]) -> None:
        apply(self.registry, self.index, kind, data)
        self.index += 1

    async def publish(self, size: int) -> None:
        checkpoint = StoredCheckpoint(size, root(size), note(size).decode(), NOW * 1000)
        self.store.shown[size] = checkpoint
        await self.board.show(checkpoint)

    async def add(self, member: str, data: bytes) -> tuple[int, int]:
        return await self.cosigning.add(data, Caller(member, member == OPERATOR))

    async def refused(self, member: str, data: bytes) -> str:
        """The code of a cosignature that is not taken; nothing is kept then."""
        before = {size: list(items) for size, items in self.store.kept.items()}
        with pytest.raises(PasserelleError) as caught:
            await self.add(member, data)
        assert self.store.kept == before
        return caught.value.code


def root(size: int) -> bytes:
    return leaf_hash(b"%d" % size)


def note(size: int, *, other: bool = False, extensions: tuple[str, ...] = (), signer: NoteSigner = LOG) -> bytes:
    found = root(size) if not other else leaf_hash(b"other")
    return sign_checkpoint(Checkpoint(NETWORK, size, found, extensions), [signer])


def cosigned(member: str, size: int, *, key: str = "", at: int = NOW, name: str = "", **options: Any) -> bytes:
    """The note of a size with a member's cosignature."""
    plain = parse_note(note(size, **options))
    signer = CosignatureSigner(name or witness_name(NETWORK, member), seed_of(key or f"{member} w"))
    return plain.with_signatures([signer.cosign(plain.text, at)]).serialise()


async def test_cosignatures_join_the_checkpoint_as_they_come() -> None:
    desk = Desk()
    await desk.publish(5)
    assert desk.board.latest is not None
    assert desk.board.latest.note.encode() == note(5), "never held back"
    assert await desk.add("york", cosigned("york", 5)) == (5, 1)
    assert await desk.add("laval", cosigned("laval", 5)) == (5, 2)
    found = await desk.cosigning.find()
    policy = registry_quorum(2, [item.as_dict() for item in desk.registry.members.values()], NETWORK, OPERATOR, NOW)
    opened = open_checkpoint(found.note.encode(), [LOG.verifier], witnesses=policy)
    assert [signed.key.name for signed in opened.witnesses] == [witness_name(NETWORK, one) for one in ("york", "laval")]
    await desk.publish(6)
    assert (await desk.cosigning.find()).note.encode() == note(6)
    assert (await desk.cosigning.find(size=5)).note == found.note


async def test_a_repeated_one_changes_nothing() -> None:
    desk = Desk()
    await desk.publish(5)
    await desk.add("york", cosigned("york", 5))
    first = (await desk.cosigning.find()).note
    assert await desk.add("york", cosigned("york", 5, at=NOW + 9)) == (5, 1)
    assert (await desk.cosigning.find()).note == first


async def test_what_came_before_a_restart_is_served_after_it() -> None:
    desk = Desk()
    await desk.publish(5)
    await desk.add("york", cosigned("york", 5))
    before = (await desk.cosigning.find()).note
    board = CheckpointBoard()
    await board.show(desk.store.shown[5])
    again = Cosigning(desk.store, board, lambda: desk.registry, LOG.verifier, desk.clock)
    await again.load()
    assert (await again.find()).note == before
    await Cosigning(MemoryCosignatures(), CheckpointBoard(), lambda: desk.registry, LOG.verifier, desk.clock).load()


async def test_only_witness_keys_of_the_caller_count() -> None:
    desk = Desk()
    await desk.publish(5)
    assert await desk.refused("", cosigned("york", 5)) == "unauthenticated"
    assert await desk.refused("laval", cosigned("york", 5)) == "witness-key-unknown"
    assert await desk.refused("york", cosigned("york", 5, key="york")) == "witness-key-unknown"
    assert await desk.refused("york", cosigned("york", 5, name="york.example")) == "witness-key-unknown"
    assert await desk.refused("york", note(5)) == "witness-key-unknown"
    removed = Member("york", key_name="york w").signer.key_id
    desk.apply(KEYS_CHANGED, {"member": "york", "remove": [{"key_id": removed}]})
    assert await desk.refused("york", cosigned("york", 5)) == "witness-key-unknown"
    desk.apply(SUSPENDED, {"member": "laval", "reason": "x"})
    assert await desk.refused("laval", cosigned("laval", 5)) == "member-suspended"


async def test_only_what_the_log_published_is_cosigned() -> None:
    desk = Desk()
    await desk.publish(5)
    stranger = NoteSigner(NETWORK, b"s" * 32)
    assert await desk.refused("york", cosigned("york", 6)) == "not-found"
    assert await desk.refused("york", cosigned("york", 5, other=True)) == "checkpoint-forked"
    assert await desk.refused("york", cosigned("york", 5, extensions=("more",))) == "cosignature-invalid"
    assert await desk.refused("york", cosigned("york", 5, signer=stranger)) == "note-unsigned"
    forged = cosigned("york", 5).replace(b"\n5\n", b"\n6\n")
    assert await desk.refused("york", forged) in {"note-signature-invalid", "cosignature-invalid"}
    moved = parse_note(note(5)).with_signatures(parse_note(cosigned("york", 6)).signatures[1:]).serialise()
    assert await desk.refused("york", moved) == "cosignature-invalid"
    assert await desk.refused("york", b"no note") == "note-malformed"


async def test_times_must_be_sane() -> None:
    desk = Desk()
    await desk.publish(5)
    for at in (NOW - LEEWAY_S - 1, NOW + LEEWAY_S + 1, 0):
        assert await desk.refused("york", cosigned("york", 5, at=at)) == "cosignature-untimely"
    assert await desk.add("york", cosigned("york", 5, at=NOW + LEEWAY_S)) == (5, 1)


async def test_the_newest_with_enough_members_is_found_and_waited_for() -> None:
    desk = Desk()
    for size in (5, 6, 7):
        await desk.publish(size)
    await desk.add(OPERATOR, cosigned(OPERATOR, 7))
    await desk.add("york", cosigned("york", 5))
    await desk.add("york", cosigned("york", 6))
    await desk.add("laval", cosigned("laval", 5))
    assert (await desk.cosigning.find(witnesses=1)).size == 6
    assert (await desk.cosigning.find(witnesses=2)).size == 5
    assert (await desk.cosigning.find(witnesses=1, covering=6)).size == 6
    for arguments, code in (
        ({"witnesses": 3}, "witness-quorum-missing"),
        ({"witnesses": 1, "covering": 7}, "witness-quorum-missing"),
        ({"witnesses": 65}, "argument-invalid"),
        ({"witnesses": 1, "size": 5}, "argument-conflict"),
        ({"size": 4}, "not-found"),
        ({"size": 2**63}, "not-found"),
    ):
        with pytest.raises(PasserelleError) as caught:
            await desk.cosigning.find(**arguments)
        assert caught.value.code == code
    waiting = asyncio.create_task(desk.cosigning.find(witnesses=2, covering=6, timeout_s=30))
    await asyncio.sleep(0)
    await desk.add("laval", cosigned("laval", 6))
    assert (await waiting).size == 6


async def test_the_page_serves_what_was_cosigned() -> None:
    desk = Desk()
    pages = LogPages(None, desk.board, desk.cosigning, str(LOG.verifier))  # type: ignore[arg-type]  # no tile is asked for
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pages.app()), base_url="http://log") as http:
        assert (await http.get("/checkpoint")).json()["code"] == "checkpoint-not-ready"
        await desk.publish(5)
        await desk.add("york", cosigned("york", 5))
        await desk.publish(6)
        assert (await http.get("/checkpoint")).content == note(6)
        assert (await http.get("/checkpoint?witnesses=1")).content == cosigned("york", 5)
        assert (await http.get("/checkpoint?witnesses=2")).json()["code"] == "witness-quorum-missing"
        for wrong in ("x", "-1", "65", "1.0", "100000"):
            response = await http.get("/checkpoint", params={"witnesses": wrong})
            assert (response.status_code, response.json()["code"]) == (400, "argument-invalid")
