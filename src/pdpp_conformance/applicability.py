"""Whether a requirement concerns a deployment: by its profile, and by what the metadata claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pdpp_conformance.catalogue import Requirement
from pdpp_conformance.discovery import Discovery
from pdpp_conformance.profile import why_outside


def _scopes_used(found: Discovery) -> bool:
    documents = (found.authorization_server, found.mcp_resource_metadata, found.root_resource)
    return any(document.content.get("scopes_supported") for document in documents)


def _client_authentication(found: Discovery) -> bool:
    methods = found.authorization_server.content.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return isinstance(methods, list) and any(method != "none" for method in methods)


CONDITIONS: Mapping[str, Callable[[Discovery], bool]] = {
    "scopes are used": _scopes_used,
    "`registration_endpoint` is advertised": lambda found: found.endpoint("registration_endpoint") is not None,
    "`introspection_endpoint` is advertised": lambda found: found.endpoint("introspection_endpoint") is not None,
    "`revocation_endpoint` is advertised": lambda found: found.endpoint("revocation_endpoint") is not None,
    "refresh tokens are issued": lambda found: "refresh_token" in found.grant_types,
    "CIMD is offered": lambda found: bool(
        found.authorization_server.content.get("client_id_metadata_document_supported")
    ),
    "client authentication other than `none` is offered": _client_authentication,
}
"""The conditions that a catalogue row may name, each read from metadata alone."""


def why_not_applicable(requirement: Requirement, found: Discovery) -> str | None:
    """Return the condition of ``requirement`` that the target does not fulfil; ``None`` where it applies.

    What belongs to certain MCP revisions is settled by :mod:`pdpp_conformance.revisions`, as metadata names none.
    """
    outside = why_outside(requirement, found.profile)
    if outside is not None:
        return outside
    for condition in (requirement.applies_if or "").split(", "):
        holds = CONDITIONS.get(condition)
        if holds is not None and not holds(found):
            return f"applies if {condition}, and the metadata does not say so"
    return None
