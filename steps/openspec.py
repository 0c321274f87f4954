"""The change and the specs, as OpenSpec's own validator judges them."""

from __future__ import annotations

from pytest_bdd import then, when

from pdpp_conformance import openspec
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run


@when("the change is validated strictly", target_fixture="validated")
def validate_change(run: Run) -> openspec.Validated:
    return openspec.validations_of(run).of_change()


@when("all specs and changes are validated strictly", target_fixture="validated")
def validate_all(run: Run) -> openspec.Validated:
    return openspec.validations_of(run).of_all()


@when("a copy of the change is validated whose first requirement has lost its scenarios", target_fixture="validated")
def validate_broken_copy(run: Run) -> openspec.Validated:
    return openspec.validations_of(run).of_broken_copy()


@then("the validator finds nothing")
def finds_nothing(judge: Judgement, validated: openspec.Validated) -> None:
    openspec.judge_valid(judge, validated)


@then("the validator refuses it because a requirement must include at least one scenario")
def refuses(judge: Judgement, validated: openspec.Validated) -> None:
    openspec.judge_refused(judge, validated, "must include at least one scenario")
