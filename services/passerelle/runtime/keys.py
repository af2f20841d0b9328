"""Key files: a seed of 64 hex digits that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from passerelle.core.errors import ConfigError
from passerelle.core.signature import SEED_SIZE, SeedSigner


def read_seed(path: Path) -> bytes:
    """The 32 bytes of a key file. Raises ConfigError where it is missing, malformed or open to others."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
        seed = bytes.fromhex(text)
    except (OSError, ValueError):
        raise ConfigError(
            "key-file-unusable", "the key file is missing or not 64 hex digits", where=str(path)
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            "key-file-unusable", "the key file can be read by others", where=str(path), fix=f"chmod 600 {path}"
        )
    if len(seed) != SEED_SIZE:
        raise ConfigError("key-file-unusable", "the key file is not 64 hex digits", where=str(path))
    return seed


def load_signer(path: Path) -> SeedSigner:
    """The Ed25519 signer of a key file."""
    return SeedSigner(read_seed(path))


def create_seed(path: Path, seed: bytes) -> None:
    """Write a new key file (mode 0600). An existing one is never overwritten. Raises ConfigError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError("key-file-unusable", "the key file exists already", where=str(path)) from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
