"""The correct shapes as a set, each of them on the wire, and the judge's fairness to all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from pdpp.command import SHAPE_NAMES, app
from pdpp_conformance.discovery import Unreachable, discover
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import Target
from pdpp_reference.clock import MovableClock
from pdpp_reference.serve import ServeError, ServeOptions, serve
from pdpp_reference.server import LoopbackServer
from pdpp_reference.shapes import SHAPES, UnknownShape, shapes_named
from tests.shapes import EXPECTED

ROOT = Path(__file__).resolve().parents[1]
RUNS_SECONDS = 300.0
AUTHORIZATION_SERVER_METADATA = "/.well-known/oauth-authorization-server"
RESOURCE_METADATA = "/.well-known/oauth-protected-resource/mcp"


@contextmanager
def serving(*shapes: str) -> Iterator[LoopbackServer]:
    server = LoopbackServer(clock=MovableClock(), shapes=shapes, owner_password="the owner's own password")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


def test_the_help_names_every_shape() -> None:
    """Whoever asks the command line for help learns which shapes there are."""
    assert tuple(SHAPES) == SHAPE_NAMES


def test_each_shape_says_what_it_is_and_who_permits_it() -> None:
    """No shape goes without a sentence and a source."""
    assert all(shape.what.endswith(".") and shape.permitted_by for shape in SHAPES.values())


def test_an_unknown_shape_is_refused_with_the_names_that_come_close() -> None:
    """A misspelt shape never means the default one."""
    with pytest.raises(UnknownShape, match="did you mean two_origins"):
        shapes_named(["two_orgins"])
    answer = CliRunner().invoke(app, ["serve", "--shape", "two_orgins", "--database", "sqlite://", "--port", "0"])
    assert answer.exit_code == 64
    assert "did you mean two_origins" in answer.output


def test_two_origins_have_no_one_public_url() -> None:
    """A deployment on two origins is not announced under one."""
    with pytest.raises(ServeError, match="no one --public-url"):
        serve(ServeOptions(shapes=("two_origins",), public_url="https://pdpp.example.org"), print, {})


def test_two_origins_serve_what_is_theirs_and_nothing_else(client: httpx.Client) -> None:
    """The resource server leads to the authorization server, and neither answers for the other, restarted or not."""
    with serving("two_origins") as server:
        issuer, resource = server.settings.issuer, server.base_url
        for _ in range(2):
            assert client.get(resource + RESOURCE_METADATA).json()["authorization_servers"] == [issuer]
            assert client.get(issuer + AUTHORIZATION_SERVER_METADATA).json()["issuer"] == issuer
            assert client.get(issuer + RESOURCE_METADATA).status_code == 404
            assert client.get(resource + AUTHORIZATION_SERVER_METADATA).status_code == 404
            assert client.post(resource + "/oauth/token").status_code == 404
            assert client.post(issuer + "/mcp").status_code == 404
            server.stop()
            server.start()


def test_an_issuer_alone_is_told_to_be_no_resource_server() -> None:
    """Given the issuer of a deployment on two origins, the harness asks for the other one and judges nothing."""
    with serving("two_origins") as server, closing(Recorder(Redactor())) as recorder:
        issuer = server.settings.issuer
        with pytest.raises(Unreachable, match="set mcp_url in a target file"):
            discover(recorder, Target(base_url=issuer), issuer)


def test_an_issuer_with_a_path_serves_below_it_alone(client: httpx.Client) -> None:
    """The metadata stands where RFC 8414 §3.1 puts it, and endpoints and pages lie below the path and nowhere else."""
    with serving("issuer_with_path") as server:
        origin, issuer = server.base_url, server.settings.issuer
        assert issuer == f"{origin}/auth"
        document = client.get(f"{origin}{AUTHORIZATION_SERVER_METADATA}/auth").json()
        assert document["issuer"] == issuer
        assert client.get(origin + AUTHORIZATION_SERVER_METADATA).status_code == 404
        assert client.post(document["token_endpoint"]).json()["error"] == "invalid_request"
        assert client.post(f"{origin}/oauth/token").status_code == 404
        assert client.get(f"{origin}/device").status_code == 404
        assert client.post(f"{issuer}/mcp").status_code == 404
        sent_on = client.get(f"{issuer}/device").headers["location"]
        assert sent_on.startswith("/auth/owner/login?")
        page = client.get(origin + sent_on).text
        assert set(re.findall(r'(?:href|action|src)="(/[^/"]*)', page)) == {"/auth"}


def test_what_minimal_lacks_is_neither_advertised_nor_there(client: httpx.Client) -> None:
    """Registration, refresh and revocation are missing from the metadata and from the wire."""
    with serving("minimal") as server:
        document = client.get(server.base_url + AUTHORIZATION_SERVER_METADATA).json()
        assert not {"registration_endpoint", "revocation_endpoint"} & set(document)
        assert "refresh_token" not in document["grant_types_supported"]
        for path in ("/oauth/register", "/oauth/revoke"):
            assert client.post(server.base_url + path).status_code == 404
        refused = client.post(document["token_endpoint"], data={"grant_type": "refresh_token", "client_id": "pdpp_cli"})
        assert refused.json()["error"] == "unsupported_grant_type"


def test_shapes_can_be_put_together(client: httpx.Client) -> None:
    """Several shapes at a time are all there."""
    with serving("two_origins", "issuer_with_path", "short_codes", "no_complete_uri", "interval_absent") as server:
        issuer = server.settings.issuer
        document = client.get(issuer.replace("/auth", f"{AUTHORIZATION_SERVER_METADATA}/auth")).json()
        codes = client.post(document["device_authorization_endpoint"], data={"client_id": "pdpp_cli"}).json()
    assert codes["verification_uri"] == f"{issuer}/device"
    assert re.fullmatch(r"[B-Z]{3}-[B-Z]{3}", codes["user_code"])
    assert codes["expires_in"] == 300
    assert not {"verification_uri_complete", "interval"} & set(codes)


@pytest.mark.parametrize(("member", "status"), [("client_name", 201), ("software_statement_of_mine", 400)])
def test_strict_registration_refuses_unknown_members(client: httpx.Client, member: str, status: int) -> None:
    """A known member is registered, an unknown one refused."""
    metadata = {"grant_types": ["refresh_token"], member: "Something"}
    with serving("strict_registration") as server:
        assert client.post(f"{server.base_url}/oauth/register", json=metadata).status_code == status


def test_expectations_are_of_shapes_and_requirements_that_exist() -> None:
    """Each shape is held to something, and only to rows of the catalogue."""
    assert set(EXPECTED) == set(SHAPES)
    catalogue = (ROOT / "features" / "catalogue").glob("*.yaml")
    rows = {row["id"] for path in catalogue for row in yaml.safe_load(path.read_text(encoding="utf-8"))}
    known = rows | {row.partition("-")[0] for row in rows}
    for expected in EXPECTED.values():
        named = {*expected.touched.split(), *expected.not_passed.split(), *expected.rightly_found}
        assert named <= known, named - known


def test_no_check_objects_to_a_correct_server_of_another_shape(tmp_path: Path) -> None:
    """No FAIL, WARN or ERROR and no PASS for lack of evidence, and what is not judged has a reason."""
    command = [
        sys.executable,
        "-m",
        "tests.shapes",
        "--touched",
        "--jobs",
        "2",
        "--report",
        str(tmp_path / "shapes.json"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUNS_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
