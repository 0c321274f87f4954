"""The setup client against the bundled server: what it says, what it keeps, how it ends."""

from __future__ import annotations

import json
import re
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from pdpp.command import app
from pdpp_reference.setup_client.browser_flow import BrowserFlow
from pdpp_reference.setup_client.challenge import BearerChallenge, read_challenge
from pdpp_reference.setup_client.clock import Deadline, SystemClock
from pdpp_reference.setup_client.connect import ConnectOptions, connect
from pdpp_reference.setup_client.credentials import Credential, CredentialStore
from pdpp_reference.setup_client.device_flow import Pace
from pdpp_reference.setup_client.discovery import Discovery
from pdpp_reference.setup_client.failures import Refused
from pdpp_reference.setup_client.http import Http, is_usable, printable
from pdpp_reference.setup_client.report import JsonReport, PlainReport, duration
from pdpp_reference.setup_client.surroundings import Surroundings
from pdpp_reference.setup_client.tokens import Token
from tests.conftest import SPOTIFY

if TYPE_CHECKING:
    from tests.conftest import Deployment


@dataclass
class Time:
    """Time that passes only when somebody sleeps; whatever is to happen meanwhile happens then."""

    during: Callable[[], None] = field(default=lambda: None)
    passed: float = 0.0

    def now(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.during()


@dataclass
class Setup:
    """One setup, and all that it said."""

    deployment: Deployment
    folder: Path
    said: list[str] = field(default_factory=list)
    clock: Time = field(default_factory=Time)
    as_json: bool = False

    def run(self, **options: Any) -> int:
        given = {"url": self.deployment.issuer, "source": SPOTIFY, "streams": ("top_artists",), **options}
        report = JsonReport(self.said.append) if self.as_json else PlainReport(self.said.append)
        return connect(ConnectOptions(**given), Surroundings(self.folder, self.clock), report)

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    @property
    def user_code(self) -> str:
        found = re.search(r"enter the code: (\S+)", self.text) or re.search(r'"user_code": "(\S+)"', self.text)
        assert found is not None, self.text
        return found[1]

    def approve(self) -> None:
        """Approve as the owner, in the time that the server lets pass between two polls."""
        self.deployment.clock.advance(10)
        self.deployment.approve(self.deployment.pending(self.user_code.replace("-", "")).request.id)
        self.clock.during = lambda: None

    def deny(self) -> None:
        self.deployment.deny(self.deployment.pending(self.user_code.replace("-", "")).request.id)

    def pass_time(self) -> None:
        self.deployment.clock.advance(10)


@pytest.fixture
def setup(deployment: Deployment, tmp_path: Path) -> Setup:
    made = Setup(deployment, tmp_path / "credentials")
    made.clock.during = made.approve
    return made


def stored(folder: Path) -> tuple[Path, dict[str, Any]]:
    (path,) = folder.glob("*.json")
    return path, json.loads(path.read_text())


@pytest.mark.parametrize("where", ["the MCP URL", "the origin"])
def test_a_credential_is_got_kept_and_good(setup: Setup, where: str) -> None:
    """From the MCP server's URL or its origin to a token that works there, kept for one person's eyes."""
    url = setup.deployment.mcp_resource if where == "the MCP URL" else setup.deployment.issuer
    assert setup.run(url=url) == 0, setup.text
    path, credential = stored(setup.folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (credential["issuer"], credential["resource"]) == (setup.deployment.issuer, setup.deployment.mcp_resource)
    assert setup.deployment.introspect(credential["access_token"])["pdpp_token_kind"] == "client"
    assert str(path) in setup.text
    assert "top_artists" in setup.text


@pytest.mark.parametrize("as_json", [False, True])
def test_no_token_is_ever_said(setup: Setup, as_json: bool) -> None:
    """Neither a person nor a program is shown a token or a device code."""
    setup.as_json = as_json
    assert setup.run() == 0
    _, credential = stored(setup.folder)
    assert credential["access_token"] not in setup.text
    assert credential["refresh_token"] not in setup.text
    assert "device_code" not in setup.text


def test_json_is_an_event_a_line(setup: Setup) -> None:
    """Each line is one JSON object that says which event it is."""
    setup.as_json = True
    assert setup.run() == 0
    events = [json.loads(line)["event"] for line in setup.said]
    assert events == ["resource", "client", "code", "polling", "granted", "stored"]


def test_the_owners_no_is_told_with_the_command_to_try_again(setup: Setup) -> None:
    """Denied: one sentence, the exact command, and nothing kept."""
    setup.clock.during = setup.deny
    assert setup.run(since="2024-01-31", timeout=300.0) == 69
    assert "Failed: the owner denied the request." in setup.text
    words = f"pdpp connect {setup.deployment.issuer} --source {SPOTIFY} --stream top_artists --since 2024-01-31"
    assert f"To try again: {words} --timeout 300" in setup.text
    assert not setup.folder.exists()


def test_nobody_decides_before_the_code_expires(setup: Setup) -> None:
    """The code's own expiry ends it: 69."""
    setup.clock.during = setup.pass_time
    assert setup.run() == 69
    assert "expired" in setup.said[-2]


def test_nobody_decides_before_the_time_is_over(setup: Setup) -> None:
    """The time that was given ends it: 75."""
    setup.clock.during = setup.pass_time
    assert setup.run(timeout=40.0) == 75
    assert setup.clock.passed <= 40.0


def test_a_server_that_is_not_there(setup: Setup) -> None:
    """Unreachable: a few attempts, then 75 with the command to try again."""
    setup.clock.during = lambda: None
    assert setup.run(url="http://127.0.0.1:9") == 75
    assert "cannot be reached" in setup.text
    assert "To try again: pdpp connect http://127.0.0.1:9" in setup.text
    assert setup.clock.passed < 30


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": "http://pdpp.example.org"}, "has to be https"),
        ({"url": "https://user@pdpp.example.org"}, "has to be https"),
        ({"url": "ftp://127.0.0.1/"}, "has to be https"),
        ({"url": "not a url"}, "has to be https"),
        ({"source": None}, "--source"),
        ({"since": "yesterday"}, "--since"),
    ],
)
def test_what_makes_no_sense_is_refused(setup: Setup, options: dict[str, Any], told: str) -> None:
    """Usage: 64, and what to say instead."""
    assert setup.run(**options) == 64
    assert told in setup.text


