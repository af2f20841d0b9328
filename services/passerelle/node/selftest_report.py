"""The report of a selftest: what a new member's node did in a sandbox, signed by it, with the log's proofs in it.

A JWS as in :mod:`passerelle.core.jws`. The entries that it names carry their proofs, so that the operator checks it
offline: the member's signature over each, and that the sandbox's log holds them (contracts/formats.md, "Receipt file").
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core import batch, entry, jws, statement
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.errors import FormatError, PasserelleError, SignatureInvalid
from passerelle.core.note import VerifierKey
from passerelle.core.receipt import VerifiedReceipt, receipt_of, verify_receipt
from passerelle.core.signature import Signer

FORMAT: Final = "passerelle.selftest/v1"
KIND: Final = "vnd.passerelle.selftest.v1"
FILE_SUFFIX: Final = ".selftest.jws"
LEEWAY_MS: Final = 300_000
"""How much the clocks of member, ledger and operator may differ."""
MAX_ENTRIES: Final = 64
OK, FAILED, SKIPPED, NOT_RUN = "ok", "failed", "skipped", "not-run"
REFUSAL: Final = "step-illegal"
"""The code with which the ledger refuses the one event that is wrong on purpose."""
OPTIONAL: Final = frozenset({"noticed", "witnessed"})
"""Steps that a node without the role or the configuration for them may leave out."""
STEPS: Final[Mapping[str, str]] = {
    "doctor": "Keys, database and its schema version, Kafka, query service, registry, clock and disk",
    "published": "A file of invented records was imported, relayed and accepted",
    "repeated": "The same file again publishes nothing",
    "difference": "A dry run shows what a corrected file would change, and stores nothing",
    "row-refused": "A wrong row is refused with its code and column; nothing of it is sent",
    "amended": "The corrected file was imported; the amendment was accepted",
    "ledger-refused": "The ledger refused an event that breaks the lifecycle, and the node took the answer in",
    "revoked": "A revocation was accepted",
    "noticed": "A notice came about a thing that something of this member rests on",
    "restarted": "The node was killed; what was published meanwhile was sent and answered after its restart",
    "witnessed": "The node cosigned a checkpoint that covers its entries",
    "proved": "Proofs of every entry were fetched and verified offline",
    "reconciled": "Node and ledger agree; no problem and no alarm is open",
    "private": "No detail of the invented learners stands in what the ledger holds or the node logged",
}
"""Every step, in order, with what it shows."""
_ENTRIES: Final = ("published", "amended", "ledger-refused", "revoked", "restarted")
"""Steps that must name entries of the log."""
_FIELDS: Final[Mapping[str, type]] = {
    "format": str, "network": str, "member": str, "key_id": str, "run": str, "software": str, "contracts": dict,
    "schema": str, "started_at": str, "finished_at": str, "passed": bool, "steps": list, "entries": list, "log": dict,
}  # fmt: skip
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RUN: Final = re.compile(r"[a-z]{8}")
_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name of :data:`STEPS`, what became of it, and for a failure the code and what to do."""

    name: str
    state: str
    ms: int = 0
    what: str = ""
    code: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {name: getattr(self, name) for name in ("name", "state", "ms", "code", "what", "fix")}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A report that was checked: its content, and each entry that it names with what its proof shows."""

    content: Mapping[str, Any]
    entries: tuple[VerifiedReceipt, ...]
    finished_ms: int


def contracts() -> dict[str, Any]:
    """What the software speaks: versions of the signed formats, and a digest of the event types with theirs."""
    names = "\n".join(sorted(EVENT_TYPES))
    return {
        "statement": statement.TITLE,
        "batch": batch.BATCH_TITLE,
        "entry": entry.ENTRY_TITLE,
        "events": len(EVENT_TYPES),
        "events_sha256": hashlib.sha256(names.encode()).hexdigest(),
    }


def instant(now_ms: int) -> str:
    """Unix milliseconds as ``2026-01-31T12:00:00Z``; parts of a second are left out."""
    return (_EPOCH + dt.timedelta(seconds=now_ms // 1000)).strftime(_INSTANT)


def passed(steps: Sequence[Step]) -> bool:
    """Whether every step stands, in order, and none failed or was left out without leave."""
    return [step.name for step in steps] == list(STEPS) and all(
        step.state == OK or (step.state == SKIPPED and step.name in OPTIONAL) for step in steps
    )


def require_sandbox(operator: Mapping[str, Any] | None, network: str) -> None:
    """Invented records may be published where the operator's own admission is marked as sample, and nowhere else.

    ``operator``: its registry record. Raises PasserelleError ``sandbox-required``.
    """
    if operator is None or operator.get("details", {}).get("sample") is not True:
        what = "the registry does not say that this federation is a sandbox: nothing was published"
        raise PasserelleError("sandbox-required", what, where=network)


def sign_report(signer: Signer, content: Mapping[str, Any]) -> bytes:
    """The file's bytes: a compact JWS and one LF. Raises FormatError as :func:`passerelle.core.jws.sign`."""
    return jws.sign(signer, KIND, content).encode() + b"\n"


