"""Grants that do not end whole, or mean more on the device path than on the code path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.revocation import GrantRevocationEndpoint
from pdpp_reference.authorization_server.tokens import IssuedToken, Tokens
from pdpp_reference.faults.fault import Declared
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.authorization_details import AuthorizationDetail, StreamAccess
from pdpp_reference.grants.grants import Grants
from pdpp_reference.settings import Settings

_EIGHT_HOURS = 8 * 3600

declared = Declared()


# -- revoked -----------------------------------------------------------------------------------------------------------


class _RevokesNothing(GrantRevocationEndpoint):
    def revoke(self, connection: Connection, grant: Grant) -> None:
        """Leave the grant in force, and say that it was revoked."""


@declared.replacing(
    "A grant is said to be revoked and stays in force.",
    "PRO-06",
    "RSC-08",
    why="The token of a grant that stays in force goes on being served.",
)
def grant_stays_in_force(parts: Collaborators) -> None:
    parts.grant_revocation = _RevokesNothing(parts.store, parts.grants, parts.tokens)


class _RevokesAll(GrantRevocationEndpoint):
    def revoke(self, connection: Connection, grant: Grant) -> None:
        for other in self._grants.of_owner(connection, grant.subject_id):
            if other.client_id == grant.client_id:
                self._grants.revoke(connection, other.id)


@declared.replacing("Revoking one grant revokes every grant of its client.", "PRO-06")
def revoke_one_kills_all(parts: Collaborators) -> None:
    parts.grant_revocation = _RevokesAll(parts.store, parts.grants, parts.tokens)


class _NeverEnded(Grants):
    def of_owner(self, connection: Connection, subject_id: str) -> tuple[Grant, ...]:
        return tuple(replace(grant, revoked_at=None) for grant in super().of_owner(connection, subject_id))


@declared.replacing("The owner's list shows a revoked grant as if it was in force.", "REV-08")
def revoked_grant_listed(parts: Collaborators) -> None:
    parts.grants = _NeverEnded(parts.clock)


class _RefreshOutlivesGrant(Tokens):
    def is_active(self, connection: Connection, token: IssuedToken) -> bool:
        unspent = token.use == "refresh" and token.revoked_at is None and not token.rotated
        return unspent or super().is_active(connection, token)


@declared.replacing("The refresh token of a revoked grant still gives tokens.", "PRO-06")
def revoke_keeps_refresh_token(parts: Collaborators) -> None:
    parts.tokens = _RefreshOutlivesGrant(parts.settings, parts.clock, parts.grants)


# -- device path and code path -----------------------------------------------------------------------------------------


class _DeviceTokensLiveLonger(Tokens):
    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.settings, parts.clock, parts.grants)
        longer: Settings = replace(parts.settings, access_token_lifetime=_EIGHT_HOURS)
        self._longer = Tokens(longer, parts.clock, parts.grants)

    def issue(
        self, connection: Connection, request: AuthorizationRequest, client: Client, grants: Sequence[Grant]
    ) -> dict[str, Any]:
        if request.flow == "device_authorization":
            return self._longer.issue(connection, request, client, grants)
        return super().issue(connection, request, client, grants)


@declared.replacing("A token got by device code lives eight times as long.", "PRO-08")
def device_token_stronger(parts: Collaborators) -> None:
    parts.tokens = _DeviceTokensLiveLonger(parts)


class _AllStreams(Grants):
    """Grants a device every stream of the source, and tells so nowhere but at use."""

    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.clock)
        self._parts = parts

    def create(self, connection: Connection, *, request_id: str, details: Any, **rest: Any) -> tuple[Grant, ...]:
        request = self._parts.requests.by_id(connection, request_id)
        if request is not None and request.flow == "device_authorization":
            details = [self._widened(detail) for detail in details]
        return super().create(connection, request_id=request_id, details=details, **rest)

    def _widened(self, detail: AuthorizationDetail) -> AuthorizationDetail:
        source = self._parts.catalogue.find(detail.source_kind, detail.source_id)
        streams = detail.streams if source is None else tuple(StreamAccess(stream.name) for stream in source.streams)
        return replace(detail, streams=streams)


@declared.replacing(
    "A device gets every stream of the source that it asked one stream of.",
    "PRO-08",
    "PRO-05",
    "PRO-07",
    "TOK-07",
    "TOK-09",
    "CHG-10",
    why="More is granted than was asked for and approved, whichever way it is looked at.",
)
def device_token_reads_more(parts: Collaborators) -> None:
    parts.grants = _AllStreams(parts)


# -- single use --------------------------------------------------------------------------------------------------------


class _SingleUseRenewable(Tokens):
    def issue(
        self, connection: Connection, request: AuthorizationRequest, client: Client, grants: Sequence[Grant]
    ) -> dict[str, Any]:
        response = super().issue(connection, request, client, grants)
        single_use = any(grant.access_mode == "single_use" for grant in grants)
        if single_use and request.flow == "device_authorization":
            row = {
                "kind": request.token_kind,
                "client_id": client.client_id,
                "subject_id": request.subject_id,
                "resource": request.resource,
                "request_id": request.id,
                "grant_id": response.get("grant_id"),
                "package_id": response.get("grant_package_id"),
            }
            lifetime = self._settings.refresh_token_idle_lifetime
            response["refresh_token"] = self._insert(connection, row, "refresh", lifetime)
        return response


@declared.replacing("A single-use grant that a device got can be renewed.", "PRO-09")
def single_use_renewable(parts: Collaborators) -> None:
    parts.tokens = _SingleUseRenewable(parts.settings, parts.clock, parts.grants)


class _SingleUseForEver(Tokens):
    def is_active(self, connection: Connection, token: IssuedToken) -> bool:
        grants = self.grants_of(connection, token)
        unexpiring = token.use == "access" and token.revoked_at is None
        single_use = any(grant.access_mode == "single_use" for grant in grants)
        return (unexpiring and single_use) or super().is_active(connection, token)


@declared.replacing("The token of a single-use grant does not expire.", "PRO-09")
def grant_expiry_ignored(parts: Collaborators) -> None:
    parts.tokens = _SingleUseForEver(parts.settings, parts.clock, parts.grants)
