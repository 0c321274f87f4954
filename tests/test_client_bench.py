"""The bench for setup clients: servers that do what the script says, time that is passed, clients of any make."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pdpp_conformance.client_bench.bench import Bench, Played
from pdpp_conformance.client_bench.clock import ClockServer, LivedClock, PassedClock
from pdpp_conformance.client_bench.plays import PLAYS
from pdpp_conformance.client_bench.script import Play, Script, Step, Use
from pdpp_conformance.client_bench.stage import DEVICE_CODE_GRANT, Received, Stage
from pdpp_conformance.client_bench.under_test import CommandClient, Machine
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.run import Run
from pdpp_conformance.setup_client_checks import judge_bearer, judge_connected, judge_ends, judge_recovery, played
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import NotApplicable, Unmet

PDPP = str(Path(sysconfig.get_path("scripts")) / "pdpp")
POLL = {"grant_type": DEVICE_CODE_GRANT, "device_code": "x", "client_id": "y"}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Redactor())


@pytest.fixture
def clock() -> PassedClock:
    return PassedClock("http://127.0.0.1:1/0")


@pytest.fixture
def stage(recorder: Recorder, clock: PassedClock) -> Iterator[Callable[[Script], Stage]]:
    made: list[Stage] = []

    def make(script: Script) -> Stage:
        made.append(Stage(recorder, [], 0))
        made[-1].follow(script, clock, 0)
        return made[-1]

    yield make
    for one in made:
        one.stop()


def play_with(recorder: Recorder, words: list[str], play: Play) -> Played:
    """Play one play with a command."""
    bench = Bench(CommandClient(words), recorder, {"the play": play})
    try:
        return bench.play("the play")
    finally:
        bench.stop()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code, "{url}"]


class TestScriptedServer:
    def test_it_says_what_the_script_says(self, stage: Callable[[Script], Stage]) -> None:
        """In the order of the script, and the last thing from then on."""
        server = stage(Script(polls=("pending", "slow_down", "drop", "500", "token")))
        answers: list[object] = []
        for _ in range(6):
            try:
                answer = httpx.post(f"{server.origin}/token", data=POLL, trust_env=False)
                answers.append((answer.status_code, answer.json().get("error")))
            except httpx.HTTPError:
                answers.append("nothing")
        pending, slower = (400, "authorization_pending"), (400, "slow_down")
        assert answers == [pending, slower, "nothing", (500, None), (200, None), (200, None)]

    def test_it_records_what_it_was_asked_and_tells_no_secret(
        self, stage: Callable[[Script], Stage], recorder: Recorder
    ) -> None:
        """Each request is an exchange of the report, its tokens replaced."""
        server = stage(Script(polls=("token",)))
        token = httpx.post(f"{server.origin}/token", data=POLL, trust_env=False).json()["access_token"]
        (exchange,) = recorder.exchanges
        assert exchange.url == f"{server.origin}/token"
        assert token in str(exchange.response_body)
        assert token not in str(recorder.redactor.redact_all(exchange.to_json()))

    def test_a_resource_that_wants_more(self, stage: Callable[[Script], Stage]) -> None:
        """The challenge names the scope that is missing."""
        server = stage(Script(uses=(Use(403, "write"),)))
        answer = httpx.post(server.url, headers={"Authorization": "Bearer x"}, trust_env=False)
        assert answer.status_code == 403
        assert 'scope="write"' in answer.headers["www-authenticate"]

    def test_a_decoy(self, stage: Callable[[Script], Stage]) -> None:
        """Another authorization server on the origin is told apart from the one that is named."""
        server = stage(Script(issuer_path="/tenant", decoy=True))
        decoy = httpx.get(f"{server.origin}/.well-known/oauth-authorization-server", trust_env=False).json()
        right = httpx.get(f"{server.origin}/.well-known/oauth-authorization-server/tenant", trust_env=False).json()
        assert (decoy["issuer"], right["issuer"]) == (server.origin, f"{server.origin}/tenant")
        assert decoy["token_endpoint"] != right["token_endpoint"]


class TestTime:
    def test_it_passes_when_it_is_told_to(self) -> None:
        """GET reads the clock, POST lets time pass."""
        server = ClockServer()
        try:
            url = server.clock().url
            assert httpx.post(url, content=b"2.5", trust_env=False).text == "2.5"
            assert httpx.get(url, trust_env=False).text == "2.5"
            other = server.clock()
            assert httpx.get(other.url, trust_env=False).text == "0.0"
            assert not other.keep_unanswered()
            assert httpx.get(f"{other.url}/unanswered", trust_env=False).text == "1"
        finally:
            server.stop()

    def test_the_first_time_that_passes_after_a_request_is_its_timeout(self, clock: PassedClock) -> None:
        """A request that began at 1 and was waited for until 11 was given up at 11, whatever passes later."""
        for seconds in (1, 10, 7):
            clock.let_pass(seconds)
        assert clock.abandoned(1, 18) == 11


class TestClients:
    def test_a_client_whose_time_is_the_machines(self, recorder: Recorder) -> None:
        """Any command can be judged; without {clock} it really waits."""
        words = [PDPP, "connect", "{url}", "--source", "https://source.example/"]
        seen = play_with(recorder, words, Play((Step(Script(interval=1, polls=("token",))),)))
        judge_connected(Judgement(), seen)
        judge_bearer(Judgement(), seen)
        assert seen.last.took >= 1

    def test_a_client_that_fails_at_once(self, recorder: Recorder) -> None:
        """An end without success and without a word of how to try again is an end, and no recovery."""
        seen = play_with(recorder, python("raise SystemExit(3)"), Play())
        judge_ends(Judgement(), seen)
        with pytest.raises(Unmet, match="status 3"):
            judge_recovery(Judgement(), seen)
        with pytest.raises(Unmet, match="connected"):
            judge_connected(Judgement(), seen)

    def test_a_client_that_asks_without_end_is_ended(self, recorder: Recorder) -> None:
        """A storm of requests is no wait."""
        storm = (
            "import sys, urllib.request, urllib.error\n"
            "while True:\n"
            "    try: urllib.request.urlopen(sys.argv[1], b'')\n"
            "    except urllib.error.HTTPError: pass"
        )
        seen = play_with(recorder, python(storm), Play())
        assert seen.last.status is None
        with pytest.raises(Unmet, match="had to be ended"):
            judge_ends(Judgement(), seen)

    def test_what_a_browser_is_given_is_seen(self, recorder: Recorder) -> None:
        """The machine's browsers note what they are to open, and open nothing."""
        code = "import subprocess; subprocess.run(['xdg-open', 'javascript:1'])"
        assert play_with(recorder, python(code), Play()).opened == ("javascript:1",)

    def test_no_credential_of_the_run_reaches_the_client(self, tmp_path: Path) -> None:
        """The client has a home and a configuration of its own, and none of the harness's variables."""
        machine = Machine.made(tmp_path / "machine")
        environment = machine.environment({"PDPP_OWNER_PASSWORD": "x", "DISPLAY": ":0", "PATH": "/bin", "LANG": "C"})
        assert "PDPP_OWNER_PASSWORD" not in environment
        assert "DISPLAY" not in environment
        assert environment["LANG"] == "C"
        assert environment["HOME"].startswith(str(tmp_path))

    def test_without_a_client_nothing_is_judged(self, tmp_path: Path) -> None:
        """A deployment whose target file names no setup client has none to judge."""
        run = Run(Target(base_url="https://pdpp.example.org"), tmp_path, print)
        with pytest.raises(NotApplicable, match=r"setup_client\.command"):
            played(run, next(iter(PLAYS)))


def test_a_request_tells_whether_a_secret_is_in_it() -> None:
    """Wherever it stands: URL, header or body."""
    headers = {"authorization": "bearer  abc", "x": "in a header"}
    request = Received(1, "mcp", 0, 0, 0.0, "POST", "/mcp?q=url", headers, "body=1&empty=", LivedClock())
    assert [request.carries(text) for text in ("url", "in a header", "body", "elsewhere")] == [True, True, True, False]
    assert request.bearer == "abc"
    assert request.form == {"body": "1", "empty": ""}
