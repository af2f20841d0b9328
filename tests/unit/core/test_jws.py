"""Signed JSON: what is signed is read again, and nothing else is; another library reads it too."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as other
from joserfc.jwk import OKPKey

from passerelle.core import jws
from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner

SIGNER = SeedSigner(b"\x07" * 32)
KIND = "vnd.passerelle.test.v1"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def trusted(key_id: str) -> bytes | None:
    return SIGNER.public_key if key_id == SIGNER.key_id else None


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(data: bytes | str) -> str:
    with pytest.raises(PasserelleError) as caught:
        jws.read(data.encode() if isinstance(data, str) else data, KIND, trusted)
    return caught.value.code


def resigned(header: Any, payload: bytes) -> str:
    """A token by the right key over whatever is given."""
    told = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    signed = f"{encoded(told)}.{encoded(payload)}"
    return f"{signed}.{encoded(SIGNER.sign(signed.encode()))}"


HEADER = {"alg": "EdDSA", "kid": SIGNER.key_id, "typ": KIND}


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), JSON, max_size=4))
def test_what_is_signed_is_read_again(payload: dict[str, Any]) -> None:
    token = jws.sign(SIGNER, KIND, payload)
    assert jws.read(token.encode() + b"\n", KIND, trusted) == jws.Signed(payload, SIGNER.key_id)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # the name of RFC 8037, which everybody reads
def test_another_library_reads_it() -> None:
    token = jws.sign(SIGNER, KIND, {"b": 1, "a": "é"})
    public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoded(SIGNER.public_key)})
    read = other.deserialize_compact(token, public, algorithms=["EdDSA"])
    assert read.payload == '{"a":"é","b":1}'.encode()
    assert read.headers() == HEADER


@given(st.integers(0, 10_000), st.sampled_from("ABab01-_."))
def test_no_changed_character_goes_through(place: int, character: str) -> None:
    token = jws.sign(SIGNER, KIND, {"question": "what", "answer": [1, 2, 3]})
    at = place % len(token)
    if token[at] != character:
        assert refused(token[:at] + character + token[at + 1 :]) in {"answer-malformed", "answer-signature-invalid"}


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "Ed25519"},
        {**HEADER, "typ": "vnd.passerelle.answer.v1"},
        {**HEADER, "kid": "../x"},
        {**HEADER, "crit": ["b64"]},
        {"alg": "EdDSA", "typ": KIND},
        [],
        b'{"alg":"EdDSA", "kid":"%b","typ":"%b"}' % (SIGNER.key_id.encode(), KIND.encode()),
        b"\xff",
    ],
)
def test_another_header_is_refused_though_the_key_signed_it(header: Any) -> None:
    assert refused(resigned(header, b"{}")) == "answer-malformed"
    assert jws.read(resigned(HEADER, b"{}").encode(), KIND, trusted).payload == {}


@pytest.mark.parametrize(
    "payload",
    [b'{"a":1,"a":1}', b'{ "a":1}', b"[]", b"1", b'{"a":NaN}', b'{"a":1e400}', b'{"a":"\\ud800"}', b"\xff", b"",
     b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"a":' + b"9" * 5_000 + b"}"],
)  # fmt: skip
def test_a_payload_that_is_not_canonical_is_refused(payload: bytes) -> None:
    assert refused(resigned(HEADER, payload)) == "answer-malformed"


@pytest.mark.parametrize("data", [b"", b"a.b", b"a.b.c.d", b"\xff\xfe", b"=.=.=", b"x" * (jws.MAX_SIZE + 1)])
def test_what_is_no_token_is_told(data: bytes) -> None:
    assert refused(data) == "answer-malformed"


def test_another_key_is_not_trusted() -> None:
    assert refused(jws.sign(SeedSigner(b"\x08" * 32), KIND, {})) == "answer-signature-invalid"


def test_what_is_too_large_or_has_no_form_is_not_signed() -> None:
    for payload, code in (({"a": "x" * jws.MAX_PAYLOAD}, "message-too-large"), ({"a": 2**60}, "answer-malformed")):
        with pytest.raises(PasserelleError) as caught:
            jws.sign(SIGNER, KIND, payload)
        assert caught.value.code == code
