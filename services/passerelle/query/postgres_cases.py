"""Whole transfer cases of schema ``read``: each answer is one statement, so one round trip and one view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from passerelle.core.errors import Unavailable
from passerelle.query.ports import CaseRow, CasesRead, Head, StepRow, UseRow, WholeCase

SESSION: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "default_transaction_read_only": "on",
}
"""Settings of the sessions that answer calls. What a call asks, an index finds, row by row.

Plans are kept for as long as a connection lives. Until tables are analysed, which takes a minute or more where a log
grows fast, the planner takes them for small, and a plan that reads them whole looks cheap.
"""
LONG_RANGES: Final = "set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)"
"""In the list of a SELECT: until the transaction ends, the planner may join many rows at once."""

_HEAD: Final = "h.network, h.size, h.accepted_at, h.floor"
_CASE: Final = "t.id, t.state, t.version, t.changed, t.data"
# A case's events that one of $2 is party to (null: all), as one array, whose order is the log's.
_STEPS: Final = """
LEFT JOIN LATERAL (
    SELECT array_agg((e.index, e.accepted_at, e.member, e.type, e.body, e.parties) ORDER BY e.index) AS steps
    FROM read.party_event e WHERE e.subject = t.id AND ($2::text[] IS NULL OR e.parties && $2)
) AS s ON true
"""
# A mark says that a credential counts towards a programme of a receiver: its key is made of the three. Each table is
# asked for one key of what was found before: OFFSET 0 keeps the planner from joining them in another order.
_USES: Final = """
LEFT JOIN LATERAL (
    SELECT array_agg((f.credential, f.receiver, f.programme, f.state, f.changed)) AS uses FROM (
        SELECT c.id AS credential, o.receiver, o.programme, o.state, o.changed
        FROM jsonb_array_elements_text(t.data -> 'credentials') AS c (id)
        CROSS JOIN LATERAL (
            SELECT dependent, member FROM read.dependency WHERE on_key = 'credential:' || c.id OFFSET 0
        ) AS d
        CROSS JOIN LATERAL (
            SELECT id, kind, state, changed, data ->> 'receiver' AS receiver, data ->> 'programme' AS programme
            FROM read.thing WHERE key = d.dependent OFFSET 0
        ) AS o
        CROSS JOIN LATERAL (
            SELECT state, data ->> 'case' AS case_id FROM read.thing
            WHERE key = 'counted:' || o.receiver || '|' || o.programme || '|' || c.id OFFSET 0
        ) AS m
        WHERE o.kind = 'transfer' AND o.id <> t.id AND o.receiver = d.member
            AND m.state = 'counted' AND m.case_id = o.id
        ORDER BY 1, 5 LIMIT $3
    ) AS f
) AS u ON true
"""
_ONE: Final = (
    f"SELECT {_HEAD}, {_CASE}, s.steps, u.uses FROM read.head h LEFT JOIN read.thing t ON t.key = $1 {_STEPS} {_USES}"  # noqa: S608 - our own texts
)
# One branch a role, so that each is answered from its own index.
_OF_ROLE: Final = """
(SELECT key, changed FROM read.thing
WHERE kind = 'transfer' AND data ->> '{role}' = m.member AND changed >= $3 ORDER BY changed LIMIT $4)
"""
_CHANGED: Final = f"""
WITH found AS MATERIALIZED (
    SELECT DISTINCT c.changed, c.key FROM unnest($1::text[]) AS m (member)
    CROSS JOIN LATERAL ({_OF_ROLE.format(role="sender")} UNION ALL {_OF_ROLE.format(role="receiver")}) AS c
    ORDER BY 1, 2 LIMIT $4
)
SELECT {_HEAD}, {_CASE}, s.steps FROM read.head h
LEFT JOIN (found f JOIN read.thing t ON t.key = f.key) ON true {_STEPS} ORDER BY t.changed, t.id
"""  # noqa: S608 - our own texts


async def one_case(connection: Any, case: str, member: str | None, uses: int) -> CasesRead:
    """See :meth:`passerelle.query.ports.CaseStore.case`."""
    row = await connection.fetchrow(_ONE, f"transfer:{case}", None if member is None else [member], uses)
    return _read([] if row is None else [row])


async def changed_cases(
    connection: Any, members: Sequence[str], readers: Sequence[str] | None, first: int, limit: int
) -> CasesRead:
    """See :meth:`passerelle.query.ports.CaseStore.changed`."""
    return _read(await connection.fetch(_CHANGED, members, readers, first, limit))


def head_of(row: Sequence[Any] | None) -> Head:
    """The head row. Raises Unavailable ``database-unavailable`` where there is none yet."""
    if row is None:
        raise Unavailable("database-unavailable", "the ledger has not made its database ready yet")
    return Head(*row)


def _read(rows: Sequence[Any]) -> CasesRead:
    """Each row states the head; that of a log without such cases states nothing else."""
    head = head_of(rows[0][:4] if rows else None)
    return CasesRead(head, [_whole(row) for row in rows if row["id"] is not None])


def _whole(row: Any) -> WholeCase:
    return WholeCase(
        CaseRow(*row[4:9]),
        [StepRow(*step) for step in row["steps"] or ()],
        [UseRow(*use) for use in row.get("uses") or ()],
    )