def test_what_the_server_refuses_is_told(setup: Setup) -> None:
    """A source that nobody has: the server's own words, and 69."""
    assert setup.run(source="https://nowhere.example/source") == 69
    assert "invalid_authorization_details" in setup.text


def test_a_client_that_nobody_knows(setup: Setup) -> None:
    """An identifier of the person's own is used as it is."""
    assert setup.run(client_id="nobody") == 69
    assert "invalid_client" in setup.text


def test_an_error_of_the_programs_own_is_no_traceback(setup: Setup) -> None:
    """Internal: 70, and one sentence."""

    def fail() -> None:
        raise ZeroDivisionError

    setup.clock.during = fail
    assert setup.run() == 70
    assert "ZeroDivisionError" in setup.text
    assert "Traceback" not in setup.text


@pytest.mark.parametrize(
    "shape", ["minimal", "issuer_with_path", "two_origins", "strict_registration", "short_codes", "older_type"]
)
def test_correct_deployments_of_other_shapes(start: Callable[..., Deployment], tmp_path: Path, shape: str) -> None:
    """What differs between deployments is read from their metadata."""
    other = start(shapes=(shape,))
    setup = Setup(other, tmp_path)
    setup.clock.during = setup.approve
    try:
        assert setup.run(url=other.mcp_resource) == 0, setup.text
    finally:
        other.http.close()
        other.server.stop()


