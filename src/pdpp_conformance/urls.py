"""URLs that a target sends, which may be none."""

from __future__ import annotations

from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit

_NONE = SplitResult("", "", "", "", "")


def parts_of(url: str) -> SplitResult:
    """Return a URL's parts, all of them empty where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what tells a port that is none
    except ValueError:
        return _NONE
    return parts


def is_web_url(value: object) -> TypeGuard[str]:
    """Whether a value is a URL with a host, http or https."""
    parts = parts_of(value) if isinstance(value, str) else _NONE
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
