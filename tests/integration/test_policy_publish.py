"""Packs go out through a node: every built-in one can be published as it is, and a broken one leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.node_desk import desk

from passerelle.cli.policy import PACK_EVENT, as_json_values
from passerelle.core.errors import PasserelleError
from passerelle.core.policy import load_pack
from passerelle.node.publishing import compose, event_type
from passerelle.query.packs import default_folder, read_yaml


async def test_every_built_in_pack_can_be_published_and_a_broken_one_cannot(database: str, tmp_path: Path) -> None:
    found = event_type(PACK_EVENT)
    files = sorted(default_folder().glob("*.yaml"))
    async with desk(tmp_path, database) as node:
        events = []
        for path in files:
            data = as_json_values(read_yaml(path))
            pack = load_pack(data)
            events.append(compose(found, data, subject=pack.id, member="humber", ids=node.office.ids))
        answers = await node.office.publish(events, wait_s=0)
        assert {(one["subject"], one["state"]) for one in answers} == {
            (f"humber/{path.stem}", "waiting") for path in files
        }
        broken = as_json_values(read_yaml(files[0]))
        broken["clauses"][0]["rule"] = "nothing.of.the.kind"
        with pytest.raises(PasserelleError, match="not declared"):
            compose(found, broken, subject="broken", member="humber", ids=node.office.ids)
        assert await node.look.fetchval("SELECT count(*) FROM node.outbox") == len(files)
