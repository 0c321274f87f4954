"""``python -m tests.mutants [--sample N]``: run the specification against each mutant of the reference server.

Exit status: 0 every mutant was noticed or is explained in ``survivors.yaml``, and at least nine of ten were noticed ·
1 one is not, or fewer were.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from pdpp_conformance.feature_files import ScenarioFacts
from tests.forked_runs import ROOT, FinishedRun, Plan, run_all
from tests.mutants.mutant import AREAS, Mutant, mutants

REPORT = ROOT / "reports" / "mutants.json"
SURVIVORS = Path(__file__).parent / "survivors.yaml"
SAMPLE = 200
"""How many mutants are judged unless somebody asks for more."""
LEAST_SCORE = 0.9
RED = ("FAIL", "WARN", "INFO")

_SOON = {
    "state table": ("3_4_", "owner_decisions", "device_codes", "3_1_", "other_flows", "user_codes"),
    "bearer check": ("5_1_", "5_3_", "bearer_tokens", "challenges", "mcp_transport"),
    "grants": ("3_3_", "3_2_", "grant_semantics", "revocation", "refresh"),
    "metadata": ("2_1_", "2_2_", "2_3_", "5_2_"),
}
"""The features that are run first: most mutants of an area are noticed there."""
_OTHERS_WORK = ("features/1_", "features/4_", "setup_client_")
"""What judges the repository and the setup client, which are not mutated."""
_CONFORMING = "conforming"


class Judging:
    """The runs, and what came of each mutant."""

    def __init__(self, chosen: Sequence[Mutant]) -> None:
        self._mutants = {mutant.identifier: mutant for mutant in chosen}
        self._scenarios: Sequence[str] = ()
        self.outcomes: dict[str, str] = {}
        """By the mutant's name: ``red`` and the requirements, ``blocked``, ``error`` or ``survived``."""
        self.problems: list[str] = []

    def planned(self, scenarios: Sequence[ScenarioFacts]) -> Iterable[Plan]:
        by_hand = [scenario for scenario in scenarios if "fuzzed" not in scenario.tags]
        self._scenarios = [scenario.id for scenario in by_hand if not any(part in scenario.id for part in _OTHERS_WORK)]
        return [Plan(_CONFORMING, frozenset(self._scenarios), approver="http")]

    def told(self, run: FinishedRun) -> Iterable[Plan]:
        if run.plan.name == _CONFORMING:
            return self._begin(run)
        identifier, _, part = run.plan.name.partition(".")
        mutant = self._mutants[identifier]
        outcome = _outcome(run)
        if outcome == "survived" and part == "soon":
            return [self._plan(mutant, "all", frozenset(self._scenarios) - run.plan.scenarios)]
        self.outcomes[mutant.name] = outcome
        sys.stdout.write(f"{outcome:<40.40} {mutant.name[:200]}\n")
        sys.stdout.flush()
        return []

    def _begin(self, run: FinishedRun) -> Iterable[Plan]:
        if run.report is None:
            self.problems.append(f"without any change: {run.last_line}")
            return []
        verdicts = {scenario["id"]: scenario["verdict"] for scenario in run.report["scenarios"]}
        self.problems += [f"without any change: {name} {told}" for name, told in verdicts.items() if told in RED]
        self._scenarios = [scenario for scenario in self._scenarios if verdicts.get(scenario) == "PASS"]
        return [self._plan(mutant, "soon", self._soon(mutant.area)) for mutant in self._mutants.values()]

    def _plan(self, mutant: Mutant, part: str, scenarios: frozenset[str]) -> Plan:
        name = f"{mutant.identifier}.{part}"
        return Plan(name, scenarios, approver="http", change=mutant.put_in, stop_at_first=True)

    def _soon(self, area: str) -> frozenset[str]:
        return frozenset(name for name in self._scenarios if any(part in name for part in _SOON[area]))


