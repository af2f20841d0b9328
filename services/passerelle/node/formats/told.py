"""The settings of the document formats for one import: of the node's configuration, its keys and the learner's file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from passerelle.core.errors import FormatError
from passerelle.node.formats.exchange import LEARNER, Settings
from passerelle.node.formats.proofs import did_key

if TYPE_CHECKING:
    from passerelle.node.main import Office

MAX_LEARNER: Final = 16 * 1024


def read_learner(path: Path) -> dict[str, str]:
    """The learner's columns of a TOML file. Raises FormatError; no value is repeated."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_LEARNER + 1)
        found = tomllib.loads(content.decode())
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError:
        raise FormatError("file-unreadable", "the file is not TOML in UTF-8", where=str(path)) from None
    if len(content) > MAX_LEARNER or not found or not set(found) <= set(LEARNER):
        fix = f"Name some of: {', '.join(LEARNER)}."
        raise FormatError("field-unknown", "the file holds other than the learner's columns", where=str(path), fix=fix)
    if not all(isinstance(value, str) for value in found.values()):
        raise FormatError("field-malformed", "a value is not a text in quotes", where=str(path))
    return found


async def settings_of(office: Office, learner: Path | None = None) -> Settings:
    """What an import tells the formats. Raises FormatError, Unavailable."""
    stated: Mapping[str, object] = await office.store.own_record(office.config.member) or {}
    keys = {did_key(office.signer.public_key)}
    listed = stated.get("keys")
    for key in listed if isinstance(listed, list) else []:
        # What a key signed before it was replaced stays the member's; what a stolen one signed may be anybody's.
        if key["use"] == "sign" and not key["distrusted_from"]:
            keys.add(did_key(bytes.fromhex(key["public_key"])))
    return Settings(
        office.config.schema_folder,
        dict(office.config.organisations),
        read_learner(learner) if learner is not None else {},
        frozenset(keys),
    )
