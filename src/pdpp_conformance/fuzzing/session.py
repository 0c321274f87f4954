"""Fuzzing one deployment: requests are made, sent and judged, and what is found is made as small as it can be."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample

from pdpp_conformance.bounded_http import BoundedClient
from pdpp_conformance.exchange import Answer, OffLimits
from pdpp_conformance.fuzzing.assignment import Report
from pdpp_conformance.fuzzing.case import shell_line
from pdpp_conformance.fuzzing.conduct import Broken, broken_by
from pdpp_conformance.fuzzing.description import Operation, operations_of
from pdpp_conformance.fuzzing.generation import corners, generators_of
from pdpp_conformance.fuzzing.request import GeneratedRequest
from pdpp_conformance.fuzzing.sending import Unsendable, new_tokens, send_filled, values_of
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion

SHRINKING_REQUESTS = 150
"""How many requests it may take to make a found case smaller."""


class _Enough(BaseException):
    """An endpoint has had enough. No ``Exception``: Hypothesis takes those for failures, and tries them again."""


class _TimeIsUp(_Enough):
    """Not all that was to be sent was."""


@dataclass(frozen=True)
class Found:
    """A request whose answer broke a rule, as small as it could be made."""

    broken: Broken
    sent: GeneratedRequest
    endpoint: str
    curl: str

    def to_json(self) -> dict[str, Any]:
        return {
            "requirement": self.broken.requirement,
            "expected": self.broken.expected,
            "observed": self.broken.observed,
            "endpoint": self.endpoint,
            "curl": self.curl,
            "request": self.sent.to_json(),
        }


@dataclass
class Counts:
    """What one endpoint was sent."""

    requests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """How often each answer came, by status and error code."""
    generating_s: float = 0.0
    sending_s: float = 0.0


class Fuzzing:
    """One session of fuzzing.

    Args:
        examples: how many requests each generator makes for each endpoint.
        seconds: after how long an endpoint has had enough.
        until: when all of them have, on the monotonic clock.
    """

    def __init__(self, run: Run, *, examples: int, seed: int, seconds: float, until: float = math.inf) -> None:
        self._run = run
        self._examples = examples
        self._seed = seed
        self._seconds = seconds
        self._until = until
        self._values: dict[str, str] = {}
        self._digest = hashlib.sha256()
        self._client = BoundedClient(authorities=run.recorder.authorities)
        self.counts: dict[str, Counts] = {}
        self.found: dict[tuple[str, str], Found] = {}
        self.cut_short: list[str] = []
        """The endpoints whose time was up before all requests were sent."""

    @property
    def digest(self) -> str:
        """SHA-256 of all requests, in order, as they were generated: equal for equal seeds."""
        return self._digest.hexdigest()

    def note(self, logged: bytes) -> None:
        """Take in something else that is asked of the deployment: the digest is of all of it."""
        self._digest.update(logged)

    def close(self) -> None:
        self._client.close()

    def report(self) -> Report:
        """Return what came of it so far."""
        return Report(
            digest=self.digest,
            counts={
                name: {
                    "requests": counts.requests,
                    "answers": dict(counts.answers),
                    "generating_s": round(counts.generating_s, 4),
                    "sending_s": round(counts.sending_s, 4),
                }
                for name, counts in self.counts.items()
            },
            found=[found.to_json() for found in self.found.values()],
            cut_short=list(self.cut_short),
        )

    def everywhere(self, only: Mapping[str, frozenset[str]] | None = None) -> None:
        """Fuzz every operation that the metadata advertises.

        Args:
            only: the operations to fuzz, where not all are; an operation has had enough once requests were found that
                break each of its requirements here, if it has any.
        """
        operations = [one for one in operations_of(self._run.discovery) if only is None or one.name in only]
        if not operations:
            return
        self._values = values_of(self._run)
        for name, generators in generators_of(operations).items():
            operation = next(one for one in operations if one.name == name)
            with suppress(Conclusion, OffLimits):  # an endpoint may have revoked what the next one needs
                self._values |= new_tokens(self._run)
            self._one(operation, generators, frozenset() if only is None else only[name])

    def _one(
        self,
        operation: Operation,
        generators: Mapping[str, st.SearchStrategy[GeneratedRequest]],
        looking_for: frozenset[str],
    ) -> None:
        counts = self.counts[operation.name] = Counts()
        until = min(time.monotonic() + self._seconds, self._until)
        for strategy in (None, *generators.values()):
            first: dict[str, tuple[Broken, GeneratedRequest]] = {}
            left = looking_for - {requirement for requirement, name in self.found if name == operation.name}
            if looking_for and not left:
                break
            started, sending = time.thread_time(), counts.sending_s

            def send(
                sent: GeneratedRequest,
                first: dict[str, tuple[Broken, GeneratedRequest]] = first,
                left: frozenset[str] = left,
            ) -> None:
                self.note(json.dumps(sent.to_json(), sort_keys=True).encode("utf-8", "surrogatepass"))
                if time.monotonic() > until:
                    raise _TimeIsUp
                for broken in self._try(operation, sent, counts):
                    first.setdefault(broken.requirement, (broken, sent))
                if left and left <= first.keys():
                    raise _Enough

            try:
                if strategy is None:
                    for corner in corners(operation, self._seed):
                        send(corner)
                else:
                    self._generate(strategy, send)
            except _Enough as why:
                if isinstance(why, _TimeIsUp) and operation.name not in self.cut_short:
                    self.cut_short.append(operation.name)
            counts.generating_s += time.thread_time() - started - (counts.sending_s - sending)
            for requirement, (broken, sent) in first.items():
                if (requirement, operation.name) not in self.found:
                    self.found[requirement, operation.name] = (
                        _as_it_is(operation, broken, sent)
                        if strategy is None or (looking_for and requirement not in looking_for)
                        else self._smallest(operation, strategy, broken, sent)
                    )

    def _generate(
        self, strategy: st.SearchStrategy[GeneratedRequest], send: Callable[[GeneratedRequest], None]
    ) -> None:
        @seed(self._seed)
        @settings(
            max_examples=self._examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(strategy)
        def each(sent: GeneratedRequest) -> None:
            send(sent)

        each()

    def _smallest(
        self,
        operation: Operation,
        strategy: st.SearchStrategy[GeneratedRequest],
        broken: Broken,
        sent: GeneratedRequest,
    ) -> Found:
        """Look for the simplest request that breaks the same rule; where there is none, keep the one that did."""
        left = [SHRINKING_REQUESTS]
        aside = Counts()

        def breaks(candidate: GeneratedRequest) -> bool:
            left[0] -= 1
            if left[0] < 0:
                return False
            return broken.requirement in {one.requirement for one in self._try(operation, candidate, aside)}

        smallest = sent
        with suppress(NoSuchExample, Flaky):  # a server has a state, and may answer otherwise the next time
            smallest = find(
                strategy,
                breaks,
                settings=settings(
                    max_examples=self._examples,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                    verbosity=Verbosity.quiet,
                ),
                random=random.Random(self._seed),  # noqa: S311 - reproducible, no secret
            )
        again = [one for one in self._try(operation, smallest, aside) if one.requirement == broken.requirement]
        if not again:
            smallest, again = sent, [broken]
        return _as_it_is(operation, again[0], smallest)

    def _try(self, operation: Operation, sent: GeneratedRequest, counts: Counts) -> list[Broken]:
        """Send a request, count it, and return the rules that its answer broke."""
        started = time.thread_time()
        try:
            answer = send_filled(self._client, self._run, operation, sent, self._values)
        except Unsendable:
            return []
        finally:
            counts.sending_s += time.thread_time() - started
        counts.requests += 1
        counts.answers[answer.summary if answer is not None else "no answer"] += 1
        broken = broken_by(sent, answer, self._values)
        if answer is not None:
            self._go_on(sent, answer)
        return broken

    def _go_on(self, sent: GeneratedRequest, answer: Answer) -> None:
        """Keep what an answer created: it is removed at the end; and a rotated refresh token is followed."""
        if sent.operation == "registration" and isinstance(answer.member("client_id"), str):
            self._run.cleanup.came_to_be("client", answer, name="a fuzzed client")
        refreshed = answer.member("refresh_token")
        if sent.operation == "token" and isinstance(refreshed, str):
            self._run.cleanup.came_to_be("token", answer, client_id=self._values["client_id"])
            fresh = {"refresh_token": refreshed, "access_token": str(answer.member("access_token"))}
            for name, secret in fresh.items():
                self._run.redactor.register(secret, name)
            self._values |= fresh


def _as_it_is(operation: Operation, broken: Broken, sent: GeneratedRequest) -> Found:
    return Found(broken, sent, operation.name, shell_line(operation.url, sent))
