"""Tokens and other credentials, and what introspection tells of them (RFC 7662)."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import granted_details
from pdpp_conformance import token_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, TokenResponse
from pdpp_conformance.run import Run


@given("a client token for one stream", target_fixture="token")
def client_token(run: Run) -> TokenResponse:
    return run.client_token()


@given("the token response for one stream", target_fixture="answer")
def token_response(run: Run) -> Answer:
    return run.client_token().answer


@given("a client token for two sources", target_fixture="token")
def package_token(run: Run) -> TokenResponse:
    return run.package_token()


@given("a client token", target_fixture="token")
def some_client_token(run: Run) -> TokenResponse:
    return run.client_token()


@given("a package token", target_fixture="token")
def some_package_token(run: Run) -> TokenResponse:
    return run.package_token()


@given("an owner token", target_fixture="token")
def owner_token(run: Run) -> TokenResponse:
    return run.owner_token()


@given(
    parsers.re(r"(?P<what>a refresh token|a device code|a user code|the owner's session)"), target_fixture="credential"
)
def other_credential(run: Run, what: str) -> checks.Credential:
    return checks.credential(run, what)


@when("the resource server introspects it", target_fixture="introspection")
def introspects(run: Run, request: Any) -> Answer:
    return run.introspect(checks.secret_of(request))


@then(parsers.parse("the token is active and of kind {kind}"))
def active_of_kind(judge: Judgement, run: Run, introspection: Answer, kind: str) -> None:
    checks.judge_active(judge, introspection, run.client_kinds if kind == "client" else (kind,))


@then(parsers.parse("the answer holds an active token of kind {kind}"))
def holds_active_of_kind(judge: Judgement, run: Run, answer: Answer, kind: str) -> None:
    checks.judge_active_in(judge, run, answer, run.client_kinds if kind == "client" else (kind,))


@then(parsers.re(r"the token is active, of kind client, with a (?P<what>grant|grant package) and for the MCP resource"))
def active_with_grant(judge: Judgement, run: Run, introspection: Answer, what: str) -> None:
    checks.judge_granted(judge, run, introspection, what)


@then("it is no active access token")
def not_active(judge: Judgement, introspection: Answer) -> None:
    checks.judge_inactive(judge, introspection)


@then("the grant id in the token response is the one that introspection tells")
def same_grant(judge: Judgement, token: TokenResponse, introspection: Answer) -> None:
    checks.judge_same(judge, token, introspection, ["grant_id"])


@then("the package id in the token response is the one that introspection tells")
def same_package(judge: Judgement, token: TokenResponse, introspection: Answer) -> None:
    checks.judge_same(judge, token, introspection, ["grant_package_id"])


@then("client, audience, expiry and authorization details agree with the token response")
def introspection_agrees(judge: Judgement, run: Run, token: TokenResponse, introspection: Answer) -> None:
    checks.judge_agreement(judge, run, token, introspection)


@then("neither the token response nor introspection tells a grant")
def no_grant(judge: Judgement, token: TokenResponse, introspection: Answer) -> None:
    checks.judge_no_grant(judge, token, introspection)


@then("the token lives a day at most")
def lives_a_day(judge: Judgement, answer: Answer) -> None:
    checks.judge_lifetime(judge, answer)


@then("the authorization details in the answer are the ones that were asked for and approved")
def details_as_granted(judge: Judgement, run: Run, answer: Answer) -> None:
    granted_details.judge_as_asked(judge, answer, run.one_stream())


@then("the authorization details in the token response name each source with what was asked of it")
def package_as_granted(judge: Judgement, run: Run, token: TokenResponse) -> None:
    granted_details.judge_as_asked(judge, token.answer, run.two_sources())


@then("the authorization details in introspection are those of the token response")
def details_alike(judge: Judgement, token: TokenResponse, introspection: Answer) -> None:
    granted_details.judge_same_details(judge, token.answer, introspection)


@given("a client token for two streams of which the owner left out the second", target_fixture="token")
def narrowed_token(run: Run) -> TokenResponse:
    return run.narrowed_token()


@then("the authorization details in the token response name the first stream only")
def details_narrowed(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_streams(judge, token.answer, [run.first_of_two_streams()])


@then("the authorization details in introspection name the first stream only")
def introspection_narrowed(judge: Judgement, run: Run, introspection: Answer) -> None:
    checks.judge_streams_if_told(judge, introspection, [run.first_of_two_streams()])


@then("whatever token comes of the device code holds no more than was approved")
def nothing_widened(judge: Judgement, run: Run, answer: Answer, device: DeviceAuthorization) -> None:
    checks.judge_not_widened(judge, run, answer, device)
