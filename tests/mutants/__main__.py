"""``python -m tests.mutants [--sample N]``: run the specification against each mutant of the reference server.

Exit status: 0 every mutant was noticed or is explained in ``survivors.yaml``, and at least nine of ten were noticed ·
1 one is not, or fewer were.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import NormalDist
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
NO_SERVER = "blocked: there is no server to judge"

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
_CONFORMING_BROWSER = "conforming with a browser"


class Judging:
    """The runs, and what came of each mutant."""

    def __init__(self, chosen: Sequence[Mutant]) -> None:
        self._mutants = {mutant.identifier: mutant for mutant in chosen}
        self._scenarios: Sequence[str] = ()
        self._browsers: Sequence[str] = ()
        """What only a run with a browser judges; tried where nothing else has noticed a mutant."""
        self._soon: dict[str, str] = {}
        self.outcomes: dict[str, str] = {}
        """By the mutant's name: ``red`` and the requirements, ``blocked`` and why, ``error`` or ``survived``."""
        self.problems: list[str] = []

    def planned(self, scenarios: Sequence[ScenarioFacts]) -> Iterable[Plan]:
        by_hand = [scenario for scenario in scenarios if "fuzzed" not in scenario.tags]
        self._scenarios = [scenario.id for scenario in by_hand if not any(part in scenario.id for part in _OTHERS_WORK)]
        return [Plan(_CONFORMING, frozenset(self._scenarios), approver="http")]

    def told(self, run: FinishedRun) -> Iterable[Plan]:
        if run.plan.name == _CONFORMING:
            return self._look_with_browser(run)
        if run.plan.name == _CONFORMING_BROWSER:
            return self._begin(run)
        identifier, _, part = run.plan.name.partition(".")
        mutant = self._mutants[identifier]
        outcome = _outcome(run)
        if part == "soon" and outcome != NO_SERVER and outcome.partition(":")[0] in ("survived", "blocked"):
            self._soon[mutant.name] = outcome
            return [self._plan(mutant, "all", frozenset(self._scenarios) - run.plan.scenarios)]
        before = self._soon.get(mutant.name, "survived")
        if part == "all" and outcome == before == "survived" and self._browsers:
            return [self._plan(mutant, "browser", frozenset(self._browsers))]
        self.outcomes[mutant.name] = before if outcome == "survived" else outcome
        sys.stdout.write(f"{self.outcomes[mutant.name]:<120.120} {mutant.name[:200]}\n")
        sys.stdout.flush()
        return []

    def _look_with_browser(self, run: FinishedRun) -> Iterable[Plan]:
        passed = self._passed(run)
        rest = frozenset(self._scenarios) - frozenset(passed)
        self._scenarios = passed
        return [Plan(_CONFORMING_BROWSER, rest)] if passed else []

    def _begin(self, run: FinishedRun) -> Iterable[Plan]:
        self._browsers = self._passed(run)
        return [self._plan(mutant, "soon", self._soon_of(mutant.area)) for mutant in self._mutants.values()]

    def _passed(self, run: FinishedRun) -> Sequence[str]:
        """Return what passes without any change; nothing may be red there."""
        if run.report is None:
            self.problems.append(f"without any change: {run.last_line}")
            return []
        verdicts = {scenario["id"]: scenario["verdict"] for scenario in run.report["scenarios"]}
        self.problems += [f"without any change: {name} {told}" for name, told in verdicts.items() if told in RED]
        return [name for name, told in verdicts.items() if told == "PASS"]

    def _plan(self, mutant: Mutant, part: str, scenarios: frozenset[str]) -> Plan:
        name, approver = f"{mutant.identifier}.{part}", "browser" if part == "browser" else "http"
        return Plan(name, scenarios, approver=approver, change=mutant.put_in, stop_at_first=True)

    def _soon_of(self, area: str) -> frozenset[str]:
        return frozenset(name for name in self._scenarios if any(part in name for part in _SOON[area]))


def _outcome(run: FinishedRun) -> str:
    """A run that comes to no verdict has noticed the mutant, too; one in which the harness stumbled has not."""
    if run.report is None or run.status not in (0, 1, 2, 6, 7):
        return f"error: {run.last_line}"
    red = [row["id"] for row in run.report["requirements"] if row["verdict"] in RED and row["scenarios"]]
    if red:
        return f"red: {', '.join(red)}"
    if any(told.startswith("opening the run") for told in run.report["faults"]):
        return NO_SERVER
    if run.report["faults"] or any(scenario["verdict"] == "ERROR" for scenario in run.report["scenarios"]):
        return f"error: {(run.report['faults'] or ['a scenario'])[0]}"
    rows = [row for row in run.report["requirements"] if row["verdict"] == "BLOCKED" and row["scenarios"]]
    blocked = [f"{row['id']} {row['reason']}" for row in rows]
    if run.status == 7 or blocked:
        return f"blocked: {'; '.join(blocked) or run.last_line}"
    return "survived"


def least(noticed: int, judged: int) -> float:
    """Return what part of all mutants is noticed at least, of those of a sample so many (Wilson's bound, 95 %)."""
    if not judged:
        return 0.0
    z = NormalDist().inv_cdf(0.95)
    part = noticed / judged
    spread = z * math.sqrt(part * (1 - part) / judged + z * z / (4 * judged * judged))
    return (part + z * z / (2 * judged) - spread) / (1 + z * z / judged)


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
        "score_at_least": round(least(noticed, len(counted)), 4),
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
        "blocked": {
            mutant.name: judging.outcomes[mutant.name].partition(": ")[2]
            for mutant in chosen
            if kinds[mutant.name] == "blocked"
        },
        "explained_and_noticed": sorted(
            name for name in explained if name in kinds and kinds[name] in ("red", "blocked")
        ),
    }


def _part(written: str) -> slice:
    """Read ``K/N``: every N-th mutant from the K-th on."""
    place, _, parts = written.partition("/")
    if not 1 <= int(place) <= int(parts):
        raise argparse.ArgumentTypeError(f"{written!r} is not the K-th of N parts, K/N")
    return slice(int(place) - 1, None, int(parts))


def main() -> int:
    """Judge the mutants."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=SAMPLE, help=f"how many mutants ({SAMPLE}); 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="which mutants a sample has (1)")
    parser.add_argument("--part", type=_part, default=slice(None), metavar="K/N", help="only the K-th of N parts of it")
    parser.add_argument("--survivors", action="store_true", help="only those that survivors.yaml explains")
    parser.add_argument("--only", action="append", default=[], help="only mutants with this in their name")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time (2)")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the outcome is written")
    options = parser.parse_args()
    explained: dict[str, str] = yaml.safe_load(SURVIVORS.read_text(encoding="utf-8")) or {}
    started = time.monotonic()
    chosen = mutants(None if options.survivors or options.only else options.sample or None, options.seed)
    stale = [] if options.sample else sorted(explained.keys() - {mutant.name for mutant in chosen})
    if options.survivors:
        chosen = [mutant for mutant in chosen if mutant.name in explained]
    if options.only:
        chosen = [mutant for mutant in chosen if any(part in mutant.name for part in options.only)]
    judging = Judging(chosen := chosen[options.part])
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
        f"{report['score']:.1%} of the others noticed (of all that there are, as surely as 95 %, "
        f"at least {report['score_at_least']:.1%}), {len(unexplained)} survived unexplained\n"
        f"took      {time.monotonic() - started:.0f} s\nreport    {options.report}\n"
    )
    return 1 if judging.problems or unexplained or report["score"] < LEAST_SCORE else 0


if __name__ == "__main__":
    sys.exit(main())
