"""What a person, or a program, is told of a setup while it goes on. No token is ever among it."""

from __future__ import annotations

import json
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.http import printable

Write = Callable[[str], None]

_REMIND_SECONDS = 60.0
"""How often a plain report repeats that it still waits."""


class Report(ABC):
    """Told of each event, and made to wait between two polls, so that it can show how the time passes."""

    @abstractmethod
    def tell(self, event: str, **facts: Any) -> None:
        """Tell one event: resource, client, code, polling, step_up, granted, stored, note or failed."""

    def waiting(self, until: Deadline, seconds: float, *, state: str, interval: float, code_expires_at: float) -> None:
        """Wait before a poll.

        Args:
            until: when waiting ends, polled or not.
            state: what the last poll came to, in words.
            interval: seconds between polls that the server asks for, in all.

        Raises:
            TimedOut: ``until`` came first.
        """
        self.tell(
            "polling",
            state=state,
            next_poll_in=round(seconds, 1),
            interval=interval,
            code_expires_in=round(max(0.0, code_expires_at - until.clock.now())),
        )
        until.sleep(seconds)


class JsonReport(Report):
    """One JSON object a line."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def tell(self, event: str, **facts: Any) -> None:
        self._write(json.dumps({"event": event, **facts}))


class PlainReport(Report):
    """Lines of text, for pipes, screen readers and terminals without colour."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._state: tuple[Any, ...] | None = None
        self._said_at = float("inf")

    def tell(self, event: str, **facts: Any) -> None:
        for line in self.lines(event, facts):
            self._write(line)

    def lines(self, event: str, facts: Mapping[str, Any]) -> Sequence[str]:
        """Return what is said of an event."""
        if event == "polling":
            return self._polling(facts)
        write = {
            "resource": _resource,
            "code": self.code,
            "browser": _browser,
            "granted": _granted,
            "stored": _stored,
            "failed": _failed,
        }
        return write[event](facts) if event in write else [str(facts["text"])] if "text" in facts else []

    def code(self, facts: Mapping[str, Any]) -> Sequence[str]:
        """Say where to approve, and with which code."""
        lines = ["", f"To approve, open:  {facts['verification_uri']}", f"and enter the code: {facts['user_code']}"]
        if facts.get("verification_uri_complete"):
            lines.append(f"or open, and compare the code: {facts['verification_uri_complete']}")
        return [*lines, f"The code expires in {duration(facts['expires_in'])}.", ""]

    def _polling(self, facts: Mapping[str, Any]) -> Sequence[str]:
        state, left = (facts["state"], facts["next_poll_in"]), facts["code_expires_in"]
        if state == self._state and self._said_at - left < _REMIND_SECONDS:
            return []
        self._state, self._said_at = state, left
        return [f"{facts['state']} · next poll in {duration(facts['next_poll_in'])} · code expires in {duration(left)}"]


def _resource(facts: Mapping[str, Any]) -> Sequence[str]:
    return [f"Setting up access to {facts['resource']}", f"The authorization server is {facts['issuer']}"]


def _browser(facts: Mapping[str, Any]) -> Sequence[str]:
    waited = f"The answer is waited for on this machine, {duration(facts['expires_in'])} at most."
    return ["", "To approve, open in a browser on this machine:", f"  {facts['url']}", waited, ""]


def _granted(facts: Mapping[str, Any]) -> Sequence[str]:
    lines = ["Approved."]
    lines += [f"  granted: {line}" for line in facts["access"]]
    if facts.get("grant_id"):
        lines.append(f"  grant: {printable(facts['grant_id'], 80)}")
    if facts.get("expires_in") is not None:
        refreshed = ", and is refreshed" if facts["refreshable"] else ""
        lines.append(f"  the access token lives {duration(facts['expires_in'])}{refreshed}")
    return lines


def _stored(facts: Mapping[str, Any]) -> Sequence[str]:
    lines = [f"The credential lies in {facts['path']} (readable by you alone)."]
    if facts.get("use"):
        lines += ["", "To use it:", *(f"  {line}" for line in facts["use"])]
    return lines


def _failed(facts: Mapping[str, Any]) -> Sequence[str]:
    lines = ["", f"Failed: {facts['reason']}."]
    lines += [str(line) for line in facts.get("guidance", ())]
    if facts.get("retry"):
        lines.append(f"To try again: {facts['retry']}")
    return lines


def duration(seconds: float) -> str:
    """Return a span of time in words: ``45 s``, ``9:55 min``."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02} min"


def command_line(words: Sequence[str]) -> str:
    """Return a command that can be pasted into a shell."""
    return shlex.join(words)
