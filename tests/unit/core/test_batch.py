"""Batches and headers: what is signed comes back, and nothing else passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import batch
from passerelle.core.batch import SignedStatement, from_kafka, path_length, sign_batches, verify_signed
from passerelle.core.errors import FormatError, PasserelleError, SignatureInvalid
from passerelle.core.merkle import all_inclusion_paths, leaf_hashes, root_from_leaves
from passerelle.core.signature import SeedSigner, verify
from passerelle.core.statement import ZERO, Statement, digest

NETWORK = "passerelle.example/log"
MEMBER = "humber"
SIGNER = SeedSigner(b"\7" * 32)
OTHER = SeedSigner(b"\x08" * 32)


def release(count: int, member: str = MEMBER) -> list[tuple[bytes, bytes]]:
    """A chained stream of ``count`` statements with their bodies."""
    prev, made = ZERO, []
    for number in range(1, count + 1):
        body = b'{"number":%d}' % number
        data = Statement(NETWORK, member, "credential", number, prev, "party", digest(body)).encode()
        prev = digest(data)
        made.append((data, body))
    return made


def sign(count: int) -> list[SignedStatement]:
    """The release signed."""
    return sign_batches(NETWORK, MEMBER, release(count), SIGNER)


def test_message_is_the_specified_bytes() -> None:
    lines = b"passerelle.batch/v1\npasserelle.example/log\nhumber\n3\n" + b"00" * 32 + b"\n"
    expected = b"DSSEv1 35 application/vnd.passerelle.batch.v1 %d %b" % (len(lines), lines)
    assert batch.batch_message(NETWORK, MEMBER, 3, ZERO) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.data())
def test_each_event_proves_itself_alone(count: int, data: st.DataObject) -> None:
    signed = sign(count)
    one = signed[data.draw(st.integers(0, count - 1))]
    assert verify_signed(one, SIGNER.public_key).sequence == one.batch_index + 1
    received = from_kafka(one.headers(), one.body)
    assert received == one


def test_one_check_serves_a_batch() -> None:
    signed = sign(256)
    checks = {
        (
            batch.batch_message(
                NETWORK, MEMBER, s.batch_size, batch.batch_root(s.statement, s.batch_index, s.batch_size, s.batch_path)
            ),
            s.batch_signature,
        )
        for s in signed
    }
    assert len(checks) == 1
    message, signature = checks.pop()
    assert verify(SIGNER.public_key, message, signature)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (256, [256]), (257, [256, 1]), (600, [256, 256, 88])])
def test_split_above_256(count: int, sizes: list[int]) -> None:
    signed = sign(count)
    assert [s.statement for s in signed] == [statement for statement, _ in release(count)]
    assert [s.batch_size for s in signed if s.batch_index == 0] == sizes
    for one in signed[:: max(1, count // 7)]:
        verify_signed(one, SIGNER.public_key)


def test_lone_event_has_an_empty_path() -> None:
    (one,) = sign(1)
    assert one.batch_path == ()
    assert dict(one.headers())["batch-path"] == b""


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 100, 255, 256])
def test_path_length_is_the_trees(size: int) -> None:
    leaves = leaf_hashes(b"%d" % i for i in range(size))
    assert [path_length(i, size) for i in range(size)] == [len(path) for path in all_inclusion_paths(leaves)]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 20), st.data())
def test_nothing_else_verifies(count: int, data: st.DataObject) -> None:
    signed = sign(count)
    one = signed[data.draw(st.integers(0, count - 1))]
    flip = data.draw(st.integers(0, 31))
    path = list(one.batch_path)
    where = data.draw(st.integers(0, len(path) - 1))
    path[where] = path[where][:flip] + bytes([path[where][flip] ^ 1]) + path[where][flip + 1 :]
    changed = [
        replace(one, batch_path=tuple(path)),
        replace(one, batch_path=one.batch_path[:-1]),
        replace(one, batch_path=(*one.batch_path, ZERO)),
        replace(one, batch_size=one.batch_size + 1),
        replace(one, batch_index=(one.batch_index + 1) % count),
        replace(one, body=one.body + b" "),
        replace(one, key_id=OTHER.key_id),
        replace(one, batch_signature=one.batch_signature[::-1]),
        replace(one, statement=one.statement.replace(b"party", b"public")),
        replace(one, statement=one.statement.replace(MEMBER.encode(), b"seneca")),
    ]
    for bad in changed:
        with pytest.raises(PasserelleError) as caught:
            verify_signed(bad, SIGNER.public_key)
        assert caught.value.code in {"path-invalid", "signature-invalid", "body-hash-mismatch", "key-unknown"}


def test_a_batch_of_another_member_cannot_be_borrowed() -> None:
    """The signed lines name member and network, so a root signed for one proves nothing for another."""
    statements = [statement for statement, _ in release(4, "seneca")]
    leaves = leaf_hashes(statements)
    signature = SIGNER.sign(batch.batch_message(NETWORK, MEMBER, 4, root_from_leaves(leaves)))
    for index, path in enumerate(all_inclusion_paths(leaves)):
        stolen = SignedStatement(statements[index], release(4)[index][1], 4, index, path, signature, SIGNER.key_id)
        with pytest.raises(SignatureInvalid, match="signature-invalid"):
            verify_signed(stolen, SIGNER.public_key)


def test_signing_refuses_another_members_statement() -> None:
    with pytest.raises(FormatError, match="statement-malformed"):
        sign_batches(NETWORK, MEMBER, [*release(2), *release(1, "humber-north")], SIGNER)
    with pytest.raises(FormatError, match="statement-malformed"):
        sign_batches("passerelle.example/lo", MEMBER, release(2), SIGNER)


def test_headers_are_the_seven() -> None:
    assert tuple(name for name, _ in sign(1)[0].headers()) == batch.INGRESS_HEADERS


@pytest.mark.parametrize("name", batch.INGRESS_HEADERS)
def test_missing_and_repeated_header(name: str) -> None:
    one = sign(3)[1]
    headers = one.headers()
    with pytest.raises(FormatError) as missing:
        from_kafka([header for header in headers if header[0] != name], one.body)
    assert (missing.value.code, missing.value.where) == ("header-missing", name)
    with pytest.raises(FormatError) as repeated:
        from_kafka([*headers, (name, dict(headers)[name])], one.body)
    assert (repeated.value.code, repeated.value.where) == ("header-duplicate", name)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("content-type", b"application/json", "header-malformed"),
        ("content-type", None, "header-malformed"),
        ("statement", b"", "header-malformed"),
        ("statement", b"x" * 491, "header-malformed"),
        ("batch-size", b"0", "header-malformed"),
        ("batch-size", b"257", "header-malformed"),
        ("batch-size", b"03", "header-malformed"),
        ("batch-size", b"5", "path-invalid"),
        ("batch-index", b"3", "header-malformed"),
        ("batch-index", b"-1", "header-malformed"),
        ("batch-index", b"2", "path-invalid"),
        ("batch-path", b"", "path-invalid"),
        ("batch-path", b" " + b"ab" * 32, "header-malformed"),
        ("batch-path", b"AB" * 32 + b" " + b"ab" * 32, "header-malformed"),
        ("batch-path", b"ab" * 32, "path-invalid"),
        ("batch-path", b" ".join([b"ab" * 32] * 9), "header-malformed"),
        ("batch-path", b"a" * 100_000, "header-malformed"),
        ("batch-signature", b"ab" * 63, "header-malformed"),
        ("batch-signature", b"AB" * 64, "header-malformed"),
        ("key-id", b"abc", "header-malformed"),
        ("key-id", b"0123456789ABCDEF", "header-malformed"),
    ],
)
def test_malformed_header(name: str, value: bytes | None, code: str) -> None:
    one = sign(3)[1]
    headers = [(key, value if key == name else content) for key, content in one.headers()]
    with pytest.raises(FormatError) as caught:
        from_kafka(headers, one.body)
    assert caught.value.code == code
    assert caught.value.where


def test_unknown_headers_are_ignored_up_to_a_bound() -> None:
    one = sign(1)[0]
    assert from_kafka([("traceparent", b"00-x"), ("other", None), *one.headers()], one.body) == one
    with pytest.raises(FormatError, match="header-malformed"):
        from_kafka([*one.headers(), *[("x", b"")] * 30], one.body)


def test_content_type_in_other_words_is_the_same() -> None:
    one = sign(1)[0]
    for spelling in (b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=UTF-8"):
        assert from_kafka([("content-type", spelling), *one.headers()[1:]], one.body) == one


def test_record_without_value() -> None:
    with pytest.raises(FormatError, match="body-absent"):
        from_kafka(sign(1)[0].headers(), None)


@given(st.lists(st.tuples(st.sampled_from([*batch.INGRESS_HEADERS, "x"]), st.binary(max_size=80) | st.none())))
def test_arbitrary_headers_never_crash(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(FormatError):
        from_kafka(headers, b"{}")
