"""The transport of the MCP resource, judged: pages of other origins, revisions, sessions (MCP, Streamable HTTP)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pdpp_conformance.code_statistics import bound_of
from pdpp_conformance.exchange import Answer, origin_of
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import (
    HANDSHAKE_REVISION,
    STATELESS_REVISION,
    McpRequest,
    McpSession,
    message_of,
    stateless_request,
)
from pdpp_conformance.mcp_requests import ask, bearer, conversation, is_served, require_spoken, send, speaks
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

HEADER_MISMATCH = -32020
"""MCP 2026-07-28, Streamable HTTP: the error code where header fields and body disagree."""

UNSUPPORTED_REVISION = -32022
"""MCP 2026-07-28: the error code where a revision is not spoken."""

SESSIONS = 12
"""How many sessions are opened to see whether their ids can be guessed."""

FEWEST_BITS = 64.0
"""What a session id has to be able to hold, so as not to be guessed."""


# -- pages of other origins --------------------------------------------------------------------------------------------

ORIGINS: Mapping[str, Callable[[str], str]] = {
    "its own origin": lambda own: own,
    "another site": lambda _own: "https://attacker.example",
    "a site whose name begins like its own": lambda own: f"{own}.attacker.example",
    "a site whose name ends like its own": lambda own: _with_host(own, f"attacker-{urlsplit(own).hostname}"),
    "no origin that it could name": lambda _own: "null",
}
"""The origin that a browser names for a page, made of the MCP resource's own."""


def _with_host(own: str, host: str) -> str:
    parts = urlsplit(own)
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def ask_from(run: Run, where: str) -> Answer:
    """Send what is served to a client token as a page of that origin would let a browser send it."""
    origin = ORIGINS[where](origin_of(run.discovery.mcp_resource))
    token = run.client_token().access_token
    return ask(run, [*bearer(token), ("Origin", origin)], actor="a page in a browser")


def judge_origin_refused(judge: Judgement, answer: Answer) -> None:
    """403."""
    judge.equal(answer.status, 403, "status")


def judge_own_origin_served(judge: Judgement, answer: Answer) -> None:
    """Served; that a server trusts not even its own pages is permitted, and remarked on."""
    judge.remark(is_served(answer), "a result for a page of the server's own", answer.summary)


# -- revisions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claimed:
    """A request as it is served, and the same one under another revision."""

    served: Answer
    answer: Answer


def ask_in_revision(run: Run, revision: str) -> list[Claimed]:
    """List the tools and say that it is done in ``revision``, in each era that the deployment speaks.

    Raises:
        Blocked: the same is not served in the revision that was negotiated.
    """
    token = run.client_token().access_token
    claimed = []
    if speaks(run, HANDSHAKE_REVISION):
        session = conversation(run, token)
        served = session.request("tools/list")
        claimed.append(Claimed(served, session.claiming(revision).request("tools/list")))
        session.end()
    if speaks(run, STATELESS_REVISION):
        served = send(run, stateless_request("tools/list"), bearer(token), actor="a client")
        other = stateless_request("tools/list", revision=revision)
        claimed.append(Claimed(served, send(run, other, bearer(token), actor="a client")))
    if not claimed or not all(is_served(one.served) for one in claimed):
        raise Blocked(
            "the MCP resource serves no client its tools", unblock="an MCP resource that serves a client token"
        )
    return claimed


def judge_revision_refused(judge: Judgement, claimed: Sequence[Claimed]) -> None:
    """400 in each era."""
    others = sorted({one.answer.summary for one in claimed if one.answer.status != 400})
    judge.that(not others, "400", ", ".join(others) or "400")


_LIST = stateless_request("tools/list")
_CALL = stateless_request("tools/call", {"name": "schema", "arguments": {}})
_OF_ANOTHER_REVISION = stateless_request("tools/list", revision=HANDSHAKE_REVISION)

