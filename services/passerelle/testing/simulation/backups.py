"""Databases that come back from an earlier backup: a node's, whose office says again what is lost, and the ledger's."""

from __future__ import annotations

import asyncio
from typing import Final

from passerelle.core.statement import digest
from passerelle.node.outbox import Draft
from passerelle.testing.simulation import faults as kinds
from passerelle.testing.simulation.faults import Fault
from passerelle.testing.simulation.plant import LEDGERS, LedgerBackup, Network
from passerelle.testing.simulation.script import HONEST

AGAIN_S: Final = 2.0
BEHIND_SHARE: Final = 0.7
BEHIND_S: Final = 2.5
"""In this share of a node's returns the ledger does not get to its ingress for so long."""


def back_up(network: Network, fault: Fault) -> None:
    """Take, some time before the fault, the backup that will be put back then."""
    member = HONEST[int(fault.amount * len(HONEST))]

    def take() -> None:
        if fault.kind == kinds.RESTORE_LEDGER:
            network.ledger_backups.append(LedgerBackup(fault, network))
        else:
            network.backups[fault] = (member, network.nodes[member].backup())

    asyncio.get_running_loop().call_later(fault.nth / 1000 * (fault.amount * 7 % 1), take)


def put_back(network: Network, fault: Fault) -> None:
    """The node begins again from its backup; its office sends what the node does not know any more."""
    member, backup = network.backups[fault]
    node = network.nodes[member]
    network.world.crash(network.world.lives[f"node-{member}"])
    network.restored.add(member)
    network.law.came_back(member)
    node.put_back(backup)

    def unknown() -> list[Draft]:
        held = {digest(row.signed.body) for row in node.outbox.values()} | {digest(one.body) for one in node.drafts}
        said = [parcel.draft for parcel in network.spoken if parcel.member == member]
        return [draft for draft in said if digest(draft.body) not in held]

    def send_again() -> None:
        network.missing.pop(member, None)
        network.world.note(f"node-{member}", "says again")
        node.add_drafts(unknown())

    # The office sees what is missing a while later, and says other things meanwhile; of what the node does not know it
    # can say nothing before.
    network.missing[member] = {draft.thing for draft in unknown()}

    asyncio.get_running_loop().call_later(AGAIN_S * (fault.amount * 13 % 1), send_again)
    if fault.amount * 31 % 1 < BEHIND_SHARE:
        # What the node sent in its earlier life is still on its way when the streams are compared.
        network.broker.ingress_silent_until = network.world.now + BEHIND_S


def put_back_ledger(network: Network, fault: Fault) -> None:
    """Both ledgers die; the next one begins from the backup, behind what the network was promised."""
    world, broker = network.world, network.broker
    if world.over.is_set():
        return
    for name in LEDGERS:
        world.crash(world.lives[name])
    if broker.late_until > world.now:
        # To put a database back takes longer than a broker can hold the last writes of those that died.
        network.unfinished = "the ledger's backup is not put back"
        asyncio.get_running_loop().call_later(broker.late_until - world.now, put_back_ledger, network, fault)
        return
    network.unfinished = ""
    next(one for one in network.ledger_backups if one.fault == fault).put_back(network)
    world.note("world", "the ledger's database comes back", f"{network.database.head.size} of {network.law.feed}")
