"""``python -m pdpp.benched``: the `pdpp` command line for a bench that scripts its servers and its time.

Says ``{"ready": true}`` once it has imported everything, then takes one JSON object a line on standard input:

``{"id": 1, "arguments": ["connect", …], "environment": {…}, "clock": URL, "output": FILE}`` runs one,
``{"id": 1, "status": 0}`` is its end, ``{"kill": 1}`` ends it. With ``"terminal": DEVICE`` in place of the output it
runs at that terminal.

Each command runs in a process forked from this one, which has imported everything, and lives in the bench's time:
``GET`` of the clock's URL gives the seconds, ``POST`` of a number lets so many pass. A request that the bench never
answers is counted at the clock's ``/unanswered``: then its timeout passes on that clock, and takes no time.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import os
import selectors
import signal
import sys
import termios
import urllib.request
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from pdpp.command import app
from pdpp_reference.setup_client.credentials import default_folder
from pdpp_reference.setup_client.http import trusted_authorities
from pdpp_reference.setup_client.surroundings import Parts, Surroundings

_ANSWER_SECONDS = 300
"""How long a bench may keep a clock from going on, as it does while a person approves."""


class BenchClock:
    """The time that a bench keeps. It passes for this command alone, and when the command says so."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._unanswered = 0.0
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._now = self._ask(None)

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now = self._ask(seconds)

    def has_left_unanswered(self) -> bool:
        """Whether the bench has left another request unanswered since this was last asked."""
        before, self._unanswered = self._unanswered, self._ask(None, "/unanswered")
        return self._unanswered > before

    def _ask(self, seconds: float | None, what: str = "") -> float:
        body = None if seconds is None else repr(max(0.0, seconds)).encode()
        with self._opener.open(self._url + what, body, timeout=_ANSWER_SECONDS) as answer:
            return float(answer.read())


class BenchTransport(httpx.BaseTransport):
    """Carries requests for real, and waits for an answer in the bench's time."""

    def __init__(self, clock: BenchClock, network: httpx.BaseTransport) -> None:
        self._clock = clock
        self._network = network

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._network.handle_request(request)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if not self._clock.has_left_unanswered():
                raise
            self._clock.sleep(request.extensions["timeout"]["read"])
            raise httpx.ReadTimeout("the bench never answers this", request=request) from None


class Commands:
    """The commands that run, each in its process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._selector = selectors.DefaultSelector()
        self._pids: dict[int, int] = {}

    def serve(self) -> None:
        """Start what is asked for until standard input ends."""
        self._selector.register(sys.stdin.buffer, selectors.EVENT_READ)
        waiting = b""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._ended(key.fd, key.data)
                    continue
                read = os.read(key.fd, 65536)
                if not read:
                    self._kill_all()
                    return
                *lines, waiting = (waiting + read).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, asked: dict[str, Any]) -> None:
        if "kill" in asked:
            if asked["kill"] in self._pids:
                os.kill(self._pids[asked["kill"]], signal.SIGKILL)
            return
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _be_the_command(asked, self._parts)
        os.close(writing)
        self._pids[asked["id"]] = pid
        self._selector.register(reading, selectors.EVENT_READ, asked["id"])

    def _ended(self, descriptor: int, identifier: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(self._pids.pop(identifier), 0)
        _say({"id": identifier, "status": os.waitstatus_to_exitcode(status)})

    def _kill_all(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _be_the_command(asked: dict[str, Any], parts: Parts) -> None:
    """Run the command in this process, which was forked for it."""
    status = 70
    try:
        os.setsid()
        if "terminal" in asked:
            reading = writing = os.open(asked["terminal"], os.O_RDWR)
            fcntl.ioctl(writing, termios.TIOCSCTTY, 0)
        else:
            reading = os.open(os.devnull, os.O_RDONLY)
            writing = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((reading, 0), (writing, 1), (writing, 2)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(asked["environment"])
        clock = BenchClock(asked["clock"])
        surroundings = Surroundings(default_folder(), clock, partial(BenchTransport, clock), parts)
        status = app(asked["arguments"], prog_name="pdpp", standalone_mode=False, obj=surroundings) or 0
        sys.stdout.flush()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 70
    finally:
        os._exit(status)


def _faulty_parts(names: list[str]) -> Parts:
    parts = Parts()
    if names:
        from pdpp_reference.faults import faults_named

        for fault in faults_named(names):
            fault.spoil_client(parts)
    return parts


def _warm_up() -> None:
    """Let a command that ends before any request import what is imported late: once, for all that are forked."""
    trusted_authorities()
    import_module("pdpp_reference.setup_client.screen")
    Console(file=io.StringIO(), force_terminal=True).print(Text("·"))
    with redirect_stdout(io.StringIO()):
        app(["connect", "warming:up"], prog_name="pdpp", standalone_mode=False, obj=Surroundings(default_folder()))


def main() -> None:
    """Serve one bench."""
    parser = argparse.ArgumentParser(prog="python -m pdpp.benched")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="a deliberate defect of the client"
    )
    commands = Commands(_faulty_parts(parser.parse_args().fault))
    _warm_up()
    _say({"ready": True})
    commands.serve()


if __name__ == "__main__":
    main()
