"""`pdpp target check`: what a target file enables is foreseen, and said in sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdpp.command import app
from pdpp_conformance.catalogue import Catalogue, read_catalogue
from pdpp_conformance.foresight import Foreseen, Words, foresee, scenarios_below
from pdpp_conformance.fuzzing_plan import flows_line, fuzzed_rows, fuzzing_line, rows_of_flows
from pdpp_conformance.plan import plan
from pdpp_conformance.specification import specification_root
from pdpp_conformance.target import ApproverWords, ClientToUse, Credentials, Limits, Target, TargetError, read_target
from pdpp_conformance.verdict import Verdict

ROOT = specification_root()
URL = "https://pdpp.example.org"
ABLE = Target(base_url=URL, owner_password="a password", introspection=Credentials("rs", "a secret"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "features" / "catalogue", ROOT / "schemas" / "catalogue.schema.json")


@pytest.fixture(scope="module")
def scenarios() -> list[Words]:
    return list(scenarios_below(ROOT / "features"))


def foreseen(target: Target, catalogue: Catalogue, scenarios: list[Words]) -> dict[str, Foreseen]:
    return {one.requirement.id: one for one in foresee(target, catalogue, scenarios)}


class TestForesight:
    def test_nobody_plays_the_owner(self, catalogue: Catalogue, scenarios: list[Words]) -> None:
        """Without an owner metadata and codes are judged, and no decision, no token and no page."""
        alone = Target(base_url=URL, approver=ApproverWords(kind="none"))
        rows = foreseen(alone, catalogue, scenarios)
        for row in ("UIX-06", "POL-11", "TOK-01", "CHG-09"):
            assert rows[row].verdict is Verdict.BLOCKED, row
            assert "nobody plays the owner" in str(rows[row].why)
        for row in ("ASM-04", "MET-11", "PRM-02"):
            assert rows[row].verdict is Verdict.PASS, row

    def test_all_there_is(self, catalogue: Catalogue, scenarios: list[Words]) -> None:
        """With all credentials nothing is missing but leave to guess codes."""
        rows = foreseen(ABLE, catalogue, scenarios)
        blocked = {row: one.why for row, one in rows.items() if one.verdict is Verdict.BLOCKED}
        assert set(blocked.values()) <= {"wrong codes are not guessed: limits.allow_code_guessing"}

    def test_the_profile(self, catalogue: Catalogue, scenarios: list[Words]) -> None:
        """Under rfc8628 PDPP's own rows, and those of the extensions it builds on, do not concern the target."""
        server = Target(base_url=URL, profile="rfc8628", owner_password="a password")
        rows = foreseen(server, catalogue, scenarios)
        for row in ("CHG-13", "PRO-01", "MET-01", "DAR-14", "TOK-07", "ASM-18"):
            assert rows[row].verdict is Verdict.NOT_APPLICABLE, row
        for row in ("POL-07", "DRS-02", "ASM-04"):
            assert rows[row].verdict is Verdict.PASS, row


class TestPlan:
    def test_at_another_machine(self) -> None:
        """There a run is short of requests, says so, and says what would do; at this machine nothing is short."""
        there = plan(ABLE, rows=236, scenarios=542, waits=26, max_wait=60)
        assert (there.most_requests, there.per_second, there.is_short) == (300, 10.0, True)
        first, second = there.lines
        assert "about 2204 requests, at most 300, 10 a second" in first
        assert "--max-requests 2700, or limits.requests: 2700 in the target file" in second
        assert there.come_to == 54
        here = plan(Target(base_url="http://127.0.0.1:8080"), rows=236, scenarios=542, waits=26, max_wait=60)
        assert (here.most_requests, here.per_second, here.is_short) == (None, None, False)
        told = plan(
            Target(base_url="http://127.0.0.1:8080", limits=Limits(requests=5)),
            rows=9,
            scenarios=9,
            waits=0,
            max_wait=1,
        )
        assert told.is_short


