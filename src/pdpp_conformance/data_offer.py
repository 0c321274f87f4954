"""What there is to ask for: the owner's sources and streams, and `authorization_details` entries made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.verdict import Blocked

PURPOSE_CODE = "https://pdpp.dev/purpose/personal_ai_assistant"


@dataclass(frozen=True)
class StreamOffer:
    """One stream, with what is known of its records' shape."""

    name: str
    fields: tuple[str, ...] = ()
    time_field: str | None = None
    key_field: str | None = None


@dataclass(frozen=True)
class SourceOffer:
    """One source, named as ``authorization_details`` names it."""

    kind: str
    id: str
    streams: tuple[StreamOffer, ...]


@dataclass(frozen=True)
class DataOffer:
    """Every source known to the harness, those to ask for first."""

    type: str
    sources: tuple[SourceOffer, ...]
    template: Mapping[str, Any] | None = None
    """An entry of the target file, whose members other than the streams are kept."""

    def entry(
        self,
        source: SourceOffer,
        streams: Sequence[Mapping[str, Any]],
        *,
        access_mode: str = "continuous",
    ) -> dict[str, Any]:
        """Return one ``authorization_details`` entry for streams of a source."""
        return {
            "type": self.type,
            "source": {"kind": source.kind, "id": source.id},
            "purpose_code": str((self.template or {}).get("purpose_code", PURPOSE_CODE)),
            "purpose_description": str((self.template or {}).get("purpose_description", "Conformance run")),
            "access_mode": access_mode,
            "streams": [dict(stream) for stream in streams],
        }

    def first_stream(self) -> tuple[SourceOffer, StreamOffer]:
        """Return the stream to ask for where any will do."""
        return self.sources[0], self.sources[0].streams[0]

    def source_with(self, streams: int) -> SourceOffer:
        """Return a source that has at least so many streams.

        Raises:
            Blocked: there is none.
        """
        for source in self.sources:
            if len(source.streams) >= streams:
                return source
        raise Blocked(
            f"no source with {streams} streams is known",
            unblock="authorization_details with that many streams in the target file",
        )

    def stream_with_fields_and_time(self) -> tuple[SourceOffer, StreamOffer]:
        """Return a stream whose fields and time field are known.

        Raises:
            Blocked: there is none.
        """
        for source in self.sources:
            for stream in source.streams:
                if len(stream.fields) >= 3 and stream.time_field is not None:
                    return source, stream
        raise Blocked(
            "no stream is known with its fields and the field that holds its time",
            unblock="a schema endpoint for the owner token that tells fields and time_field",
        )

    def two_sources(self) -> tuple[SourceOffer, SourceOffer]:
        """Return two sources, for a package.

        Raises:
            Blocked: only one is known.
        """
        if len(self.sources) < 2:
            raise Blocked("only one source is known", unblock="two entries of authorization_details in the target file")
        return self.sources[0], self.sources[1]


def offer_of_target(entries: Sequence[Mapping[str, Any]], outside: str | None) -> DataOffer:
    """Read the offer from the target file's ``authorization_details``."""
    sources: dict[tuple[str, str], list[StreamOffer]] = {}
    for entry in entries:
        source = entry.get("source", {})
        streams = sources.setdefault((str(source.get("kind")), str(source.get("id"))), [])
        streams += [
            StreamOffer(str(stream["name"]), tuple(stream.get("fields", ())))
            for stream in entry.get("streams", ())
            if isinstance(stream, dict) and "name" in stream
        ]
    offered = [SourceOffer(kind, identifier, tuple(streams)) for (kind, identifier), streams in sources.items()]
    if outside is not None and offered:
        first = offered[0]
        if outside not in [stream.name for stream in first.streams]:
            offered[0] = SourceOffer(first.kind, first.id, (*first.streams, StreamOffer(outside)))
    return DataOffer(str(entries[0]["type"]), tuple(offered), entries[0])


def offer_of_schema(details_type: str, documents: Sequence[Any]) -> DataOffer:
    """Read the offer from what the owner's REST surface tells of streams.

    Args:
        documents: the schema document, the stream list, or both; every object in them that has a ``name`` and a
            ``source`` with ``kind`` and ``id`` counts as a stream.

    Raises:
        Blocked: no stream is told of.
    """
    found: dict[tuple[str, str], dict[str, StreamOffer]] = {}
    for document in documents:
        for stream in _streams(document):
            source = stream["source"]
            streams = found.setdefault((source["kind"], source["id"]), {})
            streams.setdefault(
                stream["name"],
                StreamOffer(
                    stream["name"], _field_names(stream), _text(stream, "time_field"), _text(stream, "key_field")
                ),
            )
    sources = [SourceOffer(kind, identifier, tuple(streams.values())) for (kind, identifier), streams in found.items()]
    if not sources:
        raise Blocked(
            "the owner's REST surface tells of no stream with its source",
            unblock="authorization_details to ask for, in the target file",
        )
    sources.sort(key=lambda source: len(source.streams), reverse=True)
    return DataOffer(details_type, tuple(sources))


def _streams(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        source = value.get("source")
        if (
            isinstance(value.get("name"), str)
            and isinstance(source, dict)
            and all(isinstance(source.get(member), str) for member in ("kind", "id"))
        ):
            yield value
        for member in value.values():
            yield from _streams(member)
    elif isinstance(value, list):
        for member in value:
            yield from _streams(member)


def _field_names(stream: Mapping[str, Any]) -> tuple[str, ...]:
    fields = stream.get("fields")
    if isinstance(fields, dict):
        return tuple(str(name) for name in fields)
    names = []
    for field in fields if isinstance(fields, list) else []:
        name = field.get("name") if isinstance(field, dict) else field
        if isinstance(name, str):
            names.append(name)
    return tuple(names)


def _text(value: Mapping[str, Any], member: str) -> str | None:
    text = value.get(member)
    return text if isinstance(text, str) else None
