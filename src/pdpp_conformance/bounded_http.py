"""An HTTP client that no server can hold up or fill up: one deadline for a whole exchange, one limit for its body."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import httpcore
import httpx

MOST_BODY_BYTES = 1024 * 1024
_MOST_CONNECTIONS = 50
_IDLE_SECONDS = 3.0
"""How long a connection may lie idle and be used again: servers commonly close one after five, and a request that is on
its way then is answered by a reset."""

_MOST_IDLE_CONNECTIONS = 20

_HEADERS = [(b"Accept", b"*/*"), (b"Accept-Encoding", b"gzip, deflate"), (b"User-Agent", b"pdpp-conformance")]
"""Sent with every request that says nothing else."""

_DEADLINE: ContextVar[float | None] = ContextVar("when the exchange has to be over", default=None)


@dataclass(frozen=True)
class Body:
    """What of a response body was read."""

    content: bytes
    length: int
    """How many bytes came before the reading ended, as they were transferred."""
    truncated: bool


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let this thread's exchanges be over within ``seconds``, whatever the server does.

    A client's own timeouts hold for one read each: a server that sends a byte a second never runs into them.
    """
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@dataclass(frozen=True)
class Received:
    """An answer, read to its end or to the bounds."""

    status: int
    headers: list[tuple[str, str]]
    body: Body


class BoundedClient:
    """A client that keeps to :func:`within`, follows no redirect, keeps no cookie and reads nothing of the environment.

    It is httpx's transport without httpx's client, whose redirects, cookies and environment nobody here wants.

    Args:
        authorities: certificates (PEM) that are trusted besides the public ones.

    Raises:
        OSError: ``authorities`` cannot be read.
        ssl.SSLError: it holds no certificates.
    """

    def __init__(self, *, authorities: Path | None = None) -> None:
        context = trusting(authorities)
        self._transport = httpx.HTTPTransport(verify=context, trust_env=False)
        self._transport.close()
        self._transport._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=_Backend(),
        )

    def send(
        self, method: str, url: str, *, headers: Iterable[tuple[Any, Any]], content: bytes | None, timeout: float
    ) -> Received:
        """Send a request and return its answer.

        Args:
            headers: names and values, texts or bytes.
            timeout: seconds for each read and write.

        Raises:
            httpx.HTTPError: no answer came, or it did not come to its end.
            httpx.InvalidURL, UnicodeError, ValueError: HTTP has no way to write the request.
        """
        given = httpx.Headers(list(headers))
        request = httpx.Request(
            method,
            url,
            headers=[*(one for one in _HEADERS if one[0].decode("ascii") not in given), *given.raw],
            content=content,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)},
        )
        response = self._transport.handle_request(request)
        try:
            body = read_body(response)
        finally:
            response.close()
        return Received(response.status_code, list(response.headers.multi_items()), body)

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()


@cache
def trusting(authorities: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the public certification authorities, and those of a PEM file besides.

    Each is read once: reading the public ones takes longer than most requests.

    Raises:
        OSError: the file cannot be read.
        ssl.SSLError: it holds no certificates.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if authorities is not None:
        context.load_verify_locations(cafile=authorities)
    return context


def read_body(response: httpx.Response) -> Body:
    """Read a streamed response's body, decoded, and of it no more than ``MOST_BODY_BYTES``.

    A coding other than gzip and deflate, or several, is left as it came: small answers may decode to huge ones.

    Raises:
        httpx.HTTPError: the body does not come to its end.
    """
    limited = _limited(response.iter_raw())
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("gzip", "x-gzip", "deflate"):
        return limited
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        content = unpacker.decompress(limited.content, MOST_BODY_BYTES)
    except zlib.error:
        return limited
    return Body(content, limited.length, limited.truncated or bool(unpacker.unconsumed_tail))


def _limited(chunks: Iterable[bytes]) -> Body:
    kept: list[bytes] = []
    length = 0
    for chunk in chunks:
        left = MOST_BODY_BYTES - length
        length += len(chunk)
        kept.append(chunk[:left])
        if length > MOST_BODY_BYTES:
            return Body(b"".join(kept), length, truncated=True)
    return Body(b"".join(kept), length, truncated=False)


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    deadline = _DEADLINE.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the exchange did not end in time")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens connections that keep to the deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._backend.connect_tcp(host, port, left, local_address, socket_options))
