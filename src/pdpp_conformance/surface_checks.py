"""Surfaces and credentials: where each opens, and how it is refused where it does not (PDPP wire contract §7)."""

from __future__ import annotations

import json
import re

import pytest

from pdpp_conformance.challenge_checks import errors_of
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import HANDSHAKE_REVISION, STATELESS_REVISION, McpSession
from pdpp_conformance.mcp_requests import require_served
from pdpp_conformance.owner_rest import use_bearer
from pdpp_conformance.reading import distinctive_values, told
from pdpp_conformance.run import Run
from pdpp_conformance.token_checks import Credential, secret_of
from pdpp_conformance.verdict import Blocked, NotApplicable

_REFUSED = (401, 403)
_POINTS_TO_OWNER_AGENT = re.compile(r"owner[\s_-]*agent|owner.{0,80}\brest\b|/v\d+\b", re.IGNORECASE | re.DOTALL)


def use_at(run: Run, surface: str, bearer: str) -> Answer:
    """Use a bearer at one of the owner's REST surfaces."""
    return use_bearer(run, surface, bearer)


def use_at_mcp(run: Run, bearer: str | None) -> Answer:
    """List the tools of the MCP resource under a bearer, or without one."""
    return run.mcp(bearer, actor="a bearer").request("tools/list")


def use_at_mcp_for(run: Run, bearer: str | None, what: str) -> Answer:
    """Use a bearer at the MCP resource for one kind of request."""
    if what == "opening a stream":
        headers = {"Accept": "text/event-stream", "MCP-Protocol-Version": HANDSHAKE_REVISION}
        answer = run.recorder.send("GET", run.discovery.mcp_resource, actor="a bearer", bearer=bearer, headers=headers)
        if answer.status == 405:
            raise NotApplicable("the MCP resource opens no stream for anybody (405), which it may")
        return answer
    revision = STATELESS_REVISION if what == "a stateless request" else None
    session = McpSession(run.recorder, run.discovery.mcp_resource, bearer, actor="a bearer", revision=revision)
    if what == "the handshake":
        return session.handshake()
    if what == "calling a tool":
        return session.request("tools/call", {"name": "schema", "arguments": {}})
    return session.request("tools/list")


def use_credential(run: Run, request: pytest.FixtureRequest, surface: str) -> Answer:
    """Use the scenario's credential as a bearer at a surface; a browser's session goes along as a cookie, too."""
    try:
        held: Credential | None = request.getfixturevalue("credential")
    except pytest.FixtureLookupError:
        held = None
    if held is not None and held.cookies is not None:
        answer = _at(run, surface, None, {"Cookie": held.cookies})
        if answer.status not in _REFUSED:
            return answer
    return _at(run, surface, secret_of(request), {})


def _at(run: Run, surface: str, bearer: str | None, headers: dict[str, str]) -> Answer:
    if surface != "the MCP resource":
        return use_bearer(run, surface, bearer, headers=headers)
    if not headers:
        return use_at_mcp(run, bearer)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    sent = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": HANDSHAKE_REVISION, **headers}
    return run.recorder.send("POST", run.discovery.mcp_resource, actor="a bearer", headers=sent, json_body=message)


def require_owner_token_served(run: Run, surface: str) -> None:
    """The positive control: the owner's token is served where others are to be refused.

    Raises:
        Blocked: it is not.
    """
    answer = use_bearer(run, surface, run.owner_token().access_token)
    if answer.status == 404:
        raise NotApplicable(f"the deployment serves nothing at {surface}")
    if answer.status != 200:
        raise Blocked(
            f"the owner token was answered {answer.summary} at {surface}, so that a refusal there proves nothing",
            unblock="a REST surface that serves the owner token",
        )


def require_client_token_served(run: Run) -> None:
    """The positive control at the MCP resource.

    Raises:
        Blocked: a client token is not served there.
    """
    require_served(run)


def judge_refused(judge: Judgement, run: Run, answer: Answer) -> None:
    """401 or 403, and nothing of the owner's in it."""
    judge.that(answer.status in _REFUSED, "401 or 403", answer.summary)
    judge_nothing_told(judge, run, answer)


def judge_nothing_told(judge: Judgement, run: Run, answer: Answer) -> None:
    """None of the owner's recognizable values occurs in an answer."""
    values = owner_values(run)
    leaked = told(answer.exchange.response_body or "", values)
    judge.that(not leaked, "nothing of the owner told", f"{len(leaked)} of {len(values)} known values in the answer")


def owner_values(run: Run) -> set[str]:
    """Return recognizable values of the owner's records, read once with the owner's token."""
    if run.known_values is None:
        answer = use_bearer(run, "the owner's records", run.owner_token().access_token)
        if answer.status != 200:
            raise Blocked(
                f"the owner's records were answered {answer.summary}, so that nothing is known to look for",
                unblock="a REST surface that serves the owner's records",
            )
        run.known_values = distinctive_values([answer.json_object()])
    return run.known_values


def judge_owner_token_error(judge: Judgement, run: Run, answer: Answer) -> None:
    """403 ``permission_error`` whose message or next step names owner-agent REST; with a challenge, the right one."""
    error = answer.member("error")
    told_error = error if isinstance(error, dict) else {}
    judge.that(
        answer.status == 403 and told_error.get("code") == "permission_error",
        "403 permission_error",
        answer.summary,
    )
    text = json.dumps(told_error)
    base = run.discovery.query_base
    points = bool(_POINTS_TO_OWNER_AGENT.search(text)) or (base is not None and base in text)
    judge.that(points, "a message or next step that names owner-agent REST", text[:200])
    if answer.header("www-authenticate") is not None:
        errors = errors_of(answer)
        judge.equal(errors, ["insufficient_scope"], "the error in the challenge")


def judge_tool_list(judge: Judgement, run: Run, bearer: str) -> None:
    """``tools/list`` succeeds, with tools in it."""
    tools = run.mcp(bearer, actor="the client").list_tools()
    names = ", ".join(str(tool.get("name")) for tool in tools[:8])
    judge.that(bool(tools), "tools", f"{len(tools)} tools: {names}")
