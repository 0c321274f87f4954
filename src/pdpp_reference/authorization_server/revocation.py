"""Revocation: of tokens by the client that holds them (RFC 7009), of grants by their bearers."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.authorization_server.clients import Clients
from pdpp_reference.authorization_server.device_authorization import refuse_client_credentials
from pdpp_reference.authorization_server.tokens import IssuedToken, Tokens
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import NO_STORE, Incoming, json_answer
from pdpp_reference.storage.store import Store


class RevocationEndpoint:
    """The token revocation endpoint.

    ``token_type_hint`` is not read: a token is found whatever its type, and an unknown hint does not influence the
    answer (RFC 7009 §2.1, §2.2). Both token types can be revoked, so ``unsupported_token_type`` has no occasion.
    """

    def __init__(self, store: Store, clients: Clients, tokens: Tokens) -> None:
        self._store = store
        self._clients = clients
        self._tokens = tokens

    def answer(self, incoming: Incoming) -> Response:
        """Revoke a token of the client that asks; a token nobody knows is as good as revoked (RFC 7009 §2.2).

        Raises:
            OAuthError: ``invalid_client``, nobody knows the client; ``invalid_grant``, the token "was issued to
                another client" (RFC 6749 §5.2, which RFC 7009 §2.2.1 refers to) and stays as it is (§2.1).
        """
        form = incoming.form()
        refuse_client_credentials(incoming, form)
        client_id, presented = form.require("client_id"), form.require("token")
        with self._store.transaction() as connection:
            # Stored clients only: a token can be revoked although its client's metadata document is out of reach.
            if self._clients.known(connection, client_id) is None:
                raise OAuthError("invalid_client", "the client is not known here")
            token = self._tokens.find(connection, presented)
            if token is not None:
                self.check_ownership(token, client_id)
                self.revoke(connection, token)
        return Response(status_code=200, headers=NO_STORE)

    def check_ownership(self, token: IssuedToken, client_id: str) -> None:
        """Refuse a token of another client.

        Raises:
            OAuthError: ``invalid_grant``.
        """
        if token.client_id != client_id:
            raise OAuthError("invalid_grant", "the token was issued to another client")

    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        """Revoke an access token alone, and with a refresh token everything that came from its approval (§2.1)."""
        if token.use == "refresh":
            self._tokens.revoke_family(connection, token.request_id)
        else:
            self._tokens.revoke(connection, token)


class GrantRevocationEndpoint:
    """Revokes the grant in the path, for the owner's token or for a token of that grant or of its package."""

    def __init__(self, store: Store, grants: Grants, tokens: Tokens) -> None:
        self._store = store
        self._grants = grants
        self._tokens = tokens

    def answer(self, incoming: Incoming) -> Response:
        """Revoke a grant, with every token that is good for nothing else; again is no error.

        Raises:
            OAuthError: ``invalid_token`` with 401 where the bearer is no active access token (RFC 6750 §3.1); 404
                where there is no such grant, or it is none of the bearer's business: the answer is the same.
        """
        bearer = _bearer(incoming.request)
        grant_id: str = incoming.request.path_params["grant_id"]
        with self._store.transaction() as connection:
            token = self._tokens.find(connection, bearer)
            if token is None or token.use != "access" or not self._tokens.is_active(connection, token):
                raise _unauthorized('Bearer realm="grants", error="invalid_token"')
            # PostgreSQL takes no NUL, and no grant's id has one.
            grant = None if "\x00" in grant_id else self._grants.by_id(connection, grant_id)
            if grant is None or not self.may_revoke(token, grant):
                raise OAuthError("invalid_request", "there is no such grant", status=404)
            self.revoke(connection, grant)
        return json_answer({"grant_id": grant_id, "revoked": True})

    def may_revoke(self, token: IssuedToken, grant: Grant) -> bool:
        """Whether the grant is the token's own, of its package, or of the owner whose token it is."""
        if token.kind == "owner":
            return grant.subject_id == token.subject_id
        return grant.id == token.grant_id or (grant.package_id is not None and grant.package_id == token.package_id)

    def revoke(self, connection: Connection, grant: Grant) -> None:
        """Revoke the grant."""
        self._grants.revoke(connection, grant.id)


def _bearer(request: Request) -> str:
    sent = request.headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized('Bearer realm="grants"')  # without error: nothing was presented (RFC 6750 §3.1)
    return token.strip()


def _unauthorized(challenge: str) -> OAuthError:
    return OAuthError(
        "invalid_token",
        "an active access token of the owner or of the grant is needed",
        status=401,
        headers={"WWW-Authenticate": challenge},
    )
