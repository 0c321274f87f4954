"""Where verification windows are kept: in a folder, for one machine or a shared disk, or in PostgreSQL, for a team."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from pdpp_conformance.window import Place, Record, WindowError, origin_key

if TYPE_CHECKING:
    import psycopg

DIRECTORY_VARIABLE = "PDPP_WINDOW_DIRECTORY"
DATABASE_VARIABLE = "PDPP_WINDOW_DATABASE"

_MOST_RECORD_BYTES = 256 * 1024
_CONNECT_SECONDS = 10
_TABLE = "pdpp_verification_windows"


def place_of(url: str, settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Place:
    """Return where the window of the target at ``url`` is kept.

    Args:
        settings: ``window`` of the target file; the environment's PDPP_WINDOW_DIRECTORY and PDPP_WINDOW_DATABASE win.

    Raises:
        WindowError: that place cannot be used.
    """
    origin = origin_key(url)
    database = database_of(settings, environment)
    if database is not None:
        return DatabasePlace(database, origin)
    named = environment.get(DIRECTORY_VARIABLE) or settings.get("directory")
    return FolderPlace(state_directory() if named is None else Path(named).expanduser(), origin, shared=bool(named))


def state_directory() -> Path:
    """Return the folder of this user in which the harness keeps what outlives a run."""
    return user_state_path("pdpp", appauthor=False) / "windows"


def database_of(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the connection string of the database that keeps windows, if one does.

    Raises:
        WindowError: it is none, or the target file holds a password in it.
    """
    from_environment = environment.get(settings.get("database_env", DATABASE_VARIABLE))
    written: str | None = from_environment or settings.get("database")
    if not written:
        return None
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(written)
    except ProgrammingError:
        raise WindowError(
            "window.database is no connection string of PostgreSQL; write postgresql://user@host/database"
        ) from None
    if parts.get("password") and not from_environment:
        raise WindowError(
            "window.database carries a password; leave it to PGPASSWORD or a password file, or put the whole "
            f"connection string into {DATABASE_VARIABLE} or the variable that window.database_env names"
        )
    return written


class FolderPlace:
    """A window kept in a folder: a lock file and, beside it, the record.

    Args:
        shared: other users of this machine are to read and to lock, too.
    """

    def __init__(self, folder: Path, origin: str, *, shared: bool) -> None:
        readable = re.sub(r"[^a-z0-9.-]", "_", origin.partition("://")[2])[:80]
        stem = f"{readable}-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"
        self._folder = folder
        self._record = folder / f"{stem}.json"
        self._mode = 0o666 if shared else 0o600
        self._lock_file = folder / f"{stem}.lock"
        self._shared = shared
        self._lock: FileLock | None = None

    def lock(self) -> bool:
        with self._usable():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o777 if self._shared else 0o700)
            lock = FileLock(self._lock_file, timeout=0, mode=self._mode, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                return False
        self._lock = lock
        return True

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def read(self) -> Record | None:
        with self._usable():
            if not self._record.exists():
                return None
            with self._record.open("rb") as file:
                return _read(file.read(_MOST_RECORD_BYTES).decode("utf-8", "replace"), str(self._record))

    def write(self, record: Record) -> None:
        fresh = self._record.with_suffix(".json.new")
        with self._usable():
            fresh.unlink(missing_ok=True)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode), "w") as file:  # noqa: PTH123
                json.dump(record.to_json(), file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._record)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, NotImplementedError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise WindowError(
                f"the folder of verification windows {self._folder} cannot be used ({why}); "
                f"set window.directory in the target file, or {DIRECTORY_VARIABLE}"
            ) from None


class DatabasePlace:
    """A window kept in PostgreSQL: a session's advisory lock, and a row with the record.

    The lock goes with the connection, so that must lead to the server itself: a pooler that hands connections round
    loses it.
    """

    def __init__(self, database: str, origin: str) -> None:
        self._database = database
        self._origin = origin
        digest = hashlib.sha256(f"pdpp verification window {origin}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._held: psycopg.Connection[Any] | None = None

    def lock(self) -> bool:
        with self._usable():
            connection = self._connect()
            got = connection.execute("SELECT pg_try_advisory_lock(%s)", (self._key,)).fetchone()
            if got is None or not got[0]:
                connection.close()
                return False
            self._held = connection
            return True

    def unlock(self) -> None:
        if self._held is not None:
            self._held.close()  # and the lock with it
            self._held = None

    def read(self) -> Record | None:
        with self._connected() as connection:
            if connection.execute("SELECT to_regclass(%s)", (_TABLE,)).fetchone() == (None,):
                return None
            row = connection.execute(f"SELECT record FROM {_TABLE} WHERE origin = %s", (self._origin,)).fetchone()  # noqa: S608
            return None if row is None else _read(str(row[0]), f"the table {_TABLE}")

    def write(self, record: Record) -> None:
        with self._connected() as connection, connection.transaction():
            # Two that create a table at once: IF NOT EXISTS fails for one of them.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (_TABLE,))
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (origin text PRIMARY KEY, record text NOT NULL)")
            connection.execute(
                f"INSERT INTO {_TABLE} VALUES (%s, %s) ON CONFLICT (origin) DO UPDATE SET record = excluded.record",  # noqa: S608
                (self._origin, json.dumps(record.to_json())),
            )

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        connection = psycopg.connect(
            self._database,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            keepalives_idle=30,
            application_name="pdpp verification window",
        )
        # A long wait must not lose the lock; before PostgreSQL 14 there is no such limit.
        connection.execute("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'")
        return connection

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection that holds the lock, or one for the moment."""
        with self._usable():
            if self._held is not None:
                yield self._held
            else:
                with self._connect() as connection:
                    yield connection

    @contextmanager
    def _usable(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            # Its message may name the user and the host; what went wrong is told without.
            raise WindowError(
                f"the database of verification windows cannot be used ({type(error).__name__}); check window.database, "
                "that it can be reached, and that its user may create a table there"
            ) from None


def _read(text: str, where: str) -> Record:
    try:
        return Record.from_json(json.loads(text))
    except (ValueError, RecursionError):
        raise WindowError(
            f"the record of the verification window in {where} is damaged; remove it when no run goes on"
        ) from None
