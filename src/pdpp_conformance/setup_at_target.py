"""The setup client at the deployment itself: started at a terminal, approved with what stands on the screen, ended."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from pdpp_conformance.client_bench.clock import ClockServer, HeldClock
from pdpp_conformance.client_bench.reading_off import ReadOff, paths_on, read_off
from pdpp_conformance.client_bench.terminal import Terminal
from pdpp_conformance.client_bench.under_test import Machine, Running
from pdpp_conformance.oauth_client import Kind
from pdpp_conformance.setup_client_checks import client_under_test
from pdpp_conformance.verdict import Blocked, Conclusion

if TYPE_CHECKING:
    from pdpp_conformance.run import Run

CODES_SECONDS = 60.0
"""How long the client may really take until it shows a code: discovery, registration, a request."""
END_SECONDS = 120.0
"""How long it may really take to end once the owner has approved."""
MOST_CREDENTIAL_BYTES = 64 * 1024
_LOOK_SECONDS = 0.02
_READ_SECONDS = 15.0
"""How long a screen is looked at that shows a page, and not all that it has to."""
_CODES_LIVE_SECONDS = 300.0
"""How long a code is taken to be good: the screen tells it in words."""


@dataclass(frozen=True)
class Credential:
    """What the client keeps, found where its screen says."""

    path: Path
    mode: int
    """The file's permission bits."""
    members: Mapping[str, Any] = field(repr=False)
    """The JSON object that has ``access_token`` among its members."""

    @property
    def tokens(self) -> Mapping[str, str]:
        """The tokens in it, by what they are."""
        named = {name.replace("_", " "): self.members.get(name) for name in ("access_token", "refresh_token")}
        return {name: token for name, token in named.items() if isinstance(token, str) and token}


@dataclass(frozen=True)
class Asking:
    """A setup client that waits for the owner."""

    read: ReadOff | None
    """What a person goes by; None where no page to open is shown."""
    ended: int | None
    """Its exit status, where it ended before it showed a code."""


@dataclass(frozen=True)
class Ended:
    """A setup client that the owner approved."""

    status: int | None
    """Its exit status; None where it had to be ended."""
    screen: str = field(repr=False)
    ever: str = field(repr=False)
    """All that it ever wrote to the screen."""
    credential: Credential | None
    problem: Conclusion | None
    """Why the owner could not approve, or the client not be waited for."""


@dataclass(frozen=True)
class _Request:
    """A device's request, as far as the screen tells it."""

    user_code: str = field(repr=False)
    verification_uri: str = field(repr=False)
    expires_at: float
    kind: Kind = "grant_scoped_mcp"
    verification_uri_complete: None = None


