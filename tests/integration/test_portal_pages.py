"""The pages on a real feed and database, with nobody to answer questions: all of them stand, in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from tests.browser.story import build
from tests.unit.portal.builder import Log, achievement, small_log
from tests.unit.portal.rig import config_for, feed_topic, portal

from passerelle.core.receipt import build_receipt
from passerelle.embedded import EmbeddedKafka

Names = Callable[[str], str]
PAGES = (
    "",
    "achievements",
    "achievements?q=revit&delivery=hybrid&page=2",
    "achievements/humber/revit",
    "achievements/rru/climate-adaptation",
    "achievements/skilledtrades/carpenter",
    "equivalencies",
    "equivalencies?from=humber/revit&receiver=nscc&valid_on=2026-11-01",
    "equivalencies?to=athabasca/mba",
    "equivalencies?from=climate&to=business",
    "ledger",
    "ledger?before=10",
    "ledger?show=public&before=30",
    "ledger/0",
    "ledger/36",
    "ledger/40",
    "proof",
    "proof?index=3",
    "proof?index=banana",
    "members",
    "members?kind=university&jurisdiction=CA-BC",
    "members/humber",
    "members/boreal",
    "live",
)


@asynccontextmanager
async def site(
    kafka: EmbeddedKafka, database: str, name: str, folder: Path, log: Log
) -> AsyncIterator[httpx.AsyncClient]:
    """A portal that read the whole log, and a client."""
    async with feed_topic(kafka.bootstrap, name) as topic:
        await topic.write(log, range(len(log.entries)))
        config = config_for(log, folder, database, topic.config)
        async with portal(config, topic.name) as here:
            await here.reached(len(log.entries))
            async with httpx.AsyncClient(base_url=here.url, timeout=20) as client:
                yield client


async def test_every_page_stands_in_both_languages_without_the_query_services(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    async with site(kafka, database, unique_name("feed"), tmp_path, build()) as client:
        for language in ("en", "fr"):
            for page in PAGES:
                answer = await client.get(f"/{language}/{page}")
                assert answer.status_code == 200, page
                assert f'<html lang="{language}">' in answer.text
                assert answer.headers["content-language"] == language
                assert answer.headers["content-security-policy"].startswith("default-src 'self'")
                # No reference to a missing message, a missing value or a Python object.
                assert not re.search(r"Undefined|&lt;[a-z_.]+ object|\{[a-z_]+\}", answer.text), page
        shown = (await client.get("/en/achievements/humber/revit")).text
        for fact in ("Online, live", "42 hours", "$495", "Not for credit", "Using computer-aided design"):
            assert fact in shown
        assert "service-unavailable" in shown
        assert "Our technologists helped" in shown
        public = (await client.get("/en/ledger?show=public")).text
        assert "Recognition granted" in public
        assert "Between parties" not in public
        assert "Between parties" in (await client.get("/en/ledger")).text
        french = (await client.get("/fr/achievements/boreal/vehicules-electriques")).text
        for fact in ("En présence", "60 heures", "Gratuit", "Sans crédit"):
            assert fact in french
        bare = (await client.get("/en/achievements/skilledtrades/carpenter")).text
        for fact in ("Hours not stated", "Cost not stated"):
            assert fact in bare


async def test_the_language_follows_the_reader_and_the_switch_keeps_the_page(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    async with site(kafka, database, unique_name("feed"), tmp_path, small_log()) as client:
        for path in ("/", "/achievements?q=revit", "/ledger/3", "/achievements/humber/revit"):
            answer = await client.get(path, headers={"Accept-Language": "fr-CA, en;q=0.5"})
            assert (answer.status_code, answer.headers["location"]) == (307, f"/fr{path}")
            assert answer.headers["vary"] == "Accept-Language"
        assert (await client.get("/en")).headers["location"] == "/en/"
        page = (await client.get("/en/achievements?q=revit&hours=40-120")).text
        assert 'href="/fr/achievements?q=revit&amp;hours=40-120" lang="fr"' in page


async def test_what_is_not_there_is_said_in_the_pages_language(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    async with site(kafka, database, unique_name("feed"), tmp_path, small_log()) as client:
        for path, code in (
            ("/fr/achievements/humber/nothing", "not-found"),
            ("/fr/ledger/7", "entry-absent"),
            ("/fr/ledger/99999999999999999999999999", "entry-absent"),
            ("/fr/members/nobody", "member-unknown"),
            ("/fr/nothing/at/all", "not-found"),
        ):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert code in answer.text
            assert "Page d’accueil" in answer.text
        assert (await client.get("/static/nothing.css")).status_code == 404
        assert (await client.get("/static/../config.py")).status_code == 404
        assert (await client.post("/en/ledger")).status_code == 405


async def test_a_pasted_receipt_is_verified_from_what_the_portal_read_itself(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    async with site(kafka, database, unique_name("feed"), tmp_path, log) as client:
        for index in (0, 3, 5, 6):
            text = build_receipt(log.receipt(index)).decode()
            answer = await client.post("/en/proof", data={"receipt": text})
            assert answer.status_code == 200
            assert "Verified: the ledger holds this entry." in answer.text, index
            assert answer.text.count("step-ok") == (6 if log.bodies[index] else 5)
        changed = json.loads(build_receipt(log.receipt(3)))
        changed["body"] = json.loads(build_receipt(log.receipt(4)))["body"]
        answer = await client.post("/fr/proof", data={"receipt": json.dumps(changed)})
        assert "Non vérifié" in answer.text
        assert "body-hash-mismatch" in answer.text
        # A proof under a checkpoint that is ahead of the portal: sound, but not yet its own.
        ahead = small_log()
        ahead.admit("nscc", "college", {"en": "NSCC"}, ["CA-NS"], ["issue"])
        answer = await client.post("/en/proof", data={"receipt": build_receipt(ahead.receipt(3)).decode()})
        assert "has not read so far yet" in answer.text


FORMS: tuple[tuple[bytes, str], ...] = (
    (b"receipt=", "argument-missing"),
    (b"receipt=%7B%7D", "receipt-malformed"),
    (b"receipt=[[[[[[" + b"[" * 50_000, "receipt-malformed"),
    (b"receipt=%ff%fe", "argument-invalid"),
    (b"\xff\xfe", "argument-invalid"),
    (b"a=1&b=2&c=3&d=4&e=5&receipt=x", "argument-invalid"),
    (b"receipt=" + b"x" * 2_000_000, "message-too-large"),
)


async def test_a_form_that_cannot_be_read_is_answered_with_a_code(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    async with site(kafka, database, unique_name("feed"), tmp_path, small_log()) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for content, code in FORMS:
            answer = await client.post("/en/proof", content=content, headers=headers)
            assert answer.status_code == 200
            assert f"<code>{code}</code>" in answer.text, content[:40]


async def test_what_members_and_visitors_write_is_shown_as_text(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    data = achievement(title=evil, description=evil, translations={"fr": evil}, outcomes=[evil], renewal=evil)
    data["alignments"] = [{"kind": "skill", "framework": "esco", "code": "X", "name": evil}]
    log.add("credential.achievement-published", "humber", "humber/evil", data)
    log.admit("evil", "college", {"en": evil}, ["CA-ON"], ["issue"], authority=evil)
    async with site(kafka, database, unique_name("feed"), tmp_path, log) as client:
        for page in ("", "achievements", "achievements/humber/evil", "members", "members/evil", "ledger/7", "live"):
            text = (await client.get(f"/fr/{page}")).text
            assert "<script>alert" not in text, page
            assert "<img" not in text, page
        for query in (evil, "\x00\x01", "a" * 5000, "%00"):
            answer = await client.get("/en/achievements", params={"q": query, "competency": query, "member": query})
            assert answer.status_code == 200
            assert "<script>alert" not in answer.text
        answer = await client.get("/en/equivalencies", params={"from": evil + "/", "valid_on": evil})
        assert "<script>alert" not in answer.text
        assert "date-impossible" in answer.text


async def test_static_files_are_kept_and_pages_are_asked_for_again(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    async with site(kafka, database, unique_name("feed"), tmp_path, small_log()) as client:
        page = await client.get("/en/live")
        assert page.headers["cache-control"] == "no-cache"
        assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert len(assets) >= 4
        for address in assets:
            answer = await client.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        health = await client.get("/healthz")
        assert health.json() == {"alive": True}
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["entries"] == 7
        found = (await client.get("/api/achievements?q=revit")).json()
        assert found["items"][0]["data"]["title"] == "Autodesk Revit"
        volume = (await client.get("/api/volume?hours=3")).json()
        assert [len(volume[name]) for name in ("hours", "accepted", "refused")] == [3, 3, 3]
        whole = (await client.get("/api/entries/3")).json()
        assert whole["body"].encode() == small_log().bodies[3]
