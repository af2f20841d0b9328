"""Signed PDFs as evidence: who signed, when, whether anything was changed after, and whether the signer is trusted.

A PDF is evidence by its hash. Its signature is checked, its pages are not read: no grade and no name is taken out of
them. The check runs in a process of its own (:mod:`passerelle.node.evidence_pdf_child`), because a PDF from anywhere
may be made to do harm. Nothing is fetched: certificates and revocation lists are those of a folder of the office.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from passerelle.core.errors import ConfigError, FormatError, Refused
from passerelle.node.case_documents import CaseDocuments
from passerelle.node.files import read_bounded
from passerelle.node.plan import NewEvent
from passerelle.node.sealed import MAX_CONTENT, Content
from passerelle.node.transfers import Transfers
from passerelle.runtime.clock import as_datetime

FORMAT: Final = "passerelle.pdf-evidence/v1"
CHILD: Final = "passerelle.node.evidence_pdf_child"
TIMEOUT_S: Final = 30.0
MAX_ANSWER: Final = 256 * 1024
MAX_TRUSTED: Final = 500
MAX_CERTIFICATE: Final = 1024 * 1024
"""Bytes of a file of certificates, or of a revocation list."""
MAX_REVOCATIONS: Final = 8 * 1024 * 1024
CERTIFICATES: Final = frozenset({".pem", ".crt", ".cer"})


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count: certificates, and revocation lists of their issuers, both in DER (RFC 5280)."""

    certificates: Sequence[bytes] = ()
    revocations: Sequence[bytes] = ()


def read_trust(folder: Path) -> Trust:
    """The certificates (PEM or DER) and revocation lists (``.crl``) of a folder. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError("config-invalid", "the folder of trusted certificates is not there", where=str(folder))
    certificates: list[bytes] = []
    revocations: list[bytes] = []
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if suffix not in CERTIFICATES and suffix != ".crl":
            continue
        try:
            content = read_bounded(path, MAX_CERTIFICATE)
            if suffix == ".crl":
                revocations.append(_revocations(content))
            else:
                certificates += _certificates(content)
        except (ValueError, FormatError):
            what = "the file holds no certificate, or no revocation list, that can be read"
            raise ConfigError("config-invalid", what, where=str(path), fix="Give it as PEM or DER.") from None
    if len(certificates) > MAX_TRUSTED or sum(map(len, revocations)) > MAX_REVOCATIONS:
        what = f"the folder holds more than {MAX_TRUSTED} certificates, or {MAX_REVOCATIONS} bytes of revocation lists"
        raise ConfigError("config-invalid", what, where=str(folder))
    return Trust(certificates, revocations)


def _certificates(content: bytes) -> list[bytes]:
    if b"-----BEGIN" not in content:
        return [x509.load_der_x509_certificate(content).public_bytes(Encoding.DER)]
    return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(content)]


def _revocations(content: bytes) -> bytes:
    load = x509.load_pem_x509_crl if b"-----BEGIN" in content else x509.load_der_x509_crl
    return load(content).public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class PdfReport:
    """What was found about a PDF. ``signatures``: as the child gives them; names in them never leave the node.

    ``verdict``: ``verified``, ``untrusted`` (the signer leads to no certificate of the folder, or not any more),
    ``altered`` (changed after signing, or a signature that is not of these bytes), ``unsigned``.
    """

    content: Content
    checked_at: int
    signatures: Sequence[Mapping[str, Any]]

    @property
    def verdict(self) -> str:
        """All signatures must be of these bytes; one that is trusted must have seen all that the document says."""
        if not self.signatures:
            return "unsigned"
        if not all(one["intact"] for one in self.signatures):
            return "altered"
        whole = [one for one in self.signatures if one["unchanged"]]
        if not whole:
            return "altered"
        return "verified" if any(one["trusted"] for one in whole) else "untrusted"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; also the bytes of the report as evidence."""
        document = self.content.document
        return {
            "format": FORMAT,
            "sha256": document["sha256"],
            "size": document["size"],
            "checked_at": as_datetime(self.checked_at).isoformat(),
            "verdict": self.verdict,
            "signatures": [dict(one) for one in self.signatures],
        }

    @property
    def as_content(self) -> Content:
        """The report as a document of its own."""
        text = json.dumps(self.as_dict(), ensure_ascii=False, sort_keys=True, indent=1)
        return Content(self.content.about, "evidence", "application/json", text.encode() + b"\n")

    @property
    def cells(self) -> str:
        """Both documents, as the column ``evidence`` of an assessments file has them."""
        both = (self.content.document, self.as_content.document)
        return ";".join("|".join(str(one[name]) for name in ("sha256", "media_type", "size", "role")) for one in both)


async def check_pdf(
    path: Path, trust: Trust, now_ms: int, *, case: str = "", timeout_s: float = TIMEOUT_S
) -> PdfReport:
    """Check a PDF's signatures as of ``now_ms`` (Unix ms).

    Raises FormatError: ``file-unreadable``, ``file-too-large`` (over 16 MiB), ``pdf-unreadable`` for what is no PDF, is
    encrypted, or takes more time or memory than a document of an office does.
    """
    content = read_bounded(path, MAX_CONTENT)
    if b"%PDF-" not in content[:1024]:
        raise FormatError("pdf-unreadable", "the file is no PDF", where=str(path))
    asked = {
        "now_ms": now_ms,
        "size": len(content),
        "certificates": [base64.b64encode(one).decode() for one in trust.certificates],
        "revocations": [base64.b64encode(one).decode() for one in trust.revocations],
    }
    answer = await _asked(json.dumps(asked).encode() + b"\n" + content, timeout_s)
    if answer is None:
        raise FormatError("pdf-unreadable", "checking it took more time or memory than it may", where=str(path))
    if "signatures" not in answer:
        fix = "Ask for a copy without a password." if answer["unreadable"] == "encrypted" else ""
        raise FormatError("pdf-unreadable", f"it cannot be checked: {answer['unreadable']}", where=str(path), fix=fix)
    return PdfReport(Content(case, "evidence", "application/pdf", content), now_ms, answer["signatures"])


async def _asked(question: bytes, timeout_s: float) -> dict[str, Any] | None:
    """What the child answers; None where it did not live to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", CHILD,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            process.stdin.write(question)
            await process.stdin.drain()
            process.stdin.close()
            answer = b""
            while len(answer) <= MAX_ANSWER and (piece := await process.stdout.read(64 * 1024)):
                answer += piece
            found: dict[str, Any] | None = json.loads(answer) if 0 < len(answer) <= MAX_ANSWER else None
            return found
    except (TimeoutError, OSError, ValueError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass(frozen=True, slots=True)
class PdfEvidence:
    """A checked PDF becomes evidence of a case: both files stay here, under the learner's key; their hashes go out."""

    transfers: Transfers
    documents: CaseDocuments

    async def attach(self, report: PdfReport) -> NewEvent | None:
        """Keep PDF and report with the case; the event that tells their hashes, or None where the case has them.

        Raises Refused ``pdf-unverified``, ``learner-mismatch``; NotFound ``not-found``.
        """
        if report.verdict != "verified":
            fix = "See the report; what vouches for nothing can still be added by hash: node transfer add-evidence."
            raise Refused("pdf-unverified", f"the PDF is {report.verdict}", where="FILE", fix=fix)
        case = report.content.about
        view = await self.transfers.view(case)
        if any(one["sha256"] == report.content.document["sha256"] for one in view.documents):
            return None
        both = (report.content, report.as_content)
        for item in both:
            await self.documents.hold(case, item)
        return await self.transfers.step(case, "evidence-added", {"documents": [item.document for item in both]})
