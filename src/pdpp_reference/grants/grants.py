"""Grants: made when an approved request is redeemed, listed for the owner, revoked with every token they carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from pdpp_reference.clock import Clock
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.authorization_details import AuthorizationDetail, details_from_text, details_to_text
from pdpp_reference.secrets_at_rest import new_identifier
from pdpp_reference.storage.tables import grants


class Grants:
    """The grants, read and changed within the caller's transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._in_force = {
            column: select(grants)
            .where(grants.c[column] == bindparam("wanted"), grants.c.revoked_at.is_(None))
            .order_by(grants.c.id)
            for column in ("id", "package_id")
        }

    def create(
        self,
        connection: Connection,
        *,
        request_id: str,
        client_id: str,
        subject_id: str,
        resource: str,
        details: Sequence[AuthorizationDetail],
    ) -> tuple[Grant, ...]:
        """Make one grant an entry; two or more share a package."""
        package_id = new_identifier("gpkg_") if len(details) > 1 else None
        made = tuple(
            Grant(
                id=new_identifier("grt_"),
                package_id=package_id,
                client_id=client_id,
                subject_id=subject_id,
                detail=detail,
                resource=resource,
                created_at=self._clock.now(),
                revoked_at=None,
            )
            for detail in details
        )
        for grant in made:
            connection.execute(
                insert(grants),
                {
                    "id": grant.id,
                    "package_id": package_id,
                    "client_id": client_id,
                    "subject_id": subject_id,
                    "request_id": request_id,
                    "detail": details_to_text([grant.detail]),
                    "resource": resource,
                    "created_at": grant.created_at,
                },
            )
        return made

    def of_token(self, connection: Connection, *, grant_id: str | None, package_id: str | None) -> tuple[Grant, ...]:
        """Return the grants in force behind a token that names one grant or one package; empty where none is."""
        wanted = package_id if package_id is not None else grant_id
        if wanted is None:
            return ()
        column = "id" if package_id is None else "package_id"
        return tuple(_to_grant(row) for row in connection.execute(self._in_force[column], {"wanted": wanted}))

    def of_owner(self, connection: Connection, subject_id: str) -> tuple[Grant, ...]:
        """Return every grant the owner ever gave, newest first."""
        rows = connection.execute(
            select(grants).where(grants.c.subject_id == subject_id).order_by(grants.c.created_at.desc(), grants.c.id)
        )
        return tuple(_to_grant(row) for row in rows)

    def by_id(self, connection: Connection, grant_id: str) -> Grant | None:
        """Find a grant by its id."""
        row = connection.execute(select(grants).where(grants.c.id == grant_id)).one_or_none()
        return None if row is None else _to_grant(row)

    def revoke(self, connection: Connection, grant_id: str) -> bool:
        """Revoke one grant; return whether it was in force until now.

        Tokens bound to it are dead from the same moment, because a token is active only while its grant is; of a
        package the other grants stay in force.
        """
        changed = connection.execute(
            update(grants)
            .where(grants.c.id == grant_id, grants.c.revoked_at.is_(None))
            .values(revoked_at=self._clock.now())
        )
        return changed.rowcount == 1


def _to_grant(row: Row[Any]) -> Grant:
    (detail,) = details_from_text(row.detail)
    return Grant(
        id=row.id,
        package_id=row.package_id,
        client_id=row.client_id,
        subject_id=row.subject_id,
        detail=detail,
        resource=row.resource,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
