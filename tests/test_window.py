"""The verification window: one at a time on a target, wherever it is kept, and what a crash leaves of it."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pdpp_conformance.specification import load_schema, specification_root
from pdpp_conformance.window import (
    Place,
    Record,
    State,
    Window,
    WindowError,
    WindowRefused,
    close_by_hand,
    declare,
    look,
    new_record,
    operator_named,
    origin_key,
)
from pdpp_conformance.window_places import FolderPlace, place_of
from tests.conftest import PostgresDatabases

URL = "https://pdpp.example.org"
ROOT = specification_root()
SECONDS = 60

Places = Callable[[], Place]


@pytest.fixture(params=["folder", "database"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Window settings of a target file: each place that a window can be kept in."""
    if request.param == "folder":
        return {"directory": str(tmp_path / "windows")}
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    return {"database": databases()}


@pytest.fixture
def places(settings: dict[str, Any]) -> Places:
    """Opens the place anew, as another process would."""
    return lambda: place_of(URL, settings, {})


def record(operator: str = "ada") -> Record:
    return new_record(URL, operator=operator, scope="after a deploy", expected_duration_s=60, report_dir="the-report")


def hold_and_say(settings: dict[str, Any], said: Any) -> None:
    """Open a window, say so, and hold it until somebody ends this process."""
    window = Window.open(place_of(URL, settings, {}), record("bob"))
    said.put(window.record.id)
    time.sleep(SECONDS)


@contextlib.contextmanager
def another_process(settings: dict[str, Any]) -> Iterator[tuple[multiprocessing.process.BaseProcess, str]]:
    """A process that holds the window, and the window's id."""
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    process = context.Process(target=hold_and_say, args=(settings, said))
    process.start()
    try:
        yield process, said.get(timeout=SECONDS)
    finally:
        process.kill()
        process.join()


class TestOneAtATime:
    def test_open_and_closed(self, places: Places) -> None:
        """An open window says who holds it; a closed one what came of it, and the target is free again."""
        assert look(places()) == (State.FREE, None)
        window = Window.open(places(), record())
        state, seen = look(places())
        assert (state, seen) == (State.RUNNING, window.record)
        window.close(window.closed("conformant", ["a client"]))
        state, seen = look(places())
        assert seen is not None
        assert (state, seen.outcome, seen.residue, seen.is_open) == (State.FREE, "conformant", ("a client",), False)
        Draft202012Validator({"$ref": "#/$defs/window", "$defs": load_schema("run")["$defs"]}).validate(
            json.loads(json.dumps(seen.to_json()))
        )
        again = Window.open(places(), record())
        again.close(again.closed("conformant", []))

    def test_refused_while_another_process_holds_it(self, settings: dict[str, Any], places: Places) -> None:
        """The refusal is one sentence: who, since when, what for, what next; nobody can close it meanwhile."""
        with another_process(settings) as (process, _):
            with pytest.raises(WindowRefused) as refused:
                Window.open(places(), record())
            sentence = str(refused.value)
            _, held = look(places())
            assert held is not None
            assert f"held by bob (process {process.pid} on {socket.gethostname()}) since {held.started}" in sentence
            assert f"wait for its end, expected by {held.expected_end}" in sentence
            with pytest.raises(WindowRefused, match="held by bob"):
                close_by_hand(places(), URL, "ada", "I want it")
            with pytest.raises(WindowRefused, match="held by bob"):
                declare(places(), URL, operator="bob", scope="", expected_duration_s=60)

    def test_other_targets_are_free(self, settings: dict[str, Any], places: Places) -> None:
        """A window holds one origin."""
        window = Window.open(places(), record())
        other = "https://other.example.org"
        assert look(place_of(other, settings, {})) == (State.FREE, None)
        window.close(window.closed("conformant", []))


