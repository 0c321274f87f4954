"""Requests that are almost right: each named difference, made from the well-formed value."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

Entry = dict[str, Any]


def one_letter_changed(credential: str) -> str:
    """Return a code, token or word that differs in the letter in its middle, also for whom case makes no difference."""
    middle = len(credential) // 2
    return credential[:middle] + ("A" if credential[middle] not in "aA" else "B") + credential[middle + 1 :]


def _with_port(resource: str) -> str:
    parts = urlsplit(resource)
    port = (parts.port or (443 if parts.scheme == "https" else 80)) + 1
    return resource.replace(parts.netloc, f"{parts.hostname}:{port}", 1)


def _with_scheme(resource: str) -> str:
    scheme = urlsplit(resource).scheme
    return resource.replace(scheme, "http" if scheme == "https" else "https", 1)


RESOURCES: Mapping[str, Callable[[str], str]] = {
    "another path": lambda resource: f"{resource}/other",
    "another host": lambda resource: resource.replace(urlsplit(resource).netloc, "other.invalid", 1),
    "another scheme": _with_scheme,
    "another port": _with_port,
    "a query": lambda resource: f"{resource}?a=b",
    "a fragment": lambda resource: f"{resource}#part",
    "a trailing slash": lambda resource: f"{resource}/",
    "capitals": lambda resource: resource.replace(urlsplit(resource).path, urlsplit(resource).path.upper(), 1),
    "no scheme": lambda resource: resource.partition("://")[2],
}
"""Resources that are not the MCP resource, by what is different."""


def _changed(change: Callable[[Entry], object]) -> Callable[[Entry], str]:
    def make(entry: Entry) -> str:
        changed = copy.deepcopy(entry)
        change(changed)
        return json.dumps([changed])

    return make


def _first_stream(change: Callable[[Entry], object]) -> Callable[[Entry], str]:
    return _changed(lambda entry: change(entry["streams"][0]))


AUTHORIZATION_DETAILS: Mapping[str, Callable[[Entry], str]] = {
    "no JSON in them": lambda _: "[{",
    "an object instead of an array": json.dumps,
    "no entry": lambda _: "[]",
    "an entry that is no object": lambda _: '["everything"]',
    "an unknown type": _changed(lambda entry: entry.update(type="https://type.invalid/other")),
    "no type": _changed(lambda entry: entry.pop("type")),
    "an unknown member": _changed(lambda entry: entry.update(everything=True)),
    "no source": _changed(lambda entry: entry.pop("source")),
    "an unknown source": _changed(lambda entry: entry["source"].update(id="https://source.invalid/unknown")),
    "a source of unknown kind": _changed(lambda entry: entry["source"].update(kind="everything")),
    "an unknown member in a source": _changed(lambda entry: entry["source"].update(everything=True)),
    "no streams": _changed(lambda entry: entry.pop("streams")),
    "an empty list of streams": _changed(lambda entry: entry.update(streams=[])),
    "an unknown stream": _first_stream(lambda stream: stream.update(name="no_such_stream")),
    "a stream beside all streams": _changed(lambda entry: entry["streams"].append({"name": "*"})),
    "an unknown member in a stream": _first_stream(lambda stream: stream.update(everything=True)),
    "an unknown field": _first_stream(lambda stream: stream.update(fields=["no_such_field"])),
    "an empty list of fields": _first_stream(lambda stream: stream.update(fields=[])),
    "no purpose": _changed(lambda entry: entry.pop("purpose_code")),
    "a relative purpose": _changed(lambda entry: entry.update(purpose_code="assistant")),
    "an unknown access mode": _changed(lambda entry: entry.update(access_mode="forever")),
    "no access mode": _changed(lambda entry: entry.pop("access_mode")),
    "a reversed time range": _first_stream(
        lambda stream: stream.update(time_range={"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"})
    ),
    "a time that is none": _first_stream(lambda stream: stream.update(time_range={"since": "yesterday"})),
    "a retention that is no object": _changed(lambda entry: entry.update(retention="P30D")),
    "an unknown member in a retention": _changed(lambda entry: entry.update(retention={"for_ever": "yes"})),
    "a list for a duration": _changed(lambda entry: entry.update(retention={"max_duration": []})),
    "an unknown stream after a good one": _changed(lambda entry: entry["streams"].append({"name": "no_such_stream"})),
    "a text for a source": _changed(lambda entry: entry.update(source=entry["source"]["id"])),
    "a text for streams": _changed(lambda entry: entry.update(streams=entry["streams"][0]["name"])),
    "a number for a stream": _first_stream(lambda stream: stream.update(name=1)),
    "a text for fields": _first_stream(lambda stream: stream.update(fields="id")),
    "a list for a time range": _first_stream(lambda stream: stream.update(time_range=["2026-01-01T00:00:00Z"])),
    "a number for a necessity": _first_stream(lambda stream: stream.update(necessity=1)),
    "a number for a purpose": _changed(lambda entry: entry.update(purpose_code=1)),
    "nine entries": lambda entry: json.dumps([entry] * 9),
    "more than 16 KiB": _changed(lambda entry: entry.update(purpose_description="x" * (16 * 1024))),
}
"""Authorization details that break a rule, by what is wrong with them (wire contract §6)."""

OPTIONAL_PARTS: Mapping[str, Callable[[Entry], str]] = {
    "all streams of a source": _changed(lambda entry: entry.update(streams=[{"name": "*"}])),
    "the beginning of a time range": _first_stream(
        lambda stream: stream.update(time_range={"since": "2026-01-01T00:00:00Z"})
    ),
    "the end of a time range": _first_stream(
        lambda stream: stream.update(time_range={"until": "2026-02-01T00:00:00Z"})
    ),
    "a whole time range": _first_stream(
        lambda stream: stream.update(time_range={"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"})
    ),
    "a stream that is required": _first_stream(lambda stream: stream.update(necessity="required")),
    "a stream that is optional": _first_stream(lambda stream: stream.update(necessity="optional")),
    "a description of the purpose": _changed(lambda entry: entry.update(purpose_description="To answer questions")),
    "a retention": _changed(lambda entry: entry.update(retention={"max_duration": "P30D", "on_expiry": "delete"})),
    "single use": _changed(lambda entry: entry.update(access_mode="single_use")),
}
"""Authorization details that keep all rules, by what they have that others have not (wire contract §6)."""
