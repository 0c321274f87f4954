"""The proof: runs without a fault first, then the runs with each fault, and what they found.

The scenarios that only a browser can judge are known from a run without a fault in which the owner has none. They are
run apart, so that a fault that breaks none of them starts no browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from pdpp_conformance.bundled import FAULTS_VARIABLE
from pdpp_conformance.feature_files import ScenarioFacts
from pdpp_conformance.fuzzing.words import wanted_of
from pdpp_conformance.verdict import Verdict, gravest
from pdpp_conformance.wire_description import description
from pdpp_reference.faults import Fault, fuzzing
from tests.forked_runs import FinishedRun, Plan, run_all
from tests.self_proof.outcome import COMPLETE_RUNS, RED, Outcome

SCOPES: Mapping[str, str] = {
    "rows": "the scenarios of the declared rows",
    "near": "the scenarios of the declared rows, and of every other row of their features one, drawn for each fault",
    "features": "the features in which the declared rows stand, of their scenarios for a browser only the declared",
    "whole": "all scenarios",
}
"""What is run for a fault."""

BRIEF = frozenset({"rows", "near"})
"""The scopes in which a declared row that one scenario found unmet is asked about no further."""

SELDOM = frozenset({"expires", "paced", "limit", "idle", "validator"})
"""Tags of what takes many times as long as others."""
MANY_REQUESTS = 5
"""So does a scenario that makes more of them, where there is no fault."""
ONE_IN = 4
"""Near a fault, what takes long is run under one fault in so many."""

GENERATED = 12
"""How many requests are generated for each operation: enough for the faults that only those find."""

_CONFORMING = "conforming"
_PARTS = 6
"""Into how many runs the scenarios without a fault are divided, so that they are run at the same time."""


@dataclass
class _Found:
    """What the runs with one fault, or with none, found so far."""

    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    long: set[str] = field(default_factory=set)
    """The scenarios that made many requests."""
    unseen: set[str] = field(default_factory=set)
    """The scenarios that could not be judged."""
    problems: list[str] = field(default_factory=list)
    following: list[Plan] = field(default_factory=list)
    """The runs that are yet to be made, in order."""

    @property
    def red(self) -> frozenset[str]:
        return frozenset(row for row, (verdict, _) in self.verdicts.items() if verdict in RED)

    def take(self, run: FinishedRun) -> None:
        if run.report is None:
            self.problems.append(f"no run.json, exit {run.status}: {run.last_line}")
            return
        if run.status not in COMPLETE_RUNS:
            self.problems.append(f"exit {run.status}: {run.last_line}")
        self.problems += run.report["faults"]
        self.long |= {each["id"] for each in run.report["scenarios"] if each["requests"] > MANY_REQUESTS}
        self.unseen |= {scenario["id"] for scenario in run.report["scenarios"] if scenario["verdict"] == "BLOCKED"}
        for row in run.report["requirements"]:
            if row["scenarios"]:
                self._judged(row["id"], row["verdict"], row["reason"] or "")

    def _judged(self, row: str, verdict: str, reason: str) -> None:
        before = self.verdicts.get(row)
        if before is None or gravest([Verdict(before[0]), Verdict(verdict)]) is not Verdict(before[0]):
            self.verdicts[row] = verdict, reason


class Proof:
    """Proves faults, at most ``jobs`` runs at a time.

    Args:
        scope: one of :data:`SCOPES`.
        folder: where the runs leave their reports.
        tell: takes each fault's outcome as soon as it is known.
    """

    def __init__(
        self, faults: Sequence[Fault], *, scope: str, jobs: int, folder: Path, tell: Callable[[Outcome], None]
    ) -> None:
        self._faults = {fault.name: fault for fault in faults}
        self._generated = frozenset(fault.name for fault in fuzzing.declared.faults)
        self._scope = scope
        self._jobs = jobs
        self._folder = folder
        self._tell = tell
        self._scenarios: Sequence[ScenarioFacts] = ()
        self._fuzzed: Mapping[str, frozenset[str]] = {}
        """What each scenario wants fuzzed."""
        self._for_browser: frozenset[str] = frozenset()
        self._conforming = _Found()
        self._parts_left = 0
        self._found = {name: _Found() for name in self._faults}
        self.outcomes: list[Outcome] = []
        self.seconds: dict[str, float] = {}
        """What each run took of processors' time."""

    @property
    def conforming(self) -> Mapping[str, tuple[str, str]]:
        """The verdict on each requirement without any fault, with its reason."""
        return self._conforming.verdicts

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong without any fault: nothing of a proof is worth anything then."""
        red = [f"{row} {verdict}: {reason}" for row, (verdict, reason) in self.conforming.items() if verdict in RED]
        return [*self._conforming.problems, *red]

    def run(self) -> None:
        """Make all runs."""
        few = ["--fuzz-examples", str(GENERATED)]
        run_all(self._planned, jobs=self._jobs, folder=self._folder, told=self._told, arguments=few)

    def _planned(self, scenarios: Sequence[ScenarioFacts]) -> Iterable[Plan]:
        self._scenarios = scenarios
        self._fuzzed = {scenario.id: frozenset(wanted_of(scenario.steps)) for scenario in scenarios}
        # Which are drawn near a fault depends on which of them need a browser, and that is yet to be seen.
        scope = "features" if self._scope == "near" else self._scope
        parts = self._divided(self._wanted(self._faults.values(), scope))
        self._parts_left = len(parts)
        return [Plan(f"{_CONFORMING}.{number}", part, approver="http") for number, part in enumerate(parts)]

    def _divided(self, wanted: frozenset[str]) -> list[frozenset[str]]:
        """Divide scenarios into parts of about the same size; a feature's stay together, as they may share a play."""
        subjects: dict[str, set[str]] = {}
        for scenario in self._scenarios:
            if scenario.id in wanted:
                subjects.setdefault(_subject(scenario), set()).add(scenario.id)
        parts: list[set[str]] = [set() for _ in range(_PARTS)]
        for subject in sorted(subjects.values(), key=len, reverse=True):
            min(parts, key=len).update(subject)
        return [frozenset(part) for part in parts if part]

    def _told(self, run: FinishedRun) -> Iterable[Plan]:
        name, _, _ = run.plan.name.partition(".")
        self.seconds[run.plan.name] = run.seconds
        if name in self._found:
            return self._take(name, run)
        before = self._conforming
        before.take(run)
        if run.plan.approver == "http":
            self._parts_left -= 1
            if self._parts_left:
                return []
            self._for_browser, before.verdicts = frozenset(before.unseen), _judged(before.verdicts)
            control = [Plan(f"{_CONFORMING}.browser", self._for_browser)] if self._for_browser else []
            return [*control, *self._with_faults()]
        return []

    def _take(self, name: str, run: FinishedRun) -> Iterable[Plan]:
        """Take what a run found, and return the one that is to follow."""
        found, fault = self._found[name], self._faults[name]
        found.take(run)
        while found.following:
            plan = found.following.pop(0)
            still = plan.scenarios if self._scope not in BRIEF else self._speaking_of(fault.rows - found.red, plan)
            if still:
                return [replace(plan, scenarios=still)]
        outcome = Outcome(fault, found.verdicts, found.problems)
        self.outcomes.append(outcome)
        self._tell(outcome)
        return []

    def _speaking_of(self, rows: frozenset[str], plan: Plan) -> frozenset[str]:
        """Return the scenarios of a run that speak of one of these rows."""
        return frozenset(
            scenario.id
            for scenario in self._scenarios
            if scenario.id in plan.scenarios and not rows.isdisjoint(scenario.requirement_ids)
        )

    def _with_faults(self) -> Iterator[Plan]:
        """Yield the first run with each fault; what takes the longest begins first."""
        faults = self._faults.values()
        for fault in sorted(faults, key=lambda fault: not (fault.is_the_clients or fault.name in self._generated)):
            first, *following = self._plans(fault, self._wanted([fault], self._scope))
            self._found[fault.name].following = following
            yield first

    def _plans(self, fault: Fault, wanted: frozenset[str]) -> list[Plan]:
        """Return the runs with a fault, those that cost the least first: what they find may spare the others.

        What needs no browser and no generated requests is run together; then the generated requests, an endpoint at a
        time, that first at which the fault lies, or the flows; then what needs a browser.
        """
        alone: dict[frozenset[str], set[str]] = {frozenset(): set()}
        without_browser = wanted - self._for_browser
        for scenario, fuzzed in self._fuzzed.items():
            if scenario in without_browser:
                alone.setdefault(fuzzed, set()).add(scenario)
        environment = {FAULTS_VARIABLE: fault.name}
        until_red = fault.rows if self._scope in BRIEF else frozenset[str]()
        at_fault = _operations_at(fault.path)
        order = sorted(alone, key=lambda where: (bool(where), where.isdisjoint(at_fault)))
        runs = [(frozenset(alone[where]), "http") for where in order]
        runs.append((wanted & self._for_browser, "browser"))
        return [
            Plan(f"{fault.name}.{number}", scenarios, environment, approver, until_red=until_red)
            for number, (scenarios, approver) in enumerate(runs)
            if scenarios
        ]

    def _wanted(self, faults: Iterable[Fault], scope: str) -> frozenset[str]:
        """Return the scenarios that are run for these faults."""
        return frozenset[str]().union(*(self._wanted_for(fault, scope) for fault in faults))

    def _wanted_for(self, fault: Fault, scope: str) -> frozenset[str]:
        by_hand = [scenario for scenario in self._scenarios if "fuzzed" not in scenario.tags]
        if scope == "whole":
            return frozenset(scenario.id for scenario in by_hand)
        # Generated requests take their time, and would find most defects: they run for those that only they can find.
        listed = self._scenarios if fault.name in self._generated else by_hand
        declared = [scenario for scenario in listed if not fault.rows.isdisjoint(scenario.requirement_ids)]
        wanted = {scenario.id for scenario in declared}
        if scope == "rows":
            return frozenset(wanted)
        features = {_subject(scenario) for scenario in declared}
        beside = [scenario for scenario in by_hand if _subject(scenario) in features]
        beside = [scenario for scenario in beside if scenario.id not in wanted | self._for_browser]
        if scope == "near":
            beside = self._drawn(beside, fault)
        return frozenset(wanted.union(scenario.id for scenario in beside))

    def _drawn(self, scenarios: Sequence[ScenarioFacts], fault: Fault) -> list[ScenarioFacts]:
        """Draw one scenario of each row, the same one each time, and another for another fault."""
        drawn: dict[str, ScenarioFacts] = {}
        patient = _lot(fault.name) % ONE_IN == 0
        for scenario in sorted(scenarios, key=lambda each: _lot(f"{fault.name} {each.id}")):
            takes_long = scenario.id in self._conforming.long or not SELDOM.isdisjoint(scenario.tags)
            if patient or not takes_long:
                for row in scenario.requirement_ids:
                    drawn.setdefault(row, scenario)
        return list(drawn.values())


def _operations_at(path: str | None) -> frozenset[str]:
    """Return what can be fuzzed at a path of the bundled server, which has those of the description."""
    described = description()["paths"].get(path, {}).values()
    return frozenset(each["operationId"] for each in described if isinstance(each, dict) and "operationId" in each)


def _lot(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest())


@cache
def _subject(scenario: ScenarioFacts) -> str:
    """Return what is run together: a feature; but the metadata documents are judged against each other."""
    folder = Path(scenario.feature_path).parent
    return folder.name if folder.name == "2_metadata_honesty" else scenario.feature_path


def _judged(verdicts: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Leave out what waits for a browser."""
    return {row: verdict for row, verdict in verdicts.items() if verdict[0] != "BLOCKED"}
