"""Signed answers from the services: every method that offers them, when a checkpoint covers them, and when not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tests.unit.client.serving import ANSWERING, REVIT, Serving, serving, world_of_rules
from tests.unit.query.world import LOG, NETWORK, OPERATOR, seed

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.api.portability.v1 import portability_pb2 as po
from passerelle.client import Articulation, Client, Equivalency, Portability, Stream, Transfer
from passerelle.core.answer import VerifiedAnswer, verify_answer
from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.protojson import as_json

ISSUER = SeedSigner(seed(ANSWERING))
LINE = eq.TranscriptLine(achievement=REVIT, completed_on="2025-05-01", reference="a")


def verified(jws: str) -> VerifiedAnswer:
    return verify_answer(
        jws.encode(),
        {ISSUER.key_id: ISSUER.public_key},
        [LOG.verifier],
        network=NETWORK,
        now_ms=SystemClock().now_ms(),
    )


def without(message: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in as_json(message).items() if key != name}


async def failing(at: Serving, method: Any, request: Any, timeout_s: float = 5) -> PasserelleError:
    async with Client(at.address, timeout_s=timeout_s, tries=1) as client:
        with pytest.raises(PasserelleError) as caught:
            await client.call(method, request)
    return caught.value


async def test_what_is_signed_is_what_was_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        request = eq.FindRequest(achievement=REVIT, signed=True)
        response = await client.call(Equivalency.FIND, request)
        plain = await client.call(Equivalency.FIND, eq.FindRequest(achievement=REVIT))
    found = verified(response.jws)
    assert found.content["answer"] == without(response, "jws") == without(plain, "jws")
    assert found.content["question"] == without(request, "signed")
    assert (found.size, found.checkpoint.size) == (at.world.size, 1_000)
    assert found.content["valid_on"] == "2026-01-01"
    assert found.content["issuer"]["member"] == OPERATOR
    assert not plain.jws


async def test_a_whole_transcript_is_signed_once_with_its_traces(tmp_path: Path) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        request = eq.EvaluateRequest(lines=[LINE], receiver="bcit", signed=True)
        responses = [one async for one in client.stream(Equivalency.EVALUATE, request)]
    assert [bool(one.jws) for one in responses] == [False, True]
    found = verified(responses[-1].jws)
    assert [one["match"] for one in found.content["answer"]] == ["match", "unspecified"]
    assert found.content["answer"][0]["trace"]["root"]["met"]
    assert found.content["question"]["explain"]


async def test_policies_are_named_with_their_versions(tmp_path: Path) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        one = await client.call(Portability.ASSESS, po.AssessRequest(achievement=REVIT, signed=True))
        many = await client.call(Portability.PROFILE, po.ProfileRequest(achievement=REVIT, signed=True))
    assert verified(one.jws).content["packs"] == {"portability-national": one.pack_version}
    assert verified(many.jws).content["packs"] == {pack.pack.id: pack.pack.version for pack in many.packs}
    assert len(many.packs) > 5


async def test_the_date_is_the_one_asked_or_that_of_the_state(tmp_path: Path) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        at.world.idle(3 * 86_400_000)
        for more, date in (
            ({"valid_on": "2025-02-03"}, "2025-02-03"),
            ({}, "2026-01-04"),
            ({"known_at": common_pb2.KnownAt(size=at.world.size)}, "2026-01-01"),
            ({"known_at": common_pb2.KnownAt(instant_ms=at.world.now_ms - 86_400_000)}, "2026-01-03"),
        ):
            request: Any = eq.FindRequest(achievement=REVIT, signed=True, **more)
            assert verified((await client.call(Equivalency.FIND, request)).jws).content["valid_on"] == date


async def test_it_waits_for_a_checkpoint_that_covers_it_and_keeps_that(tmp_path: Path) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        at.ledger.sizes = [at.world.size - 2, at.world.size - 1, at.world.size]
        request = eq.FindRequest(achievement=REVIT, signed=True)
        for _ in range(2):
            assert verified((await client.call(Equivalency.FIND, request)).jws).checkpoint.size == at.world.size
        assert at.ledger.asked == 3


async def test_without_one_in_time_it_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        at.ledger.sizes = [1]
        request = eq.FindRequest(achievement=REVIT, signed=True)
        assert (await failing(at, Equivalency.FIND, request, 0.5)).code == "checkpoint-not-ready"


async def test_without_a_key_in_force_nothing_is_signed(tmp_path: Path) -> None:
    request = eq.FindRequest(achievement=REVIT, signed=True)
    async with serving(tmp_path, key=None) as at:
        assert (await failing(at, Equivalency.FIND, request)).code == "answer-key-missing"
    world = world_of_rules()
    async with serving(tmp_path, world=world) as at:
        data = {"member": OPERATOR, "remove": [{"key_id": ISSUER.key_id}]}
        world.add("member.keys-changed", OPERATOR, OPERATOR, data)
        assert (await failing(at, Equivalency.FIND, request)).code == "answer-key-missing"
        async with Client(at.address) as client:
            assert (await client.call(Equivalency.FIND, eq.FindRequest(achievement=REVIT))).answers


async def test_a_key_that_signs_events_signs_no_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, key=OPERATOR) as at:
        request = eq.FindRequest(achievement=REVIT, signed=True)
        assert (await failing(at, Equivalency.FIND, request)).code == "answer-key-missing"


async def test_errors_of_the_question_come_first_and_a_mask_keeps_the_position(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        unknown = eq.FindRequest(achievement="humber/none", signed=True)
        assert (await failing(at, Equivalency.FIND, unknown)).code == "not-found"
        masked = eq.FindRequest(achievement=REVIT, signed=True, fields=FieldMask(paths=["title"]))
        assert (await failing(at, Equivalency.FIND, masked)).code == "argument-conflict"


@pytest.mark.parametrize("group", [Equivalency, Articulation, Portability, Transfer])
def test_every_answer_can_be_asked_signed(group: Any) -> None:
    watches = {"Watch"}
    for method in vars(group).values():
        if not hasattr(method, "path") or method.name in watches:
            continue
        assert "signed" in method.request.DESCRIPTOR.fields_by_name, method.path
        assert "jws" in method.response.DESCRIPTOR.fields_by_name, method.path
        assert isinstance(method, Stream) == (method.name == "Evaluate")
