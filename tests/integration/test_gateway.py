"""The gateway before a real ledger and query service: every address is asked once, and those that must be refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from tests.integration.ledger_out import Sample, empty_topics, until_shown, whole_ledger
from tests.integration.query_running import running
from tests.unit.gateway.bench import fits, pick, problem, promised

from passerelle.client import Client
from passerelle.embedded import EmbeddedKafka
from passerelle.gateway.http import Gateway, build_app
from passerelle.gateway.operations import OPERATIONS
from passerelle.query.config import QueryConfig
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.identity import make_token
from passerelle.runtime.limits import RateLimit
from passerelle.testing.federation import Federation, Member, granted, seed_of, uuid_of
from passerelle.testing.running_ledger import begin_at_the_end, make_config

ENERGY, YORK, CASE, PERMISSION = "humber/energy", "york/energy-2", uuid_of("case"), uuid_of("permission")
LINE = {"achievement": ENERGY, "completed_on": "2025-05-01", "reference": "a"}
DRAFT = {"id": "york/rule", "data_json": ""}
WHAT_IF = {"receiver": "york", "transcripts": [{"reference": "t", "lines": [LINE]}], "rules": [DRAFT]}
STREAM = {"member": "york", "family": "recognition"}


@dataclass
class Whole:
    """The gateway as an HTTP client sees it, and who can ask."""

    http: httpx.AsyncClient
    sample: Sample
    size: int

    def headers(self, member: Member) -> dict[str, str]:
        """A member's identity."""
        now_s = SystemClock().now_ms() // 1000
        token = make_token(seed_of(member.key_name), member=member.id, network=member.network, now_s=now_s)
        return {"authorization": f"Bearer {token}"}

    async def ask(self, verb: str, url: str, given: Any = None, member: Member | None = None) -> httpx.Response:
        """``given``: parameters of a GET, the body of a POST."""
        headers = {} if member is None else self.headers(member)
        if verb == "POST":
            return await self.http.post(url, json=given, headers=headers)
        return await self.http.get(url, params=given or {}, headers=headers)


def more_events(sample: Sample) -> None:
    """What the other tests do not need: an occupation, an articulation request, a letter of permission."""
    humber, york = sample.humber, sample.york
    outcome = {"type": "unassigned", "subject": "ENRG", "credits": {"value": "3", "system": "credit-hours"}}
    read = {"line": 1, "achievement": ENERGY, "individual_reason": "Read", "outcome": outcome}
    term = {"starts_on": "2198-01-02", "ends_on": "2198-04-20", "name": "Winter"}
    permitted = {"host": "humber", "term": term, "expires_on": "2199-01-01", "position": 1, "courses": [read]}
    sample.events += [
        humber.achievement("drafting", occupations=["22212"]),
        humber.event("recognition.requested", "humber/ask", {"achievement": "humber/drafting", "receiver": "york"}),
        york.event("transfer.permission-granted", PERMISSION, permitted),
    ]


