"""The first reading of a file: the same answers however many rows there are, and little memory."""

import io
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.events.credential import CredentialData
from passerelle.node import scan as scanning
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import RawRow, read_rows
from passerelle.node.csv_rows import read_header, shape
from passerelle.node.difference import content_changes, person_changes, published
from passerelle.node.people import Person
from passerelle.node.plan import Fitted
from passerelle.node.records import RecordKeys
from passerelle.node.scan import BUCKETS, Scan, Spill, scan

HEADER = "id,name_en,jurisdictions,kind"


def reading(*lines: str) -> Callable[[], Iterator[RawRow]]:
    data = "\n".join((HEADER, *lines)).encode()
    return lambda: islice(read_rows(io.BytesIO(data)), 1, None)


def scanned(*lines: str) -> Scan:
    parser = read_header(FORMS["organisations"], HEADER.split(","), "humber")
    again = reading(*lines)
    return scan(parser, again(), again, bytes(32))[0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=30))
def test_repeats_and_contradictions_are_those_of_a_plain_comparison(rows: list[tuple[str, str]]) -> None:
    found = scanned(*(f"{name},{content},CA,other" for name, content in rows))
    for place, (name, _) in enumerate(rows):
        number = place + 2
        same = [other for other, (one, _) in enumerate(rows) if one == name]
        contents = {rows[other][1] for other in same}
        assert (found.contradicts(number) is not None) == (len(contents) > 1)
        assert found.repeats(number) == (len(contents) == 1 and same[0] < place)
        if len(contents) > 1:
            assert found.contradicts(number) == (
                same[0] + 2,
                next(other for other in same if rows[other][1] != rows[same[0]][1]) + 2,
            )
    assert found.rows == len(rows)
    assert found.clean == (len({name for name, _ in rows}) == len(rows))


@pytest.mark.parametrize("suspects", [0, 100_000])
def test_one_record_of_many_that_stands_twice_is_found(monkeypatch: pytest.MonkeyPatch, suspects: int) -> None:
    monkeypatch.setattr(scanning, "MAX_SUSPECTS", suspects)
    monkeypatch.setattr(scanning, "BUCKET_BYTES", 64)
    found = scanned(*(f"r{n % 9_999},{'X' if n < 9_999 else 'Y'},CA,other" for n in range(10_000)))
    assert (found.contradicts(2), found.contradicts(10_001)) == ((2, 10_001), (2, 10_001))
    assert [number for number in range(10_010) if found.contradicts(number)] == [2, 10_001]
    assert not any(found.repeats(number) for number in range(10_010))


def test_an_own_id_is_the_same_with_and_without_the_members_name() -> None:
    assert scanned("a,X,CA,other", "humber/a,Y,CA,other").contradicts(2) == (2, 3)


@pytest.mark.parametrize("size", [8, 1 << 20])
def test_what_goes_to_the_file_comes_back_in_order(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(scanning, "BUCKET_BYTES", size)
    monkeypatch.setattr(scanning, "MAX_LOOKED_UP", 100)
    records = [bytes((number % BUCKETS, number // BUCKETS)) for number in range(5 * BUCKETS)]
    with Spill(2) as spill:
        for record in records:
            spill.add(record)
        assert [one for bucket in range(BUCKETS) for one in spill.bucket(bucket)] == sorted(records)
        assert all(spill.has(record) for record in records)
        assert not spill.has(b"\x00\xff")


def test_the_keys_of_records_are_those_that_the_node_stores() -> None:
    keys = RecordKeys(bytes(range(32)))
    parser = read_header(FORMS["organisations"], HEADER.split(","), "humber")
    again = reading("a,X,CA,other")
    _, held = scan(parser, again(), again, bytes(32), keys)
    assert held is not None
    with held:
        assert held.has(bytes.fromhex(keys.key("organisations", "humber/a")))


@given(st.text(max_size=80))
def test_a_shape_tells_no_letter_and_no_digit(text: str) -> None:
    shown = shape(text)
    assert len(shown) <= 27
    assert not any((one.isalpha() and one != "x") or (one.isdigit() and one != "9") for one in shown)


def test_an_award_changed_column_by_column() -> None:
    issued = b'{"data":{"achievement":"h/revit","conferred_on":"2026-05-01","result":{"scheme":"p","grade":"80"}}}'
    amended = b'{"data":{"reason":"grade-change","result":{"scheme":"p","grade":"85"}}}'
    events = [("ca.passerelle.credential.issued.v1", issued), ("ca.passerelle.credential.amended.v1", amended)]
    after = {"achievement": "h/revit", "conferred_on": "2026-05-01", "result": {"scheme": "p", "grade": "91"}}
    found = content_changes(FORMS["credentials"], 7, published(events), after, masked=False)
    assert [(one.row, one.column, one.before, one.after) for one in found] == [(7, "result_grade", "85", "91")]
    assert content_changes(FORMS["credentials"], 7, published(events[:1]), after, masked=True)[0].before == "99"
    assert published([("ca.passerelle.credential.issued.v1", b"")]) is None


def test_a_translation_that_came_is_a_change_of_its_column() -> None:
    found = content_changes(FORMS["achievements"], 2, {}, {"translations": {"fr": "Revit"}}, masked=False)
    assert [(one.column, one.before, one.after) for one in found] == [("title_fr", "", "Revit")]


def test_a_persons_change_is_told_by_shape_only() -> None:
    before, after = Person("Ann Planted", "1990-01-02", "S1"), Person("Ann Sown", "1990-01-02", "S1", "a@b.c")
    found = person_changes(FORMS["credentials"], 3, before, after)
    assert [(one.column, one.before, one.after) for one in found] == [
        ("learner_name", "xxx xxxxxxx", "xxx xxxx"),
        ("learner_email", "", "x@x.x"),
    ]


def test_events_whose_values_are_remembered_have_fields_that_are_judged_one_by_one() -> None:
    decorators = CredentialData.__pydantic_decorators__
    assert not decorators.model_validators
    assert not decorators.root_validators
    assert frozenset({"credential.issued"}) == Fitted.EVENTS
    fitted = Fitted()
    fitted.add({"a": "1", "b": {"x": 1}, "record": "r"})
    fitted.add({"a": "2", "b": {"x": 2}, "record": "s"})
    assert fitted.holds({"a": "1", "b": {"x": 2}, "record": "t"})
    assert not fitted.holds({"a": "3", "b": {"x": 2}, "record": "t"})
    assert not fitted.holds({"a": "1", "record": "t"})
