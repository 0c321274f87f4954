"""Refresh tokens, judged: rotation, replay, and that a refresh gives no more than was granted (RFC 6749 §6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.device_requests import another_resource
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.reading import Reader
from pdpp_conformance.revocation_checks import require_refresh_token
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Excluded, NotApplicable, Unmet
from pdpp_conformance.waiting import wait

Parameters = list[tuple[str, str]]

IDLE_SECONDS = 180 * 24 * 3600.0
"""After half a year without use a refresh token is taken to be idle, where nothing tells its lifetime."""


@dataclass(frozen=True)
class Family:
    """What came of one approval: the tokens of a refresh, and those that were refreshed."""

    spent: TokenResponse
    current: TokenResponse

    @property
    def refresh_token(self) -> str:
        return require_refresh_token(self.current)


def unused(run: Run) -> TokenResponse:
    """Return tokens whose refresh token was not used yet.

    Raises:
        NotApplicable: the deployment issued no refresh token.
    """
    token = run.spare_token()
    require_refresh_token(token)
    return token


def refreshed(run: Run) -> Family:
    """Return tokens of a refresh that worked: the positive control of what is refused later.

    Raises:
        Blocked: it did not work.
        NotApplicable: the deployment issued no refresh token.
    """
    token = unused(run)
    return Family(token, run.refreshed(token))


def refresh(run: Run, token: TokenResponse) -> Answer:
    """Let the client refresh."""
    answer = run.client().refresh(require_refresh_token(token))
    if answer.member("access_token") is not None and answer.status == 200:
        run.keep_spare(token, answer)
    return answer


def replay(run: Run, family: Family) -> Answer:
    """Use the refresh token once more that was used before.

    Raises:
        NotApplicable: it was not replaced, so that using it again is no replay.
    """
    spent = require_refresh_token(family.spent)
    if spent == family.refresh_token:
        raise NotApplicable("the refresh token was not replaced, so that using it again is no replay")
    return run.client().refresh(spent)


def refresh_asking(run: Run, family: Family, what: str) -> Answer:
    """Refresh and ask for something else than was granted, or for just what was granted."""
    return run.client().refresh(family.refresh_token, _asked(run, family, what))


def _asked(run: Run, family: Family, what: str) -> Parameters:
    resource = run.discovery.mcp_resource
    resources: Mapping[str, Sequence[str]] = {
        "the approved resource": [resource],
        "another resource": [another_resource(run)],
        "the approved resource and another": [resource, another_resource(run)],
        "a resource of somebody else": ["https://resource.example/mcp"],
    }
    if what in resources:
        return [("resource", named) for named in resources[what]]
    if what == "more scope":
        return [("scope", _more_scope(run, family))]
    if what == "one stream more":
        return [("authorization_details", json.dumps(_with_streams(run, _with_another(run))))]
    return [("authorization_details", json.dumps(_with_streams(run, [{"name": "*"}])))]


def _more_scope(run: Run, family: Family) -> str:
    told = family.current.members.get("scope", family.spent.members.get("scope"))
    held = told.split() if isinstance(told, str) else []
    listed = run.discovery.authorization_server.content.get("scopes_supported")
    offered = [scope for scope in listed if isinstance(scope, str)] if isinstance(listed, list) else []
    more = [scope for scope in offered if scope not in held] or ["conformance_everything"]
    return " ".join([*held, more[0]])


def _with_another(run: Run) -> list[dict[str, Any]]:
    source, granted = run.offer().first_stream()
    others = [stream for stream in source.streams if stream.name != granted.name]
    if not others:
        raise Blocked("only one stream is known", unblock="a source with two streams, or outside_the_grant.stream")
    return [{"name": granted.name}, {"name": others[0].name}]


def _with_streams(run: Run, streams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "streams": streams} for entry in run.one_stream()]


def refresh_as_another(run: Run, family: Family) -> Answer:
    """Let another client refresh with this client's refresh token."""
    return run.client("another client").refresh(family.refresh_token)


def refresh_with_access_token(run: Run, family: Family) -> Answer:
    """Use the access token where a refresh token belongs."""
    return run.client().refresh(family.current.access_token)


def leave_idle(run: Run, family: Family) -> None:
    """Let the refresh token lie unused until it must have expired.

    Raises:
        Excluded: nothing tells its lifetime, and real time would have to pass.
        Blocked: the run may not wait that long.
    """
    told = next(
        (
            family.current.members[name]
            for name in ("refresh_token_expires_in", "refresh_expires_in")
            if isinstance(family.current.members.get(name), int | float)
        ),
        None,
    )
    if told is None and not run.waiting.moved_by_hand:
        raise Excluded("no answer tells how long an unused refresh token lives; attestations in the target file can")
    wait(run.waiting, IDLE_SECONDS if told is None else float(told) + 2, "an unused refresh token to expire")


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_rotated(judge: Judgement, answer: Answer, token: TokenResponse) -> None:
    """A new refresh token, or tokens that are bound to their sender (OAuth 2.1 §4.3.1)."""
    judge.that(
        answer.status == 200 and answer.member("access_token") is not None, "200 with an access token", answer.summary
    )
    fresh = answer.member("refresh_token")
    if str(answer.member("token_type")).lower() == "dpop":
        judge.note("the tokens are bound to their sender (DPoP)")
        return
    observed = "none" if fresh is None else "the old one" if fresh == token.refresh_token else "a new one"
    judge.that(isinstance(fresh, str) and observed == "a new one", "a new refresh token", observed)


