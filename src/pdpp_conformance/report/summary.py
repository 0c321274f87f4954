"""The words of a report: outcome and why, levels for what they are, verdicts, counts. Shared by all views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pdpp_conformance.report.findings import Finding, Row, findings
from pdpp_conformance.report.text import counted, duration
from pdpp_conformance.verdict import Level

VERDICTS = ("FAIL", "ERROR", "WARN", "BLOCKED", "INFO", "PASS", "ATTESTED", "NOT_APPLICABLE", "EXCLUDED")
"""Every verdict of a row, what needs attention first."""

VERDICT_WORDS = {
    "FAIL": "fail",
    "ERROR": "harness error",
    "WARN": "warn",
    "BLOCKED": "blocked",
    "INFO": "info",
    "PASS": "pass",
    "ATTESTED": "attested",
    "NOT_APPLICABLE": "not applicable",
    "EXCLUDED": "excluded",
    "NOT_COVERED": "not covered",
}
VERDICT_MEANINGS = {
    "FAIL": "a MUST, a PROFILE rule or a rule of the change is not met",
    "ERROR": "the harness itself failed; says nothing about the target",
    "WARN": "a SHOULD or a DERIVED reading is not met",
    "BLOCKED": "could not be judged; the row says what would unblock it",
    "INFO": "lower-case advice is not followed",
    "PASS": "observed and met",
    "ATTESTED": "answered by the operator in the target file, not observed",
    "NOT_APPLICABLE": "the target does not claim what the row is about",
    "EXCLUDED": "cannot be observed from outside; the catalogue says why",
    "NOT_COVERED": "no scenario of this run proves it",
}
VERDICT_SIGNS = {
    "FAIL": "✕",
    "ERROR": "⚠",
    "WARN": "!",
    "BLOCKED": "◌",
    "INFO": "i",
    "PASS": "✓",
    "ATTESTED": "✎",
    "NOT_APPLICABLE": "–",
    "EXCLUDED": "·",
    "NOT_COVERED": "·",
}

OUTCOME_WORDS = {
    "conformant": "Conformant",
    "not_conformant": "Not conformant",
    "incomplete": "Incomplete",
    "unreachable": "Unreachable",
    "interrupted": "Interrupted",
}

LEVELS = ("MUST", "CHANGE", "PROFILE", "SHOULD", "DERIVED", "ADVISORY")
"""The levels that reports tell apart: the change's own SHALLs are catalogued as MUST but are no standard's."""

LEVEL_NAMES = {
    "MUST": "MUST of a standard",
    "CHANGE": "SHALL of this change",
    "PROFILE": "PROFILE of this change",
    "SHOULD": "SHOULD of a standard",
    "DERIVED": "DERIVED reading",
    "ADVISORY": "ADVISORY",
}
LEVEL_SHORT_NAMES = {
    "MUST": "MUST",
    "CHANGE": "the change",
    "PROFILE": "PROFILE",
    "SHOULD": "SHOULD",
    "DERIVED": "DERIVED",
    "ADVISORY": "ADVISORY",
}
LEVEL_MEANINGS = {
    "MUST": "a BCP 14 keyword in the cited standard",
    "CHANGE": "this change's own requirement; no standard demands it",
    "PROFILE": "this change's own rule for its deployments; no standard demands it",
    "SHOULD": "a BCP 14 keyword in the cited standard; there may be good reasons to differ",
    "DERIVED": "follows from the cited texts together or from a known attack; the standard itself is silent, so this "
    "is not a violation of it",
    "ADVISORY": "lower-case advice",
}

_FAILING_LEVELS = {
    "must": {"MUST", "PROFILE"},
    "should": {"MUST", "PROFILE", "SHOULD"},
    "derived": {"MUST", "PROFILE", "SHOULD", "DERIVED"},
    "all": {"MUST", "PROFILE", "SHOULD", "DERIVED", "ADVISORY"},
}


def level_of(row: Row) -> str:
    """The row's level as one of `LEVELS`."""
    return "CHANGE" if row["id"].startswith("CHG-") and row["level"] == "MUST" else str(row["level"])


