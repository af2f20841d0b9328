"""Ed25519 and DSSE: against a second implementation, published values, and what must be refused."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import FormatError
from passerelle.core.signature import SeedSigner, Signer, key_id, pae, verify

SEED = bytes(range(32))
seeds = st.binary(min_size=32, max_size=32)
messages = st.binary(max_size=2000)
ORDER = 2**252 + 27742317777372353535851937790883648493


def test_pae_as_dsse_gives_it() -> None:
    # DSSE v1.0.2, protocol.md, "Test Vectors".
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


def test_rfc8032_test_1() -> None:
    # RFC 8032, section 7.1, TEST 1.
    signer = SeedSigner(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b"
    )


@given(seeds, messages)
def test_agrees_with_another_implementation(seed: bytes, message: bytes) -> None:
    signer: Signer = SeedSigner(seed)
    other = Ed25519PrivateKey.from_private_bytes(seed)
    assert signer.public_key == other.public_key().public_bytes_raw()
    assert signer.key_id == hashlib.sha256(signer.public_key).hexdigest()[:16] == key_id(signer.public_key)
    signature = signer.sign(message)
    assert signature == other.sign(message)
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, message)
    assert verify(signer.public_key, message, signature)


@given(messages, st.data())
def test_any_changed_bit_is_refused(message: bytes, data: st.DataObject) -> None:
    signer = SeedSigner(SEED)
    parts = [signer.public_key, message, signer.sign(message)]
    which = data.draw(st.sampled_from([0, 2] if not message else [0, 1, 2]))
    place = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    changed = bytearray(parts[which])
    changed[place // 8] ^= 1 << place % 8
    parts[which] = bytes(changed)
    assert not verify(*parts)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_wrong_key_length(size: int) -> None:
    assert not verify(b"\1" * size, b"x", SeedSigner(SEED).sign(b"x"))
    with pytest.raises(FormatError, match="key-malformed"):
        key_id(b"\1" * size)


def test_wrong_signature_length_even_if_bytes_would_shift_into_the_message() -> None:
    signer = SeedSigner(SEED)
    signature = signer.sign(b"message")
    assert verify(signer.public_key, b"message", signature)
    assert not verify(signer.public_key, b"", signature + b"message")
    assert not verify(signer.public_key, signature[63:] + b"message", signature[:63])
    assert not verify(signer.public_key, b"message", b"")


def test_strict_about_malleable_and_small_order() -> None:
    signer = SeedSigner(SEED)
    signature = signer.sign(b"x")
    larger = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not verify(signer.public_key, b"x", signature[:32] + larger)
    identity = b"\1" + bytes(31)
    # Under the identity point as key, R = identity and S = 0 satisfies the plain equation for every message.
    assert not verify(identity, b"x", identity + bytes(32))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_seed_of_wrong_length(size: int) -> None:
    with pytest.raises(FormatError, match="key-malformed"):
        SeedSigner(bytes(size))


def test_signer_does_not_show_its_secret() -> None:
    assert SEED.hex() not in repr(SeedSigner(SEED))


def test_threads_verify_alike() -> None:
    signer = SeedSigner(SEED)
    jobs = [(b"%d" % i, signer.sign(b"%d" % (i - i % 5 // 4))) for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: verify(signer.public_key, *job), jobs))
    assert results == [i % 5 != 4 for i in range(200)]
