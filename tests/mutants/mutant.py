"""The mutants: what mutmut's operators make of the code that decides, and the changes of the state table.

mutmut changes what stands in functions. Each change is put into a forked process alone, in place of the function's code
there, so that no file is written and everything that was imported stays so.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import ndiff
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from libcst import Module, SimpleString
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace

from pdpp_reference.authorization_server.authorization_requests import TRANSITIONS, Event, State

AREAS = {
    "state table": ("pdpp_reference.authorization_server.authorization_requests",),
    "bearer check": ("pdpp_reference.resource_server.bearer",),
    "grants": ("pdpp_reference.grants.grants", "pdpp_reference.grants.authorization_details"),
    "metadata": ("pdpp_reference.authorization_server.metadata", "pdpp_reference.resource_server.metadata"),
}
"""What is mutated, module by module."""


@dataclass(frozen=True)
class Mutant:
    """One change of the reference server.

    Attributes:
        area: one of :data:`AREAS`.
        name: the function and the line that is changed, as it was and as it is; no line numbers, which move.
        put_in: makes the change in this process.
    """

    area: str
    name: str
    put_in: Callable[[], None] = field(repr=False)

    @property
    def identifier(self) -> str:
        """A short name that may be a folder's."""
        return sha256(self.name.encode()).hexdigest()[:16]


def mutants(most: int | None = None, seed: int = 1) -> Sequence[Mutant]:
    """Return the mutants, or about ``most`` of them, of each area in proportion: the same ones for the same seed."""
    makers = {area: list(_makers(area)) for area in AREAS}
    part = 1.0 if most is None else most / sum(len(ours) for ours in makers.values())
    made: dict[str, Mutant] = {}
    for area, ours in makers.items():
        chosen = sorted(ours, key=lambda maker: sha256(f"{seed} {area} {maker[0]}".encode()).digest())
        wanted = math.ceil(part * len(ours))
        for _, make in chosen:
            mutant = make()
            if mutant is not None and mutant.name not in made:
                made[mutant.name] = mutant
                wanted -= 1
            if not wanted:
                break
    return sorted(made.values(), key=lambda mutant: (list(AREAS).index(mutant.area), mutant.name))


Maker = tuple[str, Callable[[], Mutant | None]]
"""What tells a mutant from the others, and what makes it: ``None`` where it is the same program after all."""


def _makers(area: str) -> Iterator[Maker]:
    if area == "state table":
        for mutant in _of_table():
            yield mutant.name, partial(_itself, mutant)
    for module in AREAS[area]:
        yield from _of_functions(area, importlib.import_module(module))


def _itself(mutant: Mutant) -> Mutant:
    return mutant


# -- the state table ---------------------------------------------------------------------------------------------------


def _of_table() -> Iterator[Mutant]:
    table = dict(TRANSITIONS)
    for (state, event), reached in table.items():
        yield _table_mutant(f"{state.name} {event.name} leads nowhere", {}, without=(state, event))
        for other in State:
            if other not in (reached, state):
                changed = {key: other if key[1] is event else old for key, old in table.items()}
                yield _table_mutant(f"{event.name} leads to {other.name}", changed)
    for event in Event:
        (reached,) = {target for (_, fired), target in table.items() if fired is event}
        for state in State:
            if (state, event) not in table and state is not reached:
                yield _table_mutant(f"{state.name} {event.name} leads to {reached.name}", {(state, event): reached})


def _table_mutant(
    name: str, changed: dict[tuple[State, Event], State], without: tuple[State, Event] | None = None
) -> Mutant:
    def put_in() -> None:
        assert isinstance(TRANSITIONS, dict)
        TRANSITIONS.update(changed)
        if without is not None:
            del TRANSITIONS[without]

    return Mutant("state table", f"TRANSITIONS: {name}", put_in)


# -- functions ---------------------------------------------------------------------------------------------------------


def _of_functions(area: str, module: ModuleType) -> Iterator[Maker]:
    path = Path(str(module.__file__))
    source = path.read_text(encoding="utf-8")
    tree, mutations, *_ = create_mutations(str(path), source)
    before = _codes(source, path)

    def make(mutation: Mutation) -> Mutant | None:
        changed_tree = deep_replace(tree, mutation.original_node, mutation.mutated_node)
        assert isinstance(changed_tree, Module)
        changed = changed_tree.code
        after = _codes(changed, path)
        functions = [name for name, code in after.items() if name in before and code != before[name]]
        if not functions:
            return None
        outer = min(functions, key=len)
        name = f"{module.__name__.partition('.')[2]}.{outer}: {_difference(source, changed)}"
        return Mutant(area, name, _putting(module, outer, after[outer]))

    for place, mutation in enumerate(mutations):
        if mutation.contained_by_top_level_function is not None and not _is_prose(mutation):
            yield f"{module.__name__} {place}", partial(make, mutation)


def _is_prose(mutation: Mutation) -> bool:
    """Words for people, which no standard prescribes: anything with a space in it."""
    node = mutation.original_node
    return isinstance(node, SimpleString) and " " in node.value


def _codes(source: str, path: Path) -> dict[str, CodeType]:
    """Return the compiled functions and methods of a module by their qualified names, those within others left out.

    Without line numbers, which would make every function after a change another one.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = 1  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
    whole = compile(tree, str(path), "exec", dont_inherit=True)
    found: dict[str, CodeType] = {}
    waiting = [whole]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, CodeType) and "<" not in constant.co_qualname:
                if constant.co_flags & inspect.CO_OPTIMIZED:
                    found[constant.co_qualname] = constant
                else:  # a class body
                    waiting.append(constant)
    return found


def _putting(module: ModuleType, qualified: str, code: CodeType) -> Callable[[], None]:
    def put_in() -> None:
        *holders, name = qualified.split(".")
        holder: object = module
        for each in holders:
            holder = getattr(holder, each)
        function = inspect.getattr_static(holder, name)
        if isinstance(function, property):
            function = function.fget
        function = inspect.unwrap(getattr(function, "__func__", function))
        assert isinstance(function, FunctionType), qualified
        function.__code__ = code

    return put_in


def _difference(source: str, changed: str) -> str:
    lines = [line for line in ndiff(source.splitlines(), changed.splitlines()) if line[:2] in ("- ", "+ ")]
    was = " ".join(line[2:].strip() for line in lines if line[0] == "-")
    becomes = " ".join(line[2:].strip() for line in lines if line[0] == "+")
    return f"`{was}` becomes `{becomes}`"
