"""The proof check of the portal: what holds, what fails, and which step says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.portal.builder import NETWORK, Log, seed, small_log

from passerelle.core.receipt import Receipt
from passerelle.core.signature import SeedSigner
from passerelle.portal.proofs import Known, Verification, verify


def known(log: Log, index: int, member: str = "humber") -> Known:
    return Known(
        NETWORK,
        log_keys=[log.signer.verifier],
        member_key=(member, SeedSigner(seed(member)).public_key),
        own_entry=log.entries[index],
        own_root=log.root(),
    )


def outcomes(found: Verification) -> dict[str, str]:
    return {step.id: step.code or step.outcome for step in found.steps}


def test_every_step_of_a_sound_receipt_holds() -> None:
    log = small_log()
    found = verify(log.receipt(3), known(log, 3))
    assert found.ok
    assert outcomes(found) == dict.fromkeys(("form", "body", "signature", "path", "checkpoint", "own"), "ok")
    path = next(step for step in found.steps if step.id == "path")
    assert path.values["root"] == log.root().hex()


def test_a_party_receipt_holds_without_its_body() -> None:
    log = small_log()
    found = verify(log.receipt(5), known(log, 5))
    assert found.ok
    assert outcomes(found)["body"] == "skipped"


def test_without_the_logs_key_nothing_is_called_verified() -> None:
    log = small_log()
    found = verify(log.receipt(3), replace(known(log, 3), log_keys=()))
    assert outcomes(found)["checkpoint"] == "skipped"
    assert not found.ok
    assert not found.failed


def test_what_the_portal_did_not_read_is_left_out_and_said() -> None:
    log = small_log()
    found = verify(log.receipt(3), replace(known(log, 3), member_key=None, own_root=None))
    assert (outcomes(found)["signature"], outcomes(found)["own"]) == ("skipped", "skipped")
    assert found.ok


def _other_body(log: Log) -> Receipt:
    return replace(log.receipt(3), body=log.bodies[4])


def _other_entry(log: Log) -> Receipt:
    return replace(log.receipt(3), entry=log.entries[4], body=None)


def _other_time(log: Log) -> Receipt:
    receipt = log.receipt(3)
    lines = receipt.entry.split(b"\n")
    lines[1] = b"1700000000000"
    return replace(receipt, entry=b"\n".join(lines))


def _broken_path(log: Log) -> Receipt:
    receipt = log.receipt(3)
    lines = receipt.proof.split(b"\n")
    lines[2] = lines[3]
    return replace(receipt, proof=b"\n".join(lines))


def _garbage(log: Log) -> Receipt:
    return Receipt(b"no entry\n", log.receipt(3).proof)


@pytest.mark.parametrize(
    ("make", "step", "code"),
    [
        (_other_body, "body", "body-hash-mismatch"),
        (_other_entry, "path", "proof-inclusion-invalid"),
        (_other_time, "path", "proof-inclusion-invalid"),
        (_broken_path, "path", "proof-inclusion-invalid"),
        (_garbage, "form", "entry-malformed"),
    ],
)
def test_what_was_changed_is_found_by_its_step(make: object, step: str, code: str) -> None:
    log = small_log()
    assert callable(make)
    found = verify(make(log), known(log, 3))
    assert outcomes(found)[step] == code
    assert found.failed
    assert not found.ok


def test_another_network_another_key_another_log() -> None:
    log = small_log()
    sound = log.receipt(3)
    assert outcomes(verify(sound, replace(known(log, 3), network="other.example/log")))["form"] == "network-mismatch"
    strange = known(log, 3, member="bimco")
    assert outcomes(verify(sound, strange))["signature"] == "key-of-other-member"
    forged = replace(known(log, 3), member_key=("humber", SeedSigner(seed("mallory")).public_key))
    assert outcomes(verify(sound, forged))["signature"] == "key-unknown"
    other = Log()
    other.signer = type(other.signer)(NETWORK, seed("another log"))
    assert outcomes(verify(sound, replace(known(log, 3), log_keys=[other.signer.verifier])))["checkpoint"] != "ok"


def test_a_log_that_shows_two_faces_is_found() -> None:
    """A correct proof under a signed checkpoint still fails where the feed brought something else."""
    log, other = small_log(), small_log()
    other.admit("nscc", "college", {"en": "NSCC"}, ["CA-NS"], ["issue"])
    seen = replace(known(log, 3), own_root=other.root())
    assert outcomes(verify(log.receipt(3), seen))["own"] == "proof-root-mismatch"
    seen = replace(known(log, 3), own_entry=log.entries[4])
    assert outcomes(verify(log.receipt(3), seen))["own"] == "proof-entry-mismatch"
