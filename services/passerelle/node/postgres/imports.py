"""Imports as the node remembers them: their runs, their row errors, their drafts while these can be cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from passerelle.core.errors import FormatError
from passerelle.node.csv_report import ImportReport
from passerelle.node.ports import ImportRun
from passerelle.node.postgres.drafts import IMPORT_LOCK
from passerelle.node.postgres.inbox import settle_records
from passerelle.node.postgres.session import WORK, Connection, Part, session

MAX_ERRORS: Final = 10_000
"""Row errors kept of one import."""
KEPT_RUNS: Final = 20
"""Imports whose row errors are kept; of older ones the counts stay."""
MAX_RUNS: Final = 1_000
_COUNT: Final = """
SELECT count(*) FROM node.record
WHERE kind = $1 AND current IS NOT NULL AND current ->> 'status' NOT IN ('revoked', 'erased')
"""
_BETWEEN: Final = """
SELECT key, kind, thing, current ->> 'status' AS status FROM node.record
WHERE kind = $1 AND current IS NOT NULL AND current ->> 'status' NOT IN ('revoked', 'erased')
    AND key >= $2 AND key < $3 ORDER BY key
"""
_RUNS: Final = """
SELECT r.*, (SELECT count(*) FROM node.draft d WHERE d.run = r.id) AS drafts
FROM node.import_run r ORDER BY r.at DESC, r.id DESC LIMIT $1
"""
_ERRORS: Final = """
SELECT r.id AS import, r.at, r.kind, e.row, e.column_name AS column, e.code, e.what, e.fix
FROM node.import_error e JOIN node.import_run r ON r.id = e.run
ORDER BY r.at DESC, r.id DESC, e.number LIMIT $1
"""


class Imports(Part):
    """See :class:`passerelle.node.ports.ImportStore` and :class:`passerelle.node.ports.StatusStore`."""

    async def compares(self, kind: str) -> bool:
        """See :class:`passerelle.node.ports.ImportStore`."""
        async with session(self._pool) as connection:
            query = "SELECT EXISTS (SELECT 1 FROM node.record WHERE kind = $1 AND likeness IS NOT NULL)"
            return bool(await connection.fetchval(query, kind))

    async def count_records(self, kind: str) -> int:
        """See :class:`passerelle.node.ports.ImportStore`."""
        async with session(self._pool) as connection:
            return int(await connection.fetchval(_COUNT, kind))

    async def records_between(self, kind: str, prefix: str) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.ImportStore`."""
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(_BETWEEN, kind, prefix, f"{prefix}g")]

    async def begin_import(self, run: ImportRun, kind: str) -> None:
        """See :class:`passerelle.node.ports.ImportStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute(
                "INSERT INTO node.import_run (id, at, kind, held_until) VALUES ($1, $2, $3, $4)",
                run.id, run.at, kind, run.held_until,
            )  # fmt: skip

    async def end_import(self, run: ImportRun, report: ImportReport) -> None:
        """See :class:`passerelle.node.ports.ImportStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute(
                "UPDATE node.import_run SET rows = $2, new = $3, changed = $4, unchanged = $5, refused = $6,"
                " events = $7, finished = true WHERE id = $1",
                run.id, report.rows, report.new, report.changed, report.unchanged, report.refused, report.events,
            )  # fmt: skip
            await connection.copy_records_to_table(
                "import_error",
                schema_name="node",
                columns=["run", "number", "row", "column_name", "code", "what", "fix"],
                records=[
                    (run.id, number, error.row, error.column, error.code, error.what, error.fix)
                    for number, error in enumerate(report.errors[:MAX_ERRORS])
                ],
            )
            await connection.execute(
                "DELETE FROM node.import_error WHERE run NOT IN"
                " (SELECT id FROM node.import_run ORDER BY at DESC, id DESC LIMIT $1)",
                KEPT_RUNS,
            )
            await connection.execute(
                "DELETE FROM node.import_run r WHERE r.id NOT IN"
                " (SELECT id FROM node.import_run ORDER BY at DESC, id DESC LIMIT $1)"
                " AND NOT EXISTS (SELECT 1 FROM node.draft d WHERE d.run = r.id)",
                MAX_RUNS,
            )

    async def imports(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(_RUNS, limit)]

    async def refused_rows(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(_ERRORS, limit)]

    async def end_window(self, run: str) -> int:
        """Let an import's drafts go out now; how many that are. Raises FormatError ``draft-unknown``."""
        async with session(self._pool, transaction=True) as connection:
            await _known_run(connection, run)
            done = await connection.fetch("UPDATE node.draft SET held_until = NULL WHERE run = $1 RETURNING id", run)
            await connection.execute("UPDATE node.import_run SET held_until = NULL WHERE id = $1", run)
            await connection.execute("SELECT pg_notify($1, '')", WORK)
        return len(done)

    async def cancel_import(self, run: str, now_ms: int) -> int:
        """Take an import's drafts back, with what was drafted later about the same things; records go back to what the
        ledger accepted of them. How many drafts that were.

        Raises FormatError ``draft-unknown``, ``draft-released`` where one of them has its number already.
        """
        async with session(self._pool, transaction=True) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            await connection.execute("SELECT 1 FROM node.stream FOR UPDATE")
            found = await _known_run(connection, run)
            rows = await connection.fetch("SELECT id, thing FROM node.draft WHERE run = $1 ORDER BY id", run)
            if len(rows) < found["events"] or not found["finished"]:
                await _check_whole(connection, run, found, len(rows))
            gone = await connection.fetch(
                "DELETE FROM node.draft d USING (SELECT thing, min(id) AS id FROM node.draft WHERE run = $1"
                " GROUP BY thing) AS first WHERE d.thing = first.thing AND d.id >= first.id"
                " RETURNING d.id, d.family, d.marks",
                run,
            )
            await _take_back(connection, gone)
            await connection.execute("UPDATE node.import_run SET cancelled_at = $2 WHERE id = $1", run, now_ms)
        return len(gone)


async def _known_run(connection: Connection, run: str) -> Mapping[str, Any]:
    found = await connection.fetchrow("SELECT * FROM node.import_run WHERE id = $1", run)
    if found is None or found["cancelled_at"] is not None:
        what = "there is no import of this id" if found is None else "this import was cancelled already"
        raise FormatError("draft-unknown", what, fix="See passerelle node drafts list.")
    return dict(found)


async def _check_whole(connection: Connection, run: str, found: Mapping[str, Any], left: int) -> None:
    """An import of which nothing was released can be cancelled, also one that was ended in the middle."""
    if found["held_until"] is None or (found["finished"] and left < found["events"]):
        what = f"{found['events'] - left} of its {found['events']} events were released and signed"
        raise FormatError("draft-released", what)


async def _take_back(connection: Connection, gone: list[Mapping[str, Any]]) -> None:
    """What the drafts would have made of records is undone, the latest first."""
    rows = [
        {"family": row["family"], "sequence": row["id"], "outcome": "refused", "marks": orjson.dumps(row["marks"])}
        for row in gone
    ]
    await settle_records(connection, rows)
