"""A person plays the owner: what they are told, and how long they are waited for."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pdpp_conformance.approver.manual import ManualApprover
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.waiting import RealClock


def codes(clock: RealClock, user_code: str = "BCDF-GHJK") -> Any:
    return SimpleNamespace(
        verification_uri="https://as.example/device", user_code=user_code, expires_at=clock.now() + 600
    )


def test_the_person_decides() -> None:
    """The person is told what to do, Enter goes on, and the time counts as waited; the pages stay unjudged."""
    person, terminal = os.openpty()
    told: list[str] = []
    clock = RealClock(30, told.append)
    approver = ManualApprover(told.append, lambda: clock, Path(os.ttyname(terminal)))
    threading.Timer(0.2, os.write, (person, b"\n")).start()
    decision = approver.approve(codes(clock), without_streams=["saved_tracks"])
    assert told == [
        "please open https://as.example/device , type the code BCDF-GHJK , APPROVE it, after leaving out saved_tracks, "
        "and press Enter here (within 30 s)"
    ]
    assert 0.1 < clock.waited_s < 20
    for page in ("asked", "concluded"):
        with pytest.raises(Blocked, match="what the pages show is not seen"):
            getattr(decision, page)
    with pytest.raises(Blocked, match="what the pages show is not seen"):
        approver.read(codes(clock))
    os.close(person)
    os.close(terminal)


def test_nobody_presses_enter() -> None:
    """A person who does not come is waited for as long as the run may wait, and no longer."""
    person, terminal = os.openpty()
    told: list[str] = []
    clock = RealClock(0.3, told.append)
    approver = ManualApprover(told.append, lambda: clock, Path(os.ttyname(terminal)))
    with pytest.raises(Blocked, match="did not press Enter") as blocked:
        approver.deny(codes(clock))
    assert blocked.value.unblock == "--max-wait with more seconds"
    assert clock.left_s < 0.1
    os.close(person)
    os.close(terminal)


def test_no_terminal(tmp_path: Path) -> None:
    """Where there is no terminal nobody is waited for; what a target says is no command to a terminal."""
    told: list[str] = []
    clock = RealClock(30, told.append)
    with pytest.raises(Blocked, match="nobody is at a terminal"):
        ManualApprover(told.append, lambda: clock, tmp_path / "none").approve(codes(clock, "\x1b[2JX"))
    assert "\x1b" not in told[0]
