"""From the lines of a request to what the core evaluates; what is wrong with a line is told by its number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.core.expressions import Held
from passerelle.core.grades import well_known_scales
from passerelle.core.sending import held_from_data
from passerelle.query.index import Index

_WELL_KNOWN = frozenset(well_known_scales())


def held_lines(index: Index, lines: Iterable[pb.TranscriptLine], size: int, name: str) -> list[Held]:
    """The lines as the core reads them, with their number as reference; ``name`` is the request's field.

    What a line leaves out (version, level) is that of the achievement's version in a log of ``size`` entries. Raises
    FormatError ``argument-missing`` and ``argument-invalid``.
    """
    return [_held(index, line, number, size, f"{name}[{number}]") for number, line in enumerate(lines)]


def _held(index: Index, line: pb.TranscriptLine, number: int, size: int, where: str) -> Held:
    if not line.achievement or not line.completed_on:
        name = "completed_on" if line.achievement else "achievement"
        raise FormatError("argument-missing", f"The line needs {name}.", where=f"{where}.{name}")
    history = index.achievements.get(line.achievement)
    latest = None if history is None else history.versions.at(size)
    version = line.version or (1 if latest is None else latest[1].version)
    data: dict[str, Any] = {
        "achievement": line.achievement,
        "version": version,
        "completed_on": line.completed_on,
        "ref": str(number),
        "basis": line.basis,
    }
    if line.HasField("grade"):
        _check_scheme(line.grade.scheme, f"{where}.grade.scheme")
        data["grade"] = {"scheme": line.grade.scheme, "grade": line.grade.grade}
    if line.HasField("credits"):
        data["credits"] = {"value": line.credits.value, "system": line.credits.system}
    if line.HasField("level"):
        data["level"] = {"framework": line.level.framework, "level": line.level.level}
    elif latest is not None and latest[1].level is not None and latest[1].version == version:
        data["level"] = latest[1].level._asdict()
    try:
        return held_from_data(data, where=where)
    except FormatError as error:
        raise FormatError("argument-invalid", error.what, where=error.where, fix=error.fix) from None


def _check_scheme(scheme: str, where: str) -> None:
    """A scheme is well known, or a member's; one that the member has not published compares with nothing."""
    if scheme not in _WELL_KNOWN and "/" not in scheme:
        raise FormatError(
            "argument-invalid",
            "The grading scheme is not known.",
            where=where,
            fix=f"Use one of {', '.join(sorted(_WELL_KNOWN))}, or a published one: <member>/<scheme>.",
        )
