"""The setup client at the deployment: the owner approves with what its screen shows, and what it made is removed."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pdpp_conformance.journal import Journal
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import Run
from pdpp_conformance.setup_at_target import set_up
from pdpp_conformance.setup_at_target_checks import judge_asks, judge_connected, judge_tells_access, judge_tells_place
from pdpp_conformance.target import ApproverWords, Credentials, Target
from pdpp_conformance.verdict import Blocked
from tests.conftest import INTROSPECTION, SPOTIFY, Deployment

PDPP = str(Path(sysconfig.get_path("scripts")) / "pdpp")
PASSWORD = "the owner's password"


@pytest.fixture
def open_run(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def opened(*words: str, approver: str = "http") -> Run:
        target = Target(
            base_url=deployment.issuer,
            owner_password=PASSWORD,
            introspection=Credentials(*INTROSPECTION),
            approver=replace(ApproverWords(), kind=approver),  # type: ignore[arg-type]
            setup_client=words or (PDPP, "connect", "{url}", "--source", SPOTIFY, "--stream", "top_artists"),
        )
        folder = tmp_path / "report"
        folder.mkdir()
        about = {"base_url": target.base_url, "approver": approver, "window": None}
        run = Run(target, folder, lambda _: None, Journal.begin(folder, about))
        run.open()
        return run

    return opened


def test_it_is_approved_and_removed(deployment: Deployment, open_run: Callable[..., Run]) -> None:
    """A real command whose time is the machine's: its token is good, kept out of the report, and ends with the run."""
    run = open_run()
    try:
        setup = set_up(run)
        judge_asks(Judgement(), setup.asking)
        ended = setup.approved()
        judge_connected(Judgement(), ended)
        judge_tells_access(Judgement(), run, ended)
        judge_tells_place(Judgement(), ended)
        assert ended.credential is not None
        token = ended.credential.tokens["access token"]
        assert deployment.introspect(token)["active"] is True
        assert token not in str(run.redactor.redact_all({"screen": token}))
        assert run.waiting.waited_s > 0
    finally:
        run.close()
    assert run.residue == []
    assert deployment.introspect(token) == {"active": False}
    assert not ended.credential.path.exists()


def test_a_client_that_asks_for_nothing(open_run: Callable[..., Run]) -> None:
    """Nothing can be approved, and whether it registered a client nobody knows: that is told."""
    run = open_run("echo", "hello", "{url}")
    try:
        setup = set_up(run)
        assert setup.asking.ended == 0
        with pytest.raises(Blocked, match="which page to open; it ended with status 0"):
            setup.approved()
    finally:
        run.close()
    assert [left.what for left in run.residue if "setup client" in left.what]


def test_nobody_plays_the_owner(open_run: Callable[..., Run]) -> None:
    """Then the client is not started at all."""
    run = open_run(approver="none")
    try:
        with pytest.raises(Blocked, match="nobody plays the owner"):
            set_up(run)
    finally:
        run.close()
    assert run.residue == []
