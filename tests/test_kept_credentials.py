"""What is done with kept credentials, against the bundled server: used through the proxy, refreshed, revoked."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from pdpp_reference.setup_client.connect import ConnectOptions, connect
from pdpp_reference.setup_client.credentials import Credential, CredentialStore
from pdpp_reference.setup_client.failures import Refused
from pdpp_reference.setup_client.kept import KeptCredentials
from pdpp_reference.setup_client.owner_agent import LABEL, OnboardOptions, onboard
from pdpp_reference.setup_client.report import PlainReport
from pdpp_reference.setup_client.surroundings import Surroundings
from tests.conftest import SPOTIFY

if TYPE_CHECKING:
    from tests.conftest import Deployment

STATELESS = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "a test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What each request says of itself in the era without a handshake (MCP 2026-07-28)."""
PDPP = str(Path(sysconfig.get_path("scripts")) / "pdpp")


class ApprovingTime:
    """Time that passes in a sleep, in which the owner approves what waits."""

    def __init__(self, deployment: Deployment, said: list[str]) -> None:
        self._deployment = deployment
        self._said = said
        self._offset = 0.0

    def now(self) -> float:
        return self._deployment.clock.now()

    def sleep(self, seconds: float) -> None:
        self._deployment.clock.advance(seconds)
        found = re.search(r"enter the code: (\S+)", "\n".join(self._said))
        if found is not None:
            with contextlib.suppress(Exception):  # decided already
                self._deployment.approve(self._deployment.pending(found[1].replace("-", "")).request.id)


