"""`authorization_details` entries (RFC 9396) of PDPP's data-access type: read, checked, narrowed, written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from pdpp_reference.errors import OAuthError
from pdpp_reference.sources import Source, SourceCatalogue, SourceKind

AccessMode = Literal["continuous", "single_use"]
Necessity = Literal["required", "optional"]

MAX_ENTRIES = 8
MAX_BYTES = 16 * 1024
MAX_DEPTH = 16

_ENTRY_MEMBERS = frozenset(
    {"type", "source", "purpose_code", "purpose_description", "access_mode", "streams", "retention"}
)
_STREAM_MEMBERS = frozenset({"name", "fields", "time_range", "necessity"})


def _refuse(description: str) -> OAuthError:
    return OAuthError("invalid_authorization_details", description)


@dataclass(frozen=True)
class TimeRange:
    """A half-open span of time; ``None`` leaves that side open."""

    since: datetime | None = None
    until: datetime | None = None

    def to_json(self) -> dict[str, str]:
        written: dict[str, str] = {}
        if self.since is not None:
            written["since"] = self.since.isoformat().replace("+00:00", "Z")
        if self.until is not None:
            written["until"] = self.until.isoformat().replace("+00:00", "Z")
        return written


@dataclass(frozen=True)
class StreamAccess:
    """Access to one stream: all its fields unless ``fields`` names some, all its time unless ``time_range`` is set."""

    name: str
    fields: tuple[str, ...] | None = None
    time_range: TimeRange | None = None
    necessity: Necessity | None = None

    def to_json(self) -> dict[str, Any]:
        written: dict[str, Any] = {"name": self.name}
        if self.fields is not None:
            written["fields"] = list(self.fields)
        if self.time_range is not None:
            written["time_range"] = self.time_range.to_json()
        if self.necessity is not None:
            written["necessity"] = self.necessity
        return written


@dataclass(frozen=True)
class AuthorizationDetail:
    """One entry: one source, some of its streams, for one purpose."""

    type: str
    source_kind: SourceKind
    source_id: str
    purpose_code: str
    access_mode: AccessMode
    streams: tuple[StreamAccess, ...]
    purpose_description: str | None = None
    retention: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        written: dict[str, Any] = {
            "type": self.type,
            "source": {"kind": self.source_kind, "id": self.source_id},
            "purpose_code": self.purpose_code,
            "access_mode": self.access_mode,
            "streams": [stream.to_json() for stream in self.streams],
        }
        if self.purpose_description is not None:
            written["purpose_description"] = self.purpose_description
        if self.retention is not None:
            written["retention"] = dict(self.retention)
        return written

    def narrowed_to(self, kept: frozenset[str]) -> AuthorizationDetail:
        """Return the entry with only the streams whose names are in ``kept``."""
        return replace(self, streams=tuple(stream for stream in self.streams if stream.name in kept))


def parse_authorization_details(
    text: str, *, accepted_type: str, catalogue: SourceCatalogue
) -> tuple[AuthorizationDetail, ...]:
    """Read the ``authorization_details`` parameter and check every member of every entry.

    A sole stream ``*`` is resolved to all streams of its source here, so that what the owner sees is what is granted.

    Raises:
        OAuthError: ``invalid_authorization_details`` (RFC 9396 §5).
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _refuse(f"authorization_details is larger than {MAX_BYTES} bytes")
    try:
        entries = json.loads(text, object_pairs_hook=_no_repeated_member, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _refuse("authorization_details is not a well-formed JSON array") from None
    if not isinstance(entries, list) or not entries:
        raise _refuse("authorization_details is not a JSON array with at least one entry")
    if len(entries) > MAX_ENTRIES:
        raise _refuse(f"authorization_details has more than {MAX_ENTRIES} entries")
    parsed = tuple(_parse_entry(entry, accepted_type, catalogue) for entry in entries)
    sources = {(entry.source_kind, entry.source_id) for entry in parsed}
    if len(sources) != len(parsed):
        raise _refuse("two entries name the same source")
    if len({entry.access_mode for entry in parsed}) > 1:
        raise _refuse("the entries of one request do not share one access_mode")
    return parsed


def details_to_text(details: Sequence[AuthorizationDetail]) -> str:
    """Write entries as the JSON text that is stored."""
    return json.dumps([detail.to_json() for detail in details], separators=(",", ":"))


def details_from_text(text: str) -> tuple[AuthorizationDetail, ...]:
    """Read back what :func:`details_to_text` wrote; the text was checked before it was stored."""
    return tuple(_read_stored(entry) for entry in json.loads(text))


def _no_repeated_member(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _parse_entry(entry: object, accepted_type: str, catalogue: SourceCatalogue) -> AuthorizationDetail:
    if not isinstance(entry, dict):
        raise _refuse("an entry of authorization_details is not an object")
    if entry.get("type") != accepted_type:
        raise _refuse("an entry has a type that this server does not support")
    _only(entry, _ENTRY_MEMBERS, "an entry")
    source = _parse_source(entry.get("source"), catalogue)
    access_mode = entry.get("access_mode")
    if access_mode not in ("continuous", "single_use"):
        raise _refuse("access_mode is neither continuous nor single_use")
    return AuthorizationDetail(
        type=accepted_type,
        source_kind=source.kind,
        source_id=source.id,
        purpose_code=_absolute_uri(entry.get("purpose_code"), "purpose_code"),
        access_mode=access_mode,
        streams=_parse_streams(entry.get("streams"), source),
        purpose_description=_optional_text(entry, "purpose_description", 500),
        retention=_parse_retention(entry),
    )


def _parse_source(value: object, catalogue: SourceCatalogue) -> Source:
    if not isinstance(value, dict):
        raise _refuse("source is missing or not an object")
    _only(value, frozenset({"kind", "id"}), "source")
    kind, identifier = value.get("kind"), value.get("id")
    if kind not in ("connector", "provider_native"):
        raise _refuse("source.kind is neither connector nor provider_native")
    source = catalogue.find(kind, _absolute_uri(identifier, "source.id"))
    if source is None:
        raise _refuse("source names nothing that this server holds")
    return source


def _parse_streams(value: object, source: Source) -> tuple[StreamAccess, ...]:
    if not isinstance(value, list) or not value:
        raise _refuse("streams is missing or empty")
    if len(value) > 64:
        raise _refuse("streams has more than 64 entries")
    for stream in value:
        if not isinstance(stream, dict) or not isinstance(stream.get("name"), str):
            raise _refuse("an entry of streams has no name")
        _only(stream, _STREAM_MEMBERS, "a stream")
    names = [stream["name"] for stream in value]
    if len(set(names)) != len(names):
        raise _refuse("a stream is named twice")
    if "*" in names:
        if len(names) > 1:
            raise _refuse("the stream * stands beside others")
        if "fields" in value[0]:
            raise _refuse("fields cannot be named for the stream *")
        return tuple(_parse_stream({**value[0], "name": stream.name}, source) for stream in source.streams)
    return tuple(_parse_stream(stream, source) for stream in value)


def _parse_stream(value: dict[str, Any], source: Source) -> StreamAccess:
    stream = source.stream(value["name"])
    if stream is None:
        raise _refuse("streams names a stream that the source does not have")
    fields = value.get("fields")
    if "fields" in value:
        if not isinstance(fields, list) or not fields or not all(isinstance(name, str) for name in fields):
            raise _refuse("fields is not a list of at least one name")
        if len(set(fields)) != len(fields):
            raise _refuse("a field is named twice")
        if not set(fields) <= stream.field_names:
            raise _refuse("fields names a field that the stream does not have")
    necessity = value.get("necessity")
    if "necessity" in value and necessity not in ("required", "optional"):
        raise _refuse("necessity is neither required nor optional")
    return StreamAccess(
        name=stream.name,
        fields=tuple(fields) if fields is not None else None,
        time_range=_parse_time_range(value["time_range"]) if "time_range" in value else None,
        necessity=necessity,
    )


def _parse_time_range(value: object) -> TimeRange:
    if not isinstance(value, dict) or not value:
        raise _refuse("time_range is not an object with since or until")
    _only(value, frozenset({"since", "until"}), "time_range")
    parsed = TimeRange(**{side: _parse_date_time(text) for side, text in value.items()})
    if parsed.since is not None and parsed.until is not None and parsed.since >= parsed.until:
        raise _refuse("time_range runs backwards")
    return parsed


def _parse_date_time(value: object) -> datetime:
    if not isinstance(value, str) or len(value) > 40:
        raise _refuse("a time in time_range is not an RFC 3339 date-time")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refuse("a time in time_range is not an RFC 3339 date-time") from None
    if moment.tzinfo is None:
        raise _refuse("a time in time_range has no offset from UTC")
    return moment


def _parse_retention(entry: dict[str, Any]) -> Mapping[str, str] | None:
    if "retention" not in entry:
        return None
    value = entry["retention"]
    if not isinstance(value, dict):
        raise _refuse("retention is not an object")
    _only(value, frozenset({"max_duration", "on_expiry"}), "retention")
    if not all(isinstance(text, str) and len(text) <= 64 and text.isprintable() for text in value.values()):
        raise _refuse("retention holds something other than short printable texts")
    return value


def _absolute_uri(value: object, member: str) -> str:
    if not isinstance(value, str) or len(value) > 500:
        raise _refuse(f"{member} is not an absolute URI")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise _refuse(f"{member} is not an absolute URI") from None
    if not parts.scheme or not (parts.netloc or parts.path) or not value.isascii() or any(c <= " " for c in value):
        raise _refuse(f"{member} is not an absolute URI")
    return value


def _optional_text(entry: dict[str, Any], member: str, longest: int) -> str | None:
    if member not in entry:
        return None
    value = entry[member]
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise _refuse(f"{member} is not a printable text of at most {longest} characters")
    return value


def _only(value: Mapping[str, Any], members: frozenset[str], what: str) -> None:
    if not set(value) <= members:
        raise _refuse(f"{what} has a member that this server does not know")


def _read_stored(entry: dict[str, Any]) -> AuthorizationDetail:
    return AuthorizationDetail(
        type=entry["type"],
        source_kind=entry["source"]["kind"],
        source_id=entry["source"]["id"],
        purpose_code=entry["purpose_code"],
        access_mode=entry["access_mode"],
        streams=tuple(_read_stored_stream(stream) for stream in entry["streams"]),
        purpose_description=entry.get("purpose_description"),
        retention=entry.get("retention"),
    )


def _read_stored_stream(stream: dict[str, Any]) -> StreamAccess:
    span = stream.get("time_range")
    return StreamAccess(
        name=stream["name"],
        fields=tuple(stream["fields"]) if "fields" in stream else None,
        time_range=TimeRange(**{side: datetime.fromisoformat(text) for side, text in span.items()}) if span else None,
        necessity=stream.get("necessity"),
    )
