"""The short way of a dry run: for any rows, good and bad, what planning them one by one says, and nothing else."""

from __future__ import annotations

import copy
import hmac
import random
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.unit.node.office import SECRET, CountingIds

from passerelle.node import plan_quick
from passerelle.node.csv_cells import CellError
from passerelle.node.csv_forms import FORMS, Column
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import Row, RowError, read_header
from passerelle.node.plan import Desk, Fitted, Known, Planned, Renumbered
from passerelle.node.plan_quick import EVENTS, Lot, QuickLane
from passerelle.node.planner import COMPARED, plan
from passerelle.node.records import RecordKeys
from passerelle.node.scan import Scan, scan

HOME = "humber"
KEYS = RecordKeys(SECRET)
DAYS = ("2026-05-01", "2026-05-02", " 2026-05-01 ", "2026-02-30", "1899-01-01", "")
OWN = {
    "record_id": [
        *(f"A-{n}" for n in range(60)),
        "K-1",
        "K-2",
        "'=K-3",
        "'=A",
        "'A",
        "record:" + "ab" * 32,
        "",
        "x" * 121,
    ],
    "learner_student_number": ["S1", "S2", "S3", "'+1", "s" * 61, "S\x01", ""],
    "learner_name": ["Ann Planted", "Zoë", "Ann 'Annie' Planted", "O'Brien", "Ann\nPlanted", "Ann\tP", "n" * 201, ""],
    "learner_birth_date": ["1999-01-02", "2000-02-29", "2101-01-01", "1999-13-01", ""],
    "learner_email": ["", "ann@example.test", "ann", "a b@example.test"],
}
COLUMNS = {
    "credentials": OWN
    | {
        "achievement": ["revit", "humber/revit", "rru/python", "revitt", "rru/", "'revit", ""],
        "conferred_on": list(DAYS),
        "result_scheme": ["", "percentage-50", "é"],
        "result_grade": ["", "80", "81"],
        "credits": ["", "3 credit-hours", "3 CREDIT-HOURS", "3 stones"],
        "achievement_version": ["", "1", "2", "0", "x"],
        "awarding_bodies": ["", "humber", "humber; rru", ";".join(["humber"] * 17)],
        "rubric_url": ["", "", "https://example.test/" + "r" * 400],
        "evidence": ["", "", ";".join(["ab" * 32 + "|application/pdf|12|portfolio"] * 32)],
    },
    "results": OWN
    | {
        "course": ["revit", "rru/python", "revitt", ""],
        "status": ["final", "FINAL", "finished", ""],
        "completed_on": list(DAYS),
        "grade_scheme": ["", "percentage-50"],
        "grade": ["", "80"],
    },
}


def raw_rows(kind: str, chance: random.Random) -> list[RawRow]:
    """Two rows that teach, then rows mostly of texts that are fine; some have a cell too few or cannot be read."""
    pools = COLUMNS[kind]
    found = [[pool[place] for pool in pools.values()] for place in (0, 1)]
    for _ in range(chance.randrange(1, 60)):
        usual = (pool[:200] if name == "record_id" else pool[:2] for name, pool in pools.items())
        texts = zip(usual, pools.values(), strict=True)
        found.append([chance.choice(few if chance.random() < 0.97 else pool) for few, pool in texts])
        if chance.random() < 0.03:
            found[-1].pop()
    return [
        RawRow(number, [], "row-malformed", "it cannot be read") if chance.random() < 0.02 else RawRow(number, cells)
        for number, cells in enumerate(found, start=2)
    ]


def knowledge(kind: str) -> Known:
    """Three records that were imported before, and things."""
    known = Known(things={"achievement:humber/revit"}, versions={"achievement:rru/python": 2})
    about, when = COMPARED[kind]
    header = ["record_id", about, when, "learner_student_number", "learner_name", "learner_birth_date"]
    status = ["status"] if kind == "results" else []
    parser = read_header(FORMS[kind], [*header, *status], HOME)
    desk = Desk(FORMS[kind], HOME, KEYS, CountingIds(), known)
    for name, day in (("K-1", "2026-05-01"), ("K-2", "2026-05-02"), ("=K-3", "2026-05-02")):
        cells = [name, "revit", day, "S1", "Ann Planted", "1999-01-02", *["final" for _ in status]]
        row = parser.parse(RawRow(2, cells))
        assert isinstance(row, Row)
        assert isinstance(plan(desk, row), Planned)
    return known


