"""One line on the terminal for each phase of a make target; what its commands print goes to a log file.

`python -m scripts.phase NAME COMMAND …` runs one command as a phase and ends with the command's exit status.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "logs"
TAIL_LINES = 60
SECONDS_TO_END = 10.0
"""How long an interrupted command may take to clean up after itself before it is killed."""


class PhaseFailedError(Exception):
    """A command of a phase ended with another status than 0, or not in time. The message says which command."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Phase:
    """Prints `title … ` when entered and the seconds it took when left; `run` writes to the phase's log."""

    def __init__(self, title: str, log_name: str) -> None:
        self.title = title
        self.log = LOGS / f"{log_name}.log"

    def __enter__(self) -> Phase:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log.write_text("", encoding="utf-8")
        self._started = time.monotonic()
        say(f"{self.title} … ", end="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took = f"{time.monotonic() - self._started:.0f} s"
        say(took if kind is None else f"failed after {took}")

    def run(self, *command: str | Path, timeout: float | None = None, extra: Mapping[str, str] | None = None) -> None:
        """Run `command` in the repository's root, at most `timeout` seconds, with the environment plus `extra`.

        Raises PhaseFailedError when it ends with another status than 0, can't be started or takes too long.
        """
        words = [str(word) for word in command]
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(words)}\n")
            log.flush()
            try:
                status = _run_to_end(words, log.fileno(), timeout, extra or {})
            except OSError as error:
                raise PhaseFailedError(f"{words[0]} cannot be started: {error.strerror}", 127) from error
            except subprocess.TimeoutExpired as error:
                raise PhaseFailedError(f"{Path(words[0]).name} took longer than {error.timeout:.0f} s", 124) from error
        if status != 0:
            raise PhaseFailedError(f"{Path(words[0]).name} ended with status {status}", status if status > 0 else 1)

    def tail(self) -> str:
        """The last lines of the log."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, TAIL_LINES))


def _run_to_end(words: list[str], output: int, timeout: float | None, extra: Mapping[str, str]) -> int:
    process = subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **extra}
    )
    try:
        return process.wait(timeout)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def say(text: str, end: str = "\n") -> None:
    """Write `text` to the terminal at once."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def interruptible() -> None:
    """Make SIGTERM end this process the way Ctrl-C does, so that the running command is ended too."""
    # A terminal whose encoding lacks the ellipsis is no reason to fail.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def main(arguments: list[str]) -> int:
    """Run `NAME COMMAND …` as a phase; the exit status is the command's."""
    name, *command = arguments
    interruptible()
    phase = Phase(name, name)
    try:
        with phase:
            phase.run(*command)
    except PhaseFailedError as error:
        say(phase.tail(), end="")
        say(f"{name} failed, {error}: all of its output is in {phase.log.relative_to(ROOT)}; alone: make {name}")
        return error.status
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
