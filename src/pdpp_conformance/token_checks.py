"""Tokens judged: what the token response, introspection and behaviour tell of them has to be one story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, TokenResponse, read_token_response
from pdpp_conformance.reading import Reader
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

A_DAY_SECONDS = 86_400
CLOCKS_DIFFER_BY_SECONDS = 300.0
"""By how much a deployment's clock and the harness's own may differ without a fault of either."""


@dataclass(frozen=True)
class Credential:
    """Something that opens something else than what it is tried on."""

    what: str
    secret: str = field(repr=False)
    cookies: str | None = field(default=None, repr=False)
    """Sent along as a cookie header, where the credential is a browser's session."""


def credential(run: Run, what: str) -> Credential:
    """Return a live credential that is no access token.

    Raises:
        NotApplicable: the deployment issues none.
        Blocked: it cannot be come by.
    """
    if what == "a refresh token":
        refresh_token = run.client_token().refresh_token
        if refresh_token is None:
            raise NotApplicable("the deployment issued no refresh token with a continuous grant")
        return Credential(what, refresh_token)
    if what == "the owner's session":
        cookies = run.owner_session()
        if not cookies:
            raise Blocked(
                "the owner has no session at the deployment", unblock="--approver browser and the owner's password"
            )
        longest = max(cookies, key=lambda cookie: len(cookie[1]))
        return Credential(what, longest[1], "; ".join(f"{name}={value}" for name, value in cookies))
    device = run.client().start("grant_scoped_mcp", run.one_stream())
    return Credential(what, device.device_code if what == "a device code" else device.user_code)


def secret_of(request: pytest.FixtureRequest) -> str:
    """Return the token or other credential that the scenario is about."""
    for name in ("credential", "token"):
        try:
            held = request.getfixturevalue(name)
        except pytest.FixtureLookupError:
            continue
        return str(held.secret if isinstance(held, Credential) else held.access_token)
    answer: Answer = request.getfixturevalue("answer")
    return read_token_response(answer).access_token


def judge_active(judge: Judgement, introspection: Answer, kinds: Sequence[str]) -> None:
    """RFC 7662 §2.2, and the kind PDPP adds."""
    active, kind = introspection.member("active"), introspection.member("pdpp_token_kind")
    judge.that(
        introspection.status == 200 and active is True and kind in kinds,
        f"200, active, kind {' or '.join(kinds)}",
        f"{introspection.status}, active {active}, kind {kind}",
    )


def judge_active_in(judge: Judgement, run: Run, answer: Answer, kinds: Sequence[str]) -> None:
    """The answer to a redemption holds a token, which is active and of one of these kinds."""
    token = answer.member("access_token")
    judge.that(isinstance(token, str) and bool(token), "an access token", f"{answer.summary} without one")
    judge_active(judge, run.introspect(str(token)), kinds)


def judge_granted(judge: Judgement, run: Run, introspection: Answer, what: str) -> None:
    """Active, of kind client, with its grant or package, and for the MCP resource alone."""
    judge_active(judge, introspection, run.client_kinds)
    member = "grant_id" if what == "grant" else "grant_package_id"
    judge.that(bool(introspection.member(member)), f"a {member}", str(introspection.member(member)))
    audience = introspection.member("aud")
    named = audience if isinstance(audience, list) else [audience]
    judge.equal(named, [run.discovery.mcp_resource], "the audience")


def judge_inactive(judge: Judgement, introspection: Answer) -> None:
    """Inactive; or, for a refresh token, marked as what it is and so no access token."""
    is_refresh = introspection.member("token_type") in ("refresh_token", "N_A", "refresh")
    judge.that(
        introspection.status == 200 and (introspection.member("active") is False or is_refresh),
        "200 with active false",
        f"{introspection.summary}, active {introspection.member('active')}",
    )


def judge_same(judge: Judgement, token: TokenResponse, introspection: Answer, members: Sequence[str]) -> None:
    """Members that both tell are the same, and present."""
    for member in members:
        judge.that(token.members.get(member) is not None, f"{member} in the token response", "absent")
        judge.equal(introspection.member(member), token.members[member], member)


def judge_agreement(judge: Judgement, run: Run, token: TokenResponse, introspection: Answer) -> None:
    """RFC 7662 §2.2, RFC 9396 §9.2: introspection tells what the token response told."""
    judge.equal(introspection.member("client_id"), run.client().client_id, "client_id")
    if "resource" in token.members:
        audience = introspection.member("aud")
        named = audience if isinstance(audience, list) else [audience]
        judge.that(token.members["resource"] in named, f"aud {token.members['resource']}", str(audience))
    expires_in, issued, expires = (
        token.members.get("expires_in"),
        introspection.member("iat"),
        introspection.member("exp"),
    )
    if all(isinstance(value, int | float) for value in (expires_in, issued, expires)):
        judge.that(abs((expires - issued) - expires_in) <= 5, f"exp {expires_in} s after iat", f"{expires - issued} s")
    _judge_times(judge, _moment_of(run, introspection), issued, expires)
    if introspection.member("iss") is not None:
        judge.equal(introspection.member("iss"), run.discovery.issuer, "iss")
    told, issued_as = introspection.member("token_type"), token.members.get("token_type")
    if isinstance(told, str) and isinstance(issued_as, str):  # that one is missing is another requirement's
        judge.equal(told.lower(), issued_as.lower(), "token_type")
    if introspection.member("sub") is not None and introspection.member("subject_id") is not None:
        judge.equal(introspection.member("subject_id"), introspection.member("sub"), "subject_id")
    if "authorization_details" in token.members:
        judge.equal(introspection.member("authorization_details"), token.members["authorization_details"], "details")
    if "scope" in token.members:
        judge.equal(introspection.member("scope"), token.members["scope"], "scope")


