"""The owner's records as one bearer may read them: the only place where a grant bounds what is read.

A view cuts first and answers afterwards: the records of a stream are reduced to the granted time range and the granted
fields before anything filters, sorts, searches or counts them. What is not granted is therefore not refused by a check
that could be forgotten; it is not there. Two consequences that callers see:

- A stream, field or record outside the view gets the answer of one that does not exist.
- Records are in order of time only where the time field is granted, else in the order of their addresses, which says
  nothing about them.

**Addresses.** Every record is returned with ``_id``, its address for ``fetch`` and ``read_record_field``, whichever
fields are granted. It is a digest of the record's key and of the grant it is read under: stable as long as the grant,
useless under another grant, so that two clients cannot join their shares of a record by it, and it does not tell the
key. The key field and the time field themselves are fields like any other and come only when granted.
"""

from __future__ import annotations

import base64
import hashlib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.authorization_details import TimeRange
from pdpp_reference.sources import Field, Record, Source, SourceCatalogue, Stream

RefusalCode = Literal["stream_not_allowed", "field_not_granted", "record_not_found", "invalid_argument"]
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]
Function = Literal["count", "sum", "avg", "min", "max"]
Scalar = str | int | float | bool

MAX_LIMIT = 100
MAX_CONDITIONS = 10
MAX_TEXT = 200
"""The longest text, in characters, that a condition or a search may name."""

_OWNER = "owner"
_NUMERIC = frozenset({"integer", "number"})
_ORDERED = frozenset({"integer", "number", "datetime"})


class RefusedError(Exception):
    """A question that the view does not answer.

    Args:
        code: the stable machine-readable code.
        message: a sentence for the developer; it never repeats what was asked for.
    """

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Condition:
    """What a record's field must be, compared as the field's type; date-times without an offset count as UTC."""

    field: str
    op: Operator
    value: Scalar


@dataclass(frozen=True)
class Page:
    """Some records, and where the next ones begin; ``next_cursor`` is ``None`` at the end."""

    records: Sequence[Mapping[str, Any]]
    next_cursor: str | None


