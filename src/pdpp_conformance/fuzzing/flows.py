"""Flows in every order, at one deployment: the runs, what they found, and each find made as short as it can be."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.exchange import OffLimits
from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.flow_model import FlowModel
from pdpp_conformance.fuzzing.machine import FlowMachine, draw_runs
from pdpp_conformance.fuzzing.parties import Parties
from pdpp_conformance.fuzzing.properties import Judged, judged_in
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Conclusion

FLOW = "flow"
"""What stands in place of an endpoint's name."""

SHRINKING_RUNS = 60
"""How many times a found sequence is tried again to make it shorter."""


class _TimeIsUp(BaseException):
    """The flows have had enough. No ``Exception``: Hypothesis takes those for failures, and tries them again."""


@dataclass(frozen=True)
class FoundFlow:
    """A sequence of acts that ended with a rule broken, as short as it could be made."""

    judged: Judged
    acts: Sequence[Act]

    def to_json(self) -> dict[str, Any]:
        return {
            "requirement": self.judged.requirement,
            "expected": self.judged.expected,
            "observed": self.judged.observed,
            "endpoint": FLOW,
            "acts": [act.to_json() for act in self.acts],
        }


class Flows:
    """One session of flows.

    Args:
        seconds: after how long it has had enough.
        note: takes each act as JSON, in order, before it is done: the log of what is asked of the deployment.
    """

    def __init__(
        self, run: Run, *, runs: int, seed: int, seconds: float, note: Callable[[bytes], object] = len
    ) -> None:
        self._run = run
        self._runs = runs
        self._seed = seed
        self._until = time.monotonic() + seconds
        self._note = note
        self._made = 0
        self._parties: Parties | None = None
        self.acts = 0
        self.finished = 0
        """Runs that came to their end, without a find and without trouble."""
        self.requests = 0
        self.answers: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        """How often each requirement was put to the test."""
        self.found: dict[str, FoundFlow] = {}
        self.trouble = ""
        """The first thing that kept a run from going on."""
        self.cut_short = False

    @property
    def made(self) -> int:
        """Runs begun."""
        return self._made

    def everyone(self) -> None:
        """Make all runs.

        Raises:
            Conclusion: the deployment gives nothing to make them with.
        """
        if not self._runs:
            return
        self._run.needs_pdpp("flows of both kinds")
        token = self._run.granted(self._run.one_stream(), self._run.client())
        refreshes = token.refresh_token is not None
        has_registration = self._run.discovery.endpoint("registration_endpoint") is not None
        removes = has_registration and bool(self._run.owner_session_headers())
        by_hand = self._run.waiting.moved_by_hand
        sequences: list[list[Act]] = []

        def model() -> FlowModel:
            return FlowModel(clock_by_hand=by_hand, refreshes=refreshes, removes=removes)

        def machine() -> FlowMachine:
            if time.monotonic() > self._until:
                raise _TimeIsUp
            self._begin()
            sequences.append([])
            return FlowMachine(model(), perform)

        def perform(current: FlowModel, act: Act) -> None:
            self._note(json.dumps(act.to_json(), sort_keys=True).encode("ascii"))
            sequences[-1].append(act)
            broken = self._try(current, act)
            if broken is not None and broken.requirement not in self.found:
                self.found[broken.requirement] = FoundFlow(broken, list(sequences[-1]))

        before = self._run.recorder.politeness.made
        try:
            draw_runs(self._runs, self._seed, machine)
        except _TimeIsUp:
            self.cut_short = True
        self.requests = self._run.recorder.politeness.made - before
        for requirement, found in self.found.items():
            self.found[requirement] = self._shortest(found, model)

    def again(self, acts: Sequence[Act], model: FlowModel, requirement: str) -> FoundFlow | None:
        """Do acts once more, as far as they can be done, and return how far it took to break a requirement."""
        self._begin()
        done: list[Act] = []
        for act in acts:
            if model.allows(act):
                done.append(act)
                broken = self._try(model, act)
                if broken is not None:
                    return FoundFlow(broken, done) if broken.requirement == requirement else None
                model.apply(act)
        return None

    def _begin(self) -> None:
        del self._run.recorder.exchanges[:]  # nobody reads them, and there are thousands
        self._made += 1
        self._parties = Parties(self._run, self._made)

    def _try(self, model: FlowModel, act: Act) -> Judged | None:
        """Do an act; return the rule that it broke. After that, or after trouble, the run is over and does nothing."""
        if self._parties is None:
            return None
        try:
            seen = self._parties.do(act)
        except (Conclusion, OffLimits) as problem:
            self.trouble = self.trouble or f"{act.told}: {problem}"
            self._parties = None
            return None
        self.acts += 1
        if seen.answer is not None:
            self.answers[seen.answer.summary] += 1
        for judged in judged_in(model, act, seen):
            self.judged[judged.requirement] += 1
            if not judged.kept:
                self._parties = None
                return judged
        return None

    def _shortest(self, found: FoundFlow, model: Callable[[], FlowModel]) -> FoundFlow:
        """Leave out one act after the other, from the end, as long as what is left still breaks the rule."""
        tries = SHRINKING_RUNS
        place = len(found.acts) - 1
        while place >= 0 and tries and time.monotonic() < self._until:
            tries -= 1
            fewer = [act for number, act in enumerate(found.acts) if number != place]
            shorter = self.again(fewer, model(), found.judged.requirement)
            found = found if shorter is None else shorter
            place = min(place, len(found.acts)) - 1
        return found


def done_again(run: Run, acts: Sequence[Act], requirement: str) -> FoundFlow | None:
    """Do a kept sequence again; return how the requirement is broken, if it still is.

    Raises:
        Blocked: an act cannot be done.
    """
    flows = Flows(run, runs=0, seed=0, seconds=0)
    found = flows.again(acts, FlowModel(clock_by_hand=run.waiting.moved_by_hand), requirement)
    if found is None and flows.trouble:
        raise Blocked(flows.trouble, unblock="a deployment at which the acts of the case can be done")
    return found
