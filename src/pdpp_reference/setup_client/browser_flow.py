"""The authorization code grant with PKCE, answered on a loopback port (RFC 6749 §4.1, RFC 7636, RFC 8252 §7.3)."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sys
import webbrowser
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from pdpp_reference.setup_client.clock import Clock, Deadline
from pdpp_reference.setup_client.device_flow import refusal
from pdpp_reference.setup_client.discovery import AuthorizationServer
from pdpp_reference.setup_client.failures import Refused, TimedOut
from pdpp_reference.setup_client.http import Http, is_usable, printable
from pdpp_reference.setup_client.report import Report
from pdpp_reference.setup_client.tokens import Token, read_token

WAIT_SECONDS = 300.0
"""How long the person may take, where no time is given."""

_CALLBACK = "/callback"
_LOOK_SECONDS = 0.5
_PAGE = (
    b"<!doctype html><meta charset=utf-8><title>PDPP</title><p>You can close this window and go back to the terminal."
)


class BrowserFlow:
    """One authorization in a browser on this machine.

    Args:
        open_browser: opens a web page; whether it could does not matter, the URL is shown as well. None for this
            machine's browser, where there is a display to show it on: one in the terminal would take that over.
    """

    def __init__(
        self,
        http: Http,
        clock: Clock,
        report: Report,
        server: AuthorizationServer,
        open_browser: Callable[[str], object] | None = None,
    ) -> None:
        self._http = http
        self._clock = clock
        self._report = report
        self._server = server
        self._open_browser = open_browser or _open_on_display
        self._listening = _Listener(("127.0.0.1", 0), _Handler)
        self._listening.timeout = _LOOK_SECONDS
        self.redirect_uri = f"http://127.0.0.1:{self._listening.server_port}{_CALLBACK}"
        """Where the answer is waited for."""

    def close(self) -> None:
        """Close the port."""
        self._listening.server_close()

    def token(self, client_id: str, request: Sequence[tuple[str, str]], deadline: Deadline) -> Token:
        """Show and open the authorization URL, wait for the answer, and redeem its code.

        Args:
            request: parameters besides those of the grant; the resource goes into both requests.

        Raises:
            Refused: the owner or the server says no, or the answer is not this request's.
            TimedOut: there is no answer in time.
        """
        authorization, token_endpoint = (
            self._server.endpoint(f"{name}_endpoint") for name in ("authorization", "token")
        )
        if authorization is None or token_endpoint is None:
            raise Refused(f"{self._server.issuer} advertises no authorization code flow")
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", self.redirect_uri),
            ("state", state),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
            *request,
        ]
        url = f"{authorization}{'&' if urlsplit(authorization).query else '?'}{urlencode(parameters)}"
        if not is_usable(authorization):
            raise Refused("the authorization URL that the server names is no web page that may be opened")
        self._report.tell("browser", url=url, expires_in=round(deadline.left()))
        self._open_browser(url)
        code = self._code(state, deadline)
        form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri),
            ("code_verifier", verifier),
            ("client_id", client_id),
            *(pair for pair in request if pair[0] == "resource"),
        ]
        answer = self._http.post_form(token_endpoint, form)
        if answer.status != 200:
            raise refusal(answer)
        return read_token(answer, self._clock.now())

    def _code(self, state: str, deadline: Deadline) -> str:
        while not self._listening.answers:
            if deadline.ends <= self._clock.now():
                raise TimedOut("nobody approved in the browser in the time that was given")
            self._listening.handle_request()
        answer = parse_qs(self._listening.answers[0])
        if not secrets.compare_digest(answer.get("state", [""])[0].encode(), state.encode()):
            raise Refused("the answer in the browser is not this request's; it was not used")
        issuer = answer.get("iss", [None])[0]
        expected = self._server.metadata.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._server.issuer and (issuer is not None or expected):
            raise Refused("the answer in the browser is that of another authorization server; it was not used")
        if "error" in answer:
            error = printable(answer["error"][0], 60)
            told = "the owner denied the request" if error == "access_denied" else f"the server ends it: {error}"
            raise Refused(told, error=error)
        if "code" not in answer:
            raise Refused("the answer in the browser has no code in it")
        return answer["code"][0]


def _open_on_display(url: str) -> None:
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)


class _Listener(HTTPServer):
    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.answers: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that breaks off is no concern of this client's."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 5
    server: _Listener

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        found = parts.path == _CALLBACK
        if found:
            self.server.answers.append(parts.query)
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(_PAGE if found else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the URL has a code in it."""
