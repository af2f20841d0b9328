"""What comparisons rest on, as published at a position: grading scales, levels beside levels, and credits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import structlog

from passerelle.core.errors import FormatError
from passerelle.core.expressions import Tables
from passerelle.core.grades import Scale, scale_from_data
from passerelle.core.quantity import Credits
from passerelle.query.index import Index
from passerelle.query.records import Said

_LOG = structlog.get_logger(__name__)
MAX_SCALES: Final = 4_096
"""Most versions of scales, and of frameworks, that are kept read."""
STATED: Final = frozenset({"official", "published"})
"""Confidence of a reference between levels that a framework's own body stands for."""


class TableReader:
    """Reads tables from an index; scales are read once a version."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._scales: dict[tuple[str, int], Scale | None] = {}
        self._levels: dict[tuple[str, int], tuple[tuple[str, str, str], ...]] = {}

    def tables(self, size: int) -> Tables:
        """The scales published in a log of ``size`` entries, and the published credits of achievements."""
        return Tables(
            scale_versions=self.scales(size),
            level_referencing=self.referencing(size),
            credit_values=_Published(self, size),
        )

    def referencing(self, size: int) -> dict[tuple[str, str], dict[str, str]]:
        """What published frameworks state of their levels beside those of others, in either direction.

        A reading of descriptors (``indicative``) states nothing, and a level that is referenced to several of one
        framework is left out.
        """
        pairs: dict[tuple[str, str], dict[str, set[str]]] = {}
        for name, line in self.index.references["framework"].items():
            found = line.at(size)
            for row in () if found is None else self._references(name, *found):
                one, other = (name, row[0]), (row[1], row[2])
                pairs.setdefault((one[0], other[0]), {}).setdefault(one[1], set()).add(other[1])
                pairs.setdefault((other[0], one[0]), {}).setdefault(other[1], set()).add(one[1])
        return {
            names: {level: next(iter(levels)) for level, levels in table.items() if len(levels) == 1}
            for names, table in pairs.items()
        }

    def _references(self, name: str, at: int, said: Said) -> tuple[tuple[str, str, str], ...]:
        """Level, other framework and its level, read once a version."""
        key = (name, at)
        if key not in self._levels:
            if len(self._levels) >= MAX_SCALES:
                self._levels.clear()
            self._levels[key] = tuple(
                (row["level"], row["framework"], row["to_level"])
                for row in said.data.get("references") or ()
                if row["confidence"] in STATED
            )
        return self._levels[key]

    def scales(self, size: int) -> dict[str, tuple[Scale, ...]]:
        """Every published scheme with its usable versions, the latest recorded last."""
        found: dict[str, tuple[Scale, ...]] = {}
        for scheme, line in self.index.references["scale"].items():
            said = list(line.upto(size))
            if said:
                read = [self._scale(scheme, at, one) for at, one in said]
                found[scheme] = tuple(scale for scale in read if scale is not None)
        return found

    def _scale(self, scheme: str, at: int, said: Said) -> Scale | None:
        """A published scale; one that contradicts itself compares nothing."""
        key = (scheme, at)
        if key not in self._scales:
            if len(self._scales) >= MAX_SCALES:
                self._scales.clear()
            try:
                self._scales[key] = scale_from_data(said.data)
            except FormatError as error:
                _LOG.warning("a published scale cannot be used", scheme=scheme, code=error.code)
                self._scales[key] = None
        return self._scales[key]

    def credits(self, achievement: str, size: int) -> Credits | None:
        """The first amount of credit that the achievement's version at the size states."""
        history = self.index.achievements.get(achievement)
        found = None if history is None else history.versions.at(size)
        return None if found is None or not found[1].credits else found[1].credits[0]


class _Published(Mapping[str, Credits]):
    """Published credits by achievement, read when they are asked for."""

    def __init__(self, reader: TableReader, size: int) -> None:
        self._reader = reader
        self._size = size

    def __getitem__(self, achievement: str) -> Credits:
        found = self._reader.credits(achievement, self._size)
        if found is None:
            raise KeyError(achievement)
        return found

    def __iter__(self) -> Iterator[str]:
        index = self._reader.index
        return (name for name in index.achievements if self._reader.credits(name, self._size) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
