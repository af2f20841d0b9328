"""What a row leads to: something new, a change, or nothing; whole or not at all."""

import pytest
from tests.unit.node.office import ANN, LEARNER, SECRET, PaperDesk

from passerelle.node.needs import needs
from passerelle.node.plan import Planned
from passerelle.node.records import RecordKeys

ACHIEVEMENT = "id,kind,title,language,credit_bearing"
RULE = "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits,no_credit_reason"
GRANT = "r1,equivalency,ubc/STAT200,2020-01-01,assigned,stat1,3 units,"
DENIAL = "r2,no-credit,ubc/STAT201,2020-01-01,,,,content"
AWARD = f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}"
AMENDMENT = "record_id,step,reason,effective_on,result_scheme,result_grade,amendment_id"


def names(planned: Planned) -> list[str]:
    return [event.type.name for event in planned.events]


def test_an_achievement_is_published_once_and_revised_with_the_next_version() -> None:
    desk = PaperDesk()
    desk.known.things.clear()
    first = desk.one("achievements", ACHIEVEMENT, "revit,course,Revit,en,no")
    again = desk.one("achievements", ACHIEVEMENT, "humber/revit,COURSE,Revit,en,No")
    changed = desk.one("achievements", ACHIEVEMENT, "revit,course,Revit 2,en,no")
    assert names(first) == ["credential.achievement-published"]
    assert first.events[0].subject == "humber/revit"
    assert first.events[0].data["version"] == 1
    assert first.events[0].data["awarding_bodies"] == ["urn:passerelle:member:humber"]
    assert (again.outcome, again.events) == ("unchanged", ())
    assert (changed.outcome, names(changed)) == ("changed", ["credential.achievement-revised"])
    assert changed.events[0].data["version"] == 2


def test_an_achievement_published_by_hand_before_is_revised() -> None:
    desk = PaperDesk()
    desk.known.versions["achievement:humber/revit"] = 4
    planned = desk.one("achievements", ACHIEVEMENT, "revit,course,Revit,en,no")
    assert names(planned) == ["credential.achievement-revised"]
    assert planned.events[0].data["version"] == 5


def test_rules_are_granted_revised_and_denied() -> None:
    desk = PaperDesk()
    granted = desk.one("recognitions", RULE, GRANT)
    assert names(granted) == ["recognition.granted"]
    assert granted.events[0].data["receiver"] == "humber"
    assert granted.events[0].data["outcome"]["achievement"] == "humber/stat1"
    revised = desk.one("recognitions", RULE, GRANT.replace("3 units", "6 units"))
    assert names(revised) == ["recognition.revised"]
    assert revised.events[0].data["version"] == 2
    denied = desk.one("recognitions", RULE, DENIAL)
    assert names(denied) == ["recognition.denied"]
    assert denied.events[0].data["reason"] == "content"
    assert "kind" not in denied.events[0].data


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        (DENIAL.replace(",,,,", ",assigned,,,"), "outcome_type", "argument-conflict"),
        (GRANT + "content", "no_credit_reason", "argument-conflict"),
        ("r3,equivalency,ubc/STAT200,2020-01-01,,,,", "outcome_json", "value-missing"),
        ("r3,equivalency,ubc/STAT200,2020-01-01,assigned,stat1,,", "outcome_credits", "value-missing"),
        ("r3,no-credit,ubc/STAT200,2020-01-01,,,,", "no_credit_reason", "value-missing"),
    ],
)
def test_rules_that_say_too_much_or_too_little(line: str, column: str, code: str) -> None:
    error = PaperDesk().error("recognitions", RULE, line)
    assert (error.code, error.column) == (code, column)


def test_a_denial_that_changes_needs_a_record_of_its_own() -> None:
    desk = PaperDesk()
    desk.one("recognitions", RULE, DENIAL)
    assert desk.error("recognitions", RULE, DENIAL.replace("content", "level")).code == "record-changed"


def test_an_award_carries_the_record_hash_and_nothing_of_the_learner() -> None:
    desk = PaperDesk()
    planned = desk.one("credentials", AWARD, f"A-1,revit,2026-05-01,percentage-50,80,{ANN}")
    data = planned.events[0].data
    assert data["record"] == RecordKeys(SECRET).key("credential", "A-1")
    assert data["achievement_version"] == 1
    assert data["result"] == {"scheme": "percentage-50", "grade": "80"}
    assert "Planted" not in str(data)
    assert "Planted" not in repr(planned)
    assert planned.person is not None


def test_an_award_sent_again_does_nothing_and_a_changed_one_is_amended() -> None:
    desk = PaperDesk()
    line = f"A-1,revit,2026-05-01,percentage-50,80,{ANN}"
    first = desk.one("credentials", AWARD, line)
    assert desk.one("credentials", AWARD, line).outcome == "unchanged"
    changed = desk.one("credentials", AWARD, line.replace(",80,", ",85,"))
    assert names(changed) == ["credential.amended"]
    assert changed.events[0].subject == first.events[0].subject
    assert changed.events[0].data["result"]["grade"] == "85"


def test_a_learners_new_details_change_nothing_on_the_network() -> None:
    desk = PaperDesk()
    line = f"A-1,revit,2026-05-01,,,{ANN}"
    desk.one("credentials", AWARD, line)
    changed = desk.one("credentials", AWARD, line.replace("Ann", "Anna"))
    assert (changed.outcome, changed.events) == ("changed", ())
    assert changed.person is not None


def test_what_an_amendment_cannot_change_is_refused() -> None:
    desk = PaperDesk()
    desk.known.things.add("achievement:humber/acct")
    desk.one("credentials", AWARD, f"A-1,revit,2026-05-01,,,{ANN}")
    assert desk.error("credentials", AWARD, f"A-1,acct,2026-05-01,,,{ANN}").code == "record-changed"


