"""Signed answers: bound to network, position, checkpoint and time, by an issuer that one trusts."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.core import answer as core
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.jws import read, sign
from passerelle.core.note import CosignatureSigner, NoteSigner, parse_note
from passerelle.core.signature import SeedSigner
from passerelle.core.witness import quorum_without

NETWORK = "ledger.passerelle.example/test"
LOG = NoteSigner(NETWORK, b"\x01" * 32)
ISSUER = SeedSigner(b"\x02" * 32)
NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000
WITNESS = CosignatureSigner(f"{NETWORK}/witness/humber", b"\x03" * 32)


def note(size: int, signer: NoteSigner = LOG) -> str:
    return sign_checkpoint(Checkpoint(NETWORK, size, b"\x05" * 32), [signer]).decode()


def made(**more: Any) -> bytes:
    asked = core.Asked(
        method="passerelle.api.equivalency.v1.EquivalencyService/Find",
        question={"achievement": "humber/revit"},
        answer={"answers": [{"verdict": "agreement"}]},
        position={"size": 40, "accepted_at_ms": NOW_MS - 1, "floor_ms": NOW_MS},
        valid_on="2026-01-01",
        packs={"lisbon": 2},
    )
    given: dict[str, Any] = {
        "network": NETWORK,
        "member": "operator",
        "checkpoint": note(41),
        "now_ms": NOW_MS,
        "lifetime_s": 86_400,
    }
    return core.sign_answer(ISSUER, asked, **(given | more)).encode()


def checked(data: bytes, now_ms: int = NOW_MS, **more: Any) -> core.VerifiedAnswer:
    given: dict[str, Any] = {"network": NETWORK, "now_ms": now_ms}
    return core.verify_answer(data, {ISSUER.key_id: ISSUER.public_key}, [LOG.verifier], **(given | more))


def refused(data: bytes, now_ms: int = NOW_MS, **more: Any) -> tuple[str, str]:
    with pytest.raises(PasserelleError) as caught:
        checked(data, now_ms, **more)
    return caught.value.code, caught.value.where


def changed(**members: Any) -> bytes:
    """An answer that the issuer signed, with other members."""
    content = read(made(), core.KIND, {ISSUER.key_id: ISSUER.public_key}.get).payload | members
    return sign(ISSUER, core.KIND, {name: value for name, value in content.items() if value is not None}).encode()


def test_it_says_what_was_asked_and_what_covers_it() -> None:
    found = checked(made())
    assert found.content["question"] == {"achievement": "humber/revit"}
    assert found.content["issuer"] == {"member": "operator", "key_id": ISSUER.key_id}
    assert (found.content["issued_at"], found.content["expires_at"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    assert (found.size, found.checkpoint.size, found.content["packs"]) == (40, 41, {"lisbon": 2})


def test_it_holds_to_its_last_moment_and_not_before_its_first() -> None:
    data = made()
    assert checked(data, NOW_MS + DAY_MS)
    assert refused(data, NOW_MS + DAY_MS + 1) == ("answer-expired", "expires_at")
    assert checked(data, NOW_MS - core.LEEWAY_MS)
    assert refused(data, NOW_MS - core.LEEWAY_MS - 1) == ("answer-expired", "issued_at")


def test_a_checkpoint_must_cover_it_and_be_the_logs() -> None:
    assert checked(made(checkpoint=note(40)))
    assert refused(made(checkpoint=note(39))) == ("answer-malformed", "checkpoint")
    stranger = NoteSigner(NETWORK, b"\x09" * 32)
    assert refused(made(checkpoint=note(41, stranger)))[0] == "note-key-unknown"
    assert refused(made(checkpoint="no note"))[0] == "note-malformed"


def test_another_network_and_another_issuer_are_refused() -> None:
    assert refused(made(network="other.example/log")) == ("network-mismatch", "network")
    with pytest.raises(PasserelleError) as caught:
        core.verify_answer(made(), {}, [LOG.verifier], network=NETWORK, now_ms=NOW_MS)
    assert caught.value.code == "answer-signature-invalid"


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"format": "passerelle.answer/v2"}, "format"),
        ({"more": 1}, "payload"),
        ({"packs": None}, "payload"),
        ({"packs": {"lisbon": "2"}}, "packs"),
        ({"packs": []}, "packs"),
        ({"issuer": {"member": "operator", "key_id": "0" * 16}}, "issuer"),
        ({"issuer": {"key_id": ISSUER.key_id}}, "issuer"),
        ({"position": {"size": -1, "accepted_at_ms": 0, "floor_ms": 0}}, "position"),
        ({"position": {"size": 1}}, "position"),
        ({"position": {"size": True, "accepted_at_ms": 0, "floor_ms": 0}}, "position"),
        ({"expires_at": "2026-01-02"}, "expires_at"),
        ({"expires_at": "2026-02-30T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2025-12-31T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "expires_at"),
        ({"question": "what"}, "question"),
    ],
)
def test_what_has_not_its_form_is_refused_though_the_issuer_signed_it(members: dict[str, Any], where: str) -> None:
    assert refused(changed(**members)) == ("answer-malformed", where)


def test_witnesses_count_when_they_are_known() -> None:
    text = note(41)
    signed = parse_note(text.encode())
    cosigned = signed.with_signatures([WITNESS.cosign(signed.text, NOW_MS // 1000)]).serialise().decode()
    one = quorum_without(1, [WITNESS.verifier], NETWORK, "operator")
    assert checked(made(checkpoint=cosigned), witnesses=one).witnesses == (WITNESS.verifier.name,)
    assert checked(made(checkpoint=cosigned)).witnesses == ()
    assert refused(made(), witnesses=one)[0] == "witness-quorum-missing"
