"""Structured logs: one JSON object a line, with the request's id, and never a secret: no bodies, queries or headers."""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable
from typing import TextIO

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.errors import OAuthError
from pdpp_reference.http import oauth_error_answer
from pdpp_reference.secrets_at_rest import new_identifier

_PATH_SECRET = re.compile(r"/[^/]{24,}(?=/|$)")


def configure_logs(stream: TextIO) -> Callable[[], None]:
    """Write this process's logs to ``stream``.

    Returns:
        What lets them go where they went before: to be called before ``stream`` is closed.
    """
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(logging.NullHandler())
    for name in ("mcp", "uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return structlog.reset_defaults if before is None else lambda: structlog.configure(**before)


class RequestLog:
    """ASGI middleware: gives each request an id, logs how it went, and turns a fault into an answer without a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["pdpp.request_id"] = new_identifier("rq_")[:19]
        started = time.monotonic()
        status, complete = 0, False

        async def send_noting_status(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        log = structlog.get_logger()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_noting_status)
            except Exception as error:
                places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
                # No message and no locals: they may hold a secret.
                log.error("fault", exception=type(error).__name__, at=places[-6:])  # noqa: TRY400
                if status == 0:
                    await fault_answer(Request(scope))(scope, receive, send_noting_status)
                elif not complete:
                    raise
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=_PATH_SECRET.sub("/…", scope["path"])[:200],
                    status=status,
                    seconds=round(time.monotonic() - started, 4),
                )


def fault_answer(request: Request) -> Response:
    """Answer a request that the server failed at, without telling why."""
    fault = OAuthError("server_error", "the server failed to answer; its log has the request id", status=500)
    return oauth_error_answer(request, fault)
