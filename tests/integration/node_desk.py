"""A node's office on a real database for tests: keys in files, CSV text in, what is stored out."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from passerelle.node.config import NodeConfig
from passerelle.node.csv_report import ImportReport
from passerelle.node.main import Office, open_office
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.keys import create_seed

NETWORK = "node.test.example/1"
ACHIEVEMENTS = "id,kind,title,language,credit_bearing\nrevit,micro-credential,Autodesk Revit,en,no\n"
LEARNER = "learner_student_number,learner_name,learner_birth_date,learner_email"
CREDENTIALS = f"record_id,achievement,conferred_on,result_scheme,result_grade,{LEARNER}\n"


def seed_of(name: str) -> bytes:
    """A seed for a name. For tests only: anyone can make it."""
    return hashlib.sha256(b"node test seed " + name.encode()).digest()


def node_config(
    folder: Path, dsn: str, *, member: str, network: str = NETWORK, root: bytes = bytes(32), **settings: Any
) -> NodeConfig:
    """A node's configuration with its key files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("signing", "learners", "records"):
        if not (folder / f"{name}.key").exists():
            create_seed(folder / f"{name}.key", seed_of(f"{member} {name}"))
    (folder / "root.pub").write_text(root.hex() + "\n", encoding="ascii")
    return NodeConfig(
        member=member,
        network=network,
        root_public_key_file=folder / "root.pub",
        database=DatabaseConfig(url=dsn),
        key_file=folder / "signing.key",
        learner_key_file=folder / "learners.key",
        record_key_file=folder / "records.key",
        **{"kafka": KafkaConfig(), **settings},
    )


@asynccontextmanager
async def desk(folder: Path, dsn: str, *, member: str = "humber", **settings: Any) -> AsyncIterator[Desk]:
    """An open office with a folder for files and a connection to look at its database."""
    config = node_config(folder, dsn, member=member, **settings)
    async with open_office(config) as office:
        look = await asyncpg.connect(dsn)
        try:
            yield Desk(office, folder, look)
        finally:
            await look.close()


class Desk:
    """An office, its files and its database."""

    def __init__(self, office: Office, folder: Path, look: asyncpg.Connection[Any]) -> None:
        self.office = office
        self.folder = folder
        self.look = look

    async def take(self, text: str, *, kind: str | None = None, dry_run: bool = False) -> ImportReport:
        """Import CSV text; numbers, links and signs what came of it."""
        path = self.folder / "in.csv"
        path.write_bytes(text.encode())
        report = await self.office.importer().run(path, kind=kind, dry_run=dry_run)
        await self.office.release()
        return report

    async def rows(self, query: str, *arguments: Any) -> list[Mapping[str, Any]]:
        """Rows of the node's database."""
        return [dict(row) for row in await self.look.fetch(query, *arguments)]

    async def answer(self, *outcomes: tuple[str, int, bool], number: int, index: int = 0) -> None:
        """Take in a receipts record: (family, sequence, accepted)."""
        from passerelle.node.messages import InboxRecord

        streams = [
            {
                "family": family,
                "from": sequence,
                "outcomes": [
                    {
                        "sequence": sequence,
                        "index": index + place,
                        "outcome": "accepted" if accepted else "refused",
                        **({} if accepted else {"code": "step-illegal", "field": "type", "what": "no", "fix": "do"}),
                    }
                ],
            }
            for place, (family, sequence, accepted) in enumerate(outcomes)
        ]
        record = InboxRecord(number, "receipts", streams)
        await self.office.store.take_inbox([record], None, 1)


def person(number: int) -> str:
    """The learner's cells of a made-up person."""
    return f"S{number:05d},Person Number{number},1990-01-{number % 28 + 1:02d},p{number}@example.test"


def credential_rows(numbers: Sequence[int], *, grade: str = "80") -> str:
    """Credential rows of made-up people."""
    return "".join(f"A-{n},revit,2026-05-01,percentage-50,{grade},{person(n)}\n" for n in numbers)
