"""Deployments that are spread: an issuer below a path, and two servers on two origins."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.faults.traffic import AlteredAnswers, Answered
from pdpp_reference.settings import Settings

ISSUER_PATH = "/auth"

_NOTHING = "/nothing-here"
_RESOURCE_SERVER = re.compile(r"/(mcp|v1|\.well-known/oauth-protected-resource)(/.*)?")
_WELL_KNOWN = "/.well-known/"
_OWN_ADDRESS = re.compile(rb'\b(href|action|src)="/(?!/)')


def _elsewhere(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": path.encode()}


class BelowPath:
    """Serves the authorization server and the owner's pages below the issuer's path, and there alone (RFC 8414 §3.1).

    The resource server and the well-known documents keep their places on the same origin.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._prefix = urlsplit(settings.issuer).path
        self._app = AlteredAnswers(app, None, self._lead_below)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            inner = path.removeprefix(self._prefix) or "/"
            kept_apart = _RESOURCE_SERVER.fullmatch(inner) or inner.startswith(_WELL_KNOWN)
            scope = _elsewhere(scope, _NOTHING if kept_apart else inner)
        elif not path.startswith(_WELL_KNOWN) and not _RESOURCE_SERVER.fullmatch(path):
            scope = _elsewhere(scope, _NOTHING)
        await self._app(scope, receive, send)

    def _lead_below(self, answer: Answered) -> None:
        """Let redirects and the pages' links and forms lead below the path."""
        location = answer.headers.get("location", "")
        if location.startswith("/") and not location.startswith(f"{self._prefix}/"):
            answer.headers["location"] = self._prefix + location
        if answer.headers.get("content-type", "").startswith("text/html"):
            answer.body = _OWN_ADDRESS.sub(rb'\1="' + self._prefix.encode() + b"/", answer.body)


class TwoOrigins:
    """Serves the resource server on one origin and everything else on the other."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._resource_server = urlsplit(settings.resource_origin).netloc
        self._both = {self._resource_server, urlsplit(settings.issuer).netloc}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "") if scope["type"] == "http" else ""
        if host in self._both:
            belongs_here = bool(_RESOURCE_SERVER.fullmatch(scope["path"])) == (host == self._resource_server)
            if not belongs_here:
                scope = _elsewhere(scope, _NOTHING)
        await self._app(scope, receive, send)
