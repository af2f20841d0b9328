"""A preliminary assessment: signed, with an end, honoured on the very facts it was given for, though rules change."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.drawer import CASE, CREDIT, HELD, OfficeDesk
from tests.unit.node.test_proposals import RULE, answer

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.events.codec import check_data
from passerelle.node.rules_asked import Ruled

FACT = {
    "achievement": "humber/stat",
    "version": 1,
    "completed_on": "2026-05-01",
    "grade": {"scheme": "percentage-50", "grade": "80"},
}
NEWER = {**RULE, "version": 3, "recorded_from": 90}
DAY_MS = 86_400_000


def desk_of(*answers: Ruled) -> OfficeDesk:
    desk = OfficeDesk(*answers)
    keys = [{"key_id": desk.signer.key_id, "public_key": desk.signer.public_key.hex(), "use": "sign"}]
    desk.drawer.members = {"queens": {"status": "active", "keys": keys}}
    desk.drawer.seen = {"policy:queens/residency": 4, "recognition:queens/r1": 2}
    return desk


async def given(desk: OfficeDesk, path: Path, *facts: dict[str, Any], days: int = 30) -> dict[str, Any]:
    return await desk.work.preliminaries.make(facts or (FACT,), path, programme="queens/bsc", days=days)


async def refused(desk: OfficeDesk, path: Path, code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        await desk.work.preliminaries.read(path)
    assert caught.value.code == code


async def test_it_says_what_until_when_and_by_which_versions(tmp_path: Path) -> None:
    desk = desk_of(answer())
    made = await given(desk, tmp_path / "p.json")
    assert (made["made_on"], made["expires_on"], made["position"]) == ("2026-05-28", "2026-06-27", 30)
    assert made["policies"] == {"queens/residency": 4}
    assert made["official"] is False
    assert made["lines"][0]["rule"]["recorded_from"] == 7
    assert "official" in made["notice"]["en"]
    assert "admission" in made["notice"]["fr"]
    promise = await desk.work.preliminaries.read(tmp_path / "p.json")
    assert promise.data == made


async def test_it_is_honoured_though_the_rule_has_changed_and_says_so(tmp_path: Path) -> None:
    desk = desk_of(answer())
    await given(desk, tmp_path / "p.json")
    less = {**CREDIT, "credits": {"value": "1", "system": "units"}}
    desk.rules.answers = (answer(outcome=less, rule=NEWER),)
    desk.open()
    promise = await desk.work.preliminaries.read(tmp_path / "p.json")
    made = await desk.work.proposals.propose(CASE, promise)
    line: dict[str, Any] = dict(made.lines[0])
    assert (line["proposed"]["outcome"], line["proposed"]["recognition_index"]) == (CREDIT, 7)
    assert line["honoured"]["grandfathered"]
    assert "2026-05-28" in line["proposed"]["individual_reason"]
    assert line["by_rules_of_today"]["outcome"] == less
    check_data(BY_NAME["transfer.decided"], {"expected_version": 1, "lines": [line["proposed"]]})


async def test_while_the_rule_stands_nothing_is_grandfathered(tmp_path: Path) -> None:
    desk = desk_of(answer())
    await given(desk, tmp_path / "p.json")
    desk.open()
    made = await desk.work.proposals.propose(CASE, await desk.work.preliminaries.read(tmp_path / "p.json"))
    line: dict[str, Any] = dict(made.lines[0])
    assert not line["honoured"]["grandfathered"]
    assert "individual_reason" not in line["proposed"]


@pytest.mark.parametrize(
    "change",
    [
        {"completed_on": "2026-05-02"},
        {"grade": {"scheme": "percentage-50", "grade": "90"}},
        {"version": 2},
        {"achievement": "h/x"},
    ],
)
async def test_it_binds_nobody_on_other_facts(tmp_path: Path, change: dict[str, Any]) -> None:
    desk = desk_of(answer())
    await given(desk, tmp_path / "p.json", FACT | change)
    desk.rules.answers = (answer(match="miss", rule={}, outcome=None),)
    desk.open()
    made = await desk.work.proposals.propose(CASE, await desk.work.preliminaries.read(tmp_path / "p.json"))
    assert "honoured" not in made.lines[0]
    assert made.lines[0]["proposed"]["status"] == "pending"


async def test_what_was_no_match_is_no_promise(tmp_path: Path) -> None:
    desk = desk_of(answer(match="maybe"))
    await given(desk, tmp_path / "p.json")
    promise = await desk.work.preliminaries.read(tmp_path / "p.json")
    assert promise.line_for(FACT) is None


async def test_one_promised_credit_is_given_once(tmp_path: Path) -> None:
    desk = desk_of(answer(1), answer(2))
    await given(desk, tmp_path / "p.json", FACT, FACT)
    desk.open(*HELD)
    made = await desk.work.proposals.propose(CASE, await desk.work.preliminaries.read(tmp_path / "p.json"))
    assert [line["proposed"]["status"] for line in made.lines] == ["credited", "no-credit"]


async def test_it_holds_to_its_last_day(tmp_path: Path) -> None:
    desk = desk_of(answer())
    await given(desk, tmp_path / "p.json")
    desk.clock.now += 30 * DAY_MS
    assert await desk.work.preliminaries.read(tmp_path / "p.json")
    assert len(await desk.work.preliminaries.listed()) == 1
    desk.clock.now += DAY_MS
    await refused(desk, tmp_path / "p.json", "preliminary-expired")
    assert await desk.work.preliminaries.listed() == []


async def test_a_file_that_was_changed_or_is_anothers_is_not_honoured(tmp_path: Path) -> None:
    desk, path = desk_of(answer()), tmp_path / "p.json"
    await given(desk, path)
    made = path.read_bytes()
    header, payload, signature = made.rstrip(b"\n").split(b".")
    told = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    better = told.replace(b'"value":"3"', b'"value":"9"')
    assert better != told
    path.write_bytes(b".".join((header, base64.urlsafe_b64encode(better).rstrip(b"="), signature)))
    await refused(desk, path, "answer-signature-invalid")
    path.write_bytes(made)
    desk.drawer.members = {}
    await refused(desk, path, "answer-signature-invalid")
    # Signed by a key of the member over another receiver's promise: of no use here.
    other = OfficeDesk(answer(), member="ubc")
    other.signer = SeedSigner(b"s" * 32)
    await other.work.preliminaries.make((FACT,), path, programme="", days=3)
    await refused(desk_of(), path, "not-receiver")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"payload":"?","payloadType":"x","signatures":[{"keyid":"k","sig":""}]}', b'"x"', b"\xff"],
)
async def test_what_is_no_such_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.json").write_bytes(content)
    await refused(desk_of(), tmp_path / "p.json", "answer-malformed")


async def test_what_was_promised_is_listed_with_what_has_changed_since(tmp_path: Path) -> None:
    desk = desk_of(answer())
    await given(desk, tmp_path / "p.json")
    [one] = await desk.work.preliminaries.listed()
    assert (one["rules_changed"], one["policies_changed"]) == ([], [])
    desk.drawer.seen |= {"policy:queens/residency": 5, "recognition:queens/r1": 3}
    [one] = await desk.work.preliminaries.listed()
    assert (one["rules_changed"], one["policies_changed"]) == (["queens/r1"], ["queens/residency"])


async def test_a_rule_that_ended_here_is_found_by_the_own_event(tmp_path: Path) -> None:
    desk = desk_of(answer())
    await given(desk, tmp_path / "p.json")
    desk.drawer.say("recognition.ended", "queens/r1", {"effective_on": "2026-12-31"}, index=40, member="queens")
    [one] = await desk.work.preliminaries.listed()
    assert one["rules_changed"] == ["queens/r1"]


@pytest.mark.parametrize(
    ("facts", "days", "code"),
    [([], 30, "argument-missing"), ([FACT], 0, "argument-invalid"), ([FACT] * 501, 30, "too-many-items")],
)
async def test_what_is_asked_wrongly_leaves_no_file(tmp_path: Path, facts: list[Any], days: int, code: str) -> None:
    desk = desk_of(answer())
    with pytest.raises(PasserelleError) as caught:
        await desk.work.preliminaries.make(facts, tmp_path / "p.json", programme="", days=days)
    assert caught.value.code == code
    assert not (tmp_path / "p.json").exists()
    assert desk.drawer.promises == {}
