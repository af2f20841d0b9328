"""One contract for the key encryption key: the same tests on the key in a file and on the one in a PKCS #11 token.

The token is SoftHSM2's (Debian package softhsm2); where it is absent, or the extra passerelle[pkcs11] is not installed,
the token's half is skipped, aloud.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.core.errors import ConfigError, Fatal, PasserelleError, Unavailable
from passerelle.node.config import NodeConfig, Pkcs11Config
from passerelle.node.key_encryption import WRAPPED_BYTES, FileKey, KeyEncryption, check_key, open_key
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.ids import SystemIds
from passerelle.runtime.keys import create_seed

IDS = SystemIds(SystemClock())
KEY, SECRET, OTHER = bytes(range(32)), bytes(range(100, 132)), bytes(range(7, 39))
LEARNER, SOMEBODY = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
TOKEN, PIN = "passerelle test", "2468"
PLACES = ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
PATTERNS = ("softhsm/libsofthsm2.so", "*/softhsm/libsofthsm2.so")


@dataclass(frozen=True)
class Token:
    """A token with two AES keys of known value, so that what it wraps can be compared with the file's."""

    module: Path
    pin_file: Path

    def settings(self, **changes: Any) -> Pkcs11Config:
        plain = {"module": self.module, "token_label": TOKEN, "key_label": "learners", "pin_file": self.pin_file}
        return Pkcs11Config(**(plain | changes))

    def key(self, **changes: Any) -> Any:
        from passerelle.node.pkcs11 import TokenKey

        return TokenKey(self.settings(**changes), IDS)


def softhsm() -> Path | None:
    found = (path for place in PLACES for pattern in PATTERNS for path in Path(place).glob(pattern))
    return next(found, None)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    module, program = softhsm(), shutil.which("softhsm2-util")
    if module is None or program is None:
        pytest.skip("SoftHSM2 is not installed: the PKCS #11 adapter is not tested here")
    pkcs11 = pytest.importorskip("pkcs11", reason="passerelle[pkcs11] is not installed: its adapter is not tested here")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    words = ["--init-token", "--free", "--label", TOKEN, "--so-pin", "13579", "--pin", PIN]
    subprocess.run([program, *words], check=True, capture_output=True, timeout=30)
    with pkcs11.lib(str(module)).get_token(token_label=TOKEN).open(rw=True, user_pin=PIN) as session:
        for label, value in (("learners", SECRET), ("others", OTHER)):
            session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                    pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
                    pkcs11.Attribute.VALUE: value,
                    pkcs11.Attribute.LABEL: label,
                    pkcs11.Attribute.TOKEN: True,
                    pkcs11.Attribute.PRIVATE: True,
                    pkcs11.Attribute.ENCRYPT: True,
                    pkcs11.Attribute.DECRYPT: True,
                }
            )
    (folder / "pin").write_text(PIN + "\n")
    (folder / "pin").chmod(0o600)
    yield Token(module, folder / "pin")
    pkcs11.unload(str(module))
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@dataclass(frozen=True)
class Pair:
    """An adapter under test, and the same adapter with another key."""

    one: KeyEncryption
    other: KeyEncryption


@pytest.fixture(scope="module", params=["file", "pkcs11"])
def pair(request: pytest.FixtureRequest) -> Pair:
    if request.param == "file":
        return Pair(FileKey(SECRET, IDS), FileKey(OTHER, IDS))
    found: Token = request.getfixturevalue("token")
    return Pair(found.key(), found.key(key_label="others"))


def refused(key: KeyEncryption, wrapped: bytes, learner: str = LEARNER) -> None:
    with pytest.raises(Fatal) as caught:
        key.unwrap(wrapped, learner)
    assert caught.value.code == "key-file-unusable"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(key=st.binary(min_size=32, max_size=32), learner=st.uuids(version=4).map(str))
def test_what_was_wrapped_unwraps(pair: Pair, key: bytes, learner: str) -> None:
    wrapped = pair.one.wrap(key, learner)
    assert pair.one.unwrap(wrapped, learner) == key
    assert len(wrapped) == WRAPPED_BYTES
    assert key not in wrapped


def test_the_same_key_is_never_wrapped_alike(pair: Pair) -> None:
    assert len({pair.one.wrap(KEY, LEARNER) for _ in range(8)}) == 8


