"""The archive of a log: one tar file with checkpoint, entries, bodies and tiles (``contracts/formats.md``, "Archive").

Written and read as a stream, one member of the tar at a time. Reading checks the order of names and the manifest's
digest; what the files say is checked by whoever loads them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from passerelle.core.entry import parse_entry
from passerelle.core.errors import FormatError, PasserelleError, Unavailable
from passerelle.core.statement import PUBLIC, digest
from passerelle.core.tiles import WIDTH, BundleCoord, TileCoord, decode_bundle, encode_bundle
from passerelle.ledger.check_ports import BodyRow, EntryRow

FORMAT: Final = "passerelle.archive/v1"
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"
FILE_MAX: Final = 64 * 1024 * 1024
"""Bytes of one file: 256 party bodies in base64, and room."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself. ``sha256`` is over one line a file, in order: its hash, two spaces, its name."""

    network: str
    size: int
    root: str
    private: bool
    files: int = 0
    sha256: str = ""
    ingress: Sequence[tuple[str, int, int]] = ()
    inboxes: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As JSON."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "network": self.network,
                "size": self.size,
                "root": self.root,
                "private": self.private,
                "files": self.files,
                "sha256": self.sha256,
                "ingress": self.ingress,
                "inboxes": self.inboxes,
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises FormatError ``archive-malformed``."""
    try:
        found = orjson.loads(data)
        if found["format"] != FORMAT:
            raise malformed("it is of another format or version", MANIFEST)
        return Manifest(
            str(found["network"]),
            int(found["size"]),
            str(found["root"]),
            bool(found["private"]),
            int(found["files"]),
            str(found["sha256"]),
            [(str(topic), int(partition), int(offset)) for topic, partition, offset in found["ingress"]],
            {str(member): int(number) for member, number in found["inboxes"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise malformed(f"it cannot be read: {type(error).__name__}", MANIFEST) from None


class ArchiveWriter:
    """Writes files one after the other; the manifest comes last."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sum = hashlib.sha256()
        self.files = 0

    def add(self, name: str, data: bytes) -> None:
        """One file. Owner and time are left out: equal logs give equal archives. Raises PasserelleError."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        with _file_errors(name):
            self._tar.addfile(info, io.BytesIO(data))
        self._sum.update(_line(name, data))
        self.files += 1

    def finish(self, manifest: Manifest) -> None:
        """The last file; number and digest of the files before it are filled in."""
        whole = Manifest(
            manifest.network,
            manifest.size,
            manifest.root,
            manifest.private,
            self.files,
            self._sum.hexdigest(),
            manifest.ingress,
            manifest.inboxes,
        )
        self.add(MANIFEST, whole.encode())


@contextmanager
def _file_errors(name: str) -> Iterator[None]:
    """What the file system says, as a typed error: it must not be taken for the database's."""
    try:
        yield
    except FileExistsError:
        raise PasserelleError("argument-invalid", "the file exists already", where=name) from None
    except OSError as error:
        what = f"the file cannot be used: {type(error).__name__}"
        raise PasserelleError("file-unreadable", what, where=name) from None


@contextmanager
def new_archive(path: Path) -> Iterator[ArchiveWriter]:
    """A new file to write to, which its owner alone can read. Raises PasserelleError."""
    with _file_errors(path.name):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        yield ArchiveWriter(tar)


