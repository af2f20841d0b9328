"""Witnesses among the members: what their keys are called, which of them the registry shows, how many are enough.

A witness cosigns checkpoints (C2SP tlog-cosignature) with a key that the registry lists for the use `witness`. The name
of that key follows from network and member, so the registry's record is all that a verifier needs.

Error codes: `witness-policy-malformed` as FormatError, `witness-quorum-missing` as ProofError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.checkpoint import WitnessPolicy
from passerelle.core.errors import FormatError, ProofError
from passerelle.core.note import COSIGNATURE_V1, VerifiedSignature, VerifierKey

USE: Final = "witness"
_ACTIVE: Final = "active"


def witness_name(network: str, member: str) -> str:
    """The name of a member's witness keys: `<network>/witness/<member>`."""
    return f"{network}/witness/{member}"


def witness_key(network: str, member: str, public_key: bytes) -> VerifierKey:
    """The verifier key of a member's witness key (32 bytes). Raises FormatError `note-key-malformed`."""
    return VerifierKey(witness_name(network, member), COSIGNATURE_V1, public_key)


def witness_keys(network: str, record: Mapping[str, Any], now_ms: int) -> tuple[VerifierKey, ...]:
    """The witness keys of a registry record (`MemberRecord.as_dict`) that are in force at `now_ms` (Unix ms).

    None for a member that is suspended or was removed; a key counts from `valid_from` until before `valid_to`, and
    until its removal.
    """
    if record.get("status") != _ACTIVE:
        return ()
    return tuple(
        witness_key(network, str(record["member"]), bytes.fromhex(key["public_key"]))
        for key in record.get("keys", ())
        if key["use"] == USE and key.get("removed_index") is None and _in_force(key, now_ms)
    )


def _in_force(key: Mapping[str, Any], now_ms: int) -> bool:
    start, end = key.get("valid_from"), key.get("valid_to")
    return (start is None or start <= now_ms) and (end is None or now_ms < end)


@dataclass(frozen=True, slots=True)
class WitnessQuorum:
    """At least `k` witnesses by name: several keys of one name are one witness. With k = 0 none is asked for.

    Raises FormatError `witness-policy-malformed` when a key is not a witness's, a public key is listed twice, or k is
    outside 0 to the number of names.
    """

    k: int
    keys: tuple[VerifierKey, ...]

    def __post_init__(self) -> None:
        """Refuse a policy that could never be met or counts somebody twice."""
        names = {key.name for key in self.keys}
        if any(key.algorithm != COSIGNATURE_V1 for key in self.keys):
            raise _bad_policy("A witness's verifier key is not of type 4 (cosignature).")
        if len({key.public_key for key in self.keys}) != len(self.keys):
            raise _bad_policy("A witness's public key is listed twice.")
        if not 0 <= self.k <= len(names):
            raise _bad_policy(f"{self.k} witnesses are asked for, and {len(names)} are known.")

    def require(self, cosigned: Sequence[VerifiedSignature]) -> None:
        """Return when witnesses of at least k names cosigned. Raises ProofError `witness-quorum-missing`."""
        count = len({signature.key.name for signature in cosigned if signature.key in self.keys})
        if count < self.k:
            what = f"{count} known witnesses cosigned and {self.k} are asked for."
            raise ProofError("witness-quorum-missing", what, where="note")


def quorum_without(k: int, keys: Iterable[VerifierKey], network: str, operator: str) -> WitnessPolicy:
    """At least k of these witnesses, the operator not counting: whoever runs the log cannot vouch for it.

    Raises FormatError as `WitnessQuorum`.
    """
    own = witness_name(network, operator)
    return WitnessQuorum(k, tuple(key for key in keys if key.name != own))


def registry_quorum(
    k: int, records: Iterable[Mapping[str, Any]], network: str, operator: str, now_ms: int
) -> WitnessPolicy:
    """At least k of the members that the registry's records show as witnesses now, the operator not counting.

    Raises FormatError as `WitnessQuorum`.
    """
    keys = [key for record in records for key in witness_keys(network, record, now_ms)]
    return quorum_without(k, keys, network, operator)


def _bad_policy(what: str) -> FormatError:
    return FormatError("witness-policy-malformed", what, where="witnesses")
