"""The committed vectors are what the code makes, and a second implementation that shares no code agrees with them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.contracts import make_vectors, mini_verifier
from tests.contracts.mini_verifier import Bad

from passerelle.core.batch import MAX_BATCH, MAX_HEADERS
from passerelle.core.entry import MAX_ENTRY
from passerelle.core.errors import CODES
from passerelle.core.evidence import MAX_EVIDENCE
from passerelle.core.jws import MAX_SIZE as MAX_SIGNED
from passerelle.core.receipt import MAX_RECEIPT
from passerelle.core.registry import MAX_KEYS, from_snapshot
from passerelle.core.statement import MAX_BODY, MAX_NETWORK, MAX_STATEMENT
from passerelle.ledger.witnesses import KEPT_COSIGNATURES

FORMATS = make_vectors.FOLDER.parent / "formats.md"
MADE = make_vectors.build()


def load(name: str) -> Any:
    """A committed vector file."""
    return json.loads((make_vectors.FOLDER / name).read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(MADE))
def test_committed_vectors_are_what_the_code_makes(name: str) -> None:
    committed = (make_vectors.FOLDER / name).read_text("utf-8")
    assert committed == MADE[name], "run: python -m tests.contracts.make_vectors, and mind that formats are contracts"


def test_verifier_shares_no_code() -> None:
    tree = ast.parse(Path(mini_verifier.__file__).read_text("utf-8"))
    roots = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    roots |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert roots <= {"__future__", "base64", "hashlib", "json", "string", "dataclasses", "typing", "cryptography"}


def test_statements() -> None:
    vectors = load("statement.json")
    for item in vectors["valid"]:
        said = mini_verifier.read_statement(item["statement"])
        assert [said.network, said.member, said.family, str(said.sequence), said.visibility] == [
            item[name] for name in ("network", "member", "family", "sequence", "visibility")
        ]
        assert (said.prev.hex(), said.body.hex()) == (item["prev"], item["body_sha256"])
        assert mini_verifier.sha256(item["statement"].encode()).hex() == item["sha256"]
    for item in vectors["invalid"]:
        with pytest.raises(Bad):
            mini_verifier.read_statement(item["statement"])


def test_batches() -> None:
    vectors = load("batch.json")
    public_key = bytes.fromhex(vectors["public_key"])
    assert mini_verifier.sha256(public_key).hex()[:16] == vectors["key_id"]
    for item in vectors["batches"]:
        leaves = [mini_verifier.leaf(event["headers"]["statement"].encode()) for event in item["events"]]
        assert [leaf.hex() for leaf in leaves] == item["leaf_hashes"]
        assert mini_verifier.tree(leaves).hex() == item["root"]
        mini_verifier.signed_by(public_key, bytes.fromhex(item["signed_message_hex"]), bytes.fromhex(item["signature"]))
        for event in item["events"]:
            assert mini_verifier.check_event(event["headers"], event["value"], public_key).hex() == item["root"]
    roots = [mini_verifier.check_event(e["headers"], e["value"], public_key) for e in events_of_257(vectors)]
    assert len(set(roots)) == 2, "five events of the batch of 256, and the lone one after it"


def events_of_257(vectors: Any) -> list[dict[str, Any]]:
    """The single events of the large release."""
    return list(vectors["events_of_a_release_of_257"])


def test_events_that_must_be_refused() -> None:
    vectors = load("batch.json")
    for item in vectors["invalid"]:
        with pytest.raises(Bad):
            mini_verifier.check_event(item["headers"], item["value"], bytes.fromhex(vectors["public_key"]))


def test_entries() -> None:
    vectors = load("entry.json")
    public_key = bytes.fromhex(vectors["public_key"])
    times = [mini_verifier.check_entry(item["entry"], public_key).accepted_at for item in vectors["entries"]]
    assert times == sorted(times)
    leaves = [mini_verifier.leaf(item["entry"].encode()) for item in vectors["entries"]]
    assert [leaf.hex() for leaf in leaves] == [item["leaf_hash"] for item in vectors["entries"]]
    assert mini_verifier.tree(leaves).hex() == vectors["root"]
    for item in vectors["invalid"]:
        with pytest.raises(Bad):
            mini_verifier.check_entry(item["entry"], public_key)


def test_stream() -> None:
    vectors = load("stream.json")
    prev = bytes(32)
    for place, text in enumerate(vectors["log"], start=1):
        said = mini_verifier.read_statement(text)
        assert (said.sequence, said.prev) == (place, prev)
        prev = mini_verifier.sha256(text.encode())
    assert vectors["head"] == {"sequence": len(vectors["log"]), "sha256": prev.hex()}
    for case in vectors["cases"]:
        said = mini_verifier.read_statement(case["statement"])
        next_number = len(vectors["log"]) + 1
        if said.sequence < next_number:
            expected = "repeat" if vectors["log"][said.sequence - 1] == case["statement"] else "conflict"
        elif said.sequence == next_number:
            expected = "next" if said.prev == prev else "conflict"
        else:
            expected = "gap"
        assert case["place"] == expected, case["why"]
    assert {case["place"] for case in vectors["cases"]} == {"next", "conflict", "gap", "repeat"}


def test_registry_answers_as_recorded() -> None:
    vectors = load("registry.json")
    registry = from_snapshot(vectors["registry"])
    for item in vectors["verdicts"]:
        found = registry.key_valid(
            item["member"], item["key_id"], item["accepted_at"], item["family"], item["sequence"], item["index"]
        )
        assert found.value == item["verdict"]
    assert {item["verdict"] for item in vectors["verdicts"]} == {"valid", "unknown", "not-valid", "distrusted"}
    for event in vectors["events"]:
        for key in (*event["data"].get("keys", ()), *event["data"].get("add", ())):
            assert mini_verifier.sha256(bytes.fromhex(key["public_key"])).hex()[:16] == key["key_id"]


def test_receipts() -> None:
    vectors = load("receipt.json")
    keys = bytes.fromhex(vectors["member_public_key"]), bytes.fromhex(vectors["log_public_key"])
    indices = [mini_verifier.check_receipt(item, vectors["network"], *keys) for item in vectors["valid"]]
    assert indices == [0, 8, 3]
    for item in vectors["invalid"]:
        with pytest.raises(Bad):
            mini_verifier.check_receipt(item["receipt"], vectors["network"], *keys)


def test_cosignatures_and_evidence() -> None:
    vectors = load("witness.json")
    network, log_key = vectors["network"], bytes.fromhex(vectors["log_public_key"])
    witness = network, vectors["member"], bytes.fromhex(vectors["witness_public_key"])
    for item in vectors["cosigned"]:
        mini_verifier.check_checkpoint(item["note"], network, log_key)
        assert mini_verifier.check_cosignature(item["note"], *witness) == item["time"]
    for item in vectors["invalid_notes"]:
        with pytest.raises(Bad):
            mini_verifier.check_cosignature(item["note"], *witness)
    assert {item["proves"] for item in vectors["evidence"]} == {"equivocation", "inconsistency"}
    for item in vectors["evidence"]:
        assert mini_verifier.judge(item["file"], network, log_key) == item["proves"]
    for item in vectors["invalid_evidence"]:
        with pytest.raises(Bad):
            mini_verifier.judge(item["file"], network, log_key)


def test_signed_answers() -> None:
    vectors = load("answer.json")
    keys = bytes.fromhex(vectors["log_public_key"]), bytes.fromhex(vectors["issuer_public_key"])
    for item in vectors["canonical"]:
        assert mini_verifier.canonical(item["value"]) == item["text"]
    for item in vectors["valid"]:
        assert mini_verifier.check_answer(item["jws"], vectors["network"], *keys, vectors["now"]) == item["size"]
    for item in vectors["invalid"]:
        with pytest.raises(Bad):
            mini_verifier.check_answer(item["jws"], vectors["network"], *keys, vectors["now"])


def test_specification_states_the_bounds_of_the_code() -> None:
    bounds = FORMATS.read_text("utf-8").partition("## Bounds")[2]
    stated = dict(re.findall(r"^\| ([a-z][^|]*) \| ([0-9,]+)", bounds, re.MULTILINE))
    assert {name: int(text.replace(",", "")) for name, text in stated.items()} == {
        "network": MAX_NETWORK,
        "member id": 40,
        "statement": MAX_STATEMENT,
        "body": MAX_BODY,
        "statements in a batch": MAX_BATCH,
        "headers in a record": MAX_HEADERS,
        "entry": MAX_ENTRY,
        "keys of a member, removed ones included": MAX_KEYS,
        "waiting events of a stream": 4096,
        "receipt file": MAX_RECEIPT,
        "evidence file": MAX_EVIDENCE,
        "signed answer": MAX_SIGNED,
        "cosignatures of a checkpoint": KEPT_COSIGNATURES,
        "number": 2,
    }


def test_every_code_in_vectors_and_specification_is_listed() -> None:
    used = set(re.findall(r'"code": "([a-z-]+)"|"outcome": "refused ([a-z-]+)"', "".join(MADE.values())))
    codes = {code for pair in used for code in pair if code}
    table = FORMATS.read_text("utf-8").partition("## What is refused how")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table))
    assert len(codes) > 10
    assert len(named) > 20
    assert codes | named <= set(CODES)
