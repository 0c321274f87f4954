"""Which step definition a step means, found once: pytest-bdd tries every fixture of the session at each step."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def remember_steps() -> None:
    """Let pytest-bdd try, for each step, only the definitions that fitted its text before.

    Which of these a scenario may see is asked of pytest every time, as before. With hundreds of scenarios the look-up
    would otherwise take longer than the requests.
    """
    scenario = importlib.import_module("pytest_bdd.scenario")  # the package's attribute of that name is a function
    compat = importlib.import_module("pytest_bdd.compat")
    contexts = importlib.import_module("pytest_bdd.steps").step_function_context_registry
    exact = importlib.import_module("pytest_bdd.parsers").string
    fitting: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    by_text: dict[str, list[tuple[str, Any]]] = {}
    by_pattern: list[tuple[str, Any]] = []

    def read(known: Mapping[str, Sequence[Any]]) -> None:
        for name, defs in known.items():
            for context in filter(None, (contexts.get(one.func) for one in defs)):
                parser = context.parser
                place = by_text.setdefault(parser.name, []) if isinstance(parser, exact) else by_pattern
                place.append((name, context))

    def names_fitting(step: Any) -> list[tuple[str, Any]]:
        likely = [*by_text.get(step.name, ()), *by_pattern]
        of_type = [(name, one) for name, one in likely if one.type is None or one.type == step.type]
        return [(name, one) for name, one in of_type if one.parser.is_matching(step.name)]

    def find(step: Any, fixturemanager: Any, node: Any) -> Iterator[Any]:
        if not by_text:
            read(fixturemanager._arg2fixturedefs)
        key = step.type, step.name
        if key not in fitting:
            fitting[key] = names_fitting(step)
        for name, context in fitting[key]:
            for fixturedef in compat.getfixturedefs(fixturemanager, name, node) or []:
                if contexts.get(fixturedef.func) is context:
                    yield fixturedef

    scenario.__dict__["find_fixturedefs_for_step"] = find
