"""How conclusions become verdicts, and verdicts an outcome and an exit status: nothing unseen is ever a pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pdpp_conformance.catalogue import Catalogue, Requirement, Task
from pdpp_conformance.feature_files import FeatureFile, ScenarioFacts, marker_of
from pdpp_conformance.results import (
    NOT_COVERED,
    Outcome,
    RowResult,
    ScenarioResult,
    StepResult,
    counts_of,
    judge_requirements,
    judge_tasks,
    outcome_of,
    scenario_to_json,
)
from pdpp_conformance.verdict import Blocked, Excluded, FailOn, Level, NotApplicable, Unmet, Verdict, gravest

UNMET = Unmet("a bearer", "none")
BLOCKED = Blocked("no owner", unblock="--approver browser")
NOT_APPLICABLE = NotApplicable("no refresh tokens")
EXCLUDED = Excluded("a restart needs control of the server")
FAULT = KeyError("the harness's own")

Ended = Callable[..., ScenarioResult]
"""Makes a scenario with these tags that ended with this error."""


def row(row_id: str, level: Level = Level.MUST, observed: str = "on the wire", **members: Any) -> Requirement:
    return Requirement(row_id, level, "AS", f"what {row_id} says", "RFC 8628", observed, "polling", **members)


def catalogue_of(*rows: Requirement) -> Catalogue:
    tasks = [Task("3.4", "The six errors"), Task("5.2", "The smoke")]
    return Catalogue({each.id: each for each in rows}, {task.id: task for task in tasks}, "sha256:0")


LEVELS = catalogue_of(*(row(f"{level.value[:3]}-01", level) for level in Level))
"""A row of each level: MUS-01, PRO-01, SHO-01, DER-01, ADV-01."""


@pytest.fixture
def ended(request: pytest.FixtureRequest, tmp_path: Path) -> Ended:
    def make(tags: str, error: BaseException | None, step: str = "then", name: str = "It holds") -> ScenarioResult:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.feature"
        path.write_text(f"Feature: Errors\n  Why.\n\n  {tags}\n  Scenario: {name}\n    Given it\n")
        for tag in tags.split():
            request.config.addinivalue_line("markers", f"{marker_of(tag.removeprefix('@'))}: a tag of this test's own")
        (item,) = FeatureFile.from_parent(request.session, path=path).collect()
        assert isinstance(item, pytest.Function)
        result = ScenarioResult(ScenarioFacts(item, tmp_path))
        result.steps = [
            StepResult(
                "Given", "it", step, "passed" if error is None else "failed", None if error is None else str(error)
            )
        ]
        result.conclude(error)
        return result

    return make


def judged(
    catalogue: Catalogue,
    results: Sequence[ScenarioResult],
    *,
    covered: Sequence[str] = (),
    unfinished: Sequence[str] = (),
    **attestations: str,
) -> dict[str, RowResult]:
    rows = judge_requirements(
        catalogue,
        results,
        covered=frozenset(covered),
        unfinished=dict.fromkeys(unfinished, ("the run ended", "a whole run")),
        attestations={name.replace("_", "-"): word for name, word in attestations.items()},
    )
    assert [each.requirement.id for each in rows] == list(catalogue.requirements)
    return {each.requirement.id: each for each in rows}


def outcome(
    catalogue: Catalogue,
    results: Sequence[ScenarioResult],
    *,
    fail_on: FailOn = FailOn.MUST,
    interrupted: bool = False,
    unreachable: bool = False,
    objections: Sequence[str] = (),
    **how: Any,
) -> Outcome:
    return outcome_of(
        list(judged(catalogue, results, **how).values()),
        results,
        catalogue,
        fail_on=fail_on,
        interrupted=interrupted,
        unreachable=unreachable,
        objections=objections,
    )


class TestScenarios:
    @pytest.mark.parametrize("step", ["when", "then"])
    @pytest.mark.parametrize(
        ("tag", "verdict"),
        [
            ("@MUS-01", Verdict.FAIL),
            ("@PRO-01", Verdict.FAIL),
            ("@SHO-01", Verdict.WARN),
            ("@DER-01", Verdict.WARN),
            ("@ADV-01", Verdict.INFO),
            ("@SHO-01 @ADV-01", Verdict.WARN),
            ("@ADV-01 @MUS-01", Verdict.FAIL),
            ("@task-3.4", Verdict.FAIL),
        ],
    )
    def test_an_unmet_statement(self, ended: Ended, tag: str, verdict: Verdict, step: str) -> None:
        """What the target did not do is called by the gravest level of the scenario's rows."""
        result = ended(tag, UNMET, step)
        assert result.verdict_by(LEVELS) is verdict
        assert result.reason == "expected a bearer; observed none"
        assert (result.judgement.expected, result.judgement.observed) == ("a bearer", "none")

    def test_a_precondition_that_does_not_hold(self, ended: Ended) -> None:
        """A Given judges nothing: its scenario is blocked, and says by what."""
        result = ended("@MUS-01", UNMET, "given")
        assert result.verdict_by(LEVELS) is Verdict.BLOCKED
        assert result.reason == "the precondition does not hold: expected a bearer; observed none"
        assert result.unblock is not None

    @pytest.mark.parametrize("step", ["given", "when", "then"])
    @pytest.mark.parametrize(
        ("error", "verdict", "reason"),
        [
            (None, Verdict.PASS, None),
            (BLOCKED, Verdict.BLOCKED, "no owner"),
            (NOT_APPLICABLE, Verdict.NOT_APPLICABLE, "no refresh tokens"),
            (EXCLUDED, Verdict.EXCLUDED, "a restart needs control of the server"),
            (FAULT, Verdict.ERROR, 'KeyError: "the harness\'s own"'),
            (AssertionError(), Verdict.ERROR, "AssertionError: "),
            pytest.param(RuntimeError("x" * 900), Verdict.ERROR, f"RuntimeError: {'x' * 486}", id="long"),
        ],
    )
    def test_other_ends(
        self, ended: Ended, error: BaseException | None, verdict: Verdict, reason: str | None, step: str
    ) -> None:
        """Each conclusion has its verdict at whatever step; an exception that is none is the harness's own fault."""
        result = ended("@MUS-01 @ADV-01", error, step)
        assert result.verdict_by(LEVELS) is verdict
        assert result.reason == reason
        assert (result.unblock is not None) == (verdict is Verdict.BLOCKED)

    def test_one_that_never_ended(self, ended: Ended) -> None:
        """What was cut short is blocked, not passed."""
        result = ScenarioResult(ended("@MUS-01", None).facts)
        assert (result.concluded, result.verdict_by(LEVELS)) == (False, Verdict.BLOCKED)

    def test_an_error_while_tearing_down(self, ended: Ended) -> None:
        """The last word counts: a scenario that passed and then broke the harness is no pass."""
        result = ended("@MUS-01", None)
        result.conclude(FAULT)
        assert result.verdict_by(LEVELS) is Verdict.ERROR

    def test_its_part_of_the_report(self, ended: Ended) -> None:
        """The report names feature, tags, tasks, verdict and each step with its error."""
        written = scenario_to_json(ended("@MUS-01 @task-3.4 @browser", UNMET), LEVELS)
        assert (written["feature"], written["doc"], written["name"]) == ("Errors", "Why.", "It holds")
        assert (written["tags"], written["task"]) == (["MUS-01", "browser", "task-3.4"], ["3.4"])
        assert (written["id"], written["verdict"]) == ("0.feature::It holds", "FAIL")
        (step,) = written["steps"]
        assert step == {"keyword": "Given", "text": "it", "status": "failed", "error": str(UNMET)}

    def test_gravity(self) -> None:
        """A failure outweighs everything; missing evidence outweighs a pass; what does not apply outweighs nothing."""
        assert gravest([]) is None
        assert gravest([Verdict.PASS, Verdict.BLOCKED]) is Verdict.BLOCKED
        assert gravest([Verdict.NOT_APPLICABLE, Verdict.PASS, Verdict.EXCLUDED]) is Verdict.PASS
        assert gravest([Verdict.ERROR, Verdict.FAIL, Verdict.BLOCKED]) is Verdict.FAIL
        assert gravest(Verdict) is Verdict.FAIL
        assert [gravest([verdict]) for verdict in Verdict] == list(Verdict)


