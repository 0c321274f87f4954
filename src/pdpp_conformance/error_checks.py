"""Errors of the authorization server's endpoints, judged by their form (RFC 6749 §5.2, RFC 8628 §3.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.exchange import Answer, Exchange
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.malformed_requests import ENDPOINTS, NOTHING, MalformedRequests, Sent, endpoint_url
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable

_STATUSES: Mapping[str, tuple[int, ...]] = {
    "invalid_client": (400, 401),
    "invalid_token": (401,),
    "insufficient_scope": (403,),
    "temporarily_unavailable": (400, 503),
}
"""The status of an error code where it is not 400 (RFC 6749 §5.2, RFC 6750 §3.1)."""

_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
_URI = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]*")

_DEVICE_GRANT = frozenset({"authorization_pending", "slow_down", "expired_token"})
_REGISTERED = _DEVICE_GRANT | {
    # RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.1; RFC 7009 §2.2.1; RFC 7591 §3.2.2
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope", "access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable",
    "invalid_token", "insufficient_scope", "unsupported_token_type",
    "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement", "unapproved_software_statement",
    # RFC 8707 §2, RFC 9396 §5, RFC 9449 §5 and §8, RFC 9470 §3, RFC 9101 §6.2, OpenID Connect Core §3.1.2.6
    "invalid_target", "invalid_authorization_details", "invalid_dpop_proof", "use_dpop_nonce",
    "insufficient_user_authentication", "invalid_request_uri", "invalid_request_object", "request_not_supported",
    "request_uri_not_supported", "registration_not_supported", "interaction_required", "login_required",
    "account_selection_required", "consent_required", "unmet_authentication_requirements",
}  # fmt: skip
"""Error codes that a registry knows and that may occur at these endpoints."""

TRACE = re.compile(
    r"Traceback \(most recent call last\)|^\s*File \"[^\"]+\", line \d+|^\s+at [\w.$<>]+\s?\(.*:\d+\)"
    r"|\(\w+\.(?:java|kt|scala):\d+\)|\bgoroutine \d+ \[|\bpanic: |#\d+ /\S+\.php\(\d+\)|/node_modules/"
    r"|\bSystem\.\w*Exception\b|\bSQLSTATE\[|\bsqlite3?\.\w*Error|\bpsycopg\w*\.|thread '[^']*' panicked at",
    re.MULTILINE,
)
"""What stack traces of the usual run-times look like."""


def shows_trace(body: str | None) -> bool:
    """Whether a body shows a stack trace, as it stands or as a text of JSON."""
    text = (body or "").replace("\\n", "\n").replace('\\"', '"')
    return TRACE.search(text) is not None


# -- malformed requests ------------------------------------------------------------------------------------------------


def judge_statuses(judge: Judgement, sent: Sequence[Sent]) -> None:
    """400, or the status that the error code has; never the server's own fault, and never a success."""
    judged = [
        one for one in sent if not one.is_throttled and (one.is_error or one.answer is None or one.what == NOTHING)
    ]
    _require(judged, sent)
    wrong = [f"{one.what}: {_told(one)}" for one in judged if not _fits_status(one)]
    observed = "; ".join(wrong) or ", ".join(sorted({_told(one) for one in judged}))
    judge.that(not wrong, "400, or 401 for invalid_client", observed)


def _fits_status(one: Sent) -> bool:
    answer = one.answer
    if answer is None:
        return False
    if _is_protected(answer):
        return True
    return answer.status in _STATUSES.get(answer.error or "", (400,))


def _is_protected(answer: Answer) -> bool:
    """Whether a bearer is asked for, as a registration endpoint may (RFC 7591 §3, RFC 6750 §3)."""
    return answer.status in (401, 403) and (answer.header("www-authenticate") or "").lower().startswith("bearer")


def judge_json_errors(judge: Judgement, sent: Sequence[Sent]) -> None:
    """``application/json`` objects with a string ``error``."""
    judged = [one for one in sent if one.is_error and not (one.answer and _is_protected(one.answer))]
    _require(judged, sent)
    wrong = [
        f"{one.what}: {_told(one)} {one.answer.media_type or 'without content type'}"
        for one in judged
        if one.answer is not None and (one.answer.media_type != "application/json" or one.answer.error is None)
    ]
    judge.that(
        not wrong, "JSON objects with a string error", "; ".join(wrong) or f"{len(judged)} of {len(judged)} errors"
    )


