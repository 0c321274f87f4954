"""Revocation, judged: of tokens by their client (RFC 7009), and of the grant behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pdpp_conformance import drawing
from pdpp_conformance.device_requests import unknown_client_id
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.run import Run
from pdpp_conformance.surface_checks import use_at_mcp
from pdpp_conformance.verdict import Blocked, NotApplicable

_REFUSED_AT_MCP = (401, 403)


@dataclass(frozen=True)
class Held:
    """A token of one type that a client holds, and the token response that it came in."""

    kind: str
    """``access token`` or ``refresh token``."""
    secret: str = field(repr=False)
    response: TokenResponse


def require_refresh_token(token: TokenResponse) -> str:
    """Return the refresh token of a response.

    Raises:
        NotApplicable: there is none.
    """
    if token.refresh_token is None:
        raise NotApplicable("the deployment issued no refresh token with the grant that was asked for")
    return token.refresh_token


def holding(run: Run, kind: str) -> Held:
    """Return a token of that type that works, and that the scenario may spoil.

    Raises:
        Blocked: it does not work.
        NotApplicable: the deployment issues none of that type.
    """
    token = run.spare_token()
    if kind == "access token":
        require_works_at_mcp(run, token)
        return Held(kind, token.access_token, token)
    require_refresh_token(token)
    fresh = run.refreshed(token)
    return Held(kind, require_refresh_token(fresh), fresh)


def holding_revocable(run: Run, kind: str) -> Held:
    """Return a token of a type that was seen to be revoked: what a scenario about hints builds on.

    Raises:
        Blocked: it was not.
        NotApplicable: the deployment issues none of that type, or does not revoke it.
    """
    require_revoked(run, holding(run, kind))
    return holding(run, kind)


def require_works_at_mcp(run: Run, token: TokenResponse) -> None:
    """The positive control: the MCP resource serves an access token.

    Raises:
        Blocked: it does not.
    """
    answer = use_at_mcp(run, token.access_token)
    if answer.status != 200:
        raise Blocked(
            f"a fresh client token was answered {answer.summary} at the MCP resource",
            unblock="an MCP resource that serves a client token",
        )


def revoke(run: Run, held: Held, *, hint: str | None = None) -> Answer:
    """Let the client revoke a token that it holds, with a ``token_type_hint`` where one is named."""
    return run.client().revoke(held.secret, [] if hint is None else [("token_type_hint", hint)])


HINTS: Mapping[str, str] = {
    "it is a refresh token": "refresh_token",
    "it is an access token": "access_token",
    "it is of a type that nobody knows": "conformance_unknown",
}


def revoke_as(run: Run, held: Held, who: str) -> Answer:
    """Let somebody revoke the token who is not the client that it was issued to."""
    if who == "another client":
        return run.client("another client").revoke(held.secret)
    named = [] if who == "somebody without a client id" else [("client_id", unknown_client_id())]
    return run.recorder.send(
        "POST",
        run.client().endpoint("revocation_endpoint"),
        actor=who,
        form=[("token", held.secret), *named],
    )


def revoke_unknown(run: Run) -> Answer:
    """Let the client revoke a token that nobody issued."""
    return run.client().revoke(drawing.token_urlsafe(32))


def require_revoked(run: Run, held: Held) -> None:
    """The precondition: the client has revoked the token, and it is dead where it is used.

    Raises:
        Blocked: the one or the other is not so; other requirements judge it.
        NotApplicable: the deployment has no revocation endpoint, or does not revoke that type.
    """
    if run.discovery.endpoint("revocation_endpoint") is None:
        raise NotApplicable("the metadata advertises no revocation endpoint")
    answer = revoke(run, held)
    require_type_supported(answer, held)
    if answer.status != 200 or is_alive(run, held):
        raise Blocked(
            f"revoking an {held.kind} was answered {answer.summary}, and did not end it",
            unblock="a deployment that revokes tokens; see the rows on revocation",
        )


def require_type_supported(answer: Answer, held: Held) -> None:
    """Tell where the type cannot be revoked, which is permitted for access tokens (RFC 7009 §2).

    Raises:
        NotApplicable: the server says so.
    """
    if held.kind == "access token" and answer.error == "unsupported_token_type":
        raise NotApplicable("the deployment says that access tokens cannot be revoked, which RFC 7009 §2 permits")


def require_taken(answer: Answer) -> None:
    """The positive control of what rests on a revocation.

    Raises:
        Blocked: it was not taken, which others judge.
    """
    if answer.status != 200:
        raise Blocked(
            f"the revocation was answered {answer.summary}",
            unblock="a deployment that takes the revocation; see the rows on revocation",
        )


def is_alive(run: Run, held: Held) -> bool:
    """Whether the token still does what tokens of its type do."""
    if held.kind == "access token":
        return use_at_mcp(run, held.secret).status not in _REFUSED_AT_MCP
    return run.client().refresh(held.secret).member("access_token") is not None


def revoke_grant(run: Run, token: TokenResponse) -> None:
    """Revoke the grant behind a token, as the owner or as its client (PDPP wire contract §7).

    Raises:
        Blocked: there is no way to, or the grant's token goes on working.
    """
    answer = send_grant_revocation(run, token)
    if use_at_mcp(run, token.access_token).status == 200:
        raise Blocked(
            f"revoking the grant was answered {answer.summary}, and did not end its tokens",
            unblock="grant revocation as PDPP's wire contract §7 has it",
        )


def send_grant_revocation(run: Run, token: TokenResponse) -> Answer:
    """Revoke the grant behind a token, whatever that does to its tokens.

    Raises:
        Blocked: there is no way to.
    """
    run.needs_pdpp("a grant that is revoked by its name")
    grant_id = token.members.get("grant_id")
    if not isinstance(grant_id, str):
        raise Blocked("the token response names no grant", unblock="a token response with grant_id")
    answer = _revoke_grant(run, grant_id, _bearers(run, token))
    if answer is None or answer.status not in (200, 204):
        raise Blocked(
            f"revoking the grant was answered {answer.summary if answer else 'nowhere'}",
            unblock="grant revocation as PDPP's wire contract §7 has it",
        )
    return answer


def _bearers(run: Run, token: TokenResponse) -> list[str]:
    try:
        return [run.owner_token().access_token, token.access_token]
    except Blocked:
        return [token.access_token]


def _revoke_grant(run: Run, grant_id: str, bearers: Sequence[str]) -> Answer | None:
    answer = None
    for url in run.discovery.grant_revocation_urls(grant_id):
        for bearer in bearers:
            answer = run.recorder.send("POST", url, actor="the owner", bearer=bearer, content=b"")
            if answer.status in (200, 204):
                return answer
    return answer


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_revoked(judge: Judgement, run: Run, held: Held, answer: Answer) -> None:
    """200, and the token is dead at once where it is used (RFC 7009 §2.1, §2.2)."""
    require_type_supported(answer, held)
    judge.that(answer.status == 200, "200", answer.summary)
    judge_dead(judge, run, held)


def judge_refused_at_once(judge: Judgement, run: Run, held: Held, answer: Answer) -> None:
    """A revocation that was taken has its effect at once (RFC 7009 §2.1).

    Raises:
        Blocked: it was not taken, which others judge.
    """
    require_type_supported(answer, held)
    require_taken(answer)
    judge_dead(judge, run, held)


def judge_access_revocable(judge: Judgement, run: Run, held: Held, answer: Answer) -> None:
    """200 for an access token, and no other answer, as this is the row that says so (RFC 7009 §2)."""
    judge.that(answer.status == 200, "200", answer.summary)
    judge_dead(judge, run, held)


def judge_dead(judge: Judgement, run: Run, held: Held) -> None:
    """401 or 403 at the MCP resource for an access token; ``invalid_grant`` for a refresh token."""
    if held.kind == "access token":
        judge_dead_at_mcp(judge, run, held.response)
    else:
        judge.error(run.client().refresh(held.secret), ["invalid_grant"])


def judge_dead_at_mcp(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """An access token that worked is refused; 403 is what some answer for a revoked grant."""
    used = use_at_mcp(run, token.access_token)
    judge.that(used.status in _REFUSED_AT_MCP, "401 or 403 at the MCP resource", used.summary)


def judge_refused_and_intact(judge: Judgement, run: Run, held: Held, answer: Answer) -> None:
    """Refused with an error, and the token goes on working for its client (RFC 7009 §2.1)."""
    judge.that(
        answer.status in (400, 401, 403) and answer.error is not None,
        "400, 401 or 403 with an error code",
        answer.summary,
    )
    if held.kind == "access token":
        used = use_at_mcp(run, held.secret)
        judge.that(used.status == 200, "the token still served at the MCP resource", used.summary)
        return
    refreshed = run.client().refresh(held.secret)
    judge.that(refreshed.member("access_token") is not None, "the token still good for its client", refreshed.summary)
    run.keep_spare(held.response, refreshed)


def judge_type_named(judge: Judgement, answer: Answer) -> None:
    """A type that cannot be revoked is refused by that name (RFC 7009 §2.2.1).

    Raises:
        NotApplicable: every type that the deployment issues can be revoked.
    """
    if answer.status == 200:
        raise NotApplicable("access tokens can be revoked, too, so that unsupported_token_type has no occasion")
    judge.error(answer, ["unsupported_token_type"])


def judge_introspects_inactive(judge: Judgement, run: Run, held: Held) -> None:
    """Introspection calls the revoked token inactive at once."""
    introspection = run.introspect(held.secret)
    active = introspection.member("active")
    judge.that(
        introspection.status == 200 and active is False,
        "200 with active false",
        f"{introspection.summary}, active {active}",
    )
