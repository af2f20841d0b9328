"""A PESC College Transcript as rows: awards to credentials, courses to results, courses of others to achievements.

Source: PESC College Transcript 1.3 to 1.6 with its AcademicRecord sector library; all elements but the root are named
without a namespace there. XML and JSON give the same stream of :class:`Node`. Tables below say what each code becomes;
a code that is not in them leaves its cell empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from passerelle.node.formats.carrier import joined, unpacked
from passerelle.node.formats.exchange import (
    Body,
    Found,
    Settings,
    Survey,
    Unclear,
    body,
    course_id,
    credit,
    day,
    evidence,
    given,
    handle,
    reference,
    scheme,
    slug,
)
from passerelle.node.formats.xml_reading import Node

RECORDS: Final = frozenset(
    {
        "TransmissionData",
        "Person",
        "School",
        "AcademicSessionDetail",
        "AcademicAward",
        "Course",
        "UserDefinedExtensions",
    }
)
MARKS: Final = frozenset({"AcademicRecord", "AcademicSession"})
CODES_OF_SCHOOL: Final = (
    "MutuallyDefined", "PSIS", "CSIS", "USIS", "ESIS", "APAS", "OPEID", "FICE", "IPEDS", "ATP", "ACT", "CEEBACT",
    "DUNS",
)  # fmt: skip
LOCAL_CODE: Final = ("LocalOrganizationID", "LocalOrganizationIDCode")
UNITS: Final[Mapping[str, str]] = {
    "Semester": "credit-hours",
    "Units": "units",
    "ClockHours": "contact-hours",
    "ContinuingEducationUnits": "ceu",
}
"""CourseCreditUnits that the network has a system for. Quarter and Carnegie units have none."""
STATUS: Final[Mapping[str, str]] = {
    "AuditedCourse": "audit",
    "Completed": "final",
    "HonorsGrade": "final",
    "Incomplete": "incomplete",
    "IncompleteNotResolvedFail": "failed",
    "InProgress": "in-progress",
    "NotYetReported": "in-progress",
    "OtherFail": "failed",
    "OtherPass": "final",
    "PassFailFail": "failed",
    "PassFailPass": "final",
    "TransferNoGrade": "final",
    "Withdrew": "withdrawn",
    "WithdrewFailing": "withdrawn",
    "WithdrewNoPenalty": "withdrawn",
    "WithdrewPassing": "withdrawn",
}
"""CourseAcademicGradeStatusCode."""
BASIS: Final[Mapping[str, str]] = {
    "AdvancedPlacement": "transfer",
    "AdvancedStanding": "transfer",
    "CreditByExam": "challenge",
    "Equivalence": "transfer",
    "HighSchoolTransferCredit": "transfer",
    "InternationalBaccalaureate": "transfer",
    "LifeExperience": "plar",
    "Military": "plar",
}
"""CourseCreditBasis where it is not earned by taking the course."""
REPEAT: Final[Mapping[str, str]] = {
    "RepeatCounted": "yes",
    "ReplacementCounted": "yes",
    "RepeatNotCounted": "no",
    "ReplacedNotCounted": "no",
    "NotCountedOther": "no",
}
"""CourseRepeatCode."""
LANGUAGES: Final[Mapping[str, str]] = {"eng": "en", "fra": "fr", "fre": "fr"}
"""LanguageCode, ISO 639-2."""
PREFIX: Final = "pesc"


def learner(person: Node, settings: Settings) -> dict[str, str]:
    """The learner's cells; never a social insurance number."""
    numbers = (
        person.value("SchoolAssignedPersonID"),
        person.value("AgencyIdentifier", "AgencyAssignedID"),
        person.value("AgencyAssignedID"),
        person.value("RecipientAssignedID"),
    )
    name = person.find("Name") or Node("Name", person.line)
    parts = (name.value("FirstName"), *(one.text.strip() for one in name.all("MiddleName")), name.value("LastName"))
    cells = {
        "learner_student_number": next(filter(None, numbers), ""),
        "learner_name": name.value("CompositeName") or " ".join(filter(None, parts)),
        "learner_birth_date": day(person.value("Birth", "BirthDate")),
        "learner_email": person.value("Contacts", "Email", "EmailAddress"),
    }
    return given({**cells, **settings.learner})


