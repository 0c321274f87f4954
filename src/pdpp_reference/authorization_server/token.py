"""The token endpoint (RFC 6749 §3.2): which grant, which client, and the two grants that are not the device's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Connection
from starlette.responses import Response

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests, State
from pdpp_reference.authorization_server.clients import Client, Clients
from pdpp_reference.authorization_server.device_authorization import refuse_client_credentials
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.authorization_server.tokens import IssuedToken, Tokens
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.access import SCOPE_OF
from pdpp_reference.http import Form, Incoming, json_answer
from pdpp_reference.storage.store import Store

_CODE_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class TokenGrant(Protocol):
    """One grant type at the token endpoint."""

    def redeem(self, client: Client, form: Form) -> dict[str, Any]:
        """Return the token response, or raise an :class:`OAuthError`."""
        ...


class TokenEndpoint:
    """Dispatches a token request to its grant."""

    def __init__(self, clients: Clients, grants: Mapping[str, TokenGrant]) -> None:
        self._clients = clients
        self._grants = grants

    def answer(self, incoming: Incoming) -> Response:
        """Answer a token request.

        Raises:
            OAuthError: the request is refused (RFC 6749 §5.2).
        """
        form = incoming.form()
        grant_type = form.require("grant_type")
        grant = self._grants.get(grant_type)
        if grant is None:
            raise OAuthError("unsupported_grant_type", "this server does not know the grant type")
        refuse_client_credentials(incoming, form)
        client = self._clients.get(form.require("client_id"))
        client.require(grant_type)
        _check_no_repetition(form)
        return json_answer(grant.redeem(client, form))


class AuthorizationCodeGrant:
    """The authorization-code grant with PKCE S256 (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

    def __init__(self, store: Store, requests: AuthorizationRequests, redemption: Redemption) -> None:
        self._store = store
        self._requests = requests
        self._redemption = redemption

    def redeem(self, client: Client, form: Form) -> dict[str, Any]:
        """Exchange an authorization code for tokens, once.

        Raises:
            OAuthError: ``invalid_grant`` or ``invalid_target``.
        """
        code, verifier = form.require("code"), form.require("code_verifier")
        with self._store.transaction() as connection:
            answer = self._exchange(connection, client, code, verifier, form)
        if isinstance(answer, OAuthError):
            raise answer
        return answer

    def _exchange(
        self, connection: Connection, client: Client, code: str, verifier: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        refused = OAuthError("invalid_grant", "the authorization code is not good for this client")
        request = self._requests.by_code(connection, code)
        if request is None or request.client_id != client.client_id:
            return refused
        if request.state is State.REDEEMED:
            self._redemption.replayed(connection, request)
            return refused
        if request.state is not State.APPROVED or not _verifies(verifier, request.code_challenge or ""):
            return refused
        if form.get("redirect_uri") not in (None, request.redirect_uri):
            return refused
        return self._redemption.redeem(connection, client, request, form, refused)


class RefreshTokenGrant:
    """The refresh grant with rotation (RFC 6749 §6, OAuth 2.1 §4.3.1)."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    def redeem(self, client: Client, form: Form) -> dict[str, Any]:
        """Exchange a refresh token for a fresh pair; a token that was exchanged before revokes its whole family.

        Raises:
            OAuthError: ``invalid_grant``, ``invalid_target``, ``invalid_scope`` or ``invalid_authorization_details``.
        """
        presented = form.require("refresh_token")
        with self._store.transaction() as connection:
            answer = self._rotate(connection, client, presented, form)
        if isinstance(answer, OAuthError):
            raise answer
        return answer

    def _rotate(
        self, connection: Connection, client: Client, presented: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        refused = OAuthError("invalid_grant", "the refresh token is not good for this client")
        token = self._tokens.find(connection, presented)
        if token is None or token.use != "refresh" or token.client_id != client.client_id:
            return refused
        if token.rotated:
            self._tokens.revoke_family(connection, token.request_id)
            return refused
        if not self._tokens.is_active(connection, token):
            return refused
        widened = self._widens(connection, token, form)
        if widened is not None:
            return widened
        fresh = self._tokens.rotate(connection, token, self._tokens.grants_of(connection, token))
        if fresh is None:
            self._tokens.revoke_family(connection, token.request_id)  # another request was faster: a replay
            return refused
        return fresh

    def _widens(self, connection: Connection, token: IssuedToken, form: Form) -> OAuthError | None:
        named = form.all("resource")
        if any(named) and list(named) != [token.resource]:
            return OAuthError("invalid_target", "the resource is not the one that was approved")
        if form.get("scope") not in (None, SCOPE_OF[token.kind]):
            return OAuthError("invalid_scope", f"the only scope here is {SCOPE_OF[token.kind]}")
        asked = form.get("authorization_details")
        if asked is not None:
            granted = [grant.detail.to_json() for grant in self._tokens.grants_of(connection, token)]
            if _as_json(asked) != granted:
                return OAuthError("invalid_authorization_details", "a refresh carries the grant as it was approved")
        return None


def _as_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _verifies(verifier: str, challenge: str) -> bool:
    if not _CODE_VERIFIER.fullmatch(verifier):
        return False
    hashed = hashlib.sha256(verifier.encode("ascii")).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(hashed).rstrip(b"=").decode("ascii"), challenge)


def _check_no_repetition(form: Form) -> None:
    for name in ("device_code", "code", "code_verifier", "redirect_uri", "refresh_token", "scope"):
        form.get(name)
