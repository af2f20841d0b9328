"""Transfer cases over gRPC: to their parties only, and what each caller without standing is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.query_ledger import LedgerRows, add_case, uuid4, uuid7
from tests.integration.query_running import Running, failing, make_config, running
from tests.unit.query.world import NETWORK, credit, seed, signing_key

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.api.transfer.v1 import transfer_pb2_grpc
from passerelle.core.signature import SeedSigner
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.identity import make_token
from passerelle.runtime.rpc import metadata


@pytest.fixture
async def rows(database: str) -> AsyncIterator[LedgerRows]:
    made = await LedgerRows.create(database)
    yield made
    await made.close()


@pytest.fixture
async def case(rows: LedgerRows) -> str:
    return await add_case(rows)


@pytest.fixture
async def live(case: str, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(make_config(tmp_path, database)) as service:
        yield service


def stub(live: Running) -> Any:
    return transfer_pb2_grpc.TransferServiceStub(live.channel)


def now_s() -> int:
    return SystemClock().now_ms() // 1000


def token_of(member: str, **changes: Any) -> tuple[tuple[str, str], ...]:
    given = {"member": member, "network": NETWORK, "now_s": now_s(), **changes}
    return metadata(make_token(seed(member), **given))


@pytest.mark.parametrize("caller", ["queens", "humber", "operator"])
async def test_a_party_and_the_operator_read_the_whole_case(live: Running, case: str, caller: str) -> None:
    response = await stub(live).Show(pb.ShowRequest(case=case), metadata=token_of(caller), timeout=5)
    shown = response.case
    assert (shown.id, shown.state, shown.version) == (case, "posted", 3)
    assert (shown.sender, shown.receiver, shown.release) == ("humber", "queens", uuid4(1))
    assert (shown.programme, list(shown.credentials)) == ("queens/beng", [uuid7(1)])
    [line] = shown.lines
    assert (line.line, line.status, line.recognition) == (1, "credited", "queens/r1")
    assert (line.outcome.achievement, line.outcome.title) == ("queens/arch-101", "Architecture 101")
    assert [(step.event, step.member, step.note) for step in shown.steps] == [
        ("requested", "queens", ""),
        ("decided", "queens", "Reviewed"),
        ("posted", "queens", ""),
    ]
    assert response.position.size == shown.changed_index + 1


async def test_the_answer_to_a_revoked_source_is_shown(rows: LedgerRows, live: Running, case: str) -> None:
    revoked = {"reason": "issued-in-error", "effective_on": "2026-01-02"}
    cause = await rows.add("credential.revoked", "humber", uuid7(1), revoked)
    adjusted = {"expected_version": 3, "reason": "source-revoked", "cause": cause}
    await rows.add("transfer.adjusted", "queens", case, {**adjusted, "lines": [{"line": 1, "outcome": "removed"}]})
    request = pb.ShowRequest(case=case, min_position=rows.size)
    shown = (await stub(live).Show(request, metadata=token_of("queens"), timeout=5)).case
    assert (shown.state, shown.lines[0].status) == ("posted", "removed")
    assert (shown.steps[-1].event, shown.steps[-1].reason) == ("adjusted", "source-revoked")


async def test_an_adjusted_outcome_takes_the_place_of_the_decided_one(
    rows: LedgerRows, live: Running, case: str
) -> None:
    other = {"type": "unassigned", "subject": "ARCH", "credits": credit("3/2")}
    lines = [{"line": 1, "outcome": "changed", "new_outcome": other}]
    await rows.add("transfer.adjusted", "queens", case, {"expected_version": 3, "reason": "error", "lines": lines})
    request = pb.ShowRequest(case=case, min_position=rows.size)
    [line] = (await stub(live).Show(request, metadata=token_of("humber"), timeout=5)).case.lines
    assert (line.status, line.outcome.type, line.outcome.credits.value) == ("credited", "unassigned", "3/2")


async def test_both_parties_see_where_else_a_credential_counts_until_it_is_removed(
    rows: LedgerRows, live: Running, case: str
) -> None:
    await rows.course("queens/ba", "Bachelor of Arts", kind="degree")
    release = {"credentials": [uuid7(1)], "receiver": "queens", "purpose": "transfer", "ends_on": "2030-01-01"}
    await rows.add("credential.release-granted", "humber", uuid4(2), release)
    other, opened = uuid7(101), {"release": uuid4(2), "sender": "humber", "receiver": "queens"}
    await rows.add("transfer.requested", "queens", other, {**opened, "credentials": [uuid7(1)], "due_on": "2026-02-01"})
    line: dict[str, Any] = {"line": 1, "credential": uuid7(1), "status": "credited", "individual_reason": "Read"}
    line["outcome"] = {"type": "unassigned", "subject": "ARCH", "credits": credit("3")}
    decided = {"expected_version": 1, "lines": [line], "appeal_by": "2030-01-01", "final": True}
    await rows.add("transfer.decided", "queens", other, decided)
    posted = {"expected_version": 2, "programme": "queens/ba", "posted_on": "2026-01-05"}
    await rows.add("transfer.posted", "queens", other, posted)
    for caller in ("queens", "humber"):
        request = pb.ShowRequest(case=case, min_position=rows.size)
        shown = (await stub(live).Show(request, metadata=token_of(caller), timeout=5)).case
        assert [(use.credential, use.programme, use.state) for use in shown.uses] == [(uuid7(1), "queens/ba", "posted")]
    seen = (await stub(live).Show(pb.ShowRequest(case=other), metadata=token_of("queens"), timeout=5)).case
    assert [use.programme for use in seen.uses] == ["queens/beng"]
    assert (seen.appeal_by, seen.final, seen.level, seen.due_on) == ("2030-01-01", True, 1, "2026-02-01")
    lines = [{"line": 1, "outcome": "removed"}]
    await rows.add("transfer.adjusted", "queens", other, {"expected_version": 3, "reason": "error", "lines": lines})
    request = pb.ShowRequest(case=case, min_position=rows.size)
    assert not (await stub(live).Show(request, metadata=token_of("queens"), timeout=5)).case.uses


async def test_erased_bodies_leave_a_case_that_can_be_told(rows: LedgerRows, live: Running, case: str) -> None:
    await rows.pool.execute("UPDATE ledger.party_body SET body = NULL WHERE subject = $1", case)
    shown = (await stub(live).Show(pb.ShowRequest(case=case), metadata=token_of("queens"), timeout=5)).case
    assert [step.event for step in shown.steps] == ["requested", "decided", "posted"]
    assert shown.lines[0].status == "credited"
    assert not shown.lines[0].HasField("outcome")


async def test_who_is_no_party_reads_nothing(live: Running, case: str) -> None:
    service = stub(live)
    error = await failing(service.Show(pb.ShowRequest(case=case), metadata=token_of("bcit"), timeout=5))
    assert (error.status, error.reason) == ("PERMISSION_DENIED", "NOT_A_PARTY")
    assert "humber" not in str(error)
    listed = await service.List(pb.ListRequest(), metadata=token_of("bcit"), timeout=5)
    assert list(listed.cases) == []
    found = await service.Dependents(
        pb.DependentsRequest(on=f"credential:{uuid7(1)}"), metadata=token_of("bcit"), timeout=5
    )
    assert list(found.dependents) == []


async def test_a_caller_without_a_good_token_is_told_so(rows: LedgerRows, live: Running, case: str) -> None:
    forged = SeedSigner(seed("nobody"))
    calls = {
        "UNAUTHENTICATED": (),
        "TOKEN_INVALID": (("authorization", "Bearer not-a-token"),),
        "TOKEN_EXPIRED": token_of("queens", now_s=now_s() - 3600),
    }
    for reason, given in calls.items():
        for method, request in (
            ("Show", pb.ShowRequest(case=case)),
            ("List", pb.ListRequest()),
            ("Dependents", pb.DependentsRequest(on="credential:x")),
        ):
            error = await failing(getattr(stub(live), method)(request, metadata=given, timeout=5))
            assert (error.status, error.reason) == ("UNAUTHENTICATED", reason)
    bad = {
        "another network": token_of("queens", network="other.example/log"),
        "a key of nobody": metadata(make_token(seed("nobody"), member="queens", network=NETWORK, now_s=now_s())),
        "another member's key": metadata(make_token(seed("bcit"), member="queens", network=NETWORK, now_s=now_s())),
    }
    for given in bad.values():
        error = await failing(stub(live).Show(pb.ShowRequest(case=case), metadata=given, timeout=5))
        assert (error.status, error.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert forged.key_id not in rows.registry.members["queens"].keys


async def test_a_removed_key_no_longer_identifies(rows: LedgerRows, live: Running, case: str) -> None:
    given = token_of("queens")
    assert (await stub(live).Show(pb.ShowRequest(case=case), metadata=given, timeout=5)).case.id == case
    change = {"member": "queens", "remove": [{"key_id": signing_key("queens")["key_id"]}]}
    await rows.add("member.keys-changed", "operator", "queens", change)

    async def refused() -> str:
        # Show looks at the caller before it waits: List of another member tells when the change is in.
        request = pb.ListRequest(min_position=rows.size)
        await stub(live).List(request, metadata=token_of("humber"), timeout=5)
        return (await failing(stub(live).Show(pb.ShowRequest(case=case), metadata=given, timeout=5))).reason

    assert await refused() == "TOKEN_INVALID"


async def test_what_is_asked_wrongly_is_told(live: Running, case: str) -> None:
    service, given = stub(live), token_of("queens")
    for call, status, reason in (
        (service.Show(pb.ShowRequest(), metadata=given), "INVALID_ARGUMENT", "ARGUMENT_MISSING"),
        (service.Show(pb.ShowRequest(case=uuid7(999)), metadata=given), "NOT_FOUND", "NOT_FOUND"),
        (service.List(pb.ListRequest(role="friend"), metadata=given), "INVALID_ARGUMENT", "ARGUMENT_INVALID"),
        (service.List(pb.ListRequest(state="lost"), metadata=given), "INVALID_ARGUMENT", "ARGUMENT_INVALID"),
        (service.List(pb.ListRequest(page_token="x"), metadata=given), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"),
        (service.Dependents(pb.DependentsRequest(on="x"), metadata=given), "INVALID_ARGUMENT", "ARGUMENT_INVALID"),
    ):
        error = await failing(call)
        assert (error.status, error.reason) == (status, reason)


async def add_more_cases(rows: LedgerRows, count: int) -> list[str]:
    """More cases of queens about credentials of humber, in the state requested."""
    made = []
    for number in range(2, 2 + count):
        credential = {
            "achievement": "humber/design-1",
            "achievement_version": 1,
            "awarding_bodies": ["urn:passerelle:member:humber"],
            "registration": "humber",
            "conferred_on": "2025-12-01",
            "basis": "completed",
            "record": f"{number:064x}",
        }
        await rows.add("credential.issued", "humber", uuid7(number), credential)
        release = {"credentials": [uuid7(number)], "receiver": "queens", "purpose": "transfer", "ends_on": "2030-01-01"}
        await rows.add("credential.release-granted", "humber", uuid4(number), release)
        opened = {
            "release": uuid4(number),
            "sender": "humber",
            "receiver": "queens",
            "credentials": [uuid7(number)],
        }
        await rows.add("transfer.requested", "queens", uuid7(100 + number), opened)
        made.append(uuid7(100 + number))
    return made


async def test_lists_are_paged_newest_first_by_role_and_state(rows: LedgerRows, live: Running, case: str) -> None:
    newer = await add_more_cases(rows, 4)
    service = stub(live)
    request = pb.ListRequest(page_size=2, min_position=rows.size)
    seen: list[str] = []
    while True:
        response = await service.List(request, metadata=token_of("queens"), timeout=5)
        seen += [one.id for one in response.cases]
        assert len(response.cases) <= 2
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert seen == [*reversed(newer), case]
    for role, state, expected in (
        ("sender", "", []),
        ("receiver", "posted", [case]),
        ("", "requested", list(reversed(newer))),
    ):
        response = await service.List(pb.ListRequest(role=role, state=state), metadata=token_of("queens"), timeout=5)
        assert [one.id for one in response.cases] == expected
    mine = await service.List(pb.ListRequest(page_size=1), metadata=token_of("queens"), timeout=5)
    stolen = pb.ListRequest(page_size=1, page_token=mine.next_page_token)
    assert (await failing(service.List(stolen, metadata=token_of("humber")))).reason == "PAGE_TOKEN_INVALID"


async def test_dependents_name_the_case_that_rests_on_a_credential_or_a_rule(live: Running, case: str) -> None:
    for key in (f"credential:{uuid7(1)}", "recognition:queens/r1"):
        response = await stub(live).Dependents(pb.DependentsRequest(on=key), metadata=token_of("queens"), timeout=5)
        assert [(one.key, one.member, one.state) for one in response.dependents] == [
            (f"transfer:{case}", "queens", "posted")
        ]


async def test_a_watch_tells_what_was_and_what_comes_and_frees_its_place(
    rows: LedgerRows, live: Running, case: str
) -> None:
    stream = stub(live).Watch(pb.WatchRequest(), metadata=token_of("humber"))
    answers = stream.__aiter__()
    first = await asyncio.wait_for(anext(answers), 5)
    assert (first.case.id, first.case.state) == (case, "posted")
    [newer] = await add_more_cases(rows, 1)
    second = await asyncio.wait_for(anext(answers), 5)
    assert (second.case.id, second.case.state) == (newer, "requested")
    assert second.case.changed_index < second.position.size
    stream.cancel()
    later = stub(live).Watch(pb.WatchRequest(from_index=second.case.changed_index), metadata=token_of("queens"))
    assert (await asyncio.wait_for(anext(later.__aiter__()), 5)).case.id == newer
    later.cancel()


async def test_a_watch_needs_an_identity(live: Running) -> None:
    async def first() -> None:
        async for _ in stub(live).Watch(pb.WatchRequest(), timeout=5):
            return

    assert (await failing(first())).reason == "UNAUTHENTICATED"