def test_it_opens_for_its_learner_and_under_its_own_key_only(pair: Pair) -> None:
    wrapped = pair.one.wrap(KEY, LEARNER)
    refused(pair.one, wrapped, SOMEBODY)
    refused(pair.other, wrapped)
    assert pair.one.unwrap(wrapped, LEARNER) == KEY, "a refusal spoils nothing"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(place=st.integers(0, WRAPPED_BYTES - 1), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(pair: Pair, place: int, flip: int) -> None:
    wrapped = bytearray(pair.one.wrap(KEY, LEARNER))
    wrapped[place] ^= flip
    refused(pair.one, bytes(wrapped))


@pytest.mark.parametrize("size", [0, 1, 11, 12, 28, WRAPPED_BYTES - 1, WRAPPED_BYTES + 1, 4096])
def test_other_lengths_are_refused(pair: Pair, size: int) -> None:
    refused(pair.one, bytes(size))


class Forgetful:
    """Wraps as it should, and gives back another key."""

    def __init__(self, key: KeyEncryption) -> None:
        self.wrap = key.wrap

    def unwrap(self, wrapped: bytes, learner: str) -> bytes:
        return bytes(len(wrapped) - 28)


def test_the_check_tells_a_key_that_works_from_one_that_does_not(pair: Pair) -> None:
    check_key(pair.one, IDS)
    with pytest.raises(Fatal) as caught:
        check_key(Forgetful(pair.one), IDS)
    assert caught.value.code == "key-file-unusable"


# What only a token has


def test_a_token_and_a_file_that_hold_the_same_key_open_each_others(token: Token) -> None:
    held, file = token.key(), FileKey(SECRET, IDS)
    assert held.unwrap(file.wrap(KEY, LEARNER), LEARNER) == KEY
    assert file.unwrap(held.wrap(KEY, LEARNER), LEARNER) == KEY


def test_a_session_that_another_ended_is_opened_anew(token: Token) -> None:
    one, other = token.key(), token.key()
    wrapped = one.wrap(KEY, LEARNER)
    assert other.unwrap(wrapped, LEARNER) == KEY
    one.close()
    other.close()
    assert other.unwrap(wrapped, LEARNER) == KEY
    assert one.unwrap(wrapped, LEARNER) == KEY


@pytest.mark.parametrize(("field", "value"), [("token_label", "no such token"), ("key_label", "no such key")])
def test_what_the_token_lacks_is_named(token: Token, field: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        token.key(**{field: value}).wrap(KEY, LEARNER)
    assert (caught.value.code, caught.value.where) == ("config-mismatch", f"key_encryption.{field}")


def test_a_wrong_pin_is_told_and_the_pin_is_not(token: Token, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("97531\n")
    (tmp_path / "pin").chmod(0o600)
    # A login is the process's: end those of the other tests first.
    token.key().close()
    code = (
        "import sys; from pathlib import Path\n"
        "from passerelle.node.config import Pkcs11Config\nfrom passerelle.node.pkcs11 import TokenKey\n"
        "from passerelle.runtime.clock import SystemClock\nfrom passerelle.runtime.ids import SystemIds\n"
        "module, label, pin = sys.argv[1:]\n"
        "made = Pkcs11Config(module=Path(module), token_label=label, key_label='learners', pin_file=Path(pin))\n"
        "try: TokenKey(made, SystemIds(SystemClock())).wrap(bytes(32), 'x')\n"
        "except Exception as error: print(error)\n"
    )
    words = [sys.executable, "-c", code, str(token.module), TOKEN, str(tmp_path / "pin")]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "config-mismatch at key_encryption.pin_file" in ran.stdout, ran
    assert "97531" not in ran.stdout + ran.stderr


def test_a_pin_that_others_can_read_is_not_used(token: Token, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(PIN)
    (tmp_path / "pin").chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        token.key(pin_file=tmp_path / "pin").wrap(KEY, LEARNER)
    assert caught.value.code == "config-secret-exposed"


def test_a_module_that_is_not_there_is_unavailable(token: Token, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        token.key(module=tmp_path / "none.so").wrap(KEY, LEARNER)
    assert caught.value.code == "key-token-unavailable"


# The configuration


def node(folder: Path, lines: str) -> NodeConfig:
    create_seed(folder / "learners.key", SECRET)
    plain = (
        'member = "humber"\nnetwork = "unit.example/1"\nroot_public_key_file = "root.pub"\nkey_file = "signing.key"\n'
        'record_key_file = "records.key"\n'
    )
    (folder / "node.toml").write_text(f'{plain}{lines}\n[database]\nurl = "postgresql://x/y"\n')
    return NodeConfig.load(folder / "node.toml")


def test_a_configuration_names_the_file(tmp_path: Path) -> None:
    key = open_key(node(tmp_path, 'learner_key_file = "learners.key"'), IDS)
    assert FileKey(SECRET, IDS).unwrap(key.wrap(KEY, LEARNER), LEARNER) == KEY


def test_a_configuration_names_the_token(token: Token, tmp_path: Path) -> None:
    shutil.copy(token.pin_file, tmp_path / "token.pin")
    table = (
        f'key_encryption = {{ kind = "pkcs11", module = "{token.module}", token_label = "{TOKEN}", '
        'key_label = "learners", pin_file = "token.pin" }'
    )
    key = open_key(node(tmp_path, table), IDS)
    assert FileKey(SECRET, IDS).unwrap(key.wrap(KEY, LEARNER), LEARNER) == KEY


def test_a_library_is_named_by_its_absolute_path(tmp_path: Path) -> None:
    table = 'key_encryption = { module = "x.so", token_label = "t", key_label = "k", pin_file = "pin" }'
    with pytest.raises(PasserelleError) as caught:
        node(tmp_path, table)
    assert caught.value.code == "config-invalid"
    assert "key_encryption.module" in caught.value.what


@pytest.mark.parametrize("both", [True, False])
def test_exactly_one_key_is_named(tmp_path: Path, both: bool) -> None:
    table = 'key_encryption = { module = "/x.so", token_label = "t", key_label = "k", pin_file = "pin" }'
    with pytest.raises(PasserelleError) as caught:
        node(tmp_path, f'learner_key_file = "learners.key"\n{table}' if both else "")
    assert caught.value.code == "config-invalid"
    assert "learner_key_file" in caught.value.what
