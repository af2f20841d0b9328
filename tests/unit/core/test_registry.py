"""The trust registry: what each member event changes, from which index on, and what is refused without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import registry as reg
from passerelle.core.errors import ConfigError, Fatal, FormatError, PasserelleError, Refused
from passerelle.core.registry import KeyVerdict, Registry, Status, apply, from_snapshot
from passerelle.core.signature import SeedSigner

OPERATOR = "operator"
ROOT = SeedSigner(b"\1" * 32)
DAY = 86_400_000


def signer(number: int) -> SeedSigner:
    """A key of its own for each number."""
    return SeedSigner(number.to_bytes(32, "big"))


def key(number: int, use: str = "sign", **more: object) -> dict[str, object]:
    """A key as an event lists it."""
    made = signer(number)
    return {"key_id": made.key_id, "public_key": made.public_key.hex(), "use": use, **more}


def admitted(member: str, *keys: dict[str, object], **more: object) -> dict[str, Any]:
    """Data of an admission."""
    own = member == OPERATOR
    return {
        "member": member,
        "kind": "operator" if own else "college",
        "names": {"en": member.title()},
        "jurisdictions": ["CA-ON"],
        "roles": ["operate"] if own else ["issue", "recognise"],
        "keys": list(keys),
        **more,
    }


@pytest.fixture
def registry() -> Registry:
    """Operator at index 0 with key 100, humber at 1 with keys 200 (sign) and 201 (seal)."""
    made = Registry("passerelle.example/log", OPERATOR, ROOT.public_key)
    apply(made, 0, reg.ADMITTED, admitted(OPERATOR, key(100), log_vkey="passerelle.example/log+00000000+AAAA"))
    return apply(made, 1, reg.ADMITTED, admitted("humber", key(200), key(201, "seal")))


def verdict(registry: Registry, number: int, at: int = DAY, sequence: int = 1, index: int | None = None) -> KeyVerdict:
    """The verdict on one of humber's keys."""
    return registry.key_valid("humber", signer(number).key_id, at, "credential", sequence, index)


def refusal(registry: Registry, event_type: str, data: dict[str, Any], index: int = 9) -> str:
    """The code of a refusal, after checking that it left no trace."""
    before = json.dumps(registry.snapshot())
    with pytest.raises(Refused) as caught:
        apply(registry, index, event_type, data)
    assert json.dumps(registry.snapshot()) == before
    return caught.value.code


def test_a_key_for_answers_signs_no_events(registry: Registry) -> None:
    apply(registry, 2, reg.KEYS_CHANGED, {"member": "humber", "add": [key(202, "answer")]})
    assert verdict(registry, 200) is KeyVerdict.VALID
    assert verdict(registry, 202) is KeyVerdict.NOT_VALID


def test_root_key_signs_until_the_operator_is_admitted() -> None:
    registry = Registry("passerelle.example/log", OPERATOR, ROOT.public_key)

    def worth(member: str, made: SeedSigner, index: int | None = None) -> KeyVerdict:
        return registry.key_valid(member, made.key_id, DAY, "member", 1, index)

    assert worth(OPERATOR, ROOT) is KeyVerdict.VALID
    assert worth("humber", ROOT) is KeyVerdict.UNKNOWN
    assert worth(OPERATOR, signer(100)) is KeyVerdict.UNKNOWN
    assert registry.key_for(ROOT.key_id) is not None
    apply(registry, 0, reg.ADMITTED, admitted(OPERATOR, key(100)))
    assert worth(OPERATOR, ROOT) is KeyVerdict.UNKNOWN
    assert worth(OPERATOR, signer(100)) is KeyVerdict.VALID
    # Looking back, the first event is still the root key's and nobody else's.
    assert worth(OPERATOR, ROOT, 0) is KeyVerdict.VALID
    assert worth(OPERATOR, signer(100), 0) is KeyVerdict.UNKNOWN


def test_first_admission_is_the_operators_with_a_key_to_sign() -> None:
    registry = Registry("passerelle.example/log", OPERATOR, ROOT.public_key)
    assert refusal(registry, reg.ADMITTED, admitted("humber", key(200))) == "step-illegal"
    assert refusal(registry, reg.ADMITTED, admitted(OPERATOR, key(100, "seal"))) == "step-illegal"
    assert not registry.bootstrapped


