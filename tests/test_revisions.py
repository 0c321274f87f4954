"""A requirement of certain MCP revisions is judged of servers that speak one of them, and of no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pdpp_conformance.catalogue import Requirement
from pdpp_conformance.revisions import outside
from pdpp_conformance.verdict import Level

ROW = Requirement("AAA-01", Level.MUST, "RS", "It holds.", "MCP", "wire", "a_subject")
OLD, NEW = "2025-11-25", "2026-07-28"


@pytest.mark.parametrize(
    ("since", "until", "spoken"),
    [
        (None, None, [OLD]),
        (NEW, None, [NEW]),
        (NEW, None, [OLD, NEW]),
        (None, OLD, [OLD, NEW]),
        (OLD, OLD, [OLD]),
        (OLD, NEW, ["2026-01-01"]),
        (OLD, None, [NEW]),
    ],
)
def test_inside(since: str | None, until: str | None, spoken: list[str]) -> None:
    """One revision in the window is enough; both its ends belong to it, and so does what lies between."""
    assert outside(_row(since, until), spoken) is None


@pytest.mark.parametrize(
    ("since", "until", "spoken", "told"),
    [
        (NEW, None, [OLD], "a rule since MCP 2026-07-28, and the MCP resource speaks 2025-11-25"),
        (None, OLD, [NEW], "a rule until MCP 2025-11-25, and the MCP resource speaks 2026-07-28"),
        (OLD, OLD, ["2025-06-18", NEW], "since MCP 2025-11-25 until MCP 2025-11-25"),
        (OLD, OLD, ["2025-06-18", NEW], "speaks 2025-06-18 and 2026-07-28"),
    ],
)
def test_outside(since: str | None, until: str | None, spoken: list[str], told: str) -> None:
    """The reason names the window and what is spoken."""
    reason = outside(_row(since, until), spoken)
    assert reason is not None
    assert told in reason


def _row(since: str | None, until: str | None) -> Requirement:
    return replace(ROW, since=since and f"MCP {since}", until=until and f"MCP {until}")
