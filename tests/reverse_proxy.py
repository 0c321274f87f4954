"""A reverse proxy before a deployment, under an origin of its own, with TLS or without, honest or not."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import quote

UPSTREAM_SECONDS = 10
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})


@dataclass(frozen=True)
class Reply:
    """What the deployment answered, and what is passed on."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def with_header(self, name: str, value: str) -> Reply:
        kept = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))


class Passing(BaseHTTPRequestHandler):
    """One request on its way through the proxy."""

    protocol_version = "HTTP/1.1"
    local: LocalServer
    asked: bytes = b""
    """The body of the request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self) -> None:
        self.asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with suppress(OSError):
            reply = self.local.answer(self)
            if reply is None:
                self.close_connection = True
            else:
                self.reply(reply)

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = do_OPTIONS = answer  # noqa: N815

    def reply(self, reply: Reply) -> None:
        """Send an answer whole."""
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 50

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is nothing to tell."""


class LocalServer:
    """Serves on a free port of this machine, from its making to its end.

    Args:
        answer: answers a request; it may write something of its own to the connection, and return ``None``.
        tls: the certificate to serve with.
        host: the name under which it is asked.
    """

    def __init__(
        self,
        answer: Callable[[Passing], Reply | None],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.answer = answer
        self._server = _Server(("127.0.0.1", 0), type("ThisPassing", (Passing,), {"local": self}))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'http' if tls is None else 'https'}://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def upstream(passing: Passing, port: int, *, translate: bool = False) -> Reply:
    """Ask the deployment on a port of this machine what the proxy was asked.

    Args:
        translate: put the one origin in place of the other on both ways, for a deployment that knows of no proxy.
    """
    origins = (f"http://127.0.0.1:{port}", passing.local.url)

    def asked(text: str) -> str:
        for here, there in zip(_spellings(origins[1]), _spellings(origins[0]), strict=True):
            text = text.replace(here, there) if translate else text
        return text

    headers = {name: asked(value) for name, value in passing.headers.items() if name.lower() not in _OF_THE_CONNECTION}
    body = asked(passing.asked.decode("latin-1")).encode("latin-1") or None
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=UPSTREAM_SECONDS)) as connection:
        connection.request(passing.command, asked(passing.path), body=body, headers=headers)
        answer = connection.getresponse()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION]
        reply = Reply(answer.status, tuple(kept), answer.read())
    if not translate:
        return reply
    told = reply.body.decode("latin-1")
    for there, here in zip(_spellings(origins[0]), _spellings(origins[1]), strict=True):
        told = told.replace(there, here)
    return Reply(
        reply.status,
        tuple((name, value.replace(*origins)) for name, value in reply.headers),
        told.encode("latin-1"),
    )


def _spellings(origin: str) -> tuple[str, ...]:
    return origin, quote(origin, safe=""), origin.partition("://")[2]


class ReverseProxy(LocalServer):
    """Stands before a deployment; ``port`` is set once that listens.

    Args:
        tls: the certificate to serve with.
        host: the name under which it is asked.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.port = 0
        super().__init__(lambda passing: upstream(passing, self.port), tls=tls, host=host)