def test_root_key_may_be_listed_by_the_operator_only(registry: Registry) -> None:
    root: dict[str, object] = {"key_id": ROOT.key_id, "public_key": ROOT.public_key.hex(), "use": "sign"}
    assert refusal(registry, reg.ADMITTED, admitted("seneca", root)) == "key-duplicate"
    fresh = Registry("passerelle.example/log", OPERATOR, ROOT.public_key)
    apply(fresh, 0, reg.ADMITTED, admitted(OPERATOR, root))
    assert fresh.key_valid(OPERATOR, ROOT.key_id, DAY, "member", 2) is KeyVerdict.VALID


def test_admitted_member(registry: Registry) -> None:
    record = registry.member("humber")
    assert (record.status, record.admitted_index, record.names) == (Status.ACTIVE, 1, {"en": "Humber"})
    assert registry.has_role("humber", "issue")
    assert not registry.has_role("humber", "operate")
    assert registry.require_active("humber") is record
    assert registry.member(OPERATOR).details["log_vkey"].startswith("passerelle.example")
    with pytest.raises(Refused, match="member-unknown"):
        registry.require_active("seneca")


def test_key_verdicts(registry: Registry) -> None:
    assert verdict(registry, 200) is KeyVerdict.VALID
    assert verdict(registry, 201) is KeyVerdict.NOT_VALID, "a seal key signs nothing"
    assert verdict(registry, 100) is KeyVerdict.UNKNOWN, "another member's key"
    assert verdict(registry, 999) is KeyVerdict.UNKNOWN
    assert verdict(registry, 200, index=1) is KeyVerdict.UNKNOWN, "acts from the next index"
    assert verdict(registry, 200, index=2) is KeyVerdict.VALID
    owner, record = registry.key_for(signer(200).key_id) or ("", None)
    assert owner == "humber"
    assert record is not None
    assert record.public_key == signer(200).public_key


