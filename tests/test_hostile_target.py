"""A target that misbehaves in every way it can: the run ends in time, with verdicts, and gives nothing away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from pdpp_conformance.discovery import DISCOVERY_SECONDS, PREFLIGHT_TIMEOUT_SECONDS, Unreachable, discover
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.html_pages import HtmlPage
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import Target
from tests.conftest import INTROSPECTION, Deployment
from tests.hostile_server import MISBEHAVIOURS, FishingServer, HostileServer

ROOT = Path(__file__).resolve().parents[1]
RUN_SECONDS = 120.0
"""What one run may take."""
OWNER_PASSWORD = "the owner's password"
CREDENTIAL = re.compile(r"(?i)authorization:|cookie:|device_code=|user_code=[^X]|access_token|client_secret")
"""What no request to another origin may hold, be it a header or a parameter."""
MAX_WAIT = ("--max-wait", "2")
AT_ONCE = 2


@dataclass(frozen=True)
class Hostile:
    """A run, and in which ways its target misbehaves."""

    ways: tuple[str, ...]
    arguments: tuple[str, ...]
    exit_status: int = 1


SERVER = "features/2_metadata_honesty/2_1_authorization_server_metadata.feature"
RESOURCE = "features/2_metadata_honesty/2_2_protected_resource_metadata.feature"
MCP_DEVICE = "features/3_device_authorization/3_2_mcp_device_authorization.feature"
OWNER_AGENT = "features/3_device_authorization/3_5_owner_agent.feature"
CODES = "features/standards/device_codes.feature"
REVOCATION = "features/standards/revocation.feature"
REGISTRATION = "features/standards/client_registration.feature"
VERIFICATION_URI = "features/standards/approval_page.feature::The verification URI takes the user code"
TOKENS = "features/standards/token_response.feature"
HANGING = ("token_endpoint_hangs", "token_headers_come_by_the_byte")
IN_DISCOVERY = ("server_metadata_", "mcp_", "root_metadata_")


def ways(*beginnings: str, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names that begin so."""
    return tuple(name for name in MISBEHAVIOURS if name.startswith(beginnings) and name not in but)


RUNS: dict[str, Hostile] = {
    "nothing to judge": Hostile(
        ("server_metadata_is_html", "mcp_metadata_hangs", "root_metadata_is_nested_deeply"),
        (SERVER, "--approver", "none"),
        exit_status=7,
    ),
    "metadata that lies": Hostile(
        (
            "server_metadata_contradicts_itself",
            "mcp_metadata_is_another_resources",
            "root_metadata_sends_elsewhere",
            "mcp_challenges_nonsensically",
        ),
        (SERVER, RESOURCE, OWNER_AGENT, "--approver", "http"),
    ),
    "endpoints elsewhere": Hostile(
        ("server_metadata_sends_elsewhere", "mcp_redirects_elsewhere"), (SERVER, OWNER_AGENT, "--approver", "http")
    ),
    # The removal only says that it failed: the client is gone, and nothing is left.
    "device answers": Hostile((*ways("device_"), "removal_fails"), (MCP_DEVICE, CODES, "--approver", "http")),
    "token answers": Hostile(ways("token_", but=HANGING), (OWNER_AGENT, TOKENS, "--approver", "http")),
    "endpoints that hang": Hostile(HANGING, (OWNER_AGENT, "--approver", "http")),
    "after the token": Hostile(
        (*ways("introspection_"), "revocation_is_html"), (OWNER_AGENT, REVOCATION, "--approver", "http")
    ),
    "decisions": Hostile(("decision_answers_nothing", "removal_fails"), (OWNER_AGENT, "--approver", "http")),
    "registration": Hostile(
        (*ways("registration_"), "sign_in_form_posts_elsewhere"), (REGISTRATION, "--approver", "http")
    ),
    "pages without a browser": Hostile(ways("code_"), (VERIFICATION_URI, OWNER_AGENT, "--approver", "http")),
    "pages in a browser": Hostile(
        (*ways("code_page_r", "decision_page_"), "sign_in_redirects_elsewhere"),
        (VERIFICATION_URI, OWNER_AGENT, "--approver", "browser"),
    ),
}


ALL_SECONDS = RUN_SECONDS * (len(RUNS) + 1) / AT_ONCE


@dataclass(frozen=True)
class Ended:
    """A run against a hostile target, when it was over."""

    exit_status: int | None
    output: str
    seconds: float
    report_dir: Path
    met: Mapping[str, int]
    heard: tuple[str, ...]

    @property
    def run(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.report_dir / "run.json").read_text("utf-8"))
        return content


