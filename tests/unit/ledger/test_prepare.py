"""Preparation: form, hashes, signatures remembered only when good, order kept across threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from passerelle.core import signature as signatures
from passerelle.core.registry import Registry
from passerelle.ledger.model import Prepared, RawRecord, Unverified
from passerelle.ledger.prepare import Preparer, Verifier, prepare_one
from passerelle.testing.federation import Federation, Member, achievement, record
from passerelle.testing.memory_ledger import START_MS, MemoryLedger


@pytest.fixture
def registry() -> Registry:
    federation = Federation()
    ledger = MemoryLedger(federation)
    founding = federation.found()
    ledger.feed(founding, federation.admit("humber")[1], federation.admit("york")[1])
    return ledger.sequencer.registry


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The signatures that were really checked."""
    seen: list[bytes] = []
    real = signatures.verify

    def counted(key: bytes, message: bytes, signature: bytes) -> bool:
        seen.append(signature)
        return real(key, message, signature)

    monkeypatch.setattr("passerelle.ledger.prepare.verify", counted)
    return seen


def batch_of(member: Member, count: int) -> list[RawRecord]:
    data = achievement(member.id)
    written = [
        member.write("credential.achievement-published", f"{member.id}/a{number}", data) for number in range(count)
    ]
    return [record(signed, offset) for offset, signed in enumerate(member.sign(written))]


def test_one_check_serves_a_batch(registry: Registry, checks: list[bytes]) -> None:
    verifier = Verifier()
    items = [prepare_one(raw, registry, verifier, START_MS) for raw in batch_of(Member("humber"), 300)]
    assert all(isinstance(item, Prepared) and item.checked for item in items)
    assert len(checks) == 2, "256 and 44"


def test_a_bad_signature_is_checked_each_time_and_never_remembered(registry: Registry, checks: list[bytes]) -> None:
    verifier = Verifier()
    good = batch_of(Member("humber"), 2)
    signed = Member("humber").sign(
        [Member("humber").write("credential.achievement-published", "humber/a", achievement("humber"))]
    )
    forged = record(replace(signed[0], batch_size=2, batch_path=(bytes(32),)), 0)
    for _ in range(2):
        assert isinstance(prepare_one(forged, registry, verifier, START_MS), Unverified)
    assert len(checks) == 2
    assert isinstance(prepare_one(good[0], registry, verifier, START_MS), Prepared)


def test_what_is_remembered_is_bounded(registry: Registry, checks: list[bytes]) -> None:
    verifier = Verifier(size=2)
    member = Member("humber")
    batches = [batch_of(member, 2) for _ in range(3)]
    for batch in batches:
        prepare_one(batch[0], registry, verifier, START_MS)
    prepare_one(batches[2][1], registry, verifier, START_MS)
    assert len(checks) == 3
    prepare_one(batches[0][1], registry, verifier, START_MS)
    assert len(checks) == 4, "the oldest was forgotten"


def test_another_key_with_the_same_signature_is_not_taken_for_it(registry: Registry) -> None:
    verifier = Verifier()
    raw = batch_of(Member("humber"), 2)[0]
    assert isinstance(prepare_one(raw, registry, verifier, START_MS), Prepared)
    york = Member("york").signer.key_id.encode()
    stolen = raw._replace(headers=[(name, york if name == "key-id" else value) for name, value in raw.headers])
    item = prepare_one(stolen, registry, verifier, START_MS)
    assert isinstance(item, Unverified)
    assert item.code == "key-of-other-member"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": b"york"}, "kafka-key-mismatch"),
        ({"key": None}, "kafka-key-mismatch"),
        ({"topic": "passerelle.transfer.v1"}, "topic-mismatch"),
        ({"value": b"{}"}, "body-hash-mismatch"),
        ({"value": None}, "body-absent"),
        ({"headers": []}, "header-missing"),
    ],
)
def test_each_wrong_record_is_nobodys_with_its_code(registry: Registry, change: dict[str, Any], code: str) -> None:
    raw = batch_of(Member("humber"), 1)[0]._replace(**change)
    item = prepare_one(raw, registry, Verifier(), START_MS)
    assert isinstance(item, Unverified)
    assert item.code == code


def test_a_body_that_cannot_be_read_is_its_members_to_answer_for(registry: Registry) -> None:
    raw = record(Member("humber").raw("credential", "public", b"\xff"), 0)
    item = prepare_one(raw, registry, Verifier(), START_MS)
    assert isinstance(item, Prepared)
    assert item.refusal is not None
    assert item.refusal.code == "body-not-json"


def test_an_unknown_key_is_left_open_and_its_body_unread(registry: Registry) -> None:
    item = prepare_one(record(Member("laval").achievement("a"), 0), registry, Verifier(), START_MS)
    assert isinstance(item, Prepared)
    assert not item.checked
    assert (item.event, item.refusal) == (None, None)


async def test_threads_keep_the_order_and_the_offsets(registry: Registry) -> None:
    preparer = Preparer(threads=3)
    try:
        humber = batch_of(Member("humber"), 100)
        york = [raw._replace(partition=1) for raw in batch_of(Member("york"), 57)]
        mixed = [*humber[:50], *york, *humber[50:]]
        batch = await preparer.prepare(mixed, registry, START_MS)
    finally:
        preparer.close()
    assert [item.raw for item in batch.items] == mixed
    assert batch.offsets == {("passerelle.credential.v1", 0): 100, ("passerelle.credential.v1", 1): 57}
