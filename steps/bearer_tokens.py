"""Access tokens, and what is none, presented at the MCP resource (RFC 6750, OAuth 2.1 §5)."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import bearer_checks as checks
from pdpp_conformance import presented as credentials
from pdpp_conformance.ended_tokens import Expired, Revoked, expired, revoked
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_requests import require_refused_without_token, require_served
from pdpp_conformance.presented import Presented
from pdpp_conformance.run import Run
from pdpp_conformance.surface_checks import use_at_mcp_for


@given("the MCP resource serves a client token")
def serves_client_token(run: Run) -> None:
    require_served(run)


@given("the MCP resource refuses a client without a token")
def refuses_without_token(run: Run) -> None:
    require_refused_without_token(run)


@given("a token that nobody issued is refused at the MCP resource")
def refuses_unknown_token(run: Run) -> None:
    credentials.require_unknown_refused(run)


@given("a client token reads records at the MCP resource")
def reads_records(run: Run) -> None:
    checks.require_readable(run)


@when(parsers.re(r"a client without a token turns to the MCP resource for (?P<what>.+)"), target_fixture="presented")
def without_token_for(run: Run, what: str) -> Presented:
    return Presented(f"{what} without a token", use_at_mcp_for(run, None, what))


@when(parsers.re(r"a client presents (?P<what>.+) at the MCP resource"), target_fixture="presented")
def presents(run: Run, what: str) -> Presented:
    return credentials.present(run, what)


@when("a client presents a live token in a form", target_fixture="presented")
def presents_in_form(run: Run) -> Presented:
    return credentials.present_in_form(run)


@when("a client presents a live token in the header and in a form", target_fixture="presented")
def presents_in_form_and_header(run: Run) -> Presented:
    return credentials.present_in_form_and_header(run)


@when(
    "a client presents variations of a live token, each with one character changed", target_fixture="variation_answers"
)
def presents_variations(run: Run) -> list[Answer]:
    return credentials.present_variations(run)


@when(
    parsers.re(r"a client presents a token (?P<how>.+), naming the issuer and the grant of a live one"),
    target_fixture="presented",
)
def presents_forged(run: Run, how: str) -> Presented:
    return credentials.present_forged(run, how)


@when("a client presents a token whose time is over", target_fixture="aged")
def presents_expired(run: Run) -> Expired:
    return expired(run)


@when(parsers.re(r"a client presents (?P<what>.+), right after that"), target_fixture="gone")
def presents_revoked(run: Run, what: str) -> Revoked:
    return revoked(run, what)


@when(parsers.re(r"a client presents (?P<what>.+), which is for another resource"), target_fixture="presented")
def presents_for_another(run: Run, what: str) -> Presented:
    return credentials.present_for_another_resource(run, what)


@when(parsers.re(r"a client presents its live token under the scheme (?P<scheme>\w+)"), target_fixture="presented")
def presents_scheme(run: Run, scheme: str) -> Presented:
    return credentials.present_scheme(run, scheme)


@when(
    parsers.re(r"a client puts (?P<query>.+) into the query, and (?P<header>.+) into the header"),
    target_fixture="presented",
)
def presents_in_query(run: Run, query: str, header: str) -> Presented:
    return credentials.present_in_query(run, query, header)


@when(parsers.re(r"a client asks for the same records with (?P<what>.+)"), target_fixture="presented")
def asks_for_records(run: Run, what: str) -> Presented:
    return checks.read_with(run, what)


@then("it is refused with 401, and the client token is served as before")
def unauthorized(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_unauthorized(judge, presented)
    checks.judge_served_as_before(judge, run)


@then("it is refused as without the form, and the client token is served as before")
def form_not_taken(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_form_not_taken(judge, presented)
    checks.judge_served_as_before(judge, run)


@then("it is refused as malformed, and the client token is served as before")
def malformed(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_malformed(judge, presented)
    checks.judge_served_as_before(judge, run)


@then("each of them is refused with 401, and the client token is served as before")
def none_served(judge: Judgement, run: Run, variation_answers: list[Answer]) -> None:
    checks.judge_none_served(judge, variation_answers)
    checks.judge_served_as_before(judge, run)


@then("it is refused with 401 as an invalid token, and a fresh client token is served")
def expired_refused(judge: Judgement, run: Run, aged: Expired) -> None:
    checks.judge_expired(judge, aged)
    checks.judge_served_as_before(judge, run)


@then("it is refused as an invalid token from then on, while another client token is served")
def revoked_refused(judge: Judgement, run: Run, gone: Revoked) -> None:
    require_served(run)
    checks.judge_revoked(judge, gone)


@then("it is refused, and the client token is served as before")
def refused(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_refused(judge, presented)
    checks.judge_served_as_before(judge, run)


@then("it is refused as without the query, and the client token is served as before")
def query_not_taken(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_unauthorized(judge, presented)
    checks.judge_served_as_before(judge, run)


@then("it is refused as an invalid request, and the client token is served as before")
def not_twice(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_not_twice(judge, presented)
    checks.judge_served_as_before(judge, run)


@then("it is served")
def served(judge: Judgement, presented: Presented) -> None:
    checks.judge_served(judge, presented)


@then("it is served as without the query")
def query_ignored(judge: Judgement, presented: Presented) -> None:
    checks.judge_query_ignored(judge, presented)


@then("the error code in the body fits the status")
def code_fits_status(judge: Judgement, presented: Presented) -> None:
    checks.judge_code_fits_status(judge, presented)


@then("the body of the refusal names the next step")
def names_next_step(judge: Judgement, presented: Presented) -> None:
    checks.judge_names_next_step(judge, presented)


@then("the refusal tells nothing of the owner")
def tells_nothing(judge: Judgement, run: Run, presented: Presented) -> None:
    checks.judge_tells_nothing(judge, run, presented)
