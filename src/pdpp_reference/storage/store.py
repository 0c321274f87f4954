"""The database: opened from its URL, migrated, and used in short write transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import alembic.command
import alembic.config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

_BUSY_TIMEOUT_SECONDS = 10
_BUSY_PAUSE_SECONDS = 0.01

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
"""How a URL may name a database, and the driver that serves it."""

_MIGRATING = crc32(b"pdpp_reference migrations")
"""The PostgreSQL advisory lock that one migrating server holds."""


class StorageError(Exception):
    """The database cannot be opened; the message is one sentence without credentials."""


class Store:
    """A handle on the database.

    On SQLite a transaction takes the write lock when it begins, so that two of them never deadlock half-way; on
    PostgreSQL conditional updates under READ COMMITTED give the same single winner.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection; commit at the end, roll back on any exception."""
        with self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def open_store(url: str, *, survives_power_loss: bool = True) -> Store:
    """Open the database at ``url`` (``sqlite://`` in memory, ``sqlite:///file``, ``postgresql://…``) and migrate it.

    Args:
        survives_power_loss: whether SQLite waits for the disk at each commit. What was committed survives the end of
            this process in any case.

    Raises:
        StorageError: the URL is no database URL, or the database cannot be opened or migrated.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StorageError("the database URL is not one: use sqlite:///file or postgresql://…") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise StorageError("the database is neither SQLite nor PostgreSQL: use sqlite:///file or postgresql://…")
    parsed = parsed.set(drivername=driver)
    if driver == "sqlite+pysqlite" and (parsed.host or parsed.username or parsed.query):
        raise StorageError("an SQLite URL has no host and no parameters: use sqlite:///file")
    engine = _sqlite_engine(parsed, survives_power_loss) if driver == "sqlite+pysqlite" else create_engine(parsed)
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except (SQLAlchemyError, CommandError, OSError) as error:
        engine.dispose()
        raise StorageError(f"the database cannot be opened: {type(error).__name__}; check --database") from error
    return Store(engine)


def _sqlite_engine(url: URL, survives_power_loss: bool) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    # One connection serves a database in memory, handed from transaction to transaction by the pool.
    size = {"pool_size": 1, "max_overflow": 0} if in_memory else {"pool_size": 8, "max_overflow": 8}
    engine = create_engine(
        url,
        poolclass=QueuePool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_SECONDS},
        **size,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred; ours below is not
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        _write_ahead(cursor)
        cursor.execute(f"PRAGMA synchronous={'FULL' if survives_power_loss else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Have the database kept in write-ahead mode, and wait where another connection is about to do the same.

    SQLite waits for a lock only where no lock is held yet; of two connections that change the mode of one new database
    together, one is told at once that it is locked, whatever the busy timeout.
    """
    until = time.monotonic() + _BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two servers that start together on one empty database: the second one waits. SQLite's write lock does it too.
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
