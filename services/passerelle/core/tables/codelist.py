"""One bundled code list: its entries, and the nearest of them to a code or a title that was written wrong.

The form of a list: lines ``# key: value`` that state name, version, source and licence, then an entry a line,
``code TAB title`` or ``code TAB title TAB groups`` (groups joined by commas), in the order of the codes.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.core.tables import folded

MAX_TEXT: Final = 200
"""Characters of a text that are compared with titles."""
MAX_WORDS: Final = 20
"""Words of a text that are compared with titles."""
MAX_STEPS: Final = 3
"""Steps up to which codes near a text are found by their ends; beyond, every code is compared."""
_FACTS: Final = ("name", "version", "source", "licence")
_STOP: Final = frozenset({"a", "an", "and", "etc", "for", "in", "of", "on", "or", "other", "the", "to", "with"})
_CLOSE: Final = 0.75
"""How like a word of a title a misspelt word must be (difflib's ratio): draughting is drafting."""
_MISSPELT: Final = 0.9
"""What a misspelt word counts of what the right one would."""
_ENOUGH: Final = 0.5
"""Share of the text's words, by their weight, that a title must have."""


@dataclass(frozen=True, slots=True)
class Coded:
    """An entry: its code, its English title, and the groups of the list (ESCO: collections) that it is in."""

    code: str
    title: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class CodeList:
    """A list with its version. Entries are by code; nothing is computed before it is asked."""

    name: str
    version: str
    source: str
    licence: str
    entries: Mapping[str, Coded]

    def by_code(self, text: str, farthest: int, most: int = 3) -> list[Coded]:
        """Entries whose code is at most ``farthest`` steps from the text (:func:`steps`), nearest first.

        First those that one slip of the keys explains; then the longest common beginning (in a hierarchy, the nearest
        relatives), and of those the smallest difference of the first character that differs.
        """
        ranked = []
        for code in self._alike(text) if farthest <= MAX_STEPS else self.entries:
            far = steps(text, code)
            if far <= farthest:
                same = _common(text, code)
                gap = abs(ord(text[same]) - ord(code[same])) if same < min(len(text), len(code)) else 0
                ranked.append((min(far, 2), -same, gap, code))
        return [self.entries[one[-1]] for one in sorted(ranked)[:most]]

    def _alike(self, text: str) -> set[str]:
        """Codes that begin or end as the text does: among them are all that are at most MAX_STEPS from it."""
        heads, tails = self._ends
        size = self._kept
        return {*heads.get(text[:size], ()), *tails.get(text[-size:] if size else "", ())}

    @cached_property
    def _kept(self) -> int:
        """What MAX_STEPS leave of a code stands at its two ends, so that half of that is whole at one of them."""
        return max(0, min(map(len, self.entries), default=0) - MAX_STEPS + 1) // 2

    @cached_property
    def _ends(self) -> tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]]:
        heads: defaultdict[str, list[str]] = defaultdict(list)
        tails: defaultdict[str, list[str]] = defaultdict(list)
        for code in self.entries:
            heads[code[: self._kept]].append(code)
            tails[code[-self._kept :] if self._kept else ""].append(code)
        return dict(heads), dict(tails)

    def by_words(self, text: str, most: int = 3) -> list[tuple[Coded, bool]]:
        """Entries whose title has the words of the text, best first, and whether it has every one as it is written.

        Rare words weigh more than common ones. Case, accents, plurals and small misspellings do not matter. Where a
        title has the words of the text and no others, only such titles are given.
        """
        words = list(dict.fromkeys(_words(text[:MAX_TEXT])))[:MAX_WORDS]
        rare = math.log(1 + len(self.entries))
        scores: defaultdict[str, float] = defaultdict(float)
        exact: Counter[str] = Counter()
        asked = 0.0
        for word in words:
            known = self._nearest_word(word)
            weight = self._weights.get(known, rare)
            asked += weight
            for code in self._titles_with.get(known, ()):
                scores[code] += weight if known == word else weight * _MISSPELT
                exact[code] += known == word
        ranked = []
        for code, found in scores.items():
            if found >= _ENOUGH * asked:
                whole = sum(self._weights[word] for word in set(_words(self.entries[code].title)))
                ranked.append((-found / asked * (0.6 + 0.4 * min(1.0, found / whole)), code))
        best = [(self.entries[code], exact[code] == len(words)) for _, code in sorted(ranked)[:most]]
        return [one for one in best if set(_words(one[0].title)) == set(words)] or best

    def _nearest_word(self, word: str) -> str:
        if word in self._weights:
            return word
        alike = self._by_letter.get(word[0], ())
        # Another form of the word first (solving: solve), then one that looks like it.
        forms = [one for one in alike if _common(word, one) >= max(4, min(len(word), len(one)) - 1)]
        if forms:
            return max(forms, key=lambda one: (_common(word, one), -len(one)))
        near = difflib.get_close_matches(word, alike, n=1, cutoff=_CLOSE)
        return near[0] if near else ""

    @cached_property
    def _titles_with(self) -> Mapping[str, Sequence[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for code, entry in self.entries.items():
            for word in set(_words(entry.title)):
                found[word].append(code)
        return dict(found)

    @cached_property
    def _weights(self) -> Mapping[str, float]:
        return {word: math.log(1 + len(self.entries) / len(codes)) for word, codes in self._titles_with.items()}

    @cached_property
    def _by_letter(self) -> Mapping[str, Sequence[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for word in sorted(self._titles_with):
            found[word[0]].append(word)
        return dict(found)


def parse_code_list(text: str) -> CodeList:
    """A list from the text of its file. Raises FormatError ``field-missing`` or ``field-malformed`` with the line."""
    facts: dict[str, str] = {}
    entries: dict[str, Coded] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# "):
            key, _, value = line[2:].partition(": ")
            facts[key] = value
            continue
        code, title, *groups = line.split("\t")[:3] if "\t" in line else (line, "")
        if not title or code <= last:
            what = "an entry is a code, a tab and a title, in the order of the codes"
            raise FormatError("field-malformed", what, where=f"line {number}")
        entries[code] = Coded(code, title, tuple(groups[0].split(",")) if groups else ())
        last = code
    missing = [key for key in _FACTS if not facts.get(key)]
    if missing:
        raise FormatError("field-missing", f"the list does not state: {', '.join(missing)}", where="head")
    return CodeList(facts["name"], facts["version"], facts["source"], facts["licence"], entries)


def render_code_list(found: CodeList) -> str:
    """The text of a list's file: what :func:`parse_code_list` reads."""
    head = [f"# {key}: {getattr(found, key)}" for key in _FACTS]
    rows = [
        "\t".join((one.code, one.title, *([",".join(one.groups)] if one.groups else ())))
        for _, one in sorted(found.entries.items())
    ]
    return "\n".join([*head, *rows]) + "\n"


def steps(one: str, other: str) -> int:
    """How far two codes are apart: 0 equal, 1 a character changed, added, left out, or two neighbours exchanged.

    Beyond that the length of what is left between the common beginning and the common end. Symmetric.
    """
    start = _common(one, other)
    one, other = one[start:], other[start:]
    end = _common(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    if len(one) == 2 and one == other[::-1]:
        return 1
    return max(len(one), len(other))


def _common(one: str, other: str) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _words(text: str) -> Iterator[str]:
    for word in folded(text).split():
        if word in _STOP or word.isdigit():
            continue
        if len(word) > 4 and word.endswith("ies"):
            yield f"{word[:-3]}y"
        elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
            yield word[:-1]
        else:
            yield word
