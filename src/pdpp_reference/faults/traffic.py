"""ASGI middleware that spoils what passes: answers on their way out, forms on their way in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Pairs = list[tuple[str, str]]


@dataclass
class Answered:
    """A request and its answer, read whole. What is changed of the answer is what the client gets."""

    method: str
    path: str
    request_headers: Headers
    request_body: bytes
    status: int
    headers: MutableHeaders
    body: bytes

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters of the request's form."""
        return dict(pairs_of(self.request_body))

    @property
    def members(self) -> dict[str, Any]:
        """The members of the answer's JSON object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @members.setter
    def members(self, value: Mapping[str, Any]) -> None:
        self.body = json.dumps(value).encode()

    def update(self, **members: Any) -> None:
        """Set members of the answer's JSON object."""
        self.members = {**self.members, **members}

    def drop(self, *names: str) -> None:
        """Remove members of the answer's JSON object."""
        self.members = {name: value for name, value in self.members.items() if name not in names}


class AlteredAnswers:
    """Lets ``change`` spoil every answer at ``path``, or everywhere where that is ``None``."""

    def __init__(self, app: ASGIApp, path: str | None, change: Callable[[Answered], None]) -> None:
        self._app = app
        self._path = path
        self._change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._path not in (None, scope["path"]):
            await self._app(scope, receive, send)
            return
        request_body = await read_body(receive)
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receiving(request_body), keep)
        start = next(message for message in sent if message["type"] == "http.response.start")
        answer = Answered(
            method=scope["method"],
            path=scope["path"],
            request_headers=Headers(scope=scope),
            request_body=request_body,
            status=start["status"],
            headers=MutableHeaders(raw=list(start["headers"])),
            body=b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body"),
        )
        before = answer.body
        self._change(answer)
        if answer.body != before:
            answer.headers["content-length"] = str(len(answer.body))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers.raw})
        await send({"type": "http.response.body", "body": answer.body})


class RepairedForms:
    """Lets ``repair`` change the parameters of every form posted to ``path``, before the application reads them."""

    def __init__(self, app: ASGIApp, path: str, repair: Callable[[Pairs], Pairs]) -> None:
        self._app = app
        self._path = path
        self._repair = repair

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = urlencode(self._repair(pairs_of(await read_body(receive)))).encode()
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["content-length"] = str(len(body))
        await self._app({**scope, "headers": headers.raw}, receiving(body), send)


class MovedPath:
    """Serves at another path what the application serves at ``path``, which is empty from then on."""

    def __init__(self, app: ASGIApp, path: str, moved_to: str) -> None:
        self._app = app
        self._paths = {moved_to: path, path: "/nothing-here"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            path = self._paths[scope["path"]]
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def pairs_of(body: bytes) -> Pairs:
    """Read a form, empty values included."""
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


async def read_body(receive: Receive) -> bytes:
    """Read a request's body whole."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def receiving(body: bytes) -> Receive:
    """Give a body to read once more."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