def _moment_of(run: Run, answer: Answer) -> float:
    """Return when an answer came, in seconds since 1970 as the deployment counts them."""
    return run.waiting.now() if run.waiting.moved_by_hand else answer.exchange.at


def _judge_times(judge: Judgement, now: float, issued: Any, expires: Any) -> None:
    """RFC 7662 §2.2: seconds since 1970, of an issuance that was and of an expiry that is to come."""
    if isinstance(issued, int | float):
        judge.that(0 < issued <= now + CLOCKS_DIFFER_BY_SECONDS, "iat not to lie ahead", f"{issued - now:+.0f} s")
    if isinstance(expires, int | float):
        met = now - CLOCKS_DIFFER_BY_SECONDS < expires <= now + A_DAY_SECONDS * 366
        judge.that(met, "exp to lie ahead, by a year at most", f"{expires - now:+.0f} s")


def judge_no_grant(judge: Judgement, token: TokenResponse, introspection: Answer) -> None:
    """An owner token names no grant."""
    told = [
        name
        for name in ("grant_id", "grant_package_id")
        if token.members.get(name) is not None or introspection.member(name) is not None
    ]
    judge.that(not told, "no grant id", ", ".join(told) or "none")


def judge_lifetime(judge: Judgement, answer: Answer) -> None:
    """``expires_in`` is a JSON number, and a day at most."""
    expires_in = answer.member("expires_in")
    met = isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and 0 < expires_in <= A_DAY_SECONDS
    judge.that(met, f"expires_in between 1 and {A_DAY_SECONDS}", repr(expires_in))


def judge_streams(judge: Judgement, answer: Answer, names: Sequence[str]) -> None:
    """The granted entry names exactly these streams."""
    granted = answer.member("authorization_details")
    entry = granted[0] if isinstance(granted, list) and granted and isinstance(granted[0], dict) else {}
    judge.equal([stream.get("name") for stream in entry.get("streams", [])], list(names), "the granted streams")


def judge_streams_if_told(judge: Judgement, introspection: Answer, names: Sequence[str]) -> None:
    """The granted entry that introspection tells names exactly these streams.

    Raises:
        Blocked: introspection tells none; that it has to is judged elsewhere.
    """
    if introspection.member("authorization_details") is None:
        raise Blocked(
            "introspection tells no authorization details", unblock="introspection that tells what was granted"
        )
    judge_streams(judge, introspection, names)


def _judge_no_others(judge: Judgement, answer: Answer, names: Sequence[str]) -> None:
    """An answer that tells the granted streams names none but these; that it has to tell them is judged elsewhere."""
    granted = answer.member("authorization_details")
    entries = [entry for entry in granted if isinstance(entry, dict)] if isinstance(granted, list) else []
    told = [stream.get("name") for entry in entries for stream in entry.get("streams", []) if isinstance(stream, dict)]
    judge.that(set(told) <= set(names), f"no granted streams but {', '.join(names)}", ", ".join(map(str, told)))


def judge_not_widened(judge: Judgement, run: Run, answer: Answer, device: DeviceAuthorization) -> None:
    """The token names the approved streams alone, in its response and at introspection, and reads no other."""
    token = read_token_response(answer if answer.member("access_token") is not None else device.poll_decided())
    approved = [stream["name"] for stream in run.one_stream()[0]["streams"]]
    for told in (token.answer, run.introspect(token.access_token)):
        _judge_no_others(judge, told, approved)
    require_readable(run, token, device, approved[0])
    others = [stream.name for stream in run.offer().sources[0].streams if stream.name not in approved]
    for other in others[:1]:
        judge_unreadable(judge, run, token.answer, device, other)


def require_readable(run: Run, token: TokenResponse, device: DeviceAuthorization, stream: str) -> None:
    """The positive control: the token reads a stream that it was granted.

    Raises:
        Blocked: it does not.
    """
    try:
        Reader(run.mcp(token.access_token, actor=device.client.name)).query(stream)
    except Unmet as problem:
        raise Blocked(
            f"the token cannot read the granted stream: {problem}", unblock="an MCP resource that serves the token"
        ) from None


def judge_unreadable(judge: Judgement, run: Run, answer: Answer, device: DeviceAuthorization, stream: str) -> None:
    """The token of an answer cannot read a stream at the MCP resource."""
    token = read_token_response(answer)
    result = Reader(run.mcp(token.access_token, actor=device.client.name)).query(stream)
    judge.that(result.is_error, f"a refusal to read {stream}", "a refusal" if result.is_error else "a result")
