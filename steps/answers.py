"""What an answer says: refusals by their error code, schemas, caching."""

from __future__ import annotations

from typing import Any

from pytest_bdd import parsers, then

from pdpp_conformance import answer_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement


@then(parsers.re(r"it is refused with (?P<codes>[a-z_]+(?: or [a-z_]+)*)"))
@then(parsers.re(r"it is told (?P<codes>[a-z_]+)"))
def refused_with(judge: Judgement, request: Any, codes: str) -> None:
    checks.judge_refusal(judge, checks.answer_of(request), codes.split(" or "))


@then(parsers.re(r"it is refused with (?P<code>[a-z_]+), (?P<other>[a-z_]+) being permitted"))
def refused_or_permitted(judge: Judgement, answer: Answer, code: str, other: str) -> None:
    checks.judge_refusal(judge, answer, [code, other])
    judge.remark(answer.error == code, code, answer.summary)


@then(parsers.re(r"it is refused with (?P<code>[a-z_]+) both times"))
def refused_both_times(judge: Judgement, answers: list[Answer], code: str) -> None:
    for answer in answers:
        checks.judge_refusal(judge, answer, [code])


@then("it is refused as an unknown client")
def refused_as_unknown(judge: Judgement, answer: Answer) -> None:
    checks.judge_refusal(judge, answer, ["invalid_client"])


@then("there is no token in the answer")
def no_token(judge: Judgement, request: Any) -> None:
    judge.no_bearer(checks.answer_of(request))


@then("the answer is 200 as JSON")
def answer_is_json(judge: Judgement, request: Any) -> None:
    checks.judge_ok_json(judge, checks.answer_of(request))


@then(parsers.parse("the answer fits the schema of a {what}"))
def answer_fits_schema(judge: Judgement, request: Any, what: str) -> None:
    checks.judge_schema(judge, checks.answer_of(request), what)


@then("the answer may not be stored by a cache")
def answer_not_stored(judge: Judgement, request: Any) -> None:
    checks.judge_no_store(judge, checks.answer_of(request))


@then("the answer is 200 with an access token")
def answer_with_token(judge: Judgement, answer: Answer) -> None:
    judge.that(answer.status == 200 and bool(answer.member("access_token")), "200 with an access token", answer.summary)
