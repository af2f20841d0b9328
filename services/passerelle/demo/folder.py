"""The demo's data folder: where everything lies, and which steps are done, so that a run that was cut short goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import ConfigError
from passerelle.embedded.folder import FolderLock

VERSION: Final = 1
"""Of the folder's layout; another version's folder is not touched without ``--fresh``."""
_MARK: Final = "demo.json"


class DemoFolder:
    """Paths below the data folder, and its journal of steps. Held by one demo at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._lock = FolderLock(self.root)
        self._journal: dict[str, Any] = {"version": VERSION, "done": {}, "begun": {}}

    def open(self, *, fresh: bool, samples: str) -> bool:
        """Lock the folder and read its journal; True where an earlier run is continued.

        ``samples`` is a fingerprint of what is loaded: data of other samples would answer other questions. Raises
        PasserelleError ``lease-held``, ConfigError ``config-mismatch``.
        """
        self._lock.acquire()
        mark = self.root / _MARK
        if fresh or not mark.exists():
            self._clear(mark)
        else:
            self._read(mark, samples)
        known = bool(self._journal["begun"])
        self._journal["samples"] = samples
        self._write()
        return known

    def _clear(self, mark: Path) -> None:
        """Empty the folder, but only one that a demo made: a mistyped --data must cost nobody's files."""
        entries = [entry for entry in self.root.iterdir() if entry.name != ".lock"]
        if entries and not mark.exists():
            raise ConfigError(
                "config-mismatch",
                "the folder is not empty and was not made by the demo",
                where=str(self.root),
                fix="Name an empty or new folder with --data.",
            )
        # The mark goes last: a removal that is cut short leaves a folder that is still known as the demo's.
        for entry in sorted(entries, key=lambda entry: entry == mark):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _read(self, mark: Path, samples: str) -> None:
        try:
            journal = json.loads(mark.read_text(encoding="utf-8"))
        except ValueError:
            journal = {}
        if journal.get("version") != VERSION or journal.get("samples") != samples:
            raise ConfigError(
                "config-mismatch",
                "the folder holds a demo of other samples or of another version",
                where=str(self.root),
                fix="Start afresh with --fresh (make demo FRESH=1), or name another folder with --data.",
            )
        self._journal = journal

    def close(self) -> None:
        """Give the folder back."""
        self._lock.release()

    def _write(self) -> None:
        mark = self.root / _MARK
        scratch = mark.with_suffix(".new")
        scratch.write_text(json.dumps(self._journal, ensure_ascii=False, indent=1), encoding="utf-8")
        scratch.replace(mark)

    # Steps

    def begin(self, step: str) -> bool:
        """Note that a step starts; True where an earlier run started it and did not end it."""
        again = step in self._journal["begun"] and step not in self._journal["done"]
        self._journal["begun"][step] = True
        self._write()
        return again

    def done(self, step: str) -> bool:
        """Whether the step was ended."""
        return step in self._journal["done"]

    def end(self, step: str, result: Any = None) -> None:
        """Note that a step ended, with what it gave."""
        self._journal["done"][step] = result
        self._write()

    def result(self, step: str) -> Any:
        """What a step gave. Raises ConfigError where it was never ended."""
        if step not in self._journal["done"]:
            raise ConfigError("config-mismatch", "the folder lacks a step of the demo", where=step, fix="Use --fresh.")
        return self._journal["done"][step]

    # Places

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.root / "logs" / f"{name}.log"

    def service(self, name: str) -> Path:
        """The folder of one service or node; made."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def config(self, name: str) -> Path:
        """The configuration of one service."""
        return self.service(name) / f"{name}.toml"

    def node(self, member: str) -> Path:
        """The configuration of one member's node, under the name that ``node init`` gives it."""
        return self.service(member) / "node.toml"

    def ready(self, name: str) -> Path:
        """The ready file of one service or node."""
        return self.service(name) / "ready.json"
