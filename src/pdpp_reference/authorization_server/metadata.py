"""The authorization server's metadata document (RFC 8414).

Every URL in it comes from the settings, never from a request, so that no ``Host`` header can move one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from pdpp_reference.authorization_server.clients import PRE_REGISTERED
from pdpp_reference.grants.access import SCOPE_OF
from pdpp_reference.http import Incoming
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings

METADATA_MAX_AGE_SECONDS = 300


def metadata_path(settings: Settings) -> str:
    """Return the path the document is served at: the well-known path put between the issuer's host and its path.

    RFC 8414 §3, §3.1.
    """
    return "/.well-known/oauth-authorization-server" + urlsplit(settings.issuer).path.rstrip("/")


def authorization_server_metadata(settings: Settings) -> dict[str, Any]:
    """Return the document; a member with nothing to say is left out (RFC 8414 §3.2)."""
    issuer = settings.issuer
    details_types = [settings.authorization_details_type]
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [DEVICE_CODE_GRANT, "authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": list(SCOPE_OF.values()),
        "authorization_details_types_supported": details_types,
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "pdpp_authorization_details_types_supported": details_types,
        "pdpp_registration_modes_supported": ["pre_registered_public", "client_id_metadata_document"],
        "pdpp_pre_registered_public_clients": [
            {
                "client_id": client_id,
                "client_name": client["client_name"],
                "token_endpoint_auth_method": client["token_endpoint_auth_method"],
            }
            for client_id, client in PRE_REGISTERED.items()
        ],
        "pdpp_provider_connect_capabilities": {
            "device_authorization": True,
            "authorization_code": True,
            "pushed_authorization_requests": True,
        },
        "pdpp_device_authorization_profiles_supported": [
            {
                "profile": "grant_scoped_mcp",
                "pdpp_token_kind": "client",
                "normal_mcp_setup": True,
                "required_parameters": ["client_id", "resource", "authorization_details"],
                "authorization_details_type": settings.authorization_details_type,
            },
            {
                "profile": "trusted_owner_agent",
                "pdpp_token_kind": "owner",
                "normal_mcp_setup": False,
                "advertised_in": "pdpp_owner_agent_onboarding",
                "mcp_owner_bearer_rejected": True,
            },
        ],
    }
    if settings.refresh_tokens_enabled:
        document["grant_types_supported"].append("refresh_token")
    if settings.revocation_enabled:
        document["revocation_endpoint"] = f"{issuer}/oauth/revoke"
        document["revocation_endpoint_auth_methods_supported"] = ["none"]
    if settings.registration_enabled:
        document["registration_endpoint"] = f"{issuer}/oauth/register"
        document["pdpp_registration_modes_supported"].insert(0, "dynamic")
    return document


class MetadataEndpoint:
    """Serves the document, to caches too."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def document(self) -> dict[str, Any]:
        """Return what is served."""
        return authorization_server_metadata(self._settings)

    def answer(self, _incoming: Incoming) -> Response:
        """Answer with the document (RFC 8414 §3.2)."""
        return JSONResponse(self.document(), headers={"Cache-Control": f"max-age={METADATA_MAX_AGE_SECONDS}"})
