"""The form of a device authorization request, and what is in it (RFC 8628 §3.1)."""

from __future__ import annotations

import pytest
from pytest_bdd import given, parsers, then, when

from pdpp_conformance import client_authentication as authentication
from pdpp_conformance import device_requests as requests
from pdpp_conformance import odd_bodies as odd
from pdpp_conformance import request_forms as forms
from pdpp_conformance import scope_checks as scopes
from pdpp_conformance.answer_checks import judge_refusal
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.metadata_checks import rest_on
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient, TokenResponse
from pdpp_conformance.run import Run


@given("a well-formed request gets device codes")
def well_formed_is_served(run: Run, client: OAuthClient) -> None:
    forms.require_codes(run, client)


@when(parsers.re(r"the client requests device codes in a form, (?P<how>.+)"), target_fixture="answer")
def requests_in_form(run: Run, client: OAuthClient, how: str) -> Answer:
    return forms.ask_in_form(run, client, how)


@then("its form is accepted")
def form_accepted(judge: Judgement, answer: Answer) -> None:
    forms.judge_accepted(judge, answer)


@then("a well-formed request gets device codes afterwards")
def still_served(judge: Judgement, run: Run, client: OAuthClient) -> None:
    forms.judge_still_served(judge, requests.ask_for_codes(run, client).answer)


@when(
    parsers.re(r"the client requests device codes in a body that is (?P<kind>plain text|multipart|JSON)"),
    target_fixture="answer",
)
def requests_in_body(run: Run, client: OAuthClient, kind: str) -> Answer:
    return forms.ask_in_body(run, client, kind)


@then("the body is refused, JSON perhaps excepted")
def body_refused(judge: Judgement, answer: Answer) -> None:
    forms.judge_other_body(judge, answer)


@then("the device authorization endpoint is there over TLS alone")
def over_tls_alone(judge: Judgement, run: Run, client: OAuthClient) -> None:
    rest_on(judge, run.discovery.authorization_server)
    forms.judge_tls_only(judge, run, client)


@when("the client requests device codes with its client id in the request URI alone", target_fixture="answer")
def requests_in_uri(run: Run, client: OAuthClient) -> Answer:
    return forms.ask_in_uri(run, client)


@then(parsers.re(r"the request is refused with (?P<codes>[a-z_]+(?: or [a-z_]+)*)"))
def request_refused(judge: Judgement, answer: Answer, codes: str) -> None:
    judge_refusal(judge, answer, codes.split(" or "))


@then("no device code is told")
def no_device_code(judge: Judgement, answer: Answer) -> None:
    requests.judge_no_code(judge, answer)


@when("the client requests device codes without a scope and with an empty one", target_fixture="answers")
def requests_with_empty_scope(run: Run, client: OAuthClient) -> tuple[Answer, Answer]:
    return forms.ask_with_empty_scope(run, client)


@then("both requests come to the same")
def same_outcome(judge: Judgement, answers: tuple[Answer, Answer]) -> None:
    forms.judge_same_outcome(judge, *answers)


@when(
    parsers.re(r"the client requests device codes with nothing but an empty (?P<parameter>\w+)"),
    target_fixture="answer",
)
def requests_with_lone_empty(client: OAuthClient, parameter: str) -> Answer:
    return forms.ask_with_lone_empty(client, parameter)


# -- a client with a secret --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def confidential_client(run: Run) -> authentication.ConfidentialClient:
    """One client with a secret, which all scenarios share."""
    return authentication.register(run)


@given("a client with a secret, which gets device codes", target_fixture="codes_answer")
def client_with_secret(confidential_client: authentication.ConfidentialClient) -> Answer:
    return authentication.require_served(confidential_client)


@when(
    parsers.re(
        r"that client requests device codes with "
        r"(?P<credentials>no secret|a wrong secret|a wrong secret in the header|its secret in header and body)"
    ),
    target_fixture="answer",
)
def client_requests_with(confidential_client: authentication.ConfidentialClient, credentials: str) -> Answer:
    return confidential_client.ask(credentials)


@when(parsers.re(r"that client polls with (?P<credentials>no secret|a wrong secret)"), target_fixture="answer")
def client_polls_with(
    confidential_client: authentication.ConfidentialClient, codes_answer: Answer, credentials: str
) -> Answer:
    return confidential_client.poll(codes_answer.member("device_code"), credentials)


@then("the request is refused with 401 and a challenge of its scheme")
def challenged_with_scheme(judge: Judgement, answer: Answer) -> None:
    authentication.judge_basic_challenge(judge, answer)


@then("the device code still waits for the client with its secret")
def still_waits(judge: Judgement, confidential_client: authentication.ConfidentialClient, codes_answer: Answer) -> None:
    authentication.judge_still_pending_for(judge, confidential_client, codes_answer.member("device_code"))


# -- scopes ------------------------------------------------------------------------------------------------------------


@when(
    parsers.re(r"the client requests a token for the MCP resource with a scope that (?P<what>.+)"),
    target_fixture="scoped_request",
)
def requests_with_scope(run: Run, client: OAuthClient, what: str) -> scopes.ScopedRequest:
    return scopes.ask_with_scope(run, client, what)


@then("the scope is refused with invalid_scope, or the token is told to be without it")
def scope_refused_or_narrowed(judge: Judgement, run: Run, scoped_request: scopes.ScopedRequest) -> None:
    scopes.judge_refused_or_narrowed(judge, run, scoped_request)


@when("the client redeems the device code with a scope that only owner tokens have", target_fixture="scoped_redemption")
def redeems_with_scope(run: Run, device: DeviceAuthorization) -> scopes.ScopedRedemption:
    return scopes.redeem_with_scope(run, device, "only owner tokens have")


@then("the scope is refused, or the token is without it")
def scope_not_added(judge: Judgement, run: Run, scoped_redemption: scopes.ScopedRedemption) -> None:
    scopes.judge_not_added(judge, run, scoped_redemption)


@then("the scope that it has is told")
def scope_told(judge: Judgement, run: Run, token: TokenResponse) -> None:
    scopes.judge_scope_told(judge, run, token, run.target.client.scope)


@when(
    "the client gets a token for the MCP resource although it asked with a scope that nobody knows",
    target_fixture="scoped_token",
)
def gets_other_scope(run: Run, client: OAuthClient) -> scopes.ScopedToken:
    return scopes.token_granted_otherwise(run, client)


@then("the scope that it has is told, and not the one asked for")
def other_scope_told(judge: Judgement, run: Run, scoped_token: scopes.ScopedToken) -> None:
    scopes.judge_scope_told(judge, run, scoped_token.token, scoped_token.scope)


# -- odd requests ------------------------------------------------------------------------------------------------------


@when(
    parsers.re(r"the client requests device codes with (?P<oddity>" + "|".join(odd.ODDITIES) + ")"),
    target_fixture="withstood",
)
def requests_oddly(run: Run, client: OAuthClient, oddity: str) -> list[odd.Withstood]:
    return odd.send_odd(run, client, oddity)


@then("there is no fault of the server, no page and no stack trace in the answers")
def is_withstood(judge: Judgement, withstood: list[odd.Withstood]) -> None:
    odd.judge_withstood(judge, withstood)
