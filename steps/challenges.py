"""Challenges of the MCP resource, and what they tell a client (RFC 6750 §3, RFC 9728 §5.1)."""

from __future__ import annotations

from pytest_bdd import given, then, when

from pdpp_conformance import challenge_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.presented import Presented, present
from pdpp_conformance.run import Run


@given("the challenge to an owner token at the MCP resource", target_fixture="presented")
def owner_challenged(run: Run) -> Presented:
    presented = present(run, "an owner token")
    checks.require_challenge(presented.answer)
    return presented


@when("a token that lacks a scope is used to call a tool", target_fixture="scope_answer")
def lacks_scope(run: Run) -> Answer:
    return checks.call_with_too_little(run)


@then("the refusal carries a Bearer challenge with at least one parameter")
def challenged(judge: Judgement, presented: Presented) -> None:
    checks.judge_bearer_challenge(judge, presented.answer)


@then("the challenge leads to the metadata of the MCP resource")
def leads_to_metadata(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.require_unauthorized(presented.answer)
    checks.judge_points_to_metadata(judge, run, presented.answer)


@then("the challenge names no parameter twice, and each with characters it may have")
def each_once(judge: Judgement, presented: Presented) -> None:
    checks.judge_each_once(judge, presented.answer)


@then("the challenge names no error")
def no_error(judge: Judgement, presented: Presented) -> None:
    checks.judge_no_error(judge, presented.answer)


@then("the challenge calls the token invalid")
def invalid_token(judge: Judgement, presented: Presented) -> None:
    checks.judge_invalid_token(judge, presented.answer)


@then("the challenge names scopes that a client token can have")
def names_scope(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_names_scope(judge, run, presented.answer)


@then("the challenge leaves offline access out")
def no_offline_access(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_no_offline_access(judge, run, presented.answer)


@then("it is refused for its scope, with the scopes that it takes and where the metadata is")
def insufficient_scope(judge: Judgement, scope_answer: Answer) -> None:
    checks.judge_insufficient_scope(judge, scope_answer)


@then("its challenge says why it is refused")
def says_why(judge: Judgement, surface_answer: Answer) -> None:
    checks.judge_says_why(judge, surface_answer)


@then("a token of the scopes that the challenge names is asked for no others")
def one_step(judge: Judgement, run: Run, scope_answer: Answer) -> None:
    checks.judge_one_step(judge, run, scope_answer)


@then("the refusal leads to the metadata of the MCP resource, too")
def metadata_on_403(judge: Judgement, scope_answer: Answer) -> None:
    checks.judge_metadata_on_403(judge, scope_answer)
