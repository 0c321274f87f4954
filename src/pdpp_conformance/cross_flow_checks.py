"""Requests of one flow presented in another: refused everywhere, and still good where they belong (RFC 9700 §2.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from pdpp_conformance import code_flow, drawing
from pdpp_conformance.approver.approver import Arrival
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.run import REDIRECT_URI, Run
from pdpp_conformance.verdict import Blocked, NotApplicable

_OF_NO_URL = re.compile(r"[\w.~:+-]+")
"""A URN or a value like one, but no URL."""

_SHORTEST_REFERENCE = 16
"""Characters from which on a value in a link may be a reference to a request."""


_MOST_REFERENCES = 6


@dataclass(frozen=True)
class Staged:
    """A request of the authorization-code flow that the owner approved, and what stands for it elsewhere."""

    response: code_flow.AuthorizationResponse
    references: list[str] = field(repr=False)
    """What somebody could take for a device code."""

    @property
    def client(self) -> OAuthClient:
        return self.response.request.client


def approved_request(run: Run, what: str) -> Staged:
    """Let the owner approve a request, and return it with what a scenario calls ``what`` of it.

    Raises:
        NotApplicable: the flow, or that part of it, is not offered.
    """
    request = code_flow.new_request(run, run.one_stream())
    if what == "a pushed authorization request":
        request_uri = code_flow.push(run, request)
        response = code_flow.approved(run, request, request_uri=request_uri)
        return Staged(response, [request_uri, request_uri.rpartition(":")[2]])
    before = len(run.recorder.exchanges)
    response = code_flow.approved(run, request)
    if what == "an authorization code":
        return Staged(response, [response.code])
    visited = [exchange.url for exchange in run.recorder.exchanges[before:]]
    links = [url for url in visited if run.recorder.is_allowed(url) and not url.startswith(REDIRECT_URI)]
    own = set(request.parameters.values())
    references = [value for url in links for value in _references(url) if value not in own]
    if not references:
        raise NotApplicable("no link of the owner's decision refers to a request")
    return Staged(response, list(dict.fromkeys(references))[:_MOST_REFERENCES])


def _references(url: str) -> list[str]:
    """The values in a link that may refer to a request: long ones, in its query or its path."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query)] + parts.path.split("/")
    # Not by "urn:" at its beginning: a record tells of what was presented as a secret no more than its characters.
    last = [value.rpartition(":")[2] for value in values if ":" in value and _OF_NO_URL.fullmatch(value)]
    return [value for value in (*values, *last) if len(value) >= _SHORTEST_REFERENCE and not value.startswith("/")]


def redeem_as_device_code(staged: Staged) -> list[Answer]:
    """Present at the device grant, by the client whose request it is, what stands for the request."""
    return [staged.client.redeem(reference) for reference in staged.references]


def judge_refused_everywhere(judge: Judgement, answers: list[Answer]) -> None:
    """Each is refused as a device code that nobody issued (PDPP wire contract §4)."""
    judge.that(bool(answers), "something to present", f"{len(answers)} presented")
    for answer in answers:
        judge.no_bearer(answer)
        judge.error(answer, ["invalid_grant"])


def judge_code_still_good(judge: Judgement, staged: Staged) -> None:
    """The authorization code gives its own client, with its verifier, a token."""
    answer = code_flow.redeem(staged.response)
    judge.that(answer.member("access_token") is not None, "a token for the authorization code", answer.summary)


# -- the other way round -----------------------------------------------------------------------------------------------


def approved_device(run: Run) -> DeviceAuthorization:
    """Return an approved device authorization of a client that may use the authorization code grant as well.

    Raises:
        NotApplicable: the authorization-code flow is not offered.
    """
    code_flow.require_code_flow(run)

    def approve() -> DeviceAuthorization:
        client = code_flow.client_of_both_flows(run)
        return run.approved(client.start("grant_scoped_mcp", run.one_stream()))

    return run.once("an approved device of a client of both flows", approve)


def pending_device(run: Run) -> DeviceAuthorization:
    """Return a device authorization that the owner has yet to decide, of a client that may use both grants.

    Raises:
        NotApplicable: the authorization-code flow is not offered.
    """
    code_flow.require_code_flow(run)
    return code_flow.client_of_both_flows(run).start("grant_scoped_mcp", run.one_stream())


def redeem_as_authorization_code(run: Run, device: DeviceAuthorization, what: str) -> Answer:
    """Present a device's code as an authorization code, with a verifier, as its client presents a real one.

    Raises:
        Blocked: a real one, presented so, gives no token.
    """
    code_flow.shared_token(run)
    return device.client.request_token(
        [
            ("grant_type", "authorization_code"),
            ("code", device.device_code if what == "device code" else device.user_code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", device.client.client_id),
            ("code_verifier", drawing.token_urlsafe(48)),
        ]
    )


def require_pushed_request_opens(run: Run) -> str:
    """See that the request URI of a pushed request leads to the owner's decision; return what such URIs begin with.

    Raises:
        NotApplicable: there are no pushed authorization requests.
        Blocked: the request URI does not lead there.
    """
    request_uri = code_flow.push(run, code_flow.new_request(run, run.one_stream()))
    arrival = _open(run, request_uri)
    if not arrival.asks:
        raise Blocked(
            f"a pushed request led to no decision; the page was {arrival.page.title!r}",
            unblock="a deployment that asks the owner about a pushed request",
        )
    return request_uri.removesuffix(request_uri.rpartition(":")[2])


def open_as_request_uri(run: Run, device: DeviceAuthorization, prefix: str) -> list[Arrival]:
    """Open a device's codes as request URIs, as the owner, bare and in the form that this deployment uses."""
    codes = (device.device_code, device.user_code)
    return [_open(run, f"{form}{code}") for form in dict.fromkeys(("", prefix)) for code in codes]


def _open(run: Run, request_uri: str) -> Arrival:
    """Open an authorization request by its request URI (RFC 9126 §4), and decide nothing."""
    client_id = code_flow.client_of_both_flows(run).client_id
    return code_flow.open_as_owner(run, {"client_id": client_id, "request_uri": request_uri}, approve=None)


def judge_no_decision(judge: Judgement, arrivals: list[Arrival]) -> None:
    """No decision is asked of the owner, and no code goes back to the client."""
    for arrival in arrivals:
        judge.that(not arrival.asks, "no decision asked of the owner", f"the page {arrival.page.title!r}")
        query = dict(parse_qsl(urlsplit(arrival.redirected_to or "").query))
        judge.that("code" not in query, "no authorization code", ", ".join(query) or "no redirect")
