"""The server's log, searched for every secret that the run has seen or sent."""

from __future__ import annotations

from pdpp_conformance import drawing
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Excluded

SHORTEST_SECRET = 8
"""Characters below which a value may stand in a log by chance: no user code of the bundled server is shorter."""


def read_log(run: Run) -> str:
    """Return all that the server has logged.

    Raises:
        Excluded: the target is not the bundled server.
    """
    if run.bundled is None:
        raise Excluded("it needs the server's log, which a run against a URL does not see")
    run.rests_beyond("the server's log")
    return run.bundled.log_text()


def use_every_credential(run: Run) -> None:
    """Send each kind of credential where it is good, where it is not, and where it does not belong.

    What fails is logged in other ways than what succeeds, and a query in other ways than a body.
    """
    device = run.client().start("grant_scoped_mcp", run.one_stream())
    device.poll_at_once()
    client, bearer = device.client, run.client_token().access_token
    for secret in (drawing.token_urlsafe(32), device.user_code, bearer):
        client.redeem(secret)
        client.refresh(secret)
    run.rest("/streams", bearer, actor="a bearer")
    run.mcp(bearer, actor="a bearer").request("tools/list")
    resource = run.discovery.mcp_resource
    run.recorder.send("GET", f"{resource}?access_token={bearer}", actor="a bearer", bearer=bearer)
    complete = device.verification_uri_complete or f"{device.verification_uri}?user_code={device.user_code}"
    run.recorder.send("GET", complete, actor="a stranger's browser")
    try:
        run.introspect(bearer)
        client.revoke(drawing.token_urlsafe(32))
    except Blocked:
        return


def judge_grown(judge: Judgement, run: Run, before: str) -> None:
    """The log is alive: the requests just sent have left something in it."""
    grown = len(read_log(run)) - len(before)
    judge.that(grown > 0, "a log that tells of the requests", f"{grown} characters more")


def judge_no_secret(judge: Judgement, run: Run) -> None:
    """No secret of the run stands in the log, in clear, percent-encoded or in base64."""
    found = run.redactor.labels_in(read_log(run), shortest=SHORTEST_SECRET)
    known = sum(1 for _ in run.redactor.secrets)
    judge.that(
        known > 0 and not found,
        f"a log without any of the run's {known} secrets",
        f"{len(found)} of them in it: {', '.join(found[:5])}" if found else "none of them in it",
    )
