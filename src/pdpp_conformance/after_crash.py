"""`pdpp cleanup`: goes on where a run ended that could not clean up after itself, and closes its window."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pdpp_conformance.cleanup import Residue, residue_of
from pdpp_conformance.discovery import Unreachable
from pdpp_conformance.exchange import is_loopback
from pdpp_conformance.journal import Journal
from pdpp_conformance.run import Run, max_wait_of
from pdpp_conformance.run_window import open_window
from pdpp_conformance.target import ApproverKind, Target, read_place, read_target
from pdpp_conformance.window import State, Window, look, operator_named, origin_key
from pdpp_conformance.window_places import place_of

FILE = "cleanup.json"
"""What a cleaning up leaves in the report folder."""


class CleanupError(Exception):
    """Nothing was cleaned up; the message is one sentence with the next step."""


@dataclass(frozen=True)
class CleanedUp:
    """What came of it."""

    removed: int
    residue: Sequence[Residue]
    accepted: bool
    """Whether the target file accepts residue."""
    problem: str | None = None
    """Why the target could not be asked."""


def clean_up(
    report_dir: Path, target_file: Path | None, base_url: str | None, tell: Callable[[str], None]
) -> CleanedUp:
    """Remove from its target what the run in ``report_dir`` left there.

    Args:
        base_url: the operator's word on where that is, if given.

    Raises:
        CleanupError: the run still goes on, or the journal leads where the operator does not.
        JournalError: there is no usable journal.
        TargetError: the target file is unusable.
        WindowError: another window is open.
    """
    journal = Journal.read(report_dir)
    if journal.is_going_on:
        raise CleanupError(
            f"the run in {report_dir} still goes on (process {journal.header['pid']}); end it with Ctrl-C, and it "
            "cleans up itself"
        )
    target = _target(journal, target_file, base_url)
    to_remove = len(journal.open_entries)
    window, resumed = _window(journal, target, report_dir)
    run = Run(target, report_dir, tell, journal)
    problem = None
    try:
        run.open()
    except Unreachable as error:
        problem = str(error)
    finally:
        run.close()
    residue = run.residue if problem is None else [residue_of(entry, problem) for entry in journal.open_entries]
    _write(report_dir, run, residue, to_remove)
    if window is not None and resumed and problem is not None:
        window.leave_open()
    elif window is not None:
        reason = f"pdpp cleanup, by {operator_named(target.window)}" if resumed else None
        outcome = "crashed" if resumed else "cleaned up"
        window.close(window.closed(outcome, [left.sentence for left in residue], reason=reason))
    return CleanedUp(to_remove - len(journal.open_entries), residue, target.limits.accept_residue, problem)


def _target(journal: Journal, target_file: Path | None, base_url: str | None) -> Target:
    """Return the target, if the operator's own word leads there: a report folder may come from anybody.

    The owner's password is about to go there. So the journal is believed where it names this machine, where this
    machine's own record of the window names the same run, or where the operator names the same place.
    """
    written = str(journal.header["base_url"])
    named, settings = read_place(target_file, base_url)
    if named is not None and origin_key(named) != origin_key(written):
        raise CleanupError(f"the run was made on {written}, and you name {named}; give the target file of that run")
    target = read_target(
        target_file, base_url=written, approver=_approver(journal) if target_file is None else None, max_wait=None
    )
    if named is None and not is_loopback(written):
        state, record = look(place_of(written, settings))
        ids = {} if record is None else {record.id, record.run.id if record.run is not None else None}
        if state is not State.CRASHED or journal.header.get("window") not in ids:
            raise CleanupError(
                f"the journal names {written}, and no window on this machine says the same; confirm it with "
                f"--base-url {written}, or give the run's --target"
            )
    return target


def _approver(journal: Journal) -> ApproverKind:
    """Nothing is decided any more: the owner only signs in, which takes a browser where it took one before."""
    return "browser" if journal.header.get("approver") == "browser" else "http"


def _window(journal: Journal, target: Target, report_dir: Path) -> tuple[Window | None, bool]:
    """Take over the window of the run that crashed, or open another where that one is closed; say which."""
    assert target.base_url is not None
    window_id = journal.header.get("window")
    if window_id is not None:
        place = place_of(target.base_url, target.window)
        resumed = Window.resume(place, str(window_id))
        if resumed is not None:
            return resumed, True
    asked = window_id is not None
    opened = open_window(target, asked=asked, max_wait=max_wait_of(target), scenarios=0, report_dir=report_dir)
    return opened, False


def _write(report_dir: Path, run: Run, residue: Sequence[Residue], to_remove: int) -> None:
    told = {"to_remove": to_remove, "residue": [left.to_json() for left in residue]}
    text = json.dumps(run.redactor.redact_all(told), ensure_ascii=False, indent=1)
    (report_dir / FILE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
