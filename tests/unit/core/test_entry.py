"""Entry: sixteen lines, one spelling, verified from itself and the key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.batch import MAX_BATCH, path_length, sign_batches
from passerelle.core.entry import MAX_ENTRY, MAX_TIME, Entry, parse_entry, refused, verify_entry
from passerelle.core.errors import CODES, FormatError, PasserelleError, SignatureInvalid
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest

SIGNER = SeedSigner(b"\7" * 32)
STATEMENTS = [
    Statement("passerelle.example/log", "humber", "credential", n, ZERO, "party", digest(b"%d" % n)).encode()
    for n in range(1, 7)
]
SIGNED = sign_batches("passerelle.example/log", "humber", [(s, b"%d" % n) for n, s in enumerate(STATEMENTS, 1)], SIGNER)
GOOD = Entry.of(1_790_000_000_000, "accepted", SIGNED[2])
LONGEST = Statement("n" * 255, "m" * 40, "recognition", 2**63 - 1, b"\xff" * 32, "public", b"\xff" * 32).encode()

hashes = st.binary(min_size=32, max_size=32)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry that has the form, signed or not."""
    size = draw(st.integers(1, MAX_BATCH))
    index = draw(st.integers(0, size - 1))
    length = path_length(index, size)
    return Entry(
        draw(st.integers(0, MAX_TIME)),
        draw(st.just("accepted") | st.sampled_from(sorted(CODES)).map(refused)),
        draw(st.binary(min_size=8, max_size=8)).hex(),
        size,
        index,
        tuple(draw(st.lists(hashes, min_size=length, max_size=length))),
        draw(st.binary(min_size=64, max_size=64)),
        draw(st.sampled_from([*STATEMENTS, LONGEST])),
    )


def test_bytes_are_the_specified_sixteen_lines() -> None:
    lines = GOOD.encode().split(b"\n")
    assert lines[:6] == [b"passerelle.entry/v1", b"1790000000000", b"accepted", SIGNER.key_id.encode(), b"6", b"2"]
    assert lines[6] == b" ".join(h.hex().encode() for h in GOOD.batch_path)
    assert lines[7] == GOOD.batch_signature.hex().encode()
    assert b"\n".join(lines[8:]) == STATEMENTS[2]
    assert len(lines) == 17
    assert lines[16] == b""


@settings(max_examples=60, deadline=None)
@given(entries())
def test_round_trip(entry: Entry) -> None:
    data = entry.encode()
    assert parse_entry(data) == entry
    assert len(data) <= MAX_ENTRY < 1536
    assert data.count(b"\n") == 16


def test_longest_entry() -> None:
    entry = Entry(MAX_TIME, refused("x" * 40), "f" * 16, 256, 255, (ZERO,) * 8, bytes(64), LONGEST)
    # A batch of 256 has one digit less in its index than it could; the limit is the sum of all parts.
    assert len(entry.encode()) == MAX_ENTRY


def test_lone_event_has_an_empty_line() -> None:
    (one,) = sign_batches("passerelle.example/log", "humber", [(STATEMENTS[0], b"1")], SIGNER)
    data = Entry.of(1, "refused time-ahead", one).encode()
    assert data.split(b"\n")[6] == b""
    assert parse_entry(data).refusal == "time-ahead"
    assert not parse_entry(data).accepted


@given(st.data())
def test_a_changed_byte_is_refused_or_says_something_else(data: st.DataObject) -> None:
    good = GOOD.encode()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    try:
        parsed = parse_entry(bad)
    except FormatError:
        return
    assert parsed.encode() == bad != good


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"entry/v1", b"entry/v2", "entry-malformed"),
        (b"1790000000000", b"01790000000000", "entry-malformed"),
        (b"1790000000000", b"-1", "entry-malformed"),
        (b"1790000000000", b"1000000000000000", "entry-malformed"),
        (b"accepted", b"Accepted", "entry-malformed"),
        (b"accepted", b"refused", "entry-malformed"),
        (b"accepted", b"refused ", "entry-malformed"),
        (b"accepted", b"refused Time", "entry-malformed"),
        (b"accepted", b"refused x" + b"x" * 40, "entry-malformed"),
        (b"\n6\n2\n", b"\n6\n6\n", "entry-malformed"),
        (b"\n6\n2\n", b"\n257\n2\n", "entry-malformed"),
        (b"\n6\n2\n", b"\n0\n0\n", "entry-malformed"),
        (b"\n6\n2\n", b"\n6\n4\n", "path-invalid"),
        (b"\n6\n2\n", b"\n6\n\n2\n", "entry-malformed"),
        (b"\nhumber\n", b"\nHumber\n", "statement-malformed"),
        (b"\nhumber\n", b"\nhumb\xe9r\n", "entry-malformed"),
    ],
)
def test_refused(old: bytes, new: bytes, code: str) -> None:
    assert old in GOOD.encode()
    with pytest.raises(FormatError) as caught:
        parse_entry(GOOD.encode().replace(old, new, 1))
    assert caught.value.code == code


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_entry(b"passerelle.entry/v1\n" + data)


@pytest.mark.parametrize(
    "change",
    [
        {"accepted_at": -1},
        {"accepted_at": MAX_TIME + 1},
        {"outcome": "refused"},
        {"outcome": "accepted\n"},
        {"key_id": "short"},
        {"batch_size": 0},
        {"batch_size": 257},
        {"batch_index": 6},
        {"batch_path": ()},
        {"batch_path": (ZERO, ZERO, ZERO[:16])},
        {"batch_signature": b""},
        {"statement": b""},
    ],
)
def test_malformed_parts_are_never_written(change: dict[str, object]) -> None:
    with pytest.raises(FormatError, match="entry-malformed"):
        replace(GOOD, **change).encode()  # type: ignore[arg-type]


def test_every_listed_code_fits_an_outcome() -> None:
    for code in CODES:
        assert parse_entry(replace(GOOD, outcome=refused(code)).encode()).refusal == code


def test_verifies_from_its_bytes_alone() -> None:
    for signed in SIGNED:
        entry = parse_entry(Entry.of(5, "refused step-illegal", signed).encode())
        verify_entry(entry, SIGNER.public_key)
        assert entry.statement == signed.statement


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key_id": "0" * 16}, "key-unknown"),
        ({"batch_signature": bytes(64)}, "signature-invalid"),
        ({"batch_index": 3}, "signature-invalid"),
        ({"batch_path": (ZERO,) * 3}, "signature-invalid"),
        ({"batch_path": (ZERO,) * 2}, "path-invalid"),
        ({"statement": STATEMENTS[3]}, "signature-invalid"),
        ({"statement": b"x\n"}, "statement-malformed"),
    ],
)
def test_does_not_verify(change: dict[str, object], code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        verify_entry(replace(GOOD, **change), SIGNER.public_key)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_does_not_verify_under_another_key() -> None:
    with pytest.raises(SignatureInvalid, match="key-unknown"):
        verify_entry(GOOD, SeedSigner(b"\x08" * 32).public_key)
