"""The state machine that draws sequences of acts: what may be done next, and how often.

What may be done depends on the model alone, so a sequence is drawn whole before anything of it is done: one that came
before costs nothing then. And the model tells in which situations requests have been: most sequences begin with a
shortest way to a new one, so that what only an odd order leads to is reached whatever the seed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.flow_model import FlowModel, Situation

STEPS = 3
"""Rules that one run follows, its beginning among them."""

_BEGINNINGS: Mapping[str, Sequence[str]] = {
    "asked": ("start",),
    "denied": ("start", "deny"),
    "approved": ("start", "approve"),
    "redeemed": ("start", "approve", "poll"),
    "refreshed": ("start", "approve", "poll", "refresh"),
}
"""How far a request has come when the machine takes it over: what begins at the beginning seldom gets far."""

_FIRST = st.sampled_from(("redeemed", "refreshed", "asked", "approved", "denied", "refreshed"))
_ANOTHER = st.sampled_from(("asked", "approved", "asked", "redeemed"))
_SESSION = settings(
    max_examples=10,
    stateful_step_count=STEPS,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)

_WHICH = st.integers(0, 59)
"""Which of the acts that are possible, counted round and round."""

_ACTS = (
    *("poll", "poll as another", "approve", "deny", "refresh", "revoke", "end grant", "remove client", "use"),
    *("introspect", "wait"),
)
"""What somebody may do once a device has asked."""


class Travels:
    """Where sequences have been, and the shortest ways there: what is drawn goes on where none was."""

    def __init__(self) -> None:
        self._been: Counter[Situation] = Counter()
        self._known: dict[Situation, tuple[Sequence[Act], FlowModel]] = {}
        self._exits: dict[Situation, Sequence[tuple[Act, Situation]]] = {}
        self._asked = 0

    def note(self, model: FlowModel, acts: Sequence[Act]) -> None:
        """Take the situations of all requests in, to which these acts have led."""
        situations = model.situations()
        self._been.update(situations)
        if len(situations) == 1:
            known = self._known.get(situations[0])
            if known is None or len(acts) < len(known[0]):
                self._known[situations[0]] = tuple(acts), model.copied()

    def next_way_to_somewhere_new(self, which: int) -> Sequence[Act]:
        """Return the acts that lead a request where none has been, as few as there can be; none every third time."""
        self._asked += 1
        if self._asked % 3 == 0:
            return ()
        ways = [
            (*self._known[situation][0], act)
            for situation in self._known
            for act, reached in self._exits_of(situation)
            if not self._been[reached]
        ]
        nearest = [way for way in ways if len(way) == min(map(len, ways))]
        return nearest[which % len(nearest)] if nearest else ()

    def _exits_of(self, situation: Situation) -> Sequence[tuple[Act, Situation]]:
        if situation not in self._exits:
            _, model = self._known[situation]
            number = next(iter(model.asked))
            reached = [(act, model.after(act).situation(number)) for name in _ACTS for act in model.possible(name)]
            self._exits[situation] = [(act, there) for act, there in reached if there != situation]
        return self._exits[situation]

    def rarity(self, model: FlowModel, act: Act) -> int:
        """Return how often any sequence came to where an act leads; very often where it leads nowhere."""
        before, after = model.situations(), model.after(act).situations()
        return min((self._been[new] for old, new in zip(before, after, strict=True) if old != new), default=sys.maxsize)


class FlowMachine(RuleBasedStateMachine):
    """Several requests of several clients, of both kinds, interleaved.

    What is drawn is numbers; what they mean depends on where earlier sequences went. So no rule has a precondition: the
    same numbers are always drawn in the same way, and where nothing of a rule's can be done, something else is.

    Args:
        model: where the sequence begins.
        travels: where earlier sequences went.
        drawn: takes the sequence.
    """

    def __init__(self, model: FlowModel, travels: Travels, drawn: Callable[[Sequence[Act]], None]) -> None:
        super().__init__()
        self._model = model
        self._travels = travels
        self._drawn = drawn
        self._acts: list[Act] = []

    def teardown(self) -> None:
        """End with a look at each request: what an odd order has spoilt shows in what is asked last."""
        for number, asked in self._model.asked.items():
            self._look_at(number)
            if asked.pairs:
                self._do_if_possible(Act("refresh", number, detail="newest"))
            elif self._model.state(number) in ("pending", "approved"):
                self._do_if_possible(Act("poll", number))
        self._drawn(self._acts)

    def _look_at(self, number: int) -> None:
        """Ask what a request has come to, in a way that changes nothing."""
        if self._model.state(number) in ("denied", "expired"):
            self._do_if_possible(Act("poll", number))
        oldest = "first" if len(self._model.asked[number].pairs) > 1 else "newest"
        self._do_if_possible(Act("introspect", number, detail=oldest))

    def _do_if_possible(self, act: Act) -> None:
        if self._model.allows(act):
            self._do(act)

    def _do(self, act: Act) -> None:
        self._model.apply(act)
        self._acts.append(act)
        self._travels.note(self._model, self._acts)

    def _begin(self, which: int, beginning: str) -> None:
        possible = self._model.possible("start")
        first = possible[which % len(possible)]
        self._do(first)
        for name in _BEGINNINGS[beginning][1:]:
            act = next((act for act in self._model.possible(name) if act.request == first.request), None)
            if act is not None:
                self._do(act)

    @initialize(which=_WHICH, beginning=_FIRST)
    def a_device_asks(self, which: int, beginning: str) -> None:
        way = self._travels.next_way_to_somewhere_new(which)
        for act in way:
            self._do(act)
        if way:
            self._look_at(1)
        else:
            self._begin(which, beginning)

    @rule(which=_WHICH, beginning=_ANOTHER)
    def another_device_asks(self, which: int, beginning: str) -> None:
        if self._model.possible("start"):
            self._begin(which, beginning)
        else:
            self.somebody_does_what_seldom_comes_about(which)

    @rule(which=_WHICH)
    def somebody_acts(self, which: int) -> None:
        kinds = [possible for name in _ACTS if (possible := self._model.possible(name))]
        further, kind = divmod(which, len(kinds))
        self._do(kinds[kind][further % len(kinds[kind])])

    @rule(which=_WHICH)
    def somebody_does_what_seldom_comes_about(self, which: int) -> None:
        possible = [act for name in _ACTS for act in self._model.possible(name)]
        seldom = [self._travels.rarity(self._model, act) for act in possible]
        rarest = [act for act, often in zip(possible, seldom, strict=True) if often == min(seldom)]
        self._do(rarest[which % len(rarest)])


def draw_sequences(number: int, chance: int, model: Callable[[], FlowModel]) -> list[Sequence[Act]]:
    """Draw so many sequences, no two of them alike but for the clients; fewer where there are no others.

    They are drawn in short sessions: of a long one most are variations of a few.

    Args:
        chance: the seed.
        model: makes the model that a sequence begins with.
    """
    drawn: dict[object, Sequence[Act]] = {}
    travels = Travels()

    def take(acts: Sequence[Act]) -> None:
        drawn.setdefault(tuple((act.name, act.request, act.detail) for act in acts), acts)

    class Drawn(FlowMachine):
        def __init__(self) -> None:
            super().__init__(model(), travels, take)

    for session in range(number):
        if len(drawn) >= number:
            break
        run_state_machine_as_test(seed(hash((chance, session)))(Drawn), settings=_SESSION)
    return list(drawn.values())[:number]
