"""The bearer challenge of a resource server (RFC 6750 §3, RFC 9728 §5.1), read as far as a client needs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - a token of RFC 9110 §5.6.2
_ELEMENT = re.compile(
    rf'[\s,]*(?:(?P<name>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+))|(?P<scheme>{_TOKEN})(?=[\s,]|$))'
)


@dataclass(frozen=True)
class BearerChallenge:
    """What it says; None where it says nothing of it."""

    resource_metadata: str | None = None
    scope: str | None = None
    error: str | None = None


def read_challenge(fields: Iterable[str]) -> BearerChallenge:
    """Return the first ``Bearer`` challenge of the ``WWW-Authenticate`` fields; an empty one where there is none."""
    parameters: dict[str, str] = {}
    for field in fields:
        bearer, at = False, 0
        while (element := _ELEMENT.match(field, at)) is not None and element.end() > at:
            at = element.end()
            if element["scheme"] is not None:
                bearer = element["scheme"].lower() == "bearer"
            elif bearer:
                quoted = element["quoted"]
                value = element["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters.setdefault(element["name"].lower(), value)
    return BearerChallenge(*(parameters.get(name) for name in ("resource_metadata", "scope", "error")))
