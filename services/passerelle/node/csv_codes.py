"""Codes of the lists that come with the node: NOC 2021, ESCO, Skills for Success. Which is in its list, what was meant.

NOC 2021 and Skills for Success are here as a whole: what is not in them does not exist. Of ESCO three collections of
skills are here, not all of it: another concept's URI is taken as it stands, unless it is a slip away from a listed one.
Other frameworks are their publishers' own; nothing is said of their codes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from passerelle.core.tables import (
    ESCO_GROUP,
    ESCO_SKILL,
    ESCO_URI,
    NOC_UNIT_GROUP,
    SKILLS_FOR_SUCCESS,
    SKILLS_VERSION,
    folded,
)
from passerelle.core.tables.codelist import MAX_TEXT, Coded, CodeList, steps
from passerelle.runtime.codelists import code_list

MAX_CODE: Final = 80
"""Characters of a text that is compared with codes."""
_MOST: Final = 3
"""Codes that are suggested."""
_FAR: Final = 3
"""Steps from a well-formed unit group within which others are suggested."""
_SLIPS: Final = 2
"""Steps from a listed UUID within which another one is a slip: two random UUIDs are never so near."""
_NUMBER: Final = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Why a code is refused: ``what`` is wrong, the ``fix``; both name codes of the lists and nothing that was written.

    ``near``: the text is a code or a title written wrong, and no person's detail.
    """

    what: str
    fix: str
    near: bool


def are_unit_groups(values: Sequence[str]) -> bool:
    """Whether all of them are unit groups of NOC 2021."""
    return all(map(code_list("noc2021").entries.__contains__, values))


def unlisted(framework: str, code: str, title: str = "") -> Unlisted | None:
    """Why this code of a framework is refused, and the nearest ones by code, by words, and by the ``title`` beside it.

    None where it is in its list, and for a framework of which no list is here.
    """
    # No code is as long as what is kept of it here, so that what is cut was none, and what is remembered is small.
    return _unlisted(framework[:MAX_CODE], code[:MAX_TEXT], title[:MAX_TEXT])


@lru_cache(maxsize=4096)
def _unlisted(framework: str, code: str, title: str) -> Unlisted | None:
    if framework == "noc-2021":
        return _noc(code, title)
    if framework == "esco":
        return _esco(code, title)
    if framework == "skills-for-success":
        return _skill_for_success(code, title)
    return None


def _noc(text: str, title: str) -> Unlisted | None:
    known = code_list("noc2021")
    if text in known.entries:
        return None
    number = _NUMBER.match(text)
    digits = number.group() if number is not None else ""
    worded, sure = _by_words(known, text, title)
    if NOC_UNIT_GROUP.fullmatch(digits):
        what = (
            f"no unit group of {known.version} has these digits"
            if digits == text
            else "more than the five digits of a unit group"
        )
        exact = known.entries.get(digits)
        near = [exact] if exact is not None else _mixed(known.by_code(digits, _FAR, _MOST), worded)
        slip = bool(near) and digits == text and steps(text, near[0].code) == 1
        return Unlisted(what, _meant(near) or _NOC_FIX, slip or sure)
    what = f"not a unit group of {known.version}, five digits"
    if digits:
        # A spreadsheet takes the zeros away that a number begins with.
        whole = known.entries.get(digits.zfill(5)) if digits[0] != "0" and len(digits) < 4 else None
        if len(digits) == 4:
            what = f"four digits, as older classifications have; {known.version} has five"
        near = [whole] if whole is not None else _mixed(worded, known.by_code(digits, 1, _MOST))
        return Unlisted(what, _meant(near) or _NOC_FIX, digits == text and bool(near))
    return Unlisted(what, _meant(worded) or _NOC_FIX, sure)


_NOC_FIX: Final = "Write the five digits of a unit group, or words of its English title to be shown the nearest."


def _esco(text: str, title: str) -> Unlisted | None:
    known = code_list("esco")
    uuid = text[-36:].lower()
    listed = known.entries.get(uuid)
    if text.startswith(ESCO_SKILL) and listed is not None and text == ESCO_SKILL + uuid:
        return None
    slips = [listed] if listed is not None else known.by_code(_last_part(text), _SLIPS, _MOST)
    if slips:
        what = f"not the URI of a concept of {known.version}, but nearly that of one in {_collections(slips[0])}"
        return Unlisted(what, _meant(slips, ESCO_SKILL), near=True)
    if ESCO_URI.fullmatch(text) or ESCO_GROUP.fullmatch(text):
        return None
    worded, sure = _by_words(known, text, title)
    what = "neither the URI of an ESCO concept nor the code of a group of them"
    fix = f"Write {ESCO_SKILL} and the concept's UUID, or a group such as S5.6.1."
    return Unlisted(what, _meant(worded, ESCO_SKILL) or fix, sure)


def _collections(skill: Coded) -> str:
    return f"its {' and '.join(skill.groups)} collection{'s' if len(skill.groups) > 1 else ''}"


def _last_part(text: str) -> str:
    return text[:MAX_CODE].rstrip("/").rpartition("/")[2].lower()


def _skill_for_success(text: str, title: str) -> Unlisted | None:
    if text in SKILLS_FOR_SUCCESS:
        return None
    skills = {code: Coded(code, names[0]) for code, names in SKILLS_FOR_SUCCESS.items()}
    known = CodeList("Skills for Success", SKILLS_VERSION, "", "", skills)
    asked = folded(text[:MAX_CODE])
    by_name = [
        skills[code] for code, names in SKILLS_FOR_SUCCESS.items() if asked in {folded(one) for one in (code, *names)}
    ]
    near = by_name or _mixed(known.by_code(text[:MAX_CODE].lower(), 1, 1), _by_words(known, text, title)[0])[:1]
    fix = _meant(near) or f"Use one of: {', '.join(SKILLS_FOR_SUCCESS)}."
    return Unlisted(f"not one of the nine of {SKILLS_VERSION}", fix, bool(by_name))


def _by_words(known: CodeList, text: str, title: str) -> tuple[list[Coded], bool]:
    """Entries by the words of the cell, or of the title beside it; sure where two words or more stand in a title."""
    found = known.by_words(text, _MOST) or known.by_words(title, _MOST)
    return [entry for entry, _ in found], bool(found) and found[0][1] and len(folded(text).split()) > 1


def _mixed(first: Sequence[Coded], second: Sequence[Coded]) -> list[Coded]:
    """The best of both, in turns, none twice."""
    turns = [one for place in range(_MOST) for part in (first, second) for one in part[place : place + 1]]
    return list(dict.fromkeys(turns))[:_MOST]


def _meant(near: Sequence[Coded], prefix: str = "") -> str:
    if not near:
        return ""
    *others, last = (f"'{prefix}{one.code}' ({one.title})" for one in near)
    return f"Did you mean {', '.join(others)} or {last}?" if others else f"Did you mean {last}?"
