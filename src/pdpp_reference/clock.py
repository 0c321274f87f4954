"""Time, handed in: the system's clock in production, one moved by hand under test."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where the server reads the time from."""

    def now(self) -> float:
        """Return the current time in seconds since the Unix epoch."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()


class MovableClock:
    """A clock that runs with the machine's and can be moved forward by hand, so that nothing has to sleep."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``.

        Raises:
            ValueError: ``seconds`` is negative; a server's time never runs back.
        """
        if seconds < 0:
            raise ValueError("a clock is only moved forward")
        with self._lock:
            self._offset += seconds
