"""Time for a client that waits: read, slept through, and bounded. Handed in, so that nobody has to wait for a test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from pdpp_reference.setup_client.failures import TimedOut


class Clock(Protocol):
    """Where the client reads the time, and how it lets time pass."""

    def now(self) -> float:
        """Return the time in seconds since the Unix epoch; it never runs back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed."""
        ...


class SystemClock:
    """The machine's time, unmoved when somebody sets the clock on the wall."""

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()

    def now(self) -> float:
        return self._epoch + time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


@dataclass
class Deadline:
    """When everything has to be over."""

    clock: Clock
    ends: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """Return the deadline so many seconds from now."""
        return cls(clock, clock.now() + seconds)

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            TimedOut: there are none.
        """
        left = self.ends - self.clock.now()
        if left <= 0:
            raise TimedOut("the time is over")
        return left

    def sleep(self, seconds: float) -> None:
        """Sleep, and never beyond the deadline.

        Raises:
            TimedOut: the deadline comes first.
        """
        left = self.left()
        self.clock.sleep(min(seconds, left))
        if seconds >= left:
            raise TimedOut("the time is over")
