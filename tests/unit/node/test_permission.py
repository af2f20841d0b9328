"""Letters of permission at the office: asked, granted with conditions, refused, taken back; the letter; the return."""

from __future__ import annotations

import datetime as dt
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.drawer import CASE, CREDIT, HELD, OfficeDesk, issued
from tests.unit.node.test_proposals import RULE, answer

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import PasserelleError
from passerelle.events.codec import check_data
from passerelle.node.needs import needs
from passerelle.node.people import Person
from passerelle.node.permission import Terms, amount, changes
from passerelle.node.permission_return import Return, check_learner
from passerelle.node.permission_texts import LETTER, REFUSALS, TITLES
from passerelle.node.permission_view import PermissionView
from passerelle.node.plan import NewEvent
from passerelle.node.rules_asked import Ruled
from passerelle.node.transfers import Step

ANN = Person("Ann <b>Planted</b>", "1999-01-02", "S1", "ann@example.test")
STARTS, ENDS, GRADED, LAST = "2026-09-01", "2026-12-20", "2027-01-15", "2027-06-18"
LESS = {**CREDIT, "credits": {"value": "1", "system": "units"}}
NEWER = {**RULE, "version": 3, "recorded_from": 90}
NONE: dict[str, Any] = {}


def office(*answers: Ruled, jurisdiction: str = "CA-ON") -> OfficeDesk:
    desk = OfficeDesk(*answers)
    learner = desk.vault.enrol(ANN)
    desk.drawer.learners[learner.id] = learner
    desk.drawer.members = {
        "queens": {"names": {"en": "Queen's University"}, "jurisdictions": [jurisdiction]},
        "humber": {"names": {"fr": "Collège Humber"}, "jurisdictions": ["CA-ON"]},
    }
    desk.drawer.seen = {"policy:queens/residency": 4, "policy:other/caps": 2}
    return desk


def learner_of(desk: OfficeDesk) -> str:
    return next(iter(desk.drawer.learners))


async def asked(desk: OfficeDesk, *courses: str) -> str:
    named = courses or ("humber/stat",)
    made = await desk.work.permissions.ask(
        learner_of(desk), named, host="humber", starts=STARTS, ends=ENDS, term="Fall 2026", programme="queens/bsc"
    )
    return made.id


def publish(desk: OfficeDesk, event: NewEvent, index: int | None) -> None:
    """The event accepted at an index, or not answered; it must fit its schema."""
    desk.author.draft(event)
    desk.drawer.say(event.type.name, event.subject, event.data, index=index, member="queens")


async def granted(desk: OfficeDesk, *courses: str, index: int | None = 40, terms: Terms | None = None) -> str:
    permission = await asked(desk, *courses)
    publish(desk, await desk.work.permissions.grant(permission, terms or Terms()), index)
    return permission


async def refused(code: str, work: Any) -> PasserelleError:
    with pytest.raises(PasserelleError) as caught:
        await work
    assert caught.value.code == code
    return caught.value


async def test_what_is_asked_is_assessed_and_stays_here() -> None:
    desk = office(answer(match="maybe"))
    permission = await asked(desk)
    assert desk.drawer.drafts == []
    [[fact]] = desk.rules.asked
    assert fact == {"achievement": "humber/stat", "completed_on": ENDS, "basis": "completed"}
    told = (await desk.work.permissions.view(permission)).as_dict("2026-05-28")
    assert (told["state"], told["host"], told["entry"], told["learner"]) == ("asked", "humber", None, learner_of(desk))
    [line] = told["lines"]
    assert (line["match"], line["rule"]["recorded_from"], line["reasons"][0]["code"]) == ("maybe", 7, "grade-met")


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("not-found", {"learner": "nobody"}),
        ("argument-missing", {"courses": []}),
        ("too-many-items", {"courses": [f"humber/c{number}" for number in range(65)]}),
        ("date-impossible", {"starts": "2026-02-30"}),
        ("dates-reversed", {"ends": "2026-08-31"}),
    ],
)
async def test_what_cannot_be_asked_is_said(code: str, given: dict[str, Any]) -> None:
    desk = office(answer())
    base: dict[str, Any] = {"courses": ["humber/stat"], "starts": STARTS, "ends": ENDS, "learner": learner_of(desk)}
    told = base | given
    await refused(
        code,
        desk.work.permissions.ask(
            told["learner"], told["courses"], host="humber", starts=told["starts"], ends=told["ends"], term="",
            programme="",
        ),
    )  # fmt: skip
    assert desk.drawer.asked == {}