def check_report(
    data: bytes,
    keys: Mapping[str, tuple[str, bytes]],
    log_keys: Sequence[VerifierKey],
    *,
    network: str,
    now_ms: int,
    max_age_ms: int,
    witnessed: bool = False,
) -> Accepted:
    """Check a report offline. ``keys``: by id the member and the public key of every signing key in force, as the
    registry shows them; ``log_keys``: the log's; ``witnessed``: the node must have cosigned.

    Raises FormatError ``selftest-malformed``, ``network-mismatch``, SignatureInvalid ``signature-invalid``,
    ``key-unknown``, ``key-of-other-member``, PasserelleError ``selftest-outdated``, ``selftest-failed``,
    ``selftest-contracts``, and as :func:`passerelle.core.receipt.verify_receipt`.
    """
    signed = _read(data, {name: public_key for name, (_, public_key) in keys.items()})
    content = _checked(signed.payload)
    if keys[signed.key_id][0] != content["member"]:
        raise SignatureInvalid("key-of-other-member", "the report is signed by another member's key", where="kid")
    if content["key_id"] != signed.key_id:
        raise _malformed("it names another key than the one that signed it", "key_id")
    if content["network"] != network:
        raise FormatError("network-mismatch", "the report is about another network", where="network")
    finished = _check_time(content, now_ms, max_age_ms)
    _check_steps(content, witnessed)
    if content["contracts"] != contracts():
        what = f"the member runs version {content['software']}, which speaks other versions than this installation"
        raise PasserelleError("selftest-contracts", what, where="contracts")
    own = {name: public_key for name, (member, public_key) in keys.items() if member == content["member"]}
    entries = _check_entries(content, own, log_keys)
    return Accepted(content, entries, finished)


def _read(data: bytes, keys: Mapping[str, bytes]) -> jws.Signed:
    try:
        return jws.read(data, KIND, keys.get)
    except SignatureInvalid as error:
        unknown = error.where == "kid"
        code = "key-unknown" if unknown else "signature-invalid"
        what = "the registry shows no such key in force" if unknown else "the report's signature does not verify"
        raise SignatureInvalid(code, what, where=error.where) from None
    except FormatError as error:
        raise _malformed(error.what, error.where) from None


def _malformed(what: str, where: str) -> FormatError:
    return FormatError("selftest-malformed", what, where=where)


