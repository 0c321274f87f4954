"""Runs of the specification as a person starts them, for tests that read what a run leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 900


def run_specification(folder: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run the specification; return the exit status.

    Args:
        folder: the report folder.
        environment: variables that are set for the run.
    """
    settings = ["-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--report-dir", str(folder)]
    with (folder.parent / f"{folder.name}.txt").open("wb") as said:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *settings, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=said,
            stderr=said,
            timeout=MOST_SECONDS,
            check=False,
        )
    return done.returncode
