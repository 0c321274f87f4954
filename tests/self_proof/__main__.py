"""``python -m tests.self_proof [NAME …]``: run the specification against the bundled server, one fault at a time.

Exit status: 0 every fault turned exactly its declared requirements red · 1 one did not · 64 unknown fault.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pdpp_conformance.bundled import FAULTS_VARIABLE
from pdpp_reference.faults import FAULTS, Fault, UnknownFault, faults_named
from tests.forked_runs import ROOT, ForkedRun, finished, scenarios_by_row

REPORT = ROOT / "reports" / "self-proof.json"

RED = frozenset({"FAIL", "WARN", "INFO"})
_WITHOUT_OWNER = "2_metadata_honesty"


@dataclass(frozen=True)
class Outcome:
    """What a run found with one fault in the server."""

    fault: Fault
    red: frozenset[str]
    errors: frozenset[str]
    """Requirements that the harness itself stumbled over."""
    unjudged: Mapping[str, str]
    """Declared requirements that are neither red nor met, with the verdict and its reason."""
    problem: str | None

    @property
    def missing(self) -> frozenset[str]:
        return self.fault.rows - self.red

    @property
    def unexpected(self) -> frozenset[str]:
        return self.red - self.fault.rows

    @property
    def ok(self) -> bool:
        return not (self.missing or self.unexpected or self.errors or self.problem)

    def told(self) -> str:
        """Say it in a line."""
        parts = [f"{'ok' if self.ok else 'NOT OK':7}{self.fault.name}"]
        if self.missing:
            told = (f"{row} ({self.unjudged.get(row, 'PASS')})" for row in sorted(self.missing))
            parts.append(f"not red: {', '.join(told)}")
        if self.unexpected:
            parts.append(f"red, not declared: {', '.join(sorted(self.unexpected))}")
        if self.errors:
            parts.append(f"errors of the harness: {', '.join(sorted(self.errors))}")
        if self.problem is not None:
            parts.append(self.problem)
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.fault.name,
            "what": self.fault.what,
            "declared": sorted(self.fault.rows),
            "why": self.fault.why,
            "red": sorted(self.red),
            "missing": {row: self.unjudged.get(row, "PASS") for row in sorted(self.missing)},
            "unexpected": sorted(self.unexpected),
            "errors": sorted(self.errors),
            "problem": self.problem,
            "ok": self.ok,
        }


def selection(fault: Fault, scope: str, files: Mapping[str, set[Path]]) -> list[str]:
    """Return pytest's arguments that select what is run for a fault.

    Args:
        scope: ``rows``: the scenarios of the declared requirements; ``features``: the feature files these stand in;
            ``whole``: everything.
    """
    paths = sorted({path for row in fault.rows for path in files.get(row, ())})
    if scope == "whole" or not paths:
        return ["features"]
    if fault.is_the_clients and scope == "features":
        # Nobody has to approve anything at servers that go by a script; what one client does is seen in all of these.
        rows = {row for other in FAULTS.values() if other.is_the_clients for row in other.rows}
        clients = sorted({path for row in rows for path in files.get(row, ())})
        return [*(str(path.relative_to(ROOT)) for path in clients), "--approver", "none"]
    if all(path.parent.name == _WITHOUT_OWNER for path in paths):
        # The metadata documents are judged against each other, and nobody has to approve anything for that.
        return [str(paths[0].parent.relative_to(ROOT)), "--approver", "none"]
    chosen = [str(path.relative_to(ROOT)) for path in paths]
    if scope == "rows":
        chosen += ["-m", " or ".join(row.replace("-", "_") for row in sorted(fault.rows))]
    return chosen


def outcome_of(fault: Fault, run: ForkedRun) -> Outcome:
    """Read what a run found with ``fault`` in the bundled server."""
    written = run.report()
    if written is None:
        problem = f"no run.json, exit {run.status}: {run.last_line()}"
        return Outcome(fault, frozenset(), frozenset(), {}, problem)
    verdicts = {row["id"]: row for row in written["requirements"]}
    return Outcome(
        fault,
        red=frozenset(row for row, told in verdicts.items() if told["verdict"] in RED),
        errors=frozenset(row for row, told in verdicts.items() if told["verdict"] == "ERROR"),
        unjudged={
            row: f"{verdicts[row]['verdict']}: {verdicts[row]['reason']}"[:300]
            for row in fault.rows
            if row in verdicts and verdicts[row]["verdict"] not in {*RED, "PASS"}
        },
        problem=None if run.status in (0, 1, 6) else f"exit {run.status}: {run.last_line()}",
    )


def proven(faults: Iterable[Fault], scope: str, jobs: int, folder: Path) -> Iterator[Outcome]:
    """Yield the outcome of each fault as soon as its run is over."""
    files = scenarios_by_row()
    named = {fault.name: fault for fault in faults}
    starts = [
        partial(ForkedRun, name, selection(fault, scope, files), folder, {FAULTS_VARIABLE: name})
        for name, fault in named.items()
    ]
    for run in finished(starts, jobs):
        yield outcome_of(named[run.name], run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove the named faults, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.self_proof", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to prove; all of them if none is named")
    parser.add_argument(
        "--scope",
        choices=("rows", "features", "whole"),
        default="features",
        help="what is run: the declared rows' scenarios, the features they stand in, or everything",
    )
    parser.add_argument("--whole", action="store_const", const="whole", dest="scope", help="the same as --scope whole")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the outcome is written")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the report of each run")
    options = parser.parse_args(arguments)
    try:
        faults = faults_named(options.names) if options.names else tuple(FAULTS.values())
    except UnknownFault as error:
        sys.stderr.write(f"self-proof: {error}\n")
        return 64
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="pdpp-self-proof-") as temporary:
        folder = options.keep or Path(temporary)
        for outcome in proven(faults, options.scope, options.jobs, folder):
            outcomes.append(outcome)
            _say(outcome.told())
    write(options.report, options.scope, outcomes, scenarios_by_row())
    failed = [outcome for outcome in outcomes if not outcome.ok]
    _say(f"{len(outcomes) - len(failed)} of {len(outcomes)} faults turned exactly their rows red; {options.report}")
    return 1 if failed else 0


def write(path: Path, scope: str, outcomes: Iterable[Outcome], judged: Iterable[str]) -> None:
    """Write the outcome; what a row was never seen as, it is listed under."""
    outcomes = list(outcomes)
    declared = frozenset[str]().union(*(fault.rows for fault in FAULTS.values()))
    seen = frozenset[str]().union(*(outcome.red for outcome in outcomes))
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "scope": scope,
        "faults": [outcome.to_json() for outcome in sorted(outcomes, key=lambda outcome: outcome.fault.name)],
        "rows_without_fault": sorted(set(judged) - declared),
        "rows_never_red": sorted(set(judged) - seen),
    }
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
