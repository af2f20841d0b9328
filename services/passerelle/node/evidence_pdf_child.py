"""Checks the signatures of one PDF, in a process of its own with bounded time and memory, without any network.

``python -m passerelle.node.evidence_pdf_child`` reads one line of JSON and then the PDF from its standard input, and
writes one JSON object. Only this module imports the PDF library. It looks at signatures and at what was added after
them (ISO 32000-2, 12.8; PAdES, ETSI EN 319 142-1), never at what the pages say.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import io
import json
import resource
import sys
from typing import Any, Final

CPU_S: Final = 10
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space."""
MAX_SIGNATURES: Final = 32
MAX_TEXT: Final = 300
MAX_HEAD: Final = 16 * 1024 * 1024
"""Bytes of the line before the PDF: it carries the certificates that are trusted."""
_MAINTENANCE: Final = 1
"""Up to this level only time stamps and what proves certificates were added: PAdES does not count it as a change."""


def confine() -> None:
    """Bound what this process may take; it writes no file and no core."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _context(asked: dict[str, Any], moment: dt.datetime, issuer: Any = None) -> Any:
    """Trust as of a moment. Where the folder has a list of the signer's ``issuer``, that list must clear the signer."""
    from asn1crypto import crl, x509
    from pyhanko_certvalidator import ValidationContext
    from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule

    roots = [x509.Certificate.load(base64.b64decode(one)) for one in asked["certificates"]]
    lists = [crl.CertificateList.load(base64.b64decode(one)) for one in asked["revocations"]]
    listed = issuer is not None and any(_issuer_of(one) == issuer for one in asked["revocations"])
    rule = RevocationCheckingRule.CRL_REQUIRED if listed else RevocationCheckingRule.NO_CHECK
    policy = RevocationCheckingPolicy(rule, RevocationCheckingRule.NO_CHECK)
    return ValidationContext(
        trust_roots=roots, crls=lists, moment=moment, allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(revocation_checking_policy=policy),
    )  # fmt: skip


def _issuer_of(revocations: str) -> Any:
    from asn1crypto import crl

    return crl.CertificateList.load(base64.b64decode(revocations)).issuer


def _filled_by_signature(signature: Any, content: bytes) -> bool:
    """Whether the one gap in the signed bytes holds the signature and zeros, and nothing else."""
    from asn1crypto import cms

    places = [int(one) for one in signature.byte_range]
    if len(places) != 4 or places[0] != 0 or not 0 < places[1] < places[2] <= len(content):
        return False
    gap = content[places[1] : places[2]]
    try:
        held = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError:
        return False
    size = len(cms.ContentInfo.load(held).dump())
    return gap[:1] + gap[-1:] == b"<>" and held == bytes(signature.pkcs7_content) and not any(held[size:])


async def _one(signature: Any, content: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    now = dt.datetime.fromtimestamp(asked["now_ms"] / 1000, tz=dt.UTC)
    usage = KeyUsageConstraints(key_usage={"non_repudiation", "digital_signature"}, match_all_key_usages=False)

    issuer = signature.signer_cert.issuer

    async def judged(moment: dt.datetime) -> Any:
        return await async_validate_pdf_signature(
            signature, _context(asked, moment, issuer), _context(asked, now), key_usage_settings=usage
        )

    status, at = await judged(now), now
    stamp = status.timestamp_validity
    stamped = stamp is not None and stamp.valid and stamp.intact and stamp.trusted
    if stamped:
        # A trusted time stamp says when it was signed: the certificate counts as it was then.
        at = stamp.timestamp.astimezone(dt.UTC)
        status = await judged(at)
    subject = status.signing_cert.subject.native
    level = status.modification_level
    filled = _filled_by_signature(signature, content)
    problem = status.trust_problem_indic
    claimed = status.signer_reported_dt
    return {
        "signer": _text(subject.get("common_name")),
        "organisation": _text(subject.get("organization_name")),
        "issuer": _text(status.signing_cert.issuer.native.get("common_name")),
        "serial": f"{status.signing_cert.serial_number:x}",
        "algorithm": _text(status.md_algorithm),
        "claimed_at": None if claimed is None or claimed.tzinfo is None else claimed.astimezone(dt.UTC).isoformat(),
        "stamped_at": at.isoformat() if stamped else None,
        "intact": bool(status.intact and status.valid and filled),
        "covers": _text(status.coverage.name).lower().replace("_", "-") if filled else "unclear",
        "changed_after": "other" if level is None else _text(level.name).lower().replace("_", "-"),
        "unchanged": bool(filled and status.docmdp_ok and level is not None and level.value <= _MAINTENANCE),
        "trusted": bool(status.trusted),
        "revocation_checked": any(_issuer_of(one) == issuer for one in asked["revocations"]),
        "trust_problem": "" if status.trusted else _problem(problem),
    }


def _problem(indication: Any) -> str:
    """The indication of ETSI EN 319 102-1, section 5.1.3."""
    return "no-certificate-chain-found" if indication is None else indication.name.lower().replace("_", "-")


def _text(value: Any) -> str:
    """A name of a certificate as one bounded line."""
    found = value if isinstance(value, str) else "; ".join(map(str, value)) if isinstance(value, list) else ""
    return "".join(sign if sign.isprintable() else "?" for sign in found)[:MAX_TEXT]


async def check(content: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """What stands in the answer: ``signatures``, or ``unreadable`` with the reason in one word."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(io.BytesIO(content), strict=True)
    if reader.encrypted:
        return {"unreadable": "encrypted"}
    signatures = reader.embedded_regular_signatures
    if len(signatures) > MAX_SIGNATURES:
        return {"unreadable": "too-many-signatures"}
    return {"signatures": [await _one(one, content, asked) for one in signatures]}


def main() -> None:
    """Read, check, answer. An error of any kind is an answer too: its text could repeat what the PDF says."""
    confine()
    asked = json.loads(sys.stdin.buffer.readline(MAX_HEAD))
    content = sys.stdin.buffer.read(asked["size"])
    try:
        answer = asyncio.run(check(content, asked))
    except MemoryError:
        answer = {"unreadable": "too-large-inside"}
    except RecursionError:
        answer = {"unreadable": "too-deep"}
    except Exception as error:  # noqa: BLE001 - the boundary: whatever a hostile file brings about is told by its kind
        answer = {"unreadable": type(error).__name__}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
