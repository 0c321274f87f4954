"""What the harness makes up (states, names, forged tokens), drawn from the run's seed, so that it can be drawn again.

Nothing drawn here guards anything: it is sent to see it refused, or serves one request of one throwaway client.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from typing import TypeVar

Member = TypeVar("Member")

_SOURCE = random.Random()  # noqa: S311 - the same seed has to give the same requests


def begin(seed: int, part: str) -> None:
    """Begin a part of the run, a scenario say: what it draws depends on the seed and on its own draws alone."""
    _SOURCE.seed(f"{seed}:{part}")


def token_hex(count: int) -> str:
    """Return ``count`` bytes as hexadecimal digits."""
    return _SOURCE.randbytes(count).hex()


def token_urlsafe(count: int) -> str:
    """Return ``count`` bytes in base64url without padding."""
    return base64.urlsafe_b64encode(_SOURCE.randbytes(count)).rstrip(b"=").decode()


def choice(members: Sequence[Member]) -> Member:
    """Return one of ``members``."""
    return _SOURCE.choice(members)
