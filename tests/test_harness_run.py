"""The specification as people start it: a process, its exit status, its report, and what it leaves behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from pdpp_conformance.catalogue import read_catalogue
from pdpp_conformance.specification import load_schema, specification_root
from tests.loopback import listening
from tests.vacuous_targets import EmptyObjects

if TYPE_CHECKING:
    from tests.conftest import Deployment

ROOT = specification_root()
METADATA = "features/2_metadata_honesty"
METADATA_FEATURES = ("1_authorization_server_metadata", "2_protected_resource_metadata")
COMMAND = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
MOST_SECONDS = 60
"""What a run of this module may take before it counts as hanging."""

Document = dict[str, Any]


def environment(**added: str) -> dict[str, str]:
    """This process's environment without what would change what a run judges."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PDPP_", "PYTEST", "PYTHON"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "400", **added}


@dataclass(frozen=True)
class Ended:
    """A run that ended."""

    exit_status: int
    output: str
    seconds: float
    report_dir: Path

    @property
    def run(self) -> Document:
        """Its run.json, which fits its schema."""
        content: Document = json.loads((self.report_dir / "run.json").read_text("utf-8"))
        Draft202012Validator(load_schema("run"), format_checker=FormatChecker()).validate(content)
        assert content["exit_status"] == self.exit_status
        return content

    def verdicts(self, *wanted: str) -> dict[str, str]:
        """The requirements that have one of these verdicts."""
        return {row["id"]: row["verdict"] for row in self.run["requirements"] if row["verdict"] in wanted}


def specification(report_dir: Path, *arguments: str) -> Ended:
    """Run the specification, or the part of it that the arguments name."""
    started = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--report-dir", str(report_dir), *arguments],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=MOST_SECONDS,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout + done.stderr, time.monotonic() - started, report_dir)


@pytest.fixture(scope="module")
def three_at_once() -> Iterator[ThreadPoolExecutor]:
    """Runs that wait for the network more than they compute go three at a time."""
    with ThreadPoolExecutor(3) as pool:
        yield pool


def junit(ended: Ended, name: str) -> list[ET.Element]:
    """The elements of that name in a run's junit.xml."""
    return list(ET.parse(ended.report_dir / "junit.xml").getroot().iter(name))  # noqa: S314 - the harness's own


# -- a run of the bundled server ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def metadata_run_under_way(
    three_at_once: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> Future[Ended]:
    return three_at_once.submit(specification, tmp_path_factory.mktemp("bundled") / "report", METADATA, "--seed", "7")


@pytest.fixture(scope="module")
def metadata_run(metadata_run_under_way: Future[Ended], unreachable_runs: object) -> Ended:
    """A run of the bundled server's metadata; the runs that wait for an answer in vain go on beside it."""
    return metadata_run_under_way.result(MOST_SECONDS)


