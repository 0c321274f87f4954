"""``python -m tests.self_proof [NAME …]``: run the specification against the bundled server, one fault at a time.

Exit status: 0 every fault turned exactly its declared requirements red · 1 one did not · 64 unknown fault.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import mcp.client  # noqa: F401  imported once here instead of in every run
import playwright.sync_api  # noqa: F401
import pytest
import pytest_bdd  # noqa: F401

import pdpp_conformance.plugin  # noqa: F401
from pdpp_conformance.bundled import FAULTS_VARIABLE
from pdpp_reference.faults import FAULTS, Fault, UnknownFault, faults_named

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "reports" / "self-proof.json"
RUN_SECONDS = 240.0
"""What one run of the specification may take."""

RED = frozenset({"FAIL", "WARN", "INFO"})
_TAG = re.compile(r"@([A-Z]{3}-\d{2,3})\b")
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


def scenarios_by_row() -> dict[str, set[Path]]:
    """Return the feature files in which each requirement is judged."""
    files: dict[str, set[Path]] = {}
    for path in sorted((ROOT / "features").rglob("*.feature")):
        for row in _TAG.findall(path.read_text(encoding="utf-8")):
            files.setdefault(row, set()).add(path)
    return files


def selection(fault: Fault, scope: str, files: Mapping[str, set[Path]]) -> list[str]:
    """Return pytest's arguments that select what is run for a fault.

    Args:
        scope: ``rows``: the scenarios of the declared requirements; ``features``: the feature files these stand in;
            ``whole``: everything.
    """
    paths = sorted({path for row in fault.rows for path in files.get(row, ())})
    if scope == "whole" or not paths:
        return ["features"]
    if all(path.parent.name == _WITHOUT_OWNER for path in paths):
        # The metadata documents are judged against each other, and nobody has to approve anything for that.
        return [str(paths[0].parent.relative_to(ROOT)), "--approver", "none"]
    chosen = [str(path.relative_to(ROOT)) for path in paths]
    if scope == "rows":
        chosen += ["-m", " or ".join(row.replace("-", "_") for row in sorted(fault.rows))]
    return chosen


class Proof:
    """One run of the specification with one fault in the bundled server, in a process of its own.

    The process is forked from this one, which has imported everything that a run needs: a run would otherwise spend
    more time on imports than on requests, and would notice when the code changes under it.
    """

    def __init__(self, fault: Fault, arguments: Sequence[str], folder: Path) -> None:
        self.fault = fault
        self._report = folder / fault.name
        self._report.mkdir(parents=True, exist_ok=True)
        command = ["-q", "--assert=plain", "-p", "no:cacheprovider", "--report-dir", str(self._report), *arguments]
        self._process = get_context("fork").Process(target=_specification, args=(fault.name, command, self._said))
        self._process.start()
        self._ends = time.monotonic() + RUN_SECONDS

    @property
    def sentinel(self) -> int:
        """What can be waited for until the process has ended."""
        return self._process.sentinel

    @property
    def is_over(self) -> bool:
        """Whether the process has ended; one that takes too long is ended."""
        if self._process.is_alive() and time.monotonic() > self._ends:
            self._process.terminate()
        return not self._process.is_alive()

    def outcome(self) -> Outcome:
        """Read what the run found."""
        self._process.join()
        status = self._process.exitcode
        try:
            written = json.loads((self._report / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Outcome(self.fault, frozenset(), frozenset(), {}, f"no run.json, exit {status}: {self._last()}")
        verdicts = {row["id"]: row for row in written["requirements"]}
        return Outcome(
            self.fault,
            red=frozenset(row for row, told in verdicts.items() if told["verdict"] in RED),
            errors=frozenset(row for row, told in verdicts.items() if told["verdict"] == "ERROR"),
            unjudged={
                row: f"{verdicts[row]['verdict']}: {verdicts[row]['reason']}"[:300]
                for row in self.fault.rows
                if row in verdicts and verdicts[row]["verdict"] not in {*RED, "PASS"}
            },
            problem=None if status in (0, 1, 6) else f"exit {status}: {self._last()}",
        )

    @property
    def _said(self) -> Path:
        return self._report / "said.txt"

    def _last(self) -> str:
        lines = [line for line in self._said.read_text(encoding="utf-8").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "nothing was said"


def _specification(fault: str, command: Sequence[str], said: Path) -> None:
    """Run pytest in this process, which was forked for it."""
    os.chdir(ROOT)
    os.environ[FAULTS_VARIABLE] = fault
    with said.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    status = int(pytest.main(list(command)))
    sys.stdout.flush()
    os._exit(status)  # nothing of the parent's is to be ended here


def proven(faults: Iterable[Fault], scope: str, jobs: int, folder: Path) -> Iterator[Outcome]:
    """Yield the outcome of each fault as soon as its run is over."""
    files = scenarios_by_row()
    waiting = list(faults)
    running: list[Proof] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            fault = waiting.pop(0)
            running.append(Proof(fault, selection(fault, scope, files), folder))
        wait([proof.sentinel for proof in running], timeout=1.0)
        for proof in [proof for proof in running if proof.is_over]:
            running.remove(proof)
            yield proof.outcome()


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
