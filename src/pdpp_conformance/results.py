"""From the scenarios' conclusions to the run's whole judgement: requirements, tasks, outcome, exit status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from pdpp_conformance.approver.approver import Attachment
from pdpp_conformance.catalogue import Catalogue, Requirement, Task
from pdpp_conformance.feature_files import ScenarioFacts
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.verdict import (
    Blocked,
    Excluded,
    ExitStatus,
    FailOn,
    Level,
    NotApplicable,
    Remark,
    Shortfall,
    Unmet,
    Verdict,
    gravest,
)

NOT_COVERED = "NOT_COVERED"
"""What a task is called that no scenario of the run speaks of."""


@dataclass
class StepResult:
    """One step of a scenario, as it went."""

    keyword: str
    text: str
    type: str
    status: str = "not_run"
    error: str | None = None


@dataclass
class ScenarioResult:
    """One scenario, as it went."""

    facts: ScenarioFacts
    judgement: Judgement = field(default_factory=Judgement)
    steps: list[StepResult] = field(default_factory=list)
    concluded: bool = False
    unmet: bool = False
    """The requirements' levels say how grave that is; ``shortfall`` says that it is WARN at most."""
    shortfall: bool = False
    verdict: Verdict = Verdict.BLOCKED
    """PASS, BLOCKED, NOT_APPLICABLE, EXCLUDED or ERROR; an unmet one is named by its requirements' levels."""
    reason: str | None = "the run ended before the scenario did"
    unblock: str | None = "a run that comes to its end"
    duration_s: float = 0.0
    waited_s: float = 0.0
    exchanges: list[int] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)

    def conclude(self, error: BaseException | None) -> None:
        """Take the scenario's end: ``None``, or the exception that ended it.

        A precondition (Given) that does not hold leaves the scenario unjudged: the row that speaks of it is another's.
        """
        self.concluded, self.reason, self.unblock = True, None, None
        failed = next((step for step in self.steps if step.status == "failed"), None)
        if error is None:
            self.verdict = Verdict.PASS
        elif isinstance(error, Unmet) and failed is not None and failed.type == "given":
            self.verdict, self.reason = Verdict.BLOCKED, f"the precondition does not hold: {error}"
            self.unblock = "a deployment on which the precondition holds; see the rows that judge it"
        elif isinstance(error, Remark):
            self.verdict, self.reason = Verdict.INFO, str(error)
            self.judgement.expected, self.judgement.observed = error.expected, error.observed
        elif isinstance(error, Unmet):
            self.unmet, self.shortfall, self.reason = True, isinstance(error, Shortfall), str(error)
            self.judgement.expected, self.judgement.observed = error.expected, error.observed
        elif isinstance(error, Blocked):
            self.verdict, self.reason, self.unblock = Verdict.BLOCKED, error.reason, error.unblock
        elif isinstance(error, NotApplicable):
            self.verdict, self.reason = Verdict.NOT_APPLICABLE, error.reason
        elif isinstance(error, Excluded):
            self.verdict, self.reason = Verdict.EXCLUDED, error.reason
        else:
            self.verdict, self.reason = Verdict.ERROR, f"{type(error).__name__}: {error}"[:500]

    def is_by_wire(self, beyond: AbstractSet[str]) -> bool:
        """Whether the conclusion rests on exchanges alone, so that it can be drawn again from their record.

        Args:
            beyond: the ids of scenarios that rest on what no exchange shows.
        """
        unseen = self.verdict is Verdict.PASS and not self.exchanges
        return self.concluded and self.verdict is not Verdict.ERROR and not unseen and self.facts.id not in beyond

    def doubt(self, reason: str, unblock: str) -> None:
        """Take back what was concluded, because part of what it rests on is missing; what is unmet stays so."""
        if not self.unmet:
            self.verdict, self.reason, self.unblock = Verdict.BLOCKED, reason, unblock

    def cut_short(self, reason: str, unblock: str) -> None:
        """Take back whatever was concluded, unmet or not, because part of what it would rest on was not asked."""
        self.verdict, self.unmet, self.reason, self.unblock = Verdict.BLOCKED, False, reason, unblock

    def verdict_at(self, level: Level) -> Verdict:
        """The verdict as a requirement of that level has it."""
        if not self.unmet:
            return self.verdict
        return Verdict.WARN if self.shortfall and level.unmet is Verdict.FAIL else level.unmet

    def verdict_by(self, catalogue: Catalogue) -> Verdict:
        """The verdict as the gravest of the scenario's own requirements has it."""
        levels = [
            catalogue.requirements[row].level for row in self.facts.requirement_ids if row in catalogue.requirements
        ]
        return gravest(self.verdict_at(level) for level in levels) or self.verdict_at(Level.MUST)


