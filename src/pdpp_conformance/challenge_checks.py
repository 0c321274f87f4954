"""Challenges of the MCP resource, judged by what they tell a client (RFC 6750 §3, RFC 9728 §5.1, MCP Authorization)."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pdpp_conformance.challenges import Challenge, MalformedChallenge, parse_challenges
from pdpp_conformance.discovery import well_known
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import STATELESS_REVISION
from pdpp_conformance.mcp_requests import speaks
from pdpp_conformance.oauth_client import TokenResponse, read_token_response
from pdpp_conformance.run import Run
from pdpp_conformance.scope_checks import scopes_of
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

OFFLINE_ACCESS = "offline_access"
CALL = {"name": "schema", "arguments": {}}
"""The tool call that scopes are asked for; it takes no arguments."""

_VISIBLE = frozenset(string.printable) - frozenset(string.whitespace)
_NQCHAR = _VISIBLE - frozenset('"\\')
_NQSCHAR = _NQCHAR | {" "}

_ALLOWED: Mapping[str, frozenset[str]] = {
    "scope": _NQSCHAR,
    "error": _NQSCHAR,
    "error_description": _NQSCHAR,
    "error_uri": _NQCHAR,
}
"""RFC 6750 §3: the characters of each attribute's value; a scope's spaces part its tokens."""

_ONCE = ("realm", *_ALLOWED)


def bearer_challenges(answer: Answer) -> list[Challenge]:
    """Return an answer's challenges of the scheme ``Bearer``.

    Raises:
        Unmet: what stands in ``WWW-Authenticate`` does not follow the grammar.
    """
    fields = answer.headers("www-authenticate")
    try:
        return [challenge for challenge in parse_challenges(fields) if challenge.is_of("bearer")]
    except MalformedChallenge as problem:
        raise Unmet("a challenge as RFC 9110 §11 has it", f"{problem}: {', '.join(fields)[:200]}") from None


def errors_of(answer: Answer) -> list[str]:
    """Return each ``error`` that an answer's challenges name."""
    return [error for challenge in bearer_challenges(answer) for error in challenge.all("error")]


def scopes_named(answer: Answer) -> set[str]:
    """Return the scopes that an answer's challenges name."""
    named = [scope for challenge in bearer_challenges(answer) for scope in challenge.all("scope")]
    return {scope for one in named for scope in one.split(" ") if scope}


def _first(answer: Answer, parameter: str) -> str | None:
    return next((value for challenge in bearer_challenges(answer) for value in challenge.all(parameter)), None)


def _told(answer: Answer) -> str:
    return f"{answer.summary}, WWW-Authenticate: {(answer.header('www-authenticate') or 'absent')[:200]}"


def require_challenge(answer: Answer, statuses: Sequence[int] = (400, 401, 403)) -> None:
    """Go on only with an answer that carries a Bearer challenge.

    Raises:
        Blocked: there is none to look at.
    """
    if answer.status not in statuses or not bearer_challenges(answer):
        raise Blocked(
            f"there is no challenge to look at: {_told(answer)}",
            unblock="a refusal with a Bearer challenge; see RSC-01 and RSC-02",
        )


def require_unauthorized(answer: Answer) -> None:
    """Go on only with a 401.

    Raises:
        Blocked: it is another answer.
    """
    if answer.status != 401:
        raise Blocked(f"it was answered {answer.summary}", unblock="a refusal with 401; see the rows on tokens")


# -- every challenge ---------------------------------------------------------------------------------------------------


def judge_bearer_challenge(judge: Judgement, answer: Answer) -> None:
    """RFC 6750 §3: ``WWW-Authenticate: Bearer`` with at least one parameter."""
    require_unauthorized(answer)
    met = any(challenge.parameters for challenge in bearer_challenges(answer))
    judge.that(met, "a Bearer challenge with at least one parameter", _told(answer))


def judge_each_once(judge: Judgement, answer: Answer) -> None:
    """RFC 6750 §3: no attribute twice, and each of the characters it may have."""
    require_challenge(answer)
    for challenge in bearer_challenges(answer):
        twice = [name for name in _ONCE if len(challenge.all(name)) > 1]
        judge.that(not twice, "each attribute once at most", f"twice: {', '.join(twice) or 'none'}")
        wrong = [
            name for name, allowed in _ALLOWED.items() for value in challenge.all(name) if not set(value) <= allowed
        ]
        scope = challenge.get("scope")
        if scope is not None and "" in scope.split(" "):
            wrong.append("scope")
        judge.that(not wrong, "values of the characters they may have", f"not so: {', '.join(wrong) or 'none'}")


def judge_points_to_metadata(judge: Judgement, run: Run, answer: Answer) -> None:
    """RFC 9728 §5.1: the 401 names a URL that leads to this resource's metadata.

    Left out where the well-known location serves that, it is WARN at most: MCP's clients look there, too.
    """
    named = _first(answer, "resource_metadata")
    judge.that(answer.status == 401, "401 with a challenge", _told(answer))
    expected = "resource_metadata in the challenge"
    if named is None:
        url = well_known(run.discovery.mcp_resource, "oauth-protected-resource")
        judge.that(_is_own_metadata(run, url), expected, f"{_told(answer)}, and no metadata at the well-known location")
        judge.at_most_warn(False, expected, _told(answer))
    assert named is not None
    absolute = urlsplit(named).scheme in ("http", "https") and bool(urlsplit(named).netloc)
    judge.that(absolute, "an absolute URL", named[:200])
    judge.that(_is_own_metadata(run, named), f"metadata of {run.discovery.mcp_resource}", f"none at {named[:200]}")


