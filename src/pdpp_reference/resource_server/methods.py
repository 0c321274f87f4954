"""Which methods an address takes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.errors import RestError
from pdpp_reference.http import rest_error_answer

READING = ("GET", "HEAD")


class OnlyMethods:
    """ASGI middleware that answers every other method with 405 and ``Allow`` (RFC 9110 §15.5.6)."""

    def __init__(self, app: ASGIApp, methods: tuple[str, ...]) -> None:
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in self._methods:
            await self._app(scope, receive, send)
            return
        allowed = ", ".join(self._methods)
        refusal = RestError(
            "method_not_allowed", f"this address takes {allowed} only", status=405, headers={"Allow": allowed}
        )
        await rest_error_answer(Request(scope), refusal)(scope, receive, send)
