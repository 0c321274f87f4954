"""`pdpp judge`: the verdicts of a run drawn again, offline, from its record, and compared with those of the run."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pdpp_conformance.record import Record, RecordError, read_record
from pdpp_conformance.replay import ReplayedRecorder
from pdpp_conformance.results import ScenarioResult
from pdpp_conformance.specification import specification_root
from pdpp_conformance.verdict import Verdict

_UNBLOCK = "the record as the run wrote it, or a run against the deployment itself"

Rows = Sequence[Mapping[str, Any]]


@dataclass
class JudgedAgain:
    """What the pytest plugin is given to judge a record, and gives back."""

    record: Record
    rows: Rows = ()
    messages: Sequence[str] = ()
    _altered: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self._altered = frozenset(self.record.altered)

    def take(self, rows: Rows, messages: Sequence[str]) -> None:
        """Take the rows of the whole catalogue as they were judged, redacted."""
        self.rows, self.messages = rows, messages

    def look_over(self, result: ScenarioResult, recorder: ReplayedRecorder) -> None:
        """Take back a scenario's conclusion where the record holds less, more or other than it rests on."""
        scenario = result.facts.id
        told = self.record.scenarios[scenario]
        altered = sorted(self._altered.intersection(told["exchanges"]))
        unread = recorder.unread(scenario)
        if scenario in recorder.missed:
            result.doubt(f"the record does not hold {recorder.redactor.redact(recorder.missed[scenario])}", _UNBLOCK)
        elif altered:
            result.doubt(f"the record was altered after the run: exchange {_listed(altered)}", _UNBLOCK)
        elif unread:
            result.doubt(f"the record holds what the scenario does not ask for: exchange {_listed(unread)}", _UNBLOCK)
        elif result.verdict is Verdict.PASS and not result.exchanges:
            result.doubt("the record holds no exchange of it", _UNBLOCK)

    @property
    def by_wire(self) -> Rows:
        """The rows that rest on exchanges alone."""
        return [row for row in self.rows if self._is_by_wire(row)]

    def _is_by_wire(self, row: Mapping[str, Any]) -> bool:
        told = self.record.scenarios
        return bool(row["scenarios"]) and all(told[scenario]["by_wire"] for scenario in row["scenarios"])

    @property
    def only_live(self) -> list[str]:
        """The rows that scenarios judged, and a record cannot."""
        return [row["id"] for row in self.rows if row["scenarios"] and not self._is_by_wire(row)]

    @property
    def differing(self) -> list[str]:
        """The rows by wire that ``run.json`` has otherwise.

        Raises:
            RecordError: there is no ``run.json``.
        """
        if self.record.requirements is None:
            raise RecordError("there is no run.json beside the exchanges, so that there is nothing to compare with")
        then = {row.get("id"): _written([row]) for row in self.record.requirements}
        return [row["id"] for row in self.by_wire if then.get(row["id"]) != _written([row])]

    def to_text(self) -> str:
        """Write the rows by wire as ``run.json`` writes its requirements."""
        return _written(self.by_wire)


def judge_again(path: Path) -> JudgedAgain:
    """Judge the record in a report folder again.

    Raises:
        RecordError: there is none that can be judged.
    """
    judged = JudgedAgain(read_record(path))
    root = specification_root()
    settings = root / "pyproject.toml"
    where = ["-c", str(settings)] if settings.is_file() else ["--rootdir", str(root), "-c", os.devnull]
    features = sorted({scenario.partition("::")[0] for scenario in judged.record.scenarios})
    missing = [name for name in features if not (root / name).is_file()]
    if missing or not features:
        told = f"the record is of {missing[0]}, which this specification has not" if missing else "nothing was judged"
        raise RecordError(f"{told}; judge it with the version that recorded it")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        arguments = [*where, "-q", "--assert=plain", "-p", "no:cacheprovider", *(str(root / name) for name in features)]
        pytest.main(arguments, plugins=[_Named(judged)])
    if not judged.rows:
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
        raise RecordError(f"the record could not be judged: {(lines or ['nothing was said'])[-1][:300]}")
    return judged


class _Named:
    """Registers what is judged where the plugin looks for it, before any feature file is collected."""

    def __init__(self, judged: JudgedAgain) -> None:
        self._judged = judged

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._judged, "pdpp-judged-again")


def _written(rows: Rows) -> str:
    return json.dumps(list(rows), ensure_ascii=False, indent=1)


def _listed(numbers: Iterable[int]) -> str:
    few = list(numbers)[:5]
    return ", ".join(map(str, few))
