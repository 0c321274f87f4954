"""Fuzzing beside the scenarios: in a process of its own, started when the run begins, asked for results at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdpp_conformance.cleanup import Residue
from pdpp_conformance.fuzzing.assignment import Assignment, Report
from pdpp_conformance.fuzzing.case import write_cases
from pdpp_conformance.fuzzing.process import FuzzingProcess
from pdpp_conformance.fuzzing.words import FLOW
from pdpp_conformance.journal import JournalError, discard
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Blocked, Conclusion, Excluded

if TYPE_CHECKING:
    from pdpp_conformance.run import Run

FOLDER = "fuzzing"
"""Where, in the report folder, the journal of what the fuzzing makes on a deployment lies."""

DEFAULT_EXAMPLES = 25
FLOW_RUNS = 200
"""Sequences of acts that the bundled server's flow is taken through; more examples bring more, up to ten times that."""
ENDPOINT_SECONDS = 30.0
WHOLE_SECONDS = 120.0
"""How long all of it may take."""

BUNDLED_SECONDS = 900.0
"""How long all of it may take at the bundled server, whom nobody waits for: a busy machine is no reason to do less."""

_NAME = "fuzzing"
_REQUESTS_FOR_PARTIES = 200
"""Requests that the parties make before the first generated one, and the cleaning up after the last."""

_REQUESTS_OF_A_FLOW = 30

_CORNERS = 1500
"""More requests than have one thing wrong with them, over all endpoints."""

_GENERATORS_AND_ENDPOINTS = 45

_PROCESSORS_OF_SCENARIOS = 1
"""What one scenario after another takes: the harness, the server and the browser wait for each other."""


@dataclass(frozen=True)
class Wish:
    """How much the operator wants: ``None`` is the default, which is nothing at a deployment."""

    examples: int | None = None
    seed: int = 1
    endpoint_seconds: float | None = None
    only: Mapping[str, frozenset[str]] | None = None
    """What is to be fuzzed, by the names of operations and :data:`FLOW`, and the requirements that are judged of it:
    those found unmet, it is enough. ``None`` for all there is."""
    beside_others: bool = True
    """Whether the run has other scenarios as well, which would have to wait for a processor."""


def assigned_to(target: Target, wish: Wish, report_dir: Path) -> Assignment:
    """Return what is to be done at a target.

    Raises:
        Excluded: nobody said that it may be fuzzed, or nothing is wanted.
    """
    bundled = target.base_url is None
    examples = wish.examples
    if examples is None and not bundled and target.limits.allow_fuzzing:
        examples = DEFAULT_EXAMPLES
    if examples is None and not bundled:
        raise Excluded(
            "generated requests are sent to a deployment only where its operator says so: "
            f"--fuzz-examples {DEFAULT_EXAMPLES}, or limits.allow_fuzzing: true in the target file"
        )
    examples = DEFAULT_EXAMPLES if examples is None else examples
    if examples == 0:
        raise Excluded("no generated requests are wanted (--fuzz-examples 0)")
    seconds = wish.endpoint_seconds
    if seconds is None:
        seconds = BUNDLED_SECONDS if bundled else ENDPOINT_SECONDS
    owner = replace(target.approver, kind="http" if target.approver.kind in ("browser", "http") else "none")
    flow_runs = _flow_runs(examples) if bundled else target.limits.flow_runs
    if wish.only is not None and FLOW not in wish.only:
        flow_runs = 0
    budget = examples * _GENERATORS_AND_ENDPOINTS + _CORNERS + _REQUESTS_FOR_PARTIES + flow_runs * _REQUESTS_OF_A_FLOW
    return Assignment(
        target=replace(target, approver=owner, limits=replace(target.limits, requests=None if bundled else budget)),
        folder=report_dir / FOLDER,
        examples=examples,
        seed=wish.seed,
        endpoint_seconds=seconds,
        whole_seconds=(BUNDLED_SECONDS if bundled else WHOLE_SECONDS) * max(1.0, examples / DEFAULT_EXAMPLES),
        flow_runs=flow_runs,
        only=wish.only,
    )


