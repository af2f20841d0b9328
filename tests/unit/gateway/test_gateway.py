"""The gateway over the query services: the answers of gRPC as JSON, its errors as problem details, its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.unit.client.serving import REVIT
from tests.unit.gateway.bench import DOCUMENT, fits, gateway, problem
from tests.unit.query.test_permissions import ROW, OnePermission
from tests.unit.query.world import NETWORK, seed

from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.client import Client, Equivalency
from passerelle.embedded.ports import free_port
from passerelle.gateway.asking import parameters
from passerelle.gateway.http import Gateway, build_app
from passerelle.gateway.operations import OPERATIONS
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.identity import make_token
from passerelle.runtime.limits import RateLimit
from passerelle.runtime.protojson import as_json

LINE = {"achievement": REVIT, "completed_on": "2025-05-01", "reference": "a"}


async def test_it_answers_what_grpc_answers(tmp_path: Path) -> None:
    async with gateway(tmp_path) as bench:
        found = await bench.http.get("/v1/equivalency/find", params={"achievement": REVIT, "receiver": "bcit"})
        told = await bench.client.call(Equivalency.FIND, eq.FindRequest(achievement=REVIT, receiver="bcit"))
        assert found.json() == as_json(told)
        assert found.json()["answers"][0]["verdict"] == "agreement"
        assert fits(found.json(), "FindResponse")
        back = await bench.http.get("/v1/equivalency/reverse", params={"achievement": "bcit/bim-1"})
        assert back.json()["answers"][0]["rule"]["id"] == "bcit/r1"
        for path, kind in (("assess", "AssessResponse"), ("profile", "ProfileResponse")):
            answer = await bench.http.get(f"/v1/portability/{path}", params={"achievement": REVIT})
            assert (answer.status_code, answer.json()["achievement"]) == (200, REVIT)
            assert fits(answer.json(), kind)


async def test_a_transcript_goes_in_as_json_and_comes_back_as_one_answer(tmp_path: Path) -> None:
    async with gateway(tmp_path) as bench:
        body = {"lines": [LINE], "receiver": "bcit", "signed": True}
        answer = (await bench.http.post("/v1/equivalency/evaluate", json=body)).json()
    assert [(one["reference"], one["match"]) for one in answer["lines"]] == [("a", "match")]
    assert answer["summary"]["matched"] == 1
    assert answer["jws"].count(".") == 2
    assert fits(answer, "Evaluation")


async def test_the_ledger_is_there(tmp_path: Path) -> None:
    async with gateway(tmp_path) as bench:
        entry = (await bench.http.get("/v1/ledger/entries/3")).json()
        assert (entry["index"], bytes.fromhex(entry["entry"])) == (3, b"lines\n")
        proof = (await bench.http.get("/v1/ledger/entries/3/proof", params={"witnesses": 2})).json()
        assert proof["proof"] == "witnesses 2"
        assert (await bench.http.get("/v1/ledger/head")).json()["network"] == NETWORK
        assert problem(await bench.http.get("/v1/ledger/entries/9")) == (404, "entry-absent", "index")


async def test_special_parameters(tmp_path: Path) -> None:
    async with gateway(tmp_path) as bench:
        size, url = bench.behind.world.size, "/v1/equivalency/find"
        before = await bench.http.get(url, params={"achievement": REVIT, "known_at": size - 2})
        assert [one["verdict"] for one in before.json()["answers"]] == ["never-evaluated"]
        moment = f"ms:{bench.behind.world.now_ms}"
        now = await bench.http.get(url, params={"achievement": REVIT, "known_at": moment, "fields": "title,position"})
        assert (now.json()["title"], now.json()["answers"]) == ("Revit Architecture", [])
        places = {"achievement": REVIT, "jurisdictions": ["CA-BC", "CA-NS"]}
        told = await bench.http.get("/v1/portability/assess", params=places)
        assert [one["jurisdiction"] for one in told.json()["jurisdictions"]] == ["CA-BC", "CA-NS"]


async def test_errors_have_the_codes_of_grpc(tmp_path: Path) -> None:
    find, case = "/v1/equivalency/find", "/v1/transfer/cases/x"
    async with gateway(tmp_path) as bench:
        for params, expected in (
            ({}, (400, "argument-missing", "achievement")),
            ({"achievement": "humber/none"}, (404, "not-found", "achievement")),
            ({"achievement": REVIT, "achievment": "x"}, (400, "field-unknown", "achievment")),
            ({"achievement": REVIT, "page_size": "many"}, (400, "argument-invalid", "page_size")),
            ({"achievement": REVIT, "page_size": "5000000000"}, (400, "field-malformed", "page_size")),
            ({"achievement": REVIT, "signed": "1"}, (400, "argument-invalid", "signed")),
            ({"achievement": REVIT, "known_at": "yesterday"}, (400, "argument-invalid", "known_at")),
            ({"achievement": [REVIT, REVIT]}, (400, "argument-invalid", "achievement")),
        ):
            assert problem(await bench.http.get(find, params=params)) == expected, params
        assert problem(await bench.http.get(case)) == (401, "unauthenticated", "authorization")
        for header in ("Basic abc", "Bearer ", "Bearer x"):
            refused = problem(await bench.http.get(case, headers={"authorization": header}))
            assert refused == (401, "token-invalid", "authorization")
        assert problem(await bench.http.get("/v1/ledger/entries/3?index=4"))[1] == "argument-conflict"
        assert problem(await bench.http.get("/v1/nothing"))[:2] == (404, "not-found")
        assert problem(await bench.http.delete(find))[0] == 405
        french = await bench.http.get(find, headers={"accept-language": "fr-CA"})
        assert french.json()["title"] == "Argument manquant"


async def test_who_calls_is_passed_on(tmp_path: Path) -> None:
    now_s = SystemClock().now_ms() // 1000
    token = make_token(seed("humber"), member="humber", network=NETWORK, now_s=now_s)
    async with gateway(tmp_path) as bench:
        headers = {"authorization": f"Bearer {token}"}
        answer = await bench.http.get("/v1/transfer/cases/%20", headers=headers)
        # The caller is known: the service goes on to read its cases, of which this one has none to read.
        assert problem(answer)[:2] == (500, "internal")


async def test_letters_of_permission_go_to_their_parties(tmp_path: Path) -> None:
    now_s = SystemClock().now_ms() // 1000
    url = "/v1/transfer/permissions"
    async with gateway(tmp_path, store=OnePermission()) as bench:
        for member, known in (("bcit", True), ("queens", False)):
            token = make_token(seed(member), member=member, network=NETWORK, now_s=now_s)
            headers = {"authorization": f"Bearer {token}"}
            one = await bench.http.get(f"{url}/{ROW.id}", params={"min_position": 0}, headers=headers)
            every = await bench.http.get(url, params={"role": "home", "page_size": 5}, headers=headers)
            assert every.headers["cache-control"] == "no-store"
            assert fits(every.json(), "ListPermissionsResponse")
            if known:
                assert fits(one.json(), "ShowPermissionResponse")
                assert every.json()["permissions"] == [one.json()["permission"]]
                assert one.json()["permission"]["courses"][0]["outcome"]["credits"]["value"] == "5/2"
            else:
                assert problem(one) == (403, "not-a-party", "permission")
                assert every.json()["permissions"] == []
        assert problem(await bench.http.get(url, headers=headers, params={"state": "asked"}))[1] == "argument-invalid"
        assert problem(await bench.http.get(f"{url}/p2", headers=headers))[:2] == (404, "not-found")
        assert problem(await bench.http.get(url)) == (401, "unauthenticated", "authorization")


async def test_bodies_are_bounded_and_must_be_json(tmp_path: Path) -> None:
    url, kind = "/v1/equivalency/evaluate", {"content-type": "application/json"}
    async with gateway(tmp_path, body_max=300) as bench:
        for content, expected in (
            (b'{"lines": [' + b" " * 300 + b"]}", (413, "message-too-large", "body")),
            (b"{", (400, "body-not-json", "body")),
            (b"\xff", (400, "body-not-json", "body")),
            (b"[" * 290, (400, "body-not-json", "body")),
            (b"[]", (400, "field-malformed", "body")),
            (b'{"lines": [{"grades": 1}]}', (400, "field-unknown", "lines[0].grades")),
        ):
            assert problem(await bench.http.post(url, content=content, headers=kind)) == expected, content[:20]
        assert problem(await bench.http.post(url, content=b"{}"))[:2] == (415, "format-unknown")


async def test_a_caller_over_its_rate_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with gateway(tmp_path, burst=2) as bench:
        for _ in range(2):
            assert (await bench.http.get("/v1/ledger/head")).status_code == 200
        over = await bench.http.get("/v1/ledger/head")
        assert problem(over)[:2] == (429, "rate-limited")
        assert 90 <= int(over.headers["retry-after"]) <= 100
        assert problem(await bench.http.get("/v1/openapi.json"))[0] == 429


async def test_a_service_that_is_away_is_told() -> None:
    async with Client(f"127.0.0.1:{free_port()}", tries=1) as client:
        app = build_app(Gateway(client, RateLimit(1, 10, SystemClock()), 5.0, 4_096))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:
            answer = await http.get("/v1/ledger/head")
    assert problem(answer)[:2] == (503, "service-unavailable")
    assert answer.headers["retry-after"]


def test_the_document_is_openapi_and_names_every_operation() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    told = {(verb.upper(), path) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    assert told == {(one.verb, one.path) for one in OPERATIONS}
    find = DOCUMENT["paths"]["/v1/equivalency/find"]["get"]
    assert {one["name"] for one in find["parameters"]} == {one.name for one in eq.FindRequest.DESCRIPTOR.fields}
    entry = DOCUMENT["paths"]["/v1/ledger/entries/{index}"]["get"]["parameters"]
    assert [(one["name"], one["in"], one["required"]) for one in entry] == [("index", "path", True)]


def test_no_two_messages_share_a_name_in_the_document() -> None:
    names: dict[str, str] = {}

    seen: set[str] = set()

    def walk(message: Any) -> None:
        if message.full_name in seen:
            return
        seen.add(message.full_name)
        name = message.full_name.removeprefix(f"{message.file.package}.")
        assert names.setdefault(name, message.full_name) == message.full_name
        for field in message.fields:
            if field.message_type is not None:
                walk(field.message_type)

    for one in OPERATIONS:
        walk(one.method.response.DESCRIPTOR)
        walk(one.method.request.DESCRIPTOR)
    assert set(names) >= set(DOCUMENT["components"]["schemas"]) - {"Problem", "Evaluation"}


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.verb == "GET"], ids=lambda one: one.name)
def test_what_stands_in_a_path_is_a_field(operation: Any) -> None:
    assert set(operation.in_path) <= set(parameters(operation))
