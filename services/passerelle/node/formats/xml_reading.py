"""Reads XML of any origin as a stream, bounded in time and memory, and refuses what no transcript needs.

Source: XML 1.0, fifth edition. Document types and entities are forbidden, nothing is fetched, and every limit below has
its own message. The parser is libxml2's without ``huge_tree``, fed chunk by chunk, so that what it holds is bounded by
the record at hand and not by the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lxml import etree

from passerelle.core.errors import FormatError

MAX_FILE: Final = 256 * 1024 * 1024
"""Bytes of the largest document."""
MAX_TEXT: Final = 4 * 1024 * 1024
"""Bytes of the longest text, attribute or comment: documents carry attachments."""
MAX_DEPTH: Final = 64
"""Levels of nesting."""
MAX_RECORD: Final = 20_000
"""Elements inside one record."""
ENCODINGS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"})
"""What an XML declaration may name: each has ASCII as its lower half, so that markup can be seen in the bytes."""
HEAD: Final = 64 * 1024

_CHUNK: Final = 64 * 1024
_DECLARED: Final = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_FORBIDDEN: Final = (b"<!DOCTYPE", b"<!ENTITY")
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00", b"\x00\x00", b"\x4c\x6f\xa7\x94")
_ELEMENT: Final = re.compile(r"Element '(?:\{[^}]{0,200}\})?([A-Za-z][A-Za-z0-9]{0,60})'")
_ROOT: Final = re.compile(rb"<(?![?!])(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)([^>]*)>?")


@dataclass(slots=True)
class Node:
    """One element as plain text: ``line`` in the file, attributes by local name, children in order, its namespace."""

    name: str
    line: int
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    namespace: str = ""

    def all(self, name: str) -> list[Node]:
        """The children of a name."""
        return [child for child in self.children if child.name == name]

    def find(self, *path: str) -> Node | None:
        """The first descendant along a path of names; None where there is none."""
        found: Node | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def value(self, *path: str) -> str:
        """The text of the first descendant along a path, stripped; empty where there is none."""
        found = self.find(*path)
        return "" if found is None else found.text.strip()


def malformed(what: str, path: Path, *, code: str = "xml-malformed", fix: str = "") -> FormatError:
    """The error for a whole file; the place is its name."""
    return FormatError(code, what, where=path.name, fix=fix)


def root_of(head: bytes) -> tuple[str, str]:
    """Local name of the root and everything in its tag, judged by the first bytes alone; empty where there is none."""
    text = re.sub(rb"<!--.*?-->", b"", head.removeprefix(b"\xef\xbb\xbf"), flags=re.DOTALL)
    found = _ROOT.search(text) if text.lstrip()[:1] == b"<" else None
    return ("", "") if found is None else (found[1].decode("ascii"), found[2].decode("utf-8", "replace"))


def _check_start(chunk: bytes, path: Path) -> None:
    if not chunk.strip():
        raise malformed("the file is empty", path, code="file-empty")
    if chunk.startswith(_WIDE):
        raise malformed("the file is UTF-16, UTF-32 or EBCDIC, not UTF-8", path, code="encoding-invalid")
    declared = _DECLARED.match(chunk.removeprefix(b"\xef\xbb\xbf"))
    if declared is not None and declared[1].decode().lower() not in ENCODINGS:
        what = "the XML declaration names an encoding that is not read"
        raise malformed(what, path, code="encoding-invalid")


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, checked for what can be told without parsing."""
    read, tail = 0, b""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                if not read:
                    _check_start(chunk, path)
                read += len(chunk)
                if read > MAX_FILE:
                    raise malformed(f"the file has more than {MAX_FILE} bytes", path, code="file-too-large")
                if b"\0" in chunk:
                    raise malformed("the file holds a NUL byte", path, code="control-character")
                seen = tail + chunk
                # Text may hold "&lt;!DOCTYPE" but never the plain characters, save in CDATA, where no record has them.
                if any(mark in seen for mark in _FORBIDDEN):
                    raise malformed("the XML declares a document type or entities", path, code="xml-forbidden")
                tail = chunk[-16:]
                yield chunk
    except OSError as error:
        raise malformed(f"the file cannot be read: {error.strerror}", path, code="file-unreadable") from None
    if not read:
        raise malformed("the file is empty", path, code="file-empty")


def local(element: Any) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _plain(element: Any) -> Node:
    """An element's own values, without children."""
    attributes = {str(name).rpartition("}")[2]: str(value) for name, value in element.attrib.items()}
    space = str(element.tag).rpartition("}")[0].removeprefix("{")
    return Node(local(element), element.sourceline or 0, element.text or "", attributes, [], space)


