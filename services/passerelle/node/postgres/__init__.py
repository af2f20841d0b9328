"""The node's store on PostgreSQL: one class, its parts in the modules beside."""

from __future__ import annotations

from passerelle.node.postgres.cases import Cases
from passerelle.node.postgres.drafts import Drafts
from passerelle.node.postgres.inbox import Inbox
from passerelle.node.postgres.outbox import Outbox
from passerelle.node.postgres.restore import Restore
from passerelle.node.postgres.session import MIGRATIONS, open_pool, session
from passerelle.node.postgres.status import StatusQueries
from passerelle.node.postgres.witness import WitnessQueries

__all__ = ["MIGRATIONS", "PostgresStore", "open_pool", "session"]


class PostgresStore(Drafts, Outbox, Inbox, Cases, StatusQueries, WitnessQueries, Restore):
    """Everything that a node keeps, in its own database."""