def _is_own_metadata(run: Run, url: str) -> bool:
    document = run.recorder.send("GET", url, actor="a client")
    return document.status == 200 and document.member("resource") == run.discovery.mcp_resource


# -- what is wrong with the token --------------------------------------------------------------------------------------


def judge_no_error(judge: Judgement, answer: Answer) -> None:
    """RFC 6750 §3.1: who sent no token is told of no error."""
    require_challenge(answer)
    errors = errors_of(answer)
    judge.that(not errors, "a challenge without error", f"error {', '.join(errors) or 'absent'}")


def judge_invalid_token(judge: Judgement, answer: Answer) -> None:
    """RFC 6750 §3.1: ``error="invalid_token"``.

    Raises:
        NotApplicable: the token was not refused with 401.
    """
    if answer.status != 401:
        raise NotApplicable(f"it was answered {answer.summary}, and this is about the 401")
    errors = errors_of(answer)
    judge.that("invalid_token" in errors, 'error="invalid_token"', _told(answer))


# -- scopes ------------------------------------------------------------------------------------------------------------


def judge_names_scope(judge: Judgement, run: Run, answer: Answer) -> None:
    """MCP, Scope Selection: the scopes that are needed, none of them one that only the refused owner token has."""
    require_unauthorized(answer)
    named = scopes_named(answer)
    judge.that(bool(named), "scope in the challenge", _told(answer))
    useless = named & (scopes_of(run, run.owner_token()) - scopes_of(run, run.client_token()))
    judge.that(
        not useless, "scopes that a client token can have", f"only an owner's: {', '.join(sorted(useless)) or 'none'}"
    )


def judge_no_offline_access(judge: Judgement, run: Run, answer: Answer) -> None:
    """MCP 2026-07-28, Refresh Tokens: ``offline_access`` is no scope of a resource.

    Raises:
        NotApplicable: it is named by a server that speaks no revision with this rule.
    """
    require_challenge(answer)
    named = scopes_named(answer)
    if OFFLINE_ACCESS in named and not speaks(run, STATELESS_REVISION):
        raise NotApplicable(f"the MCP resource does not speak MCP {STATELESS_REVISION}, which has this rule")
    judge.that(OFFLINE_ACCESS not in named, "a challenge without offline_access", _told(answer))


def call_with_too_little(run: Run) -> Answer:
    """Call a tool with a token that is in force and lacks a scope that client tokens have: the owner's.

    Raises:
        NotApplicable: it lacks none, or nothing tells the scopes.
    """
    lacking = scopes_of(run, run.client_token()) - scopes_of(run, run.owner_token())
    if not lacking:
        raise NotApplicable("no token is known that lacks a scope: nothing tells one that client tokens alone have")
    return run.mcp(run.owner_token().access_token, actor="the owner agent").request("tools/call", CALL)


def judge_insufficient_scope(judge: Judgement, answer: Answer) -> None:
    """RFC 6750 §3.1; MCP, Scope Challenge Handling: 403, and a challenge that says what is missing, and where to go."""
    told = {
        'error="insufficient_scope"': "insufficient_scope" in errors_of(answer),
        "scope": bool(scopes_named(answer)),
        "resource_metadata": _first(answer, "resource_metadata") is not None,
    }
    met = answer.status == 403 and all(told.values())
    missing = [name for name, stands in told.items() if not stands]
    observed = f"{answer.summary}, {', '.join(missing)} missing" if missing else answer.summary
    judge.that(met, f"403 with {', '.join(told)}", observed)


def judge_says_why(judge: Judgement, answer: Answer) -> None:
    """RFC 6750 §3.1: a token that reaches too little is 403 ``insufficient_scope``, one that is for others 401."""
    expected = {403: "insufficient_scope", 401: "invalid_token"}.get(answer.status)
    met = expected is not None and errors_of(answer) == [expected]
    judge.that(met, f'401 or 403 with error="{expected or "insufficient_scope"}" in the challenge', _told(answer))


def judge_metadata_on_403(judge: Judgement, answer: Answer) -> None:
    """MCP, Scope Challenge Handling: ``resource_metadata`` as on a 401.

    Raises:
        Blocked: it is no 403.
    """
    if answer.status != 403:
        raise Blocked(f"it was answered {answer.summary}", unblock="a refusal with 403; see RSC-11")
    judge.that(_first(answer, "resource_metadata") is not None, "resource_metadata in the challenge", _told(answer))


def judge_one_step(judge: Judgement, run: Run, answer: Answer) -> None:
    """MCP, Scope Challenge Handling: with the scopes that one challenge names the same call needs no others.

    Raises:
        Blocked: the challenge names none.
    """
    named = scopes_named(answer)
    if not named:
        raise Blocked("the challenge names no scope", unblock="a challenge with scope; see RSC-04 and RSC-11")
    token = run.client_token()
    if not scopes_of(run, token) <= named:
        token = _token_with(run, named)
    again = run.mcp(token.access_token, actor="a client").request("tools/call", CALL)
    more = scopes_named(again) - named if again.status in (401, 403) else set()
    judge.that(
        not more,
        f"{' '.join(sorted(named))} to be all that the call needs",
        f"{again.summary}, and the next challenge asks for {' '.join(sorted(more)) or 'nothing'} besides",
    )


def _token_with(run: Run, scopes: set[str]) -> TokenResponse:
    client = run.client()
    parameters = {
        **client.request_parameters("grant_scoped_mcp", run.one_stream()),
        "scope": " ".join(sorted(scopes)),
    }
    requested_at = run.waiting.now()
    device = client.read(client.ask(parameters.items()), "grant_scoped_mcp", requested_at)
    return read_token_response(run.approved(device).poll())
