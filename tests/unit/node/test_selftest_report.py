"""A selftest's report is believed only whole, young, signed by the member's listed key, and proved by the log."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.office import CountingIds

from passerelle.core import jws
from passerelle.core.batch import sign_batches
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import Entry
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import inclusion_path, leaf_hashes, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.core.receipt import Receipt
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest
from passerelle.core.tlogproof import TlogProof
from passerelle.node.selftest_acceptance import judge, write_note
from passerelle.node.selftest_files import Files, draw
from passerelle.node.selftest_report import (
    FAILED,
    FORMAT,
    KIND,
    NOT_RUN,
    OK,
    SKIPPED,
    STEPS,
    Step,
    contracts,
    instant,
    passed,
    require_sandbox,
    sign_report,
)

NETWORK, OTHER_NETWORK = "sandbox.example/1", "real.example/1"
NOW = 1_780_000_000_000
DAY = 86_400_000
HUMBER, YORK = SeedSigner(b"\7" * 32), SeedSigner(b"\6" * 32)
LOG, OTHER_LOG = NoteSigner(NETWORK, b"\x09" * 32), NoteSigner(NETWORK, b"\x0a" * 32)
NAMED = ("published", "amended", "ledger-refused", "revoked", "restarted")
Content = dict[str, Any]


def log(
    *, member: str = "humber", at: int = NOW, refused: str = "refused step-illegal", log: NoteSigner = LOG,
    signer: SeedSigner = HUMBER,
) -> tuple[list[Content], Content]:  # fmt: skip
    """The entries of a report, one for each step that names any, and the log's head."""
    bodies = [f"body {step}".encode() for step in NAMED]
    statements = [
        Statement(NETWORK, member, "credential", n + 1, ZERO, "party", digest(body)).encode()
        for n, body in enumerate(bodies)
    ]
    signed = sign_batches(NETWORK, member, list(zip(statements, bodies, strict=True)), signer)
    outcomes = [refused if step == "ledger-refused" else "accepted" for step in NAMED]
    leaves = [Entry.of(at, outcome, one).encode() for outcome, one in zip(outcomes, signed, strict=True)]
    root = root_from_leaves(leaf_hashes(leaves))
    note = sign_checkpoint(Checkpoint(NETWORK, len(leaves), root), [log])
    proofs = [TlogProof(n, inclusion_path(leaf_hashes(leaves), n), note).serialise() for n in range(len(leaves))]
    found = [
        {"step": step, "receipt": Receipt(leaf, proof).as_dict()}
        for step, leaf, proof in zip(NAMED, leaves, proofs, strict=True)
    ]
    return found, {"origin": NETWORK, "size": len(leaves), "root": root.hex()}


def steps(**states: str) -> list[Step]:
    return [Step(name, states.get(name.replace("-", "_"), OK)) for name in STEPS]


def content(**changes: Any) -> Content:
    """What a good run says."""
    entries, head = log()
    good = {
        "format": FORMAT, "network": NETWORK, "member": "humber", "key_id": HUMBER.key_id, "run": "abcdefgh",
        "software": "0.1.0", "contracts": contracts(), "schema": "0011_jobs.sql", "started_at": instant(NOW - 60_000),
        "finished_at": instant(NOW), "passed": True, "steps": [step.as_dict() for step in steps()],
        "entries": entries, "log": head,
    }  # fmt: skip
    return good | changes


