"""The plays: what a setup client may meet, each named in the words of the features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pdpp_conformance.client_bench.script import Play, Script, Step, Use

ENDLESS = 30.0
"""The lifetime of codes that nobody ever approves."""

SHELL_COMMAND = "user_code=$(touch${IFS}$PDPP_BENCH_MARK)`touch$IFS$PDPP_BENCH_MARK`"


def _play(script: Script, seconds: float = 60.0) -> Play:
    return Play((Step(script),), seconds=seconds)


def _watched(script: Script) -> Play:
    """What is shown to the person is judged."""
    return Play((Step(script),), on_screen=True)


_TENANT = partial(Script, issuer_path="/tenant", decoy=True)

PLAYS: Mapping[str, Play] = {
    "a server that never answers": _watched(Script(hangs_at_first=True)),
    "a server whose token endpoint never answers": _watched(Script(polls=("hang",), expires_in=ENDLESS)),
    "a server whose connection hangs twice": _play(Script(interval=3, polls=("pending", "hang", "hang", "token"))),
    "a server that drops the connection three times": _play(
        Script(interval=3, polls=("pending", "drop", "drop", "drop", "token"))
    ),
    "a server that drops every connection": _watched(Script(polls=("drop",), expires_in=ENDLESS)),
    "a server that fails for ever": _watched(Script(polls=("500",), expires_in=ENDLESS)),
    "a server that says slow_down for ever": _watched(Script(polls=("slow_down",), expires_in=ENDLESS)),
    "an owner who never decides": _watched(Script(polls=("pending",), expires_in=ENDLESS)),
    # polling
    "a server that does nothing odd": _watched(Script()),
    "a server that tells no interval": _play(Script(interval=None, polls=("pending", "pending", "token"))),
    "a server that tells an interval of 7 s": _play(Script(interval=7, polls=("pending", "pending", "token"))),
    "a server that says slow_down three times": _play(
        Script(
            interval=2,
            polls=("pending", "slow_down", "pending", "slow_down", "pending", "slow_down", "pending", "token"),
        ),
        seconds=100,
    ),
    **{
        f"a server that answers {error}": _watched(Script(interval=2, polls=("pending", error, "token")))
        for error in ("access_denied", "expired_token")
    },
    **{
        f"a server that answers {error}": _play(Script(interval=2, polls=("pending", error, "token")))
        for error in ("invalid_grant", "invalid_client", "an_error_of_its_own")
    },
    # discovery
    "metadata at the URL of the challenge": _play(_TENANT(metadata_at=("challenge", "root"))),
    "metadata before the path, and no word of it in the challenge": _play(
        _TENANT(metadata_at=("inserted", "root"), challenged_with="nothing")
    ),
    "metadata at the root, and no word of it in the challenge": _play(
        _TENANT(metadata_at=("root",), challenged_with="nothing")
    ),
    **{
        f"an issuer with a path and metadata at its {place} well-known URL": _play(
            Script(issuer_path="/tenant", server_metadata_at=number)
        )
        for number, place in enumerate(("first", "second", "third"))
    },
    "an issuer without a path and metadata at its second well-known URL": _play(Script(server_metadata_at=1)),
    "metadata of another issuer": _play(Script(issuer_told="https://elsewhere.example")),
    "metadata of an issuer that differs in a trailing slash": _play(
        Script(issuer_path="/tenant", issuer_told="{issuer}/")
    ),
    "metadata of another resource": _play(Script(resource_told="https://elsewhere.example/mcp")),
    "unknown members in the server metadata": _play(Script(unknown_in=frozenset({"server"}))),
    "unknown members in the resource metadata": _play(Script(unknown_in=frozenset({"resource"}))),
    "unknown members in the token response": _play(Script(unknown_in=frozenset({"token"}))),
    "a server whose certificate nobody vouches for": _play(Script(tls=True)),
    # pages
    "a verification page whose URL is a script": _watched(
        Script(verification_uri="javascript:alert(document.domain)//")
    ),
    "a verification page whose URL is a file": _watched(Script(verification_uri="file:///etc/hostname")),
    "a verification page whose URL has a shell's commands in it": _watched(Script(complete_query=SHELL_COMMAND)),
    # tokens
    "two deployments one after the other": Play((Step(Script()), Step(Script(), server=1))),
    "a resource that has changed its authorization server": Play((Step(Script()), Step(Script(issuer_path="/other")))),
    "a resource that redirects to another": Play((Step(Script(uses=(Use(redirected=True),))),), others=1),
    "a resource that asks for more scope": _play(
        Script(scope="read", polls=("token",), uses=(Use(403, "write"), Use()))
    ),
    "a resource that asks for more scope for ever": _play(
        Script(scope="read", polls=("token",), uses=(Use(403, "more-{n}"),))
    ),
    "a server without device authorization": _watched(Script(device_authorization=False)),
}
"""Those that take the longest come first, for clients whose time is the machine's."""
