"""The office's work on transfer cases, put together: people, documents, proposals, letters, deadlines, impacts,
letters of permission.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from passerelle.core.signature import Signer
from passerelle.node.author import Author
from passerelle.node.case_documents import CaseDocuments
from passerelle.node.case_export import Exports
from passerelle.node.case_letter import Letters
from passerelle.node.case_ports import MatchStore, WorkStore
from passerelle.node.due import Deadlines
from passerelle.node.impacts import Impacts
from passerelle.node.matching import Matching
from passerelle.node.people import Vault
from passerelle.node.permission import Permissions
from passerelle.node.permission_letter import PermissionLetters
from passerelle.node.permission_ports import PermissionStore
from passerelle.node.preliminary import Preliminaries, PromiseStore
from passerelle.node.proposals import Proposals
from passerelle.node.rules_asked import Rules
from passerelle.node.sealed import OwnSeal
from passerelle.node.transfers import Transfers


class CaseworkStore(MatchStore, WorkStore, PromiseStore, PermissionStore, Protocol):
    """Everything that the work on cases keeps and reads."""


@dataclass(frozen=True, slots=True)
class Casework:
    """The use cases, each with the narrow part of the store that it needs."""

    matching: Matching
    documents: CaseDocuments
    proposals: Proposals
    letters: Letters
    exports: Exports
    deadlines: Deadlines
    impacts: Impacts
    preliminaries: Preliminaries
    permissions: Permissions
    permission_letters: PermissionLetters


def casework(
    store: CaseworkStore,
    transfers: Transfers,
    author: Author,
    vault: Vault,
    rules: Rules,
    signer: Signer,
    network: str,
    own: OwnSeal | None,
) -> Casework:
    """The use cases over one store."""
    clock, ids, member = transfers.clock, transfers.ids, transfers.member
    permissions = Permissions(store, rules, clock, ids, member)
    proposals = Proposals(store, transfers, rules, clock, member, permissions)
    return Casework(
        Matching(store, transfers, author, vault, clock),
        CaseDocuments(store, transfers, vault, clock, member, own),
        proposals,
        Letters(store, proposals, rules, vault, clock),
        Exports(store, proposals, vault),
        Deadlines(store, transfers, clock),
        Impacts(store, transfers, permissions),
        Preliminaries(store, rules, signer, clock, ids, member, network),
        permissions,
        PermissionLetters(store, permissions, rules, vault, clock),
    )
