"""Signed answers: what a query service said, to whom nobody need be asked again (contracts/formats.md).

An answer is bound to the question, the ledger position, a checkpoint of the log that covers it, the versions of the
policy packs that it used, and a time. Its issuer is a key that the registry lists with the use ``answer``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.checkpoint import NO_WITNESSES, Checkpoint, WitnessPolicy, open_checkpoint
from passerelle.core.errors import FormatError, PasserelleError, ProofError
from passerelle.core.jws import read, sign
from passerelle.core.note import VerifierKey
from passerelle.core.signature import Signer

FORMAT: Final = "passerelle.answer/v1"
KIND: Final = "vnd.passerelle.answer.v1"
USE: Final = "answer"
"""The use that the registry lists the keys of issuers with."""
LEEWAY_MS: Final = 300_000
"""How much the clocks of issuer and reader may differ."""
MAX_DAYS: Final = 730
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    "format": (str,),
    "network": (str,),
    "issuer": (dict,),
    "method": (str,),
    "question": (dict,),
    "answer": (dict, list),
    "position": (dict,),
    "checkpoint": (str,),
    "valid_on": (str,),
    "packs": (dict,),
    "issued_at": (str,),
    "expires_at": (str,),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer. ``method``: ``package.Service/Method``; both texts of the contract as JSON values.

    ``answer`` is a list where the method answers with several messages. ``valid_on``: the date that the answer is
    for, ``YYYY-MM-DD``, empty where it has none. ``packs``: versions by id of every policy pack that was used.
    """

    method: str
    question: Mapping[str, Any]
    answer: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    position: Mapping[str, int]
    valid_on: str
    packs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """An answer that was checked: its content, the key that signed it, and the checkpoint that covers it.

    ``witnesses``: names of the known witnesses whose cosignatures of it were verified.
    """

    content: Mapping[str, Any]
    key_id: str
    checkpoint: Checkpoint
    witnesses: tuple[str, ...]
    issued_ms: int
    expires_ms: int

    @property
    def size(self) -> int:
        """Entries of the log that the answer is about."""
        return int(self.content["position"]["size"])


def sign_answer(
    signer: Signer, asked: Asked, *, network: str, member: str, checkpoint: str, now_ms: int, lifetime_s: int
) -> str:
    """The answer as a compact JWS. ``member``: whose key it is; ``checkpoint``: a signed note of that size or more.

    Raises FormatError ``message-too-large``, ``answer-malformed``.
    """
    issued_s = now_ms // 1000
    content = {
        "format": FORMAT,
        "network": network,
        "issuer": {"member": member, "key_id": signer.key_id},
        "method": asked.method,
        "question": asked.question,
        "answer": asked.answer,
        "position": dict(asked.position),
        "checkpoint": checkpoint,
        "valid_on": asked.valid_on,
        "packs": dict(asked.packs),
        "issued_at": _instant(issued_s),
        "expires_at": _instant(issued_s + lifetime_s),
    }
    return sign(signer, KIND, content)


def verify_answer(
    data: bytes,
    issuers: Mapping[str, bytes],
    log_keys: Sequence[VerifierKey],
    *,
    network: str,
    now_ms: int,
    witnesses: WitnessPolicy = NO_WITNESSES,
) -> VerifiedAnswer:
    """Check a signed answer offline. ``issuers``: public keys by key id, those that one trusts.

    Checked: form, signature, network, the signatures of the checkpoint, that it covers the position, the time.
    Raises FormatError ``answer-malformed``, SignatureInvalid ``answer-signature-invalid``, PasserelleError
    ``network-mismatch``, ``answer-expired``, and as :func:`passerelle.core.checkpoint.open_checkpoint`.
    """
    signed = read(data, KIND, issuers.get)
    content = signed.payload
    _check_form(content, signed.key_id)
    if content["network"] != network:
        raise FormatError("network-mismatch", "The answer is about another network.", where="network")
    opened = open_checkpoint(content["checkpoint"].encode(), log_keys, origin=network, witnesses=witnesses)
    size = content["position"]["size"]
    if opened.checkpoint.size < size:
        raise ProofError("answer-malformed", "The checkpoint does not cover the answer's position.", where="checkpoint")
    issued, expires = (_milliseconds(content[name], name) for name in ("issued_at", "expires_at"))
    if expires < issued or expires - issued > MAX_DAYS * 86_400_000:
        raise FormatError(
            "answer-malformed", f"It holds for no time, or more than {MAX_DAYS} days.", where="expires_at"
        )
    if now_ms > expires:
        raise PasserelleError("answer-expired", f"It held until {content['expires_at']}.", where="expires_at")
    if issued > now_ms + LEEWAY_MS:
        raise PasserelleError("answer-expired", f"It begins at {content['issued_at']}.", where="issued_at")
    cosigned = tuple(one.key.name for one in opened.witnesses)
    return VerifiedAnswer(content, signed.key_id, opened.checkpoint, cosigned, issued, expires)


def _check_form(content: Mapping[str, Any], key_id: str) -> None:
    if content.keys() != _FIELDS.keys():
        raise FormatError("answer-malformed", "It lacks a member of its form, or has another.", where="payload")
    for name, kinds in _FIELDS.items():
        if not isinstance(content[name], kinds):
            raise FormatError("answer-malformed", "A member is not of its type.", where=name)
    if content["format"] != FORMAT:
        raise FormatError("answer-malformed", "It is of another version.", where="format")
    issuer, position = content["issuer"], content["position"]
    if issuer.keys() != {"member", "key_id"} or issuer["key_id"] != key_id or not isinstance(issuer["member"], str):
        raise FormatError("answer-malformed", "The issuer is not whose key signed.", where="issuer")
    numbers = [position.get(name) for name in ("size", "accepted_at_ms", "floor_ms")]
    if len(position) != 3 or not all(_whole(number) for number in numbers):
        raise FormatError("answer-malformed", "The position is not three whole numbers.", where="position")
    if not all(_whole(version) for version in content["packs"].values()):
        raise FormatError("answer-malformed", "A pack's version is no whole number.", where="packs")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _instant(seconds: int) -> str:
    return (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _milliseconds(text: str, where: str) -> int:
    try:
        if _INSTANT.fullmatch(text) is None:
            raise ValueError
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise FormatError("answer-malformed", "An instant is written 2026-01-31T12:00:00Z.", where=where) from None
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)