def desk_of(kind: str, known: Known, fitted: Fitted, renumbered: bool) -> Desk:
    mode: Renumbered = "same" if renumbered else "ask"
    return Desk(FORMS[kind], HOME, KEYS, CountingIds(), known, fitted=fitted, dry=True, renumbered=mode)


def alike_of(known: Known, compared: bool) -> None:
    for record in known.records.values() if compared else ():
        if record.likeness is not None:
            known.alike.setdefault(record.likeness, []).append(record)


Said = tuple[int, str, tuple[str, ...]]


def said(row: int, found: Planned | RowError) -> Said:
    if isinstance(found, RowError):
        return (row, found.code, (found.column,))
    return (row, found.outcome, tuple(event.type.name for event in found.events))


def one_by_one(kind: str, raws: list[RawRow], known: Known, scanned: Scan, renumbered: bool) -> list[Said]:
    """What each row leads to, planned by the rules alone."""
    parser = read_header(FORMS[kind], list(COLUMNS[kind]), HOME)
    desk, found = desk_of(kind, known, Fitted(), renumbered), list[Said]()
    for raw in raws:
        row = parser.parse(raw)
        if isinstance(row, list):
            found += [said(raw.number, error) for error in row]
        elif scanned.clean or not (scanned.repeats(raw.number) or scanned.contradicts(raw.number)):
            found.append(said(raw.number, plan(desk, row)))
    return found


class Short:
    """The same by the short way, batch by batch, as an import goes."""

    def __init__(self, kind: str, known: Known, renumbered: bool, compared: bool) -> None:
        self.kind, self.known, self.fitted, self.renumbered = kind, known, Fitted(), renumbered
        self.parser = read_header(FORMS[kind], list(COLUMNS[kind]), HOME)
        self.lane = QuickLane(self.parser, KEYS, compared=compared)
        self.found: list[Said] = []
        self.sure = 0

    def take(self, raws: list[RawRow], scanned: Scan) -> None:
        plain, lot = self.lane.enter(raws, scanned)
        assert sorted(raw.number for raw in [*plain, *(lot.raws[place] for place in lot.places)]) == [
            raw.number for raw in raws
        ]
        late = self._settled(lot) if lot.places else []
        desk = desk_of(self.kind, self.known, self.fitted, self.renumbered)
        for raw in sorted([*plain, *late]):
            row = self.parser.parse(raw)
            if isinstance(row, list):
                self.found += [said(raw.number, error) for error in row]
            elif scanned.clean or not (scanned.repeats(raw.number) or scanned.contradicts(raw.number)):
                planned = plan(desk, row)
                self.found.append(said(raw.number, planned))
                if isinstance(planned, Planned):
                    self.lane.learn(raw, row, planned)

    def _settled(self, lot: Lot) -> list[RawRow]:
        asked = self.lane.wanted(lot)
        assert len(asked.records) == len(lot.places)
        sure, late = self.lane.settle(lot, self.known)
        numbers = {raw.number for raw in late}
        taken = [lot.raws[place].number for place in lot.places if lot.raws[place].number not in numbers]
        assert len(taken) == sure
        self.sure += sure
        self.found += [(number, "new", EVENTS[self.kind]) for number in taken]
        return late


def looked_through(kind: str, raws: list[RawRow]) -> Scan:
    parser = read_header(FORMS[kind], list(COLUMNS[kind]), HOME)
    return scan(parser, iter(raws), lambda: iter(raws), bytes(32))[0]


@pytest.mark.parametrize("kind", list(EVENTS))
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), size=st.integers(1, 20), compared=st.booleans(), renumbered=st.booleans())
def test_the_short_way_says_what_the_rules_say_of_each_row(
    kind: str, seed: int, size: int, compared: bool, renumbered: bool
) -> None:
    raws = raw_rows(kind, random.Random(seed))
    scanned, known = looked_through(kind, raws), knowledge(kind)
    alike_of(known, compared)
    expected = one_by_one(kind, raws, copy.deepcopy(known), scanned, renumbered)
    short = Short(kind, known, renumbered, compared)
    rows = iter(raws)
    while batch := list(islice(rows, size)):
        short.take(batch, scanned)
    assert sorted(short.found) == sorted(expected)
    event(f"the short way was taken: {short.sure > 0}")


