"""Signed answers: the service's key over the question, the answer, its position and a checkpoint that covers it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from google.protobuf.message import Message

from passerelle.core.answer import USE, Asked, sign_answer
from passerelle.core.checkpoint import open_checkpoint
from passerelle.core.errors import FormatError, Unavailable
from passerelle.core.jws import MAX_PAYLOAD
from passerelle.core.note import VerifierKey
from passerelle.core.registry import KeyRecord, Status
from passerelle.core.signature import Signer
from passerelle.query.index import Index
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.clock import Clock, as_date
from passerelle.runtime.protojson import as_json

_MARGIN: Final = 0.1
"""Share of the time left that is kept for the refusal itself."""
_DATES: Final = ("valid_on", "asked_on")


class Checkpoints(Protocol):
    """Where published checkpoints come from."""

    async def latest(self) -> bytes:
        """The latest one, a signed note with its cosignatures. Raises Unavailable ``checkpoint-not-ready``."""


class AnswerSigner:
    """Signs answers. ``signer`` None: the service was given no key, and says so to who asks."""

    def __init__(
        self, index: Index, signer: Signer | None, checkpoints: Checkpoints, clock: Clock, *, lifetime_s: int
    ) -> None:
        self._index = index
        self._signer = signer
        self._checkpoints = checkpoints
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._newest: tuple[int, str] | None = None

    async def sign(
        self, method: str, request: Message, answers: Sequence[Message], *, streams: bool, wait_s: float
    ) -> str:
        """The answers to a request as a compact JWS; waits until a checkpoint covers their position.

        Raises Unavailable ``answer-key-missing``, ``checkpoint-not-ready``, FormatError ``message-too-large``,
        ``argument-conflict`` where the field mask leaves the position out.
        """
        now_ms = self._clock.now_ms()
        signer, member = self._issuer(now_ms)
        # Canonical JSON is never shorter than the protobuf form of the same values.
        if sum(one.ByteSize() for one in answers) > MAX_PAYLOAD:
            raise FormatError("message-too-large", f"At most {MAX_PAYLOAD} bytes are signed at once.", where="signed")
        last: Any = answers[-1]
        if not last.HasField("position"):
            raise FormatError("argument-conflict", "A signed answer states its position.", where="fields")
        told = [_without(as_json(one), "jws") for one in answers]
        position = as_json(last.position)
        asked = Asked(
            method=method.removeprefix("/"),
            question=_without(as_json(request), "signed"),
            answer=told if streams else told[0],
            position=position,
            valid_on=_valid_on(request, position),
            packs=dict(sorted(found for one in answers for found in packs_used(one))),
        )
        checkpoint = await self._covering(position["size"], wait_s)
        return sign_answer(
            signer,
            asked,
            network=self._index.registry.network,
            member=member,
            checkpoint=checkpoint,
            now_ms=now_ms,
            lifetime_s=self._lifetime_s,
        )

    def _issuer(self, now_ms: int) -> tuple[Signer, str]:
        """The key and the member that the registry lists it for. Raises Unavailable ``answer-key-missing``."""
        signer, registry = self._signer, self._index.registry
        if signer is None:
            raise Unavailable("answer-key-missing", "This service was given no key to sign answers with.")
        found = registry.key_for(signer.key_id)
        if found is None or not _in_force(found[1], now_ms) or registry.members[found[0]].status is not Status.ACTIVE:
            raise Unavailable(
                "answer-key-missing", f"The registry does not show the service's key {signer.key_id} in force."
            )
        return signer, found[0]

    async def _covering(self, size: int, wait_s: float) -> str:
        """A checkpoint of at least ``size`` entries that the log signed."""
        loop = asyncio.get_running_loop()
        deadline, pauses = loop.time() + wait_s * (1 - _MARGIN), Backoff("checkpoint", 0.02, 0.5)
        while self._newest is None or self._newest[0] < size:
            note = await self._checkpoints.latest()
            opened = open_checkpoint(note, self._log_keys(), origin=self._index.registry.network)
            self._newest = (opened.checkpoint.size, note.decode())
            if self._newest[0] >= size:
                break
            pause = pauses.next_s()
            if loop.time() + pause > deadline:
                raise Unavailable(
                    "checkpoint-not-ready", f"The log has not signed a checkpoint of {size} entries in time."
                )
            await asyncio.sleep(pause)
        return self._newest[1]

    def _log_keys(self) -> list[VerifierKey]:
        registry = self._index.registry
        own = registry.members.get(registry.operator)
        text = own.details.get("log_vkey") if own is not None else None
        if not text:
            raise Unavailable("checkpoint-not-ready", "The registry does not show the log's key yet.")
        return [VerifierKey.parse(text)]


def _in_force(key: KeyRecord, now_ms: int) -> bool:
    started = key.valid_from is None or key.valid_from <= now_ms
    ended = key.removed_index is not None or (key.valid_to is not None and now_ms >= key.valid_to)
    return key.use == USE and started and not ended


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def _valid_on(request: Any, position: dict[str, int]) -> str:
    """The date that the answer is for: the one asked, or that of ``known_at`` (UTC) as the contract has it."""
    names = [name for name in _DATES if name in request.DESCRIPTOR.fields_by_name]
    if not names:
        return ""
    for name in names:
        if getattr(request, name):
            return str(getattr(request, name))
    which = request.known_at.WhichOneof("at") if request.HasField("known_at") else None
    if which == "instant_ms":
        return as_date(request.known_at.instant_ms)
    return as_date(
        position["accepted_at_ms"] if which == "size" else position["floor_ms"] or position["accepted_at_ms"]
    )


def packs_used(message: Any) -> Iterator[tuple[str, int]]:
    """Every policy pack that a message names, with its version, wherever in it."""
    fields = message.DESCRIPTOR.fields_by_name
    if message.DESCRIPTOR.full_name == "passerelle.api.portability.v1.Pack" and message.id:
        yield message.id, message.version
    if "pack" in fields and "pack_version" in fields and message.pack:
        yield message.pack, message.pack_version
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for part in value if field.is_repeated else (value,):
            yield from packs_used(part)
