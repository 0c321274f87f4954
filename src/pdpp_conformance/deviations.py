"""Known deviations: requirements that a deployment is known not to meet, each with a reason and a last day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pdpp_conformance.results import RowResult
from pdpp_conformance.specification import load_schema
from pdpp_conformance.verdict import Verdict

_RED = frozenset({Verdict.FAIL, Verdict.WARN, Verdict.INFO})
_NOT_RED = frozenset({Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.ATTESTED})


class DeviationsError(Exception):
    """The file is not usable; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Deviation:
    """One entry: the requirement, why it is not met, where that is written down, and until when it is accepted."""

    id: str
    reason: str
    link: str
    expires: date
    """The last day on which it counts."""

    def to_json(self) -> dict[str, str]:
        return {"reason": self.reason, "link": self.link, "expires": self.expires.isoformat()}


def read_deviations(path: Path) -> tuple[Deviation, ...]:
    """Read a file of known deviations.

    Raises:
        DeviationsError: it cannot be read, does not fit schemas/known-deviations.schema.json, or has two entries for a
            requirement.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeviationsError(
            f"the known deviations {path} cannot be read ({type(error).__name__}); check --known-deviations"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise DeviationsError(f"the known deviations {path} are not well-formed YAML; mend the file") from None
    entries = [_plain(entry) for entry in content] if isinstance(content, list) else content
    validator = jsonschema.Draft202012Validator(
        load_schema("known-deviations"), format_checker=jsonschema.FormatChecker(["date"])
    )
    problem = jsonschema.exceptions.best_match(validator.iter_errors(entries))
    if problem is not None:
        raise DeviationsError(f"the known deviations {path}: {problem.json_path}: {problem.message[:200]}; mend it")
    read = tuple(Deviation(**{**entry, "expires": date.fromisoformat(entry["expires"])}) for entry in entries)
    ids = [deviation.id for deviation in read]
    repeated = next((each for each in ids if ids.count(each) > 1), None)
    if repeated is not None:
        raise DeviationsError(f"the known deviations {path} name {repeated} twice; keep one entry")
    return read


def _plain(entry: Any) -> Any:
    """YAML reads a date as one; the schema and JSON know it as text."""
    if not isinstance(entry, Mapping):
        return entry
    return {
        name: value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value
        for name, value in entry.items()
    }


def apply(
    deviations: Sequence[Deviation], rows: Sequence[RowResult], *, today: date | None = None
) -> tuple[list[RowResult], list[str]]:
    """Mark the red rows that are known deviations, and object to the entries that are none.

    A row that could not be judged, or was not selected, says nothing about its entry.

    Returns:
        The rows, and one sentence for each entry that is unknown, stale or expired.
    """
    day = today or datetime.now(UTC).date()
    marked = {row.requirement.id: row for row in rows}
    objections: list[str] = []
    for entry in deviations:
        row = marked.get(entry.id)
        if row is None:
            objections.append(f"the known deviation {entry.id} is unknown: no requirement has that id; remove it")
        elif day > entry.expires:
            objections.append(f"the known deviation {entry.id} expired on {entry.expires}: mend it, or renew the entry")
        elif row.verdict in _RED:
            marked[entry.id] = replace(row, deviation=entry.to_json())
        elif row.verdict in _NOT_RED:
            told = "met" if row.verdict is Verdict.PASS else row.verdict.value.lower().replace("_", " ")
            objections.append(f"the known deviation {entry.id} is stale: the requirement is {told}; remove it")
    return list(marked.values()), objections
