"""The release file that a learner carries: written by the sender's node, believed by the receiver's only when proved.

Source: contracts/formats.md, "Release file": ``{grant, credentials: [receipt files], results, person}``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.checkpoint import NO_WITNESSES, WitnessPolicy
from passerelle.core.entry import parse_entry
from passerelle.core.errors import FormatError, PasserelleError, Refused, SignatureInvalid
from passerelle.core.note import VerifierKey
from passerelle.core.receipt import Receipt, receipt_of, verify_receipt
from passerelle.events.codec import check_data, read_type
from passerelle.events.values import MAX_ITEMS
from passerelle.node.csv_cells import BIRTH_DATE, PERSON_NAME, CellError
from passerelle.node.files import read_bounded
from passerelle.node.messages import PartyBody
from passerelle.node.people import Person
from passerelle.node.sealed import Content, OwnSeal, SealKey, open_sealed, seal

MAX_FILE: Final = 32 * 1024 * 1024
MAX_RESULTS: Final = 1000
MAX_RECEIPTS: Final = 16 * MAX_ITEMS
_PARTS: Final = frozenset({"grant", "credentials", "results", "person"})
MATCH: Final = "match"
"""Role of the sealed part: by what the receiver tells who the learner is."""
MATCH_TYPE: Final = "application/json"
KeysOf = Callable[[str], Mapping[str, bytes]]
"""Every signing key that a member ever had, by id."""


@dataclass(frozen=True, slots=True)
class ProvedRelease:
    """A release whose grant and credentials the log holds. ``bodies``: the grant's first, then the credentials'."""

    release: str
    sender: str
    credentials: tuple[str, ...]
    purpose: str
    ends_on: str
    bodies: tuple[PartyBody, ...]
    person: Person
    results: tuple[Mapping[str, Any], ...]


def build_file(
    grant: Receipt,
    credentials: Sequence[Receipt],
    results: Sequence[Mapping[str, Any]],
    person: Person,
    *,
    release: str = "",
    key: SealKey | None = None,
) -> bytes:
    """The file's bytes: one JSON object. Of the person it holds name and birth date only.

    With ``key`` person and results can be read by the receiver's node alone. Raises FormatError ``file-too-large``.
    """
    known: dict[str, Any] = {
        "results": [dict(result) for result in results],
        "person": {"name": person.name, "birth_date": person.birth_date},
    }
    if key is not None:
        sealed = seal(Content(release, MATCH, MATCH_TYPE, orjson.dumps(known)), key)
        known = {"results": [], "person": {"sealed": base64.b64encode(sealed).decode()}}
    value = {"grant": grant.as_dict(), "credentials": [receipt.as_dict() for receipt in credentials], **known}
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def read_file(path: Path) -> Any:
    """The JSON value of a release file. Raises FormatError ``file-unreadable`` or ``release-file-malformed``."""
    content = read_bounded(path, MAX_FILE)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _malformed("the file is not JSON", str(path)) from None


def _malformed(what: str, where: str = "release file") -> FormatError:
    return FormatError("release-file-malformed", what, where=where)


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a receiver trusts: the network, the members' keys of the registry, the log's keys; ``today`` in UTC; whose
    cosignatures are enough.
    """

    network: str
    home: str
    keys_of: KeysOf
    log_keys: Sequence[VerifierKey]
    today: str
    witnesses: WitnessPolicy = NO_WITNESSES
    seal: OwnSeal | None = None
    """The key that opens what was sealed to this member."""

    def prove(self, value: Any) -> ProvedRelease:
        """Check a whole release file. Raises FormatError, SignatureInvalid, ProofError or Refused."""
        if not isinstance(value, dict) or value.keys() != _PARTS or not isinstance(value["credentials"], list):
            raise _malformed("the file is not an object of grant, credentials, results and person")
        if not 1 <= len(value["credentials"]) <= MAX_RECEIPTS:
            raise _malformed("the file holds no credential, or too many receipts")
        grant, data = self._body(value["grant"], "grant")
        if grant.type != BY_NAME["credential.release-granted"].full:
            raise _malformed("the grant is not a release", "grant")
        if data["receiver"] != self.home:
            raise Refused("release-invalid", "the release names another receiver", where="grant")
        if data["ends_on"] < self.today:
            raise Refused("release-expired", f"the release ended on {data['ends_on']}", where="grant")
        credentials = tuple(data["credentials"])
        bodies = self._credentials(value["credentials"], credentials)
        known = self._known(value, grant.subject)
        person, results = _person(known["person"]), _results(known["results"])
        return ProvedRelease(
            grant.subject,
            grant.member,
            credentials,
            data["purpose"],
            data["ends_on"],
            (grant, *bodies),
            person,
            results,
        )

    def _known(self, value: Mapping[str, Any], release: str) -> Mapping[str, Any]:
        """Person and results as they stand in the file, or opened where they were sealed to this member."""
        person = value["person"]
        if not isinstance(person, dict) or person.keys() != {"sealed"}:
            return value
        if self.seal is None:
            fix = "Set seal_key_file to the key that the registry lists for this member."
            raise FormatError("sealed-malformed", "this node has no key to open it with", where="person", fix=fix)
        try:
            opened = open_sealed(base64.b64decode(str(person["sealed"]), validate=True), self.seal, release)
            known = orjson.loads(opened.content)
        except (binascii.Error, orjson.JSONDecodeError):
            raise _malformed("what is sealed in it cannot be read", "person") from None
        if opened.role != MATCH or not isinstance(known, dict) or known.keys() != {"person", "results"}:
            raise _malformed("what is sealed in it is not person and results", "person")
        return known

    def _credentials(self, receipts: Sequence[Any], granted: Sequence[str]) -> list[PartyBody]:
        bodies = []
        for number, item in enumerate(receipts):
            where = f"credentials[{number}]"
            body, _ = self._body(item, where)
            if body.subject not in granted:
                raise Refused("release-invalid", "a credential of the file is not in the release", where=where)
            if body.type in {BY_NAME["credential.revoked"].full, BY_NAME["credential.erased"].full}:
                raise Refused("component-not-active", "a credential of the file was revoked", where=where)
            bodies.append(body)
        issued = {body.subject for body in bodies if body.type == BY_NAME["credential.issued"].full}
        if issued != set(granted):
            raise _malformed("the file lacks a credential that the release names", "credentials")
        return bodies

    def _body(self, value: Any, where: str) -> tuple[PartyBody, Mapping[str, Any]]:
        """The proved body of one receipt, and its data."""
        try:
            receipt = receipt_of(value)
            entry = parse_entry(receipt.entry)
            member = entry.parsed().member
            key = self.keys_of(member).get(entry.key_id)
            if key is None:
                raise SignatureInvalid("key-unknown", "the registry shows no such key of the member", where=where)
            verified = verify_receipt(receipt, key, self.log_keys, self.network, witnesses=self.witnesses)
            if verified.body is None:
                raise FormatError("body-absent", "the receipt holds no body", where=where)
            found, body = read_type(verified.body)
            data = check_data(found, body["data"])
        except PasserelleError as error:
            place = where if error.where in {"", where} else f"{where}: {error.where}"
            raise type(error)(error.code, error.what, where=place, fix=error.fix) from None
        return PartyBody(verified.index, found.full, member, str(body["subject"]), verified.body), data


def _person(value: Any) -> Person:
    if not isinstance(value, dict) or value.keys() != {"name", "birth_date"}:
        raise _malformed("the person is not an object of name and birth_date", "person")
    try:
        return Person(PERSON_NAME.parse(str(value["name"]), ""), BIRTH_DATE.parse(str(value["birth_date"]), ""))
    except CellError as error:
        raise FormatError("release-file-malformed", error.what, where="person") from None


def _results(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or len(value) > MAX_RESULTS or not all(isinstance(item, dict) for item in value):
        raise _malformed("the results are not a list of objects", "results")
    return tuple(value)
