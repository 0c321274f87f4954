"""The `pdpp` command: options in, one sentence and an exit status out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pdpp.cleanup import cleanup
from pdpp.ending import end
from pdpp.replay import replay
from pdpp.setup_commands import connect, mcp_proxy, owner_agent, token
from pdpp.summary import summary
from pdpp.target import app as target_app
from pdpp.window import window

SHAPE_NAMES = (
    "minimal",
    "older_type",
    "short_codes",
    "short_sessions",
    "two_step",
    "login_with_user_name",
    "strict_registration",
    "no_complete_uri",
    "interval_absent",
    "always_pending",
    "package_kind",
    "revoked_is_403",
    "errors_without_request_id",
    "handshake_only",
    "no_owner_block",
    "issuer_with_path",
    "two_origins",
)
"""``pdpp_reference.shapes.SHAPES``, written out so that the help does not import the server; a test compares them."""

app = typer.Typer(
    name="pdpp",
    help="PDPP's reference server, setup client and conformance harness.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(window, name="window")
app.command()(cleanup)
app.command()(replay)
app.command()(summary)

app.add_typer(target_app)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.", min=0, max=65535)] = 8080,
    public_url: Annotated[str | None, typer.Option(help="The origin that clients see, where TLS is in front.")] = None,
    database: Annotated[
        str, typer.Option(help="sqlite:///FILE, sqlite:// (in memory) or postgresql://…")
    ] = "sqlite:///pdpp.sqlite3",
    device_code_lifetime: Annotated[int, typer.Option(help="Seconds until codes expire.", min=10, max=1800)] = 600,
    polling_interval: Annotated[int, typer.Option(help="Seconds between two polls.", min=1, max=60)] = 5,
    access_token_lifetime: Annotated[
        int, typer.Option(help="Seconds until access tokens expire.", min=10, max=31_536_000)
    ] = 3600,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A deliberate defect, to see a check fail; repeatable; on loopback only."),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"A correct shape other than the default; repeatable: {', '.join(SHAPE_NAMES)}.",
        ),
    ] = None,
) -> None:
    """Run the reference server in the foreground. The owner's password comes from PDPP_OWNER_PASSWORD."""
    from pdpp_reference.serve import ServeError, ServeOptions, serve

    options = ServeOptions(
        host=host,
        port=port,
        public_url=public_url,
        database=database,
        device_code_lifetime=device_code_lifetime,
        polling_interval=polling_interval,
        access_token_lifetime=access_token_lifetime,
        faults=tuple(fault or ()),
        shapes=tuple(shape or ()),
    )
    try:
        serve(options, _say)
    except ServeError as error:
        end(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def verify(context: typer.Context, url: Annotated[str, typer.Argument(help="Origin, issuer or MCP URL.")]) -> None:
    """Judge a deployment. Takes the options of the specification's pytest run: --target, --approver, --max-wait …"""
    import pytest

    from pdpp_conformance.specification import specification_root

    root = specification_root()
    settings = root / "pyproject.toml"
    where = ["-c", str(settings)] if settings.is_file() else ["--rootdir", str(root), "-c", os.devnull]
    raise typer.Exit(int(pytest.main([*where, "--base-url", url, *context.args, str(root / "features")])))


@app.command()
def judge(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A report folder, or its exchanges.jsonl.")],
) -> None:
    """Judge a recorded run again, offline: print its rows as the exchanges judge them, and compare with run.json."""
    from pdpp_conformance.judging_again import judge_again
    from pdpp_conformance.record import RecordError

    try:
        judged = judge_again(record)
        typer.echo(judged.to_text())
        for row in judged.in_part:
            typer.echo(f"{row['id']} judged in part: {row['note']}", err=True)
        if judged.only_live:
            typer.echo(f"{len(judged.only_live)} rows can only be judged live: {', '.join(judged.only_live)}", err=True)
        differing = judged.differing
    except RecordError as error:
        end(str(error))
    told = f"differs from run.json: {', '.join(differing)}" if differing else "identical to run.json"
    typer.echo(f"{len(judged.by_wire) + len(judged.in_part)} rows judged from the record: {told}", err=True)
    raise typer.Exit(1 if differing else 0)


app.command()(connect)
app.command()(mcp_proxy)
app.add_typer(token, name="token")
app.add_typer(owner_agent, name="owner-agent")


def main() -> None:
    """Run the command line."""
    app()


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()
