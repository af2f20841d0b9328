"""Every way to verify accepts exactly the same signatures, the odd ones too.

The cases are made by the arithmetic of RFC 8032 (section 5.1) written out here, and what is right is said by a second,
slow verifier: S < L, canonical points, none of small order, and the equation without the cofactor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import pytest

from passerelle.core.batch import batch_message, verify_place
from passerelle.core.errors import SignatureInvalid
from passerelle.core.merkle import all_inclusion_paths, leaf_hashes, root_from_leaves
from passerelle.core.signature import SeedSigner, verify
from passerelle.core.statement import ZERO, Statement, parse_statement
from passerelle.ledger.check_signatures import Signed, good

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int]
Wide = tuple[int, int, int, int]
NEUTRAL: Point = (0, 1)
NETWORK, MEMBER = "ledger.test.example/1", "humber"


def add(one: Point, other: Point) -> Point:
    """Section 5.1.4, in affine coordinates."""
    return affine(_add((*one, 1, one[0] * one[1] % P), (*other, 1, other[0] * other[1] % P)))


def _add(one: Wide, other: Wide) -> Wide:
    """Section 5.1.4: extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, x y = T/Z."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = one, other
    a, b = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * D * t1 * t2 % P, 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def affine(point: Wide) -> Point:
    inverse = pow(point[2], P - 2, P)
    return point[0] * inverse % P, point[1] * inverse % P


