"""What the node's commands show people, in both languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from passerelle.cli import node_show
from passerelle.cli.node_import import window_ms
from passerelle.core.errors import FormatError
from passerelle.node.csv_report import ImportReport, Missing, report_path
from passerelle.node.csv_rows import row_error
from passerelle.node.difference import Change
from passerelle.node.status import settled
from passerelle.node.texts import _TEXTS, say

STREAM = {
    "family": "credential",
    "published": 9,
    "accepted": 7,
    "waiting": 1,
    "held": 1,
    "refused": 1,
    "lag_ms": 4200,
    "resent": 0,
}


def found(**changes: Any) -> dict[str, Any]:
    plain = {
        "member": "humber",
        "admitted": True,
        "standing": "active",
        "key_shown": True,
        "relay": "ready",
        "totals": {"published": 9, "accepted": 7, "waiting": 1, "held": 1, "refused": 1},
        "streams": [STREAM],
        "held": [{"type": "t", "subject": "humber/r1", "waits_for": ["achievement:ubc/STAT200"]}],
        "problems": [],
        "checkpoint": {"size": 12, "root": "00"},
    }
    return plain | changes


def test_status_shows_counts_lag_and_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    node_show.status(found(), "en")
    text = capsys.readouterr().out
    for part in ("credential", "7", "4.2 s", "achievement:ubc/STAT200", "12 entries", "1 events wait"):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "english", "french"),
    [
        (
            {"key_shown": False, "admitted": False, "standing": None},
            "does not show this member",
            "pas encore ce membre",
        ),
        ({"key_shown": False, "standing": "suspended"}, "is suspended", "est suspendu"),
        ({"key_shown": False}, "signing key", "clé de signature"),
        ({"relay": "stopped"}, "stands still", "est arrêté"),
    ],
)
def test_status_says_in_both_languages_why_nothing_is_sent(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], english: str, french: str
) -> None:
    node_show.status(found(**changes), "en")
    assert english in " ".join(capsys.readouterr().out.split())
    node_show.status(found(**changes), "fr")
    assert french in " ".join(capsys.readouterr().out.split())


def test_problems_stand_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    node_show.status(found(problems=[{"code": "sequence-conflict", "what": "w", "fix": "f"}]), "en")
    assert capsys.readouterr().out.rstrip().endswith("sequence-conflict: w f")


def test_settled_means_answered_and_nothing_held() -> None:
    assert not settled(found())
    assert settled(found(totals={"waiting": 0, "held": 0}))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_import_shows_counts_and_the_first_error_of_each_sort(
    capsys: pytest.CaptureFixture[str], language: str
) -> None:
    report = ImportReport("credentials", dry_run=True, rows=5, new=2, unchanged=1)
    report.refuse([row_error(3, "conferred_on", "date-impossible", "no such day")])
    report.refuse([row_error(4, "conferred_on", "date-impossible", "no such day")])
    node_show.import_outcome(report, Path("x.errors.csv"), language)
    text = capsys.readouterr().out
    assert "no such day" in " ".join(text.split())
    assert text.count("date-impossible") == 1
    assert "x.errors.csv" in text
    assert say("dry-run", language) in " ".join(text.split())


def test_an_import_ends_with_its_errors_in_a_file_and_code_2_only_where_rows_were_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, chosen = tmp_path / "awards.csv", tmp_path / "chosen.csv"
    report = ImportReport("credentials", dry_run=False, rows=5, new=5)
    node_show.import_end(report, file, None, "en", as_json=True)
    assert json.loads(capsys.readouterr().out)["report"] is None
    report.refuse([row_error(3, "conferred_on", "date-impossible", "no such day")])
    for named, target in ((None, report_path(file)), (chosen, chosen)):
        with pytest.raises(typer.Exit) as caught:
            node_show.import_end(report, file, named, "en", as_json=True)
        assert caught.value.exit_code == 2
        assert json.loads(capsys.readouterr().out)["report"] == str(target)
        assert "no such day" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_import_shows_what_changes_what_is_missing_and_how_to_take_it_back(
    capsys: pytest.CaptureFixture[str], language: str
) -> None:
    report = ImportReport("credentials", dry_run=False, mapping="banner", run="R-1", held_until=1)
    report.enter("credentials", 2)
    report.count("changed", ["credential.amended"])
    report.change([Change(2, "result_grade", "80", "91")])
    report.missing.append(Missing("credentials", 40))
    report.missing[0].add({"kind": "credential", "thing": "credential:x", "status": "issued"})
    node_show.import_outcome(report, Path("x.errors.csv"), language)
    text = " ".join(capsys.readouterr().out.split())
    for piece in ("1 credential.amended", "result_grade 80 91", "credential:x", "2.5 %", "drafts cancel R-1", "banner"):
        assert piece in text, piece
    assert report.as_dict()["sections"] == {"credentials": {"rows": 2, "changed": 1}}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_proposed_mapping_is_shown(capsys: pytest.CaptureFixture[str], language: str) -> None:
    column = {"column": "grade", "from": "{Note}", "by": "word", "looks_like": "99", "notes": []}
    error = {"column": "status", "what": "the cell is empty", "fix": "Fill it."}
    found = {
        "name": "notes", "kind": "results", "columns": [column], "missing": ["status"], "unused": ["[red]Remarque"],
        "rows": [{"row": 2, "cells": {"grade": "99"}, "errors": [error]}], "saved": "mappings/notes.toml",
    }  # fmt: skip
    node_show.mapping(found, language)
    text = " ".join(capsys.readouterr().out.split())
    for piece in ("{Note}", "[red]Remarque", "the cell is empty", "--mapping notes --dry-run"):
        assert piece in text, piece


@pytest.mark.parametrize(("text", "expected"), [("", 0), ("90s", 90_000), ("30m", 1_800_000), ("2d", 172_800_000)])
def test_an_undo_window(text: str, expected: int) -> None:
    assert window_ms(text) == expected


@pytest.mark.parametrize("text", ["0m", "30", "-1m", "31d", "1w", "1m1m", "999999s"])
def test_an_undo_window_that_is_none(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        window_ms(text)
    assert caught.value.where == "--undo-window"


def test_a_row_with_several_errors_is_one_refused_row() -> None:
    report = ImportReport("credentials", dry_run=False, rows=1)
    report.refuse([row_error(2, "a", "value-missing", "x"), row_error(2, "b", "value-missing", "x")])
    assert (report.refused, len(report.errors), len(report.sorts())) == (1, 2, 2)
    assert report.as_dict()["errors"][0]["row"] == 2


def test_refused_events_are_shown_with_code_place_and_fix(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "family": "transfer",
        "sequence": 4,
        "type": "ca.passerelle.transfer.posted.v1",
        "code": "step-illegal",
        "field": "type",
        "what": "w",
        "fix": "f",
    }
    node_show.refused([row], "fr")
    text = capsys.readouterr().out
    assert "step-illegal" in text
    assert "que faire" in text
    node_show.refused([], "en")
    assert "Nothing was refused" in capsys.readouterr().out


def test_every_text_has_both_languages_and_the_same_places() -> None:
    import re

    for name, (english, french) in _TEXTS.items():
        assert english, name
        assert french, name
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", french)), name


def test_the_report_lies_beside_the_file() -> None:
    assert report_path(Path("in/awards.csv")) == Path("in/awards.errors.csv")
