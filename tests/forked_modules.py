"""Modules that a run starts in processes of their own, forked instead from the process that has imported everything."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO

import pdpp.benched  # noqa: F401  imported once here instead of in every process
import pdpp_conformance.fuzzing.machine
import pdpp_conformance.fuzzing.worker  # noqa: F401
from pdpp_conformance.bundled import BENCHED, FAULTS_VARIABLE
from pdpp_conformance.fuzzing.standby import AT_BUNDLED, WORKER
from pdpp_conformance.own_process import hold_ready
from pdpp_reference.setup_client.http import trusted_authorities

_LOOK_SECONDS = 0.01


def prepare() -> None:
    """Do once what each of the forked processes would do."""
    trusted_authorities()


def fork_for(tags: frozenset[str]) -> None:
    """Fork what a run of scenarios with these tags will start. To be called before it has any thread.

    What is not started ends with the run.
    """
    forked: list[ForkedModule] = []
    faults = [word for name in os.environ.get(FAULTS_VARIABLE, "").split(",") if name for word in ("--fault", name)]
    for tag, module, arguments in (("setup_client", BENCHED, faults), ("fuzzed", WORKER, [AT_BUNDLED])):
        if tag in tags:
            forked.append(ForkedModule(module, arguments, beside=forked))
            hold_ready(forked[-1], module, *arguments)


class ForkedModule:
    """A process that runs a module as ``python -m`` does, without having to import it.

    Args:
        beside: those forked before; the new process lets go of its ends of their pipes.
    """

    def __init__(self, module: str, arguments: Sequence[str], *, beside: Sequence[ForkedModule]) -> None:
        reads, self_writes = os.pipe()
        self_reads, writes = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                for other in beside:
                    other.stdin.close()
                    other.stdout.close()
                os.close(self_writes)
                os.close(self_reads)
                _become(module, arguments, reads, writes)
            finally:
                os._exit(70)
        os.close(reads)
        os.close(writes)
        self.stdin: IO[bytes] = os.fdopen(self_writes, "wb")
        self.stdout: IO[bytes] = os.fdopen(self_reads, "rb")
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            pid, ended = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(ended)
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        ends = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired("a forked module", timeout or 0.0)
            time.sleep(_LOOK_SECONDS)
        return status

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)


def _become(module: str, arguments: Sequence[str], reads: int, writes: int) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for source, target in ((reads, 0), (writes, 1), (nowhere, 2)):
        os.dup2(source, target)
    for descriptor in (reads, writes, nowhere):
        os.close(descriptor)
    sys.argv = [module, *arguments]
    importlib.import_module(module).main()
    sys.stdout.flush()
    os._exit(0)