def _checked(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content where it has the form of a report."""
    if content.keys() != _FIELDS.keys():
        raise _malformed("it lacks a member of its form, or has another", "payload")
    for name, kind in _FIELDS.items():
        if not isinstance(content[name], kind):
            raise _malformed("a member is not of its type", name)
    if content["format"] != FORMAT:
        raise _malformed("it is of another version", "format")
    if _RUN.fullmatch(content["run"]) is None:
        raise _malformed("its run is not a word of eight letters", "run")
    shape = {"name": str, "state": str, "ms": int, "code": str, "what": str, "fix": str}
    for step in content["steps"]:
        if not isinstance(step, dict) or step.keys() != shape.keys():
            raise _malformed("a step does not have its form", "steps")
        if not all(isinstance(step[name], kind) for name, kind in shape.items()):
            raise _malformed("a step does not have its form", "steps")
    if len(content["entries"]) > MAX_ENTRIES:
        raise _malformed(f"it names more than {MAX_ENTRIES} entries", "entries")
    for one in content["entries"]:
        if not isinstance(one, dict) or one.keys() != {"step", "receipt"} or not isinstance(one["step"], str):
            raise _malformed("an entry does not have its form", "entries")
    return content


def _milliseconds(text: str, where: str) -> int:
    try:
        moment = dt.datetime.strptime(text, _INSTANT).replace(tzinfo=dt.UTC)
    except ValueError:
        raise _malformed("an instant is written 2026-01-31T12:00:00Z", where) from None
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)


def _check_time(content: Mapping[str, Any], now_ms: int, max_age_ms: int) -> int:
    started, finished = (_milliseconds(content[name], name) for name in ("started_at", "finished_at"))
    if finished < started:
        raise _malformed("it ends before it begins", "finished_at")
    if now_ms - finished > max_age_ms:
        days = max_age_ms // 86_400_000
        what = f"the run ended at {content['finished_at']}: at most {days} days ago are accepted"
        raise PasserelleError("selftest-outdated", what, where="finished_at")
    if finished > now_ms + LEEWAY_MS:
        what = f"the run ended at {content['finished_at']}, which is still to come"
        raise PasserelleError("selftest-outdated", what, where="finished_at", fix="Set the clocks right; run it again.")
    return finished


def _check_steps(content: Mapping[str, Any], witnessed: bool) -> None:
    names = [step["name"] for step in content["steps"]]
    if names != list(STEPS):
        absent = [name for name in STEPS if name not in names]
        what = f"steps are missing: {', '.join(absent)}" if absent else "its steps are not those of the script in order"
        raise PasserelleError("selftest-failed", what, where="steps")
    for step in content["steps"]:
        left_out = step["state"] == SKIPPED and step["name"] in OPTIONAL
        if step["state"] != OK and not left_out:
            told = f"{step['code']}: {step['what']}" if step["code"] else "it was not run"
            raise PasserelleError("selftest-failed", told, where=f"step {step['name']}", fix=step["fix"])
        if left_out and witnessed and step["name"] == "witnessed":
            raise PasserelleError("selftest-failed", "the node is no witness", where="step witnessed")
    if content["passed"] is not True:
        raise _malformed("it says that it failed, and no step did", "passed")


def _check_entries(
    content: Mapping[str, Any], member_keys: Mapping[str, bytes], log_keys: Sequence[VerifierKey]
) -> tuple[VerifiedReceipt, ...]:
    """Each entry is of this member and this run, in the sandbox's log, and says what its step says."""
    start = _milliseconds(content["started_at"], "started_at") - LEEWAY_MS
    end = _milliseconds(content["finished_at"], "finished_at") + LEEWAY_MS
    found, seen, places = [], set(), set()
    for number, one in enumerate(content["entries"]):
        where = f"entries.{number}"
        receipt = receipt_of(one["receipt"])
        key = member_keys.get(entry.parse_entry(receipt.entry).key_id)
        if key is None:
            raise SignatureInvalid("key-unknown", "an entry is signed by a key that is not the member's", where=where)
        proved = verify_receipt(receipt, key, log_keys, content["network"], allow_refused=True)
        if proved.statement.member != content["member"] or proved.index in places:
            raise _malformed("an entry is another member's, or named twice", where)
        if not start <= proved.entry.accepted_at <= end:
            raise _malformed("an entry was not made during the run", where)
        refused = one["step"] == "ledger-refused"
        if proved.entry.accepted == refused or (refused and proved.entry.refusal != REFUSAL):
            raise _malformed("the log recorded another outcome than the step says", where)
        seen.add(one["step"])
        places.add(proved.index)
        found.append(proved)
    if absent := [name for name in _ENTRIES if name not in seen]:
        what = f"no entry of the log is named for: {', '.join(absent)}"
        raise PasserelleError("selftest-failed", what, where="entries")
    _check_log(content, found)
    return tuple(found)


def _check_log(content: Mapping[str, Any], found: Sequence[VerifiedReceipt]) -> None:
    """The origin and the largest checkpoint that the proofs are under."""
    largest = max((one.checkpoint.checkpoint for one in found), key=lambda checkpoint: checkpoint.size)
    if content["log"] != {"origin": largest.origin, "size": largest.size, "root": largest.root.hex()}:
        raise _malformed("its checkpoint is not the one that its proofs are under", "log")
