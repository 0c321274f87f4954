"""What generated requests a run will send, and for which requirements, told before the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pdpp_conformance.catalogue import Catalogue
from pdpp_conformance.fuzzing.job import DEFAULT_EXAMPLES, Wish, assigned_to
from pdpp_conformance.fuzzing.words import ENDPOINTS, RULES
from pdpp_conformance.profile import why_outside
from pdpp_conformance.report.text import counted
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Excluded


def fuzzed_rows(target: Target, catalogue: Catalogue) -> Sequence[str]:
    """Return the ids of the requirements that generated requests judge at a target."""
    ids = dict.fromkeys(row for row, _ in RULES.values())
    return [row for row in ids if why_outside(catalogue.requirements[row], target.profile) is None]


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
