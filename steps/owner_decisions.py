"""The owner's decisions by form: whose count, how often, and until when."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import owner_decisions as decisions
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.owner_decisions import Act, Attempt, Race
from pdpp_conformance.run import Run

_KIND = decisions.MCP


@given("both decisions count when the owner makes them by form")
def both_count(run: Run) -> None:
    decisions.prepare(run, _KIND)


@when(
    parsers.re(r"the owner's form to (?P<act>approve|deny) is sent (?P<how>.+)"),
    target_fixture="attempt",
)
def form_is_sent(run: Run, device: DeviceAuthorization, act: Act, how: str) -> Attempt:
    return decisions.attempt(run, device, act, how)


@when("the owner then decides the opposite", target_fixture="outcome")
def owner_decides_opposite(run: Run, attempt: Attempt) -> decisions.Outcome:
    return decisions.decide_opposite(run, attempt)


@then("the client is told what the owner decided")
def told_what_the_owner_decided(judge: Judgement, attempt: Attempt, outcome: decisions.Outcome) -> None:
    decisions.judge_only_the_owner(judge, attempt, outcome)


@when(parsers.re(r"the owner denies (?P<state>an .+)"), target_fixture="device")
def denies_in_state(run: Run, state: str) -> DeviceAuthorization:
    return decisions.deny_in(run, state)


@when("the owner approves it by form, and denies it by pages that were opened before")
def approves_then_denies(run: Run, device: DeviceAuthorization) -> None:
    decisions.decide_twice(run, device, "approve", "deny")


@when("the owner denies it by form, and approves it by pages that were opened before")
def denies_then_approves(run: Run, device: DeviceAuthorization) -> None:
    decisions.decide_twice(run, device, "deny", "approve")


@when("the owner denies it by form, enters its code again and approves it if that is offered")
def denies_and_enters_again(run: Run, device: DeviceAuthorization) -> None:
    decisions.enter_again(run, device, "deny")


@when("the owner approves it by form, the client redeems it, and the owner sends the approval again")
def approves_redeems_approves(run: Run, device: DeviceAuthorization) -> None:
    decisions.decide_twice(run, device, "approve", "approve", redeem=True)


@then(parsers.re(r"the request stays (?P<state>approved|denied)"))
def request_stays(judge: Judgement, device: DeviceAuthorization, state: str) -> None:
    decisions.judge_stays(judge, device, state)


@then("the redeemed request gives nothing more")
def gives_nothing_more(judge: Judgement, device: DeviceAuthorization) -> None:
    decisions.judge_over(judge, device)


@when("the owner approves and denies a request at the same moment, several times over", target_fixture="races")
def approves_and_denies_at_once(run: Run) -> list[Race]:
    return decisions.race(run, _KIND)


@then("each time one decision wins, as its page says")
def one_decision_wins(judge: Judgement, run: Run, races: list[Race]) -> None:
    decisions.judge_races(judge, run, _KIND, races)


@when(
    "the client redeems a request while further approvals of it are on their way, several times over",
    target_fixture="redemptions",
)
def redeems_during_approvals(run: Run) -> list[tuple[str, str]]:
    return decisions.redeem_during_approvals(run, _KIND)


@then("each time the redeemed request gives nothing more")
def one_credential(judge: Judgement, redemptions: list[tuple[str, str]]) -> None:
    decisions.judge_one_credential(judge, redemptions)


@when("the owner enters its code and approves it if that is offered", target_fixture="late")
def enters_expired(run: Run, device: DeviceAuthorization) -> decisions.Late:
    return decisions.approve_expired(run, device)


@when("the owner approves a request on a page that was opened before the request expired", target_fixture="late")
def approves_too_late(run: Run) -> decisions.Late:
    return decisions.approve_too_late(run)


@then("the request stays expired")
def stays_expired(judge: Judgement, run: Run, late: decisions.Late) -> None:
    decisions.judge_expired(judge, run, late)


@when("the owner approves an expired and a denied request on pages that were opened in time", target_fixture="answered")
def approves_expired_and_denied(run: Run) -> decisions.Answered:
    return decisions.decide_two(run)


@when("the owner enters an unknown, an expired and a decided user code", target_fixture="answered")
def enters_three(run: Run, device: DeviceAuthorization) -> decisions.Answered:
    return decisions.enter_three(run, device)


@then("the answers cannot be told apart")
def answers_alike(judge: Judgement, answered: decisions.Answered) -> None:
    decisions.judge_indistinguishable(judge, answered)
