"""Bring a fresh machine to the point where the specification runs; do nothing where that is done already.

What is done is remembered in .venv/set-up.json by the content of what it was done from (lock files, packaging sections
of pyproject.toml), never by times of files: a clone's are arbitrary.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from scripts import node
from scripts.phase import LOGS, ROOT, Phase, PhaseFailedError, interruptible, say

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
UV_LOCK = ROOT / "locks" / "uv.txt"
LOCK = ROOT / "locks" / "dev.txt"

BROWSER_DOWNLOAD_SECONDS = 120.0
BROWSER_START_SECONDS = 60.0
APT_SECONDS = 600.0
# A base font comes along, for a page without one renders as empty boxes.
APT_BROWSERS = ("chromium-headless-shell", "chromium")
APT_FONTS = "fonts-liberation"
FIND_BROWSER = "from pdpp_conformance.approver.chromium import find_chromium; print(find_chromium() or '')"
BROWSER_WANTED = (
    "install Chromium or Chrome, or set CHROMIUM_PATH to its executable, and run make again. "
    "Without one, every check that needs the owner's browser is BLOCKED."
)
NODE_WANTED = (
    "mend the cause (a registry that cannot be reached?) and run make again. "
    "Without them, every check that runs one of them is BLOCKED."
)


class Done:
    """What set-up has done in this environment: one digest or value a name, kept in .venv/set-up.json."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._values: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            self._values = {}

    def get(self, name: str) -> str | None:
        """The value last set, or None."""
        return self._values.get(name)

    def set(self, name: str, value: str) -> None:
        """Remember, at once."""
        self._write({**self._values, name: value})

    def forget(self, *names: str) -> None:
        """Forget, at once: what is about to be redone is not done if it is interrupted."""
        self._write({name: value for name, value in self._values.items() if name not in names})

    def _write(self, values: dict[str, str]) -> None:
        self._values = values
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        beside.replace(self.file)


def digest(*contents: str) -> str:
    """SHA-256 over `contents`, hexadecimal."""
    return hashlib.sha256("\0".join(contents).encode()).hexdigest()


def fault_of(venv: Path, version: tuple[int, int]) -> str | None:
    """Why the virtual environment at `venv` can't be used, or None if it can.

    An environment doesn't survive a move (its scripts name its interpreter by absolute path) nor another base Python.
    """
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return "there is none"
    config = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    python = venv / "bin" / "python"
    if not config.get("command", "").endswith(f" {venv}"):
        return "it was made for another place"
    if not os.access(python, os.X_OK) or str(python.resolve()) != str(Path(config.get("executable", "")).resolve()):
        return "its Python is gone"
    if config.get("version", "").split(".")[:2] != [str(part) for part in version]:
        return "it has another version of Python"
    return None


def set_up_environment() -> None:
    """Make .venv anew if there is none that can be used."""
    if fault_of(VENV, sys.version_info[:2]) is None:
        return
    # The Python that runs may be the one of an activated environment, even of the one to be replaced.
    python = sys.executable if sys.prefix == sys.base_prefix else Path(sys.executable).resolve()
    with Phase("setting up: virtual environment", "set-up-environment") as phase:
        phase.run(python, "-m", "venv", "--clear", VENV)


def set_up_uv(done: Done) -> None:
    """Install the locked uv with pip."""
    wanted = digest(UV_LOCK.read_text(encoding="utf-8"))
    if done.get("uv") == wanted:
        return
    with Phase("setting up: installer", "set-up-installer") as phase:
        phase.run(PYTHON, "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--requirement", UV_LOCK)
    done.set("uv", wanted)


def set_up_packages(done: Done) -> None:
    """Install exactly the packages of the lock; wheels only, so that no package's build code runs."""
    wanted = digest(LOCK.read_text(encoding="utf-8"))
    if done.get("packages") == wanted:
        return
    done.forget("packages", "project")
    with Phase("setting up: packages", "set-up-packages") as phase:
        sync = (UV, "pip", "sync", "--python", PYTHON, "--require-hashes", "--no-build", "--compile-bytecode")
        try:
            phase.run(*sync, "--system-certs", LOCK)
        except PhaseFailedError:
            # A mirror or certificate that only pip is configured for: slower, the same hashes.
            phase.run(PYTHON, "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--requirement", LOCK)
    done.set("packages", wanted)