@dataclass(frozen=True)
class RowResult:
    """The verdict on one requirement."""

    requirement: Requirement
    verdict: Verdict
    reason: str | None = None
    unblock: str | None = None
    expected: str | None = None
    observed: str | None = None
    note: str | None = None
    scenarios: tuple[str, ...] = ()
    exchanges: tuple[int, ...] = ()
    deviation: Mapping[str, str] | None = None
    """The entry of the known deviations that accounts for a red row, as it stands in ``run.json``."""

    def fails(self, fail_on: FailOn) -> bool:
        """Whether the row makes the run not conformant. What is permitted (a remark, INFO) never does."""
        level = self.requirement.level
        return self.verdict is level.unmet and level in fail_on.levels and self.deviation is None

    def to_json(self) -> dict[str, Any]:
        row = self.requirement
        return {
            "id": row.id,
            "level": row.level.value,
            "role": row.role,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "expected": self.expected,
            "observed": self.observed,
            "scenarios": list(self.scenarios),
            "exchanges": list(self.exchanges),
            "text": row.text,
            "source": row.source,
            "subject": row.subject,
            "same_defect_as": list(row.same_defect_as),
            "note": self.note,
            "unblock": self.unblock,
            "deviation": None if self.deviation is None else dict(self.deviation),
        }


def judge_requirements(
    catalogue: Catalogue,
    results: Sequence[ScenarioResult],
    *,
    covered: frozenset[str],
    unfinished: Mapping[str, tuple[str, str]],
    attestations: Mapping[str, str],
) -> list[RowResult]:
    """Give every requirement of the catalogue its one verdict.

    Args:
        covered: ids that some scenario of the specification judges, selected or not.
        unfinished: ids whose scenarios were selected and did not come to an end, with the reason and what would
            unblock it.
        attestations: the operator's word on requirements that cannot be observed.
    """
    rows = []
    for requirement in catalogue.requirements.values():
        own = [result for result in results if requirement.id in result.facts.requirement_ids]
        row = _judged(requirement, own) if own else None
        unseen = row is None or row.verdict in (Verdict.EXCLUDED, Verdict.BLOCKED)
        if requirement.id in unfinished and (row is None or row.verdict is Verdict.PASS):
            row = RowResult(requirement, Verdict.BLOCKED, *unfinished[requirement.id])
        elif unseen and requirement.id in attestations:
            row = RowResult(requirement, Verdict.ATTESTED, attestations[requirement.id])
        elif row is None:
            row = RowResult(requirement, Verdict.EXCLUDED, _why_unseen(requirement, covered))
        rows.append(row)
    return rows


def _judged(requirement: Requirement, results: Sequence[ScenarioResult]) -> RowResult:
    verdict = gravest(result.verdict_at(requirement.level) for result in results)
    assert verdict is not None
    telling = next(result for result in results if result.verdict_at(requirement.level) is verdict)
    notes = [note for result in results for note in result.judgement.notes]
    return RowResult(
        requirement,
        verdict,
        reason=telling.reason,
        unblock=telling.unblock,
        expected=telling.judgement.expected or requirement.text,
        observed=telling.judgement.observed,
        note="; ".join(dict.fromkeys(notes)) or None,
        scenarios=tuple(result.facts.id for result in results),
        exchanges=tuple(
            telling.exchanges if verdict is not Verdict.PASS else sorted({n for r in results for n in r.exchanges})
        ),
    )


def _why_unseen(requirement: Requirement, covered: frozenset[str]) -> str:
    if requirement.excluded is not None:
        return requirement.excluded
    if requirement.is_attested:
        return "only the operator can answer it: attestations in the target file"
    if requirement.id in covered:
        return "its scenarios were not selected in this run"
    return "no scenario judges it yet"


