"""What the owner approved (a grant) and what a bearer stands for (an access token), as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pdpp_reference.grants.authorization_details import AccessMode, AuthorizationDetail

TokenKind = Literal["owner", "client"]

SCOPE_OF: dict[TokenKind, str] = {"client": "pdpp:read", "owner": "pdpp:owner"}
"""The one scope of each token kind; what exactly may be read is in ``authorization_details``."""


@dataclass(frozen=True)
class Grant:
    """One client's access to one source, as the owner approved it."""

    id: str
    """``grt_…``"""
    package_id: str | None
    """``gpkg_…`` where several grants were approved in one request."""
    client_id: str
    subject_id: str
    detail: AuthorizationDetail
    resource: str
    """The resource (RFC 8707) that tokens of this grant are good for."""
    created_at: float
    revoked_at: float | None

    @property
    def access_mode(self) -> AccessMode:
        return self.detail.access_mode


@dataclass(frozen=True)
class AccessToken:
    """An active access token: known, unexpired, unrevoked, and every grant behind it in force."""

    kind: TokenKind
    client_id: str
    subject_id: str
    resource: str
    """The audience: the MCP resource for kind ``client``, the owner's REST surface for kind ``owner``."""
    grants: tuple[Grant, ...]
    """Empty for kind ``owner``, one for a grant, several for a package."""
    grant_id: str | None
    package_id: str | None
    issued_at: float
    expires_at: float


class AccessTokens(Protocol):
    """Where a resource server asks what a bearer stands for."""

    def active(self, bearer: str) -> AccessToken | None:
        """Return what ``bearer`` stands for; ``None`` where it is unknown, expired or revoked, or its grant is."""
        ...
