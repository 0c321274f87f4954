"""Request kinds mistaken for each other: an MCP client's request becomes the owner's, or the other way round."""

# ruff: noqa: S105, S106  (token kinds and the names of members are no secrets)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    RequestKind,
)
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.parts import made_of, put
from pdpp_reference.grants.access import TokenKind
from pdpp_reference.grants.authorization_details import AuthorizationDetail, StreamAccess, parse_authorization_details
from pdpp_reference.http import Form

declared = Declared()


# -- when a code is asked for ------------------------------------------------------------------------------------------


class _IncompleteIsOwner(DeviceAuthorizationEndpoint):
    def request_kind(self, form: Form) -> RequestKind:
        complete = any(form.all("resource")) and any(form.all("authorization_details"))
        return "grant_scoped_mcp" if complete else "trusted_owner_agent"


@declared.replacing(
    "An incomplete MCP request becomes an owner-agent request.",
    "CHG-12",
    "PRO-01",
    why="The change's requirement and the profile's rule say the same of an incomplete request.",
)
def profile_confusion(parts: Collaborators) -> None:
    put(parts, _IncompleteIsOwner)


class _EmptyIsAbsent(DeviceAuthorizationEndpoint):
    def request_kind(self, form: Form) -> RequestKind:
        emptied = any("" in form.all(name) for name in ("resource", "authorization_details"))
        return "trusted_owner_agent" if emptied else super().request_kind(form)


@declared.replacing(
    "An MCP request with an empty parameter becomes an owner-agent request.",
    "CHG-12",
    "PRO-01",
    why="The change's requirement and the profile's rule say the same of an incomplete request.",
)
def empty_parameter_is_owner(parts: Collaborators) -> None:
    put(parts, _EmptyIsAbsent)


class _EverythingIsMcp(AuthorizationRequests):
    def stage(self, connection: Connection, **request: Any) -> str:
        return super().stage(connection, **{**request, "request_kind": "trusted_owner_agent"})


@declared.replacing(
    "Every request is stored as an owner agent's.",
    "PRO-01",
    "CHG-11",
    "CHG-15",
    "CHG-17",
    why="No MCP request is left whose kind, or whose decision page, could be right.",
)
def every_request_is_owner(parts: Collaborators) -> None:
    put(parts, _EverythingIsMcp)


class _KindInMemory(AuthorizationRequests):
    """Keeps the MCP requests' ids in memory; the database knows nothing but owner-agent requests."""

    def __init__(self, parts: Collaborators) -> None:
        super().__init__(*made_of(parts, AuthorizationRequests))
        self._mcp: set[str] = set()

    def stage(self, connection: Connection, **request: Any) -> str:
        request_id = super().stage(connection, **{**request, "request_kind": "trusted_owner_agent"})
        if request["request_kind"] == "grant_scoped_mcp":
            self._mcp.add(request_id)
        return request_id

    def _read(
        self, connection: Connection, statement: Select[Any], wanted: Mapping[str, object]
    ) -> AuthorizationRequest | None:
        request = super()._read(connection, statement, wanted)
        if request is None or request.id not in self._mcp:
            return request
        return replace(request, request_kind="grant_scoped_mcp", token_kind="client")


@declared.replacing("The kind of a request is only in memory, so that a restart forgets it.", "CHG-17")
def kind_in_memory(parts: Collaborators) -> None:
    parts.requests = _KindInMemory(parts)


# -- when it is redeemed -----------------------------------------------------------------------------------------------


class _KindFromForm(Redemption):
    """Lets the token request say which kind of token it wants."""

    def __init__(self, parts: Collaborators, kind_of: Callable[[Form], TokenKind | None]) -> None:
        super().__init__(*made_of(parts, Redemption))
        self._parts = parts
        self._kind_of = kind_of

    def _for_mcp(self, request: AuthorizationRequest) -> AuthorizationRequest:
        """Return the owner agent's request as one for everything that the first source has."""
        source = self._parts.catalogue.sources[0]
        detail = AuthorizationDetail(
            type=self._parts.settings.authorization_details_type,
            source_kind=source.kind,
            source_id=source.id,
            purpose_code="https://pdpp.dev/purpose/unstated",
            access_mode="single_use",
            streams=tuple(StreamAccess(stream.name) for stream in source.streams),
        )
        return replace(
            request,
            token_kind="client",
            resource=self._parts.settings.mcp_resource,
            authorization_details=(detail,),
        )

    def redeem(
        self, connection: Connection, client: Client, request: AuthorizationRequest, form: Form, refused: OAuthError
    ) -> dict[str, Any] | OAuthError:
        kind = self._kind_of(form)
        if kind == "client" and request.token_kind == "owner":
            # The form's resource is what makes it one, so that it is not compared with the owner agent's.
            request = self._for_mcp(request)
        if kind == "owner":
            request = replace(request, token_kind=kind, authorization_details=None)
        return super().redeem(connection, client, request, form, refused)


def _kind_from(name: str, what: str, kind_of: Callable[[Form], TokenKind | None]) -> None:
    def apply(parts: Collaborators) -> None:
        parts.redemption = _KindFromForm(parts, kind_of)

    apply.__name__ = name
    declared.replacing(what, "CHG-11")(apply)


_kind_from(
    "kind_from_token_request",
    "The token request may name the kind of token.",
    lambda form: "owner" if "owner" in form.all("pdpp_token_kind") else None,
)
_kind_from(
    "scope_makes_owner",
    "The owner scope in the token request makes an owner token.",
    lambda form: "owner" if any("pdpp:owner" in scope for scope in form.all("scope")) else None,
)
_kind_from(
    "profile_makes_owner",
    "The profile in the token request makes an owner token.",
    lambda form: "owner" if "trusted_owner_agent" in form.all("profile") else None,
)
_kind_from(
    "empty_details_make_owner",
    "Empty authorization details in the token request make an owner token.",
    lambda form: "owner" if form.all("authorization_details") == [""] else None,
)
_kind_from(
    "resource_makes_client",
    "A resource in the token request makes a client token of an owner agent's code.",
    lambda form: "client" if form.present("resource") else None,
)
_kind_from(
    "details_make_client",
    "Authorization details in the token request make a client token of an owner agent's code.",
    lambda form: "client" if any(form.all("authorization_details")) else None,
)


class _DetailsFromForm(Redemption):
    def __init__(self, parts: Collaborators) -> None:
        super().__init__(*made_of(parts, Redemption))
        self._parts = parts

    def redeem(
        self, connection: Connection, client: Client, request: AuthorizationRequest, form: Form, refused: OAuthError
    ) -> dict[str, Any] | OAuthError:
        asked = form.get("authorization_details")
        if asked is not None and request.token_kind == "client":
            details = parse_authorization_details(
                asked,
                accepted_type=self._parts.settings.authorization_details_type,
                catalogue=self._parts.catalogue,
            )
            request = replace(request, authorization_details=details)
        return super().redeem(connection, client, request, form, refused)


@declared.replacing("The token request may widen what the owner approved.", "CHG-10")
def details_from_token_request(parts: Collaborators) -> None:
    parts.redemption = _DetailsFromForm(parts)
