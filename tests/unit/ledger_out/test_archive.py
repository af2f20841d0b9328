"""The archive's files: what is written is what is read; what is out of place is refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.ledger_out.fakes import NETWORK, SIGNER
from tests.unit.ledger_out.test_replay import Actors

from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.errors import FormatError, PasserelleError, Unavailable
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.tiles import grow, parse_bundle_path
from passerelle.ledger.archive import (
    Bundle,
    Manifest,
    bundle_files,
    new_archive,
    parse_manifest,
    read_archive,
    tile_path,
)
from passerelle.ledger.archive_run import verify_archive
from passerelle.ledger.check_ports import BodyRow, EntryRow

KEYS = [SIGNER.verifier]


def rows() -> list[EntryRow]:
    """Entries of every kind: public, of parties, erased, refused, refused and unreadable."""
    actors = Actors()
    actors.ledger.feed(
        actors.step("issued", "ann"),
        actors.step("issued", "bob"),
        actors.step("erased", "bob"),
        actors.step("suspended", "cat"),
        actors.other("junk", "ann"),
    )
    found = []
    for row in actors.rows():
        stored = actors.ledger.entries[row.index]
        refusal = None if stored[7] is None else stored[7].decode()
        found.append(replace(row, refusal=refusal, ingress=stored[12]))
    return found


def read_back(files: list[tuple[str, bytes]]) -> Bundle:
    bundle = Bundle.of(parse_bundle_path(files[0][0]), files[0][1])
    for name, data in files[1:]:
        bundle.add(name, data)
    bundle.check()
    return bundle


def test_what_is_written_is_what_is_read() -> None:
    written = rows()
    read = read_back(list(bundle_files(0, written, private=True))).rows()
    assert {row.bodies[0].table for row in written if row.bodies} == {"public_body", "party_body", "refused_body"}
    assert any(item.body is None for row in written for item in row.bodies)
    for one, other in zip(written, read, strict=True):
        assert [(item.table, item.body) for item in one.bodies] == [(item.table, item.body) for item in other.bodies]
        assert (one.type, one.subject, one.refusal, one.ingress) == (
            other.type,
            other.subject,
            other.refusal,
            other.ingress,
        )
        assert (one.index, one.entry, one.digest, one.code) == (other.index, other.entry, other.digest, other.code)


def test_without_the_private_part_nothing_of_parties_is_in() -> None:
    written = rows()
    files = list(bundle_files(0, written, private=False))
    text = b"".join(data for _, data in files)
    secrets = [item.body for row in written for item in row.bodies if item.table != "public_body" and item.body]
    assert secrets
    assert not any(secret in text for secret in secrets)
    with pytest.raises(Unavailable, match="private"):
        read_back(files).rows()


def test_a_withdrawn_public_body_leaves_type_and_subject() -> None:
    written = rows()
    at = next(row.index for row in written if row.bodies and row.bodies[0].table == "public_body")
    gone = written[at]
    written[at] = replace(gone, bodies=(BodyRow("public_body", None, gone.bodies[0].note),))
    read = read_back(list(bundle_files(0, written, private=True))).rows()[at]
    assert (read.type, read.subject, read.bodies) == (gone.type, gone.subject, written[at].bodies)


def archive(path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]] | None = None) -> Path:
    """A public archive of the entries, with its files changed."""
    written = rows()
    frontier = Frontier()
    tiles = grow(frontier, leaf_hashes(row.entry for row in written))
    note = sign_checkpoint(Checkpoint(NETWORK, frontier.size, frontier.root()), [SIGNER])
    files = [("checkpoint", note), *bundle_files(0, written, private=False)]
    files += [(tile_path(tile.level, tile.index, len(tile.hashes) // 32), tile.hashes) for tile in tiles]
    with new_archive(path) as writer:
        for name, data in change(files) if change else files:
            writer.add(name, data)
        writer.finish(Manifest(NETWORK, frontier.size, frontier.root().hex(), private=False))
    return path


async def test_an_archive_is_verified(tmp_path: Path) -> None:
    found = await verify_archive(archive(tmp_path / "a.tar"), NETWORK, KEYS)
    assert (found.size, found.private, len(found.sha256)) == (len(rows()), False, 64)
    with pytest.raises(PasserelleError, match="exists already"):
        archive(tmp_path / "a.tar")


Files = list[tuple[str, bytes]]
CASES: dict[str, Callable[[Files], Files]] = {
    "no checkpoint": lambda files: files[1:],
    "no entries": lambda files: [file for file in files if not file[0].startswith("tile/entries")],
    "no tile": lambda files: files[:-1],
    "a tile twice": lambda files: [*files, files[-1]],
    "no ingress": lambda files: [file for file in files if not file[0].startswith("ingress")],
    "entries twice": lambda files: [*files[:2], files[1], *files[2:]],
    "another body": lambda files: [(name, data + b" " * name.startswith("body")) for name, data in files],
    "a body of nobody": lambda files: [
        *files[:3],
        ("body/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", b""),
        *files[3:],
    ],
    "a file too many": lambda files: [*files[:3], ("extra/file", b""), *files[3:]],
    "another entry": lambda files: [
        (name, data.replace(b"\naccepted\n", b"\nacceptex\n", 1) if "entries" in name else data) for name, data in files
    ],
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_out_of_place_is_refused(case: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", CASES[case])
    with pytest.raises(PasserelleError) as caught:
        await verify_archive(path, NETWORK, KEYS)
    assert caught.value.code in {"archive-malformed", "entry-malformed"}


def test_a_cut_or_changed_tar_is_refused(tmp_path: Path) -> None:
    data = archive(tmp_path / "a.tar").read_bytes()
    place = data.index(b"passerelle.entry/v1")
    flipped = data[:place] + b"q" + data[place + 1 :]
    for name, content in {"cut": data[: len(data) // 2], "empty": b"", "flipped": flipped}.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FormatError) as caught:
            list(read_archive(path))
        assert caught.value.code == "archive-malformed", name


def test_links_and_folders_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "x") as tar:
        link = tarfile.TarInfo("checkpoint")
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
        tar.addfile(link, io.BytesIO())
    with pytest.raises(FormatError, match="plain file"):
        list(read_archive(path))


def test_a_manifest_of_another_version_is_refused() -> None:
    good = Manifest(NETWORK, 1, "00", private=True, ingress=[("t", 0, 5)], inboxes={"york": 3}).encode()
    assert parse_manifest(good).inboxes == {"york": 3}
    for bad in (good.replace(b"/v1", b"/v2"), b"[]", b"x", good.replace(b'"size": 1', b'"size": "x"')):
        with pytest.raises(FormatError):
            parse_manifest(bad)
