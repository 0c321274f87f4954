"""Requests and codes of one flow, presented in another."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import cross_flow_checks as checks
from pdpp_conformance.approver.approver import Arrival
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.run import Run


@given(
    parsers.parse("a request of the authorization-code flow that the owner approved, known by {what}"),
    target_fixture="staged",
)
def approved_request(run: Run, what: str) -> checks.Staged:
    return checks.approved_request(run, what)


@given("a device authorization, approved, of a client that may use both flows", target_fixture="device")
def approved_device(run: Run) -> DeviceAuthorization:
    return checks.approved_device(run)


@given("a device authorization, still to be decided, of a client that may use both flows", target_fixture="device")
def pending_device(run: Run) -> DeviceAuthorization:
    return checks.pending_device(run)


@given("a pushed request leads to the owner's decision", target_fixture="prefix")
def pushed_request_opens(run: Run) -> str:
    return checks.require_pushed_request_opens(run)


@when("its client presents that at the device grant", target_fixture="answers")
def presented_at_device_grant(staged: checks.Staged) -> list[Answer]:
    return checks.redeem_as_device_code(staged)


@when(parsers.parse("its client presents the {what} as an authorization code"), target_fixture="answer")
def presented_as_code(run: Run, device: DeviceAuthorization, what: str) -> Answer:
    return checks.redeem_as_authorization_code(run, device, what)


@when("the owner opens the device's codes as request URIs", target_fixture="arrivals")
def opened_as_request_uri(run: Run, device: DeviceAuthorization, prefix: str) -> list[Arrival]:
    return checks.open_as_request_uri(run, device, prefix)


@then("it is refused there with invalid_grant, each time")
def refused_each_time(judge: Judgement, answers: list[Answer]) -> None:
    checks.judge_refused_everywhere(judge, answers)


@then("the authorization code still gives its client a token")
def code_still_good(judge: Judgement, staged: checks.Staged) -> None:
    checks.judge_code_still_good(judge, staged)


@then("no decision is asked of the owner, and no code goes to the client")
def no_decision(judge: Judgement, arrivals: list[Arrival]) -> None:
    checks.judge_no_decision(judge, arrivals)
