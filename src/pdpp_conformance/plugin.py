"""The pytest plugin: options, feature files as tests, one run around them, and what is told at the end."""

from __future__ import annotations

import importlib
import os
import pkgutil
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from pdpp_conformance import __version__, drawing
from pdpp_conformance.catalogue import Catalogue, CatalogueError, read_catalogue
from pdpp_conformance.collector import spare_what_lasts
from pdpp_conformance.fuzzing.standby import hold_fuzzing_ready, let_fuzzing_go
from pdpp_conformance.specification import specification_root
from pdpp_conformance.verdict import ExitStatus, FailOn, Level, NotApplicable, Verdict

if TYPE_CHECKING:
    from pdpp_conformance.deviations import Deviation
    from pdpp_conformance.feature_files import ScenarioFacts
    from pdpp_conformance.journal import Journal
    from pdpp_conformance.judging_again import JudgedAgain
    from pdpp_conformance.plan import Plan
    from pdpp_conformance.results import RowResult, ScenarioResult
    from pdpp_conformance.run import Run
    from pdpp_conformance.target import Target
    from pdpp_conformance.window import Record, Window

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that end a run in good order: Ctrl-C, a cancelled job, a terminal that was closed."""

_LETTERS = {
    Verdict.PASS: ("passed", ".", "PASS"),
    Verdict.FAIL: ("unmet", "F", "FAIL"),
    Verdict.WARN: ("unmet", "W", "WARN"),
    Verdict.INFO: ("unmet", "i", "INFO"),
    Verdict.NOT_APPLICABLE: ("not applicable", "-", "NOT APPLICABLE"),
    Verdict.BLOCKED: ("blocked", "B", "BLOCKED"),
    Verdict.EXCLUDED: ("excluded", "-", "EXCLUDED"),
    Verdict.ERROR: ("harness errors", "E", "ERROR"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pdpp", "PDPP conformance")
    group.addoption(
        "--base-url", metavar="URL", help="the deployment: origin, issuer or MCP URL (default: bundled server)"
    )
    group.addoption("--target", metavar="FILE", type=Path, help="what discovery cannot know; see targets/example.yaml")
    group.addoption("--approver", choices=("browser", "http", "manual", "none"), help="who plays the owner (browser)")
    group.addoption("--max-wait", metavar="SECONDS", type=float, help="how long the run may really wait in all (60)")
    group.addoption(
        "--max-requests",
        metavar="N",
        type=_count,
        help="how many requests the run may make in all (300 at another machine)",
    )
    group.addoption(
        "--fail-on",
        choices=[level.value for level in FailOn],
        default=FailOn.MUST.value,
        help="which unmet levels fail the run (must: MUST, PROFILE and the change's own rows)",
    )
    group.addoption(
        "--known-deviations", metavar="FILE", type=Path, help="requirements known not to be met; they still run"
    )
    group.addoption("--report-dir", metavar="DIR", type=Path, default=Path("reports/latest"), help="(reports/latest)")
    group.addoption(
        "--window",
        action="store_true",
        help="declare a verification window on loopback too; elsewhere there always is one",
    )
    group.addoption("--verdicts-only", action="store_true", help="write only verdicts to run.json")
    group.addoption("--seed", metavar="N", type=int, help="seed of everything random; printed, reproducible")
    group.addoption(
        "--fuzz-examples",
        metavar="N",
        type=_count,
        help="requests that each generator makes for each endpoint (25; at a URL only where this or its file says so)",
    )
    group.addoption(
        "--fuzz-seconds",
        metavar="SECONDS",
        type=_count,
        help="after how long an endpoint has been fuzzed enough (30 at a URL)",
    )
    group.addoption("--shuffle", action="store_true", help="run the scenarios in an order drawn from the seed")


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000_000:
        raise ValueError
    return number


def pytest_configure(config: pytest.Config) -> None:
    from pdpp_conformance.feature_files import marker_of, tags_below

    root = specification_root()
    for tag in sorted(tags_below(root / "features")):
        config.addinivalue_line("markers", f"{marker_of(tag)}: @{tag} in the feature files")
    for level in ("must", "profile", "should", "derived", "advisory"):
        config.addinivalue_line("markers", f"{level}: scenarios that judge a requirement of this level")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Start again with the checkout's settings where pytest took an option's value for a path to collect.

    pytest looks for its settings before it knows our options: an existing folder in ``--report-dir`` leads it astray.
    """
    settings = config.invocation_params.dir / "pyproject.toml"
    misled = config.inipath is None and settings.is_file() and settings.parent == specification_root()
    if misled and Path(sys.argv[0]).name in ("pytest", "py.test", "__main__.py"):
        arguments = [str(argument) for argument in config.invocation_params.args]
        os.execv(sys.executable, [sys.executable, "-m", "pytest", "-c", str(settings), *arguments])  # noqa: S606


