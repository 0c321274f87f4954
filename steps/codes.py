"""Device and user codes: a sample of them, and one answer read closely (RFC 8628 §3.2, §5, §6.1)."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import code_checks as checks
from pdpp_conformance import device_requests as requests
from pdpp_conformance import secret_places as places
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.run import Run


@given("the device codes of a sample of requests", target_fixture="sample")
def a_sample(run: Run) -> checks.Sample:
    return run.once("a sample of device codes", lambda: checks.take_sample(run))


@when("the client requests device codes, whatever they are for", target_fixture="device_answer")
def requests_any_codes(run: Run, client: OAuthClient) -> requests.Requested:
    return requests.ask_for_codes(run, client)


@given("the client was given device codes", target_fixture="device")
def was_given_codes(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return requests.ask_for_codes(run, client).device()


@when("the client requests device codes 4 times at the same moment", target_fixture="devices")
def requests_at_once(run: Run, client: OAuthClient) -> list[DeviceAuthorization]:
    return checks.start_at_once(run, client, 4)


@given("another MCP device authorization of that client, which the owner approves", target_fixture="other_device")
def another_device(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return run.approved(requests.start(run, client, "grant_scoped_mcp"))


@then("no device code occurs twice")
def device_codes_fresh(judge: Judgement, sample: checks.Sample) -> None:
    checks.judge_fresh(judge, sample)


@then(parsers.re(r"a device code has room for the bits that a credential (?P<demand>must|should) have"))
def device_code_unguessable(judge: Judgement, run: Run, sample: checks.Sample, demand: str) -> None:
    run.rests_beyond("the codes themselves")
    checks.judge_unguessable(judge, sample, demand)


@then("no device code holds its user code or a digest of it")
def device_code_underived(judge: Judgement, run: Run, sample: checks.Sample) -> None:
    run.rests_beyond("the codes themselves")
    checks.judge_underived(judge, sample)


@then("a user code cannot be guessed within the attempts of its lifetime")
def user_code_bound(judge: Judgement, run: Run, sample: checks.Sample) -> None:
    run.rests_beyond("the codes themselves")
    checks.judge_user_code_bound(judge, sample)


@then("no user code occurs twice")
def user_codes_differ(judge: Judgement, sample: checks.Sample) -> None:
    checks.judge_user_codes_differ(judge, sample)


@then("no two characters of user codes are taken for each other")
def no_confusable(judge: Judgement, run: Run, sample: checks.Sample) -> None:
    run.rests_beyond("the codes themselves")
    checks.judge_no_confusable(judge, sample)


@then("a limit on requests, if one shows, says when to try again")
def issuance_limited(judge: Judgement, run: Run, sample: checks.Sample) -> None:
    checks.judge_limited(judge, run, sample)


@then("no member of the answer with the codes occurs twice")
def codes_told_once(judge: Judgement, device: DeviceAuthorization) -> None:
    checks.judge_no_repeated_member(judge, device.answer)


@then("no member of the token response occurs twice")
def token_told_once(judge: Judgement, answer: Answer) -> None:
    checks.judge_no_repeated_member(judge, answer)


@then("the complete verification URI leads to the decision on this request, without the device code")
def complete_uri_leads_there(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    checks.judge_complete_uri(judge, run, device)


@then("the verification URI does not hold the user code")
def uri_without_code(judge: Judgement, device: DeviceAuthorization) -> None:
    checks.judge_plain_uri(judge, device)


@then("the codes live between 60 and 1800 seconds")
def codes_live_so_long(judge: Judgement, device: DeviceAuthorization) -> None:
    checks.judge_lifetime_band(judge, device)


@then("each of the device codes waits for the owner")
def all_wait(judge: Judgement, devices: list[DeviceAuthorization]) -> None:
    checks.judge_all_pending(judge, devices)


@then("the first request is still pending")
def first_is_pending(judge: Judgement, device: DeviceAuthorization) -> None:
    requests.judge_still_pending(judge, device)


@then("the other device code is good for its client")
def other_is_good(judge: Judgement, run: Run, other_device: DeviceAuthorization) -> None:
    requests.judge_still_good(judge, run, other_device)


@then("no device code of the run stands anywhere but in the answer that told it")
def device_codes_kept(judge: Judgement, run: Run) -> None:
    places.judge_device_codes_kept(judge, run)


@then("no user code of the run stands in a URL of another origin")
def user_codes_kept(judge: Judgement, run: Run) -> None:
    places.judge_user_codes_kept(judge, run)


@given("the run has come by access tokens")
def come_by_tokens(run: Run) -> None:
    checks.require_tokens(run)


@then("an access token has room for the bits that a credential must have")
def token_unguessable(judge: Judgement, run: Run) -> None:
    run.rests_beyond("the tokens themselves")
    checks.judge_tokens_unguessable(judge, run)
