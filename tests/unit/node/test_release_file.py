"""A release file is believed only when the log proves all of it, for this receiver, today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.unit.node.office import CountingIds

from passerelle.core.batch import sign_batches
from passerelle.core.catalogue import BY_NAME
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import Entry
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import inclusion_path, leaf_hashes, root_from_leaves
from passerelle.core.note import CosignatureSigner, NoteSigner, parse_note
from passerelle.core.receipt import Receipt
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest, member_urn
from passerelle.core.tlogproof import TlogProof, parse_proof
from passerelle.core.witness import WitnessQuorum, witness_name
from passerelle.events.codec import write_body
from passerelle.node.people import Person
from passerelle.node.release_file import ProvedRelease, Verifier, build_file
from passerelle.runtime.clock import as_datetime

NETWORK = "unit.example/1"
HUMBER = SeedSigner(b"\7" * 32)
LOG = NoteSigner(NETWORK, b"\x09" * 32)
IDS = CountingIds()
CREDENTIAL, OTHER, RELEASE = IDS.uuid7(), IDS.uuid7(), IDS.uuid4()
ANN = Person("Ann Planted", "1999-01-02", "S1", "ann@example.test")
ISSUED = {
    "achievement": "humber/acct",
    "achievement_version": 1,
    "awarding_bodies": [member_urn("humber")],
    "registration": "humber",
    "conferred_on": "2026-05-01",
    "basis": "completed",
    "record": "ab" * 32,
}
AMENDED = {"reason": "grade-change", "result": {"scheme": "percentage-50", "grade": "70"}}
REVOKED = {"reason": "fraud", "effective_on": "2026-06-01"}
GRANT = {"credentials": [CREDENTIAL], "receiver": "york", "purpose": "transfer", "ends_on": "2026-12-31"}
Event = tuple[str, str, dict[str, Any]]
DEFAULT: tuple[Event, ...] = (("credential.issued", CREDENTIAL, ISSUED), ("credential.amended", CREDENTIAL, AMENDED))


def log(*events: Event, outcome: str = "accepted", signer: SeedSigner = HUMBER) -> list[Receipt]:
    """Receipts of events in one small log."""
    bodies = [
        write_body(
            BY_NAME[name],
            member="humber",
            subject=subject,
            identifier=IDS.uuid7(),
            time=as_datetime(1_780_000_000_000),
            data=data,
            nonce=bytes(32),
        )
        for name, subject, data in events
    ]
    statements = [
        Statement(NETWORK, "humber", "credential", n + 1, ZERO, "party", digest(body)).encode()
        for n, body in enumerate(bodies)
    ]
    signed = sign_batches(NETWORK, "humber", list(zip(statements, bodies, strict=True)), signer)
    leaves = [Entry.of(1000, outcome, one).encode() for one in signed]
    root = root_from_leaves(leaf_hashes(leaves))
    note = sign_checkpoint(Checkpoint(NETWORK, len(leaves), root), [LOG])
    return [
        Receipt(leaf, TlogProof(n, inclusion_path(leaf_hashes(leaves), n), note).serialise(), bodies[n])
        for n, leaf in enumerate(leaves)
    ]


def made(*events: Event, grant: dict[str, Any] | None = None, **options: Any) -> Any:
    """The JSON value of a release file over a grant and these events."""
    receipts = log(("credential.release-granted", RELEASE, grant or GRANT), *(events or DEFAULT), **options)
    return orjson.loads(build_file(receipts[0], receipts[1:], [{"course": "humber/acct"}], ANN))


def verifier(**changes: Any) -> Verifier:
    plain: dict[str, Any] = {
        "network": NETWORK,
        "home": "york",
        "keys_of": lambda member: {HUMBER.key_id: HUMBER.public_key} if member == "humber" else {},
        "log_keys": [LOG.verifier],
        "today": "2026-12-31",
    }
    return Verifier(**(plain | changes))


def test_a_good_file_gives_the_release_its_bodies_and_the_person() -> None:
    proved = verifier().prove(made())
    assert isinstance(proved, ProvedRelease)
    assert (proved.release, proved.sender, proved.credentials) == (RELEASE, "humber", (CREDENTIAL,))
    assert [body.thing for body in proved.bodies] == [f"release:{RELEASE}"] + [f"credential:{CREDENTIAL}"] * 2
    assert proved.person == Person("Ann Planted", "1999-01-02")
    assert proved.results == ({"course": "humber/acct"},)


def test_a_file_is_believed_only_with_as_many_witnesses_as_are_asked_for() -> None:
    witness = CosignatureSigner(witness_name(NETWORK, "laval"), b"w" * 32)
    value = made()
    policy = WitnessQuorum(1, (witness.verifier,))
    with pytest.raises(PasserelleError) as caught:
        verifier(witnesses=policy).prove(value)
    assert caught.value.code == "witness-quorum-missing"
    for item in (value["grant"], *value["credentials"]):
        proof = parse_proof(item["proof"].encode())
        note = parse_note(proof.checkpoint)
        cosigned = note.with_signatures([witness.cosign(note.text, 1)]).serialise()
        item["proof"] = TlogProof(proof.index, proof.path, cosigned).serialise().decode()
    assert verifier(witnesses=policy).prove(value).release == RELEASE


def test_the_file_holds_name_and_birth_date_and_nothing_else_of_the_person() -> None:
    text = orjson.dumps(made()).decode()
    assert "Ann Planted" in text
    assert "example.test" not in text
    assert '"S1"' not in text


def without(name: str) -> Callable[[Any], None]:
    return lambda value: value.pop(name)


def strip_body(value: Any) -> None:
    del value["credentials"][0]["body"]


def swap_bodies(value: Any) -> None:
    first, second = value["credentials"]
    first["body"], second["body"] = second["body"], first["body"]


def name_person(value: Any) -> None:
    value["person"] = {"name": "Ann Planted", "birth_date": "Planted"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without("person"), "release-file-malformed"),
        (lambda value: value.update(extra=1), "release-file-malformed"),
        (lambda value: value.update(credentials=[]), "release-file-malformed"),
        (lambda value: value.update(results=["Planted"]), "release-file-malformed"),
        (lambda value: value.update(grant=value["credentials"][0]), "release-file-malformed"),
        (lambda value: value["credentials"].pop(0), "release-file-malformed"),
        (name_person, "release-file-malformed"),
        (strip_body, "body-absent"),
        (swap_bodies, "body-hash-mismatch"),
        (lambda value: value["grant"].update(proof="x"), "proof-malformed"),
        (lambda value: value["grant"].update(entry="x"), "entry-malformed"),
        (lambda value: value["grant"].update(entry=3), "receipt-malformed"),
    ],
)
def test_a_file_that_was_changed_is_refused_without_repeating_it(change: Callable[[Any], Any], code: str) -> None:
    value = made()
    change(value)
    with pytest.raises(PasserelleError) as caught:
        verifier().prove(value)
    assert caught.value.code == code
    assert "Planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (made(grant=GRANT | {"receiver": "sfu"}), "release-invalid"),
        (made(grant=GRANT | {"ends_on": "2026-12-30"}), "release-expired"),
        (made(("credential.issued", OTHER, ISSUED)), "release-invalid"),
        (made(*DEFAULT, ("credential.revoked", CREDENTIAL, REVOKED)), "component-not-active"),
        (made(outcome="refused step-illegal"), "receipt-refused"),
        (made(signer=SeedSigner(bytes(32))), "key-unknown"),
        ("text", "release-file-malformed"),
        ([], "release-file-malformed"),
    ],
)
def test_a_file_of_something_else_is_refused(value: Any, code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        verifier().prove(value)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"network": "other.example/1"}, "network-mismatch"),
        ({"log_keys": [NoteSigner(NETWORK, bytes(32)).verifier]}, "note-key-unknown"),
        ({"keys_of": lambda _member: {}}, "key-unknown"),
    ],
)
def test_another_network_log_or_registry_proves_nothing(change: dict[str, Any], code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        verifier(**change).prove(made())
    assert caught.value.code == code
