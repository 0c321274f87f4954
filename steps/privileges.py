"""What a client token is good for (RFC 8707, RFC 9700)."""

from __future__ import annotations

from pytest_bdd import then

from pdpp_conformance import token_privileges as checks
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.run import Run


@then("its audience is the MCP resource")
def audience_is_resource(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_audience(judge, run, token)


@then("it is granted what was approved, and no scope of the owner's")
def least_privilege(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_least_privilege(judge, run, token)


@then("it is bound to its client, where the deployment offers that")
def sender_constrained(judge: Judgement, run: Run, token: TokenResponse) -> None:
    checks.judge_sender_constrained(judge, run, token)
