"""What is committed: no traces of a machine, locks that hold and fit, a Makefile that explains itself."""

import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from scripts import catalogue_table, node

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("uv.txt", "dev.txt", "runtime.txt", "node.txt")

# As patterns, so that this file doesn't contain what it forbids.
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:work|root|home/[a-z_][\w-]*|Users/[A-Za-z][\w.-]*)/")
REGISTRY_HOST = re.compile(
    r"pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|(?:deb|security)\.debian\.org", re.I
)

PINNED = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;]+)(?: ; [^\\]+)?(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})+)"
)


@cache
def committed_text() -> dict[str, str]:
    """Every text file that is committed or would be, by its path."""
    listing = subprocess.run(
        # The checkout may belong to another user, as it does in many a container.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    texts = {}
    for name in filter(None, listing.decode().split("\0")):
        file = ROOT / name
        if file.is_file():
            content = file.read_bytes()
            if b"\0" not in content:
                texts[name] = content.decode("utf-8")
    return texts


def occurrences(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {found.group()}"
        for name, text in committed_text().items()
        for number, line in enumerate(text.splitlines(), 1)
        for found in pattern.finditer(line)
    ]


def pins(lock: str) -> dict[NormalizedName, set[str]]:
    """The versions that `lock` has of each package; more than one where platforms differ. Fails on any other line."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "locks" / lock).read_text(encoding="utf-8"), flags=re.M)
    found: dict[NormalizedName, set[str]] = defaultdict(set)
    for line in text.replace("\\\n", " ").splitlines():
        pinned = PINNED.fullmatch(line.strip())
        assert pinned, f"locks/{lock}: not pinned with hashes: {line!r}"
        found[canonicalize_name(pinned["name"])].add(pinned["version"])
    return found


def pyproject_requirements() -> dict[str, list[Requirement]]:
    """What pyproject.toml names, by the section that names it."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sections = {
        "runtime": pyproject["project"]["dependencies"],
        "dev": pyproject["dependency-groups"]["dev"],
        "build": pyproject["build-system"]["requires"],
    }
    return {name: [Requirement(line) for line in lines] for name, lines in sections.items()}


needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(),
    reason="not a git checkout: what is committed is unknown",
)


@needs_git
def test_no_committed_file_names_a_place_on_a_developers_machine() -> None:
    assert occurrences(MACHINE_PATH) == []


@needs_git
def test_no_committed_file_names_a_package_registry() -> None:
    assert occurrences(REGISTRY_HOST) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (MACHINE_PATH, "see /" + "work/main/x"),
        (MACHINE_PATH, '"/' + 'root/.cache"'),
        (MACHINE_PATH, "(/" + "home/ada/pdpp)"),
        (MACHINE_PATH, "/" + "Users/ada/pdpp"),
        (REGISTRY_HOST, "https://" + "pypi" + ".org/simple"),
        (REGISTRY_HOST, "https://registry." + "npmjs.org/x"),
    ],
)
def test_the_two_searches_find_what_they_search(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_with_hashes_and_records_no_address(lock: str) -> None:
    assert pins(lock)
    assert "://" not in (ROOT / "locks" / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("section", "lock"), [("runtime", "runtime.txt"), ("runtime", "dev.txt"), ("dev", "dev.txt"), ("build", "dev.txt")]
)
def test_the_locks_are_current_with_pyproject(section: str, lock: str) -> None:
    locked = pins(lock)
    unfit = {
        str(requirement): locked.get(canonicalize_name(requirement.name))
        for requirement in pyproject_requirements()[section]
        if not (versions := locked.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(version, prereleases=True) for version in versions)
    }
    assert unfit == {}, "run `make lock`"


def test_what_is_installed_as_a_package_is_what_was_tested() -> None:
    tested = pins("dev.txt")
    assert {name: versions for name, versions in pins("runtime.txt").items() if tested.get(name) != versions} == {}


def node_lock() -> dict[str, dict[str, Any]]:
    """The packages of package-lock.json by their path; the manifest's own entry is ""."""
    packages: dict[str, dict[str, Any]] = json.loads(node.LOCK.read_text(encoding="utf-8"))["packages"]
    return packages


def test_every_package_for_node_is_locked_by_a_hash_of_its_content_and_records_no_address() -> None:
    packages = {path: package for path, package in node_lock().items() if path}
    assert packages
    unfit = [
        path
        for path, package in packages.items()
        if not package.get("integrity", "").startswith("sha512-") or "resolved" in package
    ]
    assert unfit == []


def test_the_programs_for_node_are_named_by_exact_versions_and_the_lock_is_current() -> None:
    wanted = json.loads(node.MANIFEST.read_text(encoding="utf-8"))["dependencies"]
    assert {name: version for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}
    assert node_lock()[""]["dependencies"] == wanted, "run `make lock`"


def test_the_console_script_starts() -> None:
    script = Path(sysconfig.get_path("scripts")) / "pdpp"
    answer = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert "serve" in answer.stdout


def test_make_explains_each_target_that_is_meant_for_people() -> None:
    explained = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[0].split()
    assert set(re.findall(r"^  make (\S+) +\S", explained, re.M)) == set(phony) - {"python"}


def test_the_entry_for_continuous_integration_can_be_executed() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_readme_tells_the_numbers_of_the_catalogue() -> None:
    """The table in the README is the one that the catalogue and the features give."""
    text = catalogue_table.README.read_text(encoding="utf-8")
    assert catalogue_table.with_table(text) == text
