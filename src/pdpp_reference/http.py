"""Requests read within bounds, and answers written, the same way for every endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from pdpp_reference.errors import OAuthError, RestError

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_OUTSIDE_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


class Form:
    """The parameters of a form-encoded (or JSON) request, as RFC 6749 §3.2 reads them.

    A parameter without a value counts as omitted; one that occurs twice is an error as soon as it is read.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str | None:
        """Return the value of ``name``, or ``None`` where it is absent or empty.

        Raises:
            OAuthError: ``invalid_request``, the parameter occurs more than once (RFC 6749 §3.2).
        """
        values = self._values.get(name, [])
        if len(values) > 1:
            raise OAuthError("invalid_request", f"the parameter {name} is repeated")
        return values[0] if values and values[0] else None

    def require(self, name: str) -> str:
        """Return the value of ``name``.

        Raises:
            OAuthError: ``invalid_request``, the parameter is missing, empty or repeated.
        """
        value = self.get(name)
        if value is None:
            raise OAuthError("invalid_request", f"the parameter {name} is missing")
        return value

    def present(self, name: str) -> bool:
        """Whether ``name`` occurs at all, even without a value."""
        return name in self._values

    def all(self, name: str) -> Sequence[str]:
        """Return every value of ``name``, in order."""
        return self._values.get(name, [])


@dataclass(frozen=True)
class Incoming:
    """One request, read whole: what a handler may look at."""

    request: Request
    body: bytes
    request_id: str

    @property
    def media_type(self) -> str:
        """The request's media type without parameters, in lower case."""
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()

    def form(self) -> Form:
        """Read the body as a form.

        Raises:
            OAuthError: ``invalid_request``, another media type, not UTF-8, or a NUL in it.
        """
        if self.media_type != FORM:
            raise OAuthError("invalid_request", f"the body is not {FORM}")
        return Form(_pairs(self.body))

    def form_or_json(self) -> Form:
        """Read the body as a form or as a JSON object; a JSON member that is no text is taken as its JSON."""
        if self.media_type != JSON:
            return self.form()
        members = self.json_object("invalid_request")
        pairs = [
            (name, value if isinstance(value, str) else "" if value is None else json.dumps(value))
            for name, value in members.items()
        ]
        if any("\x00" in value or not _is_scalar_text(value) for pair in pairs for value in pair):
            raise OAuthError("invalid_request", "the body holds a character that no parameter may have")
        return Form(pairs)

    def json_object(self, error: str) -> dict[str, Any]:
        """Read the body as one JSON object.

        Raises:
            OAuthError: ``error``, it is not one, or a member occurs twice.
        """
        if self.media_type != JSON:
            raise OAuthError(error, f"the body is not {JSON}")
        try:
            value = json.loads(self.body, object_pairs_hook=_no_repeated_member, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise OAuthError(error, "the body is not well-formed JSON") from None
        if not isinstance(value, dict):
            raise OAuthError(error, "the body is not a JSON object")
        return value


Handler = Callable[[Incoming], Response]


def endpoint(handler: Handler, *, max_body_bytes: int) -> Callable[[Request], Any]:
    """Wrap a handler as a Starlette endpoint: read the body within its bound, run in a worker thread."""

    async def serve(request: Request) -> Response:
        try:
            body = await read_body(request, max_body_bytes)
        except ClientDisconnect:
            return Response(status_code=400)
        incoming = Incoming(request=request, body=body, request_id=request_id_of(request))
        return await run_in_threadpool(handler, incoming)

    return serve


def request_id_of(request: Request) -> str:
    """Return the id under which this request is logged."""
    return str(request.scope.get("pdpp.request_id", ""))


async def read_body(request: Request, most: int) -> bytes:
    """Read a request's body.

    Raises:
        OAuthError: ``invalid_request`` with status 413, it is larger than ``most`` bytes.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise OAuthError("invalid_request", f"the body is larger than {most} bytes", status=413)
        chunks.append(chunk)
    return b"".join(chunks)


def json_answer(
    members: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Write a JSON object that no cache may keep."""
    return JSONResponse(dict(members), status_code=status, headers={**NO_STORE, **(headers or {})})


def oauth_error_answer(request: Request, error: OAuthError) -> JSONResponse:
    """Write an error object of RFC 6749 §5.2, its description held to the characters allowed there."""
    structlog.get_logger().info("refused", error=error.error)
    return json_answer(
        {
            "error": error.error,
            "error_description": _OUTSIDE_DESCRIPTION.sub("?", error.description),
            "request_id": request_id_of(request),
        },
        status=error.status,
        headers=error.headers,
    )


def rest_error_answer(request: Request, error: RestError) -> JSONResponse:
    """Write an error object of the REST surface."""
    structlog.get_logger().info("refused", error=error.code)
    members: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "type": error.code,
        "request_id": request_id_of(request),
    }
    if error.next_step is not None:
        members["next_step"] = error.next_step
    return json_answer({"error": members}, status=error.status, headers=error.headers)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        text = body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise OAuthError("invalid_request", "the body is not a well-formed UTF-8 form") from None
    if any("\x00" in part for pair in pairs for part in pair):
        raise OAuthError("invalid_request", "the body holds a character that no parameter may have")
    return pairs


def _is_scalar_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _no_repeated_member(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(name)
