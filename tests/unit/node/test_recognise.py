"""A node that lost its memory reads its own events and knows the office's records again: nothing is published twice."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from tests.unit.node.office import ANN, LEARNER, SECRET, PaperDesk
from tests.unit.node.test_plan import OTHERS

from passerelle.core.batch import SignedStatement
from passerelle.node.plan import Found, Planned
from passerelle.node.recognise import OwnEvent, Recognised, Recogniser
from passerelle.node.records import Mark, RecordKeys

AWARD = f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}"
ONE = f"A-1,revit,2026-05-01,percentage-50,80,{ANN}"
VERSIONED = f"record_id,achievement,achievement_version,conferred_on,{LEARNER}"
STEPS = "record_id,step,reason,effective_on,result_scheme,result_grade,amendment_id"
ASSESSED = f"record_id,achievement,assessed_on,assessment_methods,assessor,conferred_on,credits,{LEARNER}"
UNSIGNED = SignedStatement(b"", b"{}", 1, 0, (), b"", "")
File = tuple[str, str, Sequence[str]]
FILES: dict[str, list[File]] = {
    "an achievement": [("achievements", "id,kind,title,language,credit_bearing", ["cad,course,CAD,en,no"])],
    "an achievement and its revision": [
        ("achievements", "id,kind,title,language,credit_bearing", ["cad,course,CAD,en,no"]),
        ("achievements", "id,kind,title,language,credit_bearing", ["cad,course,CAD 2,en,no"]),
    ],
    "a rule and a denial": [
        (
            "recognitions",
            "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits,no_credit_reason",
            ["r1,equivalency,ubc/S2,2020-01-01,assigned,stat1,3 units,", "r2,no-credit,ubc/S3,2020-01-01,,,,content"],
        )
    ],
    "awards": [("credentials", AWARD, [ONE, ONE.replace("A-1", "A-2")])],
    "an award of a stated version": [("credentials", VERSIONED, [f"A-1,revit,3,2026-05-01,{ANN}"])],
    "an award that was corrected": [
        ("credentials", AWARD, [ONE]),
        ("credentials", AWARD, [ONE.replace(",80,", ",85,")]),
    ],
    "an assessment": [("assessments", ASSESSED, [f"P-1,revit,2026-04-01,portfolio,independent,,,{ANN}"])],
    "an assessment that confers": [
        ("assessments", ASSESSED, [f"P-1,revit,2026-04-01,portfolio,independent,2026-05-01,3 credit-hours,{ANN}"])
    ],
    "steps of an award": [
        ("credentials", AWARD, [ONE]),
        (
            "amendments",
            STEPS,
            ["A-1,suspended,fees,,,,", "A-1,reinstated,,,,,", "A-1,amended,other,,percentage-50,90,"],
        ),
    ],
    "the same step twice": [
        ("credentials", AWARD, [ONE]),
        ("amendments", STEPS, ["A-1,suspended,fees,,,,", "A-1,reinstated,,,,,", "A-1,suspended,fees,,,,second"]),
    ],
    "a revocation": [("credentials", AWARD, [ONE]), ("amendments", STEPS, ["A-1,revoked,fraud,2026-06-01,,,"])],
    **{kind: [(kind, header, [line])] for kind, header, line, _ in OTHERS},
}


def published(desk: PaperDesk, files: Sequence[File]) -> list[OwnEvent]:
    """Plan files; the events as the ledger would give them back."""
    found: list[OwnEvent] = []
    for kind, header, lines in files:
        for planned in desk.plan(kind, header, *lines):
            assert isinstance(planned, Planned), planned
            for event in planned.events:
                # Read again from bytes: nothing but JSON survives.
                data = orjson.loads(orjson.dumps(event.data))
                found.append(
                    OwnEvent(
                        event.type.family, len(found) + 1, event.type.full, event.subject, UNSIGNED, b"", b"", 0,
                        "accepted", len(found), data=data,
                    )
                )  # fmt: skip
    return found


def recognised(events: Sequence[OwnEvent]) -> Recognised:
    recogniser = Recogniser(RecordKeys(SECRET), {}, {})
    for event in events:
        recogniser.take(event)
    return recogniser.found


def restored(found: Recognised, events: Sequence[OwnEvent]) -> PaperDesk:
    """A desk that knows only what the events say."""
    desk = PaperDesk()
    desk.known.records.update(found.records)
    desk.known.things.update(event.thing for event in events)
    for one in found.unclaimed:
        place = Found(one.family, one.sequence, one.thing, Mark.from_dict(one.mark.as_dict()))
        desk.known.unclaimed.setdefault((one.about, one.content), []).append(place)
    return desk


@pytest.mark.parametrize("name", FILES)
def test_the_same_files_publish_nothing_again(name: str) -> None:
    files = FILES[name]
    events = published(PaperDesk(), files)
    assert events
    desk = restored(recognised(events), events)
    # Corrected files stand in for the first ones, as an office exports them.
    kept = list({(kind, header): one for one in files for kind, header in [one[:2]]}.values())
    for kind, header, lines in kept:
        for planned in desk.plan(kind, header, *lines):
            assert isinstance(planned, Planned), planned
            assert planned.events == ()
            if kind in {"credentials", "assessments"}:
                # The learner is not on the network: the row brings them back.
                assert planned.person is not None
    # Everything has its record now, so the next time says nothing at all.
    again = [planned for kind, header, lines in kept for planned in desk.plan(kind, header, *lines)]
    assert {planned.outcome for planned in again if isinstance(planned, Planned)} == {"unchanged"}


@pytest.mark.parametrize(
    ("name", "old", "new", "event"),
    [
        ("an achievement", "CAD", "CAD 3", "credential.achievement-revised"),
        ("a rule and a denial", "3 units", "6 units", "recognition.revised"),
        ("awards", ",80,", ",81,", "credential.amended"),
        ("an award that was corrected", ",85,", ",86,", "credential.amended"),
        ("an assessment", "P-1", "P-9", "recognition.assessed"),
    ],
)
def test_what_changed_is_published(name: str, old: str, new: str, event: str) -> None:
    files = FILES[name]
    events = published(PaperDesk(), files)
    desk = restored(recognised(events), events)
    kind, header, lines = files[-1]
    desk.plan(kind, header, *lines)
    planned = desk.plan(kind, header, *(line.replace(old, new) for line in lines))
    found = [one.type.name for row in planned if isinstance(row, Planned) for one in row.events]
    assert event in found
    assert set(found) == {event}


def test_a_corrected_award_goes_on_with_its_version_and_state() -> None:
    events = published(PaperDesk(), FILES["an award that was corrected"])
    (record,) = recognised(events).records.values()
    assert record.current is not None
    assert (record.current.version, record.current.status, record.thing) == (2, "issued", events[0].thing)
    revoked = published(PaperDesk(), FILES["a revocation"])
    (record,) = recognised(revoked).records.values()
    assert record.current is not None
    assert record.current.status == "revoked"


def test_each_event_is_found_once() -> None:
    files = FILES["the same step twice"]
    events = published(PaperDesk(), files)
    desk = restored(recognised(events), events)
    found = [row.claimed for row in desk.plan(*files[1][:2], *files[1][2]) if isinstance(row, Planned)]
    assert found == [(("credential", 2),), (("credential", 3),), (("credential", 4),)]


def test_releases_and_cases_are_taken_from_what_was_published() -> None:
    release, case, credential = (f"0199-{n}" for n in range(3))
    events = [
        OwnEvent(
            family, number, f"ca.passerelle.{family}.{name}.v1", subject, UNSIGNED, b"", b"", 0, "accepted", number,
            data=data,
        )
        for number, (family, name, subject, data) in enumerate(
            [
                (
                    "credential", "release-granted", release,
                    {"credentials": [credential], "receiver": "york", "purpose": "transfer", "ends_on": "2027-01-01"},
                ),
                ("transfer", "requested", case, {"release": release, "sender": "york", "credentials": [credential]}),
            ],
            start=1,
        )
    ]  # fmt: skip
    found = recognised(events)
    assert [(row.id, row.outgoing, row.member, row.credentials) for row in found.releases] == [
        (release, True, "york", (credential,))
    ]
    assert [(row.id, row.release, row.sender) for row in found.cases] == [(case, release, "york")]
