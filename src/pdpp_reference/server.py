"""The deployment on a socket: in the foreground for `pdpp serve`, in a thread for those who test against it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators, compose
from pdpp_reference.clock import Clock
from pdpp_reference.faults import faults_named
from pdpp_reference.settings import Settings
from pdpp_reference.shapes import create_shaped_app, on_two_origins, settled, shapes_named

_START_SECONDS = 15.0
_STOP_SECONDS = 5


class CannotListen(Exception):
    """The address cannot be bound; the message is one sentence with the next step."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port`` (0 for any free one).

    Raises:
        CannotListen: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio turns Nagle's algorithm off: answers would wait 40 ms otherwise.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise CannotListen(f"cannot listen on {host} port {port} ({error.strerror}); choose another --port") from None
    return listening


def server_of(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """Return uvicorn, configured to say nothing of itself and to bound what it reads."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            h11_max_incomplete_event_size=settings.max_header_bytes,
            server_header=False,
            proxy_headers=False,
            log_config=None,
            access_log=False,
            timeout_keep_alive=20,
            timeout_graceful_shutdown=_STOP_SECONDS,
            limit_concurrency=500,
        )
    )


class LoopbackServer:
    """A deployment on a loopback port, served by a thread. It can be stopped and started again on the same port.

    Args:
        clock: the time it lives by.
        adjust: replaces collaborators before the application is made.
        faults: names of deliberate defects (:data:`pdpp_reference.faults.FAULTS`).
        shapes: names of shapes other than the default (:data:`pdpp_reference.shapes.SHAPES`).
        resource_port: the port of the resource server, where a shape gives it one of its own.
        settings: any field of :class:`Settings` but the two origins.

    Raises:
        UnknownFault: one of the faults does not exist.
        UnknownShape: one of the shapes does not exist.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        adjust: Callable[[Collaborators], None] = lambda _parts: None,
        faults: Sequence[str] = (),
        shapes: Sequence[str] = (),
        port: int = 0,
        resource_port: int = 0,
        **settings: Any,
    ) -> None:
        self._clock = clock
        self._adjust = adjust
        self._faults = faults_named(faults)
        self._shapes = shapes_named(shapes)
        self._listening = [bind("127.0.0.1", port)]
        if on_two_origins(self._shapes):
            self._listening.append(bind("127.0.0.1", resource_port))
        self._ports: list[int] = [listening.getsockname()[1] for listening in self._listening]
        origin = f"http://127.0.0.1:{self.port}"
        self.settings = settled(Settings(issuer=origin, resource_origin=self.base_url, **settings), self._shapes)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._parts: Collaborators | None = None

    @property
    def port(self) -> int:
        """The port of the authorization server, and of the resource server too unless that has its own."""
        return self._ports[0]

    @property
    def resource_port(self) -> int:
        """The port of the resource server."""
        return self._ports[-1]

    @property
    def base_url(self) -> str:
        """The origin, without a trailing slash; of two, the resource server's."""
        return f"http://127.0.0.1:{self.resource_port}"

    @property
    def parts(self) -> Collaborators:
        """The collaborators of the running server."""
        assert self._parts is not None
        return self._parts

    def start(self) -> None:
        """Start serving; return when it answers.

        Raises:
            RuntimeError: it did not start.
        """
        if not self._listening:
            self._listening = [bind("127.0.0.1", port) for port in self._ports]
        self._parts = compose(self.settings, self._clock, self._adjust)
        self._server = server_of(create_shaped_app(self._parts, self._shapes, self._faults), self.settings)
        arguments = {"sockets": self._listening}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, name="pdpp-server", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop serving, close the port and the database."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_SECONDS * 2)
        for listening in self._listening:
            listening.close()
        if self._parts is not None:
            self._parts.store.close()
        self._listening = []
        self._server = self._thread = self._parts = None
