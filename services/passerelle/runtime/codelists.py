"""The bundled code lists, read from the package when one is first asked for and then kept.

Their files are in ``core/tables``; ``tools/code_lists.py`` writes them. The core itself reads no file.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

from passerelle.core.tables.codelist import CodeList, parse_code_list

ListName = Literal["noc2021", "esco"]
LIST_NAMES: Final[tuple[ListName, ...]] = ("noc2021", "esco")


@lru_cache(maxsize=2)
def code_list(name: ListName) -> CodeList:
    """``noc2021``: the 516 unit groups, by five digits. ``esco``: the skills of three collections, by UUID.

    Raises FormatError where the installed file does not have its form.
    """
    return parse_code_list(files("passerelle.core.tables").joinpath(f"{name}.txt").read_text(encoding="utf-8"))
