"""Letters of permission: how they are told from their events, who reads them, and where a page of them begins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.client.serving import ANSWERING, serving
from tests.unit.query.world import LOG, NETWORK, World, seed

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.cli.answer_page import page
from passerelle.client import Client, MemberIdentity, SyncClient, Transfer
from passerelle.core.answer import VerifiedAnswer, verify_answer
from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, NotFound, PasserelleError
from passerelle.core.lifecycle import ABSENT, TABLES
from passerelle.core.signature import SeedSigner
from passerelle.events.examples.permissions import EXAMPLES
from passerelle.query.pages import change_before, open_page
from passerelle.query.parties import check_reader
from passerelle.query.permission_ports import PermissionQuery, PermissionRow
from passerelle.query.permissions import STATES, permission_message
from passerelle.query.ports import CaseRow, Head, StepRow
from passerelle.runtime.clock import SystemClock

ISSUER = SeedSigner(seed(ANSWERING))
DATA = {one.name.rpartition("-")[2]: dict(one.data) for one in EXAMPLES}
"""The data of the events' examples by step: granted, amended, refused, withdrawn."""
ROW = PermissionRow(
    "p1", "bcit", "granted", 1, 7, {"host": "humber", "starts_on": "2027-01-11", "expires_on": "2027-08-31"}
)
MEMBERS = ("bcit", "humber", "queens", "operator")


def step(index: int, name: str, data: dict[str, Any] | None, member: str = "bcit") -> StepRow:
    """An event about the permission; None: its body was erased."""
    body = None if data is None else json.dumps({"data": data}).encode()
    return StepRow(index, 1_000 + index, member, BY_NAME[f"transfer.{name}"].full, body)


def told(row: PermissionRow, *steps: StepRow) -> pb.Permission:
    return permission_message(World().index, row, steps)


def test_what_stands_is_what_was_stated_last() -> None:
    first, then = step(4, "permission-granted", DATA["granted"]), step(5, "permission-amended", DATA["amended"])
    one = told(replace(ROW, version=2), first, then)
    assert (one.entry_index, one.rules_position) == (5, DATA["amended"]["position"])
    assert [course.line for course in one.courses] == [course["line"] for course in DATA["amended"]["courses"]]
    gone = told(replace(ROW, state="withdrawn"), first, then, step(6, "permission-withdrawn", DATA["withdrawn"]))
    assert (gone.entry_index, list(gone.courses)) == (5, list(one.courses))
    assert (gone.steps[2].event, gone.steps[2].reason) == ("permission-withdrawn", DATA["withdrawn"]["reason"])


def test_a_course_says_all_that_was_published_of_it() -> None:
    one = told(ROW, step(4, "permission-granted", DATA["granted"]))
    [line], [course] = one.courses, DATA["granted"]["courses"]
    assert (line.achievement, line.recognition) == (course["achievement"], course["recognition"])
    assert line.recognition_index == course["recognition_index"]
    assert (line.minimum_grade.scheme, line.minimum_grade.grade) == ("percentage-50", "60")
    assert (line.outcome.subject, line.outcome.credits.value) == ("drafting", "5/2")
    assert (one.maximum_credits.value, one.term, one.ends_on) == ("3", "Winter 2027", "2027-04-23")


def test_a_refusal_says_why_and_what_would_mend_it() -> None:
    row = replace(ROW, state="refused", data={"host": "humber"})
    one = told(row, step(4, "permission-refused", DATA["refused"]))
    [line], [course] = one.courses, DATA["refused"]["courses"]
    assert (line.reason, line.fix, line.HasField("outcome")) == (course["reason"], course["fix"], False)
    assert (one.starts_on, one.ends_on, one.expires_on) == ("2027-01-11", "2027-04-23", "")


def test_events_of_a_case_with_the_same_id_are_not_its_steps() -> None:
    strange = step(5, "withdrawn", {"note": "Another thing's"}, "humber")
    one = told(ROW, step(4, "permission-granted", DATA["granted"]), strange)
    assert [each.event for each in one.steps] == ["permission-granted"]


def test_an_erased_body_keeps_its_place() -> None:
    one = told(ROW, step(4, "permission-granted", None))
    assert (one.entry_index, one.starts_on, one.expires_on) == (4, "2027-01-11", "2027-08-31")
    assert [each.event for each in one.steps] == ["permission-granted"]


