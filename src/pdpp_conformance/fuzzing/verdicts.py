"""What the fuzzing found, as the scenarios judge it: rule by rule, at each endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.fuzzing.assignment import Report
from pdpp_conformance.fuzzing.job import fuzzing_of
from pdpp_conformance.fuzzing.replay import Replayed, read_table, send_again
from pdpp_conformance.fuzzing.words import ENDPOINTS, RULES
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable


@dataclass(frozen=True)
class Fuzzed:
    """One endpoint, after it was sent generated requests."""

    run: Run
    report: Report
    operation: str

    @property
    def told(self) -> str:
        """How much it was sent, and how many different answers it gave."""
        counts = self.report.counts[self.operation]
        answers = counts["answers"]
        often = sorted(answers, key=lambda answer: (-answers[answer], answer))
        more = f" and {len(often) - 4} more" if len(often) > 4 else ""
        return f"{counts['requests']} requests, {len(often)} distinct answers ({', '.join(often[:4])}{more})"


def fuzzed(run: Run, endpoint: str) -> Fuzzed:
    """Return what was seen at an endpoint.

    Raises:
        Blocked: it was not fuzzed.
        Excluded: it may not be.
        NotApplicable: there is no such endpoint.
    """
    report = fuzzing_of(run).report()
    operation = ENDPOINTS[endpoint]
    if operation not in report.counts:
        raise NotApplicable(f"the deployment does not say that it has {endpoint}")
    if not report.counts[operation]["requests"]:
        raise Blocked(f"the time was up before {endpoint} was sent anything", unblock="a larger --fuzz-seconds")
    return Fuzzed(run, report, operation)


def judge_rule(judge: Judgement, seen: Fuzzed, rule: str) -> None:
    """Judge that no answer of an endpoint broke a rule; where one did, tell of which request, and where it is kept."""
    row, expected = RULES[rule]
    if seen.operation in seen.report.cut_short:
        judge.note(f"the {seen.operation} endpoint's time was up after {seen.told.partition(',')[0]}")
    broken = [one for one in seen.report.found if (one["requirement"], one["endpoint"]) == (row, seen.operation)]
    judge.that(not broken, expected, f"{seen.told}{_case_of(seen, broken[0]) if broken else ''}")


def sent_as_kept(run: Run, endpoint: str, table: Sequence[Sequence[str]]) -> Replayed:
    """Send a request that a scenario has a table of.

    Raises:
        Blocked: it cannot be sent.
    """
    return send_again(run, read_table(ENDPOINTS[endpoint], table))


def judge_replayed(judge: Judgement, replayed: Replayed, rule: str) -> None:
    """Judge that the answer to one request keeps a rule."""
    row, expected = RULES[rule]
    broken = replayed.breaks(row)
    judge.that(broken is None, expected, replayed.told if broken is None else broken.observed)


def _case_of(seen: Fuzzed, one: Mapping[str, Any]) -> str:
    path = fuzzing_of(seen.run).cases[one["requirement"], one["endpoint"]]
    return f"; one was {one['observed']}, to {one['curl'][:600]} (pdpp replay {path})"
