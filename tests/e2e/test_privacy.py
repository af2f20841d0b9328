"""Personal details never leave the node: planted in every door of an office, searched in all that others hold."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import httpx
import pytest
from tests.e2e.support.leaks import Search

from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.api.transfer.v1 import transfer_pb2, transfer_pb2_grpc
from passerelle.core.statement import digest
from passerelle.events.topics import CHECKPOINT, FEED, REGISTRY, SUMMARY, inbox_topic, ingress_topic
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.identity import make_token
from passerelle.runtime.keys import read_seed
from passerelle.runtime.rpc import from_rpc_error, metadata, open_channel
from passerelle.testing.audit import open_log, read_topic
from passerelle.testing.faults.network import NETWORK, OPERATOR, Network, Ran

PEOPLE = (
    ("Philomena Quillfeather", "philomena.quillfeather@mail.example", "QF-7781204", "1987-03-09"),
    ("Élodie Tremblay-Bûcheron", "elodie.tbucheron@courriel.example", "QF-7781205", "1991-11-23"),
    ("Ngũgĩ Ochieng’ Abernathy", "ochieng.abernathy@mail.example", "QF-7781206", "1979-01-30"),
)
RECORD = "award of zebediah.marker@mail.example"
STRAY = "Wilhelmina Strandgaard"
"""Stands where no name belongs: in shifted cells, unknown columns and fields, a broken release file."""
PLANTED = (*(text for person in PEOPLE for text in person), RECORD, "zebediah.marker@mail.example", STRAY)
PUBLIC = "Zoological glassblowing"
"""A title: it must be found wherever it is public, or the search finds nothing at all."""
CASE = {"humber", "york"}
ACHIEVEMENTS = "id,kind,title,language,credit_bearing,credits\n"
LEARNER = "learner_student_number,learner_name,learner_birth_date,learner_email"


class Offices:
    """What the registrars of three members do by the command line."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.case = ""
        self.release: dict[str, Any] = {}

    async def command(self, member: str, *argv: str, code: int = 0) -> Ran:
        """Run a command on a member's node; it must end with this code."""
        ran = await self.network.command(*argv, config=self.network.sites[member].toml)
        assert ran.code == code, f"{argv}: {ran}"
        return ran

    def file(self, name: str, text: str) -> str:
        """Write a file of the office; its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    async def open_shop(self) -> None:
        """Achievements of both, and the receiver's rule."""
        courses = f"glass,course,{PUBLIC},en,yes,3 credit-hours\n"
        await asyncio.gather(
            *(
                self.command(member, "node", "import", self.file(f"{member}.csv", ACHIEVEMENTS + courses))
                for member in ("humber", "york")
            )
        )

    async def import_people(self) -> None:
        """Credentials, course results, an assessment; and files in which people stand where they must not."""
        rows = [
            f"{RECORD if n == 0 else f'award-{n}'},glass,2026-05-0{n + 1},{student},{name},{birth},{mail}"
            for n, (name, mail, student, birth) in enumerate(PEOPLE)
        ]
        header = f"record_id,achievement,conferred_on,{LEARNER}"
        awards = self.file("awards.csv", "\n".join([header, *rows]) + "\n")
        await self.command("humber", "node", "import", awards, "--dry-run")
        await self.command("humber", "node", "import", awards)
        results = [
            f"result-{n},glass,final,{student},{name},{birth},{mail},percentage-50,81"
            for n, (name, mail, student, birth) in enumerate(PEOPLE)
        ]
        header = f"record_id,course,status,{LEARNER},grade_scheme,grade"
        await self.command("humber", "node", "import", self.file("results.csv", "\n".join([header, *results]) + "\n"))
        name, mail, student, birth = PEOPLE[1]
        header = f"record_id,achievement,assessed_on,assessment_methods,assessor,outcome_type,outcome_course,{LEARNER}"
        row = f"plar-1,glass,2026-04-01,portfolio,independent,exemption,glass,{student},{name},{birth},{mail}"
        await self.command("york", "node", "import", self.file("assessments.csv", f"{header}\n{row}\n"))

    async def import_mistakes(self) -> list[Ran]:
        """Rows and columns that are wrong, with a person in the wrong place."""
        name, mail, student, birth = PEOPLE[0]
        header = f"record_id,achievement,conferred_on,{LEARNER}"
        wrong = [
            f"x-1,glass,{STRAY},{student},{name},{birth},{mail}",
            f"x-2,{STRAY},2026-05-01,{student},{name},{birth},{mail}",
            f"x-3,glass,2026-05-01,{student},{name},{STRAY},{STRAY}",
            f"x-4,glass,2026-05-01,{student},{name},{birth},{mail},{STRAY}",
            f"x-5,glass,2026-05-01,{student},{name},{birth},{mail}",
            f"x-5,glass,2026-05-02,{student},{name},{birth},{mail}",
        ]
        shifted = self.file("shifted.csv", "\n".join([header, *wrong]) + "\n")
        unknown = self.file(
            "unknown.csv", f"{header},{STRAY}\nx-9,glass,2026-05-01,{student},{name},{birth},{mail},a\n"
        )
        headless = self.file("headless.csv", f"x-9,glass,2026-05-01,{student},{name},{birth},{mail}\n")
        ran = [
            await self.command("humber", "node", "import", shifted, "--kind", "credentials", code=2),
            await self.command("humber", "node", "import", unknown, "--kind", "credentials", code=1),
            await self.command("humber", "node", "import", headless, code=1),
        ]
        report = (self.folder / "shifted.errors.csv").read_text(encoding="utf-8")
        assert report.count("\n") > 6
        return [*ran, Ran(0, report, "")]

    async def publish_mistakes(self) -> list[Ran]:
        """Events with a person in a field that does not exist, and as the value of one that does."""
        name, mail, _, _ = PEOPLE[0]
        body: dict[str, Any] = {"reason": "other", "note": "a remark", "learner_name": name, "email": mail}
        value = {"kind": STRAY, "title": PUBLIC, "language": "en", "credit_bearing": True, "version": 1}
        unknown = self.file("unknown.json", json.dumps({"subject": "x", "data": {**value, STRAY: mail}}))
        wrong = self.file("amended.json", json.dumps({"subject": "x", "data": body}))
        return [
            await self.command("humber", "node", "publish", "credential.achievement-published", unknown, code=1),
            await self.command("humber", "node", "publish", "credential.suspended", wrong, code=1),
        ]

    async def transfer(self) -> None:
        """One learner's release, and the case that rests on it, posted."""
        path = self.folder / "learner.release.json"
        ran = await self.command(
            "humber", "node", "release", "create", "--record", RECORD, "--receiver", "york", "--ends", "2199-01-01",
            "--results", "--out", str(path), "--wait", "30", "--json",
        )  # fmt: skip
        self.release = ran.json()
        opened = await self.command(
            "york", "node", "transfer", "request", "--release", str(path), "--confirm", "new", "--wait", "30", "--json"
        )
        self.case = opened.json()["case"]
        await self.command(
            "york", "node", "transfer", "decide", self.case, "--individual-reason", "other", "--credit", "glass",
            "--amount", "3 credit-hours", "--wait", "30",
        )  # fmt: skip

    async def refuse_files(self) -> list[Ran]:
        """Release files that are not right, with people in them."""
        good = json.loads((self.folder / "learner.release.json").read_bytes())
        assert good["person"] == {"name": PEOPLE[0][0], "birth_date": PEOPLE[0][3]}
        more = self.file("more.release.json", json.dumps({**good, STRAY: PEOPLE[0][1]}))
        person = self.file("person.release.json", json.dumps({**good, "person": {**good["person"], "email": STRAY}}))
        birth = self.file(
            "birth.release.json", json.dumps({**good, "person": {"name": PEOPLE[0][0], "birth_date": STRAY}})
        )
        return [await self.command("york", "node", "release", "accept", file, code=1) for file in (more, person, birth)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("offices")


@pytest.mark.timeout(400)
async def test_no_detail_of_a_person_leaves_the_node(federation: Network, folder: Path) -> None:
    before = await party_events(federation)
    offices = Offices(federation, folder)
    await offices.open_shop()
    await offices.import_people()
    said = await offices.import_mistakes()
    said += await offices.publish_mistakes()
    await offices.transfer()
    said += await offices.refuse_files()
    for member in ("humber", "york"):
        await offices.command(member, "node", "status", "--wait", "30")
        said += [await offices.command(member, "node", *words) for words in (("records",), ("refused",))]
    search = Search(PLANTED)
    kafka = KafkaConfig(bootstrap=federation.kafka.bootstrap)
    topics = await search.topics(kafka)
    assert {FEED, CHECKPOINT, REGISTRY, SUMMARY, inbox_topic("york"), ingress_topic("transfer")} <= topics
    tables = await search.database(federation.ledger_dsn, "ledger")
    assert {"ledger.entry", "ledger.party_body", "ledger.inbox", "ledger.thing", "ledger.volume"} <= tables
    for member, site in federation.sites.items():
        # Not asked of others, but true: even at home the details lie encrypted.
        assert "node.seen" in await search.database(site.dsn, f"node {member}")
    logs = search.files(federation.folder, "*.log") | search.files(federation.folder, "*.out")
    assert {"ledger.log", "query.log", "node-humber.log", "node-york.log", "kafka.log", "postgres.log"} <= logs
    for ran in said:
        search.look("what a command said", ran.out + ran.err)
    assert search.found == []
    assert all(ran.err or ran.out for ran in said)
    await check_the_search(kafka, federation.ledger_dsn)
    await check_parties(federation, offices, before)


async def check_the_search(kafka: KafkaConfig, dsn: str) -> None:
    """What is public is found by the same search in the same places: it does look."""
    search = Search((PUBLIC,))
    await search.topics(kafka)
    await search.database(dsn, "ledger")
    places = "\n".join(search.found)
    assert FEED in places
    assert ingress_topic("credential") in places
    assert "ledger.public_body" in places


def test_the_search_finds_every_spelling() -> None:
    name = PEOPLE[1][0]
    raw = name.encode()
    for hidden in (
        raw, name.encode("utf-16-le"), name.encode("latin-1"), json.dumps(name).encode(), raw.hex().encode(),
        *(base64.b64encode(b"x" * shift + raw + b"tail") for shift in range(3)),
        base64.b64encode(json.dumps({"a": name}).encode()), b"\\x" + json.dumps({"n": name}).encode().hex().encode(),
        base64.b64encode(base64.b64encode(raw)), hashlib.sha256(raw).hexdigest().encode(),
    ):  # fmt: skip
        search = Search((name,))
        search.look("here", b"before " + hidden + b" after")
        assert search.found, hidden
    search = Search((name,))
    search.look("here", b"nobody " + bytes(1000).hex().encode())
    assert search.found == []


Place = tuple[str, str, int]
"""Member, family, sequence."""


async def party_events(network: Network) -> dict[Place, bytes]:
    """Every party body that the members sent, by place."""
    found = {}
    for member, site in network.sites.items():
        connection = await asyncpg.connect(site.dsn)
        try:
            rows = await connection.fetch("SELECT family, sequence, statement, body FROM node.outbox")
        finally:
            await connection.close()
        for row in rows:
            if row["statement"].split(b"\n")[6] == b"party":
                found[member, row["family"], row["sequence"]] = row["body"]
    return found


async def check_parties(network: Network, offices: Offices, before: Collection[Place]) -> None:
    """No party body is in the tiles, on the feed, at the body endpoint, or in an answer to one who is not party.

    Other modules use the network too: what stood there ``before`` is theirs.
    """
    bodies = {place: body for place, body in (await party_events(network)).items() if place not in before}
    assert {(member, family) for member, family, _ in bodies} == {
        ("humber", "credential"),
        ("york", "recognition"),
        ("york", "transfer"),
    }
    subjects = {json.loads(body)["subject"] for body in bodies.values()}
    nonces = {json.loads(body)["nonce"] for body in bodies.values()}
    hidden = [*(text.encode() for text in subjects | nonces), *bodies.values()]
    url = network.log_url()
    assert url is not None
    async with open_log(url) as log:
        size = int((await log.get("/checkpoint")).split(b"\n")[1])
        tiles = b"\n".join(await log.entries(size))
    assert len(bodies) < size
    feed = b"\n".join([record.value async for record in read_topic(kafka_of(network), FEED)])
    for text in hidden:
        assert text not in tiles
        assert text not in feed
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for body in bodies.values():
            assert (await client.get(f"/body/{digest(body).hex()}")).json()["code"] == "body-absent"
    async with open_channel(network.query) as channel:
        await check_entries(network, channel, bodies)
        await check_case(network, channel, offices.case)


def kafka_of(network: Network) -> KafkaConfig:
    return KafkaConfig(bootstrap=network.kafka.bootstrap)


def caller(network: Network, member: str) -> Any:
    """Metadata of a member's call; of the public without one."""
    if not member:
        return metadata(None)
    seed = read_seed(network.sites[member].folder / "signing.key")
    now = SystemClock().now_ms() // 1000
    return metadata(make_token(seed, member=member, network=NETWORK, now_s=now))


async def check_entries(network: Network, channel: Any, bodies: dict[Place, bytes]) -> None:
    """Entry and proof of every party event through the query service, as everybody in turn."""
    stub = ledger_pb2_grpc.LedgerServiceStub(channel)
    for (member, family, sequence), body in bodies.items():
        place = ledger_pb2.StreamPosition(member=member, family=family, sequence=sequence)
        # A step of a case names nobody: its parties are those of the request that opened it.
        parties = {member, OPERATOR} | (CASE if family == "transfer" else named_parties(json.loads(body)))
        for asking in ("", *network.sites):
            answer = await stub.GetEntry(
                ledger_pb2.GetEntryRequest(stream=place), metadata=caller(network, asking), timeout=20
            )
            proof = await stub.GetProof(
                ledger_pb2.GetProofRequest(stream=place), metadata=caller(network, asking), timeout=20
            )
            may = asking in parties
            assert (answer.body, proof.body) == ((body, body) if may else (b"", b"")), (member, family, asking)
            assert bool(answer.subject) == may


def named_parties(body: dict[str, Any]) -> set[str]:
    """Members that a party event of this test names beside its sender."""
    data = body["data"]
    return {data[name] for name in ("receiver", "sender") if name in data}


async def check_case(network: Network, channel: Any, case: str) -> None:
    """The transfer case is shown to its two parties, and to nobody else not even that it exists."""
    stub = transfer_pb2_grpc.TransferServiceStub(channel)
    for asking in ("humber", "york"):
        shown = await stub.Show(transfer_pb2.ShowRequest(case=case), metadata=caller(network, asking), timeout=20)
        assert case in str(shown)
    for asking, code in (("laval", "not-a-party"), ("", "unauthenticated")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Show(transfer_pb2.ShowRequest(case=case), metadata=caller(network, asking), timeout=20)
        assert from_rpc_error(caught.value).code == code
        assert "humber" not in str(caught.value.details())
