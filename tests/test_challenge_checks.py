"""Challenges as answers carry them, judged one by one."""

from __future__ import annotations

import pytest

from pdpp_conformance import challenge_checks as checks
from pdpp_conformance.exchange import Answer, Exchange
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet


def refusal(*fields: str, status: int = 401) -> Answer:
    exchange = Exchange(1, None, "a bearer", 0.0, "POST", "http://127.0.0.1/mcp", [], None)
    exchange.status = status
    exchange.response_headers = [("WWW-Authenticate", field) for field in fields]
    return Answer(exchange, b"")


@pytest.mark.parametrize(
    "field",
    [
        'Bearer realm="a"',
        "bearer realm=a",
        'Basic realm="a", Bearer scope="b"',
        'Bearer error="invalid_token", error_description="it has expired"',
    ],
)
def test_challenges_with_a_parameter(field: str) -> None:
    """The scheme has no case, and may stand behind another one."""
    checks.judge_bearer_challenge(Judgement(), refusal(field))
    checks.judge_each_once(Judgement(), refusal(field))


@pytest.mark.parametrize("fields", [(), ("Bearer",), ('Basic realm="a"',), ("Bearer token68==",), ('Bearer realm="a',)])
def test_challenges_that_say_nothing(fields: tuple[str, ...]) -> None:
    """None at all, a bare scheme, another scheme, no parameter, and what no parser can read."""
    with pytest.raises(Unmet):
        checks.judge_bearer_challenge(Judgement(), refusal(*fields))


@pytest.mark.parametrize(
    "field",
    [
        "Bearer error=invalid_token, error=invalid_token",
        'Bearer Error="a", error="b"',
        r'Bearer error_description="say \"please\""',
        'Bearer scope="a  b"',
        'Bearer scope="a b "',
        'Bearer scope=""',
        'Bearer error_uri="https://as.example/a b"',
        'Bearer error_description="caf\xe9"',
        'Bearer error_description="open',
    ],
)
def test_each_attribute_once_and_of_its_characters(field: str) -> None:
    """RFC 6750 §3 allows an attribute once, and fewer characters than RFC 9110 does."""
    with pytest.raises(Unmet):
        checks.judge_each_once(Judgement(), refusal(field))


@pytest.mark.parametrize("fields", [(), ('Basic realm="a"',)])
def test_without_a_challenge_there_is_nothing_to_judge(fields: tuple[str, ...]) -> None:
    """A challenge that is missing breaks no rule on what stands in one."""
    for judge in (checks.judge_each_once, checks.judge_no_error):
        with pytest.raises(Blocked):
            judge(Judgement(), refusal(*fields))


def test_a_served_request_is_no_refusal() -> None:
    """Where no token is refused with 401, its challenge is nobody's finding."""
    with pytest.raises(Blocked):
        checks.judge_bearer_challenge(Judgement(), refusal(status=200))
    with pytest.raises(NotApplicable):
        checks.judge_invalid_token(Judgement(), refusal(status=403))


def test_scopes_and_errors_are_read_from_all_challenges() -> None:
    """Two fields are two challenges, and a scope is a list."""
    answer = refusal('Bearer scope="a b", error=invalid_token', 'Bearer scope="c"')
    assert checks.scopes_named(answer) == {"a", "b", "c"}
    assert checks.errors_of(answer) == ["invalid_token"]
