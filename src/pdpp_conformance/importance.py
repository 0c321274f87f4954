"""In which order scenarios run where not all of them can: whole requirements, and those that must hold come first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from pdpp_conformance.verdict import Level

Place = tuple[bool, bool, bool, int, int]
"""Where a requirement comes: late, what need not hold, what tells less, what takes more scenarios, as catalogued."""

_UNCOUNTED = "fuzzed"
"""The tag of what waits for generated requests, which are not counted with those of the scenarios."""

_MUST_HOLD = (Level.MUST, Level.PROFILE)


class Speaking(Protocol):
    """A scenario, as far as its place goes."""

    @property
    def tags(self) -> Sequence[str]:
        """Its tags."""
        ...

    @property
    def requirement_ids(self) -> Sequence[str]:
        """The requirements that it judges."""
        ...


def by_importance(
    scenarios: Sequence[Speaking], levels: Mapping[str, Level], *, telling: str, late: Collection[str]
) -> Callable[[Speaking], Place]:
    """Return the key that brings scenarios into an order in which the most that must hold is judged soonest.

    A requirement is judged when all of its scenarios have run, so they stay together, and what takes few comes first.
    One of which a scenario is late is not judged before that, so none of its scenarios has any haste.

    Args:
        scenarios: all that were selected.
        levels: the requirements' levels, by id, as they are catalogued.
        telling: the tag of what tells most.
        late: tags of what takes its time or wears out a limit, and has to wait for the others.
    """
    speaking: dict[str, list[Speaking]] = {}
    for facts in scenarios:
        for row in facts.requirement_ids:
            speaking.setdefault(row, []).append(facts)
    catalogued = {row: number for number, row in enumerate(levels)}

    def place_of(row: str) -> Place:
        own = speaking[row]
        tags = {tag for facts in own for tag in facts.tags}
        must_hold = levels[row] in _MUST_HOLD
        takes = sum(_UNCOUNTED not in facts.tags for facts in own)
        return (not tags.isdisjoint(late), not must_hold, telling not in tags, takes, catalogued[row])

    places = {row: place_of(row) for row in speaking if row in catalogued}

    def key(facts: Speaking) -> Place:
        of_none = (False, False, telling not in facts.tags, 0, 0)
        return min((places[row] for row in facts.requirement_ids if row in places), default=of_none)

    return key
