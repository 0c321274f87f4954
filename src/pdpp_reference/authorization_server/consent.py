"""The owner's decision on a pending request: the same for a device's request and for the authorization-code flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    Event,
    State,
)
from pdpp_reference.authorization_server.clients import Client, Clients
from pdpp_reference.clock import Clock
from pdpp_reference.grants.authorization_details import AuthorizationDetail, details_to_text
from pdpp_reference.secrets_at_rest import USER_CODE_ALPHABET, digest, new_credential
from pdpp_reference.settings import Settings
from pdpp_reference.storage.store import Store


class NotDecidable(Exception):
    """The request is unknown, expired or already decided; which of them is nobody's business (RFC 8628 §5.1)."""


class NothingKept(Exception):
    """The owner approved, but left no stream to grant."""


@dataclass(frozen=True)
class PendingRequest:
    """A request that waits for the owner, with the client that made it."""

    request: AuthorizationRequest
    client: Client


def normalize_user_code(entered: str) -> str:
    """Bring a user code as typed (any case, separators, spaces) to the form it is stored in (RFC 8628 §6.1)."""
    return "".join(character for character in entered[:64].upper() if character in USER_CODE_ALPHABET)


def show_user_code(code: str) -> str:
    """Write a user code the way a device shows it, in two halves: ``XXXX-XXXX``."""
    half = len(code) // 2
    return f"{code[:half]}-{code[half:]}"


class Consent:
    """What the owner's pages ask of the state table."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, requests: AuthorizationRequests, clients: Clients
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._requests = requests
        self._clients = clients

    def by_user_code(self, user_code: str) -> PendingRequest:
        """Find the pending device authorization that a person entered the code of.

        Raises:
            NotDecidable: there is none.
        """
        with self._store.transaction() as connection:
            request = self._requests.by_user_code(connection, normalize_user_code(user_code))
            return self._pending(connection, request)

    def by_request_uri(self, request_uri: str) -> PendingRequest:
        """Find the pending authorization-code request staged under ``request_uri``.

        Raises:
            NotDecidable: there is none.
        """
        with self._store.transaction() as connection:
            return self._pending(connection, self._requests.by_request_uri(connection, request_uri))

    def by_id(self, request_id: str) -> PendingRequest:
        """Find a pending request by its public id.

        Raises:
            NotDecidable: there is none.
        """
        with self._store.transaction() as connection:
            return self._pending(connection, self._requests.by_id(connection, request_id))

    def approve(
        self, request_id: str, subject_id: str, details: Sequence[AuthorizationDetail] | None
    ) -> tuple[AuthorizationRequest, str | None]:
        """Approve a request with what the owner kept of it.

        Args:
            details: the entries as approved; ``None`` for the owner kind, which has none.

        Returns:
            The request, and the authorization code where the flow has one. A device gets nothing here: it polls.

        Raises:
            NotDecidable: the request is no longer pending.
            NothingKept: no entry with a stream is left.
        """
        with self._store.transaction() as connection:
            pending = self._pending(connection, self._requests.by_id(connection, request_id)).request
            values: dict[str, object] = {"subject_id": subject_id, "decided_at": self._clock.now()}
            if pending.request_kind == "grant_scoped_mcp":
                kept = [detail for detail in details or () if detail.streams]
                if not kept:
                    raise NothingKept
                values["authorization_details"] = details_to_text(kept)
            code = None
            if pending.flow == "authorization_code":
                code = new_credential()
                values["code_digest"] = digest(code)
                values["expires_at"] = self._clock.now() + self._settings.authorization_code_lifetime
            if not self._requests.fire(connection, request_id, Event.APPROVE, **values):
                raise NotDecidable
            return pending, code

    def deny(self, request_id: str, subject_id: str) -> AuthorizationRequest:
        """Deny a request.

        Raises:
            NotDecidable: the request is no longer pending.
        """
        with self._store.transaction() as connection:
            pending = self._pending(connection, self._requests.by_id(connection, request_id)).request
            now = self._clock.now()
            if not self._requests.fire(connection, request_id, Event.DENY, subject_id=subject_id, decided_at=now):
                raise NotDecidable
            return pending

    def _pending(self, connection: Connection, request: AuthorizationRequest | None) -> PendingRequest:
        if request is None or request.state is not State.PENDING:
            raise NotDecidable
        client = self._clients.known(connection, request.client_id)
        if client is None:
            raise NotDecidable
        return PendingRequest(request, client)


def narrowed(
    details: Sequence[AuthorizationDetail], kept_streams: Mapping[str, frozenset[str]]
) -> tuple[AuthorizationDetail, ...]:
    """Return the entries with the streams the owner kept, by source id; an entry with none left falls away."""
    left = (detail.narrowed_to(kept_streams.get(detail.source_id, frozenset())) for detail in details)
    return tuple(detail for detail in left if detail.streams)
