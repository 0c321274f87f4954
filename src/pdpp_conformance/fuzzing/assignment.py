"""What a fuzzing process is told to do, and what it tells in the end: both cross a pipe, neither touches a disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import Target


@dataclass(frozen=True)
class Assignment:
    """What to fuzz, and how much of it."""

    target: Target = field(repr=False)
    folder: Path
    """Where the journal of a run on a URL lies."""
    examples: int
    """Requests that each generator makes for each endpoint."""
    seed: int
    endpoint_seconds: float
    """After how long an endpoint has had enough."""
    whole_seconds: float
    """After how long all of it has."""
    flow_runs: int = 0
    """Sequences of acts that the flow is taken through."""
    only: Mapping[str, frozenset[str]] | None = None
    """What is to be fuzzed, by the names of operations and ``flow``, and the requirements that are judged of it: those
    found unmet, it is enough. ``None`` for all there is."""

    def judged_of(self, name: str) -> frozenset[str]:
        """Return the requirements that are judged of an operation, or of ``flow``; none where all are."""
        return frozenset() if self.only is None else self.only.get(name, frozenset())


@dataclass(frozen=True)
class Report:
    """What came of it, redacted."""

    digest: str = ""
    """SHA-256 of all generated requests, in order."""
    counts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By endpoint: ``requests``, ``answers`` (how often each came), ``generating_s`` and ``sending_s`` of CPU time."""
    found: Sequence[Mapping[str, Any]] = ()
    """The requests whose answers broke a rule, as :class:`pdpp_conformance.fuzzing.session.Found` writes them."""
    flows: Mapping[str, Any] = field(default_factory=dict)
    """Of the flows: ``runs``, ``requests``, ``answers`` (how often each came), ``judged`` (how often each requirement
    was put to the test), ``cut_short`` and ``trouble``, the first thing that kept one from going on; empty where none
    were wanted."""
    cut_short: Sequence[str] = ()
    """The endpoints whose time was up before all requests were sent."""
    residue: Sequence[Mapping[str, Any]] = ()
    problem: str | None = None
    """Why it ended early, in a sentence."""
    took_s: float = 0.0
    """Seconds to its end, the start of the bundled server among them."""

    def summary(self, seed: int) -> dict[str, Any]:
        """Return how much was sent where, and how many distinct answers came, as ``run.json`` has it."""
        parts = [*self.counts.items(), *([("flow", self.flows)] if self.flows else [])]
        return {
            "seed": seed,
            "digest": f"sha256:{self.digest}",
            "requests": sum(part["requests"] for _, part in parts),
            "flow_runs": self.flows["runs"] if self.flows else 0,
            "took_s": self.took_s,
            "endpoints": [
                {
                    "name": name,
                    "requests": part["requests"],
                    "distinct_answers": len(part["answers"]),
                    "answers": dict(sorted(part["answers"].items(), key=lambda told: (-told[1], told[0]))),
                    "cut_short": name in self.cut_short or bool(part.get("cut_short")),
                }
                for name, part in parts
            ],
        }

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> Report:
        """Read what was written of a report.

        Raises:
            TypeError: it is none.
        """
        return Report(**written)


def read_report(written: bytes, redactor: Redactor | None = None) -> Report:
    """Read what a process wrote, redacted with what this process knows; a problem where that is no report."""
    try:
        told = json.loads(written)
        return Report.from_json(told if redactor is None else redactor.redact_all(told))
    except (ValueError, TypeError, RecursionError):
        return Report(problem="the process that fuzzes came to no result")


def joined(reports: Sequence[Report]) -> Report:
    """Return what several processes told as one report: its digest is of their digests, in order."""
    if len(reports) == 1:
        return reports[0]
    digests = [report.digest for report in reports]
    return Report(
        digest=hashlib.sha256("".join(digests).encode("ascii")).hexdigest() if all(digests) else "",
        counts={name: count for report in reports for name, count in report.counts.items()},
        found=[found for report in reports for found in report.found],
        flows=next((report.flows for report in reports if report.flows), {}),
        cut_short=[name for report in reports for name in report.cut_short],
        residue=[left for report in reports for left in report.residue],
        problem=next((report.problem for report in reports if report.problem is not None), None),
        took_s=max(report.took_s for report in reports),
    )
