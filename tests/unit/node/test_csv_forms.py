"""The column tables: each lands in its event's model, each file kind is told by its header, and the docs show them."""

from pathlib import Path
from typing import Any

import pytest

from passerelle.core.errors import FormatError, Refused
from passerelle.events.achievement import AchievementData, DemandData, EndorsedData, FrameworkData, OrganisationData
from passerelle.events.catalogue import DATA_MODELS
from passerelle.events.credential import AmendedData, CredentialData, RevokedData
from passerelle.events.recognition import AssessedData, DeniedData, GrantedData
from passerelle.node.csv_forms import ACHIEVEMENTS, FORMS, RECOGNITIONS, Form, detect, table
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import Row, column_of, from_refusal, letter, put, read_header

DOCS = Path(__file__).resolve().parents[3] / "docs" / "csv.md"
MODELS: dict[str, tuple[type[Any], ...]] = {
    "achievements": (AchievementData,),
    "recognitions": (GrantedData, DeniedData),
    "credentials": (CredentialData,),
    "assessments": (AssessedData,),
    "amendments": (AmendedData, RevokedData),
    "organisations": (OrganisationData,),
    "frameworks": (FrameworkData,),
    "endorsements": (EndorsedData,),
    "demands": (DemandData,),
}


def test_every_model_named_here_is_one_of_the_catalogue() -> None:
    assert {model for models in MODELS.values() for model in models} <= set(DATA_MODELS.values())
    assert MODELS.keys() | {"results"} == FORMS.keys()


def _schema_names(model: type[Any]) -> set[str]:
    """Every dotted place of a model's JSON schema, lists and unions looked through."""
    schema = model.model_json_schema()
    found: set[str] = set()

    def walk(part: dict[str, Any], path: str, depth: int) -> None:
        if depth > 6:
            return
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        for choice in part.get("anyOf", []) + part.get("oneOf", []):
            walk(choice, path, depth)
        for name, child in part.get("properties", {}).items():
            place = f"{path}.{name}" if path else name
            found.add(place)
            walk(child, place, depth + 1)

    walk(schema, "", 0)
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_every_column_has_its_place_in_the_events_model(kind: str) -> None:
    places = set().union(*(_schema_names(model) for model in MODELS[kind]))
    assert {column.path for column in FORMS[kind].columns if column.path} <= places


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.kind)
def test_a_header_of_all_columns_or_of_the_required_ones_tells_its_kind(form: Form) -> None:
    names = [column.name.replace("_*", "_fr") for column in form.columns]
    required = [column.name for column in form.columns if column.required]
    assert detect(names) == form.kind
    assert detect(required) in {form.kind, None}
    assert len(set(names)) == len(names)


def test_personal_columns_have_no_place_in_an_event() -> None:
    personal = [column for form in FORMS.values() for column in form.columns if column.personal]
    assert personal
    assert not any(column.path for column in personal)
    assert all(column.personal for form in FORMS.values() for column in form.columns if "learner" in column.name)


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.kind)
def test_the_docs_show_the_table(form: Form) -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert f"## {form.kind}\n" in text
    assert table(form) in text


@pytest.mark.parametrize(
    ("header", "code", "hint"),
    [
        (["id", "kind", "tittle"], "column-unknown", "'title'"),
        (["id", "kind", "kind"], "column-duplicate", ""),
        (["id", "kind"], "column-missing", ""),
        (["x"] * 400, "too-many-items", ""),
    ],
)
def test_header_errors_name_the_column_by_place(header: list[str], code: str, hint: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_header(ACHIEVEMENTS, header, "humber")
    assert caught.value.code == code
    assert hint in caught.value.fix


def test_a_file_without_header_never_has_its_cells_repeated() -> None:
    with pytest.raises(FormatError) as caught:
        read_header(ACHIEVEMENTS, ["Planted Person", "1999-01-01"], "humber")
    assert "planted" not in str(caught.value).lower()
    assert "column A" in caught.value.where


def test_letters_are_those_of_a_spreadsheet() -> None:
    assert [letter(place) for place in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_columns_fill_nested_places_and_languages() -> None:
    header = ["ID", "kind", "title", "Title_FR", "language", "credit_bearing", "delivery_modes", "effort_hours"]
    parser = read_header(ACHIEVEMENTS, [name.lower() for name in header], "humber")
    row = parser.parse(RawRow(2, ["revit", "course", "Revit", "Revit (fr)", "en", "no", "hybrid;workplace", "30"]))
    assert isinstance(row, Row)
    assert row.own == {"id": "humber/revit"}
    assert row.data["translations"] == {"fr": "Revit (fr)"}
    assert row.data["delivery"] == {"modes": ["hybrid", "workplace"], "effort_hours": "30"}


def test_every_wrong_cell_of_a_row_is_reported() -> None:
    parser = read_header(ACHIEVEMENTS, ["id", "kind", "title", "language", "credit_bearing"], "humber")
    found = parser.parse(RawRow(7, ["a b", "cours", "", "english", "no"]))
    assert isinstance(found, list)
    assert [(error.row, error.column, error.code) for error in found] == [
        (7, "id", "field-malformed"),
        (7, "kind", "value-not-allowed"),
        (7, "title", "value-missing"),
        (7, "language", "language-unknown"),
    ]


def test_a_row_of_another_width_is_refused_whole() -> None:
    parser = read_header(ACHIEVEMENTS, ["id", "kind", "title", "language", "credit_bearing"], "humber")
    found = parser.parse(RawRow(3, ["a", "course"]))
    assert isinstance(found, list)
    assert found[0].code == "row-width"


def test_remembered_values_are_not_changed_by_later_rows() -> None:
    shared = {"type": "block"}
    first: dict[str, Any] = {}
    put(first, "outcome", shared)
    put(first, "outcome.programme", "x/y")
    assert shared == {"type": "block"}
    assert first == {"outcome": {"type": "block", "programme": "x/y"}}


@pytest.mark.parametrize(
    ("where", "column"),
    [
        ("data.valid_to", "valid_to"),
        ("data.outcome.credits.value", "outcome_credits"),
        ("data.sending.all_of[0].achievement", "sending"),
        ("data.outcome", "outcome_json"),
        ("data", ""),
        ("body", ""),
    ],
)
def test_a_schema_error_finds_its_column(where: str, column: str) -> None:
    assert column_of(RECOGNITIONS, where) == column


def test_a_missing_field_is_a_missing_value_of_its_column() -> None:
    refused = Refused("field-missing", "the field is missing", where="data.delivery.modes")
    assert from_refusal(4, ACHIEVEMENTS, refused).as_dict() == {
        "row": 4,
        "column": "delivery_modes",
        "code": "value-missing",
        "value": "",
        "what": "the field is missing",
        "fix": "Correct the cell; docs/csv.md describes it.",
    }