def record(member: str, signer: SeedSigner, **changes: Any) -> Content:
    key = {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign", "removed_index": None}
    plain = {"member": member, "kind": "college", "names": {"en": member}, "jurisdictions": ["CA-ON"],
             "roles": ["issue"], "status": "active", "keys": [key], "details": {}}  # fmt: skip
    return plain | changes


OPERATOR = record("operator", SeedSigner(b"o" * 32), details={"log_vkey": str(LOG.verifier), "sample": True})
RECORDS = [OPERATOR, record("humber", HUMBER), record("york", YORK)]


def accept(data: bytes, records: list[Content] = RECORDS, **changes: Any) -> dict[str, Any]:
    plain: Content = {
        "network": NETWORK, "operator": "operator", "now_ms": NOW + DAY, "max_age_days": 30, "witnessed": False
    }  # fmt: skip
    return judge(data, records, **(plain | changes))


def refusal(data: bytes, records: list[Content] = RECORDS, **changes: Any) -> str:
    with pytest.raises(PasserelleError) as caught:
        accept(data, records, **changes)
    return caught.value.code


def test_a_good_report_is_accepted_with_what_it_proves() -> None:
    note = accept(sign_report(HUMBER, content()))
    assert (note["member"], note["network"], note["run"], note["roles"]) == ("humber", NETWORK, "abcdefgh", ["issue"])
    assert note["entries"] == [0, 1, 2, 3, 4]
    assert note["log"]["size"] == 5
    assert note["left_out"] == []
    assert note["accepted_at"] == instant(NOW + DAY)


@given(st.data())
def test_no_byte_of_a_report_can_be_changed(data: st.DataObject) -> None:
    whole = sign_report(HUMBER, content())
    place = data.draw(st.integers(0, len(whole) - 2))
    other = data.draw(st.sampled_from([byte for byte in b"aB0-_." if byte != whole[place]]))
    code = refusal(whole[:place] + bytes([other]) + whole[place + 1 :])
    assert code in {"selftest-malformed", "signature-invalid", "key-unknown"}


def test_another_members_key_signs_nothing_for_this_one() -> None:
    assert refusal(sign_report(YORK, content())) == "key-of-other-member"
    assert refusal(sign_report(SeedSigner(b"x" * 32), content())) == "key-unknown"
    assert refusal(sign_report(HUMBER, content(key_id=YORK.key_id))) == "selftest-malformed"


def test_a_key_that_ended_or_a_suspended_member_is_not_accepted() -> None:
    ended = record("humber", HUMBER)
    ended["keys"][0]["removed_index"] = 9
    for humber in (ended, record("humber", HUMBER, status="suspended")):
        assert refusal(sign_report(HUMBER, content()), [OPERATOR, humber]) == "key-unknown"


def test_a_signature_for_another_purpose_is_none_for_a_report() -> None:
    assert refusal(jws.sign(HUMBER, "vnd.passerelle.answer.v1", content()).encode()) == "selftest-malformed"
    assert KIND.startswith("vnd.passerelle.selftest")


@pytest.mark.parametrize(
    ("now", "code"), [(NOW + 31 * DAY, "selftest-outdated"), (NOW - DAY, "selftest-outdated"), (NOW + 29 * DAY, "")]
)
def test_a_report_is_young_enough(now: int, code: str) -> None:
    data = sign_report(HUMBER, content())
    if code:
        assert refusal(data, now_ms=now) == code
    else:
        assert accept(data, now_ms=now)["member"] == "humber"


def _without(name: str) -> list[Content]:
    return [step.as_dict() for step in steps() if step.name != name]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_must_stand_in_the_report(name: str) -> None:
    assert refusal(sign_report(HUMBER, content(steps=_without(name)))) == "selftest-failed"


@pytest.mark.parametrize("state", [FAILED, NOT_RUN, SKIPPED, "whatever"])
def test_a_step_that_is_not_ok_is_not_accepted(state: str) -> None:
    told = [step.as_dict() for step in steps(revoked=state)]
    assert refusal(sign_report(HUMBER, content(steps=told))) == "selftest-failed"
    assert not passed(steps(revoked=state))


def test_a_node_that_is_no_witness_passes_unless_a_witness_is_asked_for() -> None:
    data = sign_report(HUMBER, content(steps=[step.as_dict() for step in steps(witnessed=SKIPPED)]))
    assert accept(data)["left_out"] == ["witnessed"]
    assert refusal(data, witnessed=True) == "selftest-failed"
    assert accept(sign_report(HUMBER, content()), witnessed=True)["left_out"] == []


def _entries(**options: Any) -> Callable[[], Content]:
    def made() -> Content:
        found, head = log(**options)
        return {"entries": found, "log": head}

    return made


def _less(step: str) -> Callable[[], Content]:
    return lambda: {"entries": [one for one in log()[0] if one["step"] != step]}


def _mislabelled() -> Content:
    found = log()[0]
    found[2]["step"] = "published"
    return {"entries": found}


def _twice() -> Content:
    return {"entries": [*log()[0], log()[0][0]]}


def _other_root() -> Content:
    return {"log": log()[1] | {"root": "00" * 32}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_entries(log=OTHER_LOG), "note-signature-unknown"),
        (_entries(member="york", signer=HUMBER), "selftest-malformed"),
        (_entries(signer=YORK), "key-unknown"),
        (_entries(at=NOW - DAY), "selftest-malformed"),
        (_entries(refused="accepted"), "selftest-malformed"),
        (_entries(refused="refused role-missing"), "selftest-malformed"),
        (_mislabelled, "selftest-malformed"),
        (_twice, "selftest-malformed"),
        (_other_root, "selftest-malformed"),
        *((_less(step), "selftest-failed") for step in NAMED),
    ],
)
def test_the_entries_must_be_the_members_in_the_sandboxs_log_and_of_this_run(
    change: Callable[[], Content], code: str
) -> None:
    found = refusal(sign_report(HUMBER, content(**change())))
    if code.startswith("note-"):
        assert found.startswith(("note-", "checkpoint-")), found
    else:
        assert found == code


