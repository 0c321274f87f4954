"""Grants judged as such: what ends with one, what single use means, and that either flow gives the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance import code_flow
from pdpp_conformance.ended_tokens import Ageing
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import ToolResult
from pdpp_conformance.oauth_client import OAuthClient, TokenResponse, read_token_response
from pdpp_conformance.owner_rest import use_bearer
from pdpp_conformance.reading import Reader
from pdpp_conformance.reading_checks import another_stream
from pdpp_conformance.run import EXPIRY_MARGIN_SECONDS, Run, begins_early
from pdpp_conformance.verdict import Blocked, Excluded, NotApplicable, Unmet

REFUSED = (401, 403)
LIFETIME_TOLERANCE_SECONDS = 5.0
RETENTION = {"max_duration": "P30D", "on_expiry": "delete"}


@dataclass(frozen=True)
class ByEitherPath:
    """Two tokens of one client for the same authorization details."""

    device: TokenResponse
    code: TokenResponse

    def __iter__(self) -> Any:
        return iter((("device code", self.device), ("authorization code", self.code)))


# -- the same grant by either path -------------------------------------------------------------------------------------


def continuous_by_either_path(run: Run) -> ByEitherPath:
    """Return the run's two tokens for one stream, for as long as the grant lasts.

    Raises:
        NotApplicable: the authorization-code flow is not offered.
    """
    code_flow.require_code_flow(run)
    return ByEitherPath(
        run.once("continuous, by device code", lambda: _by_device_code(run, run.one_stream())),
        code_flow.shared_token(run),
    )


def single_use_by_device_code(run: Run) -> TokenResponse:
    """Return the run's one token of a single-use grant that a device asked for."""
    return run.once("single use, by device code", lambda: _by_device_code(run, single_use(run)))


def single_use_by_either_path(run: Run) -> ByEitherPath:
    """Return the run's two tokens of single-use grants.

    Raises:
        NotApplicable: the authorization-code flow is not offered.
    """
    code_flow.require_code_flow(run)
    return ByEitherPath(
        single_use_by_device_code(run),
        run.once("single use, by authorization code", lambda: code_flow.granted_by_code(run, single_use(run))),
    )


def single_use(run: Run) -> list[dict[str, Any]]:
    """Return ``authorization_details`` for one stream, once, and for a month where that can be asked for."""
    return run.once("what a single-use request asks for", lambda: _single_use(run))


def _single_use(run: Run) -> list[dict[str, Any]]:
    source, stream = run.offer().first_stream()
    entry = run.offer().entry(source, [{"name": stream.name}], access_mode="single_use")
    kept = {**entry, "retention": dict(RETENTION)}
    client = code_flow.client_of_both_flows(run)
    answer = client.ask(client.request_parameters("grant_scoped_mcp", [kept]).items())
    return [entry if answer.member("device_code") is None else kept]


def _by_device_code(run: Run, details: Sequence[Mapping[str, Any]]) -> TokenResponse:
    return run.granted(details, code_flow.client_of_both_flows(run))


def judge_same_response(judge: Judgement, tokens: ByEitherPath) -> None:
    """Both token responses tell the same type, lifetime, scope, resource, grants, and have a refresh token or not."""
    device, code = (_told_by_response(token) for token in (tokens.device, tokens.code))
    for what in device:
        judge.equal(device[what], code[what], f"{what}, by device code as by authorization code,")
    _judge_lifetimes(judge, tokens.device.lifetime, tokens.code.lifetime)


def _told_by_response(token: TokenResponse) -> dict[str, Any]:
    members = token.members
    return {
        "token_type": str(members.get("token_type")).lower(),
        "scope": _words(members.get("scope")),
        "resource": members.get("resource"),
        "authorization_details": power_of(members.get("authorization_details")),
        "a refresh token": token.refresh_token is not None,
    }


def introspect_both(run: Run, tokens: ByEitherPath) -> list[Answer]:
    """Introspect both tokens."""
    return [run.introspect(token.access_token) for _, token in tokens]


