"""Times, spans and terms in the words that a page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pdpp_reference.authorization_server.clients import RegistrationMode
from pdpp_reference.grants.authorization_details import AccessMode, StreamAccess

ACCESS_MODES: dict[AccessMode, tuple[str, str]] = {
    "single_use": (
        "Single use",
        "One access token, which ends by itself. The client has to ask you again after that.",
    ),
    "continuous": ("Continuous", "The client can keep reading, new records included, until you revoke the grant."),
}
"""What each access mode is called, and what it means."""

REGISTRATION_MODES: dict[RegistrationMode, str] = {
    "dynamic": "The client registered itself here. Nobody checked who runs it.",
    "pre_registered_public": "This deployment knows the client from the start. Any program can use its id.",
    "client_id_metadata_document": "The client is described by a document on the web, under the origin shown here.",
}

_DURATION = re.compile(r"P(?=.)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=.)(?:(\d{1,6})H)?)?")


@dataclass(frozen=True)
class Moment:
    """A point in time for a ``<time>`` element."""

    machine: str
    """RFC 3339, UTC."""
    words: str


def moment(seconds: float) -> Moment:
    """Write a time (seconds since the epoch) to the second, in UTC."""
    at = datetime.fromtimestamp(int(seconds), UTC)
    return Moment(at.isoformat().replace("+00:00", "Z"), f"{_day(at)}, {at:%H:%M:%S} UTC")


def in_about(seconds: float) -> str:
    """Say how far ahead something is: ``in about 9 minutes``."""
    if seconds < 90:
        return "in about a minute" if seconds > 45 else "in less than a minute"
    if seconds < 90 * 60:
        return f"in about {round(seconds / 60)} minutes"
    return f"in about {round(seconds / 3600)} hours"


def lasting(seconds: int) -> str:
    """Say how long something lasts, in the largest unit that fits evenly."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return _counted(seconds // size, unit)
    return _counted(seconds, "second")


def time_range(stream: StreamAccess) -> str:
    """Say which records of a stream are meant; a range includes its beginning and not its end."""
    span = stream.time_range
    since = _instant(span.since) if span and span.since else None
    until = _instant(span.until) if span and span.until else None
    if since and until:
        return f"from {since} up to, but not including, {until}"
    if since:
        return f"from {since} on"
    if until:
        return f"before {until}"
    return "from any time, future ones included"


def duration(text: str) -> str:
    """Say an ISO 8601 duration in words; anything else is given back as it is."""
    parts = _DURATION.fullmatch(text)
    if parts is None:
        return text
    units = zip(parts.groups(), ("year", "month", "week", "day", "hour"), strict=True)
    return ", ".join(_counted(int(count), unit) for count, unit in units if count is not None)


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _instant(at: datetime) -> str:
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # within a day of the years 1 and 9999
        return at.isoformat()
    return _day(at) if (at.hour, at.minute, at.second) == (0, 0, 0) else f"{_day(at)}, {at:%H:%M:%S} UTC"
