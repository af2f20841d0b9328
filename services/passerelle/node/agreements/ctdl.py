"""Agreements as TransferValueProfile of the Credential Transparency Description Language (CTDL), JSON-LD.

Read is what the vocabulary says of one profile: ``ceterms:transferValueFrom`` (all of them are sent),
``ceterms:transferValueFor`` (what they count for, each with its ``ceterms:creditValue``; with one only, the profile's
``ceterms:transferValue`` will do), ``ceterms:startDate``, ``ceterms:endDate``. A course is known by
``ceterms:codedNotation`` and ``ceterms:ownedBy`` (a code of the table of institutions), or by the ``@id``
``urn:passerelle:achievement:<member>/<local>``. Contexts are never fetched: the prefix ``ceterms:`` must be used as
published. Source: CTDL terms at credreg.net.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.agreements.book import Book, Institution, course_id
from passerelle.node.agreements.objects import Place, Rows, cells_of, error_row, institution_of, read_object
from passerelle.node.agreements.receiving import MAX_JOINED
from passerelle.node.agreements.table import Read, Translated
from passerelle.node.agreements.writing import CannotSay, Stated, assigned_parts, plain_leaf
from passerelle.node.csv_cells import CellError

TYPE: Final = "ceterms:TransferValueProfile"
URN: Final = "urn:passerelle:achievement:"
_CODED: Final = re.compile(r"([A-Za-z]{1,8})[ -]?([0-9][0-9A-Za-z]{0,7})")
_FIX: Final = "State ceterms:codedNotation (RLST 201) and ceterms:ownedBy (the institution's code)."


def ctdl_file(path: Path, book: Book) -> Read:
    """The profiles of a file: one object, or those of its ``@graph``; each call reads it anew. Rows count from 2.

    Reading raises the errors of :func:`read_object`, and FormatError ``import-nothing`` without a profile.
    """

    def read() -> Rows:
        whole = Place(read_object(path), "file")
        places = whole.items("@graph") if whole.has("@graph") else [whole]
        profiles = [place for place in places if isinstance(place.value, dict) and TYPE in _types(place.value)]
        if not profiles:
            raise FormatError("import-nothing", f"the file holds no {TYPE}", where=str(path))
        for number, place in enumerate(profiles, start=2):
            try:
                yield cells_of(number, **_rule(book, place))
            except CellError as error:
                yield error_row(number, error)

    return read


def _types(value: Mapping[str, Any]) -> list[Any]:
    found = value.get("@type", [])
    return found if isinstance(found, list) else [found]


def _rule(book: Book, place: Place) -> dict[str, Any]:
    sent = [_course(book, one)[1] for one in place.items("ceterms:transferValueFrom")]
    if not sent:
        raise place.wrong("nothing is sent", "State ceterms:transferValueFrom.", "value-missing")
    leaves = [{"achievement": name} for name in sent]
    receiving = place.items("ceterms:transferValueFor")
    if not 1 <= len(receiving) <= MAX_JOINED:
        raise place.wrong(f"one to {MAX_JOINED} receiving courses are needed", "State ceterms:transferValueFor.")
    parts, receiver = [], None
    for one in receiving:
        institution, name = _course(book, one)
        if receiver is not None and receiver.member != institution.member:
            raise one.wrong("a profile has one receiving institution here", "Write a profile for each.")
        receiver = institution
        holder = one if one.has("ceterms:creditValue") or len(receiving) > 1 else place
        parts.append({"type": "assigned", "achievement": name, "credits": _credits(holder, institution)})
    assert receiver is not None
    return {
        "identifier": _identifier(place),
        "institution": receiver,
        "sending": leaves[0] if len(leaves) == 1 else {"all_of": leaves},
        "outcome": parts[0] if len(parts) == 1 else {"type": "sum", "of": parts},
        "begin": place.text("ceterms:startDate"),
        "end": place.text("ceterms:endDate", ""),
        "note": _words(place, "ceterms:description"),
        "source": place.text("ceterms:subjectWebpage", "")[:300],
    }


def _identifier(place: Place) -> str:
    name = place.text("ceterms:ctid", "") or place.text("@id").rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise place.wrong("neither ceterms:ctid nor the end of @id is an id", "State ceterms:ctid.")
    return name


def _words(place: Place, name: str) -> str:
    """A text, or one in several languages: English where there is one."""
    if not place.has(name):
        return ""
    value = place.value[name]
    if isinstance(value, dict) and value:
        tag = next((tag for tag in value if tag.startswith("en")), next(iter(value)))
        return Place(value, f"{place.path}.{name}").text(tag)
    return place.text(name)


def _course(book: Book, place: Place) -> tuple[Institution, str]:
    """Institution and achievement id of a course."""
    if not isinstance(place.value, dict):
        raise place.wrong("a course is an object here", _FIX)
    named = place.text("@id", "")
    if named.startswith(URN):
        name = named.removeprefix(URN)
        return book.of_member(name.partition("/")[0]), name
    coded = _CODED.fullmatch(place.text("ceterms:codedNotation", ""))
    if coded is None:
        raise place.wrong("the course has no code that can be read", _FIX)
    owners = place.items("ceterms:ownedBy")
    if len(owners) != 1:
        raise place.wrong("the course has not one owner", _FIX)
    owner = Place({"code": owners[0].value}, owners[0].path)
    institution = institution_of(book, owner, "code")
    return institution, course_id(institution, coded[1], coded[2])


def _credits(place: Place, institution: Institution) -> dict[str, str]:
    """The one amount of a course, or of the profile."""
    name = "ceterms:creditValue" if place.has("ceterms:creditValue") else "ceterms:transferValue"
    amounts = place.items(name)
    if len(amounts) != 1:
        raise place.wrong("the credit is not one amount", f"State one {name} with schema:value.")
    return {"value": amounts[0].text("schema:value"), "system": institution.credit_system}


# Writing

CONTEXT: Final = "https://credreg.net/ctdl/schema/context/json"
_RULE: Final = "urn:passerelle:recognition:"
_LINK: Final = re.compile(r"https?://[!-~]+")


class CtdlWriter:
    """See :class:`passerelle.node.agreements.writing.JsonWriter`. An evaluation without credit has no profile."""

    head = f'{{"@context":"{CONTEXT}","@graph":['
    tail = "]}"

    def entry(self, stated: Stated, book: Book) -> dict[str, Any]:
        """One profile; courses are known by their ids, and named by their codes where they have them."""
        data = stated.data
        if "outcome" not in data:
            raise CannotSay("reason")
        institution = book.of_member(str(data["receiver"]))
        if data["outcome"]["type"] == "choice":
            raise CannotSay("outcome")
        sent = [_named(plain_leaf(leaf), book) for leaf in data["sending"].get("all_of") or [data["sending"]]]
        received = [
            {**_named(str(part["achievement"]), book), "ceterms:creditValue": [_amount(part["credits"]["value"])]}
            for part in assigned_parts(stated, institution.credit_system)
        ]
        found: dict[str, Any] = {
            "@type": TYPE,
            "@id": f"{_RULE}{data['receiver']}/{stated.id}",
            "ceterms:ownedBy": [institution.code],
            "ceterms:transferValueFrom": sent,
            "ceterms:transferValueFor": received,
            "ceterms:startDate": str(data["valid_from"]),
        }
        if data.get("valid_to"):
            found["ceterms:endDate"] = str(data["valid_to"])
        if data.get("note"):
            # The language of a note is not stated: "und" is the tag for that (RFC 5646, section 4.1).
            found["ceterms:description"] = {"und": str(data["note"])}
        if _LINK.fullmatch(str(data.get("source") or "")):
            found["ceterms:subjectWebpage"] = str(data["source"])
        return found

    def again(self, entry: Mapping[str, Any], book: Book) -> Iterator[Translated]:
        """The rule of a profile."""
        yield cells_of(2, **_rule(book, Place(entry, "file")))


def _amount(value: str) -> dict[str, str]:
    return {"@type": "ceterms:ValueProfile", "schema:value": value}


def _named(achievement: str, book: Book) -> dict[str, Any]:
    found: dict[str, Any] = {"@type": "ceterms:Course", "@id": f"{URN}{achievement}"}
    coded = book.course(achievement)
    if coded is not None:
        found |= {"ceterms:codedNotation": f"{coded[1]} {coded[2]}", "ceterms:ownedBy": [coded[0]]}
    return found