def test_ten_at_once_poll_no_faster_than_told(start: Callable[..., Deployment], tmp_path: Path) -> None:
    """Each keeps to the interval by itself: the server asks none of them to slow down."""
    busy = start(polling_interval=1)
    setups = [Setup(busy, tmp_path / str(number), as_json=True) for number in range(10)]
    statuses: list[int] = []

    def run(setup: Setup) -> None:
        report = JsonReport(setup.said.append)
        options = ConnectOptions(busy.issuer, source=SPOTIFY, timeout=4.0)
        statuses.append(connect(options, Surroundings(setup.folder, SystemClock()), report))

    threads = [threading.Thread(target=run, args=(setup,)) for setup in setups]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    busy.http.close()
    busy.server.stop()
    assert statuses == [75] * 10
    assert time.monotonic() - began < 30
    assert [setup.text for setup in setups if "slow down" in setup.text] == []


class Browser:
    """A browser whose person approves, or whose answer comes from elsewhere."""

    def __init__(self, deployment: Deployment, spoiled: Mapping[str, str] | None = None) -> None:
        self.opened: list[str] = []
        self._deployment = deployment
        self._spoiled = spoiled or {}

    def open(self, url: str) -> None:
        self.opened.append(url)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = self._deployment.approve(self._deployment.at_consent(self._deployment.authorize(**asked)))
        assert code is not None
        answer = {"code": code, "state": asked["state"], "iss": self._deployment.issuer, **self._spoiled}
        threading.Thread(target=httpx.get, args=(asked["redirect_uri"],), kwargs={"params": answer}).start()


class TestBrowser:
    def flow(self, deployment: Deployment, browser: Browser, said: list[str]) -> Token:
        clock = SystemClock()
        deadline = Deadline.after(clock, 30)
        http = Http(clock, deadline)
        server = Discovery(http).authorization_server(deployment.issuer)
        flow = BrowserFlow(http, clock, PlainReport(said.append), server, browser.open)
        try:
            client_id = deployment.register(redirect_uris=[flow.redirect_uri])
            request = [("resource", deployment.mcp_resource), ("authorization_details", deployment.details())]
            return flow.token(client_id, request, deadline)
        finally:
            flow.close()
            http.close()

    def test_a_token_is_got_by_code_and_pkce(self, deployment: Deployment) -> None:
        """Shown and opened: one URL, with a challenge and the resource; redeemed to a client's token."""
        said: list[str] = []
        browser = Browser(deployment)
        token = self.flow(deployment, browser, said)
        assert deployment.introspect(token.access_token)["pdpp_token_kind"] == "client"
        assert browser.opened[0] in "\n".join(said)
        assert "code_challenge_method=S256" in browser.opened[0]
        assert token.access_token not in "\n".join(said)

    @pytest.mark.parametrize(
        ("member", "value", "told"),
        [
            ("state", "another", "not this request's"),
            ("iss", "https://elsewhere.example", "another authorization server"),
            ("error", "access_denied", "the owner denied"),
        ],
    )
    def test_an_answer_that_is_another_s_is_not_used(
        self, deployment: Deployment, member: str, value: str, told: str
    ) -> None:
        """Wrong state, wrong issuer (RFC 9207), or the owner's no."""
        with pytest.raises(Refused, match=told):
            self.flow(deployment, Browser(deployment, {member: value}), [])

    def test_nobody_answers(self, setup: Setup) -> None:
        """The wait is bounded; the URL stands there to be copied, with the command to try again."""
        setup.clock = SystemClock()  # type: ignore[assignment]
        assert setup.run(browser=True, timeout=2.0) == 75
        assert "/oauth/authorize?response_type=code" in setup.text
        assert "To try again: pdpp connect" in setup.text
        assert "--browser" in setup.said[-1]


