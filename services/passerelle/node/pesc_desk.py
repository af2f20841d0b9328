"""Answers PESC messages from an application centre: requests for transcripts, and transcripts that came in.

A request is answered for one student whom the office knows for certain: by student number and birth date, or by name
and birth date. What is not certain, or not released, is answered without a record of anybody.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.export import LEARNERS_KINDS, Access, Exporter, Selection, Student
from passerelle.node.export_documents import Issuer
from passerelle.node.export_pesc import transcript
from passerelle.node.formats.exchange import Unclear
from passerelle.node.formats.pesc_messages import Request, acknowledgment, message, read_answer, read_request, response

if TYPE_CHECKING:
    from passerelle.node.main import Office

RECEIVED: Final = "TranscriptRequestReceived"


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a message: nothing of it is about the student."""

    message: str
    version: str
    statuses: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        statuses = [{"tracking": tracking, "status": status} for tracking, status in self.statuses]
        return {
            "message": self.message, "version": self.version, "statuses": statuses,
            "files": list(self.files), "remarks": list(self.remarks),
        }  # fmt: skip


async def issuer_of(office: Office) -> Issuer:
    """The member as its documents name it, now."""
    stated = await office.store.own_record(office.config.member)
    names = dict((stated or {}).get("names", {}))
    name = str(names.get(office.config.language) or next(iter(names.values()), office.config.member))
    now = dt.datetime.fromtimestamp(office.clock.now_ms() // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Issuer(office.config.member, name, now, office.ids.uuid4())


async def handle_message(office: Office, path: Path, out: Path | None, *, send: bool) -> Handled:
    """Read a message and write what answers it into the new folder ``out``.

    ``send``: answer a request with the transcript; without it the request is only received, for a person to look at.
    Raises FormatError, Unavailable; nothing is written then.
    """
    name, version = message(path)
    if name == "TranscriptRequest":
        return await _request(office, read_request(path), _folder(out), send=send)
    if name == "CollegeTranscript":
        content = acknowledgment(path, await issuer_of(office))
        return Handled(name, version, files=_write(_folder(out), {"acknowledgment.xml": content}))
    answer = read_answer(path)
    totals = (
        (f"{answer.awards or 'no'} awards and {answer.courses or 'no'} courses arrived",) if answer.tracking else ()
    )
    tracking = ((answer.tracking, "acknowledged"),) if answer.tracking else tuple(answer.statuses)
    return Handled(name, version, tracking, remarks=totals)


def _folder(out: Path | None) -> Path:
    if out is None:
        raise FormatError(
            "argument-missing", "this message is answered by files", where="--out", fix="Name a new folder."
        )
    if out.exists():
        raise FormatError("argument-invalid", "this exists already", where="--out", fix="Name a new folder.")
    return out


def _write(out: Path, files: dict[str, bytes]) -> tuple[str, ...]:
    out.mkdir(mode=0o700)
    for name, content in files.items():
        (out / name).touch(mode=0o600)
        (out / name).write_bytes(content)
    return tuple(str(out / name) for name in files)


async def _request(office: Office, request: Request, out: Path, *, send: bool) -> Handled:
    status, learner = await _found(office, request)
    exporter = Exporter(office.store, office.vault, office.keys, office.config.member)
    issuer = await issuer_of(office)
    files: dict[str, bytes] = {}
    if send and status == RECEIVED:
        selection = Selection(frozenset(LEARNERS_KINDS), learner_ids=frozenset({learner}))
        students = [student async for student in exporter.students(selection)]
        files, status = _transcripts(request, students, issuer, exporter.told)
    if files:
        digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
        entry = Access(office.clock.now_ms(), getpass.getuser(), "pesc-xml", digest, [learner])
        await office.store.log_access(entry)
    statuses = [status] * len(request.recipients)
    files["response.xml"] = response(request, statuses, issuer)
    remarks = tuple(f"{text} ({count})" for text, count in sorted(exporter.told.items()))
    told = tuple((one.tracking, status) for one in request.recipients)
    return Handled("TranscriptRequest", request.version, told, _write(out, files), remarks)


def _transcripts(
    request: Request, students: list[Student], issuer: Issuer, told: Counter[str]
) -> tuple[dict[str, bytes], str]:
    """A transcript for each recipient and the status: without one, a person must look."""
    if not students:
        return {}, "OfflineRecordSearch"
    files = {}
    for place, one in enumerate(request.recipients, start=1):
        try:
            content = transcript(students[0], replace(issuer, to=one.name, request=one.tracking))
        except Unclear as unclear:
            told[f"the transcript could not be written: {unclear.what}"] += 1
            return {}, "OfflineRecordSearch"
        files[f"transcript-{place:02d}.xml"] = content
    return files, "TranscriptSent"


async def _found(office: Office, request: Request) -> tuple[str, str]:
    """The status that a look into the vault gives, and the learner where it is one for certain."""
    person, vault = request.person, office.vault
    learners = await office.store.learners_by(birth_key=vault.birth_key(person))
    match = vault.match_key(person)
    number = vault.number_key(person.student_number) if person.student_number else None
    exact = [one for one in learners if number is not None and one.number_key == number]
    certain = exact or [one for one in learners if one.match_key == match]
    if not certain:
        return "NoRecord", ""
    if number is not None and not exact:
        # The name is known under another number: a person must look before anything leaves.
        return "OfflineRecordSearch", ""
    if len(certain) > 1:
        return "MultipleMatch", ""
    return (RECEIVED if request.authorised else "Hold"), certain[0].id