def judge_same_introspection(judge: Judgement, answers: Sequence[Answer]) -> None:
    """Introspection tells of both the same kind, audience, client, owner, scope, grants and lifetime."""
    device, code = answers
    for answer in answers:
        judge.equal(answer.member("active"), True, "active")
    for member in ("pdpp_token_kind", "client_id", "sub", "subject_id", "token_type"):
        judge.equal(device.member(member), code.member(member), f"{member}, by device code as by authorization code,")
    for member in ("aud", "scope"):
        told = [_words(answer.member(member)) for answer in answers]
        judge.equal(told[0], told[1], f"{member}, by device code as by authorization code,")
    granted = [power_of(answer.member("authorization_details")) for answer in answers]
    judge.equal(granted[0], granted[1], "authorization_details, by device code as by authorization code,")
    ages = [_number(answer.member("exp")) - _number(answer.member("iat")) for answer in answers]
    _judge_lifetimes(judge, *ages)


def _judge_lifetimes(judge: Judgement, device: float, code: float) -> None:
    met = device == code or abs(device - code) <= LIFETIME_TOLERANCE_SECONDS
    judge.that(met, f"a lifetime of {code:g} s, as by authorization code", f"{device:g} s by device code")


def power_of(details: Any) -> list[str]:
    """What authorization details grant, entry by entry, in an order and spelling that can be compared."""
    entries = [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    names = ("type", "source", "access_mode", "streams", "purpose_code", "retention")
    return sorted(json.dumps({name: entry.get(name) for name in names}, sort_keys=True) for entry in entries)


def _words(value: Any) -> list[str]:
    """The members of a list, or of a text that is one (a scope); a single name is a list of one."""
    if isinstance(value, list):
        return sorted(str(member) for member in value)
    return sorted(value.split()) if isinstance(value, str) else []


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unmet("iat and exp as numbers at introspection", repr(value)[:80])
    return float(value)


@dataclass(frozen=True)
class Opened:
    """What one token opened: the granted stream, another one, the owner's own surface."""

    granted: ToolResult
    another: ToolResult
    rest: Answer


def use_everywhere(run: Run, tokens: ByEitherPath) -> list[Opened]:
    """Read the granted stream and another one with each token, and try it at the owner's REST surface."""
    return [
        Opened(
            granted=(reader := _reader(run, token)).query(run.offer().first_stream()[1].name),
            another=reader.query(another_stream(run)),
            rest=use_bearer(run, "the owner's REST surface", token.access_token),
        )
        for _, token in tokens
    ]


def judge_same_doors(judge: Judgement, opened: Sequence[Opened]) -> None:
    """Each token reads the granted stream, and neither opens anything else."""
    for path, one in zip(("device code", "authorization code"), opened, strict=True):
        judge.that(not one.granted.is_error, f"the granted stream, by {path}", _outcome(one.granted))
        judge.that(one.another.is_error, f"another stream refused, by {path}", _outcome(one.another))
        met = one.rest.status in REFUSED
        judge.that(met, f"401 or 403 at the owner's REST surface, by {path}", one.rest.summary)
    device, code = (_outcome(one.another) for one in opened)
    judge.equal(device, code, "the refusal of another stream, by device code as by authorization code,")


def _reader(run: Run, token: TokenResponse) -> Reader:
    return Reader(run.mcp(token.access_token, actor="the client"))


def _outcome(result: ToolResult) -> str:
    return f"refused: {result.error_code}" if result.is_error else "records"


# -- single use, and the end of it -------------------------------------------------------------------------------------


def judge_single_use(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """PDPP wire contract §4: a single-use grant is told as one, its retention with it, and comes without a refresh."""
    granted = token.members.get("authorization_details")
    entries = [entry for entry in granted if isinstance(entry, dict)] if isinstance(granted, list) else []
    modes = [str(entry.get("access_mode")) for entry in entries]
    judge.equal(modes, ["single_use"], "the access modes granted")
    judge.equal(entries[0].get("retention"), single_use(run)[0].get("retention"), "the retention granted")
    judge.that(
        token.refresh_token is None, "no refresh token", "none" if token.refresh_token is None else "a refresh token"
    )
    if "refresh_token" not in run.discovery.grant_types:
        judge.note("the deployment issues no refresh tokens at all")


def read_twice(run: Run, tokens: ByEitherPath) -> list[list[str]]:
    """Read the granted stream twice with each token, and return what came of it."""
    stream = run.offer().first_stream()[1].name
    return [[_read_once(run, token, stream) for _ in range(2)] for _, token in tokens]


def _read_once(run: Run, token: TokenResponse, stream: str) -> str:
    try:
        return _outcome(_reader(run, token).query(stream))
    except Unmet as refusal:
        return f"refused: {refusal.observed}"


def judge_same_readings(judge: Judgement, readings: Sequence[Sequence[str]]) -> None:
    """The first reading succeeds, and a token got by device code is good for as many as one got by code."""
    device, code = readings
    judge.equal(device[0], "records", "the first reading, by device code,")
    judge.equal(list(device), list(code), "what two readings gave, by device code as by authorization code,")


@begins_early("PRO-09")
def ageing_single_use(run: Run) -> Ageing:
    """Return a single-use token that a device got and used early, so that it has expired when others are judged.

    Raises:
        Blocked: it is not served.
    """
    return run.once("a single-use token that ages", lambda: _ageing_single_use(run))


def _ageing_single_use(run: Run) -> Ageing:
    token = _by_device_code(run, single_use(run))
    expires_at = run.waiting.now() + token.lifetime
    answer = run.mcp(token.access_token, actor="the client").request("tools/list")
    if answer.status != 200:
        raise Blocked(
            f"a fresh single-use token was answered {answer.summary} at the MCP resource",
            unblock="an MCP resource that takes the token",
        )
    return Ageing(token, expires_at)


def outlive(run: Run) -> None:
    """Wait until the single-use token that ages has expired.

    Raises:
        NotApplicable: nobody tells when that is.
        Excluded: it lives longer than a run against a URL waits.
    """
    aged = ageing_single_use(run)
    if aged.token.lifetime == math.inf:
        raise NotApplicable("the token response does not tell how long the token lives")
    try:
        run.waiting.until(aged.expires_at + EXPIRY_MARGIN_SECONDS, "the token of a single-use grant to expire")
    except Blocked as blocked:
        raise Excluded(
            f"the token lives {aged.token.lifetime:g} s, and the run does not wait that long; {blocked.unblock} would"
        ) from None


def judge_over(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """An expired token of a single-use grant opens nothing, and introspects as inactive where that can be asked."""
    answer = run.mcp(token.access_token, actor="the client").request("tools/list")
    judge.equal(answer.status, 401, "status at the MCP resource")
    _judge_inactive(judge, run, token)


def _judge_inactive(judge: Judgement, run: Run, token: TokenResponse) -> None:
    try:
        introspection = run.introspect(token.access_token)
    except Blocked as blocked:
        judge.note(f"not introspected: {blocked.reason}")
        return
    judge.equal(introspection.member("active"), False, "active")


# -- the end of a grant ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TwoGrants:
    """Two grants of one client: one to be revoked, one to be left alone."""

    client: OAuthClient
    first: TokenResponse
    kept: list[TokenResponse]
    """The tokens of the other grant, the latest last."""

    @property
    def other(self) -> TokenResponse:
        """The latest token of the grant that is left alone."""
        return self.kept[-1]


def two_grants(run: Run) -> TwoGrants:
    """Let the owner approve two requests of one client, for different streams, and see both tokens work.

    Raises:
        Blocked: one of the tokens does not work, or both carry one grant.
    """
    client = run.client()
    source, streams = run.offer().sources[0], run.offer().sources[0].streams
    kept = run.once(
        "the grant that is left alone",
        lambda: [run.granted([run.offer().entry(source, [{"name": streams[-1].name}])], client)],
    )
    first = run.granted([run.offer().entry(source, [{"name": streams[0].name}])], client)
    grant_id = first.members.get("grant_id")
    if grant_id is not None and grant_id == kept[-1].members.get("grant_id"):
        raise Blocked("two approvals gave one grant", unblock="a second stream to ask for, in the target file")
    for token in (first, kept[-1]):
        answer = run.mcp(token.access_token, actor=client.name).request("tools/list")
        if answer.status != 200:
            raise Blocked(
                f"a fresh client token was answered {answer.summary} at the MCP resource",
                unblock="an MCP resource that takes the token",
            )
    return TwoGrants(client, first, kept)


def revoke_grant(run: Run, token: TokenResponse) -> Answer:
    """Revoke a token's grant by the name that the PDPP wire contract §7 gives it, as its client, else as the owner.

    Raises:
        NotApplicable: the deployment revokes no grants by that name.
        Unmet: it failed to.
    """
    run.needs_pdpp("a grant that is revoked by its name")
    grant_id = token.members.get("grant_id")
    if not isinstance(grant_id, str) or not grant_id:
        raise Blocked("the token response names no grant", unblock="grant_id in the token response; see PRO-02")
    answers = []
    for url in run.discovery.grant_revocation_urls(grant_id):
        for bearer in (token.access_token, run.owner_token().access_token):
            answer = run.recorder.send("POST", url, actor="a bearer", bearer=bearer)
            answers.append(answer)
            if answer.status in (200, 202, 204):
                return answer
    if any(answer.status >= 500 for answer in answers):
        raise Unmet("the grant revoked", ", ".join(answer.summary for answer in answers))
    raise NotApplicable(
        "no bearer revokes a grant here by the wire contract's name "
        f"({', '.join(dict.fromkeys(answer.summary for answer in answers))}); the owner does so on a page, see REV-08"
    )


def judge_dead(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """The access token of a revoked grant is refused at the MCP resource, and introspects as inactive."""
    answer = run.mcp(token.access_token, actor="the client").request("tools/list")
    judge.that(answer.status in REFUSED, "401 or 403 at the MCP resource", answer.summary)
    _judge_inactive(judge, run, token)


def judge_no_refresh(judge: Judgement, client: OAuthClient, token: TokenResponse) -> None:
    """The refresh token of a revoked grant gives nothing, and is refused as RFC 6749 §5.2 says."""
    if token.refresh_token is None:
        judge.note("the grant came without a refresh token")
        return
    answer = client.refresh(token.refresh_token)
    judge.error(answer, ["invalid_grant"])


def revoke_refresh_token(client: OAuthClient, token: TokenResponse) -> Answer:
    """Revoke a refresh token, and with it what RFC 7009 §2.1 lets go with it.

    Raises:
        NotApplicable: there is none.
    """
    if token.refresh_token is None:
        raise NotApplicable("the deployment issued no refresh token with a continuous grant")
    return client.revoke(token.refresh_token)


def judge_alive(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """A grant that was left alone still reads, and the owner's own token is what it was."""
    answer = run.mcp(token.access_token, actor="the client").request("tools/list")
    judge.that(answer.status == 200, "the other grant's token still served at the MCP resource", answer.summary)
    owner = use_bearer(run, "the owner's REST surface", run.owner_token().access_token)
    judge.that(owner.status == 200, "the owner's token still served at the owner's REST surface", owner.summary)


def judge_refreshes(judge: Judgement, run: Run, grants: TwoGrants) -> None:
    """The refresh token of the grant that was left alone still gives a token that works."""
    if grants.other.refresh_token is None:
        judge.note("the other grant came without a refresh token")
        return
    answer = grants.client.refresh(grants.other.refresh_token, [("resource", run.discovery.mcp_resource)])
    judge.that(answer.status == 200, "the other grant's refresh token good", answer.summary)
    grants.kept.append(read_token_response(answer))
    judge_alive(judge, run, grants.other)