def judge_family_dead(judge: Judgement, run: Run, family: Family) -> None:
    """After a replay the refresh token that came of the first use is refused, too (RFC 9700 §4.14.2)."""
    judge.error(run.client().refresh(family.refresh_token), ["invalid_grant"])


def judge_grants_no_more(judge: Judgement, run: Run, family: Family, answer: Answer, codes: Sequence[str]) -> None:
    """Refused by one of ``codes``; an answer that grants no more than before is permitted, and remarked on."""
    if answer.member("access_token") is not None:
        token = run.keep_spare(family.current, answer)
        judge_within(judge, run, family.spent, token)
        judge.remark(False, f"400 {' or '.join(codes)}", "200, the demand ignored: no more was granted")
    judge.error(answer, codes)
    judge_still_good(judge, run, family)


def judge_still_good(judge: Judgement, run: Run, family: Family) -> None:
    """The refused request left the refresh token to its client; that it did not is permitted, and remarked on."""
    answer = run.client().refresh(family.refresh_token)
    judge.remark(
        answer.member("access_token") is not None, "the refresh token still good for its client", answer.summary
    )
    run.keep_spare(family.current, answer)


def judge_within(judge: Judgement, run: Run, before: TokenResponse, after: TokenResponse) -> None:
    """A refreshed token is for the scope, details, resource and grant of the one before, by word and by deed."""
    for member in ("grant_id", "grant_package_id", "resource"):
        if member in before.members and member in after.members:
            judge.equal(after.members[member], before.members[member], member)
    if isinstance(after.members.get("scope"), str) and isinstance(before.members.get("scope"), str):
        more = set(after.members["scope"].split()) - set(before.members["scope"].split())
        judge.that(
            not more, f"no scope beyond {before.members['scope']}", f"also {' '.join(sorted(more)) or 'nothing'}"
        )
    granted = _streams(before.answer.member("authorization_details")) or _streams(run.one_stream())
    told = _streams(after.answer.member("authorization_details"))
    judge.that(told <= granted, f"no streams beyond {_names(granted)}", _names(told))
    _judge_reads_no_more(judge, run, after, granted)


def _judge_reads_no_more(judge: Judgement, run: Run, token: TokenResponse, granted: set[str]) -> None:
    others = [stream.name for stream in run.offer().first_stream()[0].streams if stream.name not in granted]
    if not others:
        judge.note("no stream outside the grant is known, so that none was read")
        return
    result = Reader(run.mcp(token.access_token, actor="the client")).query(others[0])
    judge.that(result.is_error, f"a refusal to read {others[0]}", "a refusal" if result.is_error else "its records")


def judge_bound(judge: Judgement, run: Run, token: TokenResponse, introspection: Answer, answer: Answer) -> None:
    """A refreshed token is the one before it in all that was consented: in the response and at introspection."""
    judge.that(answer.member("access_token") is not None, "an access token", answer.summary)
    fresh = run.keep_spare(token, answer)
    judge_within(judge, run, token, fresh)
    after = run.introspect(fresh.access_token)
    judge.that(after.member("active") is True, "the refreshed token active", f"active {after.member('active')}")
    for member in ("client_id", "aud", "scope", "grant_id", "grant_package_id", "authorization_details"):
        judge.equal(after.member(member), introspection.member(member), member)


def judge_approved_resource(judge: Judgement, run: Run, family: Family, answer: Answer) -> None:
    """The resource that was approved may be named at a refresh (RFC 8707 §2.2)."""
    if answer.member("access_token") is None:
        raise Unmet("tokens for the approved resource", answer.summary)
    token = run.keep_spare(family.current, answer)
    used = run.mcp(token.access_token, actor="the client").request("tools/list")
    judge.that(used.status == 200, "a token that the MCP resource serves", used.summary)


def _streams(details: Any) -> set[str]:
    entries = details if isinstance(details, list) else []
    streams = [entry.get("streams") for entry in entries if isinstance(entry, dict)]
    return {
        str(stream.get("name"))
        for listed in streams
        if isinstance(listed, list)
        for stream in listed
        if isinstance(stream, dict)
    }


def _names(streams: set[str]) -> str:
    return ", ".join(sorted(streams)) or "none"
