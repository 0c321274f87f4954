"""Runs of the specification against the bundled server, each forked from one process that has collected all scenarios.

Imports, collection and the look-up of steps would otherwise take longer than the requests of most runs; and no run
notices when the code changes under it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp.client  # noqa: F401  imported once here instead of in every run
import playwright.sync_api  # noqa: F401
import pytest
from pytest_bdd.feature import get_feature

from pdpp_conformance.feature_files import ScenarioFacts, scenario_items
from pdpp_conformance.run import Run
from pdpp_conformance.target import read_target
from pdpp_conformance.verdict import Excluded, Verdict
from tests import forked_modules, made_once

ROOT = Path(__file__).resolve().parents[1]
RUN_SECONDS = 600.0
"""What one run of the specification may take."""
RED_VERDICTS = frozenset({Verdict.FAIL, Verdict.WARN, Verdict.INFO})
"""What a requirement that is not met is called, by its level."""
SEED = 1
"""Every run draws the same random values, so that two give the same verdicts."""


@dataclass(frozen=True)
class Plan:
    """One run of the specification that is to be made.

    Attributes:
        name: what the run is called, and its folder.
        scenarios: the ids of those that it has.
        environment: variables that are set for it.
        approver: who plays the owner.
        change: changes the process of the run before it begins.
        stop_at_first: whether the first requirement that is not met ends it.
        until_red: requirements of which no more scenarios are run once one of them has found it unmet.
    """

    name: str
    scenarios: frozenset[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    approver: str = "browser"
    change: Callable[[], None] = lambda: None
    stop_at_first: bool = False
    until_red: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FinishedRun:
    """A run that is over.

    Attributes:
        status: its exit status; negative where a signal ended it.
        report: what it wrote to ``run.json``; ``None`` where it wrote nothing.
        last_line: the last thing that it said.
        seconds: of processors' time, with the processes that it started.
    """

    plan: Plan
    status: int
    report: Mapping[str, Any] | None
    last_line: str
    seconds: float


Planned = Callable[[Sequence[ScenarioFacts]], Iterable[Plan]]
"""Takes all scenarios that there are, and returns the runs that are to be made first."""
Told = Callable[[FinishedRun], Iterable[Plan]]
"""Takes a run that is over, and returns those that are to be made because of it."""


def run_all(planned: Planned, *, jobs: int, folder: Path, told: Told, arguments: Sequence[str] = ()) -> None:
    """Make the planned runs, at most ``jobs`` at a time, in processes of their own; tell each as soon as it is over.

    Args:
        arguments: more options of the harness, for every run.

    Raises:
        RuntimeError: the specification cannot be collected.
    """
    forking = _Forking(planned, jobs, folder, told)
    command = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:unraisableexception",
        "-p",
        "no:logging",
        "-s",
        "--assert=plain",
        "--seed",
        str(SEED),
    ]
    # What a failure looks like in source is not told, and finding it takes longer than the scenario did.
    command += [
        "--verdicts-only",
        "-qq",
        "--no-header",
        "--tb=no",
        "--rootdir",
        str(ROOT),
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    before = signal.signal(signal.SIGTERM, _ended)
    status = int(pytest.main([*command, *arguments, str(ROOT / "features")], plugins=[forking]))
    if forking.is_child:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # nothing of the parent's is to be ended here
    signal.signal(signal.SIGTERM, before)
    if not forking.began:
        raise RuntimeError(f"the specification cannot be collected (pytest ended with {status})")


def _ended(_number: int, _frame: object) -> None:
    """End the runs, too, when this process is told to end."""
    raise KeyboardInterrupt


class _Forking:
    """The pytest plugin: where pytest would run what it collected, a process is forked for each run instead."""

    def __init__(self, planned: Planned, jobs: int, folder: Path, told: Told) -> None:
        self._planned = planned
        self._waiting: deque[Plan] = deque()
        self._jobs = jobs
        self._folder = folder
        self._told = told
        self._running: dict[int, tuple[Plan, float]] = {}
        self.began = False
        self.is_child = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        self.began = bool(session.items) and not session.testsfailed
        if self.began:
            scenarios = scenario_items(session.items)
            facts = {item.nodeid: ScenarioFacts(item, ROOT) for item in scenarios}
            _look_steps_up_once(session, scenarios)
            made_once.make(self._folder)
            _rehearse(self._folder)
            forked_modules.prepare()
            self._waiting.extend(self._planned([*facts.values()]))
            gc.collect()
            gc.freeze()
            assert threading.active_count() == 1, threading.enumerate()
            plan = self._fork_all()
            if plan is not None:
                self._become(plan, session, facts)
        session.config.option.collectonly = not self.is_child
        return (yield)

    def _fork_all(self) -> Plan | None:
        """Fork until every run is over. In a forked process, return the plan of its run."""
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < self._jobs:
                    plan = self._waiting.popleft()
                    pid = os.fork()
                    if pid == 0:
                        self.is_child = True
                        return plan
                    self._running[pid] = plan, time.monotonic() + RUN_SECONDS
                self._wait()
        finally:
            if not self.is_child:
                for pid in self._running:
                    os.kill(pid, signal.SIGTERM)
        return None

    def _wait(self) -> None:
        pid, ended, used = os.wait4(-1, os.WNOHANG)
        if pid in self._running:
            plan, _ = self._running.pop(pid)
            following = [*self._told(self._finished(plan, ended, used))]
            self._waiting.extendleft(reversed(following))  # what begins late ends alone
            return
        for running, (_, ends) in self._running.items():
            if time.monotonic() > ends:
                os.kill(running, signal.SIGKILL)
        time.sleep(0.01)

    def _finished(self, plan: Plan, ended: int, used: resource.struct_rusage) -> FinishedRun:
        report = self._folder / plan.name
        try:
            written: Mapping[str, Any] | None = json.loads((report / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            written = None
        try:
            said = [line for line in (report / "said.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
        except OSError:
            said = []
        last_line = said[-1][:300] if said else "nothing was said"
        return FinishedRun(plan, os.waitstatus_to_exitcode(ended), written, last_line, used.ru_utime + used.ru_stime)

    def _become(self, plan: Plan, session: pytest.Session, facts: Mapping[str, ScenarioFacts]) -> None:
        """Make this process, which was forked for it, the one of a run."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._running.clear()
        os.chdir(ROOT)
        os.environ.update(plan.environment)
        report = self._folder / plan.name
        report.mkdir(parents=True, exist_ok=True)
        with (report / "said.txt").open("wb") as file:
            sys.stdout.flush()
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
        option = session.config.option
        option.report_dir, option.approver = report, plan.approver
        option.maxfail = int(plan.stop_at_first)
        plan.change()
        session.items[:] = [
            item for item in session.items if item.nodeid in facts and facts[item.nodeid].id in plan.scenarios
        ]
        session.config.pluginmanager.register(_UntilRed(plan.until_red, facts))
        session.config.hook.pytest_collection_finish(session=session)
        forked_modules.fork_for(frozenset(tag for item in session.items for tag in facts[item.nodeid].tags))


