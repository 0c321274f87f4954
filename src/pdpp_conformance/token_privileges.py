"""What a client token is good for: its audience, what it may read, and whom it is bound to (RFC 8707, RFC 9700)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pdpp_conformance.code_statistics import signature_of
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.run import Run
from pdpp_conformance.scope_checks import scopes_of
from pdpp_conformance.surface_checks import require_owner_token_served, use_at, use_at_mcp
from pdpp_conformance.verdict import Blocked, NotApplicable, Remark

_REST = "the owner's REST surface"


def judge_audience(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """RFC 8707 §2: the audience is the approved resource, by introspection, by the JWT, or else by behaviour."""
    resource = run.discovery.mcp_resource
    try:
        told: Mapping[str, Any] | None = run.introspect(token.access_token).json_object()
    except Blocked:
        told = claims_of(token.access_token)
    if told is not None:
        audience = told.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        judge.equal(named, [resource], "the audience")
        return
    require_owner_token_served(run, _REST)
    here, there = use_at_mcp(run, token.access_token), use_at(run, _REST, token.access_token)
    judge.that(
        here.status == 200 and there.status in (401, 403),
        f"a token good for {resource} and refused at the owner's REST surface",
        f"{here.summary} there, {there.summary} at the owner's REST surface",
    )


def claims_of(token: str) -> Mapping[str, Any] | None:
    """Return the claims of a token that is a JWT; nothing is verified."""
    if signature_of(token) is None:
        return None
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def judge_least_privilege(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """RFC 9700 §2.3: entry for entry what was asked for and approved, and no scope of the owner's.

    Where the profile knows of no owner's tokens, no scope that was not asked for.

    Raises:
        NotApplicable: none was asked for there, so that the server's own default is granted (RFC 6749 §3.3).
    """
    granted = token.members.get("authorization_details")
    asked = run.one_stream()
    entries = [entry for entry in granted if isinstance(entry, dict)] if isinstance(granted, list) else []
    judge.that(len(entries) == len(asked), f"{len(asked)} entry of authorization details", str(granted)[:200])
    for entry, wanted in zip(entries, asked, strict=True):
        wider = [name for name in ("type", "source") if entry.get(name) != wanted[name]]
        wider += [] if entry.get("access_mode") in (wanted["access_mode"], "single_use") else ["access_mode"]
        wider += [] if _no_wider(entry.get("streams"), wanted["streams"]) else ["streams"]
        judge.that(not wider, "the details that were approved", f"wider {', '.join(wider)}" if wider else "those")
    scopes = scopes_of(run, token)
    if run.target.profile != "pdpp":
        _judge_no_more_scope(judge, scopes, run.target.client.scope)
        return
    of_owners = scopes & (scopes_of(run, run.owner_token()) | {"*"}) if scopes else set()
    judge.that(
        not of_owners,
        "no scope that owner tokens have",
        " ".join(sorted(of_owners or scopes)) or "no scope",
    )


def _judge_no_more_scope(judge: Judgement, scopes: AbstractSet[str], asked_for: str | None) -> None:
    if asked_for is None:
        raise NotApplicable("no scope was asked for, and which one is granted then is for the server to choose")
    more = sorted(scopes - set(asked_for.split()))
    judge.that(not more, "no scope that was not asked for", " ".join(more) or "none")


def _no_wider(given: Any, wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the streams are those asked for, each perhaps told with more restrictions."""
    streams = (
        {stream.get("name"): stream for stream in given if isinstance(stream, dict)} if isinstance(given, list) else {}
    )
    return set(streams) == {stream["name"] for stream in wanted} and all(
        streams[stream["name"]].get(member) == value for stream in wanted for member, value in stream.items()
    )


def judge_sender_constrained(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """RFC 9700 §2.2.1: where the metadata offers DPoP or mutual TLS, whether a plain client's token is bound.

    Raises:
        NotApplicable: the metadata offers neither.
        Remark: it offers one, and a client that shows no proof gets a bearer token all the same.
    """
    offered = offers_of(run)
    if not offered:
        raise NotApplicable("the metadata offers neither DPoP nor certificate-bound tokens, which are advice")
    bound = str(token.members.get("token_type", "")).lower() != "bearer" or _is_bound(run, token)
    judge.expected, judge.observed = "a sender-constrained token", f"{', '.join(offered)} offered"
    if not bound:
        raise Remark("a sender-constrained token", f"{', '.join(offered)} offered, and a bearer token without a proof")


def offers_of(run: Run) -> list[str]:
    """Return the ways of sender-constraining that the metadata offers."""
    found = run.discovery
    server, resource = found.authorization_server.content, found.mcp_resource_metadata.content
    offers = {
        "DPoP": server.get("dpop_signing_alg_values_supported") or resource.get("dpop_signing_alg_values_supported"),
        "certificate-bound tokens": server.get("tls_client_certificate_bound_access_tokens")
        or resource.get("tls_client_certificate_bound_access_tokens"),
    }
    return [name for name, value in offers.items() if value]


def _is_bound(run: Run, token: TokenResponse) -> bool:
    try:
        told: Answer | None = run.introspect(token.access_token)
    except Blocked:
        told = None
    claims = claims_of(token.access_token) or {}
    return "cnf" in claims or (told is not None and isinstance(told.member("cnf"), dict))
