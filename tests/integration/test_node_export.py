"""Exports out of a real PostgreSQL: what went in comes out, to whom it belongs, and who took it is on record."""

from __future__ import annotations

import csv
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from tests.integration.node_desk import (
    ACHIEVEMENTS,
    CREDENTIALS,
    LEARNER,
    Desk,
    credential_rows,
    desk,
    node_config,
    person,
)
from typer.testing import CliRunner

from passerelle.cli.node import app
from passerelle.core.errors import FormatError
from passerelle.node.export_run import Order, check_order, run
from passerelle.node.formats.badges import Badges
from passerelle.node.formats.elmo import Elmo
from passerelle.node.formats.exchange import Settings
from passerelle.node.formats.opening import Options
from passerelle.node.formats.pesc_messages import read_answer
from passerelle.node.formats.pesc_xml import PescXml
from passerelle.node.formats.proofs import did_key
from passerelle.node.formats.told import settings_of
from passerelle.node.pesc_desk import handle_message

RESULTS = f"record_id,course,status,term,grade_scheme,grade,{LEARNER}\n"


@pytest.fixture
async def humber(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        await opened.take(ACHIEVEMENTS)
        await opened.take(CREDENTIALS + credential_rows(range(1, 4)))
        await opened.take(RESULTS + f"C-1,revit,final,Fall 2025,percentage-50,81,{person(1)}\n")
        yield opened


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [{name: cell for name, cell in row.items() if cell} for row in csv.DictReader(stream)]


async def a_table_holds_what_was_imported_and_imports_unchanged(humber: Desk, tmp_path: Path) -> None:
    out, ids = tmp_path / "out.csv", tmp_path / "ids.txt"
    ids.write_text("A-1\nA-3\n")
    order = Order(out, "csv", ("credentials",), ids=ids)
    check_order(order)
    found = await run(humber.office, order)
    assert (found.rows, len(found.learners), found.files) == (2, 2, 1)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    row = next(row for row in table(out) if row["record_id"] == "A-1")
    assert (row["learner_student_number"], row["result_grade"], row["conferred_on"]) == ("S00001", "80", "2026-05-01")
    again = await humber.take(out.read_text(encoding="utf-8-sig"))
    assert (again.new, again.changed, again.unchanged, again.refused) == (0, 0, 2, 0)
    with pytest.raises(FormatError, match="exists already"):
        check_order(order)


async def without_the_offices_ids_a_row_is_known_again_by_its_handle(humber: Desk, tmp_path: Path) -> None:
    await run(humber.office, Order(tmp_path / "out.csv", "csv", ("credentials",)))
    assert all(row["record_id"].startswith("record:") for row in table(tmp_path / "out.csv"))
    again = await humber.take((tmp_path / "out.csv").read_text(encoding="utf-8-sig"))
    assert (again.new, again.changed, again.unchanged, again.refused) == (0, 0, 3, 0)


async def the_access_log_says_who_took_whose_details(humber: Desk, tmp_path: Path) -> None:
    await run(humber.office, Order(tmp_path / "out.xlsx", "xlsx", ("credentials",), until="2026-12-31"))
    entries = await humber.rows("SELECT account, format, sha256 FROM node.access")
    assert [entry["format"] for entry in entries] == ["xlsx"]
    assert entries[0]["account"]
    assert len(await humber.rows("SELECT learner FROM node.access_learner")) == 3


async def achievements_come_out_without_learners(humber: Desk, tmp_path: Path) -> None:
    found = await run(humber.office, Order(tmp_path / "out.csv", "csv", ("achievements",)))
    assert (found.rows, found.learners) == (1, [])
    row = table(tmp_path / "out.csv")[0]
    assert (row["id"], row["kind"], row["title"]) == ("revit", "micro-credential", "Autodesk Revit")
    again = await humber.take((tmp_path / "out.csv").read_text(encoding="utf-8-sig"))
    assert (again.unchanged, again.refused) == (1, 0)


async def a_learners_documents_hold_awards_and_results(humber: Desk, tmp_path: Path) -> None:
    numbers = tmp_path / "learners.txt"
    numbers.write_text("S00001\n")
    office = humber.office
    own = Settings(own_keys=frozenset({did_key(office.signer.public_key)}))
    for name, form in (("pesc-xml", PescXml()), ("elmo", Elmo()), ("clr", Badges(own))):
        found = await run(office, Order(tmp_path / name, name, learners=numbers))
        assert (found.rows, found.files) == (2, 1)
        reading = form.open(next((tmp_path / name).iterdir()), home="humber")
        cells = {section.kind: list(section.rows()) for section in reading.sections}
        assert sorted(cells) == ["credentials", "results"]
        assert all(not row.code and "Person Number1" in row.cells for rows in cells.values() for row in rows[1:])
    await run(office, Order(tmp_path / "badges", "open-badges", ("credentials",), learners=numbers))
    badge = orjson.loads(next((tmp_path / "badges").iterdir()).read_bytes())
    assert badge["credentialSubject"]["achievement"]["name"] == "Autodesk Revit"


async def test_what_went_in_comes_out_and_who_took_it_is_on_record(humber: Desk, tmp_path: Path) -> None:
    # One database for all of these: each leaves the records as they were.
    checks = (
        the_access_log_says_who_took_whose_details,
        a_table_holds_what_was_imported_and_imports_unchanged,
        without_the_offices_ids_a_row_is_known_again_by_its_handle,
        achievements_come_out_without_learners,
        a_learners_documents_hold_awards_and_results,
    )
    for check in checks:
        folder = tmp_path / check.__name__
        folder.mkdir()
        await check(humber, folder)
    assert {row["format"] for row in await humber.rows("SELECT format FROM node.access")} == {
        "csv", "xlsx", "pesc-xml", "elmo", "clr", "open-badges",
    }  # fmt: skip


async def test_what_is_not_in_force_or_not_selected_stays(humber: Desk, tmp_path: Path) -> None:
    await humber.take("record_id,step,reason,effective_on\nA-2,revoked,issued-in-error,2026-06-01\n")
    found = await run(humber.office, Order(tmp_path / "a.csv", "csv", ("credentials",)))
    assert found.rows == 2
    assert found.remarks == ["awards that are suspended, revoked or refused were left out (1)"]
    with pytest.raises(FormatError, match="no record is selected"):
        await run(humber.office, Order(tmp_path / "b.csv", "csv", ("credentials",), since="2027-01-01"))
    assert not list(tmp_path.glob("*b.csv*"))


SAMPLES = Path(__file__).parents[2] / "samples/formats"
REQUEST = (SAMPLES / "transcript-request-1.4.xml").read_text()


ANSWERS = [
    ("", "", True, "TranscriptSent", ["response.xml", "transcript-01.xml"]),
    ("", "", False, "TranscriptRequestReceived", ["response.xml"]),
    ("<SchoolAssignedPersonID>S00001</SchoolAssignedPersonID>", "", True, "TranscriptSent", None),
    (">S00001<", ">S99999<", True, "OfflineRecordSearch", ["response.xml"]),
    ("1990-01-02", "1990-01-03", True, "NoRecord", ["response.xml"]),
    (">true<", ">false<", True, "Hold", ["response.xml"]),
]


async def requests_for_transcripts_are_answered(humber: Desk, tmp_path: Path) -> None:
    for place, (old, new, send, status, files) in enumerate(ANSWERS):
        path, out = tmp_path / "request.xml", tmp_path / f"answer-{place}"
        path.write_text(REQUEST.replace(old, new) if old else REQUEST)
        found = await handle_message(humber.office, path, out, send=send)
        assert found.statuses == (("SAMPLE-TRACK-1", status),), (old, new)
        assert files is None or sorted(one.name for one in out.iterdir()) == files
        assert read_answer(out / "response.xml").statuses == [("SAMPLE-TRACK-1", status)]
    assert len(await humber.rows("SELECT format FROM node.access")) == 2


async def a_transcript_is_acknowledged_and_the_acknowledgment_read(humber: Desk, tmp_path: Path) -> None:
    path = tmp_path / "request.xml"
    path.write_text(REQUEST)
    await handle_message(humber.office, path, tmp_path / "answer", send=True)
    sent = tmp_path / "answer" / "transcript-01.xml"
    assert "<RequestTrackingID>SAMPLE-TRACK-1<" in sent.read_text()
    answered = await handle_message(humber.office, sent, tmp_path / "back", send=False)
    arrived = await handle_message(humber.office, Path(answered.files[0]), None, send=False)
    assert arrived.statuses == (("SAMPLE-TRACK-1", "acknowledged"),)
    assert arrived.remarks == ("1 awards and 1 courses arrived",)


async def test_messages_of_application_centres(humber: Desk, tmp_path: Path) -> None:
    for check in (requests_for_transcripts_are_answered, a_transcript_is_acknowledged_and_the_acknowledgment_read):
        folder = tmp_path / check.__name__
        folder.mkdir()
        await check(humber, folder)
    assert all(row["account"] for row in await humber.rows("SELECT account FROM node.access"))


async def test_a_badge_from_outside_is_imported_as_evidence(humber: Desk, tmp_path: Path) -> None:
    learner = tmp_path / "learner.toml"
    learner.write_text(
        'learner_student_number = "S00001"\nlearner_name = "Person Number1"\nlearner_birth_date = "1990-01-02"\n'
    )
    listed = (
        "id,name_en,jurisdictions,kind\nsample-builders-association,Sample Builders Association,CA-ON,association\n"
    )
    await humber.take(listed)
    options = Options(settings=await settings_of(humber.office, learner))
    report = await humber.office.importer().run(SAMPLES / "open-badge-3.0.json", options=options)
    assert (report.new, report.refused) == (2, 0), report.errors
    assert "no proof" in report.remarks
    drafts = await humber.rows("SELECT type, body FROM node.draft ORDER BY id DESC LIMIT 1")
    data = orjson.loads(drafts[0]["body"])["data"]
    assert data["verified_by"] == "humber"
    assert data["awarding_bodies"] == ["urn:passerelle:organisation:humber/sample-builders-association"]


def test_the_commands_export_and_answer(database: str, tmp_path: Path) -> None:
    config = node_config(tmp_path / "node", database, member="humber")
    toml = tmp_path / "node.toml"
    toml.write_text(
        f'member = "humber"\nnetwork = "{config.network}"\nroot_public_key_file = "{config.root_public_key_file}"\n'
        f'key_file = "{config.key_file}"\nlearner_key_file = "{config.learner_key_file}"\n'
        f'record_key_file = "{config.record_key_file}"\n[database]\nurl = "{database}"\n'
    )
    (tmp_path / "a.csv").write_text(ACHIEVEMENTS)
    (tmp_path / "c.csv").write_text(CREDENTIALS + credential_rows([1]))
    (tmp_path / "r.xml").write_text(REQUEST)

    def call(*words: str | Path) -> str:
        result = CliRunner().invoke(app, [*map(str, words), "--config", str(toml)])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    call("import", tmp_path / "a.csv")
    call("import", tmp_path / "c.csv")
    told = orjson.loads(call("export", "--format", "pesc-xml", "--out", tmp_path / "out", "--json"))
    assert (told["rows"], told["learners"], told["files"]) == (1, 1, 1)
    assert "1 records of 1 learners" in call("export", "--kind", "credentials", "--out", tmp_path / "out.csv")
    assert "SAMPLE-TRACK-1: TranscriptSent" in call("pesc", tmp_path / "r.xml", "--send", "--out", tmp_path / "answer")
    told = orjson.loads(call("import", next((tmp_path / "out").iterdir()), "--dry-run", "--json"))
    assert (told["rows"], told["unchanged"], told["refused"]) == (1, 1, 0)
    wrong = CliRunner().invoke(app, ["export", "--out", str(tmp_path / "x"), "--config", str(toml)])
    assert isinstance(wrong.exception, FormatError)
    assert wrong.exception.where == "--kind"
