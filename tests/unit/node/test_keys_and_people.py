"""Keyed hashes and learners' details: found again by those who hold the keys, and by nobody else."""

import pytest
from tests.unit.node.office import SECRET, CountingIds

from passerelle.core.errors import Fatal
from passerelle.node.key_encryption import FileKey
from passerelle.node.people import Person, Vault
from passerelle.node.records import RecordKeys

ANN = Person("Ann Planted", "1999-01-02", "S1", "ann@example.test")
KEYS = RecordKeys(SECRET)


def vault(wrapping: bytes = bytes(32)) -> Vault:
    ids = CountingIds()
    return Vault(FileKey(wrapping, ids), KEYS, ids)


def test_record_keys_depend_on_kind_id_and_secret() -> None:
    assert KEYS.key("credential", "1") == RecordKeys(SECRET).key("credential", "1")
    others = [KEYS.key("credential", "2"), KEYS.key("result", "1"), RecordKeys(bytes(32)).key("credential", "1")]
    assert KEYS.key("credential", "1") not in others
    # HMAC-SHA-256 of "credential\n1", computed here by the definition of RFC 2104.
    from hashlib import sha256

    block = SECRET.ljust(64, b"\0")
    inner = sha256(bytes(b ^ 0x36 for b in block) + b"credential\n1").digest()
    assert KEYS.key("credential", "1") == sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest()


def test_content_hashes_do_not_depend_on_the_order_of_names() -> None:
    assert KEYS.content({"a": 1, "b": 2}) == KEYS.content({"b": 2, "a": 1})
    assert KEYS.content({"a": 1}) != KEYS.content({"a": 2})


def test_details_come_back_and_stand_nowhere_in_the_open() -> None:
    learner = vault().enrol(ANN)
    assert vault().person(learner) == ANN
    for part in (learner.details, learner.wrapped_key, repr(learner).encode()):
        assert b"Planted" not in part
        assert b"example.test" not in part
    assert "Planted" not in repr(ANN)


def test_each_learner_has_a_key_and_a_ciphertext_of_their_own() -> None:
    room = vault()
    first, second = room.enrol(ANN), room.enrol(ANN)
    assert first.wrapped_key != second.wrapped_key
    assert first.details != second.details


def test_updates_keep_the_key_and_the_id() -> None:
    room = vault()
    learner = room.enrol(ANN)
    after = room.update(learner.id, learner.wrapped_key, Person("Anna Planted", "1999-01-02", "S1"))
    assert (after.id, after.wrapped_key) == (learner.id, learner.wrapped_key)
    assert room.person(after).name == "Anna Planted"


def test_another_key_file_opens_nothing_and_says_so_without_details() -> None:
    learner = vault().enrol(ANN)
    with pytest.raises(Fatal) as caught:
        vault(bytes(31) + b"\1").person(learner)
    assert caught.value.code == "key-file-unusable"
    assert "Planted" not in str(caught.value)


def test_a_ciphertext_moved_to_another_learner_does_not_open() -> None:
    room = vault()
    first, second = room.enrol(ANN), room.enrol(ANN)
    with pytest.raises(Fatal):
        room.open(second.id, second.wrapped_key, first.details)


def test_matching_is_blind_to_case_spaces_and_spelling_of_accents() -> None:
    room = vault()
    one = Person("Zoë  Tremblay", "1999-01-02")
    two = Person("zoe\u0308 tremblay", "1999-01-02", "S9")
    assert room.match_key(one) == room.match_key(two)
    assert room.match_key(one) != room.match_key(Person("Zoë Tremblay", "1999-01-03"))
    assert room.birth_key(one) == room.birth_key(Person("Other", "1999-01-02"))
