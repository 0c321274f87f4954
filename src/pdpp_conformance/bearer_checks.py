"""Access tokens at the MCP resource, judged: which are served, and how the rest is refused (RFC 6750, OAuth 2.1 §5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pdpp_conformance.challenge_checks import errors_of
from pdpp_conformance.ended_tokens import REVOKED, Expired, Revoked
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import message_of
from pdpp_conformance.mcp_requests import ask, bearer, is_served
from pdpp_conformance.presented import Presented, bearer_in
from pdpp_conformance.reading import Reader, distinctive_values, records_of, told
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Unmet

_CODE_OF = {401: "authentication_error", 403: "permission_error"}
"""What a refusal calls itself in its body, by its status."""

_REVOKED_CODE = "grant_revoked"
"""What a server may call it that answers 403 to a token whose grant was revoked."""


def judge_unauthorized(judge: Judgement, presented: Presented) -> None:
    """401, and no result."""
    judge.that(presented.answer.status == 401, f"401 for {presented.what}", presented.answer.summary)


def judge_malformed(judge: Judgement, presented: Presented) -> None:
    """401; 400 is permitted where the token breaks the very syntax of the header (RFC 6750 §3.1), and remarked on."""
    status = presented.answer.status
    judge.that(status in (400, 401), f"401 for {presented.what}", presented.answer.summary)
    judge.remark(status == 401, f"401 for {presented.what}", presented.answer.summary)


def judge_none_served(judge: Judgement, answers: Sequence[Answer]) -> None:
    """401 each time."""
    others = sorted({answer.summary for answer in answers if answer.status != 401})
    judge.that(not others, f"401 for {len(answers)} variations", ", ".join(others) or f"{len(answers)} times 401")


def judge_served(judge: Judgement, presented: Presented) -> None:
    """The request was served."""
    judge.that(is_served(presented.answer), "a result", presented.answer.summary)


def judge_served_as_before(judge: Judgement, run: Run) -> None:
    """What was refused changed nothing for the client token."""
    answer = ask(run, bearer(run.client_token().access_token), actor="a client")
    judge.that(is_served(answer), "the client token served afterwards", answer.summary)


def judge_refused(judge: Judgement, presented: Presented) -> None:
    """401 or 403."""
    judge.that(presented.answer.status in (401, 403), f"401 or 403 for {presented.what}", presented.answer.summary)


def judge_query_ignored(judge: Judgement, presented: Presented) -> None:
    """The token in the header alone decides; to refuse the two of them together goes beyond the rule, and is told."""
    answer = presented.answer
    judge.at_most_warn(is_served(answer), "a result, as without the token in the query", answer.summary)


def judge_not_twice(judge: Judgement, presented: Presented) -> None:
    """400 ``invalid_request``; another refusal is permitted, and remarked on."""
    answer = presented.answer
    judge.that(400 <= answer.status < 500, "400 invalid_request", answer.summary)
    named = {answer.error, _nested(answer, "code"), *errors_of(answer)}
    judge.remark(answer.status == 400 and "invalid_request" in named, "400 invalid_request", answer.summary)


def judge_form_not_taken(judge: Judgement, presented: Presented) -> None:
    """401; a server that refuses the form itself, whatever stands in it, need not look for a token."""
    answer = presented.answer
    judge.that(answer.status in (400, 401, 406, 415), "401", answer.summary)
    judge.remark(answer.status == 401, "401", answer.summary)


def _nested(answer: Answer, member: str) -> Any:
    error = answer.member("error")
    return error.get(member) if isinstance(error, dict) else None


def judge_expired(judge: Judgement, aged: Expired) -> None:
    """401 with ``error="invalid_token"``, so that the client knows to refresh (OAuth 2.1 §5.2)."""
    judge.rests_on(aged.served, aged.answer)
    _judge_invalid_token(judge, aged.answer)


def judge_revoked(judge: Judgement, gone: Revoked) -> None:
    """401 with ``error="invalid_token"``, at once; a bare 403 is worse than that, and better than being served."""
    answer = gone.answer
    judge.rests_on(gone.served, answer)
    if gone.delay_s:
        judge.note(f"the resource server, on an origin of its own, learned of a revocation after {gone.delay_s:.0f} s")
    if answer.status == 403:
        judge.at_most_warn(False, '401 with error="invalid_token"', answer.summary)
    _judge_invalid_token(judge, answer)


def _judge_invalid_token(judge: Judgement, answer: Answer) -> None:
    errors = errors_of(answer)
    judge.that(
        answer.status == 401 and "invalid_token" in errors,
        '401 with error="invalid_token"',
        f"{answer.summary}, error {', '.join(errors) or 'absent'}",
    )


# -- what a refusal tells ----------------------------------------------------------------------------------------------


def require_readable(run: Run) -> set[str]:
    """The positive control: return recognizable values that a client token reads, so that they would be seen elsewhere.

    Raises:
        Blocked: it reads none.
    """
    return run.once("values that a client token reads", lambda: _readable(run))


def _readable(run: Run) -> set[str]:
    stream = run.offer().first_stream()[1].name
    reader = Reader(run.mcp(run.client_token().access_token, actor="a client"))
    try:
        values = distinctive_values(records_of(reader.query(stream)))
    except Unmet as problem:
        raise Blocked(str(problem), unblock="an MCP resource that serves a client token its records") from None
    if not values:
        raise Blocked("no record of the granted stream has a value that could be recognized", unblock="such a stream")
    return values


def read_with(run: Run, what: str) -> Presented:
    """Ask for the records that a client token reads, with something else.

    Raises:
        Blocked: they are served.
    """
    held = bearer_in(what, run)
    stream = run.offer().first_stream()[1].name
    arguments = Reader(run.mcp(run.client_token().access_token, actor="a client")).query_arguments(stream)
    call = {"name": "query_records", "arguments": arguments}
    answer = run.mcp(held, actor="a bearer").request("tools/call", call)
    if is_served(answer):
        raise Blocked(
            f"the MCP resource serves {what}", unblock="an MCP resource that refuses it; see the rows on tokens"
        )
    return Presented(what, answer)


def judge_code_fits_status(judge: Judgement, presented: Presented) -> None:
    """``authentication_error`` with 401, ``permission_error`` with 403 (PDPP wire contract §7).

    That a revoked token gets 403 is RSC-08's to judge; there the code may tell what became of the grant.

    Raises:
        Blocked: the answer is another, which other requirements judge.
    """
    answer = _require_refused(presented)
    expected, code = _CODE_OF[answer.status], _nested(answer, "code")
    tells_more = answer.status == 403 and presented.what in REVOKED and code == _REVOKED_CODE
    judge.that(tells_more or code == expected, f"error.code {expected} with {answer.status}", f"{code!r:.80}")


def judge_names_next_step(judge: Judgement, presented: Presented) -> None:
    """``error.next_step``, a sentence (PDPP wire contract §7).

    Raises:
        Blocked: the answer is no refusal, which other requirements judge.
    """
    step = _nested(_require_refused(presented), "next_step")
    judge.that(isinstance(step, str) and bool(step.strip()), "a sentence as error.next_step", f"{step!r:.80}")


def _require_refused(presented: Presented) -> Answer:
    answer = presented.answer
    if answer.status not in _CODE_OF:
        raise Blocked(f"{presented.what} was answered {answer.summary}", unblock="an MCP resource that refuses it")
    return answer


def judge_tells_nothing(judge: Judgement, run: Run, presented: Presented) -> None:
    """Neither the body nor a header of the refusal holds a result, or a value that was granted to somebody."""
    answer = presented.answer
    whole = "\n".join(
        [answer.exchange.response_body or "", *(f"{name}: {value}" for name, value in answer.exchange.response_headers)]
    )
    leaked = told(whole, require_readable(run))
    judge.that(not leaked, "nothing of the owner told", f"{len(leaked)} of the owner's values in the refusal")
    try:
        result = message_of(answer).get("result")
    except Unmet:
        result = None
    judge.that(result is None, "a refusal without a result", "a result" if result is not None else "none")
