"""Whatever bytes come: the parsers of proofs, notes, tiles, entries and receipts answer, or raise a typed error."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from passerelle.core.entry import ACCEPTED, Entry, parse_entry
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.merkle import all_inclusion_paths, leaf_hashes, root_from_leaves
from passerelle.core.note import NoteSigner, VerifierKey, parse_note
from passerelle.core.receipt import Receipt, build_receipt, parse_receipt, verify_receipt
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import parse_statement
from passerelle.core.tiles import decode_bundle, encode_bundle, parse_bundle_path, parse_tile_path
from passerelle.core.tlogproof import TlogProof, parse_proof, verify_proof
from passerelle.testing.federation import Federation, seed_of

SIGNER = NoteSigner("ledger.test.example/1", seed_of("log"))
FEDERATION = Federation()
EVENTS = [FEDERATION.found(), *(FEDERATION.admit(f"college-{n}")[1] for n in range(4))]
ENTRIES = [Entry.of(1_700_000_000_000 + n, ACCEPTED, event).encode() for n, event in enumerate(EVENTS)]
LEAVES = leaf_hashes(ENTRIES)
NOTE = sign_checkpoint(Checkpoint(SIGNER.verifier.name, len(LEAVES), root_from_leaves(LEAVES)), [SIGNER])
PROOF = TlogProof(2, all_inclusion_paths(LEAVES)[2], NOTE).serialise()
RECEIPT = build_receipt(Receipt(ENTRIES[2], PROOF, EVENTS[2].body))
BUNDLE = encode_bundle(ENTRIES)
ROOT_KEY = SeedSigner(seed_of("root")).public_key


def altered(document: bytes) -> st.SearchStrategy[bytes]:
    """The document with one part of it replaced, repeated or cut, and now and then anything at all."""
    places = st.integers(0, len(document))
    part = st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"\n", b"\n\n", b"\0", b"\r\n", b" ", b"0", b"-1", b"99999999999999999999", b"=", b"\xff", b"{"]
        ),
    )
    replaced = st.tuples(places, places, part).map(lambda cut: document[: cut[0]] + cut[2] + document[cut[1] :])
    turned = st.tuples(st.integers(0, len(document) - 1), st.integers(0, 7)).map(
        lambda bit: document[: bit[0]] + bytes([document[bit[0]] ^ 1 << bit[1]]) + document[bit[0] + 1 :]
    )
    return st.one_of(replaced, turned, st.binary(max_size=400))


@given(altered(ENTRIES[2]))
@example(ENTRIES[2])
def test_entries(data: bytes) -> None:
    try:
        entry = parse_entry(data)
    except FormatError:
        return
    # There is one spelling: what is read is written again as the same bytes.
    assert entry.encode() == data


@given(altered(EVENTS[1].statement))
@example(EVENTS[1].statement)
def test_statements(data: bytes) -> None:
    try:
        statement = parse_statement(data)
    except FormatError:
        return
    assert statement.encode() == data


@given(altered(NOTE))
@example(NOTE)
def test_notes_and_checkpoints(data: bytes) -> None:
    try:
        note = parse_note(data)
        parse_checkpoint(note.text)
        opened = open_checkpoint(data, [SIGNER.verifier], origin=SIGNER.verifier.name)
    except PasserelleError:
        return
    # Only what the log signed opens, whatever else stands beside its signature.
    assert (opened.checkpoint.size, opened.checkpoint.root) == (len(LEAVES), root_from_leaves(LEAVES))


@given(st.one_of(st.text(max_size=80), altered(str(SIGNER.verifier).encode()).map(lambda data: data.decode("latin-1"))))
@example(str(SIGNER.verifier))
def test_verifier_keys(text: str) -> None:
    try:
        key = VerifierKey.parse(text)
    except FormatError:
        return
    assert str(key) == text


@given(altered(PROOF))
@example(PROOF)
def test_proofs(data: bytes) -> None:
    try:
        proof = parse_proof(data)
        verify_proof(proof, ENTRIES[2], [SIGNER.verifier], origin=SIGNER.verifier.name)
    except PasserelleError:
        return
    assert proof.index == 2


@given(altered(BUNDLE), st.integers(-1, 258))
@example(BUNDLE, len(ENTRIES))
def test_bundles(data: bytes, width: int) -> None:
    try:
        entries = decode_bundle(data, width)
    except FormatError:
        return
    assert encode_bundle(entries) == data
    assert len(entries) == width


PATHS = st.text(alphabet="tile/enrsx0123456789.p-", max_size=40)


@given(st.one_of(PATHS, altered(b"tile/1/x001/067.p/12").map(lambda data: data.decode("latin-1"))))
@example("tile/1/x001/067.p/12")
@example("tile/entries/x001/067.p/12")
def test_paths(path: str) -> None:
    for parse in (parse_tile_path, parse_bundle_path):
        try:
            coord = parse(path)
        except FormatError:
            continue
        assert coord.path == path


@given(altered(RECEIPT))
@example(RECEIPT)
def test_receipts(data: bytes) -> None:
    try:
        receipt = parse_receipt(data)
        verified = verify_receipt(receipt, ROOT_KEY, [SIGNER.verifier], SIGNER.verifier.name)
    except PasserelleError:
        return
    assert (verified.index, receipt.entry) == (2, ENTRIES[2])
    assert receipt.body in (None, EVENTS[2].body)


@pytest.mark.parametrize("name", ["entry", "proof", "body"])
def test_receipts_whose_parts_are_of_another_kind(name: str) -> None:
    good = orjson.loads(RECEIPT)
    others: list[object] = [None, 1, [], {}, "=", "\ud7ff", "é" * 10]
    for value in others:
        with pytest.raises(PasserelleError):
            parse_receipt(orjson.dumps({**good, name: value}))
