"""Checks an entry with its proof step by step, so that a page can show what was checked and what each step found.

Only :mod:`passerelle.core` judges here. A step that fails stops none of the others that do not rest on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from passerelle.core.entry import Entry, parse_entry, verify_entry
from passerelle.core.errors import PasserelleError, ProofError, SignatureInvalid
from passerelle.core.merkle import leaf_hash, root_from_inclusion
from passerelle.core.note import VerifierKey, parse_note
from passerelle.core.receipt import Receipt
from passerelle.core.statement import Statement, digest
from passerelle.core.tlogproof import TlogProof, parse_proof

Outcome = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Step:
    """One check: ``id`` names it in the message catalogues, ``values`` fill its sentence, ``code`` is the error's."""

    id: str
    outcome: Outcome
    values: dict[str, str] = field(default_factory=dict)
    code: str = ""
    what: str = ""


@dataclass(slots=True)
class Verification:
    """The steps in order, and what could be read on the way."""

    steps: list[Step] = field(default_factory=list)
    entry: Entry | None = None
    statement: Statement | None = None
    proof: TlogProof | None = None
    checkpoint: Checkpoint | None = None

    @property
    def ok(self) -> bool:
        """Whether every step that could be taken held, inclusion and checkpoint among them."""
        held = {step.id for step in self.steps if step.outcome == "ok"}
        return {"form", "path", "checkpoint"} <= held and not self.failed

    @property
    def failed(self) -> bool:
        """Whether a step did not hold."""
        return any(step.outcome == "failed" for step in self.steps)


@dataclass(frozen=True, slots=True)
class Known:
    """What the portal brings to a check from what it read itself, each part None or empty where it has none.

    ``member_key``: raw public key that the registry lists under the entry's key id, with its member; ``own_entry``: the
    entry at the proof's index; ``own_root``: root of its own tree at the checkpoint's size.
    """

    network: str
    log_keys: Sequence[VerifierKey] = ()
    member_key: tuple[str, bytes] | None = None
    own_entry: bytes | None = None
    own_root: bytes | None = None


def verify(receipt: Receipt, known: Known) -> Verification:
    """Check a receipt; every problem becomes a failed step, nothing is raised."""
    found = Verification()
    _step(found, "form", lambda: _form(found, receipt, known))
    if found.entry is None or found.statement is None or found.proof is None:
        return found
    _step(found, "body", lambda: _body(found, receipt))
    _step(found, "signature", lambda: _signature(found, known))
    _step(found, "path", lambda: _path(found, receipt))
    _step(found, "checkpoint", lambda: _checkpoint(found, known))
    _step(found, "own", lambda: _own(found, receipt, known))
    return found


def _step(found: Verification, name: str, check: Callable[[], dict[str, str] | None]) -> None:
    try:
        values = check()
    except PasserelleError as error:
        found.steps.append(Step(name, "failed", code=error.code, what=error.what))
        return
    found.steps.append(Step(name, "skipped") if values is None else Step(name, "ok", values))


def _form(found: Verification, receipt: Receipt, known: Known) -> dict[str, str]:
    entry = parse_entry(receipt.entry)
    statement = entry.parsed()
    if statement.network != known.network:
        raise SignatureInvalid("network-mismatch", "The entry is of another network.", where="entry")
    found.proof = parse_proof(receipt.proof)
    found.entry, found.statement = entry, statement
    return {"index": str(found.proof.index), "member": statement.member, "sequence": str(statement.sequence)}


def _body(found: Verification, receipt: Receipt) -> dict[str, str] | None:
    if receipt.body is None or found.statement is None:
        return None
    if digest(receipt.body) != found.statement.body_sha256:
        raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the entry names.", where="body")
    return {"hash": found.statement.body_sha256.hex()}


def _signature(found: Verification, known: Known) -> dict[str, str] | None:
    if known.member_key is None or found.entry is None or found.statement is None:
        return None
    member, key = known.member_key
    if member != found.statement.member:
        raise SignatureInvalid("key-of-other-member", "The key belongs to another member than the statement names.")
    verify_entry(found.entry, key)
    return {"key": found.entry.key_id, "member": member}


def _path(found: Verification, receipt: Receipt) -> dict[str, str] | None:
    if found.proof is None:
        return None
    # The checkpoint's text is read here for its size and root; the next step judges who signed it.
    checkpoint = parse_checkpoint(parse_note(found.proof.checkpoint).text)
    leaf = leaf_hash(receipt.entry)
    root = root_from_inclusion(leaf, found.proof.index, checkpoint.size, found.proof.path)
    if root != checkpoint.root:
        raise ProofError("proof-inclusion-invalid", "The inclusion path leads to another root.", where="root")
    found.checkpoint = checkpoint
    return {
        "leaf": leaf.hex(),
        "hashes": str(len(found.proof.path)),
        "root": root.hex(),
        "size": str(checkpoint.size),
    }


def _checkpoint(found: Verification, known: Known) -> dict[str, str] | None:
    if not known.log_keys or found.proof is None:
        return None
    opened = open_checkpoint(found.proof.checkpoint, known.log_keys, origin=known.network)
    return {"size": str(opened.checkpoint.size), "log": known.log_keys[0].name}


def _own(found: Verification, receipt: Receipt, known: Known) -> dict[str, str] | None:
    if known.own_entry is None or known.own_root is None or found.checkpoint is None:
        return None
    if known.own_entry != receipt.entry:
        raise ProofError("proof-entry-mismatch", "The feed brought another entry at this index.", where="entry")
    if known.own_root != found.checkpoint.root:
        raise ProofError("proof-root-mismatch", "This portal's own tree has another root at this size.", where="root")
    return {"size": str(found.checkpoint.size)}
