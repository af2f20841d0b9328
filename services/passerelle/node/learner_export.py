"""Everything that the node holds of one learner, in one JSON file for them; in the access log before it appears."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import orjson

from passerelle.core.errors import FormatError, NotFound
from passerelle.node.export import Access, digest_of
from passerelle.node.learners import LearnerFile
from passerelle.node.people import Vault
from passerelle.runtime.clock import Clock

FORMAT: Final = "passerelle.learner/v1"
ACCESS: Final = "learner-json"
"""Under which the access log names such an export."""


class FileStore(Protocol):
    """What the export reads and writes."""

    async def learner_file(self, learner: str) -> LearnerFile | None:
        """Everything of a learner that was not erased, as of one moment; documents without their content."""

    async def document_content(self, case: str, sha256: str) -> bytes | None:
        """A document of a case, sealed; None where only its description is held."""

    async def log_access(self, entry: Access) -> None:
        """Enter an export in the access log."""


async def export_learner(
    store: FileStore, vault: Vault, clock: Clock, *, member: str, learner: str, out: Path, account: str
) -> dict[str, int]:
    """Write a learner's file, readable by its owner only; how much of each sort is in it.

    Raises NotFound, FormatError where the file cannot be made, Unavailable; no file is left then.
    """
    if out.exists():
        raise FormatError("argument-invalid", "this exists already", where="--out", fix="Name a new file.")
    found = await store.learner_file(learner)
    if found is None:
        what = "this node holds no such learner, or erased them"
        raise NotFound("not-found", what, where="learner")
    made = out.with_name(f".{out.name}.part")
    value = content(found, vault, member=member, made_at=clock.now_ms())
    try:
        made.unlink(missing_ok=True)
        made.touch(mode=0o600)
        with made.open("wb") as stream:
            await _write(stream, value, found, store, vault)
        await store.log_access(Access(clock.now_ms(), account, ACCESS, digest_of(made), [learner]))
        made.rename(out)
    except OSError as error:
        raise FormatError("argument-invalid", f"cannot be written: {error.strerror}", where="--out") from None
    finally:
        made.unlink(missing_ok=True)
    counts = {name: len(part) for name, part in value.items() if isinstance(part, list)}
    return {**counts, "documents": len(found.documents)}


def content(found: LearnerFile, vault: Vault, *, member: str, made_at: int) -> dict[str, Any]:
    """The file but for the documents: JSON-able, opened. Instants are Unix milliseconds. Raises Fatal."""
    learner = found.learner

    def opened(sealed: bytes | None) -> Any:
        return None if sealed is None else vault.open(learner.id, learner.wrapped_key, sealed)

    records = []
    for one in found.records:
        record = one.record
        state = {"status": record.current.status, "version": record.current.version} if record.current else {}
        held = {"kind": record.kind, "thing": record.thing, **state}
        records.append({**held, "result": opened(one.sealed)} if one.sealed is not None else held)
    return {
        "format": FORMAT,
        "member": member,
        "learner": learner.id,
        "made_at": made_at,
        "person": vault.person(learner).as_dict(),
        "records": records,
        "events": [_with_body(row) for row in found.events],
        "releases": [_with_opened(row, opened(row["sealed"])) for row in found.releases],
        "cases": [dict(row) for row in found.cases],
        "permissions": [dict(row) for row in found.permissions],
        "received": [_with_body(row) for row in found.received],
        "notices": [dict(row) for row in found.notices],
        "accesses": [dict(row) for row in found.accesses],
    }


def _with_body(row: Mapping[str, Any]) -> dict[str, Any]:
    body = row["body"]
    return {**row, "body": orjson.loads(body) if body else None}


def _with_opened(row: Mapping[str, Any], details: Any) -> dict[str, Any]:
    return {**{name: value for name, value in row.items() if name != "sealed"}, "details": details}


async def _write(
    stream: BinaryIO, value: Mapping[str, Any], found: LearnerFile, store: FileStore, vault: Vault
) -> None:
    """One document at a time: they are large, and there may be many."""
    stream.write(orjson.dumps(value)[:-1] + b',"documents":[')
    learner = found.learner
    for place, row in enumerate(found.documents):
        sealed = await store.document_content(row["case"], row["sha256"])
        text = None
        if sealed is not None:
            known = vault.open(learner.id, learner.wrapped_key, sealed)
            text = base64.b64encode(bytes.fromhex(known["hex"])).decode()
        stream.write((b"," if place else b"") + orjson.dumps({**row, "content": text}))
    stream.write(b"]}\n")
