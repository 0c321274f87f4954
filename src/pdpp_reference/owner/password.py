"""The owner, and the owner's password."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import insert, select, update

from pdpp_reference.clock import Clock
from pdpp_reference.secrets_at_rest import new_identifier
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import owner_sessions, owners

RFC_9106_LOW_MEMORY = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
"""Argon2id with the second recommended parameters of RFC 9106 §4: 64 MiB, 3 passes, 4 lanes."""


class Owners:
    """The deployment's one owner, under a subject id that is drawn once and never changes."""

    def __init__(self, store: Store, clock: Clock, hasher: PasswordHasher = RFC_9106_LOW_MEMORY) -> None:
        self._store = store
        self._clock = clock
        self._hasher = hasher

    def exists(self) -> bool:
        """Whether the owner was ever given a password."""
        with self._store.transaction() as connection:
            return connection.execute(select(owners.c.subject_id)).first() is not None

    def set_password(self, password: str) -> str:
        """Give the owner this password; return the subject id.

        The password already stored changes nothing. Another one ends every session.
        """
        if (subject_id := self.verify(password)) is not None:
            return subject_id
        password_hash = self._hasher.hash(password)
        with self._store.transaction() as connection:
            subject_id = connection.execute(select(owners.c.subject_id)).scalar_one_or_none()
            if subject_id is None:
                subject_id = new_identifier("sub_")
                connection.execute(insert(owners).values(subject_id=subject_id, password_hash=password_hash))
            else:
                connection.execute(update(owners).values(password_hash=password_hash))
                connection.execute(
                    update(owner_sessions).where(owner_sessions.c.ended_at.is_(None)).values(ended_at=self._clock.now())
                )
        return subject_id

    def verify(self, password: str) -> str | None:
        """Return the owner's subject id if ``password`` is the owner's, in the time argon2 takes."""
        with self._store.transaction() as connection:
            owner = connection.execute(select(owners)).one_or_none()
        if owner is None:
            return None
        try:
            self._hasher.verify(owner.password_hash, password)
        except VerificationError:
            return None
        return str(owner.subject_id)
