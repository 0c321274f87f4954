"""How a command ends that could not do what it was asked for: one sentence, and an exit status."""

from __future__ import annotations

from typing import NoReturn

import typer

USAGE = 64
"""Exit status: what was asked for cannot be understood, or not be used."""


def end(sentence: str, status: int = USAGE) -> NoReturn:
    """Say why on standard error, and end the command."""
    typer.echo(f"pdpp: {sentence}", err=True)
    raise typer.Exit(status)
