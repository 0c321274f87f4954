"""User codes: typed as people type, and guessed as attackers do."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from pdpp_conformance import guessing, user_code_entry
from pdpp_conformance.guessing import Guessed
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.run import Run
from pdpp_conformance.visitor import Visit


@when(parsers.re(r"the owner enters its code (?P<spelling>with.+|in .+)"), target_fixture="visit")
def enters_spelled(run: Run, device: DeviceAuthorization, spelling: str) -> Visit:
    return user_code_entry.enter_as(run, device, spelling)


@then("the decision page opens")
def decision_page_opens(judge: Judgement, run: Run, visit: Visit) -> None:
    user_code_entry.judge_led_to_decision(judge, run, visit)


@when("wrong user codes are entered, each over a connection of its own", target_fixture="guessed")
def guesses_codes(run: Run) -> Guessed:
    return guessing.guess_codes(run)


@when("wrong user codes are entered, with a right one after every second", target_fixture="guessed")
def guesses_codes_with_right_ones(run: Run) -> Guessed:
    return guessing.guess_codes(run, right_between=True)


@when("wrong passwords are sent one after the other", target_fixture="guessed")
def guesses_passwords(run: Run) -> Guessed:
    return guessing.guess_passwords(run)


@then("a limit takes effect that refuses the right value too")
def limited(judge: Judgement, guessed: Guessed) -> None:
    guessing.judge_limited(judge, guessed)


@then("the limit ends after a while")
def limit_ends(judge: Judgement, run: Run, guessed: Guessed) -> None:
    guessing.judge_ends(judge, run, guessed)
