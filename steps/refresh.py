"""Refresh tokens: used, used again, used by others, and left alone (RFC 6749 §6)."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import refresh_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.revocation_checks import revoke_grant
from pdpp_conformance.run import Run


@given("a client token with a refresh token that nobody has used", target_fixture="token")
def unused(run: Run) -> TokenResponse:
    return checks.unused(run)


@given("a client that has refreshed its token", target_fixture="family")
def has_refreshed(run: Run) -> checks.Family:
    return checks.refreshed(run)


@given("the grant behind its tokens was revoked")
def grant_revoked(run: Run, family: checks.Family) -> None:
    revoke_grant(run, family.current)


@given("the refresh token was left unused")
def left_unused(run: Run, family: checks.Family) -> None:
    checks.leave_idle(run, family)


@when("the client refreshes", target_fixture="answer")
def refreshes(run: Run, token: TokenResponse) -> Answer:
    return checks.refresh(run, token)


@when("the client refreshes with its newest refresh token", target_fixture="answer")
def refreshes_again(run: Run, family: checks.Family) -> Answer:
    return checks.refresh(run, family.current)


@when("the client uses the old refresh token again", target_fixture="answer")
def replays(run: Run, family: checks.Family) -> Answer:
    return checks.replay(run, family)


@when(parsers.re(r"the client refreshes and asks for (?P<what>.+)"), target_fixture="answer")
def refreshes_asking(run: Run, family: checks.Family, what: str) -> Answer:
    return checks.refresh_asking(run, family, what)


@when("another client refreshes with that refresh token", target_fixture="answer")
def another_refreshes(run: Run, family: checks.Family) -> Answer:
    return checks.refresh_as_another(run, family)


@when("the client refreshes with its access token", target_fixture="answer")
def refreshes_with_access_token(run: Run, family: checks.Family) -> Answer:
    return checks.refresh_with_access_token(run, family)


@then("it gets a new refresh token, or tokens that are bound to it")
def rotated(judge: Judgement, answer: Answer, token: TokenResponse) -> None:
    checks.judge_rotated(judge, answer, token)


@then("the new refresh token is refused with invalid_grant, too")
def family_dead(judge: Judgement, run: Run, family: checks.Family) -> None:
    checks.judge_family_dead(judge, run, family)


@then("the refreshed token is bound to what the owner consented to, and reads nothing else")
def bound(judge: Judgement, run: Run, token: TokenResponse, introspection: Answer, answer: Answer) -> None:
    checks.judge_bound(judge, run, token, introspection, answer)


@then(parsers.re(r"nothing is widened: it is refused with (?P<codes>.+)"))
def nothing_widened(judge: Judgement, run: Run, family: checks.Family, answer: Answer, codes: str) -> None:
    checks.judge_grants_no_more(judge, run, family, answer, codes.split(" or "))


@then("the refresh token is still good for its client")
def still_good(judge: Judgement, run: Run, family: checks.Family) -> None:
    checks.judge_still_good(judge, run, family)


@then("it gets a token that the MCP resource serves")
def serves(judge: Judgement, run: Run, family: checks.Family, answer: Answer) -> None:
    checks.judge_approved_resource(judge, run, family, answer)
