"""Whose a case is: a person at the office says so, or that nobody is; what waits is found by nobody else."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from tests.unit.node.drawer import CASE, RELEASE, OfficeDesk

from passerelle.core.errors import PasserelleError
from passerelle.node.people import Learner, Person
from passerelle.node.ports import CaseRow, ReleaseRow

ANN = Person("Ann Planted", "1999-01-02")
TWIN = Person("Anne Planted", "1999-01-02", "S9")


def waiting() -> tuple[OfficeDesk, Learner, Learner]:
    """A case of somebody who looks like a learner of the office, and is not the same to the letter."""
    desk = OfficeDesk()
    candidate = replace(desk.vault.enrol(ANN), match_key="apart", birth_key="apart")
    twin = desk.vault.enrol(TWIN)
    desk.drawer.learners = {one.id: one for one in (candidate, twin)}
    desk.open()
    desk.drawer.cases[CASE] = CaseRow(CASE, RELEASE, "humber", None, "pending", candidate.id)
    details = desk.vault.seal(candidate.id, candidate.wrapped_key, {"results": [{"course": "humber/x"}]})
    release = ReleaseRow(RELEASE, False, "humber", candidate.id, (), "transfer", "2199-01-01", details)
    desk.drawer.releases[RELEASE] = release
    return desk, candidate, twin


async def test_who_comes_near_is_shown_and_the_candidate_is_not_among_them() -> None:
    desk, _, twin = waiting()
    person, near = await desk.work.matching.waiting(CASE)
    assert person == ANN
    assert [one.id for one in near] == [twin.id]


async def test_a_confirmed_learner_gets_the_case_and_what_the_release_held() -> None:
    desk, candidate, twin = waiting()
    assert await desk.work.matching.confirm(CASE, twin.id) == twin.id
    assert desk.drawer.cases[CASE].learner == twin.id
    details = desk.drawer.releases[RELEASE].details
    assert details is not None
    assert desk.vault.open(twin.id, twin.wrapped_key, details) == {"results": [{"course": "humber/x"}]}
    # The candidate's key is gone: the same person is not kept twice.
    assert candidate.id not in desk.drawer.learners


async def test_a_new_learner_is_found_by_name_from_then_on() -> None:
    desk, candidate, _ = waiting()
    assert await desk.work.matching.confirm(CASE, "new") == candidate.id
    found = await desk.drawer.learners_by(match_key=desk.vault.match_key(ANN))
    assert [one.id for one in found] == [candidate.id]
    assert desk.vault.person(found[0]) == ANN


async def test_unmatched_withdraws_the_case_with_a_code_and_keeps_the_words_at_home() -> None:
    desk, candidate, _ = waiting()
    draft = await desk.work.matching.unmatched(CASE, "Planted: nobody of that name")
    body = orjson.loads(draft.body)
    assert body["data"] == {"expected_version": 1, "by": "receiver", "reason": "unmatched"}
    assert desk.drawer.drafts == [draft]
    assert desk.drawer.reasons[CASE] == "Planted: nobody of that name"
    assert candidate.id not in desk.drawer.learners
    assert desk.drawer.releases[RELEASE].details is None
    with pytest.raises(PasserelleError) as caught:
        await desk.work.matching.confirm(CASE, "new")
    assert caught.value.code == "learner-mismatch"


async def test_what_cannot_be_matched_is_told_and_changes_nothing() -> None:
    desk, candidate, _ = waiting()
    for who, code in (("nobody", "not-found"), (candidate.id, "not-found")):
        with pytest.raises(PasserelleError) as caught:
            await desk.work.matching.confirm(CASE, who)
        assert caught.value.code == code
    with pytest.raises(PasserelleError) as caught:
        await desk.work.matching.unmatched(CASE, "  ")
    assert caught.value.code == "argument-missing"
    with pytest.raises(PasserelleError) as caught:
        await desk.work.matching.confirm("none", "new")
    assert caught.value.code == "not-found"
    assert desk.drawer.cases[CASE].matched == "pending"
    assert desk.drawer.drafts == []


async def test_credit_is_posted_to_the_record_of_somebody() -> None:
    desk, _, twin = waiting()
    data = {"programme": "queens/bsc", "posted_on": "2026-11-02"}
    with pytest.raises(PasserelleError) as caught:
        await desk.transfers.step(CASE, "posted", data)
    assert caught.value.code == "learner-mismatch"
    await desk.work.matching.confirm(CASE, twin.id)
    assert (await desk.transfers.step(CASE, "posted", data)).data["programme"] == "queens/bsc"
