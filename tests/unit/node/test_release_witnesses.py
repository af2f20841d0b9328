"""Releases where witnesses are asked for: the registry says who they are, and the issuer waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.unit.ledger_out.fakes import StepClock
from tests.unit.node.office import CountingIds
from tests.unit.node.test_release_file import HUMBER, LOG, NETWORK, RELEASE, made

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.core.note import CosignatureSigner, parse_note
from passerelle.core.signature import SeedSigner
from passerelle.core.tlogproof import TlogProof, parse_proof
from passerelle.core.witness import witness_name
from passerelle.node.ports import Proved
from passerelle.node.releases import Releases

LAVAL = SeedSigner(b"w" * 32)


def record(member: str, signer: SeedSigner, use: str, **details: str) -> dict[str, Any]:
    """A registry record as the topic shows it."""
    key = {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": use, "removed_index": None}
    return {"member": member, "status": "active", "keys": [key], "details": details}


class Registry:
    """The records that the node holds."""

    def __init__(self) -> None:
        self.records = {
            "operator": record("operator", SeedSigner(b"o" * 32), "witness", log_vkey=str(LOG.verifier)),
            "humber": record("humber", HUMBER, "sign"),
            "laval": record("laval", LAVAL, "witness"),
        }

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        return self.records.get(member)

    async def all_records(self) -> list[Mapping[str, Any]]:
        return list(self.records.values())


class Busy:
    """A ledger that has no answer yet."""

    async def proof(self, family: str, sequence: int) -> Proved:
        raise PasserelleError("witness-quorum-missing", f"as asked: {family} {sequence}")


def releases(witnesses: int) -> Releases:
    parts: dict[str, Any] = dict.fromkeys(("author", "vault", "keys"))
    parts |= {"store": Registry(), "ledger": Busy(), "clock": StepClock(), "ids": CountingIds()}
    return Releases(**parts, member="york", network=NETWORK, operator="operator", witnesses=witnesses)


def file(folder: Path, *members: tuple[str, bytes]) -> Path:
    """A release file whose checkpoints these members cosigned."""
    value = made()
    for item in (value["grant"], *value["credentials"]):
        proof = parse_proof(item["proof"].encode())
        note = parse_note(proof.checkpoint)
        signers = [CosignatureSigner(witness_name(NETWORK, member), seed) for member, seed in members]
        cosigned = note.with_signatures([signer.cosign(note.text, 1) for signer in signers]).serialise()
        item["proof"] = TlogProof(proof.index, proof.path, cosigned).serialise().decode()
    path = folder / "a.release.json"
    path.write_bytes(orjson.dumps(value))
    return path


async def test_a_file_is_taken_in_with_the_witnesses_that_the_registry_shows(tmp_path: Path) -> None:
    assert (await releases(0).prove(file(tmp_path))).release == RELEASE
    assert (await releases(1).prove(file(tmp_path, ("laval", b"w" * 32)))).release == RELEASE
    for members, k, code in (
        ((), 1, "witness-quorum-missing"),
        ((("operator", b"o" * 32),), 1, "witness-quorum-missing"),
        ((("humber", b"\7" * 32),), 1, "witness-quorum-missing"),
        ((("laval", b"w" * 32), ("operator", b"o" * 32)), 2, "witness-policy-malformed"),
    ):
        with pytest.raises(PasserelleError) as caught:
            await releases(k).prove(file(tmp_path, *members))
        assert caught.value.code == code


async def test_a_proof_that_lacks_cosignatures_is_waited_for() -> None:
    class Row:
        family, sequence, thing = "credential", 1, "credential:c"

    with pytest.raises(Unavailable) as caught:
        await releases(1)._receipt(Row())  # type: ignore[arg-type]  # three of a row's fields are read
    assert caught.value.code == "witness-quorum-missing"
