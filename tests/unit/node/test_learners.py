"""A learner's rights without a database: retention, what an erasure drafts, what an export tells, what files bring."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.office import ANN, LEARNER, SECRET, CountingIds, FixedClock, PaperDesk

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, NotFound, PasserelleError, Refused
from passerelle.node.author import Author
from passerelle.node.export import Access, Stored
from passerelle.node.key_encryption import FileKey
from passerelle.node.learner_export import export_learner
from passerelle.node.learners import Destroyed, Eraser, Kept, LearnerFile, find, years_after
from passerelle.node.people import Person, Vault
from passerelle.node.records import Mark, Record, RecordKeys

IDS = CountingIds()
KEYS = RecordKeys(SECRET)
VAULT = Vault(FileKey(bytes(32), IDS), KEYS, IDS)
PERSON = Person("Ann Planted", "1999-01-02", "S1", "ann@example.test")
LEARNER_ROW = VAULT.enrol(PERSON)
CREDENTIAL = "01990000-0000-7000-8000-0000000000c1"
TODAY_MS = 1_780_000_000_000
"""28 May 2026."""


def award(date: str, *, thing: str = CREDENTIAL, status: str = "issued") -> Stored:
    body = orjson.dumps({"data": {"conferred_on": date}})
    mark = Mark("c", status=status)
    record = Record("k" * 64, "credential", f"credential:{thing}", mark, mark, LEARNER_ROW.id)
    return Stored(record, ((BY_NAME["credential.issued"].full, body),))


def result(**data: str) -> Stored:
    mark = Mark("c")
    sealed = VAULT.seal(LEARNER_ROW.id, LEARNER_ROW.wrapped_key, data)
    return Stored(Record("r" * 64, "result", "result:1", mark, mark, LEARNER_ROW.id), (), sealed)


class Shelf:
    """One learner as the database holds them."""

    def __init__(self, *records: Stored, sent: Sequence[str] = (f"credential:{CREDENTIAL}",), **kept: Any) -> None:
        self.kept_row: Kept | None = Kept(LEARNER_ROW, None, records, frozenset(sent), **kept)
        self.destroyed: list[Destroyed] = []
        self.found: list[str] = []
        self.accesses: list[Access] = []
        self.file: LearnerFile | None = None

    @asynccontextmanager
    async def erasing(self) -> AsyncIterator[Shelf]:
        yield self

    async def kept(self, learner: str) -> Kept | None:
        return self.kept_row

    async def destroy(self, work: Destroyed) -> None:
        self.destroyed.append(work)

    async def find_learners(self, number_key: str, record_keys: Sequence[str]) -> list[str]:
        return self.found

    async def learner_file(self, learner: str) -> LearnerFile | None:
        return self.file

    async def document_content(self, case: str, sha256: str) -> bytes | None:
        return VAULT.seal(LEARNER_ROW.id, LEARNER_ROW.wrapped_key, {"hex": b"paper".hex()}) if sha256 == "a" else None

    async def log_access(self, entry: Access) -> None:
        self.accesses.append(entry)

    def eraser(self, years: int | None = 0) -> Eraser:
        clock = FixedClock(TODAY_MS)
        return Eraser(self, Author("humber", clock, IDS), VAULT, clock, years)


async def erase(shelf: Shelf, years: int | None = 0, ground: str = "", **options: bool) -> dict[str, Any]:
    done = await shelf.eraser(years).erase(LEARNER_ROW.id, legal_ground=ground, account="clerk", **options)
    return done.as_dict()


@pytest.mark.parametrize(
    ("records", "years", "refused"),
    [
        ([award("2016-05-28")], 10, ""),
        ([award("2016-05-29")], 10, "1 credential"),
        ([award("2016-05-29")], None, "1 credential"),
        ([award("2026-05-28")], 0, ""),
        ([award("1990-01-01"), result(completed_on="2020-01-01")], 10, "1 result"),
        ([result(term="Fall 1990")], 10, "1 result"),
        ([result(term="Fall 1990")], 0, ""),
        ([], 10, ""),
    ],
)
async def test_what_is_under_retention_is_erased_on_a_legal_ground_only(
    records: list[Stored], years: int | None, refused: str
) -> None:
    shelf = Shelf(*records)
    if refused:
        with pytest.raises(Refused, match=refused) as raised:
            await erase(shelf, years)
        assert raised.value.code == "retention-running"
        assert shelf.destroyed == []
        assert (await erase(shelf, years, "legal-order"))["ground"] == "legal-order"
    else:
        assert (await erase(shelf, years))["ground"] == "retention-ended"
    assert len(shelf.destroyed) == 1


async def test_cases_count_for_retention_too() -> None:
    with pytest.raises(Refused, match="1 case"):
        await erase(Shelf(cases=[TODAY_MS - 1000]), 1)


async def test_each_credential_in_the_ledger_gets_its_event_and_no_other() -> None:
    unsent, gone = CREDENTIAL.replace("c1", "c2"), CREDENTIAL.replace("c1", "c3")
    things = (f"credential:{CREDENTIAL}", f"credential:{gone}")
    records = [award("2000-01-01"), award("2000-01-01", thing=unsent), result(completed_on="2000-01-01")]
    shelf = Shelf(*records, award("2000-01-01", thing=gone, status="erased"), sent=things)
    done = await erase(shelf)
    assert (done["events"], done["taken_back"], done["results"], done["already"]) == (1, 1, 1, False)
    work = shelf.destroyed[0]
    assert [draft.thing for draft in work.drafts] == [f"credential:{CREDENTIAL}"] == list(work.sent)
    assert work.unsent == [f"credential:{unsent}"]
    body = orjson.loads(work.drafts[0].body)
    assert (body["type"], body["data"]) == ("ca.passerelle.credential.erased.v1", {"ground": "retention-ended"})
    assert work.drafts[0].marks[0][1] == {"content": "", "fixed": "", "version": 1, "status": "erased"}


async def test_a_dry_run_changes_nothing_and_a_second_run_goes_on_from_the_first() -> None:
    shelf = Shelf(award("2000-01-01"))
    assert (await erase(shelf, dry_run=True))["events"] == 1
    assert shelf.destroyed == []
    assert shelf.kept_row is not None
    shelf.kept_row = dataclasses.replace(shelf.kept_row, learner=None, ground="legal-order")
    again = await erase(shelf, None)
    assert (again["already"], again["ground"], again["events"]) == (True, "legal-order", 1)
    shelf.kept_row = None
    with pytest.raises(NotFound):
        await erase(shelf)


@pytest.mark.parametrize(
    ("named", "found", "code"),
    [
        ({}, [], "argument-missing"),
        ({"record": "A-1", "number": "S1"}, [], "argument-conflict"),
        ({"learner": "Ann Planted"}, [], "uuid-malformed"),
        ({"record": "A-1"}, [], "not-found"),
        ({"number": "S1"}, ["a", "b"], "not-found"),
    ],
)
async def test_a_learner_is_named_in_one_way(named: dict[str, str], found: list[str], code: str) -> None:
    shelf = Shelf()
    shelf.found = found
    with pytest.raises(PasserelleError) as raised:
        await find(shelf, KEYS, **named)
    assert raised.value.code == code
    assert "Ann" not in str(raised.value)
    shelf.found = ["x"]
    assert await find(shelf, KEYS, number="S1") == "x"


@given(st.dates(min_value=dt.date(1900, 1, 1)), st.integers(0, 200))
def test_years_after_is_that_many_years_later_or_never(date: Any, years: int) -> None:
    after = years_after(date.isoformat(), years)
    assert after >= date.isoformat()
    assert int(after[:4]) == min(date.year + years, 9999)
    if (date.month, date.day) != (2, 29) and date.year + years <= 9999:
        assert after[4:] == date.isoformat()[4:]


async def test_the_export_holds_everything_opened_and_is_logged_before_it_appears(tmp_path: Path) -> None:
    shelf, out = Shelf(), tmp_path / "ann.json"
    release = {"id": "x", "sealed": VAULT.seal(LEARNER_ROW.id, LEARNER_ROW.wrapped_key, {"results": [1]})}
    event = {"type": "t", "body": b'{"data":{}}'}
    shelf.file = LearnerFile(
        LEARNER_ROW,
        [award("2000-01-01"), result(completed_on="2000-01-01")],
        [event, {**event, "body": b""}],
        [release],
        documents=[{"case": "c", "sha256": "a"}, {"case": "c", "sha256": "b"}],
    )

    async def export(store: Any) -> dict[str, int]:
        return await export_learner(
            store, VAULT, FixedClock(), member="humber", learner=LEARNER_ROW.id, out=out, account="clerk"
        )

    counts = await export(shelf)
    assert (counts["records"], counts["events"], counts["documents"]) == (2, 2, 2)
    assert out.stat().st_mode & 0o077 == 0
    told = orjson.loads(out.read_bytes())
    assert told["person"] == PERSON.as_dict()
    assert told["records"][1]["result"] == {"completed_on": "2000-01-01"}
    assert told["events"] == [{"type": "t", "body": {"data": {}}}, {"type": "t", "body": None}]
    assert told["releases"] == [{"id": "x", "details": {"results": [1]}}]
    assert [one["content"] for one in told["documents"]] == [base64.b64encode(b"paper").decode(), None]
    assert [(one.format, one.account, one.learners) for one in shelf.accesses] == [
        ("learner-json", "clerk", [LEARNER_ROW.id])
    ]
    with pytest.raises(FormatError, match="exists already"):
        await export(shelf)
    out.unlink()

    async def away(entry: Access) -> None:
        raise NotFound("not-found", "planted")

    shelf.log_access = away  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        await export(shelf)
    shelf.file = None
    with pytest.raises(NotFound, match="erased"):
        await export(shelf)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_still_holds_an_erased_learner_does_not_bring_them_back() -> None:
    desk = PaperDesk()
    header = f"record_id,achievement,conferred_on,{LEARNER}"
    first = desk.one("credentials", header, f"A-1,revit,2026-05-01,{ANN}")
    desk.known.erased = {first.records[0].key}
    error = desk.error("credentials", header, f"A-1,revit,2026-05-01,{ANN}")
    assert (error.code, error.column) == ("learner-erased", "record_id")
    assert "Ann" not in str(error)
    assert desk.error("amendments", "record_id,step,reason", "A-1,suspended,other").code == "learner-erased"
    assert desk.one("credentials", header, f"A-2,revit,2026-05-01,{ANN}").outcome == "new"
