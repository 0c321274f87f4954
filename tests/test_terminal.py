"""The terminal that setup clients are started at, and what is read off its screen."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pdpp_conformance.client_bench.clock import ClockServer
from pdpp_conformance.client_bench.reading_off import paths_on, read_off
from pdpp_conformance.client_bench.terminal import MOST_BYTES, Pipe, Terminal
from pdpp_conformance.client_bench.under_test import CommandClient, Machine, Running
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.setup_at_target import Asking, Credential, Ended, _credential_on
from pdpp_conformance.setup_at_target_checks import (
    judge_asks,
    judge_connected,
    judge_shows_no_token,
    judge_tells_place,
)
from pdpp_conformance.verdict import Blocked, Unmet

SECONDS = 30
TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def show(terminal: Terminal, written: str) -> str:
    """Let a program write something, and return what can be read then."""
    with terminal.path.open("wb", buffering=0) as device:
        device.write(written.encode())
    terminal.look(1)
    return terminal.text


def ended(terminal: Terminal, running: Running) -> int | None:
    ends = time.monotonic() + SECONDS
    while (status := running.status()) is None and time.monotonic() < ends:
        terminal.look(0.02)
    terminal.look(0)
    return status


def started(terminal: Terminal | Pipe, code: str, folder: Path) -> Running:
    client = CommandClient([sys.executable, "-c", code, "{url}"])
    return client.start("http://h/mcp", None, Machine.made(folder).environment(), terminal)


class TestScreen:
    def test_nobody_reads_escape_sequences(self, terminal: Terminal) -> None:
        """Colours and titles are no text."""
        assert show(terminal, "\x1b]0;a title\x07\x1b[1;31mWDJB-MJHT\x1b[0m is the code") == "WDJB-MJHT is the code"

    def test_what_was_erased_or_overwritten_stood_there_for_a_while(self, terminal: Terminal) -> None:
        """It is not on the screen any more, and it was."""
        text = show(terminal, "waiting: 3\rwaiting: 2\r\x1b[2Kan old line\x1b[2J\x1b[Happroved")
        assert text == "approved"
        assert terminal.passing.split("\n") == ["waiting: 3", "waiting: 2", "an old line"]

    def test_a_line_that_was_broken_at_the_edge_is_one_line(self, terminal: Terminal) -> None:
        """And two lines, of which the first is as long as the screen is wide, are two."""
        url = "https://pdpp.example.org/" + "x" * 200
        assert f"open {url}\n" in show(terminal, f"open {url}\n{'-' * 80}\nnext")
        assert f"{'-' * 80}\nnext" in terminal.text

    def test_what_scrolled_off_can_still_be_read(self, terminal: Terminal) -> None:
        """In its order."""
        assert show(terminal, "".join(f"line {n}\n" for n in range(100))).split("\n") == [
            f"line {n}" for n in range(100)
        ]

    @pytest.mark.parametrize(
        "odd", ["\x1b[?5A", "\x1b[9999;9999r", "\x1b[99999999P", "\x1b[>4;1m\x1b[?3h", "\x1b#8\x1bc", "\x9b31m\xff\x00"]
    )
    def test_odd_sequences_are_ignored(self, terminal: Terminal, odd: str) -> None:
        """What follows them is read."""
        assert "still here" in show(terminal, f"{odd}\x1bc\r\nstill here")

    def test_no_more_than_so_much_is_drawn(self, terminal: Terminal) -> None:
        """The rest is taken, so that the program does not stand still, and thrown away."""
        with terminal.path.open("wb", buffering=0) as device:
            writing = threading.Thread(target=lambda: [device.write(b"\r" * 4096) for _ in range(80)])
            writing.start()
            while writing.is_alive():
                terminal.look(0.02)
        assert len(terminal.written) == MOST_BYTES

    def test_the_device_is_a_screen_of_24_lines(self, terminal: Terminal) -> None:
        """As small as terminals are at first."""
        with terminal.path.open("rb", buffering=0) as device:
            assert os.get_terminal_size(device.fileno()) == (80, 24)


class TestPrograms:
    def test_a_command_runs_at_a_terminal_of_its_own(self, terminal: Terminal, tmp_path: Path) -> None:
        """All of its streams are that terminal, which it controls, and which tells it where the cursor is."""
        code = (
            "import os, sys\n"
            "with open('/dev/tty', 'w') as own: print(own.isatty(), file=own)\n"
            "print(*map(os.isatty, (0, 1, 2)), *os.get_terminal_size(), sys.argv[1])\n"
            "import tty; tty.setcbreak(0)\n"
            "print('\\x1b[6n', end='', flush=True)\n"
            "print(repr(os.read(0, 16)))\n"
        )
        assert ended(terminal, started(terminal, code, tmp_path / "machine")) == 0, terminal.text
        first, second, third = terminal.text.split("\n")
        assert (first, second) == ("True", "True True True 80 24 http://h/mcp")
        assert third.startswith(r"b'\x1b[3;1R'")

    def test_nothing_of_the_surroundings_says_how_large_it_is(self, tmp_path: Path) -> None:
        """The terminal itself does."""
        environment = Machine.made(tmp_path / "machine").environment({"COLUMNS": "200", "LINES": "9", "TERM": "dumb"})
        assert {"COLUMNS", "LINES"}.isdisjoint(environment)
        assert environment["TERM"] == "xterm"

    def test_a_command_that_is_not_there(self, terminal: Terminal, tmp_path: Path) -> None:
        """It is told in a sentence, and ends without success."""
        machine = Machine.made(tmp_path / "machine")
        running = CommandClient(["no-such-command", "{url}"]).start("x", None, machine.environment(), terminal)
        assert ended(terminal, running) == 1
        assert terminal.text == "no-such-command cannot be started: No such file or directory"

    def test_it_is_ended_with_all_that_it_started(self, terminal: Terminal, tmp_path: Path) -> None:
        """None of its group is left."""
        code = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
        running = started(terminal, code, tmp_path / "machine")
        ends = time.monotonic() + SECONDS
        while not terminal.text and time.monotonic() < ends:
            terminal.look(0.02)
        running.kill()
        child = Path(f"/proc/{terminal.text}/stat")
        while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < ends:
            time.sleep(0.02)
        assert running.status() is not None
        assert not child.exists() or child.read_text().split()[2] == "Z"

    def test_without_a_screen_it_writes_to_a_file(self, tmp_path: Path) -> None:
        """Nothing can be read from standard input then."""
        pipe = Pipe(tmp_path / "output", time.sleep)
        running = started(pipe, "import sys; print(sys.stdin.read() == '', sys.stdout.isatty())", tmp_path / "machine")
        while running.status() is None:
            pipe.look(0.02)
        assert pipe.text == "True False\n"


class TestReadingOff:
    def test_page_and_code(self) -> None:
        """Of several URLs the one that a line leads to, without the code if there is such a one."""
        screen = (
            "Setting up access to https://h/mcp\n"
            "To approve, open:  https://h/device\n"
            "and enter the code: WDJB-MJHT\n"
            "or open, and compare the code: https://h/device?user_code=WDJB-MJHT\n"
            "The code expires in 45 s"
        )
        read = read_off(screen)
        assert read is not None
        assert (read.url, read.user_code) == ("https://h/device", "WDJB-MJHT")

    @pytest.mark.parametrize(
        ("screen", "code"),
        [
            ("Your one-time code: AB12-CD34\nOpen this URL: https://h/login/device", "AB12-CD34"),
            ("Visit https://h/login/device and enter code abcd1234", "abcd1234"),
            ("Please visit:\nhttps://h/login/device\nThe user code is\n  WDJBMJHT", "WDJBMJHT"),
            ("Open https://h/login/device\nand enter the code: (in the URL)\nThe code expires in 45 s", None),
        ],
    )
    def test_in_the_words_of_other_clients(self, screen: str, code: str | None) -> None:
        """The code has to stand besides in a URL, and is no part of a sentence about its expiry."""
        read = read_off(screen)
        assert read is not None
        assert (read.url, read.user_code) == ("https://h/login/device", code)

    def test_no_page(self) -> None:
        """A URL that no line leads to is none to open."""
        assert read_off("Setting up access to https://h/mcp") is None

    def test_files(self) -> None:
        """URLs and options are no files."""
        assert paths_on('It lies in /opt/a/.c/x.json (0600), or ~/y. {"a": "https://h/mcp"}') == [
            "/opt/a/.c/x.json",
            "~/y",
        ]


class TestHeldTime:
    def test_it_passes_once_somebody_lets_it(self) -> None:
        """The client is answered then, with the time that is read elsewhere."""
        clocks, told = ClockServer(), []
        try:
            clock = clocks.held_clock(lambda: 7.0)
            asking = threading.Thread(
                target=lambda: told.append(httpx.post(clock.url, content=b"2.5", trust_env=False).text)
            )
            asking.start()
            assert clock.wanted.get(timeout=SECONDS) == 2.5
            assert not told
            clock.go_on()
            asking.join(SECONDS)
            assert told == ["7.0"]
        finally:
            clocks.stop()


def end(**told: object) -> Ended:
    """Return the end of a setup that went well, but for what is told."""
    credential = Credential(Path("/x"), 0o600, {"access_token": TOKEN, "refresh_token": "another"})
    facts: dict[str, object] = {"status": 0, "screen": "", "ever": "", "credential": credential, "problem": None}
    return Ended(**{**facts, **told})  # type: ignore[arg-type]


class TestJudging:
    def test_a_credential_is_looked_for_where_the_screen_says_and_nowhere_else(self, tmp_path: Path) -> None:
        """Not outside the client's home, and only in a JSON object that has a token."""
        home, elsewhere = tmp_path / "home", tmp_path / "elsewhere.json"
        home.mkdir()
        for path, content in (
            (home / "a.json", '{"x": [{"access_token": "t"}]}'),
            (elsewhere, '{"access_token": "t"}'),
        ):
            path.write_text(content)
        (home / "b.json").write_text("no JSON")
        assert _credential_on(f"in {elsewhere} and {home}/b.json", home) is None
        found = _credential_on(f"in {home}/a.json.", home)
        assert found is not None
        assert found.tokens == {"access token": "t"}
        assert _credential_on("in ~/a.json", home) is not None

    def test_a_token_that_was_shown(self) -> None:
        """Wherever and however briefly; the report does not repeat it."""
        judge_shows_no_token(Judgement(), end(ever="all is well"))
        with pytest.raises(Unmet, match="access token") as unmet:
            judge_shows_no_token(Judgement(), end(ever=f"\x1b[31m{TOKEN}\r\x1b[2K"))
        assert TOKEN not in str(unmet.value)

    def test_a_file_that_others_may_read(self) -> None:
        """Is no place for a credential; nor is one that nobody names."""
        judge_tells_place(Judgement(), end())
        with pytest.raises(Unmet, match="0640"):
            judge_tells_place(Judgement(), end(credential=Credential(Path("/x"), 0o640, {})))
        with pytest.raises(Unmet, match="no file"):
            judge_tells_place(Judgement(), end(credential=None))

    def test_a_client_that_does_not_come_by_a_credential_has_nothing_to_judge(self) -> None:
        """But that it does not end well after the approval is judged."""
        with pytest.raises(Blocked):
            judge_shows_no_token(Judgement(), end(status=75))
        with pytest.raises(Unmet, match="status 75"):
            judge_connected(Judgement(), end(status=75))

    def test_a_screen_without_a_user_code(self) -> None:
        """Nobody can compare what is not shown; a client that asked for nothing is judged elsewhere."""
        screen = "Open https://h/device?user_code=WDJB-MJHT\nIt expires in 10:00 min.\nwaiting"
        with pytest.raises(Unmet, match="the user code"):
            judge_asks(Judgement(), Asking(read_off(screen), None))
        judge_asks(Judgement(), Asking(read_off(f"{screen}\nThe code: AB-CD"), None))
        with pytest.raises(Blocked):
            judge_asks(Judgement(), Asking(None, 69))
