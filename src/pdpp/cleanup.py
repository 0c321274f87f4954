"""`pdpp cleanup`: options in, one sentence a thing and an exit status out."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Annotated

import typer

from pdpp.ending import USAGE, end

LEFT = 1
"""Exit status: something is left on the target."""

UNREACHABLE = 7
INTERNAL = 70


def cleanup(
    report_dir: Annotated[Path, typer.Argument(help="The report folder of the run that crashed.")],
    target: Annotated[Path | None, typer.Option("--target", metavar="FILE", help="The run's target file.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help="The run's deployment.")] = None,
) -> None:
    """Remove what a crashed run left on its target, and close its window. The owner's credentials come as for a run.

    Exit status: 0 nothing is left, 1 something is, 7 the target cannot be reached.
    """
    from pdpp_conformance.after_crash import CleanupError, clean_up
    from pdpp_conformance.journal import JournalError
    from pdpp_conformance.target import TargetError
    from pdpp_conformance.window import WindowError, WindowRefused

    try:
        done = clean_up(report_dir, target, base_url, typer.echo)
    except WindowRefused as error:
        end(str(error), LEFT)
    except (CleanupError, JournalError, TargetError, WindowError) as error:
        end(str(error), USAGE)
    except Exception as error:
        # Its message may hold anything; where it came from is enough to report it.
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        end(f"the cleaning up itself failed ({where}); please report that, and run it again", INTERNAL)
    for left in done.residue:
        typer.echo(left.sentence, err=True)
    if done.problem is not None:
        end(done.problem, UNREACHABLE)
    typer.echo(f"removed: {done.removed}, left: {len(done.residue)}")
    raise typer.Exit(LEFT if done.residue and not done.accepted else 0)
