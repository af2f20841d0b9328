"""Words of titles and descriptions, folded so that English and French are found with or without accents."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
MAX_QUERY_WORDS: Final = 8
MIN_PREFIX: Final = 3
"""A word of a question at least so long also finds words that begin with it."""


def fold(text: str) -> str:
    """Lower case without accents: ``Électricité`` becomes ``electricite``."""
    lower = text.casefold()
    if lower.isascii():
        return lower
    decomposed = unicodedata.normalize("NFKD", lower)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def split(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return _WORD.findall(fold(text))


@dataclass(frozen=True, slots=True)
class Words:
    """The distinct words of an achievement: of its titles and code, and of everything else."""

    title: tuple[str, ...]
    other: tuple[str, ...]

    @staticmethod
    def of(titles: Iterable[str], others: Iterable[str]) -> Words:
        """Fold and split."""
        title = dict.fromkeys(sys.intern(word) for text in titles for word in split(text))
        other = dict.fromkeys(sys.intern(word) for text in others for word in split(text) if word not in title)
        return Words(tuple(title), tuple(other))

    def score(self, asked: Iterable[str]) -> int:
        """How well all the asked words are found; 0 where one of them is not found at all."""
        total = 0
        for word in asked:
            value = self._one(word)
            if value == 0:
                return 0
            total += value
        return total

    def _one(self, word: str) -> int:
        if word in self.title:
            return 8
        if word in self.other:
            return 3
        if len(word) < MIN_PREFIX:
            return 0
        if any(own.startswith(word) for own in self.title):
            return 4
        return 1 if any(own.startswith(word) for own in self.other) else 0


class WordIndex:
    """Which things hold a word, in any of their versions; who asks tests the version that it means."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: dict[str, set[str]] = {}

    def add(self, thing: str, words: Words) -> None:
        """Register a version's words."""
        for word in (*words.title, *words.other):
            self._holders.setdefault(word, set()).add(thing)

    def holders(self, word: str) -> set[str]:
        """The things that hold the word or, if it is long enough, one that begins with it."""
        found = set(self._holders.get(word, ()))
        if len(word) >= MIN_PREFIX:
            for own, things in self._holders.items():
                if own.startswith(word):
                    found |= things
        return found