class TestFuzzing:
    def test_only_where_it_is_allowed(self, catalogue: Catalogue) -> None:
        """What would be sent, where and for what, is said whether it is allowed or not; an option is leave enough."""
        off = fuzzing_line(ABLE, catalogue)
        assert off.startswith("fuzzing: off, as nobody allowed it: ERR-01, ERR-02")
        allowed = replace(ABLE, limits=Limits(allow_fuzzing=True))
        assert fuzzing_line(allowed, catalogue).startswith(
            "fuzzing: up to 2,825 generated requests to 7 endpoints (token,"
        )
        assert fuzzing_line(ABLE, catalogue, 1).startswith("fuzzing: up to 1,745 generated requests")
        assert fuzzing_line(allowed, catalogue, 0).startswith("fuzzing: off (--fuzz-examples 0)")

    def test_flows_as_well(self, catalogue: Catalogue) -> None:
        """So is what flows in every order would do, and for which requirements; none that only time brings about."""
        off = str(flows_line(ABLE, catalogue))
        assert off.startswith("flows: off, as nobody said how many: CHG-13, POL-05, POL-08")
        assert "limits.allow_fuzzing: true and limits.flow_runs: 20 in the target file" in off
        allowed = replace(ABLE, limits=Limits(allow_fuzzing=True))
        assert "alone; limits.flow_runs: 20 in the target file" in str(flows_line(allowed, catalogue))
        some = replace(ABLE, limits=Limits(allow_fuzzing=True, flow_runs=30))
        assert str(flows_line(some, catalogue)).startswith(
            "flows: up to 30 orders of acts, by those generated requests"
        )
        assert str(flows_line(some, catalogue, 0)).startswith("flows: off (--fuzz-examples 0)")
        assert not {"CHG-14", "RSC-07"} & set(rows_of_flows(ABLE, catalogue))
        assert {"CHG-14", "RSC-07", "UIX-16"} <= set(rows_of_flows(replace(ABLE, base_url=None), catalogue))
        assert flows_line(replace(ABLE, profile="rfc8628"), catalogue) is None

    def test_which_rows(self, catalogue: Catalogue) -> None:
        """PDPP's own are none of the standards' profile."""
        assert "CHG-13" in fuzzed_rows(ABLE, catalogue)
        assert "CHG-13" not in fuzzed_rows(replace(ABLE, profile="rfc8628"), catalogue)


class TestCommand:
    def test_a_file_is_explained(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalogue: Catalogue) -> None:
        """What is judged, what is blocked and why, what it costs and what it leaves, with no secret and no request."""
        monkeypatch.setenv("PDPP_OWNER_PASSWORD", "the-owner-password-itself")
        file = tmp_path / "target.yaml"
        file.write_text(f"base_url: {URL}\nclient: {{registration: pre_registered, client_id: longview}}\n", "utf-8")
        told = CliRunner().invoke(app, ["target", "check", str(file), "--base-url", "https://other.example"])
        assert told.exit_code == 0, told.output
        for line in (
            r"target +https://other\.example, profile pdpp",
            r"secrets +go to https://other\.example and nowhere else",
            r"owner +played by browser, with a password",
            r"clients +the client longview is used and nothing is registered",
            rf"judged +\d+ of {len(catalogue.requirements)} requirements",
            r"BLOCKED +\d+: there are no introspection credentials",
            r"BLOCKED +\d+: it needs a second client, and the file names one: longview",
            r"plan: \d+ requirements",
            r"fuzzing: off, as nobody allowed it: ERR-01, .* limits.allow_fuzzing: true .* up to 2,825 generated",
            r"flows: off, as nobody said how many: CHG-13, .* limits.flow_runs: 20 in the target file",
            r"removes +every token",
        ):
            assert re.search(line, told.output), line
        assert "the-owner-password-itself" not in told.output

    def test_an_unusable_file(self, tmp_path: Path) -> None:
        """A key that is none is named, with the one that was probably meant; no traceback."""
        file = tmp_path / "target.yaml"
        file.write_text("limits: {max_wiat: 3}\n", "utf-8")
        told = CliRunner().invoke(app, ["target", "check", str(file)])
        assert told.exit_code == 64
        assert "'max_wiat' was unexpected" in told.output
        assert "did you mean max_wait?" in told.output

    def test_authorities_that_are_none(self, tmp_path: Path) -> None:
        """A file without certificates is refused before anything is asked."""
        file = tmp_path / "target.yaml"
        file.write_text("certification_authorities: target.yaml\n", "utf-8")
        with pytest.raises(TargetError, match=r"certification_authorities: .* holds no certificates"):
            read_target(file, base_url=URL, approver=None, max_wait=None)


def test_one_client_is_not_two(catalogue: Catalogue, scenarios: list[Words]) -> None:
    """A target file that names its client leaves the rows about another client's codes unjudged."""
    one = Target(
        base_url=URL,
        owner_password="a password",
        introspection=Credentials("rs", "a secret"),
        client=ClientToUse("pre_registered", "longview"),
    )
    assert foreseen(one, catalogue, scenarios)["POL-05"].verdict is Verdict.BLOCKED
