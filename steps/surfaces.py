"""The matrix: which credential opens which surface."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import surface_checks as checks
from pdpp_conformance.challenge_checks import judge_points_to_metadata
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.token_checks import secret_of


@given(parsers.re(r"the owner token works at (?P<surface>the owner's .+)"))
@given(parsers.re(r"an owner token is served at (?P<surface>the owner's .+)"))
def owner_token_served(run: Run, surface: str) -> None:
    checks.require_owner_token_served(run, surface)


@given("a client token is served at the MCP resource")
def client_token_served(run: Run) -> None:
    checks.require_client_token_served(run)


@when(parsers.re(r"the client token is used at (?P<surface>the owner's .+)"), target_fixture="surface_answer")
@when(parsers.re(r"the owner token is used at (?P<surface>the owner's .+)"), target_fixture="surface_answer")
def used_at_rest(run: Run, request: Any, surface: str) -> Answer:
    return checks.use_at(run, surface, secret_of(request))


@when("the owner token is used at the MCP resource", target_fixture="surface_answer")
def owner_token_at_mcp(run: Run) -> Answer:
    return checks.use_at_mcp(run, run.owner_token().access_token)


@when(parsers.re(r"the owner token is used at the MCP resource for (?P<what>.+)"), target_fixture="surface_answer")
def owner_token_at_mcp_for(run: Run, what: str) -> Answer:
    return checks.use_at_mcp_for(run, run.owner_token().access_token, what)


@when(parsers.re(r"it is used as a bearer at (?P<surface>.+)"), target_fixture="surface_answer")
def used_as_bearer(run: Run, request: Any, surface: str) -> Answer:
    return checks.use_credential(run, request, surface)


@when("a client without a token turns to the MCP resource", target_fixture="surface_answer")
def without_token(run: Run) -> Answer:
    return checks.use_at_mcp(run, None)


@then("it is served there")
def served(judge: Judgement, surface_answer: Answer) -> None:
    judge.equal(surface_answer.status, 200, "status")


@then("it is refused there")
@then("it is refused there, and nothing of the owner is told")
def refused(judge: Judgement, run: Run, surface_answer: Answer) -> None:
    checks.judge_refused(judge, run, surface_answer)


@then("nothing of the owner is told")
def nothing_told(judge: Judgement, run: Run, surface_answer: Answer) -> None:
    checks.judge_nothing_told(judge, run, surface_answer)


@then("it is refused with the owner-token error, which points to owner-agent REST")
def owner_token_error(judge: Judgement, run: Run, surface_answer: Answer) -> None:
    checks.judge_owner_token_error(judge, run, surface_answer)


@then("the owner token still works at the owner's REST surface")
def owner_token_still_works(judge: Judgement, run: Run) -> None:
    answer = checks.use_at(run, "the owner's REST surface", run.owner_token().access_token)
    judge.equal(answer.status, 200, "status")


@then("it is challenged with 401 and pointed to the protected resource metadata")
def challenged(judge: Judgement, run: Run, surface_answer: Answer) -> None:
    judge_points_to_metadata(judge, run, surface_answer)


@then("the MCP resource lists its tools to that token")
def lists_tools(judge: Judgement, run: Run, request: Any) -> None:
    checks.judge_tool_list(judge, run, secret_of(request))
