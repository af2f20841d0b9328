"""Rules for the tests of agreements files: a small table of institutions, and hypothesis strategies."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from passerelle.node.agreements.book import Book, Institution

BOOK = Book(
    [
        Institution("SFU", "sfu", "units", "letter-4.33", "sfu/to-bccat"),
        Institution("UFV", "ufv", "credit-hours", "letter-4.33", "ufv/to-bccat"),
        Institution("TRU-OL", "tru", "credit-hours", "percentage-50"),
    ]
)

subjects = st.sampled_from(("HUM", "RLST", "HIST", "CSCI"))
numbers = st.sampled_from(("101", "130", "213W", "2"))
courses = st.builds(lambda member, subject, number: f"{member}/{subject}{number}",
                    st.sampled_from(("sfu", "ufv", "tru", "elsewhere")), subjects, numbers)  # fmt: skip
odd = st.sampled_from(("sfu/hist-213", "ufv/A.1", "unlisted/X9"))
quantities = st.sampled_from(("0", "3", "1.5", "7/3"))
systems = st.sampled_from(("units", "credit-hours", "ects", "cegep-units"))
credits = st.fixed_dictionaries({"value": quantities, "system": systems})
grades = st.fixed_dictionaries(
    {"scheme": st.sampled_from(("letter-4.33", "percentage-50")), "grade": st.sampled_from(("C-", "B+", "65", "A B"))}
)
leaves = st.fixed_dictionaries(
    {"achievement": courses | odd},
    optional={"minimum_grade": grades, "within_years": st.integers(1, 9), "basis": st.just(["completed"])},
)


def _joined(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(parts, min_size=1, max_size=3)
    return (
        several.map(lambda of: {"all_of": of})
        | several.map(lambda of: {"any_of": of})
        | several.map(lambda of: {"n_of": {"n": 1, "of": of}})
        | st.builds(lambda amount, of: {"credits_from": {"credits": amount, "of": of}}, credits, several)
    )


expressions = st.recursive(leaves, _joined, max_leaves=6)

_conditions = st.lists(
    st.fixed_dictionaries({"use": st.sampled_from(("credit", "prerequisite", "programme")), "minimum_grade": grades}),
    max_size=2,
)
_terms = {
    "attributes": st.lists(st.sampled_from(("B Hum", "W", "a & b", "x, y")), min_size=1, max_size=2),
    "conditions": _conditions,
    "applicability": st.sampled_from(("major", "elective")),
    "exclusions": st.lists(courses, min_size=1, max_size=2),
}
_receiving = st.builds(lambda subject, number: f"sfu/{subject}{number}", subjects, numbers)
_simple = (
    st.fixed_dictionaries(
        {"type": st.just("assigned"), "achievement": _receiving | odd, "credits": credits}, optional=_terms
    )
    | st.fixed_dictionaries(
        {"type": st.just("unassigned"), "subject": subjects | st.just("Film studies"), "credits": credits},
        optional={"level": st.sampled_from(("100", "2nd", "graduate")), **_terms},
    )
    | st.fixed_dictionaries({"type": st.just("exemption"), "achievement": _receiving}, optional=_terms)
    | st.fixed_dictionaries({"type": st.just("block"), "programme": odd, "entry_year": st.integers(1, 4)})
)
outcomes = _simple | st.recursive(
    _simple,
    lambda parts: st.builds(
        lambda kind, of: {"type": kind, "of": of},
        st.sampled_from(("choice", "sum")),
        st.lists(parts, min_size=2, max_size=3),
    ),
    max_leaves=5,
)
_dates = st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)).map(str)
_texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), max_size=40).map(
    str.strip
)
_notes = _texts.map(lambda text: text or "=1+1")
_base: dict[str, st.SearchStrategy[Any]] = {"receiver": st.just("sfu"), "sending": expressions, "valid_from": _dates}
_more: dict[str, st.SearchStrategy[Any]] = {
    "valid_to": _dates,
    "note": _notes,
    "source": _notes,
    "delegation": st.sampled_from(("sfu/to-bccat", "sfu/other")),
    "request": st.just("ufv/ar1"),
    "sample": st.booleans(),
}
granted = st.fixed_dictionaries(
    {**_base, "outcome": outcomes, "kind": st.sampled_from(("equivalency", "block-transfer"))},
    optional={
        **_more,
        "jurisdictions": st.lists(st.sampled_from(("CA-BC", "CA-ON")), min_size=1, max_size=2),
        "supersedes": st.fixed_dictionaries(
            {"recognition": st.just("bccat/7"), "mode": st.sampled_from(("replaces-all", "replaces-from"))},
            optional={"from_date": _dates},
        ),
    },
)
denied = st.fixed_dictionaries({**_base, "reason": st.sampled_from(("content", "other"))}, optional=_more)
private_notes = _texts
