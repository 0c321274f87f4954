"""The request that decides: caught when the owner presses the button, told apart between sessions, and forged."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import HTTP
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from playwright.sync_api import APIResponse, Error, Route

from pdpp_conformance import drawing
from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.approver.page_reader import first_line
from pdpp_conformance.approver.sessions import BrowserSession, comes_true
from pdpp_conformance.exchange import FORM, Answer, Exchange, Recorder, origin_of
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.verdict import Blocked

Action = Literal["approve", "deny"]

_CATCH_MS = 3_000
_OWN_HEADERS = ("x-",)
"""Headers that a page's script adds begin so; a CSRF token may stand in one."""


@dataclass(frozen=True)
class DecisionRequest:
    """What the page sends when the owner decides."""

    url: str
    media_type: str
    fields: Sequence[tuple[str, str]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def without(self, names: set[str]) -> DecisionRequest:
        """Return the request without these fields and headers."""
        return replace(
            self,
            fields=[(name, value) for name, value in self.fields if name not in names],
            headers={name: value for name, value in self.headers.items() if name not in names},
        )

    def with_wrong(self, names: set[str]) -> DecisionRequest:
        """Return the request with other values, of the same length, for these fields and headers."""
        return replace(
            self,
            fields=[(name, _another(value) if name in names else value) for name, value in self.fields],
            headers={name: _another(value) if name in names else value for name, value in self.headers.items()},
        )

    def with_values_of(self, other: DecisionRequest, names: set[str]) -> DecisionRequest:
        """Return the request with another's values for these fields and headers."""
        values = dict(other.fields)
        return replace(
            self,
            fields=[(name, values.get(name, value) if name in names else value) for name, value in self.fields],
            headers={
                name: other.headers.get(name, value) if name in names else value for name, value in self.headers.items()
            },
        )

    def body(self) -> bytes:
        """Return the body, in the request's own media type, or as a form."""
        if self.media_type == "application/json":
            return self.as_json().encode()
        return urlencode(list(self.fields)).encode()

    def as_json(self) -> str:
        """Return the fields as a JSON object; of a field that occurs several times the last value."""
        return json.dumps(dict(self.fields))


def session_bound_values(request: DecisionRequest, names: set[str]) -> list[str]:
    """Return the values of these fields and headers."""
    return [value for name, value in (*request.fields, *request.headers.items()) if name in names]


def session_bound(one: DecisionRequest, other: DecisionRequest) -> set[str]:
    """Return the fields and headers in which two sessions' requests for one decision differ.

    Whatever is alike in both says which request is meant, and may be known to anybody; what differs is a session's
    own: form tokens and the like.
    """
    found: set[str] = set()
    for mine, theirs in ((one.fields, other.fields), (one.headers.items(), other.headers.items())):
        names = {name for name, _ in mine} | {name for name, _ in theirs}
        found |= {name for name in names if [v for n, v in mine if n == name] != [v for n, v in theirs if n == name]}
    return found


def catch(approver: BrowserApprover, device: DeviceAuthorization, action: Action) -> DecisionRequest:
    """Let the owner press the button that decides, and hold back what the browser sends.

    Raises:
        Blocked: the pages cannot be driven so, or nothing is sent.
    """
    approver.read(device)
    return catch_here(approver, action)


def catch_here(approver: BrowserApprover, action: Action) -> DecisionRequest:
    """Catch the decision on the page that the owner has open already."""
    tab = approver.session.tab()
    page = approver.session.read(tab)
    name = page.offers(approver.words.approve if action == "approve" else approver.words.deny)
    if name is None:
        raise Blocked(f"the page {page.title!r} has no button to {action} with", unblock="a page that offers both")
    caught: list[DecisionRequest] = []

    def hold_back(route: Route) -> None:
        request = route.request
        if request.method in ("GET", "HEAD"):
            route.fallback()
            return
        media_type = request.headers.get("content-type", "")
        headers = {n: v for n, v in request.headers.items() if n.startswith(_OWN_HEADERS)}
        fields = _fields(media_type, request.post_data_buffer or b"")
        caught.append(DecisionRequest(request.url, media_type.partition(";")[0].strip().lower(), fields, headers))
        route.abort("aborted")

    tab.route("**/*", hold_back)
    try:
        approver.control(name).click(no_wait_after=True)
        comes_true(tab, lambda: bool(caught), _CATCH_MS)
    except Error as error:
        raise Blocked(
            f"the button to {action} with cannot be pressed: {first_line(error)}", unblock="a button that works"
        ) from None
    finally:
        tab.unroute("**/*")
    if not caught:
        raise Blocked(f"pressing {name!r} sends nothing", unblock="a page whose buttons send a form")
    return caught[0]


def send(session: BrowserSession, recorder: Recorder, request: DecisionRequest) -> Answer:
    """Send a decision from a session, with its cookies, as the deployment's own page would: of its own origin.

    Raises:
        Blocked: it cannot be sent.
    """
    body = request.body()
    media_type = request.media_type if request.media_type == "application/json" else FORM
    own = origin_of(request.url)
    headers = {"content-type": media_type, "origin": own, "sec-fetch-site": "same-origin", **request.headers}
    if not recorder.is_allowed(request.url):
        raise Blocked("the page sends its decision to an origin that is not under test", unblock="a page that does not")
    recorder.politeness.before(request.url)
    try:
        received = session.context.request.fetch(
            request.url, method="POST", headers=headers, data=body, max_redirects=0, fail_on_status_code=False
        )
    except Error as error:
        raise Blocked(f"the form was not answered: {first_line(error)}", unblock="a page that answers forms") from None
    exchange = _to_exchange(request, headers, body, received)
    recorder.record(exchange)
    return Answer(exchange, (exchange.response_body or "").encode())


def _to_exchange(request: DecisionRequest, headers: Mapping[str, str], body: bytes, received: APIResponse) -> Exchange:
    content = received.body()
    return Exchange(
        number=0,
        scenario=None,
        actor="somebody in the owner's session",
        at=time.time(),
        method="POST",
        url=request.url,
        request_headers=list(headers.items()),
        request_body=body.decode("utf-8", "replace"),
        status=received.status,
        response_headers=[(header["name"], header["value"]) for header in received.headers_array],
        response_body=content.decode("utf-8", "replace"),
        response_bytes=len(content),
    )


def _fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        try:
            members = json.loads(body)
        except (ValueError, RecursionError):
            return []
        members = members if isinstance(members, dict) else {}
        return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in members.items()]
    if media_type == "multipart/form-data":
        message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=HTTP)
        parts = message.iter_parts() if message.is_multipart() else ()
        return [
            (str(part.get_param("name", header="content-disposition") or ""), _text(part.get_payload(decode=True)))
            for part in parts
        ]
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def _text(payload: object) -> str:
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)


def _another(value: str) -> str:
    return drawing.token_urlsafe(max(len(value), 4))[: max(len(value), 4)]
