"""``passerelle verify answer``: what it checks, what it says, and the page for paper."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from tests.unit.core.test_answer import ISSUER, LOG, made
from typer.testing import CliRunner

from passerelle.api.equivalency.v1.equivalency_pb2 import FindResponse
from passerelle.cli.answer_page import LABELS, TEXTS, TITLES, WORDS
from passerelle.cli.answering import keep_signed
from passerelle.cli.query import app as query
from passerelle.cli.verify import app
from passerelle.core import answer as core
from passerelle.core.errors import PasserelleError
from passerelle.core.jws import read, sign
from passerelle.core.signature import SeedSigner
from passerelle.node.setup import public_key_entry
from passerelle.runtime.keys import read_seed

DAY = "2026-01-01T12:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.answer.jws").write_bytes(made() + b"\n")
    (tmp_path / "issuer.pub").write_text(ISSUER.public_key.hex() + "\n")
    (tmp_path / "log.vkey").write_text(str(LOG.verifier) + "\n")
    return tmp_path


def run(folder: Path, *more: str, at: str = DAY) -> Any:
    keys = ("--vkey", str(folder / "log.vkey"), "--issuer-key", str(folder / "issuer.pub"))
    return CliRunner().invoke(app, ["answer", str(folder / "a.answer.jws"), *keys, "--at", at, *more])


def refused(folder: Path, *more: str, at: str = DAY) -> tuple[str, str]:
    result = run(folder, *more, at=at)
    assert isinstance(result.exception, PasserelleError), result.output
    return result.exception.code, result.exception.where


def test_it_says_what_it_checked(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0, result.output
    for told in ("valid", "EquivalencyService/Find", ISSUER.key_id, "40 entries", "41 entries", "lisbon v2"):
        assert told in result.output
    value = json.loads(run(folder, "--json").output)
    assert value["valid"] is True
    assert value["checkpoint"]["size"] == 41
    assert value["answer"] == {"answers": [{"verdict": "agreement"}]}


def test_what_does_not_hold_is_refused_with_its_code(folder: Path) -> None:
    assert refused(folder, at="2026-03-01T00:00:00Z") == ("answer-expired", "expires_at")
    assert refused(folder, at="12") == ("argument-invalid", "--at")
    assert refused(folder, "--network", "other.example/log")[0] == "network-mismatch"
    assert refused(folder, "--issuer-key", "zz") == ("key-malformed", "--issuer-key")
    assert refused(folder, "--issuer-key", "00") == ("key-malformed", "--issuer-key")
    (folder / "issuer.pub").write_text("11" * 32)
    assert refused(folder)[0] == "answer-signature-invalid"
    (folder / "log.vkey").write_text("\n")
    assert refused(folder) == ("argument-missing", "--vkey")


def test_without_an_instant_it_judges_as_of_now(folder: Path) -> None:
    keys = ["--vkey", str(LOG.verifier), "--issuer-key", ISSUER.public_key.hex()]
    late = CliRunner().invoke(app, ["answer", str(folder / "a.answer.jws"), *keys])
    assert isinstance(late.exception, PasserelleError)
    assert late.exception.code == "answer-expired"


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("What an achievement counts for", "agreement")), ("fr", ("Ce que vaut une réalisation", "entente"))],
)
def test_the_page_shows_it_in_the_language_asked_for(folder: Path, language: str, words: tuple[str, ...]) -> None:
    result = run(folder, "--print", str(folder / "a.html"), "--lang", language)
    assert result.exit_code == 0, result.output
    text = (folder / "a.html").read_text(encoding="utf-8")
    page = html.fromstring(text.encode())
    assert page.get("lang") == language
    shown = page.text_content()
    digest = hashlib.sha256(made()).hexdigest()
    for told in (*words, digest, "humber/revit", "operator", "2026-01-02T00:00:00Z"):
        assert told in shown, told
    [code] = page.iter("svg")
    assert code.findtext("title") == f"urn:passerelle:answer:{digest}"
    # Nothing is fetched and nothing runs.
    assert not list(page.iter("script", "link", "img", "iframe"))
    assert "@page" in text
    assert "url(" not in text
    assert refused(folder, "--print", str(folder / "b.html"), "--lang", "de") == ("language-unknown", "--lang")
    assert not (folder / "b.html").exists()


def test_what_members_wrote_stays_text(folder: Path) -> None:
    evil = "<script>alert(1)</script>"
    content = read(made(), core.KIND, {ISSUER.key_id: ISSUER.public_key}.get).payload
    content["answer"] = {"title": evil, "reasons": [{"code": "x", "en": evil, "fr": evil, "parameters": {}}]}
    (folder / "a.answer.jws").write_text(sign(ISSUER, core.KIND, content))
    assert run(folder, "--print", str(folder / "a.html"), "--lang", "en").exit_code == 0
    text = (folder / "a.html").read_text(encoding="utf-8")
    assert evil not in text
    assert text.count("&lt;script&gt;") == 2


def test_every_text_is_in_both_languages() -> None:
    for table in (TEXTS, TITLES, LABELS, WORDS):
        assert all(bool(english) == bool(french) for english, french in table.values())


def test_a_key_for_answers_is_made_once_and_listed_for_that_use(tmp_path: Path) -> None:
    target = tmp_path / "answer.key"
    told = json.loads(CliRunner().invoke(query, ["answer-key", "--out", str(target), "--json"]).output)
    signer = SeedSigner(read_seed(target))
    listed = public_key_entry(Path(told["public_key"]), "answer")
    assert listed == {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "answer"}
    assert told["key_id"] == signer.key_id
    again = CliRunner().invoke(query, ["answer-key", "--out", str(target)])
    assert isinstance(again.exception, PasserelleError)
    assert again.exception.code == "key-file-unusable"
    assert SeedSigner(read_seed(target)).key_id == signer.key_id


def test_a_part_of_an_answer_is_not_kept_as_if_it_were_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.answer.jws"
    with pytest.raises(PasserelleError) as caught:
        keep_signed(target, FindResponse(jws="a.b.c", next_page_token="more"))
    assert (caught.value.code, target.exists()) == ("too-many-items", False)
    keep_signed(target, FindResponse(jws="a.b.c"))
    assert target.read_text() == "a.b.c\n"
