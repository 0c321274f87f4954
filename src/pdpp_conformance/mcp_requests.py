"""Requests to the MCP resource with one thing about them as a scenario wants it: credentials, origin, revision, query.

Every one is the request that the deployment is known to serve to a client token, in a revision that it was seen to
speak, so that nothing but the difference can be what it is refused for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pdpp_conformance.exchange import Answer, Headers
from pdpp_conformance.mcp_client import (
    HANDSHAKE_REVISION,
    STATELESS_REVISION,
    McpRequest,
    McpSession,
    handshake_request,
    message_of,
    stateless_request,
)
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

_OPENING: Mapping[str, Callable[[], McpRequest]] = {
    STATELESS_REVISION: lambda: stateless_request("tools/list"),
    HANDSHAKE_REVISION: handshake_request,
}
"""The request with which a client begins, in each era of the protocol; the one that opens no session comes first."""


def bearer(token: str, *, scheme: str = "Bearer") -> Headers:
    """Return the header field that presents a token (RFC 6750 §2.1)."""
    return [("Authorization", f"{scheme} {token}")]


def is_served(answer: Answer) -> bool:
    """Whether an answer holds the result of a JSON-RPC request."""
    try:
        return answer.status == 200 and "result" in message_of(answer)
    except Unmet:
        return False


def send(run: Run, request: McpRequest, headers: Headers = (), *, query: str = "", actor: str = "a bearer") -> Answer:
    """Send a request to the MCP resource; nothing is presented but what stands in ``headers`` and ``query``.

    Raises:
        NotApplicable: the target's profile has none.
    """
    run.needs_pdpp("an MCP resource")
    return run.recorder.send(
        "POST",
        run.discovery.mcp_resource + query,
        actor=actor,
        headers=[*request.headers.items(), *headers],
        json_body=request.message,
    )


def ask(run: Run, headers: Headers = (), *, query: str = "", actor: str = "a bearer") -> Answer:
    """Send the request that is served to a client token.

    Raises:
        Blocked: none is.
    """
    return send(run, _opening(run), headers, query=query, actor=actor)


def require_served(run: Run) -> Answer:
    """The positive control: the same request is served to the run's client token.

    Raises:
        Blocked: it is not.
    """
    answer = ask(run, bearer(run.client_token().access_token), actor="a client")
    if not is_served(answer):
        raise Blocked(
            f"a client token was answered {answer.summary} at the MCP resource, so that a refusal there proves nothing",
            unblock="an MCP resource that serves a client token",
        )
    return answer


def require_refused_without_token(run: Run) -> Answer:
    """The negative control: without a token the same request is refused.

    Raises:
        Blocked: it is not, so that whatever is presented may have had no part in its being served.
    """
    answer = ask(run)
    if is_served(answer):
        raise Blocked(
            "the MCP resource serves a client without a token, so that serving another proves nothing",
            unblock="an MCP resource that asks for a token; see RSC-01",
        )
    return answer


def speaks(run: Run, revision: str) -> bool:
    """Whether the deployment serves a client token in a revision; it is asked once."""
    return run.once(f"the MCP resource speaks {revision}", lambda: _is_spoken(run, revision))


def require_spoken(run: Run, revision: str) -> None:
    """Go on only where the deployment speaks a revision.

    Raises:
        NotApplicable: it does not.
    """
    _opening(run)
    if not speaks(run, revision):
        raise NotApplicable(f"the MCP resource does not speak MCP {revision}, which has this rule")


def conversation(run: Run, bearer_token: str, *, actor: str = "a client") -> McpSession:
    """Open a conversation in the newest revision of the handshake era.

    Raises:
        NotApplicable: the deployment does not speak it.
    """
    require_spoken(run, HANDSHAKE_REVISION)
    session = McpSession(run.recorder, run.discovery.mcp_resource, bearer_token, actor=actor, revision=None)
    session.open()
    return session


def _is_spoken(run: Run, revision: str) -> bool:
    token = run.client_token().access_token
    return is_served(send(run, _OPENING[revision](), bearer(token), actor="a client"))


def _opening(run: Run) -> McpRequest:
    for revision, request in _OPENING.items():
        if speaks(run, revision):
            return request()
    raise Blocked(
        f"the MCP resource serves a client token in neither MCP {' nor '.join(_OPENING)}",
        unblock="an MCP resource that serves a client token",
    )
