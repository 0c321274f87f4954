"""Flows in every order, at one deployment: the runs, what they found, and each find made as short as it can be."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.exchange import OffLimits
from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.flow_model import FlowModel
from pdpp_conformance.fuzzing.parties import Parties, Seen
from pdpp_conformance.fuzzing.paths import beaten_paths
from pdpp_conformance.fuzzing.properties import Judged, judged_in
from pdpp_conformance.fuzzing.words import FLOW
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Conclusion

SHRINKING_RUNS = 60
"""How many times a found sequence is tried again to make it shorter."""


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
        until: when it has had enough, on the monotonic clock.
        note: takes each act as JSON, in order, before it is done: the log of what is asked of the deployment.
    """

    def __init__(
        self, run: Run, *, runs: int, seed: int, until: float = math.inf, note: Callable[[bytes], object] = len
    ) -> None:
        self._run = run
        self._wanted = runs
        self._seed = seed
        self._until = until
        self._note = note
        self._made = 0
        self.runs = 0
        self.requests = 0
        self.answers: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        """How often each requirement was put to the test."""
        self.found: dict[str, FoundFlow] = {}
        self.trouble = ""
        """The first thing that kept a run from going on."""
        self.cut_short = False

    def everyone(self, looking_for: frozenset[str] = frozenset()) -> None:
        """Make all runs.

        Args:
            looking_for: requirements; with a find of each it is enough. None for all that can be broken.
        """
        if not self._wanted:
            return
        try:
            model = self._model_maker()
        except (Conclusion, OffLimits) as problem:
            self.trouble = str(problem)
            return
        before = self._run.recorder.politeness.made
        for acts in self._sequences(model):
            if time.monotonic() > self._until:
                self.cut_short = True
                break
            self.runs += 1
            del self._run.recorder.exchanges[:]  # nobody reads them here, and there are thousands
            for act in acts:
                self._note(json.dumps(act.to_json(), sort_keys=True).encode("ascii"))
            found = self.again(acts, model())
            if found is not None:
                self.found.setdefault(found.judged.requirement, found)
            if looking_for and looking_for <= self.found.keys():
                break
        self.requests = self._run.recorder.politeness.made - before
        for requirement, found in self.found.items():
            if not looking_for or requirement in looking_for:
                self.found[requirement] = self._shortest(found, model)

    def report(self) -> dict[str, Any]:
        """Return what came of it so far; nothing where nothing was wanted."""
        if not self._wanted:
            return {}
        return {
            "runs": self.runs,
            "requests": self.requests,
            "answers": dict(self.answers),
            "judged": dict(self.judged),
            "cut_short": self.cut_short,
            "trouble": self.trouble,
        }

    def finds(self) -> list[dict[str, Any]]:
        """Return what was found so far."""
        return [found.to_json() for found in self.found.values()]

    def _sequences(self, model: Callable[[], FlowModel]) -> list[Sequence[Act]]:
        """Return what is done: first what shows each rule once, which is left to no chance, then what is drawn."""
        from pdpp_conformance.fuzzing.machine import draw_sequences  # who does a kept case again draws nothing

        known = [*beaten_paths(model)][: self._wanted]
        drawn = draw_sequences(max(self._wanted - len(known), 1), self._seed, model)
        return [*known, *drawn][: self._wanted]

    def _model_maker(self) -> Callable[[], FlowModel]:
        """Find out what can be done at the deployment at all."""
        run = self._run
        run.needs_pdpp("flows of both kinds")
        refreshes = run.granted(run.one_stream(), run.client()).refresh_token is not None
        has_registration = run.discovery.endpoint("registration_endpoint") is not None
        removes = has_registration and bool(run.owner_session_headers())
        by_hand = run.waiting.moved_by_hand
        return lambda: FlowModel(clock_by_hand=by_hand, refreshes=refreshes, removes=removes)

    def again(self, acts: Sequence[Act], model: FlowModel) -> FoundFlow | None:
        """Do acts, as far as they can be done, up to the first that breaks a rule; return how far that was."""
        self._made += 1
        parties = Parties(self._run, self._made)
        done: list[Act] = []
        for act in acts:
            if not model.allows(act):
                continue
            try:
                seen = parties.do(act)
            except (Conclusion, OffLimits) as problem:
                self.trouble = self.trouble or f"{act.told}: {problem}"
                return None
            done.append(act)
            broken = self._judge(model, act, seen)
            if broken is not None:
                return FoundFlow(broken, done)
            model.apply(act)
        return None

    def _judge(self, model: FlowModel, act: Act, seen: Seen) -> Judged | None:
        """Count what was seen, and return the first rule that it broke."""
        if seen.answer is not None:
            self.answers[seen.answer.summary] += 1
        for judged in judged_in(model, act, seen):
            self.judged[judged.requirement] += 1
            if not judged.kept:
                return judged
        return None

    def _shortest(self, found: FoundFlow, model: Callable[[], FlowModel]) -> FoundFlow:
        """Leave out one act after the other, from the end, as long as what is left still breaks the rule."""
        tries = SHRINKING_RUNS
        place = len(found.acts) - 1
        while place >= 0 and tries and time.monotonic() < self._until:
            tries -= 1
            fewer = [act for number, act in enumerate(found.acts) if number != place]
            shorter = self.again(fewer, model())
            if shorter is not None and shorter.judged.requirement == found.judged.requirement:
                found = shorter
            place = min(place, len(found.acts)) - 1
        return found


def done_again(run: Run, acts: Sequence[Act], requirement: str) -> FoundFlow | None:
    """Do a kept sequence again; return how the requirement is broken, if it still is.

    Raises:
        Blocked: an act cannot be done.
    """
    flows = Flows(run, runs=0, seed=0)
    found = flows.again(acts, FlowModel(clock_by_hand=run.waiting.moved_by_hand))
    if found is None and flows.trouble:
        raise Blocked(flows.trouble, unblock="a deployment at which the acts of the case can be done")
    return found if found is not None and found.judged.requirement == requirement else None