@pytest.mark.parametrize(
    ("start", "end"),
    [(1000, 2000), ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02+00:00"), ("1969-12-31T19:00:01-05:00", 2000)],
)
def test_validity_dates_are_half_open(registry: Registry, start: object, end: object) -> None:
    apply(registry, 2, reg.KEYS_CHANGED, {"member": "humber", "add": [key(202, valid_from=start, valid_to=end)]})
    found = [verdict(registry, 202, at) is KeyVerdict.VALID for at in (999, 1000, 1999, 2000)]
    assert found == [False, True, True, False]


def test_rotation(registry: Registry) -> None:
    change = {"member": "humber", "add": [key(202)], "remove": [{"key_id": signer(200).key_id}]}
    apply(registry, 5, reg.KEYS_CHANGED, change)
    assert verdict(registry, 200) is KeyVerdict.NOT_VALID
    assert verdict(registry, 202) is KeyVerdict.VALID
    # An auditor asks about the past: the old key up to the changing event itself, the new one after it.
    assert [verdict(registry, 200, index=i) for i in (5, 6)] == [KeyVerdict.VALID, KeyVerdict.NOT_VALID]
    assert [verdict(registry, 202, index=i) for i in (5, 6)] == [KeyVerdict.UNKNOWN, KeyVerdict.VALID]


def test_stolen_key_marks_what_was_logged(registry: Registry) -> None:
    stolen = {"key_id": signer(200).key_id, "distrust_from": {"credential": 7}}
    apply(registry, 20, reg.KEYS_CHANGED, {"member": "humber", "add": [key(202)], "remove": [stolen]})
    assert verdict(registry, 200, sequence=6, index=10) is KeyVerdict.VALID
    assert verdict(registry, 200, sequence=7, index=11) is KeyVerdict.DISTRUSTED
    assert verdict(registry, 200, sequence=8) is KeyVerdict.NOT_VALID, "nothing new enters under it"
    assert registry.key_valid("humber", signer(200).key_id, DAY, "recognition", 7, 11) is KeyVerdict.VALID


def test_theft_mark_moves_back_and_never_forward(registry: Registry) -> None:
    name = signer(200).key_id
    for index, start, expected in ((20, 7, 7), (21, 4, 4), (22, 9, 4)):
        change = {"member": "humber", "remove": [{"key_id": name, "distrust_from": {"credential": start}}]}
        apply(registry, index, reg.KEYS_CHANGED, change)
        record = registry.member("humber").keys[name]
        assert record.distrusted_from == {"credential": expected}
        assert record.removed_index == 20


def test_suspension_ends_when_roles_are_stated_anew(registry: Registry) -> None:
    apply(registry, 2, reg.SUSPENDED, {"member": "humber", "reason": "fees"})
    assert not registry.has_role("humber", "issue")
    with pytest.raises(Refused, match="member-suspended"):
        registry.require_active("humber")
    assert refusal(registry, reg.SUSPENDED, {"member": "humber", "reason": "fees"}) == "step-illegal"
    # A stolen key can be taken away while the member is suspended, and that ends no suspension.
    apply(registry, 3, reg.KEYS_CHANGED, {"member": "humber", "add": [key(202)]})
    assert registry.member("humber").status is Status.SUSPENDED
    apply(registry, 4, reg.ROLES_CHANGED, {"member": "humber", "roles": ["read"]})
    assert registry.require_active("humber").roles == {"read"}
    assert registry.member("humber").reason == ""


def test_removal_is_final_and_ends_the_keys(registry: Registry) -> None:
    apply(registry, 7, reg.REMOVED, {"member": "humber", "reason": "closed"})
    assert verdict(registry, 200) is KeyVerdict.NOT_VALID
    assert verdict(registry, 200, index=6) is KeyVerdict.VALID
    with pytest.raises(Refused, match="member-removed"):
        registry.require_active("humber")
    assert refusal(registry, reg.ROLES_CHANGED, {"member": "humber", "roles": ["read"]}) == "member-removed"
    assert refusal(registry, reg.KEYS_CHANGED, {"member": "humber", "add": [key(202)]}) == "member-removed"
    assert refusal(registry, reg.ADMITTED, admitted("humber", key(202))) == "member-exists"


@pytest.mark.parametrize(
    ("event_type", "data", "code"),
    [
        (reg.ADMITTED, admitted("humber", key(300)), "member-exists"),
        (reg.ADMITTED, admitted("seneca", key(200)), "key-duplicate"),
        (reg.ADMITTED, admitted("seneca", key(300), key(300)), "key-duplicate"),
        (reg.ADMITTED, admitted("seneca", key(300) | {"key_id": "0" * 16}), "key-malformed"),
        (reg.ADMITTED, admitted("seneca", key(300) | {"public_key": "AB" * 32}), "key-malformed"),
        (reg.ADMITTED, admitted("seneca", key(300, "master")), "schema-invalid"),
        (reg.ADMITTED, admitted("seneca", key(300, valid_from=5, valid_to=5)), "dates-reversed"),
        (reg.ADMITTED, admitted("seneca", key(300, valid_from="2026-01-01T00:00:00")), "schema-invalid"),
        (reg.ADMITTED, admitted("seneca", key(300), kind="operator"), "operator-only"),
        (reg.ADMITTED, admitted("seneca", key(300), log_vkey="x"), "operator-only"),
        (reg.ADMITTED, admitted("seneca", key(300), parent="nobody"), "reference-unknown"),
        (reg.ADMITTED, admitted("seneca", key(300), roles=["king"]), "schema-invalid"),
        (reg.ADMITTED, admitted("Seneca", key(300)), "schema-invalid"),
        (reg.ADMITTED, admitted("seneca", *[key(n) for n in range(300, 557)]), "too-many-items"),
        (reg.ADMITTED, {"member": "seneca"}, "schema-invalid"),
        (reg.KEYS_CHANGED, {"member": "seneca", "add": [key(300)]}, "member-unknown"),
        (reg.KEYS_CHANGED, {"member": "humber"}, "schema-invalid"),
        (reg.KEYS_CHANGED, {"member": "humber", "add": [key(200)]}, "key-duplicate"),
        (reg.KEYS_CHANGED, {"member": "humber", "remove": [{"key_id": signer(100).key_id}]}, "key-unknown"),
        (reg.KEYS_CHANGED, {"member": "humber", "remove": [{"key_id": signer(200).key_id}] * 2}, "key-unknown"),
        (
            reg.KEYS_CHANGED,
            {"member": "humber", "remove": [{"key_id": signer(200).key_id, "distrust_from": {"credential": 0}}]},
            "schema-invalid",
        ),
        (reg.KEYS_CHANGED, {"member": OPERATOR, "remove": [{"key_id": signer(100).key_id}]}, "step-illegal"),
        (reg.ROLES_CHANGED, {"member": "humber", "roles": ["issue", []]}, "schema-invalid"),
        (reg.SUSPENDED, {"member": OPERATOR, "reason": "x"}, "step-illegal"),
        (reg.SUSPENDED, {"member": "humber"}, "schema-invalid"),
        (reg.REMOVED, {"member": OPERATOR, "reason": "x"}, "step-illegal"),
        (reg.REMOVED, {"member": "humber"}, "schema-invalid"),
        ("ca.passerelle.member.reinstated.v1", {"member": "humber"}, "type-unknown"),
    ],
)
def test_refused_without_a_trace(registry: Registry, event_type: str, data: dict[str, Any], code: str) -> None:
    assert refusal(registry, event_type, data) == code


def test_removed_key_never_comes_back(registry: Registry) -> None:
    name = signer(200).key_id
    apply(registry, 2, reg.KEYS_CHANGED, {"member": "humber", "add": [key(202)], "remove": [{"key_id": name}]})
    assert refusal(registry, reg.KEYS_CHANGED, {"member": "humber", "add": [key(200)]}) == "key-duplicate"
    assert refusal(registry, reg.KEYS_CHANGED, {"member": "humber", "remove": [{"key_id": name}]}) == "step-illegal"


def test_twice_or_out_of_order_stops(registry: Registry) -> None:
    for index in (0, 1):
        with pytest.raises(Fatal, match="registry-invalid"):
            apply(registry, index, reg.SUSPENDED, {"member": "humber", "reason": "x"})


def test_construction_is_checked() -> None:
    with pytest.raises(FormatError):
        Registry("a b", OPERATOR, ROOT.public_key)
    with pytest.raises(ConfigError):
        Registry("network", OPERATOR, b"short")


@pytest.mark.parametrize("spoil", ["network", "members", "index", "root_public_key"])
def test_spoilt_snapshot_stops(registry: Registry, spoil: str) -> None:
    data = registry.snapshot()
    data[spoil] = None
    with pytest.raises(Fatal, match="registry-invalid"):
        from_snapshot(data)


members = st.sampled_from(["humber", "seneca", "boreal", OPERATOR])
numbers = st.integers(100, 112)
events = st.one_of(
    st.builds(lambda m, n: (reg.ADMITTED, admitted(m, key(n))), members, numbers),
    st.builds(
        lambda m, add, remove: (
            reg.KEYS_CHANGED,
            {
                "member": m,
                "add": [key(n) for n in add],
                "remove": [{"key_id": signer(n).key_id, "distrust_from": {"credential": n}} for n in remove],
            },
        ),
        members,
        st.lists(numbers, max_size=2),
        st.lists(numbers, max_size=2),
    ),
    st.builds(lambda m: (reg.ROLES_CHANGED, {"member": m, "roles": ["issue"]}), members),
    st.builds(lambda m: (reg.SUSPENDED, {"member": m, "reason": "x"}), members),
    st.builds(lambda m: (reg.REMOVED, {"member": m, "reason": "x"}), members),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(events, max_size=25))
def test_any_history(history: list[tuple[str, dict[str, Any]]]) -> None:
    """A refusal leaves no trace, a snapshot restores all, the operator can always sign, the past does not change."""
    registry = Registry("passerelle.example/log", OPERATOR, ROOT.public_key)
    past: dict[tuple[str, int], KeyVerdict] = {}
    for index, (event_type, data) in enumerate(history):
        before = json.dumps(registry.snapshot())
        try:
            apply(registry, index, event_type, data)
        except PasserelleError:
            assert json.dumps(registry.snapshot()) == before
        restored = from_snapshot(json.loads(json.dumps(registry.snapshot())))
        assert restored.snapshot() == registry.snapshot()
        for number in range(100, 113):
            name = signer(number).key_id
            assert restored.key_for(name) == registry.key_for(name)
            # The next event is judged now, and an auditor who asks later must get the same answer.
            past[name, index + 1] = registry.key_valid("humber", name, DAY, "credential", 1)
    if registry.bootstrapped:
        own = registry.member(OPERATOR).keys.values()
        assert any(k.use == "sign" and k.removed_index is None for k in own)
    for (name, index), expected in past.items():
        assert registry.key_valid("humber", name, DAY, "credential", 1, index) is expected
