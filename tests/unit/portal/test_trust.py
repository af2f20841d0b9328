"""The log's key comes from the operator's own admission, under the root key, and from nowhere else."""

from __future__ import annotations

import pytest
from tests.unit.portal.builder import NETWORK, OPERATOR, Log, seed, small_log

from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.portal.ports import FeedItem
from passerelle.portal.record import read_raw, to_item
from passerelle.portal.trust import log_key


def item(log: Log, index: int) -> FeedItem:
    return to_item(read_raw(log.raw(index), NETWORK), log.root(index + 1))


def test_the_key_of_the_operators_admission() -> None:
    log = small_log()
    assert log_key(item(log, 0), log.root_key, OPERATOR, NETWORK) == log.signer.verifier


@pytest.mark.parametrize(
    ("index", "root", "operator", "code"),
    [
        (0, "mallory", OPERATOR, "key-unknown"),
        (1, "root", OPERATOR, "root-key-mismatch"),
        (3, "root", OPERATOR, "root-key-mismatch"),
        (0, "root", "humber", "root-key-mismatch"),
    ],
)
def test_no_other_entry_and_no_other_root_key(index: int, root: str, operator: str, code: str) -> None:
    log = small_log()
    with pytest.raises(PasserelleError) as caught:
        log_key(item(log, index), SeedSigner(seed(root)).public_key, operator, NETWORK)
    assert caught.value.code == code


def test_a_key_named_for_another_network_is_not_taken() -> None:
    log = Log()
    log.signer = type(log.signer)("other.example/log", seed("log"))
    log.admit(OPERATOR, "operator", {"en": "Operator"}, ["CA"], ["operate"])
    with pytest.raises(PasserelleError) as caught:
        log_key(item(log, 0), log.root_key, OPERATOR, NETWORK)
    assert caught.value.code == "network-mismatch"
