"""Clients, however they came to be known: registered, pre-registered, or by a client ID metadata document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pdpp_reference.clock import Clock
from pdpp_reference.errors import OAuthError
from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import authorization_requests, clients, grants, tokens

RegistrationMode = Literal["dynamic", "pre_registered_public", "client_id_metadata_document"]

_BY_ID = select(clients).where(clients.c.client_id == bindparam("named"))
"""Written once, as nearly every request asks it."""

METADATA_DOCUMENT_LIFETIME_SECONDS = 600

PRE_REGISTERED: Mapping[str, Mapping[str, Any]] = {
    "pdpp_cli": {
        "client_name": "PDPP command line",
        "redirect_uris": ["http://127.0.0.1/callback", "http://[::1]/callback"],
        "grant_types": [DEVICE_CODE_GRANT, "authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    },
    "longview": {
        "client_name": "Longview",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": [DEVICE_CODE_GRANT, "authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    },
}
"""The public clients every deployment of this server knows from the start."""


@dataclass(frozen=True)
class Client:
    """A public client (``token_endpoint_auth_method`` none), with its metadata as registered (RFC 7591 §2)."""

    client_id: str
    registration_mode: RegistrationMode
    metadata: Mapping[str, Any]
    subject_id: str | None
    """The owner under whose session it was registered, if any."""
    issued_at: float

    @property
    def name(self) -> str | None:
        """``client_name``: the client's own claim."""
        return self.metadata.get("client_name")

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        return tuple(self.metadata.get("redirect_uris", ()))

    def may_use(self, grant_type: str) -> bool:
        """Whether the client declared ``grant_type``; without a declaration, authorization_code (RFC 7591 §2)."""
        return grant_type in self.metadata.get("grant_types", ("authorization_code",))

    def require(self, grant_type: str) -> None:
        """Refuse a client that did not declare ``grant_type``.

        Raises:
            OAuthError: ``unauthorized_client`` (RFC 6749 §5.2).
        """
        if not self.may_use(grant_type):
            raise OAuthError("unauthorized_client", "the client is not registered for this grant type")


class MetadataDocuments(Protocol):
    """Where client ID metadata documents come from."""

    def fetch(self, client_id: str) -> Mapping[str, Any]:
        """Return the client metadata that the document at ``client_id`` declares, checked.

        Raises:
            OAuthError: ``invalid_client``, there is no usable document.
        """
        ...


class Clients:
    """Every known client; a client ID metadata document is fetched when first seen, and again when it has aged."""

    def __init__(self, store: Store, clock: Clock, documents: MetadataDocuments) -> None:
        self._store = store
        self._clock = clock
        self._documents = documents

    def install_pre_registered(self) -> None:
        """Write the pre-registered clients, as this version knows them."""
        with self._store.transaction() as connection:
            for client_id, metadata in PRE_REGISTERED.items():
                self.save(connection, client_id, "pre_registered_public", metadata)

    def get(self, client_id: str) -> Client:
        """Return the client.

        Raises:
            OAuthError: ``invalid_client``, nobody knows it (RFC 6749 §5.2).
        """
        with self._store.transaction() as connection:
            row = connection.execute(_BY_ID, {"named": client_id}).one_or_none()
        if row is not None and not self._aged(row):
            return _to_client(row)
        if not client_id.startswith("https://"):
            raise OAuthError("invalid_client", "the client is not known here")
        metadata = self._documents.fetch(client_id)
        with self._store.transaction() as connection:
            return self.save(connection, client_id, "client_id_metadata_document", metadata)

    def known(self, connection: Connection, client_id: str) -> Client | None:
        """Return the client if it is stored; nothing is fetched."""
        row = connection.execute(_BY_ID, {"named": client_id}).one_or_none()
        return None if row is None else _to_client(row)

    def save(
        self,
        connection: Connection,
        client_id: str,
        mode: RegistrationMode,
        metadata: Mapping[str, Any],
        *,
        subject_id: str | None = None,
    ) -> Client:
        """Write a client, or its metadata anew."""
        now = self._clock.now()
        written = json.dumps(metadata, separators=(",", ":"))
        fetched_at = now if mode == "client_id_metadata_document" else None
        anew = update(clients).where(clients.c.client_id == client_id).values(metadata=written, fetched_at=fetched_at)
        if connection.execute(anew).rowcount == 0:
            try:
                with connection.begin_nested():
                    connection.execute(
                        insert(clients).values(
                            client_id=client_id,
                            registration_mode=mode,
                            metadata=written,
                            subject_id=subject_id,
                            issued_at=now,
                            fetched_at=fetched_at,
                        )
                    )
            except IntegrityError:
                connection.execute(anew)  # another request wrote the client at the same moment
        return _to_client(connection.execute(_BY_ID, {"named": client_id}).one())

    def count(self, connection: Connection) -> int:
        """Return how many clients are stored."""
        return connection.execute(select(func.count()).select_from(clients)).scalar_one()

    def remove(self, connection: Connection, client_id: str) -> bool:
        """Remove a client with all its requests, grants and tokens; return whether there was one."""
        for table in (tokens, grants, authorization_requests):
            connection.execute(delete(table).where(table.c.client_id == client_id))
        return connection.execute(delete(clients).where(clients.c.client_id == client_id)).rowcount == 1

    def _aged(self, row: Row[Any]) -> bool:
        return row.fetched_at is not None and row.fetched_at + METADATA_DOCUMENT_LIFETIME_SECONDS < self._clock.now()


def _to_client(row: Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        registration_mode=row.registration_mode,
        metadata=json.loads(row.metadata),
        subject_id=row.subject_id,
        issued_at=row.issued_at,
    )
