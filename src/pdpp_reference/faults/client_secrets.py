"""Clients with secrets, in front of a server that knows public clients alone; and what goes wrong with them.

The middleware without a flaw is a correct server of another shape: it lets a client register with a secret, demands
the secret at the token and device authorization endpoints, and passes the request on without it (RFC 6749 §2.3).
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote_plus, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.faults.device_authorization import ENDPOINT as DEVICE_AUTHORIZATION
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.polling import ENDPOINT as TOKEN
from pdpp_reference.faults.traffic import Pairs, pairs_of, read_body, receiving

_METADATA = "/.well-known/oauth-authorization-server"
_REGISTRATION = "/oauth/register"
_METHODS = ("client_secret_basic", "client_secret_post")

Flaw = Literal["secret_not_checked", "no_basic_challenge", "double_auth_ok", "poll_without_secret"]

declared = Declared()


class ClientSecrets:
    """Lets clients have secrets."""

    def __init__(self, app: ASGIApp, flaw: Flaw | None = None) -> None:
        self._app = app
        self._flaw = flaw
        self._secrets: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if scope["type"] == "http" and path == _METADATA:
            await self._describe(scope, receive, send)
        elif scope["type"] == "http" and path == _REGISTRATION and scope["method"] == "POST":
            await self._register(scope, receive, send)
        elif scope["type"] == "http" and path in (TOKEN, DEVICE_AUTHORIZATION) and scope["method"] == "POST":
            await self._authenticate(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _describe(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, members = await self._answer(scope, await read_body(receive))
        members["token_endpoint_auth_methods_supported"] = ["none", *_METHODS]
        await JSONResponse(members)(scope, receive, send)

    async def _register(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        try:
            wanted = json.loads(body)["token_endpoint_auth_method"]
        except (ValueError, LookupError, TypeError):
            wanted = "none"
        if wanted not in _METHODS:
            await self._app(scope, receiving(body), send)
            return
        status, members = await self._answer(scope, body)
        if "client_id" in members:
            secret = self._secrets[members["client_id"]] = secrets.token_urlsafe(32)
            members |= {"client_secret": secret, "client_secret_expires_at": 0, "token_endpoint_auth_method": wanted}
        await JSONResponse(members, status)(scope, receive, send)

    async def _authenticate(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        sent, basic = pairs_of(body), _basic(Headers(scope=scope).get("authorization", ""))
        named = dict(sent)
        client_id = basic[0] if basic is not None else named.get("client_id", "")
        if client_id not in self._secrets:
            await self._app(scope, receiving(body), send)
            return
        shown = [basic[1]] if basic is not None else []
        shown += [named["client_secret"]] if "client_secret" in named else []
        unchecked = self._flaw == "secret_not_checked" or (
            self._flaw == "poll_without_secret" and scope["path"] == TOKEN
        )
        if len(shown) > 1 and self._flaw != "double_auth_ok" and not unchecked:
            error = {"error": "invalid_request", "error_description": "the client authenticates twice"}
            await JSONResponse(error, 400)(scope, receive, send)
        elif set(shown) != {self._secrets[client_id]} and not unchecked:
            challenge = {"WWW-Authenticate": 'Basic realm="token"'} if self._flaw != "no_basic_challenge" else {}
            await JSONResponse({"error": "invalid_client"}, 401, challenge)(scope, receive, send)
        else:
            await self._pass_on(scope, send, client_id, sent)

    async def _pass_on(self, scope: Scope, send: Send, client_id: str, sent: Pairs) -> None:
        kept = [pair for pair in sent if pair[0] not in ("client_id", "client_secret")]
        body = urlencode([("client_id", client_id), *kept]).encode()
        headers = MutableHeaders(raw=[header for header in scope["headers"] if header[0] != b"authorization"])
        headers["content-length"] = str(len(body))
        await self._app({**scope, "headers": headers.raw}, receiving(body), send)

    async def _answer(self, scope: Scope, body: bytes) -> tuple[int, dict[str, Any]]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receiving(body), keep)
        content = b"".join(message.get("body", b"") for message in messages)
        return int(messages[0]["status"]), json.loads(content)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return None
    return unquote_plus(user), unquote_plus(password)


_FLAWS: Mapping[Flaw, tuple[str, tuple[str, ...], str | None]] = {
    "secret_not_checked": (
        "A client with a secret is served without it.",
        ("DAR-07", "DAR-08", "DAR-18", "POL-04"),
        "Where no secret is checked, a wrong one is no failure, and two are no more than none.",
    ),
    "no_basic_challenge": ("A wrong secret in the header is refused without a challenge.", ("DAR-08",), None),
    "double_auth_ok": ("A client may authenticate twice in one request.", ("DAR-18",), None),
    "poll_without_secret": ("A client with a secret polls without it.", ("POL-04",), None),
}


def _declare(flaw: Flaw, what: str, rows: tuple[str, ...], why: str | None) -> None:
    declared.wrapping(what, *rows, why=why, name=flaw)(lambda app: ClientSecrets(app, flaw))


for _flaw, (_what, _rows, _why) in _FLAWS.items():
    _declare(_flaw, _what, _rows, _why)
