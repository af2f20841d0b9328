"""Reading the log over HTTP and gRPC from a real ledger, and what those who are not party never see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
import pytest
from tests.integration.ledger_out import ANN, BOB, SECRET, Sample, empty_topics, until_shown, vkey_of, whole_ledger

from passerelle.api.ledger.v1 import ledger_pb2 as pb
from passerelle.api.ledger.v1 import ledger_pb2_grpc
from passerelle.core.checkpoint import open_checkpoint
from passerelle.core.entry import parse_entry
from passerelle.core.merkle import Frontier, leaf_hash, leaf_hashes, root_from_leaves, verify_consistency
from passerelle.core.note import VerifierKey
from passerelle.core.receipt import Receipt, verify_receipt
from passerelle.core.statement import digest
from passerelle.core.tiles import decode_bundle
from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.config import LedgerConfig
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.identity import make_token
from passerelle.runtime.rpc import from_rpc_error, metadata, open_channel
from passerelle.testing.federation import Federation, Member, seed_of, uuid_of
from passerelle.testing.running_ledger import Ledger, begin_at_the_end, make_config

MANY = 260
"""Further public entries, so that one tile is full."""


@dataclass
class World:
    ledger: Ledger
    sample: Sample
    config: LedgerConfig
    http: httpx.AsyncClient
    stub: ledger_pb2_grpc.LedgerServiceStub
    size: int

    def token(self, signer: Member, *, member: str = "", network: str = "", now_s: int = 0) -> Any:
        """Call metadata with a token; the claims are the signer's own unless others are given."""
        now_s = now_s or SystemClock().now_ms() // 1000
        seed, network = seed_of(signer.key_name), network or self.config.network
        return metadata(make_token(seed, member=member or signer.id, network=network, now_s=now_s))

    async def place(self, member: str, family: str, sequence: int) -> int:
        return int(
            await self.ledger.look.fetchval(
                "SELECT index FROM ledger.entry WHERE (member, family, sequence) = ($1, $2, $3)",
                member,
                family,
                sequence,
            )
        )


