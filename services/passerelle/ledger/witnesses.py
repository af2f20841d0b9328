"""Witnesses' cosignatures: which are taken, and how they join the checkpoints that are served.

A checkpoint is never held back for a witness: cosignatures join it as they come (C2SP tlog-cosignature).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from passerelle.core.checkpoint import OpenedCheckpoint, open_checkpoint
from passerelle.core.errors import NotFound, PasserelleError, ProofError, Unavailable
from passerelle.core.note import NoteSignature, VerifiedSignature, VerifierKey, parse_note
from passerelle.core.registry import MemberRecord, Registry, Status
from passerelle.core.signature import key_id
from passerelle.core.witness import WitnessQuorum, witness_keys
from passerelle.ledger.access import Caller
from passerelle.ledger.checkpoints import CheckpointBoard
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
KEPT_CHECKPOINTS: Final = 64
"""Newest cosigned checkpoints whose cosignatures are kept."""
KEPT_COSIGNATURES: Final = 64
"""Cosignatures of one checkpoint."""
KEPT_OF_MEMBER: Final = 2
"""Cosignatures of one member under one checkpoint: two while it changes its key."""
LEEWAY_S: Final = 300
"""How far a witness's clock may be from the ledger's."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One cosignature to keep: ``key_id`` of the registry, ``signed_at`` Unix seconds, ``line`` as in the note."""

    size: int
    member: str
    key_id: str
    signed_at: int
    line: str


class CosignatureStore(Protocol):
    """Cosignatures beside the checkpoints that they are of. Every method raises Unavailable."""

    async def published(self, size: int) -> StoredCheckpoint | None:
        """The shown checkpoint of this size, with the log's signature alone."""
        ...

    async def lines(self, size: int) -> Sequence[str]:
        """Signature lines of a checkpoint's cosignatures, in order of arrival."""
        ...

    async def add(self, cosignature: Cosignature) -> None:
        """Keep a cosignature of a shown checkpoint; one that the key has given already stays as it is.

        What is not of the ``KEPT_CHECKPOINTS`` newest cosigned checkpoints is forgotten. Raises PasserelleError
        ``cosignature-late`` where this one is not among them, ``too-many-items`` beyond ``KEPT_COSIGNATURES`` of the
        checkpoint or ``KEPT_OF_MEMBER`` of the member; nothing is changed then.
        """
        ...

    async def cosigned(self, witnesses: int, covering: int, *, without: str) -> int | None:
        """Size of the newest checkpoint of at least ``covering`` entries that so many members cosigned, ``without`` one
        member; None where there is none.
        """
        ...


