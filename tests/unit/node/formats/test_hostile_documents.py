"""Files made to hurt: refused with a message of their own, quickly, and without holding much."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.node.formats.documents import HOME, codes, file

from passerelle.core.errors import PasserelleError
from passerelle.node.formats import json_reading, xml_reading
from passerelle.node.formats.ports import Format
from passerelle.node.formats.standards import standard_formats

SAMPLES = Path(__file__).parents[4] / "samples/formats"
PESC = (SAMPLES / "transcript-pesc-1.6.xml").read_text()
CLOSE = "</AcademicRecord></Student></ColTrn:CollegeTranscript>"
BADGE = (SAMPLES / "open-badge-3.0.json").read_text()
BY_NAME = {one.name: one for one in standard_formats()}
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
FAST_S = 5.0
FLAT = 24 * 1024 * 1024


def refused(form: str, path: Path) -> str:
    """The code with which a file is refused, within bounds of time and memory of Python's own."""
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(PasserelleError) as caught:
            BY_NAME[form].open(path, home=HOME)
        assert tracemalloc.get_traced_memory()[1] < FLAT
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < FAST_S
    assert caught.value.fix
    return caught.value.code


def in_pesc(inside: str, before: str = "") -> str:
    head, root, rest = PESC.partition("<ColTrn:")
    return (
        before
        + (head if not before else "")
        + root
        + rest.replace("<CourseTitle>Drafting", inside + "<CourseTitle>Drafting")
    )


