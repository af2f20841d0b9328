"""Bad input at every door of a running network: each told by its code, nothing of it published, nobody else delayed."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from tests.e2e.support.rogue import Door, Headers, admit, open_door

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import BY_NAME
from passerelle.events.topics import FEED, ingress_topic
from passerelle.testing.audit import Audit, audit_feed, read_topic
from passerelle.testing.faults.network import NETWORK, Network, Ran
from passerelle.testing.federation import Member, achievement, granted, issued, uuid_of

MARKER = "Ottoline Farthingale"
"""A person's name in bad places: no answer may repeat it."""


def changed(headers: Headers, **values: bytes | None) -> Headers:
    """Headers with some changed; None leaves one out."""
    wanted = {name.replace("_", "-"): value for name, value in values.items()}
    found = [(name, wanted.get(name, value)) for name, value in headers]
    return [(name, value) for name, value in found if value is not None]


async def nobodys(door: Door, rogue: Member, lapsed: Member) -> dict[str, str]:
    """Send records that are nobody's; the code that the operator must be told, by place."""
    topic, wrong_topic = ingress_topic("credential"), ingress_topic("recognition")
    good = rogue.copy().achievement("nobody")
    key, headers = rogue.id.encode(), good.headers()
    wide = good.statement.decode().encode("utf-16-le")[:400]
    elsewhere = Member(rogue.id, "another.example/1").achievement("x")
    thief = rogue.copy()
    thief.rekey(lapsed.id)
    stolen = thief.achievement("x")
    stranger = Member("stranger", NETWORK).achievement("x")
    late = lapsed.achievement("x")
    records: list[tuple[str, str, bytes | None, bytes | None, Headers]] = [
        ("header-missing", topic, b"\xff\x00\xfe junk", None, []),
        ("header-missing", topic, good.body, key, changed(headers, statement=None)),
        ("header-duplicate", topic, good.body, key, [*headers, headers[-1]]),
        ("header-malformed", topic, good.body, key, changed(headers, batch_size=b"one")),
        ("header-malformed", topic, good.body, key, changed(headers, content_type=b"text/csv")),
        ("header-malformed", topic, good.body, key, changed(headers, key_id=b"\xc3\xa9" * 8)),
        ("header-malformed", topic, good.body, key, changed(headers, statement=b"x" * 1_000)),
        ("header-malformed", topic, good.body, key, [*(("a", b"b") for _ in range(200)), *headers]),
        ("body-absent", topic, None, key, headers),
        ("statement-malformed", topic, good.body, key, changed(headers, statement=good.statement[:-20])),
        ("statement-malformed", topic, good.body, key, changed(headers, statement=wide)),
        ("path-invalid", topic, good.body, key, changed(headers, batch_size=b"2")),
        ("kafka-key-mismatch", topic, good.body, b"humber", headers),
        ("topic-mismatch", wrong_topic, good.body, key, headers),
        ("body-hash-mismatch", topic, good.body[:-10], key, headers),
        ("signature-invalid", topic, good.body, key, changed(headers, batch_signature=b"00" * 64)),
        ("network-mismatch", topic, elsewhere.body, key, elsewhere.headers()),
        ("key-of-other-member", topic, stolen.body, key, stolen.headers()),
        ("key-unknown", topic, stranger.body, b"stranger", stranger.headers()),
        ("key-not-valid", topic, late.body, lapsed.id.encode(), late.headers()),
    ]  # fmt: skip
    return {
        await door.put(topic, value, key=key, headers=headers): code for code, topic, value, key, headers in records
    }


async def test_what_verifies_under_no_key_is_told_to_the_operator_alone(federation: Network) -> None:
    rogue = await admit(federation, "rogue")
    lapsed = await admit(federation, "lapsed", valid_to="2026-01-01T00:00:00Z")
    async with open_door(federation) as door:
        expected = await nobodys(door, rogue, lapsed)
        told = await door.until_refused(list(expected))
        assert {place: told[place]["code"] for place in expected} == expected
        assert all("body" not in value for value in told.values())
        # The one whose key is theirs and not valid any more hears of it; the one in whose name others wrote does not.
        problems = await door.letters("lapsed", "problem")
        assert [(one["code"], one["family"]) for one in problems] == [("key-not-valid", "credential")]
        assert problems[0]["fix"]
        assert await door.letters("rogue", "problem") == []
        # No number was spent: the member goes on at its first.
        await door.send(rogue.achievement("real"))
        answers = await door.until_answered("rogue", "credential", 1)
        assert [(one["sequence"], one["outcome"]) for one in answers] == [(1, "accepted")]