async def test_a_grant_rests_on_position_rule_entries_and_own_policies() -> None:
    desk = office(answer(match="maybe"))
    permission = await asked(desk)
    terms = Terms(minimum_grade={"scheme": "percentage-50", "grade": "60"}, maximum=amount("6 units", "queens"))
    event = await desk.work.permissions.grant(permission, terms)
    assert event.data == {
        "host": "humber",
        "programme": "queens/bsc",
        "term": {"starts_on": STARTS, "ends_on": ENDS, "name": "Fall 2026"},
        "expires_on": LAST,
        "position": 30,
        "policies": [{"policy": "queens/residency", "version": 4}],
        "courses": [
            {
                "line": 1,
                "achievement": "humber/stat",
                "recognition": "queens/r1",
                "recognition_index": 7,
                "minimum_grade": {"scheme": "percentage-50", "grade": "60"},
                "outcome": CREDIT,
            }
        ],
        "maximum_credits": {"value": "6", "system": "units"},
    }
    assert learner_of(desk) not in str(event.data)
    assert set(needs(event.type, permission, event.data, "queens")) == {
        "achievement:humber/stat",
        "achievement:queens/bsc",
        "member:humber",
        "policy:queens/residency",
        "recognition:queens/r1",
    }
    publish(desk, event, 40)
    view = await desk.work.permissions.view(permission)
    assert (view.state, view.version, view.entry, view.stands("2027-06-19")) == ("granted", 1, 40, "expired")
    await refused("step-illegal", desk.work.permissions.grant(permission, terms))


async def test_a_course_without_a_rule_needs_a_word_of_the_office() -> None:
    none = answer(2, match="miss", outcome=None, rule=NONE)
    desk = office(answer(), none)
    permission = await asked(desk, "humber/stat", "humber/art")
    work = desk.work.permissions
    assert "lines 2" in str(await refused("proposal-open", work.grant(permission, Terms())))
    [only] = (await work.grant(permission, Terms(leave=[2]))).data["courses"]
    assert only["achievement"] == "humber/stat"
    given = changes([{"line": 2, "outcome": LESS, "individual_reason": "The outline was read"}])
    courses = (await work.grant(permission, Terms(changes=given))).data["courses"]
    assert courses[1] == {
        "line": 2,
        "achievement": "humber/art",
        "outcome": LESS,
        "individual_reason": "The outline was read",
    }
    # Another outcome than the rule's rests on the reason alone.
    other = changes({"line": 1, "outcome": LESS, "individual_reason": "Half of it is taught here"})
    [first] = (await work.grant(permission, Terms(changes=other, leave=[2]))).data["courses"]
    assert "recognition" not in first
    await refused("not-found", work.grant(permission, Terms(leave=[3])))
    await refused("argument-conflict", work.grant(permission, Terms(leave=[1, 2])))
    await refused("schema-invalid", work.grant(permission, Terms(leave=[2], until="2026-10-01")))


def test_what_is_given_by_options_and_files_is_checked() -> None:
    assert amount("", "queens") is None
    for call in (lambda: amount("six", "queens"), lambda: changes(["x"]), lambda: changes({"outcome": LESS})):
        with pytest.raises(PasserelleError) as caught:
            call()
        assert caught.value.code in {"argument-invalid", "schema-invalid"}


async def test_it_is_amended_and_withdrawn_before_the_term_only() -> None:
    desk = office(answer())
    permission = await granted(desk)
    work = desk.work.permissions
    event = await work.amend(permission, Terms(until="2027-07-01"))
    assert (event.data["expires_on"], event.data["expected_version"]) == ("2027-07-01", 1)
    publish(desk, event, 41)
    view = await work.view(permission)
    assert (view.version, view.said["expires_on"], view.entry) == (2, "2027-07-01", 41)
    assert (await work.withdraw(permission, "course-cancelled")).data["expected_version"] == 2
    desk.clock.now = int(dt.datetime.fromisoformat(f"{STARTS}T00:00:00+00:00").timestamp() * 1000)
    for call in (work.amend(permission, Terms()), work.withdraw(permission, "error")):
        await refused("permission-begun", call)
    desk.clock.now -= 1
    publish(desk, await work.withdraw(permission, "learner-request", "The learner stays"), 42)
    assert (await work.view(permission)).state == "withdrawn"
    await refused("step-illegal", work.withdraw(permission, "error"))


