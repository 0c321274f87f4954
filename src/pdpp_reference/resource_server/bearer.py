"""Who may pass: the bearer check of the MCP server and of the owner's REST surface (RFC 6750, RFC 9728 §5).

====================================  =====================  =====================================
at ``/mcp``                           answer                 challenge
====================================  =====================  =====================================
foreign ``Origin``                    403 permission_error   none
more than one token, or a form        400 invalid_request    ``error="invalid_request"``
no token                              401 authentication_…   ``resource_metadata`` only
unknown, expired, revoked, malformed  401 authentication_…   ``error="invalid_token"``
for another resource                  401 authentication_…   ``error="invalid_token"``
owner token                           403 permission_error   ``error="insufficient_scope"``
====================================  =====================  =====================================

``/v1`` is the same with the kinds exchanged, and without the ``Origin`` check: no browser sends a token by itself.
A token counts only in the ``Authorization`` header; one in the query string is as good as none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.errors import RestError
from pdpp_reference.grants.access import SCOPE_OF, AccessToken, AccessTokens
from pdpp_reference.http import FORM, rest_error_answer
from pdpp_reference.resource_server.metadata import MCP_METADATA_PATH, ROOT_METADATA_PATH
from pdpp_reference.settings import Settings

MAX_TOKEN_LENGTH = 4096
"""The longest bearer, in characters, that is looked up at all."""

_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_ACCESS_TOKEN = "pdpp.access_token"  # noqa: S105  the name of a scope member, not a secret


class Protected(NamedTuple):
    """What a challenge says of the resource: where its metadata is, and the scope that is needed (RFC 6750 §3)."""

    metadata_url: str
    scope: str


class BearerCheck:
    """Decides for each request, on its own headers alone, whether it may pass and what its token stands for.

    An MCP session id, a cookie or an earlier request never stand in for the token.
    """

    def __init__(self, settings: Settings, tokens: AccessTokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._own_origins = frozenset(
            f"{parts.scheme}://{parts.netloc}".lower()
            for parts in (urlsplit(settings.issuer), urlsplit(settings.resource_origin))
        )

    def at_mcp(self, headers: Headers) -> AccessToken:
        """Return the client token of a request to the MCP server.

        Raises:
            RestError: status 400, 401 or 403, as the table above says.
        """
        protected = Protected(self._settings.resource_origin + MCP_METADATA_PATH, SCOPE_OF["client"])
        self.refuse_foreign_origin(headers)
        token = self.active_token(headers, protected)
        if token.kind == "owner":
            raise RestError(
                "permission_error",
                "an owner token is not accepted at the MCP server; "
                f"owner agents use the REST interface at {self._settings.query_base}",
                status=403,
                next_step=f"Use this token with owner-agent REST at {self._settings.query_base}, "
                "or get a token that is scoped to a grant for the MCP server.",
                headers=_challenge(protected, "insufficient_scope", "an owner token is not accepted here"),
            )
        self.refuse_other_audience(token, self._settings.mcp_resource, protected)
        return token

    def at_rest(self, headers: Headers) -> AccessToken:
        """Return the owner token of a request to the owner's REST surface.

        A client token is in force, but does not reach this far: 403 ``insufficient_scope`` (RFC 6750 §3.1).

        Raises:
            RestError: status 400, 401 or 403.
        """
        protected = Protected(self._settings.resource_origin + ROOT_METADATA_PATH, SCOPE_OF["owner"])
        token = self.active_token(headers, protected)
        if token.kind == "client":
            raise RestError(
                "permission_error",
                f"a token scoped to a grant is accepted at {self._settings.mcp_resource} only",
                status=403,
                next_step=f"Use this token at {self._settings.mcp_resource}.",
                headers=_challenge(protected, "insufficient_scope", "an owner token is needed here"),
            )
        self.refuse_other_audience(token, self._settings.resource_origin, protected)
        return token

    def active_token(self, headers: Headers, protected: Protected) -> AccessToken:
        """Return what the bearer in ``headers`` stands for.

        Args:
            headers: the request's headers.
            protected: what the challenge says of the resource.

        Raises:
            RestError: status 401, ``authentication_error``, or 400, ``invalid_request``.
        """
        bearer = _bearer(headers, protected)
        token = self._tokens.active(bearer)
        if token is None:
            raise _invalid_token(protected, "the access token is unknown, expired or revoked")
        return token

    def refuse_other_audience(self, token: AccessToken, resource: str, protected: Protected) -> None:
        """Refuse a token that was issued for another resource (RFC 8707 §2).

        Raises:
            RestError: status 401, ``authentication_error``; told like an unknown token.
        """
        if token.resource != resource:
            raise _invalid_token(protected, "the access token is unknown, expired or revoked")

    def refuse_foreign_origin(self, headers: Headers) -> None:
        """Refuse a request that a web page of another origin makes (MCP, Streamable HTTP, security warning).

        Raises:
            RestError: status 403, ``permission_error``.
        """
        if any(origin.lower() not in self._own_origins for origin in headers.getlist("origin")):
            raise RestError("permission_error", "pages of another origin have no access here", status=403)


class Authorized:
    """ASGI middleware that lets only authorized requests through, each checked on its own.

    Args:
        app: what is protected.
        check: ``BearerCheck.at_mcp`` or ``BearerCheck.at_rest``; runs in a worker thread.
    """

    def __init__(self, app: ASGIApp, check: Callable[[Headers], AccessToken]) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            token = await run_in_threadpool(self._check, Headers(scope=scope))
        except RestError as refusal:
            await rest_error_answer(Request(scope), refusal)(scope, receive, send)
            return
        await self._app({**scope, _ACCESS_TOKEN: token}, receive, send)


def access_token_of(connection: HTTPConnection) -> AccessToken:
    """Return the token that ``Authorized`` let this request through with."""
    token: AccessToken = connection.scope[_ACCESS_TOKEN]
    return token


def _bearer(headers: Headers, protected: Protected) -> str:
    """Read the one bearer of a request (RFC 6750 §2.1)."""
    credentials = headers.getlist("authorization")
    if len(credentials) > 1:
        raise _invalid_request(protected, "there is more than one Authorization header")
    scheme, _, bearer = credentials[0].partition(" ") if credentials else ("", "", "")
    if scheme.lower() != "bearer":
        raise RestError("authentication_error", "an access token is needed", status=401, headers=_challenge(protected))
    if headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        # The body may hold a second token (RFC 6750 §2.2), and nothing here takes a form.
        raise _invalid_request(protected, "the token is sent in the Authorization header and never with a form")
    bearer = bearer.strip(" ")
    if len(bearer) > MAX_TOKEN_LENGTH or _B64TOKEN.fullmatch(bearer) is None:
        raise _invalid_token(protected, "the access token is malformed")
    return bearer


def _invalid_token(protected: Protected, description: str) -> RestError:
    return RestError(
        "authentication_error",
        description,
        status=401,
        headers=_challenge(protected, "invalid_token", description),
    )


def _invalid_request(protected: Protected, description: str) -> RestError:
    return RestError(
        "invalid_request", description, status=400, headers=_challenge(protected, "invalid_request", description)
    )


def _challenge(protected: Protected, error: str | None = None, description: str | None = None) -> dict[str, str]:
    """Write ``WWW-Authenticate``: without a token in the request it names no error (RFC 6750 §3.1)."""
    parameters = {
        "error": error,
        "error_description": description,
        "resource_metadata": protected.metadata_url,
        "scope": protected.scope,
    }
    written = ", ".join(f'{name}="{value}"' for name, value in parameters.items() if value is not None)
    return {"WWW-Authenticate": f"Bearer {written}"}
