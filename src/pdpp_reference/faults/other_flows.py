"""Flows that take what another flow staged."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, urlencode

from sqlalchemy import Connection
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest, AuthorizationRequests
from pdpp_reference.faults.fault import Declared
from pdpp_reference.settings import DEVICE_CODE_GRANT

declared = Declared()


class _OneNamespace(AuthorizationRequests):
    """Looks a device code up among everything that stands for a request."""

    def by_device_code(self, connection: Connection, device_code: str) -> AuthorizationRequest | None:
        return (
            super().by_device_code(connection, device_code)
            or self.by_code(connection, device_code)
            or self.by_request_uri(connection, device_code)
        )


@declared.replacing("The device grant redeems what the authorization-code flow staged.", "PRO-12")
def cross_flow_redemption(parts: Collaborators) -> None:
    parts.requests = _OneNamespace(parts.clock)


class _SecondTry:
    """Takes a refused authorization code for a device code."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/oauth/token":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        refused = await self._try(scope, body, send, last=False)
        if refused:
            form = dict(parse_qsl(body.decode()))
            changed = {"grant_type": DEVICE_CODE_GRANT, "device_code": form["code"], "client_id": form["client_id"]}
            await self._try(scope, urlencode(changed).encode(), send, last=True)

    async def _try(self, scope: Scope, body: bytes, send: Send, *, last: bool) -> bool:
        """Answer; or say that an authorization code was refused, and answer nothing."""
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["content-length"] = str(len(body))
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._app({**scope, "headers": headers.raw}, receive, keep)
        if not last and sent[0]["status"] == 400 and b"grant_type=authorization_code" in body and b"code=" in body:
            return True
        for message in sent:
            await send(message)
        return False


@declared.wrapping("A device code is taken for an authorization code, and nobody asks for its verifier.", "PRO-12")
def device_code_as_authorization_code(app: ASGIApp) -> ASGIApp:
    return _SecondTry(app)


class _DeviceBehindRequestUri:
    """Sends a request URI that ends in a user code to the device's decision."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        named = query.get("request_uri", [""])[0].rpartition(":")[2]
        if scope["type"] == "http" and scope["path"] == "/oauth/authorize" and 8 <= len(named) <= 9:
            await RedirectResponse(f"/device?user_code={named}", status_code=303)(scope, receive, send)
            return
        await self._app(scope, receive, send)


@declared.wrapping("A user code opens the decision as a request URI.", "PRO-12")
def device_code_as_request_uri(app: ASGIApp) -> ASGIApp:
    return _DeviceBehindRequestUri(app)
