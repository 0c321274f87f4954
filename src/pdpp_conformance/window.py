"""The verification window: who verifies a live deployment, since when and within which bounds; one at a time.

A window is a record and a lock. The lock goes with its process, however that ends; the record stays. So an open record
whose lock is free tells of a run that crashed, and nobody takes over from it unseen: it may have left something on the
deployment. A person can declare a window, too; it has no process, and the declarer's own runs go on inside it.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlsplit

import jsonschema
import psutil

from pdpp_conformance.report.text import one_line
from pdpp_conformance.specification import load_schema

_MOST_TEXT = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAME_START_SECONDS = 2.0
"""How far two readings of one process's start may lie apart."""


class WindowError(Exception):
    """The window cannot be used; the message is one sentence with the next step."""


class WindowRefused(WindowError):
    """Another window on the same target is open, or was left open."""


@dataclass(frozen=True)
class Record:
    """What a window says of itself, while it is open and for good (``window`` in schemas/run.schema.json)."""

    id: str
    origin: str
    operator: str
    host: str
    pid: int | None
    """``None`` for a window that a person declared."""
    process_started: float | None
    """When the process began, in seconds since the epoch: process ids are used again."""
    started: str
    scope: str
    expected_duration_s: float
    boundaries: tuple[str, ...] = ()
    report_dir: str | None = None
    ended: str | None = None
    outcome: str | None = None
    residue: tuple[str, ...] = ()
    reason: str | None = None
    """Why somebody closed it who was not its own process."""
    run: Record | None = None
    """The run that goes on, or went on last, inside a declared window."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Record:
        """Read a record.

        Raises:
            ValueError: it does not fit the schema.
        """
        definitions = load_schema("run")["$defs"]
        schema = {"$ref": "#/$defs/window", "$defs": definitions}
        if not jsonschema.Draft202012Validator(schema).is_valid(content):
            raise ValueError("no record of a window")
        run = content["run"]
        lists = {name: tuple(content[name]) for name in ("boundaries", "residue")}
        return cls(**{**content, **lists, "run": None if run is None else cls.from_json(run)})

    @property
    def is_open(self) -> bool:
        return self.ended is None

    @property
    def expected_end(self) -> str:
        """When it should be over."""
        began = datetime.fromisoformat(self.started)
        return _written(began + timedelta(seconds=self.expected_duration_s))


class State(Enum):
    """How it stands with a target's window."""

    FREE = "free"
    DECLARED = "declared"
    RUNNING = "running"
    CRASHED = "crashed"


class Place(Protocol):
    """Where a target's window is kept: its record, and the lock that one process at a time can hold."""

    def lock(self) -> bool:
        """Take the lock until :meth:`unlock` or the end of this process; return whether nobody else has it."""
        ...

    def unlock(self) -> None:
        """Give the lock back."""
        ...

    def read(self) -> Record | None:
        """Return the record of the last window, open or closed."""
        ...

    def write(self, record: Record) -> None:
        """Replace the record."""
        ...


