"""Setup clients, started as a person starts them, at servers that go by a script."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import setup_at_target_checks as at_target
from pdpp_conformance import setup_client_checks as checks
from pdpp_conformance.client_bench.bench import Played
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.setup_at_target import Asking, Ended, set_up


@given("the setup client comes by a credential where nothing is odd")
def connects(run: Run) -> None:
    checks.require_connected(checks.played(run, checks.PLAIN))


@when(parsers.re(r"the setup client meets (?P<play>.+)"), target_fixture="play")
def meets(run: Run, play: str) -> Played:
    return checks.played(run, play)


@then("it has come by its credential")
def connected(judge: Judgement, play: Played) -> None:
    checks.judge_connected(judge, play)


@then(parsers.parse("it lets at least {seconds:d} s pass between two polls"))
def interval_kept(judge: Judgement, play: Played, seconds: int) -> None:
    checks.judge_interval(judge, play, seconds)


@then(parsers.parse("each slow_down lengthens every later wait by {seconds:d} s"))
def slowed_down(judge: Judgement, play: Played, seconds: int) -> None:
    checks.judge_slow_down(judge, play, seconds)


@then("it does not poll again")
def stops(judge: Judgement, play: Played) -> None:
    checks.judge_stops(judge, play)


@then("it says so, and ends")
def tells_refusal(judge: Judgement, play: Played) -> None:
    checks.judge_tells_refusal(judge, play)


@then("it waits longer than the interval after each lost connection")
def backs_off(judge: Judgement, play: Played) -> None:
    checks.judge_backs_off(judge, play)


@then("it has asked for codes once")
def no_restart(judge: Judgement, play: Played) -> None:
    checks.judge_no_restart(judge, play)


@then(parsers.parse("it has looked for {kind} metadata in the order {order}"))
def looked_in_order(judge: Judgement, play: Played, kind: str, order: str) -> None:
    checks.judge_order(judge, play, f"{kind} metadata", order.split(", "))


@then("it has asked the authorization server that the resource names")
def right_server(judge: Judgement, play: Played) -> None:
    checks.judge_right_server(judge, play)


@then("it has asked nothing of the authorization server, and has ended")
def unusable(judge: Judgement, play: Played) -> None:
    checks.judge_unusable(judge, play)


@then("it has told the server nothing, and has ended")
def untouched(judge: Judgement, play: Played) -> None:
    checks.judge_untouched(judge, play)


@then("it has named the resource in both kinds of request")
def resource_named(judge: Judgement, play: Played) -> None:
    checks.judge_resource(judge, play)


@then("it has sent its token in the header of each request, and in no URL")
def bearer_in_header(judge: Judgement, play: Played) -> None:
    checks.judge_bearer(judge, play)


@then("it has shown no server what another one issued")
def kept_apart(judge: Judgement, play: Played) -> None:
    checks.judge_token_kept_apart(judge, play)


@then("it has used nothing of the old issuer's at the new one")
def keyed_by_issuer(judge: Judgement, play: Played) -> None:
    checks.judge_keyed_by_issuer(judge, play)


@then(parsers.parse("it has asked again, for the scopes {one} and {other}"))
def stepped_up(judge: Judgement, play: Played, one: str, other: str) -> None:
    checks.judge_step_up(judge, play, [one, other])


@then("it has asked a few times at most, and has ended")
def bounded_step_up(judge: Judgement, play: Played) -> None:
    checks.judge_bounded_step_up(judge, play)


@then("the user code and the verification URI are displayed")
def shows_codes(judge: Judgement, play: Played) -> None:
    checks.judge_shows_codes(judge, play)


@then("it has opened and shown no URL that is no web page")
def opens_no_other(judge: Judgement, play: Played) -> None:
    checks.judge_opens_no_other(judge, play)


@then("no shell has run what stands in it")
def no_shell(judge: Judgement, play: Played) -> None:
    checks.judge_no_shell(judge, play)


@then("it has shown the verification URL, the user code, the expiry and the state of polling")
def shows_progress(judge: Judgement, play: Played) -> None:
    checks.judge_shows_progress(judge, play)


@then("it has shown how to try again")
def recovery(judge: Judgement, play: Played) -> None:
    checks.judge_recovery(judge, play)


@then("it has recommended a client with a browser, and has ended")
def guided(judge: Judgement, play: Played) -> None:
    checks.judge_no_device_guidance(judge, play)


@then("it has asked for no owner's token")
def no_owner_fallback(judge: Judgement, play: Played) -> None:
    checks.judge_no_owner_fallback(judge, play)


@then("it has ended by itself, without success")
def ends(judge: Judgement, play: Played) -> None:
    checks.judge_ends(judge, play)


@then("the verification URL stands in what it says")
def copyable_url(judge: Judgement, play: Played) -> None:
    checks.judge_copyable_url(judge, play)


@then("neither a token nor a device code was ever on its screen")
def no_secret_shown(judge: Judgement, play: Played) -> None:
    checks.judge_shows_no_secret(judge, play)


# -- at the deployment itself ------------------------------------------------------------------------------------------


@when("a person starts the setup client at the deployment, in a terminal", target_fixture="asking")
def starts(run: Run) -> Asking:
    return set_up(run).asking


@then("the screen shows the verification URL, the user code, the expiry and that it is waited for")
def asks(judge: Judgement, asking: Asking) -> None:
    at_target.judge_asks(judge, asking)


@given("a setup client that a person has started at the deployment, in a terminal")
def started(run: Run) -> None:
    set_up(run)


@when("the owner approves with the address and the code that stand on its screen", target_fixture="ended")
def approves(run: Run) -> Ended:
    return set_up(run).approved()


@then("the client has ended, connected")
def connected_here(judge: Judgement, ended: Ended) -> None:
    at_target.judge_connected(judge, ended)


@then("its screen names every stream that was granted")
def tells_access(judge: Judgement, run: Run, ended: Ended) -> None:
    at_target.judge_tells_access(judge, run, ended)


@then("its screen names the file of the credential, which nobody else may read")
def tells_place(judge: Judgement, ended: Ended) -> None:
    at_target.judge_tells_place(judge, ended)


@then("no token of the credential was ever on its screen")
def no_token_shown(judge: Judgement, ended: Ended) -> None:
    at_target.judge_shows_no_token(judge, ended)
