"""A PESC College Transcript 1.6 of one learner.

Source: PESC CollegeTranscript 1.6.0, AcademicRecord 1.9.0, CoreMain 1.14.0. What its elements cannot hold exactly
stands in NoteMessage elements beside them (:mod:`passerelle.node.formats.carrier`), which other readers show or ignore.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from passerelle.node.export import Line, Student
from passerelle.node.export_documents import Issuer, add, amount, local_of, maybe, title_of, two_names, written
from passerelle.node.formats.carrier import carried, chunks
from passerelle.node.formats.exchange import Unclear

NAMESPACE: Final = "urn:org:pesc:message:CollegeTranscript:v1.6.0"
_NOTE: Final = 80
_UNITS: Final[Mapping[str, str]] = {
    "credit-hours": "Semester",
    "units": "Units",
    "contact-hours": "ClockHours",
    "ceu": "ContinuingEducationUnits",
}
_BASIS: Final[Mapping[str, str]] = {"challenge": "CreditByExam", "plar": "LifeExperience", "transfer": "Equivalence"}
_STATUS: Final[Mapping[str, str]] = {
    "audit": "AuditedCourse",
    "final": "Completed",
    "amended": "Completed",
    "failed": "OtherFail",
    "incomplete": "Incomplete",
    "in-progress": "InProgress",
    "deferred": "NotYetReported",
    "withdrawn": "Withdrew",
}
_REPEAT: Final[Mapping[str, str]] = {"yes": "RepeatCounted", "no": "RepeatNotCounted"}


def transcript(student: Student, issuer: Issuer) -> bytes:
    """The document. Raises Unclear where the format cannot hold who the learner is."""
    root = etree.Element(f"{{{NAMESPACE}}}CollegeTranscript", nsmap={"ColTrn": NAMESPACE})
    _transmission(root, issuer)
    about = add(root, "Student")
    _person(about, student)
    record = add(about, "AcademicRecord")
    school = add(record, "School")
    add(school, "OrganizationName", issuer.name[:60])
    add(school, "MutuallyDefined", issuer.member)
    for line in student.lines:
        if line.kind == "credentials":
            _award(record, line)
    sessions, loose = _sessions(student)
    for (month, term), lines in sessions.items():
        session = add(record, "AcademicSession")
        detail = add(session, "AcademicSessionDetail")
        add(detail, "SessionDesignator", month)
        maybe(detail, "SessionName", term, 30)
        for line in lines:
            _course(session, line)
    for line in loose:
        _course(record, line)
    return written(root)


def _transmission(root: Any, issuer: Issuer) -> None:
    data = add(root, "TransmissionData")
    add(data, "DocumentID", issuer.document.replace("-", "")[:35])
    add(data, "CreatedDateTime", issuer.instant)
    add(data, "DocumentTypeCode", "RequestedRecord" if issuer.request else "StudentRequest")
    add(data, "TransmissionType", "Original")
    for name, called, code in (("Source", issuer.name, issuer.member), ("Destination", issuer.to or "Not stated", "")):
        organisation = add(add(data, name), "Organization")
        maybe(organisation, "MutuallyDefined", code, 60)
        add(organisation, "OrganizationName", called[:60])
    maybe(data, "RequestTrackingID", issuer.request, 35)


def _person(parent: Any, student: Student) -> None:
    who, person = student.person, add(parent, "Person")
    number = who.student_number
    if len(number) > 30:
        raise Unclear("value-too-long", "a student number has more than the 30 characters that the format can hold")
    if len(number) <= 20:
        maybe(person, "SchoolAssignedPersonID", number)
    else:
        agency = add(person, "AgencyIdentifier")
        add(agency, "AgencyAssignedID", number)
        add(agency, "AgencyCode", "MutuallyDefined")
    add(add(person, "Birth"), "BirthDate", who.birth_date)
    name = add(person, "Name")
    given, family = two_names(who.name)
    if max(len(given), len(family)) <= 35 and " ".join(who.name.split()) == who.name:
        maybe(name, "FirstName", given)
        add(name, "LastName", family)
    elif len(who.name) <= 45:
        add(name, "CompositeName", who.name)
    else:
        raise Unclear("value-too-long", "a name is longer than the format can hold")
    if who.email:
        if len(who.email) > 128:
            raise Unclear(
                "value-too-long", "an e-mail address has more than the 128 characters that the format can hold"
            )
        add(add(add(person, "Contacts"), "Email"), "EmailAddress", who.email)


def _notes(parent: Any, line: Line) -> None:
    for note in chunks(carried(line.kind, line.cells), _NOTE):
        add(parent, "NoteMessage", note)


def _award(record: Any, line: Line) -> None:
    award = add(record, "AcademicAward")
    add(award, "AcademicAwardDate", line.cells["conferred_on"])
    add(award, "AcademicAwardTitle", title_of(line)[:400])
    add(award, "AcademicCompletionIndicator", "true")
    _notes(award, line)


def _sessions(student: Student) -> tuple[dict[tuple[str, str], list[Line]], list[Line]]:
    """The courses by session: the month in which they began or ended, and the term. The others apart."""
    found: dict[tuple[str, str], list[Line]] = {}
    loose = []
    for line in student.lines:
        if line.kind == "results":
            month = (line.cells.get("started_on") or line.cells.get("completed_on", ""))[:7]
            if month:
                found.setdefault((month, line.cells.get("term", "")), []).append(line)
            else:
                loose.append(line)
    return found, loose


def _course(parent: Any, line: Line) -> None:
    cells, course = line.cells, add(parent, "Course")
    attempted, system = amount(cells.get("credits_attempted", ""))
    earned, of = amount(cells.get("credits_earned", ""))
    add(course, "CourseCreditBasis", _BASIS.get(cells.get("basis", ""), "Regular"))
    if system or of:
        add(course, "CourseCreditUnits", _UNITS.get(system or of, "Other"))
    maybe(course, "CourseCreditValue", attempted)
    # One course has one unit: credit earned in another system stays in the notes.
    maybe(course, "CourseCreditEarned", earned if not attempted or of == system else "")
    maybe(course, "CourseAcademicGrade", cells.get("grade", ""), 10)
    maybe(course, "CourseAcademicGradeStatusCode", _STATUS.get(cells["status"], ""))
    maybe(course, "CourseRepeatCode", _REPEAT.get(cells.get("repeat_counted", ""), ""))
    subject, _, number = str(line.about.get("code", "")).rpartition(" ")
    if number and len(number) <= 15:
        maybe(course, "CourseSubjectAbbreviation", subject, 10)
        add(course, "CourseNumber", number)
    else:
        maybe(course, "CourseNumber", local_of(line), 15)
    add(course, "CourseTitle", title_of(line)[:60])
    maybe(course, "CourseBeginDate", cells.get("started_on", ""))
    maybe(course, "CourseEndDate", cells.get("completed_on", ""))
    _notes(course, line)
