"""The pool's type under a name that modules without the client may import."""

from __future__ import annotations

import asyncpg

Pool = asyncpg.Pool
Connection = asyncpg.Connection