def _outcome(run: FinishedRun) -> str:
    """A run that comes to no verdict has noticed the mutant, too; one in which the harness stumbled has not."""
    if run.report is None or run.status not in (0, 1, 2, 6, 7):
        return f"error: {run.last_line}"
    red = [row["id"] for row in run.report["requirements"] if row["verdict"] in RED and row["scenarios"]]
    if red:
        return f"red: {', '.join(red)}"
    if any(told.startswith("opening the run") for told in run.report["faults"]):
        return "blocked"  # there is no server to judge
    if run.report["faults"] or any(scenario["verdict"] == "ERROR" for scenario in run.report["scenarios"]):
        return f"error: {(run.report['faults'] or ['a scenario'])[0]}"
    unseen = run.status == 7 or any(scenario["verdict"] == "BLOCKED" for scenario in run.report["scenarios"])
    return "blocked" if unseen else "survived"


def report_of(judging: Judging, chosen: Sequence[Mutant], explained: dict[str, str]) -> dict[str, Any]:
    """Return what ``reports/mutants.json`` says."""
    kinds = {mutant.name: judging.outcomes.get(mutant.name, "error").partition(":")[0] for mutant in chosen}
    survivors = [mutant for mutant in chosen if kinds[mutant.name] in ("survived", "error")]
    counted = [mutant for mutant in chosen if mutant.name not in explained or mutant not in survivors]
    noticed = len(counted) - sum(mutant in survivors for mutant in counted)
    return {
        "mutants": len(chosen),
        "explained": len(chosen) - len(counted),
        "score": round(noticed / len(counted), 4) if counted else 0.0,
        "areas": {
            area: {
                kind: sum(kinds[mutant.name] == kind for mutant in chosen if mutant.area == area)
                for kind in ("red", "blocked", "survived", "error")
            }
            for area in AREAS
        },
        "survivors": [
            {"area": mutant.area, "name": mutant.name, "why": explained.get(mutant.name)} for mutant in survivors
        ],
        "explained_and_noticed": sorted(
            name for name in explained if name in kinds and kinds[name] in ("red", "blocked")
        ),
    }


def main() -> int:
    """Judge the mutants."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"how many mutants ({SAMPLE}); 0 for all")
    parser.add_argument("--survivors", action="store_true", help="only those that survivors.yaml explains")
    parser.add_argument("--only", action="append", default=[], help="only mutants with this in their name")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time (2)")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the outcome is written")
    options = parser.parse_args()
    explained: dict[str, str] = yaml.safe_load(SURVIVORS.read_text(encoding="utf-8")) or {}
    started = time.monotonic()
    chosen = mutants(None if options.survivors or options.only else options.sample or None)
    stale = [] if options.sample else sorted(explained.keys() - {mutant.name for mutant in chosen})
    if options.survivors:
        chosen = [mutant for mutant in chosen if mutant.name in explained]
    if options.only:
        chosen = [mutant for mutant in chosen if any(part in mutant.name for part in options.only)]
    judging = Judging(chosen)
    judging.problems += [f"survivors.yaml explains what is no mutant: {name}" for name in stale]
    with tempfile.TemporaryDirectory(prefix="pdpp-mutants-") as folder:
        run_all(judging.planned, jobs=options.jobs, folder=Path(folder), told=judging.told)
    report = report_of(judging, chosen, explained)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for problem in judging.problems:
        sys.stdout.write(f"{problem}\n")
    unexplained = [told for told in report["survivors"] if told["why"] is None]
    sys.stdout.write(
        f"{report['mutants']} mutants, {report['explained']} of them explained; "
        f"{report['score']:.1%} of the others noticed, {len(unexplained)} survived unexplained\n"
        f"took      {time.monotonic() - started:.0f} s\nreport    {options.report}\n"
    )
    return 1 if judging.problems or unexplained or report["score"] < LEAST_SCORE else 0


if __name__ == "__main__":
    sys.exit(main())
