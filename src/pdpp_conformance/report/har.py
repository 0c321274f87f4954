"""`run.har`: the run's exchanges as an HTTP Archive 1.2, for the tools that people open such archives with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

BODY_LIMIT = 64 * 1024
"""Characters of a body that the archive shows at most; the whole stands in `exchanges.jsonl`."""

_ARCHIVE_BUDGET = 32 * 1024 * 1024
"""Characters that the bodies of an archive may add up to; a large run shows less of each."""

_UNKNOWN = -1
"""What HAR 1.2 writes for a size that is not known."""

Headers = Sequence[Sequence[str]]


def write_har(run: Mapping[str, Any], exchanges: Sequence[Mapping[str, Any]], directory: Path) -> Path:
    """Write `run.har` into the report directory.

    Args:
        run: the contents of `run.json`.
        exchanges: the lines of `exchanges.jsonl`, redacted, valid by `schemas/exchange.schema.json`.

    Raises:
        OSError: the archive could not be written.
    """
    limit = max(1024, min(BODY_LIMIT, _ARCHIVE_BUDGET // max(1, 2 * len(exchanges))))
    archive = {
        "log": {
            "version": "1.2",
            "creator": {"name": "pdpp-conformance", "version": run["suite"]["version"]},
            "entries": [_entry(exchange, limit) for exchange in exchanges],
            "comment": "Labels such as ⟨device_code:1⟩ stand for secrets; equal labels mean equal secrets.",
        }
    }
    path = directory / "run.har"
    path.write_text(json.dumps(archive, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
    return path


def _entry(exchange: Mapping[str, Any], limit: int) -> dict[str, Any]:
    elapsed_ms = round(exchange["elapsed_s"] * 1000, 1)
    entry = {
        "startedDateTime": exchange["at"],
        "time": elapsed_ms,
        "request": _request(exchange["request"], limit),
        "response": _response(exchange, limit),
        "cache": {},
        # The exchange was timed as a whole.
        "timings": {"send": 0, "wait": elapsed_ms, "receive": 0},
        "comment": f"exchange {exchange['number']}, {exchange['actor']}",
        "_number": exchange["number"],
        "_scenario": exchange["scenario"],
    }
    return entry if exchange["error"] is None else {**entry, "_error": exchange["error"]}


def _request(request: Mapping[str, Any], limit: int) -> dict[str, Any]:
    body = request["body"]
    written: dict[str, Any] = {
        "method": request["method"],
        "url": request["url"],
        "httpVersion": "unknown",
        "cookies": _cookies(request["headers"], "cookie"),
        "headers": _named(request["headers"]),
        "queryString": _query(request["url"]),
        "headersSize": _UNKNOWN,
        "bodySize": len((body or "").encode("utf-8", "surrogatepass")),
    }
    if body is not None:
        media_type = _header(request["headers"], "content-type") or ""
        written["postData"] = {"mimeType": media_type, **_bounded(body, limit)}
    return written


def _response(exchange: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Write the response; one that never came has status 0, as browsers write it."""
    response = exchange["response"] or {"status": 0, "headers": [], "body": None, "body_bytes": 0}
    headers = response["headers"]
    location = _header(headers, "location")
    return {
        "status": response["status"],
        "statusText": _phrase(response["status"]),
        "httpVersion": "unknown",
        "cookies": _cookies(headers, "set-cookie"),
        "headers": _named(headers),
        "content": {
            "size": response["body_bytes"],
            "mimeType": _header(headers, "content-type") or "",
            **_bounded(response["body"] or "", limit),
        },
        "redirectURL": _absolute(exchange["request"]["url"], location) if location else "",
        "headersSize": _UNKNOWN,
        "bodySize": _UNKNOWN,
    }


def _bounded(body: str, limit: int) -> dict[str, str]:
    if len(body) <= limit:
        return {"text": body}
    told = f"The first {limit:,} of {len(body):,} characters; the rest is in exchanges.jsonl."
    return {"text": body[:limit], "comment": told}


def _named(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _header(headers: Headers, wanted: str) -> str | None:
    return next((value for name, value in headers if name.lower() == wanted), None)


def _query(url: str) -> list[dict[str, str]]:
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:  # no URL: sent as it is, because somebody was to refuse it
        return []
    return [{"name": name, "value": value} for name, value in pairs]


def _cookies(headers: Headers, wanted: str) -> list[dict[str, str]]:
    """Read names and values of cookies (RFC 6265 §4.1.1, §4.2.1); their attributes stand among the headers."""
    pairs = []
    for name, value in headers:
        if name.lower() == wanted:
            pairs += [value.partition(";")[0]] if wanted == "set-cookie" else value.split(";")
    split = [pair.partition("=") for pair in pairs if "=" in pair]
    return [{"name": name.strip(), "value": value.strip()} for name, _, value in split]


def _absolute(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
