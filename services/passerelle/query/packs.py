"""Policy packs: those that members published, as known at a size of the log, and the built-in ones of a folder.

Policy is data. A built-in pack that does not fit its form stops the start; a published one that does not is left out,
said so, and the last good version stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import yaml

import passerelle
from passerelle.core.errors import ConfigError, NotFound, PasserelleError
from passerelle.core.policy import Pack, choose_pack, load_pack
from passerelle.core.reasons import Reason, reason
from passerelle.query.index import Index
from passerelle.query.records import Said

DEFAULT_PACK: Final = "portability-national"
MAX_PACK_BYTES: Final = 256 * 1024
MAX_COMPILED: Final = 1_000
"""Published packs that are kept compiled."""
MAX_LISTED: Final = 500
_LOG = structlog.get_logger(__name__)


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
        return load_pack(read_yaml(path))
    except ConfigError:
        raise
    except PasserelleError as error:
        raise ConfigError("config-invalid", f"{error.where}: {error.what}", where=str(path), fix=error.fix) from None


def read_yaml(path: Path) -> Any:
    """The YAML value of a file. Raises ConfigError ``config-unreadable`` or ``config-invalid`` naming the file."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_PACK_BYTES + 1)
        if len(raw) > MAX_PACK_BYTES:
            raise ConfigError("config-invalid", f"A pack has at most {MAX_PACK_BYTES} bytes.", where=str(path))
        return yaml.safe_load(raw)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            "config-unreadable", f"The pack cannot be read: {type(error).__name__}.", where=str(path)
        ) from None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A pack by the name that it is asked by, with the entry that published it; ``index`` None: it is built in.

    ``left_out`` says which later versions cannot be used, and why.
    """

    pack: Pack
    name: str
    subject: str
    index: int | None
    said: Said | None
    left_out: tuple[Reason, ...] = ()

    @property
    def notes(self) -> tuple[Reason, ...]:
        """What the reader of an answer should know of the pack."""
        own = () if self.index is not None else (reason("pack-built-in", pack=self.pack.id),)
        sample = (reason("pack-sample", pack=self.pack.id),) if self.pack.sample else ()
        return (*own, *sample, *self.left_out)


class Shelf:
    """The packs that can be asked, at any size of the log.

    A bare name is the operator's pack of that name; where the operator has published none that is in force, the
    built-in one. A pack of any other member goes by its whole id, ``member/name``.
    """

    def __init__(self, index: Index, built_in: tuple[Pack, ...]) -> None:
        self._index = index
        self._built_in = built_in
        self._own = f"{index.registry.operator}/"
        self._compiled: dict[tuple[str, int], Pack | Reason] = {}

    def choose(self, name: str, day: dt.date, size: int) -> Chosen:
        """The highest version in force on a day, as known at a size. Raises NotFound ``policy-unknown``."""
        subject = name if "/" in name else self._own + name
        found = self._published(subject, day, size)
        if isinstance(found, Chosen):
            return found
        if "/" in name:
            raise NotFound(
                "policy-unknown",
                found[0].text("en") if found else "No version of this policy pack is in force on the day.",
                where=name,
            )
        return Chosen(choose_pack(self._built_in, name, day), name, name, None, None, found)

    def all(self, day: dt.date, size: int) -> Iterator[Chosen]:
        """Every pack in force on a day, by name, at most :data:`MAX_LISTED`: those with bare names first."""
        own = self._own
        published = [name for name, _ in self._index.references_of("policy", size)]
        bare = {name.removeprefix(own) for name in published if name.startswith(own)} | {
            pack.id for pack in self._built_in if pack.in_force(day)
        }
        names = [*sorted(bare), *sorted(one for one in published if not one.startswith(own))]
        for name in names[:MAX_LISTED]:
            try:
                yield self.choose(name, day, size)
            except NotFound:
                # Published, and no version of it is in force on the day: it is not on the shelf.
                continue

    def _published(self, subject: str, day: dt.date, size: int) -> Chosen | tuple[Reason, ...]:
        line = self._index.references["policy"].get(subject)
        left_out: list[Reason] = []
        for index, said in reversed(list(line.upto(size)) if line is not None else []):
            pack = self._read(subject, index, said)
            if isinstance(pack, Reason):
                left_out.append(pack)
            elif pack.in_force(day):
                return Chosen(pack, subject.removeprefix(self._own), subject, index, said, tuple(left_out))
        return tuple(left_out)

    def _read(self, subject: str, index: int, said: Said) -> Pack | Reason:
        """A published pack, compiled once; where it cannot be used, why."""
        found = self._compiled.pop((subject, index), None)
        if found is None:
            found = _compile(subject, index, said)
        self._compiled[subject, index] = found
        if len(self._compiled) > MAX_COMPILED:
            del self._compiled[next(iter(self._compiled))]
        return found


def _compile(subject: str, index: int, said: Said) -> Pack | Reason:
    where = "policy"
    try:
        pack = load_pack(said.data)
        if pack.id == subject.partition("/")[2]:
            return pack
    except PasserelleError as error:
        where = error.where or ""
    _LOG.warning("a published policy pack cannot be used", pack=subject, index=index, where=where)
    return reason("pack-unusable", pack=subject, index=index, where=where)