class TestCrash:
    def test_is_recognised_and_closed_with_a_reason(self, settings: dict[str, Any], places: Places) -> None:
        """After SIGKILL the window counts as crashed; no run takes over, and closing it takes a reason."""
        with another_process(settings) as (process, window_id):
            process.kill()
            process.join()
            deadline = time.monotonic() + 10  # PostgreSQL notices the end of a connection a moment later
            while look(places())[0] is State.RUNNING and time.monotonic() < deadline:
                time.sleep(0.05)
            state, left = look(places())
            assert (state, left and left.id) == (State.CRASHED, window_id)
            with pytest.raises(WindowRefused, match=r"ended without closing.*run `pdpp cleanup the-report`, or"):
                Window.open(places(), record())
            with pytest.raises(WindowError, match="say why you close it with --reason"):
                close_by_hand(places(), URL, "ada", None)
            closed = close_by_hand(places(), URL, "ada", "the machine was replaced")
            assert (closed.outcome, closed.reason) == ("crashed", "the machine was replaced")
            assert closed.residue == ("whatever the run that crashed had made; see the-report",)
            assert look(places()) == (State.FREE, closed)

    def test_is_resumed_by_its_id(self, settings: dict[str, Any], places: Places) -> None:
        """Who cleans up after the run takes its window over, and no other one."""
        with another_process(settings) as (process, window_id):
            with pytest.raises(WindowRefused):
                Window.resume(places(), window_id)
            process.kill()
            process.join()
            deadline = time.monotonic() + 10
            while look(places())[0] is State.RUNNING and time.monotonic() < deadline:
                time.sleep(0.05)
            assert Window.resume(places(), "0" * 16) is None
            window = Window.resume(places(), window_id)
            assert window is not None
            assert look(places())[0] is State.RUNNING
            window.close(window.closed("crashed", [], reason="cleaned up"))
            assert look(places())[0] is State.FREE

    def test_a_lost_lock_is_no_crash(self, tmp_path: Path) -> None:
        """Somebody who tidies the folder up does not open the way to a second run: the first one's process lives."""
        place = FolderPlace(tmp_path, URL, shared=False)
        window = Window.open(place, record())
        for file in tmp_path.glob("*.lock"):
            file.unlink()
        with pytest.raises(WindowRefused, match="is held by ada"):
            Window.open(FolderPlace(tmp_path, URL, shared=False), record())
        window.close(window.closed("conformant", []))


class TestDeclared:
    def test_own_runs_go_on_inside(self, places: Places) -> None:
        """A declared window stays open around its declarer's runs, and everybody else waits."""
        declared = declare(places(), URL, operator="ada", scope="release 7", expected_duration_s=600)
        assert look(places()) == (State.DECLARED, declared)
        with pytest.raises(WindowRefused, match=r"declared by ada \(on .*release 7.*ask them to close it"):
            Window.open(places(), record("bob"))
        run = Window.open(places(), record("ada"))
        assert look(places())[0] is State.RUNNING
        with pytest.raises(WindowRefused, match="held by ada"):
            Window.open(places(), record("ada"))
        run.close(run.closed("conformant", ["a token"]))
        state, seen = look(places())
        assert seen is not None
        assert (state, seen.id, seen.residue) == (State.DECLARED, declared.id, ("a token",))
        assert seen.run is not None
        assert seen.run.outcome == "conformant"
        with pytest.raises(WindowError, match="say why"):
            close_by_hand(places(), URL, "bob", " ")
        assert close_by_hand(places(), URL, "ada", None).outcome == "closed"
        with pytest.raises(WindowError, match="there is no open window"):
            close_by_hand(places(), URL, "ada", None)


@pytest.mark.parametrize(
    "spelling",
    ["https://PDPP.example.org", "https://pdpp.example.org:443/mcp", "https://pdpp.example.org./", "HTTPS://pdpp.example.org"],
)  # fmt: skip
def test_one_origin_in_every_spelling(spelling: str) -> None:
    """Case, default port, path and the root's dot make no other target; scheme and port do."""
    assert origin_key(spelling) == URL
    assert origin_key("http://pdpp.example.org") != URL
    assert origin_key("https://[::1]:8443/mcp") == "https://[::1]:8443"