XML: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "entities within entities": (
        lambda: f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>' + in_pesc("&l11;", " ").lstrip(), "xml-forbidden"
    ),
    "an entity of the file system": (
        lambda: '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + in_pesc("&f;", " ").lstrip(), "xml-forbidden"
    ),
    "a document type of the network": (
        lambda: '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">' + in_pesc("", " ").lstrip(), "xml-forbidden"
    ),
    "a document type after a long comment": (
        lambda: f"<!-- {'x' * 200_000} --><!DOCTYPE a []>" + in_pesc("", " ").lstrip(), "xml-forbidden"
    ),
    "deep nesting": (lambda: in_pesc("<a>" * 5_000 + "</a>" * 5_000), "xml-too-deep"),
    "a text of ten megabytes": (lambda: in_pesc(f"<NoteMessage>{'x' * 10_000_000}</NoteMessage>"), "value-too-long"),
    "many long texts in one record": (
        lambda: in_pesc(f"<NoteMessage>{'x' * 500_000}</NoteMessage>" * 10), "value-too-long"
    ),
    "an attribute of ten megabytes": (lambda: in_pesc(f'<NoteMessage a="{"x" * 10_000_000}"/>'), "value-too-long"),
    "many elements in one record": (lambda: in_pesc("<A/>" * 21_000), "too-many-items"),
    "a NUL": (lambda: in_pesc("<NoteMessage>\0</NoteMessage>"), "control-character"),
    "UTF-16": (lambda: PESC.replace("UTF-8", "UTF-16").encode("utf-16"), "encoding-invalid"),
    "UTF-7": (lambda: PESC.replace('"UTF-8"', '"UTF-7"'), "encoding-invalid"),
    "bytes that are not UTF-8": (lambda: PESC.encode().replace(b"Drafting", b"Draf\xff\xfe"), "encoding-invalid"),
    "an end in the middle": (lambda: PESC[: len(PESC) // 2], "file-truncated"),
    "nothing": (lambda: "", "file-empty"),
    "no record": (lambda: PESC.partition("<AcademicAward>")[0] + CLOSE, "file-empty"),
    "text beside tags": (lambda: PESC.replace("</Person>", "</Pers>"), "xml-malformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", XML)
def test_hostile_xml(tmp_path: Path, name: str) -> None:
    content, code = XML[name]
    assert refused("pesc-xml", file(tmp_path, "a.xml", content())) == code


JSON: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "deep nesting": (lambda: BADGE.replace('"92"', "[" * 100_000 + "]" * 100_000), "body-too-deep"),
    "an open nest": (lambda: "[" * 1_000_000, "body-too-deep"),
    "a number of many digits": (lambda: BADGE.replace('"92"', "9" * 5_000), "number-malformed"),
    "a number without bounds": (lambda: BADGE.replace('"92"', "1e999"), "number-malformed"),
    "not a number": (lambda: BADGE.replace('"92"', "NaN"), "number-malformed"),
    "a name twice": (lambda: BADGE.replace('"name": "Sample', '"name": "", "name": "Sample'), "body-duplicate-key"),
    "a NUL": (lambda: BADGE.encode().replace(b"92", b"9\0"), "control-character"),
    "UTF-16": (lambda: BADGE.encode("utf-16"), "encoding-invalid"),
    "bytes that are not UTF-8": (lambda: BADGE.encode().replace(b"92", b"\xff"), "encoding-invalid"),
    "an open string": (lambda: BADGE[:300], "body-not-json"),
    "a list": (lambda: "[1]", "body-not-json"),
    "nothing": (lambda: " ", "file-empty"),
    "a token of noise": (lambda: "eyAAAAAAAAAAAA.AAAA.AAAA", "control-character"),
    "another credential": (lambda: BADGE.replace("OpenBadgeCredential", "Passport"), "format-unknown"),
    "no subject": (lambda: json.dumps({**json.loads(BADGE), "credentialSubject": 7}), "field-missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_hostile_json(tmp_path: Path, name: str) -> None:
    content, code = JSON[name]
    assert refused("open-badges", file(tmp_path, "a.json", content())) == code


@pytest.mark.parametrize("form", ["pesc-xml", "open-badges"])
def test_a_file_beyond_the_limit(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_reading, "MAX_FILE", 1_000)
    source = PESC if form == "pesc-xml" else BADGE + " " * json_reading.MAX_JSON
    assert refused(form, file(tmp_path, "a", source)) == "file-too-large"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (">MATH<", ">M\u0410TH<", "field-malformed"),
        (">3.00<", f">{'9' * 100}<", "number-malformed"),
        (">101<", "><", ""),
        (">Certificate in", ">\u0421ertificate in", "field-malformed"),
    ],
)
def test_a_row_that_cannot_be_one_is_refused_and_the_rest_goes_on(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    reading = BY_NAME["pesc-xml"].open(file(tmp_path, "a.xml", PESC.replace(old, new)), home=HOME)
    assert codes(reading) == ([code] if code else [])
    assert sum(1 for section in reading.sections for _ in section.rows()) >= 5


def test_a_long_document_is_read_with_little_memory(tmp_path: Path) -> None:
    start, course, end = (
        PESC.partition("<Course>")[0],
        PESC[PESC.index("<Course>") : PESC.index("</Course>") + 9],
        ("</AcademicSession></AcademicRecord></Student></ColTrn:CollegeTranscript>"),
    )
    path = file(tmp_path, "a.xml", start + course * 600 + end)
    reading = BY_NAME["pesc-xml"].open(path, home=HOME)
    rows = reading.sections[-1].rows()
    tracemalloc.start()
    count = sum(1 for _ in rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 601
    assert peak < 2 * 1024 * 1024


def whole(form: Format, path: Path) -> None:
    """Read everything; only typed errors may come out, and none may repeat the learner's name."""
    try:
        reading = form.open(path, home=HOME)
        for section in reading.sections:
            for row in section.rows():
                assert len(row.cells) < 100
        told = " ".join(reading.remarks)
    except PasserelleError as error:
        told = str(error)
    assert "Sample-Planted" not in told


def damaged(name: str) -> st.SearchStrategy[bytes]:
    """A sample with some of its bytes replaced, doubled or cut."""
    source = (SAMPLES / name).read_bytes().replace(b"Maya", b"Sample-Planted").replace(b"Aino", b"Sample-Planted")
    noise = st.one_of(
        st.binary(max_size=6),
        st.sampled_from(
            [b"<", b">", b"&", b'"', b"{", b"[", b"]", b"null", b"-1", b"1e400", b"</", b"<![CDATA[", b"\xd1\x80"]
        ),
    )
    edit = st.tuples(st.integers(0, len(source)), st.integers(0, 40), noise)

    def applied(edits: list[tuple[int, int, bytes]]) -> bytes:
        content = source
        for place, length, new in edits:
            content = content[:place] + new + content[place + length :]
        return content

    return st.lists(edit, min_size=1, max_size=4).map(applied)


FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("pesc-xml", "transcript-pesc-1.6.xml"),
        ("pesc-json", "transcript-pesc.json"),
        ("elmo", "elmo.xml"),
        ("open-badges", "open-badge-3.0.json"),
        ("open-badges-2", "open-badge-3.0.json"),
    ],
)
def test_damaged_documents_give_rows_or_typed_errors(tmp_path: Path, form: str, name: str) -> None:
    @FUZZ
    @given(damaged(name))
    def run(content: bytes) -> None:
        whole(BY_NAME[form], file(tmp_path, "a", content))

    run()


@pytest.mark.parametrize("form", sorted(BY_NAME))
def test_any_bytes_are_recognised_or_not_without_an_error(form: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=200))
    def run(head: bytes) -> None:
        assert BY_NAME[form].recognises(Path("a"), head) in {True, False}

    run()
