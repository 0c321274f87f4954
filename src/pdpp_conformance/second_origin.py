"""A second origin: a small server of the harness's own, from whose pages a deployment is attacked.

It listens on loopback only, on a free port, and serves pages that the harness wrote. Under one host name its pages are
cross-site to the deployment; where the deployment is on loopback itself, under another they are merely cross-origin, so
that ``SameSite`` cookies go along and the deployment has nothing but its own protection.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

MOST_REQUESTS = 500
_STOP_SECONDS = 5


@dataclass(frozen=True)
class Visit:
    """A request that a page of the deployment, or a page of this origin, led to."""

    path: str
    referer: str | None


class SecondOrigin:
    """The server and what it heard. It serves from :meth:`start` to :meth:`stop`."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self._pages: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="second-origin")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_STOP_SECONDS)

    def page(self, path: str, markup: str) -> None:
        """Serve ``markup`` at ``path`` from now on."""
        self._pages[path] = markup

    def sites(self, target: str) -> Mapping[str, str]:
        """Return this server's origins, as ``target`` sees them: ``cross-site``; on loopback ``same-site``, too."""
        port = self._server.server_port
        parts = urlsplit(target)
        host = parts.hostname or ""
        across = "127.0.0.1" if host == "localhost" else "localhost"
        found = {"cross-site": f"http://{across}:{port}"}
        if parts.scheme == "http" and host in ("localhost", "127.0.0.1"):
            found["same-site"] = f"http://{host}:{port}"
        return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else a body waits 40 ms until its head is acknowledged

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if len(origin.visits) < MOST_REQUESTS:
                    origin.visits.append(Visit(path, self.headers.get("referer")))
                body = origin._pages.get(path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
