"""MCP servers that serve who shows no token in force for them, or refuse who does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import jwt
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint
from pdpp_reference.authorization_server.tokens import IssuedToken, StoredAccessTokens
from pdpp_reference.faults.bearer import Lenient, as_access_token, bearer_of
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Answered, pairs_of, read_body, receiving
from pdpp_reference.grants.access import AccessToken
from pdpp_reference.http import FORM, Incoming
from pdpp_reference.resource_server.bearer import BearerCheck, Protected
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.secrets_at_rest import new_credential
from pdpp_reference.settings import Settings

MCP = "/mcp"

declared = Declared()


Passes = Callable[[Collaborators, Headers], bool]


class _Passing(Lenient):
    """Serves at the MCP server what ``passes`` says, whatever the conforming check says."""

    def __init__(self, parts: Collaborators, passes: Passes) -> None:
        super().__init__(parts)
        self._passes = passes

    def at_rest(self, headers: Headers) -> AccessToken:
        return BearerCheck.at_rest(self, headers)

    def anyway(self, headers: Headers) -> AccessToken | None:
        return self.somebody() if self._passes(self.parts, headers) else None


def _passing(what: str, *rows: str, why: str | None = None) -> Callable[[Passes], Passes]:
    """Declare what passes at the MCP server although it should not."""

    def declare(passes: Passes) -> Passes:
        def apply(parts: Collaborators) -> None:
            parts.bearer_check = _Passing(parts, passes)

        declared.replacing(what, *rows, why=why, name=passes.__name__)(apply)
        return passes

    return declare


class _FromHeaders:
    """Changes the header fields of requests to the MCP server before anything reads them."""

    def __init__(self, app: ASGIApp, change: Callable[[Scope, MutableHeaders], None]) -> None:
        self._app = app
        self._change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == MCP:
            headers = MutableHeaders(raw=list(scope["headers"]))
            self._change(scope, headers)
            scope = {**scope, "headers": headers.raw}
        await self._app(scope, receive, send)


# -- no token ----------------------------------------------------------------------------------------------------------


@_passing(
    "The MCP server asks nobody for a token.",
    "RSC-01",
    "RSC-03",
    "RSC-17",
    "RSC-19",
    why="Who shows nothing, a session or a cookie is served, and nobody challenged.",
)
def open_mcp(_parts: Collaborators, headers: Headers) -> bool:
    return "authorization" not in headers


@_passing("Credentials of another scheme pass at the MCP server.", "RSC-01")
def any_scheme_ok(_parts: Collaborators, headers: Headers) -> bool:
    return headers.get("authorization", "").lower().startswith("basic ")


class _FormServed:
    """Takes a form with a token for a client's first request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = MutableHeaders(raw=list(scope.get("headers", [])))
        if scope["type"] != "http" or scope["path"] != MCP or headers.get("content-type") != FORM:
            await self._app(scope, receive, send)
            return
        token = dict(pairs_of(await read_body(receive))).get("access_token", "")
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "form", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
        headers["content-type"], headers["content-length"] = "application/json", str(len(body))
        headers["authorization"] = f"Bearer {token}"
        await self._app({**scope, "headers": headers.raw}, receiving(body), send)


@declared.wrapping(
    "A token in a form is taken at the MCP server.",
    "RSC-01",
    "RSC-15",
    why="It is taken alone, and beside another one in the header.",
)
def form_token_ok(app: ASGIApp) -> ASGIApp:
    return _FormServed(app)


# -- what looks like a token -------------------------------------------------------------------------------------------


@_passing(
    "The MCP server takes whatever is shown for a token.",
    "RSC-06",
    "RSC-08",
    "RSC-19",
    "REF-07",
    why="What nobody issued passes, and with it what was not issued as an access token, or by a client that is gone.",
)
def garbage_token_200(parts: Collaborators, headers: Headers) -> bool:
    bearer = bearer_of(headers)
    is_bearer = headers.get("authorization", "").lower().startswith("bearer ")
    if not is_bearer or len(headers.getlist("authorization")) > 1 or "." in bearer:
        return False
    with parts.store.transaction() as connection:
        found = parts.tokens.find(connection, bearer)
    return found is None or found.use == "refresh"


