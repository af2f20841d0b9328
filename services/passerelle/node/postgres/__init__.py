"""The node's store on PostgreSQL: one class, its parts in the modules beside."""

from __future__ import annotations

from passerelle.node.postgres.agreements import AgreementQueries
from passerelle.node.postgres.articulation import ArticulationQueries
from passerelle.node.postgres.case_work import CaseWork
from passerelle.node.postgres.cases import Cases
from passerelle.node.postgres.drafts import Drafts
from passerelle.node.postgres.export import Exports
from passerelle.node.postgres.imports import Imports
from passerelle.node.postgres.inbox import Inbox
from passerelle.node.postgres.jobs import Jobs
from passerelle.node.postgres.learners import Learners
from passerelle.node.postgres.outbox import Outbox
from passerelle.node.postgres.permissions import Permissions
from passerelle.node.postgres.restore import Restore
from passerelle.node.postgres.session import MIGRATIONS, open_pool, session
from passerelle.node.postgres.status import StatusQueries
from passerelle.node.postgres.witness import WitnessQueries

__all__ = ["MIGRATIONS", "PostgresStore", "open_pool", "session"]


class PostgresStore(
    Drafts,
    Imports,
    Outbox,
    Inbox,
    Cases,
    CaseWork,
    Permissions,
    StatusQueries,
    WitnessQueries,
    Restore,
    AgreementQueries,
    ArticulationQueries,
    Exports,
    Learners,
    Jobs,
):
    """Everything that a node keeps, in its own database."""
