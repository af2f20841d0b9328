"""Open Badges 3.0 and Comprehensive Learner Record 2.0: the parts of a credential that our columns hold.

Source: Open Badges Specification 3.0 and CLR Standard 2.0 (1EdTech), both on W3C Verifiable Credentials 1.1 and 2.0.
An assertion of a course becomes a result, any other a credential. Credits without a system are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.node.formats.carrier import unpacked
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
from passerelle.node.formats.json_reading import text_of
from passerelle.node.formats.proofs import Proof

PREFIX: Final = "badge"
GENRE: Final = "passerelle-row"
"""Genre of the evidence that carries our columns."""
CODE: Final = "ext:passerelle"
"""Type of an identifier that is one of this network's."""
NUMBER, NAME, BIRTH, EMAIL = "ext:studentNumber", "ext:name", "ext:dateOfBirth", "emailAddress"
KINDS: Final = {
    "MicroCredential": "micro-credential",
    "Course": "course",
    "Certificate": "certificate",
    "CertificateOfCompletion": "certificate",
    "Diploma": "diploma",
    "Degree": "degree",
    "AssociateDegree": "degree",
    "BachelorDegree": "degree",
    "MasterDegree": "degree",
    "DoctoralDegree": "degree",
    "ResearchDoctorate": "degree",
    "ProfessionalDoctorate": "degree",
    "LearningProgram": "programme",
    "JourneymanCertificate": "trade-certificate",
    "Assessment": "assessment-only",
}
"""achievementType to kind. Badge, Award, Competency and the like have none."""
_COLUMNS: Final = {
    NUMBER: "learner_student_number",
    NAME: "learner_name",
    BIRTH: "learner_birth_date",
    EMAIL: "learner_email",
}
_NUMBERS: Final = ("sisSourcedId", "sourcedId", "systemId", "identifier")


def items(value: Any) -> list[Any]:
    """A value as a list; JSON-LD writes a list of one as the one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a value."""
    return [one for one in items(value) if isinstance(one, Mapping)]


def first(value: Any) -> Mapping[str, Any]:
    """The first object of a value, empty where there is none."""
    return next(iter(objects(value)), {})


def is_type(document: Mapping[str, Any], *names: str) -> bool:
    """Whether a document states one of these types."""
    return any(one in names for one in items(document.get("type")))


def shown(value: Any) -> str:
    """A text, also where it is given by language."""
    if isinstance(value, Mapping):
        value = value.get("@value", next((one for one in value.values() if isinstance(one, str)), ""))
    return " ".join(text_of(value).split())


