"""Sealed files open for their receiver alone, about the case they were sealed for, and within their bounds."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.drawer import CASE, OfficeDesk
from tests.unit.node.test_release_file import ANN, GRANT, RELEASE, log, verifier
from tests.unit.node.test_release_file import DEFAULT as EVENTS

from passerelle.core.errors import PasserelleError
from passerelle.node import sealed
from passerelle.node.release_file import build_file
from passerelle.node.sealed import MAX_CONTENT, Content, OwnSeal, SealKey, open_sealed, seal, seal_key

OWN = OwnSeal("york", bytes(range(32)))
OTHER = OwnSeal("york", bytes(range(1, 33)))


def item(content: bytes = b"<transcript/>", about: str = CASE) -> Content:
    return Content(about, "transcript", "application/xml", content)


def refused(code: str, value: bytes, own: OwnSeal = OWN, about: str = CASE) -> PasserelleError:
    with pytest.raises(PasserelleError) as caught:
        open_sealed(value, own, about)
    assert caught.value.code == code
    assert caught.value.fix
    return caught.value


@given(st.binary(min_size=1, max_size=2000))
def test_what_was_sealed_is_what_opens(content: bytes) -> None:
    value = seal(item(content), OWN.public)
    assert content not in value or len(content) < 8
    assert open_sealed(value, OWN, CASE) == item(content)


def test_two_seals_of_one_document_do_not_look_alike() -> None:
    assert seal(item(), OWN.public) != seal(item(), OWN.public)


def test_it_opens_for_no_other_key_member_or_case() -> None:
    value = seal(item(), OWN.public)
    assert "another key" in refused("sealed-malformed", value, OTHER).what
    assert "another member" in refused("sealed-malformed", value, OwnSeal("laval", OWN.secret)).what
    assert "another case" in refused("sealed-malformed", value, about=RELEASE).what
    # The key id is only a hint: whoever changes it opens nothing.
    forged = value.replace(OWN.public.key_id.encode(), OTHER.public.key_id.encode(), 1)
    refused("sealed-malformed", forged, OTHER)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_found(place: int, flip: int) -> None:
    value = bytearray(seal(item(), OWN.public))
    value[place % len(value)] ^= flip
    refused("sealed-malformed", bytes(value))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    refused("sealed-malformed", value)
    refused("sealed-malformed", sealed.FORMAT + b"\nyork\n" + OWN.public.key_id.encode() + b"\n" + value)


@pytest.mark.parametrize(
    "plain", [b"{}", b"[]\nx", b"\xff\nx", b'{"about":1,"role":"x","media_type":"y"}\nx', b"x" * 5000]
)
def test_a_first_line_that_is_none_is_refused(plain: bytes) -> None:
    from nacl.public import PublicKey, SealedBox

    box = SealedBox(PublicKey(OWN.public.public_key)).encrypt(plain)
    refused("sealed-malformed", b"\n".join((sealed.FORMAT, b"york", OWN.public.key_id.encode(), box)))


def test_sizes_are_bounded_on_both_sides() -> None:
    for content, code in ((b"", "file-empty"), (bytes(MAX_CONTENT + 1), "file-too-large")):
        with pytest.raises(PasserelleError) as caught:
            seal(item(content), OWN.public)
        assert caught.value.code == code
    refused("file-too-large", bytes(sealed.MAX_SEALED + 1))


def record(*keys: dict[str, Any], status: str = "active") -> dict[str, Any]:
    return {"status": status, "keys": list(keys)}


def listed(own: OwnSeal, index: int = 1, **more: Any) -> dict[str, Any]:
    public = own.public
    return {"key_id": public.key_id, "public_key": public.public_key.hex(), "use": "seal", "added_index": index, **more}


def test_the_key_is_the_latest_of_the_registry_that_is_in_force() -> None:
    found = seal_key("york", record(listed(OWN, 3), listed(OTHER, 9), listed(OWN, 11, removed_index=12)), 50)
    assert found == SealKey("york", OTHER.public.key_id, OTHER.public.public_key)
    for none in (
        None, record(), record(listed(OWN), status="suspended"), record(listed(OWN, valid_to=50)),
        record(listed(OWN, valid_from=51)), record(listed(OWN) | {"use": "sign"}),
    ):  # fmt: skip
        with pytest.raises(PasserelleError) as caught:
            seal_key("york", none, 50)
        assert caught.value.code == "seal-key-missing"


def test_a_repr_tells_neither_secret_nor_content() -> None:
    assert "Planted" not in repr(item(b"Planted"))
    assert repr(OWN) == "OwnSeal(york)"


def sealed_file(key: SealKey | None = OWN.public, release: str = RELEASE) -> Any:
    receipts = log(("credential.release-granted", RELEASE, GRANT), *EVENTS)
    content = build_file(receipts[0], receipts[1:], [{"course": "humber/acct"}], ANN, release=release, key=key)
    assert (b"Ann Planted" in content) == (key is None)
    return orjson.loads(content)


def test_the_person_of_a_release_file_can_be_sealed_to_its_receiver() -> None:
    value = sealed_file()
    assert value["results"] == []
    proved = verifier(seal=OWN).prove(value)
    assert (proved.person.name, proved.results) == ("Ann Planted", ({"course": "humber/acct"},))


@pytest.mark.parametrize("change", ["no key", "other key", "other release", "not base64", "other role"])
def test_a_sealed_person_that_does_not_open_is_refused(change: str) -> None:
    value = sealed_file(release=CASE if change == "other release" else RELEASE)
    if change == "not base64":
        value["person"]["sealed"] = "?"
    if change == "other role":
        wrong = seal(Content(RELEASE, "letter", "text/plain", b"{}"), OWN.public)
        value["person"]["sealed"] = base64.b64encode(wrong).decode()
    own = {"no key": None, "other key": OTHER}.get(change, OWN)
    with pytest.raises(PasserelleError) as caught:
        verifier(seal=own).prove(value)
    assert caught.value.code in {"sealed-malformed", "release-file-malformed"}


# From node to node


def desks() -> tuple[OfficeDesk, OfficeDesk]:
    """humber and queens over one case, each with the other's key in its registry."""
    humber, queens = OfficeDesk(member="humber"), OfficeDesk()
    for desk in (humber, queens):
        desk.drawer.members = {"queens": record(listed(queens.own)), "humber": record(listed(humber.own))}
        desk.drawer.learners = {}
    enrolled = queens.vault.enrol(ANN)
    queens.drawer.learners[enrolled.id] = enrolled
    queens.open(learner=enrolled.id)
    opened = {"release": RELEASE, "sender": "humber", "receiver": "queens", "credentials": []}
    humber.drawer.hear("transfer.requested", CASE, opened, index=10, member="queens")
    return humber, queens


