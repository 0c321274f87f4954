"""``python -m pdpp_conformance.fuzzing.worker``: fuzzes what it is told on standard input, and tells what came of it.

Standard input carries an :class:`Assignment` and then stays open: its end means that nobody waits any more, so that
this process ends as well, however its parent did. Standard output carries a :class:`Report` as one JSON object.
"""

from __future__ import annotations

import _thread
import json
import os
import pickle
import random
import sys
import threading
import time
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from pdpp_conformance.cleanup import Residue
from pdpp_conformance.collector import spare_what_lasts
from pdpp_conformance.discovery import Unreachable
from pdpp_conformance.fuzzing.assignment import Assignment, Report
from pdpp_conformance.fuzzing.flows import Flows
from pdpp_conformance.fuzzing.session import Fuzzing
from pdpp_conformance.fuzzing.words import FLOW
from pdpp_conformance.journal import Journal
from pdpp_conformance.run import Run

FOR_FLOWS = 1 / 3
"""The part of the time that generated requests leave to the flows."""


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
        took_s=round(time.monotonic() - began, 1),
    )


def _written(left: Residue) -> dict[str, str | None]:
    return left.to_json()


def _end_with(parent: BinaryIO) -> None:
    """Interrupt the work as soon as nobody waits for it any more."""
    parent.read()
    _thread.interrupt_main()


def main() -> None:
    """Work for one parent."""
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed is no result
    spare_what_lasts()
    assigned = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the process that started this one
    assert isinstance(assigned, Assignment)
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    try:
        report = work(assigned)
    except KeyboardInterrupt:
        report = Report(problem="the run ended before the fuzzing did")
    with result:
        json.dump(asdict(report), result)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a thread that still reads standard input is not waited for
