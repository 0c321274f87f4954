"""Starts modules of this distribution in processes of their own, which end when their standard input does."""

from __future__ import annotations

import subprocess
import sys
from typing import IO, Protocol


class OwnProcess(Protocol):
    """A process that is talked to by its standard input and output, as :class:`subprocess.Popen` has it."""

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


_READY: dict[tuple[str, ...], OwnProcess] = {}


def hold_ready(process: OwnProcess, module: str, *arguments: str) -> None:
    """Let the next start of a module with these arguments be a process that has imported what it needs already."""
    _READY[module, *arguments] = process


def start_module(module: str, *arguments: str) -> OwnProcess:
    """Start ``python -m module``, in a session of its own: Ctrl-C ends this process, and this process ends it."""
    ready = _READY.pop((module, *arguments), None)
    if ready is not None:
        return ready
    return subprocess.Popen(  # noqa: S603 - a module of ours
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
