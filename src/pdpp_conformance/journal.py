"""The journal of a run: what it is about to make on the target, written down before it is made.

It lies in the report folder, a line an event, and outlives a SIGKILL. It names clients and grants; tokens stand in it
only sealed, with a key that stays in the operator's own state folder and is removed when nothing is left to be removed.
A report that is passed on gives nobody anything.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdpp_conformance.report.text import one_line

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

NAME = "journal.jsonl"
FORMAT = "pdpp-conformance/journal/1"

_MOST_BYTES = 32 * 1024 * 1024


class JournalError(Exception):
    """The journal cannot be used; the message is one sentence with the next step."""


@dataclass
class Entry:
    """Something that was to be made, and what became of it."""

    number: int
    kind: str
    """``client`` or ``token``."""
    facts: dict[str, Any] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict, repr=False)
    """What it takes to remove it, unsealed."""
    state: str = "about"
    """``about`` (nobody knows whether it was made), ``made``, ``nothing`` (it was not), ``removed`` or ``left``."""

    @property
    def is_open(self) -> bool:
        return self.state in ("about", "made", "left")


class Journal:
    """The journal of one run.

    Args:
        path: the file.
        header: whose run it is and against which target.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.header = dict(header)
        self.entries: dict[int, Entry] = {}
        self.ended = False
        self._path = path
        self._seal: Fernet | None = None
        self._lock = threading.Lock()

    @classmethod
    def begin(cls, directory: Path, about: Mapping[str, Any]) -> Journal:
        """Begin the journal of a run by this process.

        Args:
            about: what a cleaning up has to know of the target.

        Raises:
            JournalError: the file cannot be written.
        """
        import psutil

        header = {
            "journal": FORMAT,
            "id": secrets.token_hex(8),
            "host": one_line(socket.gethostname(), 200),
            "pid": os.getpid(),
            "process_started": psutil.Process().create_time(),
            **about,
        }
        journal = cls(directory / NAME, header)
        journal._path.unlink(missing_ok=True)
        journal._append(header)
        journal._seal = _new_seal(header["id"])
        return journal

    @classmethod
    def read(cls, directory: Path) -> Journal:
        """Read the journal of an earlier run, to go on with it.

        Raises:
            JournalError: there is none, or it is damaged.
        """
        path = directory / NAME
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_BYTES)
            if content and not content.endswith(b"\n"):  # the crash cut the last line off
                with path.open("ab") as file:
                    file.write(b"\n")
        except FileNotFoundError:
            raise JournalError(f"there is no {NAME} in {directory}; give the report folder of a run on a URL") from None
        except OSError as error:
            raise JournalError(f"{path} cannot be read ({error.strerror}); check the report folder") from None
        try:
            lines = content.decode("utf-8", "replace").splitlines()
            journal = cls(path, _checked_header(lines))
            journal._seal = _seal_of(journal.header["id"])
            for line in lines[1:]:
                journal._take(line)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise JournalError(f"{path} is damaged; look up what the run registered, and remove it by hand") from None
        return journal

    @property
    def open_entries(self) -> list[Entry]:
        """What is, or may be, still on the target."""
        return [entry for entry in self.entries.values() if entry.is_open]

    @property
    def is_going_on(self) -> bool:
        """Whether the process of the run is still there."""
        from pdpp_conformance.window import process_lives

        header = self.header
        return not self.ended and process_lives(header["host"], header["pid"], header["process_started"])

    # -- events ------------------------------------------------------------------------------------------------------

    def about_to(self, kind: str, **facts: Any) -> Entry:
        """Note that something is about to be made."""
        with self._lock:
            entry = Entry(len(self.entries) + 1, kind, facts)
            self._append({"about": entry.number, "kind": kind, **facts})
            self.entries[entry.number] = entry
        return entry

    def made(self, entry: Entry, secret: Mapping[str, str], **facts: Any) -> None:
        """Note that it was made, and keep sealed what it takes to remove it."""
        sealed = None
        if self._seal is not None and secret:
            sealed = self._seal.encrypt(json.dumps(dict(secret)).encode()).decode()
        entry.facts |= facts
        entry.secret = dict(secret)
        self._note(entry, "made", sealed=sealed, **facts)

    def nothing_came(self, entry: Entry) -> None:
        """Note that it was not made after all."""
        self._note(entry, "nothing")

    def removed(self, entry: Entry) -> None:
        """Note that it is gone."""
        self._note(entry, "removed")

    def left(self, entry: Entry, why: str) -> None:
        """Note that it could not be removed."""
        self._note(entry, "left", why=why)

    def end(self) -> None:
        """Note that all was tried; where nothing is left, nobody needs the key any more."""
        with self._lock, suppress(JournalError):
            self.ended = True
            self._append({"ended": True, "left": len(self.open_entries)})
        if not self.open_entries:
            _key_file(self.header["id"]).unlink(missing_ok=True)

    def _note(self, entry: Entry, state: str, **more: Any) -> None:
        with self._lock, suppress(JournalError):  # what was announced is known; a full disk must not stop a cleaning up
            entry.state = state
            self._append({state: entry.number, **more})

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            # In one write, and into the kernel's hands: what was written outlives this process.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, (json.dumps(line) + "\n").encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalError(
                f"{self._path} cannot be written ({error.strerror}), and nothing is made on a deployment that could "
                "not be removed after a crash; choose another --report-dir"
            ) from None

    def _take(self, text: str) -> None:
        """Take a line of the file; what a crash cut off is no line."""
        try:
            line = json.loads(text)
        except ValueError:
            return
        if "ended" in line:
            self.ended = True
            return
        state = next(word for word in ("about", "made", "nothing", "removed", "left") if word in line)
        number = line.pop(state)
        if state == "about":
            self.entries[number] = Entry(number, line.pop("kind"), line)
            return
        entry = self.entries[number]
        sealed = line.pop("sealed", None)
        entry.state = state
        entry.facts |= line
        if sealed is not None and self._seal is not None:
            entry.secret = _unsealed(self._seal, sealed)


