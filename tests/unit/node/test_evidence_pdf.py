"""Signed PDFs: a change is seen, who is unknown is not trusted, and a hostile file ends in time with an error."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.node.signed_pdf import (
    DAY,
    Party,
    appended,
    authority,
    encrypted_pdf,
    plain_pdf,
    registrar,
    revocation_list,
    signed_pdf,
)

from passerelle.core.errors import ConfigError, FormatError, Refused
from passerelle.node import evidence_pdf_child
from passerelle.node.evidence_pdf import PdfEvidence, PdfReport, Trust, check_pdf, read_trust
from passerelle.node.sealed import MAX_CONTENT, Content

NOW = int(DAY.timestamp() * 1000)


def trust(*roots: Party, revocations: tuple[bytes, ...] = ()) -> Trust:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Trust([one.certificate.public_bytes(Encoding.DER) for one in roots], revocations)


SIGNED = signed_pdf()


def checked(content: bytes, trusted: Trust | None = None, *, now_ms: int = NOW) -> PdfReport:
    """What the child finds, in this process: its limits and pipes have tests of their own below."""
    return asyncio.run(found(content, trusted, now_ms=now_ms))


async def found(content: bytes, trusted: Trust | None = None, *, now_ms: int = NOW) -> PdfReport:
    """The same within a loop."""
    known = trust(authority()) if trusted is None else trusted
    asked = {
        "now_ms": now_ms,
        "certificates": [base64.b64encode(one) for one in known.certificates],
        "revocations": [base64.b64encode(one) for one in known.revocations],
    }
    answer = await evidence_pdf_child.check(content, asked)
    return PdfReport(Content("", "evidence", "application/pdf", content), now_ms, answer["signatures"])


def test_a_signed_document_is_verified_and_says_by_whom() -> None:
    report = checked(SIGNED)
    assert report.verdict == "verified"
    (one,) = report.signatures
    assert {name: one[name] for name in ("signer", "organisation", "issuer", "covers", "changed_after")} == {
        "signer": "Sample Registrar", "organisation": "Sample College", "issuer": "Sample Root",
        "covers": "entire-file", "changed_after": "none",
    }  # fmt: skip
    assert (one["intact"], one["unchanged"], one["trusted"], one["trust_problem"]) == (True, True, True, "")
    assert one["algorithm"] == "sha256"
    assert one["claimed_at"].endswith("+00:00")
    assert one["stamped_at"] is None


@pytest.mark.parametrize(
    ("trusted", "now_ms", "problem"),
    [
        (Trust(), NOW, "no-certificate-chain-found"),
        (trust(authority("Other Root")), NOW, "no-certificate-chain-found"),
        (trust(authority(), revocations=(revocation_list(registrar()),)), NOW, "revoked"),
        (trust(authority()), NOW + 20 * 365 * 86_400_000, "out-of-bounds"),
    ],
    ids=["nobody", "another root", "revoked", "long after"],
)
def test_a_signer_without_a_trusted_root_now_is_untrusted(trusted: Trust, now_ms: int, problem: str) -> None:
    report = checked(SIGNED, trusted, now_ms=now_ms)
    assert report.verdict == "untrusted"
    assert report.signatures[0]["intact"]
    assert problem in report.signatures[0]["trust_problem"]


def test_a_list_that_does_not_name_the_signer_changes_nothing() -> None:
    other = registrar(days=100)
    assert checked(SIGNED, trust(authority(), revocations=(revocation_list(other),))).verdict == "verified"


def test_a_list_that_is_out_of_date_clears_nobody() -> None:
    late = checked(SIGNED, trust(authority(), revocations=(revocation_list(),)), now_ms=NOW + 8 * 365 * 86_400_000)
    assert (late.verdict, late.signatures[0]["revocation_checked"]) == ("untrusted", True)
    assert checked(SIGNED, now_ms=NOW + 8 * 365 * 86_400_000).verdict == "verified"


def test_altered_bytes_and_appended_revisions_are_seen() -> None:
    signed = SIGNED
    altered = checked(signed.replace(b"(Transcript)", b"(Trbnscript)"))
    assert (altered.verdict, altered.signatures[0]["intact"]) == ("altered", False)
    longer = checked(appended(signed))
    assert (longer.verdict, longer.signatures[0]["covers"]) == ("altered", "entire-revision")
    assert not longer.signatures[0]["unchanged"]


def test_who_signs_last_and_is_unknown_makes_nothing_trusted() -> None:
    twice = signed_pdf(appended(plain_pdf()), by=registrar("Other Root"))
    assert checked(twice).verdict == "untrusted"


GAP = range(SIGNED.index(b"/Contents <") + 10, SIGNED.index(b">", SIGNED.index(b"/Contents <")) + 1)
"""The bytes that nobody signed: where the signature itself stands."""


def test_the_gap_in_the_signed_bytes_holds_the_signature_and_nothing_else() -> None:
    assert SIGNED[GAP.start : GAP.start + 1] == b"<"
    spoilt = SIGNED[: GAP.stop - 5] + b"beef" + SIGNED[GAP.stop - 1 :]
    report = checked(spoilt)
    assert (report.verdict, report.signatures[0]["covers"]) == ("altered", "unclear")


def test_an_unsigned_document_is_unsigned() -> None:
    assert checked(plain_pdf()).verdict == "unsigned"


def test_the_report_and_its_evidence_name_both_documents_and_the_cell_can_be_imported() -> None:
    from passerelle.node import csv_cells as c

    report = checked(SIGNED)
    value = json.loads(report.as_content.content)
    assert value["format"] == "passerelle.pdf-evidence/v1"
    assert value["sha256"] == report.content.document["sha256"]
    cells = c.list_of(c.DOCUMENT, 32).parse(report.cells, "humber")
    assert [one["media_type"] for one in cells] == ["application/pdf", "application/json"]
    assert "Sample" not in report.cells


async def test_the_process_gives_the_same_answer_and_takes_no_network(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(SIGNED)
    report = await check_pdf(path, trust(authority()), NOW)
    assert report.verdict == "verified"
    assert report.signatures == (await found(SIGNED)).signatures


def bomb() -> bytes:
    """A document whose cross-reference stream says that it unpacks to far more than memory."""
    packed = zlib.compress(bytes(1 << 26), 9)
    entries = "/Type /XRef /Size 99999999 /W [1 4 2] /Root 2 0 R /Filter /FlateDecode"
    head = f"%PDF-1.7\n1 0 obj\n<< {entries} /Length {len(packed)} >>\nstream\n".encode()
    return head + packed + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n"


HOSTILE = {
    "no pdf": b"GIF89a",
    "nothing": b"",
    "mark only": b"%PDF-1.7\n",
    "truncated": SIGNED[:300],
    "encrypted": encrypted_pdf(),
    "deep": b"%PDF-1.7\ntrailer\n<< /Root " + b"[" * 200_000 + b"\nstartxref\n9\n%%EOF\n",
    "loop": b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Size 1 /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_ends_in_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(FormatError) as caught:
        await check_pdf(path, Trust(), NOW, timeout_s=20)
    assert caught.value.code == "pdf-unreadable"
    assert "time or memory" not in caught.value.what


async def test_what_takes_too_long_or_is_too_large_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(SIGNED)
    with pytest.raises(FormatError) as caught:
        await check_pdf(path, Trust(), NOW, timeout_s=0.001)
    assert "time or memory" in caught.value.what
    path.write_bytes(bomb())
    with pytest.raises(FormatError) as caught:
        await check_pdf(path, Trust(), NOW, timeout_s=2)
    assert caught.value.code == "pdf-unreadable"
    with path.open("r+b") as stream:
        stream.truncate(MAX_CONTENT + 1)
    with pytest.raises(FormatError) as caught:
        await check_pdf(path, Trust(), NOW)
    assert caught.value.code == "file-too-large"


@settings(max_examples=60)
@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255))
def test_no_changed_byte_outside_of_the_gap_leaves_it_verified(place: int, value: int) -> None:
    changed = SIGNED[:place] + bytes([value]) + SIGNED[place + 1 :]
    try:
        verdict = checked(changed).verdict
    except Exception as error:  # noqa: BLE001 - the child tells each error by its kind
        verdict = type(error).__name__
    assert verdict != "verified" or changed == SIGNED or place in GAP


def test_a_trust_folder_holds_pem_and_der_and_lists(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    (tmp_path / "both.pem").write_bytes(authority().pem + authority("Other Root").pem)
    (tmp_path / "one.cer").write_bytes(authority().certificate.public_bytes(Encoding.DER))
    (tmp_path / "now.crl").write_bytes(revocation_list())
    (tmp_path / "notes.txt").write_text("not looked at", encoding="utf-8")
    found = read_trust(tmp_path)
    assert (len(found.certificates), len(found.revocations)) == (3, 1)


@pytest.mark.parametrize("name", ["bad.pem", "bad.crl", "absent/"])
def test_a_trust_folder_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name if name.endswith("/") else tmp_path
    if folder == tmp_path:
        (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError) as caught:
        read_trust(folder)
    assert name.rstrip("/") in caught.value.where


class _Transfers:
    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.documents = documents

    async def view(self, case: str) -> Any:
        return self

    async def step(self, case: str, name: str, data: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        return case, name, data


class _Documents:
    def __init__(self) -> None:
        self.held: list[Content] = []

    async def hold(self, case: str, item: Content) -> bool:
        self.held.append(item)
        return True


async def test_a_verified_document_goes_out_by_hash_once_and_anything_else_not() -> None:
    verified, documents = await found(SIGNED), _Documents()
    desk: Any = PdfEvidence(_Transfers([]), documents)  # type: ignore[arg-type]
    _, name, data = await desk.attach(verified)
    assert (name, [one["media_type"] for one in data["documents"]]) == (
        "evidence-added", ["application/pdf", "application/json"],
    )  # fmt: skip
    assert "Sample" not in json.dumps(data)
    assert [item.content for item in documents.held] == [verified.content.content, verified.as_content.content]
    again: Any = PdfEvidence(_Transfers(data["documents"]), documents)  # type: ignore[arg-type]
    assert await again.attach(verified) is None
    with pytest.raises(Refused) as caught:
        await desk.attach(await found(SIGNED, Trust()))
    assert caught.value.code == "pdf-unverified"
    assert len(documents.held) == 2