def judge_characters(judge: Judgement, sent: Sequence[Sent]) -> None:
    """RFC 6749 §5.2: the characters that ``error``, ``error_description`` and ``error_uri`` may hold."""
    judged = [one for one in sent if one.answer is not None and one.answer.error is not None]
    _require(judged, sent)
    wrong = [
        f"{one.what}: {member} {one.answer.member(member)!r}"[:200]
        for one in judged
        if one.answer is not None
        for member, allowed in (("error", _TEXT), ("error_description", _TEXT), ("error_uri", _URI))
        if not _fits(one.answer.member(member), allowed)
    ]
    judge.that(not wrong, "the characters of RFC 6749 §5.2", "; ".join(wrong) or f"{len(judged)} errors within them")


def _fits(value: Any, allowed: re.Pattern[str]) -> bool:
    return value is None or (isinstance(value, str) and allowed.fullmatch(value) is not None)


def judge_errors_not_stored(judge: Judgement, sent: Sequence[Sent]) -> None:
    """OAuth 2.1 §3.2.4: ``Cache-Control: no-store``."""
    judged = [one for one in sent if one.is_error]
    _require(judged, sent)
    wrong = [
        f"{one.what}: {one.answer.header('cache-control') or 'absent'}"
        for one in judged
        if one.answer is not None and "no-store" not in (one.answer.header("cache-control") or "").lower()
    ]
    judge.that(not wrong, "Cache-Control: no-store", "; ".join(wrong) or f"{len(judged)} of {len(judged)} errors")


def judge_token_endpoint_form(judge: Judgement, sent: Sequence[Sent]) -> None:
    """RFC 8628 §3.2: the device authorization endpoint's errors are of the token endpoint's form."""
    judged = [one for one in sent if not one.is_throttled and (one.is_error or one.answer is None)]
    _require(judged, sent)
    wrong = [
        f"{one.what}: {_told(one)}"
        for one in judged
        if one.answer is None
        or one.answer.error is None
        or one.answer.media_type != "application/json"
        or not _fits_status(one)
    ]
    judge.that(not wrong, "400 or 401 with a JSON object and its error", "; ".join(wrong) or f"{len(judged)} errors")


def _require(judged: Sequence[Sent], sent: Sequence[Sent]) -> None:
    if not judged:
        told = ", ".join(sorted({_told(one) for one in sent})) or "nothing"
        raise Blocked(
            f"none of {len(sent)} malformed requests was answered with an error of the kind judged here ({told})",
            unblock="an endpoint that refuses a malformed request",
        )


def _told(one: Sent) -> str:
    return one.problem or "no answer" if one.answer is None else one.answer.summary


# -- Authorization -----------------------------------------------------------------------------------------------------


def send_bad_authorization(run: Run, endpoint: str) -> Answer:
    """Send an unknown client's credentials in ``Authorization``, and nothing else that names a client."""
    form = {
        "the token endpoint": [("grant_type", DEVICE_CODE_GRANT), ("device_code", "no-such-code")],
        "the device authorization endpoint": [],
        "the pushed authorization request endpoint": [("response_type", "code")],
        "the revocation endpoint": [("token", "no-such-token")],
    }[endpoint]
    basic = ("nobody", "no-such-secret")
    return run.recorder.send("POST", endpoint_url(run, endpoint), actor="a client", form=form, basic=basic)


def judge_challenged(judge: Judgement, answer: Answer) -> None:
    """RFC 6749 §5.2: 401 with ``WWW-Authenticate`` of the scheme that was used.

    Raises:
        NotApplicable: the endpoint does not look at ``Authorization``, so that nothing failed.
    """
    if answer.error == "invalid_request" and answer.status == 400:
        raise NotApplicable("the endpoint does not look at Authorization: to it the request names no client")
    challenge = answer.header("www-authenticate") or ""
    judge.that(
        answer.status == 401 and challenge.lower().startswith("basic"),
        "401 with a Basic challenge",
        f"{answer.summary}, WWW-Authenticate: {challenge[:100] or 'absent'}",
    )


# -- secrets and traces ------------------------------------------------------------------------------------------------


