"""The process that fuzzes, as the run that started it sees it: given what to do, read to its end, ended."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from pdpp_conformance.fuzzing.assignment import Assignment, Report, read_report
from pdpp_conformance.fuzzing.standby import AT_BUNDLED, WORKER
from pdpp_conformance.own_process import end, start_module
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.verdict import Blocked

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_CLEANING_UP_SECONDS = 60.0
_MOST_RESULT_BYTES = 16 * 1024 * 1024


class FuzzingProcess:
    """A process of :mod:`pdpp_conformance.fuzzing.worker`.

    Args:
        shares: what each of several processes is to do, in order; all at one target.
    """

    def __init__(self, shares: Sequence[Sequence[Assignment]]) -> None:
        self._bundled = shares[0][0].target.base_url is None
        self._seconds = max(sum(assigned.whole_seconds for assigned in share) for share in shares)
        self._written = b""
        self._until = time.monotonic() + _START_SECONDS + self._seconds + _CLEANING_UP_SECONDS
        self._process = start_module(WORKER, *((AT_BUNDLED,) if self._bundled else ()))
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it did not come up: its result will be missing
            pickle.dump(shares, self._process.stdin)
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, name="fuzzing", daemon=True)
        self._reader.start()

    @property
    def is_over(self) -> bool:
        """Whether it wrote all that it will ever write."""
        return not self._reader.is_alive()

    def wait(self) -> None:
        """Wait for its end.

        Raises:
            Blocked: it did not come in time, and the process was ended.
        """
        self._reader.join(max(0.0, self._until - time.monotonic()))
        if self._reader.is_alive():
            self._process.kill()
            raise Blocked(
                f"the fuzzing did not end within {self._seconds:.0f} s and was ended",
                unblock="a smaller --fuzz-examples, or a machine that is less busy",
            )

    def report(self, redactor: Redactor) -> Report:
        """Return what it wrote, redacted with what this process knows; a problem where that is no report."""
        return read_report(self._written, redactor)

    def stop(self) -> None:
        """End it, however far it is; at a deployment it may clean up before."""
        end(self._process, _STOP_SECONDS if self._bundled or self.is_over else _CLEANING_UP_SECONDS)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._written = self._process.stdout.read(_MOST_RESULT_BYTES)