@dataclass(slots=True)
class Transcript:
    """Reads one stream. ``home`` is the node's member; what has no place is told to ``survey``."""

    home: str
    settings: Settings
    survey: Survey
    person: dict[str, str] = field(default_factory=dict)
    schools: list[Node | None] = field(default_factory=list)
    session: Node | None = None
    repeats: Counter[str] = field(default_factory=Counter)
    defined: set[str] = field(default_factory=set)

    def read(self, nodes: Iterator[Node]) -> Iterator[Found]:
        """The records of the transcript."""
        for node in nodes:
            if node.name in MARKS:
                self.schools.append(None)
            elif node.name.startswith("/"):
                self.schools.pop()
                self.session = None
            elif node.name == "Person":
                self.person = learner(node, self.settings)
            elif node.name == "School" and self.schools:
                self.schools[-1] = node
            elif node.name == "AcademicSessionDetail":
                self.session = node
            elif node.name == "AcademicAward":
                yield from self._guarded("credentials", node, self._award(node))
            elif node.name == "Course":
                yield from self._guarded("results", node, self._course(node))

    def _guarded(self, kind: str, node: Node, found: Iterator[Found]) -> Iterator[Found]:
        try:
            yield from found
        except Unclear as unclear:
            yield Found(kind, node.line, {}, unclear.code, unclear.what)

    def _body(self, override: Node | None = None) -> Body:
        school = override or next((one for one in reversed(self.schools) if one is not None), None)
        if school is None:
            return body((), (), self.home, self.settings)
        codes = (*(school.value(code) for code in CODES_OF_SCHOOL), school.value(*LOCAL_CODE))
        return body(codes, [one.text for one in school.all("OrganizationName")], self.home, self.settings)

    def _own(self, node: Node, whose: Body) -> Found | None:
        """The row that this member's own export put into a record."""
        text = joined([one.text for one in node.all("NoteMessage")]) if whose.own else ""
        if not text:
            return None
        kind, cells = unpacked(text)
        return Found(kind, node.line, {**cells, **self.person})

    def _award(self, node: Node) -> Iterator[Found]:
        if node.value("AcademicCompletionIndicator") in {"false", "0"}:
            self.survey.told["awards that are not completed were left out"] += 1
            return
        whose = self._body()
        if (own := self._own(node, whose)) is not None:
            yield own
            return
        title, date = node.value("AcademicAwardTitle"), node.value("AcademicAwardDate")
        if not title:
            title = node.value("AcademicAwardProgram", "AcademicProgramName")
        date = day(date or node.value("AcademicCompletionDate"))
        if not title:
            raise Unclear("value-missing", "an award has no title")
        number = self.person.get("learner_student_number", "")
        cells = {
            "record_id": handle(PREFIX, "award", whose.cell, number, title, date, node.value("AcademicAwardLevel")),
            "achievement": reference(whose, slug(title, "award")),
            "conferred_on": date,
            **evidence(whose, self.home),
        }
        for name, what in (("AcademicHonors", "honours"), ("AcademicSummary", "summaries")):
            if node.find(name):
                self.survey.told[f"{what} of awards have no place here and were left out"] += 1
        yield Found("credentials", node.line, given({**cells, **self.person}))

    def _course(self, node: Node) -> Iterator[Found]:
        if node.value("CourseAcademicGradeStatusCode") == "PlanningToTake":
            self.survey.told["courses that are only planned were left out"] += 1
            return
        whose = self._body(node.find("CourseOverrideSchool"))
        if (own := self._own(node, whose)) is not None:
            yield own
            return
        code = self._code(node)
        detail = self.session or Node("AcademicSessionDetail", node.line)
        term = detail.value("SessionName") or detail.value("SessionDesignator")
        number = self.person.get("learner_student_number", "")
        key = handle(PREFIX, "course", whose.cell, number, code, detail.value("SessionDesignator"), term)
        self.repeats[key] += 1
        cells = {
            "record_id": key if self.repeats[key] == 1 else f"{key}-{self.repeats[key]}",
            "course": reference(whose, code),
            "term": term,
            "started_on": day(node.value("CourseBeginDate") or detail.value("SessionBeginDate")),
            "basis": BASIS.get(node.value("CourseCreditBasis"), ""),
            "repeat_counted": REPEAT.get(node.value("CourseRepeatCode"), ""),
            **self._grade(node, whose),
            **self._credits(node),
        }
        if cells["status"] != "in-progress":
            cells["completed_on"] = day(node.value("CourseEndDate") or detail.value("SessionEndDate"))
        definition = self._definition(node, whose, code, cells["credits_attempted"])
        if definition is not None:
            yield definition
        yield Found("results", node.line, given({**cells, **self.person}))

    def _code(self, node: Node) -> str:
        override = node.value("OverrideSchoolCourseNumber") if node.find("CourseOverrideSchool") else ""
        parts = (node.value("CourseSubjectAbbreviation"), node.value("CourseNumber"))
        stated = override or " ".join(filter(None, parts)) or node.value("OriginalCourseID")
        if not stated:
            raise Unclear("value-missing", "a course has no code")
        return course_id(stated)

    def _grade(self, node: Node, whose: Body) -> dict[str, str]:
        grade, code = node.value("CourseAcademicGrade"), node.value("CourseAcademicGradeStatusCode")
        finished = bool(grade or node.value("CourseCreditEarned"))
        status = STATUS.get(code, "final" if finished else "in-progress")
        if not grade:
            return {"status": status}
        return {
            "status": status,
            "grade": grade,
            "grade_scheme": scheme(PREFIX, whose, node.value("CourseAcademicGradeScaleCode")),
        }

    def _credits(self, node: Node) -> dict[str, str]:
        units = node.value("CourseCreditUnits")
        system = UNITS.get(units)
        value, earned = node.value("CourseCreditValue"), node.value("CourseCreditEarned")
        if system is None and (value or earned) and units != "NoCredit":
            self.survey.told["credits in units that the network has no system for were left out"] += 1
        return {"credits_attempted": credit(value, system), "credits_earned": credit(earned, system)}

    def _definition(self, node: Node, whose: Body, code: str, amount: str) -> Found | None:
        """Another institution's course as an achievement, where title, language and credit are stated."""
        title = node.value("CourseTitle")
        language = LANGUAGES.get(node.value("LanguageOfInstruction", "LanguageCode").lower(), "")
        name = reference(whose, code)
        if whose.own or "/" in name or name in self.defined or not (title and amount and language):
            return None
        self.defined.add(name)
        cells = {
            "id": name,
            "kind": "course",
            "title": title,
            "language": language,
            "credit_bearing": "yes",
            "code": " ".join(filter(None, (node.value("CourseSubjectAbbreviation"), node.value("CourseNumber")))),
            "awarding_bodies": whose.cell,
            "credits": amount,
        }
        return Found("achievements", node.line, given(cells))
