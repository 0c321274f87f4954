"""The state machine that draws sequences of acts: what may be done next, and how often.

What may be done depends on the model alone, so a sequence is drawn whole before anything of it is done: one that came
before, which is every third, costs nothing then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.flow_model import FlowModel

STEPS = 4
"""Rules that one run follows after its beginning."""

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


class FlowMachine(RuleBasedStateMachine):
    """Several requests of several clients, of both kinds, interleaved.

    Args:
        model: where the sequence begins.
        drawn: takes the sequence.
    """

    def __init__(self, model: FlowModel, drawn: Callable[[Sequence[Act]], None]) -> None:
        super().__init__()
        self._model = model
        self._drawn = drawn
        self._acts: list[Act] = []

    def teardown(self) -> None:
        """End with a look at each request: what an odd order has spoilt shows in what is asked last."""
        for number, asked in self._model.asked.items():
            last = Act("poll", number)
            if asked.pairs:
                last = Act("introspect", number, detail="first" if len(asked.pairs) > 1 else "newest")
            if self._model.allows(last):
                self._do(last)
        self._drawn(self._acts)

    def can(self, *names: str) -> bool:
        """Whether an act of one of these names is possible."""
        return any(self._model.possible(name) for name in names)

    def _do(self, act: Act) -> None:
        self._model.apply(act)
        self._acts.append(act)

    def _any(self, which: int, *names: str) -> None:
        choices = [possible for name in names if (possible := self._model.possible(name))]
        further, choice = divmod(which, len(choices))
        self._do(choices[choice][further % len(choices[choice])])

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
        self._begin(which, beginning)

    @precondition(lambda self: self.can("start"))
    @rule(which=_WHICH, beginning=_ANOTHER)
    def another_device_asks(self, which: int, beginning: str) -> None:
        self._begin(which, beginning)

    @precondition(lambda self: self.can("poll", "poll as another"))
    @rule(which=_WHICH)
    def somebody_polls(self, which: int) -> None:
        self._any(which, "poll", "poll as another")

    @precondition(lambda self: self.can("approve", "deny"))
    @rule(which=_WHICH)
    def the_owner_decides(self, which: int) -> None:
        self._any(which, "approve", "deny")

    @precondition(lambda self: self.can("refresh"))
    @rule(which=_WHICH)
    def a_client_refreshes(self, which: int) -> None:
        self._any(which, "refresh")

    @precondition(lambda self: self.can("revoke", "end grant", "remove client"))
    @rule(which=_WHICH)
    def something_ends(self, which: int) -> None:
        self._any(which, "revoke", "end grant", "remove client")

    @precondition(lambda self: self.can("use"))
    @rule(which=_WHICH)
    def a_token_is_used(self, which: int) -> None:
        self._any(which, "use")

    @precondition(lambda self: self.can("introspect"))
    @rule(which=_WHICH)
    def a_token_is_introspected(self, which: int) -> None:
        self._any(which, "introspect")

    @precondition(lambda self: self.can("wait"))
    @rule(which=_WHICH)
    def time_goes_by(self, which: int) -> None:
        self._any(which, "wait")


def draw_sequences(number: int, chance: int, model: Callable[[], FlowModel]) -> list[Sequence[Act]]:
    """Draw so many sequences, no two of them alike but for the clients; fewer where there are no others.

    They are drawn in short sessions: of a long one most are variations of a few.

    Args:
        chance: the seed.
        model: makes the model that a sequence begins with.
    """
    drawn: dict[object, Sequence[Act]] = {}

    def take(acts: Sequence[Act]) -> None:
        drawn.setdefault(tuple((act.name, act.request, act.detail) for act in acts), acts)

    class Drawn(FlowMachine):
        def __init__(self) -> None:
            super().__init__(model(), take)

    for session in range(number):
        if len(drawn) >= number:
            break
        run_state_machine_as_test(seed(hash((chance, session)))(Drawn), settings=_SESSION)
    return list(drawn.values())[:number]
