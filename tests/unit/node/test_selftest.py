"""A selftest begins nowhere but in a sandbox, beside no other process of the node, and ends at the first failure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.node.office import CountingIds, FixedClock

from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.node import selftest
from passerelle.node.doctor import Finding
from passerelle.node.selftest import Selftest
from passerelle.node.selftest_report import FAILED, NOT_RUN, OK, STEPS, Step, passed

SIGNER = SeedSigner(b"\7" * 32)
OWN = {
    "member": "humber",
    "status": "active",
    "roles": ["issue"],
    "keys": [{"key_id": SIGNER.key_id, "public_key": SIGNER.public_key.hex(), "use": "sign"}],
}
SANDBOX = {"member": "operator", "status": "active", "details": {"sample": True}, "keys": []}


class Store:
    """The registry as the node knows it, and who else is in its database."""

    def __init__(self, operator: Any = SANDBOX, own: Any = OWN, others: int = 0) -> None:
        self.records = {"operator": operator, "humber": own}
        self.others = others

    async def own_record(self, member: str) -> Any:
        return self.records[member]

    async def sessions(self, name: str) -> int:
        assert name == "passerelle-node-humber"
        return self.others

    async def migrations(self) -> set[str]:
        return {"0001_node.sql", "0002_witness.sql"}


class Process:
    """Counts its starts and stops."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def start(self) -> None:
        self.told.append("start")

    async def kill(self) -> None:
        self.told.append("kill")

    async def stop(self) -> None:
        self.told.append("stop")

    def log(self) -> str:
        return ""


def office(store: Store) -> Any:
    config = SimpleNamespace(member="humber", operator="operator", network="sandbox.example/1", witness=None)
    return SimpleNamespace(config=config, store=store, clock=FixedClock(), ids=CountingIds(), signer=SIGNER)


def prepared(store: Store, tmp_path: Path, shown: list[Step]) -> tuple[Selftest, Process]:
    process = Process()
    return Selftest(office(store), process, tmp_path, wait_s=0.1, told=shown.append), process


def findings(monkeypatch: pytest.MonkeyPatch, *found: Finding) -> None:
    async def examine(*_: Any) -> list[Finding]:
        return list(found)

    monkeypatch.setattr(selftest, "examine", examine)


@pytest.mark.parametrize(
    ("store", "code"),
    [(Store(operator={**SANDBOX, "details": {}}), "sandbox-required"), (Store(others=1), "lease-held")],
)
async def test_nothing_is_started_in_a_real_federation_or_beside_a_running_node(
    store: Store, code: str, tmp_path: Path
) -> None:
    run, process = prepared(store, tmp_path, [])
    with pytest.raises(PasserelleError) as caught:
        await run.run()
    assert caught.value.code == code
    assert process.told == []


@pytest.mark.parametrize(
    ("store", "code"),
    [(Store(operator=None), "sandbox-required"), (Store(own={**OWN, "roles": ["read"]}), "role-missing")],
)
async def test_nothing_is_published_before_the_registry_allows_it(
    store: Store, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings(monkeypatch, Finding("Kafka", True))
    run, process = prepared(store, tmp_path, [])
    with pytest.raises(PasserelleError) as caught:
        await run.run()
    assert caught.value.code == code
    assert process.told == ["start", "stop"]
    assert list(tmp_path.iterdir()) == []


async def test_the_first_failure_ends_the_run_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings(monkeypatch, Finding("Kafka", False, "broker-unavailable", "no answer", "Start it."))
    shown: list[Step] = []
    run, process = prepared(Store(), tmp_path, shown)
    content = await run.run()
    assert process.told == ["start", "stop"]
    assert [(step["name"], step["state"]) for step in content["steps"]] == [
        (name, FAILED if name == "doctor" else NOT_RUN) for name in STEPS
    ]
    first = content["steps"][0]
    assert (first["code"], first["what"], first["fix"]) == ("broker-unavailable", "no answer (Kafka)", "Start it.")
    assert [step.name for step in shown] == ["doctor"]
    assert (content["passed"], content["entries"], content["log"]) == (False, [], {})
    assert content["schema"] == "0002_witness.sql"


def test_a_run_passes_with_every_step_in_order_and_not_otherwise() -> None:
    steps = [Step(name, OK) for name in STEPS]
    assert passed(steps)
    assert not passed(steps[:-1])
    assert not passed(steps[::-1])