class Cosigning:
    """Takes cosignatures in, and gives checkpoints out with those that came."""

    def __init__(
        self,
        store: CosignatureStore,
        board: CheckpointBoard,
        registry: Callable[[], Registry],
        vkey: VerifierKey,
        clock: Clock,
    ) -> None:
        self._store = store
        self._board = board
        self._registry = registry
        self._vkey = vkey
        self._clock = clock

    async def load(self) -> None:
        """Join to the shown checkpoint what came before the restart."""
        latest = await self._store.published(self._board.size)
        if latest is not None:
            await self._board.show(await self._joined(latest))

    async def add(self, data: bytes, caller: Caller) -> tuple[int, int]:
        """Take the caller's cosignature of a shown checkpoint; returns its size and how many cosignatures it has now.

        ``data``: the note with the log's signature and the caller's. Raises PasserelleError: see LedgerService.
        """
        keys = self._keys(caller)
        opened = open_checkpoint(data, [self._vkey], origin=self._vkey.name, witnesses=WitnessQuorum(0, keys))
        if not opened.witnesses:
            raise PasserelleError("witness-key-unknown", "no witness key of the caller cosigned", where="note")
        checkpoint = await self._published(opened)
        for signed in opened.witnesses:
            self._require_timely(signed, checkpoint)
            await self._store.add(_kept(opened, signed, caller.member))
        lines = await self._store.lines(checkpoint.size)
        await self._board.show(_with(checkpoint, lines))
        return checkpoint.size, len(lines)

    def _keys(self, caller: Caller) -> tuple[VerifierKey, ...]:
        if not caller.member:
            raise PasserelleError("unauthenticated", "the call names no identity", where="authorization")
        record: MemberRecord = self._registry().members[caller.member]
        if record.status is not Status.ACTIVE:
            raise PasserelleError("member-suspended", "a suspended member does not witness", where="authorization")
        return witness_keys(self._vkey.name, record.as_dict(), self._clock.now_ms())

    async def _published(self, opened: OpenedCheckpoint) -> StoredCheckpoint:
        """The shown checkpoint that was cosigned, the very same text."""
        size = opened.checkpoint.size
        found = await self._store.published(size)
        if found is None:
            raise NotFound("not-found", "no checkpoint of this size was published", where=f"size {size}")
        if found.root != opened.checkpoint.root:
            # The log's key is good for a root that this ledger never signed: it was used elsewhere.
            _LOG.error("a member holds another checkpoint by the log's key", code="checkpoint-forked", size=size)
            raise PasserelleError("checkpoint-forked", "the log published another root here", where=f"size {size}")
        if parse_note(found.note.encode()).text != opened.note.text:
            raise ProofError("cosignature-invalid", "another text than the published one was cosigned", where="note")
        return found

    def _require_timely(self, signed: VerifiedSignature, checkpoint: StoredCheckpoint) -> None:
        earliest = checkpoint.signed_at // 1000 - LEEWAY_S
        latest = self._clock.now_ms() // 1000 + LEEWAY_S
        if signed.timestamp is None or not earliest <= signed.timestamp <= latest:
            what = "the cosignature's time is before the checkpoint's or after now"
            raise PasserelleError("cosignature-untimely", what, where="time")

    async def find(
        self, *, size: int = 0, witnesses: int = 0, covering: int = 0, timeout_s: float = 0.0
    ) -> StoredCheckpoint:
        """A shown checkpoint with its cosignatures: of a size, or the newest with so many, or simply the latest.

        Waits up to ``timeout_s`` for enough cosignatures. Raises NotFound ``not-found``, Unavailable
        ``checkpoint-not-ready``, PasserelleError ``witness-quorum-missing`` or ``argument-invalid``.
        """
        if size and witnesses:
            raise PasserelleError("argument-conflict", "name a size or a number of witnesses", where="size, witnesses")
        if size:
            found = await self._store.published(size) if size < 2**63 else None
            if found is None:
                raise NotFound("not-found", "no checkpoint of this size was published", where=f"size {size}")
            return await self._joined(found)
        if witnesses:
            return await self._enough(witnesses, covering, timeout_s)
        latest = self._board.latest
        if latest is None:
            raise Unavailable("checkpoint-not-ready", "the log has not signed a checkpoint yet")
        return latest

    async def _enough(self, witnesses: int, covering: int, timeout_s: float) -> StoredCheckpoint:
        if not 0 < witnesses <= KEPT_COSIGNATURES:
            what = f"0 to {KEPT_COSIGNATURES} witnesses can be asked for"
            raise PasserelleError("argument-invalid", what, where="witnesses")
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while True:
            seen = self._board.version
            size = await self._store.cosigned(witnesses, covering, without=self._registry().operator)
            found = await self._store.published(size) if size is not None else None
            if found is not None:
                return await self._joined(found)
            if not await self._board.after(seen, end - loop.time()):
                what = f"no checkpoint that covers {covering} entries has {witnesses} cosignatures yet"
                raise PasserelleError("witness-quorum-missing", what, where="witnesses")

    async def _joined(self, checkpoint: StoredCheckpoint) -> StoredCheckpoint:
        return _with(checkpoint, await self._store.lines(checkpoint.size))


def _with(checkpoint: StoredCheckpoint, lines: Sequence[str]) -> StoredCheckpoint:
    """The checkpoint with cosignatures: signature lines end a note, each with its LF."""
    return replace(checkpoint, note=checkpoint.note + "".join(lines))


def _kept(opened: OpenedCheckpoint, signed: VerifiedSignature, member: str) -> Cosignature:
    line = next(found.line for found in opened.note.signatures if _by(found, signed.key))
    assert signed.timestamp is not None
    return Cosignature(opened.checkpoint.size, member, key_id(signed.key.public_key), signed.timestamp, line)


def _by(signature: NoteSignature, key: VerifierKey) -> bool:
    return (signature.name, signature.key_id) == (key.name, key.key_id)
