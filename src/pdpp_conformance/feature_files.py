"""Feature files as pytest collects them: one item a scenario, with a stable id; a bad file spoils no other."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_bdd import scenario
from pytest_bdd.feature import get_feature
from pytest_bdd.parser import Feature, ScenarioTemplate

_TAG_LINE = re.compile(r"^\s*(@\S+(?:\s+@\S+)*)\s*$", re.MULTILINE)
_SCENARIO_LINE = re.compile(r"^\s*(?:Scenario(?: Outline)?|Example|Scenario Template):\s*(.+?)\s*$", re.MULTILINE)


def marker_of(tag: str) -> str:
    """Return the pytest marker of a tag: ``POL-10`` is ``POL_10``, ``task-3.4`` is ``task_3_4``."""
    return re.sub(r"\W", "_", tag)


@cache
def tags_below(directory: Path) -> frozenset[str]:
    """Return every tag of every feature file below ``directory``, as they were when this was first asked."""
    tags: set[str] = set()
    for path in directory.rglob("*.feature"):
        for line in _TAG_LINE.findall(path.read_text(encoding="utf-8")):
            tags.update(tag.removeprefix("@") for tag in line.split())
    return frozenset(tags)


class FeatureFile(pytest.Module):
    """One ``.feature`` file."""

    def _getobj(self) -> types.ModuleType:
        path = str(self.path)
        try:
            feature = get_feature(str(self.path.parent), self.path.name)
        except Exception as error:
            raise self.CollectError(f"{self.nodeid}: {type(error).__name__}: {error}") from None
        _refuse_repeated_names(self.path)
        _refuse_empty(feature)
        module = types.ModuleType(self.path.stem)
        module.__file__ = path
        for name in feature.scenarios:
            setattr(module, name, scenario(path, name, features_base_dir=str(self.path.parent))(_passes))
        return module

    def istestfunction(self, obj: object, name: str) -> bool:
        return callable(obj)

    def istestclass(self, obj: object, name: str) -> bool:
        return False


class ScenarioFacts:
    """What a feature file says about one collected scenario."""

    def __init__(self, item: pytest.Function, root: Path) -> None:
        feature = get_feature(str(item.path.parent), item.path.name)
        template = feature.scenarios[item.originalname]
        params = item.callspec.params if hasattr(item, "callspec") else {}
        example = cast(dict[str, str], params.get("_pytest_bdd_example", {}))
        rendered = template.render(example)
        self.feature_path = _relative(item.path, root)
        self.feature_name = feature.name or self.feature_path
        self.feature_text = feature.description.strip()
        self.name = rendered.name
        if example and self.name == template.name:
            self.name = f"{template.name} [{', '.join(example.values())}]"
        self.id = f"{self.feature_path}::{self.name}"
        self.tags = tags_of(feature, template)
        self.steps = [step.name for step in rendered.steps]
        """The texts of its steps."""
        self.requirement_ids = [tag for tag in self.tags if re.fullmatch(r"[A-Z]{3}-\d{2}", tag)]
        """The requirements that the scenario judges."""

    @property
    def task_ids(self) -> list[str]:
        """The task items that the scenario proves."""
        return [tag.removeprefix("task-") for tag in self.tags if tag.startswith("task-")]


def _passes() -> None:
    """A scenario is its steps; the test function adds nothing."""


def _refuse_repeated_names(path: Path) -> None:
    names = _SCENARIO_LINE.findall(path.read_text(encoding="utf-8"))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise pytest.Collector.CollectError(f"{path.name}: two scenarios bear the name {repeated[0]!r}")


def _refuse_empty(feature: Feature) -> None:
    """Refuse a scenario without steps: it would pass. A misspelt keyword makes one, its line being prose to Gherkin."""
    for name, template in feature.scenarios.items():
        outline = template.keyword in ("Scenario Outline", "Scenario Template")
        missing = "steps" if len(template.steps) == len(template.all_background_steps) else "examples"
        if missing == "steps" or (outline and not any(template.examples)):
            raise pytest.Collector.CollectError(
                f"{Path(feature.filename).name}: the scenario {name!r} has no {missing}"
            )


def tags_of(feature: Feature, template: ScenarioTemplate) -> list[str]:
    """Return a scenario's tags, those of its rule and its feature included, sorted."""
    rule_tags: Iterable[str] = template.rule.tags if template.rule is not None else ()
    return sorted({*feature.tags, *rule_tags, *template.tags})


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def scenario_items(items: Iterable[Any]) -> list[pytest.Function]:
    """Return those of pytest's items that are scenarios."""
    return [item for item in items if isinstance(item, pytest.Function) and isinstance(item.parent, FeatureFile)]
