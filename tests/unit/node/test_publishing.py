"""One event from a JSON file: checked, with its subject, and told where it is wrong."""

from pathlib import Path

import pytest
from tests.unit.node.office import CountingIds, FixedClock

from passerelle.core.errors import PasserelleError
from passerelle.node.author import Author
from passerelle.node.plan import NewEvent
from passerelle.node.publishing import MAX_FILE, compose, event_type, explain, read_json

ENDED = {"effective_on": "2026-12-31"}
GRANT = {
    "credentials": ["01990000-0000-7000-8000-000000000001"],
    "receiver": "york",
    "purpose": "transfer",
    "ends_on": "2027-01-01",
}


def made(name: str, value: object, subject: str | None = None) -> NewEvent:
    return compose(event_type(name), value, subject=subject, member="humber", ids=CountingIds())


def test_subjects_come_from_the_option_the_file_the_data_or_are_made() -> None:
    assert made("recognition.ended", ENDED, "r1").subject == "humber/r1"
    assert made("recognition.ended", {"subject": "humber/r2", "data": ENDED}).subject == "humber/r2"
    assert made("ca.passerelle.recognition.ended.v1", ENDED, "york/r1").subject == "york/r1"
    assert made("member.suspended", {"member": "york", "reason": "x"}).subject == "york"
    assert made("credential.release-granted", GRANT).subject[14] == "4"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("recognition.ended", ENDED, "argument-missing"),
        ("recognition.ended", [], "schema-invalid"),
        ("recognition.ended", {"effective_on": "2026-12-32"}, "schema-invalid"),
        ("recognition.ended", {"effective_on": "2026-12-31", "surname": "Planted"}, "field-unknown"),
        ("recognition.endd", ENDED, "type-unknown"),
    ],
)
def test_what_is_wrong_is_told_without_values(name: str, value: object, code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        made(name, value)
    assert caught.value.code == code
    assert "Planted" not in str(caught.value)
    assert "surname" not in str(caught.value)


def test_files_are_bounded_and_named(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    with pytest.raises(PasserelleError) as caught:
        read_json(path)
    assert caught.value.code == "file-unreadable"
    path.write_bytes(b'{\n"a": }')
    with pytest.raises(PasserelleError) as caught:
        read_json(path)
    assert (caught.value.code, caught.value.what) == ("body-not-json", "the file is not JSON at line 2")
    path.write_bytes(b" " * (MAX_FILE + 1))
    with pytest.raises(PasserelleError) as caught:
        read_json(path)
    assert caught.value.code == "file-too-large"


def test_a_schema_error_names_file_and_field(tmp_path: Path) -> None:
    with pytest.raises(PasserelleError) as caught:
        made("recognition.ended", {})
    assert explain(caught.value, tmp_path / "e.json").where == f"{tmp_path}/e.json: data.effective_on"


def test_drafts_of_party_events_have_a_nonce_and_name_what_they_need() -> None:
    author = Author("humber", FixedClock(), CountingIds())
    draft = author.draft(made("credential.release-granted", GRANT))
    assert b'"nonce":"' in draft.body
    assert draft.needs == ("credential:01990000-0000-7000-8000-000000000001", "member:york")
    public = author.draft(made("recognition.ended", ENDED, "r1"))
    assert b"nonce" not in public.body
    assert public.needs == ("recognition:humber/r1",)
