"""Registrars' offices: files of made-up records, imported again until the node has taken them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import Retryable, Unavailable
from passerelle.node.csv_report import ImportReport
from passerelle.node.main import Office, open_office
from passerelle.node.plan import NewEvent
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.network import Site

PATIENCE_S = 60.0
COURSES = 4
OLD_COURSE = "old-course"
ALWAYS = COURSES + 1 + 2
"""Events of every office besides awards and rules: its courses, and the old one retired twice."""
LEARNER = "learner_student_number,learner_name,learner_birth_date"


def write_courses(folder: Path) -> Path:
    """A file of the achievements that everything else rests on."""
    names = [*(f"course-{n}" for n in range(COURSES)), OLD_COURSE]
    rows = [f"{name},course,Energy modelling {name},en,yes,3 credit-hours" for name in names]
    return _write(folder / "courses.csv", ["id,kind,title,language,credit_bearing,credits", *rows])


def write_awards(folder: Path, number: int, first: int, count: int) -> Path:
    """A file of credentials, each of another learner."""
    rows = [
        f"award-{n},course-{n % COURSES},2026-0{n % 6 + 1}-{n % 28 + 1:02d},S{n:06d},Sample Person {n},1999-12-31"
        for n in range(first, first + count)
    ]
    return _write(folder / f"awards-{number}.csv", [f"record_id,achievement,conferred_on,{LEARNER}", *rows])


def write_rules(folder: Path, number: int, first: int, count: int, others: Sequence[str]) -> Path:
    """A file of recognitions of the other members' courses: each waits until the node saw the course on the feed."""
    rows = [
        f"rule-{n},equivalency,{others[n % len(others)]}/course-{n % COURSES},2024-09-01,assigned,"
        f"course-{(n + 1) % COURSES},3 credit-hours"
        for n in range(first, first + count)
    ]
    header = "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits"
    return _write(folder / f"rules-{number}.csv", [header, *rows])


def _write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def retire_twice(office: Office) -> None:
    """Retire the old course two times: the second time is no step that there is, and the ledger must say so."""
    event = NewEvent(
        BY_NAME["credential.achievement-retired"],
        f"{office.config.member}/{OLD_COURSE}",
        {"effective_on": "2026-01-01"},
    )
    await office.publish([event, event])


class Registrar:
    """Imports files into one node, whatever happens to its database meanwhile."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.tries = 0
        self.reports: list[ImportReport] = []

    async def work(self, files: Sequence[Path], *, pause_s: float = 0.0) -> None:
        """Import the files in order, with a pause after each. A file that was cut short is imported again: what is
        there is not taken twice.
        """
        async with AsyncExitStack() as stack:
            office: Office | None = None

            async def taken(file: Path) -> bool:
                nonlocal office
                self.tries += 1
                try:
                    if office is None:
                        office = await stack.enter_async_context(open_office(self._site.config()))
                    self.reports.append(await office.importer().run(file))
                except (Unavailable, Retryable):
                    return False
                return True

            for file in files:
                if not await wait_for(lambda file=file: taken(file), timeout_s=PATIENCE_S, every_s=0.2):  # type: ignore[misc]
                    raise AssertionError(f"{self._site.member}: {file.name} could not be imported")
                assert self.reports[-1].refused == 0, self.reports[-1].errors[:3]
                await asyncio.sleep(pause_s)
