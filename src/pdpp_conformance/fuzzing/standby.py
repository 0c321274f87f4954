"""The process that fuzzes, started before it is known what it has to do, so that its imports cost no time."""

from __future__ import annotations

from pdpp_conformance.own_process import hold_ready, let_go, start_module

WORKER = "pdpp_conformance.fuzzing.worker"
AT_BUNDLED = "--at-bundled-server"
"""The argument of a worker that will have a bundled server, which it then imports at once."""


def hold_fuzzing_ready() -> None:
    """Let a process import what fuzzing a bundled server takes."""
    hold_ready(start_module(WORKER, AT_BUNDLED), WORKER, AT_BUNDLED)


def let_fuzzing_go() -> None:
    """End a process that was held ready and got nothing to do."""
    let_go(WORKER)
