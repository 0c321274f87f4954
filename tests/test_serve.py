"""`pdpp serve` as a process: what it says, what it refuses, and what outlives a SIGKILL."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import signal
import socket
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
import pytest

from pdpp_reference.serve import ServeError, ServeOptions, serve
from tests.conftest import DEVICE_CODE_GRANT, SPOTIFY

PDPP = Path(sysconfig.get_path("scripts")) / "pdpp"
START_SECONDS = 90.0
EVERYWHERE = "0.0.0.0"  # noqa: S104 - which is what is refused
PASSWORD = "the owner's own password"
RESOURCE_SERVER = ("the-resource-server", "its very own secret")
SECRETS_GIVEN = {
    "PDPP_OWNER_PASSWORD": PASSWORD,
    "PDPP_INTROSPECTION_CLIENT_ID": RESOURCE_SERVER[0],
    "PDPP_INTROSPECTION_CLIENT_SECRET": RESOURCE_SERVER[1],
}


def environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PDPP_", "PYTHON"))}
    return {**kept, "NO_COLOR": "1", **given}


class Serving:
    """A running `pdpp serve`."""

    def __init__(self, arguments: list[str], **given: str) -> None:
        self.process = subprocess.Popen(
            [PDPP, "serve", *arguments], env=environment(**given), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.said: list[str] = []
        self.logged: list[str] = []
        self._ready = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.said)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.logged)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if line.startswith("ready: "):
                self._ready.set()
        self._ready.set()

    @property
    def url(self) -> str:
        """Where it says that it listens."""
        assert self._ready.wait(START_SECONDS)
        ready = [line for line in self.said if line.startswith("ready: ")]
        assert len(ready) == 1, self.logged
        return ready[0].removeprefix("ready: ")

    def end(self, number: int) -> int:
        """Send a signal; return the exit status when all it wrote has been read."""
        self.process.send_signal(number)
        status = self.process.wait(START_SECONDS)
        for reader in self._readers:
            reader.join(START_SECONDS)
        return status


@contextlib.contextmanager
def serving(*arguments: str, **given: str) -> Iterator[Serving]:
    started = Serving(list(arguments), **given)
    try:
        yield started
    finally:
        started.end(signal.SIGKILL)
        for stream in (started.process.stdout, started.process.stderr):
            assert stream is not None
            stream.close()


def refusal(*arguments: str, **given: str) -> str:
    """Start `pdpp serve`, which must refuse; return the one sentence that it says."""
    done = subprocess.run(
        [PDPP, "serve", *arguments], env=environment(**given), capture_output=True, text=True, timeout=START_SECONDS
    )
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    sentence, *more = done.stderr.splitlines()
    assert more == []
    assert sentence.startswith("pdpp: ")
    return sentence.removeprefix("pdpp: ")


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "given", "told"),
        [
            (ServeOptions(host=EVERYWHERE), SECRETS_GIVEN, "refusing to listen on 0.0.0.0: tokens would cross"),
            (ServeOptions(host="::"), {}, "refusing to listen on ::: tokens would cross"),
            (
                ServeOptions(host=EVERYWHERE, public_url="http://pdpp.example"),
                SECRETS_GIVEN,
                "--public-url is plain http on a network",
            ),
            (
                ServeOptions(host=EVERYWHERE, public_url="https://pdpp.example"),
                {},
                "without an owner password of your own; set PDPP_OWNER_PASSWORD",
            ),
            (
                ServeOptions(host=EVERYWHERE, public_url="https://pdpp.example"),
                {"PDPP_OWNER_PASSWORD": ""},
                "without an owner password of your own; set PDPP_OWNER_PASSWORD",
            ),
            (ServeOptions(public_url="https://pdpp.example/path"), {}, "is no origin"),
            (ServeOptions(public_url="nonsense"), {}, "is no origin"),
        ],
    )
    def test_unsafe_addresses(self, options: ServeOptions, given: dict[str, str], told: str) -> None:
        """What would expose the server is refused, with the reason and the next step."""
        said: list[str] = []
        with pytest.raises(ServeError, match=re.escape(told)):
            serve(options, said.append, given)
        assert said == []

    def test_in_one_sentence(self, tmp_path: Path) -> None:
        """A refused start is one sentence and status 64: an open address, a taken port, no such database."""
        with socket.create_server(("127.0.0.1", 0)) as taken, ThreadPoolExecutor(2) as pool:
            port = str(taken.getsockname()[1])
            starts = {
                "refusing to listen on 0.0.0.0": ("--host", EVERYWHERE, "--database", "sqlite://"),
                f"cannot listen on 127.0.0.1 port {port} (": ("--port", port, "--database", "sqlite://"),
                "the database": ("--port", "0", "--database", "postgresql://ada:hunter2@127.0.0.1:1/pdpp"),
                "the database cannot": ("--port", "0", "--database", f"sqlite:///{tmp_path}/none/pdpp.sqlite3"),
            }
            sentences = pool.map(lambda arguments: refusal(*arguments), starts.values())
            for told, sentence in zip(starts, sentences, strict=True):
                assert sentence.startswith(told)
                assert "hunter2" not in sentence


class TestStart:
    def test_the_generated_password_is_said_once(self, tmp_path: Path) -> None:
        """The first start says the password that it made and where it listens; the second says only where."""
        database = f"sqlite:///{tmp_path / 'pdpp.sqlite3'}"
        with serving("--port", "0", "--database", database) as first:
            assert first.url
            assert len(first.said) == 2
            assert first.said[0].startswith("owner password, said only this once: ")
            assert re.fullmatch(r"ready: http://127\.0\.0\.1:\d+", first.said[1])
            assert first.end(signal.SIGTERM) in (0, -signal.SIGTERM)
        password = first.said[0].rpartition(": ")[2]
        with serving("--port", "0", "--database", database) as second, Owner(second.url) as owner:
            assert not owner.signs_in("another password")
            assert owner.signs_in(password)
            assert second.said == [f"ready: {second.url}"]
            assert second.end(signal.SIGINT) in (0, -signal.SIGINT)
        assert password not in "".join([*first.logged, *second.logged, *second.said])


class Owner:
    """The owner in a browser that does what its pages say: forms are posted with what stands in them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def signs_in(self, password: str) -> bool:
        """Sign in; return whether that went well."""
        page = self._http.get("/owner/login")
        return self._submit(page, "/owner/login", {"password": password}).status_code == 303

    @property
    def cookies(self) -> list[str]:
        return list(self._http.cookies.values())

    def _submit(self, page: httpx.Response, path: str, typed: dict[str, str]) -> httpx.Response:
        form = re.search(rf'<form[^>]*action="{re.escape(path)}".*?</form>', page.text, re.S)
        assert form is not None, page.text
        values: list[tuple[str, str]] = []
        for tag in re.findall(r"<input[^>]*>", form.group()):
            attributes = {name: html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', tag)}
            if attributes.get("type") == "hidden" or re.search(r"\schecked\b", tag):
                values.append((attributes["name"], attributes["value"]))
        body = "&".join(f"{quote(name)}={quote(value)}" for name, value in [*values, *typed.items()])
        return self._http.post(
            path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": self._url}
        )

    def approve(self, user_code: str) -> str:
        """Type a user code, and approve what its decision page asks for; return that page."""
        answer = self._submit(self._http.get("/device"), "/device", {"user_code": user_code.lower()})
        page = answer if answer.status_code == 200 else self._http.get(answer.headers["location"])
        action = re.search(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page.text)
        assert action is not None, page.text
        decided = self._submit(page, html.unescape(action.group(1)), {"action": "approve"})
        assert decided.status_code in (200, 303), decided.text
        return page.text


def post(url: str, path: str, **form: str) -> httpx.Response:
    return httpx.post(f"{url}{path}", data=form, trust_env=False, timeout=10)


def test_codes_outlive_a_kill(tmp_path: Path) -> None:
    """Approved, killed, started again: each code redeems once, to its own kind, and no log has seen a secret."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    arguments = ("--port", port, "--database", f"sqlite:///{tmp_path / 'pdpp.sqlite3'}")
    details = json.dumps(
        [
            {
                "type": "https://pdpp.dev/data-access",
                "source": {"kind": "connector", "id": SPOTIFY},
                "purpose_code": "https://pdpp.dev/purposes/test",
                "access_mode": "continuous",
                "streams": [{"name": "*"}],
            }
        ]
    )
    with serving(*arguments, **SECRETS_GIVEN) as first:
        url = first.url
        assert url == f"http://127.0.0.1:{port}"
        answers = {
            "client": post(
                url, "/oauth/device_authorization", client_id="pdpp_cli", resource=f"{url}/mcp",
                authorization_details=details,
            ),
            "owner": post(url, "/oauth/device_authorization", client_id="pdpp_cli"),
        }  # fmt: skip
        codes = {kind: answer.json() for kind, answer in answers.items()}
        with Owner(url) as owner:
            assert owner.signs_in(PASSWORD)
            assert "A device asks for access to your data" in owner.approve(codes["client"]["user_code"])
            assert "Trusted owner-agent onboarding" in owner.approve(codes["owner"]["user_code"])
        assert first.end(signal.SIGKILL) == -signal.SIGKILL

    with serving(*arguments, **SECRETS_GIVEN) as second:
        assert second.url == url
        tokens = []
        for kind, code in codes.items():
            redemption = {
                "grant_type": DEVICE_CODE_GRANT,
                "device_code": code["device_code"],
                "client_id": "pdpp_cli",
            }
            answer = post(url, "/oauth/token", **redemption)
            assert answer.status_code == 200, answer.text
            tokens.append(answer.json())
            introspected = httpx.post(
                f"{url}/introspect", data={"token": answer.json()["access_token"]}, auth=RESOURCE_SERVER,
                trust_env=False, timeout=10,
            ).json()  # fmt: skip
            assert introspected["active"] is True
            assert introspected["pdpp_token_kind"] == kind
            assert ("grant_id" in introspected) == (kind == "client")
            again = post(url, "/oauth/token", **redemption)
            assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        assert second.end(signal.SIGTERM) in (0, -signal.SIGTERM)

    assert first.said == second.said == [f"ready: {url}"]
    entries = [json.loads(line) for line in [*first.logged, *second.logged]]
    assert {"POST"} < {entry.get("method") for entry in entries}
    assert {"/oauth/device_authorization", "/oauth/token", "/device"} <= {entry.get("path") for entry in entries}
    members = [part for each in (*codes.values(), *tokens) for name, part in each.items()
               if name in ("device_code", "user_code", "access_token", "refresh_token")]  # fmt: skip
    secrets = [*members, *owner.cookies, PASSWORD, RESOURCE_SERVER[1]]
    assert len(members) >= 6
    assert [secret for secret in secrets if any(secret in line for line in [*first.logged, *second.logged])] == []


def test_a_faulty_server_says_so_before_it_serves() -> None:
    """Each deliberate defect is printed with what it breaks, before the line that says ready."""
    faults = ("replay_ok", "no_s256")
    arguments = [argument for fault in faults for argument in ("--fault", fault)]
    with serving("--port", "0", "--database", "sqlite://", *arguments, **SECRETS_GIVEN) as server:
        assert server.url
        told = [line for line in server.said if line.startswith("DELIBERATELY FAULTY: ")]
        assert [line.split(": ")[1] for line in told] == [*faults]
        assert "Breaks POL-12," in told[0]
        assert server.said.index(told[-1]) < server.said.index(f"ready: {server.url}")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104 - which is what is refused
def test_a_faulty_server_is_refused_to_everybody_else(host: str) -> None:
    """No address but this machine's own is bound with a defect, whatever else is given."""
    assert "anybody but this machine" in refusal("--host", host, "--fault", "replay_ok", **SECRETS_GIVEN)
