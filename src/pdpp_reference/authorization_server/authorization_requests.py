"""The life of a request for the owner's decision: its states, and who may change them.

The rules of this file:

  - A request is pending until the owner decides or its time runs out; an approved one is redeemed once or runs out too.
  - What is decided, redeemed or expired never changes again.
  - The owner fires APPROVE and DENY, the client REDEEM, the clock EXPIRE. Nobody else changes a state, and nothing
    outside :meth:`AuthorizationRequests.fire` does.
  - Every transition is one conditional UPDATE; whoever changed the row has won, on SQLite and on PostgreSQL alike.
  - A request belongs to one flow and to one kind from its first row on: a device code is never found by the
    authorization-code flow, nor the other way round, and the kind of the token is read from the row alone.

                 APPROVE            REDEEM
      PENDING ------------> APPROVED ------> REDEEMED
        |  |                   |
        |  | DENY              | EXPIRE
        |  +------> DENIED     v
        +---------------> EXPIRED
              EXPIRE
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from sqlalchemy import BindParameter, Connection, Row, Select, Update, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pdpp_reference.clock import Clock
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.access import TokenKind
from pdpp_reference.grants.authorization_details import (
    AuthorizationDetail,
    details_from_text,
    details_to_text,
)
from pdpp_reference.secrets_at_rest import digest, new_identifier
from pdpp_reference.storage.tables import authorization_requests, clients

Flow = Literal["device_authorization", "authorization_code"]
RequestKind = Literal["grant_scoped_mcp", "trusted_owner_agent"]

TOKEN_KIND_OF: Mapping[RequestKind, TokenKind] = {"grant_scoped_mcp": "client", "trusted_owner_agent": "owner"}

FORGET_AFTER_SECONDS = 24 * 3600
"""How long a finished request is remembered, so that a late poll still learns how it ended."""


class State(Enum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    REDEEMED = "redeemed"
    EXPIRED = "expired"


class Event(Enum):
    """What can happen to a request."""

    APPROVE = "approve"
    DENY = "deny"
    REDEEM = "redeem"
    EXPIRE = "expire"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.PENDING, Event.APPROVE): State.APPROVED,
    (State.PENDING, Event.DENY): State.DENIED,
    (State.PENDING, Event.EXPIRE): State.EXPIRED,
    (State.APPROVED, Event.REDEEM): State.REDEEMED,
    (State.APPROVED, Event.EXPIRE): State.EXPIRED,
}


class DuplicateUserCode(Exception):
    """The fresh user code is in use; draw another."""


@dataclass(frozen=True)
class AuthorizationRequest:
    """One row of the state table, as it stood when it was read."""

    id: str
    flow: Flow
    request_kind: RequestKind
    token_kind: TokenKind
    client_id: str
    state: State
    resource: str
    authorization_details: tuple[AuthorizationDetail, ...] | None
    """As requested; once approved, as approved. ``None`` where the owner is to choose, and for the owner kind."""
    created_at: float
    expires_at: float
    subject_id: str | None
    interval: int | None
    last_polled_at: float | None
    redirect_uri: str | None
    state_parameter: str | None
    code_challenge: str | None


class AuthorizationRequests:
    """The state table, read and changed within the caller's transaction.

    What nearly every request asks the database is written once: putting a statement together takes longer than SQLite
    takes to answer it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        columns = authorization_requests.c
        self._by_id = select(authorization_requests).where(columns.id == bindparam("wanted"))
        self._by_credential = {
            column: select(authorization_requests).where(
                columns.flow == bindparam("wanted_flow"), columns[column] == bindparam("wanted")
            )
            for column in ("device_code_digest", "user_code_digest", "request_uri_digest", "code_digest")
        }
        self._firing = {event: _firing(event) for event in Event}

    def stage(
        self,
        connection: Connection,
        *,
        flow: Flow,
        request_kind: RequestKind,
        client_id: str,
        resource: str,
        authorization_details: tuple[AuthorizationDetail, ...] | None,
        lifetime: int,
        **transport: Any,
    ) -> str:
        """Write a pending request that lives ``lifetime`` seconds; return its id.

        Args:
            transport: the columns that belong to the flow (device and user code digests, or request URI and PKCE).

        Raises:
            DuplicateUserCode: another request has this user code.
            OAuthError: ``invalid_client``, the client was removed in the meantime.
        """
        now = self._clock.now()
        connection.execute(
            delete(authorization_requests).where(authorization_requests.c.expires_at < now - FORGET_AFTER_SECONDS)
        )
        request_id = new_identifier("req_")
        try:
            with connection.begin_nested():
                connection.execute(
                    insert(authorization_requests),
                    {
                        "id": request_id,
                        "flow": flow,
                        "request_kind": request_kind,
                        "token_kind": TOKEN_KIND_OF[request_kind],
                        "client_id": client_id,
                        "state": State.PENDING.value,
                        "resource": resource,
                        "authorization_details": None
                        if authorization_details is None
                        else details_to_text(authorization_details),
                        "created_at": now,
                        "expires_at": now + lifetime,
                        **transport,
                    },
                )
        except IntegrityError:
            known = connection.execute(select(clients.c.client_id).where(clients.c.client_id == client_id))
            if known.one_or_none() is None:
                raise OAuthError("invalid_client", "the client is not known here") from None
            raise DuplicateUserCode from None
        return request_id

    def by_device_code(self, connection: Connection, device_code: str) -> AuthorizationRequest | None:
        """Find the device authorization that ``device_code`` redeems, whatever its state."""
        return self._find(connection, "device_authorization", "device_code_digest", device_code)

    def by_user_code(self, connection: Connection, user_code: str) -> AuthorizationRequest | None:
        """Find the device authorization that ``user_code`` (in capitals, without separators) names."""
        return self._find(connection, "device_authorization", "user_code_digest", user_code)

    def by_request_uri(self, connection: Connection, request_uri: str) -> AuthorizationRequest | None:
        """Find the authorization-code request staged under ``request_uri`` (RFC 9126 §2.2)."""
        return self._find(connection, "authorization_code", "request_uri_digest", request_uri)

    def by_code(self, connection: Connection, code: str) -> AuthorizationRequest | None:
        """Find the authorization-code request that ``code`` redeems, whatever its state."""
        return self._find(connection, "authorization_code", "code_digest", code)

    def by_id(self, connection: Connection, request_id: str) -> AuthorizationRequest | None:
        """Find a request by its public id."""
        return self._read(connection, self._by_id, {"wanted": request_id})

    def fire(self, connection: Connection, request_id: str, event: Event, **values: Any) -> bool:
        """Let ``event`` happen to a request; return whether it did.

        It happens only from a state that has the transition, and only on the right side of the request's expiry.
        """
        changed = connection.execute(self._firing[event], {"wanted": request_id, "now": self._clock.now(), **values})
        return changed.rowcount == 1

    def note_poll(self, connection: Connection, request: AuthorizationRequest, *, slow_down_by: int) -> bool:
        """Record a poll of a pending request, its interval grown by ``slow_down_by`` seconds.

        Returns whether this poll was the one recorded: of two that arrive together, one.
        """
        columns = authorization_requests.c
        changed = connection.execute(
            update(authorization_requests)
            .where(
                columns.id == request.id,
                columns.state == State.PENDING.value,
                columns.last_polled_at.is_not_distinct_from(request.last_polled_at),
                columns.interval == request.interval,
            )
            .values(last_polled_at=self._clock.now(), interval=columns.interval + slow_down_by)
        )
        return changed.rowcount == 1

    def _find(self, connection: Connection, flow: Flow, column: str, credential: str) -> AuthorizationRequest | None:
        wanted = {"wanted_flow": flow, "wanted": digest(credential)}
        return self._read(connection, self._by_credential[column], wanted)

    def _read(
        self, connection: Connection, statement: Select[Any], wanted: Mapping[str, object]
    ) -> AuthorizationRequest | None:
        row = connection.execute(statement, wanted).one_or_none()
        if row is not None and row.expires_at <= self._clock.now():
            # Read again even where nothing was fired: another request may have been faster.
            self.fire(connection, row.id, Event.EXPIRE)
            row = connection.execute(statement, wanted).one_or_none()
        return None if row is None else _to_request(row)


