"""A terminal of 80 × 24: a client is started at it, and what it shows is read off the screen, as a person would.

The client gets a pseudo-terminal of its own; pyte draws what it writes, so that nobody reads escape sequences, and what
was erased is not taken for what stands there. What scrolled off the top can still be read, as on any terminal.
"""

from __future__ import annotations

import os
import select
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pyte
from pyte.screens import Char

from pdpp_conformance.verdict import Blocked

COLUMNS, ROWS = 80, 24
MOST_BYTES = 256 * 1024
"""What is drawn of a client's output at most; the rest is taken from it and thrown away."""
MOST_LINES = 2000
"""How many lines are kept of those that scrolled off, and of those that were overwritten."""
_RUNS_ON = -1
"""The column, on no screen, that says of a row that the next one continues it."""


class Shown(Protocol):
    """Where a client writes to."""

    path: Path
    """The file or device."""
    is_terminal: bool

    def look(self, seconds: float) -> None:
        """Take what the client writes within a moment."""
        ...

    @property
    def text(self) -> str:
        """What stands there now."""
        ...

    @property
    def passing(self) -> str:
        """The lines that stood there for a while."""
        ...

    @property
    def written(self) -> str:
        """Everything as it was written, escape sequences included."""
        ...

    def close(self) -> None:
        """Give back what it is made of."""
        ...


class Terminal:
    """A pseudo-terminal, and its screen.

    Raises:
        Blocked: this machine has none to give.
    """

    is_terminal = True

    def __init__(self) -> None:
        try:
            self._near, self._far = os.openpty()
        except OSError as error:
            raise Blocked(
                f"this machine gives no pseudo-terminal ({error.strerror})", unblock="a machine with /dev/pts"
            ) from None
        os.set_blocking(self._near, False)
        termios.tcsetwinsize(self._far, (ROWS, COLUMNS))
        self.path = Path(os.ttyname(self._far))
        self._screen = _Screen(self._answer)
        self._stream = pyte.ByteStream(_Forgiving(self._screen))
        self._written = bytearray()

    def look(self, seconds: float) -> None:
        """Take what the client writes within a moment: its first words, and all that waits to be read by then."""
        select.select([self._near], [], [], seconds)
        with suppress(BlockingIOError):
            while read := os.read(self._near, 65536):
                read = read[: MOST_BYTES - len(self._written)]
                self._written += read
                self._stream.feed(read)

    @property
    def text(self) -> str:
        return self._screen.text

    @property
    def passing(self) -> str:
        return "\n".join(dict.fromkeys(self._screen.passing))

    @property
    def written(self) -> str:
        return self._written.decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self._near)
        os.close(self._far)

    def _answer(self, said: str) -> None:
        """Say something to the client, as terminals do that are asked where their cursor is."""
        with suppress(BlockingIOError):
            os.write(self._near, said.encode())


class Pipe:
    """A file that a client writes to where nobody looks at a screen."""

    is_terminal = False
    passing = ""

    def __init__(self, path: Path, wait: Callable[[float], None]) -> None:
        self.path = path
        path.touch()
        self.look = wait

    @property
    def text(self) -> str:
        return self.written

    @property
    def written(self) -> str:
        with self.path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")

    def close(self) -> None:
        """There is nothing to give back."""


class _Screen(pyte.Screen):
    """A screen that remembers what scrolled off, what was erased, and which rows run on into the next."""

    def __init__(self, answer: Callable[[str], None]) -> None:
        self._scrolled_off: deque[str] = deque(maxlen=MOST_LINES)
        self.passing: deque[str] = deque(maxlen=MOST_LINES)
        self._drawing = False
        self._answer = answer
        super().__init__(COLUMNS, ROWS)

    @property
    def text(self) -> str:
        """All that can be read, lines that were broken at the edge in one piece."""
        return "".join([*self._scrolled_off, *map(self._row, range(self.lines))]).rstrip()

    def _row(self, number: int) -> str:
        """Return a row, with the line's end unless the next one continues it."""
        row = self.buffer[number]
        told = "".join(row[column].data for column in range(self.columns))
        return told if row[_RUNS_ON].data.strip() else f"{told.rstrip()}\n"

    def _will_pass(self, number: int) -> None:
        line = self._row(number).strip()
        if line:
            self.passing.append(line)

    # -- what pyte calls ---------------------------------------------------------------------------------------------

    def draw(self, data: str) -> None:
        self._drawing = True
        try:
            super().draw(data)
        finally:
            self._drawing = False

    def linefeed(self) -> None:
        if self._drawing:
            self.buffer[self.cursor.y][_RUNS_ON] = Char("↩")
        super().linefeed()

    def index(self) -> None:
        if self.cursor.y == self.lines - 1 and self.margins is None:
            self._scrolled_off.append(self._row(0))
        super().index()

    def carriage_return(self) -> None:
        if not self._drawing and self.cursor.x:
            self._will_pass(self.cursor.y)  # it may be overwritten now
        super().carriage_return()

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        self._will_pass(self.cursor.y)
        super().erase_in_line(how, private)

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        for number in range(self.lines):
            self._will_pass(number)
        super().erase_in_display(how, *args, **kwargs)

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class _Forgiving:
    """Lets a screen ignore the sequences that it cannot make sense of, as terminals do."""

    def __init__(self, screen: pyte.Screen) -> None:
        self._screen = screen

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._screen, name)
        if not callable(found):
            return found

        def tried(*args: Any, **kwargs: Any) -> None:
            with suppress(Exception):
                found(*args, **kwargs)

        return tried
