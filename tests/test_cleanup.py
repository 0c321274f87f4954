"""What a run makes on a deployment is gone afterwards, whatever ended the run, or it is told what is left."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pdpp_conformance.after_crash import CleanupError, clean_up
from pdpp_conformance.approver.approver import Approver
from pdpp_conformance.journal import NAME, Journal, JournalError
from pdpp_conformance.owner_decisions import owner
from pdpp_conformance.recording import ReportError, prepare
from pdpp_conformance.run import Run
from pdpp_conformance.specification import specification_root
from pdpp_conformance.target import ApproverWords, ClientToUse, Credentials, Target
from pdpp_conformance.window import State, look
from pdpp_conformance.window_places import place_of, state_directory
from tests.conftest import INTROSPECTION, Deployment
from tests.test_serve import serving

ROOT = specification_root()
PASSWORD = "the owner's password"
SECONDS = 60
CREDENTIALS = {
    "PDPP_OWNER_PASSWORD": PASSWORD,
    "PDPP_INTROSPECTION_CLIENT_ID": INTROSPECTION[0],
    "PDPP_INTROSPECTION_CLIENT_SECRET": INTROSPECTION[1],
}
PRE_REGISTERED = ClientToUse(registration="pre_registered", client_id="pdpp_cli")


def quiet(line: str) -> None:
    """Say nothing."""


Deployments = Callable[..., Deployment]


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and windows in a folder of the test's own; the credentials by environment, as people have them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PDPP_WINDOW_DIRECTORY", raising=False)
    assert state_directory().is_relative_to(tmp_path)


@pytest.fixture
def deployed(start: Deployments) -> Iterator[Deployments]:
    """Starts a deployment with faults, and ends it."""
    with contextlib.ExitStack() as stack:

        def make(*faults: str) -> Deployment:
            made = start(faults=faults)
            stack.callback(made.server.stop)
            stack.callback(made.http.close)
            return made

        yield make


def target_of(deployment: Deployment, client: ClientToUse) -> Target:
    return Target(
        base_url=deployment.issuer,
        owner_password=PASSWORD,
        introspection=Credentials(*INTROSPECTION),
        client=client,
        approver=ApproverWords(kind="http"),
    )


def making_everything(deployment: Deployment, folder: Path, client: ClientToUse) -> Run:
    """A run that made an owner token, a client token that was refreshed, and a package."""
    target = target_of(deployment, client)
    folder.mkdir(exist_ok=True)
    about = {"base_url": target.base_url, "approver": "http", "window": None}
    run = Run(target, folder, quiet, Journal.begin(folder, about))
    run.open()
    run.owner_token()
    run.refreshed(run.client_token())
    run.package_token()
    return run


def crash(run: Run) -> None:
    """End a run as SIGKILL does: nothing is removed, and its process is there no more."""
    run.approver.close()
    run.recorder.close()
    journal = run.report_dir / NAME
    header, *lines = journal.read_text().splitlines()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    journal.write_text("\n".join([json.dumps({**json.loads(header), "pid": dead.pid}), *lines, '{"about": 9']))


def on(deployment: Deployment) -> dict[str, int]:
    """What is on the deployment: clients that registered, grants in force, tokens that open something."""
    with deployment.server.parts.store.transaction() as connection:
        count = connection.exec_driver_sql
        return {
            "clients": count("SELECT count(*) FROM clients WHERE registration_mode = 'dynamic'").scalar_one(),
            "grants": count("SELECT count(*) FROM grants WHERE revoked_at IS NULL").scalar_one(),
            "tokens": count(
                "SELECT count(*) FROM tokens t WHERE t.revoked_at IS NULL AND NOT t.rotated AND (t.kind = 'owner' "
                "OR EXISTS (SELECT 1 FROM grants g WHERE g.revoked_at IS NULL "
                "AND (g.id = t.grant_id OR g.package_id = t.package_id)))"
            ).scalar_one(),
        }


def sessions(deployment: Deployment) -> int:
    """How many sessions of the owner's are signed in."""
    with deployment.server.parts.store.transaction() as connection:
        return int(
            connection.exec_driver_sql("SELECT count(*) FROM owner_sessions WHERE ended_at IS NULL").scalar_one()
        )


