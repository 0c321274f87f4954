"""HTTP, recorded: every request and response of a run, numbered, bounded, and sent to the deployment alone."""

from __future__ import annotations

import ipaddress
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from pdpp_conformance.bounded_http import MOST_BODY_BYTES, BoundedClient, within
from pdpp_conformance.politeness import Politeness
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.urls import parts_of
from pdpp_conformance.verdict import Unmet

TIMEOUT_SECONDS = 10.0
FORM = "application/x-www-form-urlencoded"

Headers = Sequence[tuple[str, str]]

MADE = "made: "
"""How the parts of a run are called in which something is made that scenarios share."""

_BESIDE: ContextVar[str | None] = ContextVar("what goes on beside the scenarios", default=None)


class NoAnswer(Unmet):
    """The target gave no HTTP answer; ``observed`` says what happened instead."""


class OffLimits(Exception):
    """A credential was about to leave for an origin that is not under test, or in clear text over a network."""


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = parts_of(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Return a URL's origin: scheme, host and port, without a trailing slash; of what is no URL, nothing but ``://``."""
    parts = parts_of(url)
    return f"{parts.scheme}://{parts.netloc}"


def read_json(body: bytes | str) -> Any:
    """Read JSON as RFC 8259 has it, without ``NaN`` and ``Infinity``, and without numbers that nobody can reckon with.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(body, parse_constant=_no_constant, parse_int=_finite_integer, parse_float=_finite)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


def _finite_integer(text: str) -> int:
    _finite(text)
    return int(text)


@dataclass
class Exchange:
    """One request and what came back."""

    number: int
    scenario: str | None
    actor: str
    at: float
    method: str
    url: str
    request_headers: Headers
    request_body: str | None
    elapsed_s: float = 0.0
    status: int | None = None
    response_headers: Headers = ()
    response_body: str | None = None
    response_bytes: int = 0
    truncated: bool = False
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Write the exchange as one line of ``exchanges.jsonl``, before redaction."""
        response = None
        if self.status is not None:
            response = {
                "status": self.status,
                "headers": [list(header) for header in self.response_headers],
                "body": self.response_body,
                "body_bytes": self.response_bytes,
                "truncated": self.truncated,
            }
        return {
            "number": self.number,
            "scenario": self.scenario,
            "actor": self.actor,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "elapsed_s": self.elapsed_s,
            "request": {
                "method": self.method,
                "url": self.url,
                "headers": [list(header) for header in self.request_headers],
                "body": self.request_body,
            },
            "response": response,
            "error": self.error,
        }


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read with the judgement's questions in mind."""

    exchange: Exchange
    body: bytes = field(repr=False)

    @property
    def status(self) -> int:
        assert self.exchange.status is not None
        return self.exchange.status

    @property
    def number(self) -> int:
        return self.exchange.number

    def header(self, name: str) -> str | None:
        """Return the header's value, several joined by a comma (RFC 9110 §5.3); ``None`` where it is absent."""
        values = self.headers(name)
        return ", ".join(values) if values else None

    def headers(self, name: str) -> list[str]:
        """Return each value of a header that may occur several times."""
        return [value for header, value in self.exchange.response_headers if header.lower() == name.lower()]

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            Unmet: it is not JSON.
        """
        try:
            return read_json(self.body)
        except (ValueError, RecursionError):
            what = self.media_type or "no content type"
            if self.exchange.truncated:
                what += f", more than the {MOST_BODY_BYTES} bytes that are read"
            raise Unmet("a JSON body", f"{self.summary} ({what})") from None

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            Unmet: it is none.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise Unmet("a JSON object", f"{self.summary}, a JSON {type(value).__name__}")
        return value

    def member(self, name: str) -> Any:
        """Return a member of the body if that is a JSON object and has it, else ``None``."""
        try:
            value = read_json(self.body)
        except (ValueError, RecursionError):
            return None
        return value.get(name) if isinstance(value, dict) else None

    @property
    def error(self) -> str | None:
        """The OAuth error code (RFC 6749 §5.2), if the body has one."""
        value = self.member("error")
        return value if isinstance(value, str) else None

    @property
    def summary(self) -> str:
        """The answer in a few words: its status, and its error code if it has one."""
        code = self.error
        if code is None:
            nested = self.member("error")
            code = nested.get("code") if isinstance(nested, dict) and isinstance(nested.get("code"), str) else None
        return f"{self.status} {code[:60]}" if code else str(self.status)


Watch = Callable[[str, str, Headers, bytes | None, Callable[[], Answer]], Answer]
"""Takes method, URL, headers and body of a request, and sends it by its last argument."""


class Recorder:
    """Sends requests for the parties of a scenario and keeps every exchange.

    Args:
        redactor: learns every secret that passes.
        politeness: holds the run's limits.
        authorities: certificates (PEM) that are trusted besides the public ones.
    """

    def __init__(
        self, redactor: Redactor, *, politeness: Politeness | None = None, authorities: Path | None = None
    ) -> None:
        self.redactor = redactor
        self.exchanges: list[Exchange] = []
        self.observed: list[int] = []
        """The numbers of the exchanges that someone else made."""
        self.beside: dict[int, str] = {}
        """What went on beside the scenarios, by the numbers of its exchanges."""
        self.scenario: str | None = None
        self.politeness = politeness or Politeness()
        self.watch: Watch | None = None
        """Sees every request before it is sent."""
        self.authorities = authorities
        self._origins: set[str] = set()
        self._own: set[str] = set()
        self._lock = threading.Lock()
        self._client = BoundedClient(authorities=authorities)

    def allow_origin(self, url: str) -> None:
        """Count the origin of ``url`` as the deployment's own."""
        origin = origin_of(url)
        if not origin.endswith("://"):
            self._origins.add(origin)

    def own_origin(self, url: str) -> None:
        """Count the origin of ``url`` as the harness's own: a browser may go there, credentials may not."""
        self._own.add(origin_of(url))

    def is_own(self, url: str) -> bool:
        """Whether ``url`` is served by the harness."""
        return origin_of(url) in self._own

    @property
    def origins(self) -> frozenset[str]:
        """The deployment's own origins."""
        return frozenset(self._origins)

    def is_allowed(self, url: str) -> bool:
        """Whether a request to ``url`` goes to the deployment, over TLS or to this machine."""
        origin = origin_of(url)
        return origin in self._origins and (origin.startswith("https://") or is_loopback(url))

    def send(
        self,
        method: str,
        url: str,
        *,
        actor: str,
        headers: Mapping[str, str] | Headers = (),
        form: Iterable[tuple[str, str]] | Mapping[str, str] | None = None,
        json_body: Any = None,
        content: bytes | None = None,
        bearer: str | None = None,
        basic: tuple[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Answer:
        """Send one request and return its answer; redirects are not followed, cookies are not kept.

        Args:
            bearer: an access token for the ``Authorization`` header (RFC 6750 §2.1).
            basic: a client id and secret for HTTP Basic.
            timeout: seconds for each read; all of the exchange may take twice as long.

        Raises:
            NoAnswer: the connection failed, or the answer did not come in time.
            Blocked: the run's requests are used up, or this endpoint hangs.
            OffLimits: the request carries a credential and the URL is not the deployment's.
        """
        sent: list[tuple[str, str]] = [*(headers.items() if isinstance(headers, Mapping) else headers)]
        body = content
        if form is not None:
            pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
            body = urlencode(pairs).encode("ascii")
            sent.append(("Content-Type", FORM))
        elif json_body is not None:
            body = json.dumps(json_body).encode("utf-8")
            sent.append(("Content-Type", "application/json"))
        if bearer is not None:
            sent.append(("Authorization", f"Bearer {bearer}"))
        if basic is not None:
            self.redactor.register(basic[1], "client_secret")
            sent.append(("Authorization", httpx.BasicAuth(*basic)._auth_header))
        carries_secret = any(name.lower() in ("authorization", "cookie") for name, _ in sent) or body is not None
        if carries_secret and not self.is_allowed(url):
            raise OffLimits(f"a request to {origin_of(url)} would carry a credential; it is not the origin under test")
        exchange = partial(self._exchange, method, url, actor, sent, body, timeout)
        return exchange() if self.watch is None else self.watch(method, url, sent, body, exchange)

    @property
    def part(self) -> str:
        """What part of the run this thread is in: a scenario's id, what goes on beside the scenarios, or neither."""
        return _BESIDE.get() or self.scenario or ""

    def part_of(self, exchange: Exchange) -> str:
        """What part of the run an exchange belongs to."""
        return self.beside.get(exchange.number) or exchange.scenario or ""

    @contextmanager
    def beside_the_scenarios(self, what: str) -> Iterator[None]:
        """Keep this thread's exchanges apart, as those of ``what``: of no scenario that happens to run meanwhile."""
        token = _BESIDE.set(what)
        try:
            yield
        finally:
            _BESIDE.reset(token)

    def making(self, what: str) -> AbstractContextManager[None]:
        """Keep apart the exchanges by which something is made that several scenarios use."""
        return self.beside_the_scenarios(f"{MADE}{what}")

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange that someone else made (a browser, an SDK), after learning its secrets."""
        self._keep(exchange)
        self.observed.append(exchange.number)

    def observe_since(self, count: int) -> None:
        """Take the exchanges of this part after the first ``count`` of all for those of someone else."""
        own = [exchange.number for exchange in self.exchanges[count:] if self.part_of(exchange) == self.part]
        self.observed += [number for number in own if number not in self.observed]

    def _keep(self, exchange: Exchange) -> None:
        beside = _BESIDE.get()
        # As it will be written: who judges the record again reads the same seconds.
        exchange.elapsed_s = round(exchange.elapsed_s, 4)
        with self._lock:
            exchange.number = len(self.exchanges) + 1
            exchange.scenario = self.scenario if beside is None else None
            if beside is not None:
                self.beside[exchange.number] = beside
            self.exchanges.append(exchange)
            self._learn(exchange)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _exchange(
        self, method: str, url: str, actor: str, headers: Headers, body: bytes | None, timeout: float
    ) -> Answer:
        self.politeness.before(url)
        timeout = self.politeness.timeout(url, timeout)
        exchange = Exchange(
            number=0,
            scenario=None,
            actor=actor,
            at=time.time(),
            method=method,
            url=url,
            request_headers=headers,
            request_body=None if body is None else body.decode("utf-8", "replace"),
        )
        started = time.monotonic()
        received = b""
        try:
            with within(timeout * 2):
                came = self._client.send(method, url, headers=headers, content=body, timeout=timeout)
            received = came.body.content
            exchange.response_bytes, exchange.truncated = came.body.length, came.body.truncated
            exchange.status = came.status
            exchange.response_headers = came.headers
            exchange.response_body = received.decode("utf-8", "replace")
        except httpx.TimeoutException:
            exchange.error = f"no answer within {time.monotonic() - started:.0f} s"
            self.politeness.silence(url)
        except httpx.HTTPError as error:
            exchange.error = f"{type(error).__name__}: {error}"[:300]
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            exchange.error = f"not a usable URL or header: {type(error).__name__}"
        exchange.elapsed_s = time.monotonic() - started
        self._keep(exchange)
        if exchange.status is None or exchange.error is not None:
            raise NoAnswer("an HTTP answer", self.redactor.redact(exchange.error or "none"))
        return Answer(exchange, received)

    def _learn(self, exchange: Exchange) -> None:
        redactor = self.redactor
        redactor.register_from_url(exchange.url)
        redactor.register_from_headers(exchange.request_headers)
        redactor.register_from_headers(exchange.response_headers)
        for body, headers in (
            (exchange.request_body, exchange.request_headers),
            (exchange.response_body, exchange.response_headers),
        ):
            if not body:
                continue
            media_type = next((value for name, value in headers if name.lower() == "content-type"), "").lower()
            if "urlencoded" in media_type:
                redactor.register_from_form(body)
            elif "html" in media_type:
                redactor.register_from_html(body)
            elif "json" in media_type:
                try:
                    redactor.register_from_json(read_json(body))
                except (ValueError, RecursionError):
                    continue
