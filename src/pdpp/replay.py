"""`pdpp replay`: a kept case in, one sentence and an exit status out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pdpp.ending import USAGE, end

BROKEN = 1
"""Exit status: the rule is still broken."""

INCOMPLETE = 6
UNREACHABLE = 7


def replay(
    case: Annotated[Path, typer.Argument(help="A case file: reports/…/cases/….json")],
    target: Annotated[Path | None, typer.Option("--target", metavar="FILE", help="The target file.")] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="The deployment (default: bundled server).")
    ] = None,
) -> None:
    """Do again what broke a rule, a request or a sequence of acts, and tell whether it still does.

    Exit status: 0 the rule is kept, 1 it is broken, 6 it could not be judged, 7 the target cannot be reached.
    """
    from pdpp_conformance.discovery import Unreachable
    from pdpp_conformance.exchange import OffLimits
    from pdpp_conformance.fuzzing.case import CaseError, read_case
    from pdpp_conformance.fuzzing.replay import replay as send
    from pdpp_conformance.target import TargetError, read_target
    from pdpp_conformance.verdict import Conclusion

    try:
        kept = read_case(case)
        replayed = send(kept, read_target(target, base_url=base_url, approver="http", max_wait=None))
    except (CaseError, TargetError) as error:
        end(str(error), USAGE)
    except Unreachable as error:
        end(str(error), UNREACHABLE)
    except (Conclusion, OffLimits) as error:
        end(str(error), INCOMPLETE)
    broken = replayed.breaks(kept.requirement)
    if broken is not None:
        typer.echo(f"{kept.requirement} is broken: expected {broken.expected}; observed {broken.observed}")
        raise typer.Exit(BROKEN)
    typer.echo(f"{kept.requirement} is kept: {replayed.told}")
