"""Revocation: by the client that holds a token, and by others (RFC 7009)."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import revocation_checks as checks
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run


@given(parsers.re(r"an? (?P<kind>(?:access|refresh) token) that works"), target_fixture="held")
def holds(run: Run, kind: str) -> checks.Held:
    return checks.holding(run, kind)


@given(parsers.re(r"an? (?P<kind>(?:access|refresh) token) that can be revoked"), target_fixture="held")
def holds_revocable(run: Run, kind: str) -> checks.Held:
    return checks.holding_revocable(run, kind)


@given("the access token that came with it works at the MCP resource")
def access_token_works(run: Run, held: checks.Held) -> None:
    checks.require_works_at_mcp(run, held.response)


@given("the client has revoked the refresh token")
def has_revoked(run: Run, held: checks.Held) -> None:
    checks.require_revoked(run, held)


@when("the client revokes it", target_fixture="revocation")
def revokes(run: Run, held: checks.Held) -> Answer:
    return checks.revoke(run, held)


@when(parsers.re(r"the client revokes it, with the hint that (?P<hint>.+)"), target_fixture="revocation")
def revokes_with_hint(run: Run, held: checks.Held, hint: str) -> Answer:
    return checks.revoke(run, held, hint=checks.HINTS[hint])


@when("the client revokes a token that nobody issued", target_fixture="revocation")
def revokes_unknown(run: Run) -> Answer:
    return checks.revoke_unknown(run)


@when(parsers.re(r"it is revoked by (?P<who>.+)"), target_fixture="revocation")
def revoked_by(run: Run, held: checks.Held, who: str) -> Answer:
    return checks.revoke_as(run, held, who)


@then("the token is revoked")
def is_revoked(judge: Judgement, run: Run, held: checks.Held, revocation: Answer) -> None:
    checks.judge_revoked(judge, run, held, revocation)


@then("access tokens can be revoked")
def access_tokens_can_be(judge: Judgement, run: Run, held: checks.Held, revocation: Answer) -> None:
    checks.judge_access_revocable(judge, run, held, revocation)


@then("the token is refused from then on")
def refused_at_once(judge: Judgement, run: Run, held: checks.Held, revocation: Answer) -> None:
    checks.judge_refused_at_once(judge, run, held, revocation)


@then("introspection calls it inactive")
def introspects_inactive(judge: Judgement, run: Run, held: checks.Held) -> None:
    checks.judge_introspects_inactive(judge, run, held)


@then("the access token that came with it is refused at the MCP resource")
def access_token_is_dead(judge: Judgement, run: Run, held: checks.Held) -> None:
    checks.judge_dead_at_mcp(judge, run, held.response)


@then("the revocation is answered with 200")
def answered_with_200(judge: Judgement, revocation: Answer) -> None:
    judge.equal(revocation.status, 200, "status")


@then("it is revoked, or refused as a type of token that cannot be")
def type_is_named(judge: Judgement, revocation: Answer) -> None:
    checks.judge_type_named(judge, revocation)


@then("the revocation is refused, and the token still works")
def refused_and_intact(judge: Judgement, run: Run, held: checks.Held, revocation: Answer) -> None:
    checks.judge_refused_and_intact(judge, run, held, revocation)
