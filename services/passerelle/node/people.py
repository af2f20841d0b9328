"""Learners' details at home: encrypted, one key a learner, wrapped by the node's key encryption key.

AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces; the learner's id is bound in as associated data, so that a
ciphertext cannot be moved to another learner. Destroying the wrapped key erases the learner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.node.key_encryption import KEY_BYTES, NONCE_BYTES, KeyEncryption, not_opening
from passerelle.node.records import RecordKeys
from passerelle.runtime.ids import Ids


@dataclass(frozen=True, slots=True)
class Person:
    """A learner as the office knows them. Its ``repr`` tells nothing, so that no log can."""

    name: str
    birth_date: str
    student_number: str = ""
    email: str = ""

    def __repr__(self) -> str:
        return "Person(...)"

    def as_dict(self) -> dict[str, str]:
        """JSON-able; for encryption and release files only."""
        found = {
            "name": self.name,
            "birth_date": self.birth_date,
            "student_number": self.student_number,
            "email": self.email,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner's row: ids and keyed hashes in the open, everything else encrypted."""

    id: str
    number_key: str | None
    match_key: str
    birth_key: str
    wrapped_key: bytes
    details: bytes


class Vault:
    """Encrypts and decrypts under the learners' keys. What the key encryption key raises, every method may raise."""

    def __init__(self, key_encryption: KeyEncryption, keys: RecordKeys, ids: Ids) -> None:
        self._key_encryption = key_encryption
        self._keys = keys
        self._ids = ids

    def number_key(self, student_number: str) -> str:
        """How a learner is found again by the office's number."""
        return self._keys.key("learner", student_number)

    def match_key(self, person: Person) -> str:
        """Equal for two persons of the same name and birth date."""
        return self._keys.person(person.name, person.birth_date)

    def birth_key(self, person: Person) -> str:
        """Equal for two persons of the same birth date: candidates for a match that a person confirms."""
        return self._keys.person("birth", person.birth_date)

    def digest(self, person: Person) -> str:
        """Changes when any detail does."""
        return self._keys.content(person.as_dict())

    def enrol(self, person: Person) -> Learner:
        """A new learner with a key of their own."""
        learner, key = self._ids.uuid7(), self._ids.random(KEY_BYTES)
        wrapped = self._key_encryption.wrap(key, learner)
        return self._learner(learner, wrapped, key, person)

    def update(self, learner: str, wrapped_key: bytes, person: Person) -> Learner:
        """The same learner with other details, under the same key. Raises Fatal ``key-file-unusable``."""
        return self._learner(learner, wrapped_key, self._unwrap(learner, wrapped_key), person)

    def person(self, learner: Learner) -> Person:
        """The details. Raises Fatal ``key-file-unusable``."""
        return Person(**self.open(learner.id, learner.wrapped_key, learner.details))

    def seal(self, learner: str, wrapped_key: bytes, value: Mapping[str, Any]) -> bytes:
        """Encrypt JSON values about a learner."""
        return self._seal(AESGCM(self._unwrap(learner, wrapped_key)), orjson.dumps(value), learner)

    def open(self, learner: str, wrapped_key: bytes, sealed: bytes) -> Any:
        """Decrypt what :meth:`seal` made. Raises Fatal ``key-file-unusable``."""
        return orjson.loads(self._open(AESGCM(self._unwrap(learner, wrapped_key)), sealed, learner))

    def _learner(self, learner: str, wrapped: bytes, key: bytes, person: Person) -> Learner:
        number = self.number_key(person.student_number) if person.student_number else None
        details = self._seal(AESGCM(key), orjson.dumps(person.as_dict()), learner)
        return Learner(learner, number, self.match_key(person), self.birth_key(person), wrapped, details)

    def _unwrap(self, learner: str, wrapped: bytes) -> bytes:
        return self._key_encryption.unwrap(wrapped, learner)

    def _seal(self, cipher: AESGCM, plain: bytes, learner: str) -> bytes:
        nonce = self._ids.random(NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, plain, learner.encode())

    def _open(self, cipher: AESGCM, sealed: bytes, learner: str) -> bytes:
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], learner.encode())
        except InvalidTag:
            raise not_opening() from None
