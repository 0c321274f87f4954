"""``/connect``: how a client is set up, public for whoever has to do it."""

from __future__ import annotations

import json

from starlette.responses import Response

from pdpp_reference.http import Incoming
from pdpp_reference.owner.pages import Pages
from pdpp_reference.owner.sessions import OwnerSessions
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings
from pdpp_reference.sources import SourceCatalogue


class ConnectPage:
    """Three ways: for a client with a browser, for one without, and apart from them for the owner's own agent."""

    def __init__(self, settings: Settings, pages: Pages, sessions: OwnerSessions, catalogue: SourceCatalogue) -> None:
        self._settings = settings
        self._pages = pages
        self._sessions = sessions
        self._catalogue = catalogue

    def show(self, incoming: Incoming) -> Response:
        """GET /connect"""
        return self._pages.render(
            "connect.html",
            headers=self._headers(),
            signed_in=self._sessions.current(incoming.request) is not None,
            issuer=self._settings.issuer,
            mcp_resource=self._settings.mcp_resource,
            query_base=self._settings.query_base,
            device_code_grant=DEVICE_CODE_GRANT,
            settings_example=self._settings_example(),
            request_example=self._request_example(),
        )

    def _headers(self) -> dict[str, str]:
        """The security headers of every page, with our own script for the copy buttons: nothing is decided here."""
        policy = self._pages.security_headers()["Content-Security-Policy"]
        return {"Content-Security-Policy": f"{policy}; script-src 'self'"}

    def _settings_example(self) -> str:
        servers = {"pdpp": {"type": "http", "url": self._settings.mcp_resource}}
        return json.dumps({"mcpServers": servers}, indent=2)

    def _request_example(self) -> str:
        source = self._catalogue.sources[0]
        entry = {
            "type": self._settings.authorization_details_type,
            "source": {"kind": source.kind, "id": source.id},
            "purpose_code": "https://pdpp.dev/purpose/personal_ai_assistant",
            "access_mode": "continuous",
            "streams": [{"name": source.streams[0].name}],
        }
        parameters = (
            "client_id=pdpp_cli",
            f"resource={self._settings.mcp_resource}",
            f"'authorization_details={json.dumps([entry], indent=2)}'",
        )
        words = [f"curl {self._settings.issuer}/oauth/device_authorization"]
        return " \\\n  ".join(words + [f"--data-urlencode {parameter}" for parameter in parameters])