def times(scalar: int, point: Point) -> Point:
    result: Wide = (0, 1, 1, 0)
    doubled: Wide = (*point, 1, point[0] * point[1] % P)
    while scalar:
        if scalar & 1:
            result = _add(result, doubled)
        doubled, scalar = _add(doubled, doubled), scalar >> 1
    return affine(result)


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    """Section 5.1.3; None for what is no point, or not in its one encoding."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    if y >= P:
        return None
    x = x_of(y)
    if x is None or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else P - x), y


def x_of(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT % P
    return x if x * x % P == square else None


def base() -> Point:
    y = 4 * pow(5, P - 2, P) % P
    x = x_of(y)
    assert x is not None
    return (x if x & 1 == 0 else P - x), y


B = base()


@lru_cache(1)
def small_order() -> tuple[Point, ...]:
    """The eight points of the torsion subgroup: L times any point lies in it."""
    y = 2
    while True:
        x = x_of(y)
        if x is not None:
            generator = times(L, (x, y))
            points = tuple(times(n, generator) for n in range(8))
            if len(set(points)) == 8:
                return points
        y += 1


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def reference(key: bytes, message: bytes, signature: bytes) -> bool:
    """What every path must answer."""
    if len(key) != 32 or len(signature) != 64:
        return False
    point, nonce, s = decode(key), decode(signature[:32]), int.from_bytes(signature[32:], "little")
    if point is None or nonce is None or s >= L or {point, nonce} & set(small_order()):
        return False
    k = challenge(signature[:32], key, message)
    return times(s, B) == add(nonce, times(k, point))


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    key: bytes
    signature: bytes


def scalar_of(name: str) -> int:
    return int.from_bytes(hashlib.sha512(name.encode()).digest(), "little") % L


def sign(secret: int, nonce: int, key: bytes, r: bytes, message: bytes) -> bytes:
    return r + ((nonce + challenge(r, key, message) * secret) % L).to_bytes(32, "little")


def cases(message: bytes) -> list[Case]:
    signer = SeedSigner(bytes(range(32)))
    key, right = signer.public_key, signer.sign(message)
    s = int.from_bytes(right[32:], "little")
    found = [Case("right", key, right)]
    found += [
        Case(f"S + {n} L", key, right[:32] + (s + n * L).to_bytes(32, "little"))
        for n in (1, 2, 8)
        if s + n * L < 2**256
    ]
    for bit in (0, 7, 100, 254, 255, 256, 300, 507, 508, 511):
        turned = bytearray(right)
        turned[bit // 8] ^= 1 << bit % 8
        found.append(Case(f"bit {bit} of the signature", key, bytes(turned)))
    turned = bytearray(key)
    turned[3] ^= 1
    found.append(Case("a bit of the key", bytes(turned), right))
    for length in (0, 31, 33, 64):
        found.append(Case(f"a key of {length} bytes", (key + key)[:length], right))
    for length in (0, 32, 63, 65, 128):
        found.append(Case(f"a signature of {length} bytes", key, (right + right)[:length]))
    return found + small_cases(message, key) + mixed_cases(message) + encoded_cases(message)


def small_cases(message: bytes, key: bytes) -> list[Case]:
    """Small-order keys and nonces for which the equation holds: a loose verifier takes them."""
    found = []
    for a in small_order():
        for r in small_order():
            if add(r, times(challenge(encode(r), encode(a), message), a)) == NEUTRAL:
                found.append(Case("small-order key and R", encode(a), encode(r) + bytes(32)))
    secret = int.from_bytes(hashlib.sha512(bytes(range(32))).digest()[:32], "little") & (1 << 254) - 8 | 1 << 254
    assert encode(times(secret % L, B)) == key
    for r in small_order():
        # With R neutral the equation holds; with the others it would, if the cofactor were multiplied in.
        found.append(Case("small-order R", key, sign(secret, 0, key, encode(r), message)))
    for a in small_order():
        nonce = scalar_of("nonce")
        found.append(Case("small-order key", encode(a), sign(0, nonce, encode(a), encode(times(nonce, B)), message)))
    return found


def mixed_cases(message: bytes) -> list[Case]:
    """A key with a small-order part: right without the cofactor only where the challenge is a multiple of eight."""
    secret, torsion = scalar_of("mixed"), small_order()[1]
    key = encode(add(times(secret, B), torsion))
    found: dict[bool, Case] = {}
    for attempt in range(200):
        nonce = scalar_of(f"mixed {attempt}")
        r = encode(times(nonce, B))
        even = challenge(r, key, message) % 8 == 0
        found.setdefault(even, Case(f"mixed key, {even}", key, sign(secret, nonce, key, r, message)))
        if len(found) == 2:
            break
    return list(found.values())


def encoded_cases(message: bytes) -> list[Case]:
    """Points that have a second spelling: y + P where it fits, and a sign for x = 0."""
    odd = [(y + P).to_bytes(32, "little") for y in range(19)] + [(1 | 1 << 255).to_bytes(32, "little")]
    odd += [(P - 1 | 1 << 255).to_bytes(32, "little"), bytes([255]) * 32, (2).to_bytes(32, "little")]
    signer = SeedSigner(bytes(range(32)))
    found = []
    for spelling in odd:
        found.append(
            Case("odd key", spelling, encode(times(scalar_of("n"), B)) + scalar_of("s").to_bytes(32, "little"))
        )
        found.append(Case("odd key, R neutral", spelling, encode(NEUTRAL) + bytes(32)))
        found.append(Case("odd R", signer.public_key, spelling + signer.sign(message)[32:]))
    return found


def placed(size: int) -> tuple[bytes, list[Callable[[Case], bool]]]:
    """The message that is signed for a batch, and the check of each of its statements in its place."""
    statements, prev = [], ZERO
    for number in range(1, size + 1):
        data = Statement(NETWORK, MEMBER, "credential", number, prev, "public", bytes(32)).encode()
        statements.append(data)
        prev = hashlib.sha256(data).digest()
    leaves = leaf_hashes(statements)
    message = batch_message(NETWORK, MEMBER, size, root_from_leaves(leaves))
    found: list[Callable[[Case], bool]] = []
    for index, (statement, path) in enumerate(zip(statements, all_inclusion_paths(leaves), strict=True)):

        def check(case: Case, statement: bytes = statement, index: int = index, path: tuple[bytes, ...] = path) -> bool:
            try:
                parsed = parse_statement(statement)
                verify_place(statement, parsed, size, index, path, case.signature, case.key)
            except SignatureInvalid:
                return False
            return True

        found.append(check)
    return message, found


def test_the_arithmetic_is_that_of_the_standard() -> None:
    assert times(L, B) == NEUTRAL
    assert len(set(small_order())) == 8
    assert all(times(8, point) == NEUTRAL for point in small_order())
    # RFC 8032, section 7.1, test 1: the empty message.
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert reference(key, b"", signature)
    assert verify(key, b"", signature)


@pytest.mark.parametrize("size", [1, 3])
def test_alone_and_in_a_batch_the_same_signatures_are_good(size: int) -> None:
    """Each case under the message of such a batch: by itself, gathered as ``ledger check`` does, in its place."""
    message, places = placed(size)
    found = cases(message)
    expected = [reference(case.key, message, case.signature) for case in found]
    assert [verify(case.key, message, case.signature) for case in found] == expected
    gathered = good([Signed(case.key, message, case.signature, case.name) for case in found])
    assert list(map(bool, gathered)) == expected
    for check in places:
        assert [check(case) for case in found] == expected
    names = {case.name for case, fine in zip(found, expected, strict=True) if fine}
    assert names == {"right", "mixed key, True"}
    assert len(found) > 100


def test_an_empty_message_is_a_message() -> None:
    found = cases(b"")
    assert [verify(case.key, b"", case.signature) for case in found] == [
        reference(case.key, b"", case.signature) for case in found
    ]
    right = found[0]
    assert verify(right.key, b"", right.signature)
    assert not verify(right.key, b"\0", right.signature)