def test_who_the_operator_is() -> None:
    """The environment's word, then the target file's, then the OS user's."""
    assert operator_named({"operator": "file"}, {"PDPP_WINDOW_OPERATOR": "environment"}) == "environment"
    assert operator_named({"operator": "file\x1b[31m"}, {}) == "file\\x1b[31m"
    assert operator_named({}, {})


class TestUnusablePlaces:
    def test_no_password_in_the_target_file(self) -> None:
        """A connection string with a password belongs into the environment."""
        written = "postgresql://ada:hunter2@127.0.0.1:1/team"
        with pytest.raises(WindowError, match="carries a password") as refused:
            place_of(URL, {"database": written}, {})
        assert "hunter2" not in str(refused.value)
        place = place_of(URL, {"database_env": "TEAM"}, {"TEAM": written})
        with pytest.raises(WindowError, match="database of verification windows cannot be used") as refused:
            place.lock()
        assert "hunter2" not in str(refused.value)
        with pytest.raises(WindowError, match="no connection string"):
            place_of(URL, {"database": "what ever"}, {})

    def test_folder(self, tmp_path: Path) -> None:
        """A folder that is none, and a record that is none, are told in one sentence."""
        (tmp_path / "file").touch()
        with pytest.raises(WindowError, match=r"cannot be used .*; set window\.directory"):
            place_of(URL, {"directory": str(tmp_path / "file")}, {}).lock()
        place = place_of(URL, {"directory": str(tmp_path)}, {})
        place.write(record())
        (written,) = tmp_path.glob("*.json")
        for damage in ("{", '{"id": 7}', "[" * 100_000):
            written.write_text(damage)
            with pytest.raises(WindowError, match="is damaged"):
                look(place)


# -- as people see it --------------------------------------------------------------------------------------------------


