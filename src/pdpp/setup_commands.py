"""What a person types to come by a credential, and to use and end it. The work is `pdpp_reference.setup_client`'s."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pdpp_reference.setup_client.kept import KeptCredentials
    from pdpp_reference.setup_client.report import Report
    from pdpp_reference.setup_client.surroundings import Surroundings

token = typer.Typer(help="Kept credentials of MCP clients.", no_args_is_help=True, rich_markup_mode=None)
owner_agent = typer.Typer(
    help="Trusted owner-agent onboarding: owner-level local automation for /v1/**. /mcp rejects that bearer by design.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Url = Annotated[str, typer.Argument(help="The MCP server's URL, or its origin.")]
Origin = Annotated[str, typer.Argument(help="The deployment's origin.")]
Json = Annotated[bool, typer.Option("--json", help="One event a line, for programs.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines of text, for screen readers; without a terminal always.")]
NoQr = Annotated[bool, typer.Option("--no-qr", help="Show no QR code.")]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Bounds everything; by default the code's own expiry.", min=1)
]


def connect(
    context: typer.Context,
    url: Url,
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
    browser: Annotated[
        bool, typer.Option("--browser", help="Use a browser on this machine: authorization code with PKCE.")
    ] = False,
    timeout: Timeout = None,
    as_json: Json = False,
    plain: Plain = False,
    no_qr: NoQr = False,
    copy: Annotated[bool, typer.Option("--copy", help="Put the URL on the terminal's clipboard.")] = False,
) -> None:
    """Get a grant-scoped credential for an MCP server, by device authorization.

    Exit status: 0 done, 64 usage, 69 denied, expired or refused by the server, 75 timed out, 70 internal.
    """
    from pdpp_reference.setup_client.connect import DEFAULT_PURPOSE, ConnectOptions, connect

    streams = tuple(stream or ())
    if source is None and not browser:  # in a browser the owner picks
        source, streams, since = _chosen(streams, since)
    options = ConnectOptions(
        url,
        source=source,
        source_kind=source_kind,
        streams=streams,
        since=since,
        purpose=purpose or DEFAULT_PURPOSE,
        client_id=client_id,
        timeout=timeout,
        browser=browser,
        shown_by=_shown_by(as_json=as_json, plain=plain, no_qr=no_qr, copy=copy),
    )
    report = _report(as_json, plain=plain, qr=not no_qr, copy=copy)
    raise typer.Exit(connect(options, _surroundings(context), report))


@token.command()
def refresh(context: typer.Context, url: Url, as_json: Json = False) -> None:
    """Refresh the kept credential for an MCP server."""

    def work(kept: KeptCredentials, report: Report) -> None:
        path = kept.path_of(kept.refresh(kept.find(url)))
        report.tell("note", text=f"Refreshed; the credential lies in {path}.")

    _with_kept(context, ["pdpp", "token", "refresh", url], as_json, work)


@token.command()
def show_path(context: typer.Context, url: Url) -> None:
    """Print where the credential for an MCP server lies, and nothing else."""

    def work(kept: KeptCredentials, report: Report) -> None:
        report.tell("note", text=kept.path_of(kept.find(url)))

    _with_kept(context, ["pdpp", "token", "show-path", url], False, work)


@token.command("revoke")
def revoke_token(context: typer.Context, url: Url, as_json: Json = False) -> None:
    """Revoke the kept credential for an MCP server, and remove it."""

    def work(kept: KeptCredentials, report: Report) -> None:
        _revoke(kept, report, url, "client")

    _with_kept(context, ["pdpp", "token", "revoke", url], as_json, work)


@owner_agent.command()
def onboard(
    context: typer.Context,
    url: Origin,
    client_id: Annotated[str | None, typer.Option(help="The client to be, if the server knows it.")] = None,
    timeout: Timeout = None,
    as_json: Json = False,
    plain: Plain = False,
    no_qr: NoQr = False,
) -> None:
    """Get an owner's bearer for local automation of your own on /v1/**. It is no MCP credential: /mcp rejects it."""
    from pdpp_reference.setup_client.owner_agent import OnboardOptions, onboard

    options = OnboardOptions(url, client_id, timeout, _shown_by(as_json=as_json, plain=plain, no_qr=no_qr))
    raise typer.Exit(onboard(options, _surroundings(context), _report(as_json, plain=plain, qr=not no_qr)))


