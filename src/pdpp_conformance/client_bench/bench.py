"""The bench: plays each play once, several at a time, and keeps what was seen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pdpp_conformance.client_bench.clock import BenchClock, ClockServer, LivedClock
from pdpp_conformance.client_bench.script import Play, Script
from pdpp_conformance.client_bench.stage import MOST_REQUESTS, Received, Stage
from pdpp_conformance.client_bench.terminal import Pipe, Shown, Terminal
from pdpp_conformance.client_bench.under_test import ClientUnderTest, Machine, Running
from pdpp_conformance.exchange import Recorder

AT_A_TIME = 4
"""Plays that compute."""
AT_A_TIME_WAITING = 12
"""Plays that wait most of the time, because the client's time is the machine's."""
REAL_SECONDS = 30.0
"""How long a client may really run where the bench keeps its time."""
MOST_BENCH_SECONDS = 300.0
"""When a client is ended that does not end by itself, on the clock of the bench."""
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Seen:
    """What there was to see of one start of the client."""

    status: int | None
    """Its exit status; None where it did not end by itself."""
    output: str
    """What could be read at the end: on the screen and above it, or in the file that it wrote to."""
    passing: str
    """The lines that stood on the screen for a while."""
    written: str = field(repr=False)
    """All that it wrote, escape sequences included."""
    took: float
    """Seconds, on the bench's clock."""


@dataclass(frozen=True)
class Played:
    """What there was to see of a play."""

    starts: tuple[Seen, ...]
    received: tuple[Received, ...]
    stages: tuple[Stage, ...]
    opened: tuple[str, ...]
    ran_a_shell: bool
    exchanges: tuple[int, ...]
    script: Script
    """The last one."""

    @property
    def last(self) -> Seen:
        return self.starts[-1]

    @property
    def connected(self) -> bool:
        """Whether each start came to its credential, as the client itself says by its exit status."""
        return all(seen.status == 0 for seen in self.starts)

    def at(self, where: str, *, step: int | None = None) -> list[Received]:
        """Return the requests to an endpoint, or to every document of a kind."""
        return [
            received
            for received in self.received
            if (received.where == where or received.where.startswith(f"{where}: ")) and step in (None, received.step)
        ]


class Bench:
    """Plays plays with one client.

    Args:
        plays: all there are, by name, those that take the longest first.
    """

    def __init__(self, client: ClientUnderTest, recorder: Recorder, plays: Mapping[str, Play]) -> None:
        self._client = client
        self._recorder = recorder
        self.plays = plays
        self._folder = tempfile.TemporaryDirectory(prefix="pdpp-bench-")
        self._clocks = ClockServer() if client.in_bench_time else None
        self._pool = ThreadPoolExecutor(AT_A_TIME if client.in_bench_time else AT_A_TIME_WAITING)
        self._playing: dict[str, Future[Played]] = {}
        self._over = False

    def begin(self, names: Iterable[str]) -> None:
        """Let these plays begin, those that take the longest first; those that have begun go on."""
        wanted = frozenset(names)
        for number, (name, play) in enumerate(self.plays.items()):
            if name in wanted and name not in self._playing:
                self._playing[name] = self._pool.submit(self._play, play, Path(self._folder.name) / str(number))

    def play(self, name: str) -> Played:
        """Return what was seen of a play; it begins now unless it has."""
        self.begin([name])
        return self._playing[name].result()

    def stop(self) -> None:
        """End what still plays."""
        self._over = True
        self._pool.shutdown(cancel_futures=True)
        if self._clocks is not None:
            self._clocks.stop()
        self._folder.cleanup()

    def _play(self, play: Play, folder: Path) -> Played:
        machine = Machine.made(folder)
        received: list[Received] = []
        servers = 1 + max(step.server for step in play.steps) + play.others
        tls = any(step.script.tls for step in play.steps)
        stages = [Stage(self._recorder, received, index, tls=tls) for index in range(servers)]
        stages[0].elsewhere = stages[-1].origin
        starts: list[Seen] = []
        try:
            for number, step in enumerate(play.steps):
                clock: BenchClock = self._clocks.clock() if self._clocks is not None else LivedClock()
                for stage in stages:
                    stage.follow(step.script, clock, number)
                shown = Terminal() if play.on_screen else Pipe(folder / f"output-{number}", time.sleep)
                try:
                    began = clock.now()
                    running = self._client.start(stages[step.server].url, clock.url, machine.environment(), shown)
                    status = self._ended(running, shown, clock, received, play.seconds)
                    shown.look(0)
                    starts.append(Seen(status, shown.text, shown.passing, shown.written, clock.now() - began))
                finally:
                    shown.close()
        finally:
            for stage in stages:
                stage.stop()
        return Played(
            tuple(starts),
            tuple(received),
            tuple(stages),
            tuple(machine.opened()),
            machine.mark.exists(),
            tuple(request.number for request in received),
            play.steps[-1].script,
        )

    def _ended(
        self, running: Running, shown: Shown, clock: BenchClock, received: list[Received], seconds: float
    ) -> int | None:
        """Wait for the client's end; end it where it takes too long, or asks without end."""
        passed = clock.url is not None
        real_end = time.monotonic() + (REAL_SECONDS if passed else seconds * 2 + REAL_SECONDS)
        bench_end = clock.now() + MOST_BENCH_SECONDS
        before = len(received)
        while (status := running.status()) is None:
            too_long = time.monotonic() > real_end or clock.now() > bench_end
            if too_long or self._over or len(received) - before > MOST_REQUESTS:
                running.kill()
                return None
            shown.look(_LOOK_SECONDS)
        return status
