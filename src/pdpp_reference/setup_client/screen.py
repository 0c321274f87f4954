"""The screen of a person who sets up a client: where to approve, the code in large type, and how the time passes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import segno
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.large_type import large
from pdpp_reference.setup_client.report import PlainReport, Report, duration

_TICK_SECONDS = 1.0
_LINES_BESIDE = 14
"""Lines that the screen needs besides the QR code: the large code, the URLs, the countdown, and what came before."""


class Screen(Report):
    """A terminal that is looked at.

    Args:
        qr: whether a QR code of the URL is shown.
        copy: whether the URL is put on the terminal's clipboard (OSC 52).
    """

    def __init__(self, console: Console, *, qr: bool = True, copy: bool = False) -> None:
        self._console = console
        self._qr = qr
        self._copy = copy
        self._plain = PlainReport(self._line)

    def tell(self, event: str, **facts: Any) -> None:
        if event == "code":
            self._code(facts)
        elif event != "polling":
            self._plain.tell(event, **facts)
        if self._copy and event in ("code", "browser"):
            self._to_clipboard(facts.get("url") or facts.get("verification_uri_complete") or facts["verification_uri"])

    def waiting(self, until: Deadline, seconds: float, *, state: str, interval: float, code_expires_at: float) -> None:
        clock = until.clock
        ends = clock.now() + seconds
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            while (left := ends - clock.now()) > 0:
                expires = max(0.0, code_expires_at - clock.now())
                line = f"{state} · next poll in {duration(left)} · code expires in {duration(expires)}"
                live.update(Text(self._encodable(line), overflow="fold"), refresh=True)
                until.sleep(min(_TICK_SECONDS, left))

    def _code(self, facts: Mapping[str, Any]) -> None:
        target = facts.get("verification_uri_complete") or facts["verification_uri"]
        if self._qr:
            self._show_qr(target)
        mark = "█" if self._encodable("█") == "█" else "#"
        drawn = large(facts["user_code"], mark)
        if drawn and max(map(len, drawn)) <= self._console.width:
            self._line("")
            for row in drawn:
                self._console.print(Text(row, style="bold"), highlight=False)
        for line in self._plain.lines("code", facts):
            self._line(line)

    def _show_qr(self, target: str) -> None:
        if self._encodable("▀▄█") != "▀▄█":
            return
        drawn = io.StringIO()
        segno.make(target, error="l", micro=False).terminal(drawn, border=2, compact=True)
        lines = drawn.getvalue().rstrip("\n").split("\n")
        if len(lines) + _LINES_BESIDE > self._console.height and self._console.height > _LINES_BESIDE:
            self._line("(no room for a QR code: a higher window would show one)")
            return
        self._console.file.write(drawn.getvalue())

    def _to_clipboard(self, url: str) -> None:
        self._console.file.write(f"\x1b]52;c;{base64.b64encode(url.encode()).decode()}\x07")
        self._line("The URL is on the clipboard, if this terminal lets programs put something there.")

    def _line(self, line: str) -> None:
        self._console.print(Text(self._encodable(line)), soft_wrap=True, highlight=False)

    def _encodable(self, text: str) -> str:
        """Return ``text`` as far as the terminal's encoding has it."""
        encoding = self._console.encoding
        return (
            text.replace("·", "-" if "utf" not in encoding.lower() else "·")
            .encode(encoding, "replace")
            .decode(encoding)
        )
