"""The owner's session, and the list of what the owner has granted."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import owner_grants as grants
from pdpp_conformance import owner_sessions as sessions
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run


@when(
    parsers.re(r"the owner's sign-in form is sent with (?P<which>the right|a wrong) password"),
    target_fixture="sign_in_answer",
)
def password_is_sent(run: Run, which: str) -> Answer:
    return sessions.answer_to_password(run, which)


@then("no redirect has the password sent again")
def not_resent(judge: Judgement, sign_in_answer: Answer) -> None:
    sessions.judge_not_resent(judge, sign_in_answer)


@then("a redirect that follows says to fetch another page")
def see_other(judge: Judgement, sign_in_answer: Answer) -> None:
    sessions.judge_see_other(judge, sign_in_answer)


@when(
    parsers.re(r"the owner signs in at a page that was told to go on to (?P<where>.+)"),
    target_fixture="redirects",
)
def signs_in_towards(run: Run, where: str) -> sessions.Redirects:
    return sessions.sign_in_towards(run, where)


@then("no redirect leads there")
def stays_here(judge: Judgement, redirects: sessions.Redirects) -> None:
    sessions.judge_stays_here(judge, redirects)


@then("the cookies of the owner's session have the attributes that protect them")
def cookies_protected(judge: Judgement, run: Run) -> None:
    sessions.judge_cookies(judge, run)


@when("the owner signs in under a session cookie that somebody else has set", target_fixture="planted")
def signs_in_under(run: Run) -> sessions.Planted:
    return sessions.sign_in_under(run)


@then("the session after signing in is a new one")
def session_is_new(judge: Judgement, run: Run, planted: sessions.Planted) -> None:
    sessions.judge_renewed(judge, run, planted)


@when("the owner signs out", target_fixture="left_cookies")
def signs_out(run: Run) -> sessions.Cookies:
    return sessions.signed_out(run)


@then("the session has ended on the server")
def session_ended(judge: Judgement, run: Run, left_cookies: sessions.Cookies) -> None:
    sessions.judge_ended(judge, run, left_cookies)


@given("a grant whose token works", target_fixture="grant")
def a_working_grant(run: Run) -> grants.Granted:
    return grants.granted(run)


@when("the owner looks for the grant in the list of grants", target_fixture="listed")
def looks_for_grant(run: Run) -> grants.Listed:
    return grants.listed_while_good(run)


@then("the grant is listed with a way to revoke it")
def grant_is_listed(judge: Judgement, listed: grants.Listed) -> None:
    grants.judge_listed(judge, listed)


@when("the owner revokes the grant in the list of grants")
def revokes_grant(run: Run) -> None:
    grants.revoke(run)


@then("the list of grants does not offer to revoke it any more")
def not_offered_again(judge: Judgement, run: Run, grant: grants.Granted) -> None:
    grants.judge_not_offered(judge, run, grant)


@then(parsers.re(r"(?P<what>the (?:access|refresh) token.*) is worth nothing any more"))
def token_is_worthless(judge: Judgement, run: Run, grant: grants.Granted, what: str) -> None:
    grants.judge_dead(judge, run, grant, what)