def test_an_award_under_an_achievement_never_published_is_refused() -> None:
    error = PaperDesk().error("credentials", AWARD, f"A-1,revitt,2026-05-01,,,{ANN}")
    assert (error.code, error.column) == ("reference-unknown", "achievement")


def test_another_members_achievement_is_not_judged_here() -> None:
    planned = PaperDesk().one("credentials", AWARD, f"A-1,sfu/cert,2026-05-01,,,{ANN}")
    event = planned.events[0]
    assert "achievement:sfu/cert" in needs(event.type, event.subject, event.data, "humber")


def test_steps_of_an_award_follow_its_lifecycle() -> None:
    desk = PaperDesk()
    desk.one("credentials", AWARD, f"A-1,revit,2026-05-01,,,{ANN}")
    assert desk.error("amendments", AMENDMENT, "A-2,suspended,fees,,,,").code == "record-unknown"
    assert desk.error("amendments", AMENDMENT, "A-1,reinstated,,,,,").code == "step-illegal"
    assert desk.error("amendments", AMENDMENT, "A-1,amended,other,,,,").code == "value-missing"
    assert desk.error("amendments", AMENDMENT, "A-1,suspended,fees,2026-01-01,,,").column == "effective_on"
    assert desk.error("amendments", AMENDMENT, "A-1,suspended,because,,,,").column == "reason"
    assert names(desk.one("amendments", AMENDMENT, "A-1,suspended,fees,,,,")) == ["credential.suspended"]
    assert desk.one("amendments", AMENDMENT, "A-1,suspended,fees,,,,").outcome == "unchanged"
    assert names(desk.one("amendments", AMENDMENT, "A-1,reinstated,,,,,")) == ["credential.reinstated"]
    assert names(desk.one("amendments", AMENDMENT, "A-1,suspended,fees,,,,second")) == ["credential.suspended"]
    assert names(desk.one("amendments", AMENDMENT, "A-1,revoked,fraud,2026-06-01,,,")) == ["credential.revoked"]
    assert desk.error("amendments", AMENDMENT, "A-1,amended,other,,percentage-50,1,").code == "step-illegal"


ASSESSED = f"record_id,achievement,assessed_on,assessment_methods,assessor,conferred_on,credits,{LEARNER}"


def test_an_assessment_that_confers_is_two_events_of_one_row() -> None:
    desk = PaperDesk()
    line = f"P-1,revit,2026-05-01,portfolio;interview,independent,2026-05-02,3 credit-hours,{ANN}"
    planned = desk.one("assessments", ASSESSED, line)
    assert names(planned) == ["credential.issued", "recognition.assessed"]
    issued, assessed = planned.events
    assert issued.data["basis"] == "plar"
    assert issued.data["assessment"]["assessor"] == "independent"
    assert assessed.data["credential"] == issued.subject
    assert assessed.data["outcome"]["type"] == "assigned"
    assert {record.kind for record in planned.records} == {"credential", "assessment"}
    assert desk.one("assessments", ASSESSED, line).outcome == "unchanged"
    assert desk.error("assessments", ASSESSED, line.replace("portfolio;", "")).code == "record-changed"


def test_an_assessment_without_an_award_states_an_exemption() -> None:
    planned = PaperDesk().one("assessments", ASSESSED, f"P-1,revit,2026-05-01,exam,instructor,,,{ANN}")
    assert names(planned) == ["recognition.assessed"]
    assert planned.events[0].data["outcome"] == {"type": "exemption", "achievement": "humber/revit"}


def test_course_results_stay_at_home() -> None:
    desk = PaperDesk()
    header = f"record_id,course,status,grade_scheme,grade,{LEARNER}"
    line = f"X-1,revit,final,percentage-50,77,{ANN}"
    planned = desk.one("results", header, line)
    assert planned.events == ()
    assert planned.result is not None
    assert planned.result.data["grade"] == {"scheme": "percentage-50", "grade": "77"}
    assert desk.one("results", header, line).outcome == "unchanged"
    assert desk.one("results", header, line.replace(",77,", ",78,")).outcome == "changed"


OTHERS = [
    ("organisations", "id,name_en,jurisdictions,kind", "siemens,Siemens,DE,company", "reference.organisation-listed"),
    (
        "frameworks",
        "id,title,language,kind,owner,recognised,terms",
        "climate,Climate,en,competency,RRU,yes,C1|Listen;C2|Plan|2",
        "reference.framework-published",
    ),
    (
        "endorsements",
        "id,achievement,kinds,capacity,jurisdictions",
        "E1,sfu/cert,co-designed,employer,CA-BC",
        "credential.achievement-endorsed",
    ),
    ("demands", "id,region,size,source,stated_on", "d1,CA-BC,250,Survey,2026-01-01", "credential.demand-stated"),
]


@pytest.mark.parametrize(("kind", "header", "line", "name"), OTHERS)
def test_the_other_files(kind: str, header: str, line: str, name: str) -> None:
    desk = PaperDesk()
    assert names(desk.one(kind, header, line)) == [name]
    assert desk.one(kind, header, line).outcome == "unchanged"


def test_nobody_endorses_their_own_achievement() -> None:
    header, line = OTHERS[2][1], OTHERS[2][2].replace("sfu/cert", "revit")
    assert PaperDesk().error("endorsements", header, line).code == "self-endorsement"


def test_an_organisation_has_a_name() -> None:
    error = PaperDesk().error("organisations", OTHERS[0][1], "siemens,,DE,company")
    assert (error.column, error.code) == ("name_en", "value-missing")
