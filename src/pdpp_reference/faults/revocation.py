"""Revocations that end nothing, or end what is somebody else's: RFC 7009."""

from __future__ import annotations

from sqlalchemy import Connection, update
from starlette.responses import Response

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.revocation import RevocationEndpoint
from pdpp_reference.authorization_server.tokens import IssuedToken
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.http import NO_STORE, Incoming
from pdpp_reference.storage.tables import tokens

declared = Declared()


def _revocation(parts: Collaborators, made: type[RevocationEndpoint]) -> None:
    parts.revocation = made(parts.store, parts.clients, parts.tokens)


class _Noop(RevocationEndpoint):
    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        """Revoke nothing."""


@declared.replacing(
    "A revocation is answered with 200, and nothing is revoked.",
    "REV-01",
    "REV-05",
    "REV-09",
    "RSC-08",
    why="Tokens of both types can't be revoked, nothing happens at once, and the MCP server goes on serving them.",
)
def revoke_noop(parts: Collaborators) -> None:
    _revocation(parts, _Noop)


class _RefreshNoop(RevocationEndpoint):
    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        if token.use != "refresh":
            super().revoke(connection, token)


@declared.replacing(
    "Revoking a refresh token is answered with 200, and it goes on working.",
    "REV-01",
    "REV-05",
    why="Refresh tokens can't be revoked, and so nothing happens at once.",
)
def revoke_refresh_noop(parts: Collaborators) -> None:
    _revocation(parts, _RefreshNoop)


class _AccessSurvives(RevocationEndpoint):
    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        if token.use != "refresh":
            super().revoke(connection, token)
            return
        family = update(tokens).where(tokens.c.request_id == token.request_id, tokens.c.use == "refresh")
        connection.execute(family.values(revoked_at=token.issued_at))


@declared.replacing("Revoking a refresh token leaves the access tokens of its grant in force.", "REV-06")
def access_survives(parts: Collaborators) -> None:
    _revocation(parts, _AccessSurvives)


# -- whose token it is -------------------------------------------------------------------------------------------------


class _Anyones(RevocationEndpoint):
    def check_ownership(self, token: IssuedToken, client_id: str) -> None:
        """Take any client for the token's own."""


@declared.replacing("A client revokes the tokens of another.", "REV-02")
def revoke_foreign_token(parts: Collaborators) -> None:
    _revocation(parts, _Anyones)


class _SaysRefused(RevocationEndpoint):
    def check_ownership(self, token: IssuedToken, client_id: str) -> None:
        if token.client_id != client_id:
            with self._store.transaction() as connection:
                self.revoke(connection, token)
        super().check_ownership(token, client_id)


@declared.replacing("A client is refused to revoke the token of another, and it is revoked all the same.", "REV-02")
def revoke_foreign_token_in_secret(parts: Collaborators) -> None:
    _revocation(parts, _SaysRefused)


class _Nameless(RevocationEndpoint):
    def answer(self, incoming: Incoming) -> Response:
        form = incoming.form()
        with self._store.transaction() as connection:
            token = self._tokens.find(connection, form.require("token"))
            if token is not None and form.get("client_id") is None:
                self.revoke(connection, token)
                return Response(status_code=200, headers=NO_STORE)
        return super().answer(incoming)


@declared.replacing("Whoever holds a token revokes it without saying who he is.", "REV-02")
def revoke_without_client(parts: Collaborators) -> None:
    _revocation(parts, _Nameless)


# -- what is answered --------------------------------------------------------------------------------------------------


class _UnknownIsError(RevocationEndpoint):
    def answer(self, incoming: Incoming) -> Response:
        with self._store.transaction() as connection:
            known = self._tokens.find(connection, incoming.form().require("token"))
        if known is None:
            raise OAuthError("invalid_request", "nobody knows the token")
        return super().answer(incoming)


def _400_unknown_token(parts: Collaborators) -> None:
    _revocation(parts, _UnknownIsError)


_400_unknown_token.__name__ = "400_unknown_token"
declared.replacing("Revoking a token that nobody knows is an error.", "REV-03")(_400_unknown_token)


class _AgainIsError(RevocationEndpoint):
    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        if token.revoked_at is not None:
            raise OAuthError("invalid_request", "the token was revoked before")
        super().revoke(connection, token)


@declared.replacing("Revoking a token a second time is an error.", "REV-03")
def revoking_again_is_an_error(parts: Collaborators) -> None:
    _revocation(parts, _AgainIsError)


class _HintFilters(RevocationEndpoint):
    def answer(self, incoming: Incoming) -> Response:
        form = incoming.form()
        with self._store.transaction() as connection:
            token = self._tokens.find(connection, form.require("token"))
        hint = form.get("token_type_hint")
        if token is not None and hint not in (None, f"{token.use}_token"):
            return Response(status_code=200, headers=NO_STORE)
        return super().answer(incoming)


@declared.replacing("A token is looked for among those of the type that the hint names, and nowhere else.", "REV-04")
def hint_is_filter_revoke(parts: Collaborators) -> None:
    _revocation(parts, _HintFilters)


class _HintFiltersRefresh(_HintFilters):
    def answer(self, incoming: Incoming) -> Response:
        if incoming.form().get("token_type_hint") == "access_token":
            return super().answer(incoming)
        return RevocationEndpoint.answer(self, incoming)


@declared.replacing("A refresh token is not looked for where the hint says access token.", "REV-04")
def hint_hides_refresh_token(parts: Collaborators) -> None:
    _revocation(parts, _HintFiltersRefresh)


class _AccessUnsupported(RevocationEndpoint):
    code = "unsupported_token_type"

    def revoke(self, connection: Connection, token: IssuedToken) -> None:
        if token.use != "refresh":
            raise OAuthError(self.code, "access tokens cannot be revoked here")
        super().revoke(connection, token)


@declared.replacing("Access tokens cannot be revoked, and the answer says so.", "REV-09")
def access_token_not_revocable(parts: Collaborators) -> None:
    _revocation(parts, _AccessUnsupported)


class _AccessRefused(_AccessUnsupported):
    code = "invalid_request"


@declared.replacing(
    "Access tokens cannot be revoked, and the answer does not say why.",
    "REV-07",
    "REV-09",
    why="A type that can't be revoked is needed for its refusal to be wrong.",
)
def unsupported_type_unnamed(parts: Collaborators) -> None:
    _revocation(parts, _AccessRefused)
