"""`pdpp connect`: what a person types to come by a credential. The work is `pdpp_reference.setup_client`'s."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def connect(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The MCP server's URL, or its origin.")],
    source: Annotated[str | None, typer.Option(metavar="URI", help="The source to read, by its identifier.")] = None,
    source_kind: Annotated[str, typer.Option(help="connector or provider_native.")] = "connector",
    stream: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A stream of the source; repeatable; all if none is named.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what is not older, such as 2026-01-31.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(metavar="URI", help="What it is for, as the owner is told.")] = None,
    client_id: Annotated[
        str | None, typer.Option(help="The client to be: an identifier that the server knows, or a metadata document.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Bounds everything; by default the code's own expiry.", min=1),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One event a line, for programs.")] = False,
) -> None:
    """Get a grant-scoped credential for an MCP server, by device authorization.

    Exit status: 0 done, 64 usage, 69 denied, expired or refused by the server, 75 timed out, 70 internal.
    """
    from pdpp_reference.setup_client.connect import DEFAULT_PURPOSE, ConnectOptions, Surroundings, connect
    from pdpp_reference.setup_client.credentials import default_folder
    from pdpp_reference.setup_client.report import JsonReport, PlainReport

    options = ConnectOptions(
        url,
        source=source or _asked_for_source(),
        source_kind=source_kind,
        streams=tuple(stream or ()),
        since=since,
        purpose=purpose or DEFAULT_PURPOSE,
        client_id=client_id,
        timeout=timeout,
        shown_by=("--json",) if as_json else (),
    )
    surroundings = context.obj if isinstance(context.obj, Surroundings) else Surroundings(default_folder())
    report = JsonReport(_write) if as_json else PlainReport(_write)
    raise typer.Exit(connect(options, surroundings, report))


def _asked_for_source() -> str | None:
    """Ask the person where there is one; a program has to say it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    return str(typer.prompt("Which source? Its identifier (a URI)", default="", show_default=False)) or None


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
