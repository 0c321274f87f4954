"""Logs that hold what opens something."""

from __future__ import annotations

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.faults.fault import Declared

declared = Declared()


class _Logging:
    """Logs one more thing of each request."""

    def __init__(self, app: ASGIApp, what: str) -> None:
        self._app = app
        self._what = what

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        log = structlog.get_logger()
        if self._what == "query" and scope["query_string"]:
            log.info("query", query=scope["query_string"].decode("latin-1"))
        if self._what == "authorization" and "authorization" in Headers(scope=scope):
            log.info("headers", authorization=Headers(scope=scope)["authorization"])

        async def logging_body() -> Message:
            message = await receive()
            if self._what == "body" and message.get("body"):
                log.info("body", body=message["body"].decode("latin-1"))
            return message

        await self._app(scope, logging_body, send)


@declared.wrapping("The parameters of each request are logged, codes and tokens among them.", "PRO-10")
def codes_in_log(app: ASGIApp) -> ASGIApp:
    return _Logging(app, "body")


@declared.wrapping("The query of each request is logged, a user code in it.", "PRO-10")
def queries_in_log(app: ASGIApp) -> ASGIApp:
    return _Logging(app, "query")


@declared.wrapping("The Authorization header of each request is logged.", "PRO-10")
def authorization_header_in_log(app: ASGIApp) -> ASGIApp:
    return _Logging(app, "authorization")
