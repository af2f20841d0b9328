"""Mappings: what is proposed, what a file through one becomes, and what is wrong with one."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.office import LEARNER

from passerelle.core.errors import FormatError
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import RawRow, read_rows
from passerelle.node.formats.opening import Options, open_file
from passerelle.node.mapping import (
    STARTS,
    ColumnMapping,
    MappingFolder,
    Rule,
    parse_mapping,
    read_date,
    starting_point,
    write_mapping,
)
from passerelle.node.mapping_propose import best_kind, mapping_name, proposal_text, propose
from passerelle.node.mapping_sample import Sample, read_sample, shown

FRENCH = "Matricule;Prénom;Nom;Date de naissance;Courriel;No de dossier;Programme;Date de sanction;Note finale;Remarque"
ROWS = (
    "0012345;Élise;Planté;31/01/1990;e@exemple.ca;D-1;revit;25/05/2026;82;x",
    "0012346;Luc;Semé;05/12/1991;l@exemple.ca;D-2;revit;26/05/2026;77;",
)


def table(folder: Path, text: str, name: str = "export.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def rows_of(mapping: ColumnMapping, text: str) -> list[RawRow]:
    def rows() -> Iterator[RawRow]:
        return read_rows(io.BytesIO(text.encode()))

    return list(mapping.over(rows)())


def test_a_french_export_is_recognised_and_its_names_joined(tmp_path: Path) -> None:
    sample = read_sample(table(tmp_path, "\n".join((FRENCH, *ROWS))))
    assert best_kind(sample.header) == "credentials"
    proposal = propose(sample, name="sanctions")
    rules = proposal.mapping.rules
    assert {name: rule.template for name, rule in rules.items()} == {
        "record_id": "{No de dossier}",
        "achievement": "{Programme}",
        "conferred_on": "{Date de sanction}",
        "learner_student_number": "{Matricule}",
        "learner_name": "{Prénom} {Nom}",
        "learner_birth_date": "{Date de naissance}",
        "learner_email": "{Courriel}",
        "result_grade": "{Note finale}",
    }
    assert rules["conferred_on"].date == "DD/MM/YYYY"
    assert (proposal.missing, proposal.unused) == (["result_scheme"], ["Remarque"])
    assert "The sample fits: percentage-50, percentage-60." in proposal_text(proposal)
    found = shown(sample, proposal.mapping, "humber")
    assert found[0]["cells"]["conferred_on"] == "2026-05-25"
    assert found[0]["cells"]["learner_name"] == "xxxxx xxxxxx"
    assert "Planté" not in str(found) + str(proposal.as_dict()) + proposal_text(proposal)


def test_what_is_saved_is_read_back_and_used_again_for_the_same_header(tmp_path: Path) -> None:
    path = table(tmp_path, "\n".join((FRENCH, *ROWS)))
    proposal = propose(read_sample(path), name="sanctions")
    folder = MappingFolder(tmp_path / "mappings")
    folder.save(proposal.mapping, proposal_text(proposal), replace=False)
    assert folder.load("sanctions") == proposal.mapping
    with pytest.raises(FormatError, match="exists"):
        folder.save(proposal.mapping, "", replace=False)
    again = table(tmp_path, "\n".join((FRENCH.upper(), *ROWS)), "next-year.csv")
    reading = open_file(again, home="humber", options=Options(mappings=folder))
    assert (reading.mapping, reading.sections[0].kind) == ("sanctions", "credentials")
    rows = list(reading.sections[0].rows())
    assert dict(zip(rows[0].cells, rows[1].cells, strict=True))["learner_student_number"] == "0012345"
    with pytest.raises(FormatError) as caught:
        open_file(table(tmp_path, "a;b\n1;2\n", "other.csv"), home="humber", options=Options(mappings=folder))
    assert caught.value.code == "format-unknown"
    assert "node map" in caught.value.fix


def test_dates_whose_day_and_month_could_change_places_are_left_to_a_person(tmp_path: Path) -> None:
    text = "Record number,Programme,Award date,Student number,Name,Date of birth\nA,revit,05/06/2026,1,N,1990-01-02\n"
    proposal = propose(read_sample(table(tmp_path, text)), name="x")
    assert proposal.mapping.rules["conferred_on"].date == ""
    note = next(one for one in proposal.guesses if one.column == "conferred_on").notes[0]
    assert "DD/MM/YYYY or MM/DD/YYYY" in note
    assert note in proposal_text(proposal)


def test_values_and_amounts_are_translated() -> None:
    header = ["id", "course", "Statut", *LEARNER.split(","), "Credits earned"]
    sample = Sample(
        header,
        [["1", "revit", "Réussi", "S", "N", "1990-01-02", "3"], ["2", "revit", "Zut", "S", "N", "1990-01-02", "3"]],
    )
    proposal = propose(sample, name="x", kind="results")
    status = proposal.mapping.rules["status"]
    assert (status.values, status.otherwise) == ({"Réussi": "final"}, "keep")
    assert proposal.mapping.rules["credits_earned"].template == "{Credits earned} credit-hours"
    notes = {one.column: " ".join(one.notes) for one in proposal.guesses}
    assert "1 values have no counterpart" in notes["status"]
    assert "LOOK" in notes["credits_earned"]


def test_the_scheme_of_grades_that_only_one_scale_has_is_proposed() -> None:
    header = ["Record number", "Programme", "Award date", "Final grade", *LEARNER.split(",")]
    for grades, scheme in ((("P", "F"), "pass-fail"), (("A", "FD"), "letter-4.33"), (("A", "D-"), "letter-12")):
        rows = [["1", "revit", "2026-05-01", grade, "S", "N", "1990-01-02"] for grade in grades]
        proposal = propose(Sample(header, rows), name="x")
        assert proposal.mapping.rules["result_scheme"] == Rule(scheme)
        assert proposal.missing == []


def test_rows_through_a_mapping() -> None:
    rules = {
        "record_id": Rule("{a}-{b}"),
        "conferred_on": Rule("{term}", values={"202610": "2026-04-30"}),
        "basis": Rule("completed"),
        "assessed_on": Rule("{d}", date="DD-MON-YYYY"),
    }
    mapping = ColumnMapping("m", "credentials", rules)
    found = rows_of(mapping, "A,B,Term,D\n1,2,202610,05-MAY-2026\n1,2,202630,\n1,2,202610,05-FOO-2026\n,,202610,\nx\n")
    assert found[0].cells == ["record_id", "conferred_on", "basis", "assessed_on"]
    assert found[1] == RawRow(2, ["1-2", "2026-04-30", "completed", "2026-05-05"])
    assert [row.code for row in found[2:]] == ["value-not-allowed", "", "", "row-width"]
    # What is no date of the form goes on as it is: the column of dates tells it, with its shape.
    assert found[3].cells[3] == "05-FOO-2026"
    assert found[4].cells[0] == ""
    other = ColumnMapping("m", "results", {"term": Rule("{d}", date="DD/MM/YYYY")})
    assert [row.code for row in rows_of(other, "d\n31/02/2026\n")] == ["", "date-impossible"]
    assert "202630" not in found[2].what


def test_texts_that_come_again_are_read_as_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {
        "term": Rule("{t}", values={"1": "winter"}, otherwise="keep"),
        "status": Rule("{s}", values={"P": "final"}),
        "completed_on": Rule("{d}", date="DD/MM/YYYY"),
    }
    mapping = ColumnMapping("m", "results", rules)
    lines = ["1,P,01/02/2026", "2,Q,01/02/2026", "1,P,31/02/2026", ",,", f"{'1' * 300},P,02/02/2026", "1,P,01/02/2026"]
    once = [rows_of(mapping, f"t,s,d\n{line}\n")[1] for line in lines]
    monkeypatch.setattr("passerelle.node.mapping.MAX_REMEMBERED", 2)
    again = rows_of(mapping, "\n".join(["t,s,d", *lines, *lines]))[1:]
    assert [(row.cells, row.code) for row in again] == [(row.cells, row.code) for row in [*once, *once]]
    assert [row.code for row in once] == ["", "value-not-allowed", "", "", "", ""]


def test_a_column_that_the_file_lacks_is_named() -> None:
    with pytest.raises(FormatError) as caught:
        rows_of(ColumnMapping("m", "credentials", {"record_id": Rule("{absent}")}), "a,b\n1,2\n")
    assert (caught.value.code, caught.value.where) == ("mapping-invalid", "columns.record_id")


GOOD = 'format = "passerelle.mapping/v1"\nkind = "results"\n[columns.term]\n'


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        'format = "other"\n',
        'format = "passerelle.mapping/v1"\nkind = "wishes"\n',
        'format = "passerelle.mapping/v1"\nkind = "results"\n',
        GOOD.replace("term", "colour") + 'from = "a"\n',
        GOOD,
        GOOD + 'from = "a"\nconstant = "b"\n',
        GOOD + 'from = "a"\ncolour = "b"\n',
        GOOD + 'from = "{a}"\n',
        GOOD + 'constant = "{a}"\n',
        GOOD + 'from = "a"\ndate = "tomorrow"\n',
        GOOD + 'from = "a"\notherwise = "guess"\n',
        GOOD + 'from = "a"\nvalues = 3\n',
        GOOD + 'from = "a"\n[columns.term.values]\na = 3\n',
        "a = " + "[" * 2000,
    ],
)
def test_mappings_that_cannot_be_used(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_mapping(text, "m")
    assert caught.value.code == "mapping-invalid"


def test_names_that_are_none_or_unknown(tmp_path: Path) -> None:
    folder = MappingFolder(tmp_path)
    for name, code in (("../x", "mapping-invalid"), ("banner-award", "mapping-unknown"), ("", "mapping-invalid")):
        with pytest.raises(FormatError) as caught:
            folder.load(name)
        assert caught.value.code == code
    assert mapping_name("Été 2026 (final).csv") == "ete-2026-final-csv"


@pytest.mark.parametrize("name", STARTS)
def test_starting_points_hold_every_needed_column_and_are_never_taken_by_themselves(name: str) -> None:
    start = starting_point(name)
    needed = {column.name for column in FORMS[start.kind].columns if column.required}
    assert needed <= start.rules.keys()
    assert start.key == ""
    assert "starting point" in start.note
    header = sorted({source for rule in start.rules.values() for source in rule.sources})
    proposal = propose(Sample(header, []), name="mine", start=start)
    assert (proposal.missing, proposal.unused) == ([], [])
    assert {one.by for one in proposal.guesses} <= {"start", "constant"}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), min_size=1, max_size=30)


@given(st.dictionaries(TEXT, TEXT, max_size=4), st.lists(TEXT, max_size=4), TEXT, TEXT)
def test_what_is_written_is_read_back(values: dict[str, str], header: list[str], source: str, constant: str) -> None:
    rules = {"term": Rule(f"{{{source}}}", values=values, otherwise="keep"), "basis": Rule(constant)}
    mapping = ColumnMapping("m", "results", rules, tuple(header), "note")
    assert parse_mapping(write_mapping(mapping, {"": ["a remark"], "term": ["look"]}), "m") == mapping


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_none(text: str) -> None:
    for form in ("YYYY-MM-DD", "YYYYMMDD", "DD/MM/YYYY", "DD-MON-YYYY"):
        assert read_date(text, form) is None or len(text) >= 8
