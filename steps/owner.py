"""The owner: opens a request, reads the page, decides."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import device_requests as requests
from pdpp_conformance import page_checks as checks
from pdpp_conformance.approver.approver import Page
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient, TokenResponse, read_token_response
from pdpp_conformance.run import Run
from steps.device import KINDS


@given("an MCP device authorization that the owner approved", target_fixture="device")
def approved_mcp(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return run.approved(requests.start(run, client, "grant_scoped_mcp"))


@given("an MCP device authorization that the owner approved and nobody has redeemed", target_fixture="device")
def approved_and_waiting(run: Run) -> DeviceAuthorization:
    return run.approved_and_waiting()


@given("an owner-agent device authorization that the owner approved", target_fixture="device")
def approved_owner_agent(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return run.approved(requests.start(run, client, "trusted_owner_agent"))


@given("an MCP device authorization that the owner denied", target_fixture="device")
def denied_mcp(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return run.denied(requests.start(run, client, "grant_scoped_mcp"))


@given("an owner-agent device authorization that the owner denied", target_fixture="device")
def denied_owner_agent(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return run.denied(requests.start(run, client, "trusted_owner_agent"))


@given(parsers.parse("a device authorization of the {kind} kind that the owner denied"), target_fixture="device")
def denied_of_kind(run: Run, client: OAuthClient, kind: str) -> DeviceAuthorization:
    return run.denied(requests.start(run, client, KINDS[kind]))


@given("an MCP device authorization that was approved and redeemed", target_fixture="device")
def redeemed_mcp(run: Run) -> DeviceAuthorization:
    return run.redeemed()


@given("an MCP device authorization that was just approved and redeemed", target_fixture="device")
def freshly_redeemed_mcp(run: Run, client: OAuthClient) -> DeviceAuthorization:
    device = run.approved(requests.start(run, client, "grant_scoped_mcp"))
    read_token_response(device.poll())
    return device


@when("the owner approves it", target_fixture="device")
def approves(run: Run, request: Any) -> DeviceAuthorization:
    return run.approved(requests.device_of(request))


@given("the decision page of an MCP request", target_fixture="page")
def mcp_decision_page(run: Run) -> Page:
    return run.decision_page("grant_scoped_mcp")


@given("the decision page of an owner-agent request", target_fixture="page")
def owner_agent_decision_page(run: Run) -> Page:
    return run.decision_page("trusted_owner_agent")


@when("the owner opens it by the complete verification URI", target_fixture="page")
def opens_complete(run: Run, device: DeviceAuthorization) -> Page:
    checks.require_complete_uri(device)
    return run.read_decision(device, complete=True)


@then(parsers.re(r"the page shows (?P<fact>.+)"))
def shows_fact(judge: Judgement, run: Run, page: Page, fact: str) -> None:
    checks.judge_fact(judge, run, page, fact)


@then(parsers.re(r"the page says (?P<statement>.+)"))
def says_statement(judge: Judgement, page: Page, statement: str) -> None:
    checks.judge_statement(judge, page, statement)


@given("the token works at the MCP resource", target_fixture="token")
def token_works(judge: Judgement, run: Run, device: DeviceAuthorization) -> TokenResponse:
    return checks.require_working_token(judge, run, device)


@then("the token no longer works at the MCP resource")
def token_is_dead(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_dead_token(judge, run, token)