@dataclass(slots=True)
class Assertions:
    """Reads the assertions of one document."""

    home: str
    settings: Settings
    survey: Survey
    defined: set[str] = field(default_factory=set)

    def read(
        self, credential: Mapping[str, Any], number: int, proof: Proof, person: Mapping[str, str]
    ) -> Iterator[Found]:
        """The rows of one credential; ``person``: what a surrounding document says of the learner."""
        subject = first(credential.get("credentialSubject"))
        achievement = first(subject.get("achievement"))
        kind = "results" if shown(achievement.get("achievementType")) == "Course" else "credentials"
        try:
            whose = self.issuer(credential, achievement)
            if whose.own and (proof.state != "valid" or proof.key not in self.settings.own_keys):
                what = "the document says that it is this member's own, and no key of the member's signs it"
                raise Unclear("signature-invalid", what)
            cells = given({**person, **self.learner(subject), **self.settings.learner})
            if whose.own and (carrier := self._carrier(credential)) is not None:
                yield Found(carrier[0], number, {**carrier[1], **cells})
                return
            yield from self._rows(credential, number, whose, kind, cells)
        except Unclear as unclear:
            yield Found(kind, number, {}, unclear.code, unclear.what)

    def issuer(self, credential: Mapping[str, Any], achievement: Mapping[str, Any]) -> Body:
        """Who awarded it: the issuer of the credential."""
        stated = credential.get("issuer")
        if isinstance(stated, str):
            creator = first(achievement.get("creator"))
            names = [shown(creator.get("name"))] if text_of(creator.get("id")) == stated else []
            return body([stated], names or [stated.removeprefix("https://")], self.home, self.settings)
        profile = first(stated)
        codes = [shown(one.get("identifier")) for one in objects(profile.get("otherIdentifier"))]
        return body([shown(profile.get("id")), *codes], [shown(profile.get("name"))], self.home, self.settings)

    def learner(self, subject: Mapping[str, Any]) -> dict[str, str]:
        """The learner's cells, of identifiers in the open; hashed ones tell nothing."""
        found: dict[str, str] = {}
        for one in objects(subject.get("identifier")):
            kind, value = shown(one.get("identityType")), shown(one.get("identityHash"))
            if one.get("hashed") is not False:
                self.survey.told["hashed identifiers of the learner were left out"] += 1
            elif kind in _COLUMNS:
                found[_COLUMNS[kind]] = value
            elif kind in _NUMBERS:
                found.setdefault("learner_student_number", value)
        return given(found)

    def _carrier(self, credential: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        carriers = (one for one in objects(credential.get("evidence")) if one.get("genre") == GENRE)
        found = next(carriers, None)
        return None if found is None else unpacked(text_of(found.get("narrative")))

    def _rows(
        self, credential: Mapping[str, Any], number: int, whose: Body, kind: str, person: Mapping[str, str]
    ) -> Iterator[Found]:
        subject = first(credential.get("credentialSubject"))
        achievement = first(subject.get("achievement"))
        if not achievement:
            raise Unclear("value-missing", "the credential holds no achievement; addresses are not fetched")
        name = reference(whose, self._local(achievement))
        definition = self._definition(achievement, whose, name)
        if definition is not None:
            yield Found("achievements", number, definition)
        stated = (credential.get(key) for key in ("awardedDate", "validFrom", "issuanceDate"))
        date = day(next((shown(one) for one in stated if one), ""))
        if "creditsEarned" in subject:
            self.survey.told["credits earned were left out: the format does not say of which system"] += 1
        amount = credit(shown(achievement.get("ECTS")), "ects")
        key = handle(PREFIX, name, shown(credential.get("id")) or json.dumps([date, *person.values()]))
        grade, code = self._grade(subject, achievement)
        if kind == "results":
            cells = {
                "record_id": key, "course": name, "status": "final", "term": shown(subject.get("term")),
                "started_on": day(shown(subject.get("activityStartDate"))),
                "completed_on": day(shown(subject.get("activityEndDate")) or date),
                "grade": grade, "grade_scheme": scheme(PREFIX, whose, code) if grade else "", "credits_earned": amount,
            }  # fmt: skip
        else:
            cells = {
                "record_id": key, "achievement": name, "conferred_on": date, "credits": amount,
                "expires_on": day(shown(credential.get("validUntil") or credential.get("expirationDate"))),
                "result_grade": grade, "result_scheme": scheme(PREFIX, whose, code) if grade else "",
                **evidence(whose, self.home),
            }  # fmt: skip
        yield Found(kind, number, given({**cells, **person}))

    def _local(self, achievement: Mapping[str, Any]) -> str:
        if code := shown(achievement.get("humanCode")):
            return course_id(code)
        title, stated = shown(achievement.get("name")), shown(achievement.get("id"))
        tail = stated.rstrip("/").replace(":", "/").rpartition("/")[2]
        if not title and not tail:
            raise Unclear("value-missing", "an achievement has neither id nor name")
        return slug(tail or title, "achievement")

    def _grade(self, subject: Mapping[str, Any], achievement: Mapping[str, Any]) -> tuple[str, str]:
        """The first result's value and the type of its description, which stands for the scheme."""
        result = first(subject.get("result"))
        described = shown(result.get("resultDescription"))
        kinds = {
            shown(one.get("id")): shown(one.get("resultType")) for one in objects(achievement.get("resultDescription"))
        }
        return shown(result.get("value")), kinds.get(described, "").removeprefix("ext:")

    def _definition(self, achievement: Mapping[str, Any], whose: Body, name: str) -> dict[str, str] | None:
        """Another body's achievement, where kind, title and language are stated."""
        kind, title = KINDS.get(shown(achievement.get("achievementType")), ""), shown(achievement.get("name"))
        language = shown(achievement.get("inLanguage") or achievement.get("@language"))
        if whose.own or "/" in name or name in self.defined or not (kind and title and language):
            return None
        self.defined.add(name)
        amount = credit(shown(achievement.get("ECTS")), "ects")
        return given(
            {
                "id": name, "kind": kind, "title": title, "language": language,
                "code": shown(achievement.get("humanCode")),
                "credit_bearing": "yes" if amount or "creditsAvailable" in achievement else "no",
                "awarding_bodies": whose.cell, "credits": amount, "description": shown(achievement.get("description")),
            }
        )  # fmt: skip
