"""The samples: every row is one that a node takes, names only what is there, and keeps to what is told of it."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from passerelle.core.decide.context import leaves
from passerelle.core.decide.recognitions import outcome_achievements
from passerelle.demo.plan import OPERATOR, SCENARIOS, load_expected, load_members, samples_folder
from passerelle.events.member import AdmittedData
from passerelle.node.csv_rows import Row
from passerelle.node.formats.opening import Options, open_file
from passerelle.node.importer import open_table
from passerelle.node.plan import Desk, Known, NewEvent, Planned
from passerelle.node.planner import plan
from passerelle.node.records import RecordKeys
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.ids import SystemIds

SAMPLES = samples_folder()
MEMBERS = load_members(SAMPLES, frozenset(SCENARIOS))
KEY = {"key_id": "0" * 16, "public_key": "0" * 64, "use": "sign"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-")


def planned(member: str, files: tuple[Path, ...]) -> Iterator[tuple[Path, Planned]]:
    """Every row of a member's files as its node would plan it; a row that it would refuse fails the test."""
    known, keys, ids = Known(), RecordKeys(bytes(32)), SystemIds(SystemClock())
    for path in files:
        for section in open_file(path, home=member, options=Options()).sections:
            table = open_table(section, member)
            desk = Desk(table.form, member, keys, ids, known)
            for raw in table.rows:
                row = table.parser.parse(raw)
                assert isinstance(row, Row), f"{path}: {row}"
                found = plan(desk, row)
                assert isinstance(found, Planned), f"{path}: {found}"
                yield path, found


EVENTS: list[tuple[str, NewEvent]] = [
    (member.id, event) for member in MEMBERS for _, row in planned(member.id, member.files) for event in row.events
]


def test_there_are_the_members_that_the_scenarios_need() -> None:
    kinds = {member.admission["kind"] for member in MEMBERS}
    provinces = {place for member in MEMBERS for place in member.admission["jurisdictions"]}
    assert MEMBERS[0].id == OPERATOR
    assert len(MEMBERS) == 15
    assert {"cegep", "indigenous-institute", "apprenticeship-authority"} <= kinds
    assert {"employer", "professional-association"} <= kinds
    assert {"CA-ON", "CA-AB", "CA-BC", "CA-NS", "CA-QC"} <= provinces


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.id)
def test_each_admission_fits_its_event(member: Any) -> None:
    data = {**member.admission, "keys": [KEY]}
    assert AdmittedData.model_validate_json(json.dumps(data), strict=True).member == member.id
    assert member.admission_file.stem == member.id


def test_every_row_names_achievements_that_somebody_publishes() -> None:
    published = {event.subject for _, event in EVENTS if event.type.event == "achievement-published"}
    named: set[str] = set()
    for _, event in EVENTS:
        data = event.data
        for expression in (data.get("sending"), data.get("components")):
            if isinstance(expression, dict):
                named.update(leaves(expression))
        if isinstance(data.get("outcome"), dict):
            named.update(outcome_achievements(data["outcome"]))
        if event.type.event in {"issued", "assessed"}:
            named.add(data["achievement"])
        if event.type.event == "achievement-endorsed":
            named.add(event.subject)
    assert named
    assert named <= published


def test_what_is_invented_says_so() -> None:
    invented = [event for _, event in EVENTS if event.type.event in {"achievement-published", "granted", "denied"}]
    facts = [event for event in invented if not event.data.get("sample")]
    # Course facts come from published catalogues: code and title, and credits where the source has them.
    assert {event.data.get("kind") for event in facts} == {"course"}
    assert Counter(event.subject.partition("/")[0] for event in facts) == {"ubc": 120, "sfu": 120, "mcgill": 120}
    allowed = {"version", "kind", "code", "title", "language", "credit_bearing", "awarding_bodies", "credits"}
    assert all(event.data.keys() <= allowed for event in facts)


def test_learners_are_plainly_invented() -> None:
    names: set[str] = set()
    for path in SAMPLES.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            names.update(row["learner_name"] for row in csv.DictReader(file) if "learner_name" in row)
    assert names
    assert all(name.startswith("Sample ") for name in names)


def test_the_pilots_have_the_distribution_of_the_sources() -> None:
    """Figures: eCampusOntario's 36 pilots of 2019 to 2021, shares rounded to whole entries and mentions."""
    published = [event for _, event in EVENTS if event.type.event == "achievement-published"]
    pilots = [event.data for event in published if "/pilot-" in event.subject]
    areas = Counter(tag["code"] for one in pilots for tag in one["alignments"] if tag["framework"] != "esco")
    methods = Counter(method for one in pilots for method in one["assessment"]["methods"])
    hours = [Fraction(one["delivery"]["effort_hours"]) for one in pilots]
    assert len(pilots) == 36
    assert sum(not one["credit_bearing"] for one in pilots) == 31
    assert (min(hours), max(hours)) == (Fraction(3), Fraction(120))
    shares = {"health-community": 31, "soft-skills": 25, "technology": 25, "other": 19}
    assert {name: round(100 * count / 36) for name, count in areas.items()} == shares
    mentions = sum(methods.values())
    stated = {"exam": 18, "employer-assessment": 18, "simulation": 16, "reflection": 14, "video": 14,
              "demonstration": 9, "virtual-lab": 7, "written": 2, "portfolio": 2}  # fmt: skip
    assert {name: round(100 * count / mentions) for name, count in methods.items()} == stated
    assert all(any(tag["framework"] == "esco" for tag in one["alignments"]) for one in pilots)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_expected_answer_names_nothing_that_a_run_makes(name: str) -> None:
    expected = load_expected(SAMPLES, name)
    assert set(expected) == {"question", "answer", "reasons"}
    assert UUID.search(json.dumps(expected)) is None
    assert all("code" in reason for reason in expected["reasons"])