def fails_run(row: Row, fail_on: str) -> bool:
    """Whether an unmet row fails the run under `--fail-on`; a known deviation does not, nor what falls short less
    gravely than its level says."""
    unmet = row["verdict"] == Level(row["level"]).unmet.value
    return unmet and row["level"] in _FAILING_LEVELS[fail_on] and not row.get("deviation")


def finding_fails(finding: Finding, fail_on: str) -> bool:
    """Whether any of the finding's rows fails the run under `--fail-on`."""
    return any(fails_run(row, fail_on) for row in finding.rows)


def counts_by_level(run: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """How many rows have each verdict, for each level that occurs; both in the order of `LEVELS` and `VERDICTS`."""
    rows = run["requirements"]
    used = [verdict for verdict in VERDICTS if any(row["verdict"] == verdict for row in rows)]
    table: dict[str, dict[str, int]] = {}
    for level in LEVELS:
        of_level = [row["verdict"] for row in rows if level_of(row) == level]
        if of_level:
            table[level] = {verdict: of_level.count(verdict) for verdict in used}
    return table


def outcome_sentence(run: Mapping[str, Any]) -> str:
    """Why the run has its outcome, in a plain sentence or two."""
    match run["outcome"]:
        case "conformant":
            return _conformant(run)
        case "not_conformant":
            return _not_conformant(run)
        case "incomplete":
            return _incomplete(run)
        case "interrupted":
            return (
                f"Stopped by {run['interrupted']} after {duration(run['duration_s'])}. "
                "What had not been judged by then is not a pass."
            )
        case _:
            return "The target could not be reached, or is not a PDPP deployment. Nothing was judged."


def task_summary(tasks: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Task ids by verdict, what needs attention first; a task that passed or is not covered stands at the end."""
    order = [*VERDICTS, "NOT_COVERED"]
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(task["verdict"], []).append(task["id"])
    return [(verdict, groups[verdict]) for verdict in order if verdict in groups]


def _conformant(run: Mapping[str, Any]) -> str:
    sentence = f"{counted(run['counts']['PASS'], 'requirement')} judged and met; none that can fail this run is unmet."
    warned = run["counts"]["WARN"]
    if warned:
        sentence += f" {counted(warned, 'warning')} below {'does' if warned == 1 else 'do'} not fail it."
    return sentence


def _not_conformant(run: Mapping[str, Any]) -> str:
    failing = [f for f in findings(run) if finding_fails(f, run["fail_on"])]
    parts = []
    if failing:
        rows = sum(fails_run(row, run["fail_on"]) for finding in failing for row in finding.rows)
        fail = "fails" if len(failing) == 1 else "fail"
        unmet = "is" if rows == 1 else "are"
        parts.append(
            f"{counted(len(failing), 'finding')} {fail} this run: {counted(rows, 'requirement')} {unmet} not met."
        )
    else:
        parts.append("No requirement that can fail this run is unmet, but the run is not clean.")
    if run["residue"]:
        parts.append(f"{counted(len(run['residue']), 'thing')} could not be removed from the target.")
    if run["faults"]:
        parts.append(f"The harness itself had {counted(len(run['faults']), 'error')}.")
    return " ".join(parts)


def _incomplete(run: Mapping[str, Any]) -> str:
    required = _FAILING_LEVELS["must"]
    unjudged = [row for row in run["requirements"] if row["verdict"] == "BLOCKED" and row["level"] in required]
    if not run["scenarios"]:
        return "No scenario ran, so nothing was judged."
    if unjudged:
        return (
            f"Nothing that can fail this run is unmet, but {counted(len(unjudged), 'requirement')} that must hold "
            "could not be judged. Not observed is not a pass."
        )
    return "The run could not be completed; what was not judged is not a pass."
