"""The owner's REST surface, found from metadata: where an owner token works and no other does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdpp_conformance.exchange import Answer
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked

SURFACES = (
    "the owner's streams",
    "the owner's records",
    "the owner's schema",
    "the owner's control surface",
    "the owner's REST surface",
)


def use_bearer(run: Run, surface: str, bearer: str | None, *, headers: Mapping[str, str] | None = None) -> Answer:
    """GET one of :data:`SURFACES` with a bearer.

    Raises:
        Blocked: the metadata does not lead there.
    """
    return run.recorder.send("GET", _url(run, surface), actor="a bearer", bearer=bearer, headers=headers or {})


def _url(run: Run, surface: str) -> str:
    base = run.discovery.query_base
    if base is None:
        raise Blocked(
            "the metadata names no query base for owner tokens",
            unblock="protected resource metadata with pdpp_core_query_base or owner-agent onboarding",
        )
    block = run.discovery.owner_agent_onboarding
    streams = _text(block, "streams_endpoint") or f"{base}/streams"
    if surface == "the owner's records":
        return f"{streams}/{run.offer().first_stream()[1].name}/records"
    if surface == "the owner's schema":
        return _text(block, "schema_endpoint") or f"{base}/schema"
    if surface == "the owner's control surface":
        control = block.get("control_surface")
        return (_text(control, "entrypoint") if isinstance(control, dict) else None) or f"{base}/owner/control"
    return streams


def _text(block: Mapping[str, Any], member: str) -> str | None:
    value = block.get(member)
    return value if isinstance(value, str) else None