def _flow_runs(examples: int) -> int:
    return min(max(1, FLOW_RUNS * examples // DEFAULT_EXAMPLES), 10 * FLOW_RUNS)


def shared_out(assigned: Assignment, *, processors: int) -> Sequence[Sequence[Assignment]]:
    """Return what each of several processes is to do, in order: at the bundled server the generated requests and the
    flows have each a server for themselves; a deployment, with its limits, is one process's.

    Args:
        processors: how many this machine has to spare for it.
    """
    requests_wanted = assigned.only is None or bool(assigned.only.keys() - {FLOW})
    if assigned.target.base_url is not None or not requests_wanted or not assigned.flow_runs:
        return [[assigned]]
    requests, flows = replace(assigned, flow_runs=0), replace(assigned, only={FLOW: assigned.judged_of(FLOW)})
    return [[requests], [flows]] if processors > 1 else [[requests, flows]]


class FuzzingJob:
    """The fuzzing, as its run sees it.

    Args:
        report_dir: where found cases are written.
        redactor: the run's own; it redacts once more what the fuzzing process redacted.
        processors: how many this machine has to spare for it.

    Raises:
        Blocked: an earlier run left something behind that has to be removed first.
    """

    def __init__(self, assigned: Assignment, report_dir: Path, redactor: Redactor, *, processors: int = 1) -> None:
        self._assigned = assigned
        self._report_dir = report_dir
        self._redactor = redactor
        self._report: Report | None = None
        self.cases: dict[tuple[str, str], Path] = {}
        """The file of each found case, by requirement and endpoint."""
        if assigned.target.base_url is not None:
            self._make_room()
        self._process = FuzzingProcess(shared_out(assigned, processors=processors))

    def report(self) -> Report:
        """Wait for the end, and return what came of it.

        Raises:
            Blocked: nothing came of it.
        """
        if self._report is None:
            self._process.wait()
            self._report = self._judgeable()
        if self._report.problem is not None:
            raise Blocked(self._report.problem, unblock="a run that comes to its end")
        return self._report

    def stop(self) -> list[Residue]:
        """End the process, however far it is; return what it left on the deployment."""
        self._process.stop()
        if self._assigned.target.base_url is None:
            return []
        report = self._report or self._judgeable()
        return [Residue(**left) for left in report.residue] if report.digest else [self._unknown()]

    def summary(self) -> dict[str, Any] | None:
        """Return what was sent, for the report; ``None`` where nothing came of it."""
        report = self._report or (self._judgeable() if self._process.is_over else None)
        return report.summary(self._assigned.seed) if report is not None and report.digest else None

    def _unknown(self) -> Residue:
        return Residue(
            what="clients and tokens of the fuzzing",
            why=f"its process ended before it had cleaned up; run `pdpp cleanup {self._assigned.folder}`",
            can_do="can do what a client of a run can",
            expires=None,
        )

    def _make_room(self) -> None:
        try:
            self._assigned.folder.mkdir(parents=True, exist_ok=True)
            discard(self._assigned.folder)
        except JournalError as error:
            raise Blocked(str(error), unblock="that, or another --report-dir") from None
        except OSError as error:
            raise Blocked(f"{self._assigned.folder} cannot be made", unblock=f"{error.strerror}, mended") from None

    def _judgeable(self) -> Report:
        """Read the result, redacted with what this process knows, and write the cases down."""
        report = self._process.report(self._redactor)
        found = list(report.found)
        for one, path in zip(found, write_cases(self._report_dir, found, self._assigned.seed), strict=True):
            self.cases[str(one["requirement"]), str(one["endpoint"])] = path
        return report


def begin_fuzzing(run: Run, wish: Wish) -> None:
    """Start fuzzing beside a run that was opened; it ends with the run."""
    run.once(_NAME, lambda: _started(run, wish))


def fuzzing_of(run: Run) -> FuzzingJob:
    """Return the fuzzing of a run.

    Raises:
        Blocked, Excluded: there is none, and why.
    """
    run.rests_beyond("what generated requests found")
    job = run.once(_NAME, lambda: _started(run, Wish()))
    if isinstance(job, Conclusion):
        raise job.with_traceback(None)
    return job


def _started(run: Run, wish: Wish) -> FuzzingJob | Conclusion:
    target = run.target
    if run.bundled is not None:  # the fuzzing gets a server of its own, with secrets of its own
        target = replace(target, base_url=None, owner_password=None, introspection=None)
    try:
        assigned = assigned_to(target, wish, run.report_dir)
        job = FuzzingJob(assigned, run.report_dir, run.redactor, processors=_processors_to_spare(wish))
    except Conclusion as why:
        return why

    def end() -> None:
        run.residue.extend(job.stop())
        run.generated = job.summary()

    run.at_end(end)
    return job


def _processors_to_spare(wish: Wish) -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    there = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return there - _PROCESSORS_OF_SCENARIOS if wish.beside_others else there
