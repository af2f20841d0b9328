"""Documents of a case: sealed for the other party, taken in and opened, kept under the learner's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from passerelle.core.errors import FormatError, NotFound, Refused
from passerelle.node.case_ports import DocumentRow, WorkStore
from passerelle.node.files import read_bounded
from passerelle.node.people import Learner, Vault
from passerelle.node.ports import OutboxStore
from passerelle.node.sealed import MAX_CONTENT, MAX_SEALED, ROLES, Content, OwnSeal, open_sealed, seal, seal_key
from passerelle.node.transfers import CaseView, Transfers
from passerelle.runtime.clock import Clock

MEDIA_TYPES: Final[dict[str, str]] = {
    ".pdf": "application/pdf",
    ".xml": "application/xml",
    ".json": "application/json",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".html": "text/html",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".zip": "application/zip",
}
"""What a document is, by the end of its file's name (IANA media types)."""


class DocumentStore(WorkStore, OutboxStore, Protocol):
    """Cases, documents, the registry's records."""


@dataclass(frozen=True, slots=True)
class CaseDocuments:
    """The use cases. Publishing ``evidence-added`` with what :meth:`seal` returns is the caller's."""

    store: DocumentStore
    transfers: Transfers
    vault: Vault
    clock: Clock
    member: str
    own: OwnSeal | None

    async def seal(self, case: str, path: Path, target: Path, *, role: str) -> dict[str, Any]:
        """Write ``path`` sealed to the other party of the case; what an event says of the document.

        Raises FormatError (``file-unreadable``, ``file-too-large``, ``file-empty``, ``format-unknown``,
        ``argument-invalid``), NotFound (``not-found``, ``seal-key-missing``).
        """
        if role not in ROLES:
            raise FormatError("argument-invalid", f"the role is none of {', '.join(ROLES)}", where="--role")
        media_type = MEDIA_TYPES.get(path.suffix.lower())
        if media_type is None:
            fix = f"Give a file that ends in {', '.join(MEDIA_TYPES)}."
            raise FormatError("format-unknown", "the file's name says no known media type", where=str(path), fix=fix)
        view = await self.transfers.view(case)
        other = view.sender if view.receiver == self.member else view.receiver
        key = seal_key(other, await self.store.own_record(other), self.clock.now_ms())
        item = Content(case, role, media_type, read_bounded(path, MAX_CONTENT))
        sealed = seal(item, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(sealed)
        document = item.document
        row = DocumentRow(case, document["sha256"], role, media_type, document["size"])
        await self.store.save_document(row, self.clock.now_ms())
        return document

    async def take(self, case: str, path: Path) -> dict[str, Any]:
        """Open a sealed file of the other party and keep the document; what the case's event says of it.

        Raises FormatError (``sealed-malformed``, ``file-hash-mismatch``: no event of the case names it), NotFound,
        Refused ``learner-mismatch`` where nobody's key is there to keep it under.
        """
        if self.own is None:
            fix = "Run passerelle node transfer seal-key, then set seal_key_file."
            raise NotFound("seal-key-missing", "this node has no key to open it with", where="seal_key_file", fix=fix)
        view = await self.transfers.view(case)
        item = open_sealed(read_bounded(path, MAX_SEALED), self.own, case)
        document = item.document
        _check_named(view, document)
        return {**document, "new": await self._keep(view, item)}

    async def hold(self, case: str, item: Content) -> bool:
        """Keep a document of one's own with the case; False where it is held already.

        Raises NotFound ``not-found``, Refused ``learner-mismatch``.
        """
        return await self._keep(await self.transfers.view(case), item)

    async def _keep(self, view: CaseView, item: Content) -> bool:
        learner, document = await self._learner(view), item.document
        content = self.vault.seal(learner.id, learner.wrapped_key, {"hex": item.content.hex()})
        row = DocumentRow(
            view.id, document["sha256"], item.role, item.media_type, document["size"], learner.id, content
        )
        return await self.store.save_document(row, self.clock.now_ms())

    async def _learner(self, view: CaseView) -> Learner:
        row = await self.store.case(view.id)
        learner = await self.store.learner(row.learner) if row is not None and row.learner is not None else None
        if learner is None:
            fix = "Say whose the case is first: passerelle node transfer match."
            raise Refused("learner-mismatch", "the case is nobody's here", where="CASE", fix=fix)
        return learner

    async def write(self, case: str, sha256: str, target: Path) -> None:
        """Write a document that was taken in, in the clear, for its owner's eyes. Raises NotFound ``not-found``."""
        rows = [row for row in await self.store.documents(case) if row.sha256.startswith(sha256) and row.content]
        one = rows[0] if len(rows) == 1 else None
        learner = await self.store.learner(one.learner) if one is not None and one.learner is not None else None
        if one is None or one.content is None or learner is None:
            fix = "See passerelle node transfer documents; give enough of the hash to name one."
            raise NotFound("not-found", "no such document of this case is held here", where="--sha256", fix=fix)
        known = self.vault.open(learner.id, learner.wrapped_key, one.content)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(bytes.fromhex(known["hex"]))

    async def listed(self, case: str) -> list[dict[str, Any]]:
        """Every document that the case's events name, with whether it is held here or was sealed here."""
        view = await self.transfers.view(case)
        rows = {row.sha256: row for row in await self.store.documents(case)}
        found = []
        for document in view.documents:
            row = rows.get(str(document["sha256"]))
            state = "awaited" if row is None else "held" if row.content is not None else "sealed"
            found.append({**document, "state": state})
        return found


def _check_named(view: CaseView, document: Mapping[str, Any]) -> None:
    named = [one for one in view.documents if one["sha256"] == document["sha256"]]
    if not named:
        fix = "Take it in once the event that names it is here, or ask its sender for the file that was named."
        raise FormatError("file-hash-mismatch", "no event of the case names this document", where="CASE", fix=fix)
    said = {name: named[0].get(name) for name in ("media_type", "size")}
    if said != {name: document[name] for name in said}:
        raise FormatError("file-hash-mismatch", "the event says another type or size of it", where="CASE")
