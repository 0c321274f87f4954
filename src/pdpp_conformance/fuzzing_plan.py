"""What generated requests a run will send, and for which requirements, told before the first of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pdpp_conformance.catalogue import Catalogue
from pdpp_conformance.fuzzing.job import DEFAULT_EXAMPLES, Wish, assigned_to
from pdpp_conformance.fuzzing.words import ENDPOINTS, FLOW_RULES, RULES, TIMED
from pdpp_conformance.profile import why_outside
from pdpp_conformance.report.text import counted
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Excluded

SOME_FLOWS = 20
"""A number of flows to begin with at a deployment: each rule is put to the test, and a few more."""


def fuzzed_rows(target: Target, catalogue: Catalogue) -> Sequence[str]:
    """Return the ids of the requirements that generated requests judge at a target."""
    return _concerned(RULES, target, catalogue)


def rows_of_flows(target: Target, catalogue: Catalogue) -> Sequence[str]:
    """Return the ids of the requirements that flows in every order judge at a target; none where it has no such flow.

    They are of both kinds of request, which PDPP alone knows.
    """
    if target.profile != "pdpp":
        return []
    rows = _concerned(FLOW_RULES, target, catalogue)
    return rows if target.base_url is None else [row for row in rows if row not in TIMED]


def _concerned(rules: Mapping[str, tuple[str, str]], target: Target, catalogue: Catalogue) -> Sequence[str]:
    ids = dict.fromkeys(row for row, _ in rules.values())
    return [row for row in ids if why_outside(catalogue.requirements[row], target.profile) is None]


def fuzzing_lines(target: Target, catalogue: Catalogue, examples: int | None = None) -> Iterator[str]:
    """Yield what generated requests, and flows in every order, will do to a target, or would do if they were allowed.

    Args:
        examples: how many requests each generator was asked to make; ``None`` where nobody asked.
    """
    yield fuzzing_line(target, catalogue, examples)
    flows = flows_line(target, catalogue, examples)
    if flows is not None:
        yield flows


def flows_line(target: Target, catalogue: Catalogue, examples: int | None = None) -> str | None:
    """Return what flows in every order will do to a target, or would do if they were allowed, in a sentence."""
    ids = rows_of_flows(target, catalogue)
    if not ids:
        return None
    rows = ", ".join(ids)
    try:
        runs = assigned_to(target, Wish(examples), Path()).flow_runs
    except Excluded:
        runs = 0
    if runs:
        return f"flows: up to {counted(runs, 'order')} of acts, by those generated requests, for {rows}"
    without = f"{rows} are judged by the written scenarios alone"
    if examples == 0:
        return f"flows: off (--fuzz-examples 0): {without}"
    allowed = target.limits.allow_fuzzing or examples is not None
    also = "" if allowed else "limits.allow_fuzzing: true and "
    return (
        f"flows: off, as nobody said how many: {without}; {also}limits.flow_runs: {SOME_FLOWS} in the target file "
        + (f"would take the flow through {counted(SOME_FLOWS, 'order')} of acts")
    )


def fuzzing_line(target: Target, catalogue: Catalogue, examples: int | None = None) -> str:
    """Return what generated requests will do to a target, or would do if they were allowed, in a sentence.

    Args:
        examples: how many each generator was asked to make; ``None`` where nobody asked.
    """
    rows = ", ".join(fuzzed_rows(target, catalogue))
    where = f"{len(ENDPOINTS)} endpoints ({', '.join(ENDPOINTS.values())})"
    try:
        most = _most_requests(target, examples)
    except Excluded:
        if examples == 0:
            return f"fuzzing: off (--fuzz-examples 0): {rows} are judged by the written scenarios alone"
        would = counted(_most_requests(target, DEFAULT_EXAMPLES), "generated request")
        return (
            f"fuzzing: off, as nobody allowed it: {rows} are judged by the written scenarios alone; "
            f"--fuzz-examples {DEFAULT_EXAMPLES}, or limits.allow_fuzzing: true in the target file, "
            f"would send up to {would} to {where}"
        )
    return (
        f"fuzzing: up to {counted(most, 'generated request')} to {where}, beside those of the scenarios and not "
        f"counted with them, for {rows}"
    )


def _most_requests(target: Target, examples: int | None) -> int:
    assigned = assigned_to(target, Wish(examples), Path())
    return assigned.target.limits.requests or 0
