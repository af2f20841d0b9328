"""Rows out of files of any quality: bounded, and going on after what cannot be read."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import FormatError
from passerelle.node.csv_reader import MAX_ROW, MAX_UNREADABLE, RawRow, read_rows, separator_of


def rows(data: bytes) -> list[RawRow]:
    return list(read_rows(io.BytesIO(data)))


def cells(data: bytes) -> list[list[str]]:
    return [row.cells for row in rows(data)]


def test_a_plain_file_gives_its_rows_numbered_from_the_header() -> None:
    assert rows(b"a,b\n1,2\n3,4") == [RawRow(1, ["a", "b"]), RawRow(2, ["1", "2"]), RawRow(3, ["3", "4"])]


def test_a_byte_order_mark_and_every_line_end_are_tolerated_also_mixed() -> None:
    assert cells(b"\xef\xbb\xbfa,b\r\n1,2\n3,4\r5,6\r\n") == [["a", "b"], ["1", "2"], ["3", "4"], ["5", "6"]]


def test_blank_rows_are_left_out_and_counted() -> None:
    assert [row.number for row in rows(b"a,b\n\n1,2\n   \n3,4\n")] == [1, 3, 5]


def test_quoted_cells_hold_separators_quotes_and_line_breaks() -> None:
    assert cells(b'a,b\n"1,\n""x""",2\n')[1] == ['1,\n"x"', "2"]


@pytest.mark.parametrize(("header", "separator"), [("a,b", ","), ("a;b;c", ";"), ("a\tb", "\t"), ("a", ",")])
def test_the_separator_is_the_headers(header: str, separator: str) -> None:
    assert separator_of(header) == separator
    assert cells(f"{header}\n1\n".encode())[0] == header.split(separator)


def test_a_row_that_is_not_utf8_is_named_and_the_rest_goes_on() -> None:
    found = rows("name\nZoë\n".encode() + "Zoë\n".encode("latin-1") + "Zoë\n".encode())
    assert [(row.number, row.code) for row in found] == [(1, ""), (2, ""), (3, "encoding-invalid"), (4, "")]
    assert "Zo" not in found[2].what


def test_a_nul_byte_spoils_its_row_only() -> None:
    assert [row.code for row in rows(b"a\n1\x002\n3\n")] == ["", "control-character", ""]


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf16_is_refused_with_its_name(mark: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        rows(mark + b"a\x00,\x00")
    assert caught.value.code == "encoding-invalid"


@pytest.mark.parametrize("encoding", ["utf-16", "windows-1252", "ISO-8859-15", "mac-roman"])
def test_another_encoding_is_read_where_it_is_named(encoding: str) -> None:
    text = "nom;ville\nÉlise;Montréal\n" + "Luc;Québec\n" * 50_000
    found = list(read_rows(io.BytesIO(text.encode(encoding)), encoding))
    assert found[1].cells == ["Élise", "Montréal"]
    assert (len(found), found[-1].cells) == (50_002, ["Luc", "Québec"])


def test_bytes_that_the_named_encoding_does_not_have_spoil_their_row_only() -> None:
    found = list(read_rows(io.BytesIO(b"a,b\n1,\x81\n2,x\n"), "windows-1252"))
    assert [row.code for row in found] == ["", "encoding-invalid", ""]
    with pytest.raises(FormatError) as caught:
        list(read_rows(io.BytesIO(b"a"), "windows-1525"))
    assert "windows-1252" in caught.value.fix


def test_rows_over_block_borders_and_after_hard_ones_are_the_same_as_any() -> None:
    plain = [f"{n},{n % 7}" for n in range(60_000)]
    plain[20_000] = '"20000","two\nlines"'
    plain[40_000] = '"40000"x,bad'
    found = rows(("a,b\n" + "\n".join(plain)).encode())
    assert [row.number for row in found] == list(range(1, 60_002))
    assert found[20_001].cells == ["20000", "two\nlines"]
    assert found[40_001].code == "row-malformed"
    assert [row.cells for row in found[40_002:]] == [line.split(",") for line in plain[40_001:]]


def test_an_empty_file_is_an_error() -> None:
    with pytest.raises(FormatError) as caught:
        rows(b"")
    assert caught.value.code == "file-empty"


def test_a_quote_that_never_closes_costs_its_own_row_only() -> None:
    found = rows(b'a,b\n1,"2\n3,4\n5,6\n')
    assert [(row.number, row.code, row.cells) for row in found[1:]] == [
        (2, "quote-unclosed", []),
        (3, "", ["3", "4"]),
        (4, "", ["5", "6"]),
    ]


def test_text_beside_quotes_is_malformed_and_the_next_row_is_read() -> None:
    found = rows(b'a,b\n"1"x,2\n3,4\n')
    assert [(row.code, row.cells) for row in found[1:]] == [("row-malformed", []), ("", ["3", "4"])]


def test_an_unclosed_quote_far_from_the_end_is_found_at_the_row_limit() -> None:
    body = b'a,b\n1,"2\n' + b"3,4\n" * (2 * MAX_ROW // 4)
    found = rows(body)
    assert found[1].code == "quote-unclosed"
    assert {tuple(row.cells) for row in found[2:]} == {("3", "4")}
    assert len(found) == 2 + 2 * MAX_ROW // 4


class Endless(io.RawIOBase):
    """Ten megabytes without a line end, given out piece by piece, then a row."""

    def __init__(self) -> None:
        self.left = 10 * 1024 * 1024
        self.largest = 0

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size)
        if self.left > 0:
            self.left -= size
            return b"x" * size
        data, self.last = getattr(self, "last", b"\n7\n"), b""
        return data


def test_a_field_of_ten_megabytes_is_dropped_without_being_held() -> None:
    head = io.BytesIO(b"a\n")
    endless = Endless()

    class Both:
        def read(self, size: int = -1) -> bytes:
            return head.read(size) or endless.read(size)

    found = list(read_rows(Both()))
    assert [(row.code, row.cells) for row in found] == [("", ["a"]), ("row-too-long", []), ("", ["7"])]
    assert endless.largest <= 1024 * 1024


def test_a_cell_over_its_limit_is_named() -> None:
    assert rows(b"a\n" + b"x" * 40_000 + b"\n1\n")[1].code == "value-too-long"


def test_reading_stops_after_too_many_rows_that_cannot_be_read() -> None:
    with pytest.raises(FormatError) as caught:
        rows(b"a\n" + b'"x"y\n' * (MAX_UNREADABLE + 2))
    assert caught.value.code == "too-many-errors"


CELL = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=40)


@given(st.lists(st.tuples(CELL, CELL), max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_is_read_back(table: list[tuple[str, str]], end: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["first", "second"])
    writer.writerows(table)
    found = rows(file.getvalue().encode())
    assert [tuple(row.cells) for row in found[1:]] == table
    assert not any(row.code for row in found)


@given(st.binary(max_size=400), st.integers(1, 60))
def test_any_bytes_end_in_rows_or_in_a_told_error(data: bytes, size: int) -> None:
    class Pieces(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            return super().read(size)

    # At most 400 rows, and no UTF-16 mark at the start: nothing here may be an error of the whole file.
    whole = rows(b"a,b\n" + data)
    numbers = [row.number for row in whole]
    assert numbers == sorted(set(numbers))
    assert all(row.code or row.cells for row in whole)
    # However the bytes arrive, the rows are the same.
    assert list(read_rows(Pieces(b"a,b\n" + data))) == whole
