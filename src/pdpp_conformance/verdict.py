"""What a check can conclude, how it says so, and how conclusions add up to an outcome and an exit status."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Verdict(Enum):
    """The judgement on a requirement, a scenario or a task."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    WARN = "WARN"
    INFO = "INFO"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    BLOCKED = "BLOCKED"
    ATTESTED = "ATTESTED"
    EXCLUDED = "EXCLUDED"
    ERROR = "ERROR"


_GRAVITY = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.WARN,
    Verdict.INFO,
    Verdict.BLOCKED,
    Verdict.PASS,
    Verdict.ATTESTED,
    Verdict.EXCLUDED,
    Verdict.NOT_APPLICABLE,
)
"""From gravest to lightest. BLOCKED outweighs PASS: part of the evidence is missing. NOT_APPLICABLE and EXCLUDED yield
to a PASS, which was observed."""


def gravest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the verdict that the others yield to; ``None`` where there are none."""
    return min(verdicts, key=_GRAVITY.index, default=None)


class Level(Enum):
    """Whose rule a requirement is, which decides what an unmet one is called."""

    MUST = "MUST"
    PROFILE = "PROFILE"
    SHOULD = "SHOULD"
    DERIVED = "DERIVED"
    ADVISORY = "ADVISORY"

    @property
    def unmet(self) -> Verdict:
        """The verdict on an unmet requirement of this level."""
        if self in (Level.MUST, Level.PROFILE):
            return Verdict.FAIL
        return Verdict.INFO if self is Level.ADVISORY else Verdict.WARN


class FailOn(Enum):
    """Which unmet levels make a run not conformant."""

    MUST = "must"
    SHOULD = "should"
    DERIVED = "derived"
    ALL = "all"

    @property
    def levels(self) -> frozenset[Level]:
        """The levels that count; MUST, PROFILE and the change's own rows always do."""
        counted = {Level.MUST, Level.PROFILE}
        if self in (FailOn.SHOULD, FailOn.DERIVED, FailOn.ALL):
            counted.add(Level.SHOULD)
        if self in (FailOn.DERIVED, FailOn.ALL):
            counted.add(Level.DERIVED)
        if self is FailOn.ALL:
            counted.add(Level.ADVISORY)
        return frozenset(counted)


class ExitStatus:
    """The run's exit statuses beyond pytest's own 2 to 5."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    INTERRUPTED = 2
    USAGE = 4
    INCOMPLETE = 6
    UNREACHABLE = 7


class Conclusion(Exception):
    """A scenario ends here, with a verdict and its reason.

    Conclusion
    ├── Unmet           the target did not do what the requirement says     → FAIL, WARN or INFO by level
    │   ├── Shortfall   less grave than the requirement's level             → WARN at most
    │   └── Remark      permitted, and worth telling                        → INFO
    ├── Blocked         it could not be judged                              → BLOCKED
    ├── NotApplicable   the target does not claim it                        → NOT_APPLICABLE
    └── Excluded        it cannot be observed on this kind of target        → EXCLUDED
    """


class Unmet(Conclusion):
    """What was expected, and what was observed instead, each in a few words."""

    def __init__(self, expected: str, observed: str) -> None:
        super().__init__(f"expected {expected}; observed {observed}")
        self.expected = expected
        self.observed = observed


class Shortfall(Unmet):
    """Unmet, but in a way that the catalogue decides to be less grave: WARN where the level would say FAIL."""


class Remark(Unmet):
    """Unmet, but permitted: a case that the catalogue decides in the target's favour. INFO at every level."""


class Blocked(Conclusion):
    """Why it could not be judged, and what would unblock it."""

    def __init__(self, reason: str, *, unblock: str) -> None:
        super().__init__(f"{reason}; to unblock: {unblock}")
        self.reason = reason
        self.unblock = unblock


class NotApplicable(Conclusion):
    """Why the requirement does not concern this target."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Excluded(Conclusion):
    """Why the requirement cannot be observed here."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
