"""Generated requests: the same for the same seed, and each planted defect is found, whatever the seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdpp.command import app
from pdpp_conformance.bundled import FAULTS_VARIABLE
from pdpp_conformance.fuzzing.case import CaseError, read_case, scenario_of, write_cases
from pdpp_conformance.fuzzing.job import Wish, assigned_to
from pdpp_conformance.fuzzing.session import Fuzzing
from pdpp_conformance.run import Run
from pdpp_conformance.target import Target, read_target
from pdpp_conformance.verdict import Excluded

FAULTS = {
    "missing_verifier_is_500": ("token", "ERR-01"),
    "nul_is_500": ("device authorization", "DAR-22"),
    "long_value_is_409": ("pushed authorization request", "ERR-01"),
    "page_for_odd_content_type": ("revocation", "ERR-02"),
    "grant_type_in_description": ("token", "ERR-03"),
    "foreign_token_in_error": ("revocation", "ERR-06"),
    "cacheable_repetition": ("token", "ERR-08"),
    "parameter_in_header": ("pushed authorization request", "ERR-09"),
    "last_wins": ("device authorization", "DAR-11"),
    "replay_ok": ("token", "POL-12"),
}
"""Defects: the endpoint that has each, and the requirement that it breaks."""


@contextmanager
def opened(folder: Path) -> Iterator[Run]:
    run = Run(read_target(None, base_url=None, approver="http", max_wait=None), folder, lambda _line: None)
    try:
        run.open()
        yield run
    finally:
        run.close()


def fuzzed(run: Run, endpoint: str, seed: int, examples: int = 1) -> Fuzzing:
    fuzzing = Fuzzing(run, examples=examples, seed=seed, seconds=120)
    try:
        fuzzing.everywhere([endpoint])
    finally:
        fuzzing.close()
    return fuzzing


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_defect_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each of three seeds, at the endpoint that has it, for the requirement that it breaks."""
    endpoint, row = FAULTS[name]
    monkeypatch.setenv(FAULTS_VARIABLE, name)
    with opened(tmp_path) as run:
        for seed in (1, 2, 3):
            assert (row, endpoint) in fuzzed(run, endpoint, seed).found, seed


@pytest.mark.parametrize("endpoint", ["revocation", "registration"])
def test_the_same_seed_makes_the_same_requests(endpoint: str, tmp_path: Path) -> None:
    """Two servers with other codes get the same; another seed makes others; a conforming server breaks no rule."""
    made = []
    for seed in (1, 1, 2):
        with opened(tmp_path) as run:
            fuzzing = fuzzed(run, endpoint, seed, examples=3)
            assert fuzzing.found == {}
            made.append(fuzzing.digest)
    assert made[0] == made[1] != made[2]


def test_a_case_is_kept_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It breaks its rule again as long as the defect is there, and no longer; its file holds no secret."""
    monkeypatch.setenv(FAULTS_VARIABLE, "foreign_token_in_error")
    with opened(tmp_path) as run:
        found = [one.to_json() for one in fuzzed(run, "revocation", 1).found.values()]
        paths = write_cases(tmp_path, found, 1)
        texts = [path.read_text(encoding="utf-8") for path in paths]
        assert [run.redactor.redact(text) for text in texts] == texts
    case = next(path for path in paths if path.name.startswith("ERR-06"))
    assert "Then the answer comes without a secret" in json.loads(case.read_text(encoding="utf-8"))["scenario"]
    broken = CliRunner().invoke(app, ["replay", str(case)])
    assert (broken.exit_code, "ERR-06 is broken" in broken.output) == (1, True), broken.output
    monkeypatch.delenv(FAULTS_VARIABLE)
    kept = CliRunner().invoke(app, ["replay", str(case)])
    assert (kept.exit_code, "ERR-06 is kept" in kept.output) == (0, True), kept.output


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": "other"}', '{"schema": 1, "request": []}'])
def test_what_is_no_case_is_refused(content: str, tmp_path: Path) -> None:
    """In one sentence, by the command as well."""
    path = tmp_path / "case.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CaseError):
        read_case(path)
    refused = CliRunner().invoke(app, ["replay", str(path)])
    assert refused.exit_code == 64
    assert len(refused.output.splitlines()) == 1


def test_a_long_case_has_no_scenario() -> None:
    """Nobody reads a table of thousands of characters."""
    request = {"operation": "token", "generator": "g", "method": "POST", "path": "", "headers": [], "body": "x" * 500}
    found = {"requirement": "ERR-01", "expected": "400", "observed": "500", "endpoint": "token", "request": request}
    assert scenario_of(found) is None
    assert scenario_of({**found, "request": {**request, "body": "x"}}) is not None


def test_a_deployment_is_fuzzed_only_where_that_is_wanted(tmp_path: Path) -> None:
    """By the option or by the target file; never because it is the default."""
    elsewhere = Target(base_url="https://as.example")
    with pytest.raises(Excluded, match="only where its operator says so"):
        assigned_to(elsewhere, Wish(), tmp_path)
    with pytest.raises(Excluded, match="no generated requests"):
        assigned_to(Target(), Wish(0), tmp_path)
    assert assigned_to(elsewhere, Wish(7), tmp_path).examples == 7
