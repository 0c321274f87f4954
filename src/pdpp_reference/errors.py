"""The two error shapes of the wire: OAuth's flat object and the REST surface's nested one.

WireError
├── OAuthError      {error, error_description, request_id}      RFC 6749 §5.2
└── RestError       {error: {code, message, type, request_id}}  /mcp and /v1
"""

from __future__ import annotations

from collections.abc import Mapping


class WireError(Exception):
    """An answer that refuses a request."""

    status: int
    headers: Mapping[str, str]


class OAuthError(WireError):
    """A refusal in the form of RFC 6749 §5.2.

    Args:
        error: the registered error code.
        description: a sentence for the developer, in the characters that RFC 6749 §5.2 allows.
        status: the HTTP status; 400 unless the code says otherwise.
        headers: further response headers.
    """

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.headers = headers or {}


class RestError(WireError):
    """A refusal at ``/mcp`` or ``/v1``.

    Args:
        code: the stable machine-readable code, ``authentication_error`` for example.
        message: a sentence for the developer.
        status: the HTTP status.
        next_step: what the caller should do instead, where there is something.
        headers: further response headers.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        next_step: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.next_step = next_step
        self.headers = headers or {}
