"""A live deployment: what has to hold around its verification."""

from __future__ import annotations

from pytest_bdd import given

from pdpp_conformance import run_window as checks
from pdpp_conformance.run import Run


@given("the run holds the deployment's verification window")
def holds_window(run: Run) -> None:
    checks.require_window(run)
