"""A typed client of the network's gRPC services, for this project's own parts and for others (docs/client.md).

>>> async with Client("127.0.0.1:8443") as client:
...     found = await client.call(Equivalency.FIND, FindRequest(achievement="humber/revit-architecture"))
"""

from passerelle.client.budget import RetryBudget
from passerelle.client.identity import Identity, MemberIdentity
from passerelle.client.methods import Articulation, Equivalency, Ledger, Portability, Stream, Transfer, Unary
from passerelle.client.rpc import Client
from passerelle.client.sync import SyncClient

__all__ = [
    "Articulation",
    "Client",
    "Equivalency",
    "Identity",
    "Ledger",
    "MemberIdentity",
    "Portability",
    "RetryBudget",
    "Stream",
    "SyncClient",
    "Transfer",
    "Unary",
]
