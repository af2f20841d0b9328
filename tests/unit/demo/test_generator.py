"""The demo's two large files: the same every time, with exactly the mistakes that S10 names."""

import csv
import json
from collections import Counter
from io import StringIO
from pathlib import Path

from passerelle.demo import generator

ROOT = Path(__file__).resolve().parents[3]


def test_the_convocation_has_ten_thousand_awards_and_forty_corrections(tmp_path: Path) -> None:
    awards, amendments = generator.write_convocation(tmp_path)
    rows = list(csv.DictReader(StringIO(awards.read_text("utf-8"))))
    corrected = list(csv.DictReader(StringIO(amendments.read_text("utf-8"))))
    assert len(rows) == len({row["record_id"] for row in rows}) == 10_000
    assert len({row["learner_student_number"] for row in rows}) == 10_000
    assert len(corrected) == 40
    assert {row["record_id"] for row in corrected} <= {row["record_id"] for row in rows}


def test_the_files_are_the_same_every_time(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in generator.write_spreadsheet(tmp_path / "a")]
    again = [path.read_bytes() for path in generator.write_spreadsheet(tmp_path / "b")]
    assert first == again


def test_sixty_rows_of_the_spreadsheet_are_wrong_and_the_rest_is_the_corrected_file(tmp_path: Path) -> None:
    wrong, right = (path.read_bytes().splitlines() for path in generator.write_spreadsheet(tmp_path))
    assert len(wrong) == len(right) == 5_001
    mistakes = generator.mistakes_by_row()
    differing = {number for number in range(5_001) if wrong[number] != right[number]}
    # The first row of a pair that shares a record id is right in itself; it is wrong because of the second.
    silent = {number for number, mistake in mistakes.items() if mistake.code == generator.DUPLICATE}
    assert differing <= mistakes.keys()
    assert mistakes.keys() - differing <= silent
    assert len(mistakes) == 60


def test_the_mistakes_are_those_that_the_expected_answer_counts() -> None:
    expected = json.loads((ROOT / "samples" / "expected" / "S10.json").read_text("utf-8"))
    counts = Counter(mistake.code for mistake in generator.mistakes_by_row().values())
    assert counts == expected["answer"]["first"]["refused_by_code"]
