"""Letters of permission over gRPC, REST and the command line: to home and host, and of a refusal to home alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.query_ledger import LedgerRows, uuid4, uuid7
from tests.integration.query_running import Running, failing, make_config, running
from tests.integration.test_query_cli import node_config, passerelle
from tests.integration.test_query_transfer import stub, token_of
from tests.unit.query.world import NETWORK, credit, seed

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.client import Client, MemberIdentity, Transfer
from passerelle.gateway.http import Gateway, build_app
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.limits import RateLimit

GRANTED, REFUSED, WITHDRAWN, OTHER = (uuid7(number) for number in (500, 501, 502, 503))
TERM = {"starts_on": "2026-01-02", "ends_on": "2026-04-20", "name": "Winter 2026"}
LATER = {"starts_on": "2026-09-01", "ends_on": "2026-12-20"}


def course(rows: LedgerRows, **more: Any) -> dict[str, Any]:
    """humber/design-1 by the rule of queens."""
    rule = rows.view.thing("recognition:queens/r1")
    assert rule is not None
    outcome = {"type": "assigned", "achievement": "queens/arch-101", "credits": credit("3")}
    named = {"recognition": "queens/r1", "recognition_index": rule.changed, "outcome": outcome}
    return {"line": 1, "achievement": "humber/design-1", **named, **more}


def grant(rows: LedgerRows, term: dict[str, str], **more: Any) -> dict[str, Any]:
    """The data of a permission of queens for humber."""
    data = {"host": "humber", "term": term, "expires_on": "2027-06-30", "position": rows.size}
    return {**data, "courses": [course(rows)], **more}


async def step(rows: LedgerRows, name: str, permission: str, data: dict[str, Any], member: str = "queens") -> int:
    return await rows.add(f"transfer.permission-{name}", member, permission, data)


@pytest.fixture
async def rows(database: str) -> AsyncIterator[LedgerRows]:
    """queens granted, amended, refused and withdrew for humber; humber granted one for bcit."""
    made = await LedgerRows.create(database)
    await made.course("humber/design-1", "Design 1")
    await made.course("humber/art", "Art")
    await made.course("queens/arch-101", "Architecture 101")
    await made.course("queens/beng", "Bachelor of Engineering", kind="degree")
    await made.course("bcit/bim-1", "BIM 1")
    await made.rule("queens/r1", "humber/design-1", "queens/arch-101")
    message = {"en": "Half is earned here.", "fr": "La moitié est acquise ici."}
    clause = {"id": "half", "force": "must", "test": "cel", "rule": "case.residency_share >= 0.5", "message": message}
    policy = {"policy": "caps", "version": 1, "title": {"en": "Caps"}, "source": "Sample", "clauses": [clause]}
    dated = {"effective_from": "2020-01-01", "fields": {"case.residency_share": "double"}}
    await made.add("reference.policy-published", "queens", "queens/caps", policy | dated)
    more = {
        "programme": "queens/beng",
        "policies": [{"policy": "queens/caps", "version": 1}],
        "maximum_credits": credit("6"),
        "note": "As agreed",
    }
    await step(made, "granted", GRANTED, grant(made, TERM, **more))
    strict = course(made, minimum_grade={"scheme": "percentage-50", "grade": "60"})
    await step(made, "amended", GRANTED, {**grant(made, TERM, **more), "courses": [strict], "expected_version": 1})
    no = {"line": 1, "achievement": "humber/art", "reason": "offered-here", "fix": "Take it here."}
    asked = {"host": "humber", "term": LATER, "position": made.size}
    await step(made, "refused", REFUSED, {**asked, "courses": [no], "note": "Full elsewhere"})
    await step(made, "granted", WITHDRAWN, grant(made, LATER))
    reason = {"expected_version": 1, "reason": "course-cancelled", "note": "Not offered"}
    await step(made, "withdrawn", WITHDRAWN, reason)
    outcome = {"type": "unassigned", "subject": "BIM", "credits": credit("3/2")}
    read = {"line": 1, "achievement": "bcit/bim-1", "individual_reason": "Read", "outcome": outcome}
    await step(made, "granted", OTHER, {**grant(made, LATER), "host": "bcit", "courses": [read]}, "humber")
    yield made
    await made.close()


@pytest.fixture
async def live(rows: LedgerRows, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(make_config(tmp_path, database)) as service:
        yield service


async def shown(live: Running, permission: str, caller: str) -> pb.Permission:
    request = pb.ShowPermissionRequest(permission=permission)
    found: pb.Permission = (await stub(live).ShowPermission(request, metadata=token_of(caller), timeout=5)).permission
    return found


async def listed(live: Running, caller: str, **asked: Any) -> list[str]:
    request = pb.ListPermissionsRequest(**asked)
    response = await stub(live).ListPermissions(request, metadata=token_of(caller), timeout=5)
    return [one.id for one in response.permissions]


async def test_home_host_and_operator_read_the_whole_permission(rows: LedgerRows, live: Running) -> None:
    one = await shown(live, GRANTED, "queens")
    assert (one.id, one.state, one.version, one.home, one.host) == (GRANTED, "granted", 2, "queens", "humber")
    assert (one.programme, one.term, one.starts_on, one.ends_on) == (
        "queens/beng",
        "Winter 2026",
        "2026-01-02",
        "2026-04-20",
    )
    assert (one.expires_on, one.case, one.note) == ("2027-06-30", "", "As agreed")
    assert [(policy.policy, policy.version) for policy in one.policies] == [("queens/caps", 1)]
    assert (one.maximum_credits.value, one.maximum_credits.system) == ("6", "credit-hours")
    [line] = one.courses
    assert (line.line, line.achievement, line.title, line.recognition) == (
        1,
        "humber/design-1",
        "Design 1",
        "queens/r1",
    )
    assert (line.outcome.achievement, line.outcome.title) == ("queens/arch-101", "Architecture 101")
    assert (line.minimum_grade.scheme, line.minimum_grade.grade) == ("percentage-50", "60")
    steps = [(step.event, step.member) for step in one.steps]
    assert steps == [("permission-granted", "queens"), ("permission-amended", "queens")]
    assert one.entry_index == one.changed_index == one.steps[1].index
    assert line.recognition_index < one.rules_position <= one.entry_index
    assert await shown(live, GRANTED, "humber") == one == await shown(live, GRANTED, "operator")


async def test_of_a_refusal_home_hears_and_the_host_is_anybody(rows: LedgerRows, live: Running) -> None:
    one = await shown(live, REFUSED, "queens")
    [line] = one.courses
    assert (one.state, line.reason, line.fix, line.HasField("outcome")) == (
        "refused",
        "offered-here",
        "Take it here.",
        False,
    )
    assert (one.starts_on, one.expires_on, one.note) == ("2026-09-01", "", "Full elsewhere")
    assert await shown(live, REFUSED, "operator") == one
    told = []
    for caller in ("humber", "bcit"):
        request = pb.ShowPermissionRequest(permission=REFUSED)
        error = await failing(stub(live).ShowPermission(request, metadata=token_of(caller), timeout=5))
        assert (error.status, error.reason) == ("PERMISSION_DENIED", "NOT_A_PARTY")
        told.append(error)
    # What a host is told of a refusal is word for word what a stranger is told of a grant.
    request = pb.ShowPermissionRequest(permission=GRANTED)
    assert await failing(stub(live).ShowPermission(request, metadata=token_of("bcit"), timeout=5)) == told[0] == told[1]
    assert REFUSED not in await listed(live, "humber")
    assert await listed(live, "humber", state="refused") == []
    assert await listed(live, "humber", role="host", state="refused") == []


async def test_a_withdrawn_one_says_what_stood_and_why_it_ended(rows: LedgerRows, live: Running) -> None:
    one = await shown(live, WITHDRAWN, "humber")
    assert (one.state, one.version, [line.achievement for line in one.courses]) == ("withdrawn", 2, ["humber/design-1"])
    assert (one.steps[-1].event, one.steps[-1].reason, one.steps[-1].note) == (
        "permission-withdrawn",
        "course-cancelled",
        "Not offered",
    )
    assert one.entry_index == one.steps[0].index < one.changed_index == one.steps[1].index


async def test_the_case_of_the_return_is_told_to_both(rows: LedgerRows, live: Running) -> None:
    issued = {
        "achievement": "humber/design-1",
        "achievement_version": 1,
        "awarding_bodies": ["urn:passerelle:member:humber"],
        "registration": "humber",
        "conferred_on": "2026-01-03",
        "basis": "completed",
        "record": "ab" * 32,
    }
    await rows.add("credential.issued", "humber", uuid7(1), issued)
    release = {"credentials": [uuid7(1)], "receiver": "queens", "purpose": "transfer", "ends_on": "2030-01-01"}
    await rows.add("credential.release-granted", "humber", uuid4(1), release)
    rows.now_ms += 86_400_000
    opened = {"release": uuid4(1), "sender": "humber", "receiver": "queens", "credentials": [uuid7(1)]}
    index = await rows.add("transfer.requested", "queens", uuid7(100), {**opened, "permission": GRANTED})
    for caller in ("queens", "humber"):
        request = pb.ShowPermissionRequest(permission=GRANTED, min_position=index + 1)
        response = await stub(live).ShowPermission(request, metadata=token_of(caller), timeout=5)
        one = response.permission
        assert (one.state, one.case, one.changed_index, response.position.size) == (
            "granted",
            uuid7(100),
            index,
            index + 1,
        )
        assert one.entry_index < index
    assert (await listed(live, "queens"))[0] == GRANTED


async def test_an_erased_body_leaves_a_permission_that_can_be_told(rows: LedgerRows, live: Running) -> None:
    await rows.pool.execute("UPDATE ledger.party_body SET body = NULL WHERE subject = $1", GRANTED)
    one = await shown(live, GRANTED, "humber")
    assert (one.state, one.host, one.expires_on, list(one.courses)) == ("granted", "humber", "2027-06-30", [])
    assert [step.event for step in one.steps] == ["permission-granted", "permission-amended"]


async def test_lists_are_paged_newest_first_by_role_and_state(rows: LedgerRows, live: Running) -> None:
    seen: list[str] = []
    request = pb.ListPermissionsRequest(page_size=1, min_position=rows.size)
    while True:
        response = await stub(live).ListPermissions(request, metadata=token_of("humber"), timeout=5)
        seen += [one.id for one in response.permissions]
        assert len(response.permissions) == 1
        request.page_token = response.next_page_token
        if not request.page_token:
            break
    assert seen == [OTHER, WITHDRAWN, GRANTED]
    for caller, asked, expected in (
        ("queens", {}, [WITHDRAWN, REFUSED, GRANTED]),
        ("queens", {"role": "host"}, []),
        ("queens", {"state": "refused"}, [REFUSED]),
        ("humber", {"role": "home"}, [OTHER]),
        ("humber", {"role": "host", "state": "granted"}, [GRANTED]),
        ("bcit", {}, [OTHER]),
        ("nscc", {}, []),
        ("operator", {}, []),
    ):
        assert await listed(live, caller, **asked) == expected, (caller, asked)
    mine = await stub(live).ListPermissions(
        pb.ListPermissionsRequest(page_size=1), metadata=token_of("humber"), timeout=5
    )
    stolen = pb.ListPermissionsRequest(page_size=1, page_token=mine.next_page_token)
    error = await failing(stub(live).ListPermissions(stolen, metadata=token_of("queens")))
    assert error.reason == "PAGE_TOKEN_INVALID"


async def test_a_list_reads_an_index_and_not_the_log(rows: LedgerRows) -> None:
    """What stands behind a page: the two partial indices, also while the tables were never analysed."""
    from passerelle.query.permission_ports import PermissionQuery
    from passerelle.query.postgres_permissions import PermissionReading

    plans: list[str] = []

    class Explained:
        async def fetch(self, sql: str, *values: Any) -> list[Any]:
            async with rows.pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL enable_seqscan = off")
                plans.append("\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values)))
            return []

    reading = PermissionReading()
    reading._connection = Explained()
    await reading.permissions(PermissionQuery("humber", before=(99, GRANTED)))
    [plan] = plans
    assert "thing_permission_home" in plan, plan
    assert "thing_permission_host" in plan, plan
    assert "Seq Scan" not in plan


async def test_what_is_asked_wrongly_is_told(rows: LedgerRows, live: Running) -> None:
    service, given = stub(live), token_of("queens")
    show, every = service.ShowPermission, service.ListPermissions
    invalid = ("INVALID_ARGUMENT", "ARGUMENT_INVALID")
    for call, status, reason, where in (
        (show(pb.ShowPermissionRequest(), metadata=given), "INVALID_ARGUMENT", "ARGUMENT_MISSING", "permission"),
        (show(pb.ShowPermissionRequest(permission=uuid7(9)), metadata=given), "NOT_FOUND", "NOT_FOUND", "permission"),
        (show(pb.ShowPermissionRequest(permission=GRANTED)), "UNAUTHENTICATED", "UNAUTHENTICATED", "authorization"),
        (every(pb.ListPermissionsRequest()), "UNAUTHENTICATED", "UNAUTHENTICATED", "authorization"),
        (every(pb.ListPermissionsRequest(role="sender"), metadata=given), *invalid, "role"),
        (every(pb.ListPermissionsRequest(state="asked"), metadata=given), *invalid, "state"),
        (every(pb.ListPermissionsRequest(page_size=1_001), metadata=given), *invalid, "page_size"),
    ):
        error = await failing(call)
        assert (error.status, error.reason, error.metadata["where"]) == (status, reason, where)
    late = pb.ShowPermissionRequest(permission=GRANTED, min_position=rows.size + 5)
    assert (await failing(show(late, metadata=given, timeout=1))).reason == "POSITION_NOT_REACHED"


async def test_the_client_and_the_gateway_tell_the_same(rows: LedgerRows, live: Running) -> None:
    identity = MemberIdentity(seed("queens"), member="queens", network=NETWORK, clock=SystemClock())
    headers = {"authorization": f"Bearer {identity.token()}"}
    async with Client(live.address, identity=identity) as client, Client(live.address) as nobody:
        told = await client.call(Transfer.SHOW_PERMISSION, pb.ShowPermissionRequest(permission=GRANTED))
        every = await client.call(Transfer.LIST_PERMISSIONS, pb.ListPermissionsRequest(role="home"))
        app = build_app(Gateway(nobody, RateLimit(1, 100, SystemClock()), 5.0, 4_096))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:
            url = "/v1/transfer/permissions"
            shown = await http.get(f"{url}/{GRANTED}", headers=headers)
            assert shown.headers["cache-control"] == "no-store"
            assert shown.json()["permission"]["courses"][0]["outcome"]["credits"] == credit("3")
            assert (shown.json()["permission"]["id"], told.permission.id) == (GRANTED, GRANTED)
            page = (await http.get(url, params={"state": "refused", "page_size": 1}, headers=headers)).json()
            assert [one["id"] for one in page["permissions"]] == [REFUSED]
            assert [one.id for one in every.permissions] == [WITHDRAWN, REFUSED, GRANTED]
            assert (await http.get(f"{url}/{OTHER}", headers=headers)).json()["code"] == "not-a-party"
            assert (await http.get(url)).status_code == 401


async def test_the_command_line_shows_and_lists(rows: LedgerRows, live: Running, tmp_path: Path) -> None:
    config = str(node_config(tmp_path, "humber", live.address))
    told = (await passerelle("permission", "show", GRANTED, "--config", config, "--json")).answer
    assert (told["permission"]["id"], told["position"]["size"]) == (GRANTED, rows.size)
    assert [one["event"] for one in told["permission"]["steps"]] == ["permission-granted", "permission-amended"]
    every = await passerelle("permission", "list", "--config", config, "--lang", "fr")
    assert every.code == 0, every.err
    for part in (OTHER, WITHDRAWN, GRANTED, "accordée", "Établissement d'accueil", "Position du registre"):
        assert part in every.out
    assert REFUSED not in every.out
    home = str(node_config(tmp_path, "queens", live.address))
    refused = await passerelle("permission", "show", REFUSED, "--config", home, "--lang", "en")
    assert "not permitted: the course is offered here in that term  Take it here." in refused.out
    assert refused.code == 0, refused.err
