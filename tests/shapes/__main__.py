"""``python -m tests.shapes [NAME …]``: run the specification against each correct shape of the bundled server.

Exit status: 0 nothing was objected to · 1 something was, or passed for lack of evidence · 64 unknown shape.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdpp_conformance.bundled import SHAPES_VARIABLE
from pdpp_conformance.feature_files import ScenarioFacts
from pdpp_reference.shapes import SHAPES, Shape, UnknownShape, shapes_named
from tests.forked_runs import ROOT, FinishedRun, Plan, run_all
from tests.shapes import EXPECTED, Expectation

REPORT = ROOT / "reports" / "shapes.json"
OBJECTIONS = ("FAIL", "WARN", "ERROR")
UNJUDGED = ("NOT_APPLICABLE", "BLOCKED", "EXCLUDED", "ATTESTED")
COLUMNS = ("PASS", "INFO", "NOT_APPLICABLE", "BLOCKED", *OBJECTIONS)


@dataclass(frozen=True)
class Outcome:
    """What a run found in a shape, and what of it should not be."""

    name: str
    counts: Mapping[str, int]
    duration_s: float
    problems: Sequence[str]
    unjudged: Mapping[str, str]
    """Requirements that could not be judged there, with verdict and reason; excluded ones are left out."""

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "counts": dict(self.counts),
            "duration_s": self.duration_s,
            "problems": list(self.problems),
            "unjudged": dict(self.unjudged),
            "ok": self.ok,
        }


def outcome_of(run: FinishedRun, expected: Expectation) -> Outcome:
    """Hold what a run wrote against what is expected of the shape."""
    name, written = run.plan.name, run.report
    if written is None:
        return Outcome(name, {}, 0.0, [f"no run.json, exit {run.status}: {run.last_line}"], {})
    rows = written["requirements"]
    problems = [] if run.status in (0, 1, 6) else [f"exit {run.status}: {run.last_line}"]
    problems += [f"the harness stumbled: {fault}" for fault in written["faults"]]
    problems += list(_problems(rows, expected))
    unjudged = {row["id"]: f"{row['verdict']}: {row['reason']}" for row in rows if row["verdict"] in UNJUDGED}
    return Outcome(
        name,
        Counter(row["verdict"] for row in rows),
        written["duration_s"],
        problems,
        {row: told for row, told in unjudged.items() if not told.startswith("EXCLUDED")},
    )


def _problems(rows: Sequence[Mapping[str, Any]], expected: Expectation) -> Iterator[str]:
    for row in rows:
        verdict, reason = row["verdict"], row["reason"]
        if verdict in OBJECTIONS and row["id"] not in expected.rightly_found:
            yield f"{row['id']} {verdict}: {reason}; see {', '.join(row['scenarios'])[:300]}"
        elif verdict in UNJUDGED and not reason:
            yield f"{row['id']} {verdict} without a reason"
        elif verdict == "PASS" and expected.must_not_pass(row["id"]):
            yield f"{row['id']} PASS, and there is nothing to see of it in this shape"


def judge(shapes: Sequence[Shape], *, whole: bool, jobs: int, folder: Path, tell: Callable[[Outcome], None]) -> None:
    """Judge the shapes, and tell the outcome of each as soon as its run is over.

    Args:
        whole: run all of the specification, not only what the shape touches.
    """

    def planned(scenarios: Sequence[ScenarioFacts]) -> Iterator[Plan]:
        for shape in shapes:
            touches = EXPECTED[shape.name].touches
            # Generated requests take half a minute, and what they find of a shape is found by the written ones.
            written = (told for told in scenarios if "fuzzed" not in told.tags)
            wanted = frozenset(told.id for told in written if whole or touches(told.requirement_ids))
            yield Plan(shape.name, wanted, {SHAPES_VARIABLE: shape.name})

    def told(run: FinishedRun) -> Sequence[Plan]:
        tell(outcome_of(run, EXPECTED[run.plan.name]))
        return ()

    run_all(planned, jobs=jobs, folder=folder, told=told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the named shapes, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.shapes", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="shapes to judge; all of them if none is named")
    parser.add_argument("--touched", action="store_true", help="run only what the shape touches, not everything")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the outcome is written")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the report of each run")
    options = parser.parse_args(arguments)
    try:
        shapes = shapes_named(options.names or list(SHAPES))
    except UnknownShape as error:
        sys.stderr.write(f"shapes: {error}\n")
        return 64
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="pdpp-shapes-") as temporary:
        folder = options.keep or Path(temporary)

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            for problem in outcome.problems:
                _say(f"{outcome.name}: {problem}")

        judge(shapes, whole=not options.touched, jobs=options.jobs, folder=folder, tell=tell)
    outcomes.sort(key=lambda outcome: [*SHAPES].index(outcome.name))
    options.report.parent.mkdir(parents=True, exist_ok=True)
    told = [outcome.to_json() for outcome in outcomes]
    options.report.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for line in table(outcomes):
        _say(line)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of a table: a shape a line, its requirements counted by verdict."""
    yield f"{'shape':27}{''.join(f'{_short(column):>8}' for column in COLUMNS)}{'seconds':>9}"
    for outcome in outcomes:
        counted = "".join(f"{outcome.counts.get(column, 0):>8}" for column in COLUMNS)
        yield f"{outcome.name:27}{counted}{outcome.duration_s:>9.1f}{'' if outcome.ok else '  NOT OK'}"


def _short(verdict: str) -> str:
    return "n/a" if verdict == "NOT_APPLICABLE" else verdict.lower()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
