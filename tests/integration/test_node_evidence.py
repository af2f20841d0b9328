"""A signed PDF becomes evidence of a case, on a real PostgreSQL: held under the learner's key, told by hash, once."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from tests.integration.node_desk import Desk, desk
from tests.unit.node.signed_pdf import authority, signed_pdf

from passerelle.core.catalogue import BY_NAME
from passerelle.node.evidence_pdf import PdfEvidence, Trust, check_pdf
from passerelle.node.people import Person
from passerelle.node.plan import NewEvent
from passerelle.node.ports import CaseRow, ReleaseRow

SIGNED = signed_pdf()


async def open_case(york: Desk) -> str:
    """A case of a learner of ours, as if the ledger had shown all that it rests on."""
    office, store = york.office, york.office.store
    learner = office.vault.enrol(Person("Zoë Planted", "1999-02-03"))
    case, release = office.ids.uuid7(), office.ids.uuid4()
    details = office.vault.seal(learner.id, learner.wrapped_key, {"results": []})
    row = ReleaseRow(release, False, "humber", learner.id, (), "transfer", "2199-01-01", details)
    await store.save_release(row, [], learner=learner, proved=(), now_ms=1)
    opened = {"release": release, "sender": "humber", "receiver": "york", "credentials": [office.ids.uuid7()]}
    first = office.author.draft(NewEvent(BY_NAME["transfer.requested"], case, opened))
    for need in first.needs:
        await york.look.execute("INSERT INTO node.seen (key) VALUES ($1)", need)
    await store.save_case(CaseRow(case, release, "humber", learner.id), [first], 1)
    assert await office.release() == 1
    return case


async def test_a_verified_pdf_is_held_and_its_hashes_go_out_once(database: str, tmp_path: Path) -> None:
    path = tmp_path / "transcript.pdf"
    path.write_bytes(SIGNED)
    trust = Trust([authority().certificate.public_bytes(Encoding.DER)])
    async with desk(tmp_path, database, member="york") as york:
        office, case = york.office, await open_case(york)
        documents = office.casework().documents
        desk_of = PdfEvidence(office.transfers(), documents)
        report = await check_pdf(path, trust, office.clock.now_ms(), case=case)
        event = await desk_of.attach(report)
        assert event is not None
        [told] = await office.publish([event])
        assert told["type"] == "transfer.evidence-added"
        await york.look.execute(
            "INSERT INTO node.seen (key) SELECT unnest(needs) FROM node.draft ON CONFLICT DO NOTHING"
        )
        await office.release()
        listed = await documents.listed(case)
        assert [(one["media_type"], one["state"]) for one in listed] == [
            ("application/pdf", "held"), ("application/json", "held"),
        ]  # fmt: skip
        for one, name in zip(listed, ("out.pdf", "out.json"), strict=True):
            await documents.write(case, one["sha256"], tmp_path / name)
        assert (tmp_path / "out.pdf").read_bytes() == SIGNED
        assert json.loads((tmp_path / "out.json").read_bytes())["verdict"] == "verified"
        for row in await york.rows("SELECT body FROM node.outbox"):
            assert b"Sample" not in row["body"]
            assert b"Planted" not in row["body"]
        for row in await york.rows("SELECT content FROM node.case_document"):
            assert b"Sample" not in row["content"]
        assert await desk_of.attach(report) is None
