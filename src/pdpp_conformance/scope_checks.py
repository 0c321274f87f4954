"""Scopes (RFC 6749 §3.3): what is asked for and not granted is refused or told, and no later request adds to it."""

from __future__ import annotations

from dataclasses import dataclass

from pdpp_conformance import drawing
from pdpp_conformance.device_requests import Requested, ask
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient, TokenResponse, read_token_response
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion, NotApplicable


def unfit_scope(run: Run, what: str) -> str:
    """Return a scope that a client for the MCP resource cannot have.

    Raises:
        NotApplicable: there is none of the kind named.
    """
    if what == "nobody knows":
        return f"no-such-scope-{drawing.token_hex(4)}"
    if what == "is malformed":
        return 'no"such\\scope'
    only_owners = scopes_of(run, run.owner_token()) - scopes_of(run, run.client_token())
    if not only_owners:
        raise NotApplicable("owner tokens have no scope that client tokens do not have")
    return sorted(only_owners)[0]


def scopes_of(run: Run, token: TokenResponse) -> set[str]:
    """Return a token's scopes as introspection tells them, or else its response."""
    told = _introspected(run, token) or token.members.get("scope")
    return set(told.split()) if isinstance(told, str) else set()


def _introspected(run: Run, token: TokenResponse) -> str | None:
    """Return the scope that introspection tells; ``None`` where it tells none, or cannot be asked."""
    try:
        told = run.introspect(token.access_token).member("scope")
    except Conclusion:
        return None
    return told if isinstance(told, str) else None


@dataclass(frozen=True)
class ScopedRequest:
    """A device authorization request with a scope that cannot be had."""

    requested: Requested
    scope: str


@dataclass(frozen=True)
class ScopedRedemption:
    """A redemption with a scope that was not approved."""

    answer: Answer
    scope: str


@dataclass(frozen=True)
class ScopedToken:
    """A token that was granted to a request for a scope that cannot be had."""

    token: TokenResponse
    scope: str


def ask_with_scope(run: Run, client: OAuthClient, what: str) -> ScopedRequest:
    """Ask for the MCP resource with an unfit scope."""
    scope = unfit_scope(run, what)
    return ScopedRequest(ask(run, client, "grant_scoped_mcp", replacing={"scope": scope}), scope)


def judge_refused_or_narrowed(judge: Judgement, run: Run, asked: ScopedRequest) -> None:
    """``invalid_scope``, or a token that does not have the scope and whose response says so."""
    answer = asked.requested.answer
    if answer.error is not None or answer.status >= 400:
        judge.error(answer, ["invalid_scope"])
        return
    redeemed = run.approved(asked.requested.device()).poll()
    if redeemed.error in ("invalid_scope", "access_denied"):
        judge.that(True, "a refusal, or a token without that scope", redeemed.summary)  # nothing was left to grant
        return
    _judge_without(judge, run, read_token_response(redeemed), asked.scope)


def token_granted_otherwise(run: Run, client: OAuthClient) -> ScopedToken:
    """Return the token of a request for a scope that cannot be granted.

    Raises:
        NotApplicable: the request was refused, so that nothing was granted otherwise than asked for.
    """
    asked = ask_with_scope(run, client, "nobody knows")
    answer = asked.requested.answer
    if answer.error is not None:
        raise NotApplicable(
            f"the request was refused ({answer.summary}), so nothing was granted that it did not ask for"
        )
    redeemed = run.approved(asked.requested.device()).poll()
    if redeemed.error in ("invalid_scope", "access_denied"):
        raise NotApplicable(f"the redemption was refused ({redeemed.summary}), so nothing was granted otherwise")
    return ScopedToken(read_token_response(redeemed), asked.scope)


def judge_scope_told(judge: Judgement, run: Run, token: TokenResponse, requested: str | None) -> None:
    """RFC 6749 §5.1: ``scope`` is required where it is not identical to the one that the client requested.

    Raises:
        NotApplicable: the token has no scope, or the one requested.
    """
    granted = _introspected(run, token)
    told = token.members.get("scope")
    if granted is None and not isinstance(told, str):
        raise NotApplicable("neither the token response nor introspection tells a scope")
    if told is None and set((granted or "").split()) == set((requested or "").split()):
        raise NotApplicable("the scope granted is the one requested, which need not be told")
    met = isinstance(told, str) and (granted is None or set(told.split()) == set(granted.split()))
    judge.that(met, f"scope {granted or 'as granted'}", f"scope {told if isinstance(told, str) else repr(told)}"[:200])


def redeem_with_scope(run: Run, device: DeviceAuthorization, what: str) -> ScopedRedemption:
    """Redeem a device code, adding an unfit scope."""
    scope = unfit_scope(run, what)
    return ScopedRedemption(device.poll([("scope", scope)]), scope)


def judge_not_added(judge: Judgement, run: Run, redemption: ScopedRedemption) -> None:
    """RFC 6749 §3.3: refused, or a token without the scope that was added."""
    if redemption.answer.member("access_token") is None:
        judge.error(redemption.answer, ["invalid_scope", "invalid_request"])
        return
    _judge_without(judge, run, read_token_response(redemption.answer), redemption.scope)


def _judge_without(judge: Judgement, run: Run, token: TokenResponse, scope: str) -> None:
    granted = _introspected(run, token)
    told = token.members.get("scope")
    # Where neither tells, the scope is the one requested, by RFC 6749 §5.1.
    names = {*(granted or "").split(), *(told.split() if isinstance(told, str) else ())}
    met = not names & set(scope.split()) and (granted is not None or isinstance(told, str))
    judge.that(met, "a refusal, or a token without that scope", f"a token with {' '.join(sorted(names)) or 'no'} scope")