class TestRequirements:
    @pytest.mark.parametrize(
        ("errors", "verdict", "reason"),
        [
            ((None, None), Verdict.PASS, None),
            ((None, UNMET), Verdict.FAIL, str(UNMET)),
            ((BLOCKED, UNMET, None), Verdict.FAIL, str(UNMET)),
            ((None, BLOCKED), Verdict.BLOCKED, "no owner"),
            ((None, FAULT, BLOCKED), Verdict.ERROR, 'KeyError: "the harness\'s own"'),
            ((NOT_APPLICABLE, None), Verdict.PASS, None),
            ((NOT_APPLICABLE, NOT_APPLICABLE), Verdict.NOT_APPLICABLE, "no refresh tokens"),
            ((NOT_APPLICABLE, EXCLUDED), Verdict.EXCLUDED, "a restart needs control of the server"),
        ],
    )
    def test_several_scenarios(
        self, ended: Ended, errors: tuple[BaseException | None, ...], verdict: Verdict, reason: str | None
    ) -> None:
        """The gravest of a row's scenarios speaks for it, with its own reason."""
        results = [ended("@MUS-01", error, name=f"Nr {number}") for number, error in enumerate(errors)]
        found = judged(LEVELS, [*results, ended("@SHO-01", UNMET)])["MUS-01"]
        assert (found.verdict, found.reason) == (verdict, reason)
        assert found.scenarios == tuple(result.facts.id for result in results)

    def test_evidence(self, ended: Ended) -> None:
        """An unmet row shows the exchanges of the scenario that tells; a met one those of all, and every remark."""
        passing, failing = ended("@MUS-01 @SHO-01", None), ended("@MUS-01", UNMET)
        passing.exchanges, failing.exchanges = [3, 4], [5, 6]
        other = ended("@SHO-01", None)
        other.exchanges = [1, 4]
        for result in (passing, other):
            result.judgement.note("plain http, on loopback")
        rows = judged(LEVELS, [passing, failing, other])
        assert (rows["MUS-01"].exchanges, rows["SHO-01"].exchanges) == ((5, 6), (1, 3, 4))
        assert (rows["MUS-01"].expected, rows["MUS-01"].observed) == ("a bearer", "none")
        assert rows["SHO-01"].expected == "what SHO-01 says"
        assert rows["SHO-01"].note == "plain http, on loopback"

    def test_one_unmet_scenario_of_two_levels(self, ended: Ended) -> None:
        """The same observation fails a MUST and is a remark on an ADVISORY."""
        rows = judged(LEVELS, [ended("@MUS-01 @DER-01 @ADV-01", UNMET)])
        assert rows["MUS-01"].verdict is Verdict.FAIL
        assert rows["DER-01"].verdict is Verdict.WARN
        assert rows["ADV-01"].verdict is Verdict.INFO

    def test_not_judged(self) -> None:
        """A row without a scenario of the run is excluded, with the reason that is true of it."""
        catalogue = catalogue_of(
            row("AAA-01"), row("AAA-02"), row("AAA-03", excluded="only seen inside"), row("AAA-04", observed="attested")
        )
        rows = judged(catalogue, [], covered=["AAA-02"])
        assert {found.verdict for found in rows.values()} == {Verdict.EXCLUDED}
        assert [found.reason for found in rows.values()] == [
            "no scenario judges it yet",
            "its scenarios were not selected in this run",
            "only seen inside",
            "only the operator can answer it: attestations in the target file",
        ]

    @pytest.mark.parametrize(
        ("error", "verdict"),
        [
            (BLOCKED, Verdict.ATTESTED),
            (EXCLUDED, Verdict.ATTESTED),
            (None, Verdict.PASS),
            (UNMET, Verdict.FAIL),
            (NOT_APPLICABLE, Verdict.NOT_APPLICABLE),
            (FAULT, Verdict.ERROR),
        ],
    )
    def test_attestation(self, ended: Ended, error: BaseException | None, verdict: Verdict) -> None:
        """The operator's word stands in for what could not be seen, and never against what was."""
        found = judged(LEVELS, [ended("@MUS-01", error)], MUS_01="see docs/risk.md")["MUS-01"]
        assert found.verdict is verdict
        assert (found.reason == "see docs/risk.md") == (verdict is Verdict.ATTESTED)

    def test_attestation_without_a_scenario(self) -> None:
        """What no scenario judges can be attested."""
        found = judged(LEVELS, [], MUS_01="see docs/risk.md")["MUS-01"]
        assert (found.verdict, found.reason) == (Verdict.ATTESTED, "see docs/risk.md")

    @pytest.mark.parametrize(
        ("error", "verdict"), [(None, Verdict.BLOCKED), (UNMET, Verdict.FAIL), (BLOCKED, Verdict.BLOCKED)]
    )
    def test_unfinished(self, ended: Ended, error: BaseException | None, verdict: Verdict) -> None:
        """A row some of whose scenarios never ran has not passed; what was seen to fail, has failed."""
        assert judged(LEVELS, [ended("@MUS-01", error)], unfinished=["MUS-01"])["MUS-01"].verdict is verdict

    def test_unfinished_and_never_begun(self) -> None:
        """A selected row that the run did not come to is blocked and says what it needs, attested or not."""
        found = judged(LEVELS, [], unfinished=["MUS-01"], MUS_01="see docs/risk.md")["MUS-01"]
        assert (found.verdict, found.reason, found.unblock) == (Verdict.BLOCKED, "the run ended", "a whole run")

    def test_counts(self, ended: Ended) -> None:
        """Every verdict is counted, those that nothing has, too; every row once."""
        counts = counts_of(list(judged(LEVELS, [ended("@MUS-01 @SHO-01", UNMET), ended("@PRO-01", None)]).values()))
        assert counts == {
            **dict.fromkeys((v.value for v in Verdict), 0),
            "FAIL": 1,
            "WARN": 1,
            "PASS": 1,
            "EXCLUDED": 2,
        }