async def test_a_refusal_says_why_and_what_would_mend_it() -> None:
    desk = office(answer())
    permission = await asked(desk)
    await refused("argument-missing", desk.work.permissions.refuse(permission, "late", " "))
    event = await desk.work.permissions.refuse(permission, "late", "Ask for the winter term.")
    publish(desk, event, 40)
    assert (await desk.work.permissions.view(permission)).state == "refused"
    await refused("step-illegal", desk.work.permissions.refuse(permission, "late", "Again"))


async def test_the_host_verifies_it_by_its_reference_and_changes_nothing() -> None:
    home = office(answer())
    permission = await granted(home)
    host = OfficeDesk(member="humber")
    said = (await home.work.permissions.view(permission)).said
    host.drawer.hear("transfer.permission-granted", permission, said, index=40, member="queens")
    view = await host.work.permissions.view(permission)
    told = view.as_dict("2026-10-01")
    assert (told["state"], told["home"], told["entry"], told["learner"]) == ("granted", "queens", 40, None)
    await refused("not-owner", host.work.permissions.withdraw(permission, "error"))
    await refused("not-found", host.work.permissions.view(CASE))
    assert [one.id for one in await host.work.permissions.listed(10)] == [permission]
    # A node that was restored knows its own by its events, without the learner.
    home.drawer.asked.clear()
    assert (await home.work.permissions.view(permission)).state == "granted"


async def test_the_list_is_bounded_and_in_order() -> None:
    desk = office(answer())
    made = [await asked(desk) for _ in range(4)]
    assert [one.id for one in await desk.work.permissions.listed(3)] == sorted(made)[:3]
    assert len(await desk.work.permissions.listed(10)) == 4


# The letter


async def letter(desk: OfficeDesk, permission: str, tmp_path: Path, language: str) -> str:
    out = tmp_path / "letter.html"
    await desk.work.permission_letters.write(permission, out, language)
    assert os.stat(out).st_mode & 0o077 == 0
    return out.read_text(encoding="utf-8")


async def test_a_letter_names_course_credit_conditions_and_reference(tmp_path: Path) -> None:
    desk = office(answer())
    desk.rules.known = {"humber/stat": {"": "Statistics", "en": "Statistics", "fr": "Statistique"}}
    grade = {"scheme": "percentage-50", "grade": "60"}
    permission = await granted(desk, terms=Terms(minimum_grade=grade, maximum=amount("6 units", "queens")))
    page = await letter(desk, permission, tmp_path, "en")
    for text in (
        "Letter of permission", "Queen&#39;s University", "Collège Humber", "Statistics", "Ann &lt;b&gt;Planted",
        "assigned credit", "3 units", "rule queens/r1 (entry 7)", "minimum grade: 60 (percentage-50)", "6 units",
        permission, LAST, "Fall 2026", "first 30 entries", "queens/residency v4", "@media print",
    ):  # fmt: skip
        assert text in page, text
    assert "AEHE" not in page
    assert ANN.birth_date not in page


async def test_in_quebec_the_letter_is_an_aehe(tmp_path: Path) -> None:
    desk = office(answer(), jurisdiction="CA-QC")
    permission = await granted(desk)
    page = await letter(desk, permission, tmp_path, "fr")
    assert "Autorisation d&#39;études hors établissement (AEHE)" in page
    assert "Établissement d&#39;attache" in page
    assert "(AEHE)" in await letter(desk, permission, tmp_path, "en")
    refusal = await asked(desk)
    await refused("step-illegal", desk.work.permission_letters.write(refusal, tmp_path / "x.html", "fr"))
    publish(desk, await desk.work.permissions.refuse(refusal, "offered-here", "Suivez le cours ici."), 41)
    page = await letter(desk, refusal, tmp_path, "fr")
    for text in ("(AEHE) : refusée", "le cours est offert ici", "Suivez le cours ici."):
        assert text in page, text
    await refused("language-unknown", desk.work.permission_letters.write(refusal, tmp_path / "x.html", "de"))


async def test_nothing_is_written_before_the_ledger_has_answered(tmp_path: Path) -> None:
    desk = office(answer())
    permission = await granted(desk, index=None)
    await refused("step-illegal", desk.work.permission_letters.write(permission, tmp_path / "x.html", "en"))
    assert not (tmp_path / "x.html").exists()


