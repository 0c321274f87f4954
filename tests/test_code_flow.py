"""The authorization-code flow, the owner at a browser or by forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pdpp_conformance import code_flow
from pdpp_conformance.run import REDIRECT_URI, Run
from pdpp_conformance.target import read_target


@pytest.fixture(params=["http", "browser"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    run = Run(read_target(None, base_url=None, approver=request.param, max_wait=None), tmp_path, lambda _line: None)
    try:
        run.open()
        yield run
    finally:
        run.close()


def test_an_approved_request_gives_a_token_each_time(run: Run) -> None:
    """Only the first is approved in the browser; by form nobody goes to the redirect URI, where somebody may listen."""
    for _ in range(2):
        run.granted(run.one_stream(), run.client())  # the second device is approved by form
    requests = []
    for _ in range(2):
        before = len(run.recorder.exchanges)
        token = code_flow.granted_by_code(run, run.one_stream())
        assert run.introspect(token.access_token).member("active") is True
        exchanges = run.recorder.exchanges[before:]
        requests.append({exchange.actor for exchange in exchanges if "/authorize" in exchange.url})
        by_form = [exchange.url for exchange in exchanges if exchange.actor == "the owner, by form"]
        assert not [url for url in by_form if url.startswith(REDIRECT_URI)]
    first = "the owner, by form" if run.approver.kind == "http" else "owner's browser"
    assert requests == [{first}, {"the owner, by form"}]


def test_a_denied_request_comes_back_without_a_code(run: Run) -> None:
    """As RFC 6749 §4.1.2.1 has it."""
    request = code_flow.new_request(run, run.one_stream())
    arrival = code_flow.open_as_owner(run, request.parameters, approve=False)
    answered = parse_qs(urlsplit(arrival.redirected_to or "").query)
    assert (answered["error"], answered["state"], "code" in answered) == (
        ["access_denied"],
        [request.parameters["state"]],
        False,
    )


def test_a_request_that_nobody_decides_stays_at_the_page_that_asks(run: Run) -> None:
    """It is looked at, and leads nowhere."""
    request = code_flow.new_request(run, run.one_stream())
    arrival = code_flow.open_as_owner(run, request.parameters, approve=None)
    assert (arrival.asks, arrival.redirected_to) == (True, None)
