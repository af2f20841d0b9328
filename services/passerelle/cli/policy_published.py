"""The version of a policy pack that is in force on the ledger, read through the query service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from passerelle.core.errors import FormatError, NotFound, SignatureInvalid

if TYPE_CHECKING:
    from passerelle.client import Client
    from passerelle.core.policy import Pack


async def published(client: Client, name: str, asked_on: str, timeout: float) -> tuple[Pack, int]:
    """The pack and the log index of the entry that published it. ``name``: a bare id, or ``member/id``.

    Raises NotFound ``policy-unknown`` where the ledger has none in force, SignatureInvalid ``body-hash-mismatch``, and
    what the services refuse.
    """
    from passerelle.api.ledger.v1 import ledger_pb2
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.client import Ledger, Portability

    request = pb.ListPacksRequest(asked_on=asked_on)
    listed = await client.call(Portability.LIST_PACKS, request, timeout_s=timeout)
    index = next((one.used.evidence.index for one in listed.packs if one.id == name and _on_ledger(one)), None)
    if index is None:
        raise NotFound("policy-unknown", "The ledger holds no version of this pack that is in force.", where=name)
    found = await client.call(Ledger.GET_ENTRY, ledger_pb2.GetEntryRequest(index=index), timeout_s=timeout)
    return read_published(found.entry, found.body, f"ledger entry {index}"), index


def _on_ledger(one: Any) -> bool:
    return bool(one.used.origin == "ledger")


def read_published(entry: bytes, body: bytes, where: str) -> Pack:
    """The pack in the body of an entry. Raises SignatureInvalid ``body-hash-mismatch``, FormatError."""
    from passerelle.core.entry import parse_entry
    from passerelle.core.policy import load_pack
    from passerelle.core.statement import digest

    if digest(body) != parse_entry(entry).parsed().body_sha256:
        raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the entry names.", where=where)
    try:
        data = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        raise FormatError("policy-invalid", "The entry publishes no policy pack.", where=where) from None
    return load_pack(data)