def ordinary(count: int) -> Iterator[RawRow]:
    """Clean awards."""
    names = list(COLUMNS["credentials"])
    for n in range(count):
        cells = dict.fromkeys(names, "") | {
            "record_id": f"A-{n}", "achievement": ("revit", "rru/python")[n % 2],
            "conferred_on": f"2026-05-0{n % 9 + 1}",
            "learner_student_number": f"S{n}", "learner_name": f"Ann Planted{n}", "learner_birth_date": "1999-01-02",
            "learner_email": f"a{n}@example.test", "result_scheme": "percentage-50", "result_grade": str(50 + n % 3),
        }  # fmt: skip
        yield RawRow(n + 2, list(cells.values()))


def test_ordinary_rows_take_the_short_way_once_their_texts_were_seen() -> None:
    short, rows = Short("credentials", knowledge("credentials"), False, False), ordinary(1_000)
    raws = list(rows)
    scanned = looked_through("credentials", raws)
    short.take(raws[:100], scanned)
    assert short.sure == 0
    short.take(raws[100:], scanned)
    assert short.sure == 900
    assert len(short.found) == 1_000


def test_a_record_that_is_known_or_an_achievement_that_went_is_for_the_rules() -> None:
    known = knowledge("credentials")
    short, raws = Short("credentials", known, False, False), list(ordinary(60))
    scanned = looked_through("credentials", raws)
    short.take(raws[:40], scanned)
    known.things.clear()
    key = KEYS.key("credential", raws[41].cells[0])
    known.records[key] = next(iter(known.records.values()))
    short.take(raws[40:], scanned)
    assert short.sure == 9
    refused = [row for row, outcome, _ in short.found if outcome == "reference-unknown"]
    assert refused == [raw.number for raw in raws[40:] if raw.cells[5] == "revit"]


def test_a_row_with_very_much_text_is_for_the_rules_although_each_text_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_quick, "SMALL_ROW", 2_500)
    short, raws = Short("credentials", knowledge("credentials"), False, False), list(ordinary(80))
    scanned = looked_through("credentials", raws)
    short.take(raws[:40], scanned)
    monkeypatch.setattr(plan_quick, "SMALL_ROW", max(sum(map(len, raw.cells)) for raw in raws))
    place = list(COLUMNS["credentials"]).index("awarding_bodies")
    for raw in raws[40:60]:
        raw.cells[place] = "; ".join(["humber"] * 16)
    for field in short.lane._fields:
        field.seen.update(field.values([[cell] for cell in raws[40].cells]))
    short.take(raws[40:], scanned)
    assert short.sure == 20


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_quick, "MAX_TEXT", 1_000)
    short, raws = Short("credentials", knowledge("credentials"), False, False), list(ordinary(400))
    scanned = looked_through("credentials", raws)
    for start in range(0, 400, 20):
        short.take(raws[start : start + 20], scanned)
    assert sorted(row for row, _, _ in short.found) == [raw.number for raw in raws]
    assert all(len(one.seen) <= 11 for one in short.lane._fields)


CELLS: list[Column] = [column for form in FORMS.values() for column in form.columns if column.cell.sure is not None]


@settings(max_examples=40)
@given(
    st.sampled_from(CELLS),
    st.lists(st.one_of(st.text(max_size=130), st.emails(), st.from_regex(r"[a-z]{2}(-[A-Z]{2})?", fullmatch=True))),
)
def test_what_is_surely_readable_is_readable(column: Column, texts: list[str]) -> None:
    stripped = [text.strip() for text in texts if text.strip()]
    assert column.cell.sure is not None
    if not column.cell.sure(stripped):
        return
    for text in stripped:
        column.cell.parse(text, HOME)


def test_a_name_that_cannot_be_read_is_not_sure() -> None:
    name = FORMS["credentials"].by_name["learner_name"].cell
    assert name.sure is not None
    for text in ("Ann\x07", "Ann\nPlanted", "n" * 201):
        assert not name.sure(["Ann Planted", text])
        with pytest.raises(CellError):
            name.parse(text, HOME)
    assert name.sure(["Ann Planted", "Zoë"])


@given(st.binary(min_size=1, max_size=200), st.text(max_size=80))
def test_the_key_of_a_record_is_an_hmac_for_secrets_of_any_length(secret: bytes, office_id: str) -> None:
    text = office_id.encode("utf-8", "replace").decode()
    expected = hmac.digest(secret, b"credential\n" + text.encode(), "sha256").hex()
    assert RecordKeys(secret).key("credential", text) == expected
