"""An ELMO document, version 1, of one learner.

Source: the ELMO schema v1 of EMREX. Our own columns stand in the ``extension`` that the schema has for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from passerelle.node.export import Line, Student
from passerelle.node.export_documents import (
    Issuer,
    add,
    amount,
    kind_of,
    local_of,
    maybe,
    title_of,
    two_names,
    written,
)
from passerelle.node.formats.carrier import carried
from passerelle.node.formats.elmo import CARRIER, NAMESPACE

_KINDS: Final[Mapping[str, str]] = {
    "programme": "Degree Programme",
    "degree": "Degree Programme",
    "diploma": "Degree Programme",
    "module": "Module",
    "course": "Course",
}
_STATUS: Final[Mapping[str, str]] = {
    "final": "passed",
    "amended": "passed",
    "failed": "failed",
    "in-progress": "in-progress",
}
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


def elmo(student: Student, issuer: Issuer) -> bytes:
    """The document. Raises Unclear for what XML cannot hold."""
    root = etree.Element(f"{{{NAMESPACE}}}elmo", nsmap={None: NAMESPACE})
    put(root, "generatedDate", issuer.instant)
    learner = put(root, "learner")
    who = student.person
    for kind, value in (("studentNumber", who.student_number), ("email", who.email)):
        if value:
            put(learner, "identifier", value, type=kind)
    given, family = two_names(who.name)
    put(learner, "givenNames", given)
    put(learner, "familyName", family)
    put(learner, "bday", who.birth_date)
    report = put(root, "report")
    about = put(report, "issuer")
    put(about, "identifier", issuer.member, type="passerelle")
    put(about, "title", issuer.name)
    put(about, "url", f"urn:passerelle:member:{issuer.member}")
    for line in student.lines:
        _opportunity(report, line)
    put(report, "issueDate", issuer.instant)
    return written(root)


def put(parent: Any, name: str, text: str = "", **attributes: str) -> Any:
    """A child in the document's namespace."""
    return add(parent, f"{{{NAMESPACE}}}{name}", text, **attributes)


def _opportunity(report: Any, line: Line) -> None:
    found = put(report, "learningOpportunitySpecification")
    put(found, "identifier", local_of(line), type="local")
    title = put(found, "title", title_of(line))
    if language := str(line.about.get("language", "")):
        title.set(_LANG, language)
    kind = "Course" if line.kind == "results" else _KINDS.get(kind_of(line.about), "")
    maybe(found, f"{{{NAMESPACE}}}type", kind)
    _instance(put(put(found, "specifies"), "learningOpportunityInstance"), line)
    carrier = put(found, "extension")
    add(carrier, f"{{{CARRIER}}}carrier", carried(line.kind, line.cells))


def _instance(instance: Any, line: Line) -> None:
    cells, space = line.cells, f"{{{NAMESPACE}}}"
    result = line.kind == "results"
    maybe(instance, f"{space}start", cells.get("started_on", ""))
    maybe(instance, f"{space}date", cells.get("completed_on" if result else "conferred_on", ""))
    if cells.get("term") and cells.get("started_on") and cells.get("completed_on"):
        term = put(instance, "academicTerm")
        put(term, "title", cells["term"])
        put(term, "start", cells["started_on"])
        put(term, "end", cells["completed_on"])
    maybe(instance, f"{space}status", _STATUS.get(cells["status"], "") if result else "passed")
    maybe(instance, f"{space}gradingSchemeLocalId", cells.get("grade_scheme" if result else "result_scheme", ""))
    maybe(instance, f"{space}resultLabel", cells.get("grade" if result else "result_grade", ""))
    value, system = amount(cells.get("credits_earned" if result else "credits", ""))
    if value:
        credit = put(instance, "credit")
        put(credit, "scheme", system)
        put(credit, "value", value)
    level = line.about.get("level") or {}
    if level:
        stated = put(instance, "level")
        put(stated, "type", str(level["framework"]).upper())
        put(stated, "value", str(level["level"]))
