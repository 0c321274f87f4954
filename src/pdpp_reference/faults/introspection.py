"""Introspection that tells another story than the token response, or calls active what is no access token."""

# ruff: noqa: S105  (token kinds and the names of members are no secrets)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select
from starlette.responses import Response

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.introspection import IntrospectionEndpoint
from pdpp_reference.faults.fault import Declared
from pdpp_reference.grants.access import AccessToken
from pdpp_reference.http import Incoming, json_answer
from pdpp_reference.secrets_at_rest import digest
from pdpp_reference.storage.tables import owner_sessions

declared = Declared()


class _Saying(IntrospectionEndpoint):
    """Answers with members that ``said`` has changed."""

    def __init__(self, parts: Collaborators, said: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._said = said

    def active_members(self, token: AccessToken) -> dict[str, Any]:
        return self._said(super().active_members(token))


def _says(
    name: str, what: str, *rows: str, said: Callable[[dict[str, Any]], dict[str, Any]], why: str | None = None
) -> None:
    def apply(parts: Collaborators) -> None:
        parts.introspection = _Saying(parts, said)

    apply.__name__ = name
    declared.replacing(what, *rows, why=why)(apply)


def _is_client(members: dict[str, Any]) -> bool:
    return bool(members["pdpp_token_kind"] == "client")


def _without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


_says(
    "introspect_disagrees",
    "Introspection names another client than the token was issued to.",
    "INT-08",
    said=lambda members: {**members, "client_id": "longview"},
)
_says(
    "introspect_expiry_disagrees",
    "Introspection tells twice the lifetime.",
    "INT-08",
    said=lambda members: {**members, "exp": 2 * members["exp"] - members["iat"]},
)
_says(
    "introspect_details_missing",
    "Introspection does not tell the authorization details.",
    "INT-08",
    said=lambda members: _without(members, "authorization_details"),
)
_says(
    "introspect_other_audience",
    "Introspection names the root resource as the audience of every token.",
    "INT-08",
    said=lambda members: {**members, "aud": members["iss"]},
)
_says(
    "introspect_no_grant",
    "Introspection does not tell the grant.",
    "CHG-10",
    said=lambda members: _without(members, "grant_id"),
)
_says(
    "introspect_no_package",
    "Introspection does not tell the package.",
    "CHG-10",
    said=lambda members: _without(members, "grant_package_id"),
)
_says(
    "client_token_called_owner",
    "Introspection calls a client token an owner token.",
    "CHG-10",
    said=lambda members: {**members, "pdpp_token_kind": "owner"},
)
_says(
    "owner_token_called_client",
    "Introspection calls an owner token a client token.",
    "CHG-09",
    said=lambda members: {**members, "pdpp_token_kind": "client"},
)
_says(
    "owner_token_has_a_grant",
    "Introspection tells a grant of an owner token.",
    "CHG-09",
    said=lambda members: members if _is_client(members) else {**members, "grant_id": "grt_everything"},
)


class _ActiveToo(IntrospectionEndpoint):
    """Calls active what ``is_known`` knows, besides access tokens."""

    def __init__(self, parts: Collaborators, is_known: Callable[[Connection, str], bool]) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._parts = parts
        self._is_known = is_known

    def answer(self, incoming: Incoming) -> Response:
        response = super().answer(incoming)
        credential = incoming.form().require("token")
        with self._parts.store.transaction() as connection:
            known = self._is_known(connection, credential)
        return json_answer({"active": True, "token_type": "Bearer"}) if known else response


def _active(name: str, what: str, is_known: Callable[[Collaborators], Callable[[Connection, str], bool]]) -> None:
    def apply(parts: Collaborators) -> None:
        parts.introspection = _ActiveToo(parts, is_known(parts))

    apply.__name__ = name
    declared.replacing(what, "INT-09")(apply)


_active(
    "device_code_active",
    "A device code introspects as active.",
    lambda parts: lambda connection, credential: parts.requests.by_device_code(connection, credential) is not None,
)
_active(
    "user_code_active",
    "A user code introspects as active.",
    lambda parts: (
        lambda connection, credential: parts.requests.by_user_code(connection, credential.replace("-", "")) is not None
    ),
)


def _is_refresh_token(parts: Collaborators) -> Callable[[Connection, str], bool]:
    def known(connection: Connection, credential: str) -> bool:
        token = parts.tokens.find(connection, credential)
        return token is not None and token.use == "refresh"

    return known


_active("refresh_token_active", "A refresh token introspects as an active access token.", _is_refresh_token)


def _is_session(_parts: Collaborators) -> Callable[[Connection, str], bool]:
    def known(connection: Connection, credential: str) -> bool:
        found = select(owner_sessions.c.digest).where(owner_sessions.c.digest == digest(credential))
        return connection.execute(found).one_or_none() is not None

    return known


_active("session_active", "The owner's session introspects as an active access token.", _is_session)
