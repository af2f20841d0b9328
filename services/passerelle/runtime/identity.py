"""Who calls: EdDSA JWTs made with a registry key (RFC 7519, RFC 8037), for gRPC and HTTP alike."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey

from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner

MAX_LIFETIME_S: Final = 300
LEEWAY_S: Final = 30
KeyLookup = Callable[[str], tuple[str, bytes] | None]
"""Key id -> (member, Ed25519 public key) of a key that is valid for signing now, or None."""


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(seed: bytes, *, member: str, network: str, now_s: int, lifetime_s: int = 120) -> str:
    """A token for one call: ``iss`` the member, ``aud`` the network, at most five minutes."""
    signer = SeedSigner(seed)
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _b64(signer.public_key), "d": _b64(seed)})
    claims = {"iss": member, "aud": network, "iat": now_s, "exp": now_s + min(lifetime_s, MAX_LIFETIME_S)}
    return jwt.encode({"alg": "Ed25519", "kid": signer.key_id}, claims, key, algorithms=["Ed25519"])


def read_token(token: str, *, network: str, now_s: int, lookup: KeyLookup) -> str:
    """The member that made the token. Raises PasserelleError ``token-invalid`` or ``token-expired``."""
    found: list[tuple[str, bytes]] = []

    def key_of(signed: GuestProtocol) -> OKPKey:
        hit = lookup(str(signed.headers().get("kid", "")))
        if hit is None:
            raise PasserelleError("token-invalid", "the token's key is not in the registry", where="authorization")
        found.append(hit)
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _b64(hit[1])})

    try:
        claims = jwt.decode(token, key_of, algorithms=["Ed25519", "EdDSA"]).claims
    except (JoseError, ValueError, TypeError):
        raise PasserelleError("token-invalid", "the token does not verify", where="authorization") from None
    member = claims.get("iss")
    if not found or member != found[0][0] or claims.get("aud") != network:
        raise PasserelleError("token-invalid", "issuer, audience and key do not fit", where="authorization")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(expires, int) or not isinstance(issued, int):
        raise PasserelleError("token-invalid", "iat and exp must be whole seconds", where="authorization")
    if expires < now_s or issued > now_s + LEEWAY_S or expires - issued > MAX_LIFETIME_S:
        raise PasserelleError("token-expired", "the token is outside its five minutes", where="authorization")
    return found[0][0]