class SetUp:
    """One setup at the deployment."""

    def __init__(self, run: Run) -> None:
        self._run = run
        client = client_under_test(run)
        folder = tempfile.TemporaryDirectory(prefix="pdpp-setup-")
        run.at_end(folder.cleanup)
        self._machine = Machine.made(Path(folder.name) / "machine")
        self._expected = {
            "client": run.cleanup.expect("client", name="the setup client under test"),
            "token": run.cleanup.expect("token", client_id=""),
        }
        self._terminal = Terminal()
        run.at_end(self._terminal.close)
        self._clock = _clock_for(run) if client.in_bench_time else None
        url = None if self._clock is None else self._clock.url
        self._running: Running = client.start(
            run.discovery.mcp_resource, url, self._machine.environment(), self._terminal
        )
        run.at_end(self._running.kill)
        self.asking = self._until_it_asks()
        self._ended: Ended | None = None

    def approved(self) -> Ended:
        """Let the owner approve with what stands on the screen, and the client end; once.

        Raises:
            Blocked: there is nothing to go by, or the owner cannot approve.
        """
        if self._ended is None:
            self._ended = self._approve()
        if self._ended.problem is not None:
            raise self._ended.problem
        return self._ended

    def _until_it_asks(self) -> Asking:
        ends, shown = time.monotonic() + CODES_SECONDS, False
        while (status := self._running.status()) is None and time.monotonic() < ends:
            waits = self._clock is not None and not self._clock.wanted.empty()  # nothing more is shown till time passes
            self._terminal.look(_LOOK_SECONDS)
            read = read_off(self._terminal.text)
            if read is not None and (waits or read.is_complete):
                break
            if read is not None and not shown:
                shown, ends = True, time.monotonic() + _READ_SECONDS
        self._terminal.look(0)
        read = read_off(f"{self._terminal.text}\n{self._terminal.passing}")
        if read is not None and read.user_code is not None:
            self._run.redactor.register(read.user_code, "user_code")
        return Asking(read, status)

    def _approve(self) -> Ended:
        problem: Conclusion | None = None
        status, approved, read = None, False, self.asking.read
        try:
            if read is None or read.user_code is None:
                raise _nothing_to_go_by(self.asking)
            expires = self._run.waiting.now() + _CODES_LIVE_SECONDS
            self._run.approver.approve(_Request(read.user_code, read.url, expires), on_the_page=True)
            approved = True
            status = self._until_it_ends()
        except Conclusion as conclusion:
            problem = conclusion
            if not approved:
                self._running.kill()
                self._run.cleanup.nothing_came(self._expected["token"])
        screen = self._terminal.text
        credential = _credential_on(screen, self._machine.folder / "home")
        if credential is not None:
            self._found(credential)
        ever = "\n".join((self._terminal.written, screen, self._terminal.passing))
        return Ended(status, screen, ever, credential, problem)

    def _until_it_ends(self) -> int | None:
        began = time.monotonic()
        try:
            while (status := self._running.status()) is None and time.monotonic() < began + END_SECONDS:
                self._terminal.look(_LOOK_SECONDS)
                self._let_time_pass()
                if self._clock is None and time.monotonic() - began > self._run.waiting.left_s:
                    raise Blocked(
                        "the setup client polls in real time, and the run may wait no longer",
                        unblock=f"--max-wait {self._run.max_wait + END_SECONDS:.0f}",
                    )
        finally:
            if self._clock is None:
                self._run.waiting.spend(time.monotonic() - began)
            if self._running.status() is None:
                self._running.kill()
        self._terminal.look(0)
        return status

    def _let_time_pass(self) -> None:
        if self._clock is None:
            return
        try:
            seconds = self._clock.wanted.get_nowait()
        except Empty:
            return
        self._run.pause(seconds, "the setup client to poll")
        self._clock.go_on()

    def _found(self, credential: Credential) -> None:
        """Keep the tokens out of the report, and have them removed at the end of the run, with the client."""
        run, members = self._run, dict(credential.members)
        run.redactor.register_from_json(members)
        client_id = self._client_of(members)
        of_one_grant = {"authorization_details": [{}], **members}  # files tell less than token responses
        run.cleanup.found_token(self._expected["token"], client_id or "", of_one_grant)
        listed = run.discovery.authorization_server.content.get("pdpp_pre_registered_public_clients")
        if client_id is None:
            return
        if client_id.startswith("https://") or client_id in json.dumps(listed):
            run.cleanup.nothing_came(self._expected["client"])  # it is one that was known before
        else:
            run.cleanup.found_client(self._expected["client"], client_id)

    def _client_of(self, members: Mapping[str, Any]) -> str | None:
        """Return which client the setup client is: its file says so, or introspection."""
        client_id = members.get("client_id")
        if not isinstance(client_id, str):
            with suppress(Conclusion):
                client_id = self._run.introspect(members["access_token"]).member("client_id")
        return client_id if isinstance(client_id, str) and client_id else None


def set_up(run: Run) -> SetUp:
    """Return the run's one setup at the deployment, as far as the client's asking for approval.

    Raises:
        NotApplicable: no setup client is judged, or the target's profile has no MCP resource.
        Blocked: nobody plays the owner.
    """
    run.rests_beyond("what the setup client did")
    run.needs_pdpp("an MCP resource")
    client_under_test(run)
    if run.approver.kind == "none":
        raise Blocked(
            "nobody plays the owner, who would approve what the setup client asks for",
            unblock="--approver browser and the owner's password",
        )
    return run.once("the setup client at the deployment", lambda: SetUp(run))


def _nothing_to_go_by(asking: Asking) -> Blocked:
    ended = "" if asking.ended is None else f"; it ended with status {asking.ended}"
    lacking = "which page to open" if asking.read is None else "a user code"
    return Blocked(
        f"the screen of the setup client does not tell {lacking}{ended}",
        unblock="a setup client that asks this deployment for a device code, and shows it",
    )


def _clock_for(run: Run) -> HeldClock:
    clocks = ClockServer()
    run.at_end(clocks.stop)
    return clocks.held_clock(time.monotonic if run.bundled is None else run.bundled.now)


def _credential_on(screen: str, home: Path) -> Credential | None:
    """Find the credential in the files that a screen names."""
    for told in paths_on(screen):
        path = home / told[2:] if told.startswith("~/") else Path(told)
        try:
            if not path.is_file() or not path.resolve().is_relative_to(home.resolve()):
                continue
            with path.open("rb") as file:
                value = json.loads(file.read(MOST_CREDENTIAL_BYTES))
        except (OSError, ValueError, RecursionError):
            continue
        for members in _objects_in(value):
            if isinstance(members.get("access_token"), str):
                return Credential(path, path.stat().st_mode & 0o777, members)
    return None


def _objects_in(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
