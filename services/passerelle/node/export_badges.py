"""Open Badges 3.0 and a Comprehensive Learner Record 2.0 of one learner, signed with the member's key.

Sources: Open Badges Specification 3.0 and CLR Standard 2.0 (1EdTech) on Verifiable Credentials 2.0 (W3C), proofs
eddsa-jcs-2022. The issuer is the member's did:key; its id on the network stands beside. Our own columns stand as a
piece of evidence.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

import orjson

from passerelle.core.signature import Signer
from passerelle.node.export import Line, Student
from passerelle.node.export_documents import Issuer, amount, kind_of, local_of, title_of
from passerelle.node.formats.carrier import carried
from passerelle.node.formats.credentials_json import BIRTH, CODE, EMAIL, GENRE, NAME, NUMBER
from passerelle.node.formats.proofs import did_key, sign

CONTEXTS: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
)
CLR_CONTEXTS: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
)
_TYPES: Final[Mapping[str, str]] = {
    "micro-credential": "MicroCredential",
    "course": "Course",
    "certificate": "Certificate",
    "diploma": "Diploma",
    "degree": "Degree",
    "programme": "LearningProgram",
    "trade-certificate": "JourneymanCertificate",
    "assessment-only": "Assessment",
}
_SPACE: Final = uuid.UUID("b1b3b7a4-5c0e-5f0a-9a51-7d2f0c4a6e11")
"""Name space of the ids that a line's content gives: the same line has the same id in every export."""


def badge(student: Student, line: Line, issuer: Issuer, signer: Signer) -> dict[str, Any]:
    """One line as an OpenBadgeCredential with its proof. Raises Unclear ``value-too-long``."""
    title = title_of(line)
    found = {
        "@context": list(CONTEXTS),
        "id": _urn(issuer.member, line.kind, line.cells["record_id"]),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": title,
        "issuer": _profile(issuer, signer),
        "validFrom": f"{_date(line, issuer)}T00:00:00Z",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": _identifiers(student),
            "achievement": _achievement(line, issuer, title),
            **_earned(line),
        },
        "evidence": [
            {
                "id": _urn(issuer.member, line.kind, line.cells["record_id"], "row"),
                "type": ["Evidence"],
                "genre": GENRE,
                "narrative": carried(line.kind, line.cells),
            }
        ],
    }
    if expires := line.cells.get("expires_on"):
        found["validUntil"] = f"{expires}T23:59:59Z"
    return sign(found, signer, issuer.instant)


def record(student: Student, issuer: Issuer, signer: Signer) -> bytes:
    """The learner's lines as a ClrCredential, each badge in it with a proof of its own. Raises Unclear."""
    found = {
        "@context": list(CLR_CONTEXTS),
        "id": f"urn:uuid:{issuer.document}",
        "type": ["VerifiableCredential", "ClrCredential"],
        "name": f"Learner record, {issuer.name}",
        "issuer": _profile(issuer, signer),
        "validFrom": issuer.instant,
        "partial": True,
        "credentialSubject": {
            "type": ["ClrSubject"],
            "identifier": _identifiers(student),
            "verifiableCredential": [badge(student, line, issuer, signer) for line in student.lines],
        },
    }
    return orjson.dumps(sign(found, signer, issuer.instant), option=orjson.OPT_INDENT_2)


def _urn(*parts: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_SPACE, chr(31).join(parts))}"


def _date(line: Line, issuer: Issuer) -> str:
    stated = line.cells.get("conferred_on") or line.cells.get("completed_on")
    return stated or issuer.instant.partition("T")[0]


def _profile(issuer: Issuer, signer: Signer) -> dict[str, Any]:
    entry = {"type": "IdentifierEntry", "identifier": issuer.member, "identifierType": CODE}
    return {"id": did_key(signer.public_key), "type": ["Profile"], "name": issuer.name, "otherIdentifier": [entry]}


def _identifiers(student: Student) -> list[dict[str, Any]]:
    who = student.person
    stated = ((NUMBER, who.student_number), (NAME, who.name), (BIRTH, who.birth_date), (EMAIL, who.email))
    return [
        {"type": "IdentityObject", "hashed": False, "identityHash": value, "identityType": kind}
        for kind, value in stated
        if value
    ]


def _achievement(line: Line, issuer: Issuer, title: str) -> dict[str, Any]:
    reference = line.cells["course" if line.kind == "results" else "achievement"]
    full = reference if "/" in reference else f"{issuer.member}/{reference}"
    about = line.about
    kind = "Course" if line.kind == "results" else _TYPES.get(kind_of(about), "Achievement")
    outcomes = "; ".join(str(one) for one in about.get("outcomes", ()))
    found: dict[str, Any] = {
        "id": f"urn:passerelle:achievement:{full}",
        "type": ["Achievement"],
        "achievementType": kind,
        "name": title,
        "description": str(about.get("description") or title),
        "criteria": {"narrative": outcomes or title},
        "otherIdentifier": [{"type": "IdentifierEntry", "identifier": full, "identifierType": CODE}],
    }
    if code := str(about.get("code") or ""):
        found["humanCode"] = code
    if language := str(about.get("language") or ""):
        found["inLanguage"] = language
    found["humanCode"] = found.get("humanCode") or local_of(line)
    return found


def _earned(line: Line) -> dict[str, Any]:
    """Result and term, as far as the format has a place for them."""
    found: dict[str, Any] = {}
    if grade := line.cells.get("grade" if line.kind == "results" else "result_grade"):
        found["result"] = [{"type": ["Result"], "value": grade}]
    if term := line.cells.get("term"):
        found["term"] = term
    value, system = amount(line.cells.get("credits_earned" if line.kind == "results" else "credits", ""))
    if value and system == "credit-hours":
        found["creditsEarned"] = float(value)
    return found
