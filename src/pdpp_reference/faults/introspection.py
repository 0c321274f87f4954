"""Introspection that tells what is not so, or tells it to everybody: RFC 7662."""

# ruff: noqa: S105  (token kinds and the names of members are no secrets)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.introspection import IntrospectionEndpoint, basic_credentials
from pdpp_reference.authorization_server.tokens import IssuedToken
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Answered
from pdpp_reference.grants.access import AccessToken
from pdpp_reference.http import FORM, Incoming, json_answer
from pdpp_reference.secrets_at_rest import digest
from pdpp_reference.storage.tables import owner_sessions

ENDPOINT = "/introspect"

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
    "introspect_times_ahead",
    "Introspection dates every token to tomorrow.",
    "INT-08",
    said=lambda members: {**members, "iat": members["iat"] + 86_400, "exp": members["exp"] + 86_400},
)
_says(
    "introspect_other_issuer",
    "Introspection names another issuer.",
    "INT-08",
    said=lambda members: {**members, "iss": f"{members['iss']}/other"},
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
    "CHG-10",
    said=lambda members: {**members, "aud": members["iss"]},
    why="A client token is for the MCP resource, and introspection has to say so.",
)
_says(
    "introspect_no_grant",
    "Introspection does not tell the grant.",
    "CHG-10",
    "PRO-02",
    said=lambda members: _without(members, "grant_id"),
    why="A grant that is not told is not the same as in the token response either.",
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


# -- who may ask, and how ----------------------------------------------------------------------------------------------


class _AnyCaller(IntrospectionEndpoint):
    def authenticate(self, request: Request) -> None:
        """Let everybody ask."""


class _AnySecret(IntrospectionEndpoint):
    def authenticate(self, request: Request) -> None:
        given = basic_credentials(request.headers.get("authorization", ""))
        if given is None or given[0] != self._settings.introspection_client_id:
            super().authenticate(request)


class _AnyBearer(IntrospectionEndpoint):
    def authenticate(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self._access_tokens.active(token) is None:
            super().authenticate(request)


def _asked_by(name: str, what: str, made: type[IntrospectionEndpoint]) -> None:
    def apply(parts: Collaborators) -> None:
        parts.introspection = made(parts.settings, parts.access_tokens)

    apply.__name__ = name
    declared.replacing(what, "INT-02")(apply)


_asked_by("open_introspection", "Anybody may introspect.", _AnyCaller)
_asked_by("introspection_secret_unchecked", "The resource server's name is enough to introspect.", _AnySecret)
_asked_by("introspection_by_client_token", "A client's access token is enough to introspect.", _AnyBearer)


@declared.altering(ENDPOINT, "A caller without credentials is refused with 400.", "INT-02")
def introspection_unauthorized_400(answer: Answered) -> None:
    if answer.status == 401:
        answer.status = 400


@declared.altering(ENDPOINT, "A caller without credentials is refused without a challenge.", "INT-02")
def introspection_without_challenge(answer: Answered) -> None:
    if answer.status == 401:
        del answer.headers["www-authenticate"]


@declared.wrapping("Introspection is answered to a GET.", "INT-01")
def introspection_get_ok(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != ENDPOINT or scope["method"] != "GET":
            await app(scope, receive, send)
            return
        body = scope["query_string"]
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["content-type"] = FORM
        headers["content-length"] = str(len(body))

        async def posted() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await app({**scope, "method": "POST", "headers": headers.raw, "query_string": b""}, posted, send)

    return serve


@declared.altering(ENDPOINT, "Without a token, introspection calls it inactive instead of an error.", "INT-01")
def introspection_token_optional(answer: Answered) -> None:
    if answer.status == 400 and "token" not in answer.form:
        answer.status, answer.members = 200, {"active": False}


@declared.altering(ENDPOINT, "A parameter that nobody knows is an error at introspection.", "INT-01")
def introspection_unknown_param_400(answer: Answered) -> None:
    if not set(answer.form) <= {"token", "token_type_hint"}:
        answer.status, answer.members = 400, {"error": "invalid_request"}


@declared.altering(ENDPOINT, "A token is not found under the hint of another type.", "INT-07")
def hint_is_filter(answer: Answered) -> None:
    if answer.form.get("token_type_hint", "access_token") != "access_token":
        answer.members = {"active": False}


@declared.altering(
    "/.well-known/oauth-authorization-server",
    "Introspection is offered over plain http, on a network.",
    "INT-10",
    "ASM-12",
    "MET-07",
    "MET-18",
    why="Plain http is excused on loopback, so that the endpoint lies elsewhere, and onboarding names another.",
)
def introspection_without_tls(answer: Answered) -> None:
    answer.update(introspection_endpoint="http://as.example/introspect")


@declared.altering(ENDPOINT, "The token is told in a URL to go on to.", "INT-10")
def introspection_redirects(answer: Answered) -> None:
    answer.headers["location"] = f"{ENDPOINT}?token={answer.form.get('token', '')}"


# -- what is told ------------------------------------------------------------------------------------------------------


def _is_active(answer: Answered) -> bool:
    return answer.status == 200 and answer.members.get("active") is True


def _is_inactive(answer: Answered) -> bool:
    return answer.status == 200 and answer.members.get("active") is False


@declared.altering(ENDPOINT, "That a token is active is told as a text.", "INT-03")
def active_string(answer: Answered) -> None:
    if _is_active(answer):
        answer.update(active="true")


@declared.altering(
    ENDPOINT,
    "That a token is inactive is told as null.",
    "INT-03",
    "INT-04",
    "INT-06",
    "REV-05",
    why="What is not false does not tell that a token is inactive, for whatever reason.",
)
def inactive_null(answer: Answered) -> None:
    if _is_inactive(answer):
        answer.members = {"active": None}


@declared.altering(
    ENDPOINT,
    "Introspecting a token that is not active is an error.",
    "INT-04",
    "INT-06",
    "REV-05",
    why="A token that has come to its end is told by an error, and not inactive.",
    name="404_unknown_token",
)
def _404_unknown_token(answer: Answered) -> None:
    if _is_inactive(answer):
        answer.status, answer.members = 404, {"error": "invalid_token"}


@declared.altering(ENDPOINT, "Introspection tells why a token is inactive.", "INT-05")
def inactive_with_reason(answer: Answered) -> None:
    if _is_inactive(answer):
        answer.update(reason="the token is not known here")


def _deaf(name: str, what: str, *rows: str, why: str, active: Callable[[IssuedToken, float], bool]) -> None:
    def apply(parts: Collaborators) -> None:
        parts.introspection = _Anyway(parts, active)

    apply.__name__ = name
    declared.replacing(what, *rows, why=why)(apply)


class _Anyway(IntrospectionEndpoint):
    """Calls access tokens active that are not, as ``active`` has it of a token and the time."""

    def __init__(self, parts: Collaborators, active: Callable[[IssuedToken, float], bool]) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._parts = parts
        self._active = active

    def answer(self, incoming: Incoming) -> Response:
        response = super().answer(incoming)
        with self._parts.store.transaction() as connection:
            token = self._parts.tokens.find(connection, incoming.form().require("token"))
        if token is None or token.use != "access" or not self._active(token, self._parts.clock.now()):
            return response
        return json_answer({"active": True, "client_id": token.client_id, "token_type": "Bearer"})


_deaf(
    "active_after_revoke",
    "A revoked token goes on introspecting as active.",
    "INT-04",
    "INT-06",
    "REV-05",
    why="Introspection has to call a revoked token inactive, by whatever sentence.",
    active=lambda token, _now: token.revoked_at is not None,
)
_deaf(
    "active_after_expiry",
    "An expired token goes on introspecting as active.",
    "INT-04",
    "INT-06",
    why="Introspection has to call an expired token inactive, by either sentence.",
    active=lambda token, now: token.expires_at <= now,
)


@declared.replacing("A token whose grant was revoked goes on introspecting as active.", "INT-06")
def active_after_grant_revoke(parts: Collaborators) -> None:
    parts.introspection = _Anyway(parts, lambda token, now: token.revoked_at is None and token.expires_at > now)
