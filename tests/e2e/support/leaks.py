"""Looking for planted strings: as they are, in other encodings and hashes, and inside of what is base64 or hex."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from passerelle.runtime.config import KafkaConfig
from passerelle.testing.audit import read_topic

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
DEPTH = 2
_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


def spellings(text: str) -> Iterator[bytes]:
    """The bytes in which a text could stand: encodings, JSON escapes, hex, base64 at any place, plain hashes."""
    for encoding in ("utf-8", "utf-16-le", "latin-1"):
        raw = text.encode(encoding, "ignore")
        yield raw
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        for shift in range(3):
            # Characters at both ends also hold bits of the neighbours: only those in between are the text's own.
            own = slice((0, 2, 3)[shift], (shift + len(raw)) * 8 // 6)
            yield base64.b64encode(b"\0" * shift + raw)[own]
            yield base64.urlsafe_b64encode(b"\0" * shift + raw)[own]
    yield json.dumps(text)[1:-1].encode()
    yield text.lower().encode()
    yield text.upper().encode()
    for form in (text, text.lower(), text.strip()):
        for make in (hashlib.sha256, hashlib.sha1, hashlib.md5):
            yield make(form.encode()).hexdigest().encode()
            yield make(form.encode()).digest()


@dataclass
class Search:
    """Planted strings, what was searched, and where one was found."""

    planted: Iterable[str]
    found: list[str] = field(default_factory=list)
    places: int = 0
    size: int = 0
    _needles: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in self.planted:
            assert len(text) >= 6, "a shorter text would be found by chance"
            self._needles |= {spelling: text for spelling in spellings(text) if len(spelling) >= 6}

    def look(self, where: str, data: bytes | str | None) -> None:
        """Search one piece, and what is coded in it."""
        if data:
            raw = data.encode() if isinstance(data, str) else data
            self.places += 1
            self.size += len(raw)
            self._look(where, raw, DEPTH)

    def _look(self, where: str, raw: bytes, depth: int) -> None:
        self.found += [f"{where}: {text!r}" for needle, text in self._needles.items() if needle in raw]
        if depth:
            for inner in _decoded(raw):
                self._look(f"{where} (decoded)", inner, depth - 1)

    async def topics(self, kafka: KafkaConfig) -> set[str]:
        """Every record of every topic: key, value, header names and values. Returns the topics that held records."""
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await admin.start()
        try:
            described = await admin.describe_topics()
        finally:
            await admin.close()
        held = set()
        for topic in described:
            for partition in topic["partitions"]:
                async for record in read_topic(kafka, topic["topic"], partition["partition"]):
                    where = f"{topic['topic']}/{partition['partition']}/{record.offset}"
                    held.add(topic["topic"])
                    self.look(f"{where} key", record.key)
                    self.look(f"{where} value", record.value)
                    for name, value in record.headers.items():
                        self.look(f"{where} header {name}", name)
                        self.look(f"{where} header {name}", value)
        return held

    async def database(self, dsn: str, label: str) -> set[str]:
        """Every row of every table as text. Returns the tables that held rows."""
        connection = await asyncpg.connect(dsn)
        held = set()
        try:
            for schema, table in await connection.fetch(_TABLES):
                for row in await connection.fetch(f'SELECT t::text AS line FROM "{schema}"."{table}" t'):
                    held.add(f"{schema}.{table}")
                    self.look(f"{label}: {schema}.{table}", row["line"])
        finally:
            await connection.close()
        return held

    def files(self, folder: Path, pattern: str) -> set[str]:
        """Every file of a pattern. Returns their names."""
        names = set()
        for path in sorted(folder.rglob(pattern)):
            if path.is_file():
                names.add(path.name)
                self.look(str(path.relative_to(folder)), path.read_bytes())
        return names


def _decoded(raw: bytes) -> Iterator[bytes]:
    for match in _HEX.finditer(raw):
        yield bytes.fromhex(match[0].decode())
    for match in _BASE64.finditer(raw):
        text = match[0].rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            yield base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            # One character too many for any bytes: not base64.
            continue