class TestReports:
    def test_conformant(self, metadata_run: Ended) -> None:
        """The bundled server's metadata is honest: status 0, and it says so."""
        assert metadata_run.exit_status == 0, metadata_run.output
        run = metadata_run.run
        assert (run["outcome"], run["seed"], run["target"]["bundled"]) == ("conformant", 7, True)
        assert (run["faults"], run["residue"], run["messages"], run["interrupted"]) == ([], [], [], None)
        assert "CONFORMANT" in metadata_run.output

    def test_every_task_and_every_row_once(self, metadata_run: Ended) -> None:
        """What was not judged is in the report, too, and is not called a pass."""
        catalogue = read_catalogue(ROOT / "features" / "catalogue", ROOT / "schemas" / "catalogue.schema.json")
        run = metadata_run.run
        assert run["suite"]["catalogue_digest"] == catalogue.digest
        assert [task["id"] for task in run["tasks"]] == list(catalogue.tasks)
        assert len(run["tasks"]) == 19
        assert Counter(task["verdict"] for task in run["tasks"]) == {"PASS": 3, "NOT_COVERED": 16}
        assert [row["id"] for row in run["requirements"]] == list(catalogue.requirements)
        judged = {row for scenario in run["scenarios"] for row in scenario["tags"]}
        assert {row["id"] for row in run["requirements"] if row["verdict"] == "PASS"} <= judged
        assert sum(run["counts"].values()) == len(catalogue.requirements)

    def test_exchanges(self, metadata_run: Ended) -> None:
        """Each exchange is a line that fits its schema; what the report refers to is there."""
        validator = Draft202012Validator(load_schema("exchange"), format_checker=FormatChecker())
        lines = [
            json.loads(line) for line in (metadata_run.report_dir / "exchanges.jsonl").read_text("utf-8").splitlines()
        ]
        for line in lines:
            validator.validate(line)
        assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
        run = metadata_run.run
        named = {
            number for part in (run["requirements"], run["scenarios"]) for row in part for number in row["exchanges"]
        }
        assert named <= {line["number"] for line in lines}
        assert {line["scenario"] for line in lines} <= {scenario["id"] for scenario in run["scenarios"]} | {None}

    def test_junit(self, metadata_run: Ended) -> None:
        """Other tools read a test case for each scenario, and one for the run."""
        cases = junit(metadata_run, "testcase")
        assert len(cases) - 1 == len(metadata_run.run["scenarios"]) > 50
        assert junit(metadata_run, "failure") == junit(metadata_run, "error") == []

    def test_nothing_else_is_left(self, metadata_run: Ended) -> None:
        """The report folder holds the reports, none of them half written."""
        names = {path.name for path in metadata_run.report_dir.iterdir()}
        files = {"run.json", "exchanges.jsonl", "evidence.json", "report.html", "junit.xml", "run.har"}
        assert files <= names <= {*files, "attachments", "window"}


# -- targets that are none ---------------------------------------------------------------------------------------------


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class NotFound(_Silent):
    """Knows no page."""

    def do_GET(self) -> None:
        self.send_error(404)


class WebSite(_Silent):
    """Has the same page everywhere."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>Welcome</title><h1>Welcome</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


class HangsOnMetadata(_Silent):
    """Answers at its front page and nowhere else."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_error(404)
        else:
            self.close_connection = True
            threading.Event().wait(MOST_SECONDS / 3)


