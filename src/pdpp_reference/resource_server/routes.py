"""Everything the resource server serves, as routes for the application to mount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from pdpp_reference.resource_server.bearer import Authorized, BearerCheck
from pdpp_reference.resource_server.mcp import McpServer
from pdpp_reference.resource_server.metadata import MCP_METADATA_PATH, ROOT_METADATA_PATH, mcp_metadata, root_metadata
from pdpp_reference.resource_server.methods import READING, OnlyMethods
from pdpp_reference.resource_server.rest import owner_rest
from pdpp_reference.settings import Settings
from pdpp_reference.sources import SourceCatalogue


def resource_server_routes(
    settings: Settings, catalogue: SourceCatalogue, bearer_check: BearerCheck, mcp_server: McpServer
) -> list[BaseRoute]:
    """Return the routes of ``/mcp``, ``/v1`` and the two metadata documents.

    The application has handlers for ``RestError`` and ``OAuthError``, does not redirect slashes, and keeps
    ``mcp_server.lifespan()`` open while it serves.

    ``/mcp`` keeps no session and never speaks first: there is no stream for ``GET`` to open and no session for
    ``DELETE`` to end, so that both are 405, as MCP's Streamable HTTP has it (2025-11-25, 2026-07-28).
    """
    return [
        _document(ROOT_METADATA_PATH, root_metadata(settings)),
        _document(MCP_METADATA_PATH, mcp_metadata(settings)),
        Route("/mcp", Authorized(OnlyMethods(mcp_server.app, ("POST",)), bearer_check.at_mcp)),
        Mount("/v1", Authorized(OnlyMethods(owner_rest(settings, catalogue), READING), bearer_check.at_rest)),
    ]


def _document(path: str, members: Mapping[str, Any]) -> Route:
    """Serve a metadata document (RFC 9728 §3.2): public, and worth keeping for five minutes."""
    return Route(path, OnlyMethods(JSONResponse(members, headers={"Cache-Control": "max-age=300"}), READING))