NOTHING = {"clients": 0, "grants": 0, "tokens": 0}
CLIENTS = pytest.mark.parametrize("client", [ClientToUse(), PRE_REGISTERED], ids=["registered", "pre-registered"])


@CLIENTS
class TestEnds:
    def test_at_the_end(self, client: ClientToUse, deployed: Deployments, tmp_path: Path) -> None:
        """A run that ends leaves nothing: its clients are removed, or else its grants and tokens are revoked."""
        deployment = deployed()
        run = making_everything(deployment, tmp_path / "report", client)
        assert on(deployment)["grants"] == 3
        assert on(deployment)["tokens"] >= 4
        owner(run).code_entry(f"{deployment.issuer}/device")
        assert sessions(deployment) == 2
        run.close()
        assert (run.residue, on(deployment)) == ([], NOTHING)
        assert (run.notes, sessions(deployment)) == ([], 0)
        journal = Journal.read(tmp_path / "report")
        assert (journal.ended, journal.open_entries) == (True, [])
        assert list((tmp_path / "state").rglob("keys/*")) == []

    def test_after_a_crash(self, client: ClientToUse, deployed: Deployments, tmp_path: Path) -> None:
        """What a killed run left is removed with the owner's credentials and the journal alone."""
        deployment = deployed()
        crash(making_everything(deployment, tmp_path / "report", client))
        assert on(deployment)["tokens"] >= 4
        done = clean_up(tmp_path / "report", None, None, quiet)
        assert (done.residue, done.problem, on(deployment)) == ([], None, NOTHING)
        assert done.removed >= 4
        again = clean_up(tmp_path / "report", None, None, quiet)
        assert (again.removed, again.residue) == (0, [])

    def test_the_journal_holds_no_secret(self, client: ClientToUse, deployed: Deployments, tmp_path: Path) -> None:
        """No token, code or cookie stands in the journal, however encoded; the key lies elsewhere, for its owner."""
        run = making_everything(deployed(), tmp_path / "report", client)
        assert run.redactor.leaks(tmp_path / "report") == []
        assert {one.token.access_token for kept in run._shared.values() for one in kept} <= set(run.redactor.secrets)
        (key,) = (tmp_path / "state").rglob("keys/*")
        assert key.read_text() not in (tmp_path / "report" / NAME).read_text()
        for path in (key, tmp_path / "report" / NAME):
            assert path.stat().st_mode & 0o777 == 0o600
        run.close()


