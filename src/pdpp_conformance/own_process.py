"""Starts modules of this distribution in processes of their own, which end when their standard input does."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
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


_NICENESS = 15
_END_SECONDS = 10.0

_READY: dict[tuple[str, ...], OwnProcess] = {}


def hold_ready(process: OwnProcess, module: str, *arguments: str) -> None:
    """Let the next start of a module with these arguments be a process that has imported what it needs already."""
    _READY[module, *arguments] = process


def let_go(module: str) -> None:
    """End what was held ready of a module and nobody started: its standard input ends."""
    for held in [key for key in _READY if key[0] == module]:
        process = _READY.pop(held)
        end(process, _END_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


def end(process: OwnProcess, within_seconds: float) -> None:
    """Let a process end, as its standard input does; kill it where it has not ended in time."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(within_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def give_way() -> None:
    """Let every other process have the processors first. For a process that :func:`start_module` started.

    Where Linux schedules by sessions (sched(7), autogroup), it is the session's urgency that counts beside others'.
    """
    os.nice(_NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # not on every system
            Path("/proc/self/autogroup").write_text(str(_NICENESS), encoding="ascii")


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
