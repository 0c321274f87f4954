"""The authorization-code flow as a public MCP client runs it: PKCE, state, resource, pushed or not (RFC 6749 §4.1)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pdpp_conformance import drawing
from pdpp_conformance.approver.approver import Arrival
from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.exchange import Answer
from pdpp_conformance.oauth_client import OAuthClient, TokenResponse, read_token_response
from pdpp_conformance.run import REDIRECT_URI, Run
from pdpp_conformance.verdict import Blocked, NotApplicable

BOTH_FLOWS = (DEVICE_CODE_GRANT, "authorization_code", "refresh_token")


@dataclass(frozen=True)
class CodeRequest:
    """An authorization request (RFC 6749 §4.1.1) that nobody has sent yet, with what its client keeps to itself."""

    client: OAuthClient
    parameters: Mapping[str, str] = field(repr=False)
    verifier: str = field(repr=False)
    """The PKCE code verifier (RFC 7636 §4.1)."""


@dataclass(frozen=True)
class AuthorizationResponse:
    """What came back to the client's redirect URI (RFC 6749 §4.1.2)."""

    request: CodeRequest
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def code(self) -> str:
        """The authorization code.

        Raises:
            Blocked: the response carries none.
        """
        if not self.parameters.get("code"):
            raise Blocked(
                f"an approved authorization request came back with {self.parameters.get('error') or 'no code'}",
                unblock="a deployment that answers an approved authorization request with a code",
            )
        return self.parameters["code"]


def require_code_flow(run: Run) -> None:
    """Go on only where the authorization-code flow is offered.

    Raises:
        NotApplicable: the metadata does not offer it.
    """
    offered = "authorization_code" in run.discovery.grant_types
    if not offered or run.discovery.endpoint("authorization_endpoint") is None:
        raise NotApplicable("the metadata does not offer the authorization-code flow")


def client_of_both_flows(run: Run) -> OAuthClient:
    """Return a client that may use the device grant and the authorization-code grant.

    Where none can be registered it is the run's one client, which a deployment may have made known for both.
    """
    try:
        return run.client("a client of both flows", grant_types=BOTH_FLOWS)
    except Blocked:
        return run.client()


def new_request(run: Run, details: Sequence[Mapping[str, Any]]) -> CodeRequest:
    """Return a well-formed request of the client of both flows for the MCP resource and ``details``.

    Raises:
        NotApplicable: the authorization-code flow is not offered.
    """
    require_code_flow(run)
    client = client_of_both_flows(run)
    verifier = drawing.token_urlsafe(48)
    run.redactor.register(verifier, "code_verifier")
    parameters = {
        **client.request_parameters("grant_scoped_mcp", details),
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "state": drawing.token_urlsafe(16),
        "code_challenge": _unpadded(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    return CodeRequest(client, parameters, verifier)


def push(run: Run, request: CodeRequest) -> str:
    """Push a request (RFC 9126 §2.1) and return its ``request_uri``.

    Raises:
        NotApplicable: the metadata advertises no endpoint for that.
        Blocked: it was not taken.
    """
    endpoint = run.discovery.endpoint("pushed_authorization_request_endpoint")
    if endpoint is None:
        raise NotApplicable("the metadata advertises no pushed authorization requests")
    answer = run.recorder.send("POST", endpoint, actor=request.client.name, form=request.parameters)
    request_uri = answer.member("request_uri")
    if not isinstance(request_uri, str) or not request_uri:
        raise Blocked(
            f"a well-formed pushed authorization request was answered {answer.summary}",
            unblock="a deployment that takes it",
        )
    # What every request URI of the deployment begins with is no secret (RFC 9126 §2.2).
    run.redactor.register(request_uri.rpartition(":")[2], "request_uri")
    return request_uri


def open_as_owner(run: Run, parameters: Mapping[str, str], *, approve: bool | None) -> Arrival:
    """Let the owner open an authorization request, and decide it.

    Args:
        approve: the owner's decision; ``None`` to look at the page and decide nothing.

    Raises:
        Blocked: nobody plays the owner, or a person who cannot be followed does.
    """
    endpoint = str(run.discovery.endpoint("authorization_endpoint"))
    joint = "&" if urlsplit(endpoint).query else "?"
    return run.approver.answer_client(f"{endpoint}{joint}{urlencode(parameters)}", REDIRECT_URI, approve=approve)


def approved(run: Run, request: CodeRequest, *, request_uri: str | None = None) -> AuthorizationResponse:
    """Let the owner approve a request, and return what came back to its client.

    Args:
        request_uri: under which the request was pushed, if it was (RFC 9126 §4).

    Raises:
        Blocked: nothing came back.
    """
    if request_uri is None and run.discovery.authorization_server.content.get("require_pushed_authorization_requests"):
        request_uri = push(run, request)
    pushed = {"client_id": request.client.client_id, "request_uri": str(request_uri)}
    arrival = open_as_owner(run, request.parameters if request_uri is None else pushed, approve=True)
    if arrival.redirected_to is None:
        raise Blocked(
            f"the owner's approval led to no redirect URI; the last page was {arrival.page.title!r}",
            unblock="approver.approve in the target file, or a deployment that grants what the client asks for",
        )
    parameters = dict(parse_qsl(urlsplit(arrival.redirected_to).query, keep_blank_values=True))
    return AuthorizationResponse(request, parameters)


def redeem(response: AuthorizationResponse) -> Answer:
    """Send the token request for an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2)."""
    request = response.request
    return request.client.request_token(
        [
            ("grant_type", "authorization_code"),
            ("code", response.code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", request.client.client_id),
            ("code_verifier", request.verifier),
            *[(name, value) for name, value in request.parameters.items() if name == "resource"],
        ]
    )


def granted_by_code(run: Run, details: Sequence[Mapping[str, Any]]) -> TokenResponse:
    """Run the whole flow and return its token.

    Raises:
        NotApplicable: the flow is not offered.
        Blocked: any of it does not work.
    """
    response = approved(run, new_request(run, details))
    run.once("an authorization response", lambda: response)
    return read_token_response(redeem(response))


def shared_response(run: Run) -> AuthorizationResponse:
    """Return an authorization response of the run, whose code is used up."""
    shared_token(run)
    return run.once("an authorization response", lambda: approved(run, new_request(run, run.one_stream())))


def shared_token(run: Run) -> TokenResponse:
    """Return the run's one token of this flow, for one stream, as long as the grant lasts."""
    return run.once("continuous, by authorization code", lambda: granted_by_code(run, run.one_stream()))


def _unpadded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
