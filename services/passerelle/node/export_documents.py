"""What the documents of one learner share: who issues them, names in parts, what an XML element can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from lxml import etree

from passerelle.node.export import Line
from passerelle.node.formats.exchange import Unclear

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Issuer:
    """The node's member as its documents name it: id, name, and when the document is made (RFC 3339, UTC).

    ``document`` is the document's id, a UUID; ``to`` names the receiver, ``request`` the request that is answered.
    """

    member: str
    name: str
    instant: str
    document: str
    to: str = ""
    request: str = ""


def add(parent: Any, name: str, text: str = "", **attributes: str) -> Any:
    """A child element with its text. Raises Unclear ``control-character`` for what XML cannot hold."""
    if _NOT_XML.search(text):
        raise Unclear("control-character", "a text holds a character that XML cannot hold")
    child = etree.SubElement(parent, name, attributes)
    if text:
        child.text = text
    return child


def maybe(parent: Any, name: str, text: str, maximum: int = 10_000) -> None:
    """A child element where there is a text for it that fits."""
    if text and len(text) <= maximum:
        add(parent, name, text)


def written(root: Any) -> bytes:
    """The document as bytes."""
    found: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=False)
    return found


def amount(cell: str) -> tuple[str, str]:
    """Number and system of a credit cell, the number as a decimal; empty where there is none or it has no decimal."""
    value, _, system = cell.partition(" ")
    if not value:
        return "", ""
    exact = Fraction(value) * 10_000
    if exact.denominator != 1:
        return "", ""
    whole, rest = divmod(exact.numerator, 10_000)
    return (f"{whole}.{rest:04d}".rstrip("0").rstrip("."), system)


def two_names(name: str) -> tuple[str, str]:
    """Given names and family name: the last word is the family name, as an office's single name does not tell."""
    given, _, family = name.rpartition(" ")
    return given, family


def title_of(line: Line) -> str:
    """What the line is about, for people: the achievement's title, or its id where the title is not known."""
    reference = line.cells.get("course" if line.kind == "results" else "achievement", "")
    return str(line.about.get("title") or reference)


def local_of(line: Line) -> str:
    """The achievement's local id."""
    return line.cells.get("course" if line.kind == "results" else "achievement", "").rpartition("/")[2]


def kind_of(about: Mapping[str, Any]) -> str:
    """The kind of the achievement, empty where it is not known."""
    return str(about.get("kind", ""))