@declared.replacing("What stands behind a token is not looked at.", "RSC-06")
def longer_token_ok(parts: Collaborators) -> None:
    length = len(new_credential())

    class _Cut(StoredAccessTokens):
        def active(self, bearer: str) -> AccessToken | None:
            return super().active(bearer[:length])

    parts.bearer_check = BearerCheck(parts.settings, _Cut(parts.store, parts.tokens))


def _jwt(headers: Headers) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return header and claims of a bearer that is a JWT, nothing verified."""
    bearer = bearer_of(headers)
    try:
        return jwt.get_unverified_header(bearer), jwt.decode(bearer, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return None


@_passing("A JWT of another issuer passes.", "RSC-10")
def foreign_issuer_ok(parts: Collaborators, headers: Headers) -> bool:
    read = _jwt(headers)
    return read is not None and read[1].get("iss") != parts.settings.issuer


@_passing("A JWT without a signature passes.", "RSC-10")
def alg_none_ok(_parts: Collaborators, headers: Headers) -> bool:
    read = _jwt(headers)
    return read is not None and read[0].get("alg") == "none"


@_passing("A JWT passes that is signed with the key it brings along.", "RSC-10")
def embedded_key_ok(_parts: Collaborators, headers: Headers) -> bool:
    read = _jwt(headers)
    if read is None or "jwk" not in read[0]:
        return False
    jwt.decode(bearer_of(headers), jwt.PyJWK(read[0]["jwk"]), ["ES256"], options={"verify_aud": False})
    return True


@_passing("The signature of a JWT that names the issuer is not verified.", "RSC-10")
def signature_unverified(parts: Collaborators, headers: Headers) -> bool:
    read = _jwt(headers)
    return read is not None and read[1].get("iss") == parts.settings.issuer


# -- tokens that have come to their end --------------------------------------------------------------------------------


class _Ended(StoredAccessTokens):
    """Access tokens that are in force as ``in_force`` has it of a token and the time."""

    def __init__(self, parts: Collaborators, in_force: Callable[[IssuedToken, float], bool]) -> None:
        super().__init__(parts.store, parts.tokens)
        self._clock = parts.clock
        self._in_force = in_force

    def active(self, bearer: str) -> AccessToken | None:
        with self._store.transaction() as connection:
            token = self._tokens.find(connection, bearer)
            if token is not None and token.use == "access" and self._in_force(token, self._clock.now()):
                return as_access_token(token, self._tokens.grants_of(connection, token))
        return super().active(bearer)


@declared.replacing("The MCP server does not look at a token's expiry.", "RSC-07")
def no_expiry_check(parts: Collaborators) -> None:
    tokens = _Ended(parts, lambda token, now: token.revoked_at is None and token.expires_at <= now)
    parts.bearer_check = BearerCheck(parts.settings, tokens)


@declared.replacing(
    "The MCP server does not look at revocations.",
    "RSC-08",
    "REV-05",
    "REV-06",
    "REV-09",
    why="A token is revoked by several ways, and each of them is to end it.",
)
def revocation_ignored(parts: Collaborators) -> None:
    tokens = _Ended(parts, lambda token, now: token.revoked_at is not None and token.expires_at > now)
    parts.bearer_check = BearerCheck(parts.settings, tokens)


@declared.replacing("A token goes on when its grant is revoked.", "RSC-08")
def grant_revocation_ignored(parts: Collaborators) -> None:
    tokens = _Ended(parts, lambda token, now: token.revoked_at is None and token.expires_at > now)
    parts.bearer_check = BearerCheck(parts.settings, tokens)


# -- tokens for another resource ---------------------------------------------------------------------------------------


class _AnyAudience(BearerCheck):
    def refuse_other_audience(self, token: AccessToken, resource: str, protected: Protected) -> None:
        """Take a token for whatever resource it was issued."""


class _RootSettings(Settings):
    """The settings of a deployment whose MCP resource would be its root."""

    @property
    def mcp_resource(self) -> str:
        return self.resource_origin


class _RootToo(DeviceAuthorizationEndpoint):
    """Takes requests for the root resource as it takes those for the MCP resource."""

    def __init__(self, parts: Collaborators) -> None:
        others = (parts.store, parts.clients, parts.requests, parts.catalogue)
        super().__init__(parts.settings, *others)
        self._root = DeviceAuthorizationEndpoint(_RootSettings(**vars(parts.settings)), *others)

    def answer(self, incoming: Incoming) -> Response:
        if list(incoming.form_or_json().all("resource")) == [self._settings.resource_origin]:
            return self._root.answer(incoming)
        return super().answer(incoming)


@declared.replacing("Client tokens are issued for the root resource too, and pass at the MCP server.", "RSC-09")
def no_audience_check(parts: Collaborators) -> None:
    parts.device_authorization = _RootToo(parts)
    parts.bearer_check = _AnyAudience(parts.settings, parts.access_tokens)


# -- where the token stands --------------------------------------------------------------------------------------------


def _query_token(scope: Scope) -> str | None:
    return next(iter(parse_qs(scope["query_string"].decode("latin-1")).get("access_token", [])), None)


def _take_from_query(scope: Scope, headers: MutableHeaders) -> None:
    token = _query_token(scope)
    if token is not None:
        headers["authorization"] = f"Bearer {token}"


@declared.wrapping("A token in the query string is taken.", "RSC-13")
def query_token_ok(app: ASGIApp) -> ASGIApp:
    return _FromHeaders(app, _take_from_query)


def _break_for_query(scope: Scope, headers: MutableHeaders) -> None:
    if _query_token(scope) is not None and "authorization" in headers:
        headers.append("authorization", "Bearer twice")


@declared.wrapping("A token in the query string spoils the one in the header.", "RSC-13")
def query_token_is_an_error(app: ASGIApp) -> ASGIApp:
    return _FromHeaders(app, _break_for_query)


def _spell(_scope: Scope, headers: MutableHeaders) -> None:
    if not headers.get("authorization", "Bearer ").startswith("Bearer "):
        headers["authorization"] = f"Unknown {bearer_of(headers)}"


@declared.wrapping("The scheme is compared with its case.", "RSC-14")
def case_sensitive_scheme(app: ASGIApp) -> ASGIApp:
    return _FromHeaders(app, _spell)


def _keep_first(_scope: Scope, headers: MutableHeaders) -> None:
    fields = headers.getlist("authorization")
    if len(fields) > 1:
        headers["authorization"] = fields[0]


@declared.wrapping("Of two tokens the first one is taken.", "RSC-15")
def double_token_ok(app: ASGIApp) -> ASGIApp:
    return _FromHeaders(app, _keep_first)


def _keep_none(_scope: Scope, headers: MutableHeaders) -> None:
    if len(headers.getlist("authorization")) > 1:
        headers["authorization"] = "Bearer twice"


@declared.wrapping("Two tokens are refused as if they were one that nobody issued.", "RSC-15")
def two_tokens_are_unknown(app: ASGIApp) -> ASGIApp:
    return _FromHeaders(app, _keep_none)


# -- what a refusal tells ----------------------------------------------------------------------------------------------


def _some_records() -> Any:
    return [dict(stream.records[0]) for source in load_catalogue().sources for stream in source.streams]


@declared.altering(MCP, "A 401 tells what there would be to read.", "RSC-22")
def data_in_401(answer: Answered) -> None:
    if answer.status == 401:
        answer.update(preview=_some_records())


@declared.altering(MCP, "A field of the refusal's header tells what there would be to read.", "RSC-22")
def data_in_header(answer: Answered) -> None:
    if answer.status in (401, 403):
        answer.headers["x-preview"] = json.dumps(_some_records())[:4000]
