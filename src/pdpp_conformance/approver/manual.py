"""A person plays the owner: told what to open, type and decide, and waited for (``--approver manual``)."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from pdpp_conformance.approver.approver import Arrival, Decision, Page
from pdpp_conformance.oauth_client import DeviceRequest, Kind
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.waiting import Waiting

TERMINAL = Path("/dev/tty")
_UNBLOCK = "--approver browser and the owner's password"


class ManualApprover:
    """Asks the person at the terminal, whose time counts as waiting; what a page shows it does not see.

    Args:
        tell: prints one line.
        waiting: gives the run's clock, whose budget the person's time is taken from.
        terminal: where the person presses Enter.
    """

    kind = "manual"

    def __init__(self, tell: Callable[[str], None], waiting: Callable[[], Waiting], terminal: Path = TERMINAL) -> None:
        self._tell = tell
        self._waiting = waiting
        self._terminal = terminal

    def prepare(self) -> None:
        """There is nothing to start."""

    def knows_presses(self, kind: Kind) -> bool:
        return True  # it presses nothing to read

    def read(self, device: DeviceRequest, *, complete: bool = False) -> Page:
        raise _unseen()

    def approve(
        self, device: DeviceRequest, *, without_streams: Sequence[str] = (), on_the_page: bool = False
    ) -> Decision:
        but = f", after leaving out {' and '.join(without_streams)}" if without_streams else ""
        self._ask(device, f"APPROVE it{but}")
        return cast(Decision, _Unseen())

    def deny(self, device: DeviceRequest) -> Decision:
        self._ask(device, "DENY it")
        return cast(Decision, _Unseen())

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        raise _unseen()

    def visit(self, url: str) -> Page:
        raise _unseen()

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        raise _unseen()

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        raise _unseen()

    def sessions_of_cookies(self) -> Sequence[Sequence[tuple[str, str]]]:
        return ()

    def close(self) -> None:
        """Nothing was started."""

    def _ask(self, device: DeviceRequest, what: str) -> None:
        """Ask the person for a decision, and wait for Enter.

        Raises:
            Blocked: nobody is there, or nobody presses it while the run may wait and the code is good.
        """
        waiting = self._waiting()
        left = min(waiting.left_s, device.expires_at - waiting.now())
        self._tell(
            f"please open {_plain(device.verification_uri)} , type the code {_plain(device.user_code)} , {what}, "
            f"and press Enter here (within {max(left, 0):.0f} s)"
        )
        try:
            terminal = os.open(self._terminal, os.O_RDONLY | os.O_NOCTTY)
        except OSError:
            raise Blocked("nobody is at a terminal to play the owner", unblock=_UNBLOCK) from None
        started = time.monotonic()
        try:
            pressed, _, _ = select.select([terminal], [], [], max(left, 0))
            if pressed:
                os.read(terminal, 1024)
        finally:
            os.close(terminal)
            waiting.spend(time.monotonic() - started)
        if not pressed:
            raise Blocked(
                f"the person did not press Enter within {max(left, 0):.0f} s", unblock="--max-wait with more seconds"
            )


class _Unseen:
    """A decision of which nobody but the person saw the pages."""

    @property
    def asked(self) -> Page:
        raise _unseen()

    @property
    def concluded(self) -> Page:
        raise _unseen()


def _unseen() -> Blocked:
    return Blocked("a person plays the owner, and what the pages show is not seen", unblock=_UNBLOCK)


def _plain(text: str) -> str:
    """Return a target's text without what a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text[:300])
