"""HTTP as a setup client may use it: bounded in time and size, not redirected, in clear text to this machine alone."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from pdpp_reference.setup_client.clock import Clock, Deadline
from pdpp_reference.setup_client.failures import NoAnswer, Refused

Wrap = Callable[[httpx.BaseTransport], httpx.BaseTransport]

REQUEST_SECONDS = 10.0
MOST_BODY_BYTES = 1024 * 1024
RETRIES = 3
"""How often a request that prepares the flow is sent before the server counts as unreachable."""


def is_usable(url: object) -> bool:
    """Whether a client may follow ``url``: https, or http to this machine; no user information, nothing unprintable."""
    if not isinstance(url, str) or len(url) > 2000 or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        return False
    try:
        parts = urlsplit(url)
        loopback = is_loopback(parts.hostname or "")
        usable = parts.port != 0 and parts.hostname is not None and parts.username is None
    except ValueError:
        return False
    return usable and (parts.scheme == "https" or (parts.scheme == "http" and loopback))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Return a URL's origin, without a trailing slash."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def printable(text: object, longest: int = 200) -> str:
    """Return what a server wrote so that a terminal can show it: no control characters or direction marks, not long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text)[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return the certification authorities that servers are checked against; reading them takes its time."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Answer:
    """An HTTP answer whose body was read whole."""

    url: str
    status: int
    headers: httpx.Headers = field(repr=False)
    members: Mapping[str, Any] = field(repr=False)
    """The body's members where it is a JSON object, else nothing."""

    @property
    def error(self) -> str | None:
        """The OAuth error code (RFC 6749 §5.2), if the body has one."""
        code = self.members.get("error")
        return printable(code, 60) if isinstance(code, str) and code else None

    @property
    def summary(self) -> str:
        """The answer in a few words."""
        return f"{self.status} {self.error}" if self.error else str(self.status)

    @property
    def is_of_the_network(self) -> bool:
        """Whether it says nothing about the request, and the same request may fare better later."""
        return self.status >= 500 or self.status in (408, 429)

    def retry_after(self) -> float:
        """Return the seconds that ``Retry-After`` asks for (RFC 9110 §10.2.3); 0 where it does not."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else 0.0


class Http:
    """Sends requests until its deadline.

    Args:
        deadline: when all of them have to be over.
        wrap: puts something between the client and the network.
    """

    follows_redirects = False
    verifies = True
    """Whether a server has to show a certificate that the machine trusts (RFC 9728 §7.3)."""

    def __init__(self, clock: Clock, deadline: Deadline, wrap: Wrap | None = None) -> None:
        self._clock = clock
        self.deadline = deadline
        verify = trusted_authorities() if self.verifies else False
        self._client = httpx.Client(
            transport=None if wrap is None else wrap(httpx.HTTPTransport(verify=verify)),
            verify=verify,
            follow_redirects=self.follows_redirects,
            headers={"User-Agent": "pdpp"},
        )

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a JSON document.

        Raises:
            NoAnswer: nothing came.
            TimedOut: the deadline is over.
            Refused: the URL is not one that a client may follow.
        """
        return self._send("GET", url, headers={"Accept": "application/json", **(headers or {})})

    def post_form(self, url: str, form: Sequence[tuple[str, str]]) -> Answer:
        """POST a form. Raises as :meth:`get` does."""
        return self._send("POST", url, headers={"Accept": "application/json"}, data=dict(form))

    def post_json(self, url: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """POST JSON. Raises as :meth:`get` does."""
        return self._send("POST", url, headers={"Accept": "application/json", **(headers or {})}, json=body)

    def delete(self, url: str, headers: Mapping[str, str]) -> Answer:
        """DELETE. Raises as :meth:`get` does."""
        return self._send("DELETE", url, headers=headers)

    def patiently(self, send: Any, *arguments: Any) -> Answer:
        """Send a request that prepares the flow, several times if the network or the server fails.

        Raises:
            NoAnswer: it failed every time.
        """
        pause = 1.0
        for attempt in range(RETRIES):
            try:
                answer: Answer = send(*arguments)
                if not answer.is_of_the_network:
                    return answer
                problem = f"{origin_of(answer.url)} answers {answer.summary}"
                pause = max(pause, answer.retry_after())
            except NoAnswer as error:
                problem = error.reason
            if attempt + 1 < RETRIES:
                self.deadline.sleep(pause)
                pause *= 2
        raise NoAnswer(problem)

    def _send(self, method: str, url: str, **arguments: Any) -> Answer:
        if not is_usable(url):
            raise Refused(
                "the server names a URL that a client must not follow: it is neither https nor this machine's"
            )
        seconds = min(REQUEST_SECONDS, self.deadline.left())
        ends = self._clock.now() + seconds
        try:
            with self._client.stream(method, url, timeout=seconds, **arguments) as response:
                body = self._read(response, ends)
        except httpx.TimeoutException:
            self.deadline.left()
            raise NoAnswer(f"{origin_of(url)} did not answer within {seconds:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"{origin_of(url)} cannot be reached ({type(error).__name__})") from None
        return Answer(url, response.status_code, response.headers, _members(body))

    def _read(self, response: httpx.Response, ends: float) -> bytes:
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MOST_BODY_BYTES:
                raise Refused(f"{origin_of(str(response.url))} answers with more than {MOST_BODY_BYTES} bytes")
            if self._clock.now() > ends:
                raise httpx.ReadTimeout("the body does not end")
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                break  # a stream may stay open; its first event is all that is looked at
        return body


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
