"""The client under test: how it is started, and what it finds on its machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pdpp_conformance.client_bench import at_terminal
from pdpp_conformance.client_bench.terminal import Shown

BROWSERS = (
    *("xdg-open", "open", "sensible-browser", "x-www-browser", "www-browser", "gnome-open"),
    *("firefox", "chromium", "google-chrome", "w3m", "lynx", "links"),
)
_OPENER = """#!/bin/sh
for word; do printf '%s\\n' "$word" >> "$PDPP_BENCH_OPENED"; done
"""


class Running(Protocol):
    """A client that was started."""

    def status(self) -> int | None:
        """Return its exit status; None while it runs."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


class ClientUnderTest(Protocol):
    """A setup client, as a command."""

    in_bench_time: bool
    """Whether it lets the bench keep its time."""

    def start(self, url: str, clock: str | None, environment: Mapping[str, str], shown: Shown) -> Running:
        """Start it with the URL of an MCP server, at a terminal, or writing to a file and with nothing to read."""
        ...


class CommandClient:
    """A command with ``{url}`` in it, and with ``{clock}`` where its time can be handed in."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self.in_bench_time = any("{clock}" in word for word in words)

    def start(self, url: str, clock: str | None, environment: Mapping[str, str], shown: Shown) -> Running:
        words = [word.replace("{url}", url).replace("{clock}", clock or "") for word in self._words]
        if shown.is_terminal:  # only a process that is not yet the command can take it for its controlling terminal
            words = [sys.executable, "-I", "-S", at_terminal.__file__, str(shown.path), *words]
        with Path(os.devnull if shown.is_terminal else shown.path).open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, from the operator's file
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        return _Process(process)


class _Process:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def status(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # the session that it was started with
        self._process.wait()


@dataclass(frozen=True)
class Machine:
    """A home for a client, and browsers that open nothing and note what they were given."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Machine:
        """Furnish a folder."""
        machine = cls(folder)
        for name in ("home", "bin"):
            (folder / name).mkdir(parents=True)
        for browser in BROWSERS:
            opener = folder / "bin" / browser
            opener.write_text(_OPENER)
            opener.chmod(0o700)
        return machine

    def environment(self, surrounding: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the variables that the client is started with: no display, no credential of the run."""
        kept = {name: value for name, value in surrounding.items() if not name.startswith(("PDPP_", "XDG_", "PYTEST"))}
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "COLUMNS", "LINES"):
            kept.pop(name, None)
        home = str(self.folder / "home")
        return kept | {
            "TERM": "xterm",
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/.config",
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{surrounding.get('PATH', os.defpath)}",
            "BROWSER": str(self.folder / "bin" / "xdg-open"),
            "PDPP_BENCH_OPENED": str(self.folder / "opened"),
            "PDPP_BENCH_MARK": str(self.mark),
        }

    @property
    def mark(self) -> Path:
        """A file that is there once a shell has run what a server wrote."""
        return self.folder / "mark"

    def opened(self) -> list[str]:
        """Return what browsers were given to open."""
        path = self.folder / "opened"
        return path.read_text(errors="replace").splitlines() if path.exists() else []
