"""Token introspection (RFC 7662), for the resource server alone."""

from __future__ import annotations

import base64
import hmac
from typing import Any
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.access import SCOPE_OF, AccessToken, AccessTokens
from pdpp_reference.http import Incoming, json_answer
from pdpp_reference.secrets_at_rest import digest
from pdpp_reference.settings import Settings


class IntrospectionEndpoint:
    """The introspection endpoint: what an access token stands for at this moment.

    Only access tokens are ever active here. A resource server has no use for a refresh token, and an answer that
    calls one active would let it be taken for an access token (RFC 7662 §4: the answer depends on what the caller
    may do with the token). ``token_type_hint`` is therefore not needed, and never narrows the search (§2.1).
    """

    def __init__(self, settings: Settings, access_tokens: AccessTokens) -> None:
        self._settings = settings
        self._access_tokens = access_tokens

    def answer(self, incoming: Incoming) -> Response:
        """Answer an introspection request (RFC 7662 §2).

        Raises:
            OAuthError: ``invalid_client`` with 401 where the caller is not the resource server, ``invalid_request``
                where the token is missing. A token that is not active is no error.
        """
        self.authenticate(incoming.request)
        token = self._access_tokens.active(incoming.form().require("token"))
        return json_answer({"active": False} if token is None else self.active_members(token))

    def authenticate(self, request: Request) -> None:
        """Check the resource server's credentials: HTTP Basic, form-encoded as RFC 6749 §2.3.1 says, or plain.

        Raises:
            OAuthError: ``invalid_client`` with 401 and a challenge; always, where no credentials are configured.
        """
        client_id, secret = self._settings.introspection_client_id, self._settings.introspection_client_secret
        sent = request.headers.getlist("authorization")
        if client_id and secret and len(sent) == 1:
            pair = basic_credentials(sent[0])
            if pair is not None:
                user, password = pair
                plain = _same(user, client_id) & _same(password, secret)
                encoded = _same(unquote_plus(user), client_id) & _same(unquote_plus(password), secret)
                if plain | encoded:
                    return
        raise OAuthError(
            "invalid_client",
            "introspection is for the resource server and its credentials",
            status=401,
            headers={"WWW-Authenticate": 'Basic realm="introspection"'},
        )

    def active_members(self, token: AccessToken) -> dict[str, Any]:
        """Return the members of the answer for an active token (RFC 7662 §2.2, RFC 9396 §9.2)."""
        members: dict[str, Any] = {
            "active": True,
            "iss": self._settings.issuer,
            "aud": token.resource,
            "sub": token.subject_id,
            "client_id": token.client_id,
            "iat": int(token.issued_at),
            "exp": int(token.expires_at),
            "token_type": "Bearer",
            "scope": SCOPE_OF[token.kind],
            "pdpp_token_kind": token.kind,
            "subject_id": token.subject_id,
        }
        if token.grant_id is not None:
            members["grant_id"] = token.grant_id
        if token.package_id is not None:
            members["grant_package_id"] = token.package_id
        if token.grants:
            members["authorization_details"] = [grant.detail.to_json() for grant in token.grants]
        return members


def basic_credentials(header: str) -> tuple[str, str] | None:
    """Return the user and the password of an ``Authorization`` header for HTTP Basic; ``None`` where it is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except ValueError:
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def _same(sent: str, expected: str) -> bool:
    # Digests are compared, so that neither the text nor its length shows in the time it takes.
    return hmac.compare_digest(digest(sent), digest(expected))
