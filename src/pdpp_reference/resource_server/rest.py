"""``/v1``, the owner's REST surface: everything the owner has, for the owner's own token."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from pdpp_reference.errors import RestError
from pdpp_reference.http import Incoming, endpoint, json_answer, rest_error_answer
from pdpp_reference.resource_server.bearer import access_token_of
from pdpp_reference.resource_server.records import Condition, Operator, RefusedError, Scalar, StreamView, View
from pdpp_reference.settings import Settings
from pdpp_reference.sources import SourceCatalogue

_FILTER = re.compile(r"filter\[(?P<field>[a-z0-9_]{1,64})\](?:\[(?P<op>eq|ne|gt|gte|lt|lte)\])?")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_BOOLEANS = {"true": True, "false": False}

Parameters = Mapping[str, str]


def owner_rest(settings: Settings, catalogue: SourceCatalogue) -> Router:
    """Return the application to be mounted at ``/v1`` behind ``BearerCheck.at_rest``.

    It answers ``/streams``, ``/streams/{name}/records``, ``/schema`` and ``/owner/control``. Records take ``limit``,
    ``cursor``, ``fields`` (names, separated by commas), ``order_by``, ``descending``, and conditions as
    ``filter[FIELD]`` or ``filter[FIELD][gt]`` (``eq``, ``ne``, ``gt``, ``gte``, ``lt``, ``lte``).
    Whatever else is asked gets a ``RestError``: 404 ``not_found`` or 400 ``invalid_argument``.
    """
    rest = _OwnerRest(settings, View.of_owner(catalogue))
    return Router(
        routes=[
            Route(path, endpoint(_reading(handler), max_body_bytes=settings.max_body_bytes))
            for path, handler in (
                ("/streams", rest.streams),
                ("/streams/{name}/records", rest.records),
                ("/schema", rest.schema),
                ("/owner/control", rest.control),
            )
        ],
        redirect_slashes=False,
        default=_nothing_here,
    )


class _OwnerRest:
    def __init__(self, settings: Settings, view: View) -> None:
        self._settings = settings
        self._view = view

    def streams(self, incoming: Incoming) -> Response:
        _parameters(incoming, frozenset())
        return json_answer(
            {
                "object": "list",
                "data": [
                    {
                        "object": "stream",
                        "name": view.stream.name,
                        "description": view.stream.description,
                        "source": {"kind": view.source.kind, "id": view.source.id},
                        "records": f"{self._settings.query_base}/streams/{view.stream.name}/records",
                    }
                    for view in self._view.streams
                ],
            }
        )

    def records(self, incoming: Incoming) -> Response:
        view = self._stream(incoming.request.path_params["name"])
        parameters = _parameters(
            incoming, frozenset({"limit", "cursor", "fields", "order_by", "descending"}), filters=True
        )
        page = view.query(
            fields=parameters["fields"].split(",") if "fields" in parameters else None,
            conditions=[
                _condition(view, found["field"], found["op"] or "eq", value)
                for name, value in parameters.items()
                if (found := _FILTER.fullmatch(name))
            ],
            order_by=parameters.get("order_by"),
            descending=_boolean(parameters.get("descending", "false")),
            limit=_integer(parameters.get("limit", "20")),
            cursor=parameters.get("cursor"),
        )
        return json_answer(
            {
                "object": "list",
                "stream": view.stream.name,
                "data": page.records,
                "has_more": page.next_cursor is not None,
                "next_cursor": page.next_cursor,
            }
        )

    def schema(self, incoming: Incoming) -> Response:
        parameters = _parameters(incoming, frozenset({"stream"}))
        views = [self._stream(parameters["stream"])] if "stream" in parameters else self._view.streams
        return json_answer({"object": "schema", "streams": [view.describe() for view in views]})

    def control(self, incoming: Incoming) -> Response:
        _parameters(incoming, frozenset())
        return json_answer(
            {
                "object": "owner_control",
                "subject_id": access_token_of(incoming.request).subject_id,
                "streams": f"{self._settings.query_base}/streams",
                "schema": f"{self._settings.query_base}/schema",
                "grants": [
                    {"rel": "list", "method": "GET", "href": f"{self._settings.issuer}/grants"},
                    {
                        "rel": "revoke",
                        "method": "POST",
                        "href_template": f"{self._settings.issuer}/grants/{{grant_id}}/revoke",
                    },
                ],
            }
        )

    def _stream(self, name: str) -> StreamView:
        try:
            return self._view.stream(name)
        except RefusedError:
            raise RestError("not_found", "there is no stream of that name", status=404) from None


def _reading(handler: Callable[[Incoming], Response]) -> Callable[[Incoming], Response]:
    """Tell a refusal of the view as the REST surface does."""

    def serve(incoming: Incoming) -> Response:
        try:
            return handler(incoming)
        except RefusedError as refusal:
            raise _invalid(refusal.message) from None

    return serve


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = RestError("not_found", "there is nothing at this address", status=404)
    await rest_error_answer(Request(scope), refusal)(scope, receive, send)


def _parameters(incoming: Incoming, known: frozenset[str], *, filters: bool = False) -> Parameters:
    """Read the query string, which may hold the known parameters, each once, and filters where they are taken."""
    parameters: dict[str, str] = {}
    for name, value in incoming.request.query_params.multi_items():
        if name not in known and not (filters and _FILTER.fullmatch(name)):
            raise _invalid("the query string has a parameter that is not known here")
        if name in parameters:
            raise _invalid("the query string has a parameter twice")
        parameters[name] = value
    return parameters


def _condition(view: StreamView, name: str, op: Any, text: str) -> Condition:
    operator: Operator = op
    field = next((field for field in view.fields if field.name == name), None)
    value: Scalar = text
    if field is not None and field.type == "boolean":
        value = _boolean(text)
    elif field is not None and field.type in ("integer", "number"):
        value = _number(text)
    return Condition(name, operator, value)


def _number(text: str) -> int | float:
    if _NUMBER.fullmatch(text) is None:
        raise _invalid("a value is not a number")
    return float(text) if "." in text else int(text)


def _integer(text: str) -> int:
    number = _number(text)
    if not isinstance(number, int):
        raise _invalid("a value is not a whole number")
    return number


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise _invalid("a value is neither true nor false")
    return _BOOLEANS[text]


def _invalid(message: str) -> RestError:
    return RestError("invalid_argument", message, status=400)
