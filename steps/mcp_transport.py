"""The transport of the MCP resource: sessions, pages of other origins, revisions (MCP, Streamable HTTP)."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from pdpp_conformance import transport_checks as checks
from pdpp_conformance.bearer_checks import judge_served_as_before
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.presented import Presented
from pdpp_conformance.run import Run


@when(
    parsers.re(r"a request without a token follows one that was served, (?P<how>.+)"),
    target_fixture="presented",
)
def follows(run: Run, how: str) -> Presented:
    return Presented(f"a request without a token, {how}", checks.ask_later(run, how))


@when("a client opens sessions, one after the other", target_fixture="session_ids")
def opens_sessions(run: Run) -> list[str]:
    return checks.session_ids(run)


@when("another client goes on in a client's session", target_fixture="session_answer")
def takes_over(run: Run) -> Answer:
    return checks.take_over(run)


@when(parsers.re(r"a page of (?P<origin>.+) presents a live token at the MCP resource"), target_fixture="origin_answer")
def page_presents(run: Run, origin: str) -> Answer:
    return checks.ask_from(run, origin)


@when(parsers.re(r"a client says that its request is of (?P<revision>.+)"), target_fixture="claimed")
def claims_revision(run: Run, revision: str) -> list[checks.Claimed]:
    return checks.ask_in_revision(run, revision)


@when(
    parsers.re(r"the header of a client's request contradicts its body in (?P<what>.+)"),
    target_fixture="mismatch_answer",
)
def contradicts(run: Run, what: str) -> Answer:
    return checks.disagreeing(run, what)


@then("their ids all differ and are no guess")
def unguessable(judge: Judgement, session_ids: list[str]) -> None:
    checks.judge_unguessable(judge, session_ids)


@then("the session is not served to the other client")
def not_taken_over(judge: Judgement, session_answer: Answer) -> None:
    checks.judge_not_taken_over(judge, session_answer)


@then("it is refused with 403, and the client token is served as before")
def origin_refused(judge: Judgement, run: Run, origin_answer: Answer) -> None:
    checks.judge_origin_refused(judge, origin_answer)
    judge_served_as_before(judge, run)


@then("the page is served")
def page_served(judge: Judgement, origin_answer: Answer) -> None:
    checks.judge_own_origin_served(judge, origin_answer)


@then("it is refused as a bad request, and the client token is served as before")
def revision_refused(judge: Judgement, run: Run, claimed: list[checks.Claimed]) -> None:
    checks.judge_revision_refused(judge, claimed)
    judge_served_as_before(judge, run)


@then("it is refused for the contradiction, and the client token is served as before")
def contradiction_refused(judge: Judgement, run: Run, mismatch_answer: Answer) -> None:
    checks.judge_mismatch(judge, mismatch_answer)
    judge_served_as_before(judge, run)
