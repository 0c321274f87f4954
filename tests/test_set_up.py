"""Set-up does what is missing, and only that."""

import sys
from pathlib import Path

import pytest

from scripts.node import executable_of
from scripts.set_up import Done, fault_of

VERSION = sys.version_info[:2]


def an_environment(place: Path, *, made_for: Path | None = None, version: str = f"{VERSION[0]}.{VERSION[1]}.0") -> Path:
    """The part of a virtual environment that set-up judges it by."""
    base = Path(sys.executable).resolve()
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(base)
    (place / "pyvenv.cfg").write_text(
        f"version = {version}\nexecutable = {base}\ncommand = {base} -m venv {made_for or place}\n", encoding="utf-8"
    )
    return place


def test_an_environment_at_its_place_is_kept(tmp_path: Path) -> None:
    """Also where the path has a space."""
    assert fault_of(an_environment(tmp_path / "a checkout" / ".venv"), VERSION) is None


def test_an_environment_of_another_checkout_is_replaced(tmp_path: Path) -> None:
    """A virtual environment can't be moved: its scripts start the interpreter of the place it was made for."""
    moved = an_environment(tmp_path / "here" / ".venv", made_for=tmp_path / "there" / ".venv")
    assert fault_of(moved, VERSION) == "it was made for another place"


def test_an_environment_whose_python_was_removed_is_replaced(tmp_path: Path) -> None:
    venv = an_environment(tmp_path / ".venv")
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to(tmp_path / "gone")
    assert fault_of(venv, VERSION) == "its Python is gone"


def test_an_environment_of_another_python_version_is_replaced(tmp_path: Path) -> None:
    assert fault_of(an_environment(tmp_path / ".venv", version="3.10.1"), VERSION) == "it has another version of Python"


def test_no_environment_is_a_fault(tmp_path: Path) -> None:
    assert fault_of(tmp_path / ".venv", VERSION) == "there is none"


@pytest.mark.parametrize("content", ["", "{", "not json"])
def test_a_damaged_memory_means_that_nothing_was_done(tmp_path: Path, content: str) -> None:
    file = tmp_path / "set-up.json"
    file.write_text(content, encoding="utf-8")
    assert Done(file).get("packages") is None


def test_what_is_about_to_be_redone_is_forgotten_at_once(tmp_path: Path) -> None:
    """An interrupted installation followed by a return to the old lock must install again."""
    done = Done(tmp_path / "set-up.json")
    done.set("uv", "1")
    done.set("packages", "2")
    done.forget("packages")
    assert (Done(done.file).get("uv"), Done(done.file).get("packages")) == ("1", None)


def a_node(place: Path, version: str) -> Path:
    """A program that answers as Node of `version` does when asked for its path and version."""
    place.write_text(f"#!/bin/sh\nprintf '/opt/node/bin/node\\n{version}\\n'\n", encoding="utf-8")
    place.chmod(0o755)
    return place


@pytest.mark.parametrize(
    ("version", "fits"), [("20.19.0", True), ("24.1.0", True), ("20.18.9", False), ("18.20.0", False)]
)
def test_only_a_node_that_is_new_enough_is_taken(tmp_path: Path, version: str, fits: bool) -> None:
    """It is taken by its own path: a version manager's stand-in chooses by the folder it is called in."""
    assert executable_of(a_node(tmp_path / "node", version)) == (Path("/opt/node/bin/node") if fits else None)


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho what\n", "no program"])
def test_what_does_not_answer_as_node_does_is_not_taken(tmp_path: Path, content: str) -> None:
    node = tmp_path / "node"
    node.write_text(content, encoding="utf-8")
    node.chmod(0o755)
    assert executable_of(node) is None
