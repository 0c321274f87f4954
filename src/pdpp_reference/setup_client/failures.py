"""How a setup can end without a credential.

SetupFailure
├── Usage       what was asked for makes no sense                              exit 64
├── Refused     the owner or the server said no, or said what must not be      exit 69
│   └── CodeExpired     nobody decided before the code expired
└── TimedOut    the time was over, or nobody answered                          exit 75
    └── NoAnswer        one request got no answer; asked again later, it may
"""

from __future__ import annotations


class SetupFailure(Exception):
    """The message is one sentence for a person, without the full stop; no secret is in it.

    Args:
        error: the server's error code, where it gave one.
    """

    exit_status = 70

    def __init__(self, reason: str, *, error: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


class Usage(SetupFailure):
    """What was asked for makes no sense."""

    exit_status = 64


class Refused(SetupFailure):
    """The owner or the server said no, or the server said what a client must not accept."""

    exit_status = 69


class CodeExpired(Refused):
    """Nobody decided before the code expired."""


class TimedOut(SetupFailure):
    """The time was over before there was a decision, or nobody answered."""

    exit_status = 75


class NoAnswer(TimedOut):
    """One request got no usable answer from the network or the server behind it."""
