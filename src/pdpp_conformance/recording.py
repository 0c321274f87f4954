"""The report folder: what a run leaves behind, redacted, scanned, and written even when the run was cut short."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pdpp_conformance.exchange import Exchange
from pdpp_conformance.journal import JournalError, discard
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.report import write_har, write_html, write_junit

_OWN_FILES = ("run.json", "exchanges.jsonl", "report.html", "junit.xml", "run.har", "evidence.json")
_OWN_FOLDERS = ("attachments", "cases", "window")


class ReportError(Exception):
    """The report folder cannot be used; the message is one sentence with the next step."""


def prepare(directory: Path) -> None:
    """Make the folder, and remove what an earlier run left in it; files of other people stay.

    Raises:
        ReportError: the folder cannot be made or written to, or a run that crashed has to be cleaned up after.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        discard(directory)
        for name in _OWN_FILES:
            (directory / name).unlink(missing_ok=True)
        for name in _OWN_FOLDERS:
            shutil.rmtree(directory / name, ignore_errors=True)
        probe = directory / ".writable"
        probe.touch()
        probe.unlink()
    except JournalError as error:
        raise ReportError(str(error)) from None
    except OSError as error:
        raise ReportError(
            f"the report folder {directory} is not writable ({error.strerror}); choose another --report-dir"
        ) from None


Evidence = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]]
"""Tells, for the exchanges as they are written, what ``evidence.json`` holds."""


def write(
    directory: Path,
    run: Mapping[str, Any],
    exchanges: Sequence[Exchange],
    redactor: Redactor,
    evidence: Evidence | None = None,
) -> None:
    """Write ``run.json``, ``exchanges.jsonl``, their views and the evidence, every secret replaced by its label.

    Raises:
        ReportError: a file cannot be written.
    """
    redacted_run = redactor.redact_all(run)
    redacted_exchanges = redactor.redact_all([exchange.to_json() for exchange in exchanges])
    try:
        _write_json(directory / "run.json", redacted_run)
        lines = [json.dumps(exchange, ensure_ascii=False) for exchange in redacted_exchanges]
        _replace(directory / "exchanges.jsonl", "".join(f"{line}\n" for line in lines))
        if evidence is not None:
            _write_json(directory / "evidence.json", evidence(redacted_exchanges))
        write_html(redacted_run, redacted_exchanges, directory)
        write_junit(redacted_run, directory)
        write_har(redacted_run, redacted_exchanges, directory)
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {directory} ({error.strerror}); choose another --report-dir"
        ) from None


def write_verdicts(directory: Path, run: Mapping[str, Any], redactor: Redactor) -> None:
    """Write of ``run.json`` the verdicts and their reasons alone, every secret replaced by its label.

    Raises:
        ReportError: it cannot be written.
    """
    told = {
        "exit_status": run["exit_status"],
        "duration_s": run["duration_s"],
        "faults": redactor.redact_all(run["faults"]),
        "messages": redactor.redact_all(run["messages"]),
        "requirements": [
            {
                "id": row["id"],
                "verdict": row["verdict"],
                "reason": row["reason"] and redactor.redact(row["reason"]),
                "scenarios": row["scenarios"],
            }
            for row in run["requirements"]
        ],
        "scenarios": [
            {"id": scenario["id"], "verdict": scenario["verdict"], "requests": len(scenario["exchanges"])}
            for scenario in run["scenarios"]
        ],
    }
    try:
        _replace(directory / "run.json", json.dumps(told, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {directory} ({error.strerror}); choose another --report-dir"
        ) from None


def _write_json(path: Path, value: Any) -> None:
    _replace(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _replace(path: Path, text: str) -> None:
    """Write a file so that whoever reads it sees the old one or the new one, never half of it."""
    fresh = path.with_suffix(path.suffix + ".new")
    # Half a surrogate pair, which a target's JSON may hold, is no UTF-8; as an escape it is JSON again.
    fresh.write_text(text, encoding="utf-8", errors="backslashreplace")
    fresh.replace(path)
