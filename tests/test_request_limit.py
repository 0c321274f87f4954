"""The number of requests that a run may make: all are counted, and what is not asked any more is no verdict."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pdpp_conformance.exchange import OffLimits, Recorder
from pdpp_conformance.importance import by_importance
from pdpp_conformance.mcp_client import SdkSmoke, sdk_smoke
from pdpp_conformance.politeness import Politeness, UsedUp
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.verdict import Level
from tests.loopback import listening
from tests.test_serve import SECRETS_GIVEN, serving
from tests.vacuous_targets import Vacuous
from tests.whole_runs import run_specification

LIMIT = 60


def smoke(recorder: Recorder, url: str) -> SdkSmoke:
    return sdk_smoke(recorder, url, "a bearer", mode="legacy", tool="query_records", arguments={}, actor="the SDK")


def test_the_sdk_is_counted() -> None:
    """Each request of the MCP SDK's client is one of the run's; beyond the limit none is sent, and it is told why."""
    with listening(Vacuous) as url, closing(Recorder(Redactor(), politeness=Politeness(1))) as recorder:
        recorder.allow_origin(url)
        assert smoke(recorder, f"{url}/mcp").problem is not None
        assert (recorder.politeness.made, len(recorder.exchanges)) == (1, 1)
        with pytest.raises(UsedUp, match="the 1 requests that it may make"):
            smoke(recorder, f"{url}/mcp")
        assert len(recorder.exchanges) == 1


def test_the_sdk_stays_at_the_deployment() -> None:
    """Its bearer goes to no other origin."""
    with listening(Vacuous) as url, closing(Recorder(Redactor())) as recorder:
        with pytest.raises(OffLimits):
            smoke(recorder, f"{url}/mcp")
        assert recorder.exchanges == []


@dataclass(frozen=True)
class Scenario:
    name: str
    requirement_ids: list[str]
    tags: list[str]


def test_what_comes_first_where_not_all_can() -> None:
    """What must hold, what tells most of it, and whole requirements of few scenarios; one that has to wait, last."""
    levels = {"A": Level.SHOULD, "B": Level.MUST, "C": Level.PROFILE, "D": Level.MUST, "E": Level.MUST}
    scenarios = [
        Scenario("a", ["A"], ["gate"]),
        Scenario("b1", ["B"], []),
        Scenario("c", ["C"], []),
        Scenario("b2", ["B"], []),
        Scenario("d1", ["D"], []),
        Scenario("e1", ["E"], []),
        Scenario("d2", ["D"], ["gate"]),
        Scenario("b3", ["B"], ["fuzzed"]),
        Scenario("e2", ["E"], ["expires"]),
    ]
    place_of = by_importance(scenarios, levels, telling="gate", late=["expires"])
    order = [one.name for one in sorted(scenarios, key=place_of)]
    assert order == ["d1", "d2", "c", "b1", "b2", "b3", "a", "e1", "e2"]


def test_a_run_that_uses_them_up(tmp_path: Path) -> None:
    """What must hold is judged while there are requests; the rest is BLOCKED, by number and with what would do."""
    (tmp_path / "target.yaml").write_text(yaml.safe_dump({"limits": {"requests": LIMIT}}), "utf-8")
    database = f"sqlite:///{tmp_path / 'pdpp.sqlite3'}"
    with serving("--port", "0", "--database", database, **SECRETS_GIVEN) as server:
        given = ["--base-url", server.url, "--target", str(tmp_path / "target.yaml"), "--approver", "http"]
        status = run_specification(
            tmp_path / "report", [*given, "-m", "live_gate"], {**SECRETS_GIVEN, "XDG_STATE_HOME": str(tmp_path)}
        )
    run = json.loads((tmp_path / "report" / "run.json").read_bytes())
    assert status == 6
    assert (run["requests"]["most"], run["residue"], run["faults"]) == (LIMIT, [], [])
    assert run["requests"]["made"] >= LIMIT
    verdicts = {row["id"]: row["verdict"] for row in run["requirements"]}
    assert not {"FAIL", "WARN", "ERROR"} & set(verdicts.values())
    left = [row for row in run["requirements"] if "requests that it may make" in (row["reason"] or "")]
    assert left
    assert all(row["verdict"] == "BLOCKED" for row in left)
    must = sum(row["level"] in ("MUST", "PROFILE") for row in left)
    (told,) = (message for message in run["messages"] if "BLOCKED by the limit" in message)
    assert re.fullmatch(
        rf"{len(left)} requirements, {must} of which must hold, were left BLOCKED by the limit of {LIMIT} requests; "
        r"--max-requests (\d+), "
        r"or limits\.requests: \1 in the target file lets all of them be judged",
        told,
    )
    assert verdicts["ASM-04"] == "PASS"
