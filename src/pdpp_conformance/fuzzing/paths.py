"""Beaten paths: short sequences that put each rule to the test at least once, so that none is left to chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pdpp_conformance.fuzzing.acts import MCP_KIND, OWNER_KIND, Act
from pdpp_conformance.fuzzing.flow_model import PASSING, STAYING, FlowModel

_REST = "the owner's REST surface"
_OUTSIDE = "/mcp, for a stream that was not granted"


def _act(name: str, detail: str = "") -> Act:
    return Act(name, 0 if name == "wait" else 1, detail=detail)


_POLL = _act("poll")
_INTROSPECT = _act("introspect", "newest")
_REFRESH = _act("refresh", "newest")


def _asked(kind: str = MCP_KIND, by: str = STAYING[0]) -> list[Act]:
    return [Act("start", 1, by, kind)]


def _redeemed(kind: str = MCP_KIND, by: str = STAYING[0]) -> list[Act]:
    return [*_asked(kind, by), _act("approve"), _POLL]


_PATHS: Sequence[Sequence[Act]] = (
    [*_asked(), _POLL, _act("wait", "6"), _POLL, _act("poll as another"), _act("wait", "4000"), _POLL],
    [*_asked(), _POLL, _POLL, _act("wait", "11"), _POLL],
    [*_asked(), _POLL, _act("poll as another"), _POLL],
    [*_asked(), _act("deny"), _act("wait", "4000"), _POLL],
    [*_asked(OWNER_KIND), _POLL, _POLL, _act("deny"), _POLL, _act("approve"), _POLL],
    [*_asked(), _act("approve"), _act("poll as another"), _act("deny"), _POLL, _INTROSPECT, _act("use", "/mcp")],
    [*_asked(), _act("approve"), _act("wait", "4000"), _POLL],
    [*_redeemed(), _act("use", _OUTSIDE), _act("use", _REST), _REFRESH, _POLL, _INTROSPECT, _REFRESH],
    [
        *_redeemed(OWNER_KIND),
        _act("use", _REST),
        _act("use", "/mcp"),
        _act("use", "/mcp"),
        _POLL,
        _INTROSPECT,
        _act("use", "/mcp"),
    ],
    [*_redeemed(), _REFRESH, _REFRESH, _act("refresh", "first"), _INTROSPECT, _REFRESH],
    [*_redeemed(), _act("revoke", "access"), _INTROSPECT, _REFRESH, _act("revoke", "refresh"), _INTROSPECT, _REFRESH],
    [*_redeemed(), _act("revoke", "refresh"), _REFRESH],
    [*_redeemed(), _REFRESH, _act("revoke", "refresh"), _act("introspect", "first")],
    [*_redeemed(), _act("wait", "4000"), _act("use", "/mcp"), _INTROSPECT, _REFRESH, _INTROSPECT],
    [*_redeemed(), _act("end grant"), _INTROSPECT, _act("use", "/mcp"), _REFRESH],
    [*_redeemed(by=PASSING), Act("remove client", by=PASSING), _act("use", "/mcp"), _INTROSPECT, _REFRESH],
)


def beaten_paths(model: Callable[[], FlowModel]) -> Iterator[Sequence[Act]]:
    """Yield the paths, each as far as the deployment has what it takes."""
    for path in _PATHS:
        current = model()
        taken = []
        for act in path:
            if current.allows(act):
                current.apply(act)
                taken.append(act)
        yield taken
