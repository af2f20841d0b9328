"""The key encryption key: what wraps the learners' keys. A port, and the adapter that holds the key in a file.

A wrapped key is 60 bytes in either adapter: nonce (96 bits), ciphertext (32 bytes) and tag (128 bits) of AES-256-GCM
(NIST SP 800-38D), with the learner's id as associated data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.core.errors import ConfigError, Fatal
from passerelle.node.config import NodeConfig
from passerelle.runtime.ids import Ids
from passerelle.runtime.keys import read_seed

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BITS: Final = 128
WRAPPED_BYTES: Final = NONCE_BYTES + KEY_BYTES + TAG_BITS // 8


class KeyEncryption(Protocol):
    """Wraps and unwraps data keys under one key that never shows itself.

    Both may raise Unavailable ``key-token-unavailable`` where the key is kept by a device that does not answer: nothing
    was changed then, and the same call can be made again.
    """

    def wrap(self, key: bytes, learner: str) -> bytes:
        """A data key of 32 bytes, encrypted and bound to a learner's id. Twice gives two different values."""

    def unwrap(self, wrapped: bytes, learner: str) -> bytes:
        """The data key. Raises Fatal ``key-file-unusable`` where it was wrapped by another key, for another learner,
        or changed.
        """


class FileKey:
    """See :class:`KeyEncryption`: the key is in this process's memory."""

    def __init__(self, secret: bytes, ids: Ids) -> None:
        """``secret``: 32 bytes."""
        self._cipher = AESGCM(secret)
        self._ids = ids

    @staticmethod
    def load(path: Path, ids: Ids) -> FileKey:
        """The key of a key file. Raises ConfigError ``key-file-unusable``."""
        return FileKey(read_seed(path), ids)

    def wrap(self, key: bytes, learner: str) -> bytes:
        """See :class:`KeyEncryption`."""
        nonce = self._ids.random(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, learner.encode())

    def unwrap(self, wrapped: bytes, learner: str) -> bytes:
        """See :class:`KeyEncryption`."""
        if len(wrapped) != WRAPPED_BYTES:
            raise not_opening()
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], learner.encode())
        except InvalidTag:
            raise not_opening() from None


def open_key(config: NodeConfig, ids: Ids) -> KeyEncryption:
    """The key encryption key that the configuration names. Raises ConfigError."""
    if config.key_encryption is not None:
        # Loaded only where it is used: the library is an extra.
        from passerelle.node.pkcs11 import TokenKey

        return TokenKey(config.key_encryption, ids)
    if config.learner_key_file is None:
        raise ConfigError("config-missing", "no key encryption key is named", where="learner_key_file")
    return FileKey.load(config.learner_key_file, ids)


def check_key(key: KeyEncryption, ids: Ids) -> None:
    """Wrap and unwrap once. Raises as :class:`KeyEncryption`."""
    probe, learner = ids.random(KEY_BYTES), ids.uuid4()
    if key.unwrap(key.wrap(probe, learner), learner) != probe:
        raise not_opening()


def not_opening() -> Fatal:
    """What is wrapped does not open under this key."""
    return Fatal(
        "key-file-unusable",
        "a learner's details do not open under the key encryption key",
        where="learner_key_file, key_encryption",
        fix="Use the key that this database was filled with.",
    )