def judge_tasks(
    catalogue: Catalogue,
    results: Sequence[ScenarioResult],
    selected: Sequence[ScenarioFacts],
    *,
    covered: frozenset[str] = frozenset(),
) -> list[dict[str, Any]]:
    """Give every task item its verdict: the gravest of its scenarios'.

    A task whose selected scenarios did not all run is BLOCKED unless it failed; one without any is NOT_COVERED. A task
    that consists of others has their gravest verdict, too, and is not covered unless they all are.

    Args:
        covered: the tags of the whole specification.
    """
    ran = {result.facts.id for result in results}
    verdicts: dict[str, str] = {}
    for task in catalogue.tasks.values():
        own = [result.verdict_by(catalogue) for result in results if task.id in result.facts.task_ids]
        if any(task.id in facts.task_ids and facts.id not in ran for facts in selected):
            own.append(Verdict.BLOCKED)
        verdict = gravest(own)
        verdicts[task.id] = verdict.value if verdict is not None else NOT_COVERED
    for task in catalogue.tasks.values():
        if task.consists_of:
            verdicts[task.id] = _together(task, verdicts, has_own=f"task-{task.id}" in covered)
    return [
        {
            "id": task.id,
            "title": task.title,
            "verdict": verdicts[task.id],
            "scenarios": [
                result.facts.id
                for result in results
                if not {task.id, *task.consists_of}.isdisjoint(result.facts.task_ids)
            ],
        }
        for task in catalogue.tasks.values()
    ]


def _together(task: Task, verdicts: Mapping[str, str], *, has_own: bool) -> str:
    """The verdict of a task that consists of others and, where ``has_own``, of scenarios of its own."""
    parts = [verdicts[part] for part in task.consists_of]
    own = verdicts[task.id] if has_own else None
    if NOT_COVERED in (*parts, own):
        return NOT_COVERED
    if own == Verdict.NOT_APPLICABLE.value:
        return own
    together = gravest(Verdict(verdict) for verdict in (*parts, own) if verdict is not None)
    assert together is not None
    return together.value


@dataclass(frozen=True)
class Outcome:
    """What the run comes to."""

    word: str
    exit_status: int


def outcome_of(
    rows: Sequence[RowResult],
    results: Sequence[ScenarioResult],
    catalogue: Catalogue,
    *,
    fail_on: FailOn,
    interrupted: bool,
    unreachable: bool,
    objections: Sequence[str],
) -> Outcome:
    """Decide the outcome.

    Args:
        objections: what fails the run though no row is red: secrets in the report, residue on the target.
    """
    if unreachable:
        return Outcome("unreachable", ExitStatus.UNREACHABLE)
    if interrupted:
        return Outcome("interrupted", ExitStatus.INTERRUPTED)
    accounted_for = {row.requirement.id for row in rows if row.deviation is not None}
    failed = [
        result
        for result in results
        if result.verdict_by(catalogue) is Verdict.FAIL and accounted_for.isdisjoint(result.facts.requirement_ids)
    ]
    if any(row.fails(fail_on) for row in rows) or failed or objections:
        return Outcome("not_conformant", ExitStatus.NOT_CONFORMANT)
    errors = any(result.verdict is Verdict.ERROR for result in results)
    needed = (Level.MUST, Level.PROFILE)
    blocked = any(row.verdict is Verdict.BLOCKED and row.requirement.level in needed for row in rows)
    if not results or errors or blocked:
        return Outcome("incomplete", ExitStatus.INCOMPLETE)
    return Outcome("conformant", ExitStatus.CONFORMANT)


def counts_of(rows: Sequence[RowResult]) -> dict[str, int]:
    """Count the requirements by verdict; every verdict is named."""
    counted = Counter(row.verdict.value for row in rows)
    return {verdict.value: counted.get(verdict.value, 0) for verdict in Verdict}


def scenario_to_json(result: ScenarioResult, catalogue: Catalogue) -> dict[str, Any]:
    """Write one scenario's part of ``run.json``, before redaction."""
    facts = result.facts
    return {
        "id": facts.id,
        "feature": facts.feature_name,
        "name": facts.name,
        "tags": facts.tags,
        "verdict": result.verdict_by(catalogue).value,
        "duration_s": round(result.duration_s, 3),
        "waited_s": round(result.waited_s, 3),
        "steps": [
            {"keyword": step.keyword, "text": step.text, "status": step.status, "error": step.error}
            for step in result.steps
        ],
        "exchanges": result.exchanges,
        "attachments": [
            {"name": seen.name, "path": seen.path, "media_type": seen.media_type, "caption": seen.caption}
            for seen in dict.fromkeys(result.attachments)
        ],
        "doc": _unwrapped(facts.feature_text) or None,
        "reason": result.reason,
        "task": facts.task_ids,
    }


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph; a feature file's line ends mean nothing."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