def environment(**added: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PDPP_", "PYTEST", "PYTHON"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "400", **added}


def pdpp(*arguments: str, **added: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("pdpp"), *arguments],
        env=environment(**added), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


def specification(report_dir: Path, *arguments: str, **added: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--report-dir", str(report_dir), *arguments],
        cwd=ROOT, env=environment(**added), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


class Hanging(BaseHTTPRequestHandler):
    """Says that it was asked, and does not answer for a while."""

    asked: threading.Event

    def do_GET(self) -> None:
        self.asked.set()
        time.sleep(4)
        self.close_connection = True

    def do_POST(self) -> None:
        self.do_GET()


@pytest.fixture
def hanging() -> Iterator[tuple[str, threading.Event]]:
    """A deployment that hangs, and whether it was asked anything."""
    asked = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ThisOne", (Hanging,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


class TestRuns:
    FEATURES = "features/2_metadata_honesty/2_1_authorization_server_metadata.feature"

    def test_refused_before_the_first_request(self, hanging: tuple[str, threading.Event], tmp_path: Path) -> None:
        """While another process holds the window a run ends at once with status 1, and the deployment hears nothing."""
        url, asked = hanging
        folder = {"PDPP_WINDOW_DIRECTORY": str(tmp_path / "windows")}
        place = place_of(url, {}, folder)
        held = Window.open(place, new_record(url, operator="bob", scope="a talk", expected_duration_s=60))
        done = specification(tmp_path / "report", self.FEATURES, "--base-url", url, "--window", **folder)
        assert (done.returncode, asked.is_set()) == (1, False)
        assert (
            f"held by bob (process {os.getpid()} on {socket.gethostname()}) since {held.record.started}" in done.stdout
        )
        assert "Traceback" not in done.stdout + done.stderr
        told = pdpp("window", "status", url, **folder)
        assert (told.returncode, told.stdout.startswith("running: ")) == (1, True)
        held.close(held.closed("conformant", []))

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_closed_after_a_signal(
        self, number: signal.Signals, hanging: tuple[str, threading.Event], tmp_path: Path
    ) -> None:
        """A run that is stopped closes its window, and its report has the same record."""
        url, asked = hanging
        folder = {"PDPP_WINDOW_DIRECTORY": str(tmp_path / "windows"), "PDPP_WINDOW_OPERATOR": "ada"}
        running = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--report-dir", str(tmp_path / "report"),
             self.FEATURES, "--base-url", url, "--window"],
            cwd=ROOT, env=environment(**folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            assert asked.wait(SECONDS)
            state, _ = look(place_of(url, {}, folder))
            assert state is State.RUNNING
            running.send_signal(number)
            output, _ = running.communicate(timeout=SECONDS)
        finally:
            running.kill()
        assert running.returncode == 2, output
        state, closed = look(place_of(url, {}, folder))
        assert closed is not None
        assert (state, closed.outcome, closed.operator) == (State.FREE, "interrupted", "ada")
        report = json.loads((tmp_path / "report" / "run.json").read_text("utf-8"))
        Draft202012Validator(load_schema("run")).validate(report)
        assert report["window"] == json.loads(json.dumps(closed.to_json()))
        assert "Window: operator" in (tmp_path / "report" / "report.html").read_text("utf-8")

    def test_closed_when_nothing_answers(self, tmp_path: Path) -> None:
        """Also a run that could not begin closes its window."""
        folder = {"PDPP_WINDOW_DIRECTORY": str(tmp_path / "windows")}
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = specification(tmp_path / "report", self.FEATURES, "--base-url", url, "--window", **folder)
        assert done.returncode == 7, done.stdout
        state, closed = look(place_of(url, {}, folder))
        assert (state, closed and closed.outcome) == (State.FREE, "unreachable")
        (tmp_path / "file").touch()
        done = specification(tmp_path / "file", self.FEATURES, "--base-url", url, "--window", **folder)
        assert done.returncode == 1
        assert "is not writable" in done.stdout
        assert look(place_of(url, {}, folder))[0] is State.FREE

    def test_none_without_need(self, tmp_path: Path) -> None:
        """The bundled server, and one on this machine for which nobody asks, need no window."""
        folder = {"PDPP_WINDOW_DIRECTORY": str(tmp_path / "windows")}
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = specification(tmp_path / "report", self.FEATURES, "--base-url", url, **folder)
        assert done.returncode == 7, done.stdout
        assert not (tmp_path / "windows").exists()


def test_by_hand(tmp_path: Path) -> None:
    """`pdpp window` declares, tells and closes; what cannot be is one sentence."""
    added = {"PDPP_WINDOW_DIRECTORY": str(tmp_path / "windows"), "PDPP_WINDOW_OPERATOR": "ada"}
    target = tmp_path / "target.yaml"
    target.write_text(f"base_url: {URL}\nwindow: {{scope: release 7}}\n")
    for arguments, status, told in (
        (("status", URL), 0, "no verification window was ever opened on https://pdpp.example.org"),
        (("open", "--target", str(target), "--for", "10"), 0, "open: https://pdpp.example.org, until about "),
        (("status", "--target", str(target)), 1, "declared: the verification window on https://pdpp.example.org was"),
        (("open", URL), 1, "pdpp: the verification window on https://pdpp.example.org was declared by ada"),
        (("close", URL), 0, "closed: https://pdpp.example.org, outcome: closed"),
        (("close", URL), 1, "pdpp: there is no open window on https://pdpp.example.org"),
        (("status",), 64, "pdpp: which deployment?"),
        (("status", "ftp://x"), 64, "pdpp: the URL 'ftp://x' is no http or https URL"),
    ):
        done = pdpp("window", *arguments, **added)
        assert (done.returncode, (done.stdout + done.stderr).startswith(told)) == (status, True), done
        assert len((done.stdout + done.stderr).splitlines()) == 1
    shown = json.loads(pdpp("window", "status", URL, "--json", **added).stdout)
    assert (shown["state"], shown["record"]["scope"]) == ("free", "release 7")
