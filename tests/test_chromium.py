"""The browser is the one that was asked for, else one that the machine has, else none."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from pdpp_conformance.approver.chromium import CHROMIUM_ARGS, chromium_args, find_chromium


def an_executable(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No browser anywhere; returns the only folder on PATH."""
    monkeypatch.delenv("CHROMIUM_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    return tmp_path / "bin"


def test_chromium_path_comes_first(bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_executable(bare_machine / "chromium")
    asked = an_executable(tmp_path / "mine")
    monkeypatch.setenv("CHROMIUM_PATH", str(asked))
    assert find_chromium() == asked


def test_a_wrong_chromium_path_is_not_silently_replaced(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_executable(bare_machine / "chromium")
    monkeypatch.setenv("CHROMIUM_PATH", "/nowhere/chromium")
    with pytest.raises(FileNotFoundError, match="CHROMIUM_PATH is '/nowhere/chromium'"):
        find_chromium()


def test_chromium_is_preferred_to_chrome_on_path(bare_machine: Path) -> None:
    an_executable(bare_machine / "google-chrome")
    assert find_chromium() == bare_machine / "google-chrome"
    an_executable(bare_machine / "chromium-browser")
    assert find_chromium() == bare_machine / "chromium-browser"


def test_a_machine_without_a_browser_has_none(bare_machine: Path) -> None:
    assert find_chromium() is None


@pytest.mark.skipif(sys.platform != "linux", reason="Playwright's folders are named differently elsewhere")
def test_playwrights_own_browser_is_found(bare_machine: Path, tmp_path: Path) -> None:
    """Where Playwright itself says that its browser is, once something is there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    assert own.is_relative_to(tmp_path / "playwright")
    an_executable(own)
    assert find_chromium() == own


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_root_runs_chromium_without_its_sandbox() -> None:
    assert chromium_args() == ["--no-sandbox", *CHROMIUM_ARGS]


def test_what_playwright_enables_stays_enabled() -> None:
    """Chromium takes the last of several switches alone, and ours comes last."""
    executable = find_chromium()
    assert executable is not None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=chromium_args())
        commands = [process.cmdline() for process in psutil.Process().children(recursive=True)]
        browser.close()
    browsers = [command for command in commands if not any(part.startswith("--type=") for part in command)]
    enabling = [[part for part in command if part.startswith("--enable-features=")] for command in browsers]
    switches = max(enabling, key=len)
    *earlier, last = [set(switch.partition("=")[2].split(",")) for switch in switches]
    assert earlier
    assert set().union(*earlier) < last
