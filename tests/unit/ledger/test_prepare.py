"""Preparation: form, hashes, signatures remembered only when good, order kept across threads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from passerelle.core import signature as signatures
from passerelle.core.registry import Registry
from passerelle.ledger.intake import Intake
from passerelle.ledger.model import Item, Place, Prepared, RawRecord, Unverified
from passerelle.ledger.prepare import Preparer, Trees, prepare_all
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


def one_by_one(member: Member, count: int) -> list[RawRecord]:
    """Events that are signed each for itself."""
    return [record(member.achievement(f"a{number}"), number) for number in range(count)]


def prepared(records: list[RawRecord], registry: Registry, trees: Trees | None = None) -> list[Item]:
    return prepare_all(records, registry, trees or Trees(), START_MS)


def only(raw: RawRecord, registry: Registry) -> Item:
    (item,) = prepared([raw], registry)
    return item


def test_one_check_serves_a_batch(registry: Registry, checks: list[bytes]) -> None:
    items = prepared(batch_of(Member("humber"), 300), registry)
    assert all(isinstance(item, Prepared) and item.checked for item in items)
    assert len(checks) == 2, "256 and 44"


def test_a_batch_in_pieces_is_checked_once(registry: Registry, checks: list[bytes]) -> None:
    trees, records = Trees(), batch_of(Member("humber"), 200)
    for start in range(0, 200, 50):
        assert all(isinstance(item, Prepared) for item in prepared(records[start : start + 50], registry, trees))
    assert len(checks) == 1


def test_a_bad_signature_is_checked_each_time_and_never_remembered(registry: Registry, checks: list[bytes]) -> None:
    trees, good = Trees(), batch_of(Member("humber"), 2)
    signed = Member("humber").sign(
        [Member("humber").write("credential.achievement-published", "humber/a", achievement("humber"))]
    )
    forged = record(replace(signed[0], batch_size=2, batch_path=(bytes(32),)), 0)
    for _ in range(2):
        assert isinstance(prepared([forged], registry, trees)[0], Unverified)
    assert len(checks) == 2
    assert isinstance(prepared([good[0]], registry, trees)[0], Prepared)


def test_a_forged_event_first_does_not_harm_the_batch_that_it_copies(registry: Registry) -> None:
    """The same key, size and signature, another root: what comes first must not decide for the others."""
    trees, good = Trees(), batch_of(Member("humber"), 4)
    other = batch_of(Member("humber"), 5)[4]
    headers = dict(good[0].headers)
    forged = other._replace(
        headers=[
            *((name, value) for name, value in headers.items() if name != "statement"),
            ("statement", dict(other.headers)["statement"]),
        ]
    )
    items = prepared([forged, *good], registry, trees)
    assert [type(item) for item in items] == [Unverified, Prepared, Prepared, Prepared, Prepared]
    assert all(isinstance(item, Prepared) for item in prepared(good, registry, trees))


def test_what_is_remembered_is_bounded(registry: Registry, checks: list[bytes]) -> None:
    trees = Trees(2)
    member = Member("humber")
    batches = [batch_of(member, 2) for _ in range(3)]
    for batch in batches:
        prepared([batch[0]], registry, trees)
    prepared([batches[2][1]], registry, trees)
    assert len(checks) == 3
    prepared([batches[0][1]], registry, trees)
    assert len(checks) == 4, "the oldest was forgotten"


def test_a_key_is_its_owners_only(registry: Registry) -> None:
    raw = batch_of(Member("humber"), 1)[0]
    york = Member("york").signer.key_id.encode()
    stolen = raw._replace(headers=[(name, york if name == "key-id" else value) for name, value in raw.headers])
    item = only(stolen, registry)
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
    item = only(raw, registry)
    assert isinstance(item, Unverified)
    assert item.code == code


def test_a_body_that_cannot_be_read_is_its_members_to_answer_for(registry: Registry) -> None:
    raw = record(Member("humber").raw("credential", "public", b"\xff"), 0)
    item = only(raw, registry)
    assert isinstance(item, Prepared)
    assert item.refusal is not None
    assert item.refusal.code == "body-not-json"


def test_an_unknown_key_is_left_open_and_its_body_unread(registry: Registry) -> None:
    item = only(record(Member("laval").achievement("a"), 0), registry)
    assert isinstance(item, Prepared)
    assert not item.checked
    assert (item.event, item.refusal) == (None, None)


class MemoryClock:
    """A clock that stands."""

    def now_ms(self) -> int:
        return START_MS

    def monotonic(self) -> float:
        return START_MS / 1000


class Once:
    """An ingress that holds these records and no more."""

    def __init__(self, records: list[RawRecord]) -> None:
        self._records = records

    async def open(self, offsets: Mapping[Place, int]) -> None:
        return

    async def fetch(self, maximum: int, *, wait_s: float) -> list[RawRecord]:
        found, self._records = self._records[:maximum], self._records[maximum:]
        if not found:
            await asyncio.Event().wait()
        return found

    async def close(self) -> None:
        return


async def test_processes_keep_the_order_and_the_offsets(registry: Registry) -> None:
    preparer = Preparer(processes=3)
    filling: asyncio.Task[None] | None = None
    try:
        humber = one_by_one(Member("humber"), 100)
        york = [raw._replace(partition=1) for raw in batch_of(Member("york"), 57)]
        mixed = [*humber[:50], *york, *humber[50:]]
        mixed[7] = mixed[7]._replace(
            headers=[*mixed[7].headers[:5], ("batch-signature", b"0" * 128), mixed[7].headers[6]]
        )
        intake = Intake(Once(mixed), preparer, MemoryClock(), maximum=1000, linger_s=0.0)
        filling = asyncio.create_task(intake.fill(lambda: registry))
        batch = await intake.take(20)
    finally:
        if filling is not None:
            filling.cancel()
            await asyncio.wait({filling})
        await preparer.close()
    assert [item.raw for item in batch.items] == mixed
    assert [place for place, item in enumerate(batch.items) if isinstance(item, Unverified)] == [7]
    assert all(item.checked for item in batch.items if isinstance(item, Prepared))
    assert batch.offsets == {("passerelle.credential.v1", 0): 100, ("passerelle.credential.v1", 1): 57}


async def test_processes_and_the_ledger_itself_prepare_alike(registry: Registry) -> None:
    humber, data = Member("humber"), achievement("humber")
    future = at(humber, "a-late", "2031-01-01T00:00:00.000Z")
    wrong = humber.state("credential", "public", b'{"specversion":"1.0"}')
    written = [humber.write("credential.achievement-published", f"humber/a{n}", data) for n in range(120)]
    written = [future, wrong, *written]
    records = [record(signed, offset) for offset, signed in enumerate(humber.sign(written))]
    preparer = Preparer(processes=2)
    try:
        items = await preparer.read(records, registry)
        await preparer.check(items, registry, START_MS)
        assert preparer.running
    finally:
        await preparer.close()
    assert [told(item) for item in items] == [told(item) for item in prepared(records, registry)]
    assert [place for place, item in enumerate(items) if told(item)[2]] == [0, 1]


def told(item: Item) -> tuple[object, object, str]:
    """Event, needs and refusal code of what was prepared."""
    assert isinstance(item, Prepared)
    return item.event, item.needs, item.refusal.code if item.refusal else ""


def at(member: Member, name: str, time: str) -> tuple[bytes, bytes]:
    """An achievement whose body says another ``time``."""
    body = orjson.loads(member.body("credential.achievement-published", f"{member.id}/{name}", achievement(member.id)))
    return member.state("credential", "public", orjson.dumps({**body, "time": time}))