@contextlib.contextmanager
def accepting(then: Callable[[socket.socket], object]) -> Iterator[str]:
    """A port that accepts every connection, and what it does then."""
    accepted: list[socket.socket] = []

    def accept(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                accepted.append(connection)
                then(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, args=(server,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in accepted:
                connection.close()


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


LOAD_SECONDS = 15.0
"""What three runs at once on two busy cores may add to the 15 seconds of one run by itself."""

NO_TARGETS: dict[str, tuple[Callable[[], contextlib.AbstractContextManager[str]], str]] = {
    "hangs on metadata": (partial(listening, HangsOnMetadata), "answers too slowly"),
    "never answers": (partial(accepting, id), "cannot be reached (no answer within 5 s)"),
    "nobody there": (nobody, "cannot be reached (ConnectError: "),
    "no such page": (partial(listening, NotFound), "answers, but it is no PDPP deployment"),
    "empty objects": (partial(listening, EmptyObjects), "answers, but it is no PDPP deployment"),
    "a web site": (partial(listening, WebSite), "answers, but it is no PDPP deployment"),
    "hangs up": (partial(accepting, socket.socket.close), "cannot be reached (Re"),
}


@pytest.fixture(scope="module")
def unreachable_runs(
    three_at_once: ThreadPoolExecutor, metadata_run_under_way: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[str, Future[Ended]]]]:
    """A run against each target that is none, all under way."""
    folder = tmp_path_factory.mktemp("none")
    with contextlib.ExitStack() as stack:
        runs = {}
        for name, (serving, _) in NO_TARGETS.items():
            url = stack.enter_context(serving())
            runs[name] = (url, three_at_once.submit(specification, folder / name, METADATA, "--base-url", url))
        yield runs


@pytest.mark.parametrize("name", NO_TARGETS)
def test_what_is_no_deployment(name: str, unreachable_runs: dict[str, tuple[str, Future[Ended]]]) -> None:
    """Status 7 and one sentence within 15 s, whatever there is instead of a deployment, or is not."""
    url, running = unreachable_runs[name]
    ended = running.result(MOST_SECONDS * 2)
    assert ended.exit_status == 7, ended.output
    assert ended.seconds < 15 + LOAD_SECONDS
    assert "Traceback" not in ended.output
    sentence, *more = [line for line in ended.output.splitlines() if line.startswith(url)]
    assert more == []
    assert sentence.startswith(f"{url} {NO_TARGETS[name][1]}")
    run = ended.run
    assert (run["outcome"], run["messages"], run["faults"]) == ("unreachable", [sentence], [])
    assert ended.verdicts("PASS", "FAIL", "WARN", "INFO", "ERROR") == {}


# -- wrong usage -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def misused(three_at_once: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Ended]]:
    """Runs that cannot start, all under way."""
    folder = tmp_path_factory.mktemp("misused")
    target = folder / "target.yaml"
    target.write_text("base_url: [unclosed\n")
    (folder / "existing").mkdir()
    arguments = {
        "malformed target": ("1", METADATA, "--target", str(target)),
        "nonsense URL": ("2", METADATA, "--base-url", "nonsense"),
        "nothing selected": ("4", METADATA, "-k", "no_scenario_is_called_that"),
        "existing report folder": ("existing", "--collect-only"),
    }
    return {name: three_at_once.submit(specification, folder / to, *more) for name, (to, *more) in arguments.items()}


class TestUsage:
    @pytest.mark.parametrize(
        ("name", "exit_status", "told"),
        [
            ("malformed target", 4, "target.yaml is not well-formed YAML near line 2"),
            ("nonsense URL", 4, "--base-url 'nonsense' is no http or https URL"),
            ("nothing selected", 6, "nothing was judged: no scenario was selected"),
        ],
    )
    def test_one_sentence(self, misused: dict[str, Future[Ended]], name: str, exit_status: int, told: str) -> None:
        """A run that cannot start says why in one sentence, and judges nothing."""
        ended = misused[name].result(MOST_SECONDS)
        assert ended.exit_status == exit_status, ended.output
        assert "Traceback" not in ended.output
        assert len([line for line in ended.output.splitlines() if told in line]) == 1
        assert ended.seconds < 15 + LOAD_SECONDS
        assert not (ended.report_dir / "run.json").exists()

    def test_an_existing_report_folder(self, misused: dict[str, Future[Ended]]) -> None:
        """A folder outside the repository as --report-dir is where the report goes, and not what is collected."""
        ended = misused["existing report folder"].result(MOST_SECONDS)
        assert ended.exit_status == 0, ended.output
        collected = [line for line in ended.output.splitlines() if "::" in line]
        assert len(collected) > 200
        assert all(line.startswith("features/") for line in collected)


# -- a run that is cut short -------------------------------------------------------------------------------------------


def processes_with(mark: str) -> list[int]:
    """The processes that were started with this mark in their environment (on Linux; elsewhere none is seen)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if (
                mark.encode() in path.read_bytes()
                and "Z" not in (path.parent / "stat").read_text().rpartition(")")[2][:3]
            ):
                found.append(int(path.parent.name))
    return found


def wait_until(holds: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)


def interrupted(number: signal.Signals, mark: str, report_dir: Path) -> Ended:
    """Start a run, and send a signal to all of its processes when the owner has seen a page in the browser."""
    started = time.monotonic()
    running = subprocess.Popen(
        [*COMMAND, "--report-dir", str(report_dir), "features/3_device_authorization"],
        cwd=ROOT, env=environment(PDPP_TEST_MARK=mark), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        pages = report_dir / "attachments"
        wait_until(lambda: running.poll() is not None or (pages.is_dir() and list(pages.iterdir())), 40)
        os.killpg(running.pid, number)
        output, _ = running.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    return Ended(running.returncode, output, time.monotonic() - started, report_dir)


@pytest.fixture(scope="module")
def interrupted_runs(
    three_at_once: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> dict[signal.Signals, tuple[str, Future[Ended]]]:
    """A run that Ctrl-C ends, and one that is told to terminate."""
    folder = tmp_path_factory.mktemp("interrupted")
    marks = {number: f"run-{uuid.uuid4()}" for number in (signal.SIGINT, signal.SIGTERM)}
    return {
        number: (mark, three_at_once.submit(interrupted, number, mark, folder / number.name))
        for number, mark in marks.items()
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted(number: signal.Signals, interrupted_runs: dict[signal.Signals, tuple[str, Future[Ended]]]) -> None:
    """A run that is stopped while its browser works says so in its report, and leaves no process and no open port."""
    mark, running = interrupted_runs[number]
    ended = running.result(MOST_SECONDS)
    assert ended.exit_status == 2, ended.output
    assert "Traceback" not in ended.output
    run = ended.run
    assert (run["outcome"], run["interrupted"], run["faults"]) == ("interrupted", number.name, [])
    blocked = {row["id"]: row["reason"] for row in run["requirements"] if row["verdict"] == "BLOCKED"}
    assert "the run ended before its scenarios did" in blocked.values()
    assert "BLOCKED" in {task["verdict"] for task in run["tasks"]}
    wait_until(lambda: not processes_with(mark), 5)
    port = int(run["target"]["base_url"].rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 2):
        pass


# -- deployments with one defect ---------------------------------------------------------------------------------------

MCP_METADATA = "/.well-known/oauth-protected-resource/mcp"
SERVER_METADATA = "/.well-known/oauth-authorization-server"


DEFECTS: dict[str, Callable[[Document], object]] = {
    MCP_METADATA: lambda document: document["pdpp_token_kinds_supported"].append("owner"),
    SERVER_METADATA: lambda document: document.update(code_challenge_methods_supported=["plain"]),
}
RED = {"MET-11": "FAIL", "ASM-14": "FAIL"}
"""The requirements that speak of the defects."""


class Proxy(_Silent):
    """Stands before a deployment, under an origin of its own."""

    upstream: str
    defects: dict[str, Callable[[Document], object]]

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        assert isinstance(self.server, ThreadingHTTPServer)
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        passed_on = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
        own = f"http://127.0.0.1:{self.server.server_port}"
        connection = http.client.HTTPConnection(self.upstream.removeprefix("http://"), timeout=10)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body=sent, headers=passed_on)
            answer = connection.getresponse()
            body = answer.read().replace(self.upstream.encode(), own.encode())
        if self.path in self.defects:
            document = json.loads(body)
            self.defects[self.path](document)
            body = json.dumps(document).encode()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "date", "server", "transfer-encoding"):
                self.send_header(name, value.replace(self.upstream, own))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def through_proxy(upstream: str, defects: dict[str, Callable[[Document], object]], report_dir: Path) -> Ended:
    with listening(type("ThisProxy", (Proxy,), {"upstream": upstream, "defects": defects})) as url:
        documents = (f"{METADATA}/2_{number}.feature" for number in METADATA_FEATURES)
        return specification(report_dir, *documents, "--base-url", url, "--approver", "none")


def test_exactly_the_defects_are_found(
    three_at_once: ThreadPoolExecutor, deployment: Deployment, tmp_path: Path
) -> None:
    """The rows that speak of a defect fail, and no other; without the defects the same way there is conformant."""
    running = [
        three_at_once.submit(through_proxy, deployment.issuer, defects, tmp_path / name)
        for defects, name in (({}, "sound"), (DEFECTS, "defective"))
    ]
    sound, defective = (each.result(MOST_SECONDS) for each in running)
    for ended, expected, outcome, exit_status in (
        (sound, {}, "conformant", 0),
        (defective, RED, "not_conformant", 1),
    ):
        assert ended.verdicts("FAIL", "WARN", "INFO", "BLOCKED", "ERROR") == expected
        assert (ended.run["outcome"], ended.exit_status) == (outcome, exit_status), ended.output
        assert len(junit(ended, "failure")) == (len(expected) + 1 if expected else 0)