@pytest.hookimpl(tryfirst=True)
def pytest_bdd_apply_tag(tag: str, function: Any) -> bool:
    from pdpp_conformance.feature_files import marker_of

    getattr(pytest.mark, marker_of(tag))(function)
    return True


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".feature":
        return None
    from pdpp_conformance.feature_files import FeatureFile
    from pdpp_conformance.step_lookup import remember_steps

    plugins = parent.config.pluginmanager
    if not plugins.has_plugin(Session.NAME):
        plugins.register(Session(parent.config), Session.NAME)
        _load_steps(plugins)
        remember_steps()
    return FeatureFile.from_parent(parent, path=file_path)


def _load_steps(plugins: pytest.PytestPluginManager) -> None:
    steps = importlib.import_module("steps")
    for module in pkgutil.iter_modules(steps.__path__, "steps."):
        plugins.register(importlib.import_module(module.name), module.name)


class Session:
    """One run of scenarios, from the first collected feature file on."""

    NAME = "pdpp-conformance-session"

    def __init__(self, config: pytest.Config) -> None:
        spare_what_lasts()
        self._config = config
        if config.option.tbstyle == "auto":
            config.option.tbstyle = "native"  # why a scenario failed is told by its verdict; source is slow to find
        self._root = specification_root()
        self._catalogue = self._read_catalogue()
        self._judged_again: JudgedAgain | None = config.pluginmanager.get_plugin("pdpp-judged-again")
        record = self._judged_again.record if self._judged_again else None
        self._deviations = self._read_deviations() if record is None else record.deviations
        self._fail_on = FailOn(config.getoption("fail_on"))
        seed = config.getoption("seed") if record is None else record.evidence["seed"]
        self.seed: int = random.SystemRandom().randrange(1, 2**31) if seed is None else seed
        self._results: dict[str, ScenarioResult] = {}
        self._selected: list[ScenarioFacts] = []
        self._run: Run | None = None
        self._window: Window | None = None
        self._window_record: Record | None = None
        """What the window is closed with."""
        self._started = time.time()
        self._started_monotonic = time.monotonic()
        self._signal: str | None = None
        self._messages: list[str] = []
        self._faults: list[str] = []
        self._unreachable = False
        self._out_of_reach: frozenset[str] = frozenset()
        """Tags of what takes its time and will not be come to within the requests that the run may make."""
        self._exit_status: int | None = None
        """What the run ends with where it could not begin."""
        self._report: dict[str, Any] | None = None
        self._previous_handlers: dict[int, Any] = {}
        if self._will_fuzz_bundled():
            hold_fuzzing_ready()

    def _will_fuzz_bundled(self) -> bool:
        """Whether all features will run at the bundled server, by what is known before they are read."""
        option = self._config.option
        selects = option.keyword or option.markexpr or option.collectonly or option.fuzz_examples == 0
        everything = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS and not selects
        return everything and self._judged_again is None and not (option.base_url or option.target)

    @property
    def _report_dir(self) -> Path:
        directory: Path = self._config.invocation_params.dir / self._config.getoption("report_dir")
        return directory

    def _read_catalogue(self) -> Catalogue:
        try:
            return read_catalogue(
                self._root / "features" / "catalogue", self._root / "schemas" / "catalogue.schema.json"
            )
        except CatalogueError as error:
            raise pytest.UsageError(f"the catalogue is not usable: {error}") from None

    def _read_deviations(self) -> tuple[Deviation, ...]:
        path: Path | None = self._config.getoption("known_deviations")
        if path is None:
            return ()
        from pdpp_conformance.deviations import DeviationsError, read_deviations

        try:
            return read_deviations(self._config.invocation_params.dir / path)
        except DeviationsError as error:
            raise pytest.UsageError(str(error)) from None

    # -- selection ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Mark each scenario with its requirements' levels; what takes its time, or wears a limit out, goes last."""
        from pdpp_conformance.feature_files import ScenarioFacts, scenario_items

        for item in scenario_items(items):
            facts = ScenarioFacts(item, self._root)
            item.stash[_FACTS] = facts
            for row in facts.requirement_ids:
                if row in self._catalogue.requirements:
                    item.add_marker(self._catalogue.requirements[row].level.value.lower())
        if self._judged_again is not None:
            order = list(self._judged_again.record.scenarios)
            kept = {item.stash[_FACTS].id: item for item in scenario_items(items)}
            items[:] = [kept[scenario] for scenario in order if scenario in kept]
            return
        if self._config.getoption("shuffle"):
            random.Random(self.seed).shuffle(items)  # noqa: S311 - an order is no secret
        items.sort(
            key=lambda item: [
                *(item.get_closest_marker(tag) is not None for tag in _LAST),
                item.get_closest_marker(_FIRST) is None,
                self._is_seen_in_browser(item),
            ]
        )

    def _is_seen_in_browser(self, item: pytest.Item) -> bool:
        """Whether a browser has to be looked at: such a scenario leaves the fuzzing none of two processors."""
        rows = item.stash[_FACTS].requirement_ids if _FACTS in item.stash else ()
        known = self._catalogue.requirements
        return any("browser" in known[row].observed for row in rows if row in known)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._selected = [item.stash[_FACTS] for item in session.items if _FACTS in item.stash]

    # -- the run around the scenarios --------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if not self._selected or session.config.option.collectonly or session.testsfailed:
            return (yield)
        spare_what_lasts()
        self._previous_handlers = {
            number: signal.signal(number, self._on_signal)
            for number in _ENDING
            if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
        }
        if not self._open(session):
            session.items.clear()
        return (yield)

    def _open(self, session: pytest.Session) -> bool:
        """Prepare the report folder and open the run; say in one sentence why it cannot be."""
        from pdpp_conformance.journal import JournalError
        from pdpp_conformance.recording import ReportError, prepare
        from pdpp_conformance.run import Run
        from pdpp_conformance.target import TargetError, read_target
        from pdpp_conformance.window import WindowError

        option = self._config.getoption
        if self._judged_again is not None:
            record = self._judged_again.record
            self._run = Run(record.target, self._report_dir, self._tell, record=record)
            return self._open_run(self._run)
        try:
            target = read_target(
                option("target"),
                base_url=option("base_url"),
                approver=option("approver"),
                max_wait=option("max_wait"),
                max_requests=option("max_requests"),
            )
        except TargetError as error:
            raise pytest.UsageError(str(error)) from None
        try:
            self._declare_window(target)
            prepare(self._report_dir)
            journal = self._begin_journal(target)
        except (WindowError, ReportError, JournalError) as error:
            self._messages.append(str(error))
            self._exit_status = ExitStatus.NOT_CONFORMANT
            return False
        planned = None if target.base_url is None else self._plan(target, session.items)
        self._run = Run(target, self._report_dir, self._tell, journal)
        if planned is not None:
            self._run.recorder.politeness.enough = planned.enough
        self._run.window = self._window
        return self._open_run(self._run) and self._declare_bundled_window(self._run)

    def _open_run(self, run: Run) -> bool:
        from pdpp_conformance.discovery import Unreachable

        drawing.begin(self.seed, "")
        fuzzing = [("fuzzed", self._begin_fuzzing)]
        # At the bundled server it has servers of its own, and need not wait for this one to start.
        waits_for_nothing = run.target.base_url is None and self._judged_again is None
        if waits_for_nothing:
            self._begin(fuzzing)
        try:
            run.open()
        except Unreachable as error:
            self._unreachable = True
            self._messages.append(str(error))
            return False
        except Exception as error:
            self._fault("opening the run", error)
            return False
        expiring = {row for facts in self._selected for row in facts.requirement_ids}
        self._begin(
            [
                *([] if waits_for_nothing else fuzzing),
                ("paced", run.begin_conversations),
                ("expires", partial(run.start_expiring, expiring)),
                ("validator", self._begin_validating),
                ("setup_client", self._begin_playing),
            ]
        )
        return True

    def _begin(self, starts: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Begin what takes its time, of what scenarios with a tag wait for."""
        for tag, start in starts:
            if tag not in self._out_of_reach and any(tag in facts.tags for facts in self._selected):
                try:
                    start()
                except Exception as error:
                    self._fault(f"starting what takes its time ({tag})", error)

    def _begin_validating(self) -> None:
        from pdpp_conformance.openspec import begin_validating

        assert self._run is not None
        begin_validating(self._run)

    def _begin_playing(self) -> None:
        from pdpp_conformance.setup_client_checks import begin_playing

        assert self._run is not None
        begin_playing(self._run, self._steps())

    def _begin_fuzzing(self) -> None:
        from pdpp_conformance.fuzzing.job import Wish, begin_fuzzing
        from pdpp_conformance.fuzzing.words import wanted_of

        assert self._run is not None
        if self._judged_again is not None:
            return  # what generated requests found is in no record
        option = self._config.getoption
        seconds = option("fuzz_seconds")
        wanted = wanted_of(self._steps())
        wish = Wish(
            option("fuzz_examples"),
            self.seed,
            None if seconds is None else float(seconds),
            wanted,
            beside_others=any("fuzzed" not in facts.tags for facts in self._selected),
        )
        begin_fuzzing(self._run, wish)

    def _steps(self) -> list[str]:
        """Return the texts of the steps that the run has."""
        return [step for facts in self._selected for step in facts.steps]

    def _declare_window(self, target: Target) -> None:
        """Open the verification window, before the first request and before anything of an earlier run is removed."""
        if target.base_url is None and not target.window:
            return  # spares the import
        from pdpp_conformance.run import max_wait_of
        from pdpp_conformance.run_window import open_window

        self._window = open_window(
            target,
            asked=self._config.getoption("window"),
            max_wait=max_wait_of(target),
            scenarios=len(self._selected),
            report_dir=self._report_dir.resolve(),
        )

    def _declare_bundled_window(self, run: Run) -> bool:
        """Open a window on the bundled server, if a scenario asks for one; say in one sentence why it cannot be."""
        if run.bundled is None or not any("live_gate" in facts.tags for facts in self._selected):
            return True  # spares the import
        from pdpp_conformance.run_window import open_bundled_window
        from pdpp_conformance.window import WindowError

        try:
            self._window = run.window = open_bundled_window(run, scenarios=len(self._selected))
        except WindowError as error:
            self._messages.append(str(error))
            self._exit_status = ExitStatus.NOT_CONFORMANT
            return False
        return True

    def _begin_journal(self, target: Target) -> Journal | None:
        """Begin to write down what the run makes, unless that goes with the bundled server."""
        from pdpp_conformance.journal import Journal

        if target.base_url is None:
            return None
        window_id = None if self._window is None else self._window.record.id
        about = {"base_url": target.base_url, "approver": target.approver.kind, "window": window_id}
        return Journal.begin(self._report_dir, about)

    def _plan(self, target: Target, items: list[pytest.Item]) -> Plan:
        """Tell what the run will cost the deployment; where not all of it may be spent, what must hold comes first."""
        from pdpp_conformance.plan import plan
        from pdpp_conformance.run import max_wait_of

        rows = {row for facts in self._selected for row in facts.requirement_ids if row in self._catalogue.requirements}
        waits = sum(bool({"expires", "paced"}.intersection(facts.tags)) for facts in self._selected)
        planned = plan(
            target,
            rows=len(rows),
            scenarios=len(self._selected),
            waits=waits,
            max_wait=max_wait_of(target),
        )
        told = list(planned.lines)
        if any("fuzzed" in facts.tags for facts in self._selected):
            from pdpp_conformance.fuzzing_plan import fuzzing_lines

            told += fuzzing_lines(target, self._catalogue, self._config.getoption("fuzz_examples"))
        for line in told:
            self._tell(line)
        if planned.is_short:
            from pdpp_conformance.importance import by_importance

            late = [tag for tag in _LAST if tag != "fuzzed"]  # generated requests are not counted with the others
            levels = {row.id: row.level for row in self._catalogue.requirements.values()}
            key = by_importance(self._selected, levels, telling=_MOST_TELLING, late=late)
            items.sort(
                key=lambda item: (
                    [item.get_closest_marker(tag) is not None for tag in late],
                    key(item.stash[_FACTS]) if _FACTS in item.stash else (),
                )
            )
            come_to = items[: planned.come_to]
            takes_time = ("expires", "paced")
            self._out_of_reach = frozenset(takes_time) - {mark.name for item in come_to for mark in item.iter_markers()}
        return planned

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._signal = self._signal or signal.Signals(signum).name
        raise KeyboardInterrupt

    def pytest_keyboard_interrupt(self) -> None:
        self._signal = self._signal or "SIGINT"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Clean up, write the report, decide the exit status."""
        let_fuzzing_go()
        if self._run is None:
            self._close_window(None)
            if self._exit_status is not None:
                session.exitstatus = self._exit_status
            elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
                session.exitstatus = ExitStatus.INCOMPLETE
            return
        for signum in self._previous_handlers:
            signal.signal(signum, signal.SIG_IGN)  # a second Ctrl-C must not lose the report
        try:
            session.exitstatus = self._finish(self._run)
        except Exception as error:  # a traceback would tell the operator nothing
            self._fault("writing the report", error)
            self._report = None
            self._messages.append(
                f"the report could not be finished, by a fault of the harness; please report it: {self._faults[-1]}"
            )
            session.exitstatus = ExitStatus.NOT_CONFORMANT
        finally:
            for signum, handler in self._previous_handlers.items():
                signal.signal(signum, handler or signal.SIG_DFL)
            spare_what_lasts()  # pytest looks through everything five times before it ends

    def _finish(self, run: Run) -> int:
        try:
            run.close()
        except Exception as error:
            self._fault("cleaning up", error)
        if self._judged_again is not None:
            report = self._assemble(run, ())
            speaking: dict[str, list[str]] = {}
            for facts in self._selected:
                for row in facts.requirement_ids:
                    speaking.setdefault(row, []).append(facts.id)
            rows, scenarios = (run.redactor.redact_all(report[part]) for part in ("requirements", "scenarios"))
            self._judged_again.take(rows, scenarios, speaking, self._messages)
            return int(report["exit_status"])
        objections = [left.sentence for left in run.residue]
        if run.target.limits.accept_residue:
            objections = []
        status = self._write_report(run, objections)
        problem = self._close_window(self._window_record)
        return status if problem is None else self._write_report(run, [*objections, problem])

    def _write_report(self, run: Run, objections: Sequence[str]) -> int:
        """Write the report, and once more if a secret is found in it; return the exit status."""
        from pdpp_conformance.recording import ReportError, write, write_verdicts

        try:
            self._report = self._assemble(run, objections)
            if self._config.getoption("verdicts_only"):
                write_verdicts(self._report_dir, self._report, run.redactor)
                return int(self._report["exit_status"])
            evidence = partial(self._evidence, run)
            write(self._report_dir, self._report, run.recorder.exchanges, run.redactor, evidence)
            leaks = run.redactor.leaks(self._report_dir)
            if leaks:
                objections = [*objections, *(f"a secret stands in the report: {leak}" for leak in leaks)]
                self._report = self._assemble(run, objections)
                write(self._report_dir, self._report, run.recorder.exchanges, run.redactor, evidence)
        except ReportError as error:
            self._messages.append(str(error))
            return ExitStatus.NOT_CONFORMANT
        return int(self._report["exit_status"])

    def _evidence(self, run: Run, exchanges: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        from pdpp_conformance.record import evidence_of

        not_by_wire = run.testimony.not_by_wire()
        scenarios = [
            {
                "id": result.facts.id,
                "by_wire": result.is_by_wire(not_by_wire),
                "exchanges": result.exchanges,
            }
            for result in self._results.values()
        ]
        about = {
            "seed": self.seed,
            "bundled": run.bundled is not None,
            "issuer": run.bundled.issuer if run.bundled is not None else None,
            "catalogue_digest": self._catalogue.digest,
            "scenarios": scenarios,
            "known_deviations": [{"id": entry.id, **entry.to_json()} for entry in self._deviations],
        }
        return evidence_of(run.target, run.testimony, exchanges, run.recorder, about)

    def _close_window(self, record: Record | None) -> str | None:
        """Close the window with that record, if there is one; return what went wrong."""
        from pdpp_conformance.window import WindowError

        if self._window is None:
            return None
        try:
            self._window.close(record or self._window.closed("no report", []))
        except WindowError as error:
            return f"the verification window could not be closed: {error}"
        return None

    def _tell(self, line: str) -> None:
        """Print a progress line, with the rows it is for, also while pytest captures the output of a scenario."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if reporter is None:
            return
        scenario = self._run.recorder.scenario if self._run is not None else None
        rows = [row for facts in self._selected if facts.id == scenario for row in facts.requirement_ids]
        line = f"{', '.join(rows)}: {line}" if rows else line
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            reporter.write(f"\n  {line}\n")

    def _fault(self, where: str, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        self._faults.append(f"{where}: {type(error).__name__}: {error}{place}"[:600])

    # -- one scenario ------------------------------------------------------------------------------------------------

    @pytest.fixture(scope="session")
    def run(self) -> Run:
        """The run: the target and the parties."""
        assert self._run is not None
        return self._run

    @pytest.fixture
    def judge(self, request: pytest.FixtureRequest) -> Any:
        """The judging of this scenario."""
        return self._results[request.node.nodeid].judgement

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        facts = item.stash.get(_FACTS, None)
        if facts is None or self._run is None:
            return (yield)
        from pdpp_conformance.results import ScenarioResult

        if self._signal is not None:
            raise KeyboardInterrupt  # the first one was lost in a callback of the browser's driver
        run = self._run
        result = self._results[item.nodeid] = ScenarioResult(facts)
        politeness = run.recorder.politeness
        politeness.refused = None
        before, waited, started = len(run.recorder.exchanges), run.waiting.waited_s, time.monotonic()
        run.recorder.scenario = facts.id
        random.seed(f"{self.seed}:{facts.id}")
        drawing.begin(self.seed, facts.id)
        try:
            return (yield)
        finally:
            if politeness.refused is not None:
                run.testimony.rests_beyond("how many requests the run had made before")
            run.recorder.scenario = None
            result.duration_s = time.monotonic() - started
            result.waited_s = run.waiting.waited_s - waited
            if politeness.refused is not None:
                # Whatever it made of that: what would have been answered was not seen.
                result.cut_short(politeness.refused.reason, politeness.refused.unblock)
            if run.replayed is not None:
                run.replayed.catch_up_with(facts.id)
            own = [exchange.number for exchange in run.recorder.exchanges[before:] if exchange.scenario == facts.id]
            shared = run.testimony.shared.get(facts.id, ())
            result.exchanges = sorted({*own, *shared, *result.judgement.exchanges})
            take = getattr(run.approver, "take_attachments", None)
            result.attachments = take() if take is not None else []
            if self._judged_again is not None and run.replayed is not None:
                self._judged_again.look_over(result, run.replayed)

    def pytest_bdd_before_scenario(self, request: pytest.FixtureRequest, scenario: Any) -> None:
        from pdpp_conformance.applicability import why_not_applicable
        from pdpp_conformance.results import StepResult
        from pdpp_conformance.revisions import why_outside_window

        result = self._results[request.node.nodeid]
        result.steps = [StepResult(step.keyword, step.name, step.type) for step in scenario.steps]
        rows = [
            self._catalogue.requirements[row]
            for row in result.facts.requirement_ids
            if row in self._catalogue.requirements
        ]
        run = self._run
        assert run is not None
        reasons = [why_not_applicable(row, run.discovery) or why_outside_window(row, run) for row in rows]
        if reasons and all(reasons):
            raise NotApplicable(str(reasons[0]))

    def pytest_bdd_after_step(self, request: pytest.FixtureRequest, scenario: Any, step: Any) -> None:
        self._results[request.node.nodeid].steps[_index(scenario.steps, step)].status = "passed"

    def pytest_bdd_step_error(
        self, request: pytest.FixtureRequest, scenario: Any, step: Any, exception: Exception
    ) -> None:
        reached = self._results[request.node.nodeid].steps[_index(scenario.steps, step)]
        reached.status, reached.error = "failed", f"{exception}"[:1000]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        result = self._results.get(item.nodeid)
        if result is None or (call.excinfo is None and call.when != "call"):
            return report
        error = call.excinfo.value if call.excinfo is not None else None
        if self._signal is not None or isinstance(error, KeyboardInterrupt | pytest.exit.Exception):
            return report
        from pdpp_conformance.replay import NotRecorded

        result.conclude(_as_conclusion(error))
        if error is not None and self._run is not None and not isinstance(error, NotRecorded):
            self._run.stop_sharing()
        if result.verdict is Verdict.ERROR and error is not None:
            self._fault(result.facts.id, error)
        verdict = result.verdict_by(self._catalogue)
        report.outcome = "failed" if verdict in (Verdict.FAIL, Verdict.ERROR) else "passed"
        report.longrepr = result.reason if report.outcome == "failed" else None
        report.__dict__["verdict"] = verdict
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        verdict = getattr(report, "verdict", None)
        return _LETTERS.get(verdict) if isinstance(verdict, Verdict) else None

    # -- what is told ------------------------------------------------------------------------------------------------

    def pytest_report_collectionfinish(self) -> Sequence[str]:
        where = self._config.getoption("base_url") or "the target file's deployment, or else the bundled server"
        return [f"judging {where}: {len(self._selected)} scenarios, seed {self.seed}"] if self._selected else []

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._report is None or self._config.getoption("verdicts_only"):
            nothing = [] if self._selected else ["nothing was judged: no scenario was selected"]
            for message in [*self._messages, *nothing]:
                terminalreporter.write_line(message)
            return
        from rich.console import Console

        from pdpp_conformance.report import render_summary

        terminalreporter.ensure_newline()
        stream = terminalreporter._tw._file
        assert self._run is not None
        render_summary(
            self._run.redactor.redact_all(self._report), self._report_dir, Console(file=stream, highlight=False)
        )

    def _assemble(self, run: Run, objections: Sequence[str]) -> dict[str, Any]:
        from pdpp_conformance.feature_files import tags_below
        from pdpp_conformance.results import counts_of, judge_requirements, judge_tasks, outcome_of, scenario_to_json

        results = list(self._results.values())
        if self._judged_again is not None:
            results = [result for result in results if self._judged_again.is_by_wire(result.facts.id)]
        covered = tags_below(self._root / "features")
        rows: list[RowResult] = judge_requirements(
            self._catalogue,
            results,
            covered=covered,
            unfinished=self._unfinished(),
            attestations=run.target.attestations,
        )
        if self._deviations:
            from pdpp_conformance.deviations import apply

            rows, stale = apply(self._deviations, rows)
            objections = [*objections, *stale]
        outcome = outcome_of(
            rows,
            results,
            self._catalogue,
            fail_on=self._fail_on,
            interrupted=self._signal is not None,
            unreachable=self._unreachable,
            objections=objections,
        )
        found = getattr(run, "discovery", None)
        made = run.recorder.politeness.made
        waiting = getattr(run, "waiting", None)
        ended = time.time()
        if self._window is not None:
            left = [left.sentence for left in run.residue]
            self._window_record = self._window.closed(outcome.word, left)
        return {
            "schema": "pdpp-conformance/run/1",
            "suite": {"version": __version__, "catalogue_digest": self._catalogue.digest},
            "target": {
                "base_url": run.target.base_url or "the bundled server, not started",
                "issuer": found.issuer if found else None,
                "mcp_resource": found.mcp_resource if found else None,
                "profile": run.target.profile,
                "bundled": run.bundled is not None,
                "approver": run.target.approver.kind,
                "capabilities": _capabilities(found) if found else {},
            },
            "started": _moment(self._started),
            "ended": _moment(ended),
            "duration_s": round(time.monotonic() - self._started_monotonic, 2),
            "waited_s": round(waiting.waited_s, 2) if waiting else 0.0,
            "max_wait_s": None if run.bundled is not None else run.max_wait,
            "requests": {"made": made, "most": run.recorder.politeness.most_requests},
            "seed": self.seed,
            "fail_on": self._fail_on.value,
            "outcome": outcome.word,
            "exit_status": outcome.exit_status,
            "interrupted": self._signal,
            "messages": [*self._messages, *objections, *_left_by_limit(rows, run), *run.notes],
            "faults": list(self._faults),
            "window": None if self._window_record is None else self._window_record.to_json(),
            "discovery": {"documents": _documents(found) if found else []},
            "counts": counts_of(rows),
            "tasks": judge_tasks(self._catalogue, results, self._selected, covered=covered),
            "requirements": [row.to_json() for row in rows],
            "scenarios": [scenario_to_json(result, self._catalogue) for result in results],
            "generated": run.generated,
            "residue": [left.to_json() for left in run.residue],
        }

    def _unfinished(self) -> dict[str, tuple[str, str]]:
        """Which requirements have selected scenarios that never came to an end."""
        if self._unreachable:
            why = ("the target could not be reached", "a deployment that answers at the URL given")
            return {row: why for facts in self._selected for row in facts.requirement_ids}
        done = {result.facts.id for result in self._results.values() if result.concluded}
        why = ("the run ended before its scenarios did", "a run that comes to its end")
        return {row: why for facts in self._selected if facts.id not in done for row in facts.requirement_ids}


_LAST = ("limit", "idle", "fuzzed", "expires", "paced")
"""What is judged last, the first of them at the very end: what wears out a limit, and what takes its time.

What lies idle for half a year outlives every session, code and token that others still use, so it comes after them."""

_MOST_TELLING = "live_gate"
"""What is judged first where not everything can be: what the gate after a deploy consists of."""

_FIRST = "wrong_code"
"""What enters codes that lead nowhere: a limit counts them, and has ended when codes that expired are entered."""

_FACTS: pytest.StashKey[Any] = pytest.StashKey()


def _as_conclusion(error: BaseException | None) -> BaseException | None:
    """Take what the harness refused to do for the target's sake as what it is: something that could not be judged."""
    from pdpp_conformance.exchange import OffLimits
    from pdpp_conformance.verdict import Blocked

    if isinstance(error, OffLimits):
        return Blocked(str(error), unblock="metadata whose URLs lie on the deployment's own origins")
    return error


def _left_by_limit(rows: Sequence[RowResult], run: Run) -> list[str]:
    """Say in one sentence how many requirements the limit of requests left unjudged, and what would do."""
    from pdpp_conformance.politeness import UsedUp, more_requests

    politeness = run.recorder.politeness
    if politeness.most_requests is None:
        return []
    spent = UsedUp(politeness.most_requests, 0).reason
    left = [row for row in rows if row.verdict is Verdict.BLOCKED and spent in (row.reason or "")]
    if not left:
        return []
    must = sum(row.requirement.level in (Level.MUST, Level.PROFILE) for row in left)
    enough = politeness.enough or politeness.most_requests * 2
    return [
        f"{len(left)} requirements, {must} of which must hold, were left BLOCKED by the limit of "
        f"{politeness.most_requests} requests; "
        f"{more_requests(enough)} lets all of them be judged"
    ]


def _index(steps: Sequence[Any], step: Any) -> int:
    return next(index for index, other in enumerate(steps) if other is step)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _capabilities(found: Any) -> dict[str, bool]:
    from pdpp_conformance.applicability import CONDITIONS

    return {condition: holds(found) for condition, holds in CONDITIONS.items()}


def _documents(found: Any) -> list[dict[str, Any]]:
    return [
        {"name": document.name, "url": document.url, "status": document.answer.status if document.answer else None}
        for document in found.documents
    ]
