"""Others than the owner: forged forms, other origins, other sessions, frames and markup."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import forgery
from pdpp_conformance.forgery import Besieged
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.run import Run


@given("the owner has its decision page open, and so has another session of the owner", target_fixture="besieged")
def open_in_two_sessions(run: Run, device: DeviceAuthorization) -> Besieged:
    return forgery.besiege(run, device)


@given("the owner has its decision page open", target_fixture="besieged")
def open_in_one_session(run: Run, device: DeviceAuthorization) -> Besieged:
    return forgery.besiege(run, device, in_two_sessions=False)


@when(parsers.re(r"approval and denial are sent in the owner's session with (?P<token>.+)"))
def sent_with(run: Run, besieged: Besieged, token: str) -> None:
    forgery.send_with(run, besieged, token)


@when("another session of the owner, which never entered the code, sends the same forms")
def sent_from_elsewhere(run: Run, besieged: Besieged) -> None:
    forgery.send_from_elsewhere(run, besieged)


@when(parsers.re(r"pages of other origins in the owner's browser post approval and denial as (?P<kind>.+)"))
def posted_from_other_origins(run: Run, besieged: Besieged, kind: str) -> None:
    forgery.post_from_other_origins(run, besieged, kind)


@when(parsers.re(r"scripts of other origins in the owner's browser send approval and denial as (?P<kind>.+)"))
def sent_by_scripts(run: Run, besieged: Besieged, kind: str) -> None:
    forgery.script_from_other_origins(run, besieged, kind)


@then("the request is still pending, and the owner can still decide it on the page")
def nothing_decided(judge: Judgement, run: Run, besieged: Besieged) -> None:
    forgery.judge_nothing_decided(judge, run, besieged)
