"""Grades at import, on a real PostgreSQL: the dry run and the import refuse the same rows, each with its column."""

from __future__ import annotations

from pathlib import Path

from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, LEARNER, credential_rows, desk, person

from passerelle.core.catalogue import BY_NAME
from passerelle.node.plan import NewEvent

STEPS = [{"grade": "*", "rank": 1, "passes": False}, {"grade": "**", "rank": 2, "passes": True}]
STARS = {
    "scheme": "humber/stars",
    "title": "Stars (sample)",
    "language": "en",
    "version": 1,
    "valid_from": "2020-01-01",
    "steps": STEPS,
}


async def test_a_grade_that_its_scheme_lacks_is_refused_in_dry_run_and_import(database: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database) as humber:
        await humber.take(ACHIEVEMENTS)
        await humber.office.publish([NewEvent(BY_NAME["reference.scale-published"], "humber/stars", STARS)])
        good = credential_rows(range(600))
        bad = credential_rows([600], grade="80%") + credential_rows([601, 602], grade="**")
        own = bad.replace(f"percentage-50,**,{person(602)}", f"humber/stars,**,{person(602)}")
        for dry_run in (True, False):
            report = await humber.take(CREDENTIALS + good + own, dry_run=dry_run)
            assert (report.new, report.refused) == (601, 2)
            assert [(one.row, one.column, one.code) for one in report.errors] == [
                (602, "result_grade", "grade-unknown"), (603, "result_grade", "grade-unknown"),
            ]  # fmt: skip
            assert "'80'" in report.errors[0].fix
        header = f"record_id,course,status,grade_scheme,grade,{LEARNER}\n"
        row = f"R-1,revit,final,humber/stars,***,{person(1)}\n"
        results = await humber.take(header + row, kind="results")
        assert [(one.column, one.value, one.fix) for one in results.errors] == [("grade", "***", "Did you mean '**'?")]