class TestTasks:
    def verdicts(self, results: Sequence[ScenarioResult], selected: Sequence[ScenarioFacts] | None = None) -> list[str]:
        facts = [result.facts for result in results] if selected is None else selected
        return [str(task["verdict"]) for task in judge_tasks(LEVELS, results, facts)]

    def test_each_has_its_gravest(self, ended: Ended) -> None:
        """A task is its scenarios, by their own levels; one without any is not covered, and never a pass."""
        assert self.verdicts([]) == [NOT_COVERED, NOT_COVERED]
        assert self.verdicts([ended("@MUS-01 @task-3.4", None)]) == ["PASS", NOT_COVERED]
        results = [ended("@MUS-01 @task-3.4", None), ended("@SHO-01 @task-3.4 @task-5.2", UNMET)]
        assert self.verdicts(results) == ["WARN", "WARN"]
        assert self.verdicts([*results, ended("@PRO-01 @task-5.2", UNMET)]) == ["WARN", "FAIL"]
        assert self.verdicts([ended("@MUS-01 @task-3.4", None), ended("@MUS-01 @task-3.4", BLOCKED)])[0] == "BLOCKED"

    def test_consisting_of_others(self, ended: Ended) -> None:
        """A task that has others done is as good as the worst of them, and not covered unless all are."""
        tasks = [Task("3.4", "The six errors"), Task("5.2", "The smoke"), Task("5.5", "Live", ("3.4", "5.2"), "gate")]
        catalogue = replace(LEVELS, tasks={task.id: task for task in tasks})

        def verdict(*results: ScenarioResult, covered: frozenset[str] = frozenset()) -> str:
            facts = [result.facts for result in results]
            return str(judge_tasks(catalogue, results, facts, covered=covered)[-1]["verdict"])

        errors, smoke = ended("@MUS-01 @task-3.4", None), ended("@MUS-01 @task-5.2", None)
        assert verdict() == verdict(errors) == NOT_COVERED
        assert verdict(errors, smoke) == "PASS"
        assert verdict(errors, smoke, ended("@PRO-01 @task-5.2", UNMET)) == "FAIL"
        own = frozenset({"task-5.5"})
        assert verdict(errors, smoke, covered=own) == NOT_COVERED
        assert verdict(errors, smoke, ended("@MUS-01 @task-5.5", None), covered=own) == "PASS"
        assert verdict(errors, smoke, ended("@MUS-01 @task-5.5", BLOCKED), covered=own) == "BLOCKED"
        elsewhere = ended("@MUS-01 @task-5.5", NotApplicable("there is no window"))
        assert verdict(errors, smoke, elsewhere, covered=own) == "NOT_APPLICABLE"

    def test_selected_and_not_run(self, ended: Ended) -> None:
        """A task some of whose scenarios never ran is blocked, unless it failed."""
        passed, failed = ended("@MUS-01 @task-3.4", None), ended("@MUS-01 @task-5.2", UNMET)
        missing = ended("@MUS-01 @task-3.4 @task-5.2", None, name="Never run").facts
        assert self.verdicts([passed, failed], [passed.facts, failed.facts, missing]) == ["BLOCKED", "FAIL"]
        assert self.verdicts([], [missing]) == ["BLOCKED", "BLOCKED"]


