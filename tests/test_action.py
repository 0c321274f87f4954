"""The GitHub action: what it says is what it does, its shell steps run here, and no secret is ever an argument.

And the operator's guide: the commands, options and inputs in it exist.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from pdpp.command import app
from pdpp_conformance.report.markdown import markdown_of
from pdpp_conformance.report.text import INVISIBLE
from pdpp_conformance.specification import specification_root
from pdpp_conformance.target import read_target
from tests.test_report import HOSTILE, sample
from tests.test_serve import SECRETS_GIVEN, serving

ROOT = specification_root()
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
GUIDE = (ROOT / "docs" / "setup" / "post-deploy.md").read_text("utf-8")
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
SECONDS = 180


def named(name: str) -> dict[str, Any]:
    return next(step for step in STEPS if step.get("name") == name)


class TestWhatItSays:
    def test_inputs(self) -> None:
        """Each input is used and each that is used is one; none is for a secret."""
        used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(STEPS)))
        assert used == set(ACTION["inputs"])
        assert not [name for name in used if re.search(r"password|secret|token|credential", name)]
        for declared in ACTION["inputs"].values():
            assert isinstance(declared["default"], str)
            assert declared["description"]

    def test_outputs(self) -> None:
        """Each output, and each that a later step asks for, is written by the step that it is of."""
        told = json.dumps([ACTION["outputs"], STEPS])
        for step, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", told):
            writer = next(one for one in STEPS if one.get("id") == step)
            assert f'echo "{output}=' in writer["run"]

    def test_steps(self) -> None:
        """Actions are GitHub's own; scripts name their shell, and get what was given by the environment alone."""
        assert ACTION["runs"]["using"] == "composite"
        for step in STEPS:
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
            else:
                assert step["shell"] == "bash"
                assert not EXPRESSION.search(step["run"])
                assert subprocess.run(["bash", "-n"], input=step["run"], text=True).returncode == 0

    def test_set_up(self) -> None:
        """The harness is set up from the action's own folder, by a target that the Makefile has."""
        words = shlex.split(named("Set up the harness")["run"])
        assert words[:3] == ["make", "--directory", "$GITHUB_ACTION_PATH"]
        makefile = (ROOT / "Makefile").read_text("utf-8")
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words[3:])


