"""What a node's database keeps of letters of permission. Their whole way is walked in test_node_cases.py."""

from __future__ import annotations

from pathlib import Path

from tests.integration.node_desk import desk
from tests.integration.permission_steps import day

from passerelle.core.catalogue import BY_NAME
from passerelle.node.people import Person
from passerelle.node.permission import Terms
from passerelle.node.permission_ports import AskedPermission
from passerelle.node.ports import ReleaseRow


async def test_a_nodes_database_keeps_what_was_asked_and_lists_all_it_knows(tmp_path: Path, database: str) -> None:
    async with desk(tmp_path, database, member="york") as york:
        store, ids = york.office.store, york.office.ids
        learner = york.office.vault.enrol(Person("Ada Planted", "1999-02-03"))
        release = ReleaseRow(ids.uuid4(), False, "humber", learner.id, (), "transfer", "2199-01-01")
        await store.save_release(release, [], learner=learner, proved=(), now_ms=1)
        line = {"line": 1, "achievement": "humber/x", "match": "miss", "rule": {}, "outcome": None, "reasons": []}
        term = {"starts_on": day(40), "ends_on": day(90)}
        asked = AskedPermission(ids.uuid7(), learner.id, "humber", "", term, 7, (line,))
        await store.save_permission(asked, 1)
        assert await store.permission(asked.id) == asked
        assert await store.permission(ids.uuid7()) is None
        heard = ids.uuid7()
        await york.look.execute(
            "INSERT INTO node.party_body (index, type, member, subject, thing, body)"
            " VALUES (1, $1, 'queens', $2, $3, '{}')",
            BY_NAME["transfer.permission-granted"].full, heard, f"permission:{heard}",
        )  # fmt: skip
        other = {"outcome": {"type": "exemption", "achievement": "york/adms1000"}, "individual_reason": "Read"}
        event = await york.office.casework().permissions.grant(asked.id, Terms(changes={1: other}))
        await york.office.publish([event])
        assert await store.permission_ids("", 10) == sorted([asked.id, heard])
        assert await store.permission_ids(min(asked.id, heard), 10) == [max(asked.id, heard)]
        assert len(await store.permission_ids("", 1)) == 1
        kept = await store.learner_file(learner.id)
        assert kept is not None
        assert [one["id"] for one in kept.permissions] == [asked.id]
