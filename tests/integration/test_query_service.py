"""The query service on a real PostgreSQL, over real gRPC: following the ledger, answers, every error's status."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.integration.query_ledger import LedgerRows
from tests.integration.query_running import Running, failing, make_config, running

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as eq_grpc
from passerelle.api.portability.v1 import portability_pb2 as po
from passerelle.api.portability.v1 import portability_pb2_grpc as po_grpc
from passerelle.core.errors import ConfigError
from passerelle.query.packs import default_folder

REVIT = "humber/revit"


@pytest.fixture
async def rows(database: str) -> AsyncIterator[LedgerRows]:
    made = await LedgerRows.create(database)
    await made.course(REVIT, "Revit Architecture", kind="micro-credential")
    await made.course("bcit/bim-1", "BIM 1")
    yield made
    await made.close()


@pytest.fixture
async def live(rows: LedgerRows, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(make_config(tmp_path, database)) as service:
        yield service


def equivalency(live: Running) -> eq_grpc.EquivalencyServiceStub:
    return eq_grpc.EquivalencyServiceStub(live.channel)


async def test_a_rule_is_answered_at_the_position_it_was_committed_at(rows: LedgerRows, live: Running) -> None:
    stub = equivalency(live)
    before = await stub.Find(eq.FindRequest(achievement=REVIT), timeout=5)
    assert [answer.verdict for answer in before.answers] == [eq.VERDICT_NEVER_EVALUATED]
    await rows.refuse("bcit")
    await rows.rule("bcit/r1", REVIT, "bcit/bim-1")
    after = await stub.Find(eq.FindRequest(achievement=REVIT, min_position=rows.size), timeout=5)
    assert [(one.verdict, one.rule.id) for one in after.answers] == [(eq.VERDICT_AGREEMENT, "bcit/r1")]
    assert after.position.size == rows.size
    assert after.position.accepted_at_ms == after.position.floor_ms == rows.now_ms
    old = await stub.Find(
        eq.FindRequest(achievement=REVIT, known_at=common_pb2.KnownAt(size=before.position.size)), timeout=5
    )
    assert old.answers == before.answers


async def test_a_lost_notification_is_made_up_for_by_the_poll(rows: LedgerRows, live: Running) -> None:
    await rows.add(
        "credential.achievement-published",
        "queens",
        "queens/late",
        {
            "version": 1,
            "kind": "course",
            "title": "Late",
            "language": "en",
            "awarding_bodies": ["urn:passerelle:member:queens"],
            "credit_bearing": True,
        },
        notify=False,
    )
    request = eq.GetAchievementRequest(achievement="queens/late", min_position=rows.size)
    response = await equivalency(live).GetAchievement(request, timeout=5)
    assert response.achievement.title == "Late"


async def test_a_log_longer_than_a_page_is_read_whole(rows: LedgerRows, database: str, tmp_path: Path) -> None:
    for number in range(25):
        await rows.rule(f"bcit/r{number:02}", REVIT, "bcit/bim-1")
    async with running(make_config(tmp_path, database, page=10)) as live:
        response = await equivalency(live).Find(eq.FindRequest(achievement=REVIT), timeout=5)
        assert [one.rule.id for one in response.answers] == [f"bcit/r{number:02}" for number in range(25)]
        assert response.position.size == rows.size


async def test_another_network_is_refused_at_the_start(rows: LedgerRows, database: str, tmp_path: Path) -> None:
    await rows.pool.execute("UPDATE ledger.head SET network = 'other.example/log'")
    with pytest.raises(ConfigError) as caught:
        async with running(make_config(tmp_path, database)):
            pass
    assert caught.value.code == "config-mismatch"


async def test_every_error_carries_its_code(rows: LedgerRows, live: Running) -> None:
    find = equivalency(live).Find
    for request, status, reason, violations in (
        (eq.FindRequest(), "INVALID_ARGUMENT", "ARGUMENT_MISSING", ["achievement"]),
        (eq.FindRequest(achievement="humber/none"), "NOT_FOUND", "NOT_FOUND", []),
        (eq.FindRequest(achievement=REVIT, receiver="none"), "NOT_FOUND", "NOT_FOUND", []),
        (eq.FindRequest(achievement=REVIT, valid_on="32"), "INVALID_ARGUMENT", "ARGUMENT_INVALID", ["valid_on"]),
        (eq.FindRequest(achievement=REVIT, page_size=5000), "INVALID_ARGUMENT", "ARGUMENT_INVALID", ["page_size"]),
        (eq.FindRequest(achievement=REVIT, page_token="x"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["page_token"]),
        (
            eq.FindRequest(achievement=REVIT, known_at=common_pb2.KnownAt(instant_ms=rows.now_ms + 1)),
            "FAILED_PRECONDITION", "NOT_SETTLED", [],
        ),
    ):  # fmt: skip
        error = await failing(find(request, timeout=5))
        assert (error.status, error.reason, error.violations) == (status, reason, violations)
        assert error.metadata["fix"]
        assert error.metadata["what"]
    waiting = eq.FindRequest(achievement=REVIT, min_position=rows.size + 1)
    error = await failing(find(waiting, timeout=1))
    assert (error.status, error.reason) == ("UNAVAILABLE", "POSITION_NOT_REACHED")


async def test_a_transcript_is_evaluated_line_by_line(rows: LedgerRows, live: Running) -> None:
    await rows.rule("bcit/r1", REVIT, "bcit/bim-1")
    lines = [
        eq.TranscriptLine(achievement=REVIT, completed_on="2025-05-01", reference="a"),
        eq.TranscriptLine(achievement="humber/unheard-of", completed_on="2025-05-01", reference="b"),
    ]
    request = eq.EvaluateRequest(lines=lines, receiver="bcit", min_position=rows.size)
    answers = [one async for one in equivalency(live).Evaluate(request, timeout=5)]
    assert [(one.reference, one.match, one.rule.id) for one in answers[:-1]] == [
        ("a", eq.MATCH_MATCH, "bcit/r1"),
        ("b", eq.MATCH_MISS, ""),
    ]
    summary = answers[-1].summary
    assert (summary.matched, summary.maybe, summary.missed) == (1, 0, 1)
    assert [(amount.value, amount.system) for amount in summary.credits] == [("3", "credit-hours")]

    async def whole(**more: Any) -> None:
        async for _ in equivalency(live).Evaluate(eq.EvaluateRequest(**more), timeout=5):
            pass

    error = await failing(whole(lines=lines * 251))
    assert (error.status, error.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_ITEMS")
    error = await failing(whole())
    assert (error.reason, error.violations) == ("ARGUMENT_MISSING", ["lines"])
    error = await failing(whole(lines=[eq.TranscriptLine(achievement=REVIT)]))
    assert (error.reason, error.violations) == ("ARGUMENT_MISSING", ["lines[0].completed_on"])


async def test_portability_is_assessed_and_packs_are_listed(rows: LedgerRows, live: Running) -> None:
    stub = po_grpc.PortabilityServiceStub(live.channel)
    packs = await stub.ListPacks(po.ListPacksRequest(), timeout=5)
    assert "portability-national" in {pack.id for pack in packs.packs}
    answer = await stub.Assess(po.AssessRequest(achievement=REVIT, jurisdictions=["CA-BC"]), timeout=5)
    assert answer.verdict == po.PORTABILITY_VERDICT_UNKNOWN
    assert [one.id for one in answer.criteria] == ["framework", "employers", "assessment"]
    assert answer.missing
    for request, reason in (
        (po.AssessRequest(achievement="humber/none"), "NOT_FOUND"),
        (po.AssessRequest(achievement=REVIT, pack="none"), "POLICY_UNKNOWN"),
        (po.AssessRequest(achievement=REVIT, jurisdictions=["Ontario"]), "ARGUMENT_INVALID"),
        (po.AssessRequest(achievement=REVIT, asked_on="soon"), "ARGUMENT_INVALID"),
    ):
        assert (await failing(stub.Assess(request, timeout=5))).reason == reason


async def test_a_published_pack_answers_from_its_entry_on_and_the_built_in_one_before(
    rows: LedgerRows, live: Running
) -> None:
    stub = po_grpc.PortabilityServiceStub(live.channel)
    data = yaml.safe_load((default_folder() / "unesco.yaml").read_text(encoding="utf-8"))
    data["effective_from"] = data["effective_from"].isoformat()
    before = rows.size
    index = await rows.add("reference.policy-published", "operator", "operator/unesco", data)
    request = po.AssessRequest(achievement=REVIT, pack="unesco", jurisdictions=["CA-ON"], min_position=rows.size)
    now = await stub.Assess(request, timeout=5)
    assert (now.pack_used.origin, now.pack_used.evidence.index) == ("ledger", index)
    request.known_at.size = before
    then = await stub.Assess(request, timeout=5)
    assert then.pack_used.origin == "built-in"
    # The same rules find the same, whoever holds them.
    assert [one.finding for one in then.clauses] == [one.finding for one in now.clauses]
    profile = await stub.Profile(po.ProfileRequest(achievement=REVIT, packs=["unesco"]), timeout=5)
    assert [one.pack.used.origin for one in profile.packs] == ["ledger"]
    framework = {
        "framework": "operator/levels",
        "version": 1,
        "title": "Levels",
        "language": "en",
        "kind": "qualifications",
        "owner": "Test",
        "recognised": True,
        "references": [
            {"level": "1", "framework": "eqf", "to_level": "2", "source": "Test", "confidence": "indicative"}
        ],
    }
    await rows.add("reference.framework-published", "operator", "operator/levels", framework)
    asked = po.CompareLevelRequest(framework="eqf", level="2", min_position=rows.size)
    levels = await stub.CompareLevel(asked, timeout=5)
    assert [(one.framework, one.level) for one in levels.levels] == [("operator/levels", "1")]
    error = await failing(stub.LeadsTo(po.LeadsToRequest(framework="noc-2021"), timeout=5))
    assert (error.reason, error.violations) == ("ARGUMENT_MISSING", ["code"])
    error = await failing(stub.Profile(po.ProfileRequest(achievement=REVIT, packs=["none"]), timeout=5))
    assert error.reason == "POLICY_UNKNOWN"


async def test_health_and_reflection_name_all_four_services(live: Running) -> None:
    names = {
        f"passerelle.api.{name.lower()}.v1.{name}Service"
        for name in ("Equivalency", "Portability", "Transfer", "Ledger")
    }
    health: Any = health_pb2_grpc.HealthStub(live.channel)
    for name in ("", *names):
        status = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert status.status == health_pb2.HealthCheckResponse.SERVING
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(live.channel)  # type: ignore[arg-type]
    stream = reflection.ServerReflectionInfo(iter([request]))
    listed = {one.name async for response in stream for one in response.list_services_response.service}
    assert names <= listed


async def test_the_service_goes_on_answering_and_catches_up_after_its_connections_were_cut(
    rows: LedgerRows, live: Running
) -> None:
    await rows.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'passerelle-query' AND datname = current_database()"
    )
    await rows.rule("bcit/r1", REVIT, "bcit/bim-1")
    request = eq.FindRequest(achievement=REVIT, min_position=rows.size)
    response = await equivalency(live).Find(request, timeout=10)
    assert response.answers[0].rule.id == "bcit/r1"
    assert live.service.health()["ready"]


async def test_answers_run_beside_a_growing_log(rows: LedgerRows, live: Running) -> None:
    stub = equivalency(live)

    async def grow() -> None:
        for number in range(20):
            await rows.rule(f"bcit/g{number:02}", REVIT, "bcit/bim-1")

    growing = asyncio.create_task(grow())
    seen: list[tuple[int, int]] = []
    while not growing.done():
        response = await stub.Find(eq.FindRequest(achievement=REVIT), timeout=5)
        held = sum(answer.verdict == eq.VERDICT_AGREEMENT for answer in response.answers)
        seen.append((response.position.size, held))
    await growing
    # Every rule is one entry: an answer holds exactly the rules that stand below its position.
    base = rows.size - 20
    assert seen
    assert all(held == size - base for size, held in seen)
    assert seen == sorted(seen)
