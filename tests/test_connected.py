"""`pdpp connect` as a person types it: in a real browser, and asked in a real terminal."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from tests.conftest import SPOTIFY
from tests.test_kept_credentials import tools_with

if TYPE_CHECKING:
    from tests.conftest import Deployment

PDPP = str(Path(sysconfig.get_path("scripts")) / "pdpp")
ROOT = Path(__file__).resolve().parents[1]


def kept_in(home: Path) -> dict[str, Any]:
    [path] = (home / "pdpp" / "credentials").glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    return dict(json.loads(path.read_text()))


def test_in_a_browser_of_this_machine(deployment: Deployment, tmp_path: Path) -> None:
    """The browser opens by itself; signed in and approved there, the SDK's client uses what is kept."""
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path),
        "DISPLAY": ":0",
        "BROWSER": f"{shlex.join([sys.executable, '-m', 'tests.owner_browser'])} %s",
        "PDPP_OWNER_PASSWORD": "the owner's password",
        "PYTHONPATH": str(ROOT),
    }
    words = [PDPP, "connect", deployment.issuer, "--browser", "--timeout", "60", "--json"]
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=90)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    kept = kept_in(tmp_path)
    assert deployment.introspect(kept["access_token"])["pdpp_token_kind"] == "client"
    assert kept["access_token"] not in answer.stdout + answer.stderr
    introspected = deployment.introspect(kept["access_token"])
    assert [stream["name"] for stream in introspected["authorization_details"][0]["streams"]] == ["top_artists"]
    assert "query_records" in tools_with(kept["access_token"], kept["mcp_url"])


@pytest.mark.parametrize(
    ("answers", "streams"),
    [
        (("top_artists, saved_tracks", "2026-01-31"), {"top_artists", "saved_tracks"}),
        (("", ""), {"top_artists", "saved_tracks", "recently_played"}),
    ],
)
def test_what_to_read_is_chosen_at_a_terminal(
    deployment: Deployment, tmp_path: Path, answers: tuple[str, str], streams: set[str]
) -> None:
    """Where nobody said a source, the person is asked for it, its streams and a date, and that is asked for."""
    words = ["connect", deployment.issuer, "--plain", "--timeout", "60"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm"}
    with pexpect.spawn(PDPP, words, env=environment, encoding="utf-8", timeout=30, dimensions=(24, 80)) as terminal:
        terminal.expect("Which source")
        terminal.sendline(SPOTIFY)
        terminal.expect("Which of its streams")
        terminal.sendline(answers[0])
        terminal.expect("Not older than")
        terminal.sendline(answers[1])
        terminal.expect("enter the code: ([A-Z-]{9})")
        assert terminal.match is not None
        request = deployment.pending(terminal.match.group(1).replace("-", "")).request
        assert request.authorization_details is not None
        [entry] = request.authorization_details
        asked = {stream.name for stream in entry.streams}
        assert asked == streams
        terminal.sendintr()
        terminal.expect("To try again: pdpp connect")
        terminal.expect(pexpect.EOF)
