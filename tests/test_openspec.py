"""The change as it is written down: its requirements are the catalogue's rows, its tasks are the nineteen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pdpp_conformance import openspec
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.verdict import Blocked, Unmet

ROOT = Path(__file__).resolve().parents[1]
CHANGE = ROOT / "openspec" / "changes" / openspec.CHANGE
TASK = re.compile(r"^- \[(?P<ticked>[ x])\] (?P<id>\d\.\d) (?P<title>.+?); proven by (?P<proof>.+)$", re.MULTILINE)


def rows(name: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = yaml.safe_load((ROOT / "features" / "catalogue" / name).read_text(encoding="utf-8"))
    return listed


def tasks() -> list[re.Match[str]]:
    return list(TASK.finditer((CHANGE / "tasks.md").read_text(encoding="utf-8")))


def test_each_row_of_the_change_is_one_requirement_of_it() -> None:
    deltas = [delta.read_text(encoding="utf-8") for delta in sorted((CHANGE / "specs").rglob("spec.md"))]
    requirements = [part for delta in deltas for part in delta.split("### Requirement: ")[1:]]
    judged_as = [re.findall(r"CHG-\d\d", requirement) for requirement in requirements]
    assert all(len(ids) == 1 for ids in judged_as)
    assert sorted(ids[0] for ids in judged_as) == [row["id"] for row in rows("the_change.yaml")]


def test_the_tasks_are_the_nineteen_in_their_words() -> None:
    assert [(task["id"], task["title"]) for task in tasks()] == [
        (row["id"], row["title"]) for row in rows("tasks.yaml")
    ]


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task["id"])
def test_what_proves_a_ticked_task_is_there(task: re.Match[str]) -> None:
    """A task is ticked when scenarios carry it, or are selected for it, not earlier."""
    features = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "features").rglob("*.feature"))
    named = re.findall(r"\b(?:features|tests)/[\w./]+\.(?:feature|py)", task["proof"])
    if task["ticked"] == "x":
        assert all((ROOT / path).is_file() for path in named)
        selection = re.search(r"`pytest -m (\w+)`", task["proof"])
        assert f"@task-{task['id']}" in features or (selection is not None and f"@{selection[1]}\n" in features)


def test_a_repository_without_the_specification_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unmet, match="a folder openspec"):
        openspec.validate(tmp_path, "--all")


def test_a_missing_validator_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openspec").mkdir()
    monkeypatch.setattr(openspec, "_PROGRAM", tmp_path / "nowhere.js")
    with pytest.raises(Blocked, match="make set-up"):
        openspec.validate(tmp_path, "--all")


@pytest.mark.parametrize(
    ("status", "output", "met"),
    [(1, "must include at least one scenario", True), (0, "must include at least one scenario", False), (1, "", False)],
)
def test_a_refusal_is_one_with_its_reason(status: int, output: str, met: bool) -> None:
    validated = openspec.Validated("openspec validate", status, output)
    if met:
        openspec.judge_refused(Judgement(), validated, "must include at least one scenario")
    else:
        with pytest.raises(Unmet):
            openspec.judge_refused(Judgement(), validated, "must include at least one scenario")
