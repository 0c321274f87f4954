"""MCP servers that let in by another door: sessions, peers, pages of other origins, revisions guessed at."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Answered, read_body, receiving
from pdpp_reference.resource_server.bearer import BearerCheck

MCP = "/mcp"
SESSION = "mcp-session-id"
REVISION = "mcp-protocol-version"

declared = Declared()


# -- sessions ----------------------------------------------------------------------------------------------------------


class _Sessions:
    """Gives a session id with each handshake, and remembers whose it is.

    Args:
        new_id: draws an id.
        stands_for_token: whether a request in a session needs no token of its own.
        bound: whether a session is refused to other tokens than its own.
    """

    def __init__(
        self, app: ASGIApp, *, new_id: Callable[[], str], stands_for_token: bool = False, bound: bool = True
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._stands_for_token = stands_for_token
        self._bound = bound
        self._owner_of: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != MCP:
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(raw=list(scope["headers"]))
        owner = self._owner_of.get(headers.get(SESSION, ""))
        if owner is not None and self._stands_for_token and "authorization" not in headers:
            headers["authorization"] = owner
        if owner is not None and self._bound and headers.get("authorization", owner) != owner:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        body = await read_body(receive)

        async def with_id(message: Message) -> None:
            begins = b'"initialize"' in body and message.get("status") == 200
            if message["type"] == "http.response.start" and begins:
                session_id = self._new_id()
                self._owner_of[session_id] = headers.get("authorization", "")
                message = {**message, "headers": [*message["headers"], (SESSION.encode(), session_id.encode())]}
            await send(message)

        await self._app({**scope, "headers": headers.raw}, receiving(body), with_id)


@declared.wrapping("The id of a session stands for the token it was opened with.", "RSC-17")
def session_is_auth(app: ASGIApp) -> ASGIApp:
    return _Sessions(app, new_id=lambda: secrets.token_hex(16), stands_for_token=True)


@declared.wrapping("A session is anybody's who has a token.", "RSC-26")
def handle_not_bound(app: ASGIApp) -> ASGIApp:
    return _Sessions(app, new_id=lambda: secrets.token_hex(16), bound=False)


@declared.wrapping("Sessions are numbered.", "RSC-26")
def guessable_sessions(app: ASGIApp) -> ASGIApp:
    numbers = itertools.count(1)
    return _Sessions(app, new_id=lambda: f"session-{next(numbers):012}")


class _Peers:
    """Takes a connection for its token, once one was shown on it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._shown: dict[tuple[str, int], str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != MCP:
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(raw=list(scope["headers"]))
        if "authorization" not in headers and scope["client"] in self._shown:
            headers["authorization"] = self._shown[scope["client"]]
        shown = headers.get("authorization", "")

        async def remember(message: Message) -> None:
            if message.get("status") == 200:
                self._shown[scope["client"]] = shown
            await send(message)

        await self._app({**scope, "headers": headers.raw}, receive, remember)


@declared.wrapping(
    "A connection stands for the token that was shown on it.",
    "RSC-01",
    "RSC-03",
    "RSC-17",
    "RSC-19",
    why="Whoever comes later on the connection is served without a token, and challenged by nobody.",
)
def connection_is_auth(app: ASGIApp) -> ASGIApp:
    return _Peers(app)


# -- pages of other origins --------------------------------------------------------------------------------------------


def _origins(what: str, *rows: str) -> Callable[[Callable[[str, str], bool]], None]:
    """Declare whose pages are let in, by the origin they come from and the server's own."""

    def declare(trusts: Callable[[str, str], bool]) -> None:
        class _Trusting(BearerCheck):
            def refuse_foreign_origin(self, headers: Headers) -> None:
                if not trusts(headers.get("origin", ""), self._settings.resource_origin):
                    super().refuse_foreign_origin(headers)

        def apply(parts: Collaborators) -> None:
            parts.bearer_check = _Trusting(parts.settings, parts.access_tokens)

        declared.replacing(what, *rows, name=trusts.__name__)(apply)

    return declare


@_origins("Nobody looks at the origin of a page.", "RSC-23")
def no_origin_check(_origin: str, _own: str) -> bool:
    return True


@_origins("A page is let in whose origin begins like the server's own.", "RSC-23")
def origin_prefix_ok(origin: str, own: str) -> bool:
    return origin.startswith(own)


@_origins("A page is let in whose origin ends like the server's own.", "RSC-23")
def origin_suffix_ok(origin: str, own: str) -> bool:
    return origin.endswith(urlsplit(own).netloc)


@_origins("A page without an origin that it could name is let in.", "RSC-23")
def null_origin_ok(origin: str, _own: str) -> bool:
    return origin == "null"


@declared.altering(MCP, "A page of another origin is refused as if it had no token.", "RSC-23")
def foreign_origin_is_401(answer: Answered) -> None:
    if answer.status == 403 and "origin" in answer.request_headers:
        answer.status = 401


# -- revisions ---------------------------------------------------------------------------------------------------------


class _Agreeing:
    """Changes the header fields of a request by its body, before anything reads them."""

    def __init__(self, app: ASGIApp, change: Callable[[MutableHeaders, bytes], bytes]) -> None:
        self._app = app
        self._change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != MCP:
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(raw=list(scope["headers"]))
        body = self._change(headers, await read_body(receive))
        headers["content-length"] = str(len(body))
        await self._app({**scope, "headers": headers.raw}, receiving(body), send)


_SPOKEN = ("2025-11-25", "2026-07-28")


def _take_for_spoken(headers: MutableHeaders, body: bytes) -> bytes:
    if headers.get(REVISION, _SPOKEN[0]) not in _SPOKEN:
        headers[REVISION] = _SPOKEN[0]
    return body


@declared.wrapping("A revision that is not spoken is taken for one that is.", "RSC-24")
def version_ignored(app: ASGIApp) -> ASGIApp:
    return _Agreeing(app, _take_for_spoken)


def _follow_the_body(headers: MutableHeaders, body: bytes) -> bytes:
    try:
        message = json.loads(body)
        method, params = message["method"], message["params"]
    except (ValueError, KeyError, TypeError):
        return body
    if headers.get(REVISION) == _SPOKEN[1] and "_meta" in params:
        headers["mcp-method"] = method
        if "name" in params:
            headers["mcp-name"] = params["name"]
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = _SPOKEN[1]
        return json.dumps(message).encode()
    return body


@declared.wrapping("The body is followed where the header says something else.", "RSC-25")
def header_mismatch_ok(app: ASGIApp) -> ASGIApp:
    return _Agreeing(app, _follow_the_body)


@declared.altering(MCP, "A header that contradicts the body is refused without saying so.", "RSC-25")
def mismatch_unnamed(answer: Answered) -> None:
    answer.body = answer.body.replace(b"-32020", b"-32600")