def judge_nothing_echoed(judge: Judgement, planted: Sequence[Sent]) -> None:
    """No secret of the request stands in the answer."""
    judged = [one for one in planted if one.answer is not None]
    _require([one for one in judged if one.answer is not None and one.answer.status >= 400], planted)
    echoed = [
        f"{one.what}: {_told(one)}"
        for one in judged
        if one.answer is not None
        and any(secret in text for secret in one.planted for text in _everything(one.answer.exchange))
    ]
    judge.that(not echoed, "no secret in an answer", "; ".join(echoed) or f"none in {len(judged)} answers")


def judge_no_trace(judge: Judgement, sent: Sequence[Sent]) -> None:
    """No stack trace stands in an answer."""
    judged = [one for one in sent if one.answer is not None]
    _require([one for one in judged if one.answer is not None and one.answer.status >= 400], sent)
    traces = [
        f"{one.what}: {_told(one)}"
        for one in judged
        if one.answer is not None and shows_trace(one.answer.exchange.response_body)
    ]
    judge.that(not traces, "no stack trace", "; ".join(traces) or f"none in {len(judged)} answers")


def _everything(exchange: Exchange) -> Iterator[str]:
    yield exchange.response_body or ""
    for name, value in exchange.response_headers:
        yield f"{name}: {value}"


# -- the whole run -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """An error that an endpoint answered in this run."""

    number: int
    endpoint: str
    grant_type: str | None
    error: str


def errors_of(run: Run) -> list[Told]:
    """Return every error code that the endpoints answered in this run."""
    names = {url: name for name, member in ENDPOINTS.items() if (url := run.discovery.endpoint(member)) is not None}
    told = []
    for exchange in run.recorder.exchanges:
        name = names.get(exchange.url.partition("?")[0])
        if name is None or exchange.status is None or exchange.status in (404, 405, 421):
            continue  # the last three tell that there is no such endpoint, method or host
        error = _member(exchange.response_body, "error")
        if isinstance(error, str):
            grant_type = parse_qs(exchange.request_body or "").get("grant_type", [None])[0]
            told.append(Told(exchange.number, name, grant_type, error))
    return told


def judge_error_codes(judge: Judgement, run: Run, malformed: MalformedRequests) -> None:
    """RFC 8628 §7.3, RFC 6749 §11.4: the device grant's codes come for it alone, and all codes are registered ones."""
    malformed.everywhere()
    told = errors_of(run)
    if not told:
        raise Blocked("no endpoint answered an error code in this run", unblock="an endpoint that refuses a request")
    wrong = [
        f"{one.error[:60]} from {one.endpoint} (exchange {one.number})"
        for one in told
        if one.error not in _REGISTERED or (one.error in _DEVICE_GRANT and not _is_device_poll(one))
    ]
    observed = ", ".join(sorted(set(wrong)))[:400] or ", ".join(sorted({one.error for one in told}))
    judge.that(not wrong, "registered error codes, the device grant's for it alone", observed)


def _is_device_poll(one: Told) -> bool:
    return one.endpoint == "the token endpoint" and one.grant_type == DEVICE_CODE_GRANT


def judge_throttling(judge: Judgement, run: Run) -> None:
    """RFC 6585 §4, RFC 9110 §10.2.3: 429 and 503 are JSON here and say when to try again.

    Raises:
        NotApplicable: the run never met one.
    """
    urls = {url for member in ENDPOINTS.values() if (url := run.discovery.endpoint(member)) is not None}
    met = [
        exchange
        for exchange in run.recorder.exchanges
        if exchange.status in (429, 503) and exchange.url.partition("?")[0] in urls
    ]
    if not met:
        raise NotApplicable("no endpoint answered 429 or 503 in this run, and none was brought to it")
    wrong = [
        f"{exchange.status} from {urlsplit(exchange.url).path} (exchange {exchange.number})"
        for exchange in met
        if not _header(exchange, "retry-after")
        or _header(exchange, "content-type").partition(";")[0].strip().lower() != "application/json"
    ]
    judge.that(not wrong, "JSON with Retry-After", ", ".join(wrong)[:400] or f"{len(met)} of {len(met)}")


def _header(exchange: Exchange, name: str) -> str:
    return next((value for header, value in exchange.response_headers if header.lower() == name), "")


def _member(body: str | None, name: str) -> Any:
    try:
        members = json.loads(body or "")
    except (ValueError, RecursionError):
        return None
    return members.get(name) if isinstance(members, dict) else None
