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

_MOST_NAMED = 3
"""How many scenarios that a record cannot judge are named of one row."""

Rows = Sequence[Mapping[str, Any]]


@dataclass
class JudgedAgain:
    """What the pytest plugin is given to judge a record, and gives back."""

    record: Record
    rows: Rows = ()
    """Every row of the catalogue, as its scenarios that rest on exchanges alone judge it."""
    messages: Sequence[str] = ()
    _concluded: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How those scenarios ended now, by id."""
    _speaking: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The scenarios of the run that speak of a row, by its id."""
    _by_wire: frozenset[str] = field(init=False)
    _altered: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self._by_wire = frozenset(scenario for scenario, told in self.record.scenarios.items() if told["by_wire"])
        self._altered = frozenset(self.record.altered)

    def take(self, rows: Rows, scenarios: Rows, speaking: Mapping[str, Sequence[str]], messages: Sequence[str]) -> None:
        """Take the rows of the whole catalogue as they were judged, and the scenarios that judged them, redacted.

        Args:
            speaking: the scenarios of the run that speak of a row, by its id.
        """
        self._concluded = {scenario["id"]: scenario for scenario in scenarios}
        self._speaking, self.messages = speaking, messages
        self.rows = [self._noted(row) for row in rows]

    def is_by_wire(self, scenario: str) -> bool:
        """Whether a scenario of the run rests on exchanges alone."""
        return scenario in self._by_wire

    def _noted(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        left_out = self.left_out_of(row)
        if not row["scenarios"] or not left_out:
            return row
        more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        named = ", ".join(left_out[:_MOST_NAMED])
        note = f"judged from the record, without what can only be judged live: {named}{more}"
        return {**row, "note": "; ".join([*([row["note"]] if row["note"] else []), note])}

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

    def left_out_of(self, row: Mapping[str, Any]) -> list[str]:
        """Return the scenarios that speak of a row and can only be judged live."""
        return [scenario for scenario in self._speaking.get(row["id"], ()) if not self.is_by_wire(scenario)]

    @property
    def by_wire(self) -> Rows:
        """The rows that rest on exchanges alone."""
        return [row for row in self.rows if row["scenarios"] and not self.left_out_of(row)]

    @property
    def in_part(self) -> Rows:
        """The rows of which some scenarios rest on exchanges alone, judged by those; their notes name the others."""
        return [row for row in self.rows if row["scenarios"] and self.left_out_of(row)]

    @property
    def only_live(self) -> list[str]:
        """The rows that scenarios judged, and a record cannot."""
        return [row["id"] for row in self.rows if not row["scenarios"] and self.left_out_of(row)]

    @property
    def differing(self) -> list[str]:
        """The rows that ``run.json`` has otherwise; of a row judged in part, a scenario that it has otherwise.

        Raises:
            RecordError: there is no ``run.json``.
        """
        if self.record.requirements is None:
            raise RecordError("there is no run.json beside the exchanges, so that there is nothing to compare with")
        then = {row.get("id"): _written([row]) for row in self.record.requirements}
        ended = {scenario.get("id"): _ending(scenario) for scenario in self.record.concluded}

        def differs(row: Mapping[str, Any]) -> bool:
            if not self.left_out_of(row):
                return then.get(row["id"]) != _written([row])
            return any(ended.get(scenario) != _ending(self._concluded[scenario]) for scenario in row["scenarios"])

        return [row["id"] for row in self.rows if row["scenarios"] and differs(row)]

    def to_text(self) -> str:
        """Write the judged rows as ``run.json`` writes its requirements."""
        return _written([row for row in self.rows if row["scenarios"]])


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


def _ending(scenario: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(scenario.get(member) for member in ("verdict", "reason", "exchanges"))


def _written(rows: Rows) -> str:
    return json.dumps(list(rows), ensure_ascii=False, indent=1)


def _listed(numbers: Iterable[int]) -> str:
    few = list(numbers)[:5]
    return ", ".join(map(str, few))