def set_up_project(done: Done) -> None:
    """Install this checkout itself, editable, with the build backend of the lock."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packaging = [pyproject["build-system"], pyproject["project"], pyproject["tool"]["hatch"]]
    wanted = digest(json.dumps(packaging, sort_keys=True))
    if done.get("project") == wanted:
        return
    with Phase("setting up: this project", "set-up-project") as phase:
        install = (UV, "pip", "install", "--python", PYTHON, "--offline", "--no-deps", "--no-build-isolation")
        phase.run(*install, "--editable", ROOT)
    done.set("project", wanted)


def set_up_browser(done: Done, *, required: bool) -> str | None:
    """Find a browser that starts, or install one. Returns None, or a sentence that says what is wrong.

    After an installation that failed, the next try is made when a browser is `required`.
    """
    asked = os.environ.get("CHROMIUM_PATH", "")
    if done.get("browser-asked") == asked and os.access(done.get("browser") or "", os.X_OK):
        return None
    with Phase("setting up: browser", "set-up-browser") as phase:
        browser = find_browser()
        if browser is None and (required or done.get("browser-failed") is None):
            install_browser(phase)
            browser = find_browser()
        starts = browser is not None and starts_up(phase, browser)
    if browser is None:
        done.set("browser-failed", "yes")
        return f"no browser: {BROWSER_WANTED}"
    if not starts:
        return f"the browser {browser} does not start ({phase.log.relative_to(ROOT)}): {BROWSER_WANTED}"
    done.set("browser-asked", asked)
    done.set("browser", browser)
    return None


def find_browser() -> str | None:
    """The browser that the harness would take. Raises PhaseFailedError for a CHROMIUM_PATH that names none."""
    answer = subprocess.run([PYTHON, "-c", FIND_BROWSER], cwd=ROOT, capture_output=True, text=True)
    if answer.returncode != 0:
        raise PhaseFailedError(answer.stderr.strip().rpartition("\n")[2].partition(": ")[2])
    return answer.stdout.strip() or None


def starts_up(phase: Phase, browser: str) -> bool:
    """Whether `browser` can be started: a snap's stand-in or a download without its libraries can't."""
    return tried(phase, browser, "--version", timeout=BROWSER_START_SECONDS)


def install_browser(phase: Phase) -> None:
    """Playwright's own Chromium, else as root Debian's; nothing where neither can be had."""
    playwright = (PYTHON, "-m", "playwright")
    can_apt = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if tried(phase, *playwright, "install", "chromium", timeout=BROWSER_DOWNLOAD_SECONDS):
        downloaded = find_browser()
        if can_apt and downloaded is not None and not starts_up(phase, downloaded):
            # A bare system lacks the libraries that the download is linked with.
            tried(phase, *playwright, "install-deps", "chromium", timeout=APT_SECONDS)
    elif can_apt:
        apt = ("apt-get", "--quiet", "--yes")
        tried(phase, *apt, "update", timeout=APT_SECONDS)
        for browser in APT_BROWSERS:
            if tried(phase, *apt, "install", "--no-install-recommends", browser, APT_FONTS, timeout=APT_SECONDS):
                break


def set_up_node(done: Done, *, required: bool) -> str | None:
    """Install the locked programs for Node, and Node where it is missing. Returns None, or what is wrong as a sentence.

    After an installation that failed, the next try is made when they are `required`.
    """
    wanted = digest(*(file.read_text(encoding="utf-8") for file in (node.WHEEL_LOCK, node.MANIFEST, node.LOCK)))
    if done.get("node") == wanted and node.is_installed():
        return None
    if done.get("node-failed") == wanted and not required:
        return f"no programs for Node: {NODE_WANTED}"
    done.forget("node", "node-failed")
    try:
        with Phase("setting up: Node and its programs", "set-up-node") as phase:
            node.install_programs(phase, node.find_or_install(phase, UV, PYTHON))
    except PhaseFailedError as error:
        done.set("node-failed", wanted)
        return f"no programs for Node, {error} ({newest_log()}): {NODE_WANTED}"
    done.set("node", wanted)
    return None


def tried(phase: Phase, *command: str | Path, timeout: float) -> bool:
    """Run `command` for at most `timeout` seconds; whether it succeeded."""
    try:
        phase.run(*command, timeout=timeout, extra={"DEBIAN_FRONTEND": "noninteractive"})
    except PhaseFailedError:
        return False
    return True


def newest_log() -> Path:
    """The log of the phase that ran last, relative to the repository."""
    return max(LOGS.glob("set-up-*.log"), key=lambda log: log.stat().st_mtime_ns).relative_to(ROOT)


def main() -> int:
    """Do what is left to do; status 1 when it can't be done, and one sentence why."""
    parser = argparse.ArgumentParser(description="set this checkout up")
    parser.add_argument("--only-installers", action="store_true", help="uv and npm alone: enough for `make lock`")
    parser.add_argument("--complete", action="store_true", help="fail without a browser or without the Node programs")
    options = parser.parse_args()
    interruptible()
    try:
        set_up_environment()
        done = Done(VENV / "set-up.json")
        set_up_uv(done)
        if options.only_installers:
            with Phase("setting up: npm", "set-up-node") as phase:
                node.find_or_install(phase, UV, PYTHON)
            return 0
        set_up_packages(done)
        set_up_project(done)
        problems = [
            set_up_node(done, required=options.complete),
            set_up_browser(done, required=options.complete),
        ]
        for problem in filter(None, problems):
            say(problem)
        return 1 if options.complete and any(problems) else 0
    except PhaseFailedError as error:
        say(f"set-up failed: {error}. What was printed is in {newest_log()}; mend the cause and run make again.")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