class TestCommand:
    def test_the_command_line_runs_it(self, setup: Setup) -> None:
        """Options become what the owner is asked for; the exit status is the client's."""
        surroundings = Surroundings(setup.folder, Time())
        answer = CliRunner().invoke(app, ["connect", "ftp://nowhere", "--source", SPOTIFY], obj=surroundings)
        assert answer.exit_code == 64
        assert "Failed: " in answer.output

    def test_a_program_has_to_name_the_source(self, setup: Setup) -> None:
        """Without a terminal nobody is asked."""
        surroundings = Surroundings(setup.folder, Time())
        answer = CliRunner().invoke(app, ["connect", setup.deployment.issuer, "--json"], obj=surroundings)
        assert answer.exit_code == 64
        assert json.loads(answer.output.splitlines()[-1])["exit_status"] == 64


class TestParts:
    @pytest.mark.parametrize(
        ("fields", "read"),
        [
            ([], BearerChallenge()),
            (["Bearer"], BearerChallenge()),
            (['Basic realm="x", scope="no"'], BearerChallenge()),
            (['bearer scope="a b", resource_metadata="https://h/x"'], BearerChallenge("https://h/x", "a b")),
            (['Basic realm="a, Bearer b", Bearer error=invalid_token'], BearerChallenge(error="invalid_token")),
            (['Bearer scope="a \\"b\\""'], BearerChallenge(scope='a "b"')),
            (["Negotiate abc==", 'Bearer scope="late"'], BearerChallenge(scope="late")),
        ],
    )
    def test_challenges(self, fields: list[str], read: BearerChallenge) -> None:
        """The bearer's challenge is found among others."""
        assert read_challenge(fields) == read

    @pytest.mark.parametrize("url", ["https://h/x", "http://127.0.0.1:1/", "http://localhost/", "http://[::1]/"])
    def test_urls_that_may_be_followed(self, url: str) -> None:
        assert is_usable(url)

    @pytest.mark.parametrize(
        "url",
        [
            *("http://h/", "javascript:alert(1)", "file:///etc", "https://u@h/", "https://h/ x", "https://h/\n", ""),
            *("https://[", "https://h:0/", "//h/", "https:///x", "https://h/ä", None, 7, "https://h/" + "x" * 3000),
        ],
    )
    def test_urls_that_may_not(self, url: object) -> None:
        assert not is_usable(url)

    def test_what_a_server_wrote_moves_no_cursor(self) -> None:
        """Control characters and direction marks are shown as what they are: unprintable."""
        assert printable("a\x1b[31mb\u202ec\n") == "a�[31mb�c�"
        assert len(printable("x" * 1000)) == 200

    def test_the_pace(self) -> None:
        """slow_down lengthens for good, failures double for as long as they last."""
        pace = Pace(5)
        pace.slow_down()
        pace.no_answer()
        pace.no_answer()
        assert pace.wait == 40
        pace.answered()
        assert pace.wait == 10
        pace.slow_down()
        assert pace.wait == 15

    def test_durations(self) -> None:
        assert [duration(seconds) for seconds in (4.2, 59, 60, 605)] == ["4 s", "59 s", "1:00 min", "10:05 min"]

    def test_credentials_are_kept_apart(self, tmp_path: Path) -> None:
        """Neither another issuer's nor another resource's is found, nor the other kind's; junk is none."""
        store = CredentialStore(tmp_path / "kept")
        credential = Credential("https://as", "https://rs/mcp", "https://rs/mcp", "c", "token")
        path = store.keep(credential)
        assert store.find("https://as", "https://rs/mcp") == credential
        assert store.find("https://other", "https://rs/mcp") is None
        assert store.find("https://as", "https://rs/other") is None
        assert store.find("https://as", "https://rs/mcp", "owner") is None
        assert "token" not in repr(credential).replace("access_token", "").replace("refresh_token", "")
        path.write_text("{")
        assert store.find("https://as", "https://rs/mcp") is None
        assert store.all() == []
