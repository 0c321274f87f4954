"""The MCP server at ``/mcp``: six tools that read, each within the grant of the token in its own request.

Streamable HTTP in both protocol eras, as the SDK serves them: 2025-11-25 (``initialize``) and 2026-07-28. It keeps no
sessions and answers in JSON: there is nothing to take over, and nothing that a restart would lose.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference import __version__
from pdpp_reference.resource_server.bearer import access_token_of
from pdpp_reference.resource_server.records import (
    MAX_CONDITIONS,
    MAX_LIMIT,
    MAX_TEXT,
    Condition,
    RefusalCode,
    RefusedError,
    View,
)
from pdpp_reference.settings import Settings
from pdpp_reference.sources import SourceCatalogue

_CATALOGUE = "pdpp.catalogue"
"""Where a request's scope holds the owner's data."""

_NAME_LENGTH = 64
_MAX_NAMES = 64

StreamName = Annotated[str, Field(min_length=1, max_length=_NAME_LENGTH, description="Name of a stream, see schema")]
FieldName = Annotated[str, Field(min_length=1, max_length=_NAME_LENGTH, description="Name of a field of the stream")]
RecordId = Annotated[
    str, Field(min_length=1, max_length=_NAME_LENGTH, description="The _id that a record was returned with")
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The most records to return")]


class Filter(BaseModel):
    """One condition on a field."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte"] = "eq"
    value: Annotated[
        str | int | float | bool,
        Field(description="Of the field's type; a date-time as RFC 3339 text, 2026-03-01T00:00:00Z for example"),
    ]

    def to_condition(self) -> Condition:
        return Condition(self.field, self.op, self.value)


Filters = Annotated[
    list[Filter], Field(max_length=MAX_CONDITIONS, description="Conditions that a record must all meet")
]


class McpServer:
    """The MCP server of one deployment.

    Args:
        settings: bounds the request body (bytes).
        catalogue: the owner's data.
    """

    def __init__(self, settings: Settings, catalogue: SourceCatalogue) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._catalogue = catalogue
        self._server = _server()
        self._serving: ASGIApp | None = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Serve for as long as the context is open; may be opened again after it was closed.

        ``Host`` and ``Origin`` are checked before the SDK sees a request, so its own check is off.
        """
        self._server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            max_request_body_size=self._max_body_bytes,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        manager = self._server.session_manager
        async with manager.run():
            self._serving = manager.asgi_app
            try:
                yield
            finally:
                self._serving = None

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST that ``Authorized`` let through (ASGI). The SDK would hold any GET open for ever.

        Raises:
            RuntimeError: ``lifespan`` is not open.
        """
        if self._serving is None:
            raise RuntimeError("the MCP server's lifespan is not open")
        await self._serving({**scope, _CATALOGUE: self._catalogue}, receive, send)


# -- the six tools: what they take and tell is described once for all servers of a process ---------------------------


def schema(ctx: Context[Any, Request], stream: StreamName | None = None) -> dict[str, Any]:
    view = _view(ctx)
    streams = view.streams if stream is None else [view.stream(stream)]
    return {"streams": [one.describe() for one in streams]}


def query_records(
    ctx: Context[Any, Request],
    stream: StreamName,
    fields: Annotated[
        list[FieldName] | None, Field(max_length=_MAX_NAMES, description="Fields to return; all if left out")
    ] = None,
    filters: Filters | None = None,
    order_by: FieldName | None = None,
    descending: bool = False,
    limit: Limit = 20,
    cursor: Annotated[str | None, Field(max_length=_NAME_LENGTH, description="next_cursor of the page before")] = None,
) -> dict[str, Any]:
    page = (
        _view(ctx)
        .stream(stream)
        .query(
            fields=fields,
            conditions=_conditions(filters),
            order_by=order_by,
            descending=descending,
            limit=limit,
            cursor=cursor,
        )
    )
    return {"stream": stream, "records": page.records, "next_cursor": page.next_cursor}


def aggregate(
    ctx: Context[Any, Request],
    stream: StreamName,
    function: Literal["count", "sum", "avg", "min", "max"],
    field: FieldName | None = None,
    group_by: FieldName | None = None,
    filters: Filters | None = None,
) -> dict[str, Any]:
    answer = (
        _view(ctx).stream(stream).aggregate(function, field=field, group_by=group_by, conditions=_conditions(filters))
    )
    return {"stream": stream, "function": function, **answer}