def test_every_state_of_the_lifecycle_can_be_asked_for() -> None:
    reached = {state for steps in TABLES["permission"].values() for state in steps.values()}
    assert set(STATES) == reached | {""}
    assert ABSENT not in STATES


def readers(row: Any) -> list[str]:
    found, told_why = list[str](), list[tuple[str, str, str]]()
    for member in MEMBERS:
        try:
            assert check_reader(row, member, "operator", "permission") is row
        except PasserelleError as error:
            told_why.append((error.code, error.where, error.what))
        else:
            found.append(member)
    # Who is no party is told the same whatever stands there, and names nobody.
    assert set(told_why) <= {("not-a-party", "permission", "The caller is not a party of this permission.")}
    return found


def test_who_reads() -> None:
    assert readers(ROW) == ["bcit", "humber", "operator"]
    assert readers(replace(ROW, state="withdrawn")) == ["bcit", "humber", "operator"]
    assert readers(replace(ROW, state="refused")) == ["bcit", "operator"]
    assert readers(CaseRow("c", "posted", 1, 2, {"sender": "humber", "receiver": "queens"})) == [
        "humber",
        "queens",
        "operator",
    ]
    with pytest.raises(NotFound):
        check_reader(None, "bcit", "operator", "permission")


@given(changed=st.integers(0, 2**53 - 1), last=st.text(max_size=60))
def test_a_token_leads_back_to_where_the_page_ended(changed: int, last: str) -> None:
    request = pb.ListPermissionsRequest(role="home")
    token = open_page(request, "queens").token(changed, last)
    again = pb.ListPermissionsRequest(role="home", page_token=token)
    assert change_before(open_page(again, "queens")) == (changed, last)
    assert change_before(open_page(request, "queens")) is None


@pytest.mark.parametrize("state", [(1,), ("x",), (1, 2), ("1", "x"), (1, 2, "x"), (-1, "x"), (True, "x"), (2**60, "x")])
def test_a_token_of_another_form_is_refused(state: tuple[Any, ...]) -> None:
    token = open_page(pb.ListPermissionsRequest()).token(*state)
    with pytest.raises(FormatError) as caught:
        change_before(open_page(pb.ListPermissionsRequest(page_token=token)))
    assert caught.value.code == "page-token-invalid"


class OnePermission:
    """The ledger's database with one permission, for one call."""

    head = Head(NETWORK, 9, 1_000, 1_000)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[OnePermission]:
        yield self

    async def permission(self, permission: str) -> PermissionRow | None:
        return ROW if permission == ROW.id else None

    async def permissions(self, query: PermissionQuery) -> list[PermissionRow]:
        return [ROW] if query.member in ROW.parties else []

    async def steps(self, cases: Sequence[str], member: str | None) -> dict[str, list[StepRow]]:
        assert member in ROW.parties
        return {ROW.id: [step(4, "permission-granted", DATA["granted"])]}


def verified(jws: str) -> VerifiedAnswer:
    now_ms = SystemClock().now_ms()
    return verify_answer(
        jws.encode(), {ISSUER.key_id: ISSUER.public_key}, [LOG.verifier], network=NETWORK, now_ms=now_ms
    )


async def test_a_permission_and_a_list_can_be_had_signed_and_on_paper(tmp_path: Path) -> None:
    identity = MemberIdentity(seed("bcit"), member="bcit", network=NETWORK, clock=SystemClock())
    async with serving(tmp_path, store=OnePermission()) as at, Client(at.address, identity=identity) as client:
        request = pb.ShowPermissionRequest(permission=ROW.id, signed=True)
        one = await client.call(Transfer.SHOW_PERMISSION, request)
        every = await client.call(Transfer.LIST_PERMISSIONS, pb.ListPermissionsRequest(signed=True))

        def without_a_loop() -> pb.ShowPermissionResponse:
            with SyncClient(at.address, identity=identity) as other:
                return other.call(Transfer.SHOW_PERMISSION, pb.ShowPermissionRequest(permission=ROW.id))

        assert (await asyncio.to_thread(without_a_loop)).permission == one.permission
    for response, title in ((one, "Une lettre de permission"), (every, "Lettres de permission")):
        answer = verified(response.jws)
        paper = page(answer, response.jws.encode(), "fr")
        for part in (title, "Établissement d&#39;accueil", "humber", "2027-08-31", "60 (percentage-50)"):
            assert part in paper, part
    assert verified(one.jws).content["answer"]["permission"]["courses"][0]["recognition_index"] == 42
