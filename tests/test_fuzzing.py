"""Generated requests: the same for the same seed, and each planted defect is found, whatever the seed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdpp.command import app
from pdpp_conformance.bundled import FAULTS_VARIABLE
from pdpp_conformance.fuzzing.acts import Act
from pdpp_conformance.fuzzing.case import CaseError, read_case, scenario_of, write_cases
from pdpp_conformance.fuzzing.flow_model import FlowModel
from pdpp_conformance.fuzzing.flow_verdicts import acts_of
from pdpp_conformance.fuzzing.flows import Flows, FoundFlow, done_again
from pdpp_conformance.fuzzing.job import FLOW_RUNS, Wish, assigned_to
from pdpp_conformance.fuzzing.paths import beaten_paths
from pdpp_conformance.fuzzing.properties import Judged
from pdpp_conformance.fuzzing.session import Fuzzing
from pdpp_conformance.fuzzing.words import FLOW_RULES
from pdpp_conformance.run import Run
from pdpp_conformance.target import Limits, Target, read_target
from pdpp_conformance.verdict import Excluded
from tests.test_harness_run import COMMAND, ROOT, environment

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
    "long_grant_type_is_429": ("token", "ERR-07"),
    "put_gives_codes": ("device authorization", "DAR-02"),
    "foreign_code_redeems": ("token", "POL-05"),
    "unknown_code_redeems": ("token", "POL-06"),
    "denied_code_redeems": ("token", "POL-08"),
    "dup_device_code": ("token", "POL-19"),
    "bearer_while_pending": ("token", "CHG-13"),
}
"""Defects: the endpoint that has each, and the requirement that it breaks."""

FLOW_FAULTS = {
    "hasty_after_others_redeems": "CHG-13",
    "old_family_refreshes_after_replay": "REF-02",
    "denial_lapses": "POL-08",
    "redeemed_again_after_refresh": "POL-12",
    "revocation_spares_older_tokens": "REV-06",
    "ended_owner_token_at_mcp": "PRO-04",
    "replay_after_revocation_keeps_tokens": "POL-13",
}
"""Defects that only an order of acts shows, a redemption without an approval and a refresh of a revoked family among
them, and the requirement that each breaks."""

ROWS_OF_FLOWS = {
    "bearer_while_pending": "CHG-13",
    "code_not_bound": "POL-05",
    "deny_approves": "POL-08",
    "expiry_only_when_pending": "POL-10",
    "bearer_with_final_errors": "CHG-14",
    "pending_without_error": "POL-07",
    "redeemed_with_201": "POL-11",
    "expired_still_pending": "POL-09",
    "slow_down_spiral": "POL-17",
    "redecide": "UIX-16",
    "owner_at_mcp": "PRO-04",
    "grant_token_is_owner": "PRO-03",
    "grant_not_enforced_rs": "PRO-05",
    "refresh_unbound": "REF-03",
    "replay_ok": "POL-12",
    "replay_keeps_tokens": "POL-13",
    "rotated_still_valid": "REF-02",
    "refresh_after_revoke": "REF-06",
    "revoke_refresh_noop": "REV-01",
    "access_survives": "REV-06",
    "access_token_not_revocable": "REV-05",
    "grant_stays_in_force": "PRO-06",
    "garbage_token_200": "RSC-08",
    "no_expiry_check": "RSC-07",
    "active_after_expiry": "INT-06",
}
"""Defects by which it was seen that a scenario on flows can fail, and its requirement."""


@contextmanager
def opened(folder: Path) -> Iterator[Run]:
    run = Run(read_target(None, base_url=None, approver="http", max_wait=None), folder, lambda _line: None)
    try:
        run.open()
        yield run
    finally:
        run.close()


def fuzzed(run: Run, endpoint: str, seed: int, examples: int = 1, looking_for: str | None = None) -> Fuzzing:
    fuzzing = Fuzzing(run, examples=examples, seed=seed, seconds=120)
    try:
        fuzzing.everywhere({endpoint: frozenset() if looking_for is None else frozenset({looking_for})})
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
            assert (row, endpoint) in fuzzed(run, endpoint, seed, looking_for=row).found, seed


def test_once_what_is_judged_is_found_it_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint is sent no more then; it goes on for what is not found, and where nothing is looked for."""
    monkeypatch.setenv(FAULTS_VARIABLE, "foreign_token_in_error")
    with opened(tmp_path) as run:
        sent = {}
        for row in ("ERR-06", "ERR-09", None):
            fuzzing = fuzzed(run, "revocation", 1, looking_for=row)
            assert (("ERR-06", "revocation") in fuzzing.found, fuzzing.cut_short) == (True, [])
            sent[row] = fuzzing.counts["revocation"].requests
    assert sent["ERR-06"] < sent["ERR-09"] == sent[None]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", FLOW_FAULTS)
