"""The two protected-resource metadata documents (RFC 9728): the owner's REST surface and the MCP server.

Every URL in them comes from the settings, never from a request, so that no ``Host`` header can move one.
"""

from __future__ import annotations

from typing import Any

from pdpp_reference.grants.access import SCOPE_OF
from pdpp_reference.settings import DEVICE_CODE_GRANT, LLMS_TXT_PATH, SKILL_PATH, Settings

ROOT_METADATA_PATH = "/.well-known/oauth-protected-resource"
MCP_METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"
"""The well-known path is put between the resource's host and its path (RFC 9728 §3.1)."""


def root_metadata(settings: Settings) -> dict[str, Any]:
    """Return the metadata of the resource server as a whole, where owner tokens are used."""
    return {
        "resource": settings.resource_origin,
        "resource_name": "PDPP reference deployment",
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [SCOPE_OF["owner"]],
        "pdpp_token_kinds_supported": ["owner", "client"],
        "pdpp_core_query_base": settings.query_base,
        "pdpp_agent_discovery": agent_discovery(settings),
        "pdpp_owner_agent_onboarding": owner_agent_onboarding(settings),
    }


def mcp_metadata(settings: Settings) -> dict[str, Any]:
    """Return the metadata of the MCP server, which takes grant-scoped tokens only and so names no owner onboarding."""
    return {
        "resource": settings.mcp_resource,
        "resource_name": "PDPP reference deployment, MCP server",
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [SCOPE_OF["client"]],
        "pdpp_token_kinds_supported": ["client"],
        "pdpp_agent_discovery": agent_discovery(settings),
    }


def agent_discovery(settings: Settings) -> dict[str, Any]:
    """Return ``pdpp_agent_discovery``: how an agent gets access that is bounded by a grant."""
    return {
        "advisory": True,
        "recommended_flow": "device_code",
        "cli": {"package": "pdpp-reference", "no_owner_token": True},
        "skill": settings.issuer + SKILL_PATH,
        "llms_txt": settings.issuer + LLMS_TXT_PATH,
        "mcp": {
            "endpoint": settings.mcp_resource,
            "transport": "streamable_http",
            "tool_surface": "profile_free_normal_read",
            "setup_intent": "grant_scoped_read",
            "no_owner_token": True,
            "authorization": {
                "authorization_code_pkce": {
                    "flow": "authorization_code_pkce",
                    "pdpp_token_kind": "client",
                    "authorization_endpoint": f"{settings.issuer}/oauth/authorize",
                    "resource": settings.mcp_resource,
                    "resource_parameter": "required",
                },
                "device_code": {
                    "flow": "device_code",
                    "grant_type": DEVICE_CODE_GRANT,
                    "pdpp_token_kind": "client",
                    "device_authorization_endpoint": f"{settings.issuer}/oauth/device_authorization",
                    "token_endpoint": f"{settings.issuer}/oauth/token",
                    "resource": settings.mcp_resource,
                    "required_parameters": ["client_id", "resource", "authorization_details"],
                    "authorization_details_type": settings.authorization_details_type,
                    "owner_bearer_accepted": False,
                },
                "owner_agent_device_code": {
                    "flow": "device_code",
                    "pdpp_token_kind": "owner",
                    "normal_mcp_setup": False,
                    "advertised_in": "pdpp_owner_agent_onboarding",
                    "mcp_owner_bearer_rejected": True,
                },
            },
        },
    }


def owner_agent_onboarding(settings: Settings) -> dict[str, Any]:
    """Return ``pdpp_owner_agent_onboarding``: how the owner's own agent gets an owner token."""
    onboarding: dict[str, Any] = {
        "advisory": True,
        "profile": "trusted_owner_agent",
        "pdpp_token_kind": "owner",
        "mcp_owner_bearer_rejected": True,
        "warning": "An owner token reads everything. Give it only to an agent that you run yourself; "
        "everything else asks for a grant.",
        "authorization_server": settings.issuer,
        "resource": settings.resource_origin,
        "owner_approval_url": f"{settings.issuer}/device",
        "device_authorization_endpoint": f"{settings.issuer}/oauth/device_authorization",
        "token_endpoint": f"{settings.issuer}/oauth/token",
        "introspection_endpoint": f"{settings.issuer}/introspect",
        "query_base": settings.query_base,
        "streams_endpoint": f"{settings.query_base}/streams",
        "schema_endpoint": f"{settings.query_base}/schema",
        "control_surface": {"object": "owner_control", "entrypoint": f"{settings.query_base}/owner/control"},
    }
    if settings.registration_enabled:
        onboarding["registration_endpoint"] = f"{settings.issuer}/oauth/register"
    return onboarding
