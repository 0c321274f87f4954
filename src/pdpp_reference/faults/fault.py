"""What a named, deliberate defect is, and how one is declared.

A defect never lives in the conforming code. It replaces a part of the deployment before the application is made
(:meth:`Declared.replacing`) or of the setup client (:meth:`Declared.in_client`), or stands in front of the finished
application and spoils what passes: an answer (:meth:`Declared.altering`), a metadata document
(:meth:`Declared.rewriting`) or a form (:meth:`Declared.repairing`, for a server that takes what it should refuse).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.faults.traffic import AlteredAnswers, Answered, Pairs, RepairedForms
from pdpp_reference.setup_client.surroundings import Parts

Document = dict[str, Any]


def _nothing(parts: object) -> None:
    """Replace nothing."""


@dataclass(frozen=True)
class Fault:
    """One defect.

    Raises:
        ValueError: it names no requirement, or several and not why.
    """

    name: str
    what: str
    """What is wrong, in a sentence."""
    rows: frozenset[str]
    """The requirements, by id, that a conformance run must find unmet."""
    why: str | None = None
    """Why one defect turns several requirements red."""
    apply: Callable[[Collaborators], None] = _nothing
    wrap: Callable[[ASGIApp], ASGIApp] | None = None
    path: str | None = None
    """The path at which answers are spoilt, where it is at one."""
    spoil_client: Callable[[Parts], None] = _nothing
    """Replaces parts of the setup client; whoever has such a defect, the server does not."""

    @property
    def is_the_clients(self) -> bool:
        """Whether it is a defect of the setup client."""
        return self.spoil_client is not _nothing

    def __post_init__(self) -> None:
        if not self.rows or (len(self.rows) > 1 and self.why is None):
            raise ValueError(f"the fault {self.name} has to name the requirements it breaks, and why if several")


def _altered(path: str, change: Callable[[Answered], None], app: ASGIApp) -> ASGIApp:
    return AlteredAnswers(app, path, change)


class Declared:
    """The faults of one module, in the order in which they stand there. Each is named after its function."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def replacing(
        self, what: str, *rows: str, why: str | None = None, name: str | None = None
    ) -> Callable[[Callable[[Collaborators], None]], Callable[[Collaborators], None]]:
        """Declare a function that replaces parts of the deployment."""

        def declare(apply: Callable[[Collaborators], None]) -> Callable[[Collaborators], None]:
            self.faults.append(Fault(name or apply.__name__, what, frozenset(rows), why, apply=apply))
            return apply

        return declare

    def in_client(
        self, what: str, *rows: str, why: str | None = None
    ) -> Callable[[Callable[[Parts], None]], Callable[[Parts], None]]:
        """Declare a function that replaces parts of the setup client."""

        def declare(spoil: Callable[[Parts], None]) -> Callable[[Parts], None]:
            self.faults.append(Fault(spoil.__name__, what, frozenset(rows), why, spoil_client=spoil))
            return spoil

        return declare

    def wrapping(
        self, what: str, *rows: str, why: str | None = None, name: str | None = None
    ) -> Callable[[Callable[[ASGIApp], ASGIApp]], Callable[[ASGIApp], ASGIApp]]:
        """Declare a function that stands in front of the application."""

        def declare(wrap: Callable[[ASGIApp], ASGIApp]) -> Callable[[ASGIApp], ASGIApp]:
            self.faults.append(Fault(name or wrap.__name__, what, frozenset(rows), why, wrap=wrap))
            return wrap

        return declare

    def altering(
        self, path: str, what: str, *rows: str, why: str | None = None, name: str | None = None
    ) -> Callable[[Callable[[Answered], None]], Callable[[Answered], None]]:
        """Declare a function that spoils the answers at ``path``."""

        def declare(change: Callable[[Answered], None]) -> Callable[[Answered], None]:
            wrap = partial(_altered, path, change)
            self.faults.append(Fault(name or change.__name__, what, frozenset(rows), why, wrap=wrap, path=path))
            return change

        return declare

    def rewriting(
        self, path: str, what: str, *rows: str, why: str | None = None
    ) -> Callable[[Callable[[Document], None]], Callable[[Document], None]]:
        """Declare a function that spoils the JSON document at ``path``."""

        def declare(change: Callable[[Document], None]) -> Callable[[Document], None]:
            def answered(answer: Answered) -> None:
                document = answer.members
                if answer.status == 200:
                    change(document)
                    answer.members = document

            self.altering(path, what, *rows, why=why, name=change.__name__)(answered)
            return change

        return declare

    def repairing(
        self, path: str, what: str, *rows: str, why: str | None = None, name: str | None = None
    ) -> Callable[[Callable[[Pairs], Pairs]], Callable[[Pairs], Pairs]]:
        """Declare a function that makes a defective form posted to ``path`` a good one."""

        def declare(repair: Callable[[Pairs], Pairs]) -> Callable[[Pairs], Pairs]:
            self.wrapping(what, *rows, why=why, name=name or repair.__name__)(
                lambda app: RepairedForms(app, path, repair)
            )
            return repair

        return declare
