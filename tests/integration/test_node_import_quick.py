"""The short way of a dry run on a real PostgreSQL: the same report as planning each row, whatever the rows are."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, LEARNER, Desk, credential_rows, desk, person

from passerelle.node import importer, plan_quick
from passerelle.node.formats.opening import Options

RESULTS = f"record_id,course,status,completed_on,grade_scheme,grade,{LEARNER}\n"


@pytest.fixture
async def humber(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database) as opened:
        await opened.take(ACHIEVEMENTS)
        yield opened


def award(chance: random.Random, number: int) -> str:
    """A row of awards: new, known, changed, renumbered, repeated, contradicted, or wrong in one of many ways."""
    grade = chance.choice(("80", "80", "81", "82"))
    name = chance.choice(("revit", "revit", "humber/revit", "revitt" if chance.random() < 0.1 else "revit"))
    day = chance.choice(("2026-05-01", "2026-05-02", "2026-05-32" if chance.random() < 0.1 else "2026-05-03"))
    record = chance.choice((f"A-{number}", f"B-{number}", f"B-{chance.randrange(2_000)}"))
    who = chance.choice((person(number), person(number), person(chance.randrange(300))))
    if chance.random() < 0.02:
        who = chance.choice(
            ("S1,,1990-01-01,", "S1,Ann\x01,1990-01-01,", "S1,Ann Planted,1990-13-01,", "S1,Ann Planted")
        )
    return f"{record},{name},{day},percentage-50,{grade},{who}\n"


def result(chance: random.Random, number: int) -> str:
    """A row of course results."""
    day = chance.choice(("2026-05-01", "", "2026-05-02"))
    record = chance.choice((f"R-{number}", f"T-{chance.randrange(2_000)}"))
    return f"{record},revit,{chance.choice(('final', 'failed'))},{day},percentage-50,80,{person(number)}\n"


async def reported(opened: Desk, text: str, **asked: Any) -> dict[str, Any]:
    path = opened.folder / "asked.csv"
    path.write_text(text, encoding="utf-8")
    return (await opened.office.importer().run(path, options=Options(dry_run=True, **asked))).as_dict()


@pytest.mark.parametrize("renumbered", ["ask", "new"])
async def test_any_rows_get_the_report_of_the_rules(
    humber: Desk, monkeypatch: pytest.MonkeyPatch, renumbered: str
) -> None:
    monkeypatch.setattr(importer, "CHUNK_ROWS", 100)
    monkeypatch.setattr(importer, "DRY_CHUNK_ROWS", 300)
    chance = random.Random(renumbered)
    await humber.take(CREDENTIALS + credential_rows(range(150)))
    await humber.take(
        RESULTS + "".join(f"R-{n},revit,final,2026-05-01,percentage-50,80,{person(n)}\n" for n in range(99))
    )
    awards = CREDENTIALS + "".join(award(chance, number) for number in range(1_200))
    results = RESULTS + "".join(result(chance, number) for number in range(600))
    sure: list[int] = []
    settle = plan_quick.QuickLane.settle

    def counted(self: plan_quick.QuickLane, *arguments: Any) -> Any:
        found = settle(self, *arguments)
        sure.append(found[0])
        return found

    monkeypatch.setattr(plan_quick.QuickLane, "settle", counted)
    short = [await reported(humber, text, renumbered=renumbered) for text in (awards, results)]
    assert sum(sure) > 300
    monkeypatch.setattr(importer, "EVENTS", {})
    plain = [await reported(humber, text, renumbered=renumbered) for text in (awards, results)]
    assert short == plain
    assert all(min(one[name] for name in ("new", "changed", "unchanged")) > 0 for one in short)
    assert short[0]["refused"] > 0
