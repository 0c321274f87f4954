"""What a generated request says in place of the values that only a running deployment gives: codes, tokens, client ids.

A request is generated, counted and kept with placeholders, and filled in when it is sent. So the same seed makes the
same requests at any deployment, and a request that is kept for later holds no secret.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from urllib.parse import quote_plus

PLACEHOLDERS: Mapping[str, str] = {
    "client_id": "the client that asks",
    "other_client_id": "another client",
    "resource": "the MCP resource",
    "authorization_details": "details that may be asked for",
    "authorization_details_type": "the advertised type",
    "pending_code": "a device code that the owner has not decided",
    "denied_code": "a device code that the owner denied",
    "foreign_code": "a device code of the other client, not decided",
    "user_code": "the user code of the undecided request",
    "redeemed_code": "a device code that was redeemed",
    "access_token": "the client's access token",
    "refresh_token": "the client's refresh token",
    "grant_id": "the grant of the access token",
    "basic_credentials": "the resource server's credentials, for HTTP Basic",
}
"""Each placeholder, and what it stands for."""

_TOKEN = re.compile(rb"zz([a-z0]+)zz")


def placeholder(name: str) -> str:
    """Return what stands for a value in a request; it survives every encoding as it is.

    Raises:
        KeyError: there is no such placeholder.
    """
    PLACEHOLDERS[name]
    return f"zz{name.replace('_', '0')}zz"


def fill(data: bytes, values: Mapping[str, str], *, encoded_for: str = "") -> bytes:
    """Put the values in place of the placeholders; of one that has no value, its name stays.

    Args:
        encoded_for: ``form`` or ``json``, for values that hold characters of that syntax.
    """

    def value_of(match: re.Match[bytes]) -> bytes:
        name = match.group(1).decode("ascii").replace("0", "_")
        value = values.get(name)
        if value is None:
            return match.group(0)
        if encoded_for == "json":
            return json.dumps(value)[1:-1].encode("utf-8")
        return _percent_encoded(value) if encoded_for == "form" else value.encode("utf-8")

    return _TOKEN.sub(value_of, data)


def placeholders_in(data: bytes) -> list[str]:
    """Return the names of the placeholders that occur, each once."""
    named = [match.group(1).decode("ascii").replace("0", "_") for match in _TOKEN.finditer(data)]
    return [name for name in dict.fromkeys(named) if name in PLACEHOLDERS]


def basic(identifier: str, secret: str) -> str:
    """Return credentials as HTTP Basic carries them (RFC 7617 §2)."""
    return base64.b64encode(f"{identifier}:{secret}".encode()).decode("ascii")


def _percent_encoded(value: str) -> bytes:
    return quote_plus(value).encode("ascii")