class Runner:
    """Runs the action's shell steps as a runner of GitHub's does."""

    def __init__(self, folder: Path, inputs: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        self.folder = folder
        self.said = ""
        self.arguments: list[str] = []
        self.values = {f"inputs.{name}": declared["default"] for name, declared in ACTION["inputs"].items()}
        self.values |= {f"inputs.{name}": value for name, value in inputs.items()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PDPP_", "PYTEST", "PYTHON"))}
        self.environment = {
            **kept,
            **secrets,
            "NO_COLOR": "1",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def run(self, step: Mapping[str, Any]) -> int:
        given = {
            name: EXPRESSION.sub(lambda found: self.values.get(found[1], ""), value)
            for name, value in step.get("env", {}).items()
        }
        output = self.folder / "output"
        output.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**self.environment, **given},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        self.said += done.stdout + done.stderr
        for line in output.read_text("utf-8").splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode

    def run_all(self) -> int:
        """Verify, summarize, and tell the outcome; return what the job ends with."""
        status = self.run(named("Verify"))
        if status == 0:
            assert self.run(named("Summarize")) == 0
            status = self.run(named("Tell the outcome"))
        return status


class TestWhatItDoes:
    def test_a_deployment(self, tmp_path: Path) -> None:
        """What was selected is judged, the summary says so, the report may leave, and no secret was printed."""
        database = f"sqlite:///{tmp_path / 'pdpp.sqlite3'}"
        target = {"limits": {"max_wait": 5}, "owner": {"password_env": "PDPP_OWNER_PASSWORD"}}
        (tmp_path / "target.yaml").write_text(yaml.safe_dump(target), "utf-8")
        with serving("--port", "0", "--database", database, **SECRETS_GIVEN) as server:
            given = {
                "base-url": server.url, "target-file": "target.yaml", "selection": "task_5_3", "approver": "http"
            }  # fmt: skip
            runner = Runner(tmp_path, given, SECRETS_GIVEN)
            assert runner.run_all() == 0, runner.said
        assert runner.values["steps.summary.outputs.may-leave"] == "true"
        assert (tmp_path / "summary.md").read_text("utf-8").startswith("## PDPP conformance: conformant\n")
        report = tmp_path / "pdpp-report"
        assert json.loads((report / "run.json").read_bytes())["residue"] == []
        assert (report / "junit.xml").is_file()
        for secret in (SECRETS_GIVEN["PDPP_OWNER_PASSWORD"], SECRETS_GIVEN["PDPP_INTROSPECTION_CLIENT_SECRET"]):
            assert secret not in runner.said

    def test_nobody_there(self, tmp_path: Path) -> None:
        """The job fails with the run's own exit status, and the summary says in words why."""
        runner = Runner(tmp_path, {"base-url": "http://127.0.0.1:9"}, SECRETS_GIVEN)
        assert runner.run_all() == 7, runner.said
        assert "unreachable" in (tmp_path / "summary.md").read_text("utf-8")

    def test_nothing_named(self, tmp_path: Path) -> None:
        """Without a target nothing is judged, not even a bundled server in its place."""
        runner = Runner(tmp_path, {}, SECRETS_GIVEN)
        assert runner.run_all() == 4
        assert "base-url" in runner.said


class TestSummary:
    def test_what_the_target_says_is_text(self) -> None:
        """No markup or link of a target's takes effect in the page, and nothing invisible stands in it."""
        run, _ = sample(failing=True)
        hostile = f"{HOSTILE} [a link](https://evil.example) ![](https://evil.example/x.png) | *so* @somebody `x`"
        for row in run["requirements"]:
            row |= {"text": hostile, "expected": hostile, "observed": hostile, "reason": hostile, "unblock": hostile}
        run["target"]["base_url"] = hostile
        run |= {"messages": [hostile], "faults": [hostile], "residue": [{"what": hostile}]}
        page = markdown_of(run)
        shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
        elements = set(re.findall(r"<([a-z0-9]+)", shown))
        assert elements <= {"h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
        assert not INVISIBLE.search(page)
        assert not re.search(r"(?<!\\)@", page)

    def test_what_it_says(self) -> None:
        """The outcome comes first; findings, and what was left, say what a person has to act on."""
        run, _ = sample(failing=True)
        shown = MarkdownIt("commonmark").enable("table").render(markdown_of(run))
        assert shown.startswith("<h2>PDPP conformance: not conformant</h2>")
        assert "<td>POL-12, POL-13, POL-14</td>" in shown
        assert "<td>--max-wait 310</td>" in shown

    def test_no_report(self, tmp_path: Path) -> None:
        """A folder without a report is one sentence and no traceback."""
        told = CliRunner().invoke(app, ["summary", str(tmp_path)])
        assert told.exit_code == 64
        assert "give the report folder" in told.output


def guide_commands() -> list[list[str]]:
    """The commands of the guide's shell examples, each as its words."""
    blocks = [
        token.content for token in MarkdownIt().parse(GUIDE) if token.type == "fence" and token.info in ("sh", "")
    ]
    lines = [line.split(" && ")[-1] for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.split(re.sub(r"^timeout \S+ \d+ ", "", line).partition(" > ")[0]) for line in lines]


class TestGuide:
    def test_commands(self) -> None:
        """Each command of the guide exists, with the options that it is given."""
        seen = set()
        for words in guide_commands():
            name = words[0].rpartition("/")[2]
            seen.add(name)
            options = [word.partition("=")[0] for word in words if word.startswith("--")]
            if name == "pdpp":
                command: Any = typer.main.get_command(app)
                for word in words[1:]:
                    command = getattr(command, "commands", {}).get(word, command)
                assert not hasattr(command, "commands"), words
                known = {option for parameter in command.params for option in parameter.opts}
            elif name == "pytest":
                known = set(re.findall(r"--[a-z-]+", (ROOT / "src/pdpp_conformance/plugin.py").read_text("utf-8")))
            else:
                assert name == "make"
                known = set()
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert set(options) <= known, words
        assert seen == {"pdpp", "pytest", "make"}

    def test_selections(self) -> None:
        """What the guide selects is a selection, of the task that it says."""
        selected = {words[words.index("-m") + 1] for words in guide_commands() if "-m" in words}
        tasks = yaml.safe_load((ROOT / "features/catalogue/tasks.yaml").read_text("utf-8"))
        assert [task["id"] for task in tasks if task.get("selection") in selected] == ["5.5"]

    def test_action(self) -> None:
        """The guide's job gives inputs that the action has, and secrets by the environment alone."""
        (block,) = re.findall(r"```yaml\n(jobs:.*?)```", GUIDE, re.DOTALL)
        job = yaml.safe_load(block)["jobs"]["verify"]
        step = job["steps"][-1]
        assert set(step["with"]) <= set(ACTION["inputs"])
        assert "secrets." not in json.dumps(job["steps"])
        assert all("secrets." in value for value in job["env"].values())

    def test_target_file(self, tmp_path: Path) -> None:
        """The target file that does for most is one."""
        (block,) = re.findall(r"```yaml\n(base_url:.*?)```", GUIDE, re.DOTALL)
        (tmp_path / "target.yaml").write_text(block.replace("pass show pdpp/owner", "echo a-password"), "utf-8")
        target = read_target(tmp_path / "target.yaml", base_url=None, approver=None, max_wait=None)
        assert target.owner_password == "a-password"

    @pytest.mark.parametrize("place", re.findall(r"\]\(([^)#]+)\)", GUIDE))
    def test_links(self, place: str) -> None:
        """Each document that it points to is there."""
        assert (ROOT / "docs" / "setup" / place).exists()