@owner_agent.command()
def status(context: typer.Context, url: Origin, as_json: Json = False) -> None:
    """Tell what owner's bearer is kept for a deployment, and whether it is taken."""
    from pdpp_reference.setup_client.owner_agent import tell_status

    def work(_: KeptCredentials, report: Report) -> None:
        tell_status(url, _surroundings(context), report)

    _with_kept(context, ["pdpp", "owner-agent", "status", url], as_json, work)


@owner_agent.command("revoke")
def revoke_owner_agent(context: typer.Context, url: Origin, as_json: Json = False) -> None:
    """Revoke the owner's bearer that is kept for a deployment, and remove it."""

    def work(kept: KeptCredentials, report: Report) -> None:
        _revoke(kept, report, url, "owner")

    _with_kept(context, ["pdpp", "owner-agent", "revoke", url], as_json, work)


def mcp_proxy(context: typer.Context, url: Url) -> None:
    """Be an MCP server on standard input and output: the hosted one, under the credential that connect has kept."""
    from pdpp_reference.setup_client.connect import concluded
    from pdpp_reference.setup_client.kept import KeptCredentials
    from pdpp_reference.setup_client.proxy import serve
    from pdpp_reference.setup_client.report import PlainReport

    kept = KeptCredentials(_surroundings(context))
    report = PlainReport(lambda line: typer.echo(line, err=True))  # standard output is the protocol's
    raise typer.Exit(concluded(report, ["pdpp", "mcp-proxy", url], lambda: serve(kept, url)))


def _with_kept(
    context: typer.Context, words: list[str], as_json: bool, work: Callable[[KeptCredentials, Report], None]
) -> None:
    from pdpp_reference.setup_client.connect import concluded
    from pdpp_reference.setup_client.kept import KeptCredentials

    report = _report(as_json)
    raise typer.Exit(concluded(report, words, lambda: work(KeptCredentials(_surroundings(context)), report)))


def _revoke(kept: KeptCredentials, report: Report, url: str, kind: str) -> None:
    told = kept.revoke(kept.find(url, kind))
    end = "Revoked at the server" if told else "The server has no revocation endpoint, ask the owner to revoke it"
    report.tell("note", text=f"{end}; the credential is removed from this machine.")


def _surroundings(context: typer.Context) -> Surroundings:
    from pdpp_reference.setup_client.credentials import default_folder
    from pdpp_reference.setup_client.surroundings import Surroundings

    return context.obj if isinstance(context.obj, Surroundings) else Surroundings(default_folder())


def _report(as_json: bool, *, plain: bool = True, qr: bool = False, copy: bool = False) -> Report:
    """Return how it is shown: to a program, on a terminal that is looked at, or in plain lines."""
    from pdpp_reference.setup_client.report import JsonReport, PlainReport

    if as_json:
        return JsonReport(_write)
    if plain or not sys.stdout.isatty():
        return PlainReport(_write)
    from rich.console import Console

    from pdpp_reference.setup_client.screen import Screen

    return Screen(Console(), qr=qr, copy=copy)


def _shown_by(
    *, as_json: bool = False, plain: bool = False, no_qr: bool = False, copy: bool = False
) -> tuple[str, ...]:
    given = {"--json": as_json, "--plain": plain, "--no-qr": no_qr, "--copy": copy}
    return tuple(option for option, is_given in given.items() if is_given)


def _chosen(streams: tuple[str, ...], since: str | None) -> tuple[str | None, tuple[str, ...], str | None]:
    """Let the person choose the source, its streams and from when on; a program has to say it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None, streams, since
    source = _answer("Which source? Its identifier (a URI)")
    if source and not streams:
        streams = tuple(_answer("Which of its streams? Their names, or nothing for all").replace(",", " ").split())
    if source and since is None:
        since = _answer("Not older than? A date such as 2026-01-31, or nothing") or None
    return source or None, streams, since


def _answer(question: str) -> str:
    return str(typer.prompt(question, default="", show_default=False)).strip()


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
