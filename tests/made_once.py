"""What every bundled server makes anew and alike, made once in the process that all runs are forked from."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.tools.base import Tool

from pdpp_conformance.bundled import BundledServer
from pdpp_conformance.wire_description import description
from pdpp_reference.storage.store import open_store

_DESCRIBED: dict[Callable[..., Any], Tool] = {}


def make(folder: Path) -> None:
    """Make an empty database, and let every server begin with a copy; let each MCP tool be described once."""
    description()
    database = folder / "empty.sqlite3"
    open_store(f"sqlite:///{database}").close()
    BundledServer.begins_with = database
    Tool.from_function = _described  # type: ignore[method-assign]


def _described(fn: Callable[..., Any], *arguments: Any, **named: Any) -> Tool:
    """Describe a tool as the SDK does, by its signature, which is the same for every server's."""
    function = getattr(fn, "__func__", fn)
    if function not in _DESCRIBED:
        _DESCRIBED[function] = _from_function(fn, *arguments, **named)
    described = _DESCRIBED[function]
    return described.model_copy(update={"fn": fn, "parameters": deepcopy(described.parameters)})


_from_function = Tool.from_function
