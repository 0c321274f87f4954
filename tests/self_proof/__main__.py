"""``python -m tests.self_proof [NAME …]``: run the specification against the bundled server, one fault at a time.

Exit status: 0 every fault turned exactly its declared requirements red · 1 one did not, or a requirement that is judged
has no fault · 64 unknown fault or requirement.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pdpp_conformance.catalogue import read_catalogue
from pdpp_reference.faults import FAULTS, Fault, UnknownFault, faults_named
from tests.forked_runs import ROOT
from tests.self_proof.matrix import matrix
from tests.self_proof.outcome import UNPROVEN, Outcome, report_of
from tests.self_proof.proof import SCOPES, Proof

REPORT = ROOT / "reports" / "self-proof.json"
JOBS = 4
"""Two more than two processors can do at once: each run waits now and then, for a browser or for itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove the named faults, or all of them."""
    options = _parser().parse_args(arguments)
    try:
        faults = faults_named(options.names) if options.names else tuple(FAULTS.values())
    except UnknownFault as error:
        sys.stderr.write(f"self-proof: {error}\n")
        return 64
    catalogue = read_catalogue(ROOT / "features" / "catalogue", ROOT / "schemas" / "catalogue.schema.json")
    redeclared = {
        name: frozenset(rows.split(",")) for name, _, rows in (said.partition("=") for said in options.declare)
    }
    unknown = [
        *(redeclared.keys() - FAULTS.keys()),
        *frozenset().union(*redeclared.values()) - catalogue.requirements.keys(),
    ]
    if unknown:
        sys.stderr.write(
            f"self-proof: --declare names {', '.join(sorted(unknown))}, which is no fault or requirement\n"
        )
        return 64
    faults = tuple(_declaring(fault, redeclared.get(fault.name)) for fault in faults)
    _take_the_lightest_browser()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pdpp-self-proof-", dir=_memory()) as temporary:
        proof = Proof(faults, scope=options.scope, jobs=options.jobs, folder=Path(temporary), tell=_tell)
        proof.run()
        if options.keep is not None:
            shutil.copytree(temporary, options.keep, dirs_exist_ok=True)
    report = report_of(proof.outcomes, FAULTS.values(), catalogue, proof.conforming, options.scope)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    options.report.with_suffix(".html").write_text(matrix(report, catalogue), encoding="utf-8")
    for problem in proof.problems:
        _say(f"without any fault: {problem}")
    failed = [outcome for outcome in proof.outcomes if not outcome.ok]
    for outcome in failed:
        _tell(outcome)  # once more, where the end of all that was said is read
    _say(f"{len(proof.outcomes) - len(failed)} of {len(faults)} faults turned exactly their rows red ({options.scope})")
    unproven = [told["id"] for told in report["rows_without_fault"] if told["reason"] == UNPROVEN]
    if unproven:
        _say(f"judged, and no fault breaks it: {', '.join(unproven)}")
    for name in sorted(proof.seconds, key=lambda name: -proof.seconds[name])[: options.durations]:
        _say(f"{proof.seconds[name]:8.1f} s  {name}")
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = sum(each.ru_utime + each.ru_stime for each in used)
    _say(f"took      {time.monotonic() - started:.0f} s, {spent:.0f} s of processors' time")
    _say(f"report    {options.report.with_suffix('.html')}")
    complete = len(proof.outcomes) == len(faults)
    return 1 if failed or proof.problems or not complete or (unproven and not options.names) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.self_proof", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to prove; all of them if none is named")
    parser.add_argument(
        "--scope",
        choices=tuple(SCOPES),
        default="near",
        help="what is run for a fault: " + "; ".join(f"{scope}: {what}" for scope, what in SCOPES.items()),
    )
    parser.add_argument("--whole", action="store_const", const="whole", dest="scope", help="the same as --scope whole")
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"runs at a time ({JOBS})")
    parser.add_argument(
        "--report", type=Path, default=REPORT, help="where the outcome is written, and beside it the HTML"
    )
    parser.add_argument(
        "--durations", type=int, default=0, metavar="N", help="tell the N runs that took the most processors' time"
    )
    parser.add_argument("--keep", type=Path, help="a folder that keeps the report of each run")
    parser.add_argument(
        "--declare",
        action="append",
        default=[],
        metavar="NAME=ROW,ROW",
        help="take a fault as one that declares these rows: a wrong declaration has to be found",
    )
    return parser


def _declaring(fault: Fault, rows: frozenset[str] | None) -> Fault:
    return fault if rows is None else replace(fault, rows=rows, why=fault.why or "Declared for this proof.")


def _take_the_lightest_browser() -> None:
    """Have Chromium without a window system, where there is one: it costs half as much to start."""
    if "CHROMIUM_PATH" not in os.environ and (found := shutil.which("chromium-headless-shell")):
        os.environ["CHROMIUM_PATH"] = found


def _memory() -> Path | None:
    """Where temporary files cost no writing to a disk, if there is such a place."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return shared if shared.is_dir() else None


def _tell(outcome: Outcome) -> None:
    _say(outcome.told())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("self-proof: interrupted; no report was written")
