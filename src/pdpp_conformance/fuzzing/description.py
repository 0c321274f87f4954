"""What the endpoints take: schemas/openapi.yaml, bound to the URLs that a deployment's metadata names."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdpp_conformance.discovery import Discovery, Document
from pdpp_conformance.exchange import origin_of
from pdpp_conformance.wire_description import description

_METHODS = ("get", "post", "put", "delete")


@dataclass(frozen=True)
class Operation:
    """One endpoint of a deployment, as the description tells it."""

    name: str
    """``token``, ``device authorization``: its operation id."""
    method: str
    url: str
    """Where it is; a path parameter stands in braces."""
    path: str
    """Its path in the description."""
    media_types: Sequence[str] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The schemas of the members of its body, by name, whatever the grant."""
    wants: str | None = None
    """``basic`` or ``bearer``, where it asks for authentication."""

    @property
    def is_document(self) -> bool:
        """Whether it only serves metadata."""
        return self.method == "GET"


def operations_of(discovery: Discovery) -> list[Operation]:
    """Return the described operations that a deployment's metadata advertises."""
    found = []
    for path, item in description()["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            described = item[method]
            url = _url_of(described, path, discovery)
            if url is not None:
                content = described.get("requestBody", {}).get("content", {})
                schemas = [entry["schema"] for entry in content.values()]
                found.append(
                    Operation(
                        name=described["operationId"],
                        method=method.upper(),
                        url=url,
                        path=path,
                        media_types=tuple(content),
                        parameters=_members(schemas[0]) if schemas else {},
                        wants=_authentication(described),
                    )
                )
    return found


def bound(operations: Sequence[Operation], fixed: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the description with only these operations, and the values that some members may have.

    Args:
        fixed: what the deployment knows, by member: ``client_id``, ``resource`` and the like, so that what is generated
            by the schema gets further than the first check.
    """
    whole = copy.deepcopy(dict(description()))
    wanted = {operation.path for operation in operations}
    whole["paths"] = {path: item for path, item in whole["paths"].items() if path in wanted}
    for schema in whole["components"]["schemas"].values():
        _fix(schema, fixed)
    for item in whole["paths"].values():
        for method in _METHODS:
            for entry in item.get(method, {}).get("requestBody", {}).get("content", {}).values():
                _fix(entry["schema"], fixed)
    return whole


def _fix(schema: Any, fixed: Mapping[str, Sequence[str]]) -> None:
    if isinstance(schema, list):
        for part in schema:
            _fix(part, fixed)
    elif isinstance(schema, dict):
        properties = schema.get("properties", {})
        for name, values in fixed.items():
            if name in properties and "const" not in properties[name]:
                properties[name] = {"type": "string", "enum": list(values)}
        for part in schema.values():
            _fix(part, fixed)


def _url_of(described: Mapping[str, Any], path: str, discovery: Discovery) -> str | None:
    if "x-endpoint" in described:
        return discovery.endpoint(described["x-endpoint"])
    if "x-beside" in described:
        # No metadata names it: the PDPP contract puts it at the issuer's origin.
        if discovery.authorization_details_type is None:
            return None
        return origin_of(discovery.issuer) + path
    document: Document = getattr(discovery, described["x-document"])
    return document.url if document.usable else None


def _authentication(described: Mapping[str, Any]) -> str | None:
    schemes = description()["components"]["securitySchemes"]
    for wanted in described.get("security", ()):
        for name in wanted:
            return str(schemes[name]["scheme"])
    return None


def _members(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the members that a body may have, of all alternatives together."""
    if "$ref" in schema:
        return _members(description()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    members = dict(schema.get("properties", {}))
    for part in (*schema.get("oneOf", ()), *schema.get("allOf", ())):
        members |= _members(part)
    return members
