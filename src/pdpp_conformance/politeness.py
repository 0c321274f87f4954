"""How hard a run may press a deployment: requests in all, requests a second, and no further try where one hangs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from pdpp_conformance.verdict import Blocked

MOST_SILENCES = 2
"""After so many requests without an answer an endpoint is not asked again."""

SHORT_TIMEOUT_SECONDS = 3.0
"""How long an endpoint that gave no answer once is waited for the next time."""

BURST_SECONDS = 2.0
"""So many seconds' worth of requests may come at once: requests that race each other have to."""


class UsedUp(Blocked):
    """The run has made all the requests that it may make.

    Args:
        most: how many that are.
        enough: how many would do.
    """

    def __init__(self, most: int, enough: int) -> None:
        super().__init__(f"the run has made the {most} requests that it may make", unblock=more_requests(enough))


def more_requests(enough: int) -> str:
    """Say how a run may make so many requests."""
    return f"--max-requests {enough}, or limits.requests: {enough} in the target file"


class Politeness:
    """Counts and paces a run's requests.

    Args:
        most_requests: how many the run may make; ``None`` for any number.
        per_second: how many a second; ``None`` for as fast as it goes.
    """

    def __init__(
        self,
        most_requests: int | None = None,
        per_second: float | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.made = 0
        """How many requests were made so far."""
        self.most_requests = most_requests
        self.enough: int | None = None
        """How many would do for the whole run, where that is known."""
        self.refused: UsedUp | None = None
        """Why a request was not made, if one was not."""
        self._per_second = per_second
        self._now = now
        self._sleep = sleep
        self._silences: Counter[str] = Counter()
        self._cleaning_up = False
        self._free_at = 0.0
        self._lock = threading.Lock()

    def before(self, url: str) -> None:
        """Wait for this request's turn, and count it.

        Raises:
            Blocked: the run's requests are used up, or what ``url`` names hangs.
        """
        with self._lock:
            self._check(url)
            self.made += 1
            pause = self._turn()
        if pause > 0:
            self._sleep(pause)

    def check(self, url: str) -> None:
        """Make sure that a request may be made, which another party makes and counts.

        Raises:
            Blocked: it may not.
        """
        with self._lock:
            self._check(url)

    def count(self) -> None:
        """Count a request that another party made, such as a browser."""
        with self._lock:
            self.made += 1
            self._turn()

    def timeout(self, url: str, seconds: float) -> float:
        """Return how long to wait for an answer, ``seconds`` unless there was none the last time."""
        return min(seconds, SHORT_TIMEOUT_SECONDS) if self._silences[_place(url)] else seconds

    def silence(self, url: str) -> None:
        """Note that a request was not answered in time."""
        with self._lock:
            self._silences[_place(url)] += 1

    def begin_cleaning_up(self) -> None:
        """Let what removes the run's traces go on beyond the number of requests."""
        self._cleaning_up = True

    def _check(self, url: str) -> None:
        place = _place(url)
        if self._silences[place] >= MOST_SILENCES:
            raise Blocked(
                f"{place} left {MOST_SILENCES} requests without an answer and is not asked again",
                unblock="a deployment that answers there",
            )
        if self.most_requests is not None and self.made >= self.most_requests and not self._cleaning_up:
            self.refused = UsedUp(self.most_requests, self.enough or self.most_requests * 2)
            raise self.refused

    def _turn(self) -> float:
        """Take a turn; return how many seconds away it is (GCRA, a leaky bucket that lets a burst through)."""
        if self._per_second is None:
            return 0.0
        now = self._now()
        self._free_at = max(self._free_at, now - BURST_SECONDS) + 1 / self._per_second
        return self._free_at - now


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:200]
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
