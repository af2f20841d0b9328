"""Proofs inside a signed answer: the log holds the entries that the answer rests on (C2SP tlog-proof, RFC 9162, 2.1.3).

What is proved is that the log holds an accepted entry of the named member at the named index, and that the body which
is shown is the one that was signed. What is not: that the answer follows from the entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.answer import VerifiedAnswer
from passerelle.core.checkpoint import NO_WITNESSES, WitnessPolicy
from passerelle.core.entry import parse_entry
from passerelle.core.errors import FormatError, PasserelleError, ProofError, SignatureInvalid
from passerelle.core.note import VerifierKey
from passerelle.core.statement import digest
from passerelle.core.tlogproof import parse_proof, verify_proof

MAX_PROOFS: Final = 64


@dataclass(frozen=True, slots=True)
class Proved:
    """What an answer's proofs show. ``entries``: log indices proved, with whether the body was there and checked.

    ``criteria``: id of each criterion to the indices that it names, in order. ``named``: every index that the answer
    rests on.
    """

    entries: Mapping[int, bool]
    criteria: Mapping[str, tuple[int, ...]]
    named: tuple[int, ...]

    @property
    def left_out(self) -> tuple[int, ...]:
        """Indices that are named and not proved."""
        return tuple(index for index in self.named if index not in self.entries)


def verify_answer_proofs(
    found: VerifiedAnswer, log_keys: Sequence[VerifierKey], *, witnesses: WitnessPolicy = NO_WITNESSES
) -> Proved | None:
    """Check the proofs of an answer whose signature was verified; None where it carries none.

    Raises FormatError ``answer-malformed`` where a proof has not its form or is of an entry that the answer does not
    name, ProofError ``answer-malformed`` where the entry is not the one that the answer names, ``checkpoint-forked``
    where the log signed another root for the size of the answer's checkpoint, SignatureInvalid ``body-hash-mismatch``,
    and as :func:`passerelle.core.tlogproof.verify_proof`.
    """
    content = found.content
    answer = content["answer"]
    if not isinstance(answer, dict) or not content["question"].get("with_proofs"):
        return None
    rows = answer.get("proofs") or []
    if not isinstance(rows, list) or len(rows) > MAX_PROOFS:
        raise FormatError("answer-malformed", f"The proofs are no list of at most {MAX_PROOFS}.", where="proofs")
    try:
        named: dict[int, Mapping[str, Any]] = {}
        for one in _evidence(answer):
            named.setdefault(int(one["index"]), one)
        criteria = {str(one["id"]): tuple(int(row["index"]) for row in one.get("evidence") or ())
                    for one in answer.get("criteria") or ()}  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError):
        raise FormatError("answer-malformed", "The evidence has not its form.", where="answer") from None
    entries: dict[int, bool] = {}
    for number, row in enumerate(rows):
        where = f"proofs[{number}]"
        index, has_body = _check(row, named, found, log_keys, witnesses, where)
        if index in entries:
            raise FormatError("answer-malformed", "The entry is proved twice.", where=where)
        entries[index] = has_body
    return Proved(entries, criteria, tuple(named))


def _evidence(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("criteria", "grounds_in_law", "clauses"):
        for one in answer.get(name) or ():
            yield from one.get("evidence") or ()
    pack = (answer.get("pack_used") or {}).get("evidence")
    if pack:
        yield pack
    for place in answer.get("jurisdictions") or ():
        # Who recognises need not be who published: only the index is taken.
        yield from ({"index": one["index"]} for one in place.get("recognised_by") or ())


def _check(
    row: Any,
    named: Mapping[int, Mapping[str, Any]],
    found: VerifiedAnswer,
    log_keys: Sequence[VerifierKey],
    witnesses: WitnessPolicy,
    where: str,
) -> tuple[int, bool]:
    """The index that one proof proves, and whether its body was there."""
    try:
        index, text, body = int(row["index"]), str(row["proof"]).encode(), bytes.fromhex(row.get("body") or "")
        leaf = bytes.fromhex(row["entry"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise FormatError("answer-malformed", "It is no entry with its proof.", where=where) from None
    evidence = named.get(index)
    if evidence is None or index >= found.size:
        raise FormatError("answer-malformed", "The answer names no such entry at its position.", where=where)
    try:
        entry, proof = parse_entry(leaf), parse_proof(text)
        opened = verify_proof(proof, leaf, log_keys, origin=found.content["network"], witnesses=witnesses)
    except PasserelleError as error:
        raise type(error)(error.code, error.what, where=where) from None
    statement, checkpoint = entry.parsed(), opened.checkpoint
    if proof.index != index or not entry.accepted or statement.member != (evidence.get("member") or statement.member):
        raise ProofError("answer-malformed", "The proof is not of the entry that the answer names.", where=where)
    if checkpoint.size == found.checkpoint.size and checkpoint.root != found.checkpoint.root:
        raise ProofError("checkpoint-forked", "The log signed two roots for one size: keep this file.", where=where)
    if body and digest(body) != statement.body_sha256:
        raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the entry names.", where=where)
    if body and not _says(body, evidence):
        raise ProofError("answer-malformed", "The body is not of the event that the answer names.", where=where)
    return index, bool(body)


def _says(body: bytes, evidence: Mapping[str, Any]) -> bool:
    """Whether a body is of the type that is named for it."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return False
    kind = evidence.get("type")
    return isinstance(event, dict) and (not kind or event.get("type") == kind)
