"""The catalogue: every requirement and every task item, read from YAML into values that check themselves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pdpp_conformance.verdict import Level

_REQUIREMENT_ID = re.compile(r"[A-Z]{3}-\d{2}")
_TASK_ID = re.compile(r"[1-5]\.\d")
_REVISION = re.compile(r"MCP \d{4}-\d{2}-\d{2}")


_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class CatalogueError(Exception):
    """The catalogue contradicts itself; the message names the file and the row."""


@dataclass(frozen=True)
class Requirement:
    """One row: a sentence that holds of a conforming deployment, and where it comes from."""

    id: str
    level: Level
    role: str
    text: str
    source: str
    observed: str
    subject: str
    applies_if: str | None = None
    lab_exempt: str | None = None
    note: str | None = None
    excluded: str | None = None
    since: str | None = None
    """The first revision of its standard that has it, such as ``MCP 2026-07-28``."""
    until: str | None = None
    """The last revision of its standard that has it."""
    same_defect_as: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def is_attested(self) -> bool:
        """Whether only the operator can answer it, in the target file."""
        return self.observed.startswith("attested")

    def __post_init__(self) -> None:
        if not _REQUIREMENT_ID.fullmatch(self.id):
            raise CatalogueError(f"{self.subject}: {self.id} is not a requirement id such as POL-12")
        for revision in (self.since, self.until):
            if revision is not None and not _REVISION.fullmatch(revision):
                raise CatalogueError(f"{self.subject}: {self.id}: {revision} is not a revision such as MCP 2026-07-28")
        if self.id in self.same_defect_as:
            raise CatalogueError(f"{self.subject}: {self.id} names itself in same_defect_as")


@dataclass(frozen=True)
class Task:
    """One of the change's nineteen task items."""

    id: str
    title: str
    consists_of: tuple[str, ...] = ()
    """Tasks that this one has done together."""
    selection: str | None = None
    """The tag that all scenarios of those carry, and its own."""

    def __post_init__(self) -> None:
        if not _TASK_ID.fullmatch(self.id):
            raise CatalogueError(f"tasks: {self.id} is not a task id such as 3.4")


@dataclass(frozen=True)
class Catalogue:
    """All requirements by id, all tasks by id, in the order of the files."""

    requirements: Mapping[str, Requirement]
    tasks: Mapping[str, Task]
    digest: str
    """``sha256:…`` over the files' bytes."""


def read_catalogue(directory: Path, schema: Path) -> Catalogue:
    """Read every YAML file in ``directory``.

    Raises:
        CatalogueError: a file does not fit the schema, an id occurs twice, or a reference leads nowhere.
    """
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    requirements: dict[str, Requirement] = {}
    tasks: dict[str, Task] = {}
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        digest.update(text.encode("utf-8"))
        rows = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader, the fast one where there is one
        error = jsonschema.exceptions.best_match(validator.iter_errors({path.stem: rows}))
        if error is not None:
            raise CatalogueError(f"{path.name}: {error.json_path}: {error.message}")
        for row in rows:
            if row["id"] in requirements or row["id"] in tasks:
                raise CatalogueError(f"{path.name}: {row['id']} occurs twice")
            if path.stem == "tasks":
                tasks[row["id"]] = Task(**{**row, "consists_of": tuple(row.get("consists_of", ()))})
            else:
                requirements[row["id"]] = _requirement(row, path.stem)
    catalogue = Catalogue(requirements, tasks, f"sha256:{digest.hexdigest()}")
    _check_references(catalogue)
    return catalogue


def _requirement(row: dict[str, Any], subject: str) -> Requirement:
    read: dict[str, Any] = {**row, "level": Level(row["level"]), "subject": subject}
    for name in ("same_defect_as", "tasks", "faults"):
        read[name] = tuple(row.get(name, ()))
    return Requirement(**read)


def _check_references(catalogue: Catalogue) -> None:
    for task in catalogue.tasks.values():
        for part in task.consists_of:
            if part not in catalogue.tasks or catalogue.tasks[part].consists_of:
                raise CatalogueError(f"task {task.id}: consists_of names {part}, which is no task by itself")
    for requirement in catalogue.requirements.values():
        for other in requirement.same_defect_as:
            if other not in catalogue.requirements:
                raise CatalogueError(f"{requirement.id}: same_defect_as names {other}, which is no row")
        for named in requirement.tasks:
            if named not in catalogue.tasks:
                raise CatalogueError(f"{requirement.id}: tasks names {named}, which is no task")