@pytest.fixture
async def world(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[World]:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    laval = sample.laval
    data = {
        "version": 1,
        "kind": "course",
        "title": "Many",
        "language": "en",
        "awarding_bodies": ["urn:passerelle:member:laval"],
        "credit_bearing": True,
    }
    many = laval.sign([laval.write("credential.achievement-published", f"laval/{n}", data) for n in range(MANY)])
    events = [*sample.events, *many]
    async with whole_ledger(config, events) as (ledger, _process, addresses):
        await until_shown(ledger, len(events))
        async with httpx.AsyncClient(base_url=addresses["log"]) as http, open_channel(addresses["grpc"]) as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            yield World(ledger, sample, config, http, stub, len(events))


async def code_of(call: Any) -> str:
    """The typed code that a call fails with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value).code


async def test_the_tiles_prove_the_checkpoint(world: World) -> None:
    http, key = world.http, vkey_of(world.config)
    assert VerifierKey.parse((await http.get("/vkey")).text.strip()) == key
    response = await http.get("/checkpoint")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint = open_checkpoint(response.content, [key]).checkpoint
    assert checkpoint.size == world.size == 256 + 19
    full, rest = await http.get("/tile/entries/000"), await http.get("/tile/entries/001.p/19")
    entries = [*decode_bundle(full.content, 256), *decode_bundle(rest.content, 19)]
    leaves = leaf_hashes(entries)
    assert root_from_leaves(leaves) == checkpoint.root
    assert (await http.get("/tile/0/000")).content == b"".join(leaves[:256])
    assert (await http.get("/tile/0/001.p/7")).content == b"".join(leaves[256:263])
    assert (await http.get("/tile/1/000.p/1")).content == root_from_leaves(leaves[:256])
    assert full.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "immutable" not in rest.headers["cache-control"]


PROBLEMS = [
    ("/tile/0/002", 404, "tile-absent"),
    ("/tile/0/001", 404, "tile-absent"),
    ("/tile/0/001.p/20", 404, "tile-absent"),
    ("/tile/entries/001.p/20", 404, "tile-absent"),
    ("/tile/1/000.p/2", 404, "tile-absent"),
    ("/tile/64/000", 400, "tile-address-malformed"),
    ("/tile/0/0", 400, "tile-address-malformed"),
    ("/tile/0/001.p/256", 400, "tile-address-malformed"),
    ("/tile/entries/..%2f..%2fcheckpoint", 400, "tile-address-malformed"),
    ("/body/abc", 400, "hash-malformed"),
    ("/body/" + "0" * 64, 404, "body-absent"),
    ("/nothing", 404, "not-found"),
]


async def test_what_is_not_there_is_a_problem_document(world: World) -> None:
    for path, status, code in PROBLEMS:
        response = await world.http.get(path)
        assert (path, response.status_code, response.json()["code"]) == (path, status, code)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status
    assert (await world.http.post("/checkpoint")).status_code == 405
    assert (await world.http.head("/checkpoint")).status_code == 200


async def test_public_bodies_by_hash_until_they_are_withdrawn(world: World) -> None:
    event = next(item for item in world.sample.events if b"achievement-published" in item.body)
    path = f"/body/{digest(event.body).hex()}"
    response = await world.http.get(path)
    assert response.content == event.body
    assert response.headers["x-content-type-options"] == "nosniff"
    await world.ledger.look.execute("UPDATE ledger.public_body SET body = NULL WHERE sha256 = $1", digest(event.body))
    gone = await world.http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (410, "body-withdrawn")


async def test_no_door_gives_a_body_to_one_who_is_not_party(world: World) -> None:
    """Tiles, bundles, body endpoint, entries, proofs, watch and inboxes, as the public and as a member outside."""
    parties = [item for item in world.sample.events if b"nonce" in item.body or SECRET.encode() in item.body]
    assert len(parties) == 8
    for path in ("/tile/entries/000", "/tile/entries/001.p/19", "/checkpoint"):
        content = (await world.http.get(path)).content
        assert SECRET.encode() not in content
    for item in parties:
        assert (await world.http.get(f"/body/{digest(item.body).hex()}")).status_code == 404
    outsider = world.token(world.sample.laval)
    hidden = 0
    for index in range(world.size):
        open_to = []
        for call in ((), outsider):
            answer = await world.stub.GetEntry(pb.GetEntryRequest(index=index), metadata=call)
            proof = await world.stub.GetProof(pb.GetProofRequest(index=index), metadata=call)
            assert proof.body == answer.body
            entry = parse_entry(answer.entry)
            public = entry.accepted and entry.parsed().visibility == "public"
            assert bool(answer.body) == bool(answer.type) == bool(answer.subject) == public
            open_to.append(answer.body)
        assert open_to[0] == open_to[1]
        hidden += not open_to[0]
    assert hidden == 8
    seen = [
        item async for item in limited(world.stub.Watch(pb.WatchRequest(from_index=0), metadata=outsider), world.size)
    ]
    assert sum(not item.type for item in seen) == 8
    assert all(ANN not in item.subject and BOB not in item.subject for item in seen)


async def limited(stream: Any, count: int) -> AsyncIterator[Any]:
    """The first items of a call, then cancel it."""
    async for item in stream:
        yield item
        count -= 1
        if count == 0:
            stream.cancel()
            return


async def test_parties_and_the_operator_read_what_is_theirs(world: World) -> None:
    humber, york, operator = world.sample.humber, world.sample.york, world.sample.federation.operator
    amended, release = pb.StreamPosition(member="humber", family="credential", sequence=3), pb.StreamPosition()
    release.CopyFrom(pb.StreamPosition(member="humber", family="credential", sequence=6))
    refused = pb.StreamPosition(member="humber", family="credential", sequence=7)

    async def body(place: pb.StreamPosition, member: Member) -> bytes:
        answer = await world.stub.GetEntry(pb.GetEntryRequest(stream=place), metadata=world.token(member))
        return bytes(answer.body)

    assert SECRET.encode() in await body(amended, humber)
    assert SECRET.encode() in await body(amended, operator)
    assert await body(amended, york) == b""
    assert orjson.loads(await body(release, york))["data"]["receiver"] == "york"
    assert SECRET.encode() in await body(refused, humber)
    assert SECRET.encode() in await body(refused, operator)
    assert await body(refused, york) == b""
    # Bob's credential was erased: nobody reads it any more, its entry and proof stay.
    erased = pb.StreamPosition(member="humber", family="credential", sequence=4)
    assert await body(erased, humber) == b""
    proof = await world.stub.GetProof(pb.GetProofRequest(stream=erased))
    receipt = Receipt(proof.entry, proof.proof.encode())
    keys = [vkey_of(world.config)]
    verified = verify_receipt(receipt, humber.signer.public_key, keys, world.config.network)
    assert verified.index == await world.place("humber", "credential", 4)


async def test_inboxes_are_for_their_member_and_the_operator(world: World) -> None:
    york, laval, operator = world.sample.york, world.sample.laval, world.sample.federation.operator
    request = pb.ListInboxRequest(member="york", after=0, page_size=500)
    assert await code_of(world.stub.ListInbox(request)) == "unauthenticated"
    assert await code_of(world.stub.ListInbox(request, metadata=world.token(laval))) == "not-a-party"
    own = await world.stub.ListInbox(request, metadata=world.token(york))
    assert [record.number for record in own.records] == list(range(1, len(own.records) + 1))
    assert [record.kind for record in own.records].count("body") == 1
    assert own == await world.stub.ListInbox(request, metadata=world.token(operator))
    after = pb.ListInboxRequest(member="york", after=1, page_size=1)
    assert [item.number for item in (await world.stub.ListInbox(after, metadata=world.token(york))).records] == [2]


async def test_identities_that_do_not_hold(world: World) -> None:
    york, laval = world.sample.york, world.sample.laval
    request = pb.ListInboxRequest(member="york")
    now = SystemClock().now_ms() // 1000
    wrong = {
        "another's name": world.token(laval, member="york"),
        "another network": world.token(york, network="other.example/1"),
        "no key of the registry": world.token(Member("york", key_name="unlisted")),
        "the root key, ended": world.token(Member("operator", key_name="other")),
    }
    for name, token in wrong.items():
        assert await code_of(world.stub.ListInbox(request, metadata=token)) == "token-invalid", name
    assert await code_of(world.stub.ListInbox(request, metadata=world.token(york, now_s=now - 600))) == "token-expired"


async def read_a_stream(world: World) -> None:
    """In order and in pages, bodies to those who may read them."""
    stub, humber = world.stub, world.sample.humber
    rows = await world.ledger.look.fetch(
        "SELECT entry FROM ledger.entry WHERE member = 'humber' AND family = 'credential' ORDER BY sequence"
    )
    entries = [row["entry"] for row in rows]
    request = pb.ListStreamRequest(member="humber", family="credential", bodies=True)
    public = list((await stub.ListStream(request)).entries)
    own = list((await stub.ListStream(request, metadata=world.token(humber))).entries)
    assert [one.entry for one in public] == [one.entry for one in own] == entries
    held = [one for one in own if one.body]
    assert all(digest(one.body) == parse_entry(one.entry).parsed().body_sha256 for one in held)
    assert sum(bool(one.body) for one in public) < len(held) <= len(own)
    assert all(one.type and one.subject for one in held if parse_entry(one.entry).accepted)
    assert all(bool(one.what) != parse_entry(one.entry).accepted for one in own)
    hidden = [one for one in public if not one.body]
    assert hidden
    assert all((one.type, one.subject, one.what) == ("", "", "") for one in hidden)
    assert [one.entry for one in public if one.body] != []
    paged: list[bytes] = []
    while page := (await stub.ListStream(
        pb.ListStreamRequest(member="humber", family="credential", after=len(paged), page_size=3)
    )).entries:  # fmt: skip
        assert len(page) <= 3
        assert not any(one.body for one in page)
        paged += [one.entry for one in page]
    assert paged == entries
    beyond = pb.ListStreamRequest(member="humber", family="credential", after=2**63)
    assert await code_of(stub.ListStream(beyond)) == "argument-invalid"
    assert await code_of(stub.ListStream(pb.ListStreamRequest(member="nobody", family="member"))) == "member-unknown"


async def test_head_consistency_stream_members_and_volume(world: World) -> None:
    stub = world.stub
    head = await stub.GetHead(pb.GetHeadRequest())
    entries = [row["entry"] for row in await world.ledger.look.fetch("SELECT entry FROM ledger.entry ORDER BY index")]
    frontier = Frontier()
    frontier.extend(leaf_hashes(entries))
    assert (head.position.size, head.root, head.network) == (world.size, frontier.root(), world.config.network)
    assert head.position.floor_ms >= head.position.accepted_at_ms > 0
    path = (await stub.GetConsistency(pb.GetConsistencyRequest(from_size=100, to_size=world.size))).path
    verify_consistency(100, root_from_leaves(leaf_hashes(entries[:100])), world.size, frontier.root(), list(path))
    beyond = pb.GetConsistencyRequest(from_size=1, to_size=world.size + 1)
    assert await code_of(stub.GetConsistency(beyond)) == "position-outside"
    stream = await stub.GetStream(pb.GetStreamRequest(member="humber", family="credential"))
    assert (stream.sequence, stream.digest, stream.waiting) == (8, world.sample.humber.heads["credential"][1], 0)
    empty = await stub.GetStream(pb.GetStreamRequest(member="laval", family="transfer"))
    assert (empty.sequence, empty.digest) == (0, bytes(32))
    assert await code_of(stub.GetStream(pb.GetStreamRequest(member="nobody", family="transfer"))) == "member-unknown"
    assert await code_of(stub.GetStream(pb.GetStreamRequest(member="york", family="x"))) == "family-unknown"
    await read_a_stream(world)
    members = await stub.ListMembers(pb.ListMembersRequest(min_position=world.size))
    assert [member.id for member in members.members] == ["humber", "laval", "operator", "york"]
    assert members.members[0].keys[0].public_key == world.sample.humber.signer.public_key
    late = stub.ListMembers(pb.ListMembersRequest(min_position=world.size + 1), timeout=1)
    assert await code_of(late) == "position-not-reached"
    volume = await stub.GetVolume(pb.GetVolumeRequest())
    assert sum(bucket.accepted + bucket.refused for bucket in volume.buckets) == world.size
    assert sum(bucket.refused for bucket in volume.buckets) == 1
    assert await code_of(stub.GetVolume(pb.GetVolumeRequest(hours=721))) == "argument-invalid"


async def test_entries_that_are_not_there(world: World) -> None:
    stub = world.stub
    absent = [
        pb.GetEntryRequest(index=world.size),
        pb.GetEntryRequest(index=2**64 - 1),
        pb.GetEntryRequest(stream=pb.StreamPosition(member="york", family="transfer", sequence=9)),
        pb.GetEntryRequest(stream=pb.StreamPosition(member="york", family="transfer", sequence=2**64 - 1)),
    ]
    for request in absent:
        assert await code_of(stub.GetEntry(request)) == "entry-absent"
    assert await code_of(stub.GetEntry(pb.GetEntryRequest())) == "argument-missing"
    assert await code_of(stub.GetEntry(pb.GetEntryRequest(event_id=uuid_of("x")))) == "argument-invalid"


async def test_a_proof_waits_for_the_checkpoint_that_covers_it(world: World) -> None:
    event = world.sample.york.achievement("late")
    await world.ledger.send(event)
    await world.ledger.until_size(world.size + 1)
    proof = await world.stub.GetProof(pb.GetProofRequest(index=world.size))
    receipt = Receipt(proof.entry, proof.proof.encode(), proof.body)
    keys = [vkey_of(world.config)]
    verified = verify_receipt(receipt, world.sample.york.signer.public_key, keys, world.config.network)
    assert (verified.index, verified.body) == (world.size, event.body)


async def test_watch_follows_the_log_in_order(world: World) -> None:
    start = world.size - 5
    stream = world.stub.Watch(pb.WatchRequest(from_index=start))
    seen = asyncio.create_task(collect(stream, 5 + 3))
    await world.ledger.send(*[world.sample.york.achievement(f"w{n}") for n in range(3)])
    items = await asyncio.wait_for(seen, 20)
    assert [item.index for item in items] == list(range(start, start + 8))
    rows = await world.ledger.look.fetch("SELECT entry FROM ledger.entry WHERE index >= $1 ORDER BY index", start)
    assert [leaf_hash(item.entry) for item in items] == [leaf_hash(row["entry"]) for row in rows]
    assert await code_of(collect(world.stub.Watch(pb.WatchRequest(from_index=10_000)), 1)) == "position-outside"


async def collect(stream: Any, count: int) -> list[Any]:
    return [item async for item in limited(stream, count)]
