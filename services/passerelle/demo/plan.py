"""Who is in the demo and what each brings: the members, the order of their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import ConfigError

NETWORK: Final = "demo.passerelle.example/2026"
OPERATOR: Final = "operator"
SCENARIOS: Final = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10")
_FRENCH: Final = "CA-QC"
"""A node in Quebec starts in French."""

# What a row names must be known to its own node before: frameworks and organisations come first, awards last.
_ORDER: Final = ("frameworks", "organisations", "achievements", "programmes", "work-based", "courses", "pilots",
                 "recognitions", "endorsements", "demands", "assessments", "credentials")  # fmt: skip
_NEEDED_BY: Final = {"courses": frozenset[str](), "pilots": frozenset({"S7"})}
"""Files that only some questions need; the others are always loaded, for they name each other."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its admission as the sample says it, and its files in the order of their import."""

    id: str
    admission: Mapping[str, Any]
    admission_file: Path
    files: tuple[Path, ...]

    @property
    def language(self) -> str:
        """The language that its node speaks."""
        return "fr" if _FRENCH in self.admission["jurisdictions"] else "en"


_ROOT: Final = Path(__file__).resolve().parents[3]


def samples_folder() -> Path:
    """The folder of samples beside the source tree."""
    return _ROOT / "samples"


def policies_folder() -> Path:
    """The folder of policy packs beside the source tree."""
    return _ROOT / "contracts" / "policies"


def _rank(path: Path) -> tuple[int, str]:
    stem = next((place for place, name in enumerate(_ORDER) if path.stem.startswith(name)), len(_ORDER))
    return stem, path.name


def _wanted(path: Path, only: frozenset[str]) -> bool:
    for stem, questions in _NEEDED_BY.items():
        if path.stem.startswith(stem):
            return len(only) == len(SCENARIOS) or bool(questions & only)
    return True


def load_members(samples: Path, only: frozenset[str]) -> tuple[Member, ...]:
    """The members in the order of their ids, the operator first. Raises ConfigError."""
    files = sorted((samples / "members").glob("*.json"))
    if not files:
        raise ConfigError(
            "config-missing",
            "the samples are absent",
            where=str(samples),
            fix="Run the demo from a clone of the repository, or name its samples with --samples.",
        )
    members = []
    for path in files:
        admission = json.loads(path.read_text(encoding="utf-8"))
        own = (samples / path.stem).glob("*.csv")
        imports = tuple(sorted((one for one in own if _wanted(one, only)), key=_rank))
        members.append(Member(str(admission["member"]), admission, path, imports))
    return tuple(sorted(members, key=lambda member: (member.id != OPERATOR, member.id)))


def load_expected(samples: Path, name: str) -> dict[str, Any]:
    """The answer written by hand. Raises ConfigError."""
    path = samples / "expected" / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError("config-unreadable", "the expected answer cannot be read", where=str(path)) from None
    return found
