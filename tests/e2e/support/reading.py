"""A page of the documentation as somebody at a keyboard takes it: its commands in order, and the files it shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"`([\w.-]+\.\w+)`")


@dataclass(frozen=True)
class Command:
    """One command of a page: the line on which it begins, and its text with continued lines joined."""

    line: int
    text: str


def commands(page: str) -> list[Command]:
    """Every command of the page's ``sh`` blocks, in order."""
    found = []
    for block in _BLOCK.finditer(page):
        if block["language"] != "sh":
            continue
        line = page.count("\n", 0, block.start()) + 2
        for text in re.split(r"(?<!\\)\n", block["text"].rstrip("\n")):
            if text.strip() and not text.startswith("#"):
                found.append(Command(line, " ".join(text.replace("\\\n", " ").split())))
            line += text.count("\n") + 1
    return found


def shown_files(page: str) -> dict[str, str]:
    """The ``csv`` blocks of the page, by the last file of that kind that was named before each."""
    found = {}
    for block in _BLOCK.finditer(page):
        if block["language"] == "csv":
            names = [name for name in _FILE.findall(page[: block.start()]) if name.endswith(".csv")]
            found[names[-1]] = block["text"]
    return found


def shown_table(page: str, name: str) -> str:
    """The one ``toml`` block that begins with the table ``[name]``."""
    [text] = [
        block["text"]
        for block in _BLOCK.finditer(page)
        if block["language"] == "toml" and block["text"].startswith(f"[{name}]")
    ]
    return text


def real(text: str, values: Mapping[str, str], words: Mapping[str, str]) -> str:
    """The text with ``values`` replaced where they stand, and then ``words`` where they stand as whole words."""
    pattern = "|".join([*map(re.escape, values), *(rf"\b{re.escape(word)}\b" for word in words)])
    both = {**values, **words}
    return re.sub(pattern, lambda found: both[found[0]], text)
