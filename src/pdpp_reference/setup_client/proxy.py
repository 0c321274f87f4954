"""`pdpp mcp-proxy`: an MCP server on standard input and output that is the hosted one, under the kept credential.

The MCP SDK's two transports carry the messages; what is here is the credential: the access token goes to its own
resource alone, is refreshed when it is about to expire and once when it is refused, and an owner's is never used.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator

import anyio
import anyio.to_thread
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server
from mcp.shared.inbound import encode_header_value
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from pdpp_reference.setup_client.credentials import Credential
from pdpp_reference.setup_client.failures import SetupFailure
from pdpp_reference.setup_client.http import origin_of
from pdpp_reference.setup_client.kept import KeptCredentials

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
"""How long a tool may take to answer."""


class KeptBearer(httpx2.Auth):
    """Sends the kept access token, fresh, to the origin that it is for."""

    def __init__(self, kept: KeptCredentials, credential: Credential) -> None:
        self._kept = kept
        self._credential = credential
        self._lock = anyio.Lock()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if origin_of(str(request.url)) != origin_of(self._credential.mcp_url):
            yield request
            return
        token = await self._fresh(None)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {await self._fresh(token)}"
            yield request

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        raise NotImplementedError("the proxy is asynchronous")

    async def _fresh(self, refused: str | None) -> str:
        """Return an access token that is in force, and not ``refused``."""
        async with self._lock:
            if self._credential.access_token == refused or not self._kept.lives(self._credential):
                try:
                    self._credential = await anyio.to_thread.run_sync(self._kept.refresh, self._credential)
                except SetupFailure as failure:
                    sys.stderr.write(f"pdpp mcp-proxy: {failure.reason}\n")
            return self._credential.access_token


class _Era:
    """What HTTP needs to know of a message besides its body, which a client on standard input does not say.

    In the stateless era each request names its revision in its body, and the method and name are repeated in headers
    (MCP 2026-07-28); before that, all follow the revision that ``initialize`` came to.
    """

    def __init__(self) -> None:
        self._negotiated: str | None = None

    def learn(self, message: JSONRPCMessage) -> None:
        """Take a message of the server's."""
        result = message.result if isinstance(message, JSONRPCResponse) else None
        if isinstance(result, dict) and isinstance(result.get("protocolVersion"), str):
            self._negotiated = result["protocolVersion"]

    def headers(self, message: JSONRPCMessage) -> dict[str, str]:
        """Return the headers for a message of the client's."""
        if not isinstance(message, JSONRPCRequest | JSONRPCNotification):
            return self._revision(self._negotiated)
        params = message.params or {}
        stated = (params.get("_meta") or {}).get("io.modelcontextprotocol/protocolVersion")
        if not isinstance(stated, str):
            return self._revision(None if message.method == "initialize" else self._negotiated)
        name = params.get("name", params.get("uri"))
        named = {"Mcp-Name": encode_header_value(name)} if isinstance(name, str) else {}
        return {**self._revision(stated), "Mcp-Method": message.method, **named}

    @staticmethod
    def _revision(revision: str | None) -> dict[str, str]:
        return {} if revision is None else {"MCP-Protocol-Version": revision}


class _Unanswered:
    """The requests of the client's that have no answer yet."""

    def __init__(self) -> None:
        self._ids: set[str | int] = set()
        self._changed = anyio.Event()

    def asked(self, message: JSONRPCMessage) -> None:
        """Take a message of the client's."""
        if isinstance(message, JSONRPCRequest):
            self._ids.add(message.id)

    def answered(self, message: JSONRPCMessage) -> None:
        """Take a message of the server's."""
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._ids.discard(message.id)
            self._changed.set()

    async def none_are_left(self) -> None:
        """Wait until there is none."""
        while self._ids:
            await self._changed.wait()
            self._changed = anyio.Event()


async def forward(kept: KeptCredentials, credential: Credential) -> None:
    """Forward messages both ways until standard input ends and what it asked for is answered."""
    timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    era, unanswered = _Era(), _Unanswered()
    async with (
        httpx2.AsyncClient(auth=KeptBearer(kept, credential), timeout=timeout) as http,
        streamable_http_client(credential.mcp_url, http_client=http) as (from_server, to_server),
        stdio_server() as (from_client, to_client),
        to_client,  # the transport ends once it is closed
        anyio.create_task_group() as tasks,
    ):

        async def answers() -> None:
            async for message in from_server:
                if isinstance(message, SessionMessage):
                    era.learn(message.message)
                    await to_client.send(message)
                    unanswered.answered(message.message)

        tasks.start_soon(answers)
        async for message in from_client:
            if isinstance(message, SessionMessage):
                unanswered.asked(message.message)
                headers = era.headers(message.message)
                await to_server.send(SessionMessage(message.message, ClientMessageMetadata(headers=headers)))
        with anyio.move_on_after(READ_SECONDS):
            await unanswered.none_are_left()
        tasks.cancel_scope.cancel()


def serve(kept: KeptCredentials, url: str) -> None:
    """Be the hosted MCP server at ``url``, on standard input and output.

    Raises:
        Refused: no client's credential is kept for it.
    """
    credential = kept.find(url)
    anyio.run(forward, kept, credential)
