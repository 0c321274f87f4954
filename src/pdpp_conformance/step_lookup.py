"""Which step definition a step means, found once: pytest-bdd tries every fixture of the session at each step."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any


def remember_steps() -> None:
    """Let pytest-bdd try, for each step, only the definitions that fitted its text before.

    Which of these a scenario may see is asked of pytest every time, as before. With hundreds of scenarios the look-up
    would otherwise take longer than the requests.
    """
    scenario = importlib.import_module("pytest_bdd.scenario")  # the package's attribute of that name is a function
    compat = importlib.import_module("pytest_bdd.compat")
    contexts = importlib.import_module("pytest_bdd.steps").step_function_context_registry
    fitting: dict[tuple[str, str], list[str]] = {}
    names: list[str] = []

    def defines_fitting_step(fixturedef: Any, step: Any) -> bool:
        context = contexts.get(fixturedef.func)
        return (
            context is not None
            and (context.type is None or context.type == step.type)
            and bool(context.parser.is_matching(step.name))
        )

    def find(step: Any, fixturemanager: Any, node: Any) -> Iterator[Any]:
        known = fixturemanager._arg2fixturedefs
        if not names:
            names.extend(name for name, defs in known.items() if any(contexts.get(one.func) for one in defs))
        key = step.type, step.name
        if key not in fitting:
            fitting[key] = [name for name in names if any(defines_fitting_step(one, step) for one in known[name])]
        for name in fitting[key]:
            for fixturedef in compat.getfixturedefs(fixturemanager, name, node) or []:
                if defines_fitting_step(fixturedef, step):
                    yield fixturedef

    scenario.__dict__["find_fixturedefs_for_step"] = find
