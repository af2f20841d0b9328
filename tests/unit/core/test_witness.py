"""Witnesses among the members: their keys as the registry shows them, and how many are enough."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import leaf_hash
from passerelle.core.note import CosignatureSigner, NoteSigner, VerifierKey, parse_note
from passerelle.core.registry import ADMITTED, KEYS_CHANGED, SUSPENDED, Registry, apply
from passerelle.core.witness import WitnessQuorum, quorum_without, registry_quorum, witness_keys, witness_name
from passerelle.testing.federation import NETWORK, OPERATOR, Federation, Member, admitted, seed_of

LOG = NoteSigner(NETWORK, b"l" * 32)
HEAD = Checkpoint(NETWORK, 1, leaf_hash(b"a"))
NOW = 1_785_000_000_000


def witness(member: str, key_name: str) -> CosignatureSigner:
    return CosignatureSigner(witness_name(NETWORK, member), seed_of(key_name))


def cosigned(*witnesses: CosignatureSigner) -> bytes:
    signed = parse_note(sign_checkpoint(HEAD, [LOG]))
    return signed.with_signatures([one.cosign(HEAD.text, 1) for one in witnesses]).serialise()


class Land:
    """A registry of the operator, York and Laval; each has witness keys."""

    def __init__(self) -> None:
        federation = Federation()
        self.registry = Registry(NETWORK, OPERATOR, federation.root_public_key)
        self.index = 0
        own = [Member(OPERATOR, key_name="op").key(), Member(OPERATOR, key_name="op w").key("witness")]
        self.add(ADMITTED, admitted(federation.operator, ["operate"], keys=own))
        york = [
            Member("york").key(),
            Member("york", key_name="york w").key("witness"),
            Member("york", key_name="york w2").key("witness"),
            Member("york", key_name="over").key("witness", valid_to="2026-01-01T00:00:00Z"),
            Member("york", key_name="later").key("witness", valid_from="2099-01-01T00:00:00Z"),
        ]
        self.add(ADMITTED, admitted(Member("york"), ["issue"], keys=york))
        laval = [Member("laval").key(), Member("laval", key_name="laval w").key("witness")]
        self.add(ADMITTED, admitted(Member("laval"), ["issue"], keys=laval))

    def add(self, kind: str, data: dict[str, Any]) -> None:
        apply(self.registry, self.index, kind, data)
        self.index += 1

    def keys(self, member: str) -> tuple[VerifierKey, ...]:
        return witness_keys(NETWORK, self.registry.members[member].as_dict(), NOW)

    def enough(self, k: int, note: bytes) -> int:
        """How many known witnesses cosigned. Raises as the policy does."""
        records = [record.as_dict() for record in self.registry.members.values()]
        policy = registry_quorum(k, records, NETWORK, OPERATOR, NOW)
        return len(open_checkpoint(note, [LOG.verifier], witnesses=policy).witnesses)


def code_of(land: Land, k: int, note: bytes) -> str:
    with pytest.raises(PasserelleError) as caught:
        land.enough(k, note)
    return caught.value.code


def test_only_witness_keys_in_force_are_keys() -> None:
    land = Land()
    assert set(land.keys("york")) == {witness("york", name).verifier for name in ("york w", "york w2")}
    removed = Member("york", key_name="york w").signer.key_id
    land.add(KEYS_CHANGED, {"member": "york", "remove": [{"key_id": removed}]})
    assert land.keys("york") == (witness("york", "york w2").verifier,)
    land.add(SUSPENDED, {"member": "york", "reason": "x"})
    assert land.keys("york") == ()


def test_members_count_once_and_the_operator_never() -> None:
    land = Land()
    york, again, laval = witness("york", "york w"), witness("york", "york w2"), witness("laval", "laval w")
    assert land.enough(2, cosigned(york, laval)) == 2
    assert land.enough(0, cosigned()) == 0
    assert code_of(land, 2, cosigned(york, again)) == "witness-quorum-missing"
    assert code_of(land, 1, cosigned(witness(OPERATOR, "op w"))) == "witness-quorum-missing"
    assert code_of(land, 1, cosigned(witness("york", "york"))) == "witness-quorum-missing"
    assert code_of(land, 1, cosigned(witness("laval", "york w"))) == "witness-quorum-missing"
    assert code_of(land, 3, cosigned(york, laval)) == "witness-policy-malformed"


def test_policies_that_could_not_be_met_are_refused() -> None:
    key = witness("york", "york w").verifier
    assert WitnessQuorum(1, (key,)).keys == (key,)
    for k, keys in ((-1, (key,)), (2, (key,)), (1, (key, key)), (1, (LOG.verifier,))):
        with pytest.raises(PasserelleError) as caught:
            WitnessQuorum(k, keys)
        assert caught.value.code == "witness-policy-malformed"
    with pytest.raises(PasserelleError):
        quorum_without(1, [witness(OPERATOR, "op w").verifier], NETWORK, OPERATOR)