def test_every_text_is_in_both_languages_and_every_code_has_one() -> None:
    for texts in (TITLES, REFUSALS, LETTER):
        assert all(english and french for english, french in texts.values())
    reasons = BY_NAME["transfer.permission-refused"]
    for reason in REFUSALS:
        course = {"line": 1, "achievement": "humber/stat", "reason": reason, "fix": "x"}
        data = {"host": "humber", "term": {"starts_on": STARTS, "ends_on": ENDS}, "position": 1, "courses": [course]}
        check_data(reasons, data)


# The return


def come_back(desk: OfficeDesk, permission: str, *held: str, learner: str | None = None, **credential: Any) -> None:
    """A case under the permission, with credentials of the host."""
    for number, name in enumerate(held or HELD[:1]):
        data = issued(**{"conferred_on": GRADED, **credential})
        desk.drawer.hear("credential.issued", name, data, index=number, member="humber")
    desk.open(*(held or HELD[:1]), learner=learner or learner_of(desk), permission=permission)


async def proposal(desk: OfficeDesk) -> list[dict[str, Any]]:
    made = await desk.work.proposals.propose(CASE)
    for line in made.lines:
        check_data(BY_NAME["transfer.decided"], {"expected_version": 1, "lines": [line["proposed"]]})
    return [dict(line) for line in made.lines]


async def test_the_return_is_credited_as_promised_though_the_rule_ended_and_says_so() -> None:
    desk = office(answer())
    permission = await granted(desk)
    desk.rules.then[30] = [answer()]
    desk.rules.answers = (answer(match="miss", outcome=None, rule=NONE),)
    come_back(desk, permission)
    assert (await desk.transfers.view(CASE)).as_dict()["permission"] == permission
    [line] = await proposal(desk)
    proposed = line["proposed"]
    assert (proposed["status"], proposed["outcome"], proposed["recognition_index"]) == ("credited", CREDIT, 7)
    assert "entry 40" in proposed["individual_reason"]
    assert "l'entrée 40" in proposed["individual_reason"]
    told = {"permission": permission, "entry": 40, "position": 30, "expires_on": LAST, "grandfathered": True}
    assert line["honoured"] == told
    assert line["by_rules_of_today"]["status"] == "pending"


async def test_while_the_rule_stands_nothing_is_grandfathered() -> None:
    desk = office(answer())
    permission = await granted(desk)
    desk.rules.then[30] = [answer()]
    come_back(desk, permission)
    [line] = await proposal(desk)
    assert not line["honoured"]["grandfathered"]
    assert "individual_reason" not in line["proposed"]


@pytest.mark.parametrize(
    ("why", "credential", "then"),
    [
        ("not-named", {"achievement": "humber/art"}, answer()),
        ("outside-term", {"conferred_on": "2026-08-31"}, answer()),
        ("outside-term", {"conferred_on": "2027-06-19"}, answer()),
        ("grade-not-met", {"result": {"scheme": "percentage-50", "grade": "59"}}, answer()),
        ("grade-not-compared", {"result": {"scheme": "humber/own", "grade": "B"}}, answer()),
        ("grade-not-compared", {"result": None}, answer()),
        ("rule-not-met", {}, answer(match="maybe")),
        ("rule-not-met", {}, answer(rule={**RULE, "id": "queens/r2"})),
    ],
)
async def test_a_promise_whose_condition_is_not_met_gives_way_to_the_rules(
    why: str, credential: dict[str, Any], then: Ruled
) -> None:
    desk = office(answer())
    permission = await granted(desk, terms=Terms(minimum_grade={"scheme": "percentage-50", "grade": "60"}))
    desk.rules.then[30] = [then]
    desk.rules.answers = (answer(outcome=LESS, rule=NEWER),)
    come_back(desk, permission, **credential)
    [line] = await proposal(desk)
    assert "honoured" not in line
    assert line["not_honoured"]["why"] == why
    assert line["not_honoured"]["fr"]
    status = "pending" if why == "grade-not-compared" else "credited"
    assert line["proposed"]["status"] == status
    assert line["proposed"].get("recognition_index", 90) == 90


async def test_a_scale_of_the_office_compares_the_grade() -> None:
    desk = office(answer())
    steps = [{"grade": "A", "rank": 2, "passes": True}, {"grade": "B", "rank": 1, "passes": True}]
    scale = {"scheme": "queens/letters", "version": 1, "title": "Letters", "steps": steps, "valid_from": "2020-01-01"}
    desk.drawer.say("reference.scale-published", "queens/letters", scale, index=3, member="queens")
    permission = await granted(desk, terms=Terms(minimum_grade={"scheme": "queens/letters", "grade": "B"}))
    desk.rules.then[30] = [answer()]
    come_back(desk, permission, result={"scheme": "queens/letters", "grade": "A"})
    [line] = await proposal(desk)
    assert "honoured" in line


