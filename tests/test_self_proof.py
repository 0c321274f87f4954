"""The self-proof itself: it finds a declaration that claims too much or too little, and reports the same twice."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pdpp_conformance.catalogue import Catalogue, read_catalogue
from pdpp_reference.faults import FAULTS, Fault
from tests.forked_runs import ROOT
from tests.self_proof.__main__ import main
from tests.self_proof.matrix import matrix
from tests.self_proof.outcome import UNPROVEN, Outcome, report_of

PROOF_SECONDS = 300.0
RIGHT, TOO_MANY, TOO_FEW = "metadata_text_html", "no_response_types", "issuer_trailing_slash"
"""Faults of the metadata documents, for which nobody has to approve anything."""
RIGHT_ROW_LESS = f"--declare={RIGHT}=ASM-00"


def proven(*arguments: str, folder: Path) -> tuple[int, dict[str, Any], str]:
    """Run the proof; return its exit status, its report, and what it said."""
    report = folder / "self-proof.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.self_proof", "--report", str(report), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PROOF_SECONDS,
    )
    return done.returncode, json.loads(report.read_text(encoding="utf-8")), done.stdout + done.stderr


def test_a_wrong_declaration_is_found(tmp_path: Path) -> None:
    """A fault that claims one requirement too many fails the proof, and so does one that claims one too few."""
    declared = sorted(FAULTS[TOO_FEW].rows)
    arguments = [f"--declare={TOO_MANY}=ASM-06,{','.join(FAULTS[TOO_MANY].rows)}"]
    arguments += [f"--declare={TOO_FEW}={','.join(declared[1:])}"]
    status, report, said = proven(RIGHT, TOO_MANY, TOO_FEW, *arguments, folder=tmp_path)
    found = {told["name"]: told for told in report["faults"]}
    assert status == 1, said
    assert said.count("NOT OK") == 2 * 2  # as soon as it is known, and once more at the end
    assert found[RIGHT]["ok"]
    assert found[TOO_MANY]["missing"] == {"ASM-06": "PASS"}
    assert found[TOO_FEW]["unexpected"] == [declared[0]]
    assert RIGHT in (tmp_path / "self-proof.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [["issuer_trailing_slsh"], [RIGHT_ROW_LESS]])
def test_what_cannot_be_proven_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown fault and an unknown requirement end the proof before it begins, in one sentence."""
    assert main(arguments) == 64
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "features" / "catalogue", ROOT / "schemas" / "catalogue.schema.json")


FAULT = Fault("two_rows", "Two requirements are broken.", frozenset({"POL-12", "POL-13"}), "For this test.")
AS_DECLARED = {"POL-12": ("WARN", "for a reason"), "POL-13": ("FAIL", "at port 4711"), "POL-14": ("PASS", "")}


def test_red_is_what_the_level_makes_of_it() -> None:
    """FAIL, WARN and INFO are red; what could not be judged is not, nor what was not run."""
    assert Outcome(FAULT, AS_DECLARED, []).ok
    for verdict in ("PASS", "BLOCKED", "NOT_APPLICABLE", "EXCLUDED"):
        outcome = Outcome(FAULT, {**AS_DECLARED, "POL-13": (verdict, "")}, [])
        assert outcome.missing == {"POL-13"}
    assert Outcome(FAULT, {"POL-12": AS_DECLARED["POL-12"]}, []).missing == {"POL-13"}


def test_an_error_of_the_harness_proves_nothing() -> None:
    """A fault that makes the harness stumble is not proven, whichever requirement it stumbled over."""
    assert not Outcome(FAULT, {**AS_DECLARED, "ASM-01": ("ERROR", "")}, []).ok
    assert not Outcome(FAULT, AS_DECLARED, ["opening the run: KeyError"]).ok


def test_the_report_depends_on_nothing_but_what_was_found(catalogue: Catalogue) -> None:
    """Neither the order in which runs ended nor the ports they used stand in it."""
    other = replace(FAULT, name="another")
    first = Outcome(FAULT, AS_DECLARED, []), Outcome(other, AS_DECLARED, [])
    elsewhere = {**AS_DECLARED, "POL-13": ("FAIL", "at port 1147")}
    second = Outcome(other, elsewhere, []), Outcome(FAULT, elsewhere, [])
    conforming = {"POL-14": ("PASS", ""), "REG-09": ("NOT_APPLICABLE", "no such clients")}
    reports = [report_of(outcomes, [FAULT, other], catalogue, conforming, "rows") for outcomes in (first, second)]
    assert reports[0] == reports[1]
    assert "4711" not in json.dumps(reports)
    assert matrix(reports[0], catalogue) == matrix(reports[1], catalogue)


def test_requirements_without_a_fault_are_told_with_the_reason(catalogue: Catalogue) -> None:
    """One that is judged and that no fault breaks is told as unproven; one that is not judged, with why."""
    conforming = {"POL-14": ("PASS", ""), "REG-09": ("NOT_APPLICABLE", "no such clients")}
    report = report_of([Outcome(FAULT, AS_DECLARED, [])], [FAULT], catalogue, conforming, "rows")
    reasons = {told["id"]: told["reason"] for told in report["rows_without_fault"]}
    assert reasons["POL-14"] == UNPROVEN
    assert reasons["REG-09"] == "NOT_APPLICABLE: no such clients"
    assert "POL-12" not in reasons
    assert report["rows_never_red"] == []
    unseen = report_of([Outcome(FAULT, {}, [])], [FAULT], catalogue, conforming, "rows")
    assert unseen["rows_never_red"] == ["POL-12", "POL-13"]
