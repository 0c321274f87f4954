"""Authorization details that break a rule of the wire contract (§6) and are taken all the same, one rule at a time.

Each fault reads a defective entry as some well-formed one: that is what a server does that leaves a check out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pdpp_reference.faults.device_authorization import ENDPOINT
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Pairs
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.settings import AUTHORIZATION_DETAILS_TYPE

Entry = dict[str, Any]

_SOURCES = load_catalogue().sources
_PURPOSE = "https://pdpp.dev/purpose/unstated"
_ALL_STREAMS: list[dict[str, Any]] = [{"name": "*"}]

declared = Declared()


def _rar(name: str, what: str, repair: Callable[[Any], Any]) -> None:
    """Declare a fault that repairs the whole value of ``authorization_details``."""

    def repaired(text: str) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        return json.dumps(repair(value))

    def pairs_repaired(pairs: Pairs) -> Pairs:
        return [(key, repaired(value) if key == "authorization_details" and value else value) for key, value in pairs]

    declared.repairing(ENDPOINT, what, "DAR-16", name=name)(pairs_repaired)


def _entries(name: str, what: str, repair: Callable[[Entry], Entry]) -> None:
    """Declare a fault that repairs each entry."""

    def each(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [repair(entry) if isinstance(entry, dict) else entry for entry in value]

    _rar(name, what, each)


def _streams(name: str, what: str, repair: Callable[[Entry], Entry]) -> None:
    """Declare a fault that repairs each stream of each entry."""

    def each(entry: Entry) -> Entry:
        streams = entry.get("streams")
        if not isinstance(streams, list):
            return entry
        return {**entry, "streams": [repair(stream) if isinstance(stream, dict) else stream for stream in streams]}

    _entries(name, what, each)


def _only(value: Entry, *members: str) -> Entry:
    return {name: member for name, member in value.items() if name in members}


def _first_source() -> Entry:
    return {"kind": _SOURCES[0].kind, "id": _SOURCES[0].id}


def _everything() -> Entry:
    return {
        "type": AUTHORIZATION_DETAILS_TYPE,
        "source": {"kind": _SOURCES[0].kind, "id": _SOURCES[0].id},
        "purpose_code": _PURPOSE,
        "access_mode": "single_use",
        "streams": _ALL_STREAMS,
    }


def _known_source(entry: Entry) -> bool:
    source = entry.get("source")
    return isinstance(source, dict) and any(source.get("id") == known.id for known in _SOURCES)


_STREAMS = {stream.name: stream for source in _SOURCES for stream in source.streams}

_rar("rar_no_json_ok", "What is no JSON is read as everything.", lambda v: [_everything()] if v is None else v)
_rar("rar_object_ok", "An object is read as an array with that one entry.", lambda v: [v] if isinstance(v, dict) else v)
_rar("rar_no_entry_ok", "An empty array is read as everything.", lambda v: v or [_everything()])
_rar(
    "rar_entry_no_object_ok",
    "An entry that is no object is read as everything.",
    lambda v: [e if isinstance(e, dict) else _everything() for e in v] if isinstance(v, list) else v,
)
_rar(
    "rar_nine_entries_ok", "More than eight entries pass.", lambda v: v[:1] if isinstance(v, list) and len(v) > 8 else v
)
_entries(
    "rar_too_large_ok",
    "More than 16 KiB pass.",
    lambda e: {**e, "purpose_description": str(e["purpose_description"])[:500]} if "purpose_description" in e else e,
)
_entries(
    "rar_unknown_type_ok",
    "An entry of an unknown type passes.",
    lambda e: {**e, "type": AUTHORIZATION_DETAILS_TYPE} if "type" in e else e,
)
_entries("rar_no_type_ok", "An entry without a type passes.", lambda e: {"type": AUTHORIZATION_DETAILS_TYPE, **e})
_entries(
    "rar_unknown_member_ok",
    "An unknown member of an entry goes unnoticed.",
    lambda e: _only(e, "type", "source", "purpose_code", "purpose_description", "access_mode", "streams", "retention"),
)
_entries("rar_no_source_ok", "An entry without a source passes.", lambda e: {"source": _first_source(), **e})
_entries(
    "rar_unknown_source_ok",
    "An entry for an unknown source passes.",
    lambda e: e if "source" not in e or _known_source(e) else {**e, "source": _first_source()},
)
_entries(
    "rar_source_kind_ignored",
    "The kind of a source is not compared.",
    lambda e: {**e, "source": {**e["source"], "kind": _SOURCES[0].kind}} if _known_source(e) else e,
)
_entries(
    "rar_unknown_member_in_source_ok",
    "An unknown member of a source goes unnoticed.",
    lambda e: {**e, "source": _only(e["source"], "kind", "id")} if "source" in e else e,
)
_entries("rar_no_streams_ok", "An entry without streams passes.", lambda e: {"streams": _ALL_STREAMS, **e})
_entries(
    "rar_empty_streams_ok",
    "An empty list of streams is read as all of them.",
    lambda e: e if e.get("streams", _ALL_STREAMS) else {**e, "streams": _ALL_STREAMS},
)
_streams(
    "rar_unknown_stream_ok",
    "A stream that does not exist passes.",
    lambda s: s if s.get("name") in {*_STREAMS, "*"} else {**s, "name": next(iter(_STREAMS))},
)
_entries(
    "rar_stream_beside_all_ok",
    "A stream beside all streams passes.",
    lambda e: {**e, "streams": _ALL_STREAMS} if _ALL_STREAMS[0] in e.get("streams", ()) else e,
)
_streams(
    "rar_unknown_member_in_stream_ok",
    "An unknown member of a stream goes unnoticed.",
    lambda s: _only(s, "name", "fields", "time_range", "necessity"),
)
_streams(
    "rar_unknown_field_ok",
    "A field that does not exist goes unnoticed.",
    lambda s: {n: v for n, v in s.items() if n != "fields" or v == [] or set(v) <= _STREAMS[s["name"]].field_names},
)
_streams(
    "rar_empty_fields_ok",
    "An empty list of fields is read as all of them.",
    lambda s: {name: value for name, value in s.items() if name != "fields" or value},
)
_entries("rar_no_purpose_ok", "An entry without a purpose passes.", lambda e: {"purpose_code": _PURPOSE, **e})
_entries(
    "rar_relative_purpose_ok",
    "A purpose that is no absolute URI passes.",
    lambda e: e if "purpose_code" not in e or ":" in str(e["purpose_code"]) else {**e, "purpose_code": _PURPOSE},
)
_entries(
    "rar_unknown_access_mode_ok",
    "An unknown access mode is read as continuous.",
    lambda e: {**e, "access_mode": "continuous"} if e.get("access_mode", "single_use") != "single_use" else e,
)
_entries(
    "rar_no_access_mode_ok", "An entry without an access mode passes.", lambda e: {"access_mode": "continuous", **e}
)
_streams(
    "rar_reversed_time_range_ok",
    "A time range that runs backwards passes.",
    lambda s: {**s, "time_range": {"since": s["time_range"]["until"]}} if len(s.get("time_range", "")) == 2 else s,
)
_streams(
    "rar_bad_time_ok",
    "A time that is none is left out.",
    lambda s: s if s.get("time_range", {}).get("since", "2").startswith("2") else _only(s, "name", "fields"),
)
_streams(
    "rar_necessity_unchecked",
    "A stream's necessity may say anything.",
    lambda s: {name: value for name, value in s.items() if name != "necessity"},
)
_entries(
    "rar_retention_unchecked",
    "A retention may say anything.",
    lambda e: {name: value for name, value in e.items() if name != "retention"},
)


def _is_odd(entry: Entry) -> bool:
    source, streams, purpose = entry.get("source", {}), entry.get("streams", []), entry.get("purpose_code", "")
    return not (isinstance(source, dict) and isinstance(streams, list) and isinstance(purpose, str))


_entries(
    "rar_wrong_json_type_ok",
    "A member of the wrong JSON type is read as if it was left out.",
    lambda e: _everything() if _is_odd(e) else e,
)
