"""Page tokens, transcript files, and the JSON form of answers: strict where they come from outside."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.api.transfer.v1 import transfer_pb2
from passerelle.cli.answering import as_json, known_at, language
from passerelle.cli.transcript_file import MAX_BYTES, MAX_LINES, read_transcript
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.query.pages import numbers, open_page

HEADER = "achievement,completed_on"


def test_a_token_leads_back_to_its_state() -> None:
    request = pb.FindRequest(achievement="humber/a", page_size=7)
    token = open_page(request).token(12, 34, 56)
    later = pb.FindRequest(achievement="humber/a", page_size=3, page_token=token, min_position=9)
    page = open_page(later)
    assert (page.size, page.first, numbers(page, 3)) == (3, False, (12, 34, 56))


@pytest.mark.parametrize(
    "token",
    [
        "abc",
        "%%%",
        "é",
        "A" * 5000,
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b'{"a":1}').decode(),
        base64.urlsafe_b64encode(b'["another question", 1, 2, 3]').decode(),
    ],
)
def test_a_token_from_elsewhere_is_refused(token: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_page(pb.FindRequest(achievement="humber/a", page_token=token))
    assert caught.value.code == "page-token-invalid"


@pytest.mark.parametrize("state", [(1, 2), (1, 2, -1), (1, 2, "3"), (1, 2, True), (1, 2, 2**60), (1, 2, None)])
def test_a_token_with_another_state_is_refused(state: tuple[object, ...]) -> None:
    token = open_page(pb.FindRequest(achievement="humber/a")).token(*state)
    page = open_page(pb.FindRequest(achievement="humber/a", page_token=token))
    with pytest.raises(FormatError) as caught:
        numbers(page, 3)
    assert caught.value.code == "page-token-invalid"


def test_a_token_belongs_to_its_caller() -> None:
    token = open_page(transfer_pb2.ListRequest(), "queens").token(1, "x")
    with pytest.raises(FormatError):
        open_page(transfer_pb2.ListRequest(page_token=token), "humber")


@given(st.text(min_size=1, max_size=200))
def test_any_text_as_a_token_is_refused_in_one_way(token: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_page(pb.FindRequest(achievement="humber/a", page_token=token))
    assert caught.value.code == "page-token-invalid"


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_column_of_a_csv_transcript(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeffachievement,completed_on,version,grade,grade_scheme,credits,credit_system,basis,reference\r\n"
        'humber/a,2025-05-01,2,"B+",letter-4.0,7/3,cegep-units,plar,line 1\r\n'
        "humber/b,2025-05-02,,,,,,,\r\n",
    )
    assert read_transcript(path) == [
        {
            "achievement": "humber/a",
            "completed_on": "2025-05-01",
            "version": 2,
            "grade": {"grade": "B+", "scheme": "letter-4.0"},
            "credits": {"value": "7/3", "system": "cegep-units"},
            "basis": "plar",
            "reference": "line 1",
        },
        {"achievement": "humber/b", "completed_on": "2025-05-02"},
    ]


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "column-missing", "achievement"),
        (HEADER + "\n", "argument-missing", "t.csv"),
        (HEADER + ",name\n", "column-unknown", "column 3"),
        (HEADER + ",version,version\n", "column-duplicate", "column 4: version"),
        ("achievement\nhumber/a\n", "column-missing", "completed_on"),
        (HEADER + "\nhumber/a\n", "row-width", "row 2"),
        (HEADER + "\nhumber/a,2025-05-01\n,2025-05-01\n", "value-missing", "row 3: achievement"),
        (HEADER + ",version\nhumber/a,2025-05-01,two\n", "number-malformed", "row 2: version"),
        (HEADER + ",version\nhumber/a,2025-05-01,0\n", "number-malformed", "row 2: version"),
        (HEADER + ",version\nhumber/a,2025-05-01," + "9" * 400 + "\n", "number-malformed", "row 2: version"),
        (HEADER + ",credits,credit_system\nhumber/a,2025-05-01,,units\n", "value-missing", "row 2: credits"),
        (HEADER + '\n"humber/a,2025-05-01\n', "row-malformed", "row 2"),
        (HEADER.encode() + b"\nhumber/\xff,2025-05-01\n", "encoding-invalid", "t.csv"),
        (HEADER + "\n" + "humber/a,2025-05-01\n" * (MAX_LINES + 1), "too-many-items", "transcript"),
        (HEADER + "\n" + "x" * MAX_BYTES, "file-unreadable", "t.csv"),
    ],
)
def test_what_is_wrong_in_a_csv_transcript_is_named(tmp_path: Path, text: str | bytes, code: str, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        read_transcript(write(tmp_path, text))
    assert caught.value.code == code
    assert caught.value.where.endswith(where)


LINE = {"achievement": "humber/a", "completed_on": "2025-05-01"}


@pytest.mark.parametrize(
    ("value", "code", "where"),
    [
        ({"lines": []}, "file-unreadable", "transcript"),
        ([], "argument-missing", "t.json"),
        ([LINE, 7], "field-malformed", "item 2"),
        ([{**LINE, "name": "x"}], "field-unknown", "item 1"),
        ([{"achievement": "humber/a"}], "value-missing", "item 1: completed_on"),
        ([{**LINE, "version": True}], "field-malformed", "item 1: version"),
        ([{**LINE, "version": 0}], "field-malformed", "item 1: version"),
        ([{**LINE, "grade": {"grade": "A"}}], "field-malformed", "item 1: grade"),
        ([{**LINE, "credits": {"value": 3, "system": "units"}}], "field-malformed", "item 1: credits"),
        ([LINE] * (MAX_LINES + 1), "too-many-items", "transcript"),
    ],
)
def test_what_is_wrong_in_a_json_transcript_is_named(tmp_path: Path, value: object, code: str, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        read_transcript(write(tmp_path, json.dumps(value), "t.json"))
    assert caught.value.code == code
    assert caught.value.where.endswith(where)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "nul"])
def test_what_is_not_json_is_no_transcript(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_transcript(write(tmp_path, text, "t.json"))
    assert caught.value.code == "file-unreadable"


def test_answers_for_scripts_have_stable_names_and_words() -> None:
    answer = pb.Answer(verdict=pb.VERDICT_NO_CREDIT, receiver="bcit", receiver_names={"fr": "b", "en": "a"})
    shown = as_json(answer)
    assert (shown["verdict"], shown["receiver_names"], shown["reasons"]) == ("no-credit", {"en": "a", "fr": "b"}, [])
    assert "rule" not in shown
    assert as_json(pb.EvaluateResponse(match=pb.MATCH_MAYBE))["match"] == "maybe"
    assert as_json(pb.Rule(recorded_from=2**40))["recorded_from"] == 2**40
    assert as_json(ledger_pb2.GetHeadResponse(root=b"\x01\xff"))["root"] == "01ff"
    json.dumps(shown)


def test_known_at_is_a_size_or_an_instant() -> None:
    assert known_at(None) == {}
    assert known_at("12345") == {"size": 12345}
    assert known_at("1970-01-01T00:00:01.500Z") == {"instant_ms": 1500}
    assert known_at("2026-11-02T14:05:00+02:00") == known_at("2026-11-02T12:05:00Z")
    for text in ("2026-11-02", "2026-11-02T14:05:00", "-1", "now", "1" * 40):
        with pytest.raises(FormatError):
            known_at(text)


def test_the_language_is_the_asked_one_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for value, expected in (("fr_CA.UTF-8", "fr"), ("en_CA.UTF-8", "en"), ("C", "en"), ("", "en")):
        monkeypatch.setenv("LANG", value)
        assert language(None) == expected
        assert language("fr") == "fr"
