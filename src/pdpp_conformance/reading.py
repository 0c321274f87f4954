"""Reading granted data through the MCP tools, as a client that knows only their input schemas would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pdpp_conformance.mcp_client import McpSession, ToolResult
from pdpp_conformance.verdict import Blocked

Record = Mapping[str, Any]

_ARGUMENT_NAMES = {
    "stream": ("stream", "stream_name", "name"),
    "fields": ("fields", "select", "field_names"),
    "limit": ("limit", "page_size", "max_records"),
    "streams": ("streams", "stream_names"),
    "record": ("record_id", "id", "record"),
    "field": ("field", "field_name"),
    "function": ("function", "aggregation", "operation"),
    "group": ("group_by",),
    "text": ("query", "q", "text"),
}
MOST_RECORDS = 100
"""How many records are asked for at once, at most."""


@dataclass
class Reader:
    """Calls the reading tools under one bearer; what the tools take is read from ``tools/list`` once."""

    session: McpSession

    def __post_init__(self) -> None:
        self._tools: dict[str, dict[str, Any]] = {}

    def query(self, stream: str, *, fields: Sequence[str] | None = None) -> ToolResult:
        """Query the records of a stream.

        Raises:
            Blocked: there is no ``query_records`` tool that takes a stream.
            Unmet: the answer is no tool result.
        """
        arguments: dict[str, Any] = {self._argument("query_records", "stream"): stream}
        if fields is not None:
            arguments |= {self._argument("query_records", "fields"): list(fields)}
        limit = self._has("query_records", "limit")
        if limit is not None:
            most = self._schema("query_records").get(limit, {}).get("maximum", MOST_RECORDS)
            arguments |= {limit: min(int(most), MOST_RECORDS)}
        return self.session.call("query_records", arguments)

    def query_arguments(self, stream: str) -> dict[str, Any]:
        """Return the arguments of the smallest query for a stream."""
        return {self._argument("query_records", "stream"): stream}

    def arguments(self, tool: str, wanted: Mapping[str, Any], *, needed: str) -> dict[str, Any] | None:
        """Return the arguments for a tool by what each is for; ``None`` where it is not offered with such ones.

        Args:
            wanted: values by what they are for; those that the tool has no argument for are left out.
            needed: the first part of what one argument has to be for (``stream``, also ``streams``).
        """
        self._list()
        if tool not in self._tools:
            return None
        found = {role: name for role in wanted if (name := self._has(tool, role)) is not None}
        arguments = {name: wanted[role] for role, name in found.items()}
        required = self._tools[tool].get("inputSchema", {}).get("required", [])
        bound = any(role.startswith(needed) for role in found)
        return arguments if bound and set(required) <= set(arguments) else None

    def schema(self) -> ToolResult:
        """Call the ``schema`` tool without arguments."""
        return self.session.call("schema", {})

    def _list(self) -> None:
        if not self._tools:
            self._tools = {str(listed.get("name")): listed for listed in self.session.list_tools()}

    def _schema(self, tool: str) -> dict[str, Any]:
        self._list()
        if tool not in self._tools:
            raise Blocked(f"the MCP resource lists no tool {tool}", unblock="an MCP resource with the six PDPP tools")
        schema = self._tools[tool].get("inputSchema")
        properties = schema.get("properties") if isinstance(schema, dict) else None
        return properties if isinstance(properties, dict) else {}

    def _has(self, tool: str, argument: str) -> str | None:
        properties = self._schema(tool)
        return next((name for name in _ARGUMENT_NAMES[argument] if name in properties), None)

    def _argument(self, tool: str, argument: str) -> str:
        name = self._has(tool, argument)
        if name is None:
            raise Blocked(
                f"the tool {tool} takes no argument that names {argument}",
                unblock=f"an input schema with one of {', '.join(_ARGUMENT_NAMES[argument])}",
            )
        return name


def records_of(result: ToolResult) -> list[Record]:
    """Return the records in a tool result: its first list of objects."""
    return next(_lists_of_objects(result.structured), [])


def _lists_of_objects(value: Any) -> Iterator[list[Record]]:
    if isinstance(value, list) and value and all(isinstance(member, dict) for member in value):
        yield value
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        yield from _lists_of_objects(member)


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every member name and plain value in a JSON value, however deep."""
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, dict | list):
                yield from leaves(member)
            else:
                yield name, member
    elif isinstance(value, list):
        for member in value:
            yield from leaves(member)


def texts_in(value: Any) -> set[str]:
    """Return every text in a JSON value, however deep."""
    return {text for _, text in leaves(value) if isinstance(text, str)}


def distinctive_values(records: Sequence[Record], field: str | None = None) -> set[str]:
    """Return the texts in records (or in one field of them) that are long enough to be recognized elsewhere."""
    found = {
        value
        for record in records
        for name, value in leaves(record)
        if isinstance(value, str) and len(value) >= 8 and (field is None or name == field)
    }
    return {value for value in found if not value.startswith(("http://", "https://"))}


def field_to_leave_out(records: Sequence[Record], *, keep: Sequence[str | None]) -> tuple[str, list[str]]:
    """Choose a field that can be missed and recognized; return it with the others.

    Raises:
        Blocked: no field has values that could be recognized.
    """
    names = list(dict.fromkeys(name for record in records for name, _ in leaves(record) if not name.startswith("_")))
    for name in names:
        if name not in keep and len(distinctive_values(records, name)) >= 2:
            others = [other for other in names if other != name]
            if others:
                return name, others
    raise Blocked(
        "no field of the granted stream has values that could be recognized where they must not be",
        unblock="a stream with a field of distinctive texts",
    )


def times_of(records: Sequence[Record], time_field: str | None) -> list[datetime]:
    """Return the records' times: in ``time_field``, or in the field that holds a date-time in every record.

    Raises:
        Blocked: there is no such field.
    """
    return times_by_field(records, time_field)[1]


def times_by_field(records: Sequence[Record], time_field: str | None) -> tuple[str, list[datetime]]:
    """Return the field that holds the records' times, and the times.

    Raises:
        Blocked: there is no such field.
    """
    names = (
        [time_field] if time_field else list(dict.fromkeys(name for name, _ in leaves(records[0]))) if records else []
    )
    for name in names:
        times = [
            moment
            for record in records
            for leaf, value in leaves(record)
            if leaf == name and (moment := moment_of(value))
        ]
        if records and len(times) == len(records):
            return name, times
    raise Blocked("no field of the granted stream holds the time of every record", unblock="a stream with a time field")


def moment_of(value: Any) -> datetime | None:
    """Return the time that a text tells with its zone; ``None`` for any other value."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def told(answer_text: str, secrets: set[str]) -> list[str]:
    """Return which of the owner's values stand in a text, as JSON would spell them."""
    return [value for value in secrets if value in answer_text or json.dumps(value)[1:-1] in answer_text]