def test_a_defect_of_an_odd_order_is_found(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the default budget, with each of three seeds; and what is found breaks the rule when it is done again."""
    monkeypatch.setenv(FAULTS_VARIABLE, name)
    with opened(tmp_path) as run:
        flows = Flows(run, runs=FLOW_RUNS, seed=number)
        flows.everyone(looking_for=frozenset({FLOW_FAULTS[name]}))
        found = flows.found[FLOW_FAULTS[name]]
        assert done_again(run, found.acts, FLOW_FAULTS[name]) is not None


def test_some_orders_are_found_by_drawing_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No beaten path has the order that this defect needs."""
    monkeypatch.setenv(FAULTS_VARIABLE, "replay_after_revocation_keeps_tokens")
    with opened(tmp_path) as run:
        flows = Flows(run, runs=len([*beaten_paths(FlowModel)]), seed=1)
        flows.everyone()
        assert (flows.found, flows.judged["POL-13"] > 0) == ({}, True)


def test_every_rule_of_flows_has_been_broken() -> None:
    """By a defect that is listed here."""
    assert {row for row, _ in FLOW_RULES.values()} == {*ROWS_OF_FLOWS.values()}


@pytest.mark.parametrize("name", ROWS_OF_FLOWS)
def test_each_rule_of_flows_can_be_broken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that breaks it is found, for that requirement."""
    monkeypatch.setenv(FAULTS_VARIABLE, name)
    with opened(tmp_path) as run:
        flows = Flows(run, runs=FLOW_RUNS, seed=1)
        flows.everyone(looking_for=frozenset({ROWS_OF_FLOWS[name]}))
        assert ROWS_OF_FLOWS[name] in flows.found, flows.trouble


def test_the_same_seed_takes_the_flow_through_the_same_orders(tmp_path: Path) -> None:
    """Whatever the server answers; and a conforming one breaks no rule in any of them, each of which was tested."""
    logs = []
    for number in (1, 1, 2):
        log: list[bytes] = []
        with opened(tmp_path) as run:
            flows = Flows(run, runs=20, seed=number, note=log.append)
            flows.everyone()
        assert (flows.found, flows.trouble, flows.runs) == ({}, "", 20)
        assert set(flows.judged) == {row for row, _ in FLOW_RULES.values()}
        logs.append(log)
    assert logs[0] == logs[1] != logs[2]


def test_an_order_is_kept_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file that the command takes, and as a scenario whose table tells the same acts."""
    monkeypatch.setenv(FAULTS_VARIABLE, "denial_lapses")
    acts = [Act("start", 1, "the first client", "grant_scoped_mcp"), Act("deny", 1), Act("wait", detail="4000")]
    acts.append(Act("poll", 1))
    found = FoundFlow(Judged("POL-08", False, "no bearer", "200 with a bearer"), acts).to_json()
    (case,) = write_cases(tmp_path, [found], 1)
    scenario = json.loads(case.read_text(encoding="utf-8"))["scenario"]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in scenario.splitlines() if "|" in line]
    assert acts_of(rows) == tuple(acts)
    assert "Then in this order, a denied request stays denied" in scenario
    broken = CliRunner().invoke(app, ["replay", str(case)])
    assert (broken.exit_code, "POL-08 is broken" in broken.output) == (1, True), broken.output
    monkeypatch.delenv(FAULTS_VARIABLE)
    kept = CliRunner().invoke(app, ["replay", str(case)])
    assert (kept.exit_code, "POL-08 is kept: 4 acts in their order" in kept.output) == (0, True), kept.output


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


def test_the_same_seed_makes_the_same_requests_in_another_process(tmp_path: Path) -> None:
    """What a run sends rests on nothing that a process draws for itself, as the order of a set does."""
    digests = []
    for number in ("1", "2"):
        report_dir = tmp_path / number
        done = subprocess.run(
            [*COMMAND, "features/standards/fuzzing.feature", "-k", "told", "--approver", "http",
             "--fuzz-examples", "1", "--seed", "1", "--report-dir", str(report_dir)],
            cwd=ROOT, env=environment(PYTHONHASHSEED=number), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        digests.append(json.loads((report_dir / "run.json").read_text(encoding="utf-8"))["generated"]["digest"])
    assert digests[0] == digests[1]


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


def test_a_deployment_s_flow_is_taken_through_as_many_orders_as_its_target_file_says(tmp_path: Path) -> None:
    """None by default, whatever else is allowed; the bundled server's through 200."""
    allowed = Target(base_url="https://as.example", limits=Limits(allow_fuzzing=True))
    assert assigned_to(allowed, Wish(), tmp_path).flow_runs == 0
    some = replace(allowed, limits=Limits(allow_fuzzing=True, flow_runs=7))
    assert assigned_to(some, Wish(), tmp_path).flow_runs == 7
    assert assigned_to(Target(), Wish(), tmp_path).flow_runs == FLOW_RUNS == 200
