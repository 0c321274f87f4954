"""MCP over Streamable HTTP: raw and recorded for the judgement, and the official SDK's client for the smoke."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdpp_conformance.bounded_http import trusting
from pdpp_conformance.exchange import Answer, Exchange, OffLimits, Recorder, origin_of
from pdpp_conformance.verdict import Conclusion, Unmet

HANDSHAKE_REVISION = "2025-11-25"
STATELESS_REVISION = "2026-07-28"
_ACCEPT = "application/json, text/event-stream"
_CLIENT = {"name": "pdpp-conformance", "version": "1"}


@dataclass(frozen=True)
class ToolResult:
    """The result of ``tools/call``."""

    answer: Answer
    is_error: bool
    structured: Any
    text: str

    @property
    def error_code(self) -> str | None:
        """``structuredContent.error.code``, where the result is a refusal."""
        error = self.structured.get("error") if isinstance(self.structured, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) else None

    @property
    def everything(self) -> str:
        """All that the result tells, as one text."""
        return json.dumps(self.structured, ensure_ascii=False, sort_keys=True) + "\n" + self.text


def message_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON-RPC response in an answer, sent as JSON or as the last event of a stream.

    Raises:
        Unmet: there is none.
    """
    if answer.media_type == "text/event-stream":
        for block in reversed(answer.body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n")):
            data = "\n".join(line[5:].lstrip() for line in block.split("\n") if line.startswith("data:"))
            if not data:
                continue
            try:
                message = json.loads(data)
            except ValueError:
                continue
            if isinstance(message, dict) and ("result" in message or "error" in message):
                return message
        raise Unmet("a JSON-RPC response in the event stream", f"{answer.summary} without one")
    return answer.json_object()


@dataclass(frozen=True)
class McpRequest:
    """One JSON-RPC request, with the headers that a client sends along."""

    message: Mapping[str, Any]
    headers: Mapping[str, str]


def handshake_request(request_id: int = 1) -> McpRequest:
    """Return ``initialize`` (MCP 2025-11-25, Lifecycle), which opens a conversation and needs no session."""
    params = {"protocolVersion": HANDSHAKE_REVISION, "capabilities": {}, "clientInfo": _CLIENT}
    message = {"jsonrpc": "2.0", "id": request_id, "method": "initialize", "params": params}
    return McpRequest(message, {"Accept": _ACCEPT})


def stateless_request(
    method: str, params: Mapping[str, Any] | None = None, *, request_id: int = 1, revision: str = STATELESS_REVISION
) -> McpRequest:
    """Return a request that needs neither handshake nor session (MCP 2026-07-28, Streamable HTTP)."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientInfo": _CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    sent = {**(params or {}), "_meta": meta}
    headers = {"Accept": _ACCEPT, "MCP-Protocol-Version": revision, "Mcp-Method": method}
    if isinstance(sent.get("name"), str):
        headers["Mcp-Name"] = sent["name"]
    return McpRequest({"jsonrpc": "2.0", "id": request_id, "method": method, "params": sent}, headers)


class McpSession:
    """One bearer's conversation with the MCP resource, in the revision that the server negotiates."""

    def __init__(self, recorder: Recorder, url: str, bearer: str | None, *, actor: str, revision: str | None) -> None:
        self.revision = revision
        self.session_id: str | None = None
        """What the server calls the conversation, where it keeps sessions and one is open."""
        self._recorder = recorder
        self._url = url
        self._bearer = bearer
        self._actor = actor
        self._opened = False
        self._next_id = 0

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Send one JSON-RPC request and return the HTTP answer, whatever it is."""
        if not self._opened:
            self.open()
        return self._post(method, params or {})

    def handshake(self) -> Answer:
        """Send ``initialize`` (MCP 2025-11-25) and return the HTTP answer, whatever it is."""
        return self._send(handshake_request(self._new_id()))

    def under(self, bearer: str | None, *, actor: str) -> McpSession:
        """Return the same conversation, session and all, as somebody goes on with it who has another bearer."""
        other = copy.copy(self)
        other._bearer, other._actor = bearer, actor
        return other

    def claiming(self, revision: str) -> McpSession:
        """Return the same conversation, with every further request saying that it is of ``revision``."""
        other = copy.copy(self)
        other.revision = revision
        return other

    def end(self) -> None:
        """End the session, where there is one (MCP 2025-11-25, Session Management); the server need not agree."""
        if self.session_id is not None:
            headers = {"Mcp-Session-Id": self.session_id}
            self._recorder.send("DELETE", self._url, actor=self._actor, headers=headers, bearer=self._bearer)
            self.session_id = None

    def list_tools(self) -> list[dict[str, Any]]:
        """Return what ``tools/list`` tells.

        Raises:
            Unmet: the answer is no tool list.
        """
        result = self._result(self.request("tools/list"))
        tools = result.get("tools")
        if not isinstance(tools, list):
            raise Unmet("a list of tools", "a result without one")
        return [tool for tool in tools if isinstance(tool, dict)]

    def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool.

        Raises:
            Unmet: the answer is neither a tool result nor a JSON-RPC error about the arguments.
        """
        answer = self.request("tools/call", {"name": name, "arguments": dict(arguments)})
        message = message_of(answer)
        if "error" in message:
            error = message["error"] if isinstance(message["error"], dict) else {}
            return ToolResult(answer, True, {"error": {"code": str(error.get("code"))}}, str(error.get("message")))
        result = self._result(answer)
        content = result.get("content")
        blocks = content if isinstance(content, list) else []
        text = "\n".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))
        structured = result.get("structuredContent")
        if structured is None:
            try:
                structured = json.loads(text)
            except ValueError:
                structured = None
        return ToolResult(answer, result.get("isError") is True, structured, text)

    def _result(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise Unmet("a JSON-RPC result", answer.summary)
        result = message_of(answer).get("result")
        if not isinstance(result, dict):
            raise Unmet("a JSON-RPC result", f"{answer.summary} with an error")
        return result

    def open(self) -> None:
        """Shake hands in the older revision; a server that refuses is spoken to without (MCP 2026-07-28)."""
        self._opened = True
        if self.revision == STATELESS_REVISION:
            return
        self.revision = None
        answer = self.handshake()
        self.session_id = answer.header("mcp-session-id")
        if answer.status in (401, 403):
            return
        message = message_of(answer) if answer.status == 200 else {}
        result = message.get("result")
        if isinstance(result, dict):
            self.revision = str(result.get("protocolVersion", HANDSHAKE_REVISION))
            self._send(McpRequest({"jsonrpc": "2.0", "method": "notifications/initialized"}, {"Accept": _ACCEPT}))
        else:
            self.revision = STATELESS_REVISION

    def _post(self, method: str, params: Mapping[str, Any]) -> Answer:
        if self.revision == STATELESS_REVISION:
            return self._send(stateless_request(method, params, request_id=self._new_id()))
        message = {"jsonrpc": "2.0", "id": self._new_id(), "method": method, "params": dict(params)}
        return self._send(McpRequest(message, {"Accept": _ACCEPT}))

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _send(self, request: McpRequest) -> Answer:
        sent = dict(request.headers)
        if self.revision is not None:
            sent["MCP-Protocol-Version"] = self.revision
        if self.session_id is not None:
            sent["Mcp-Session-Id"] = self.session_id
        return self._recorder.send(
            "POST", self._url, actor=self._actor, headers=sent, json_body=request.message, bearer=self._bearer
        )


@dataclass
class SdkSmoke:
    """What the official SDK's client got."""

    protocol_version: str = ""
    tools: Sequence[str] = ()
    called: str = ""
    is_error: bool = True
    structured: Any = field(default=None, repr=False)
    problem: str | None = None


def sdk_smoke(
    recorder: Recorder, url: str, bearer: str, *, mode: str, tool: str, arguments: Mapping[str, Any], actor: str
) -> SdkSmoke:
    """Let the MCP SDK's own client connect, list the tools and call one.

    Args:
        mode: the SDK's connect mode: ``legacy`` for the handshake, or a stateless revision.

    Raises:
        Blocked: the run's requests are used up.
        OffLimits: the SDK was led to another origin than the deployment's; nothing was sent there.
    """
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        smoke: SdkSmoke = portal.call(_sdk_smoke, recorder, url, bearer, mode, tool, arguments, actor)
        return smoke


async def _sdk_smoke(
    recorder: Recorder, url: str, bearer: str, mode: str, tool: str, arguments: Mapping[str, Any], actor: str
) -> SdkSmoke:
    import httpx2
    from anyio import to_thread
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    refused: list[Conclusion | OffLimits] = []

    async def admit(request: httpx2.Request) -> None:
        asked = str(request.url)
        try:
            await to_thread.run_sync(_admit, recorder, asked)
        except (Conclusion, OffLimits) as refusal:
            refused.append(refusal)
            raise

    async def keep(response: httpx2.Response) -> None:
        whole = response.headers.get("content-type", "").startswith("application/json")
        if whole:  # an event stream is the SDK's to read, and may never end
            await response.aread()
        recorder.record(
            Exchange(
                number=0,
                scenario=None,
                actor=actor,
                at=time.time(),
                method=response.request.method,
                url=str(response.request.url),
                request_headers=list(response.request.headers.multi_items()),
                request_body=response.request.content.decode("utf-8", "replace") or None,
                status=response.status_code,
                response_headers=list(response.headers.multi_items()),
                response_body=response.text if whole else None,
                response_bytes=len(response.content) if whole else 0,
            )
        )

    smoke = SdkSmoke()
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=10,
        event_hooks={"request": [admit], "response": [keep]},
        trust_env=False,
        verify=trusting(recorder.authorities),
    ) as http_client:
        try:
            transport = streamable_http_client(url, http_client=http_client)
            async with Client(transport, mode=mode, read_timeout_seconds=10) as client:
                smoke.protocol_version = str(client.protocol_version)
                smoke.tools = [listed.name for listed in (await client.list_tools()).tools]
                result = await client.call_tool(tool, dict(arguments))
                smoke.called, smoke.is_error, smoke.structured = tool, bool(result.is_error), result.structured_content
        except Exception as error:  # whatever the SDK stumbles over is the observation
            smoke.problem = _innermost(error)
    if refused:
        raise refused[0]
    return smoke


def _admit(recorder: Recorder, url: str) -> None:
    """Wait for a request's turn, as :meth:`Recorder.send` does; the request carries a bearer."""
    if not recorder.is_allowed(url):
        raise OffLimits(f"the SDK was led to {origin_of(url)}, which is not the origin under test")
    recorder.politeness.before(url)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:300]
