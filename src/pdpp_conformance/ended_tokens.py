"""Client tokens that have come to their end, by time or by revocation, each of them served before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pdpp_conformance.exchange import Answer, origin_of
from pdpp_conformance.mcp_requests import ask, bearer, is_served, require_served
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.revocation_checks import Held, require_type_supported, send_grant_revocation
from pdpp_conformance.run import EXPIRY_MARGIN_SECONDS, Run, begins_early
from pdpp_conformance.verdict import Blocked, NotApplicable

LEEWAY_SECONDS = 60.0
"""How long after its expiry a token may still pass, for clocks that differ (RFC 7519 §4.1.4)."""

DELAY_SECONDS = 10.0
"""How long a resource server on another origin than its authorization server may take to learn of a revocation."""


@dataclass(frozen=True)
class Ageing:
    """A token that was good at the beginning, and when its time is over."""

    token: TokenResponse = field(repr=False)
    expires_at: float


@dataclass(frozen=True)
class ServedAgeing(Ageing):
    """Such a token, and how the MCP resource served it."""

    served: Answer


@begins_early("RSC-07")
def ageing(run: Run) -> ServedAgeing:
    """Return a token that was issued and used early, so that it has expired when others are judged."""
    return run.once("an access token that ages", lambda: _ageing(run))


def _ageing(run: Run) -> ServedAgeing:
    run.needs_pdpp("an MCP resource")
    token = run.client_token()
    served = require_served(run)
    return ServedAgeing(token, run.waiting.now() + token.lifetime, served)


@dataclass(frozen=True)
class Expired:
    """How a token was answered while its time ran, and after it was over."""

    served: Answer
    answer: Answer


def expired(run: Run) -> Expired:
    """Present a token whose time is over.

    A server may allow for clocks that differ; one that still serves the token is asked again when that is over, too.

    Raises:
        Blocked: the run may not wait that long.
    """
    return run.once("an expired access token", lambda: _expired(run))


def _expired(run: Run) -> Expired:
    aged = ageing(run)
    over = aged.expires_at + EXPIRY_MARGIN_SECONDS
    run.waiting.until(over, "an access token to expire")
    answer = _present(run, aged.token)
    if is_served(answer):
        run.waiting.until(over + LEEWAY_SECONDS, "an access token to expire by every clock")
        answer = _present(run, aged.token)
    return Expired(aged.served, answer)


def _present(run: Run, token: TokenResponse) -> Answer:
    return ask(run, bearer(token.access_token))


@dataclass(frozen=True)
class Revoked:
    """A token that was served, then revoked, and how it was answered right after that."""

    served: Answer
    answer: Answer
    delay_s: float
    """Seconds until it was refused; 0 where the first use after the revocation was, or none was."""


def _revocable(run: Run) -> TokenResponse:
    if run.discovery.endpoint("revocation_endpoint") is None:
        raise NotApplicable("the metadata advertises no revocation endpoint")
    return run.spare_token()


def _revoke_as_client(run: Run, token: TokenResponse) -> None:
    held = Held("access token", token.access_token, token)
    answer = run.client().revoke(token.access_token)
    require_type_supported(answer, held)
    _require_taken(answer, "revoking an access token")


def _revoke_grant(run: Run, token: TokenResponse) -> None:
    send_grant_revocation(run, token)


_TO_BE_REMOVED = "a client to be removed"


def _token_of_removable_client(run: Run) -> TokenResponse:
    if run.discovery.endpoint("registration_endpoint") is None or run.target.client.registration != "dynamic":
        raise NotApplicable("clients are not registered here, so that none can be removed")
    return run.granted(run.one_stream(), run.client(_TO_BE_REMOVED))


def _remove_client(run: Run, _token: TokenResponse) -> None:
    answer = run.remove_client(run.client(_TO_BE_REMOVED))
    if answer is None or answer.status in (401, 403, 404, 405):
        raise NotApplicable("the deployment removes no client at the owner's word, which no standard asks of it")
    _require_taken(answer, "removing a client")


def _require_taken(answer: Answer, what: str) -> None:
    if answer.status not in (200, 204):
        raise Blocked(
            f"{what} was answered {answer.summary}", unblock="a deployment that does so; see the rows on revocation"
        )


REVOKED: Mapping[str, tuple[Callable[[Run], TokenResponse], Callable[[Run, TokenResponse], None]]] = {
    "a token that its client revoked": (_revocable, _revoke_as_client),
    "a token whose grant was revoked": (lambda run: run.spare_token(), _revoke_grant),
    "a token whose client was removed": (_token_of_removable_client, _remove_client),
}
"""Tokens that were revoked: how one is come by, and how it is revoked."""


def revoked(run: Run, what: str) -> Revoked:
    """Return a token of :data:`REVOKED`, revoked at the first call.

    Raises:
        Blocked: it was not served before, or its revocation was not taken.
        NotApplicable: the deployment knows no such revocation.
    """
    return run.once(what, lambda: _revoked(run, what))


def _revoked(run: Run, what: str) -> Revoked:
    obtain, revoke = REVOKED[what]
    token = obtain(run)
    served = _present(run, token)
    if not is_served(served):
        raise Blocked(
            f"a fresh client token was answered {served.summary} at the MCP resource",
            unblock="an MCP resource that serves a client token",
        )
    revoke(run, token)
    answer, delay = _present(run, token), 0.0
    apart = origin_of(run.discovery.issuer) != origin_of(run.discovery.mcp_resource)
    while is_served(answer) and apart and delay < DELAY_SECONDS:
        run.pause(1.0, "a resource server on another origin to learn of a revocation")
        answer, delay = _present(run, token), delay + 1.0
    return Revoked(served, answer, delay)
