"""The description of the OAuth surface, schemas/openapi.yaml: the one source of every schema of a wire document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from pdpp_conformance.specification import specification_root

_JUDGED_APART = "x-judged-apart"
"""Marks a member whose form is a requirement of its own: the schema of the whole leaves it to that."""


@cache
def description() -> Mapping[str, Any]:
    """Return the OpenAPI description of the OAuth surface."""
    path = specification_root() / "schemas" / "openapi.yaml"
    content: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def resolved(part: Any) -> Any:
    """Return a part of the description with what it refers to in place of every reference."""
    if isinstance(part, list):
        return [resolved(member) for member in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found: Any = description()
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found)
    return {name: resolved(member) for name, member in part.items()}


@cache
def wire_schema(what: str) -> Mapping[str, Any]:
    """Return the JSON Schema that a wire document is judged by as a whole.

    Args:
        what: the document in words, ``device authorization response`` for instance.

    Raises:
        KeyError: the description has none of that name.
    """
    name = "".join(word.capitalize() for word in what.split())
    schema: dict[str, Any] = resolved(description()["components"]["schemas"][name])
    properties = schema.get("properties", {}).items()
    kept = {member: told for member, told in properties if not told.get(_JUDGED_APART)}
    return {"$schema": description()["jsonSchemaDialect"], **schema, "properties": kept}
