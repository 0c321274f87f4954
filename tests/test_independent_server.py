"""An authorization server that nobody here wrote (npm oidc-provider), judged by the standards alone."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from scripts.node import NODE, PROGRAMS
from tests.test_harness_run import COMMAND, ROOT, environment
from tests.test_other_origin import free_port

CREDENTIALS = {
    "PDPP_OWNER_PASSWORD": "any password will do there",
    "PDPP_INTROSPECTION_CLIENT_ID": "resource-server",
    "PDPP_INTROSPECTION_CLIENT_SECRET": "a secret of the resource server's",
}
TARGET = ROOT / "targets" / "oidc-provider.yaml"
DEVIATIONS = ROOT / "targets" / "oidc-provider.deviations.yaml"
SELECTED = (
    "features/3_device_authorization/3_4_rfc8628_errors.feature",
    *(
        f"features/standards/{name}.feature"
        for name in ("device_authorization_request", "refresh", "revocation", "introspection", "token_response")
    ),
)
"""What rests on the standards most; all of the specification takes a quarter of an hour in real time."""

DEVICE_CODE_SECONDS = 90
SECONDS = 1500
"""What the whole specification may take: codes have to expire, and polls to keep their intervals, in real time."""


@contextlib.contextmanager
def oidc_provider() -> Iterator[str]:
    """Start the server; yield its issuer."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    script = ROOT / "tests" / "independent" / "oidc_provider.mjs"
    command = [str(NODE), str(script), str(PROGRAMS / "node_modules"), str(port), issuer, str(DEVICE_CODE_SECONDS)]
    started = subprocess.Popen(
        command, env={**os.environ, **CREDENTIALS}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{issuer}/.well-known/openid-configuration", trust_env=False).status_code == 200:
                    break
            assert started.poll() is None, "the server did not start"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)
        yield issuer
    finally:
        started.kill()
        started.wait()


@dataclass(frozen=True)
class Ended:
    """A run that ended."""

    exit_status: int
    output: str
    run: dict[str, Any]


def judged(issuer: str, folder: Path, *arguments: str) -> Ended:
    done = subprocess.run(
        [*COMMAND, "--target", str(TARGET), "--base-url", issuer, "--report-dir", str(folder), *arguments],
        cwd=ROOT, env=environment(**CREDENTIALS), capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout + done.stderr, json.loads((folder / "run.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    if not NODE.exists() or not (PROGRAMS / "node_modules" / "oidc-provider").is_dir():
        pytest.fail("oidc-provider is not installed: make set-up")
    with oidc_provider() as started:
        yield started


def test_conformant_but_for_what_is_known(issuer: str, tmp_path: Path) -> None:
    """The standards' rows come to their end: no fault, nothing left, and every red row is one of those listed."""
    ended = judged(issuer, tmp_path, "--known-deviations", str(DEVIATIONS), *SELECTED)
    run = ended.run
    assert "Traceback" not in ended.output
    assert (run["faults"], run["residue"]) == ([], [])
    assert run["counts"]["ERROR"] == 0
    red = {row["id"] for row in run["requirements"] if row["verdict"] == "FAIL"}
    assert red == {"POL-08", "REV-02", "INT-02"}
    # Introspection comes after what ends grants, of which this server keeps one for all that a client asks for.
    verdicts = {row["id"]: row["verdict"] for row in run["requirements"]}
    assert {verdicts[row] for row in ("INT-01", "INT-04", "INT-05", "INT-07")} == {"PASS"}
    assert red <= {entry["id"] for entry in yaml.safe_load(DEVIATIONS.read_text("utf-8"))}
    assert ended.exit_status == 0, ended.output
    pdpps = [row for row in run["requirements"] if row["level"] == "PROFILE" or row["id"].startswith("CHG")]
    assert {row["verdict"] for row in pdpps} <= {"NOT_APPLICABLE", "EXCLUDED"}
    assert run["counts"]["PASS"] > 30


def test_a_stale_line(issuer: str, tmp_path: Path) -> None:
    """A deviation that is listed and not there any more fails the run."""
    stale = tmp_path / "deviations.yaml"
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)
    entry = {"id": "ASM-06", "reason": "it is not so", "link": "https://example.org/1", "expires": tomorrow}
    stale.write_text(yaml.safe_dump([entry]), "utf-8")
    ended = judged(issuer, tmp_path / "report", "--known-deviations", str(stale), "-m", "ASM_06")
    assert ended.exit_status == 1, ended.output
    assert "ASM-06" in " ".join(ended.run["messages"])
