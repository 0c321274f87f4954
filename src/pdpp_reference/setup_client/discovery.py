"""From a URL to the authorization server: challenge, protected resource metadata, authorization server metadata.

MCP authorization; RFC 9728 §3, §5; RFC 8414 §3. Nothing here carries a credential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.setup_client.challenge import BearerChallenge, read_challenge
from pdpp_reference.setup_client.failures import Refused, Usage
from pdpp_reference.setup_client.http import Answer, Http, is_usable, origin_of, printable

MCP_REVISION = "2025-11-25"
MCP_HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MCP_REVISION}
INITIALIZE: Mapping[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": MCP_REVISION,
        "capabilities": {},
        "clientInfo": {"name": "pdpp", "version": "1"},
    },
}


@dataclass(frozen=True)
class Resource:
    """The protected resource that a credential is for."""

    identifier: str
    """``resource``: what both requests to the authorization server name (RFC 8707)."""
    url: str
    """Where the MCP server is reached."""
    issuer: str
    scope: str | None
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class AuthorizationServer:
    """An authorization server, by its metadata, whose ``issuer`` is the one that was looked for (RFC 8414 §3.3)."""

    issuer: str
    metadata: Mapping[str, Any] = field(repr=False)

    def endpoint(self, name: str) -> str | None:
        """Return an endpoint's URL; None where it is not advertised.

        Raises:
            Refused: it is no URL that a client may follow.
        """
        url = self.metadata.get(name)
        if url is None:
            return None
        if not is_usable(url):
            raise Refused(f"the {name} in the metadata of {self.issuer} is neither https nor this machine's")
        return str(url)

    def supports(self, grant_type: str) -> bool:
        """Whether the metadata lists a grant type; without a list RFC 8414 §2 means the code grant and implicit."""
        return grant_type in _texts(self.metadata.get("grant_types_supported", ["authorization_code"]))

    def details_type(self) -> str | None:
        """Return the type of ``authorization_details`` (RFC 9396 §10) to ask with; None where none is advertised."""
        for name in ("pdpp_authorization_details_types_supported", "authorization_details_types_supported"):
            for listed in _texts(self.metadata.get(name)):
                return listed
        return None

    def offers_device_authorization(self) -> bool:
        """Whether a client gets grant-scoped tokens by device authorization here.

        A deployment that tells device authorization profiles apart has to name the one for MCP: without it, the device
        grant is for the owner's own agents alone.
        """
        if self.metadata.get("device_authorization_endpoint") is None or not self.supports(DEVICE_CODE_GRANT):
            return False
        profiles = self.metadata.get("pdpp_device_authorization_profiles_supported")
        if profiles is None:
            return not any(name.startswith("pdpp_") for name in self.metadata)
        listed = profiles if isinstance(profiles, list) else []
        return any(isinstance(profile, dict) and profile.get("profile") == "grant_scoped_mcp" for profile in listed)


class Discovery:
    """Reads the documents."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def mcp_url(self, url: str) -> str:
        """Return the MCP server's URL for what a person typed: that URL, or what its origin names.

        Raises:
            Usage: it is no URL that a client may follow.
        """
        url = url.rstrip("/")
        if not is_usable(url) or urlsplit(url).query or urlsplit(url).fragment:
            raise Usage(
                "the URL has to be https (http to this machine only), without a query: the MCP server's, or its origin"
            )
        if urlsplit(url).path:
            return url
        block = self.root_document(url).get("pdpp_agent_discovery")
        hint = block.get("mcp") if isinstance(block, dict) else None
        named = hint.get("endpoint") if isinstance(hint, dict) else None
        return str(named) if is_usable(named) and origin_of(str(named)) == url else f"{url}/mcp"

    def root_document(self, url: str) -> Mapping[str, Any]:
        """Return the protected resource metadata of an origin; empty where there is none of its own."""
        origin = origin_of(url)
        document = self._document(well_known(origin, "oauth-protected-resource"))
        return document if document.get("resource") in (origin, f"{origin}/") else {}

    def resource(self, mcp_url: str) -> Resource:
        """Return the resource behind an MCP server.

        Raises:
            NoAnswer: it cannot be reached.
            Refused: it has no usable metadata, or somebody else's.
        """
        challenge = self._challenge(mcp_url)
        for url, identifiers in self.metadata_urls(mcp_url, challenge):
            document = self._document(url)
            if document:
                return self._read_resource(mcp_url, document, identifiers, challenge)
        raise Refused(
            f"{mcp_url} says nowhere which authorization server it trusts: there is no protected resource metadata"
        )

    def metadata_urls(self, mcp_url: str, challenge: BearerChallenge) -> Sequence[tuple[str, Sequence[str]]]:
        """Return where protected resource metadata may stand, and the identifiers that it may have there.

        The URL of the challenge comes first, then the well-known path before the MCP server's own, then at the root.
        """
        origin = origin_of(mcp_url)
        urls = [(challenge.resource_metadata, (mcp_url,))] if is_usable(challenge.resource_metadata) else []
        inserted = [(well_known(mcp_url, "oauth-protected-resource"), (mcp_url,))]
        root = [(well_known(origin, "oauth-protected-resource"), (mcp_url, origin, f"{origin}/"))]
        found: dict[str, Sequence[str]] = {}
        for url, identifiers in [*urls, *inserted, *root]:
            found.setdefault(str(url), identifiers)
        return list(found.items())

    def authorization_server(self, issuer: str) -> AuthorizationServer:
        """Return the authorization server with this issuer identifier.

        Raises:
            Refused: it has no metadata, or that of another issuer.
        """
        for url in self.server_metadata_urls(issuer):
            document = self._document(url)
            if document:
                self.check_issuer(issuer, document)
                return AuthorizationServer(issuer, document)
        raise Refused(f"the authorization server {issuer} has no metadata")

    def server_metadata_urls(self, issuer: str) -> Sequence[str]:
        """Return where the metadata may stand, in the order of the MCP authorization specification."""
        urls = [well_known(issuer, "oauth-authorization-server"), well_known(issuer, "openid-configuration")]
        if urlsplit(issuer).path.rstrip("/"):
            urls.append(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        return urls

    def check_issuer(self, issuer: str, document: Mapping[str, Any]) -> None:
        """Refuse metadata that is not of ``issuer``, letter by letter (RFC 8414 §3.3)."""
        if document.get("issuer") != issuer:
            told = printable(document.get("issuer"))
            raise Refused(f"the metadata of the authorization server {issuer} is that of another issuer: {told}")

    def check_identifier(self, identifiers: Sequence[str], document: Mapping[str, Any]) -> None:
        """Refuse metadata of another resource (RFC 9728 §3.3)."""
        if document.get("resource") not in identifiers:
            told = printable(document.get("resource"))
            raise Refused(f"the protected resource metadata of {identifiers[0]} is that of another resource: {told}")

    def _challenge(self, mcp_url: str) -> BearerChallenge:
        answer = self._http.patiently(self._http.post_json, mcp_url, INITIALIZE, MCP_HEADERS)
        return read_challenge(answer.headers.get_list("www-authenticate"))

    def _read_resource(
        self, mcp_url: str, document: Mapping[str, Any], identifiers: Sequence[str], challenge: BearerChallenge
    ) -> Resource:
        self.check_identifier(identifiers, document)
        issuers = _texts(document.get("authorization_servers"))
        if not issuers:
            raise Refused(f"the protected resource metadata of {mcp_url} names no authorization server")
        if not is_usable(issuers[0]):
            raise Refused(f"the authorization server that {mcp_url} names is neither https nor this machine's")
        scope = challenge.scope or " ".join(_texts(document.get("scopes_supported")))
        return Resource(str(document["resource"]), mcp_url, issuers[0], scope or None, document)

    def _document(self, url: str) -> Mapping[str, Any]:
        answer: Answer = self._http.patiently(self._http.get, url)
        return answer.members if answer.status == 200 else {}


def well_known(url: str, name: str) -> str:
    """Put a well-known path between a URL's host and its path (RFC 8414 §3.1, RFC 9728 §3.1)."""
    return f"{origin_of(url)}/.well-known/{name}{urlsplit(url).path.rstrip('/')}"


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str) and text] if isinstance(value, list) else []
