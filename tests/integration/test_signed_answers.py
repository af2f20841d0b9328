"""Signed answers of a real ledger: asked over the command line and the gateway, checked by nobody's help."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.ledger_out import Sample, empty_topics, vkey_of, whole_ledger
from tests.integration.query_running import Running, running

from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.cli.policy import as_json_values
from passerelle.client import Client, Equivalency
from passerelle.core.errors import PasserelleError
from passerelle.core.note import VerifierKey
from passerelle.core.signature import SeedSigner
from passerelle.embedded import EmbeddedKafka
from passerelle.query.config import QueryConfig
from passerelle.query.packs import default_folder, read_yaml
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.keys import create_seed
from passerelle.runtime.process import wait_for
from passerelle.testing.federation import Federation, seed_of
from passerelle.testing.running_ledger import Ledger, begin_at_the_end, make_config

ENERGY = "humber/energy"
ISSUER = SeedSigner(seed_of("answers"))


@dataclass
class Both:
    """A ledger with sample events, and the query service that follows it with a key for answers."""

    ledger: Ledger
    sample: Sample
    live: Running
    log: VerifierKey
    folder: Path

    async def list_key(self) -> None:
        """The operator lists the key of the query service, as ``operator keys --add-answer`` does."""
        operator = self.sample.federation.operator
        key = {"key_id": ISSUER.key_id, "public_key": ISSUER.public_key.hex(), "use": "answer"}
        await self.ledger.send(operator.changes_keys(operator, add=[key]))


@pytest.fixture
async def both(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[Both]:
    sample = Sample(Federation(f"test.example/{unique_name('net')}"))
    settings = make_config(tmp_path, kafka.bootstrap, database, sample.federation)
    await begin_at_the_end(settings)
    await empty_topics(settings.kafka)
    create_seed(tmp_path / "answer.key", seed_of("answers"))
    (tmp_path / "answer.pub").write_text(ISSUER.public_key.hex() + "\n", encoding="ascii")
    async with whole_ledger(settings, sample.events) as (ledger, _, addresses):
        config = QueryConfig(
            network=settings.network,
            root_public_key_file=settings.root_public_key_file,
            database=DatabaseConfig(url=database),
            ledger=addresses["grpc"],
            answer_key_file=tmp_path / "answer.key",
        )
        async with running(config) as live:
            yield Both(ledger, sample, live, vkey_of(settings), tmp_path)


async def command(*words: str) -> tuple[int, str, str]:
    """Run the command line; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "passerelle", *words,
        env={**os.environ, "LANG": "C.UTF-8"}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(), err.decode()