def origin_key(url: str) -> str:
    """Return what all spellings of a URL's origin have in common (RFC 6454 §4, §6.2)."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    with suppress(UnicodeError):
        host = host.encode("idna").decode("ascii")
    named = f"[{host}]" if ":" in host else host
    port = parts.port
    return f"{parts.scheme}://{named}" + ("" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def operator_named(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> str:
    """Return who answers for a window: the environment's word, the target file's, else the name of the OS user."""
    named = environment.get("PDPP_WINDOW_OPERATOR") or settings.get("operator")
    if not named:
        try:
            named = getpass.getuser()
        except (KeyError, OSError):  # a container's user may have no name
            named = f"user {os.getuid()}"
    return one_line(str(named), _MOST_TEXT)


def new_record(
    url: str,
    *,
    operator: str,
    scope: str,
    expected_duration_s: float,
    boundaries: Sequence[str] = (),
    report_dir: str | None = None,
    declared: bool = False,
) -> Record:
    """Return the record of a window that begins now, in this process unless it is only ``declared``."""
    return Record(
        id=secrets.token_hex(8),
        origin=origin_key(url),
        operator=operator,
        host=one_line(socket.gethostname(), _MOST_TEXT),
        pid=None if declared else os.getpid(),
        process_started=None if declared else psutil.Process().create_time(),
        started=_written(datetime.now(UTC)),
        scope=one_line(scope, _MOST_TEXT),
        expected_duration_s=expected_duration_s,
        boundaries=tuple(one_line(boundary, _MOST_TEXT) for boundary in boundaries),
        report_dir=report_dir,
    )


def process_lives(host: str, pid: int, process_started: float) -> bool:
    """Whether that very process is still there; one on another machine is not seen."""
    if host != one_line(socket.gethostname(), _MOST_TEXT):
        return False
    try:
        return abs(psutil.Process(pid).create_time() - process_started) < _SAME_START_SECONDS
    except psutil.Error:
        return False


def state_of(record: Record | None, *, locked: bool) -> State:
    """Tell how it stands with a window.

    Args:
        locked: whether some process holds the lock.
    """
    if locked:
        return State.RUNNING
    if record is None or not record.is_open:
        return State.FREE
    holder = record if record.pid is not None else record.run
    if holder is None or not holder.is_open or holder.pid is None or holder.process_started is None:
        return State.DECLARED
    # The lock can get lost, as when somebody tidies the folder up; the process is there all the same.
    lives = process_lives(holder.host, holder.pid, holder.process_started)
    return State.RUNNING if lives else State.CRASHED


def look(place: Place) -> tuple[State, Record | None]:
    """Return how it stands with the window at ``place``, and its last record."""
    free = place.lock()
    try:
        record = place.read()
    finally:
        if free:
            place.unlock()
    return state_of(record, locked=not free), record


class Window:
    """A window that this process holds open."""

    def __init__(self, place: Place, record: Record, declared: Record | None) -> None:
        self.record = record
        self._place = place
        self._declared = declared

    @classmethod
    def open(cls, place: Place, record: Record) -> Window:
        """Take the lock and write the record down, inside the window that the same operator declared if there is one.

        Raises:
            WindowRefused: another window is open, or a run crashed in one.
        """
        if not place.lock():
            raise WindowRefused(refusal(State.RUNNING, place.read(), record.origin))
        declared = None
        try:
            last = place.read()
            state = state_of(last, locked=False)
            if state is State.DECLARED and last is not None:
                own = (last.operator, last.host) == (record.operator, record.host)
                declared = last if own else None
            if declared is not None or state is State.FREE:
                place.write(record if declared is None else replace(declared, run=record))
                return cls(place, record, declared)
        except BaseException:
            place.unlock()
            raise
        place.unlock()
        raise WindowRefused(refusal(state, last, record.origin))

    @classmethod
    def resume(cls, place: Place, window_id: str) -> Window | None:
        """Take over the window of a run that crashed; ``None`` where it is not, or no more, what stands there.

        Raises:
            WindowRefused: some process holds the lock.
        """
        if not place.lock():
            raise WindowRefused(refusal(State.RUNNING, place.read(), "the target"))
        last = place.read()
        if last is not None and state_of(last, locked=False) is State.CRASHED:
            if last.id == window_id:
                return cls(place, last, None)
            if last.run is not None and last.run.id == window_id:
                return cls(place, last.run, last)
        place.unlock()
        return None

    def is_held(self, place: Place) -> bool:
        """Whether, seen from elsewhere, this window keeps everybody out.

        Args:
            place: where it is kept, opened anew.
        """
        state, seen = look(place)
        ids = set() if seen is None else {seen.id, seen.run.id if seen.run is not None else None}
        return state is State.RUNNING and self.record.id in ids

    def leave_open(self) -> None:
        """Give the lock back and leave the record as it is: what was to be done in the window is not done."""
        self._place.unlock()

    def closed(self, outcome: str, residue: Sequence[str], *, reason: str | None = None) -> Record:
        """Return the record as it stands when the window is closed now."""
        return closed(self.record, outcome, residue, reason=reason)

    def close(self, record: Record) -> None:
        """Write the closed record down and give the lock back.

        Raises:
            WindowError: the record cannot be written; the window then counts as crashed.
        """
        try:
            if self._declared is None:
                self._place.write(record)
            else:
                left = (*self._declared.residue, *record.residue)
                self._place.write(replace(self._declared, residue=left, run=record))
        finally:
            self._place.unlock()


def closed(record: Record, outcome: str, residue: Sequence[str] = (), *, reason: str | None = None) -> Record:
    """Return a record as closed now."""
    return replace(
        record,
        ended=_written(datetime.now(UTC)),
        outcome=outcome,
        residue=(*record.residue, *residue),
        reason=None if reason is None else one_line(reason, _MOST_TEXT),
    )


def declare(place: Place, url: str, *, operator: str, scope: str, expected_duration_s: float) -> Record:
    """Open a window that no process holds: it stays open until it is closed by hand.

    Raises:
        WindowRefused: a window is open, or a run crashed in one.
    """
    record = new_record(url, operator=operator, scope=scope, expected_duration_s=expected_duration_s, declared=True)
    if not place.lock():
        raise WindowRefused(refusal(State.RUNNING, place.read(), record.origin))
    try:
        last = place.read()
        state = state_of(last, locked=False)
        if state is not State.FREE:
            raise WindowRefused(refusal(state, last, record.origin))
        place.write(record)
    finally:
        place.unlock()
    return record


def close_by_hand(place: Place, origin: str, operator: str, reason: str | None) -> Record:
    """Close a window that no process holds: one's own declared window, or, with a reason, any that was left open.

    Raises:
        WindowError: there is none, a run is still going on in it, or a reason is wanting.
    """
    if not place.lock():
        raise WindowRefused(refusal(State.RUNNING, place.read(), origin))
    try:
        last = place.read()
        state = state_of(last, locked=False)
        if last is None or state is State.FREE:
            raise WindowError(f"there is no open window on {origin}; nothing is to be done")
        if state is State.RUNNING:
            raise WindowRefused(refusal(state, last, origin))
        own = last.operator == operator and state is State.DECLARED
        if not own and not (reason or "").strip():
            raise WindowError(f"{_who(last)} left the window on {origin} open; say why you close it with --reason")
        crashed = state is State.CRASHED
        left = [_may_be_left(last.run or last)] if crashed else []
        run = None if last.run is None or not last.run.is_open else closed(last.run, "crashed", reason=reason)
        record = closed(replace(last, run=run or last.run), "crashed" if crashed else "closed", left, reason=reason)
        place.write(record)
        return record
    finally:
        place.unlock()


def refusal(state: State, record: Record | None, origin: str) -> str:
    """Say in one sentence who holds a window and since when, and what to do next."""
    if record is None or not record.is_open:
        return f"the verification window on {origin} is being opened by another process; try again in a moment"
    where = one_line(record.origin, _MOST_TEXT)
    if state is State.RUNNING:
        run = record.run if record.run is not None and record.run.is_open else record
        return (
            f"the verification window on {where} is held by {_who(run)} since {run.started} "
            f"({one_line(run.scope, 80)}); wait for its end, expected by {run.expected_end}, or ask them to end it"
        )
    if state is State.DECLARED:
        return (
            f"the verification window on {where} was declared by {_who(record)} at {record.started} "
            f"({one_line(record.scope, 80)}), until about {record.expected_end}; ask them to close it"
        )
    run = record.run if record.pid is None and record.run is not None else record
    remedy = f"run `pdpp cleanup {one_line(run.report_dir, _MOST_TEXT)}`, or " if run.report_dir else ""
    return (
        f"a run by {_who(run)}, begun {run.started}, ended without closing its verification window on {where} and may "
        f"have left clients and tokens there: {remedy}`pdpp window close {where} --reason WHY` once you have seen to it"
    )


def describe(state: State, record: Record | None, origin: str) -> str:
    """Say how it stands with a window, for ``pdpp window status``."""
    if record is None:
        return f"no verification window was ever opened on {origin}"
    if state is State.FREE:
        left = f"; left on the target: {len(record.residue)}" if record.residue else ""
        why = f" ({one_line(record.reason, _MOST_TEXT)})" if record.reason else ""
        return (
            f"free: the last window on {origin}, of {_who(record)}, was open from {record.started} to {record.ended}; "
            f"outcome: {one_line(record.outcome or 'none', 80)}{why}{left}"
        )
    return f"{state.value}: {refusal(state, record, origin)}"


def _who(record: Record) -> str:
    process = "" if record.pid is None else f"process {record.pid} "
    return f"{one_line(record.operator, 80)} ({process}on {one_line(record.host, 80)})"


def _may_be_left(record: Record) -> str:
    where = f"; see {one_line(record.report_dir, _MOST_TEXT)}" if record.report_dir else ""
    return f"whatever the run that crashed had made{where}"


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
