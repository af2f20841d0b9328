"""Who asks: tokens against the registry, and what a caller may be asked for."""

from __future__ import annotations

import pytest
from tests.unit.ledger_out.fakes import StepClock

from passerelle.core.errors import PasserelleError
from passerelle.core.registry import ADMITTED, KEYS_CHANGED, REMOVED, SUSPENDED, Registry, apply
from passerelle.ledger.access import Caller, Identity
from passerelle.runtime.identity import make_token
from passerelle.testing.federation import NETWORK, OPERATOR, Federation, Member, admitted, seed_of

NOW = 1_785_000_000


class Door:
    """An identity check over a registry with the operator, York and a suspended member."""

    def __init__(self) -> None:
        federation = Federation()
        self.york = Member("york")
        self.registry = Registry(NETWORK, OPERATOR, federation.root_public_key)
        self.index = 0
        operator_key = Member(OPERATOR, key_name="operator signing")
        self.add(ADMITTED, admitted(federation.operator, ["operate"], keys=[operator_key.key()]))
        keys = [
            self.york.key(),
            Member("york", key_name="seal").key("seal"),
            Member("york", key_name="over").key(valid_to="2026-01-01T00:00:00Z"),
            Member("york", key_name="later").key(valid_from="2099-01-01T00:00:00Z"),
        ]
        self.add(ADMITTED, admitted(self.york, ["recognise"], keys=keys))
        clock = StepClock()
        clock.seconds = float(NOW)
        self.identity = Identity(lambda: self.registry, clock)

    def add(self, kind: str, data: dict[str, object]) -> None:
        apply(self.registry, self.index, kind, data)
        self.index += 1

    def caller(self, key_name: str, member: str = "york") -> Caller:
        token = make_token(seed_of(key_name), member=member, network=NETWORK, now_s=NOW)
        return self.identity.caller(token)


def code_of(door: Door, key_name: str) -> str:
    with pytest.raises(PasserelleError) as caught:
        door.caller(key_name)
    return caught.value.code


def test_a_key_of_the_registry_names_its_member() -> None:
    door = Door()
    assert door.caller("york") == Caller("york", operator=False)
    assert door.caller("operator signing", OPERATOR) == Caller(OPERATOR, operator=True)
    assert door.identity.caller(None) == Caller()


@pytest.mark.parametrize("key_name", ["seal", "over", "later", "stranger", "root"])
def test_keys_that_do_not_sign_now_open_nothing(key_name: str) -> None:
    assert code_of(Door(), key_name) == "token-invalid"


def test_an_ended_key_opens_nothing_and_a_suspended_member_still_reads() -> None:
    door = Door()
    door.add(SUSPENDED, {"member": "york", "reason": "x"})
    assert door.caller("york").member == "york"
    new = Member("york", key_name="new")
    door.add(KEYS_CHANGED, {"member": "york", "add": [new.key()], "remove": [{"key_id": door.york.signer.key_id}]})
    assert code_of(door, "york") == "token-invalid"
    assert door.caller("new").member == "york"
    door.add(REMOVED, {"member": "york", "reason": "x"})
    assert code_of(door, "new") == "token-invalid"


def test_only_the_member_itself_and_the_operator_pass() -> None:
    Caller("york").require("york")
    Caller(OPERATOR, operator=True).require("york")
    for caller, code in ((Caller(), "unauthenticated"), (Caller("laval"), "not-a-party")):
        with pytest.raises(PasserelleError) as caught:
            caller.require("york")
        assert caught.value.code == code
