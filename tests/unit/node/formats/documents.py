"""What the tests of document formats share: learners with rows, and rows read back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st

from passerelle.core.signature import SeedSigner
from passerelle.node.export import Line, Student
from passerelle.node.export_documents import Issuer
from passerelle.node.formats.ports import Reading
from passerelle.node.people import Person

HOME = "humber"
SIGNER = SeedSigner(bytes(range(32)))
ISSUER = Issuer(HOME, "Humber College", "2026-05-01T10:00:00Z", "01990000-0000-4000-8000-000000000001", "UBC", "R-1")

DATES = st.dates(min_value=dt.date(1900, 1, 1), max_value=dt.date(2100, 1, 1)).map(str)
# What a cell may hold: no control characters, no lone surrogates, and none of XML's two forbidden characters.
# One that begins with an apostrophe and a formula's sign has no safe form in a table: exports leave it out.
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=40)
    .map(str.strip)
    .filter(bool)
)
WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
LOCALS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
CREDITS = st.tuples(
    st.sampled_from(["3", "0.5", "7/3", "120", "2.6667"]),
    st.sampled_from(["credit-hours", "units", "ects", "cegep-units", "contact-hours"]),
).map(" ".join)
GRADES = st.from_regex(r"[ -~]{1,14}", fullmatch=True).map(str.strip).filter(bool)


def optional(strategies: Mapping[str, st.SearchStrategy[str]]) -> st.SearchStrategy[dict[str, str]]:
    """Some of these columns."""
    return st.fixed_dictionaries({}, optional=dict(strategies))


CREDENTIALS = st.tuples(
    st.fixed_dictionaries(
        {"record_id": TEXTS, "achievement": LOCALS.map(lambda one: f"{HOME}/{one}"), "conferred_on": DATES}
    ),
    optional(
        {
            "basis": st.sampled_from(["completed", "challenge", "plar", "transfer"]),
            "result_scheme": LOCALS,
            "result_grade": GRADES,
            "credits": CREDITS,
            "registration": st.just("bcit"),
            "awarding_bodies": st.just("humber;organisation:rru/siemens"),
            "expires_on": DATES,
            "assessed_on": DATES,
            "assessment_provider": TEXTS,
        }
    ),
).map(lambda parts: Line("credentials", {**parts[0], **parts[1]}, {}))
RESULTS = st.tuples(
    st.fixed_dictionaries(
        {
            "record_id": TEXTS,
            "course": LOCALS.map(lambda one: f"{HOME}/{one}"),
            "status": st.sampled_from(["final", "failed", "in-progress", "withdrawn", "aegrotat", "audit"]),
        }
    ),
    optional(
        {
            "term": TEXTS,
            "started_on": DATES,
            "completed_on": DATES,
            "grade_scheme": LOCALS,
            "grade": GRADES,
            "credits_attempted": CREDITS,
            "credits_earned": CREDITS,
            "repeat_counted": st.sampled_from(["yes", "no"]),
        }
    ),
).map(
    lambda parts: Line(
        "results", {**parts[0], **parts[1]}, {"title": "Calculus I", "code": "MATH 101", "language": "en"}
    )
)
PEOPLE = st.builds(
    Person,
    name=NAMES.filter(lambda name: max(len(part) for part in name.rpartition(" ")) <= 35),
    birth_date=DATES,
    student_number=st.from_regex(r"[A-Z0-9]{1,30}", fullmatch=True),
    email=st.sampled_from(["", "ann@example.org"]),
)
STUDENTS = st.builds(
    Student, id=st.just("1"), person=PEOPLE, lines=st.lists(st.one_of(CREDENTIALS, RESULTS), min_size=1, max_size=4)
)


def expected(student: Student) -> list[tuple[str, dict[str, str]]]:
    """The rows of a student, as an import would see them."""
    who = student.person.as_dict()
    own = {f"learner_{name}": value for name, value in who.items()}
    return [(line.kind, {**line.cells, **own}) for line in student.lines]


def read_back(reading: Reading) -> list[tuple[str, dict[str, str]]]:
    """Every row of a reading that could be read, without empty cells."""
    found = []
    for section in reading.sections:
        rows = section.rows()
        header = next(rows).cells
        for row in rows:
            assert not row.code, row
            found.append((section.kind, {name: cell for name, cell in zip(header, row.cells, strict=True) if cell}))
    return found


def codes(reading: Reading) -> list[str]:
    """The codes of the rows that could not be read."""
    return [row.code for section in reading.sections for row in section.rows() if row.code]


def file(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of a test."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
