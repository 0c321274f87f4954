"""What data the owner has: sources, their streams, and the streams' fields and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SourceKind = Literal["connector", "provider_native"]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One field of a stream's records."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "datetime"]
    description: str


@dataclass(frozen=True)
class Stream:
    """One stream of a source: records of one shape, in order of time."""

    name: str
    description: str
    fields: tuple[Field, ...]
    time_field: str
    """The field a grant's ``time_range`` narrows: RFC 3339 date-times in UTC."""
    key_field: str
    """The field that identifies a record within the stream."""
    records: Sequence[Record]

    @property
    def field_names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields)


@dataclass(frozen=True)
class Source:
    """A place the owner's data comes from, named by an absolute URI."""

    kind: SourceKind
    id: str
    display_name: str
    streams: tuple[Stream, ...]

    def stream(self, name: str) -> Stream | None:
        """Return the stream called ``name``, if this source has one."""
        return next((stream for stream in self.streams if stream.name == name), None)


@dataclass(frozen=True)
class SourceCatalogue:
    """Every source of this deployment."""

    sources: tuple[Source, ...]

    def find(self, kind: str, identifier: str) -> Source | None:
        """Return the source with that kind and absolute URI, if there is one."""
        return next((source for source in self.sources if source.kind == kind and source.id == identifier), None)
