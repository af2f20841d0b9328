"""Files that a person names, read whole and never beyond a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from passerelle.core.errors import FormatError


def read_bounded(path: Path, maximum: int) -> bytes:
    """The bytes of a file. Raises FormatError ``file-unreadable`` or ``file-too-large``."""
    try:
        with path.open("rb") as stream:
            content = stream.read(maximum + 1)
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be read: {error.strerror}", where=str(path)) from None
    if len(content) > maximum:
        raise FormatError("file-too-large", f"the file has more than {maximum} bytes", where=str(path))
    return content


def read_json(path: Path, maximum: int) -> Any:
    """The JSON value of a file. Raises the errors of :func:`read_bounded`, and ``body-not-json`` with the line."""
    content = read_bounded(path, maximum)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        line = content[: error.pos].count(b"\n") + 1
        raise FormatError("body-not-json", f"the file is not JSON at line {line}", where=str(path)) from None
