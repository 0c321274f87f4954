"""The live gate as an operator runs it after a deploy: in real time, inside a window, and nothing left afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pdpp_conformance.run import Run
from pdpp_conformance.run_window import require_window
from pdpp_conformance.specification import load_schema, specification_root
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.window import State, Window, look, new_record
from pdpp_conformance.window_places import place_of
from tests.test_serve import SECRETS_GIVEN, serving

SECONDS = 180
CONSISTS_OF = ("2.1", "2.2", "5.2", "5.3")


def gate(report_dir: Path, *arguments: str, **added: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the live gate; return the process and its run.json."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PDPP_", "PYTEST", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--report-dir", str(report_dir),
         "-m", "live_gate", *arguments],
        cwd=specification_root(), env={**kept, "NO_COLOR": "1", **added}, capture_output=True, text=True,
        timeout=SECONDS,
    )  # fmt: skip
    run = json.loads((report_dir / "run.json").read_text("utf-8"))
    Draft202012Validator(load_schema("run")).validate(run)
    return done, run


@pytest.mark.parametrize(("fault", "task", "verdict"), [(None, "5.5", "PASS"), ("owner_at_mcp", "5.5", "FAIL")])
def test_after_a_deploy(fault: str | None, task: str, verdict: str, tmp_path: Path) -> None:
    """Within a minute of waiting the four tasks and the gate have their verdict, and nothing is left."""
    faults = () if fault is None else ("--fault", fault)
    windows = {"PDPP_WINDOW_DIRECTORY": str(tmp_path / "windows"), "XDG_STATE_HOME": str(tmp_path / "state")}
    database = f"sqlite:///{tmp_path / 'pdpp.sqlite3'}"
    with serving("--port", "0", "--database", database, *faults, **SECRETS_GIVEN) as server:
        arguments = ("--base-url", server.url, "--approver", "http", "--window", "--max-wait", "60")
        done, run = gate(tmp_path / "report", *arguments, **SECRETS_GIVEN, **windows)
        tasks = {each["id"]: each["verdict"] for each in run["tasks"]}
        assert (done.returncode, tasks[task]) == (0 if fault is None else 1, verdict), done.stdout
        if fault is None:
            assert {tasks[part] for part in CONSISTS_OF} == {"PASS"}
        assert run["waited_s"] <= 60
        assert (run["residue"], run["faults"]) == ([], [])
        assert (run["window"]["outcome"], run["window"]["residue"]) == (run["outcome"], [])
        assert look(place_of(server.url, {}, windows))[0] is State.FREE


def test_the_window_is_really_held(tmp_path: Path) -> None:
    """A run whose lock and record somebody took away does not verify a live deployment as if it were alone."""
    settings = {"directory": str(tmp_path / "windows")}
    target = Target(base_url="https://pdpp.example.org", window=settings)
    run = Run(target, tmp_path, print)
    with pytest.raises(NotApplicable, match="needs no verification window"):
        require_window(run)
    assert target.base_url is not None
    place = place_of(target.base_url, settings, {})
    record = new_record(target.base_url, operator="ada", scope="", expected_duration_s=1)
    run.window = Window.open(place, record)
    require_window(run)
    for file in (tmp_path / "windows").iterdir():
        file.unlink()
    with pytest.raises(Blocked, match="lost its verification window"):
        require_window(run)
    run.window.close(run.window.closed("conformant", []))
    run.recorder.close()
