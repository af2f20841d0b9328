"""Caps of a receiver on what counts towards a programme: the clauses of a policy pack, judged on the case at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.applying import Applied, Award, sums
from passerelle.core.facts import Facts
from passerelle.core.policy import PackResult, evaluate_pack
from passerelle.core.quantity import Credits
from passerelle.core.sending import Held
from passerelle.query import messages
from passerelle.query.packs import Chosen

DAYS_OF_A_YEAR: Final = Fraction(146_097, 400)
"""Of the Gregorian calendar, on average."""


@dataclass(frozen=True, slots=True)
class Caps:
    """A pack, the size of the programme that its shares are of, and the date that ages count back from."""

    chosen: Chosen
    size: Credits
    asked_on: dt.date

    def tell(self, message: pb.EvaluateResponse.ReceiverTotal, applied: Applied, held: Mapping[str, Held]) -> None:
        """Add to a receiver's total how its clauses are met, and what counts within them."""
        pack = self.chosen.pack
        counting = [award for award in applied.awards if award.towards]
        message.reasons.extend(messages.reason_messages(self.chosen.notes))
        for one in self.judge(counting, held).clauses:
            message.caps.add(
                pack=pack.id,
                pack_version=pack.version,
                clause=one.clause.id,
                force=one.clause.force,
                finding=one.finding.outcome,
                message=one.clause.message,
                reasons=messages.reason_messages((*one.finding.missing, *one.finding.notes)),
            )
        within: list[Award] = []
        for award in sorted(counting, key=lambda one: (-self.of_programme([one]), one.rule.id)):
            if self.judge([*within, award], held).outcome == "not-met":
                message.over_caps.append(award.rule.id)
            else:
                within.append(award)
        totals = sums(amount for award in within for amount in award.towards)
        message.within_caps.extend(messages.amount_message(amount) for amount in totals)

    def judge(self, awards: Sequence[Award], held: Mapping[str, Held]) -> PackResult:
        """The pack on these awards."""
        lines = [held[ref] for award in awards for ref in award.uses]
        plar = [award for award in awards if any(held[ref].basis == "plar" for ref in award.uses)]
        oldest = max(((self.asked_on - line.completed_on).days for line in lines), default=0)
        given = {
            "case.residency_share": float(1 - self.of_programme(awards)),
            "case.plar_share": float(self.of_programme(plar)),
            "case.years_since_completion": float(oldest / DAYS_OF_A_YEAR),
        }
        return evaluate_pack(self.chosen.pack, Facts("", {}, 0, self.asked_on, given=given))

    def of_programme(self, awards: Sequence[Award]) -> Fraction:
        """The share of the programme that awards give, in its own credit system."""
        own = [one.value for award in awards for one in award.towards if one.system == self.size.system]
        return sum(own, Fraction(0)) / self.size.value if self.size.value else Fraction(0)
