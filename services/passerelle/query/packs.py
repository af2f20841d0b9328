"""Policy packs from a folder of YAML files: policy is data, and a pack that does not fit its form stops the start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

import passerelle
from passerelle.core.errors import ConfigError, PasserelleError
from passerelle.core.policy import Pack, load_pack

DEFAULT_PACK: Final = "portability-national"
MAX_PACK_BYTES: Final = 256 * 1024


def default_folder() -> Path:
    """The folder of packs that comes with the package, or the repository's. Raises ConfigError ``config-missing``."""
    package = Path(passerelle.__file__).resolve().parent
    for folder in (package / "policies", package.parent.parent / "contracts" / "policies"):
        if folder.is_dir():
            return folder
    raise ConfigError("config-missing", "No policy packs come with this installation.", where="policies_folder")


def load_packs(folder: Path) -> tuple[Pack, ...]:
    """Every ``*.yaml`` of the folder, in order of file name.

    Raises ConfigError ``config-invalid`` naming the file, also where two files hold one version of a policy or where
    the default pack is absent.
    """
    packs: dict[tuple[str, int], Pack] = {}
    for path in sorted(folder.glob("*.yaml")):
        pack = _load(path)
        if (pack.id, pack.version) in packs:
            raise ConfigError("config-invalid", "Another file holds this version of the policy.", where=str(path))
        packs[pack.id, pack.version] = pack
    if not any(name == DEFAULT_PACK for name, _ in packs):
        raise ConfigError("config-invalid", f"The folder holds no pack {DEFAULT_PACK}.", where=str(folder))
    return tuple(packs.values())


def _load(path: Path) -> Pack:
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_PACK_BYTES:
            raise ConfigError("config-invalid", f"A pack has at most {MAX_PACK_BYTES} bytes.", where=str(path))
        return load_pack(yaml.safe_load(raw))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            "config-unreadable", f"The pack cannot be read: {type(error).__name__}.", where=str(path)
        ) from None
    except PasserelleError as error:
        raise ConfigError("config-invalid", f"{error.where}: {error.what}", where=str(path)) from None
