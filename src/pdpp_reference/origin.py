"""The public origin is what the operator configured; a request cannot move it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.errors import OAuthError
from pdpp_reference.http import oauth_error_answer

_DEFAULT_PORTS = {"http": 80, "https": 443}


class PinnedOrigin:
    """ASGI middleware that answers only requests made to a configured origin (RFC 9110 §7.4).

    It goes by the ``Host`` header alone. ``X-Forwarded-Host`` and ``Forwarded`` are never read: whoever runs a proxy
    configures the public origin and passes ``Host`` on.

    Args:
        app: what is served.
        origins: the public origins, scheme and authority without a trailing slash.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._authorities = frozenset(authority for origin in origins for authority in _authorities(origin))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope)):
            refusal = OAuthError("misdirected_request", "this server does not answer for that host", status=421)
            await oauth_error_answer(Request(scope), refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) == 1 and hosts[0].lower() in self._authorities


def _authorities(origin: str) -> list[str]:
    """Return the ways a ``Host`` header may spell the authority of ``origin``: a default port may be there or not."""
    parts = urlsplit(origin.lower())
    default = _DEFAULT_PORTS.get(parts.scheme)
    if parts.port is None:
        return [parts.netloc, f"{parts.netloc}:{default}"]
    if parts.port == default:
        return [parts.netloc, parts.netloc.removesuffix(f":{default}")]
    return [parts.netloc]
