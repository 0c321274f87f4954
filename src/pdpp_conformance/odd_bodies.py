"""Device authorization requests that no client would send, and what a server must not answer to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from pdpp_conformance.error_checks import shows_trace
from pdpp_conformance.exchange import FORM, Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import OAuthClient
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked

_JSON = "application/json"
_SEVENTY_KB = "x" * 70_000
_DEEP = 5_000


@dataclass(frozen=True)
class Odd:
    """One request, octet for octet."""

    content: bytes
    media_type: str | None = FORM
    method: str = "POST"


@dataclass(frozen=True)
class Withstood:
    """What was answered."""

    odd: Odd
    answer: Answer


def _form(text: str) -> Odd:
    return Odd(text.encode())


def _json(text: str) -> Odd:
    return Odd(text.encode(), _JSON)


def _mcp(client: str, resource: str, details: str) -> Odd:
    return _form(f"{client}&resource={quote_plus(resource)}&authorization_details={quote_plus(details)}")


Make = Callable[[str, str], Sequence[Odd]]
ODDITIES: Mapping[str, Make] = {
    "a NUL in a value": lambda client, resource: [
        _form(f"{client}%00"),
        _form(f"{client}&scope=%00"),
        _form(f"{client}&resource={quote_plus(resource)}%00&authorization_details=%5B%00%5D"),
    ],
    "octets that are no UTF-8": lambda client, _: [
        _form(f"{client}&scope=%FF%FE"),
        _form(f"{client}&scope=%ED%A0%80"),
        Odd(client.encode() + b"&scope=\xff\xfe\xc0"),
    ],
    "half a surrogate pair": lambda client, resource: [
        _mcp(client, resource, json.dumps([{"type": "\ud800", "purpose_description": "\udfff"}]))
    ],
    "percent signs that encode nothing": lambda client, _: [_form(f"{client}&scope=%zz%&%=%"), _form("&&==&;=&")],
    "a value of 70 KB": lambda client, _: [_form(f"{client}&scope={_SEVENTY_KB}"), _form(f"client_id={_SEVENTY_KB}")],
    "authorization details nested 5000 deep": lambda client, resource: [
        _mcp(client, resource, "[" * _DEEP + "]" * _DEEP)
    ],
    "authorization details with numbers beyond all bounds": lambda client, resource: [
        _mcp(client, resource, '[{"type": 1e999, "streams": -1e999}, NaN, ' + "9" * 5_000 + "]")
    ],
    "hundreds of parameters": lambda client, _: [
        _form("&".join([client, *(f"parameter{number}=x" for number in range(300))]))
    ],
    "a body of another kind": lambda client, _: [
        Odd(client.encode(), "multipart/form-data"),
        Odd(b"<client_id/>", "application/xml"),
        Odd(client.encode(), None),
    ],
    "JSON that is no object of texts": lambda _client, _: [
        _json("null"),
        _json('{"client_id": {"client_id": [1e999]}}'),
        _json('{"client_id"'),
    ],
    "another method": lambda client, _: [
        Odd(client.encode(), FORM, "PUT"),
        Odd(client.encode(), FORM, "PATCH"),
        Odd(b"", None, "DELETE"),
    ],
}  # fmt: skip
"""The requests, by what is odd about them, made of ``client_id=…`` and the MCP resource."""


def send_odd(run: Run, client: OAuthClient, what: str) -> list[Withstood]:
    """Send the requests with one oddity."""
    url = client.endpoint("device_authorization_endpoint")
    made = ODDITIES[what](f"client_id={quote_plus(client.client_id)}", run.discovery.mcp_resource)
    return [
        Withstood(
            odd,
            run.recorder.send(
                odd.method,
                url,
                actor=client.name,
                headers={"Content-Type": odd.media_type} if odd.media_type else {},
                content=odd.content,
            ),
        )
        for odd in made
    ]


def judge_withstood(judge: Judgement, withstood: Sequence[Withstood]) -> None:
    """No 5xx, no page, no stack trace.

    A page is let pass for another method: what is asked there is not the endpoint, and a server in front may answer.

    Raises:
        Blocked: the deployment had had enough of requests.
    """
    for one in withstood:
        answer = one.answer
        body = answer.exchange.response_body or ""
        if answer.status in (429, 503) and answer.header("retry-after"):
            raise Blocked(f"the deployment limits requests ({answer.summary})", unblock="a run at another time")
        is_page = "html" in answer.media_type or body.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))
        is_fault = answer.status >= 500 and not (answer.status == 501 and one.odd.method != "POST")
        trace = shows_trace(body)
        judge.that(
            not (is_fault or trace or (is_page and one.odd.method == "POST")),
            "no 5xx, no page and no stack trace",
            f"{answer.summary} {answer.media_type or 'without content type'}{', a stack trace' if trace else ''}",
        )
