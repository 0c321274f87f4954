"""The device: its request for codes, and its polling (RFC 8628 §3.1, §3.4)."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, step, then, when

from pdpp_conformance import device_requests as requests
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, Kind, OAuthClient, read_token_response
from pdpp_conformance.polling import Conversation, judge_all_pending, judge_no_bearer, judge_poll
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Unmet

MANNERS = {
    "polls, polls again too soon, and then after the interval it was given at first": "impatient",
    "polls, polls again too soon, and then after the interval as slow_down has made it": "obedient",
    "polls three times, each time after the interval": "patient",
    "polls, others poll at once with its code and with theirs, and it polls again after the interval": "disturbed",
}
KINDS: dict[str, Kind] = {"MCP": "grant_scoped_mcp", "owner-agent": "trusted_owner_agent"}


@given("a client that may use the device grant", target_fixture="client")
def a_client(run: Run) -> OAuthClient:
    return run.client()


@given("a client that may not use the device grant", target_fixture="other_client")
def a_client_without_the_grant(run: Run) -> OAuthClient:
    return run.client("a client without the device grant", grant_types=["authorization_code"])


# -- requesting --------------------------------------------------------------------------------------------------------


@given("an MCP device authorization", target_fixture="device")
def an_mcp_device(run: Run, client: OAuthClient) -> DeviceAuthorization:
    return requests.start(run, client, "grant_scoped_mcp")


@given(parsers.parse("a device authorization of the {kind} kind"), target_fixture="device")
def a_device_of_kind(run: Run, client: OAuthClient, kind: str) -> DeviceAuthorization:
    return requests.start(run, client, KINDS[kind])


@given(
    parsers.re(
        r"an (?P<state>undecided|approved) (?P<kind>MCP|owner-agent) device authorization "
        r"that was left until it expired"
    ),
    target_fixture="device",
)
def an_expired_device(run: Run, state: str, kind: str) -> DeviceAuthorization:
    return run.expired(state, KINDS[kind])


@when("the client requests a device authorization for the MCP resource", target_fixture="device_answer")
def request_mcp(run: Run, client: OAuthClient) -> requests.Requested:
    return requests.ask(run, client, "grant_scoped_mcp")


@when("the client requests a device authorization as a trusted owner agent", target_fixture="device_answer")
def request_owner_agent(run: Run, client: OAuthClient) -> requests.Requested:
    return requests.ask(run, client, "trusted_owner_agent")


@when(
    "the client requests a device authorization for the MCP resource, with an unknown parameter",
    target_fixture="device_answer",
)
def request_with_unknown_parameter(run: Run, client: OAuthClient) -> requests.Requested:
    return requests.ask(run, client, "grant_scoped_mcp", adding=[("unknown_parameter", "anything")])


@when(
    parsers.re(
        r"the client requests a device authorization for the MCP resource, "
        r"its (?P<parameter>\w+) (?P<defect>missing|empty|repeated)"
    ),
    target_fixture="device_answer",
)
def request_with_defect(run: Run, client: OAuthClient, parameter: str, defect: str) -> requests.Requested:
    return requests.ask(run, client, "grant_scoped_mcp", defect=(parameter, defect))


@when("the client requests a device authorization for the MCP resource and another one", target_fixture="device_answer")
def request_two_resources(run: Run, client: OAuthClient) -> requests.Requested:
    another = requests.another_resource(run)
    return requests.ask(run, client, "grant_scoped_mcp", adding=[("resource", another)])


@when(
    "a client that nobody registered requests a device authorization for the MCP resource",
    target_fixture="device_answer",
)
def request_by_stranger(run: Run, client: OAuthClient) -> requests.Requested:
    return requests.ask(run, client, "grant_scoped_mcp", replacing={"client_id": requests.unknown_client_id()})


@when("that client requests a device authorization for the MCP resource", target_fixture="device_answer")
def request_by_other_client(run: Run, other_client: OAuthClient) -> requests.Requested:
    return requests.ask(run, other_client, "grant_scoped_mcp")


@when("the client asks for device codes with GET", target_fixture="device_answer")
def request_with_get(run: Run, client: OAuthClient) -> requests.Requested:
    return requests.ask_with_get(run, client)


@when(
    parsers.re(r"the client requests a device authorization for the MCP resource with (?P<difference>.+)"),
    target_fixture="device_answer",
)
def request_with_other_resource(run: Run, client: OAuthClient, difference: str) -> requests.Requested:
    return requests.ask_with_resource(run, client, difference)


@when(
    parsers.re(r"the client requests a device authorization with authorization details that have (?P<defect>.+)"),
    target_fixture="device_answer",
)
def request_with_bad_details(run: Run, client: OAuthClient, defect: str) -> requests.Requested:
    return requests.ask_with_details(run, client, defect)


@when(
    parsers.re(r"the client requests a device authorization with (?P<part>.+) in the authorization details"),
    target_fixture="device_answer",
)
def request_with_optional_part(run: Run, client: OAuthClient, part: str) -> requests.Requested:
    return requests.ask_with_part(run, client, part)


# -- polling and redeeming ---------------------------------------------------------------------------------------------


@step("the client polls", target_fixture="answer")
def polls(request: Any) -> Answer:
    return requests.device_of(request).poll()


@when("the client polls at once", target_fixture="answer")
def polls_at_once(request: Any) -> Answer:
    return requests.device_of(request).poll_at_once()


@when("the client waits its interval and polls", target_fixture="answer")
def waits_and_polls(request: Any) -> Answer:
    return requests.device_of(request).poll()


@when("the client redeems the device code", target_fixture="answer")
def redeems(request: Any) -> Answer:
    return requests.device_of(request).poll_decided()


@when("the client redeems the device code again", target_fixture="answer")
def redeems_again(device: DeviceAuthorization) -> Answer:
    return device.poll_decided()


@when("the client polls twice", target_fixture="answers")
def polls_twice(device: DeviceAuthorization) -> list[Answer]:
    return [device.poll(), device.poll_decided()]


@when(parsers.parse("a device {manner}"), target_fixture="conversation")
def converses(run: Run, manner: str) -> Conversation:
    return run.conversations.of(MANNERS[manner])


@then(
    parsers.re(
        r"its (?P<which>first|too early|next) poll is told (?P<code>[a-z_]+)(?:, (?P<other>[a-z_]+) being permitted)?"
    )
)
def poll_is_told(judge: Judgement, conversation: Conversation, which: str, code: str, other: str | None) -> None:
    judge_poll(judge, conversation, which, code, other)


@then("none of its polls is answered with a token")
def no_bearer_at_any_poll(judge: Judgement, conversation: Conversation) -> None:
    judge_no_bearer(judge, conversation)


@then("each of its polls is told authorization_pending")
def all_pending(judge: Judgement, conversation: Conversation) -> None:
    judge_all_pending(judge, conversation)


@when("another client redeems the device code", target_fixture="answer")
def another_redeems(run: Run, device: DeviceAuthorization) -> Answer:
    return run.client("another client").redeem(device.device_code)


@when("a client that nobody registered redeems the device code", target_fixture="answer")
def stranger_redeems(device: DeviceAuthorization) -> Answer:
    return requests.redeem_with(device, replacing={"client_id": requests.unknown_client_id()})


@when("the client polls without its client id", target_fixture="answer")
def polls_without_client_id(device: DeviceAuthorization) -> Answer:
    return requests.redeem_with(device, defect=("client_id", "missing"))


@when(parsers.re(r"the client polls, its device_code (?P<defect>missing|empty)"), target_fixture="answer")
def polls_without_device_code(client: OAuthClient, defect: str) -> Answer:
    return requests.redeem_without_code(client, defect)


@when(parsers.re(r"the client polls, its (?P<parameter>\w+) (?P<defect>repeated)"), target_fixture="answer")
def polls_with_repeated_parameter(device: DeviceAuthorization, parameter: str, defect: str) -> Answer:
    return requests.redeem_with(device, defect=(parameter, defect))


@when("the client polls, its grant_type missing", target_fixture="answer")
def polls_without_grant_type(device: DeviceAuthorization) -> Answer:
    return requests.redeem_with(device, defect=("grant_type", "missing"))


@when("the client polls with a grant type that is almost the device grant", target_fixture="answer")
def polls_with_almost_the_grant(device: DeviceAuthorization) -> Answer:
    return requests.redeem_with(device, replacing={"grant_type": requests.almost_the_device_grant()})


@when(parsers.re(r"the client redeems (?P<what>.+) as its device code"), target_fixture="answer")
def redeems_something_else(device: DeviceAuthorization, what: str) -> Answer:
    return requests.redeem_with(device, replacing={"device_code": requests.in_place_of_code(device, what)})


@when(parsers.re(r"the client redeems the device code, adding (?P<addition>.+)"), target_fixture="answer")
def redeems_adding(run: Run, device: DeviceAuthorization, addition: str) -> Answer:
    return device.poll(requests.addition(run, addition))


@when("the client redeems the device code for another resource", target_fixture="answer")
def redeems_for_another_resource(run: Run, device: DeviceAuthorization) -> Answer:
    return device.poll_decided([("resource", requests.another_resource(run))])


@when("the client redeems the device code 8 times at the same moment", target_fixture="answers")
def redeems_in_parallel(device: DeviceAuthorization) -> list[Answer]:
    return requests.redeem_in_parallel(device, 8)


@when("the client redeems an unknown, a foreign and the redeemed device code", target_fixture="answers")
def redeems_three_bad_codes(run: Run, device: DeviceAuthorization) -> list[Answer]:
    return requests.redeem_three_bad_codes(run, device)


@when(parsers.re(r"the server is restarted (?P<moment>before approval|after approval)"))
def restarted(run: Run, device: DeviceAuthorization, moment: str) -> None:
    requests.approve_around_restart(run, device, moment)


# -- what comes of it --------------------------------------------------------------------------------------------------


@then("it gets a device code, a user code, a verification URI and a lifetime")
def gets_codes(judge: Judgement, device_answer: requests.Requested) -> None:
    requests.judge_codes(judge, device_answer.answer)


@then("no code comes of it")
def no_code(judge: Judgement, device_answer: requests.Requested) -> None:
    requests.judge_no_code(judge, device_answer.answer)


@then("the interval is a positive number or absent")
def interval_is_positive(judge: Judgement, device_answer: requests.Requested) -> None:
    requests.judge_interval(judge, device_answer.answer)


@then("the verification URI lies on the authorization server and is protected by TLS")
def verification_uri_is_own(judge: Judgement, run: Run, device_answer: requests.Requested) -> None:
    requests.judge_verification_uri(judge, run, device_answer.answer)


@then("a plain redemption of the device code still gives a token")
def still_redeems(judge: Judgement, device: DeviceAuthorization) -> None:
    answer = device.poll_decided()
    judge.that(answer.member("access_token") is not None, "the device code still good", answer.summary)


@then("the request is still pending")
def still_pending(judge: Judgement, device: DeviceAuthorization) -> None:
    requests.judge_still_pending(judge, device)


@then("the device code is still good for its client")
def still_good(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    requests.judge_still_good(judge, run, device)


@then("exactly one of them gets a token and the others are refused with invalid_grant")
def one_winner(judge: Judgement, answers: list[Answer]) -> None:
    requests.judge_one_winner(judge, answers)


@then("the three answers are alike")
def three_alike(judge: Judgement, answers: list[Answer]) -> None:
    requests.judge_alike(judge, answers)


@then(parsers.parse("the code redeems to a token of kind {kind}"))
def redeems_to_kind(judge: Judgement, run: Run, device: DeviceAuthorization, kind: str) -> None:
    token = read_token_response(device.poll_decided())
    judge.equal(run.introspect(token.access_token).member("pdpp_token_kind"), kind, "a token of kind")


@then("no owner token comes of it")
def no_owner_token(judge: Judgement, run: Run, answer: Answer) -> None:
    requests.judge_not_kind(judge, run, answer, "owner")


@then("a token of kind client comes of the device code, now or at a plain redemption")
def client_token_in_the_end(judge: Judgement, run: Run, device: DeviceAuthorization, answer: Answer) -> None:
    final = answer if answer.status == 200 else device.poll_decided()
    requests.judge_kind(judge, run, final, run.client_kinds)


@then("no client token for the MCP resource comes of it")
def no_client_token(judge: Judgement, run: Run, answer: Answer) -> None:
    for kind in run.client_kinds:
        requests.judge_not_kind(judge, run, answer, kind)


@then(parsers.re(r"the token is of kind (?P<kind>client|owner)"))
def token_is_of_kind(judge: Judgement, run: Run, answer: Answer, kind: str) -> None:
    if answer.member("access_token") is None:
        raise Unmet(f"a token of kind {kind}", answer.summary)
    requests.judge_kind(judge, run, answer, run.client_kinds if kind == "client" else ("owner",))
