"""Sending a generated request: the parties that it speaks of do what they have to, and their values fill it in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress

import httpx

from pdpp_conformance.bounded_http import BoundedClient, within
from pdpp_conformance.exchange import Answer, Exchange, OffLimits
from pdpp_conformance.fuzzing.description import Operation
from pdpp_conformance.fuzzing.placeholders import basic, fill
from pdpp_conformance.fuzzing.request import GeneratedRequest
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion

REQUEST_SECONDS = 5.0


class Unsendable(Exception):
    """A generated request that HTTP has no way to write: it is left out."""


def values_of(run: Run) -> dict[str, str]:
    """Let the parties do what the placeholders speak of, and return the values; those that cannot be had are absent."""
    values = {"resource": run.discovery.mcp_resource}
    details_type = run.discovery.authorization_details_type
    if details_type is not None:
        values["authorization_details_type"] = details_type
    if run.target.introspection is not None:
        values["basic_credentials"] = basic(run.target.introspection.identifier, run.target.introspection.secret)
    for make in (_clients, _details, _pending, _foreign, _denied, _redeemed, new_tokens):
        with suppress(Conclusion, OffLimits):  # what it would give stays a placeholder, which nobody knows
            values |= make(run)
    return values


def _clients(run: Run) -> Mapping[str, str]:
    return {"client_id": run.client().client_id, "other_client_id": run.client("another client").client_id}


def _details(run: Run) -> Mapping[str, str]:
    return {"authorization_details": json.dumps(run.one_stream(), separators=(",", ":"))}


def _pending(run: Run) -> Mapping[str, str]:
    device = run.client().start("grant_scoped_mcp", run.one_stream())
    return {"pending_code": device.device_code, "user_code": device.user_code}


def _foreign(run: Run) -> Mapping[str, str]:
    device = run.client("another client").start("grant_scoped_mcp", run.one_stream())
    return {"foreign_code": device.device_code}


def _denied(run: Run) -> Mapping[str, str]:
    return {"denied_code": run.denied(run.client().start("grant_scoped_mcp", run.one_stream())).device_code}


def _redeemed(run: Run) -> Mapping[str, str]:
    return {"redeemed_code": run.redeemed().device_code}


def new_tokens(run: Run) -> Mapping[str, str]:
    token = run.granted(run.one_stream(), run.client())
    grant_id = token.members.get("grant_id")
    return {
        "access_token": token.access_token,
        **({"refresh_token": token.refresh_token} if token.refresh_token else {}),
        **({"grant_id": grant_id} if isinstance(grant_id, str) else {}),
    }


def send_filled(
    client: BoundedClient, run: Run, operation: Operation, sent: GeneratedRequest, values: Mapping[str, str]
) -> Answer | None:
    """Send a generated request with the values in place of its placeholders; return its answer, if there was one.

    The exchange is not kept: there are thousands of them, full of values that only look like secrets.

    Raises:
        OffLimits: the operation lies on another origin than those under test.
        Unsendable: HTTP has no way to write it.
        Blocked: the run's requests are used up.
    """
    if not run.recorder.is_allowed(operation.url):
        raise OffLimits(f"{operation.name} is not at an origin under test")
    path = fill(sent.path.encode("utf-8", "surrogatepass"), values, encoded_for="form").decode("ascii", "replace")
    url = operation.url.replace("{grant_id}", path) if "{" in operation.url else operation.url
    headers = [(name.encode("ascii"), fill(value.encode("latin-1"), values)) for name, value in sent.headers]
    body = None if sent.body is None else fill(sent.body, values, encoded_for=sent.encoding)
    run.recorder.politeness.before(operation.url)
    try:
        with within(REQUEST_SECONDS):
            came = client.send(sent.method, url, headers=headers, content=body, timeout=REQUEST_SECONDS)
    except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError, ValueError):
        raise Unsendable from None
    except httpx.HTTPError:
        return None
    exchange = Exchange(
        number=0,
        scenario=None,
        actor="the fuzzer",
        at=time.time(),
        method=sent.method,
        url=url,
        request_headers=(),
        request_body=None,
        status=came.status,
        response_headers=came.headers,
    )
    return Answer(exchange, came.body.content)
