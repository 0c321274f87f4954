"""``python -m pdpp_conformance.fuzzing.worker``: fuzzes what it is told on standard input, and tells what came of it.

Standard input carries lists of :class:`Assignment` and then stays open: its end means that nobody waits any more, so
that this process ends as well, however its parent did. Standard output carries a :class:`Report` as one JSON object.
Each list is one process's, which works on it in order; those after the first are forked, so that several cost the
imports of one.
"""

from __future__ import annotations

import _thread
import json
import os
import pickle
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from pdpp_conformance.cleanup import Residue
from pdpp_conformance.collector import spare_what_lasts
from pdpp_conformance.discovery import Unreachable
from pdpp_conformance.fuzzing.assignment import Assignment, Report, joined, read_report
from pdpp_conformance.fuzzing.flows import Flows
from pdpp_conformance.fuzzing.session import Fuzzing
from pdpp_conformance.fuzzing.standby import AT_BUNDLED
from pdpp_conformance.fuzzing.words import FLOW
from pdpp_conformance.journal import Journal
from pdpp_conformance.own_process import give_way
from pdpp_conformance.run import Run

FOR_FLOWS = 1 / 3
"""The part of the time that generated requests leave to the flows."""

_LOOK_SECONDS = 0.5


def work(assigned: Assignment) -> Report:
    """Fuzz, clean up, and return what came of it, redacted with all that this process came to know."""
    journal = None
    if assigned.target.base_url is not None:
        journal = Journal.begin(assigned.folder, {"base_url": assigned.target.base_url, "approver": "http"})
    run = Run(assigned.target, assigned.folder, lambda _line: None, journal)
    random.seed(assigned.seed)
    told = Report()
    try:
        told = _fuzz(run, assigned)
    finally:
        run.close()
    told = replace(told, residue=[_written(left) for left in run.residue])
    redacted: dict[str, Any] = run.redactor.redact_all(asdict(told))
    return Report.from_json(redacted)


def _fuzz(run: Run, assigned: Assignment) -> Report:
    began = time.monotonic()
    try:
        run.open()
    except Unreachable as error:
        return Report(problem=str(error))
    fuzzing = Fuzzing(
        run,
        examples=assigned.examples,
        seed=assigned.seed,
        seconds=assigned.endpoint_seconds,
        until=began + assigned.whole_seconds * (1 - FOR_FLOWS),
    )
    flows = Flows(
        run,
        runs=assigned.flow_runs,
        seed=assigned.seed,
        until=began + assigned.whole_seconds,
        note=fuzzing.note,
    )
    problem = None
    try:
        fuzzing.everywhere(assigned.only)
        # Last, as they move the clock by days.
        flows.everyone(assigned.judged_of(FLOW))
    except KeyboardInterrupt:
        problem = "the run ended before the fuzzing did"
    finally:
        fuzzing.close()
    told = fuzzing.report()
    return replace(
        told,
        problem=problem,
        flows=flows.report(),
        found=[*told.found, *flows.finds()],
    )


def _written(left: Residue) -> dict[str, str | None]:
    return left.to_json()


def _end_with(parent: BinaryIO) -> None:
    """Interrupt the work as soon as nobody waits for it any more."""
    parent.read()
    _thread.interrupt_main()


def _worked(share: Sequence[Assignment]) -> Report:
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    told: list[Report] = []
    began = time.monotonic()
    try:
        for assigned in share:
            told.append(work(assigned))
            if told[-1].problem is not None:
                break
    except KeyboardInterrupt:
        told.append(Report(problem="the run ended before the fuzzing did"))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is done is told
    return replace(joined(told), took_s=round(time.monotonic() - began, 1))


class _Forked:
    """A process that works beside this one. To be made before there is any thread.

    Args:
        result: what it has to let go of: else the reader would wait for its end, too.
    """

    def __init__(self, share: Sequence[Assignment], result: int) -> None:
        reads, writes = os.pipe()
        if os.fork() == 0:
            try:
                os.close(reads)
                os.close(result)
                threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
                _tell(_worked(share), writes)
            finally:
                os._exit(0)
        os.close(writes)
        self._reads = reads

    def report(self) -> Report:
        """Wait for its end, and return what it told; a problem where that is no report."""
        with os.fdopen(self._reads, "rb") as told:
            return read_report(told.read())


def _leave_with(parent: int) -> None:
    """End this process soon after its parent, which may have been killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _tell(report: Report, writes: int) -> None:
    with os.fdopen(writes, "w", encoding="utf-8") as result:
        json.dump(asdict(report), result)


def main() -> None:
    """Work for one parent, if it has any work."""
    give_way()
    result = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed is no result
    if AT_BUNDLED in sys.argv[1:]:
        import pdpp_conformance.bundled  # noqa: F401 - while it is not yet known what to do, and once for all processes
    try:
        shares: Sequence[Sequence[Assignment]] = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by what started this process
    except EOFError:
        return
    spare_what_lasts()
    others = [_Forked(share, result) for share in shares[1:]]
    _tell(joined([_worked(shares[0]), *(other.report() for other in others)]), result)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a thread that still reads standard input is not waited for
