"""`pdpp summary`: a run in a page of Markdown, for the summary of a build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pdpp.ending import end


def summary(
    report_dir: Annotated[Path, typer.Argument(help="The report folder of the run.")],
) -> None:
    """Print what a run came to as Markdown: outcome, findings, what could not be judged, counts."""
    from pdpp_conformance.report.markdown import markdown_of

    file = report_dir / "run.json"
    try:
        page = markdown_of(json.loads(file.read_bytes()))
    except OSError as error:
        end(f"{file} cannot be read ({error.strerror}); give the report folder of a run that came to its end")
    except (ValueError, KeyError, TypeError, AttributeError):
        end(f"{file} is no report of a run; give the report folder of a run that came to its end")
    typer.echo(page, nl=False)