def test_a_proof_that_was_changed_does_not_verify() -> None:
    found = copy.deepcopy(log()[0])
    found[0]["receipt"]["entry"] = found[0]["receipt"]["entry"].replace(str(NOW), str(NOW + 1), 1)
    assert refusal(sign_report(HUMBER, content(entries=found))) == "proof-inclusion-invalid"


def test_other_networks_versions_and_forms_are_refused() -> None:
    assert refusal(sign_report(HUMBER, content()), network=OTHER_NETWORK) == "network-mismatch"
    other = contracts() | {"events": 1}
    assert refusal(sign_report(HUMBER, content(contracts=other))) == "selftest-contracts"
    for change in (
        {"run": "../../up"}, {"format": "passerelle.selftest/v2"}, {"steps": [{"name": "doctor"}]}, {"entries": [1]},
        {"more": 1}, {"finished_at": "today"}, {"finished_at": instant(NOW - DAY)}, {"passed": False},
        {"entries": log()[0] * 13}, {"member": 7},
    ):  # fmt: skip
        assert refusal(sign_report(HUMBER, content(**change))) == "selftest-malformed", change
    assert refusal(b"{}") == "selftest-malformed"


def test_an_operator_that_does_not_know_the_logs_key_accepts_nothing() -> None:
    assert refusal(sign_report(HUMBER, content()), RECORDS[1:]) == "config-mismatch"


def test_an_acceptance_is_kept_once_and_never_overwritten(tmp_path: Path) -> None:
    note = accept(sign_report(HUMBER, content()))
    path = tmp_path / "accepted" / "humber.json"
    write_note(path, note)
    assert json.loads(path.read_bytes()) == note
    with pytest.raises(PasserelleError) as caught:
        write_note(path, {})
    assert caught.value.code == "argument-invalid"
    assert json.loads(path.read_bytes()) == note


@pytest.mark.parametrize("operator", [None, {}, {"details": {}}, {"details": {"sample": False}}])
def test_nothing_is_published_in_a_federation_that_is_no_sandbox(operator: Content | None) -> None:
    with pytest.raises(PasserelleError) as caught:
        require_sandbox(operator, NETWORK)
    assert caught.value.code == "sandbox-required"
    require_sandbox(OPERATOR, NETWORK)


def test_the_invented_details_are_all_looked_for_and_unlike_those_of_another_run() -> None:
    ids = CountingIds()
    first, second = Files(draw(ids)), Files(draw(ids))
    assert len(first.run) == 8
    assert not set(first.secrets()) & set(second.secrets()) - {s for s in first.secrets() if s.startswith("1901-")}
    for text in (first.awards(), first.late_award(), first.wrong_award()):
        for line in text.splitlines()[1:]:
            cells = line.split(",")
            assert {cells[0], *cells[5:]} <= set(first.secrets())
