"""Receipt files: verified offline from the file, the member's key and the log's key, and by nothing less."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.batch import sign_batches
from passerelle.core.checkpoint import Checkpoint, Quorum, sign_checkpoint
from passerelle.core.entry import Entry
from passerelle.core.errors import FormatError, PasserelleError, ProofError, Refused, SignatureInvalid
from passerelle.core.merkle import inclusion_path, leaf_hashes, root_from_leaves
from passerelle.core.note import CosignatureSigner, Note, NoteSigner, parse_note
from passerelle.core.receipt import MAX_RECEIPT, Receipt, build_receipt, parse_receipt, receipt_of, verify_receipt
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest
from passerelle.core.tlogproof import TlogProof

NETWORK = "passerelle.example/log"
MEMBER = SeedSigner(b"\7" * 32)
LOG = NoteSigner(NETWORK, b"\x09" * 32)
WITNESS = CosignatureSigner("witness.example", b"\x0a" * 32)
BODIES = [b'{"n":%d}' % n for n in range(5)]


def entries(outcome: str = "accepted", network: str = NETWORK) -> list[bytes]:
    """Five entries of one batch."""
    statements = [
        Statement(network, "humber", "credential", n + 1, ZERO, "party", digest(body)).encode()
        for n, body in enumerate(BODIES)
    ]
    signed = sign_batches(network, "humber", list(zip(statements, BODIES, strict=True)), MEMBER)
    return [Entry.of(1000 + n, outcome, one).encode() for n, one in enumerate(signed)]


def checkpoint(leaves: list[bytes], origin: str = NETWORK, signer: NoteSigner = LOG) -> bytes:
    """A checkpoint over entries."""
    return sign_checkpoint(Checkpoint(origin, len(leaves), root_from_leaves(leaf_hashes(leaves))), [signer])


def receipt(number: int = 3, outcome: str = "accepted", network: str = NETWORK) -> Receipt:
    """The receipt of one of the five entries."""
    leaves = entries(outcome, network)
    proof = TlogProof(number, inclusion_path(leaf_hashes(leaves), number), checkpoint(leaves)).serialise()
    return Receipt(leaves[number], proof, BODIES[number])


GOOD = receipt()


@pytest.mark.parametrize("number", range(5))
def test_verifies_offline(number: int) -> None:
    made = receipt(number)
    verified = verify_receipt(parse_receipt(build_receipt(made)), MEMBER.public_key, [LOG.verifier], NETWORK)
    assert verified.index == number
    assert verified.statement.sequence == number + 1
    assert verified.checkpoint.checkpoint.size == 5
    assert verified.body == BODIES[number]


def test_body_can_be_taken_out() -> None:
    bare = parse_receipt(build_receipt(GOOD.without_body()))
    assert bare.body is None
    assert "body" not in json.loads(build_receipt(bare))
    assert verify_receipt(bare, MEMBER.public_key, [LOG.verifier], NETWORK).body is None


@given(st.binary(max_size=300) | st.none())
def test_round_trip(body: bytes | None) -> None:
    made = replace(GOOD, body=body)
    assert parse_receipt(build_receipt(made)) == made
    assert receipt_of(made.as_dict()) == made


def check(made: Receipt, **more: object) -> str:
    """The code with which verification fails."""
    with pytest.raises(PasserelleError) as caught:
        verify_receipt(made, MEMBER.public_key, [LOG.verifier], NETWORK, **more)  # type: ignore[arg-type]
    return caught.value.code


def test_other_body() -> None:
    assert check(replace(GOOD, body=b'{"n":4}')) == "body-hash-mismatch"


def test_entry_of_another_place() -> None:
    assert check(replace(GOOD, entry=receipt(2).entry, body=None)) == "proof-inclusion-invalid"


def test_entry_with_another_outcome_is_not_in_the_log() -> None:
    altered = GOOD.entry.replace(b"\naccepted\n", b"\nrefused time-ahead\n")
    assert check(replace(GOOD, entry=altered)) == "proof-inclusion-invalid"


def test_statement_changed_after_signing() -> None:
    assert check(replace(GOOD, entry=GOOD.entry.replace(b"party", b"public"))) == "signature-invalid"


def test_log_that_another_key_signed() -> None:
    leaves = entries()
    other = NoteSigner(NETWORK, b"\x0b" * 32)
    proof = TlogProof(3, inclusion_path(leaf_hashes(leaves), 3), checkpoint(leaves, signer=other)).serialise()
    assert check(replace(GOOD, proof=proof)) == "note-key-unknown"


def test_other_member_key() -> None:
    with pytest.raises(SignatureInvalid, match="key-unknown"):
        verify_receipt(GOOD, SeedSigner(b"\x08" * 32).public_key, [LOG.verifier], NETWORK)


def test_other_network() -> None:
    assert check(receipt(network="other.example/log")) == "network-mismatch"


def test_log_never_issued_it() -> None:
    """A member alone cannot make a receipt: a tree over its own entries has another root than the one signed."""
    forged = entries("accepted")[:2]
    path = inclusion_path(leaf_hashes(forged), 1)
    proof = TlogProof(1, path, checkpoint(entries())).serialise()
    assert check(Receipt(forged[1], proof)) == "proof-malformed"


def test_refusal_proves_no_award() -> None:
    made = receipt(outcome="refused time-ahead")
    with pytest.raises(Refused, match="receipt-refused"):
        verify_receipt(made, MEMBER.public_key, [LOG.verifier], NETWORK)
    verified = verify_receipt(made, MEMBER.public_key, [LOG.verifier], NETWORK, allow_refused=True)
    assert verified.entry.refusal == "time-ahead"


def test_witness_policy() -> None:
    policy = Quorum(1, (WITNESS.verifier,))
    assert check(GOOD, witnesses=policy) == "witness-quorum-missing"
    leaves = entries()
    note: Note = parse_note(checkpoint(leaves))
    cosigned = note.with_signatures([WITNESS.cosign(note.text, 1_790_000_000)]).serialise()
    proof = TlogProof(3, inclusion_path(leaf_hashes(leaves), 3), cosigned).serialise()
    verified = verify_receipt(replace(GOOD, proof=proof), MEMBER.public_key, [LOG.verifier], NETWORK, witnesses=policy)
    assert [witness.key for witness in verified.checkpoint.witnesses] == [WITNESS.verifier]


TEXT = json.loads(build_receipt(GOOD))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "receipt-malformed"),
        (b"[]", "receipt-malformed"),
        (b"\xff\xfe", "receipt-malformed"),
        (b"[" * 100_000, "receipt-malformed"),
        (b'{"entry":"a","entry":"a","proof":"b"}', "receipt-malformed"),
        (b" " * (MAX_RECEIPT + 1), "receipt-malformed"),
        (json.dumps({"entry": TEXT["entry"]}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"more": "x"}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"body": 1}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"body": "YQ"}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"body": "YR=="}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"entry": "é"}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"entry": "x" * 2000}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"proof": "\ud800"}).encode(), "receipt-malformed"),
        (json.dumps(TEXT | {"entry": "x\n"}).encode(), "entry-malformed"),
        (json.dumps(TEXT | {"proof": "x\n"}).encode(), "proof-malformed"),
    ],
)
def test_malformed_file(data: bytes, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_receipt(data)
    assert caught.value.code == code


def test_malformed_parts_are_never_written() -> None:
    for bad in (replace(GOOD, entry=b"x"), replace(GOOD, proof=b"x"), replace(GOOD, body=bytes(64 * 1024 + 1))):
        with pytest.raises(FormatError):
            build_receipt(bad)


@given(st.data())
def test_a_changed_byte_never_verifies_as_something_else(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(["entry", "proof", "body"]))
    good: bytes = getattr(GOOD, field)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    with pytest.raises((FormatError, SignatureInvalid, ProofError)):
        verify_receipt(replace(GOOD, **{field: bad}), MEMBER.public_key, [LOG.verifier], NETWORK)
