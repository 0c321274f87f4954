"""Authorization and resource servers of other shapes: what they answer within what the standards leave open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint, DeviceCodeGrant
from pdpp_reference.authorization_server.introspection import IntrospectionEndpoint
from pdpp_reference.authorization_server.registration import RegistrationEndpoint
from pdpp_reference.errors import OAuthError, RestError
from pdpp_reference.faults.traffic import AlteredAnswers, Answered
from pdpp_reference.grants.access import AccessToken
from pdpp_reference.resource_server.bearer import BearerCheck, Protected
from pdpp_reference.resource_server.metadata import MCP_METADATA_PATH, ROOT_METADATA_PATH
from pdpp_reference.settings import Settings

KNOWN_REGISTRATION_MEMBERS = frozenset(
    {
        "client_name",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "tos_uri",
        "redirect_uris",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
        "application_type",
    }
)
PACKAGE_KIND = "mcp_package"
HANDSHAKE_REVISION = "2025-11-25"
MCP_PATH = "/mcp"

SHORT_CODE_LENGTH = 6


class _ShortCodes(DeviceAuthorizationEndpoint):
    def new_user_code(self) -> str:
        return super().new_user_code()[:SHORT_CODE_LENGTH]


def short_codes(parts: Collaborators) -> None:
    """Give out user codes of six letters."""
    parts.device_authorization = _ShortCodes(
        parts.settings, parts.store, parts.clients, parts.requests, parts.catalogue
    )


class _StrictRegistration(RegistrationEndpoint):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        if not KNOWN_REGISTRATION_MEMBERS.issuperset(members):
            raise OAuthError("invalid_client_metadata", "a member is not known here")
        return super().metadata_to_register(members)


def strict_registration(parts: Collaborators) -> None:
    """Refuse a registration with a member that is not known."""
    parts.registration = _StrictRegistration(parts.settings, parts.store, parts.clients, parts.subject_of)


class _PackageKind(IntrospectionEndpoint):
    def active_members(self, token: AccessToken) -> dict[str, Any]:
        members = super().active_members(token)
        return members if token.package_id is None else {**members, "pdpp_token_kind": PACKAGE_KIND}


def package_kind_told(parts: Collaborators) -> None:
    """Call a package's token by a kind of its own at introspection."""
    parts.introspection = _PackageKind(parts.settings, parts.access_tokens)


def package_kind_listed(app: ASGIApp, _settings: Settings) -> ASGIApp:
    """List a package token's kind in the metadata of both resources."""

    def add(answer: Answered) -> None:
        if answer.status == 200:
            kinds = answer.members.get("pdpp_token_kinds_supported", [])
            answer.update(pdpp_token_kinds_supported=[*kinds, PACKAGE_KIND])

    return AlteredAnswers(AlteredAnswers(app, ROOT_METADATA_PATH, add), MCP_METADATA_PATH, add)


class _AlwaysPending(DeviceCodeGrant):
    def _pending(self, connection: Connection, request: AuthorizationRequest) -> OAuthError:
        self._requests.note_poll(connection, request, slow_down_by=0)
        return OAuthError("authorization_pending", "the owner has not decided yet")


def always_pending(parts: Collaborators) -> None:
    """Tell nobody to slow down."""
    parts.device_code_grant = _AlwaysPending(parts.store, parts.clock, parts.requests, parts.redemption)


class _RevokedIs403(BearerCheck):
    """Tells a token that was revoked, or whose grant was, from one that nobody issued."""

    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._parts = parts

    def active_token(self, headers: Headers, protected: Protected) -> AccessToken:
        try:
            return super().active_token(headers, protected)
        except RestError as refusal:
            if self._was_revoked(headers.get("authorization", "").partition(" ")[2].strip()):
                raise RestError("grant_revoked", "the owner has revoked the grant", status=403) from refusal
            raise

    def _was_revoked(self, bearer: str) -> bool:
        tokens = self._parts.tokens
        with self._parts.store.transaction() as connection:
            token = tokens.find(connection, bearer)
            if token is None or token.use != "access" or token.expires_at <= self._parts.clock.now():
                return False
            return token.kind == "client" and not tokens.is_active(connection, token)


def revoked_is_403(parts: Collaborators) -> None:
    """Answer 403 to a client token that was revoked."""
    parts.bearer_check = _RevokedIs403(parts)


def without_members(path: str, *names: str) -> Callable[[ASGIApp, Settings], ASGIApp]:
    """Return what leaves members out of the JSON object at ``path``."""

    def leave_out(answer: Answered) -> None:
        if answer.status == 200:
            answer.drop(*names)

    return lambda app, _settings: AlteredAnswers(app, path, leave_out)


def without_request_ids(app: ASGIApp, _settings: Settings) -> ASGIApp:
    """Leave the request id out of every error object."""

    def leave_out(answer: Answered) -> None:
        error = answer.members.get("error")
        if answer.status < 400 or error is None:
            return
        answer.drop("request_id")
        if isinstance(error, dict):
            answer.update(error={name: value for name, value in error.items() if name != "request_id"})

    return AlteredAnswers(app, None, leave_out)


def handshake_only(app: ASGIApp, _settings: Settings) -> ASGIApp:
    """Refuse MCP revisions later than the last one with a handshake, once the bearer was let through."""

    def refuse(answer: Answered) -> None:
        asked = answer.request_headers.get("mcp-protocol-version", "")
        if answer.status == 200 and asked > HANDSHAKE_REVISION:
            answer.status = 400
            error = {"code": -32600, "message": f"this server speaks MCP {HANDSHAKE_REVISION}"}
            answer.members = {"jsonrpc": "2.0", "id": None, "error": error}

    return AlteredAnswers(app, MCP_PATH, refuse)
