"""One federation of whole processes for the tests that kill nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from tests.conftest import run_here

from passerelle.testing.faults.network import OPERATOR, Network

MEMBERS = {"humber": ("issue", "recognise"), "york": ("issue", "recognise"), "laval": ("issue", "recognise")}


async def start_federation(network: Network) -> None:
    """Servers, ledger, query service and nodes; the members are admitted when this returns."""
    await asyncio.gather(network.postgres.start(), network.kafka.start())
    await network.make_databases(list(MEMBERS))
    network.make_folders(MEMBERS)
    await network.found()
    network.start_ledger()
    for member in (OPERATOR, *MEMBERS):
        network.start_node(member)
    network.start_query()
    for name in network.keeper.kept:
        await network.keeper.until_ready(name)
    await network.until_shown(list(MEMBERS))


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[Network]:
    """A running network of three members; its servers are its own, so that every record in them is known."""
    say("starting a federation: broker, database, ledger, query, four nodes")
    network = Network(tmp_path_factory.mktemp("federation"), with_query=True)
    try:
        run_here(start_federation(network))
        yield network
    finally:
        run_here(network.close())
