"""Access and refresh tokens: issued, looked up by digest, rotated, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, insert, select, update

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.clock import Clock
from pdpp_reference.grants.access import SCOPE_OF, AccessToken, Grant, TokenKind
from pdpp_reference.grants.grants import Grants
from pdpp_reference.secrets_at_rest import digest, new_credential
from pdpp_reference.settings import Settings
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import tokens

Use = Literal["access", "refresh"]


@dataclass(frozen=True)
class IssuedToken:
    """A token's row, as it stood when it was read."""

    digest: bytes
    use: Use
    kind: TokenKind
    client_id: str
    subject_id: str
    resource: str
    request_id: str
    grant_id: str | None
    package_id: str | None
    issued_at: float
    expires_at: float
    revoked_at: float | None
    rotated: bool


class Tokens:
    """The tokens, read and changed within the caller's transaction."""

    def __init__(self, settings: Settings, clock: Clock, grants: Grants) -> None:
        self._settings = settings
        self._clock = clock
        self._grants = grants
        self._by_digest = select(tokens).where(tokens.c.digest == bindparam("wanted"))

    def issue(
        self, connection: Connection, request: AuthorizationRequest, client: Client, grants: Sequence[Grant]
    ) -> dict[str, Any]:
        """Issue the tokens of a request that was just redeemed; return the token response (RFC 6749 §5.1).

        The kind is the one stored with the request. A refresh token comes with a ``continuous`` grant whose client
        registered the grant type.
        """
        row = {
            "kind": request.token_kind,
            "client_id": client.client_id,
            "subject_id": request.subject_id,
            "resource": request.resource,
            "request_id": request.id,
            "grant_id": grants[0].id if len(grants) == 1 else None,
            "package_id": grants[0].package_id if len(grants) > 1 else None,
        }
        refreshable = self._settings.refresh_tokens_enabled and client.may_use("refresh_token")
        continuous = bool(grants) and all(grant.access_mode == "continuous" for grant in grants)
        return self._issue(connection, row, grants, with_refresh=refreshable and continuous)

    def rotate(self, connection: Connection, presented: IssuedToken, grants: Sequence[Grant]) -> dict[str, Any] | None:
        """Exchange a refresh token for a fresh pair (OAuth 2.1 §4.3.1); ``None`` where another request was faster."""
        self._lock_family(connection, presented.request_id)
        changed = connection.execute(
            update(tokens)
            .where(tokens.c.digest == presented.digest, tokens.c.rotated.is_(False), tokens.c.revoked_at.is_(None))
            .values(rotated=True)
        )
        if changed.rowcount != 1:
            return None
        row = {
            "kind": presented.kind,
            "client_id": presented.client_id,
            "subject_id": presented.subject_id,
            "resource": presented.resource,
            "request_id": presented.request_id,
            "grant_id": presented.grant_id,
            "package_id": presented.package_id,
        }
        return self._issue(connection, row, grants, with_refresh=True)

    def find(self, connection: Connection, token: str) -> IssuedToken | None:
        """Find a token of either use, whatever its state."""
        row = connection.execute(self._by_digest, {"wanted": digest(token)}).one_or_none()
        return None if row is None else IssuedToken(**row._mapping)

    def is_active(self, connection: Connection, token: IssuedToken) -> bool:
        """Whether a token is unexpired, unrevoked, not rotated away, and a grant behind it is in force."""
        return (
            token.revoked_at is None
            and not token.rotated
            and token.expires_at > self._clock.now()
            and (token.kind == "owner" or bool(self.grants_of(connection, token)))
        )

    def grants_of(self, connection: Connection, token: IssuedToken) -> tuple[Grant, ...]:
        """Return the grants in force behind a token; empty for kind ``owner``."""
        return self._grants.of_token(connection, grant_id=token.grant_id, package_id=token.package_id)

    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        """Revoke one token."""
        self._revoke(connection, tokens.c.digest == token.digest)

    def revoke_family(self, connection: Connection, request_id: str) -> None:
        """Revoke every token that came from one approval, refreshed ones included."""
        self._lock_family(connection, request_id)
        self._revoke(connection, tokens.c.request_id == request_id)

    def _lock_family(self, connection: Connection, request_id: str) -> None:
        """Let one transaction at a time change what came from one approval, by a lock on its first token.

        A rotation holds one row and a revocation takes all of them: without this, two of them deadlock on PostgreSQL.
        """
        first = select(tokens.c.digest).where(tokens.c.request_id == request_id)
        connection.execute(first.order_by(tokens.c.issued_at, tokens.c.digest).limit(1).with_for_update())

    def _revoke(self, connection: Connection, which: Any) -> None:
        connection.execute(
            update(tokens).where(which, tokens.c.revoked_at.is_(None)).values(revoked_at=self._clock.now())
        )

    def _issue(
        self, connection: Connection, row: dict[str, Any], grants: Sequence[Grant], *, with_refresh: bool
    ) -> dict[str, Any]:
        lifetime = self._settings.access_token_lifetime
        response: dict[str, Any] = {
            "access_token": self._insert(connection, row, "access", lifetime),
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": SCOPE_OF[row["kind"]],
            "resource": row["resource"],
        }
        if with_refresh:
            idle = self._settings.refresh_token_idle_lifetime
            response["refresh_token"] = self._insert(connection, row, "refresh", idle)
        if row["grant_id"] is not None:
            response["grant_id"] = row["grant_id"]
        if row["package_id"] is not None:
            response["grant_package_id"] = row["package_id"]
        if grants:
            response["authorization_details"] = [grant.detail.to_json() for grant in grants]
        return response

    def _insert(self, connection: Connection, row: dict[str, Any], use: Use, lifetime: int) -> str:
        token = new_credential()
        now = self._clock.now()
        connection.execute(
            insert(tokens), {"digest": digest(token), "use": use, "issued_at": now, "expires_at": now + lifetime, **row}
        )
        return token


class StoredAccessTokens:
    """The resource server's view of the tokens (:class:`pdpp_reference.grants.access.AccessTokens`)."""

    def __init__(self, store: Store, tokens_: Tokens) -> None:
        self._store = store
        self._tokens = tokens_

    def active(self, bearer: str) -> AccessToken | None:
        """Return what ``bearer`` stands for; ``None`` where it is no active access token."""
        with self._store.transaction() as connection:
            token = self._tokens.find(connection, bearer)
            if token is None or token.use != "access" or not self._tokens.is_active(connection, token):
                return None
            return AccessToken(
                kind=token.kind,
                client_id=token.client_id,
                subject_id=token.subject_id,
                resource=token.resource,
                grants=self._tokens.grants_of(connection, token),
                grant_id=token.grant_id,
                package_id=token.package_id,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
            )
