"""The key encryption key in a device or token: PKCS #11 (OASIS, version 2.40 and later), by ``python-pkcs11``.

The key is an AES secret key of 256 bits that is made in the token and does not leave it; the mechanism is CKM_AES_GCM.
Calls are short and made one at a time: a session of PKCS #11 is not for several threads.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import structlog

from passerelle.core.errors import ConfigError, Unavailable
from passerelle.node.config import Pkcs11Config
from passerelle.node.key_encryption import KEY_BYTES, NONCE_BYTES, TAG_BITS, WRAPPED_BYTES, not_opening
from passerelle.runtime.config import read_secret
from passerelle.runtime.ids import Ids

if TYPE_CHECKING:
    import pkcs11

_LOG = structlog.get_logger(__name__)
_WHERE: Final = "key_encryption"


class _AesKey(Protocol):
    """The part of the library's secret key that is used here; it is given to a key by the token's say."""

    def encrypt(self, data: bytes, **parameters: Any) -> Any: ...

    def decrypt(self, data: bytes, **parameters: Any) -> Any: ...


class TokenKey:
    """See :class:`passerelle.node.key_encryption.KeyEncryption`. The session is opened at the first use, and anew after
    the token was away.
    """

    def __init__(self, settings: Pkcs11Config, ids: Ids) -> None:
        """Raises ConfigError ``runtime-missing`` where the client library is not installed."""
        try:
            import pkcs11
        except ImportError:
            fix = "Install Passerelle with its extra: passerelle[pkcs11]."
            raise ConfigError("runtime-missing", "python-pkcs11 is not installed", where=_WHERE, fix=fix) from None
        self._pkcs11 = pkcs11
        self._settings = settings
        self._ids = ids
        self._lock = threading.Lock()
        self._session: pkcs11.Session | None = None
        self._key: _AesKey | None = None

    def wrap(self, key: bytes, learner: str) -> bytes:
        """See :class:`passerelle.node.key_encryption.KeyEncryption`."""
        nonce = self._ids.random(NONCE_BYTES)
        with self._lock:
            return nonce + self._tried(lambda held: held.encrypt(key, **self._mechanism(nonce, learner)))

    def unwrap(self, wrapped: bytes, learner: str) -> bytes:
        """See :class:`passerelle.node.key_encryption.KeyEncryption`."""
        if len(wrapped) != WRAPPED_BYTES:
            raise not_opening()
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        with self._lock:
            try:
                return self._tried(lambda held: held.decrypt(sealed, **self._mechanism(nonce, learner)))
            except Unavailable:
                # Some devices tell a wrong tag as a general error (SoftHSM2 2.6): one that works is not away.
                self._probe()
                raise not_opening() from None

    def close(self) -> None:
        """End the session; the next use opens another."""
        with self._lock:
            self._drop()

    def _probe(self) -> None:
        """Encrypt and decrypt something else. Raises Unavailable where that fails too."""
        nonce, plain = self._ids.random(NONCE_BYTES), bytes(KEY_BYTES)
        sealed = self._tried(lambda held: held.encrypt(plain, **self._mechanism(nonce, "")))
        self._tried(lambda held: held.decrypt(sealed, **self._mechanism(nonce, "")))

    def _mechanism(self, nonce: bytes, learner: str) -> dict[str, Any]:
        parameters = self._pkcs11.GCMParams(nonce, learner.encode(), TAG_BITS)
        return {"mechanism": self._pkcs11.Mechanism.AES_GCM, "mechanism_param": parameters}

    def _tried(self, use: Callable[[_AesKey], Any]) -> bytes:
        """One use of the key; a session that was ended meanwhile is opened anew, once."""
        errors = self._pkcs11.exceptions
        try:
            return self._once(use)
        except errors.PKCS11Error:
            self._drop()
        try:
            return self._once(use)
        except errors.PKCS11Error as error:
            self._drop()
            raise _away(error) from None

    def _once(self, use: Callable[[_AesKey], Any]) -> bytes:
        errors = self._pkcs11.exceptions
        try:
            return bytes(use(self._opened()))
        except (errors.EncryptedDataInvalid, errors.EncryptedDataLenRange):
            raise not_opening() from None

    def _opened(self) -> _AesKey:
        if self._key is None:
            self._key = self._open()
        return self._key

    def _open(self) -> _AesKey:
        """Log in and find the key. Raises ConfigError for what waiting does not mend, else PKCS11Error."""
        names, errors = self._settings, self._pkcs11.exceptions
        try:
            token = self._pkcs11.lib(str(names.module)).get_token(token_label=names.token_label)
        except errors.NoSuchToken:
            raise _wrong("no token has this label", "token_label") from None
        except errors.MultipleTokensReturned:
            raise _wrong("several tokens have this label", "token_label") from None
        pin = _pin(names.pin_file)
        try:
            self._session = token.open(user_pin=pin)
        except errors.UserAlreadyLoggedIn:
            # The login is the process's, not the session's (PKCS #11, section 5.6).
            self._session = token.open()
        except (errors.PinIncorrect, errors.PinInvalid, errors.PinLenRange, errors.PinLocked, errors.PinExpired):
            # No second try: a token locks itself after some.
            raise _wrong("the token does not take the PIN", "pin_file") from None
        secret, aes = self._pkcs11.ObjectClass.SECRET_KEY, self._pkcs11.KeyType.AES
        try:
            found = self._session.get_key(object_class=secret, key_type=aes, label=names.key_label)
        except errors.NoSuchKey:
            raise _wrong("the token holds no AES key of this label", "key_label") from None
        except errors.MultipleObjectsReturned:
            raise _wrong("the token holds several AES keys of this label", "key_label") from None
        return cast(_AesKey, found)

    def _drop(self) -> None:
        session, self._session, self._key = self._session, None, None
        if session is not None:
            try:
                session.close()
            except self._pkcs11.exceptions.PKCS11Error as error:
                # It ended by itself, which is why it is dropped.
                _LOG.info("a session of the token had ended", error=type(error).__name__)


def _pin(path: Path) -> str:
    """The PIN of a file that is its owner's alone. Raises ConfigError."""
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        fix = f"chmod 600 {path}"
        raise ConfigError("config-secret-exposed", "the PIN's file can be read by others", where=str(path), fix=fix)
    return read_secret(path)


def _wrong(what: str, field: str) -> ConfigError:
    return ConfigError("config-mismatch", what, where=f"{_WHERE}.{field}")


def _away(error: Exception) -> Unavailable:
    # The kind of the error alone: a driver's text may hold anything.
    what = f"the token that holds the key encryption key does not answer: {type(error).__name__}"
    return Unavailable("key-token-unavailable", what, where=_WHERE)