class _UntilRed:
    """Leaves scenarios out that can add nothing: all of whose requirements are known to be unmet."""

    def __init__(self, rows: frozenset[str], facts: Mapping[str, ScenarioFacts]) -> None:
        self._rows = rows
        self._facts = facts
        self._red: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        rows = self._facts[item.nodeid].requirement_ids
        if rows and self._red.issuperset(rows):
            raise Excluded("what it judges is known to be unmet")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if getattr(report, "verdict", None) in RED_VERDICTS:
            self._red |= self._rows.intersection(self._facts[report.nodeid].requirement_ids)


def _rehearse(folder: Path) -> None:
    """Go through a device flow once, so that what is imported and compiled on the way is there for every run."""
    run = Run(read_target(None, base_url=None, approver="http", max_wait=None), folder, lambda _line: None)
    run.open()
    try:
        run.introspect(run.client_token().access_token)
        run.mcp(run.client_token().access_token, actor="the client").request("tools/list")
    finally:
        run.close()


def _look_steps_up_once(session: pytest.Session, scenarios: Iterable[pytest.Function]) -> None:
    """Find the definitions of all steps now, so that every forked run remembers them (`remember_steps`)."""
    module = importlib.import_module("pytest_bdd.scenario")  # the package's attribute of that name is a function
    for item in scenarios:
        feature = get_feature(str(item.path.parent), item.path.name)
        params: Mapping[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        example = params.get("_pytest_bdd_example", {})
        for step in feature.scenarios[item.originalname].render(example).steps:
            list(module.find_fixturedefs_for_step(step, session._fixturemanager, item))