async def test_a_document_goes_from_node_to_node_and_is_kept_encrypted(tmp_path: Path) -> None:
    humber, queens = desks()
    paper, parcel = tmp_path / "outline.pdf", tmp_path / "outline.sealed"
    paper.write_bytes(b"%PDF Planted")
    document = await humber.work.documents.seal(CASE, paper, parcel, role="outline")
    assert document["size"] == 12
    assert b"Planted" not in parcel.read_bytes()
    # Before the case names it, it is not taken: anybody could have sealed it.
    with pytest.raises(PasserelleError) as caught:
        await queens.work.documents.take(CASE, parcel)
    assert caught.value.code == "file-hash-mismatch"
    queens.drawer.hear("transfer.evidence-added", CASE, {"documents": [document]}, index=11, member="humber")
    assert (await queens.work.documents.listed(CASE))[0]["state"] == "awaited"
    assert (await queens.work.documents.take(CASE, parcel))["new"]
    assert not (await queens.work.documents.take(CASE, parcel))["new"]
    [row] = queens.drawer.papers.values()
    assert row.content is not None
    assert b"Planted" not in row.content
    assert (await queens.work.documents.listed(CASE))[0]["state"] == "held"
    out = tmp_path / "out.pdf"
    await queens.work.documents.write(CASE, document["sha256"][:12], out)
    assert out.read_bytes() == b"%PDF Planted"
    assert os.stat(out).st_mode & 0o077 == 0


async def test_a_document_of_another_size_or_nobodys_is_refused(tmp_path: Path) -> None:
    humber, queens = desks()
    paper, parcel = tmp_path / "a.xml", tmp_path / "a.sealed"
    paper.write_bytes(b"<a/>")
    document = await humber.work.documents.seal(CASE, paper, parcel, role="transcript")
    wrong = {**document, "size": 5}
    queens.drawer.hear("transfer.evidence-added", CASE, {"documents": [wrong]}, index=11, member="humber")
    with pytest.raises(PasserelleError) as caught:
        await queens.work.documents.take(CASE, parcel)
    assert caught.value.code == "file-hash-mismatch"
    queens.drawer.hear("transfer.evidence-added", CASE, {"documents": [document]}, index=9, member="humber")
    queens.drawer.learners.clear()
    with pytest.raises(PasserelleError) as caught:
        await queens.work.documents.take(CASE, parcel)
    assert caught.value.code == "learner-mismatch"


@pytest.mark.parametrize(
    ("name", "role", "code"),
    [
        ("a.exe", "outline", "format-unknown"),
        ("a.pdf", "match", "argument-invalid"),
        ("b.pdf", "outline", "file-unreadable"),
    ],
)
async def test_what_cannot_be_sealed_is_told(tmp_path: Path, name: str, role: str, code: str) -> None:
    humber, _ = desks()
    (tmp_path / "a.exe").write_bytes(b"x")
    (tmp_path / "a.pdf").write_bytes(b"x")
    with pytest.raises(PasserelleError) as caught:
        await humber.work.documents.seal(CASE, tmp_path / name, tmp_path / "out", role=role)
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()
