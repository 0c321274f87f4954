"""The state machine that draws the acts: what may be done next, and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.flow_model import FlowModel

STEPS = 6
"""Rules that one run follows after its beginning."""

_BEGINNINGS: Mapping[str, Sequence[str]] = {
    "asked": ("start",),
    "approved": ("start", "approve"),
    "redeemed": ("start", "approve", "poll"),
    "refreshed": ("start", "approve", "poll", "refresh"),
}
"""How far a request has come when the machine takes it over: what begins at the beginning seldom gets far."""

_SOME_BEGINNING = st.sampled_from(("asked", "approved", "redeemed", "redeemed", "refreshed"))
_WHICH = st.integers(0, 11)
"""Which of the acts that are possible, counted round and round."""


class FlowMachine(RuleBasedStateMachine):
    """Several requests of several clients, of both kinds, interleaved.

    Args:
        model: where the run begins.
        perform: does an act, and judges it; the model is moved on here.
    """

    def __init__(self, model: FlowModel, perform: Callable[[FlowModel, Act], None]) -> None:
        super().__init__()
        self._model = model
        self._perform = perform

    def can(self, name: str) -> bool:
        """Whether an act of that name is possible."""
        return bool(self._model.possible(name))

    def _do(self, act: Act) -> None:
        self._perform(self._model, act)
        self._model.apply(act)

    def _any(self, name: str, which: int) -> None:
        possible = self._model.possible(name)
        self._do(possible[which % len(possible)])

    def _begin(self, which: int, beginning: str) -> None:
        possible = self._model.possible("start")
        first = possible[which % len(possible)]
        self._do(first)
        for name in _BEGINNINGS[beginning][1:]:
            act = next((act for act in self._model.possible(name) if act.request == first.request), None)
            if act is not None:
                self._do(act)

    @initialize(which=_WHICH, beginning=_SOME_BEGINNING)
    def a_device_asks(self, which: int, beginning: str) -> None:
        self._begin(which, beginning)

    @precondition(lambda self: self.can("start"))
    @rule(which=_WHICH, beginning=_SOME_BEGINNING)
    def another_device_asks(self, which: int, beginning: str) -> None:
        self._begin(which, beginning)

    @precondition(lambda self: self.can("poll"))
    @rule(which=_WHICH)
    def a_device_polls(self, which: int) -> None:
        self._any("poll", which)

    @precondition(lambda self: self.can("poll as another"))
    @rule(which=_WHICH)
    def another_client_polls(self, which: int) -> None:
        self._any("poll as another", which)

    @precondition(lambda self: self.can("approve"))
    @rule(which=_WHICH)
    def the_owner_approves(self, which: int) -> None:
        self._any("approve", which)

    @precondition(lambda self: self.can("deny"))
    @rule(which=_WHICH)
    def the_owner_denies(self, which: int) -> None:
        self._any("deny", which)

    @precondition(lambda self: self.can("refresh"))
    @rule(which=_WHICH)
    def a_client_refreshes(self, which: int) -> None:
        self._any("refresh", which)

    @precondition(lambda self: self.can("revoke"))
    @rule(which=_WHICH)
    def a_client_revokes(self, which: int) -> None:
        self._any("revoke", which)

    @precondition(lambda self: self.can("end grant"))
    @rule(which=_WHICH)
    def a_grant_ends(self, which: int) -> None:
        self._any("end grant", which)

    @precondition(lambda self: self.can("remove client"))
    @rule(which=_WHICH)
    def a_client_is_removed(self, which: int) -> None:
        self._any("remove client", which)

    @precondition(lambda self: self.can("use"))
    @rule(which=_WHICH)
    def a_token_is_used(self, which: int) -> None:
        self._any("use", which)

    @precondition(lambda self: self.can("introspect"))
    @rule(which=_WHICH)
    def a_token_is_introspected(self, which: int) -> None:
        self._any("introspect", which)

    @precondition(lambda self: self.can("wait"))
    @rule(which=_WHICH)
    def time_goes_by(self, which: int) -> None:
        self._any("wait", which)


def draw_runs(runs: int, number: int, machine: Callable[[], FlowMachine]) -> None:
    """Let a machine be made and run so many times, drawn from a seed.

    Args:
        number: the seed.
    """
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        ),
    )
