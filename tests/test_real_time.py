"""The whole specification against the bundled server in another process, whose time nobody moves."""

from __future__ import annotations

import json
from pathlib import Path

from tests.test_serve import SECRETS_GIVEN, serving
from tests.whole_runs import run_specification

UNJUDGED = {"UIX-13", "UIX-32", "REG-07", "REG-08", "DAR-20"}
"""What needs more than a URL: leave to guess user codes, and a client metadata document at a public address."""


def test_the_whole_specification(tmp_path: Path) -> None:
    """Nothing is unmet, nothing is left, and of what must hold no more is unjudged than a URL cannot show."""
    database = f"sqlite:///{tmp_path / 'pdpp.sqlite3'}"
    lifetimes = ("--device-code-lifetime", "60", "--access-token-lifetime", "60")
    with serving("--port", "0", "--database", database, *lifetimes, **SECRETS_GIVEN) as server:
        options = ["--base-url", server.url, "--max-wait", "300", "--seed", "11"]
        environment = {**SECRETS_GIVEN, "XDG_STATE_HOME": str(tmp_path / "state")}
        status = run_specification(tmp_path / "report", options, environment)
    run = json.loads((tmp_path / "report" / "run.json").read_text("utf-8"))
    by_verdict: dict[str, set[str]] = {}
    for row in run["requirements"]:
        by_verdict.setdefault(row["verdict"], set()).add(row["id"])
    assert not {"FAIL", "WARN", "INFO", "ERROR"} & set(by_verdict), run["requirements"]
    assert by_verdict.get("BLOCKED", set()) <= UNJUDGED
    assert (status, run["outcome"], run["faults"], run["residue"]) == (6, "incomplete", [], [])
    assert len(by_verdict["PASS"]) > 240