async def test_a_course_of_the_permission_counts_once() -> None:
    desk = office(answer())
    permission = await granted(desk)
    desk.rules.then[30] = [answer(), answer(2)]
    desk.rules.answers = (answer(), answer(2))
    come_back(desk, permission, *HELD)
    first, second = await proposal(desk)
    assert first["proposed"]["status"] == "credited"
    assert (second["proposed"]["status"], second["proposed"]["reason"]) == ("no-credit", "duplicate")


async def test_what_goes_beyond_the_maximum_is_not_promised() -> None:
    other = {**RULE, "id": "queens/r2"}
    desk = office(answer(), answer(2, rule=other))
    permission = await granted(desk, "humber/stat", "humber/art", terms=Terms(maximum=amount("5 units", "queens")))
    desk.rules.then[30] = [answer(), answer(2, rule=other)]
    come_back(desk, permission, HELD[0])
    art = issued("humber/art", conferred_on=GRADED)
    desk.drawer.hear("credential.issued", HELD[1], art, index=2, member="humber")
    desk.drawer.rows.pop()
    desk.open(*HELD, learner=learner_of(desk), permission=permission)
    first, second = await proposal(desk)
    assert first["proposed"]["status"] == "credited"
    assert second["not_honoured"]["why"] == "beyond-maximum"
    assert (second["proposed"]["status"], second["by_rules_of_today"]["status"]) == ("no-credit", "credited")


async def test_only_the_learner_it_was_granted_to_returns_under_it() -> None:
    desk = office(answer())
    permission = await granted(desk)
    view = await desk.work.permissions.view(permission)
    store: Any = desk.drawer
    other = desk.vault.enrol(Person("Bo Planted", "1998-01-02", "S2", ""))
    desk.drawer.learners[other.id] = other
    await check_learner(store, view, learner_of(desk), confirmed=True)
    await refused("learner-mismatch", check_learner(store, view, other.id, confirmed=True))
    await refused("learner-mismatch", check_learner(store, view, learner_of(desk), confirmed=False))
    desk.rules.then[30] = [answer()]
    come_back(desk, permission, learner=other.id)
    await refused("learner-mismatch", desk.work.proposals.propose(CASE))
    del desk.drawer.learners[next(iter(desk.drawer.learners))]
    await refused("not-found", check_learner(store, view, view.asked.learner if view.asked else "", confirmed=True))


async def test_a_permission_that_is_not_in_force_is_not_honoured() -> None:
    desk = office(answer())
    permission = await granted(desk)
    publish(desk, await desk.work.permissions.withdraw(permission, "error"), 41)
    come_back(desk, permission)
    await refused("permission-invalid", desk.work.proposals.propose(CASE))


HALVES = st.integers(0, 12).map(lambda number: Fraction(number, 2))


@given(st.lists(HALVES, min_size=1, max_size=8), HALVES)
def test_what_is_honoured_never_exceeds_the_maximum(amounts: list[Fraction], most: Fraction) -> None:
    courses = [
        {
            "line": number,
            "achievement": f"humber/c{number}",
            "individual_reason": "Read",
            "outcome": {"type": "unassigned", "subject": "x", "credits": {"value": str(each), "system": "units"}},
        }
        for number, each in enumerate(amounts)
    ]
    said = {
        "host": "humber",
        "term": {"starts_on": STARTS, "ends_on": ENDS},
        "expires_on": LAST,
        "position": 30,
        "courses": courses,
        "maximum_credits": {"value": str(most), "system": "units"},
    }
    step = Step(40, "permission-granted", "queens", said)
    back = Return(PermissionView("p", "queens", "granted", 1, said, (step,), None), {}, {})
    given_credit, left = Fraction(0), most
    for number, each in enumerate(amounts):
        line = {"line": number, "credential": "c", "proposed": {"status": "pending"}}
        fact = {"achievement": f"humber/c{number}", "completed_on": GRADED}
        made = back.honoured(line, answer(), fact)
        assert ("honoured" in made) == (each <= left)
        if "honoured" in made:
            given_credit, left = given_credit + each, left - each
    assert given_credit <= most
