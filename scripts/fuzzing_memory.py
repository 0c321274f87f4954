"""``python -m scripts.fuzzing_memory [EXAMPLES]``: whether a server's memory stays flat under generated requests.

Serves the bundled server in a process of its own, sends it EXAMPLES (2000) requests of each generator at each endpoint,
and compares its memory after the first tenth with that at the end. Exit status 1: it grew or shrank by more than a
tenth, or a rule was broken.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from pdpp_conformance.fuzzing.session import Fuzzing
from pdpp_conformance.journal import Journal
from pdpp_conformance.run import Run
from pdpp_conformance.target import read_target

ALLOWED = 0.1
"""By how much of itself the memory may change."""

_SECONDS = 7200.0


def resident_bytes(pid: int) -> int:
    """Return how much memory of a process is resident (Linux, proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _fuzzed(run: Run, examples: int, seed: int) -> Fuzzing:
    fuzzing = Fuzzing(run, examples=examples, seed=seed, seconds=_SECONDS)
    try:
        fuzzing.everywhere()
    finally:
        fuzzing.close()
    return fuzzing


def main(examples: int) -> int:
    """Measure, tell, and return the exit status."""
    environment = {
        "PDPP_OWNER_PASSWORD": secrets.token_urlsafe(18),
        "PDPP_INTROSPECTION_CLIENT_ID": "memory",
        "PDPP_INTROSPECTION_CLIENT_SECRET": secrets.token_urlsafe(24),
    }
    os.environ.update(environment)
    with tempfile.TemporaryDirectory(prefix="pdpp-memory-") as folder:
        database = f"sqlite:///{folder}/pdpp.sqlite3"
        command = [str(Path(sys.executable).with_name("pdpp")), "serve", "--port", "0", "--database", database]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                return _measured(server, examples, Path(folder))
            finally:
                server.terminate()
                server.wait()


def _measured(server: subprocess.Popen[str], examples: int, folder: Path) -> int:
    assert server.stdout is not None
    url = next(found.group() for line in server.stdout if (found := re.search(r"http://[\w.:]+", line)))
    journal = Journal.begin(folder, {"base_url": url, "approver": "http"})
    run = Run(read_target(None, base_url=url, approver="http", max_wait=None), folder, lambda _line: None, journal)
    try:
        run.open()
        first = _fuzzed(run, max(examples // 10, 1), 1)
        before = resident_bytes(server.pid)
        rest = _fuzzed(run, examples - examples // 10, 2)
        after = resident_bytes(server.pid)
    finally:
        with suppress(KeyboardInterrupt):
            run.close()
    requests = sum(counts.requests for fuzzing in (first, rest) for counts in fuzzing.counts.values())
    broken = [f"{row} at {endpoint}" for fuzzing in (first, rest) for row, endpoint in fuzzing.found]
    change = after / before - 1
    sys.stdout.write(
        f"{requests} requests; {before / 2**20:.1f} MiB after the first tenth, {after / 2**20:.1f} at the end\n"
    )
    sys.stdout.write(f"memory {change:+.1%}; broken: {', '.join(broken) or 'nothing'}\n")
    return 1 if broken or abs(change) > ALLOWED else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzzing_memory", description=__doc__)
    parser.add_argument("examples", type=int, nargs="?", default=2000, metavar="EXAMPLES")
    sys.exit(main(parser.parse_args().examples))
