"""Introspection: how it is asked, by whom, and what it tells (RFC 7662)."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import introspection_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.metadata_checks import rest_on
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.revocation_checks import HINTS
from pdpp_conformance.run import Run


@given("a client token that introspects as active", target_fixture="token")
def active_token(run: Run) -> TokenResponse:
    checks.require_active(run, run.client_token())
    return run.client_token()


@given("a client token that works and introspects as active", target_fixture="token")
def working_token(run: Run) -> TokenResponse:
    return checks.working(run)


@given("a client token that worked and introspected as active", target_fixture="token")
def token_that_worked(run: Run) -> TokenResponse:
    return checks.ageing_at_work(run)


@given("its time is over")
def its_time_is_over(run: Run) -> None:
    checks.outlive(run)


@given(parsers.re(r"(?P<how>its client has revoked it|the grant behind it was revoked)"))
def ended(run: Run, token: TokenResponse, how: str) -> None:
    checks.end(run, token, how)


@when("the resource server introspects it, with a parameter that nobody knows", target_fixture="introspection")
def introspects_with_unknown_parameter(run: Run, token: TokenResponse) -> Answer:
    return checks.ask(run, [("token", token.access_token), ("conformance_unknown", "anything")])


@when(
    parsers.re(r"the resource server introspects it, with the hint that (?P<hint>.+)"),
    target_fixture="introspection",
)
def introspects_with_hint(run: Run, token: TokenResponse, hint: str) -> Answer:
    return checks.ask(run, [("token", token.access_token), ("token_type_hint", HINTS[hint])])


@when("the resource server asks with GET", target_fixture="introspection")
def asks_with_get(run: Run) -> Answer:
    return checks.ask_with_get(run)


@when("the resource server introspects without naming a token", target_fixture="introspection")
def introspects_nothing(run: Run) -> Answer:
    return checks.ask(run, [("token_type_hint", "access_token")])


@when(parsers.re(r"the resource server introspects (?P<what>a token .+)"), target_fixture="introspection")
def introspects_inactive(run: Run, what: str) -> Answer:
    return run.introspect(checks.inactive(run, what))


@when(parsers.re(r"somebody introspects it (?P<who>.+)"), target_fixture="introspection")
def somebody_introspects(run: Run, token: TokenResponse, who: str) -> Answer:
    return checks.ask_as(run, who, token)


@then("it is told that the token is active")
def told_active(judge: Judgement, introspection: Answer) -> None:
    checks.judge_told_active(judge, introspection)


@then("the resource server itself is told that the token is active")
def itself_told_active(run: Run, token: TokenResponse) -> None:
    checks.require_active(run, token)


@then("it is told that the token is inactive")
def told_inactive(judge: Judgement, introspection: Answer) -> None:
    checks.judge_told_inactive(judge, introspection)


@then("it is told that the token is inactive, and nothing else")
def told_nothing_else(judge: Judgement, introspection: Answer) -> None:
    checks.judge_nothing_else(judge, introspection)


@then("introspection answers with a JSON object and a boolean")
def answers_with_boolean(judge: Judgement, introspection: Answer) -> None:
    checks.judge_object(judge, introspection)


@then("introspection is refused as a client's error")
def refused_as_error(judge: Judgement, introspection: Answer) -> None:
    checks.judge_error(judge, introspection)


@then("introspection is refused with 401 and a challenge")
def refused_unauthorized(judge: Judgement, introspection: Answer) -> None:
    checks.judge_unauthorized(judge, introspection)


@then("the introspection endpoint is reached over TLS")
def reached_over_tls(judge: Judgement, run: Run) -> None:
    rest_on(judge, run.discovery.authorization_server)
    checks.judge_offered_over_tls(judge, run)


@then("the token was taken where it was posted, and sent on in no URL")
def not_sent_on(judge: Judgement, introspection: Answer) -> None:
    checks.judge_not_redirected(judge, introspection)
