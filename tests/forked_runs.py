"""Runs of the specification against the bundled server, each in a process forked from one that imported everything.

A run would otherwise spend more time on imports than on requests, and would notice when the code changes under it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import mcp.client  # noqa: F401  imported once here instead of in every run
import playwright.sync_api  # noqa: F401
import pytest
import pytest_bdd  # noqa: F401

import pdpp_conformance.bundled
import pdpp_conformance.plugin
import pdpp_conformance.run  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
RUN_SECONDS = 240.0
"""What one run of the specification may take."""

_TAG = re.compile(r"@([A-Z]{3}-\d{2,3})\b")


def scenarios_by_row() -> dict[str, set[Path]]:
    """Return the feature files in which each requirement is judged."""
    files: dict[str, set[Path]] = {}
    for path in sorted((ROOT / "features").rglob("*.feature")):
        for row in _TAG.findall(path.read_text(encoding="utf-8")):
            files.setdefault(row, set()).add(path)
    return files


class ForkedRun:
    """One run of the specification.

    Args:
        name: what the run is called, and its folder.
        arguments: what pytest is given besides.
        folder: where the run's own report folder is made.
        environment: variables that are set for the run.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._report = folder / name
        self._report.mkdir(parents=True, exist_ok=True)
        command = ["-q", "--assert=plain", "-p", "no:cacheprovider", "--report-dir", str(self._report), *arguments]
        self._process = get_context("fork").Process(target=_specification, args=(environment, command, self._said))
        self._process.start()
        self._ends = time.monotonic() + RUN_SECONDS

    @property
    def sentinel(self) -> int:
        """What can be waited for until the process has ended."""
        return self._process.sentinel

    @property
    def is_over(self) -> bool:
        """Whether the process has ended; one that takes too long is ended."""
        if self._process.is_alive() and time.monotonic() > self._ends:
            self._process.terminate()
        return not self._process.is_alive()

    @property
    def status(self) -> int | None:
        """The run's exit status, once it is over."""
        self._process.join()
        return self._process.exitcode

    def report(self) -> Mapping[str, Any] | None:
        """Return what the run wrote to ``run.json``; ``None`` where it wrote nothing."""
        try:
            written: Mapping[str, Any] = json.loads((self._report / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return written

    def last_line(self) -> str:
        """Return the last thing that the run said."""
        lines = [line for line in self._said.read_text(encoding="utf-8").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "nothing was said"

    @property
    def _said(self) -> Path:
        return self._report / "said.txt"


def _specification(environment: Mapping[str, str], command: Sequence[str], said: Path) -> None:
    """Run pytest in this process, which was forked for it."""
    os.chdir(ROOT)
    os.environ.update(environment)
    with said.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    status = int(pytest.main(list(command)))
    sys.stdout.flush()
    os._exit(status)  # nothing of the parent's is to be ended here


def finished(starts: Iterable[Callable[[], ForkedRun]], jobs: int) -> Iterator[ForkedRun]:
    """Start runs, at most ``jobs`` at a time, and yield each as soon as it is over."""
    waiting = list(starts)
    running: list[ForkedRun] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(waiting.pop(0)())
        wait([run.sentinel for run in running], timeout=1.0)
        for run in [run for run in running if run.is_over]:
            running.remove(run)
            yield run