def altered(member: Member, change: Callable[[dict[str, Any]], None], name: str = "x") -> bytes:
    """A body of an achievement, changed."""
    found = "credential.achievement-published"
    body: dict[str, Any] = orjson.loads(member.body(found, f"{member.id}/{name}", achievement(member.id)))
    change(body)
    return orjson.dumps(body)


def unreadable(member: Member) -> list[tuple[str, str, bytes]]:
    """Bodies that are no JSON object of an event: code, place, bytes."""
    good = altered(member, lambda body: None)
    return [
        ("body-too-large", "body", good[:-1] + b',"x":"' + b"y" * 900_000 + b'"}'),
        ("body-not-json", "body", b""),
        ("body-not-json", "body", b"\x89PNG\r\n\x1a\n" + bytes(64)),
        ("body-not-json", "body", good[: len(good) // 2]),
        ("body-not-json", "body", good.replace(b"Energy", b"\xc9nergie")),
        ("body-not-json", "body", good.decode().encode("utf-16")),
        ("body-not-json", "body", good.replace(b'"version":1', b'"version":NaN')),
        ("body-not-json", "body", good.replace(b"Energy", b"En\x00ergy")),
        ("body-not-json", "body", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        ("body-not-json", "body", b"[" + good + b"]"),
        ("body-too-deep", "body", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        ("body-duplicate-key", "body", good.replace(b'"version":1', b'"version":1,"version":2')),
    ]


def misshapen(member: Member) -> list[tuple[str, str, bytes]]:
    """Bodies whose parts are wrong: code, place, bytes."""
    ahead = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).isoformat(timespec="milliseconds")

    def data(**values: Any) -> bytes:
        return altered(member, lambda body: body["data"].update(values))

    def attribute(**values: Any) -> bytes:
        return altered(member, lambda body: body.update(values))

    return [
        ("schema-invalid", "data.credit_bearing", data(credit_bearing="yes")),
        ("schema-invalid", "data.version", data(version="1")),
        ("schema-invalid", "data.kind", data(kind="spell")),
        ("schema-invalid", "data.description", data(description=None)),
        ("schema-invalid", "data.quality.last_review", data(quality={"last_review": "2026-02-30"})),
        ("schema-invalid", "data.title", data(title="t" * 10_000)),
        ("field-unknown", "data", data(learner_name=MARKER)),
        ("field-unknown", "body", attribute(email=MARKER)),
        ("field-missing", "data.title", altered(member, lambda body: body["data"].pop("title"))),
        ("time-ahead", "time", attribute(time=ahead)),
        ("time-malformed", "time", attribute(time="2026-02-30T12:00:00Z")),
        ("time-malformed", "time", attribute(time="2026-01-15T12:00:00")),
        ("type-unknown", "type", attribute(type="ca.passerelle.credential.achievement-published.v9")),
        ("type-family-mismatch", "type", attribute(type=BY_NAME["recognition.granted"].full)),
        ("source-mismatch", "source", attribute(source="urn:passerelle:member:humber")),
        ("field-malformed", "subject", attribute(subject=f"{member.id}/..\\{MARKER}")),
        ("event-id-malformed", "id", attribute(id="1")),
        ("nonce-unexpected", "nonce", attribute(nonce="A" * 43)),
    ]


def unlawful(member: Member) -> list[tuple[str, str, SignedStatement]]:
    """Events of the right form at the wrong time or place: code, field, event. The first of each pair is taken."""
    full = f"{member.id}/"
    party = json.loads(member.body("credential.issued", uuid_of("n"), issued(member.id, f"{full}stack", "n")))
    party.pop("nonce")
    revised = {**achievement(member.id), "version": 2, "components": {"achievement": f"{full}stack"}}
    return [
        ("", "", member.achievement("part")),
        ("", "", member.achievement("stack", components={"achievement": f"{full}part"})),
        ("stack-circular", "data.components", member.event("credential.achievement-revised", f"{full}part", revised)),
        ("version-stale", "data.version", member.event("credential.achievement-revised", f"{full}part",
            {**achievement(member.id), "version": 7})),
        ("subject-exists", "subject", member.achievement("part")),
        ("subject-unknown", "subject", member.event("credential.revoked", uuid_of("nobody's"),
            {"reason": "fraud", "effective_on": "2026-01-01"})),
        ("not-owner", "subject", member.event("credential.achievement-published", "humber/mine",
            achievement("humber", awarding_bodies=[f"urn:passerelle:member:{member.id}"]))),
        ("nonce-missing", "nonce", member.raw("credential", "party", orjson.dumps(party))),
        ("visibility-mismatch", "statement.visibility", member.raw("credential", "public", member.body(
            "credential.issued", uuid_of("open"), issued(member.id, f"{full}part", "open")))),
    ]  # fmt: skip


async def test_what_is_signed_and_wrong_is_logged_refused_and_answered(federation: Network) -> None:
    member = await admit(federation, "muddle")
    events: list[tuple[str, str, SignedStatement]] = [
        (code, field, member.raw("credential", "public", body))
        for code, field, body in [*unreadable(member), *misshapen(member)]
    ]
    events += unlawful(member)
    last = member.achievement("after")
    async with open_door(federation) as door:
        huge = member.copy().raw("credential", "public", b'{"a":"' + b"b" * 10_000_000 + b'"}')
        with pytest.raises(MessageSizeTooLargeError):
            await door.send(huge)
        await door.send(*(signed for _, _, signed in events))
        # Another member's real node is answered though all this lies before it.
        path = federation.folder / "meanwhile.csv"
        path.write_text("id,kind,title,language,credit_bearing\nmeanwhile,course,Meanwhile,en,yes\n", encoding="utf-8")
        await told(federation, "york", "node", "import", str(path))
        await told(federation, "york", "node", "status", "--wait", "60")
        await door.send(last, events[0][2], last)
        answers = await door.until_answered("muddle", "credential", len(events) + 3)
    expected = [(code or "accepted", field) for code, field, _ in events]
    given = [(one.get("code", one["outcome"]), one.get("field", "")) for one in answers[: len(events)]]
    assert given == expected
    refusals = [one for one in answers if one["outcome"] == "refused"]
    assert all(one["what"] and one["fix"] for one in refusals)
    assert MARKER not in str(answers)
    # A replay is absorbed, and its receipt repeated; the stream goes on.
    count = len(events)
    assert [(one["sequence"], one["outcome"]) for one in answers[count:]] == [
        (count + 1, "accepted"),
        (1, "refused"),
        (count + 1, "accepted"),
    ]
    assert [one["sequence"] for one in answers[:count]] == list(range(1, count + 1))
    await nothing_of_it(federation, "muddle", {"muddle/part", "muddle/stack", "muddle/after"}, count + 1)


async def nothing_of_it(network: Network, member: str, subjects: set[str], size: int) -> None:
    """The log holds every event once; what was refused made no thing, and no body of it is public."""
    audit = Audit(NETWORK, network.root_key, network.vkey)
    async with open_door(network) as door:
        await audit_feed(audit, door.kafka)
        feed = [record.value async for record in read_topic(door.kafka, FEED)]
    assert audit.faults == []
    assert sum(spent[0] == member for spent in audit.logged) == size
    public = {json.loads(value)["subject"] for value in feed if f"member:{member}".encode() in value}
    assert {subject for subject in public if subject.startswith(f"{member}/")} == subjects
    connection = await asyncpg.connect(network.ledger_dsn)
    try:
        rows = await connection.fetch("SELECT id FROM ledger.thing WHERE owner = $1", member)
    finally:
        await connection.close()
    assert {row["id"] for row in rows} == subjects


async def told(network: Network, member: str, *argv: str, code: int = 0) -> Ran:
    """Run a command on a member's node; it must end with this code."""
    ran = await network.command(*argv, config=network.sites[member].toml)
    assert ran.code == code, f"{argv}: {ran}"
    return ran


# Files at the node's door

PERSON = "S-1,Ann Other,1990-01-31"
LEARNER = "learner_student_number,learner_name,learner_birth_date"
HEADER = f"record_id,achievement,conferred_on,result_scheme,result_grade,credits,{LEARNER}"
GOOD = f"ok-{{n}},real,2026-05-01,percentage-50,81,3 credit-hours,{PERSON}"


def cells(**values: str) -> str:
    """A row of the file with some cells changed."""
    names = HEADER.split(",")
    row = dict(zip(names, GOOD.format(n="x").split(","), strict=True)) | {"record_id": f"bad-{len(values)}", **values}
    return ",".join(row[name] for name in names)


BAD_ROWS: list[tuple[str, str, bytes]] = [
    ("date-impossible", "conferred_on", cells(record_id="b1", conferred_on="2026-02-30").encode()),
    ("date-impossible", "conferred_on", cells(record_id="b2", conferred_on="30/04/2026").encode()),
    ("date-impossible", "learner_birth_date", cells(record_id="b3", learner_birth_date="2990-01-01").encode()),
    ("credit-system-unknown", "credits", cells(record_id="b4", credits="3 spells").encode()),
    ("number-malformed", "credits", cells(record_id="b5", credits="3;5 credit-hours").encode()),
    ("value-missing", "learner_name", cells(record_id="b6", learner_name="").encode()),
    ("reference-unknown", "achievement", cells(record_id="b7", achievement="reel").encode()),
    ("field-malformed", "achievement", cells(record_id="b8", achievement="=HYPERLINK(1)").encode()),
    ("field-malformed", "result_scheme", cells(record_id="b9", result_scheme="échelle").encode()),
    ("control-character", "learner_name", cells(record_id="b10", learner_name="Ann\x07Other").encode()),
    ("control-character", "", cells(record_id="b11", learner_name="Ann\x00Other").encode()),
    ("encoding-invalid", "", cells(record_id="b12", learner_name="Hélène").encode("latin-1")),
    ("row-width", "", cells(record_id="b13").encode() + b",one too many"),
    ("row-width", "", b"b14,real"),
    ("row-too-long", "", cells(record_id="b15", learner_name="N" * 10_000_000).encode()),
    ("value-too-long", "", cells(record_id="b16", learner_name="N" * 40_000).encode()),
    ("value-too-long", "learner_name", cells(record_id="b17", learner_name="N" * 300).encode()),
    ("row-malformed", "", b'b18,"re"al,2026-05-01,,,,' + PERSON.encode()),
    ("quote-unclosed", "", b'b19,"real,2026-05-01,,,,' + PERSON.encode()),
]


async def test_bad_rows_are_told_and_the_rest_of_the_file_goes_on(federation: Network, tmp_path: Path) -> None:
    await told(
        federation, "humber", "node", "import", write(tmp_path / "a.csv", f"{ACHIEVEMENT}real,course,Real,en,yes\n")
    )
    lines = [HEADER.encode()]
    expected = []
    for number, (code, column, row) in enumerate(BAD_ROWS):
        lines += [GOOD.format(n=number).encode(), row]
        expected.append((2 * number + 3, column, code))
    lines.append(GOOD.format(n="last").encode())
    path = tmp_path / "awards.csv"
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = await stored(federation, "humber")
    dry = (await told(federation, "humber", "node", "import", str(path), "--dry-run", "--json", code=2)).json()
    assert await stored(federation, "humber") == before
    ran = (await told(federation, "humber", "node", "import", str(path), "--json", code=2)).json()
    assert dry["errors"] == ran["errors"]
    assert sorted((one["row"], one["column"], one["code"]) for one in ran["errors"]) == expected
    assert (ran["new"], ran["refused"], ran["events"]) == (len(BAD_ROWS) + 1, len(BAD_ROWS), len(BAD_ROWS) + 1)
    assert all(one["what"] and one["fix"] for one in ran["errors"])
    await told(federation, "humber", "node", "status", "--wait", "60")
    after = await stored(federation, "humber")
    assert after["outbox"] - before["outbox"] == len(BAD_ROWS) + 1
    assert after["record"] - before["record"] == len(BAD_ROWS) + 1
    assert after["draft"] == 0
    with Path(ran["report"]).open(encoding="utf-8", newline="") as file:
        report = list(csv.reader(file))
    assert len(report) == len(BAD_ROWS) + 1
    assert not [cell for row in report for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not [cell for row in report for cell in row if "HYPERLINK" in cell or "Other" in cell]


ACHIEVEMENT = "id,kind,title,language,credit_bearing\n"


def write(path: Path, content: str | bytes) -> str:
    """Write a file; its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


async def stored(network: Network, member: str) -> dict[str, int]:
    """Rows that a node holds."""
    connection = await asyncpg.connect(network.sites[member].dsn)
    try:
        tables = ("outbox", "draft", "record", "learner", "result")
        return {table: await connection.fetchval(f"SELECT count(*) FROM node.{table}") for table in tables}
    finally:
        await connection.close()


BAD_FILES: list[tuple[str, bytes]] = [
    ("column-unknown", f"{ACHIEVEMENT.strip()},colour\na,course,A,en,yes,red\n".encode()),
    ("column-duplicate", f"{ACHIEVEMENT.strip()},title\na,course,A,en,yes,B\n".encode()),
    ("column-missing", b"id,kind,title,language\na,course,A,en\n"),
    ("file-empty", b""),
    ("encoding-invalid", f"{ACHIEVEMENT}a,course,A,en,yes\n".encode("utf-16")),
    ("encoding-invalid", b"id,kind,titl\xe9,language,credit_bearing\na,course,A,en,yes\n"),
    ("control-character", b"PK\x03\x04" + b"\x14\x00" * 40),
    ("row-too-long", b"id," + b"k" * 10_000_000 + b"\n"),
    ("too-many-errors", ACHIEVEMENT.encode() + b"a\xff,course,A,en,yes\n" * 1_500),
]


async def test_bad_files_are_refused_whole(federation: Network, tmp_path: Path) -> None:
    before = await stored(federation, "laval")
    for number, (code, content) in enumerate(BAD_FILES):
        path = write(tmp_path / f"{number}.csv", content)
        ran = await federation.command(
            "node", "import", path, "--kind", "achievements", config=federation.sites["laval"].toml
        )
        assert (ran.code, ran.err.split(":")[0]) == (1, f"error {code}"), (number, ran)
        assert "to mend:" in ran.err
    missing = await told(federation, "laval", "node", "import", str(tmp_path / "absent.csv"), code=1)
    assert missing.err.startswith("error file-unreadable")
    guess = await told(federation, "laval", "node", "import", write(tmp_path / "x.csv", "a,b\n1,2\n"), code=1)
    assert guess.err.startswith("error format-unknown")
    assert await stored(federation, "laval") == before


BAD_EVENTS: list[tuple[str, str, bytes]] = [
    ("type-unknown", "credential.isued", b"{}"),
    ("body-not-json", "reference.policy-published", b"{'a': 1}"),
    ("body-not-json", "reference.policy-published", b"\xff\xfe{\x00}\x00"),
    ("body-not-json", "reference.policy-published", b"[" * 200_000),
    ("file-too-large", "reference.policy-published", b'{"a": "' + b"b" * 10_000_000 + b'"}'),
    ("schema-invalid", "reference.policy-published", b"[1, 2]"),
    ("field-missing", "credential.achievement-published", b'{"subject": "x", "data": {}}'),
    ("field-unknown", "credential.achievement-published", orjson.dumps(
        {"subject": "x", "data": {**achievement("laval"), MARKER: MARKER}})),
    ("schema-invalid", "credential.achievement-published", orjson.dumps(
        {"subject": "x", "data": {**achievement("laval"), "kind": MARKER}})),
    ("schema-invalid", "recognition.granted", orjson.dumps(
        {"subject": "x", "data": granted("laval", "humber/real", "laval/x", valid_from="2026-02-30")})),
    ("argument-missing", "recognition.granted", orjson.dumps(granted("laval", "humber/real", "laval/x"))),
]  # fmt: skip


async def test_bad_events_are_refused_before_anything_is_stored(federation: Network, tmp_path: Path) -> None:
    before = await stored(federation, "laval")
    for number, (code, name, content) in enumerate(BAD_EVENTS):
        path = write(tmp_path / f"{number}.json", content)
        ran = await federation.command("node", "publish", name, path, config=federation.sites["laval"].toml)
        assert (ran.code, ran.err.split(":")[0]) == (1, f"error {code}"), (number, ran)
        assert "to mend:" in ran.err
        assert MARKER not in ran.out + ran.err
    assert await stored(federation, "laval") == before