def _firing(event: Event) -> Update:
    """Return the conditional UPDATE that lets an event happen: to the request ``wanted``, at the time ``now``."""
    columns = authorization_requests.c
    sources = [state.value for state, fired in TRANSITIONS if fired is event]
    (target,) = {reached for (_, fired), reached in TRANSITIONS.items() if fired is event}
    now: BindParameter[float] = bindparam("now")
    in_time = columns.expires_at <= now if event is Event.EXPIRE else columns.expires_at > now
    return (
        update(authorization_requests)
        .where(columns.id == bindparam("wanted"), columns.state.in_(sources), in_time)
        .values(state=target.value)
    )


def _to_request(row: Row[Any]) -> AuthorizationRequest:
    return AuthorizationRequest(
        id=row.id,
        flow=row.flow,
        request_kind=row.request_kind,
        token_kind=row.token_kind,
        client_id=row.client_id,
        state=State(row.state),
        resource=row.resource,
        authorization_details=None
        if row.authorization_details is None
        else details_from_text(row.authorization_details),
        created_at=row.created_at,
        expires_at=row.expires_at,
        subject_id=row.subject_id,
        interval=row.interval,
        last_polled_at=row.last_polled_at,
        redirect_uri=row.redirect_uri,
        state_parameter=row.state_parameter,
        code_challenge=row.code_challenge,
    )
