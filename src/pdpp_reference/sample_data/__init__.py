"""One owner's data, all of it invented: what the bundled deployment serves.

Every record carries every field of its stream; an empty text stands for "nothing noted". Keys are random surrogates, so
that the key of a record says nothing about it. Stream names are unique across the sources.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from pdpp_reference.sources import Field, Record, Source, SourceCatalogue, Stream


@cache
def load_catalogue() -> SourceCatalogue:
    """Return every source with its records; read from the package once, then kept."""
    return SourceCatalogue(
        sources=(
            Source(
                kind="connector",
                id="https://registry.pdpp.dev/connectors/spotify",
                display_name="Spotify",
                streams=(_top_artists(), _saved_tracks(), _recently_played()),
            ),
            Source(
                kind="connector",
                id="https://registry.pdpp.dev/connectors/open-banking",
                display_name="Bank account",
                streams=(_transactions(),),
            ),
            Source(
                kind="connector",
                id="https://registry.pdpp.dev/connectors/calendar",
                display_name="Calendar",
                streams=(_calendar_events(),),
            ),
            Source(
                kind="provider_native",
                id="https://fernwood-health.example/pdpp",
                display_name="Fernwood Health",
                streams=(_workouts(), _body_measurements()),
            ),
        )
    )


_KEY = Field("id", "string", "Key of the record, a random surrogate")


def _top_artists() -> Stream:
    return _stream(
        "top_artists",
        "The three artists listened to most, month by month",
        _KEY,
        Field("month_ended_at", "datetime", "End of the month that was counted"),
        Field("artist", "string", "Name of the artist"),
        Field("genre", "string", "Genre of the artist"),
        Field("rank", "integer", "Place in that month, 1 to 3"),
        Field("minutes_played", "integer", "Listening time in that month, in minutes"),
    )


def _saved_tracks() -> Stream:
    return _stream(
        "saved_tracks",
        "Tracks the owner saved to the library",
        _KEY,
        Field("saved_at", "datetime", "When the track was saved"),
        Field("track", "string", "Title of the track"),
        Field("artist", "string", "Name of the artist"),
        Field("album", "string", "Title of the album"),
        Field("duration_s", "integer", "Length of the track in seconds"),
        Field("explicit", "boolean", "Whether the track is marked explicit"),
    )


def _recently_played() -> Stream:
    return _stream(
        "recently_played",
        "Tracks the owner listened to",
        _KEY,
        Field("played_at", "datetime", "When playing began"),
        Field("track", "string", "Title of the track"),
        Field("artist", "string", "Name of the artist"),
        Field("played_ms", "integer", "How long it was played, in milliseconds"),
        Field("device", "string", "Device it was played on"),
        Field("place", "string", "Where the owner was"),
    )


def _transactions() -> Stream:
    return _stream(
        "transactions",
        "Bookings on the owner's accounts",
        _KEY,
        Field("booked_at", "datetime", "When the booking was made"),
        Field("counterparty", "string", "Who was paid, or who paid"),
        Field("category", "string", "Kind of spending or income"),
        Field("amount", "number", "Amount; negative where money was spent"),
        Field("currency", "string", "ISO 4217 code of the currency"),
        Field("note", "string", "The owner's note"),
        Field("account", "string", "Account, all but its last digits hidden"),
    )


def _calendar_events() -> Stream:
    return _stream(
        "calendar_events",
        "Appointments in the owner's calendar",
        _KEY,
        Field("starts_at", "datetime", "Beginning of the appointment"),
        Field("ends_at", "datetime", "End of the appointment"),
        Field("title", "string", "What it is"),
        Field("location", "string", "Where it is"),
        Field("attendees", "integer", "How many people are invited"),
        Field("notes", "string", "The owner's notes"),
    )


def _workouts() -> Stream:
    return _stream(
        "workouts",
        "Training sessions",
        _KEY,
        Field("started_at", "datetime", "When the session began"),
        Field("activity", "string", "Kind of sport"),
        Field("duration_s", "integer", "Length of the session in seconds"),
        Field("distance_km", "number", "Distance in kilometres"),
        Field("heart_rate", "integer", "Mean heart rate in beats a minute"),
        Field("route", "string", "Where the session took place"),
        Field("note", "string", "The owner's note"),
    )


def _body_measurements() -> Stream:
    return _stream(
        "body_measurements",
        "Weight, pulse and blood pressure, taken in the morning",
        _KEY,
        Field("measured_at", "datetime", "When it was measured"),
        Field("weight_kg", "number", "Weight in kilograms"),
        Field("resting_pulse", "integer", "Pulse at rest in beats a minute"),
        Field("systolic", "integer", "Systolic blood pressure in mmHg"),
        Field("diastolic", "integer", "Diastolic blood pressure in mmHg"),
        Field("note", "string", "The owner's note"),
    )


def _stream(name: str, description: str, key: Field, time: Field, *others: Field) -> Stream:
    fields = (key, time, *others)
    return Stream(
        name=name,
        description=description,
        fields=fields,
        time_field=time.name,
        key_field=key.name,
        records=_records(name, fields),
    )


def _records(name: str, fields: tuple[Field, ...]) -> tuple[Record, ...]:
    rows: list[list[Any]] = json.loads((files(__package__) / "records" / f"{name}.json").read_text("utf-8"))
    return tuple(dict(zip((field.name for field in fields), row, strict=True)) for row in rows)
