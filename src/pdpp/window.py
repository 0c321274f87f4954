"""`pdpp window …`: how it stands with a target's verification window, and to declare or close one by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pdpp.ending import USAGE, end

window = typer.Typer(
    help="The verification window of a live deployment: one verification at a time.", no_args_is_help=True
)

UrlArgument = Annotated[str | None, typer.Argument(help="The deployment; by default the target file's.")]
TargetOption = Annotated[Path | None, typer.Option("--target", metavar="FILE", help="See targets/example.yaml.")]

HELD = 1
"""Exit status: the window is open, or was left open."""


@window.command()
def status(
    url: UrlArgument = None,
    target: TargetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print state and record as JSON.")] = False,
) -> None:
    """Say who verifies the deployment, or did last. Exit status 0: free; 1: open, or left open by a crash."""
    from pdpp_conformance.window import State, WindowError, describe, look, origin_key
    from pdpp_conformance.window_places import place_of

    address, settings = _target(url, target)
    try:
        state, record = look(place_of(address, settings))
    except WindowError as error:
        end(str(error), USAGE)
    told = {"state": state.value, "record": None if record is None else record.to_json()}
    typer.echo(json.dumps(told, indent=1) if as_json else describe(state, record, origin_key(address)))
    raise typer.Exit(0 if state is State.FREE else HELD)


@window.command("open")
def open_window(
    url: UrlArgument = None,
    target: TargetOption = None,
    scope: Annotated[str | None, typer.Option(help="What it is opened for.")] = None,
    minutes: Annotated[float, typer.Option("--for", help="How many minutes it will take.", min=1, max=10080)] = 30,
) -> None:
    """Declare a window, which stays open until it is closed. Your own runs go on in it, and everybody else's wait."""
    from pdpp_conformance.window import WindowError, declare, operator_named
    from pdpp_conformance.window_places import place_of

    address, settings = _target(url, target)
    try:
        record = declare(
            place_of(address, settings),
            address,
            operator=operator_named(settings),
            scope=scope or settings.get("scope") or "declared by hand",
            expected_duration_s=minutes * 60,
        )
    except WindowError as error:
        end(str(error), HELD)
    typer.echo(f"open: {record.origin}, until about {record.expected_end}; close it with pdpp window close {address}")


@window.command()
def close(
    url: UrlArgument = None,
    target: TargetOption = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; needed for what a crashed run, or somebody else, left open.")
    ] = None,
) -> None:
    """Close a window that no process holds. What a crashed run made, `pdpp cleanup` removes; this does not."""
    from pdpp_conformance.window import WindowError, close_by_hand, operator_named, origin_key
    from pdpp_conformance.window_places import place_of

    address, settings = _target(url, target)
    try:
        record = close_by_hand(place_of(address, settings), origin_key(address), operator_named(settings), reason)
    except WindowError as error:
        end(str(error), HELD)
    left = "".join(f"\nleft on the target: {what}" for what in record.residue)
    typer.echo(f"closed: {record.origin}, outcome: {record.outcome}{left}")


def _target(url: str | None, file: Path | None) -> tuple[str, dict[str, Any]]:
    """Return the deployment's URL and the window settings of the target file."""
    from pdpp_conformance.target import TargetError, read_place

    try:
        address, settings = read_place(file, url)
    except TargetError as error:
        end(str(error), USAGE)
    if address is None:
        end("which deployment? give its URL, or --target with a file that names it", USAGE)
    return address, settings
