"""What the flows in every order found, as the scenarios judge it: rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.flows import FoundFlow, done_again
from pdpp_conformance.fuzzing.job import fuzzing_of
from pdpp_conformance.fuzzing.words import FLOW, FLOW_RULES, TIMED
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Excluded


def flows_of(run: Run) -> Mapping[str, Any]:
    """Return what was seen of the flows.

    Raises:
        Blocked: none came to anything.
        Excluded: nobody said that the deployment's flow may be taken through every order.
    """
    flows = fuzzing_of(run).report().flows
    if not flows:
        raise Excluded(
            "a deployment's flow is taken through every order only where its operator says how often: "
            "limits.flow_runs in the target file"
        )
    if not flows["runs"] or not flows["judged"]:
        raise Blocked(
            flows["trouble"] or "the time was up before the first flow", unblock="an owner who can decide by forms"
        )
    return flows


def judge_flows(judge: Judgement, run: Run, flows: Mapping[str, Any], rule: str) -> None:
    """Judge that no order of acts broke a rule; where one did, tell the acts, and where they are kept.

    Raises:
        Blocked: no run came to where the rule could have been broken.
        Excluded: only time could have brought one there, and it is real.
    """
    row, expected = FLOW_RULES[rule]
    job = fuzzing_of(run)
    found = next((one for one in job.report().found if (one["requirement"], one["endpoint"]) == (row, FLOW)), None)
    times = flows["judged"].get(row, 0)
    if found is None and not times and row in TIMED and not run.waiting.moved_by_hand:
        raise Excluded("where time is real flows wait for none of it; scenarios whose codes expire do")
    if found is None and not times:
        why = flows["trouble"] or "no order of acts led there"
        raise Blocked(f"the rule was never put to the test ({why})", unblock="more flows: limits.flow_runs")
    if flows["cut_short"]:
        judge.note(f"the time was up after {flows['runs']} flows")
    if found is None:
        judge.that(
            True, expected, f"put to the test {times} times in {flows['runs']} flows of {flows['requests']} requests"
        )
        return
    acts = "; ".join(str(act["told"]) for act in found["acts"])
    judge.that(False, expected, f"{found['observed']}, after: {acts} (pdpp replay {job.cases[row, FLOW]})")


def acts_of(table: Sequence[Sequence[str]]) -> tuple[Act, ...]:
    """Read acts from a scenario's table, as :func:`case.scenario_of` writes it.

    Raises:
        Blocked: they are none.
    """
    try:
        return tuple(Act(row[0], int(row[1] or 0), row[2], row[3]) for row in table[1:])
    except (ValueError, IndexError):
        raise Blocked("the table tells no acts", unblock="the rows as the case file has them") from None


def judge_order(judge: Judgement, run: Run, acts: Sequence[Act], rule: str) -> None:
    """Judge that acts, done in this order, keep a rule."""
    row, expected = FLOW_RULES[rule]
    found: FoundFlow | None = done_again(run, acts, row)
    judge.that(found is None, expected, "kept" if found is None else found.judged.observed)