def read_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes in order, the manifest last, held against all before it.

    Raises FormatError ``archive-malformed``, PasserelleError ``file-unreadable``.
    """
    total, files, manifest = hashlib.sha256(), 0, None
    try:
        with _file_errors(path.name), tarfile.open(path, "r|") as tar:
            for info in tar:
                if not info.isreg() or info.size > FILE_MAX or manifest is not None:
                    raise malformed("it is no plain file, too large, or behind the manifest", info.name)
                data = _content(tar, info)
                if info.name == MANIFEST:
                    manifest = parse_manifest(data)
                    if (manifest.files, manifest.sha256) != (files, total.hexdigest()):
                        raise malformed("the files are not those that it lists", MANIFEST)
                else:
                    total.update(_line(info.name, data))
                    files += 1
                yield info.name, data
    except tarfile.TarError as error:
        raise malformed(f"it is no tar, or is cut: {type(error).__name__}", path.name) from None
    if manifest is None:
        raise malformed("it is cut: the manifest is missing", path.name)


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    data = b"" if file is None else file.read()
    if len(data) != info.size:
        raise malformed("the file is cut", info.name)
    return data


def _line(name: str, data: bytes) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()


# One bundle of entries with what lies beside it


def bundle_files(first: int, rows: Sequence[EntryRow], *, private: bool) -> Iterator[tuple[str, bytes]]:
    """The files of 1 to 256 entries from index ``first``, a multiple of 256, on."""
    coord = BundleCoord(first // WIDTH, len(rows))
    number = coord.path.removeprefix("tile/entries/")
    yield coord.path, encode_bundle([row.entry for row in rows])
    yield f"ingress/{number}", "".join(f"{row.ingress}\n" for row in rows).encode("ascii")
    lines = []
    for row in rows:
        body = _open_body(row)
        if body is not None:
            yield f"body/{digest(body).hex()}", body
        elif private:
            lines.append(orjson.dumps(_private(row)))
    if private:
        yield f"private/{number}", b"".join(line + b"\n" for line in lines)


def _open_body(row: EntryRow) -> bytes | None:
    """The body that anyone may read, where it is held."""
    if row.code is not None or row.visibility != PUBLIC:
        return None
    return next((item.body for item in row.bodies if item.table == "public_body"), None)


def _private(row: EntryRow) -> dict[str, Any]:
    """What only the parties and the operator may know of an entry, and what goes with a body that is gone."""
    found: dict[str, Any] = {"index": row.index, "type": row.type, "subject": row.subject, "refusal": row.refusal}
    for item in row.bodies:
        found["table"] = item.table
        found["body"] = None if item.body is None else base64.b64encode(item.body).decode("ascii")
        if item.table == "party_body":
            found["parties"] = list(item.note[1])
    return found


@dataclass(slots=True)
class Bundle:
    """One bundle as it is read back."""

    first: int
    entries: list[bytes]
    ingress: list[str] = field(default_factory=list)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    private: dict[int, dict[str, Any]] = field(default_factory=dict)
    has_private: bool = False

    @staticmethod
    def of(coord: BundleCoord, data: bytes) -> Bundle:
        """Raises FormatError."""
        return Bundle(coord.index * WIDTH, decode_bundle(data, coord.width))

    def add(self, name: str, data: bytes) -> None:
        """A file that lies beside the entries. Raises FormatError ``archive-malformed``."""
        kind = name.partition("/")[0]
        try:
            if kind == "ingress":
                self.ingress = data.decode("ascii").splitlines()
            elif kind == "body":
                if name != f"body/{digest(data).hex()}":
                    raise malformed("the body has not the hash that its name says", name)
                self.bodies[digest(data)] = data
            elif kind == "private":
                self.has_private = True
                self.private = {line["index"]: line for line in map(orjson.loads, data.splitlines())}
            else:
                raise malformed("no such file belongs here", name)
        except (KeyError, TypeError, ValueError) as error:
            raise malformed(f"it cannot be read: {type(error).__name__}", name) from None

    def check(self) -> None:
        """The bodies are those of accepted, public entries here. Raises FormatError ``archive-malformed``."""
        if len(self.ingress) != len(self.entries):
            raise malformed("it has not one line an entry", f"ingress of index {self.first}")
        known = set()
        for entry in map(parse_entry, self.entries):
            statement = entry.parsed()
            if entry.accepted and statement.visibility == PUBLIC:
                known.add(statement.body_sha256)
        if not self.bodies.keys() <= known:
            raise malformed("a body belongs to no public entry of its bundle", f"bodies of index {self.first}")

    def rows(self) -> list[EntryRow]:
        """The rows to store. Raises FormatError ``archive-malformed``, Unavailable ``archive-incomplete``."""
        return [self._row(self.first + at, entry, self.ingress[at]) for at, entry in enumerate(self.entries)]

    def _row(self, index: int, data: bytes, ingress: str) -> EntryRow:
        entry = parse_entry(data)
        statement = entry.parsed()
        open_body = self.bodies.get(statement.body_sha256)
        try:
            if entry.accepted and statement.visibility == PUBLIC and open_body is not None:
                event = orjson.loads(open_body)
                about = {"type": event["type"], "subject": event["subject"]}
                body: BodyRow | None = BodyRow("public_body", open_body, (statement.body_sha256,))
            elif not self.has_private:
                raise Unavailable("archive-incomplete", "the archive has no private part", where=f"index {index}")
            else:
                about = self.private[index]
                body = _body_row(about, statement.member, statement.body_sha256, entry.accepted_at)
            return EntryRow(
                index,
                entry.accepted_at,
                statement.member,
                statement.family,
                statement.sequence,
                statement.visibility,
                entry.refusal or None,
                about["type"],
                about["subject"],
                digest(entry.statement),
                data,
                () if body is None else (body,),
                about.get("refusal"),
                ingress,
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            what = f"what is private of it cannot be read: {type(error).__name__}"
            raise malformed(what, f"index {index}") from None


def _body_row(about: Mapping[str, Any], member: str, sha256: bytes, accepted_at: int) -> BodyRow | None:
    table = about.get("table")
    if table is None:
        return None
    text = about["body"]
    body = None if text is None else base64.b64decode(text, validate=True)
    notes: dict[str, tuple[Any, ...]] = {
        "public_body": (sha256,),
        "party_body": (about["subject"], tuple(about.get("parties", ()))),
        "refused_body": (member, about["subject"], accepted_at),
    }
    return BodyRow(table, body, notes[table])


def tile_path(level: int, index: int, width: int) -> str:
    """The name of a tile's file."""
    return TileCoord(level, index, width).path


def malformed(what: str, where: str) -> FormatError:
    """An archive that is not one."""
    return FormatError("archive-malformed", what, where=where)
