"""The receipt file: an entry, the proof that the log holds it, and the body, which its holder may take out.

Whoever has the file, the member's public key and the log's verifier key checks it alone, without asking anybody.
Source: contracts/formats.md, "Receipt file"; the proof is a C2SP tlog-proof.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from passerelle.core.checkpoint import NO_WITNESSES, OpenedCheckpoint, WitnessPolicy
from passerelle.core.entry import MAX_ENTRY, Entry, parse_entry, verify_entry
from passerelle.core.errors import FormatError, Refused, SignatureInvalid
from passerelle.core.note import VerifierKey, decode_base64, encode_base64
from passerelle.core.statement import MAX_BODY, Statement, digest
from passerelle.core.tlogproof import MAX_PROOF_SIZE, parse_proof, verify_proof

FILE_SUFFIX: Final = ".receipt.json"
MAX_RECEIPT: Final = 320 * 1024
"""Bytes of the largest receipt file that is read."""

_REQUIRED: Final = frozenset({"entry", "proof"})
_ALLOWED: Final = frozenset({"entry", "proof", "body"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """The parts of a receipt file as bytes: entry (sixteen lines), proof (tlog-proof text), body or None."""

    entry: bytes
    proof: bytes
    body: bytes | None = None

    def without_body(self) -> Receipt:
        """The same receipt for somebody who shall see that the entry exists and not what it says."""
        return replace(self, body=None)

    def as_dict(self) -> dict[str, str]:
        """The JSON object of the file, also as a release file holds it."""
        parts = {"entry": self.entry.decode("ascii"), "proof": self.proof.decode("utf-8")}
        if self.body is not None:
            parts["body"] = encode_base64(self.body)
        return parts


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: this entry, at this index, in the tree of this checkpoint; the body when it is there."""

    index: int
    entry: Entry
    statement: Statement
    checkpoint: OpenedCheckpoint
    body: bytes | None


def build_receipt(receipt: Receipt) -> bytes:
    """The file's bytes: one JSON object in UTF-8, ends in LF. Raises FormatError when a part does not have its form."""
    _check_parts(receipt)
    return (json.dumps(receipt.as_dict(), ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt file; nothing is verified yet. Raises FormatError ``receipt-malformed`` or of one of the parts."""
    if len(data) > MAX_RECEIPT:
        raise FormatError("receipt-malformed", f"The file is over {MAX_RECEIPT} bytes.")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise FormatError("receipt-malformed", "The file is not one JSON object in UTF-8.") from error
    return receipt_of(value)


def receipt_of(value: object) -> Receipt:
    """The receipt in a JSON object, such as one of a release file. Raises FormatError as :func:`parse_receipt`."""
    if not isinstance(value, dict) or not value.keys() >= _REQUIRED or not value.keys() <= _ALLOWED:
        raise FormatError("receipt-malformed", "A receipt is an object of entry, proof and, it may be, body.")
    parts: dict[str, str] = {}
    for name, text in value.items():
        if not isinstance(text, str):
            raise FormatError("receipt-malformed", "The part is not a text.", where=name)
        parts[name] = text
    body = decode_base64(parts["body"]) if "body" in parts else None
    if "body" in parts and body is None:
        raise FormatError("receipt-malformed", "The body is not canonical base64.", where="body")
    try:
        receipt = Receipt(parts["entry"].encode("ascii"), parts["proof"].encode("utf-8"), body)
    except UnicodeEncodeError as error:
        raise FormatError("receipt-malformed", "The entry or the proof holds a character that it cannot.") from error
    _check_parts(receipt)
    return receipt


def verify_receipt(
    receipt: Receipt,
    member_key: bytes,
    log_keys: Sequence[VerifierKey],
    network: str,
    *,
    witnesses: WitnessPolicy = NO_WITNESSES,
    allow_refused: bool = False,
) -> VerifiedReceipt:
    """Check a receipt offline: body hash, batch path, the member's signature, inclusion, checkpoint, witnesses.

    ``member_key``: raw public key (32 bytes) that the entry names; whether it was the member's at this index is the
    registry's to say (``Registry.key_valid``). ``log_keys``: the log's verifier keys; ``network``: the log's origin.
    Raises SignatureInvalid ``network-mismatch``, ``body-hash-mismatch``, ``key-unknown``, ``path-invalid``,
    ``signature-invalid``; ProofError and FormatError as ``verify_proof``; Refused ``receipt-refused`` when the log
    recorded a refusal, unless ``allow_refused``.
    """
    entry = parse_entry(receipt.entry)
    statement = entry.parsed()
    if statement.network != network:
        raise SignatureInvalid("network-mismatch", "The entry is of another network.", where="entry")
    if receipt.body is not None and digest(receipt.body) != statement.body_sha256:
        raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the entry names.", where="body")
    verify_entry(entry, member_key)
    proof = parse_proof(receipt.proof)
    opened = verify_proof(proof, receipt.entry, log_keys, origin=network, witnesses=witnesses)
    if not entry.accepted and not allow_refused:
        raise Refused("receipt-refused", f"The log recorded a refusal: {entry.refusal}.", where="entry")
    return VerifiedReceipt(proof.index, entry, statement, opened, receipt.body)


def _check_parts(receipt: Receipt) -> None:
    if len(receipt.entry) > MAX_ENTRY or len(receipt.proof) > MAX_PROOF_SIZE:
        raise FormatError("receipt-malformed", "The entry or the proof is over its limit.")
    if receipt.body is not None and len(receipt.body) > MAX_BODY:
        raise FormatError("receipt-malformed", "The body is over 64 KiB.", where="body")
    parse_entry(receipt.entry)
    parse_proof(receipt.proof)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value
