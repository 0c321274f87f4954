"""The real OpenSpec validator, run on a repository's `openspec/` folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pdpp_conformance.guide_places import repository_of
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Conclusion, Unmet

CHANGE = "add-grant-scoped-mcp-device-authorization"
TIMEOUT_SECONDS = 60.0

_NODE = Path(sys.prefix) / "bin" / "node"
_PROGRAM = Path(sys.prefix) / "node" / "node_modules" / "@fission-ai" / "openspec" / "bin" / "openspec.js"
_FIRST_SCENARIOS = re.compile(r"^#### Scenario:.*?(?=^### |^## |\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Validated:
    """What the validator said."""

    command: str
    status: int
    output: str

    @property
    def summary(self) -> str:
        """Its exit status, and the end of what it printed."""
        return f"exit {self.status}: {' '.join(self.output.split())[-300:]}"


def validate(repository: Path, *arguments: str) -> Validated:
    """Run ``openspec validate … --strict`` in a repository's folder.

    Raises:
        Blocked: the validator is not installed, or does not end.
        Unmet: the repository has no `openspec/` folder.
    """
    if not (repository / "openspec").is_dir():
        raise Unmet("a folder openspec", "none in the repository")
    if not os.access(_NODE, os.X_OK) or not _PROGRAM.is_file():
        raise Blocked("the OpenSpec validator is not installed", unblock="make set-up")
    words = ("validate", *arguments, "--strict", "--no-interactive")
    environment = {**os.environ, "OPENSPEC_TELEMETRY": "0", "NO_COLOR": "1", "CI": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - the validator of this environment
            [_NODE, _PROGRAM, *words],
            check=False,
            cwd=repository,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Blocked(
            f"the OpenSpec validator did not end within {TIMEOUT_SECONDS:g} s", unblock="a machine with more time"
        ) from None
    return Validated(f"openspec {' '.join(words[:-1])}", done.returncode, done.stdout + done.stderr)


def validate_broken(repository: Path) -> Validated:
    """Validate a copy of the change in which one requirement has lost its scenarios.

    Raises:
        Blocked: the validator is not installed, or the change has no requirement with a scenario to lose.
        Unmet: the repository has no `openspec/` folder.
    """
    with tempfile.TemporaryDirectory(prefix="pdpp-openspec-") as folder:
        if (repository / "openspec").is_dir():
            shutil.copytree(repository / "openspec", Path(folder) / "openspec")
        deltas = sorted((Path(folder) / "openspec" / "changes" / CHANGE / "specs").rglob("spec.md"))
        if not any(_lose_scenarios(delta) for delta in deltas):
            raise Blocked("the change has no scenario to lose", unblock="a change with deltas")
        return validate(Path(folder), CHANGE)


def _lose_scenarios(delta: Path) -> bool:
    text = delta.read_text(encoding="utf-8")
    without = _FIRST_SCENARIOS.sub("", text, count=1)
    delta.write_text(without, encoding="utf-8")
    return without != text


class Validations:
    """The three runs of the validator that are judged, side by side: each takes longer to start than to validate."""

    def __init__(self, repository: Path) -> None:
        pool = ThreadPoolExecutor(3)
        self._change = pool.submit(validate, repository, CHANGE)
        self._all = pool.submit(validate, repository, "--all")
        self._broken = pool.submit(validate_broken, repository)
        pool.shutdown(wait=False)

    def of_change(self) -> Validated:
        """The change by itself. Raises what :func:`validate` does."""
        return self._change.result()

    def of_all(self) -> Validated:
        """All specs and changes. Raises what :func:`validate` does."""
        return self._all.result()

    def of_broken_copy(self) -> Validated:
        """A broken copy of the change. Raises what :func:`validate_broken` does."""
        return self._broken.result()


def validations_of(run: Run) -> Validations:
    """Return the validations of the run's repository, made once.

    Raises:
        Excluded: no repository is known.
    """
    return run.once("openspec", lambda: Validations(repository_of(run)))


def begin_validating(run: Run) -> None:
    """Let the validator run beside what is judged meanwhile."""
    with suppress(Conclusion):  # the scenario that asks will tell
        validations_of(run)


def judge_valid(judge: Judgement, validated: Validated) -> None:
    """The validator found nothing."""
    judge.that(validated.status == 0, f"{validated.command}: exit 0", validated.summary)


def judge_refused(judge: Judgement, validated: Validated, why: str) -> None:
    """The validator refused, and said why."""
    met = validated.status == 1 and why in validated.output
    judge.that(met, f"{validated.command}: exit 1, {why}", validated.summary)
