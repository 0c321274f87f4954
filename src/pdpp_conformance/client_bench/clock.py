"""The time of a bench: passed by the client under test, if it lets its time be handed in, else the machine's.

A clock that is passed has a URL: ``GET`` gives its seconds, ``POST`` of a number lets so many pass and gives them too.
Nothing has to be waited for that way. The URL goes into the client's command in the place of ``{clock}``. A request
that is never to be answered has its connection closed, and ``GET`` of ``{clock}/unanswered`` counts it: the client that
looks there lets its timeout pass, and takes the request for timed out; another has seen a dropped connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Protocol

_STOP_SECONDS = 5
_HELD_SECONDS = 300.0
"""How long a client is kept waiting at most where somebody else keeps its time."""


class BenchClock(Protocol):
    """The time that a client lives in."""

    @property
    def url(self) -> str | None:
        """Where the client reads it; None where it is the machine's."""
        ...

    def now(self) -> float:
        """Return the time in seconds; only differences mean anything."""
        ...

    def keep_unanswered(self) -> bool:
        """Take a request that is never answered; return whether its connection has to be held open."""
        ...

    def abandoned(self, since: float, at: float) -> float:
        """Return when a request was given up that began at ``since`` and whose connection was closed ``at``."""
        ...


class LivedClock:
    """The machine's time."""

    url: None = None

    def now(self) -> float:
        return time.monotonic()

    def keep_unanswered(self) -> bool:
        return True

    def abandoned(self, since: float, at: float) -> float:
        return at


class PassedClock:
    """Time that passes when the client says so. A client that waits for an answer lets its timeout pass, too."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.unanswered = 0
        """How many requests were never answered so far."""
        self._now = 0.0
        self._passes: list[tuple[float, float]] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._passes.append((self._now, self._now + seconds))
            self._now += seconds

    def keep_unanswered(self) -> bool:
        with self._lock:
            self.unanswered += 1
        return False

    def abandoned(self, since: float, at: float) -> float:
        """The first time that passes after a request began is what its answer was waited for."""
        return next((until for begun, until in self._passes if begun >= since and until > begun), at)


class HeldClock(PassedClock):
    """Time that is kept by somebody else, who lets it pass when the client wants it to.

    Args:
        read: gives its seconds.
    """

    def __init__(self, url: str, read: Callable[[], float]) -> None:
        super().__init__(url)
        self.wanted: SimpleQueue[float] = SimpleQueue()
        """How many seconds the client wants to pass; :meth:`go_on` once they have."""
        self._read = read
        self._passed = threading.Semaphore(0)

    def now(self) -> float:
        return self._read()

    def let_pass(self, seconds: float) -> None:
        self.wanted.put(seconds)
        self._passed.acquire(timeout=_HELD_SECONDS)

    def go_on(self) -> None:
        """Tell the client that its time has passed."""
        self._passed.release()


class ClockServer:
    """Serves clocks, each under a URL of its own, from the first one on."""

    def __init__(self) -> None:
        self._clocks: list[PassedClock] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="bench-clock")
        self._thread.daemon = True
        self._thread.start()

    def clock(self) -> PassedClock:
        """Return a clock that stands at 0."""
        clock = PassedClock(self._next_url)
        self._clocks.append(clock)
        return clock

    def held_clock(self, read: Callable[[], float]) -> HeldClock:
        """Return a clock that shows somebody else's time."""
        clock = HeldClock(self._next_url, read)
        self._clocks.append(clock)
        return clock

    @property
    def _next_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{len(self._clocks)}"

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_STOP_SECONDS)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        clocks = self._clocks

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number, _, rest = self.path[1:].partition("/")
                clock = clocks[int(number)]
                body = repr(clock.unanswered if rest == "unanswered" else clock.now()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length", 0)), 64)
                clocks[int(self.path[1:])].let_pass(max(0.0, float(self.rfile.read(length))))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
