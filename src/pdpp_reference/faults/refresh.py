"""Refreshes that give more than was granted, to others than the client, or for ever: RFC 6749 §6, OAuth 2.1 §4.3.1."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, update

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.token import RefreshTokenGrant
from pdpp_reference.authorization_server.tokens import IssuedToken, Tokens
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.polling import ENDPOINT
from pdpp_reference.faults.traffic import Pairs
from pdpp_reference.grants.access import Grant
from pdpp_reference.http import Form
from pdpp_reference.secrets_at_rest import digest
from pdpp_reference.storage.tables import grants, tokens

declared = Declared()


def _tokens(parts: Collaborators, made: type[Tokens]) -> None:
    """Let the refresh grant, and it alone, see the tokens in another way."""
    parts.refresh_token_grant = RefreshTokenGrant(parts.store, made(parts.settings, parts.clock, parts.grants))


# -- rotation ----------------------------------------------------------------------------------------------------------


class _StillValid(Tokens):
    def rotate(self, connection: Connection, presented: IssuedToken, grants: Sequence[Grant]) -> dict[str, Any] | None:
        fresh = super().rotate(connection, presented, grants)
        connection.execute(update(tokens).where(tokens.c.digest == presented.digest).values(rotated=False))
        return fresh


class _NotRotated(_StillValid):
    def rotate(self, connection: Connection, presented: IssuedToken, grants: Sequence[Grant]) -> dict[str, Any] | None:
        fresh = super().rotate(connection, presented, grants)
        return None if fresh is None else {name: value for name, value in fresh.items() if name != "refresh_token"}


@declared.replacing("A refresh gives no new refresh token, and the old one stays in use.", "REF-01")
def no_rotation(parts: Collaborators) -> None:
    _tokens(parts, _NotRotated)


@declared.replacing("A refresh gives a new refresh token, and the old one is as good as ever.", "REF-02")
def rotated_still_valid(parts: Collaborators) -> None:
    _tokens(parts, _StillValid)


class _NoContainment(Tokens):
    def revoke_family(self, connection: Connection, request_id: str) -> None:
        """Leave the family as it is."""


@declared.replacing("A refresh token that comes back is refused, and its family goes on.", "REF-02")
def refresh_replay_keeps_family(parts: Collaborators) -> None:
    _tokens(parts, _NoContainment)


# -- more than was granted ---------------------------------------------------------------------------------------------


class _Widening(RefreshTokenGrant):
    """Grants what is asked for."""

    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.store, parts.tokens)
        self._parts = parts

    def _widens(self, connection: Connection, token: IssuedToken, form: Form) -> OAuthError | None:
        refusal = super()._widens(connection, token, form)
        if refusal is None or refusal.error == "invalid_target":
            return refusal
        asked = form.get("authorization_details")
        if asked is not None:
            self.widen(connection, token, json.loads(asked)[0]["streams"])
        return None

    def widen(self, connection: Connection, token: IssuedToken, streams: list[dict[str, Any]]) -> None:
        """Write other streams into the grant behind a token."""
        if streams == [{"name": "*"}]:
            (grant,) = self._parts.tokens.grants_of(connection, token)
            sources = self._parts.catalogue.sources
            source = next(found for found in sources if found.id == grant.detail.source_id)
            streams = [{"name": stream.name} for stream in source.streams]
        for grant in self._parts.tokens.grants_of(connection, token):
            wider = json.dumps([{**grant.detail.to_json(), "streams": streams}])
            connection.execute(update(grants).where(grants.c.id == grant.id).values(detail=wider))

    def _rotate(
        self, connection: Connection, client: Client, presented: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        fresh = super()._rotate(connection, client, presented, form)
        if isinstance(fresh, dict) and form.get("scope") is not None:
            fresh["scope"] = form.get("scope")
        return fresh


@declared.replacing("A refresh grants the scope and the authorization details that it asks for.", "REF-03")
def refresh_widens_scope(parts: Collaborators) -> None:
    parts.refresh_token_grant = _Widening(parts)


@declared.repairing(ENDPOINT, "A refresh that asks for more gets what was granted, and no error.", "REF-03")
def refresh_demands_ignored(pairs: Pairs) -> Pairs:
    if ("grant_type", "refresh_token") not in pairs:
        return pairs
    return [pair for pair in pairs if pair[0] not in ("scope", "authorization_details")]


class _Unbound(_Widening):
    def _widens(self, connection: Connection, token: IssuedToken, form: Form) -> OAuthError | None:
        self.widen(connection, token, [{"name": "*"}])
        return RefreshTokenGrant._widens(self, connection, token, form)


@declared.replacing("A refresh gives a token for all streams of the source, whatever was granted.", "TOK-10")
def refresh_unbound(parts: Collaborators) -> None:
    parts.refresh_token_grant = _Unbound(parts)


class _AnyResource(RefreshTokenGrant):
    def _widens(self, connection: Connection, token: IssuedToken, form: Form) -> OAuthError | None:
        refusal = super()._widens(connection, token, form)
        return None if refusal is not None and refusal.error == "invalid_target" else refusal

    def _rotate(
        self, connection: Connection, client: Client, presented: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        fresh = super()._rotate(connection, client, presented, form)
        named = form.all("resource")
        if isinstance(fresh, dict) and named:
            of_the_fresh = tokens.c.digest == digest(fresh["access_token"])
            connection.execute(update(tokens).where(of_the_fresh).values(resource=named[-1]))
            fresh["resource"] = named[-1]
        return fresh


@declared.replacing("A refresh gives a token for whatever resource it names.", "REF-05")
def refresh_widens_resource(parts: Collaborators) -> None:
    parts.refresh_token_grant = _AnyResource(parts.store, parts.tokens)


@declared.repairing(ENDPOINT, "A refresh for another resource is answered as if it named none.", "REF-05")
def refresh_resource_ignored(pairs: Pairs) -> Pairs:
    return [pair for pair in pairs if pair[0] != "resource" or ("grant_type", "refresh_token") not in pairs]


class _NoResource(RefreshTokenGrant):
    def _widens(self, connection: Connection, token: IssuedToken, form: Form) -> OAuthError | None:
        if form.present("resource"):
            return OAuthError("invalid_target", "a refresh names no resource")
        return super()._widens(connection, token, form)


@declared.replacing("A refresh may not name the resource that was approved.", "REF-05")
def refresh_resource_refused(parts: Collaborators) -> None:
    parts.refresh_token_grant = _NoResource(parts.store, parts.tokens)


# -- whose it is, and what ---------------------------------------------------------------------------------------------


class _AnyClient(RefreshTokenGrant):
    def _rotate(
        self, connection: Connection, client: Client, presented: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        token = self._tokens.find(connection, presented)
        own = client if token is None else replace(client, client_id=token.client_id)
        return super()._rotate(connection, own, presented, form)


@declared.replacing("Whoever holds a refresh token can use it.", "REF-04")
def refresh_any_client(parts: Collaborators) -> None:
    parts.refresh_token_grant = _AnyClient(parts.store, parts.tokens)


class _AnyUse(Tokens):
    def find(self, connection: Connection, token: str) -> IssuedToken | None:
        found = super().find(connection, token)
        return None if found is None else replace(found, use="refresh")


@declared.replacing("An access token refreshes as well as a refresh token does.", "REF-07")
def token_confusion(parts: Collaborators) -> None:
    _tokens(parts, _AnyUse)


# -- its end -----------------------------------------------------------------------------------------------------------


class _GrantNotAsked(Tokens):
    def is_active(self, connection: Connection, token: IssuedToken) -> bool:
        return token.revoked_at is None and not token.rotated and token.expires_at > self._clock.now()


@declared.replacing("A refresh works although the grant behind it was revoked.", "REF-06")
def refresh_after_revoke(parts: Collaborators) -> None:
    _tokens(parts, _GrantNotAsked)


class _NeverExpired(Tokens):
    def find(self, connection: Connection, token: str) -> IssuedToken | None:
        found = super().find(connection, token)
        return found if found is None or found.use != "refresh" else replace(found, expires_at=math.inf)


@declared.replacing("A refresh token lives for ever, used or not.", "REF-08")
def refresh_never_expires(parts: Collaborators) -> None:
    _tokens(parts, _NeverExpired)
