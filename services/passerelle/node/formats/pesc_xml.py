"""PESC College Transcript in XML: known by its namespace, which carries the version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.node.formats.exchange import NONE, Found, Settings, Survey, sections, survey
from passerelle.node.formats.pesc import MARKS, RECORDS, Transcript
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.schemas import Schema, schema_folder
from passerelle.node.formats.xml_reading import read_records, root_of

VERSIONS: Final = ("1.3", "1.4", "1.5", "1.6")
"""Versions whose elements are those read here: from 1.3 on only the versions of the sector and core libraries changed
(change log of CollegeTranscript 1.6.0)."""
MESSAGE: Final = re.compile(r"urn:org:pesc:message:([A-Za-z]{1,60}):v([0-9]{1,3}\.[0-9]{1,3})(?:\.[0-9]{1,3})?")


def message_of(namespace: str, path: Path) -> tuple[str, str]:
    """Name and version (major and minor) of a PESC message. Raises FormatError ``format-unknown``."""
    found = MESSAGE.fullmatch(namespace)
    if found is None:
        raise FormatError("format-unknown", "the root is in no namespace of a PESC message", where=path.name)
    return found[1], found[2]


def check_version(name: str, version: str, known: tuple[str, ...], path: Path) -> None:
    """Refuse a version that is not read, by its number. Raises FormatError ``format-unknown``."""
    if version not in known:
        what = f"PESC {name} {version} is not read here; those read are {', '.join(known)}"
        raise FormatError(
            "format-unknown", what, where=path.name, fix="Ask the sender for a version that is read."
        )  # fmt: skip


@dataclass(frozen=True)
class PescXml:
    """See :class:`passerelle.node.formats.ports.Format`."""

    settings: Settings = NONE
    name: str = "pesc-xml"

    def recognises(self, path: Path, head: bytes) -> bool:
        """By PESC's message in the tag of the root."""
        return "urn:org:pesc:message:" in root_of(head)[1]

    def open(self, path: Path, *, home: str) -> Reading:
        """The transcript's sections. Raises FormatError, and ConfigError where a schema cannot be used."""
        schemas = schema_folder(self.settings.schemas) if self.settings.schemas is not None else None
        root = next(read_records(path, frozenset()))
        name, version = message_of(root.namespace, path)
        if name != "CollegeTranscript":
            fix = "Requests, responses and acknowledgments are for: passerelle node pesc."
            what = f"a PESC {name} is no College Transcript"
            raise FormatError("format-unknown", what, where=path.name, fix=fix)
        check_version(name, version, VERSIONS, path)
        schema = schemas.schema(root.namespace) if schemas is not None else None

        def records(told: Survey, by: Schema | None = None) -> Iterator[Found]:
            nodes = read_records(path, RECORDS, marks=MARKS, schema=by)
            return Transcript(home, self.settings, told).read(nodes)

        seen = survey(lambda told: records(told, schema), path.name)
        valid = "valid by its schema" if schema is not None else "not checked against its schema, which is not here"
        remarks = (f"PESC College Transcript {version}, {valid}", *seen.remarks())
        return Reading(self.name, sections(records, seen, "line"), remarks)
