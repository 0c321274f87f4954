"""What is presented at the MCP resource in place of a client token, by what it is called, and what came of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pdpp_conformance import drawing
from pdpp_conformance.device_requests import Requested, another_resource
from pdpp_conformance.ended_tokens import REVOKED, revoked
from pdpp_conformance.exchange import Answer, Headers
from pdpp_conformance.forged_tokens import forged, lookalike, variation
from pdpp_conformance.mcp_requests import ask, bearer, is_served
from pdpp_conformance.oauth_client import TokenResponse, read_token_response
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Conclusion, NotApplicable

VARIATIONS = 12
"""How many variations of a live token are tried, each with one character changed."""


@dataclass(frozen=True)
class Presented:
    """What was presented at the MCP resource, and what came of it."""

    what: str
    answer: Answer


def _live(run: Run) -> str:
    return run.client_token().access_token


def _random() -> str:
    return drawing.token_urlsafe(32)


CREDENTIALS: Mapping[str, Callable[[Run], Headers]] = {
    "no token": lambda _run: [],
    "credentials of another scheme": lambda _run: [
        ("Authorization", f"Basic {base64.b64encode(f'owner:{_random()}'.encode()).decode()}")
    ],
    "a token that nobody issued": lambda run: bearer(lookalike(_live(run))),
    "a malformed token": lambda _run: bearer(f"{_random()}!{_random()}"),
    "a token with quotes and backslashes in it": lambda _run: bearer(f'{_random()}"\\", x="{_random()}'),
    "the first half of a live token": lambda run: bearer(_live(run)[: len(_live(run)) // 2]),
    "a live token with more behind it": lambda run: bearer(_live(run) + drawing.token_hex(4)),
    "an owner token": lambda run: bearer(run.owner_token().access_token),
    "a live token twice": lambda run: [*bearer(_live(run)), *bearer(_live(run))],
    "a live token and one that nobody issued": lambda run: [*bearer(_live(run)), *bearer(lookalike(_live(run)))],
    "a token that nobody issued and a live one": lambda run: [*bearer(lookalike(_live(run))), *bearer(_live(run))],
}
"""What is presented in the header of a request, by what it is called."""


def present(run: Run, what: str) -> Presented:
    """Send the request that a client token is served, with other credentials.

    Raises:
        Blocked: they cannot be come by, or nothing is served to a client token.
    """
    if what in REVOKED:
        return Presented(what, revoked(run, what).answer)
    return Presented(what, ask(run, CREDENTIALS[what](run)))


def bearer_in(what: str, run: Run) -> str | None:
    """Return the token of :data:`CREDENTIALS` alone; ``None`` where it is none."""
    return next((value.partition(" ")[2] for _, value in CREDENTIALS[what](run)), None)


def require_unknown_refused(run: Run) -> None:
    """The negative control: a token that nobody issued is refused.

    Raises:
        Blocked: it is served, so that whose token is served says nothing.
    """
    if is_served(present(run, "a token that nobody issued").answer):
        raise Blocked(
            "the MCP resource serves any token at all, so that serving one proves nothing of who made it",
            unblock="an MCP resource that refuses tokens that nobody issued; see RSC-06",
        )


def present_scheme(run: Run, scheme: str) -> Presented:
    """Present a live token under a spelling of its scheme."""
    return Presented(f"a live token under {scheme}", ask(run, bearer(_live(run), scheme=scheme)))


def present_forged(run: Run, how: str) -> Presented:
    """Present a JWT that somebody else made."""
    return Presented(f"a token {how}", ask(run, bearer(forged(run, how))))


def present_variations(run: Run) -> list[Answer]:
    """Present variations of a live token, each with one character changed."""
    return [ask(run, bearer(variation(_live(run)))) for _ in range(VARIATIONS)]


_TOKENS: Mapping[str, Callable[[Run], str]] = {
    "a live token": _live,
    "a token that nobody issued": lambda run: lookalike(_live(run)),
}


def present_in_query(run: Run, query: str, header: str) -> Presented:
    """Present one token in the query string, and another, or ``nothing``, in the header."""
    headers = [] if header == "nothing" else bearer(_TOKENS[header](run))
    answer = ask(run, headers, query=f"?{urlencode({'access_token': _TOKENS[query](run)})}")
    return Presented(f"{query} in the query and {header} in the header", answer)


def present_in_form(run: Run) -> Presented:
    """Present a live token in a form (RFC 6750 §2.2)."""
    return Presented("a live token in a form", _send_form(run, []))


def present_in_form_and_header(run: Run) -> Presented:
    """Present a live token in a form, and again in the header."""
    return Presented("a live token in a form and in the header", _send_form(run, bearer(_live(run))))


def _send_form(run: Run, headers: Headers) -> Answer:
    return run.recorder.send(
        "POST",
        run.discovery.mcp_resource,
        actor="a bearer",
        headers=[("Accept", "application/json, text/event-stream"), *headers],
        form={"access_token": _live(run)},
    )


# -- tokens for another resource ---------------------------------------------------------------------------------------


def present_for_another_resource(run: Run, what: str) -> Presented:
    """Present a token that was issued for another resource.

    Raises:
        NotApplicable: the deployment issues none.
    """
    token = run.owner_token() if what == "the owner's token" else _asked_for_another(run)
    audience = _audience(run, token)
    if run.discovery.mcp_resource in audience:
        raise NotApplicable(f"{what} is told to be for the MCP resource, and so for no other")
    told = ", ".join(audience) or "its audience is not told"
    return Presented(f"{what} ({told})", ask(run, bearer(token.access_token)))


def _asked_for_another(run: Run) -> TokenResponse:
    """Ask for a client token for the deployment's root resource, or else for one beside the MCP resource."""
    root = run.discovery.root_resource.content.get("resource")
    resource = root if isinstance(root, str) and root != run.discovery.mcp_resource else another_resource(run)
    client = run.client()
    parameters = {**client.request_parameters("grant_scoped_mcp", run.one_stream()), "resource": resource}
    requested = Requested(client, "grant_scoped_mcp", client.ask(parameters.items()), run.waiting.now())
    if requested.answer.error is not None or requested.answer.status >= 400:
        raise NotApplicable(
            f"the deployment issues no client token for another resource: asking for one was answered "
            f"{requested.answer.summary}"
        )
    return read_token_response(run.approved(requested.device()).poll())


def _audience(run: Run, token: TokenResponse) -> list[str]:
    """Return the resources that a token is told to be for, by introspection or else by its response."""
    try:
        told_audience: Any = run.introspect(token.access_token).member("aud")
    except Conclusion:
        told_audience = None
    named = told_audience or token.members.get("resource") or []
    return [str(one) for one in (named if isinstance(named, list) else [named])]
