"""Introspection, judged: who may ask, how, and what is told of tokens, good ones and others (RFC 7662)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pdpp_conformance import drawing
from pdpp_conformance.ended_tokens import Ageing, ageing
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.metadata_checks import secure_url
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.revocation_checks import Held, holding, require_revoked, revoke_grant
from pdpp_conformance.run import EXPIRY_MARGIN_SECONDS, Run, begins_early
from pdpp_conformance.surface_checks import use_at_mcp
from pdpp_conformance.variations import one_letter_changed
from pdpp_conformance.verdict import Blocked, NotApplicable

Parameters = list[tuple[str, str]]


def ask(run: Run, parameters: Parameters, *, actor: str = "the resource server", as_itself: bool = True) -> Answer:
    """Send an introspection request with just these parameters.

    Args:
        as_itself: with the resource server's credentials.

    Raises:
        Blocked: there are none, or no endpoint.
    """
    basic = _credentials(run) if as_itself else None
    return run.recorder.send("POST", _endpoint(run), actor=actor, form=parameters, basic=basic)


def _endpoint(run: Run) -> str:
    return run.client().endpoint("introspection_endpoint")


def _credentials(run: Run) -> tuple[str, str]:
    held = run.target.introspection
    if held is None:
        raise Blocked(
            "introspection needs the resource server's credentials",
            unblock="PDPP_INTROSPECTION_CLIENT_ID and PDPP_INTROSPECTION_CLIENT_SECRET",
        )
    return held.identifier, held.secret


def require_active(run: Run, token: TokenResponse) -> None:
    """The positive control: introspection calls a working token active.

    Raises:
        Blocked: it does not.
    """
    answer = run.introspect(token.access_token)
    if answer.member("active") is not True:
        raise Blocked(
            f"a fresh client token introspects as active {answer.member('active')} ({answer.summary})",
            unblock="an introspection endpoint that knows the deployment's tokens",
        )


def ask_with_get(run: Run) -> Answer:
    """Ask with GET, about a token that nobody issued: a real one would be told in a URL."""
    url = f"{_endpoint(run)}?token={drawing.token_urlsafe(16)}"
    return run.recorder.send("GET", url, actor="the resource server", basic=_credentials(run))


def ask_as(run: Run, who: str, token: TokenResponse) -> Answer:
    """Ask about a working token as somebody who may not."""
    parameters = [("token", token.access_token)]
    if who == "without credentials":
        return ask(run, parameters, actor=who, as_itself=False)
    if who == "with a client's access token as its only credential":
        return run.recorder.send("POST", _endpoint(run), actor=who, form=parameters, bearer=token.access_token)
    identifier = run.target.introspection.identifier if run.target.introspection else "conformance"
    wrong = (identifier, drawing.token_urlsafe(24))
    if who == "by a name that nobody has":
        wrong = (f"nobody-{drawing.token_hex(8)}", drawing.token_urlsafe(24))
    return run.recorder.send("POST", _endpoint(run), actor=who, form=parameters, basic=wrong)


def _revoked(run: Run) -> str:
    held = holding(run, "access token")
    require_revoked(run, held)
    return held.secret


def _changed(run: Run) -> str:
    return one_letter_changed(run.client_token().access_token)


@begins_early("INT-04", "INT-05", "INT-06")
def ageing_active(run: Run) -> Ageing:
    """Return a token that introspected as active early, so that it has expired when others are judged.

    Where there is an MCP resource it was served there too.
    """
    return run.once("an introspected access token that ages", lambda: _ageing_active(run))


def _ageing_active(run: Run) -> Ageing:
    try:
        active: Ageing = ageing(run)
    except NotApplicable:  # nothing to use it at, which introspection has no need of
        token = run.granted(run.one_stream(), run.client_of_its_own("a token that ages"))
        active = Ageing(token, run.waiting.now() + token.lifetime)
    require_active(run, active.token)
    return active


def ageing_at_work(run: Run) -> TokenResponse:
    """Return a token that the MCP resource served and introspection called active, early in the run."""
    ageing(run)
    return ageing_active(run).token


def outlive(run: Run) -> TokenResponse:
    """Return the token that ages, once its time is over.

    Raises:
        Blocked: the run may not wait that long.
    """
    active = ageing_active(run)
    run.waiting.until(active.expires_at + EXPIRY_MARGIN_SECONDS, "an access token to expire")
    return active.token


INACTIVE: Mapping[str, Callable[[Run], str]] = {
    "a token that nobody issued": lambda _run: drawing.token_urlsafe(32),
    "a token with one letter changed": _changed,
    "a token that its client revoked": _revoked,
    "a token that has expired": lambda run: outlive(run).access_token,
}
"""Tokens that are not active, and how one is come by."""


def inactive(run: Run, what: str) -> str:
    """Return a token that is not active; a changed one counts as a secret, as it is close to one.

    Raises:
        Blocked: it cannot be come by, or does not expire within the run.
        NotApplicable: the deployment revokes no access tokens.
    """
    token = INACTIVE[what](run)
    run.redactor.register(token, "access_token")
    return token


def end(run: Run, token: TokenResponse, how: str) -> None:
    """Bring a working token to its end in one of the ways there are.

    Raises:
        Blocked: it does not work, or its end cannot be brought about.
    """
    if how == "its client has revoked it":
        require_revoked(run, Held("access token", token.access_token, token))
    else:
        revoke_grant(run, token)


def working(run: Run) -> TokenResponse:
    """Return a token that the MCP resource serves and introspection calls active, and that the scenario may spoil."""
    token = run.spare_token()
    require_active(run, token)
    answer = use_at_mcp(run, token.access_token)
    if answer.status != 200:
        raise Blocked(
            f"a fresh client token was answered {answer.summary} at the MCP resource",
            unblock="an MCP resource that serves a client token",
        )
    return token


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_told_active(judge: Judgement, introspection: Answer) -> None:
    """200, and active."""
    active = introspection.member("active")
    judge.that(introspection.status == 200 and active is True, "200 with active true", _told(introspection))


def judge_told_inactive(judge: Judgement, introspection: Answer) -> None:
    """200, and not active: an inactive token is no error (RFC 7662 §2.2)."""
    active = introspection.member("active")
    judge.that(introspection.status == 200 and active is False, "200 with active false", _told(introspection))


def judge_nothing_else(judge: Judgement, introspection: Answer) -> None:
    """Nothing but that the token is inactive.

    Raises:
        Blocked: it is not told that, which others judge.
    """
    if introspection.status != 200 or introspection.member("active") is not False:
        raise Blocked(
            f"the token was not told inactive ({_told(introspection)})",
            unblock="a deployment that tells it; see the rows on what is told",
        )
    members = introspection.json_object()
    others = sorted(set(members) - {"active"})
    judge.that(not others, "no member but active", ", ".join(others) or "none")


def judge_object(judge: Judgement, introspection: Answer) -> None:
    """A JSON object as ``application/json``, whose ``active`` is a JSON boolean.

    Raises:
        Blocked: it was answered with an error, which others judge.
    """
    if introspection.status != 200:
        raise Blocked(
            f"introspection was answered {introspection.summary}", unblock="a token that introspects without an error"
        )
    judge.equal(introspection.media_type, "application/json", "the content type")
    active = introspection.json_object().get("active")
    judge.that(isinstance(active, bool), "active true or false, a JSON boolean", repr(active)[:100])


def judge_error(judge: Judgement, introspection: Answer) -> None:
    """An error of the client's making, and nothing told."""
    judge.that(
        400 <= introspection.status < 500 and introspection.member("active") is None,
        "a client error",
        _told(introspection),
    )


