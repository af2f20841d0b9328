"""EMREX ELMO, version 1: degree programmes passed become credentials, courses and modules results.

Source: the ELMO schema v1 of EMREX, namespace below. What another institution offers becomes an achievement as well,
because ELMO states title, language, credit and level. The learner's national identifier is never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.node.formats.carrier import unpacked
from passerelle.node.formats.elmo_signature import signature_remark
from passerelle.node.formats.exchange import (
    NONE,
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
    sections,
    slug,
    survey,
)
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.schemas import Schema, schema_folder
from passerelle.node.formats.xml_reading import Node, read_records, root_of

NAMESPACE: Final = "https://github.com/emrex-eu/elmo-schemas/tree/v1"
CARRIER: Final = "urn:passerelle:carrier:v1"
PREFIX: Final = "elmo"
STATUS: Final = {"passed": "final", "failed": "failed", "in-progress": "in-progress"}
KINDS: Final = {"Degree Programme": "programme", "Module": "module", "Course": "course", "": "course"}
_NUMBERS: Final = ("studentNumber", "local", "internal", "ESI", "europeanStudentIdentifier")
_RECORDS: Final = frozenset({"learner", "issuer", "learningOpportunitySpecification"})
_MARKS: Final = frozenset({"report", "attachment"})
_SKIP: Final = frozenset({"diplomaSupplement", "resultDistribution", "descriptionHtml"})


@dataclass(slots=True)
class _Elmo:
    """Reads one stream of elements."""

    home: str
    settings: Settings
    survey: Survey
    person: dict[str, str] = field(default_factory=dict)
    issuer: Node | None = None
    repeats: Counter[str] = field(default_factory=Counter)
    defined: set[str] = field(default_factory=set)

    def read(self, nodes: Iterator[Node]) -> Iterator[Found]:
        """The records of the document."""
        for node in nodes:
            if node.name == "learner":
                self.person = self._learner(node)
            elif node.name == "report":
                self.issuer = None
            elif node.name == "issuer":
                self.issuer = node
            elif node.name == "attachment":
                self.survey.told["attachments were left out"] += 1
            elif node.name == "learningOpportunitySpecification":
                yield from self._opportunity(node)

    def _learner(self, node: Node) -> dict[str, str]:
        numbers = {one.attributes.get("type", ""): one.text.strip() for one in node.all("identifier")}
        cells = {
            "learner_student_number": next((numbers[kind] for kind in _NUMBERS if numbers.get(kind)), ""),
            "learner_name": " ".join(filter(None, (node.value("givenNames"), node.value("familyName")))),
            "learner_birth_date": day(node.value("bday")),
            "learner_email": numbers.get("email", ""),
        }
        return given({**cells, **self.settings.learner})

    def _opportunity(self, node: Node) -> Iterator[Found]:
        kind = node.value("type")
        record = "credentials" if kind == "Degree Programme" else "results"
        if kind in KINDS:
            try:
                yield from self._record(node, record)
            except Unclear as unclear:
                yield Found(record, node.line, {}, unclear.code, unclear.what)
        else:
            self.survey.told["classes are parts of a course and were left out"] += 1
        for part in node.all("hasPart"):
            for inner in part.all("learningOpportunitySpecification"):
                yield from self._opportunity(inner)

    def _body(self) -> Body:
        issuer = self.issuer or Node("issuer", 0)
        codes = [one.text for one in issuer.all("identifier")]
        return body(codes, [one.text for one in issuer.all("title")], self.home, self.settings)

    def _record(self, node: Node, kind: str) -> Iterator[Found]:
        whose = self._body()
        instance = node.find("specifies", "learningOpportunityInstance") or Node("learningOpportunityInstance", 0)
        carrier = node.find("extension", "carrier")
        if whose.own and carrier is not None and carrier.namespace == CARRIER:
            own, cells = unpacked(carrier.text.strip())
            yield Found(own, node.line, {**cells, **self.person})
            return
        if kind == "credentials" and instance.value("status") != "passed":
            self.survey.told["degree programmes that are not passed were left out"] += 1
            return
        name = reference(whose, self._local(node))
        definition = self._definition(node, instance, whose, name)
        if definition is not None:
            yield definition
        cells = self._award(instance, whose, name) if kind == "credentials" else self._result(instance, whose, name)
        yield Found(kind, node.line, given({**cells, **self.person}))

    def _local(self, node: Node) -> str:
        stated = {one.attributes.get("type", ""): one.text.strip() for one in reversed(node.all("identifier"))}
        found = stated.get("local") or stated.get("elmo")
        title = node.value("title")
        if not found and not title:
            raise Unclear("value-missing", "a record has neither identifier nor title")
        return course_id(found) if found else slug(title, "course")

    def _handle(self, what: str, whose: Body, name: str, *more: str) -> str:
        person = [self.person.get(column, "") for column in ("learner_student_number", "learner_name")]
        key = handle(PREFIX, what, whose.cell, name, *person, *more)
        self.repeats[key] += 1
        return key if self.repeats[key] == 1 else f"{key}-{self.repeats[key]}"

    def _award(self, instance: Node, whose: Body, name: str) -> dict[str, str]:
        date = day(instance.value("date"))
        found = {
            "record_id": self._handle("award", whose, name, date),
            "achievement": name,
            "conferred_on": date,
            "credits": self._credit(instance),
            **evidence(whose, self.home),
        }
        if grade := instance.value("resultLabel"):
            found["result_grade"] = grade
            found["result_scheme"] = scheme(PREFIX, whose, instance.value("gradingSchemeLocalId"))
        return found

    def _result(self, instance: Node, whose: Body, name: str) -> dict[str, str]:
        term = instance.find("academicTerm") or Node("academicTerm", 0)
        finished = bool(instance.value("resultLabel") or instance.value("date"))
        stated = instance.value("status")
        status = STATUS.get(stated, "final" if finished and not stated else "in-progress")
        amount = self._credit(instance)
        found = {
            "record_id": self._handle("course", whose, name, instance.value("date"), term.value("start")),
            "course": name,
            "status": status,
            "term": term.value("title"),
            "started_on": day(instance.value("start") or term.value("start")),
            "credits_attempted": amount,
        }
        if status != "in-progress":
            found["completed_on"] = day(instance.value("date") or term.value("end"))
        if status == "final":
            found["credits_earned"] = amount
        if grade := instance.value("resultLabel"):
            found["grade"] = grade
            found["grade_scheme"] = scheme(PREFIX, whose, instance.value("gradingSchemeLocalId"))
        return found

    def _credit(self, instance: Node) -> str:
        amounts = [one for one in instance.all("credit") if one.value("value")]
        found = next((one for one in amounts if one.value("scheme").casefold() == "ects"), None)
        if found is None and amounts:
            self.survey.told["credits of a scheme that the network has no system for were left out"] += 1
        return "" if found is None else credit(found.value("value"), "ects")

    def _definition(self, node: Node, instance: Node, whose: Body, name: str) -> Found | None:
        """What another institution offers as an achievement, where the language of its title is stated."""
        titles = {one.attributes.get("lang", ""): one.text.strip() for one in reversed(node.all("title"))}
        first = node.find("title")
        language = first.attributes.get("lang", "") if first is not None else ""
        if whose.own or "/" in name or name in self.defined or not language or first is None:
            return None
        self.defined.add(name)
        amount = self._credit(instance)
        levels = [one.value("value") for one in instance.all("level") if one.value("type").upper() == "EQF"]
        cells = {
            "id": name,
            "kind": KINDS[node.value("type")],
            "title": first.text.strip(),
            "language": language,
            "credit_bearing": "yes" if amount else "no",
            "awarding_bodies": whose.cell,
            "credits": amount,
            "level": f"eqf {levels[0]}" if levels and levels[0] else "",
        }
        cells.update(
            {f"title_{other}": titles[other] for other in ("en", "fr") if other in titles and other != language}
        )
        if instance.value("engagementHours"):
            self.survey.told["hours of engagement were left out: ELMO does not state how a course is given"] += 1
        return Found("achievements", node.line, given(cells))


@dataclass(frozen=True)
class Elmo:
    """See :class:`passerelle.node.formats.ports.Format`."""

    settings: Settings = NONE
    name: str = "elmo"

    def recognises(self, path: Path, head: bytes) -> bool:
        """By the name of the root."""
        name, rest = root_of(head)
        return name == "elmo" and "elmo-schemas" in rest

    def open(self, path: Path, *, home: str) -> Reading:
        """The document's sections; its signature is among the remarks. Raises FormatError, ConfigError."""
        schemas = schema_folder(self.settings.schemas) if self.settings.schemas is not None else None
        root = next(read_records(path, frozenset()))
        if root.name != "elmo" or root.namespace != NAMESPACE:
            what = "the root is not that of an ELMO document of version 1, the one that is read here"
            raise FormatError("format-unknown", what, where=path.name)
        schema = schemas.schema(NAMESPACE) if schemas is not None else None

        def records(told: Survey, by: Schema | None = None) -> Iterator[Found]:
            nodes = read_records(path, _RECORDS, marks=_MARKS, skip=_SKIP, schema=by)
            return _Elmo(home, self.settings, told).read(nodes)

        seen = survey(lambda told: records(told, schema), path.name)
        valid = "valid by its schema" if schema is not None else "not checked against its schema, which is not here"
        remarks = (f"ELMO version 1, {valid}", signature_remark(path), *seen.remarks())
        return Reading(self.name, sections(records, seen, "line"), remarks)