@pytest.fixture
async def whole(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[Whole]:
    sample = Sample(Federation(f"test.example/{unique_name('net')}"))
    more_events(sample)
    settings = make_config(tmp_path, kafka.bootstrap, database, sample.federation)
    await begin_at_the_end(settings)
    await empty_topics(settings.kafka)
    async with whole_ledger(settings, sample.events) as (ledger, _, addresses):
        config = QueryConfig(
            network=settings.network,
            root_public_key_file=settings.root_public_key_file,
            database=DatabaseConfig(url=database),
            ledger=addresses["grpc"],
        )
        await until_shown(ledger, len(sample.events))
        async with running(config) as live, Client(live.address) as client:
            app = build_app(Gateway(client, RateLimit(100, 1_000, SystemClock()), 10.0, 64_000))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:
                found = Whole(http, sample, len(sample.events))
                # The query service has read all of it.
                assert (await found.ask("GET", "/v1/portability/packs", {"min_position": found.size})).is_success
                yield found


Row = tuple[str, dict[str, Any], Any, str, str, Any]
NAMED = {one.name: one for one in OPERATIONS}


def public_questions(size: int) -> list[Row]:
    """Name, what stands in the path, what is given, who asks, a path into the answer, what stands there."""
    draft = orjson.dumps(granted("york", "humber/drafting", YORK)).decode()
    case = {"achievement": ENERGY, "pack": "sample-caps-on", "given": {"case.plar_share": 0.8}}
    return [
        ("findEquivalency", {}, {"achievement": ENERGY}, "", "answers.*.rule.id", ["york/rule"]),
        ("reverseEquivalency", {}, {"achievement": YORK}, "", "answers.*.rule.id", ["york/rule"]),
        ("evaluateTranscript", {}, {"lines": [LINE], "receiver": "york"}, "", "lines.*.match", ["match"]),
        ("searchAchievements", {}, {"member": "york"}, "", "achievements.*.id", [YORK]),
        ("getAchievement", {"achievement": ENERGY}, {}, "", "achievement.title", "Energy modelling"),
        ("listRules", {}, {"sender": "humber"}, "", "rules.*.id", ["york/rule"]),
        ("findPathways", {}, {"held": [LINE], "target": YORK}, "", "pathways.*.steps.*.kind", [["rule"]]),
        ("assessPortability", {}, {"achievement": ENERGY, "jurisdictions": "CA-QC"}, "",
         "jurisdictions.*.jurisdiction", ["CA-QC"]),
        ("assessCase", {}, case, "", "criteria.1.finding", "not-met"),
        ("profileAchievement", {}, {"achievement": ENERGY, "packs": "heqco"}, "", "packs.*.pack.id", ["heqco"]),
        ("listPacks", {}, {"known_at": size}, "", "position.size", size),
        ("listLeads", {}, {"framework": "noc-2021", "code": "22212"}, "", "leads.*.achievement",
         ["humber/drafting"]),
        ("compareLevel", {}, {"framework": "eqf", "level": "6"}, "", "reasons.*.code", ["level-reference-unknown"]),
        ("listArticulationRequests", {}, {"receiver": "york"}, "", "requests.*.id", ["humber/ask"]),
        ("getArticulationRequest", {"request": "humber%2Fask"}, {}, "", "request.steps.*.event", ["requested"]),
        ("summariseArticulationRequests", {}, {}, "", "receivers.*.open", [1]),
        ("listPrecedents", {}, {"achievement": ENERGY}, "", "precedents.*.answer.receiver", ["york"]),
        ("listContradictions", {}, {"receiver": "york"}, "", "contradictions", []),
        ("listNonReciprocalRules", {}, {"receiver": "york"}, "", "rules.*.id", ["york/rule"]),
        ("listOrphans", {}, {"receiver": "york"}, "", "orphans", []),
        ("listEndingRules", {}, {"receiver": "york"}, "", "rules", []),
        ("getCoverage", {}, {"sender": "humber", "receiver": "york"}, "", "achievements", 2),
        ("askWhatIf", {}, WHAT_IF, "", "lose", 1),
        ("askWhatIf", {}, {**WHAT_IF, "rules": [{"id": "york/new", "data_json": draft}]}, "", "same", 1),
    ]  # fmt: skip


def other_questions(size: int) -> list[Row]:
    """As :func:`public_questions`: cases, permissions and the ledger."""
    on = {"on": f"credential:{uuid_of('ann')}"}
    proof = re.compile("c2sp.org/tlog-proof@v1\n")
    first = {**STREAM, "sequence": 1}
    return [
        ("listTransfers", {}, {"role": "sender"}, "humber", "cases.*.id", [CASE]),
        ("showTransfer", {"case": CASE}, {}, "york", "case.state", "requested"),
        ("listDependents", {}, on, "york", "dependents.*.key", [f"transfer:{CASE}"]),
        ("showPermission", {"permission": PERMISSION}, {}, "humber", "permission.home", "york"),
        ("listPermissions", {}, {"state": "granted"}, "york", "permissions.*.id", [PERMISSION]),
        ("getHead", {}, {}, "", "position.size", size),
        ("getCheckpoint", {}, {"size": size}, "", "size", size),
        ("getConsistency", {}, {"from_size": 1, "to_size": size}, "", "path.0", re.compile("[0-9a-f]{64}$")),
        ("getVolume", {}, {"hours": 720}, "", "position.size", size),
        ("getEntry", {"index": 0}, {}, "", "subject", "operator"),
        ("getProof", {"index": 0}, {}, "", "proof", proof),
        ("listMembers", {}, {"min_position": size}, "", "members.*.id", ["humber", "laval", "operator", "york"]),
        ("listInbox", {"member": "york"}, {"page_size": 1}, "york", "records.*.number", [1]),
        ("getStream", STREAM, {}, "", "sequence", 1),
        ("listStream", STREAM, {"bodies": "true"}, "", "entries.*.subject", ["york/rule"]),
        ("getStreamEntry", first, {}, "", "subject", "york/rule"),
        ("getStreamProof", first, {}, "", "proof", proof),
    ]  # fmt: skip


async def test_every_address_is_answered_as_promised(whole: Whole) -> None:
    asked = set()
    members: Mapping[str, Member] = {"humber": whole.sample.humber, "york": whole.sample.york}
    for name, held, given, caller, path, expected in public_questions(whole.size) + other_questions(whole.size):
        asked.add(name)
        operation = NAMED[name]
        assert operation.identity == bool(caller)
        url = operation.path.format(**held)
        response = await whole.ask(operation.verb, url, given, members.get(caller))
        answer = response.json()
        assert response.status_code == 200, (name, answer)
        assert fits(answer, promised(operation.verb, operation.path)), (name, answer)
        assert response.headers["cache-control"] == ("no-store" if caller else "no-cache")
        found = pick(answer, path)
        same = expected.match(found) is not None if isinstance(expected, re.Pattern) else found == expected
        assert same, (name, answer)
    assert asked == set(NAMED)


async def test_wrong_questions_are_refused_each_for_its_reason(whole: Whole) -> None:
    await for_others(whole)
    await out_of_place(whole)


async def for_others(whole: Whole) -> None:
    """What is not the caller's."""
    laval, york, now_s = whole.sample.laval, whole.sample.york, SystemClock().now_ms() // 1000
    for url, given, expected in (
        (f"/v1/transfer/cases/{CASE}", {}, (403, "not-a-party", "case")),
        (f"/v1/transfer/permissions/{PERMISSION}", {}, (403, "not-a-party", "permission")),
        ("/v1/ledger/members/york/inbox", {}, (403, "not-a-party", "member")),
        (f"/v1/transfer/cases/{uuid_of('none')}", {}, (404, "not-found", "case")),
        ("/v1/transfer/dependents", {"on": "york"}, (400, "argument-invalid", "on")),
        ("/v1/transfer/cases", {"state": "lost"}, (400, "argument-invalid", "state")),
        ("/v1/transfer/cases", {"page_token": "x"}, (400, "page-token-invalid", "page_token")),
    ):
        assert problem(await whole.ask("GET", url, given, laval)) == expected, url
        assert problem(await whole.ask("GET", url, given)) == (401, "unauthenticated", "authorization"), url
    for given, expected in (({}, (400, "argument-missing", "on")), ({"by": "x"}, (400, "field-unknown", "by"))):
        assert problem(await whole.ask("GET", "/v1/transfer/dependents", given, laval)) == expected
    # A key of nobody, and one member's key for another's name.
    for key, member in ((seed_of("somebody"), "york"), (seed_of(york.key_name), "laval")):
        token = make_token(key, member=member, network=york.network, now_s=now_s)
        told = await whole.http.get("/v1/transfer/cases", headers={"authorization": f"Bearer {token}"})
        assert problem(told)[:2] == (401, "token-invalid")
    for reader, held in ((york, True), (laval, False)):
        entry = await whole.ask("GET", "/v1/ledger/members/york/streams/transfer/entries/1", {}, reader)
        assert bool(entry.json()["body"]) == held
        assert entry.headers["cache-control"] == "no-store"


async def out_of_place(whole: Whole) -> None:
    """Questions about the ledger that name what is not there, or name it wrongly."""
    size, stream = whole.size, "/v1/ledger/members/york/streams/recognition"
    for url, given, expected in (
        ("/v1/ledger/consistency", {"from_size": 1}, (400, "argument-missing", "to_size")),
        ("/v1/ledger/consistency", {"from_size": 2, "to_size": 1}, (400, "position-outside", "from_size")),
        ("/v1/ledger/consistency", {"from_size": 1, "to_size": size + 9}, (400, "position-outside", "to_size")),
        ("/v1/ledger/volume", {"hours": 721}, (400, "argument-invalid", "hours")),
        ("/v1/ledger/checkpoint", {"size": size + 9}, (404, "not-found", f"size {size + 9}")),
        ("/v1/ledger/members/york/streams/grades", {}, (400, "family-unknown", "family")),
        ("/v1/ledger/members/nobody/streams/transfer", {}, (404, "member-unknown", "member")),
        (f"{stream}/entries", {"after": -1}, (400, "argument-invalid", "after")),
        (f"{stream}/entries/2", {}, (404, "entry-absent", "york/recognition/2")),
        (f"{stream}/entries/one", {}, (400, "argument-invalid", "sequence")),
        (f"{stream}/entries/1", {"index": 3}, (400, "field-unknown", "index")),
        (f"{stream}/1", {}, (404, "not-found", f"{stream}/1")),
    ):
        assert problem(await whole.ask("GET", url, given)) == expected, (url, given)
