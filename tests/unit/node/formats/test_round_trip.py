"""What a node writes in a format it reads back exactly, and it is valid by the format's published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.node.formats.documents import HOME, ISSUER, SIGNER, STUDENTS, TEXTS, expected, file, read_back

from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import read_rows
from passerelle.node.csv_report import safe_cell
from passerelle.node.csv_rows import plain
from passerelle.node.export import Student
from passerelle.node.export_badges import badge, record
from passerelle.node.export_cells import CellLost, cells_of
from passerelle.node.export_elmo import elmo
from passerelle.node.export_pesc import transcript
from passerelle.node.export_tables import CsvTable, XlsxTable, header_of
from passerelle.node.formats.badges import Badges
from passerelle.node.formats.elmo import Elmo
from passerelle.node.formats.exchange import Settings
from passerelle.node.formats.pesc_xml import PescXml
from passerelle.node.formats.proofs import check_proof, did_key

FEW = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
OWN = Settings(own_keys=frozenset({did_key(SIGNER.public_key)}))


def in_any_order(rows: list[tuple[str, dict[str, str]]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@FEW
@given(STUDENTS)
def test_pesc(tmp_path: Path, student: Student) -> None:
    path = file(tmp_path, "a.xml", transcript(student, ISSUER))
    assert PescXml().recognises(path, path.read_bytes())
    assert in_any_order(read_back(PescXml().open(path, home=HOME))) == in_any_order(expected(student))


@FEW
@given(STUDENTS)
def test_elmo(tmp_path: Path, student: Student) -> None:
    path = file(tmp_path, "a.xml", elmo(student, ISSUER))
    assert Elmo().recognises(path, path.read_bytes())
    assert in_any_order(read_back(Elmo().open(path, home=HOME))) == in_any_order(expected(student))


@FEW
@given(STUDENTS)
def test_learner_record(tmp_path: Path, student: Student) -> None:
    path = file(tmp_path, "a.json", record(student, ISSUER, SIGNER))
    reading = Badges(OWN).open(path, home=HOME)
    assert in_any_order(read_back(reading)) == in_any_order(expected(student))
    assert all("verifies" in remark for remark in reading.remarks[1 : len(student.lines) + 2])


@pytest.mark.vectors
@settings(FEW, max_examples=8)
@given(STUDENTS)
def test_pesc_and_elmo_are_valid_by_their_schemas(tmp_path: Path, shared_folder: Path, student: Student) -> None:
    pesc = PescXml(Settings(schemas=shared_folder / "vectors/pesc/xsd"))
    remarks = pesc.open(file(tmp_path, "p.xml", transcript(student, ISSUER)), home=HOME).remarks
    assert remarks[0] == "PESC College Transcript 1.6, valid by its schema"
    remarks = Elmo(Settings(schemas=shared_folder / "vectors/elmo")).open(
        file(tmp_path, "e.xml", elmo(student, ISSUER)), home=HOME
    ).remarks  # fmt: skip
    assert remarks[0] == "ELMO version 1, valid by its schema"


@pytest.mark.vectors
@settings(FEW, max_examples=8)
@given(STUDENTS)
def test_badges_are_valid_by_their_schemas(shared_folder: Path, student: Student) -> None:
    import jsonschema_rs

    folder = shared_folder / "vectors/openbadges3"
    modern: dict[str, Any] = json.loads(
        (folder / "educredentials/schemas/ob_v3p0_achievementcredential_schema.json").read_text()
    )
    found = badge(student, student.lines[0], ISSUER, SIGNER)
    jsonschema_rs.validate(modern, found)
    assert check_proof(found).state == "valid"
    # The CLR schema at hand is of the edition on Verifiable Credentials 1.1, whose validFrom was called issuanceDate.
    older: dict[str, Any] = json.loads((folder / "1EdTech/clr_v2p0_clrcredential_schema_draft4.json").read_text())
    text = record(student, ISSUER, SIGNER).decode().replace('"validFrom"', '"issuanceDate"')
    jsonschema_rs.validate(older, json.loads(text))


@FEW
@given(STUDENTS)
def test_csv_and_xlsx(tmp_path: Path, student: Student) -> None:
    rows = expected(student)
    kind = rows[0][0]
    own = [cells for one, cells in rows if one == kind]
    header = header_of(kind)
    with CsvTable(tmp_path / "a.csv", kind, header) as table:
        for cells in own:
            table.row(cells)
    with (tmp_path / "a.csv").open("rb") as stream:
        found = [row.cells for row in read_rows(stream)]
    assert found[0] == header
    back = [{name: plain(cell) for name, cell in zip(header, one, strict=True) if cell} for one in found[1:]]
    assert back == own


@given(st.text(max_size=8) | st.builds("".join, st.lists(st.sampled_from("'=+-@\t\ra"), max_size=6)))
def test_a_formula_is_neutralised_and_given_back_or_refused(text: str) -> None:
    text = text.strip()
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    data = {"title": text}
    try:
        cells = cells_of(FORMS["achievements"], data, HOME)
    except CellLost:
        assert not text or text.startswith("'") or "\t" in text or "\r" in text or not text.isprintable()
    else:
        assert plain(safe_cell(cells["title"])) == text


@FEW
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_workbook_holds_text_and_no_formula(tmp_path: Path, texts: list[str]) -> None:
    from passerelle.node.formats.tables import TableOptions
    from passerelle.node.formats.xlsx import XlsxFormat

    path = tmp_path / "a.xlsx"
    cells = {"record_id": "1", "course": "a", "status": "final", "learner_student_number": "007"}
    cells |= {"learner_name": "A B", "learner_birth_date": "1999-01-02"}
    with XlsxTable(path, "results", header_of("results")) as table:
        for text in texts:
            table.row({**cells, "term": text})
    rows = list(XlsxFormat(TableOptions(None, None, None, None)).open(path, home=HOME).sections[0].rows())
    place = rows[0].cells.index("term")
    assert [plain(row.cells[place]) for row in rows[1:]] == texts
    assert {row.cells[rows[0].cells.index("learner_student_number")] for row in rows[1:]} == {"007"}
