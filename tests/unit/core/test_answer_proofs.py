"""Proofs inside a signed answer: of the named entries, under checkpoints of the log, with the signed bodies."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.core.test_answer import ISSUER, LOG, NETWORK, NOW_MS
from typer.testing import CliRunner

from passerelle.cli.verify import app
from passerelle.core import answer as core
from passerelle.core.answerproofs import MAX_PROOFS, Proved, verify_answer_proofs
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import Entry
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import inclusion_path, leaf_hashes, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.core.tlogproof import TlogProof
from passerelle.testing.federation import Federation

FEDERATION = Federation(NETWORK)
HUMBER, _ADMISSION = FEDERATION.admit("humber")
EVENTS = [HUMBER.achievement(f"course-{number}") for number in range(9)]
ENTRIES = [
    Entry.of(NOW_MS, "accepted" if number != 8 else "refused scheme-unknown", event).encode()
    for number, event in enumerate(EVENTS)
]
HASHES = leaf_hashes(ENTRIES)
TYPE = "ca.passerelle.credential.achievement-published.v1"


def note(root: bytes = root_from_leaves(HASHES), size: int = len(ENTRIES), signer: NoteSigner = LOG) -> bytes:
    return sign_checkpoint(Checkpoint(NETWORK, size, root), [signer])


def evidence(index: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "type": TYPE, "member": "humber", "subject": f"humber/course-{index}", **more}


def proof(index: int, checkpoint: bytes | None = None, **more: Any) -> dict[str, Any]:
    text = TlogProof(index, inclusion_path(HASHES, index), checkpoint or note()).serialise().decode()
    return {"index": index, "entry": ENTRIES[index].hex(), "proof": text, "body": EVENTS[index].body.hex(), **more}


def told(**more: Any) -> dict[str, Any]:
    answer = {
        "criteria": [
            {"id": "framework", "evidence": [evidence(2), evidence(0)]},
            {"id": "employers", "evidence": [evidence(5)]},
            {"id": "assessment", "evidence": []},
        ],
        "clauses": [{"id": "c", "evidence": [evidence(2), evidence(8)]}],
        "pack_used": {"origin": "ledger", "evidence": evidence(7)},
        "jurisdictions": [{"recognised_by": [{"member": "york", "index": 5}, {"member": "york", "index": 6}]}],
        "proofs": [proof(2), proof(0), proof(5), proof(6)],
    }
    return copy.deepcopy(answer | more)


def signed(answer: dict[str, Any], question: dict[str, Any] | None = None) -> bytes:
    asked = core.Asked(
        method="passerelle.api.portability.v1.PortabilityService/Assess",
        question={"achievement": "humber/course-0", "with_proofs": True} if question is None else question,
        answer=answer,
        position={"size": len(ENTRIES), "accepted_at_ms": NOW_MS, "floor_ms": NOW_MS},
        valid_on="2026-01-01",
        packs={},
    )
    return core.sign_answer(
        ISSUER, asked, network=NETWORK, member="operator", checkpoint=note().decode(), now_ms=NOW_MS, lifetime_s=86_400
    ).encode()


def checked(answer: dict[str, Any], question: dict[str, Any] | None = None) -> Proved | None:
    data = signed(answer, question)
    found = core.verify_answer(data, {ISSUER.key_id: ISSUER.public_key}, [LOG.verifier], network=NETWORK, now_ms=NOW_MS)
    return verify_answer_proofs(found, [LOG.verifier])


def refused(*proofs: dict[str, Any], **more: Any) -> tuple[str, str]:
    with pytest.raises(PasserelleError) as caught:
        checked(told(proofs=list(proofs), **more))
    return caught.value.code, caught.value.where


def test_it_says_which_entries_are_proved_and_for_which_criterion() -> None:
    found = checked(told())
    assert found is not None
    assert found.entries == {2: True, 0: True, 5: True, 6: True}
    assert found.criteria == {"framework": (2, 0), "employers": (5,), "assessment": ()}
    assert found.named == (2, 0, 5, 8, 7, 6)
    assert found.left_out == (8, 7)


def test_a_body_may_be_absent_and_proofs_need_not_be_asked_for() -> None:
    found = checked(told(proofs=[proof(2, body="")]))
    assert found is not None
    assert found.entries == {2: False}
    assert checked(told(), {"achievement": "humber/course-0", "with_proofs": False}) is None
    assert checked(told(), {}) is None


def test_an_altered_proof_and_a_wrong_entry_are_found() -> None:
    assert refused(proof(2, entry=ENTRIES[3].hex())) == ("proof-inclusion-invalid", "proofs[0]")
    assert refused(proof(2), proof(0, proof=proof(5)["proof"])) == ("proof-inclusion-invalid", "proofs[1]")
    lines = str(proof(2)["proof"]).split("\n")
    lines[2], lines[3] = lines[3], lines[2]
    assert refused(proof(2, proof="\n".join(lines)))[0] == "proof-inclusion-invalid"
    # Entry and proof of another event under the index of the named one: true, and not what the answer says.
    assert refused(proof(5) | {"index": 2}) == ("answer-malformed", "proofs[0]")
    assert refused(proof(3)) == ("answer-malformed", "proofs[0]")
    assert refused(proof(2), proof(2)) == ("answer-malformed", "proofs[1]")
    assert refused(proof(8)) == ("answer-malformed", "proofs[0]"), "a refusal proves nothing"


def test_a_root_of_another_checkpoint_and_of_another_log_are_found() -> None:
    other = root_from_leaves(HASHES[:-1])
    assert refused(proof(2, note(root=other)))[0] == "proof-inclusion-invalid"
    assert refused(proof(2, note(signer=NoteSigner(NETWORK, b"\x09" * 32)))) == ("note-key-unknown", "proofs[0]")


def test_two_roots_of_the_log_for_one_size_are_told() -> None:
    changed = [*HASHES[:-1], b"\x07" * 32]
    text = TlogProof(2, inclusion_path(changed, 2), note(root=root_from_leaves(changed))).serialise().decode()
    assert refused(proof(2, proof=text)) == ("checkpoint-forked", "proofs[0]")


def test_a_body_must_be_the_one_that_was_signed_and_of_the_named_event() -> None:
    assert refused(proof(2, body=EVENTS[3].body.hex())) == ("body-hash-mismatch", "proofs[0]")
    named = [{"id": "framework", "evidence": [evidence(2, type="ca.passerelle.recognition.granted.v1")]}]
    assert refused(proof(2), criteria=named, clauses=[]) == ("answer-malformed", "proofs[0]")
    named = [{"id": "framework", "evidence": [evidence(2, member="york")]}]
    assert refused(proof(2), criteria=named, clauses=[]) == ("answer-malformed", "proofs[0]")


@pytest.mark.parametrize(
    "rows", [{"a": 1}, [7], [{"index": 2}], [{**proof(2), "entry": "zz"}], [proof(2)] * (MAX_PROOFS + 1)]
)
def test_what_has_not_its_form_is_refused(rows: Any) -> None:
    with pytest.raises(PasserelleError) as caught:
        checked(told(proofs=rows))
    assert caught.value.code == "answer-malformed"


def test_the_command_says_for_each_criterion_what_was_proved(tmp_path: Path) -> None:
    file = tmp_path / "a.answer.jws"
    file.write_bytes(signed(told(proofs=[proof(2), proof(5, body="")])))
    words = ["answer", str(file), "--vkey", str(LOG.verifier), "--issuer-key", ISSUER.public_key.hex()]
    words += ["--at", "2026-01-01T12:00:00Z"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "2 of 6 named entries are in the log" in result.output
    assert "framework: entry 2 proved, entry 0 NOT proved" in result.output
    assert "employers: entry 5 proved without its body" in result.output
    assert "assessment: names no entry" in result.output
    value = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)["proved"]
    assert value["entries"] == [{"index": 2, "body_checked": True}, {"index": 5, "body_checked": False}]
    assert value["criteria"]["framework"] == {"proved": [2], "not_proved": [0]}
    assert value["not_proved"] == [0, 8, 7, 6]
