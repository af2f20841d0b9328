"""Signatures gathered by a check: at once or in processes, the same ones are good."""

from __future__ import annotations

import pytest

from passerelle.core.signature import SeedSigner
from passerelle.ledger import check_signatures
from passerelle.ledger.check_signatures import SignaturePool, Signed, good

SIGNER = SeedSigner(bytes(32))


def signed(count: int, wrong: frozenset[int]) -> list[Signed]:
    messages = [b"message %d" % n for n in range(count)]
    return [
        Signed(SIGNER.public_key, message if n not in wrong else b"another", SIGNER.sign(message), f"index {n}")
        for n, message in enumerate(messages)
    ]


async def test_few_are_verified_at_once_and_many_in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_signatures, "MANY", 10)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    few, many = signed(10, frozenset({3})), signed(40, frozenset({0, 39}))
    with SignaturePool() as pool:
        at_once = pool.start(few)
        assert at_once.done()
        assert await at_once == good(few) == bytes([n != 3 for n in range(10)])
        elsewhere = [pool.start(many), pool.start(few), pool.start([])]
        assert not elsewhere[0].done()
        assert [await work for work in elsewhere] == [good(many), good(few), b""]
    assert good(many)[0] == good(many)[39] == 0
    assert sum(good(many)) == 38