def discard(directory: Path) -> None:
    """Make room for another run's journal, unless what stands there may be needed.

    Raises:
        JournalError: a run goes on in the folder, or one crashed there and was not cleaned up after.
    """
    if not (directory / NAME).exists():
        return
    journal = Journal.read(directory)
    if journal.is_going_on:
        raise JournalError(
            f"a run is going on in the report folder {directory} (process {journal.header['pid']}); "
            "choose another --report-dir"
        )
    if not journal.ended and journal.open_entries:
        raise JournalError(
            f"a run crashed in the report folder {directory} and may have left something on its target: run `pdpp "
            f"cleanup {directory}`, or choose another --report-dir"
        )
    _key_file(journal.header["id"]).unlink(missing_ok=True)
    (directory / NAME).unlink()


def _checked_header(lines: list[str]) -> dict[str, Any]:
    header = json.loads(lines[0]) if lines else None
    if not isinstance(header, dict) or header.get("journal") != FORMAT:
        raise ValueError("no header")
    texts = ("host", "base_url")
    if not all(isinstance(header.get(name), str) for name in texts) or not re.fullmatch("[0-9a-f]{16}", header["id"]):
        raise ValueError("an odd header")
    if not isinstance(header["pid"], int) or not isinstance(header["process_started"], int | float):
        raise TypeError("an odd process")
    return header


def _unsealed(seal: Fernet, sealed: str) -> dict[str, str]:
    from cryptography.fernet import InvalidToken

    try:
        opened: dict[str, str] = json.loads(seal.decrypt(sealed.encode()))
    except InvalidToken:
        return {}
    return opened


def _key_file(journal_id: str) -> Path:
    from pdpp_conformance.window_places import state_directory

    return state_directory().parent / "keys" / journal_id


def _new_seal(journal_id: str) -> Fernet | None:
    """Make the key; without a folder to keep it in, tokens are not written down at all."""
    from cryptography.fernet import Fernet

    key = Fernet.generate_key()
    path = _key_file(journal_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, key)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return Fernet(key)


def _seal_of(journal_id: str) -> Fernet | None:
    from cryptography.fernet import Fernet

    try:
        return Fernet(_key_file(journal_id).read_bytes())
    except (OSError, ValueError):
        return None