@dataclass(frozen=True)
class StreamView:
    """One stream within its bounds."""

    source: Source
    stream: Stream
    fields: tuple[Field, ...]
    """The granted fields, in the stream's order."""
    time_range: TimeRange | None
    holder: str
    """Whom the addresses of the records are made for: the grant's id, or the owner."""

    def describe(self) -> dict[str, Any]:
        """Return what the bearer may know about the stream."""
        names = {field.name for field in self.fields}
        described: dict[str, Any] = {
            "name": self.stream.name,
            "description": self.stream.description,
            "source": {"kind": self.source.kind, "id": self.source.id, "display_name": self.source.display_name},
            "fields": [
                {"name": field.name, "type": field.type, "description": field.description} for field in self.fields
            ],
        }
        if self.stream.key_field in names:
            described["key_field"] = self.stream.key_field
        if self.stream.time_field in names:
            described["time_field"] = self.stream.time_field
        if self.time_range is not None:
            described["time_range"] = self.time_range.to_json()
        return described

    def query(
        self,
        *,
        fields: Sequence[str] | None = None,
        conditions: Sequence[Condition] = (),
        order_by: str | None = None,
        descending: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page:
        """Return the records that meet all conditions, a page at a time.

        Args:
            fields: the fields to return; all granted ones if ``None``.
            conditions: at most ``MAX_CONDITIONS``.
            order_by: the field to sort by.
            descending: whether the order is reversed.
            limit: records a page, 1 to ``MAX_LIMIT``.
            cursor: ``next_cursor`` of the page before, with the other arguments unchanged.

        Raises:
            RefusedError: ``field_not_granted`` or ``invalid_argument``.
        """
        shown = [self._field(name).name for name in fields] if fields is not None else None
        rows = self._ordered(self._meeting(conditions), order_by, descending)
        start = _start(rows, cursor)
        page = rows[start : start + _bounded(limit)]
        more = start + len(page) < len(rows)
        return Page(
            records=[row.to_json(shown) for row in page],
            next_cursor=page[-1].address if more else None,
        )

    def aggregate(
        self,
        function: Function,
        *,
        field: str | None = None,
        group_by: str | None = None,
        conditions: Sequence[Condition] = (),
    ) -> dict[str, Any]:
        """Count records, or sum up a field over them.

        Args:
            function: ``count`` takes no field; ``sum`` and ``avg`` take a number; ``min`` and ``max`` a number or a
                date-time.
            field: the field the function is taken over.
            group_by: a field to group by; a date-time groups by calendar month in UTC (``2026-03``).
            conditions: at most ``MAX_CONDITIONS``.

        Returns:
            ``value``, or ``groups`` in the order of their keys; ``avg``, ``min`` and ``max`` of nothing are ``None``.

        Raises:
            RefusedError: ``field_not_granted`` or ``invalid_argument``.
        """
        measure = self._measure(function, field)
        grouping = self._field(group_by) if group_by is not None else None
        rows = self._meeting(conditions)
        if grouping is None:
            return {"value": measure(rows)}
        groups: dict[Any, list[_Row]] = {}
        for row in rows:
            groups.setdefault(_group_key(grouping, row.values[grouping.name]), []).append(row)
        return {"groups": [{"group": key, "value": measure(groups[key])} for key in sorted(groups)]}

    def fetch(self, address: str) -> dict[str, Any]:
        """Return the record at ``address`` (its ``_id``).

        Raises:
            RefusedError: ``record_not_found``.
        """
        return self._at(address).to_json(None)

    def read_field(self, address: str, field: str) -> Any:
        """Return one field of the record at ``address``.

        Raises:
            RefusedError: ``field_not_granted``, whether or not there is such a record, or ``record_not_found``.
        """
        name = self._field(field).name
        return self._at(address).values[name]

    def matches(self, text: str) -> list[dict[str, Any]]:
        """Return the records with ``text`` in a granted text field, regardless of case, and the fields it is in."""
        wanted = text.casefold()
        names = [field.name for field in self.fields if field.type == "string"]
        found = (
            (row, [name for name in names if wanted in row.values[name].casefold()])
            for row in self._ordered(self._rows, None, descending=False)
        )
        return [
            {"stream": self.stream.name, "matched_fields": within, "record": row.to_json(None)}
            for row, within in found
            if within
        ]

    @cached_property
    def _rows(self) -> Sequence[_Row]:
        """What the view is cut down to; everything else reads the stream through here."""
        names = [field.name for field in self.fields]
        return [
            _Row(self._address(record), {name: record[name] for name in names})
            for record in self.stream.records
            if _within(self.time_range, record[self.stream.time_field])
        ]

    def _address(self, record: Record) -> str:
        told = "\x00".join((self.holder, self.stream.name, str(record[self.stream.key_field])))
        return base64.b32encode(hashlib.sha256(told.encode()).digest()[:15]).decode().lower()

    def _field(self, name: str) -> Field:
        field = next((field for field in self.fields if field.name == name), None)
        if field is None:
            raise RefusedError("field_not_granted", "the stream has no field of that name within what was granted")
        return field

    def _at(self, address: str) -> _Row:
        row = next((row for row in self._rows if row.address == address), None)
        if row is None:
            raise RefusedError("record_not_found", "the stream has no record with that _id within what was granted")
        return row

    def _ordered(self, rows: Sequence[_Row], order_by: str | None, descending: bool) -> list[_Row]:
        if order_by is None and not any(field.name == self.stream.time_field for field in self.fields):
            return sorted(rows, key=lambda row: row.address, reverse=descending)
        field = self._field(order_by if order_by is not None else self.stream.time_field)
        return sorted(
            rows, key=lambda row: (_comparable(field, row.values[field.name]), row.address), reverse=descending
        )

    def _meeting(self, conditions: Sequence[Condition]) -> list[_Row]:
        if len(conditions) > MAX_CONDITIONS:
            raise RefusedError("invalid_argument", f"there are more than {MAX_CONDITIONS} conditions")
        tests = [self._test(condition) for condition in conditions]
        return [row for row in self._rows if all(test(row) for test in tests)]

    def _test(self, condition: Condition) -> Callable[[_Row], bool]:
        field = self._field(condition.field)
        wanted = _asked(field, condition.value)
        compare = _COMPARISONS[condition.op]
        if field.type == "boolean" and condition.op not in ("eq", "ne"):
            raise RefusedError("invalid_argument", "a boolean field is compared with eq or ne only")
        return lambda row: compare(_comparable(field, row.values[field.name]), wanted)

    def _measure(self, function: Function, name: str | None) -> Callable[[Sequence[_Row]], Any]:
        if function == "count":
            if name is not None:
                raise RefusedError("invalid_argument", "count takes no field")
            return len
        if name is None:
            raise RefusedError("invalid_argument", "every function but count takes a field")
        field = self._field(name)
        if field.type not in (_NUMERIC if function in ("sum", "avg") else _ORDERED):
            raise RefusedError("invalid_argument", "the function is not defined for a field of that type")
        if function in ("min", "max"):
            return lambda rows: _extreme(function, field, [row.values[field.name] for row in rows])
        return lambda rows: _sum_or_mean(function, [row.values[field.name] for row in rows])


class View:
    """The streams that a bearer may read, each within its bounds."""

    def __init__(self, streams: Iterable[StreamView]) -> None:
        self._streams = {view.stream.name: view for view in streams}

    @classmethod
    def of_owner(cls, catalogue: SourceCatalogue) -> View:
        """Return the view without bounds."""
        return cls(
            StreamView(source=source, stream=stream, fields=stream.fields, time_range=None, holder=_OWNER)
            for source in catalogue.sources
            for stream in source.streams
        )

    @classmethod
    def of_grants(cls, catalogue: SourceCatalogue, grants: Iterable[Grant]) -> View:
        """Return the union of what the grants give.

        The grants of a package never share a source, and stream names are unique across sources, so that no stream is
        in two of them. A source or stream that the catalogue no longer has gives nothing.
        """
        return cls(view for grant in grants for view in _of_grant(catalogue, grant))

    @property
    def streams(self) -> Sequence[StreamView]:
        """Every stream of the view."""
        return list(self._streams.values())

    def stream(self, name: str) -> StreamView:
        """Return the stream called ``name``.

        Raises:
            RefusedError: ``stream_not_allowed``, it is not granted or does not exist.
        """
        view = self._streams.get(name)
        if view is None:
            raise RefusedError("stream_not_allowed", "no stream of that name is within what was granted")
        return view

    def search(self, text: str, *, streams: Sequence[str] | None = None, limit: int = 20) -> dict[str, Any]:
        """Find ``text`` in the granted text fields, regardless of case.

        Args:
            text: 1 to ``MAX_TEXT`` characters.
            streams: where to look; everywhere in the view if ``None``.
            limit: the most matches returned, 1 to ``MAX_LIMIT``.

        Returns:
            ``matches``, and ``truncated``: whether there are more of them.

        Raises:
            RefusedError: ``stream_not_allowed`` or ``invalid_argument``.
        """
        if not 1 <= len(text) <= MAX_TEXT:
            raise RefusedError("invalid_argument", f"the text to look for has 1 to {MAX_TEXT} characters")
        most = _bounded(limit)
        searched = self.streams if streams is None else [self.stream(name) for name in dict.fromkeys(streams)]
        found = [match for view in searched for match in view.matches(text)]
        return {"matches": found[:most], "truncated": len(found) > most}


@dataclass(frozen=True)
class _Row:
    """One record, cut down to what was granted."""

    address: str
    values: Mapping[str, Any]

    def to_json(self, fields: Sequence[str] | None) -> dict[str, Any]:
        return {
            "_id": self.address,
            **{name: value for name, value in self.values.items() if fields is None or name in fields},
        }


def _of_grant(catalogue: SourceCatalogue, grant: Grant) -> Iterable[StreamView]:
    source = catalogue.find(grant.detail.source_kind, grant.detail.source_id)
    if source is None:
        return
    for access in grant.detail.streams:
        stream = source.stream(access.name)
        if stream is not None:
            yield StreamView(
                source=source,
                stream=stream,
                fields=tuple(field for field in stream.fields if access.fields is None or field.name in access.fields),
                time_range=access.time_range,
                holder=grant.id,
            )


def _within(time_range: TimeRange | None, moment: str) -> bool:
    if time_range is None:
        return True
    when = _moment(moment)
    return (time_range.since is None or when >= time_range.since) and (
        time_range.until is None or when < time_range.until
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _comparable(field: Field, value: Any) -> Any:
    return _moment(value) if field.type == "datetime" else value


def _asked(field: Field, value: Scalar) -> Any:
    """Return the value of a condition as something that values of the field can be compared with."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise RefusedError("invalid_argument", f"a value is longer than {MAX_TEXT} characters")
    if field.type == "boolean":
        fits = isinstance(value, bool)
    elif field.type in _NUMERIC:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        fits = isinstance(value, str)
    if not fits:
        raise RefusedError("invalid_argument", "a value is not of its field's type")
    try:
        return _comparable(field, value)
    except ValueError:
        raise RefusedError("invalid_argument", "a value is not an RFC 3339 date-time") from None


def _extreme(function: Function, field: Field, values: Sequence[Any]) -> Any:
    choose = min if function == "min" else max
    return choose(values, key=lambda value: _comparable(field, value), default=None)


def _sum_or_mean(function: Function, values: Sequence[Any]) -> Any:
    if function == "sum":
        return round(sum(values), 6)
    return round(sum(values) / len(values), 6) if values else None


def _group_key(field: Field, value: Any) -> Any:
    return _moment(value).astimezone(UTC).strftime("%Y-%m") if field.type == "datetime" else value


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise RefusedError("invalid_argument", f"limit is not between 1 and {MAX_LIMIT}")
    return limit


def _start(rows: Sequence[_Row], cursor: str | None) -> int:
    """Return where the page begins; a cursor is the address of the last record of the page before."""
    if cursor is None:
        return 0
    last = next((position for position, row in enumerate(rows) if row.address == cursor), None)
    if last is None:
        raise RefusedError("invalid_argument", "the cursor does not belong to this query")
    return last + 1


_COMPARISONS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