def search(
    ctx: Context[Any, Request],
    query: Annotated[str, Field(min_length=1, max_length=MAX_TEXT, description="Text to look for")],
    streams: Annotated[
        list[StreamName] | None, Field(max_length=_MAX_NAMES, description="Where to look; everywhere if left out")
    ] = None,
    limit: Limit = 20,
) -> dict[str, Any]:
    return _view(ctx).search(query, streams=streams, limit=limit)


def fetch(ctx: Context[Any, Request], stream: StreamName, record_id: RecordId) -> dict[str, Any]:
    return {"stream": stream, "record": _view(ctx).stream(stream).fetch(record_id)}


def read_record_field(
    ctx: Context[Any, Request], stream: StreamName, record_id: RecordId, field: FieldName
) -> dict[str, Any]:
    value = _view(ctx).stream(stream).read_field(record_id, field)
    return {"stream": stream, "record_id": record_id, "field": field, "value": value}


def _view(ctx: Context[Any, Request]) -> View:
    """What may be read is looked up anew in every call, from the token of the call's own request."""
    request = ctx.request_context.request
    if request is None:
        raise RuntimeError("the tools are called over HTTP only")
    catalogue: SourceCatalogue = request.scope[_CATALOGUE]
    return View.of_grants(catalogue, access_token_of(request).grants)


class _RefusingServer(MCPServer[Any]):
    """The SDK's server, with refusals told as ``structuredContent.error`` instead of text alone."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            MCPError: there is no such tool: a protocol error (MCP, tools, error handling).
        """
        tool = next((tool for tool in await self.list_tools() if tool.name == name), None)
        if tool is None:
            raise MCPError(INVALID_PARAMS, "there is no tool of that name")
        if not set(arguments) <= set(tool.input_schema["properties"]):
            # Otherwise a misspelt filter would go unnoticed, and more be returned than was asked for.
            return _refused("invalid_argument", "the tool does not have one of the arguments")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, RefusedError):
                return _refused(error.__cause__.code, error.__cause__.message)
            if isinstance(error.__cause__, ValidationError):
                return _refused("invalid_argument", _told(error.__cause__))
            raise


def _server() -> MCPServer[Any]:
    return _RefusingServer(
        name="pdpp-reference",
        title="PDPP reference deployment",
        version=__version__,
        instructions="Reads the owner's records within what the owner granted. Call schema first: it names the "
        "streams and fields there are. Streams, fields and records outside the grant are answered as if they did "
        "not exist.",
        # At the SDK's own default the server would log every refusal, and set the level of the whole process.
        log_level="WARNING",
        subscriptions=False,
        tools=[*_TOOLS],
    )


def _tool(function: Callable[..., dict[str, Any]], title: str, description: str) -> Tool:
    return Tool.from_function(
        function,
        title=title,
        description=description,
        annotations=ToolAnnotations(
            title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


_TOOLS = (
    _tool(
        schema,
        "Describe the granted data",
        "List the streams that were granted, with their source, fields and time range; or describe one of them.",
    ),
    _tool(
        query_records,
        "Read records",
        "Read records of one stream, a page at a time, in order of time where the time field was granted. Filters "
        "compare one field each; all of them must hold. "
        "Pass next_cursor back as cursor, with everything else unchanged, for the next page.",
    ),
    _tool(
        aggregate,
        "Count or sum up records",
        "Count the records of one stream, or take the sum, average, minimum or maximum of a field, over all or "
        "grouped by a field. Grouping by a date-time field groups by month (UTC).",
    ),
    _tool(
        search,
        "Search for a text",
        "Find records with a text in one of their text fields, regardless of case, in all streams or some.",
    ),
    _tool(fetch, "Read one record", "Read one record by the _id that another tool returned it with."),
    _tool(
        read_record_field,
        "Read one field of a record",
        "Read one field of one record by the record's _id and the field's name.",
    ),
)


def _conditions(filters: Sequence[Filter] | None) -> list[Condition]:
    return [one.to_condition() for one in filters or ()]


def _refused(code: RefusalCode, message: str) -> CallToolResult:
    answer = {"error": {"code": code, "message": message}}
    return CallToolResult(
        content=[TextContent(type="text", text=json.dumps(answer))], structured_content=answer, is_error=True
    )


def _told(error: ValidationError) -> str:
    """Return what is wrong with the arguments, without their values."""
    faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False))
    return "; ".join(faults)[:500]
