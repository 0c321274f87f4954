"""What a run will cost the deployment, told before its first request: rows, requests, the longest wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pdpp_conformance.exchange import is_loopback
from pdpp_conformance.politeness import Politeness, more_requests
from pdpp_conformance.target import Target

DEFAULT_MOST_REQUESTS = 300
"""How many requests a run makes at another machine where the target file names no number."""

DEFAULT_REQUESTS_PER_SECOND = 10.0
"""How many a second, in the long run, where the target file names no number."""

REQUESTS_BEFORE = 90
"""About so many go before the first scenario and between them: discovery, codes that have to expire, cleaning up."""

REQUESTS_PER_SCENARIO = 3.9
"""Over the whole specification, with the styles that the browser asks for and the signing out at the end."""


@dataclass(frozen=True)
class Plan:
    """A run that is about to begin."""

    rows: int
    scenarios: int
    requests: int
    """About how many the selected scenarios would make."""
    most_requests: int | None
    per_second: float | None
    max_wait: float
    waits: int
    """How many of the scenarios wait for something to expire, or between polls."""

    @property
    def is_short(self) -> bool:
        """Whether the requests allowed will hardly do."""
        return self.most_requests is not None and self.most_requests < self.requests

    @property
    def come_to(self) -> int:
        """How many scenarios the requests that are allowed will do for, about."""
        if self.most_requests is None:
            return self.scenarios
        return max(0, round((self.most_requests - REQUESTS_BEFORE) / REQUESTS_PER_SCENARIO))

    @property
    def enough(self) -> int:
        """How many requests will do, some to spare."""
        return -(-self.requests * 6 // 500) * 100

    @property
    def lines(self) -> Sequence[str]:
        """The plan in sentences."""
        most = "" if self.most_requests is None else f", at most {self.most_requests}"
        pace = "" if self.per_second is None else f", {self.per_second:g} a second"
        told = [
            f"plan: {self.rows} requirements in {self.scenarios} scenarios; "
            f"about {self.requests} requests{most}{pace}; "
            f"the longest wait is {self.max_wait:g} s in all, shared by {self.waits} scenarios that need time"
        ]
        if self.is_short:
            told.append(
                f"not everything fits into {self.most_requests} requests: what must hold is judged first, of that what "
                f"tells most, and the rest will be BLOCKED; for all of it: {more_requests(self.enough)}"
            )
        return told


def most_requests_of(target: Target) -> int | None:
    """Return how many requests a run may make; ``None`` for any number, as at this machine unless told otherwise."""
    given = target.limits.requests
    return given if given is not None or _is_nobody_elses(target) else DEFAULT_MOST_REQUESTS


def per_second_of(target: Target) -> float | None:
    """Return how many requests a second a run may make; ``None`` for as fast as it goes."""
    given = target.limits.requests_per_second
    return given if given is not None or _is_nobody_elses(target) else DEFAULT_REQUESTS_PER_SECOND


def politeness_towards(target: Target) -> Politeness:
    """Return the limits that hold at a target."""
    return Politeness(most_requests_of(target), per_second_of(target))


def plan(target: Target, *, rows: int, scenarios: int, waits: int, max_wait: float) -> Plan:
    """Return the plan of a run of so many scenarios."""
    return Plan(
        rows=rows,
        scenarios=scenarios,
        requests=round(REQUESTS_BEFORE + scenarios * REQUESTS_PER_SCENARIO),
        most_requests=most_requests_of(target),
        per_second=per_second_of(target),
        max_wait=max_wait,
        waits=waits,
    )


def _is_nobody_elses(target: Target) -> bool:
    return target.base_url is None or is_loopback(target.base_url)
