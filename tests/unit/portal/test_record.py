"""What the portal takes from a record of the feed, and what it refuses to take."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.unit.portal.builder import NETWORK, Log, achievement, small_log

from passerelle.core.errors import PasserelleError
from passerelle.core.statement import digest
from passerelle.portal.facts import AchievementFact, MemberFact, RemarkFact, decimal, facts
from passerelle.portal.ports import Raw
from passerelle.portal.record import as_json, encode_json, read_raw, to_item

PUBLISHED, ENDORSED, PARTY, REFUSED = 3, 4, 5, 6


def test_a_record_becomes_an_item_with_what_the_event_says() -> None:
    log = small_log()
    item = to_item(read_raw(log.raw(PUBLISHED), NETWORK), log.root(PUBLISHED + 1))
    assert (item.index, item.member, item.family, item.sequence) == (PUBLISHED, "humber", "credential", 1)
    assert (item.type, item.subject, item.title) == (
        "ca.passerelle.credential.achievement-published.v1",
        "humber/revit",
        "Autodesk Revit",
    )
    assert item.code is None
    assert item.body == log.bodies[PUBLISHED]


def test_a_party_event_shows_neither_type_nor_subject() -> None:
    log = small_log()
    item = to_item(read_raw(log.raw(PARTY), NETWORK), log.root(PARTY + 1))
    assert (item.visibility, item.type, item.subject, item.title, item.body) == ("party", None, None, None, None)
    assert "subject" not in as_json(item, full=True)
    assert "body" not in as_json(item, full=True)


def test_a_refused_event_carries_its_code_and_no_body() -> None:
    log = small_log()
    item = to_item(read_raw(log.raw(REFUSED), NETWORK), log.root())
    assert (item.code, item.body) == ("subject-exists", None)
    assert as_json(item, full=False)["outcome"] == "refused"


def test_full_json_lets_a_reader_check_the_body_against_the_entry() -> None:
    log = small_log()
    value = json.loads(encode_json(to_item(read_raw(log.raw(ENDORSED), NETWORK), b"r" * 32), full=True))
    assert value["entry"].encode() == log.entries[ENDORSED]
    assert digest(value["body"].encode()).hex() == value["entry"].splitlines()[-1]
    assert "\n" not in encode_json(to_item(read_raw(log.raw(ENDORSED), NETWORK), b""), full=True)


def _without_index(log: Log) -> Raw:
    return Raw(0, [pair for pair in log.headers(3) if pair[0] != "index"], log.bodies[3] or b"")


def _two_entries(log: Log) -> Raw:
    return Raw(0, [*log.headers(3), ("entry", log.entries[4])], log.bodies[3] or b"")


def _odd_index(log: Log) -> Raw:
    return Raw(0, [("index", b"03"), ("entry", log.entries[3])], b"")


def _cut_entry(log: Log) -> Raw:
    return Raw(0, [("index", b"3"), ("entry", log.entries[3][:-1])], b"")


def _other_body(log: Log) -> Raw:
    return Raw(0, log.headers(3), log.bodies[4] or b"")


def _party_body(log: Log) -> Raw:
    return Raw(0, log.headers(PARTY), b'{"learner": "somebody"}')


def _refused_body(log: Log) -> Raw:
    return Raw(0, log.headers(REFUSED), log.bodies[3] or b"")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_without_index, "header-missing"),
        (_two_entries, "header-duplicate"),
        (_odd_index, "header-malformed"),
        (_cut_entry, "statement-malformed"),
        (_other_body, "body-hash-mismatch"),
        (_party_body, "visibility-mismatch"),
        (_refused_body, "visibility-mismatch"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(spoil: Callable[[Log], Raw], code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        read_raw(spoil(small_log()), NETWORK)
    assert caught.value.code == code
    assert "somebody" not in str(caught.value)


def test_an_entry_of_another_network_is_refused() -> None:
    with pytest.raises(PasserelleError) as caught:
        read_raw(small_log().raw(3), "another.example/log")
    assert caught.value.code == "network-mismatch"


def test_facts_of_an_achievement_carry_what_search_needs() -> None:
    (fact,) = facts(read_raw(small_log().raw(PUBLISHED), NETWORK))
    assert isinstance(fact, AchievementFact)
    assert (fact.modes, fact.hours, fact.cost) == (("online-synchronous",), "42.0000", "495.0000")
    assert fact.competencies == ("Computer-aided design",)
    assert "Modélisation" in fact.names


def test_facts_of_endorsement_and_admission() -> None:
    log = small_log()
    (remark,) = facts(read_raw(log.raw(ENDORSED), NETWORK))
    assert isinstance(remark, RemarkFact)
    assert (remark.achievement, remark.member, remark.event) == ("humber/revit", "bimco", "endorsed")
    (member,) = facts(read_raw(log.raw(1), NETWORK))
    assert isinstance(member, MemberFact)
    assert (member.member, member.event) == ("humber", "admitted")


def test_party_and_refused_events_bring_no_facts() -> None:
    log = small_log()
    assert not list(facts(read_raw(log.raw(PARTY), NETWORK)))
    assert not list(facts(read_raw(log.raw(REFUSED), NETWORK)))


def test_an_achievement_may_state_nothing_but_what_is_required() -> None:
    log = small_log()
    bare = {"version": 1, "kind": "course", "title": "T", "language": "fr", "credit_bearing": True}
    bare["awarding_bodies"] = ["urn:passerelle:member:humber"]
    index = log.add("credential.achievement-published", "humber", "humber/bare", bare)
    (fact,) = facts(read_raw(log.raw(index), NETWORK))
    assert isinstance(fact, AchievementFact)
    assert (fact.modes, fact.hours, fact.cost, fact.frameworks) == ((), None, None, ())


@pytest.mark.parametrize(
    ("quantity", "text"), [(None, None), ("0", "0.0000"), ("12.5", "12.5000"), ("7/3", "2.3333"), ("75/2", "37.5000")]
)
def test_exact_quantities_are_compared_as_decimals(quantity: str | None, text: str | None) -> None:
    assert decimal(quantity) == text


def test_an_event_that_this_version_does_not_know_is_kept_without_meaning() -> None:
    log = small_log()
    index = log.add("credential.achievement-published", "humber", "humber/later", achievement())
    body = (log.bodies[index] or b"").replace(b'"cost":', b'"newer":')
    # Logged by a ledger of a later version: the statement names this body.
    entry = log.entries[index].replace(digest(log.bodies[index] or b"").hex().encode(), digest(body).hex().encode())
    log.entries[index], log.bodies[index] = entry, body
    checked = read_raw(log.raw(index), NETWORK)
    assert (checked.event, checked.problem) == (None, "field-unknown")
    assert to_item(checked, b"").body == body
