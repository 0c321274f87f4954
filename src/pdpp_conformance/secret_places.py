"""Where device and user codes turned up in a run, beside the answer that told them (RFC 8628 §3.3, §5.2)."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from pdpp_conformance.exchange import Exchange, origin_of
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.urls import parts_of
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.words import Words

_BROWSER = "owner's browser"
_WRITTEN_TO = ("location", "set-cookie", "link", "refresh", "content-location")


@dataclass(frozen=True)
class Issued:
    """The codes of one answer of the device authorization endpoint."""

    number: int
    device_code: str
    user_code: str
    beside: str
    """The other members of the answer, as JSON."""


def issued_in(run: Run) -> list[Issued]:
    """Return the codes that the device authorization endpoint told in this run."""
    endpoint = run.discovery.endpoint("device_authorization_endpoint")
    found = []
    for exchange in run.recorder.exchanges:
        if endpoint is None or exchange.url.partition("?")[0] != endpoint:
            continue
        try:
            members = json.loads(exchange.response_body or "")
        except (ValueError, RecursionError):
            continue
        codes = members if isinstance(members, dict) else {}
        device_code, user_code = codes.get("device_code"), codes.get("user_code")
        if isinstance(device_code, str) and isinstance(user_code, str) and len(device_code) >= 8:
            beside = json.dumps({name: value for name, value in codes.items() if name != "device_code"})
            found.append(Issued(exchange.number, device_code, user_code, beside))
    return found


def judge_device_codes_kept(judge: Judgement, run: Run) -> None:
    """A device code stands in no URL, header or page: nowhere but in the answer that told it.

    What the harness itself sent is no evidence, and what came back of it is another row's (ERR-06).
    """
    issued = issued_in(run)
    pages = [exchange for exchange in run.recorder.exchanges if exchange.actor == _BROWSER]
    if not issued or not pages:
        raise Blocked("no code was seen together with a page", unblock="--approver browser, and a page for the owner")
    told = {one.number for one in issued}
    places = {
        exchange.number: "\n".join(_spoken(exchange))
        for exchange in run.recorder.exchanges
        if exchange.number not in told
    }
    codes = Words()
    for one in issued:
        for spelling in _spellings(one.device_code):
            codes.add(spelling, spelling)
    beside = {one.number: one.beside for one in issued}
    astray = {number: spelling for number, text in (places | beside).items() for _, spelling in codes.found_in(text)}
    by_number = {exchange.number: exchange for exchange in run.recorder.exchanges}
    seen = [number for number, spelling in astray.items() if not _was_sent(by_number[number], spelling)]
    judge.that(
        not seen,
        "device codes in the answers that tell them and nowhere else",
        f"elsewhere in exchange {', '.join(map(str, seen[:5])) or 'none'}; "
        f"{len(issued)} codes looked for in {len(pages)} pages and {len(places) - len(pages)} other answers",
    )


def _was_sent(exchange: Exchange, spelling: str) -> bool:
    """Whether the code stood in the request itself, so that the answer is an echo.

    Where the deployment led the browser to it, an answer before told it.
    """
    sent = (exchange.url, exchange.request_body or "", *(value for _, value in exchange.request_headers))
    return any(spelling in text or spelling in unquote(text) for text in sent)


def _spoken(exchange: Exchange) -> Iterable[str]:
    """Yield what the deployment said in an exchange.

    What its pages made the browser send, one of them told before; the browser also sends what the harness thought up.
    """
    for text in (exchange.response_body or "", *(value for _, value in exchange.response_headers)):
        yield text
        if "%" in text:
            yield unquote(text)
        if "&" in text:
            yield html.unescape(text)


def _spellings(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    return {secret, b64encode(raw).decode().rstrip("="), urlsafe_b64encode(raw).decode().rstrip("="), raw.hex()}


def judge_user_codes_kept(judge: Judgement, run: Run) -> None:
    """A user code is carried by URLs of the verification page's origin alone, and to no other."""
    issued = issued_in(run)
    codes = {one.user_code for one in issued}
    own = {origin_of(run.discovery.issuer), *_verification_origins(run)}
    astray: Mapping[int, str] = {
        exchange.number: where
        for exchange in run.recorder.exchanges
        for where, url in _urls(exchange)
        if parts_of(url).netloc and origin_of(url) not in own
        if any(code in unquote(url) for code in codes)
    }
    carried = sum(
        any(code in unquote(exchange.url) for code in codes)
        for exchange in run.recorder.exchanges
        if exchange.actor == _BROWSER
    )
    if not issued:
        raise Blocked("no code was told in this run", unblock="a deployment that gives device codes")
    judge.that(
        not astray,
        "user codes in URLs of the verification page's origin alone",
        ", ".join(f"{where} (exchange {number})" for number, where in astray.items())[:300]
        or f"in {carried} URLs, all of that origin; {len(codes)} codes looked for",
    )


def _verification_origins(run: Run) -> set[str]:
    endpoint = run.discovery.endpoint("device_authorization_endpoint")
    origins = set()
    for exchange in run.recorder.exchanges:
        if exchange.url != endpoint:
            continue
        try:
            members = json.loads(exchange.response_body or "")
            uri = members.get("verification_uri_complete") if isinstance(members, dict) else None
            if isinstance(uri, str) and parts_of(uri).netloc:
                origins.add(origin_of(uri))
        except (ValueError, RecursionError):
            continue
    return origins


def _urls(exchange: Exchange) -> Iterable[tuple[str, str]]:
    if exchange.actor == _BROWSER:
        yield "a URL", exchange.url
    for name, value in exchange.response_headers:
        if name.lower() in _WRITTEN_TO:
            yield f"a {name.lower()} header", value
