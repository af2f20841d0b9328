"""Whose a case is: the person of a learner's file, compared by a person at the office; unmatched is an answer too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import NotFound, Refused
from passerelle.core.lifecycle import next_state
from passerelle.node.author import Author
from passerelle.node.case_ports import Match, MatchStore
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner, Person, Vault
from passerelle.node.plan import NewEvent
from passerelle.node.ports import CaseRow
from passerelle.node.releases import NEW
from passerelle.node.transfers import Transfers
from passerelle.runtime.clock import Clock

MAX_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Matching:
    """The use cases. Releasing drafts is the caller's."""

    store: MatchStore
    transfers: Transfers
    author: Author
    vault: Vault
    clock: Clock

    async def waiting(self, case: str) -> tuple[Person, list[Learner]]:
        """The person of the file, for somebody at the office to compare, and learners with the birth date; at most 50.

        Raises NotFound ``not-found``, Refused ``learner-mismatch`` where the case does not wait to be matched.
        """
        _, candidate = await self._pending(case)
        person = self.vault.person(candidate)
        near = await self.store.learners_by(
            match_key=self.vault.match_key(person), birth_key=self.vault.birth_key(person)
        )
        return person, near

    async def confirm(self, case: str, who: str) -> str:
        """The case is this learner's (an id, or ``new`` for one not known here); the learner's id. Raises as above."""
        row, candidate = await self._pending(case)
        if who == NEW:
            learner = self.vault.update(candidate.id, candidate.wrapped_key, self.vault.person(candidate))
            details, gone = await self._details(row, candidate, learner), None
        else:
            found = await self.store.learner(who)
            if found is None or found.id == candidate.id:
                raise NotFound("not-found", "this node knows no such learner", where="--confirm")
            learner, gone = found, candidate.id
            details = await self._details(row, candidate, learner)
        match = Match(row, learner, who == NEW, details, gone, "")
        await self._settle(match, [])
        return learner.id

    async def unmatched(self, case: str, reason: str) -> Draft:
        """Nobody here is the person of the file: the case is withdrawn, the person's details are destroyed.

        The draft of the withdrawal. Raises as :meth:`confirm`, Refused ``step-illegal``, ``argument-missing``.
        """
        row, candidate = await self._pending(case)
        if not reason.strip():
            raise Refused("argument-missing", "why nobody matches is not stated", where="--unmatched")
        view = await self.transfers.view(case)
        if next_state("transfer", view.state, "withdrawn") is None:
            raise Refused("step-illegal", f"step withdrawn is not legal in state {view.state}", where="CASE")
        # The reason stays here: a free text about a person has no place in an event.
        data: dict[str, Any] = {"expected_version": view.version, "by": "receiver", "reason": "unmatched"}
        draft = self.author.draft(NewEvent(BY_NAME["transfer.withdrawn"], case, data))
        await self._settle(Match(row, None, False, None, candidate.id, reason.strip()[:MAX_REASON]), [draft])
        return draft

    async def _settle(self, match: Match, drafts: list[Draft]) -> None:
        if not await self.store.settle_match(match, drafts, self.clock.now_ms()):
            raise _not_waiting("confirmed or unmatched")

    async def _pending(self, case: str) -> tuple[CaseRow, Learner]:
        row = await self.store.case(case)
        if row is None:
            raise NotFound("not-found", "this node opened no such case", where="CASE")
        candidate = await self.store.learner(row.candidate) if row.candidate is not None else None
        if row.matched != "pending" or candidate is None:
            raise _not_waiting(row.matched)
        return row, candidate

    async def _details(self, row: CaseRow, candidate: Learner, learner: Learner) -> bytes | None:
        """What the release holds of the person, under the key of the learner that they are."""
        release = await self.store.release(row.release)
        if release is None or release.details is None:
            return None
        known = self.vault.open(candidate.id, candidate.wrapped_key, release.details)
        return self.vault.seal(learner.id, learner.wrapped_key, known)


def _not_waiting(state: str) -> Refused:
    return Refused(
        "learner-mismatch",
        f"the person of this case is {state}: nothing waits to be compared",
        where="CASE",
        fix="See passerelle node transfer show; a wrong match is mended by withdrawing the case and opening it anew.",
    )
