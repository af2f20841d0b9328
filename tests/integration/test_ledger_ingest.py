"""The ledger on a real Kafka and a real PostgreSQL: what is accepted, refused, answered, and what is nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from passerelle.core.entry import parse_entry
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.config import LedgerConfig
from passerelle.testing.federation import Federation, Member, uuid_of
from passerelle.testing.running_ledger import Ledger, begin_at_the_end, make_config, running


@dataclass
class World:
    """A federation of two members with one achievement each, in a running ledger."""

    ledger: Ledger
    federation: Federation
    config: LedgerConfig
    humber: Member
    york: Member
    size: int


@pytest.fixture
async def config(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> LedgerConfig:
    federation = Federation(f"test.example/{unique_name('net')}")
    made = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(made)
    return made


@pytest.fixture
async def world(config: LedgerConfig) -> AsyncIterator[World]:
    federation = Federation(config.network)
    founding = [federation.found()]
    humber, admission = federation.admit("humber")
    founding.append(admission)
    york, admission = federation.admit("york")
    founding += [admission, humber.achievement("energy"), york.achievement("energy-2")]
    async with running(config, founding) as ledger:
        yield World(ledger, federation, config, humber, york, len(founding))


async def test_the_log_is_its_entries_and_its_tiles_give_their_root(world: World) -> None:
    ledger, humber = world.ledger, world.humber
    written = [
        humber.write("credential.issued", uuid_of(str(number)), data)
        for number in range(600)
        for data in [
            {
                "achievement": "humber/energy",
                "achievement_version": 1,
                "awarding_bodies": ["urn:passerelle:member:humber"],
                "registration": "humber",
                "conferred_on": "2025-06-10",
                "basis": "completed",
                "record": f"{number:064x}",
            }
        ]
    ]
    await ledger.send(*humber.sign(written))
    await ledger.until_size(world.size + 600)
    rows = await ledger.look.fetch("SELECT index, entry, accepted_at, digest FROM ledger.entry ORDER BY index")
    assert [row["index"] for row in rows] == list(range(world.size + 600))
    assert [parse_entry(row["entry"]).accepted_at for row in rows] == sorted(row["accepted_at"] for row in rows)
    frontier = Frontier()
    frontier.extend(leaf_hashes(row["entry"] for row in rows))
    head = await ledger.look.fetchrow("SELECT * FROM ledger.head")
    assert head is not None
    assert (head["size"], head["frontier"]) == (frontier.size, b"".join(frontier.peaks))
    first = await ledger.look.fetchval("SELECT hashes FROM ledger.tile WHERE level = 1 AND n = 0")
    assert len(first) == 32 * (frontier.size >> 8)
    outcomes = (await ledger.letters("humber", "receipts"))[-1][0]["outcomes"]
    assert outcomes[-1] == {"sequence": 601, "index": world.size + 599, "outcome": "accepted"}
    assert await ledger.count("party_body") == 600
    volume = await ledger.look.fetchval("SELECT sum(accepted) FROM ledger.volume WHERE family = 'credential'")
    assert volume == 602


async def test_what_verifies_under_no_key_is_nobodys(world: World) -> None:
    ledger, humber, york = world.ledger, world.humber, world.york
    good = humber.copy().achievement("a")
    forged = replace(good, batch_signature=bytes(64))
    altered = replace(good, body=good.body.replace(b"Energy", b"Enargy"))
    thief = humber.copy()
    thief.rekey("york")
    stranger = Member("mcgill", world.config.network)
    elsewhere = Member("humber", "another.example/1")
    bad = [forged, altered, thief.achievement("b"), stranger.achievement("c"), elsewhere.achievement("d")]
    await ledger.send(*bad, york.achievement("after"))
    await ledger.until_size(world.size + 1)
    assert (await ledger.outcomes())[-1] == ("york", "credential", 2, "accepted")

    async def counted() -> bool:
        return await ledger.count("unverified") == len(bad)

    await ledger.until(counted, "the unverified records")
    told = await ledger.unverified()
    assert sorted(row["code"] for row in told) == sorted(
        ["signature-invalid", "body-hash-mismatch", "key-of-other-member", "key-unknown", "network-mismatch"]
    )
    assert await ledger.letters("humber", "problem") == []
    # Nothing was spent: the member goes on at the same number.
    await ledger.send(humber.achievement("real"))
    await ledger.until_size(world.size + 2)
    assert (await ledger.outcomes())[-1] == ("humber", "credential", 2, "accepted")


async def test_an_ended_key_is_answered_and_the_node_signs_anew(world: World) -> None:
    ledger, humber, operator = world.ledger, world.humber, world.federation.operator
    old_key = humber.signer.key_id
    old = humber.copy()
    written = humber.write("credential.achievement-published", "humber/next", world_achievement("humber"))
    await ledger.send(
        operator.changes_keys(humber, remove=[{"key_id": old_key}], add=[Member("humber", key_name="new").key()])
    )
    await ledger.until_size(world.size + 1)
    await ledger.send(*old.sign([written]))
    problems = await ledger.until_letter("humber", "problem")
    assert problems[0]["code"] == "key-not-valid"
    assert problems[0]["head"]["sequence"] == 1
    assert [row["code"] for row in await ledger.unverified()] == ["key-not-valid"]
    humber.rekey("new")
    await ledger.send(*humber.sign([written]))
    await ledger.until_size(world.size + 2)
    assert (await ledger.outcomes())[-1] == ("humber", "credential", 2, "accepted")


async def test_a_key_out_of_its_dates_signs_nothing(world: World) -> None:
    ledger, operator = world.ledger, world.federation.operator
    laval = Member("laval", world.config.network)
    expired = laval.key(valid_to="2026-01-01T00:00:00Z")
    await ledger.send(operator.admits(laval, "issue", keys=[expired]))
    await ledger.until_size(world.size + 1)
    await ledger.send(laval.achievement("a"))
    problems = await ledger.until_letter("laval", "problem")
    assert problems[0]["code"] == "key-not-valid"
    assert await ledger.size() == world.size + 1


async def test_a_spent_number_is_not_spent_again(world: World) -> None:
    ledger, humber = world.ledger, world.humber
    backup = humber.copy()
    await ledger.send(humber.achievement("one"))
    await ledger.until_size(world.size + 1)
    other = backup.achievement("two")
    await ledger.send(other, other)
    problems = await ledger.until_letter("humber", "problem")
    assert problems[0]["code"] == "sequence-conflict"
    assert problems[0]["sequence"] == 2
    assert problems[0]["head"] == {"sequence": 2, "digest": humber.heads["credential"][1].hex()}
    evidence = await ledger.look.fetch("SELECT statement, body FROM ledger.conflict")
    assert [row["statement"] for row in evidence] == [other.statement]
    # The stream stays open for whoever holds its head.
    await ledger.send(humber.achievement("three"))
    await ledger.until_size(world.size + 2)
    assert (await ledger.outcomes())[-1] == ("humber", "credential", 3, "accepted")


async def test_the_same_statement_again_is_absorbed_and_its_receipt_repeated(world: World) -> None:
    ledger, humber = world.ledger, world.humber
    good, bad = humber.achievement("one"), humber.achievement("one")
    await ledger.send(good, bad)
    await ledger.until_size(world.size + 2)
    before = len(await ledger.letters("humber", "receipts"))
    await ledger.send(good, bad, good)

    async def answered() -> bool:
        letters = (await ledger.letters("humber", "receipts"))[before:]
        return sum(len(stream["outcomes"]) for letter in letters for stream in letter) == 3

    await ledger.until(answered, "the receipts again")
    again = [
        outcome
        for letter in (await ledger.letters("humber", "receipts"))[before:]
        for stream in letter
        for outcome in stream["outcomes"]
    ]
    assert [item["sequence"] for item in again] == [2, 3, 2]
    assert (again[1]["code"], again[1]["field"]) == ("subject-exists", "subject")
    assert await ledger.size() == world.size + 2


async def test_refused_events_are_logged_answered_and_delay_nobody(world: World) -> None:
    ledger, humber, york = world.ledger, world.humber, world.york
    name = "Ada Lovelace"
    bad = [
        humber.raw("credential", "public", b"{" + b" " * 70_000 + b"}"),
        humber.raw("credential", "public", b"not json"),
        humber.raw("credential", "public", b"[" * 100),
        humber.raw("credential", "public", b'{"specversion":"1.0","learner":"' + name.encode() + b'"}'),
        humber.event("credential.revoked", uuid_of("never"), {"reason": "fraud", "effective_on": "2026-01-01"}),
        humber.event("credential.achievement-retired", "humber/energy", {"effective_on": "2026-01-01"}),
        humber.event("credential.achievement-retired", "humber/energy", {"effective_on": "2026-01-01"}),
    ]
    await ledger.send(*bad, york.achievement("fine"))
    await ledger.until_size(world.size + 8)
    codes = [row[3] for row in await ledger.outcomes() if row[0] == "humber" and row[1] == "credential"]
    assert codes == [
        "accepted",
        "body-too-large",
        "body-not-json",
        "body-too-deep",
        "field-missing",
        "subject-unknown",
        "accepted",
        "step-illegal",
    ]
    assert ("york", "credential", 2, "accepted") in await ledger.outcomes()
    told = [
        outcome
        for letter in await ledger.letters("humber", "receipts")
        for stream in letter
        for outcome in stream["outcomes"]
        if outcome["outcome"] == "refused"
    ]
    assert [outcome["sequence"] for outcome in told] == [2, 3, 4, 5, 6, 8]
    assert all(outcome["what"] and outcome["fix"] for outcome in told)
    assert "state retired" in told[-1]["what"]
    assert name not in str(told)
    assert await ledger.count("refused_body") == 6
    for table in ("entry", "inbox", "summary", "thing", "public_body"):
        rows = await ledger.look.fetch(f"SELECT t::text AS line FROM ledger.{table} t")
        assert not any(name in row["line"] or name.encode().hex() in row["line"] for row in rows), table


async def test_erasing_takes_every_body_of_the_credential_and_leaves_its_entries(world: World) -> None:
    ledger, humber = world.ledger, world.humber
    subject = uuid_of("x")
    await ledger.send(
        humber.issued("x", "energy"),
        humber.event("credential.reinstated", subject, {"note": "never suspended"}),
        humber.issued("y", "energy"),
        humber.event("credential.erased", subject, {"ground": "learner-request"}),
    )
    await ledger.until_size(world.size + 4)
    assert [row[3] for row in (await ledger.outcomes())[-4:]] == ["accepted", "step-illegal", "accepted", "accepted"]
    party = await ledger.look.fetch("SELECT body IS NULL AS gone FROM ledger.party_body ORDER BY index")
    assert [row["gone"] for row in party] == [True, False, False]
    assert await ledger.look.fetchval("SELECT body IS NULL FROM ledger.refused_body")
    left = await ledger.look.fetchrow("SELECT state, data FROM ledger.thing WHERE id = $1", subject)
    assert left is not None
    assert (left["state"], left["data"]) == ("erased", "{}")


def world_achievement(member: str) -> dict[str, object]:
    """Data of an achievement of a member."""
    from passerelle.testing.federation import achievement

    return achievement(member)
