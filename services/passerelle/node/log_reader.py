"""The log over HTTP, read with bounds (C2SP tlog-tiles)."""

from __future__ import annotations

from typing import Final

import httpx

from passerelle.core.errors import FormatError, NotFound, Unavailable
from passerelle.core.merkle import HASH_SIZE
from passerelle.core.note import MAX_NOTE_SIZE
from passerelle.core.tiles import WIDTH, TileCoord

TIMEOUT_S: Final = 10.0
_ABSENT: Final = frozenset({404, 410})


class HttpLog:
    """See :class:`passerelle.node.witness_ports.LogReader`."""

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/", timeout=TIMEOUT_S, follow_redirects=False, transport=transport
        )

    async def tile(self, coord: TileCoord) -> bytes:
        """See :class:`passerelle.node.witness_ports.LogReader`."""
        try:
            return await self._hashes(coord)
        except NotFound:
            if coord.width == WIDTH:
                raise
            # A server may drop partial tiles once the whole one is there (tlog-tiles, "Pruning").
            return await self._hashes(TileCoord(coord.level, coord.index))

    async def _hashes(self, coord: TileCoord) -> bytes:
        size = coord.width * HASH_SIZE
        data = await self._get(coord.path, size)
        if len(data) != size:
            raise FormatError("tile-malformed", f"The tile does not hold {coord.width} hashes.", where=coord.path)
        return data

    async def checkpoint(self) -> bytes:
        """See :class:`passerelle.node.witness_ports.LogReader`."""
        return await self._get("checkpoint", MAX_NOTE_SIZE)

    async def _get(self, path: str, limit: int) -> bytes:
        """A page of at most ``limit`` bytes, read no further. Raises NotFound, FormatError, Unavailable."""
        data = bytearray()
        try:
            async with self._client.stream("GET", path) as response:
                if response.status_code in _ABSENT:
                    raise NotFound("tile-absent", "The log does not have this yet.", where=path)
                if response.status_code != httpx.codes.OK:
                    what = f"The log answers with status {response.status_code}."
                    raise Unavailable("service-unavailable", what, where=path)
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > limit:
                        raise FormatError("tile-malformed", f"The page is over {limit} bytes.", where=path)
        except httpx.HTTPError as error:
            what = f"The log does not answer: {type(error).__name__}."
            raise Unavailable("service-unavailable", what, where=path) from None
        return bytes(data)

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()
