"""Which Chromium the browser approver drives, and with which flags. Imports nothing but the standard library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

EXECUTABLES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "msedge",
)
"""Looked for on PATH, in this order: the one without a window of its own comes first, as it takes half the time."""

CHROMIUM_ARGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page of another site would find a spare process waiting for it, started for every one that came before.
    "--renderer-process-limit=1",
    # Of two such switches the last one counts: what Playwright enables is repeated, and a test compares. A document of
    # the same site stays in its frame, where it opens at less cost.
    "--enable-features=CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies,RenderDocument:level/crashed-frame",
)
"""Flags for every launch: no requests of the browser's own, nothing that needs a graphics card, pages at little cost.

None of them is about what a page may do: cookies, frames and origins.
"""

_ASK_PLAYWRIGHT = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
_ASK_PLAYWRIGHT_SECONDS = 30.0
_ASK_KERNEL_SECONDS = 5.0


def find_chromium() -> Path | None:
    """The executable of a Chromium-based browser, or None if this machine has none.

    CHROMIUM_PATH comes first, then PATH, then what `playwright install chromium` of the installed Playwright left.
    Raises FileNotFoundError when CHROMIUM_PATH is set and names no executable file: another browser than the one
    that was asked for would be a surprise.
    """
    if asked := os.environ.get("CHROMIUM_PATH"):
        if (found := shutil.which(asked)) is None:
            raise FileNotFoundError(f"CHROMIUM_PATH is {asked!r}, which is not an executable file")
        return Path(found)
    for name in EXECUTABLES:
        if found := shutil.which(name):
            return Path(found)
    return _playwrights_own()


def chromium_args() -> list[str]:
    """CHROMIUM_ARGS, and `--no-sandbox` where Chromium would refuse to start, or crash, with its sandbox."""
    return list(CHROMIUM_ARGS) if _sandbox_works() else ["--no-sandbox", *CHROMIUM_ARGS]


def _playwrights_own() -> Path | None:
    # In a process of its own: Playwright's synchronous API refuses to start under a running event loop or twice.
    try:
        answer = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _ASK_PLAYWRIGHT],
            capture_output=True,
            check=False,
            text=True,
            timeout=_ASK_PLAYWRIGHT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    executable = shutil.which(answer.stdout.strip())
    return None if executable is None else Path(executable)


def _sandbox_works() -> bool:
    """Chromium's sandbox refuses root and needs user namespaces, which containers and some distributions forbid."""
    if sys.platform != "linux":
        return True
    if os.geteuid() == 0:
        return False
    # Mapping an id is what AppArmor forbids where it lets the namespace itself pass.
    command = ["unshare", "--user", "--map-root-user", "true"]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, timeout=_ASK_KERNEL_SECONDS)  # noqa: S603
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
