"""Open Badges 3.0, CLR 2.0 and Open Badges 2.0 files: recognised, their proofs told, their assertions as rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.formats.credentials_json import Assertions, first, is_type, items, objects, shown
from passerelle.node.formats.exchange import NONE, Found, Settings, Survey, sections, survey
from passerelle.node.formats.json_reading import parse_json, read_bytes
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.proofs import Proof, check_proof, read_token

MAX_ASSERTIONS: Final = 2000
MAX_TOLD: Final = 20
"""Proofs that are told one by one; the others are counted."""
_TOKEN: Final = re.compile(rb"\s*ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*")
_BADGE_CONTEXT: Final = "https://purl.imsglobal.org/spec/ob/v3p0/"
_CLR_CONTEXT: Final = "https://purl.imsglobal.org/spec/clr/v2p0/"
_OLD_CONTEXT: Final = "https://w3id.org/openbadges/v2"


def contexts(document: Mapping[str, Any]) -> list[str]:
    """The addresses of a document's contexts."""
    return [one for one in items(document.get("@context")) if isinstance(one, str)]


def load(path: Path) -> tuple[dict[str, Any], Proof]:
    """A credential and what its proof is worth, of JSON or of a compact token. Raises FormatError."""
    content = read_bytes(path)
    if not _TOKEN.match(content):
        document = parse_json(content, path.name)
        return document, check_proof(document)
    token = content.strip()
    if not token.isascii():
        raise FormatError("encoding-invalid", "a token is ASCII", where=path.name)
    payload, proof = read_token(token.decode("ascii"), path.name)
    inner = payload.get("vc")
    return (dict(inner) if isinstance(inner, dict) else payload), proof


@dataclass(frozen=True, slots=True)
class _Assertion:
    credential: Mapping[str, Any]
    proof: Proof


def _assertions(document: Mapping[str, Any], proof: Proof, where: str) -> list[_Assertion]:
    """The credentials of a document: itself, or those that a CLR holds, each with its own proof.

    One without a proof of its own stands under the proof of the document around it.
    """
    if not is_type(document, "ClrCredential"):
        return [_Assertion(document, proof)]
    held = items(first(document.get("credentialSubject")).get("verifiableCredential"))
    if len(held) > MAX_ASSERTIONS:
        raise FormatError("too-many-items", f"the record holds more than {MAX_ASSERTIONS} credentials", where=where)
    found = []
    for one in held:
        if isinstance(one, str):
            payload, own = read_token(one, where)
            inner = payload.get("vc")
            found.append(_Assertion(inner if isinstance(inner, dict) else payload, own))
        elif isinstance(one, dict):
            own = check_proof(one)
            found.append(_Assertion(one, proof if own.state == "absent" else own))
    return found


def _issuer_id(document: Mapping[str, Any]) -> str:
    stated = document.get("issuer")
    return stated if isinstance(stated, str) else shown(first(stated).get("id"))


def _proof_remarks(document: Mapping[str, Any], proof: Proof, held: list[_Assertion]) -> list[str]:
    found = [proof.remark(_issuer_id(document))]
    inner = [one for one in held if one.proof is not proof]
    for place, one in enumerate(inner[:MAX_TOLD], start=1):
        found.append(f"credential {place}: {one.proof.remark(_issuer_id(one.credential))}")
    if len(inner) > MAX_TOLD:
        valid = sum(one.proof.state == "valid" for one in inner[MAX_TOLD:])
        found.append(f"{len(inner) - MAX_TOLD} more credentials, of which {valid} have a proof that verifies")
    return found


@dataclass(frozen=True)
class Badges:
    """See :class:`passerelle.node.formats.ports.Format`: Open Badges 3.0 and CLR 2.0, as JSON or as a token."""

    settings: Settings = NONE
    name: str = "open-badges"

    def recognises(self, path: Path, head: bytes) -> bool:
        """By the addresses of the contexts, or the form of a token."""
        known = (_BADGE_CONTEXT.encode(), _CLR_CONTEXT.encode())
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        return (text.startswith(b"{") and any(one in head for one in known)) or _TOKEN.match(head) is not None

    def open(self, path: Path, *, home: str) -> Reading:
        """The document's sections; what each proof is worth is among the remarks. Raises FormatError."""
        document, proof = load(path)
        self._check(document, path)
        held = _assertions(document, proof, path.name)

        def records(told: Survey) -> Iterator[Found]:
            reader = Assertions(home, self.settings, told)
            person = reader.learner(first(document.get("credentialSubject")))
            for place, one in enumerate(held, start=1):
                yield from reader.read(one.credential, place, one.proof, person)

        seen = survey(records, path.name)
        what = "Comprehensive Learner Record 2.0" if is_type(document, "ClrCredential") else "Open Badges 3.0"
        remarks = (what, *_proof_remarks(document, proof, held), *seen.remarks())
        return Reading(self.name, sections(records, seen, "record"), remarks)

    @staticmethod
    def _check(document: Mapping[str, Any], path: Path) -> None:
        known = any(one.startswith((_BADGE_CONTEXT, _CLR_CONTEXT)) for one in contexts(document))
        if not known or not is_type(document, "OpenBadgeCredential", "AchievementCredential", "ClrCredential"):
            what = "the credential is neither an Open Badge 3.0 nor a CLR 2.0"
            raise FormatError("format-unknown", what, where=path.name)
        if not objects(document.get("credentialSubject")):
            raise FormatError("field-missing", "the credential has no subject", where=path.name)


@dataclass(frozen=True)
class OldBadges:
    """See :class:`passerelle.node.formats.ports.Format`: Open Badges 2.0 with the badge class in the document.

    Neither form of its verification can be made without the network: it is told, and never counts as valid.
    """

    settings: Settings = NONE
    name: str = "open-badges-2"

    def recognises(self, path: Path, head: bytes) -> bool:
        """By the address of the context."""
        return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") and _OLD_CONTEXT.encode() in head

    def open(self, path: Path, *, home: str) -> Reading:
        """The one assertion as a section. Raises FormatError."""
        document = parse_json(read_bytes(path), path.name)
        if _OLD_CONTEXT not in contexts(document) or not is_type(document, "Assertion"):
            raise FormatError("format-unknown", "the file is no Open Badges 2.0 assertion", where=path.name)
        credential = self._modern(document, path)

        def records(told: Survey) -> Iterator[Found]:
            return Assertions(home, self.settings, told).read(credential, 1, Proof("unchecked"), {})

        seen = survey(records, path.name)
        kind = shown(first(document.get("verification")).get("type")) or "unstated"
        how = {"HostedBadge": "hosted at its issuer", "hosted": "hosted at its issuer", "SignedBadge": "signed"}
        remark = f"assertion {how.get(kind, 'of another kind')}: not checked, since that needs the network"
        return Reading(self.name, sections(records, seen, "record"), ("Open Badges 2.0", remark, *seen.remarks()))

    @staticmethod
    def _modern(document: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """The assertion under the names of version 3."""
        badge = first(document.get("badge"))
        if not badge:
            what = "the badge class is an address, which is not fetched"
            raise FormatError("field-missing", what, where=path.name, fix="Put the badge class into the assertion.")
        return {
            "id": document.get("id"),
            "issuer": badge.get("issuer"),
            "validFrom": document.get("issuedOn"),
            "validUntil": document.get("expires"),
            "credentialSubject": {"achievement": badge, "identifier": document.get("recipient")},
        }
