"""The one place where an approved request turns into a grant and its tokens, whichever flow carried it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    Event,
)
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.tokens import Tokens
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import Form


class Redemption:
    """Redeems an approved request within the caller's transaction."""

    def __init__(self, requests: AuthorizationRequests, grants: Grants, tokens: Tokens) -> None:
        self._requests = requests
        self._grants = grants
        self._tokens = tokens

    def redeem(
        self, connection: Connection, client: Client, request: AuthorizationRequest, form: Form, refused: OAuthError
    ) -> dict[str, Any] | OAuthError:
        """Return the token response, or the error to answer with.

        The error is returned and not raised, so that what the caller recorded in its transaction is kept. A
        ``resource`` other than the approved one leaves the request redeemable (RFC 8707 §2.2).
        """
        named = form.all("resource")
        if any(named) and list(named) != [request.resource]:
            return OAuthError("invalid_target", "the resource is not the one that was approved")
        if request.subject_id is None:
            return refused
        if not self._requests.fire(connection, request.id, Event.REDEEM):
            self.replayed(connection, request)  # another redemption was faster, so that this is the second one
            return refused
        grants = self._grants.create(
            connection,
            request_id=request.id,
            client_id=client.client_id,
            subject_id=request.subject_id,
            resource=request.resource,
            details=request.authorization_details or (),
        )
        return self._tokens.issue(connection, request, client, grants)

    def replayed(self, connection: Connection, request: AuthorizationRequest) -> None:
        """A second redemption: revoke what the first one issued (RFC 6749 §4.1.2, §10.5)."""
        self._tokens.revoke_family(connection, request.id)
