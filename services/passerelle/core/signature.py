"""Ed25519 (RFC 8032) over the pre-authentication encoding of DSSE v1.0.2, section "Protocol".

There is one way to sign and one way to verify, for batches of one and of 256 alike, so both accept the same
signatures. libsodium's check is strict: it refuses small-order and non-canonical keys and points, and S >= L.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple, Protocol

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from passerelle.core.errors import FormatError

BATCH_TYPE: Final = "application/vnd.passerelle.batch.v1"
"""Payload type of the one thing that members sign."""

PUBLIC_KEY_SIZE: Final = 32
SEED_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64


def key_id(public_key: bytes) -> str:
    """First 16 hex digits of the SHA-256 of the raw 32-byte public key. Raises FormatError ``key-malformed``."""
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise FormatError("key-malformed", f"A public key has {PUBLIC_KEY_SIZE} bytes, not {len(public_key)}.")
    return hashlib.sha256(public_key).hexdigest()[:16]


def pae(payload_type: str, payload: bytes) -> bytes:
    """``DSSEv1 SP len(type) SP type SP len(payload) SP payload``: what is really signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class Signer(Protocol):
    """Whatever can sign for a member: a seed in memory here, a hardware module elsewhere."""

    @property
    def key_id(self) -> str:
        """Id of the key, as :func:`key_id` makes it."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Signature of ``message``, 64 bytes, deterministic (RFC 8032, section 5.1.6)."""
        ...


class SeedSigner:
    """A :class:`Signer` over a 32-byte seed (the private key of RFC 8032, section 5.1.5)."""

    __slots__ = ("_key_id", "_public", "_secret")

    def __init__(self, seed: bytes) -> None:
        """Raises FormatError ``key-malformed`` unless ``seed`` is 32 bytes."""
        if len(seed) != SEED_SIZE:
            raise FormatError("key-malformed", f"A seed has {SEED_SIZE} bytes, not {len(seed)}.")
        self._public, self._secret = crypto_sign_seed_keypair(seed)
        self._key_id = key_id(self._public)

    def __repr__(self) -> str:
        return f"SeedSigner({self._key_id})"

    @property
    def key_id(self) -> str:
        """Id of the key."""
        return self._key_id

    @property
    def public_key(self) -> bytes:
        """Raw public key, 32 bytes."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Signature of ``message``, 64 bytes."""
        return crypto_sign(message, self._secret)[:SIGNATURE_SIZE]


class SignedMessage(NamedTuple):
    """What :func:`verify` takes: raw public key (32 bytes), message, signature (64 bytes)."""

    public_key: bytes
    message: bytes
    signature: bytes


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) is that of ``message`` under ``public_key`` (32 bytes); never raises.

    The call frees the interpreter lock while libsodium works, so threads verify in parallel.
    """
    # The binding reads 32 and 64 bytes without looking at the lengths, so they are settled here.
    if len(public_key) != PUBLIC_KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True
