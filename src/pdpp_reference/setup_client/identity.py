"""Who the client is to an authorization server: by metadata document, by name known beforehand, or registered."""

from __future__ import annotations

from typing import Any, Literal

from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.setup_client.discovery import AuthorizationServer
from pdpp_reference.setup_client.failures import Refused
from pdpp_reference.setup_client.http import Answer, Http

OWN_CLIENT_ID = "pdpp_cli"
"""The client identifier under which deployments may know this client beforehand."""

CLIENT_NAME = "PDPP setup client"
LOOPBACK_REDIRECT = "http://127.0.0.1/callback"

How = Literal["given", "metadata document", "kept", "pre-registered", "registered"]


class Identity:
    """Finds the client identifier to use."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def client_id(
        self,
        server: AuthorizationServer,
        *,
        given: str | None,
        kept: str | None,
        redirect_uri: str | None = None,
    ) -> tuple[str, How]:
        """Return the client identifier, and how the client came by it.

        Args:
            given: what the person said: an https URL is a client ID metadata document's.
            kept: the identifier that this issuer gave at an earlier setup for the same resource.
            redirect_uri: where the answer goes in the authorization code flow; None for device authorization.

        Raises:
            Refused: the server knows no way for a client to become known.
        """
        if given is not None:
            if not given.startswith("https://"):
                return given, "given"
            if server.metadata.get("client_id_metadata_document_supported") is not True:
                raise Refused(f"{server.issuer} does not take client ID metadata documents; leave --client-id out")
            return given, "metadata document"
        if kept is not None:
            return kept, "kept"
        listed = server.metadata.get("pdpp_pre_registered_public_clients")
        if any(
            isinstance(client, dict) and client.get("client_id") == OWN_CLIENT_ID
            for client in (listed if isinstance(listed, list) else [])
        ):
            return OWN_CLIENT_ID, "pre-registered"
        return self.register(server, redirect_uri), "registered"

    def register(self, server: AuthorizationServer, redirect_uri: str | None) -> str:
        """Register a public client (RFC 7591 §3.1) and return its identifier.

        Raises:
            Refused: the server registers nobody, or refuses this client.
        """
        endpoint = server.endpoint("registration_endpoint")
        if endpoint is None:
            raise Refused(
                f"{server.issuer} registers no clients; ask its operator for a client id, and say --client-id"
            )
        metadata: dict[str, Any] = {
            "client_name": CLIENT_NAME,
            "grant_types": [DEVICE_CODE_GRANT if redirect_uri is None else "authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }
        if redirect_uri is not None:
            metadata |= {"redirect_uris": [redirect_uri], "response_types": ["code"]}
        answer = self._http.patiently(self._http.post_json, endpoint, metadata)
        if answer.status == 400 and "redirect_uris" not in metadata:
            # Some servers want a redirect URI even of a client that will never use one.
            metadata |= {"redirect_uris": [LOOPBACK_REDIRECT]}
            answer = self._http.patiently(self._http.post_json, endpoint, metadata)
        return self._registered(server, answer)

    def _registered(self, server: AuthorizationServer, answer: Answer) -> str:
        client_id = answer.members.get("client_id")
        if answer.status not in (200, 201) or not isinstance(client_id, str) or not client_id:
            raise Refused(f"{server.issuer} does not register this client: {answer.summary}", error=answer.error)
        return client_id
