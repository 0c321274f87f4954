"""What a verdict rests on besides the exchanges: the clock, what the owner's pages showed, what no record holds.

It is kept by parts of the run: a scenario, a conversation beside the scenarios, or neither (the empty name).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import wraps
from typing import Any

from pdpp_conformance.approver.approver import Approver, Arrival, Decision, Page
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.waiting import Waiting

ACTS = ("read", "approve", "deny", "enter_code", "visit", "session_cookies", "answer_client")
"""What the owner does, by the approvers' methods."""


class Testimony:
    """The testimony of a run.

    Args:
        recorder: knows what part of the run the calling thread is in, and its exchanges.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.readings: dict[str, list[float]] = {}
        """Seconds on the clock that the target is judged by, in the order in which they were read."""
        self.waits: dict[str, list[list[str] | None]] = {}
        """How each wait ended: ``None``, or why the run could not wait, and what would unblock it."""
        self.owner: dict[str, list[dict[str, Any]]] = {}
        """What the owner did, about which request, and saw."""
        self.beyond: dict[str, list[str]] = {}
        """What a part rests on that no exchange shows."""
        self.shared: dict[str, list[int]] = {}
        """The exchanges that made what a part shares with others."""
        self._recorder = recorder
        self._made: dict[str, list[tuple[list[str], list[int]]]] = {}
        """What each making rests on, by name, in order."""
        self._left_by: dict[str, str] = {}
        """The part that made something, or left it as it is, by its name."""
        self._taken_from: dict[str, set[str]] = {}
        """From which parts a part took something over."""

    def to_json(self) -> dict[str, Any]:
        """Write the testimony, before redaction."""
        return {"readings": self.readings, "waits": self.waits, "owner": self.owner, "beyond": self.beyond}

    def read(self, reading: float) -> float:
        """Take down a reading of the clock."""
        self.readings.setdefault(self._part(), []).append(reading)
        return reading

    def waited(self, problem: Blocked | None) -> None:
        """Take down how a wait ended."""
        told = None if problem is None else [problem.reason, problem.unblock]
        self.waits.setdefault(self._part(), []).append(told)

    def acted(self, act: str, about: str, saw: Any, after: int) -> None:
        """Take down what the owner did.

        Args:
            about: the user code or the address.
            saw: what came of it.
            after: how many exchanges there were when it was over.
        """
        event = {"act": act, "about": about, "after": after, **saw}
        self.owner.setdefault(self._part(), []).append(event)

    def rests_beyond(self, what: str) -> None:
        """Take down that the part rests on something that no exchange shows."""
        seen = self.beyond.setdefault(self._part(), [])
        if what not in seen:
            seen.append(what)

    @contextmanager
    def making(self, name: str) -> Iterator[None]:
        """While something is made that parts will use: it is a part of its own, and they rest on it (:meth:`using`).

        So it can be made again from the record, whichever of those that use it can be judged by it. Who asked for it
        rests on it all the same where it cannot be made.
        """
        asked_by, number = self._part(), self.times_made(name)
        with self._recorder.making(name if not number else f"{name}, number {number + 1}"):
            part = self._part()
            self.leaves(name)
            is_made = False
            try:
                yield
                is_made = True
            finally:
                made = [one.number for one in self._recorder.exchanges if self._recorder.part_of(one) == part]
                rests_on = self.beyond.pop(part, []), [*self.shared.pop(part, []), *made]
                self._made.setdefault(name, []).append(rests_on)
                if not is_made:
                    self._rest(asked_by, *rests_on)

    def times_made(self, name: str) -> int:
        """How many times something was made, or tried to be, under that name."""
        return len(self._made.get(name, ()))

    def using(self, name: str, which: int = -1) -> None:
        """Take down that the part uses what was made under that name; of several, the last.

        Args:
            which: the number of another one, from 0.
        """
        self.takes(name)
        self._rest(self._part(), *self._made[name][which])

    def _rest(self, part: str, beyond: Sequence[str], numbers: Sequence[int]) -> None:
        if beyond:
            self.beyond[part] = list(dict.fromkeys([*self.beyond.get(part, ()), *beyond]))
        self.shared[part] = list(dict.fromkeys([*self.shared.get(part, ()), *numbers]))

    def leaves(self, name: str) -> None:
        """Take down that the part leaves something for others to go on from."""
        self._left_by[name] = self._part()

    def takes(self, name: str) -> None:
        """Take down that the part goes on from what another may have left, if any did."""
        maker, part = self._left_by.get(name), self._part()
        if maker is not None and maker != part:
            self._taken_from.setdefault(part, set()).add(maker)

    def not_by_wire(self) -> Set[str]:
        """Find the parts that rest on what no exchange shows, and those that go on from what such a part left."""
        found = {part for part, what in self.beyond.items() if what}
        while more := {part for part, makers in self._taken_from.items() if makers & found} - found:
            found |= more
        return found

    def _part(self) -> str:
        return self._recorder.part


class WitnessedClock:
    """A clock whose readings and waits are taken down."""

    def __init__(self, clock: Waiting, testimony: Testimony) -> None:
        self._clock = clock
        self._testimony = testimony

    @property
    def waited_s(self) -> float:
        return self._clock.waited_s

    @waited_s.setter
    def waited_s(self, seconds: float) -> None:
        self._clock.waited_s = seconds

    @property
    def moved_by_hand(self) -> bool:
        return self._clock.moved_by_hand

    @property
    def left_s(self) -> float:
        return self._clock.left_s

    def spend(self, seconds: float) -> None:
        self._clock.spend(seconds)

    def now(self) -> float:
        return self._testimony.read(self._clock.now())

    def until(self, moment: float, what_for: str) -> None:
        try:
            self._clock.until(moment, what_for)
        except Blocked as problem:
            self._testimony.waited(problem)
            raise
        self._testimony.waited(None)


def take_down(approver: Approver, testimony: Testimony, recorder: Recorder) -> None:
    """Let the testimony take down what an approver does from now on; its exchanges are none of the run's own."""
    acting = threading.local()

    def witnessed(act: str, do: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(do)
        def doing(*args: Any, **kwargs: Any) -> Any:
            if getattr(acting, "now", False):  # one act that is part of another
                return do(*args, **kwargs)
            acting.now, before = True, len(recorder.exchanges)
            about = str(getattr(args[0], "user_code", args[0])) if args else ""
            if approver.kind == "manual":
                testimony.rests_beyond("what a person did")
            try:
                saw = do(*args, **kwargs)
            except Blocked as problem:
                blocked = {"blocked": [problem.reason, problem.unblock]}
                testimony.acted(act, about, blocked, len(recorder.exchanges))
                raise
            finally:
                acting.now = False
                recorder.observe_since(before)
            testimony.acted(act, about, {"saw": _written(saw)}, len(recorder.exchanges))
            return saw

        return doing

    for act in ACTS:
        do = getattr(approver, act, None)
        if do is not None:
            setattr(approver, act, witnessed(act, do))


def _written(saw: Any) -> Any:
    """Write what an act led to as JSON; pictures are files of their own."""
    if isinstance(saw, Page):
        return asdict(replace(saw, attachment=None))
    if isinstance(saw, Decision):
        return {"asked": _written(saw.asked), "concluded": _written(saw.concluded)}
    if isinstance(saw, Arrival):
        return {"page": _written(saw.page), "asks": saw.asks, "redirected_to": saw.redirected_to}
    return [list(pair) for pair in saw] if isinstance(saw, list) else []
