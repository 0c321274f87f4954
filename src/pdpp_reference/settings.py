"""What an operator can set, in one frozen value; defaults are the wire contract's."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

AUTHORIZATION_DETAILS_TYPE = "https://pdpp.dev/data-access"
LLMS_TXT_PATH = "/llms.txt"
SKILL_PATH = "/skills/pdpp-data-access/SKILL.md"
DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def is_loopback_host(host: str) -> bool:
    """Whether ``host`` (a name or an IP literal, without port) is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Settings:
    """The deployment's configuration. URLs have no trailing slash; durations are seconds; sizes are bytes."""

    issuer: str
    """The authorization server's issuer identifier (RFC 8414 §2)."""
    resource_origin: str
    """The origin of the resource server; equal to the issuer when both are composed on one origin."""
    database_url: str = "sqlite://"
    database_survives_power_loss: bool = True
    """Whether SQLite waits for the disk at each commit; only a database that nobody will miss can do without."""
    owner_password: str | None = field(default=None, repr=False)
    introspection_client_id: str | None = None
    introspection_client_secret: str | None = field(default=None, repr=False)
    registration_enabled: bool = True
    refresh_tokens_enabled: bool = True
    revocation_enabled: bool = True
    authorization_details_type: str = AUTHORIZATION_DETAILS_TYPE

    device_code_lifetime: int = 600
    polling_interval: int = 5
    authorization_code_lifetime: int = 60
    request_uri_lifetime: int = 600
    access_token_lifetime: int = 3600
    refresh_token_idle_lifetime: int = 30 * 24 * 3600
    session_lifetime: int = 12 * 3600

    wrong_codes_per_minute: int = 5
    wrong_passwords_per_minute: int = 5
    max_body_bytes: int = 64 * 1024
    max_header_bytes: int = 16 * 1024
    max_clients: int = 10_000

    @property
    def mcp_resource(self) -> str:
        """The resource identifier of the MCP server (RFC 8707 §2)."""
        return f"{self.resource_origin}/mcp"

    @property
    def query_base(self) -> str:
        """The base of the owner's REST surface."""
        return f"{self.resource_origin}/v1"

    @property
    def is_https(self) -> bool:
        """Whether the owner's pages are served over TLS, so that cookies carry ``Secure``."""
        return urlsplit(self.issuer).scheme == "https"
