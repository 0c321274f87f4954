"""The owner's patience with pages that say that there were too many attempts (429): stay away, and come back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pdpp_conformance.verdict import Blocked
from pdpp_conformance.waiting import SERVER_TRUNCATION_SECONDS

T = TypeVar("T")

TOO_MANY_REQUESTS = 429
"""RFC 6585 §4."""

MOST_RETURNS = 6
"""How often the owner comes back to a page that goes on refusing."""

FIRST_PAUSE_SECONDS = 5.0
"""How long the owner stays away first where the page names no time; each further time it is twice as long."""

A_LIMIT = "the limit of attempts at the owner's pages to end"


class TurnedAway(Blocked):
    """The owner's pages refuse to answer for now, so nothing was seen of what they would say."""


class Patience:
    """How the owner meets the limits of a deployment's pages, whoever brought them about.

    A limit that did not end while the owner came back time and again is not waited for a second time.

    Args:
        pause: waits so many seconds, and says for what.
    """

    def __init__(self, pause: Callable[[float, str], None]) -> None:
        self._pause = pause
        self._worn_out = False

    def outlast(self, ask: Callable[[], T], refused: Callable[[T], Refusal | None]) -> T:
        """Ask, and as long as the answer is 429 stay away as long as it says and ask again.

        Args:
            ask: sends the same request at each call.
            refused: reads the refusal in what came, if it is one.

        Raises:
            TurnedAway: the limit does not end, or the run may not wait that long.
        """
        came = ask()
        for returns in range(MOST_RETURNS):
            refusal = refused(came)
            if refusal is None:
                self._worn_out = False
                return came
            if self._worn_out:
                break
            self._stay_away(refusal.seconds(FIRST_PAUSE_SECONDS * 2**returns))
            came = ask()
        if refused(came) is None:
            return came
        self._worn_out = True
        raise TurnedAway(
            "the owner's pages answer 429, and went on after the owner had stayed away as long as they said",
            unblock="a deployment whose limit of attempts ends by itself, or another address to run from",
        )

    def _stay_away(self, seconds: float) -> None:
        try:
            self._pause(seconds + SERVER_TRUNCATION_SECONDS, A_LIMIT)
        except Blocked as too_long:
            raise TurnedAway(f"the owner's pages answer 429: {too_long.reason}", unblock=too_long.unblock) from None


class Refusal:
    """A 429, and the time that it names.

    Args:
        headers: of the answer, names in lower case.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def seconds(self, otherwise: float) -> float:
        """Return how long to stay away by ``Retry-After``, seconds or a date (RFC 9110 §10.2.3)."""
        said = self._headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,9}", said):
            return float(said)
        moment = _moment(said)
        if moment is None:
            return otherwise
        now = _moment(self._headers.get("date", ""))
        return max(0.0, moment - (time.time() if now is None else now))


def _moment(text: str) -> float | None:
    try:
        parsed: datetime = parsedate_to_datetime(text)
        return parsed.timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
