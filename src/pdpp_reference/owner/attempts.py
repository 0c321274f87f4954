"""How often somebody may guess a password or a user code wrongly, within a sliding minute (RFC 8628 §5.1)."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select
from starlette.requests import Request

from pdpp_reference.clock import Clock
from pdpp_reference.secrets_at_rest import digest
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import attempts

WINDOW_SECONDS = 60

# Written once, as every page that takes a code comes by: SQLAlchemy builds a statement in longer time than it runs.
_FORGET = delete(attempts).where(attempts.c.at <= bindparam("before"))
_COUNT = insert(attempts).returning(attempts.c.id)
_WITHDRAW = delete(attempts).where(attempts.c.id.in_(bindparam("rows", expanding=True)))
_NEWEST = (
    select(attempts.c.at)
    .where(attempts.c.bucket == bindparam("counted_in"), attempts.c.at > bindparam("since"))
    .order_by(attempts.c.at.desc())
    .limit(bindparam("most"))
)


class TooManyAttempts(Exception):
    """Too many wrong guesses; ``retry_after`` seconds from now the next one is allowed."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many wrong attempts, the next one in {retry_after} seconds")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Attempt:
    """A guess that was admitted and counts as wrong until it is withdrawn."""

    rows: tuple[int, ...]


def buckets_of(what: str, request: Request, cookie: str) -> tuple[str, ...]:
    """Return the buckets a guess counts in: the browser session's and the address's, each on its own.

    Of an IPv6 address the /64 counts, because one subscriber has all of it.
    """
    host = request.client.host if request.client else "unknown"
    return f"{what}/session/{digest(cookie).hex()}", f"{what}/address/{_network(host)}"


class Attempts:
    """Counts wrong guesses by bucket and refuses more than a number of them a minute.

    A guess is written before it is judged and withdrawn when it was right, so that guesses sent in parallel are
    counted as well as those sent one by one. A right guess resets nothing.
    """

    def __init__(self, store: Store, clock: Clock, limit_per_minute: int) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit_per_minute

    def admit(self, buckets: Sequence[str]) -> Attempt:
        """Count one guess in every bucket.

        Raises:
            TooManyAttempts: one of the buckets is full; this guess must not be judged and is not counted.
        """
        now = self._clock.now()
        with self._store.transaction() as connection:
            connection.execute(_FORGET, {"before": now - WINDOW_SECONDS})
            rows = tuple(
                int(connection.execute(_COUNT, {"bucket": bucket, "at": now}).scalar_one()) for bucket in buckets
            )
        attempt = Attempt(rows)
        # In a transaction of its own: by now each of several parallel guesses sees all that came before it.
        with self._store.transaction() as connection:
            wait = max(self._seconds_until_allowed(connection, bucket, now) for bucket in buckets)
        if wait > 0:
            self.withdraw(attempt)
            raise TooManyAttempts(math.ceil(wait))
        return attempt

    def withdraw(self, attempt: Attempt) -> None:
        """Take a guess out of the count: it was right."""
        with self._store.transaction() as connection:
            connection.execute(_WITHDRAW, {"rows": attempt.rows})

    def _seconds_until_allowed(self, connection: Connection, bucket: str, now: float) -> float:
        asked = {"counted_in": bucket, "since": now - WINDOW_SECONDS, "most": self._limit + 1}
        counted = list(connection.execute(_NEWEST, asked).scalars())
        return counted[-1] + WINDOW_SECONDS - now if len(counted) > self._limit else 0.0


def _network(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
