"""PESC College Transcript in JSON: the XML's element names as members, as the sector library maps them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.formats.exchange import NONE, Found, Settings, Survey, sections, survey
from passerelle.node.formats.json_reading import nodes_of, parse_json, read_bytes
from passerelle.node.formats.pesc import MARKS, RECORDS, Transcript
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.xml_reading import Node

_START: Final = re.compile(rb'\s*\{\s*"(?:[A-Za-z]{1,20}[.:])?CollegeTranscript"\s*:')
_NAME: Final = re.compile(r"(?:[A-Za-z]{1,20}[.:])?CollegeTranscript")


def _stream(node: Node, places: Iterator[int]) -> Iterator[Node]:
    """The records and marks below an element, as the XML reader gives them; ``line`` counts the records."""
    for child in node.children:
        if child.name in RECORDS:
            child.line = next(places)
            yield child
        else:
            if child.name in MARKS:
                yield Node(child.name, 0)
            yield from _stream(child, places)
            if child.name in MARKS:
                yield Node(f"/{child.name}", 0)


@dataclass(frozen=True)
class PescJson:
    """See :class:`passerelle.node.formats.ports.Format`."""

    settings: Settings = NONE
    name: str = "pesc-json"

    def recognises(self, path: Path, head: bytes) -> bool:
        """By the one member of the outermost object."""
        return _START.match(head.removeprefix(b"\xef\xbb\xbf")) is not None

    def open(self, path: Path, *, home: str) -> Reading:
        """The transcript's sections. Raises FormatError."""
        document = self._document(path)
        student = document.get("Student")
        if not isinstance(student, dict):
            raise FormatError("field-missing", "the transcript has no student", where=path.name)

        def records(told: Survey) -> Iterator[Found]:
            root = Node("CollegeTranscript", 0, children=list(nodes_of("Student", student)))
            return Transcript(home, self.settings, told).read(_stream(root, count(1)))

        seen = survey(records, path.name)
        remarks = ("PESC College Transcript in JSON; it states no version and is read as 1.6", *seen.remarks())
        return Reading(self.name, sections(records, seen, "record"), remarks)

    @staticmethod
    def _document(path: Path) -> dict[str, Any]:
        value = parse_json(read_bytes(path), path.name, repeats=True)
        name = next((name for name in value if _NAME.fullmatch(name)), None)
        found = value.get(name) if name is not None else None
        if not isinstance(found, dict):
            raise FormatError("format-unknown", "the JSON holds no PESC College Transcript", where=path.name)
        return found
