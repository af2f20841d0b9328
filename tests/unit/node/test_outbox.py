"""Release: numbers without a hole, links, and batch signatures that verify; and the pace at which it is sent again."""

import pytest

from passerelle.core.batch import MAX_BATCH, verify_signed
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, digest, parse_statement
from passerelle.core.streams import StreamHead
from passerelle.node.outbox import Draft, release, sign_again
from passerelle.node.relay import _Progress

SIGNER = SeedSigner(bytes(range(32)))
NETWORK = "unit.example/1"


def draft(family: str, number: int) -> Draft:
    return Draft(family, "type", f"s{number}", f"thing:{number}", "public", f"body {number}".encode())


def test_each_stream_is_numbered_and_linked_on_its_own() -> None:
    drafts = [draft("credential", 1), draft("recognition", 2), draft("credential", 3)]
    heads = {"credential": StreamHead(4, b"\7" * 32), "recognition": StreamHead()}
    rows, after = release(drafts, heads, network=NETWORK, member="humber", signer=SIGNER)
    first, second, third = (parse_statement(row.signed.statement) for row in rows)
    assert [row.sequence for row in rows] == [5, 1, 6]
    assert (first.prev, second.prev, third.prev) == (b"\7" * 32, ZERO, digest(rows[0].signed.statement))
    assert after == {
        "credential": StreamHead(6, digest(rows[2].signed.statement)),
        "recognition": StreamHead(1, digest(rows[1].signed.statement)),
    }


@pytest.mark.parametrize("count", [1, MAX_BATCH, MAX_BATCH + 1])
def test_every_event_proves_itself_alone(count: int) -> None:
    drafts = [draft("credential", number) for number in range(count)]
    rows, _ = release(drafts, {"credential": StreamHead()}, network=NETWORK, member="humber", signer=SIGNER)
    assert [verify_signed(row.signed, SIGNER.public_key).sequence for row in rows] == list(range(1, count + 1))
    assert {row.signed.batch_size for row in rows} == {min(count, MAX_BATCH)} | ({1} if count > MAX_BATCH else set())


def test_signing_again_changes_signatures_and_nothing_else() -> None:
    drafts = [draft("credential", number) for number in range(3)]
    rows, _ = release(drafts, {"credential": StreamHead()}, network=NETWORK, member="humber", signer=SIGNER)
    other = SeedSigner(bytes(32))
    again = sign_again(
        [(row.signed.statement, row.signed.body) for row in rows], network=NETWORK, member="humber", signer=other
    )
    assert [new.statement for new in again] == [row.signed.statement for row in rows]
    assert all(verify_signed(new, other.public_key) for new in again)


def test_unanswered_rows_are_sent_again_ever_more_seldom_and_progress_starts_anew() -> None:
    progress = _Progress()
    assert not progress.observe(1, 0.0, 10.0)
    progress.cursor = 5
    assert not progress.observe(1, 9.9, 10.0)
    assert progress.observe(1, 10.0, 10.0)
    assert progress.cursor == 0
    progress.cursor = 5
    assert not progress.observe(1, 29.9, 10.0)
    assert progress.observe(1, 30.0, 10.0)
    progress.cursor = 5
    assert not progress.observe(3, 1000.0, 10.0)
    assert progress.tries == 0


def test_what_was_never_sent_is_not_sent_again() -> None:
    progress = _Progress(cursor=4)
    progress.observe(5, 0.0, 1.0)
    assert not progress.observe(5, 100.0, 1.0)
