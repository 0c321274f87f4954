"""What a person sees of a setup: on a wide screen, a small one, one without UTF-8, and in lines of text."""

from __future__ import annotations

import io
import json
import os
import re
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest
from rich.console import Console

from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.connect import how_to_use
from pdpp_reference.setup_client.failures import TimedOut
from pdpp_reference.setup_client.large_type import ROWS, large
from pdpp_reference.setup_client.screen import Screen
from tests.conftest import SPOTIFY

if TYPE_CHECKING:
    from tests.conftest import Deployment

PDPP = str(Path(sysconfig.get_path("scripts")) / "pdpp")
CODE = {
    "verification_uri": "https://pdpp.example.org/device",
    "verification_uri_complete": "https://pdpp.example.org/device?user_code=WDJB-MJHT",
    "user_code": "WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
}


class Time:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class Looked:
    """A screen, and what stands on it."""

    def __init__(self, *, height: int = 40, encoding: str = "utf-8", qr: bool = True, copy: bool = False) -> None:
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding=encoding, newline="\n")
        self._encoding = encoding
        console = Console(file=self._file, force_terminal=True, width=80, height=height, no_color=True)
        self.screen = Screen(console, qr=qr, copy=copy)

    @property
    def text(self) -> str:
        self._file.flush()
        return self._bytes.getvalue().decode(self._encoding)


class TestScreen:
    def test_the_code_is_there_in_large_type_and_as_text(self) -> None:
        """Large to be read, as text to be copied, with both URLs and the expiry."""
        looked = Looked()
        looked.screen.tell("code", **CODE)
        for told in ("WDJB-MJHT", CODE["verification_uri"], CODE["verification_uri_complete"], "10:00 min"):
            assert str(told) in looked.text
        assert large("WDJB-MJHT", "█")[0] in looked.text

    @pytest.mark.parametrize(
        ("options", "shown"),
        [({}, True), ({"qr": False}, False), ({"height": 24}, False), ({"encoding": "ascii"}, False)],
    )
    def test_a_qr_code_where_there_is_room_and_wish_for_one(self, options: dict[str, object], shown: bool) -> None:
        """Not on a low window, not without UTF-8, not with --no-qr; the rest is there all the same."""
        looked = Looked(**options)  # type: ignore[arg-type]
        looked.screen.tell("code", **CODE)
        assert ("▀" in looked.text) is shown
        assert "WDJB-MJHT" in looked.text

    def test_without_utf_8(self) -> None:
        """Nothing is shown that the terminal's encoding lacks."""
        looked = Looked(encoding="ascii")
        looked.screen.tell("code", **CODE)
        assert large("WDJB-MJHT", "#")[0] in looked.text
        assert "?" not in looked.text.replace("?user_code", "")

    def test_time_is_counted_down(self) -> None:
        """Each second: the state, the next poll and the code's expiry."""
        looked, clock = Looked(), Time()
        looked.screen.waiting(Deadline(clock, 600), 3, state="waiting for approval", interval=5, code_expires_at=600)
        assert clock.passed == 3
        assert re.findall(r"next poll in (\d) s", looked.text)[:3] == ["3", "2", "1"]
        assert "code expires in 9:58 min" in looked.text

    def test_the_deadline_ends_it(self) -> None:
        """Waiting ends when the time is over, polled or not."""
        clock = Time()
        with pytest.raises(TimedOut):
            Looked().screen.waiting(Deadline(clock, 2), 5, state="waiting", interval=5, code_expires_at=600)
        assert clock.passed == 2

    def test_the_clipboard(self) -> None:
        """--copy hands the complete URL to the terminal (OSC 52)."""
        looked = Looked(copy=True)
        looked.screen.tell("code", **CODE)
        assert "\x1b]52;c;aHR0cHM6Ly9wZHBwLmV4YW1wbGUub3JnL2RldmljZT91c2VyX2NvZGU9V0RKQi1NSkhU\x07" in looked.text

    def test_large_type(self) -> None:
        """Every character has five rows, and each looks like no other; what has no form is left to the text."""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
        assert all(len(large(letter, "#")) == ROWS for letter in letters)
        assert len({"\n".join(large(letter, "#")) for letter in letters}) == len(letters)
        assert large("ä", "#") == large("", "#") == []


def test_how_to_use_it_says_no_token() -> None:
    """The commands and the JSON start the proxy, which finds the credential by itself."""
    claude, codex, generic = how_to_use("https://h/mcp")
    assert claude == "claude mcp add pdpp -- pdpp mcp-proxy https://h/mcp"
    assert codex == "codex mcp add pdpp -- pdpp mcp-proxy https://h/mcp"
    assert json.loads(generic)["mcpServers"]["pdpp"] == {"command": "pdpp", "args": ["mcp-proxy", "https://h/mcp"]}


def test_in_a_terminal(deployment: Deployment, tmp_path: Path) -> None:
    """The real command in a real terminal: approved as the owner, it ends with how to use what it got."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm"}
    words = ["connect", deployment.issuer, "--source", SPOTIFY, "--timeout", "120"]
    with pexpect.spawn(PDPP, words, env=environment, encoding="utf-8", timeout=60, dimensions=(40, 80)) as terminal:
        terminal.expect("enter the code: ([A-Z-]{9})")
        assert terminal.match is not None
        user_code = terminal.match.group(1).replace("-", "")
        terminal.expect("waiting for approval")
        deployment.approve(deployment.pending(user_code).request.id)
        deployment.clock.advance(10)
        terminal.expect_exact("claude mcp add pdpp -- pdpp mcp-proxy")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 0
