"""Tokens that nobody issued: lookalikes and variations of a live one, and JWTs of another maker (RFC 8725 §2)."""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from pdpp_conformance import drawing
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion

Claims = dict[str, Any]

_KINDS: Sequence[str] = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_LIFETIME_SECONDS = 3600
_ALGORITHM = "ES256"


def lookalike(token: str) -> str:
    """Return a token of the same length and look, with every letter and digit drawn anew."""
    return "".join(_another(character) for character in token)


def variation(token: str) -> str:
    """Return ``token`` with one letter or digit changed to another.

    The last one is left alone: of a text in base64 its value may be the same for several characters.
    """
    places = [place for place, character in enumerate(token[:-1]) if character in string.ascii_letters + string.digits]
    place = drawing.choice(places)
    return token[:place] + _another(token[place]) + token[place + 1 :]


def _another(character: str) -> str:
    kind = next((kind for kind in _KINDS if character in kind), character)
    return drawing.choice(kind.replace(character, "") or kind)


# -- JWTs of others ----------------------------------------------------------------------------------------------------


def _own_key(claims: Claims) -> str:
    return _signed(claims)


def _unsigned(claims: Claims) -> str:
    return jwt.encode(claims, "", algorithm="none")


def _bringing_its_key(claims: Claims) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed(claims, key, {"jwk": ECAlgorithm.to_jwk(key.public_key(), as_dict=True)})


def _another_issuer(claims: Claims) -> str:
    return _signed({**claims, "iss": "https://issuer.example"})


def _signed(
    claims: Claims, key: ec.EllipticCurvePrivateKey | None = None, headers: Mapping[str, Any] | None = None
) -> str:
    signer = key or ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims, signer, algorithm=_ALGORITHM, headers={"typ": "at+jwt", "kid": "1", **(headers or {})})


_FORGERIES: Mapping[str, Callable[[Claims], str]] = {
    "that is signed with a key of its maker": _own_key,
    "that is signed with a key that it brings along": _bringing_its_key,
    "that is not signed": _unsigned,
    "that another issuer signed": _another_issuer,
}


def forged(run: Run, how: str) -> str:
    """Return a JWT with the claims of an access token for the MCP resource (RFC 9068 §2.2), made by somebody else.

    It names the issuer, the resource, the client and the grant of the run's live client token, so that nothing but its
    signature, or its issuer, speaks against it.
    """
    return _FORGERIES[how](_claims(run, run.client_token()))


def _claims(run: Run, token: TokenResponse) -> Claims:
    told = {**token.members}
    with suppress(Conclusion):
        told |= run.introspect(token.access_token).json_object()
    now = int(time.time())
    named = ("sub", "scope", "pdpp_token_kind", "subject_id", "grant_id", "authorization_details")
    return {
        "iss": run.discovery.issuer,
        "aud": run.discovery.mcp_resource,
        "sub": "owner",
        "client_id": run.client().client_id,
        "iat": now,
        "nbf": now,
        "exp": now + _LIFETIME_SECONDS,
        "jti": drawing.token_hex(16),
        "pdpp_token_kind": "client",
        **{name: told[name] for name in named if name in told},
    }
