"""Which MCP revisions the MCP resource speaks, and whether a requirement's window holds one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pdpp_conformance.catalogue import Requirement
from pdpp_conformance.exchange import Answer
from pdpp_conformance.mcp_client import HANDSHAKE_REVISION, STATELESS_REVISION, McpSession, message_of
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Conclusion, Unmet

_PREFIX = "MCP "


def revisions_spoken(run: Run) -> Sequence[str]:
    """Return the revisions that the MCP resource speaks (``2025-11-25``), or the one that the target file names.

    Asked once a run, with a client token: ``initialize`` as clients up to 2025-11-25 do, and ``server/discover`` as
    later ones do.

    Raises:
        Blocked: it cannot be found out.
    """
    if run.target.mcp_revision is not None:
        return (run.target.mcp_revision,)
    return run.once("the MCP revisions spoken", lambda: _asked(run))


def why_outside_window(requirement: Requirement, run: Run) -> str | None:
    """Return why none of the revisions spoken is in the requirement's window; ``None`` where one is.

    Raises:
        Blocked: there is a window, and which revisions are spoken cannot be found out.
    """
    if requirement.since is None and requirement.until is None:
        return None
    return outside(requirement, revisions_spoken(run))


def outside(requirement: Requirement, spoken: Sequence[str]) -> str | None:
    """Return why none of these revisions is in the requirement's window; ``None`` where one is."""
    since, until = requirement.since or "", requirement.until
    if any(f"{_PREFIX}{one}" >= since and (until is None or f"{_PREFIX}{one}" <= until) for one in spoken):
        return None
    parts = ("since", requirement.since), ("until", requirement.until)
    window = " ".join(f"{word} {revision}" for word, revision in parts if revision is not None)
    return f"a rule {window}, and the MCP resource speaks {' and '.join(spoken)}"


def _asked(run: Run) -> Sequence[str]:
    unblock = "mcp_revision in the target file, or a deployment that gives the run a client token and serves it"
    try:
        bearer = run.client_token().access_token
        spoken = {*_by_handshake(run, bearer), *_by_discovery(run, bearer)}
    except Conclusion as problem:
        raise Blocked(f"which MCP revisions are spoken could not be found out ({problem})", unblock=unblock) from None
    if not spoken:
        raise Blocked("the MCP resource answers neither initialize nor server/discover", unblock=unblock)
    return sorted(spoken)


def _by_handshake(run: Run, bearer: str) -> Sequence[str]:
    session = McpSession(run.recorder, run.discovery.mcp_resource, bearer, actor="the client", revision=None)
    named = _result_of(session.handshake()).get("protocolVersion")
    return [named] if isinstance(named, str) and named <= HANDSHAKE_REVISION else []


def _by_discovery(run: Run, bearer: str) -> Sequence[str]:
    """MCP 2026-07-28: ``server/discover``, which every server has, names the revisions that go without handshake."""
    resource = run.discovery.mcp_resource
    session = McpSession(run.recorder, resource, bearer, actor="the client", revision=STATELESS_REVISION)
    named = _result_of(session.request("server/discover")).get("supportedVersions")
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []


def _result_of(answer: Answer) -> dict[str, Any]:
    try:
        result = message_of(answer).get("result") if answer.status == 200 else None
    except Unmet:
        return {}
    return result if isinstance(result, dict) else {}
