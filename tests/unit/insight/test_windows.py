"""Summaries: what is read, and what is shown of the counts."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.insight.windows import SUPPRESS_BELOW, SummaryInvalid, read_summary, row_key, shown


def row(accepted: int, refused: int = 0) -> dict[str, Any]:
    return {
        "member": "humber",
        "jurisdiction": "CA-ON",
        "family": "credential",
        "type": "ca.passerelle.credential.issued.v1",
        "accepted": accepted,
        "refused": refused,
    }


def summary(**more: Any) -> dict[str, Any]:
    return {"from": 10, "size": 15, "accepted_at": 1_760_000_000_000, "counts": [row(4, 1)], **more}


def test_a_summary_is_read() -> None:
    read = read_summary(summary())
    assert (read.start, read.size, read.accepted_at) == (10, 15, 1_760_000_000_000)
    # A ledger that did not count cases yet is not one that counted none.
    assert read.cases is None
    assert read_summary(summary(cases=[])).cases == ()


def case_row(**more: Any) -> dict[str, Any]:
    return {"sending": "CA-ON", "receiving": "CA-BC", "appeals": {"kept": 2}, "decided": {"131": 1}, **more}


def test_what_cases_came_to_is_read() -> None:
    (row,) = read_summary(summary(cases=[case_row(more="unknown")])).cases or ()
    assert (row.sending, row.receiving, row.appeals, row.decided) == ("CA-ON", "CA-BC", {"kept": 2}, {"131": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"size": 16},
        {"from": 15, "counts": []},
        {"counts": None},
        {"accepted_at": "soon"},
        {"counts": [{"accepted": 5}]},
        {"counts": [{"accepted": 5, "refused": 0}]},
        {"cases": None},
        {"cases": ["CA-ON"]},
        {"cases": [{"sending": "CA-ON", "receiving": "CA-BC"}]},
        {"cases": [case_row(sending="CA-ON|CA-BC")]},
        {"cases": [case_row(appeals={"won": 1})]},
        {"cases": [case_row(appeals=["kept"])]},
        {"cases": [case_row(appeals={"kept": 0})]},
        {"cases": [case_row(decided={"-1": 1})]},
        {"cases": [case_row(decided={"1000": 1})]},
        {"cases": [case_row(decided={"long": 1})]},
        {"cases": [case_row(decided={"131": "many"})]},
    ],
)
def test_what_does_not_add_up_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SummaryInvalid):
        read_summary(summary(**change))


@pytest.mark.parametrize(
    ("accepted", "refused", "suppressed"), [(9, 0, True), (10, 0, False), (10, 3, True), (0, 0, False)]
)
def test_small_counts_by_type_are_suppressed(accepted: int, refused: int, suppressed: bool) -> None:
    assert SUPPRESS_BELOW == 10
    (out,) = shown([(row_key(row(accepted, refused)), 0, accepted, refused)])
    assert out["suppressed"] is suppressed
    assert out["accepted"] == (None if suppressed else accepted)
    assert out["member"] == "humber"
