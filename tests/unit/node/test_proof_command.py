"""``proof verify`` with witnesses and ``proof judge``, as people call them: offline, from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.node.witnessing import LOG, NETWORK, Ledgerish
from typer.testing import CliRunner, Result

from passerelle.cli.proof import app
from passerelle.core.batch import sign_batches
from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.entry import Entry
from passerelle.core.errors import PasserelleError
from passerelle.core.evidence import Evidence, build_evidence, contradiction
from passerelle.core.merkle import leaf_hash
from passerelle.core.note import CosignatureSigner, VerifierKey, parse_note
from passerelle.core.receipt import Receipt, build_receipt
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest
from passerelle.core.tiles import ReadTile, write_tiles
from passerelle.core.tlogproof import TlogProof
from passerelle.core.witness import witness_name

MEMBER = SeedSigner(b"\7" * 32)
VKEY = str(LOG.verifier)


def witness(member: str) -> CosignatureSigner:
    return CosignatureSigner(witness_name(NETWORK, member), member.encode().ljust(32, b"."))


def vkey(member: str) -> str:
    return str(witness(member).verifier)


def receipt(folder: Path, *members: str) -> Path:
    """A receipt of the only entry of a log, under a checkpoint that these members cosigned."""
    body = b"{}"
    statement = Statement(NETWORK, "humber", "credential", 1, ZERO, "public", digest(body)).encode()
    (signed,) = sign_batches(NETWORK, "humber", [(statement, body)], MEMBER)
    entry = Entry.of(1000, "accepted", signed).encode()
    note = parse_note(sign_checkpoint(Checkpoint(NETWORK, 1, leaf_hash(entry)), [LOG]))
    cosigned = note.with_signatures([witness(member).cosign(note.text, 1_785_000_000) for member in members])
    proof = TlogProof(0, (), cosigned.serialise()).serialise()
    path = folder / "a.receipt.json"
    path.write_bytes(build_receipt(Receipt(entry, proof, body)))
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def code_of(result: Result) -> str:
    assert isinstance(result.exception, PasserelleError), result.output
    return result.exception.code


def test_a_receipt_is_verified_with_as_many_members_as_are_asked_for(tmp_path: Path) -> None:
    file = receipt(tmp_path, "york", "operator")
    listed = tmp_path / "witnesses.txt"
    listed.write_text(f"{vkey('york')}\n\n{vkey('laval')}\n{vkey('operator')}\n")
    checking: list[str | Path] = ["verify", file, "--vkey", VKEY, "--member-key", MEMBER.public_key.hex()]
    plain = run(*checking)
    assert plain.exit_code == 0, plain.output
    assert "witness" not in plain.stdout
    one = run(*checking, "--witness", listed, "--witnesses", "1", "--json")
    assert json.loads(one.stdout)["witnesses"] == [witness_name(NETWORK, "york")]
    assert f"witness     {witness_name(NETWORK, 'york')}" in run(*checking, "--witness", vkey("york")).stdout
    assert code_of(run(*checking, "--witness", listed, "--witnesses", "2")) == "witness-quorum-missing"
    assert code_of(run(*checking, "--witness", vkey("laval"), "--witnesses", "1")) == "witness-quorum-missing"
    assert code_of(run(*checking, "--witness", listed, "--witnesses", "3")) == "witness-policy-malformed"
    assert code_of(run(*checking, "--witnesses", "1")) == "witness-policy-malformed"
    other = run(*checking, "--witness", listed, "--witnesses", "2", "--operator", "laval")
    assert other.exit_code == 0, "whoever is not the operator counts"


def reader(log: Ledgerish, size: int) -> ReadTile:
    tiles = {(t.coord.level, t.coord.index): t.hashes for t in write_tiles(0, log.leaves(size), lambda _coord: b"")}
    return lambda level, index: tiles[level, index]


@pytest.mark.parametrize(("first", "second"), [(5, 5), (5, 9)])
def test_evidence_is_judged_offline(tmp_path: Path, first: int, second: int) -> None:
    log = Ledgerish()
    one = log.note(first)
    log.changed = 2
    two = log.note(second)
    heads = [open_checkpoint(note, [VerifierKey.parse(VKEY)]).checkpoint for note in (one, two)]
    hashes = contradiction(heads[0], heads[1], reader(log, second))
    assert hashes is not None
    file = tmp_path / "log.evidence.json"
    file.write_bytes(build_evidence(Evidence(one, two, hashes)))
    said = run("judge", file, "--vkey", VKEY)
    code = "checkpoint-forked" if first == second else "checkpoint-inconsistent"
    assert said.stdout.startswith(f"proved: {code}, against the log {NETWORK}")
    found = json.loads(run("judge", file, "--vkey", VKEY, "--json").stdout)
    assert (found["proves"], found["first"]["size"], found["second"]["size"]) == (code, first, second)
    assert found["root_found"] not in {found["first"]["root"]}
    assert code_of(run("judge", file, "--vkey", VKEY, "--network", "other.example/1")) == "checkpoint-origin-mismatch"
    file.write_bytes(build_evidence(Evidence(one, one)))
    assert code_of(run("judge", file, "--vkey", VKEY)) == "evidence-unproven"
