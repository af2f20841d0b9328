"""Statement: one spelling for each value, and nothing else is read."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core import lines
from passerelle.core.errors import FormatError
from passerelle.core.statement import (
    FAMILIES,
    MAX_STATEMENT,
    MEMBER_PATTERN,
    ZERO,
    Statement,
    check_network,
    digest,
    member_of_urn,
    member_urn,
    parse_statement,
)

hashes = st.binary(min_size=32, max_size=32)
members = st.from_regex(re.compile(MEMBER_PATTERN), fullmatch=True)
networks = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="+"), min_size=1, max_size=255
)
statements = st.builds(
    Statement,
    networks,
    members,
    st.sampled_from(FAMILIES),
    st.integers(1, 2**63 - 1),
    hashes,
    st.sampled_from(["public", "party"]),
    hashes,
)
GOOD = Statement("passerelle.example/log", "humber", "credential", 7, bytes(range(32)), "party", b"\xab" * 32)


def test_bytes_are_the_specified_eight_lines() -> None:
    assert GOOD.encode() == (
        b"passerelle.statement/v1\npasserelle.example/log\nhumber\ncredential\n7\n"
        b"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\nparty\n" + b"ab" * 32 + b"\n"
    )


@given(statements)
def test_round_trip(statement: Statement) -> None:
    data = statement.encode()
    assert parse_statement(data) == statement
    assert len(data) <= MAX_STATEMENT
    assert data.isascii()
    assert data.count(b"\n") == 8


@given(statements, st.data())
def test_a_changed_byte_is_refused_or_says_something_else(statement: Statement, data: st.DataObject) -> None:
    good = statement.encode()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    try:
        parsed = parse_statement(bad)
    except FormatError:
        return
    assert parsed != statement
    assert parsed.encode() == bad


@given(st.binary(max_size=600))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse_statement(data)
    assert re.fullmatch(r"line \d+", caught.value.where)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b"statement/v1", b"statement/v2", "line 1"),
        (b"example/log", b"example+log", "line 2"),
        (b"example/log", b"example log", "line 2"),
        (b"passerelle.example/log", b"x" * 256, "line 2"),
        (b"humber", b"Humber", "line 3"),
        (b"humber", b"h", "line 3"),
        (b"humber", b"h" * 41, "line 3"),
        (b"credential", b"credentials", "line 4"),
        (b"\n7\n", b"\n07\n", "line 5"),
        (b"\n7\n", b"\n0\n", "line 5"),
        (b"\n7\n", b"\n+7\n", "line 5"),
        (b"\n7\n", b"\n9223372036854775808\n", "line 5"),
        (b"\n7\n", b"\n7\r\n", "line 5"),
        (b"0001", b"000", "line 6"),
        (b"party", b"Party", "line 7"),
        (b"ab", b"AB", "line 8"),
    ],
)
def test_refused_with_the_line_named(old: bytes, new: bytes, where: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_statement(GOOD.encode().replace(old, new, 1))
    assert (caught.value.code, caught.value.where) == ("statement-malformed", where)


def test_missing_and_surplus_end() -> None:
    for data in (GOOD.encode()[:-1], GOOD.encode() + b"\n", b"\n" + GOOD.encode(), b""):
        with pytest.raises(FormatError):
            parse_statement(data)


@pytest.mark.parametrize(
    "bad",
    [
        Statement("a b", "humber", "credential", 1, ZERO, "party", ZERO),
        Statement("réseau", "humber", "credential", 1, ZERO, "party", ZERO),
        Statement("n", "humber\ncredential", "credential", 1, ZERO, "party", ZERO),
        Statement("n", "humber", "other", 1, ZERO, "party", ZERO),
        Statement("n", "humber", "credential", 0, ZERO, "party", ZERO),
        Statement("n", "humber", "credential", 2**63, ZERO, "party", ZERO),
        Statement("n", "humber", "credential", 1, ZERO[:31], "party", ZERO),
        Statement("n", "humber", "credential", 1, ZERO, "all", ZERO),
    ],
)
def test_malformed_parts_are_never_written(bad: Statement) -> None:
    with pytest.raises(FormatError) as caught:
        bad.encode()
    assert caught.value.code == "statement-malformed"


def test_digest_is_sha256() -> None:
    assert digest(b"abc") == hashlib.sha256(b"abc").digest()


@given(members)
def test_urn_round_trip(member: str) -> None:
    assert member_urn(member) == "urn:passerelle:member:" + member
    assert member_of_urn(member_urn(member)) == member


@pytest.mark.parametrize(
    "urn", ["humber", "urn:passerelle:member:", "urn:passerelle:member:A", "URN:passerelle:member:ab"]
)
def test_urn_refused(urn: str) -> None:
    with pytest.raises(FormatError, match="member-id-malformed"):
        member_of_urn(urn)


@pytest.mark.parametrize("network", ["", "a+b", "a b", "a\n", "é", "x" * 256])
def test_network_refused(network: str) -> None:
    with pytest.raises(FormatError, match="network-malformed"):
        check_network(network)


def test_lines_split_and_join() -> None:
    assert lines.join_lines("a", "", "b") == b"a\n\nb\n"
    assert lines.split_lines(b"a\n\nb\n", 3) == [b"a", b"", b"b"]
    for data in (b"a\nb", b"a\nb\nc\n", b"a\n", b"\xc3\xa9\nb\n"):
        with pytest.raises(FormatError, match="line-malformed"):
            lines.split_lines(data, 2)
    for line in ("a\nb", "a\r", "é"):
        with pytest.raises(FormatError, match="line-malformed"):
            lines.join_lines(line)


@given(st.integers(0, 2**63 - 1))
def test_number_round_trip(number: int) -> None:
    assert lines.parse_number(b"%d" % number) == number


@pytest.mark.parametrize("text", [b"", b"01", b"-1", b"+1", b" 1", b"1_0", b"9223372036854775808", b"1" * 5000])
def test_number_refused(text: bytes) -> None:
    with pytest.raises(FormatError, match="line-malformed"):
        lines.parse_number(text)


@given(st.lists(hashes, max_size=8))
def test_hash_list_round_trip(items: list[bytes]) -> None:
    assert lines.parse_hashes(lines.hashes_text(items).encode(), 8) == tuple(items)


@pytest.mark.parametrize("text", [b" ", b"ab", b"AB" * 32, b"ab" * 32 + b" ", b"ab" * 32 + b"  " + b"ab" * 32])
def test_hash_list_refused(text: bytes) -> None:
    with pytest.raises(FormatError, match="line-malformed"):
        lines.parse_hashes(text, 8)
