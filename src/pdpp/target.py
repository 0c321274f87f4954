"""`pdpp target check`: a target file explained before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pdpp.ending import end

app = typer.Typer(
    name="target", help="Target files: what the harness is told about a deployment.", no_args_is_help=True
)


@app.callback()
def target() -> None:
    """Target files: what the harness is told about a deployment."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The target file.")],
    base_url: Annotated[str | None, typer.Option(help="The deployment's URL instead of the file's.")] = None,
) -> None:
    """Say what FILE enables: what will be judged or not, what waits, what is created and removed. Asks nothing."""
    from pdpp_conformance.target import TargetError, read_target
    from pdpp_conformance.target_check import explain

    try:
        told = read_target(file, base_url=base_url, approver=None, max_wait=None)
    except TargetError as error:
        end(str(error))
    for line in explain(told):
        typer.echo(line)