def judge_unauthorized(judge: Judgement, introspection: Answer) -> None:
    """401 with a challenge, and nothing told of the token (RFC 7662 §2.3, RFC 9110 §15.5.2)."""
    judge.that(introspection.status == 401 and introspection.member("active") is None, "401", _told(introspection))
    challenge = introspection.header("www-authenticate")
    judge.that(bool(challenge), "a WWW-Authenticate challenge", challenge or "none")


def judge_offered_over_tls(judge: Judgement, run: Run) -> None:
    """The endpoint is an https URL, or on loopback, and holds no query for anything to be added to (RFC 7662 §4)."""
    secure_url(judge, run.discovery.authorization_server.content.get("introspection_endpoint"), "the endpoint")


def judge_not_redirected(judge: Judgement, introspection: Answer) -> None:
    """The token was taken where it was posted; a redirect would have it sent on, in a URL as often as not."""
    located = introspection.header("location")
    redirected = located is not None or 300 <= introspection.status < 400
    judge.that(not redirected, "no redirect", f"{introspection.summary}{', to a location' if located else ''}")
    judge.that(introspection.member("active") is not None, "an answer to the token in the body", _told(introspection))
    judge.note("what the deployment writes to its logs cannot be seen from outside")


def _told(introspection: Answer) -> str:
    return f"{introspection.summary}, active {introspection.member('active')}"