@dataclass(slots=True)
class _Reader:
    """Puts records together from parser events, and throws everything else away at once."""

    path: Path
    wanted: frozenset[str]
    marks: frozenset[str]
    skip: frozenset[str]
    skipping: int = 0
    depth: int = 0
    elements: int = 0
    size: int = 0
    open: list[Node] = field(default_factory=list)

    def start(self, element: Any) -> Node | None:
        """The mark that begins here, if any."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise malformed(f"the XML nests deeper than {MAX_DEPTH}", self.path, code="xml-too-deep")
        if self.skipping or (self.open and local(element) in self.skip):
            self.skipping += 1
            return None
        if not self.open and (self.depth == 1 or local(element) not in self.wanted):
            return _plain(element) if self.depth == 1 or local(element) in self.marks else None
        self.elements += 1
        if self.elements > MAX_RECORD:
            raise malformed(f"one record has more than {MAX_RECORD} elements", self.path, code="too-many-items")
        node = _plain(element)
        if self.open:
            self.open[-1].children.append(node)
        self.open.append(node)
        return None

    def end(self, element: Any) -> Node | None:
        """The record that is complete with this end; None inside one, and outside."""
        self.depth -= 1
        done = None
        if self.skipping:
            self.skipping -= 1
        elif self.open:
            node = self.open.pop()
            # The text was not there yet when the element began.
            node.text = element.text or ""
            self.size += len(node.text)
            if self.size > MAX_TEXT:
                raise malformed(f"one record has more than {MAX_TEXT} characters", self.path, code="value-too-long")
            if not self.open:
                done, self.elements, self.size = node, 0, 0
        elif local(element) in self.marks:
            done = Node(f"/{local(element)}", element.sourceline or 0)
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
        return done


def read_records(
    path: Path,
    names: frozenset[str],
    *,
    marks: frozenset[str] = frozenset(),
    skip: frozenset[str] = frozenset(),
    schema: etree.XMLSchema | None = None,
) -> Iterator[Node]:
    """The document's root without children, then each element of one of these names that lies in no other such, whole.
    An element of ``marks`` comes twice, without children: when it begins, and as ``/name`` when it ends. One of
    ``skip`` is left out of its record, with all below it.

    Raises FormatError: ``xml-malformed``, ``xml-forbidden``, ``xml-too-deep``, ``xml-schema`` where a schema is given
    and the document is not valid by it, ``encoding-invalid``, ``control-character``, ``value-too-long``,
    ``too-many-items``, ``file-too-large``, ``file-empty``, ``file-unreadable``.
    """
    options: Any = {"schema": schema} if schema is not None else {}
    parser = etree.XMLPullParser(
        ("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True, **options,
    )  # fmt: skip
    reader, silent = _Reader(path, names, marks, skip), 0
    try:
        for chunk in _chunks(path):
            parser.feed(chunk)
            silent += len(chunk)
            for action, element in parser.read_events():
                silent = 0
                found = reader.start(element) if action == "start" else reader.end(element)
                if found is not None:
                    yield found
            if silent > MAX_TEXT:
                raise malformed(f"a text has more than {MAX_TEXT} bytes", path, code="value-too-long")
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _syntax(error, path, validated=schema is not None) from None


def _invalid(entry: Any) -> str:
    """Which element a schema does not allow, and by which rule; a streamed validation knows no line."""
    named = _ELEMENT.match(str(entry.message))
    rule = str(entry.type_name).removeprefix("SCHEMAV_").lower().replace("_", "-")
    place = f"an element {named[1]}" if named is not None else "an element"
    return f"the document is not valid by its schema: {place}, rule {rule}"


def _syntax(error: etree.XMLSyntaxError, path: Path, *, validated: bool) -> FormatError:
    """The parser's complaint by line and kind; its own text could repeat a value of the file."""
    last = error.error_log.last_error if error.error_log else None
    line = error.lineno or 0
    domain = "" if last is None else str(last.domain_name)
    if validated and domain.startswith("SCHEMAS"):
        return malformed(_invalid(last), path, code="xml-schema")
    kind = "" if last is None else str(last.type_name)
    if kind in {"ERR_INVALID_CHAR", "ERR_INVALID_ENCODING", "ERR_UNSUPPORTED_ENCODING"} or "I18N" in domain:
        what = f"the bytes at line {line} are not valid in the file's encoding"
        return malformed(what, path, code="encoding-invalid")
    if "depth" in str(error).lower():
        return malformed(f"the XML nests deeper than {MAX_DEPTH} at line {line}", path, code="xml-too-deep")
    if "LONG" in kind or "LIMIT" in kind or "huge" in str(error).lower():
        return malformed(f"something at line {line} is over the parser's limit", path, code="value-too-long")
    if kind in {"ERR_DOCUMENT_END", "ERR_TAG_NOT_FINISHED", "ERR_DOCUMENT_EMPTY", "ERR_GT_REQUIRED"}:
        return malformed(f"the document ends too early, at line {line}", path, code="file-truncated")
    return malformed(f"the XML is not well formed at line {line}", path)
