"""What must hold of every answer, however odd the request: rules, each of the requirement that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pdpp_conformance.error_checks import shows_trace
from pdpp_conformance.exchange import Answer
from pdpp_conformance.fuzzing.placeholders import placeholder
from pdpp_conformance.fuzzing.request import GRANT_TYPES, GeneratedRequest

_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
_URI = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]*")

_EXPECTED_STATUSES = frozenset({200, 201, 204, 400, 401, 403, 404, 429, 503})
"""What the operations answer by their standards (schemas/openapi.yaml)."""

_TRANSPORT_STATUSES = frozenset({405, 406, 408, 411, 412, 413, 414, 415, 417, 421, 422, 426, 431, 501, 505})
"""What HTTP itself may answer before an endpoint was asked (RFC 9110 §15)."""

_ONCE = ("grant_type", "device_code", "client_id")
"""What the token endpoint takes no second one of (RFC 6749 §3.2)."""

_SECRETS = ("pending_code", "denied_code", "foreign_code", "redeemed_code", "access_token", "refresh_token")

_CODE_ROWS: Mapping[str, str] = {
    "pending_code": "CHG-13",
    "denied_code": "POL-08",
    "foreign_code": "POL-05",
    "redeemed_code": "POL-12",
    "user_code": "POL-06",
}
"""Whose rule it is that a code, sent as a device code, opens nothing."""


@dataclass(frozen=True)
class Broken:
    """A rule that an answer broke."""

    requirement: str
    expected: str
    observed: str


def broken_by(sent: GeneratedRequest, answer: Answer | None, values: Mapping[str, str]) -> list[Broken]:
    """Return the rules that an answer broke.

    Args:
        answer: ``None`` where the connection was closed without one.
        values: what was sent in place of the placeholders.
    """
    if answer is None:
        return [Broken("ERR-01", "an answer", "the connection ended without one")]
    return [*_status(sent, answer), *_form(sent, answer), *_contents(sent, answer, values), *_effect(sent, answer)]


def _status(sent: GeneratedRequest, answer: Answer) -> Iterator[Broken]:
    status = answer.status
    throttled = status in (429, 503)
    if throttled and answer.header("retry-after"):
        return
    if throttled:
        yield Broken("ERR-07", "Retry-After beside 429 or 503", f"{answer.summary} without one")
    if status >= 500 and status not in (501, 505):
        row = "DAR-22" if sent.operation == "device authorization" else "ERR-01"
        yield Broken(row, "no fault of the server's own (5xx)", answer.summary)
    elif status not in _EXPECTED_STATUSES | _TRANSPORT_STATUSES and not 300 <= status < 400:
        yield Broken("ERR-01", "400, or the status that the error code has", answer.summary)


def _form(sent: GeneratedRequest, answer: Answer) -> Iterator[Broken]:
    # Where a grant is revoked the owner's page posts its form too, and is answered with a page.
    if sent.method != "POST" or answer.status not in (400, 401) or sent.operation == "revocation of a grant":
        return
    kind = answer.media_type or "no content type"
    if answer.media_type != "application/json" or answer.error is None:
        if sent.operation == "device authorization" and "html" in kind:
            yield Broken("DAR-22", "no HTML", f"{answer.summary}, {kind}")
        yield Broken("ERR-02", "a JSON object with a string error", f"{answer.summary}, {kind}")
        return
    for member, allowed in (("error", _TEXT), ("error_description", _TEXT), ("error_uri", _URI)):
        value = answer.member(member)
        if value is not None and not (isinstance(value, str) and allowed.fullmatch(value)):
            yield Broken("ERR-03", "the characters of RFC 6749 §5.2", f"{member} {value!r}"[:200])
    if "no-store" not in (answer.header("cache-control") or "").lower():
        told = answer.header("cache-control") or "absent"
        yield Broken("ERR-08", "Cache-Control: no-store", told[:80])


def _contents(sent: GeneratedRequest, answer: Answer, values: Mapping[str, str]) -> Iterator[Broken]:
    text = answer.body.decode("utf-8", "replace")
    if shows_trace(text):
        row = "DAR-22" if sent.operation == "device authorization" else "ERR-06"
        yield Broken(row, "no stack trace", f"{answer.summary} with one")
    if answer.status >= 400:
        echoed = [name for name in _SECRETS if len(values.get(name, "")) > 8 and values[name] in text]
        if echoed:
            yield Broken("ERR-06", "no secret of the request", f"{answer.summary} with {', '.join(echoed)}")
    names = {name.lower() for name, _ in answer.exchange.response_headers}
    planted = "planted" in names or any(value.startswith("planted=") for value in answer.headers("set-cookie"))
    if planted:
        yield Broken("ERR-09", "no header out of a parameter", f"{answer.summary} with the header that was planted")


def _effect(sent: GeneratedRequest, answer: Answer) -> Iterator[Broken]:
    pairs = parameters_of(sent)
    if sent.operation == "token" and answer.member("access_token") is not None and not _is_refresh(pairs):
        presented = [value for name, value in pairs if name == "device_code"]
        named = [name for name in _CODE_ROWS if placeholder(name) in presented]
        row = _CODE_ROWS[named[0]] if named else "POL-06"
        yield Broken(row, "no token without an approval", f"{answer.summary} with an access token")
    if sent.operation == "device authorization" and answer.member("device_code") is not None:
        if sent.method != "POST":
            yield Broken("DAR-02", "no codes for another method", f"{sent.method}: {answer.summary} with a device code")
        clients = [value for name, value in pairs if name == "client_id"]
        if len(clients) > 1:
            yield Broken("DAR-11", "invalid_request for a repeated client_id", f"{answer.summary} with a device code")
    if sent.operation == "token" and sent.method == "POST" and answer.status == 400:
        names = [name for name, _ in pairs]
        # Pending means that it was taken for a request that is as it should be; what no standard knows is ignored.
        if any(names.count(name) > 1 for name in _ONCE) and _accepted(answer):
            yield Broken("POL-19", "invalid_request for a repeated parameter", answer.summary)


def _accepted(answer: Answer) -> bool:
    return answer.error in ("authorization_pending", "slow_down")


def parameters_of(sent: GeneratedRequest) -> Sequence[tuple[str, str]]:
    """Return the form parameters of a request, as generated; none where its body is no form."""
    if sent.body is None or sent.encoding != "form":
        return []
    try:
        return parse_qsl(sent.body.decode("utf-8", "surrogateescape"), keep_blank_values=True, max_num_fields=5000)
    except ValueError:
        return []


def _is_refresh(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a request is one that the token endpoint has to serve: the client's own refresh."""
    members = dict(pairs)
    return (
        members.get("grant_type") == GRANT_TYPES[1]
        and members.get("refresh_token") == placeholder("refresh_token")
        and members.get("client_id") == placeholder("client_id")
    )
