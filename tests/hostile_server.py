"""A deployment that misbehaves in named ways: the reference server behind a proxy that spoils what it answers.

Each way has a place where it strikes. Several ways at one place take turns, so that one run meets them all.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from tests.reverse_proxy import LocalServer, Passing, Reply, upstream

HANGS_SECONDS = 60.0
"""For how long what hangs hangs."""

TEN_MEGABYTES = 10 * 1024 * 1024

Change = Callable[[Passing, Reply, str], Reply | None]
"""What becomes of an answer; the text is the origin that fishes for secrets."""

# -- where -------------------------------------------------------------------------------------------------------------

SERVER_METADATA = r"GET /\.well-known/oauth-authorization-server"
MCP_METADATA = r"GET /\.well-known/oauth-protected-resource/mcp"
ROOT_METADATA = r"GET /\.well-known/oauth-protected-resource$"
MCP = r"(GET|POST) /mcp"
DEVICE = r"POST /oauth/device_authorization"
TOKEN = r"POST /oauth/token"
REGISTRATION = r"POST /oauth/register"
REMOVAL = r"DELETE /oauth/register/"
INTROSPECTION = r"POST /introspect"
REVOCATION = r"POST /oauth/revoke"
LOGIN = r"POST /owner/login"
LOGIN_PAGE = r"GET /owner/login"
CODE_PAGE = r"GET /device"
DECISION = r"POST /device/decision"


@dataclass(frozen=True)
class Misbehaviour:
    """One way to misbehave."""

    place: str
    """A pattern of method and path."""
    change: Change


# -- how ---------------------------------------------------------------------------------------------------------------


def html(status: int = 200, text: str = "<!doctype html><title>Welcome</title><h1>It works!</h1>") -> Change:
    return lambda _passing, _reply, _fishing: Reply(status, (("Content-Type", "text/html"),), text.encode())


def body(content: bytes, *headers: tuple[str, str]) -> Change:
    """Answer 200 with this body, JSON unless a header says otherwise."""
    kept = (
        headers
        if any(name == "Content-Type" for name, _ in headers)
        else (("Content-Type", "application/json"), *headers)
    )
    return lambda _passing, _reply, _fishing: Reply(200, kept, content)


def members(**changed: Any) -> Change:
    """Answer with other members in the JSON object; ``{fishing}`` in a text stands for the fishing origin."""

    def change(passing: Passing, reply: Reply, fishing: str) -> Reply:
        try:
            content = json.loads(reply.body)
        except ValueError:
            return reply
        text = json.dumps({**content, **changed} if isinstance(content, dict) else content)
        return replace(reply, body=text.replace("{fishing}", fishing).encode())

    return change


def redirect(status: int, path: str) -> Change:
    """Send the client elsewhere: ``{fishing}`` in the path stands for the fishing origin."""
    return lambda _passing, _reply, fishing: Reply(status, (("Location", path.replace("{fishing}", fishing)),), b"")


def raw(text: bytes, *, then: Callable[[Passing], object] = lambda _passing: None) -> Change:
    """Write these bytes to the connection instead of an answer, and then do something."""

    def change(passing: Passing, reply: Reply, fishing: str) -> None:
        passing.wfile.write(text)
        passing.wfile.flush()
        then(passing)

    return change


def hang(passing: Passing) -> None:
    """Say nothing more, for as long as the other side stays."""
    passing.connection.settimeout(HANGS_SECONDS)
    with suppress(OSError):
        while passing.connection.recv(1024):
            pass


def dribble(passing: Passing) -> None:
    """Send a byte now and then."""
    ends = time.monotonic() + HANGS_SECONDS
    while time.monotonic() < ends:
        passing.wfile.write(b" ")
        passing.wfile.flush()
        time.sleep(0.2)


def pour(passing: Passing) -> None:
    """Send without end."""
    while True:
        passing.wfile.write(b"data: {}\n\n" * 1000)


def echo(passing: Passing, reply: Reply, fishing: str) -> Reply:
    """Repeat everything that was asked, secrets and all, in an error."""
    asked = (passing.asked or b"").decode("utf-8", "replace")
    content = {"error": "invalid_request", "error_description": f"cannot parse {asked} {passing.headers}"}
    return Reply(400, (("Content-Type", "application/json"),), json.dumps(content).encode())


def page(pattern: str, replacement: str) -> Change:
    """Answer with the page as it is, but for a part of its markup."""

    def change(passing: Passing, reply: Reply, fishing: str) -> Reply:
        return replace(
            reply, body=re.sub(pattern, replacement.replace("{fishing}", fishing), reply.body.decode()).encode()
        )

    return change


def headers(*added: tuple[str, str]) -> Change:
    return lambda _passing, reply, fishing: replace(
        reply, headers=(*reply.headers, *((name, value.replace("{fishing}", fishing)) for name, value in added))
    )


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
TRACEBACK = "Traceback (most recent call last):\n  File \"/srv/app.py\", line 7, in token\nKeyError: 'grant'"
BOMB = gzip.compress(b"[" * (5 * TEN_MEGABYTES))
HOSTILE_TEXT = "\ud800 \x00 \x1b[2J </script><script>alert(1)</script> \u202e ]]> {{7*7}} ' \" &"

MISBEHAVIOURS: dict[str, Misbehaviour] = {
    # metadata
    "server_metadata_is_html": Misbehaviour(SERVER_METADATA, html()),
    "server_metadata_is_missing": Misbehaviour(SERVER_METADATA, html(404)),
    "server_metadata_fails": Misbehaviour(SERVER_METADATA, html(500, f"<pre>{TRACEBACK}</pre>")),
    "server_metadata_is_misdirected": Misbehaviour(SERVER_METADATA, html(421)),
    "server_metadata_is_plain_text": Misbehaviour(
        SERVER_METADATA, lambda _passing, reply, _fishing: reply.with_header("Content-Type", "text/plain")
    ),
    "server_metadata_is_a_list": Misbehaviour(SERVER_METADATA, body(b"[]")),
    "server_metadata_is_cut_short": Misbehaviour(
        SERVER_METADATA, lambda _passing, reply, _fishing: replace(reply, body=reply.body[:200])
    ),
    "server_metadata_redirects_elsewhere": Misbehaviour(SERVER_METADATA, redirect(302, "{fishing}/metadata")),
    "server_metadata_contradicts_itself": Misbehaviour(
        SERVER_METADATA,
        members(
            issuer="http://[half-an-address",
            grant_types_supported="none",
            introspection_endpoint=7,
            revocation_endpoint="{fishing}/revoke",
            registration_endpoint="http://127.0.0.1:99999/register",
            authorization_details_types_supported={"a": 1},
            pdpp_device_authorization_profiles_supported=[None, 3, {"profile": []}],
            scopes_supported=[{}, None],
        ),
    ),
    "server_metadata_sends_elsewhere": Misbehaviour(
        SERVER_METADATA, members(token_endpoint="{fishing}/token", introspection_endpoint="{fishing}/introspect")
    ),
    "server_metadata_is_huge": Misbehaviour(SERVER_METADATA, body(b'{"issuer": "' + b"x" * TEN_MEGABYTES + b'"}')),
    "server_metadata_comes_by_the_byte": Misbehaviour(SERVER_METADATA, raw(OK + b"\r\n{", then=dribble)),
    "mcp_metadata_hangs": Misbehaviour(MCP_METADATA, raw(b"", then=hang)),
    "mcp_metadata_names_a_fishing_server": Misbehaviour(MCP_METADATA, members(authorization_servers=["{fishing}"])),
    "mcp_metadata_is_another_resources": Misbehaviour(
        MCP_METADATA, members(resource="{fishing}/mcp", authorization_servers=[None, 1], pdpp_agent_discovery=[])
    ),
    "root_metadata_is_nested_deeply": Misbehaviour(ROOT_METADATA, body(b"[" * 200_000)),
    "root_metadata_sends_elsewhere": Misbehaviour(
        ROOT_METADATA,
        members(pdpp_core_query_base="{fishing}/v1", pdpp_owner_agent_onboarding={"query_base": "{fishing}"}),
    ),
    # the MCP resource
    "mcp_streams_without_end": Misbehaviour(
        MCP, raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", then=pour)
    ),
    "mcp_redirects_elsewhere": Misbehaviour(MCP, redirect(307, "{fishing}/mcp")),
    "mcp_challenges_nonsensically": Misbehaviour(
        MCP,
        headers(("WWW-Authenticate", 'Bearer resource_metadata="{fishing}/x", error=",,=,"'), ("X-Odd", "\xff\xfe")),
    ),
    "mcp_speaks_no_json_rpc": Misbehaviour(MCP, body(b'{"jsonrpc": 2, "result": [], "error": 1}')),
    # device authorization
    "device_answer_is_html": Misbehaviour(DEVICE, html()),
    "device_answer_has_impossible_numbers": Misbehaviour(
        DEVICE,
        lambda _passing, reply, _fishing: replace(
            reply, body=re.sub(rb'"(expires_in|interval)": ?\d+', rb'"\1": 1e999', reply.body)
        ),
    ),
    "device_answer_has_odd_numbers": Misbehaviour(DEVICE, members(expires_in=-1, interval=10**300)),
    "device_answer_leads_elsewhere": Misbehaviour(
        DEVICE, members(verification_uri="{fishing}/device", verification_uri_complete="{fishing}/device?user_code=X")
    ),
    "device_answer_is_no_text": Misbehaviour(
        DEVICE, members(user_code=HOSTILE_TEXT, verification_uri="javascript:alert(1)", verification_uri_complete=["x"])
    ),
    "device_answer_is_chosen_badly": Misbehaviour(DEVICE, members(device_code={"a": 1}, user_code=12345678)),
    # tokens
    "token_endpoint_hangs": Misbehaviour(TOKEN, raw(b"", then=hang)),
    "token_headers_come_by_the_byte": Misbehaviour(TOKEN, raw(b"HTTP/1.1 200 OK\r\nX-Slow:", then=dribble)),
    "token_answer_unpacks_hugely": Misbehaviour(TOKEN, body(BOMB, ("Content-Encoding", "gzip"))),
    "token_redirects_elsewhere": Misbehaviour(TOKEN, redirect(307, "{fishing}/token")),
    "token_answer_is_nested_deeply": Misbehaviour(TOKEN, body(b'{"a":' * 100_000)),
    "token_answer_breaks_off": Misbehaviour(TOKEN, raw(OK + b"Content-Length: 1000\r\n\r\n{")),
    "token_answer_is_no_http": Misbehaviour(TOKEN, raw(b"220 smtp.example ESMTP\r\n")),
    "token_answer_has_many_headers": Misbehaviour(TOKEN, raw(OK + b"X: %s\r\n" % (b"x" * 70_000) * 20 + b"\r\n{}")),
    "token_error_is_a_traceback": Misbehaviour(TOKEN, html(500, f"<pre>{TRACEBACK}</pre>")),
    "token_error_repeats_the_request": Misbehaviour(TOKEN, echo),
    "token_error_is_no_text": Misbehaviour(TOKEN, members(error=["x"], error_description=HOSTILE_TEXT)),
    # the other endpoints
    "registration_answers_a_number": Misbehaviour(REGISTRATION, members(client_id=42)),
    "registration_answers_badly": Misbehaviour(REGISTRATION, members(client_id="../../oauth/token?x= y\n")),
    "removal_fails": Misbehaviour(REMOVAL, html(500)),
    "introspection_hangs": Misbehaviour(INTROSPECTION, raw(b"", then=hang)),
    "introspection_answers_oddly": Misbehaviour(INTROSPECTION, body(b'{"active": "yes", "exp": "soon", "aud": {}}')),
    "revocation_is_html": Misbehaviour(REVOCATION, html()),
    # the owner's pages
    "sign_in_form_posts_elsewhere": Misbehaviour(
        LOGIN_PAGE, page(r'(<form[^>]*action=)"[^"]*"', r'\1"{fishing}/login"')
    ),
    "sign_in_redirects_elsewhere": Misbehaviour(LOGIN, redirect(307, "{fishing}/login")),
    "code_page_redirects_elsewhere": Misbehaviour(CODE_PAGE, redirect(302, "{fishing}/device")),
    "code_page_redirects_for_ever": Misbehaviour(CODE_PAGE, redirect(302, "/device?again")),
    "code_page_is_huge": Misbehaviour(CODE_PAGE, html(200, "<p>" + "x" * TEN_MEGABYTES)),
    "code_page_hangs": Misbehaviour(
        CODE_PAGE, raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", then=hang)
    ),
    "code_page_is_full_of_forms": Misbehaviour(
        CODE_PAGE, html(200, "<form><input name=a><button>Continue</button>" * 2000)
    ),
    "decision_page_refreshes_elsewhere": Misbehaviour(
        CODE_PAGE,
        page("<head>", '<head><base href="{fishing}/"><meta http-equiv="refresh" content="0;url={fishing}/">'),
    ),
    "decision_answers_nothing": Misbehaviour(DECISION, raw(b"")),
}


class HostileServer(LocalServer):
    """Stands before a deployment, and misbehaves in the ways named.

    Args:
        port: the deployment's, which knows nothing of this.
        ways: names of :data:`MISBEHAVIOURS`; several at one place take turns there.
        fishing: the origin that fishes for secrets.
    """

    def __init__(self, port: int, ways: Sequence[str], fishing: str) -> None:
        self._port = port
        self.met: Counter[str] = Counter()
        """How often each way was met."""
        self._ways: dict[str, list[str]] = defaultdict(list)
        for name in ways:
            self._ways[MISBEHAVIOURS[name].place].append(name)
        self._turns: dict[str, Iterator[int]] = defaultdict(count)
        self._fishing = fishing
        self._lock = threading.Lock()
        super().__init__(self._spoilt)

    def _spoilt(self, passing: Passing) -> Reply | None:
        reply = upstream(passing, self._port, translate=True)
        asked = f"{passing.command} {passing.path}"
        for place, names in self._ways.items():
            if re.match(place, asked):
                with self._lock:
                    name = names[next(self._turns[place]) % len(names)]
                    self.met[name] += 1
                return MISBEHAVIOURS[name].change(passing, reply, self._fishing)
        return reply


class FishingServer(LocalServer):
    """Another origin: keeps all that it is sent, and answers with a page that asks for the password."""

    PAGE = b"""<!doctype html><title>Sign in</title>
        <form method="post" action="/login"><input type="password" name="password"><button>Sign in</button></form>"""

    def __init__(self) -> None:
        self.heard: list[str] = []
        """Every request, whole."""
        super().__init__(self._hear)

    def _hear(self, passing: Passing) -> Reply:
        asked = passing.asked.decode("utf-8", "replace")
        self.heard.append(f"{passing.command} {passing.path}\n{passing.headers}\n{asked}")
        return Reply(200, (("Content-Type", "text/html"),), self.PAGE)
