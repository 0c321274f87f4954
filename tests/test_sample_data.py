"""The bundled deployment's data is whole, consistent with what is said of it, and quick to load."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.sources import Stream

STREAMS = [stream for source in load_catalogue().sources for stream in source.streams]
TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "datetime": str}


def test_sources_are_of_both_kinds_and_named_by_absolute_uris() -> None:
    """There are connectors and a provider's own source."""
    sources = load_catalogue().sources
    assert {source.kind for source in sources} == {"connector", "provider_native"}
    assert all(source.id.startswith("https://") for source in sources)


def test_stream_names_are_unique_across_sources() -> None:
    """A stream can be addressed by its name alone."""
    assert len({stream.name for stream in STREAMS}) == len(STREAMS) >= 5


def test_there_are_some_hundred_records() -> None:
    """Enough to page through, few enough to read."""
    assert 300 <= sum(len(stream.records) for stream in STREAMS) <= 600


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_records_are_what_the_stream_says(stream: Stream) -> None:
    """Every record has every field in its type, a key of its own, and its place in time."""
    assert 5 <= len(stream.fields) <= 8
    assert {stream.key_field, stream.time_field} <= stream.field_names
    for record in stream.records:
        assert set(record) == stream.field_names
        for field in stream.fields:
            assert type(record[field.name]) is TYPES[field.type], field.name
    assert len({record[stream.key_field] for record in stream.records}) == len(stream.records)
    times = [datetime.fromisoformat(record[stream.time_field]) for record in stream.records]
    assert times == sorted(times)
    assert datetime(2025, 1, 1, tzinfo=UTC) <= times[0] < times[-1] < datetime(2026, 7, 1, tzinfo=UTC)
    assert (times[-1] - times[0]).days > 500


def test_the_catalogue_is_loaded_once_and_quickly() -> None:
    """A cold load stays in the tens of milliseconds."""
    assert load_catalogue() is load_catalogue()
    load_catalogue.cache_clear()
    begun = time.perf_counter()
    load_catalogue()
    assert time.perf_counter() - begun < 0.1