class Person:
    """Somebody with a folder of credentials."""

    def __init__(self, deployment: Deployment, home: Path) -> None:
        self.deployment = deployment
        self.home = home
        self.said: list[str] = []
        self.surroundings = Surroundings(home / "pdpp" / "credentials", ApprovingTime(deployment, self.said))
        self.kept = KeptCredentials(self.surroundings)
        self.report = PlainReport(self.said.append)

    def connect(self) -> Credential:
        options = ConnectOptions(self.deployment.issuer, source=SPOTIFY, streams=("top_artists",))
        assert connect(options, self.surroundings, self.report) == 0, self.said
        return self.kept.find(self.deployment.issuer)

    def onboard(self) -> Credential:
        options = OnboardOptions(self.deployment.issuer)
        assert onboard(options, self.surroundings, self.report) == 0, self.said
        return self.kept.find(self.deployment.issuer, "owner")

    def pdpp(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command as this person."""
        return subprocess.run([PDPP, *words], env=self.environment, capture_output=True, text=True, timeout=60)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home)}

    def replace(self, credential: Credential) -> None:
        CredentialStore(self.surroundings.folder).keep(credential)


@pytest.fixture
def person(deployment: Deployment, tmp_path: Path) -> Person:
    return Person(deployment, tmp_path)


class TestRefresh:
    def test_it_is_refreshed_and_kept(self, person: Person) -> None:
        """Both tokens are new, and the new ones are what is kept."""
        before = person.connect()
        after = person.kept.refresh(before)
        assert after == person.kept.find(person.deployment.mcp_resource)
        assert {before.access_token, before.refresh_token}.isdisjoint({after.access_token, after.refresh_token})
        assert person.deployment.introspect(after.access_token)["active"]

    def test_a_refused_one_is_told_with_the_way_out(self, person: Person) -> None:
        """Spent or revoked: the person has to connect again, and is told how."""
        before = person.connect()
        person.kept.refresh(before)
        with pytest.raises(Refused, match=r"invalid_grant.*pdpp connect"):
            person.kept.refresh(before)

    def test_without_a_credential(self, person: Person) -> None:
        """Nothing kept: how to come by one."""
        with pytest.raises(Refused, match=r"get one with: pdpp connect https://elsewhere.example"):
            person.kept.find("https://elsewhere.example")


class TestRevoke:
    def test_both_tokens_are_revoked_and_the_file_goes(self, person: Person) -> None:
        """Nothing is left, here or there."""
        credential = person.connect()
        assert person.kept.revoke(credential)
        assert person.deployment.introspect(credential.access_token) == {"active": False}
        assert list(person.surroundings.folder.glob("*.json")) == []


class TestOwnerAgent:
    def test_it_is_labelled_before_and_after(self, person: Person) -> None:
        """Owner-level local automation, no MCP credential: said before the codes and at the end; no bearer is said."""
        credential = person.onboard()
        codes = next(number for number, line in enumerate(person.said) if "enter the code" in line)
        assert set(LABEL) <= set(person.said[:codes])
        assert person.said[-1] == LABEL[1]
        assert credential.access_token not in "\n".join(person.said)
        assert person.deployment.introspect(credential.access_token)["pdpp_token_kind"] == "owner"
        assert (credential.kind, credential.resource) == ("owner", f"{person.deployment.issuer}/v1")

    def test_it_is_no_credential_for_mcp(self, person: Person) -> None:
        """The proxy refuses an owner's token with a sentence that says why and what to do instead."""
        person.onboard()
        answer = person.pdpp("mcp-proxy", person.deployment.issuer)
        assert answer.returncode == 69
        assert "owner's token, which /mcp rejects by design" in answer.stderr
        assert f"pdpp connect {person.deployment.issuer}" in answer.stderr
        assert answer.stdout == ""

    def test_status_and_revocation(self, person: Person) -> None:
        """The bearer is taken until it is revoked; then nothing is kept."""
        credential = person.onboard()
        good = person.pdpp("owner-agent", "status", person.deployment.issuer)
        assert good.returncode == 0, good.stdout
        assert "takes it" in good.stdout
        assert credential.access_token not in good.stdout + good.stderr
        assert person.pdpp("owner-agent", "revoke", person.deployment.issuer).returncode == 0
        assert person.deployment.introspect(credential.access_token) == {"active": False}
        assert person.pdpp("owner-agent", "status", person.deployment.issuer).returncode == 69


class TestCommands:
    def test_show_path_prints_a_path_and_nothing_else(self, person: Person) -> None:
        """For scripts."""
        credential = person.connect()
        answer = person.pdpp("token", "show-path", person.deployment.mcp_resource)
        assert answer.stdout.splitlines() == [person.kept.path_of(credential)]
        assert json.loads(Path(answer.stdout.strip()).read_text())["access_token"] == credential.access_token

    def test_refresh_and_revoke_say_no_token(self, person: Person) -> None:
        """What is done is said, and where the credential lies."""
        credential = person.connect()
        refreshed = person.pdpp("token", "refresh", person.deployment.issuer)
        assert refreshed.returncode == 0, refreshed.stdout
        fresh = person.kept.find(person.deployment.issuer)
        assert fresh != credential
        revoked = person.pdpp("token", "revoke", person.deployment.issuer)
        assert revoked.returncode == 0, revoked.stdout
        said = refreshed.stdout + revoked.stdout + refreshed.stderr + revoked.stderr
        assert not any(token and token in said for token in (fresh.access_token, fresh.refresh_token))


def tools_through_the_proxy(person: Person) -> list[str]:
    """List the tools with the MCP SDK's client, whose server is the proxy."""
    from mcp import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client

    async def work() -> list[str]:
        command = StdioServerParameters(
            command=PDPP, args=["mcp-proxy", person.deployment.issuer], env=person.environment
        )
        with anyio.fail_after(60):
            async with stdio_client(command) as streams, ClientSession(*streams) as session:
                await session.initialize()
                listed = await session.list_tools()
                return sorted(tool.name for tool in listed.tools)

    return anyio.run(work)


def tools_with(access_token: str, mcp_url: str) -> list[str]:
    """List the tools with the MCP SDK's client, which is given the bearer and talks to the hosted server itself."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def work() -> list[str]:
        bearer = {"Authorization": f"Bearer {access_token}"}
        with anyio.fail_after(60):
            async with (
                httpx2.AsyncClient(headers=bearer) as http,
                streamable_http_client(mcp_url, http_client=http) as streams,
                ClientSession(*streams) as session,
            ):
                await session.initialize()
                return sorted(tool.name for tool in (await session.list_tools()).tools)

    return anyio.run(work)


def answer_of(asking: IO[str], answers: IO[str], number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Send a request, and return the result that answers it."""
    asking.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
    asking.flush()
    for line in answers:
        message = json.loads(line)
        if message.get("id") == number:
            return dict(message["result"])
    raise AssertionError("the proxy ended without an answer")


class TestWithoutTheProxy:
    def test_a_client_uses_what_is_kept(self, person: Person) -> None:
        """The SDK's client, with the bearer out of the file."""
        credential = person.connect()
        assert "query_records" in tools_with(credential.access_token, credential.mcp_url)

    def test_after_the_token_expired(self, person: Person) -> None:
        """An expired bearer opens nothing; refreshed by the command, what is kept opens as much as before."""
        before = person.connect()
        person.deployment.clock.advance(2 * 3600)
        with pytest.raises(BaseExceptionGroup):
            tools_with(before.access_token, before.mcp_url)
        assert person.pdpp("token", "refresh", person.deployment.issuer).returncode == 0
        after = person.kept.find(person.deployment.issuer)
        assert "query_records" in tools_with(after.access_token, after.mcp_url)


class TestProxy:
    def test_a_client_of_the_stateless_era(self, person: Person) -> None:
        """Without a handshake: each request says its revision, and gets its answer (MCP 2026-07-28)."""
        person.connect()
        proxy = subprocess.Popen(
            [PDPP, "mcp-proxy", person.deployment.issuer],
            env=person.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        with proxy:
            listed, called = (
                answer_of(proxy.stdin, proxy.stdout, number, method, {**params, "_meta": STATELESS})
                for number, (method, params) in enumerate(
                    [
                        ("tools/list", {}),
                        ("tools/call", {"name": "query_records", "arguments": {"stream": "top_artists"}}),
                    ]
                )
            )
            proxy.stdin.close()
            assert proxy.wait(20) == 0
        assert "query_records" in [tool["name"] for tool in listed["tools"]]
        assert not called.get("isError"), called

    def test_a_client_on_standard_input_reads_what_was_granted(self, person: Person) -> None:
        """The SDK's client sees the hosted server's tools."""
        person.connect()
        assert "query_records" in tools_through_the_proxy(person)

    def test_what_was_asked_is_answered_before_it_ends(self, person: Person) -> None:
        """A client that writes its request and closes standard input at once still reads the answer."""
        person.connect()
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": STATELESS}})
        words = [PDPP, "mcp-proxy", person.deployment.issuer]
        done = subprocess.run(
            words, env=person.environment, input=f"{line}\n", capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0
        assert "query_records" in done.stdout

    def test_an_expired_token_is_refreshed(self, person: Person) -> None:
        """The access token's end is nothing that the MCP client notices."""
        before = person.connect()
        person.deployment.clock.advance(2 * 3600)
        assert "query_records" in tools_through_the_proxy(person)
        assert person.kept.find(person.deployment.issuer).access_token != before.access_token
