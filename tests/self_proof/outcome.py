"""What a fault was seen to break, held against what it declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.catalogue import Catalogue, Requirement
from pdpp_reference.faults import Fault
from tests.forked_runs import RED_VERDICTS

RED = frozenset(verdict.value for verdict in RED_VERDICTS)
COMPLETE_RUNS = frozenset({0, 1, 6})
"""The exit statuses of a run that came to its end: conformant, not conformant, incomplete."""


@dataclass(frozen=True)
class Outcome:
    """What the runs with one fault in the server found.

    Attributes:
        verdicts: the gravest verdict on each requirement, with its reason.
        problems: what the harness itself stumbled over, a line each.
    """

    fault: Fault
    verdicts: Mapping[str, tuple[str, str]]
    problems: Sequence[str]

    @property
    def red(self) -> frozenset[str]:
        return frozenset(row for row, (verdict, _) in self.verdicts.items() if verdict in RED)

    @property
    def errors(self) -> frozenset[str]:
        """Requirements that the harness itself stumbled over."""
        return frozenset(row for row, (verdict, _) in self.verdicts.items() if verdict == "ERROR")

    @property
    def missing(self) -> frozenset[str]:
        return self.fault.rows - self.red

    @property
    def unexpected(self) -> frozenset[str]:
        return self.red - self.fault.rows

    @property
    def ok(self) -> bool:
        return not (self.missing or self.unexpected or self.errors or self.problems)

    def told(self) -> str:
        """Say it: a line, and one for each requirement that is not as declared."""
        lines = [f"{'ok' if self.ok else 'NOT OK':7}{self.fault.name}"]
        lines += [f"       not red: {row} {self._verdict(row)}" for row in sorted(self.missing)]
        lines += [f"       red, not declared: {row} {self._verdict(row)}" for row in sorted(self.unexpected)]
        lines += [f"       error of the harness: {row} {self._verdict(row)}" for row in sorted(self.errors)]
        lines += [f"       {problem}" for problem in self.problems]
        return "\n".join(lines)

    def _verdict(self, row: str) -> str:
        verdict, reason = self.verdicts.get(row, ("NOT JUDGED", "no scenario of it was run"))
        return f"{verdict}: {reason}"[:240] if reason else verdict

    def to_json(self) -> dict[str, Any]:
        """Write it without reasons: they hold ports and random values, and two proofs are to give the same file."""
        return {
            "name": self.fault.name,
            "what": self.fault.what,
            "declared": sorted(self.fault.rows),
            "why": self.fault.why,
            "red": sorted(self.red),
            "missing": {row: self.verdicts.get(row, ("NOT JUDGED", ""))[0] for row in sorted(self.missing)},
            "unexpected": sorted(self.unexpected),
            "errors": sorted(self.errors),
            "problems": len(self.problems),
            "ok": self.ok,
        }


def report_of(
    outcomes: Iterable[Outcome],
    faults: Iterable[Fault],
    catalogue: Catalogue,
    conforming: Mapping[str, tuple[str, str]],
    scope: str,
) -> dict[str, Any]:
    """Return what ``reports/self-proof.json`` says.

    Args:
        faults: all that there are, proven or not.
        conforming: the verdict on each requirement without any fault, with its reason.
    """
    outcomes = sorted(outcomes, key=lambda outcome: outcome.fault.name)
    declared = frozenset[str]().union(*(fault.rows for fault in faults))
    proven = frozenset[str]().union(*(outcome.fault.rows for outcome in outcomes))
    seen = frozenset[str]().union(*(outcome.red for outcome in outcomes))
    return {
        "scope": scope,
        "faults": [outcome.to_json() for outcome in outcomes],
        "rows_without_fault": [
            {"id": row, "reason": _why_without(requirement, conforming.get(row))}
            for row, requirement in sorted(catalogue.requirements.items())
            if row not in declared
        ],
        "rows_never_red": sorted(proven - seen),
    }


UNPROVEN = "no fault breaks it yet"


def _why_without(requirement: Requirement, judged: tuple[str, str] | None) -> str:
    if requirement.excluded is not None:
        return f"EXCLUDED: {requirement.excluded}"
    if requirement.is_attested:
        return "ATTESTED: only the operator can answer it"
    verdict, reason = judged or ("NOT JUDGED", "it was not judged in this scope")
    return UNPROVEN if verdict == "PASS" else f"{verdict}: {reason}"
