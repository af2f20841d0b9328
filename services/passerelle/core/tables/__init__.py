"""Code lists that the network's data name, bundled, each with its version and source.

Grades, scales and levels are in :mod:`passerelle.core.grades`, credit systems in :mod:`passerelle.core.quantity`: they
are what decisions rest on. The lists here help a person to write the right code, and to see what was meant by another.
Short lists are in this module. NOC 2021 and ESCO stand in text files beside it, each with its version, source and
licence (:mod:`passerelle.core.tables.codelist`); :mod:`passerelle.runtime.codelists` reads them.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import Final

PROVINCES_VERSION: Final = "ISO 3166-2:2020"
PROVINCES: Final[dict[str, tuple[str, str]]] = {
    "CA-AB": ("Alberta", "Alberta"),
    "CA-BC": ("British Columbia", "Colombie-Britannique"),
    "CA-MB": ("Manitoba", "Manitoba"),
    "CA-NB": ("New Brunswick", "Nouveau-Brunswick"),
    "CA-NL": ("Newfoundland and Labrador", "Terre-Neuve-et-Labrador"),
    "CA-NS": ("Nova Scotia", "Nouvelle-Écosse"),
    "CA-NT": ("Northwest Territories", "Territoires du Nord-Ouest"),
    "CA-NU": ("Nunavut", "Nunavut"),
    "CA-ON": ("Ontario", "Ontario"),
    "CA-PE": ("Prince Edward Island", "Île-du-Prince-Édouard"),
    "CA-QC": ("Quebec", "Québec"),
    "CA-SK": ("Saskatchewan", "Saskatchewan"),
    "CA-YT": ("Yukon", "Yukon"),
}
"""The ten provinces and three territories: code to English and French name (ISO 3166-2, entry CA)."""

SKILLS_VERSION: Final = "Skills for Success, Government of Canada, 2021"
SKILLS_FOR_SUCCESS: Final[dict[str, tuple[str, str]]] = {
    "adaptability": ("Adaptability", "Adaptabilité"),
    "collaboration": ("Collaboration", "Collaboration"),
    "communication": ("Communication", "Communication"),
    "creativity-innovation": ("Creativity and innovation", "Créativité et innovation"),
    "digital": ("Digital", "Compétences numériques"),
    "numeracy": ("Numeracy", "Calcul"),
    "problem-solving": ("Problem solving", "Résolution de problèmes"),
    "reading": ("Reading", "Lecture"),
    "writing": ("Writing", "Rédaction"),
}
"""The nine skills, by the code that an alignment gives them."""

OQF_VERSION: Final = "Ontario Qualifications Framework, Government of Ontario, 13 qualifications"
OQF_LEVELS: Final = tuple(str(number) for number in range(1, 14))
"""Its numbers, from 1 (Certificate I) to 13 (Doctoral Degree). No decision takes them for an order: certificates and
diplomas of different sectors stand side by side there. The levels that decisions compare are in core/grades.py."""

NOC_UNIT_GROUP: Final = re.compile(r"[0-9]{5}")
"""The form of a unit group: broad category, TEER (0 to 5), and three further digits. Which exist: ``noc2021.txt``."""
TEER_LEVELS: Final = ("0", "1", "2", "3", "4", "5")
"""Second digit of a NOC 2021 code: training, education, experience and responsibilities."""

ESCO_SKILL: Final = "http://data.europa.eu/esco/skill/"
"""What the URI of an ESCO skill begins with; its UUID follows. Three collections of skills: ``esco.txt``."""
_UUID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SKILL_GROUP: Final = r"[AKLST][0-9]{0,2}(\.[0-9]{1,2}){0,3}"
ESCO_URI: Final = re.compile(
    rf"http://data\.europa\.eu/esco/((skill|occupation)/{_UUID}|skill/{_SKILL_GROUP}|isced-f/[0-9]{{2,4}}"
    r"|isco/C[0-9]{1,4})"
)
"""The form of the URI of an ESCO concept: a skill, an occupation, or a group of them (ISCED-F, ISCO-08)."""
ESCO_GROUP: Final = re.compile(rf"{_SKILL_GROUP}|[0-9]{{2,4}}")
"""The form of the code of a group of skills (``S5.6.1``) or of knowledge (``0613``, ISCED-F)."""

_CUTOFF: Final = 0.75


def folded(text: str) -> str:
    """A text for comparison: without case, accents, and anything but letters and digits."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(re.findall(r"[a-z0-9]+", "".join(one for one in plain if not unicodedata.combining(one))))


_PROVINCE_NAMES: Final = {
    **{folded(name): code for code, names in PROVINCES.items() for name in names},
    **{folded(code): code for code in PROVINCES},
}


def province(text: str) -> str:
    """The code of a province or territory that was written as its name, its letters or nearly so; empty if none is."""
    found = folded(text[:80])
    if len(found) == 2 and f"ca {found}" in _PROVINCE_NAMES:
        return _PROVINCE_NAMES[f"ca {found}"]
    near = difflib.get_close_matches(found, _PROVINCE_NAMES, n=1, cutoff=_CUTOFF)
    return _PROVINCE_NAMES[near[0]] if near else ""