_DISAGREEMENTS: Mapping[str, tuple[McpRequest, McpRequest]] = {
    "the method": (_LIST, McpRequest(_LIST.message, {**_LIST.headers, "Mcp-Method": "ping"})),
    "the name of the tool": (_CALL, McpRequest(_CALL.message, {**_CALL.headers, "Mcp-Name": "query_records"})),
    "the revision": (_LIST, McpRequest(_OF_ANOTHER_REVISION.message, _LIST.headers)),
}
"""A request whose header fields and body agree, and one where they do not."""


def disagreeing(run: Run, what: str) -> Answer:
    """Send a stateless request one of whose header fields says something else than its body.

    Raises:
        NotApplicable: the deployment does not speak MCP 2026-07-28.
        Blocked: the same is not served where both agree.
    """
    require_spoken(run, STATELESS_REVISION)
    token = run.client_token().access_token
    agreeing, differing = _DISAGREEMENTS[what]
    _require(send(run, agreeing, bearer(token), actor="a client"))
    return send(run, differing, bearer(token), actor="a client")


def judge_mismatch(judge: Judgement, answer: Answer) -> None:
    """400 with the JSON-RPC error for header fields that disagree with the body.

    A server that objects to the body's revision before it compares is right as well, and this is remarked on.
    """
    try:
        error = message_of(answer).get("error")
    except Unmet:
        error = None
    code = error.get("code") if isinstance(error, dict) else None
    expected, observed = f"400 with JSON-RPC error {HEADER_MISMATCH}", f"{answer.status} with error {code}"
    judge.that(answer.status == 400 and code in (HEADER_MISMATCH, UNSUPPORTED_REVISION), expected, observed)
    judge.remark(code == HEADER_MISMATCH, expected, observed)


# -- sessions ----------------------------------------------------------------------------------------------------------


def ask_later(run: Run, how: str) -> Answer:
    """Send a request without a token after one that was served with a token.

    Args:
        how: ``right after it``, on the connection that is still open, or ``in its session``.

    Raises:
        NotApplicable: there are no sessions here.
    """
    token = run.client_token().access_token
    if how == "right after it":
        _require(ask(run, bearer(token), actor="a client"))
        return ask(run, actor="somebody without a token")
    session = open_session(run, token)
    _require(session.request("tools/list"))
    answer = session.under(None, actor="somebody without a token").request("tools/list")
    session.end()
    return answer


def _require(answer: Answer) -> None:
    if not is_served(answer):
        raise Blocked(
            f"a client token was answered {answer.summary}", unblock="an MCP resource that serves a client token"
        )


def open_session(run: Run, token: str) -> McpSession:
    """Open a session with a token.

    Raises:
        NotApplicable: the deployment keeps none.
    """
    session = conversation(run, token)
    if session.session_id is None:
        raise NotApplicable("the MCP resource gives no session ids: it keeps no sessions that could stand for anybody")
    return session


def session_ids(run: Run) -> list[str]:
    """Open sessions one after the other, and return their ids."""
    found = []
    for _ in range(SESSIONS):
        session = open_session(run, run.client_token().access_token)
        found.append(str(session.session_id))
        session.end()
    return found


def judge_unguessable(judge: Judgement, ids: Sequence[str]) -> None:
    """All of them differ, and can hold enough to be no guess."""
    bound = bound_of(ids)
    judge.that(
        bound.distinct == len(ids) and bound.bits >= FEWEST_BITS,
        f"ids that all differ and can hold {FEWEST_BITS:.0f} bits",
        bound.told,
    )


def take_over(run: Run) -> Answer:
    """Go on in a client's session with the token of another client.

    Raises:
        NotApplicable: the deployment keeps no sessions.
    """
    session = open_session(run, run.client_token().access_token)
    other = run.once(
        "a token of another client", lambda: run.granted(run.one_stream(), run.client("another client"))
    ).access_token
    _require(ask(run, bearer(other), actor="another client"))
    answer = session.under(other, actor="another client").request("tools/list")
    session.end()
    return answer


def judge_not_taken_over(judge: Judgement, answer: Answer) -> None:
    """Refused. Both tokens are of one owner, and a session needs to be bound to no more than that."""
    judge.remark(not is_served(answer), "a refusal of the other client's token in this session", answer.summary)