class TestResidue:
    def test_tokens_that_survive(self, deployed: Deployments, tmp_path: Path) -> None:
        """A deployment that says it revoked and did not: the run tells what is left, what it can do, and until when."""
        deployment = deployed("revoke_noop", "grant_stays_in_force")
        run = making_everything(deployment, tmp_path / "report", PRE_REGISTERED)
        run.close()
        told = {left.what: left for left in run.residue}
        owner = told["an owner token of pdpp_cli, bound to no grant"]
        assert owner.why == "its revocation was answered 200, and it is still active"
        assert owner.can_do.startswith("opens everything of the owner's")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(owner.expires))
        assert any(re.fullmatch("a client token of pdpp_cli, of grt_.*", what) for what in told)
        assert all(left.sentence.startswith("left on the target: ") for left in run.residue)

    def test_clients_that_stay(self, deployed: Deployments, tmp_path: Path) -> None:
        """Without the owner no client can be removed; its tokens are revoked all the same."""
        deployment = deployed()
        run = making_everything(deployment, tmp_path / "report", ClientToUse())
        run.approver = _nobody()
        run.close()
        assert on(deployment)["tokens"] == 0
        assert {left.why for left in run.residue if "client_" in left.what and "registered" in left.what} == {
            "the owner could not sign in, without whom nobody removes a client"
        }

    def test_without_the_key(self, deployed: Deployments, tmp_path: Path) -> None:
        """On another machine the tokens are not known: grants are revoked on the owner's page, and the rest is told."""
        deployment = deployed()
        others = deployment.device_tokens("longview")["access_token"]
        run = making_everything(deployment, tmp_path / "report", PRE_REGISTERED)
        crash(run)
        for key in (tmp_path / "state").rglob("keys/*"):
            key.unlink()
        done = clean_up(tmp_path / "report", None, None, quiet)
        lost = "the token itself is not known any more, without which nobody can revoke it"
        assert {left.why for left in done.residue} == {lost}
        owner, package = sorted((left.what for left in done.residue), reverse=True)
        assert owner == "an owner token of pdpp_cli, bound to no grant"
        assert package.startswith("a client token of pdpp_cli, of gpkg_")
        # The other client's grant with two tokens, the package's two grants with two, and the owner token.
        assert on(deployment) == {"clients": 0, "grants": 3, "tokens": 5}
        assert deployment.introspect(others)["active"] is True

    def test_unanswered_requests(self, deployed: Deployments, tmp_path: Path) -> None:
        """What was under way when the run died may have been made, and counts as left."""
        deployment = deployed()
        run = making_everything(deployment, tmp_path / "report", PRE_REGISTERED)
        Journal.read(tmp_path / "report").about_to("client", name="PDPP conformance run: the client")
        crash(run)
        done = clean_up(tmp_path / "report", None, None, quiet)
        assert [left.what for left in done.residue] == ["perhaps a registered client, PDPP conformance run: the client"]

    def test_a_client_that_is_gone_already(self, deployed: Deployments, tmp_path: Path) -> None:
        """A removal that a crash kept from being written down is no residue; one that the server refuses is."""
        deployment = deployed()
        run = making_everything(deployment, tmp_path / "report", ClientToUse())
        crash(run)
        with deployment.server.parts.store.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM clients WHERE registration_mode = 'dynamic'")
        assert clean_up(tmp_path / "report", None, None, quiet).residue == []


def _nobody() -> Approver:
    from pdpp_conformance.approver.approver import NoApprover

    return NoApprover("nobody", "somebody")


class TestRefusals:
    def test_the_report_folder_of_a_crashed_run(self, deployed: Deployments, tmp_path: Path) -> None:
        """No other run takes the folder before it was cleaned up after; then it does."""
        folder = tmp_path / "report"
        run = making_everything(deployed(), folder, ClientToUse())
        with pytest.raises(ReportError, match="a run is going on in the report folder"):
            prepare(folder)
        with pytest.raises(CleanupError, match=r"still goes on .*Ctrl-C"):
            clean_up(folder, None, None, quiet)
        crash(run)
        with pytest.raises(ReportError, match=r"crashed in the report folder .*run `pdpp cleanup"):
            prepare(folder)
        clean_up(folder, None, None, quiet)
        prepare(folder)
        assert not (folder / NAME).exists()

    def test_a_journal_that_leads_elsewhere(self, deployed: Deployments, tmp_path: Path) -> None:
        """A report folder may come from anybody: the owner's password goes nowhere but where the operator says."""
        deployment = deployed()
        folder = tmp_path / "report"
        crash(making_everything(deployment, folder, ClientToUse()))
        journal = folder / NAME
        header, *lines = journal.read_text().splitlines()
        for elsewhere in ("https://evil.example", "https://evil.example/mcp"):
            journal.write_text("\n".join([json.dumps({**json.loads(header), "base_url": elsewhere}), *lines]))
            with pytest.raises(CleanupError, match="no window on this machine says the same; confirm it with"):
                clean_up(folder, None, None, quiet)
            with pytest.raises(CleanupError, match=r"the run was made on https://evil\.example"):
                clean_up(folder, None, deployment.issuer, quiet)

    @pytest.mark.parametrize(
        ("content", "told"),
        [(None, "there is no journal.jsonl in"), ("", "is damaged"), ("{}", "is damaged"), ("\x00", "is damaged")],
    )
    def test_no_journal(self, content: str | None, told: str, tmp_path: Path) -> None:
        """One sentence about a folder without a journal, or with what is none."""
        if content is not None:
            (tmp_path / NAME).write_text(content)
        with pytest.raises(JournalError, match=told):
            clean_up(tmp_path, None, None, quiet)

    def test_nothing_is_made_that_cannot_be_written_down(self, deployed: Deployments, tmp_path: Path) -> None:
        """A folder that can no longer be written to stops what would register or issue something."""
        deployment = deployed()
        run = making_everything(deployment, tmp_path / "report", ClientToUse())
        before = on(deployment)
        (tmp_path / "report" / NAME).unlink()
        (tmp_path / "report" / NAME).mkdir()
        with pytest.raises(JournalError, match="nothing is made on a deployment that could not be removed"):
            run.client("one more client")
        assert on(deployment) == before
        run.close()
        assert (run.residue, on(deployment)) == ([], NOTHING)


