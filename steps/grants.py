"""Grants: the same by either path, used once, revoked, and kept out of the log."""

from __future__ import annotations

from pytest_bdd import given, then, when

from pdpp_conformance import grant_checks as checks
from pdpp_conformance import log_checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.run import Run


@given(
    "the tokens that one client got for the same stream by device code and by authorization code",
    target_fixture="tokens",
)
def tokens_by_either_path(run: Run) -> checks.ByEitherPath:
    return checks.continuous_by_either_path(run)


@given("the single-use tokens that one client got by device code and by authorization code", target_fixture="tokens")
def single_use_by_either_path(run: Run) -> checks.ByEitherPath:
    return checks.single_use_by_either_path(run)


@given("a single-use client token that a device got", target_fixture="token")
def single_use_token(run: Run) -> TokenResponse:
    return checks.single_use_by_device_code(run)


@given("a single-use client token that a device got and that worked", target_fixture="token")
def single_use_token_that_worked(run: Run) -> TokenResponse:
    return checks.ageing_single_use(run).token


@when("the resource server introspects both", target_fixture="introspections")
def introspects_both(run: Run, tokens: checks.ByEitherPath) -> list[Answer]:
    return checks.introspect_both(run, tokens)


@when("the client uses each at the MCP resource and at the owner's REST surface", target_fixture="opened")
def uses_each(run: Run, tokens: checks.ByEitherPath) -> list[checks.Opened]:
    return checks.use_everywhere(run, tokens)


@when("the client reads the granted stream twice with each", target_fixture="readings")
def reads_twice(run: Run, tokens: checks.ByEitherPath) -> list[list[str]]:
    return checks.read_twice(run, tokens)


@when("it has expired")
def has_expired(run: Run) -> None:
    checks.outlive(run)


@then("both token responses tell the same type, lifetime, resource and grant, and renew alike")
def same_responses(judge: Judgement, tokens: checks.ByEitherPath) -> None:
    checks.judge_same_response(judge, tokens)


@then("it learns the same kind, audience, owner, grant and lifetime of both")
def same_introspections(judge: Judgement, introspections: list[Answer]) -> None:
    checks.judge_same_introspection(judge, introspections)


@then("each reads the granted stream, and neither another stream nor the owner's REST surface")
def same_doors(judge: Judgement, opened: list[checks.Opened]) -> None:
    checks.judge_same_doors(judge, opened)


@then("it is told as single-use, with its retention, and comes without a refresh token")
def told_as_single_use(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_single_use(judge, run, token)


@then("the first reading succeeds, and both paths give the same")
def same_readings(judge: Judgement, readings: list[list[str]]) -> None:
    checks.judge_same_readings(judge, readings)


@then("it is over at the MCP resource and at introspection")
def is_over(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_over(judge, run, token)


# -- revoked -----------------------------------------------------------------------------------------------------------


@given("two grants of one client whose tokens work", target_fixture="grants")
def two_grants(run: Run) -> checks.TwoGrants:
    return checks.two_grants(run)


@when("the first grant is revoked")
def first_grant_revoked(run: Run, grants: checks.TwoGrants) -> None:
    checks.revoke_grant(run, grants.first)


@when("the client revokes the refresh token of the first")
def refresh_token_revoked(grants: checks.TwoGrants) -> None:
    checks.revoke_refresh_token(grants.client, grants.first)


@then("its access token is refused at the MCP resource")
def access_token_dead(judge: Judgement, run: Run, grants: checks.TwoGrants) -> None:
    checks.judge_dead(judge, run, grants.first)


@then("its refresh token gives no more tokens")
def refresh_token_dead(judge: Judgement, grants: checks.TwoGrants) -> None:
    checks.judge_no_refresh(judge, grants.client, grants.first)


@then("the other grant's tokens and the owner's still work")
def others_alive(judge: Judgement, run: Run, grants: checks.TwoGrants) -> None:
    checks.judge_alive(judge, run, grants.other)
    checks.judge_refreshes(judge, run, grants)


# -- the log -----------------------------------------------------------------------------------------------------------


@given("a server whose log can be read", target_fixture="log_before")
def readable_log(run: Run) -> str:
    return log_checks.read_log(run)


@when("codes, tokens and credentials are used once more, in time and in vain")
def credentials_used(run: Run) -> None:
    log_checks.use_every_credential(run)


@then("the log has grown")
def log_has_grown(judge: Judgement, run: Run, log_before: str) -> None:
    log_checks.judge_grown(judge, run, log_before)


@then("nothing in it opens anything")
def log_opens_nothing(judge: Judgement, run: Run) -> None:
    log_checks.judge_no_secret(judge, run)