class TestOutcome:
    @pytest.mark.parametrize(
        ("tag", "failing_from"),
        [("@MUS-01", 0), ("@PRO-01", 0), ("@SHO-01", 1), ("@DER-01", 2), ("@ADV-01", 3)],
    )
    def test_fail_on(self, ended: Ended, tag: str, failing_from: int) -> None:
        """Each level counts from its own word on; MUST and PROFILE always do."""
        results = [ended("@MUS-01 @PRO-01 @SHO-01 @DER-01 @ADV-01", None), ended(tag, UNMET)]
        for strictness, fail_on in enumerate((FailOn.MUST, FailOn.SHOULD, FailOn.DERIVED, FailOn.ALL)):
            expected = Outcome("not_conformant", 1) if strictness >= failing_from else Outcome("conformant", 0)
            assert outcome(LEVELS, results, fail_on=fail_on) == expected

    @pytest.mark.parametrize(
        ("tag", "error", "expected"),
        [
            ("@MUS-01", None, Outcome("conformant", 0)),
            ("@MUS-01", NOT_APPLICABLE, Outcome("conformant", 0)),
            ("@MUS-01", EXCLUDED, Outcome("conformant", 0)),
            ("@MUS-01", BLOCKED, Outcome("incomplete", 6)),
            ("@PRO-01", BLOCKED, Outcome("incomplete", 6)),
            ("@SHO-01", BLOCKED, Outcome("conformant", 0)),
            ("@ADV-01", FAULT, Outcome("incomplete", 6)),
            ("@task-3.4", UNMET, Outcome("not_conformant", 1)),
        ],
    )
    def test_of_one_scenario(self, ended: Ended, tag: str, error: BaseException | None, expected: Outcome) -> None:
        """What a MUST needs and could not be seen is missing; so is all that the harness broke on."""
        assert outcome(LEVELS, [ended("@DER-01", None), ended(tag, error)]) == expected

    def test_nothing_ran(self) -> None:
        """Nothing judged is nothing proven."""
        assert outcome(LEVELS, []) == Outcome("incomplete", 6)

    def test_unfinished(self, ended: Ended) -> None:
        """A MUST that the run did not come to leaves it incomplete."""
        assert outcome(LEVELS, [ended("@SHO-01", None)], unfinished=["PRO-01"]) == Outcome("incomplete", 6)
        assert outcome(LEVELS, [ended("@SHO-01", None)], unfinished=["DER-01"]) == Outcome("conformant", 0)

    def test_attested(self, ended: Ended) -> None:
        """The operator's word takes the place of a blocked MUST."""
        assert outcome(LEVELS, [ended("@MUS-01", BLOCKED)], MUS_01="see docs/risk.md") == Outcome("conformant", 0)

    def test_objections(self, ended: Ended) -> None:
        """A secret in the report or residue on the target fails a run in which no row is red."""
        objections = ["left on the target: a client (removal was answered 403)"]
        assert outcome(LEVELS, [ended("@MUS-01", None)], objections=objections) == Outcome("not_conformant", 1)
        assert outcome(LEVELS, [], objections=objections) == Outcome("not_conformant", 1)

    def test_what_outweighs_what(self, ended: Ended) -> None:
        """Unreachable, then interrupted, then not conformant, then incomplete."""
        results = [ended("@MUS-01", UNMET), ended("@PRO-01", BLOCKED), ended("@SHO-01", FAULT)]
        assert outcome(LEVELS, results) == Outcome("not_conformant", 1)
        assert outcome(LEVELS, results, interrupted=True, objections=["residue"]) == Outcome("interrupted", 2)
        assert outcome(LEVELS, results, interrupted=True, unreachable=True) == Outcome("unreachable", 7)