# -- killed ------------------------------------------------------------------------------------------------------------


def environment(**added: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "400", **added}


def pdpp(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("pdpp"), *arguments],
        env=environment(), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


def rows(database: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_sigkill_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """Killed while it holds tokens of both kinds: the report has no secret, and `pdpp cleanup` leaves nothing."""
    database, report = tmp_path / "pdpp.sqlite3", tmp_path / "report"
    with serving("--port", "0", "--database", f"sqlite:///{database}", **CREDENTIALS) as server:
        url = server.url
        running = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--report-dir", str(report), "--base-url",
             url, "--approver", "http", "--window", "-m", "task_5_1 or task_5_2 or task_5_3"],
            cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + SECONDS
            issued: set[bytes] = set()
            while {kind for (kind,) in rows(database, "SELECT DISTINCT kind FROM tokens")} != {"owner", "client"}:
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        issued = {digest for (digest,) in rows(database, "SELECT digest FROM tokens")}
        assert rows(database, "SELECT count(*) FROM clients WHERE registration_mode = 'dynamic'")[0][0] > 0
        assert not any(
            hashlib.sha256(word).digest() in issued
            for path in report.rglob("*")
            if path.is_file()
            for word in re.findall(rb"[\w~+/.=-]{16,}", path.read_bytes())
        )
        state, record = look(place_of(url, {}, {}))
        assert (state, record and record.report_dir) == (State.CRASHED, str(report))

        refused = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--report-dir", str(tmp_path / "other"),
             "--base-url", url, "--window", "-m", "task_2_1"],
            cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        assert (refused.returncode, f"run `pdpp cleanup {report}`" in refused.stdout) == (1, True), refused.stdout

        done = pdpp("cleanup", str(report))
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"removed: [1-9]\d*, left: 0\n", done.stdout)
        for made in ("grants", "tokens", "authorization_requests", "clients WHERE registration_mode = 'dynamic'"):
            assert rows(database, f"SELECT count(*) FROM {made}") == [(0,)], made  # noqa: S608
        state, closed = look(place_of(url, {}, {}))
        assert closed is not None
        assert (state, closed.outcome, closed.residue) == (State.FREE, "crashed", ())
        assert str(closed.reason).startswith("pdpp cleanup, by ")
        assert json.loads((report / "cleanup.json").read_text("utf-8"))["residue"] == []
    unreachable = pdpp("cleanup", str(report))
    assert (unreachable.returncode, "Traceback" in unreachable.stderr) == (7, False)