def judge(name: str, deployment: Deployment, folder: Path) -> Ended:
    """Run the specification against a server that misbehaves so."""
    hostile, called = RUNS[name], name.replace(" ", "-")
    credentials = {
        "PDPP_OWNER_PASSWORD": OWNER_PASSWORD,
        "PDPP_INTROSPECTION_CLIENT_ID": INTROSPECTION[0],
        "PDPP_INTROSPECTION_CLIENT_SECRET": INTROSPECTION[1],
    }
    with FishingServer() as fishing, HostileServer(deployment.server.port, hostile.ways, fishing.url) as server:
        started = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--base-url", server.url, *MAX_WAIT]
        ended = subprocess.run(
            [*command, *hostile.arguments, "--report-dir", str(folder / called)],
            cwd=ROOT,
            env={**os.environ, **credentials},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        seconds = time.monotonic() - started
    return Ended(ended.returncode, ended.stdout, seconds, folder / called, server.met, tuple(fishing.heard))


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, start: Callable[..., Deployment], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ended]]]:
    """Every run that a selected test asks for, all under way."""
    folder = tmp_path_factory.mktemp("hostile")
    wanted = [item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")]
    deployment = start(polling_interval=1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(judge, name, deployment, folder) for name in RUNS if name in wanted}
    deployment.http.close()
    deployment.server.stop()


def test_a_page_full_of_forms() -> None:
    """A page with thousands of forms is read in a moment."""
    started = time.monotonic()
    page = HtmlPage("http://127.0.0.1/device", b"<form><input name=a><button>Continue</button>" * 2000)
    assert page.offers(["Approve"]) is None
    assert page.code_entry is not None
    assert time.monotonic() - started < 10


def test_enough_ways() -> None:
    """Every way to misbehave is met, in discovery or in a whole run, and there are many."""
    met = {name for hostile in RUNS.values() for name in hostile.ways} | set(ways(*IN_DISCOVERY))
    assert met == set(MISBEHAVIOURS)
    assert len(MISBEHAVIOURS) >= 25


@pytest.mark.parametrize("way", ways(*IN_DISCOVERY))
def test_discovery(way: str, deployment: Deployment) -> None:
    """Whatever a document is, discovery is over in time: it is read, or said to be of no use, or there is no target."""
    redactor = Redactor()
    with (
        FishingServer() as fishing,
        HostileServer(deployment.server.port, [way], fishing.url) as server,
        closing(Recorder(redactor)) as recorder,
    ):
        started = time.monotonic()
        with suppress(Unreachable):
            found = discover(recorder, Target(base_url=server.url), server.url)
            for document in found.documents:
                assert document.usable == (document.problem is None)
                assert not document.usable or isinstance(document.content, dict)
        assert time.monotonic() - started < DISCOVERY_SECONDS + PREFLIGHT_TIMEOUT_SECONDS * 3
    assert server.met[way] > 0
    assert fishing.heard == []


@pytest.mark.parametrize("name", RUNS)
def test_whole_run(name: str, runs: dict[str, Future[Ended]]) -> None:
    """The run ends in time, with verdicts and no fault of its own, and tells nobody a secret."""
    hostile, ended = RUNS[name], runs[name].result(ALL_SECONDS)
    assert ended.exit_status == hostile.exit_status, ended.output
    assert "Traceback (most" not in ended.output
    assert ended.seconds < RUN_SECONDS
    run = ended.run
    assert run["faults"] == []
    assert run["counts"]["ERROR"] == 0
    # What is defective is told by a row; pages that only lead elsewhere keep the run from removing what it made.
    assert (hostile.exit_status == 1) == (run["counts"]["FAIL"] > 0 or run["residue"] != [])
    assert ended.met
    told = "\n".join(ended.heard)
    assert [secret for secret in (OWNER_PASSWORD, *INTROSPECTION) if secret in told or quote_plus(secret) in told] == []
    assert CREDENTIAL.findall(told) == []
    left = "".join(
        path.read_text("utf-8", "replace") for path in ended.report_dir.rglob("*.*") if path.suffix != ".png"
    )
    assert [secret for secret in (OWNER_PASSWORD, INTROSPECTION[1]) if secret in left] == []
    assert not [message for message in run["messages"] if "a secret stands in the report" in message]


def test_each_way_is_met(runs: dict[str, Future[Ended]]) -> None:
    """No run is over before its target could misbehave."""
    met = {way for running in runs.values() for way in running.result(ALL_SECONDS).met}
    expected = {way for name in runs for way in RUNS[name].ways}
    assert expected - met == set()
