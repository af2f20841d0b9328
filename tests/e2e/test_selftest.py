"""A new member proves in a sandbox that its node works: real processes, a kill, a signed report, the operator's yes."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from tests.conftest import run_here

from passerelle.core.catalogue import BY_NAME
from passerelle.node.main import open_office
from passerelle.node.plan import NewEvent
from passerelle.node.selftest_report import OK, STEPS
from passerelle.node.setup import NewNode, create_node, create_witness_key, public_key_entry
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.ids import SystemIds
from passerelle.testing.faults.network import NETWORK, OPERATOR, Network, Ran, Site

IDS = SystemIds(SystemClock())
WAIT_S = 60.0


async def newcomer(network: Network, member: str, folder: Path) -> Site:
    """A member that was admitted, with a witness's key, whose node never ran."""
    dsn = await network.postgres.create_database(f"node_{member}")
    new = NewNode(
        member=member, kind="college", names={"en": member.title()}, jurisdictions=["CA-ON"],
        roles=["issue", "recognise"], network=NETWORK, database=dsn, kafka=network.kafka.bootstrap,
        query=network.query, sample=True,
    )  # fmt: skip
    site = Site(member, folder, dsn)
    create_node(folder, new, network.folder / OPERATOR / "root.pub", IDS)
    create_witness_key(folder, NETWORK, member, IDS)
    with site.toml.open("a", encoding="utf-8") as file:
        file.write(f'\n[witness]\nkey_file = "witness.key"\nlog_url = "{network.log_url()}"\n')
    admission = orjson.loads((folder / "admission.json").read_bytes())
    admission["keys"].append(public_key_entry(folder / "witness.pub", "witness"))
    async with open_office(network.sites[OPERATOR].config()) as office:
        event = NewEvent(BY_NAME["member.admitted"], member, admission)
        answer = (await office.publish([event], wait_s=WAIT_S))[0]
    assert answer["state"] == "accepted", answer
    return site


async def accepted(network: Network, report: Path, *words: str) -> Ran:
    options = ("--max-age-days", "1", "--json", *words)
    return await network.command(
        "operator", "accept-selftest", str(report), *options, config=network.sites[OPERATOR].toml
    )


async def joining(network: Network, folder: Path) -> None:
    site = await newcomer(network, "newcomer", folder / "newcomer")
    report = folder / "newcomer.selftest.jws"
    words = ("node", "selftest", "--wait", str(WAIT_S), "--out", str(report), "--json")
    ran = await network.command(*words, config=site.toml)
    assert ran.code == 0, (ran.out, ran.err)
    told = ran.json()
    assert [(step["name"], step["state"]) for step in told["steps"]] == [(name, OK) for name in STEPS]
    assert told["passed"]
    assert told["log"]["origin"] == NETWORK
    secrets = [path.read_text().strip() for path in site.folder.glob("*.key")]
    assert len(secrets) == 4
    assert not [one for one in (*secrets, site.dsn) if one in ran.out + ran.err + report.read_text()]

    yes = await accepted(network, report, "--witness")
    assert yes.code == 0, yes.err
    note = yes.json()
    assert (note["member"], note["left_out"], note["roles"]) == ("newcomer", [], ["issue", "recognise"])
    assert json.loads(Path(note["file"]).read_bytes())["report_sha256"] == note["report_sha256"]
    again = await accepted(network, report)
    assert (again.code, "argument-invalid" in again.err) == (1, True)
    tampered = folder / "tampered.selftest.jws"
    tampered.write_bytes(report.read_bytes()[:-11] + b"AAAAAAAAAA\n")
    assert "signature-invalid" in (await accepted(network, tampered)).err


async def running(network: Network) -> Ran:
    """Of a member whose node runs."""
    return await network.command("node", "selftest", "--wait", "5", config=network.sites["york"].toml)


@pytest.mark.timeout(300)
def test_a_new_member_proves_that_its_node_works(federation: Network, tmp_path: Path) -> None:
    run_here(joining(federation, tmp_path))


def test_a_node_that_runs_is_not_tested_under_its_feet(federation: Network) -> None:
    ran = run_here(running(federation))
    assert ran.code == 1
    assert "lease-held" in ran.err