async def test_an_answer_is_signed_once_the_key_is_listed_and_checked_offline(both: Both) -> None:
    size, address = len(both.sample.events), both.live.address
    request = eq.FindRequest(achievement=ENERGY, signed=True, min_position=size)
    async with Client(address, timeout_s=20) as client:
        with pytest.raises(PasserelleError) as caught:
            await client.call(Equivalency.FIND, request)
        assert caught.value.code == "answer-key-missing"
        await both.list_key()
        await client.call(Equivalency.FIND, eq.FindRequest(achievement=ENERGY, min_position=size + 1))

    file, page = both.folder / "energy.answer.jws", both.folder / "energy.html"
    code, _, err = await command("equivalency", "find", ENERGY, "--query", address, "--sign", str(file))
    assert code == 0, err
    check = ("verify", "answer", str(file), "--vkey", str(both.log), "--issuer-key", str(both.folder / "answer.pub"))
    code, out, err = await command(*check, "--print", str(page), "--lang", "fr", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["issuer"] == {"member": "operator", "key_id": ISSUER.key_id}
    assert [one["rule"]["id"] for one in told["answer"]["answers"]] == ["york/rule"]
    assert told["position"]["size"] == size + 1 <= told["checkpoint"]["size"]
    assert "york/rule" in page.read_text(encoding="utf-8")

    text = file.read_text(encoding="ascii")
    file.write_text(text[:-10] + ("A" if text[-10] != "A" else "B") + text[-9:], encoding="ascii")
    code, _, err = await command(*check)
    assert (code, "answer-signature-invalid" in err) == (1, True)


async def test_the_gateway_runs_answers_and_stops(both: Both) -> None:
    await both.list_key()
    ready, path = both.folder / "ready.json", both.folder / "gateway.toml"
    lines = {
        "network": both.live.config.network,
        "root_public_key_file": str(both.live.config.root_public_key_file),
        "query": both.live.address,
    }
    path.write_text("\n".join(f'{name} = "{value}"' for name, value in lines.items()), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "passerelle", "gateway", "run", "--config", str(path), "--ready-file", str(ready),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:

        async def is_ready() -> bool:
            return ready.exists() or process.returncode is not None

        assert await wait_for(is_ready, timeout_s=30)
        told = json.loads(ready.read_text(encoding="utf-8"))
        async with httpx.AsyncClient(base_url=told["http"], timeout=20) as http:
            size = len(both.sample.events) + 1
            asked: dict[str, Any] = {"achievement": ENERGY, "min_position": size, "signed": "true"}
            answer = (await http.get("/v1/equivalency/find", params=asked)).json()
            assert (answer["position"]["size"], answer["jws"].count(".")) == (size, 2)
            entry = (await http.get("/v1/ledger/entries/0")).json()
            assert bytes.fromhex(entry["entry"]).startswith(b"passerelle.entry/v1\n")
            proof = (await http.get("/v1/ledger/entries/0/proof")).json()
            assert proof["proof"].startswith("c2sp.org/tlog-proof@v1\n")
            assert (await http.get(f"http://{told['health']}/readyz")).json()["ready"]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err.decode()


async def test_an_assessment_carries_the_proofs_of_its_entries_and_they_are_checked_offline(both: Both) -> None:
    size, address = len(both.sample.events), both.live.address
    await both.list_key()
    file = both.folder / "energy.answer.jws"
    asked = ("portability", "assess", ENERGY, "--query", address, "--min-position", str(size + 1))
    code, out, err = await command(*asked, "--proofs", "--sign", str(file))
    assert code == 0, err
    assert "left out: 0" in out
    check = ("verify", "answer", str(file), "--vkey", str(both.log), "--issuer-key", str(both.folder / "answer.pub"))
    code, out, err = await command(*check, "--json")
    assert code == 0, err
    told = json.loads(out)
    proved, answer = told["proved"], told["answer"]
    named = {one["index"] for place in answer["jurisdictions"] for one in place["recognised_by"]}
    assert named, "york's rule is a ground in Ontario"
    assert {row["index"] for row in proved["entries"]} == named
    assert all(row["body_checked"] for row in proved["entries"])
    assert proved["not_proved"] == []
    code, out, _ = await command(*asked, "--json")
    assert json.loads(out)["proofs"] == []


async def test_a_pack_is_compared_with_the_one_that_is_published(both: Both) -> None:
    address, operator = both.live.address, both.sample.federation.operator
    source, file = default_folder() / "nzqa.yaml", both.folder / "nzqa.yaml"
    data = as_json_values(read_yaml(source))
    compare = ("policy", "diff", str(file), "--query", address, "--json")
    file.write_text(json.dumps(data), encoding="utf-8")
    code, _, err = await command(*compare)
    assert (code, "policy-unknown" in err) == (1, True), err
    size = len(both.sample.events) + 1
    await both.ledger.send(operator.event("reference.policy-published", "operator/nzqa", data))
    async with Client(address, timeout_s=20) as client:
        await client.call(Equivalency.FIND, eq.FindRequest(achievement=ENERGY, min_position=size))
    code, out, err = await command(*compare)
    assert code == 0, err
    assert json.loads(out) == {"published": {"index": size - 1, "version": 1}, "changes": [], "outcomes": []}
    clause = data["clauses"][0]
    file.write_text(json.dumps(data | {"clauses": [clause | {"force": "should"}, *data["clauses"][1:]]}))
    code, out, err = await command(*compare)
    assert code == 0, err
    assert json.loads(out)["changes"] == [{"place": f"{clause['id']}.force", "before": "must", "after": "should"}]
