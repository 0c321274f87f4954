"""Errors of the authorization server's endpoints (RFC 6749 §5.2)."""

from __future__ import annotations

import pytest
from pytest_bdd import given, parsers, then, when

from pdpp_conformance import error_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.malformed_requests import MalformedRequests, Sent
from pdpp_conformance.run import Run


@pytest.fixture(scope="session")
def malformed_requests(run: Run) -> MalformedRequests:
    """What the endpoints answered to malformed requests, for every row that judges it."""
    return MalformedRequests(run)


@given(parsers.re(r"(?P<endpoint>the .+ endpoint) was sent malformed requests"), target_fixture="sent")
def sent_malformed(malformed_requests: MalformedRequests, endpoint: str) -> tuple[Sent, ...]:
    return malformed_requests.at(endpoint)


@then("each of its errors has the status of its code")
def errors_have_status(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_statuses(judge, sent)


@then("each of its errors is a JSON object with an error code")
def errors_are_json(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_json_errors(judge, sent)


@then("each of its errors keeps to the characters that an error may hold")
def errors_keep_characters(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_characters(judge, sent)


@then("each of its errors may not be stored by a cache")
def errors_not_stored(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_errors_not_stored(judge, sent)


@then("its errors have the form of the token endpoint's")
def errors_of_token_form(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_token_endpoint_form(judge, sent)


@when(
    parsers.re(r"(?P<endpoint>the .+ endpoint) is sent credentials of an unknown client in the header"),
    target_fixture="answer",
)
def sent_bad_authorization(run: Run, endpoint: str) -> Answer:
    return checks.send_bad_authorization(run, endpoint)


@then("they are challenged with 401")
def credentials_challenged(judge: Judgement, answer: Answer) -> None:
    checks.judge_challenged(judge, answer)


@when("the endpoints are sent secrets that open nothing", target_fixture="sent")
def sent_secrets(malformed_requests: MalformedRequests) -> tuple[Sent, ...]:
    return malformed_requests.with_secrets()


@then("no answer repeats a secret")
def no_secret_repeated(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_nothing_echoed(judge, sent)


@then("no answer shows a stack trace")
def no_trace_shown(judge: Judgement, sent: tuple[Sent, ...]) -> None:
    checks.judge_no_trace(judge, sent)


@then("every error code of the run is a registered one and in its place")
def codes_registered(judge: Judgement, run: Run, malformed_requests: MalformedRequests) -> None:
    checks.judge_error_codes(judge, run, malformed_requests)


@then("whoever was told to come later was told when, as JSON")
def throttling_told(judge: Judgement, run: Run) -> None:
    checks.judge_throttling(judge, run)
