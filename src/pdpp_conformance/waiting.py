"""Time, as the scenarios need it: the bundled server's clock, moved by hand, or the real one, within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from pdpp_conformance.verdict import Blocked

SERVER_TRUNCATION_SECONDS = 1.0
"""A server may count whole seconds; a wait allows for one."""


FOR_A_PERSON_SECONDS = 600.0
"""How long a person is waited for where nothing else is."""


class Waiting(Protocol):
    """A clock that can be waited on."""

    waited_s: float
    """Real seconds spent waiting so far."""

    @property
    def moved_by_hand(self) -> bool:
        """Whether waiting takes no time."""
        ...

    def now(self) -> float:
        """Return the time in seconds on the clock that the target is judged by; only differences mean anything."""
        ...

    @property
    def left_s(self) -> float:
        """Real seconds that the run may still wait."""
        ...

    def spend(self, seconds: float) -> None:
        """Count real seconds that were waited for somebody else."""
        ...

    def until(self, moment: float, what_for: str) -> None:
        """Wait until ``moment`` on this clock.

        Raises:
            Blocked: that would take more real time than the run may still wait.
        """
        ...


class MovedClock:
    """The bundled server's clock: waiting moves it forward, and takes no time."""

    moved_by_hand = True

    def __init__(self, now: Callable[[], float], advance: Callable[[float], None]) -> None:
        self.waited_s = 0.0
        self._now = now
        self._advance = advance

    @property
    def left_s(self) -> float:
        return FOR_A_PERSON_SECONDS

    def spend(self, seconds: float) -> None:
        self.waited_s += seconds

    def now(self) -> float:
        return self._now()

    def until(self, moment: float, what_for: str) -> None:
        missing = moment - self._now()
        if missing > 0:
            self._advance(missing)


class RealClock:
    """Real time, up to ``max_wait`` seconds in all."""

    moved_by_hand = False

    def __init__(self, max_wait: float, tell: Callable[[str], None]) -> None:
        self.waited_s = 0.0
        self._max_wait = max_wait
        self._tell = tell

    @property
    def left_s(self) -> float:
        return max(0.0, self._max_wait - self.waited_s)

    def spend(self, seconds: float) -> None:
        self.waited_s += seconds

    def now(self) -> float:
        return time.monotonic()

    def until(self, moment: float, what_for: str) -> None:
        missing = moment - self.now()
        if missing <= 0:
            return
        if self.waited_s + missing > self._max_wait:
            needed = self.waited_s + missing
            raise Blocked(
                f"{what_for} takes {missing:.0f} s more, and the run may wait {self._max_wait:g} s in all",
                unblock=f"--max-wait {needed + 5:.0f}",
            )
        self._tell(f"waiting {missing:.0f} s for {what_for} ({self.left_s - missing:.0f} s of waiting left after that)")
        started = self.now()
        try:
            while (left := moment - self.now()) > 0:
                time.sleep(min(left, 0.5))
        finally:
            self.waited_s += self.now() - started


def wait(waiting: Waiting, seconds: float, what_for: str) -> None:
    """Wait ``seconds`` from now."""
    waiting.until(waiting.now() + seconds, what_for)
