"""The window around a run: whether the target calls for one, and what the run says of itself in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pdpp_conformance.exchange import is_loopback
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.window import Place, Window, new_record, operator_named, origin_key
from pdpp_conformance.window_places import FolderPlace, place_of

if TYPE_CHECKING:
    from pdpp_conformance.run import Run

DEFAULT_SCOPE = "conformance run"

_SECONDS_A_SCENARIO = 2.0
"""What a scenario against a deployment takes, on the generous side of the middle."""


def calls_for_window(target: Target, *, asked: bool) -> bool:
    """Whether a window has to be open: on every deployment but this machine's own, and there when asked for."""
    if target.base_url is None:
        return False
    return asked or bool(target.window) or not all(is_loopback(url) for url in _urls(target))


def open_window(target: Target, *, asked: bool, max_wait: float, scenarios: int, report_dir: Path) -> Window | None:
    """Declare the run's window before its first request.

    Args:
        asked: open one on loopback, too.
        max_wait: seconds that the run may really wait.
        scenarios: how many scenarios it has.

    Raises:
        WindowError: another window is open, or there is nowhere to declare one.
    """
    if not calls_for_window(target, asked=asked):
        return None
    assert target.base_url is not None
    record = new_record(
        target.base_url,
        operator=operator_named(target.window),
        scope=f"{target.window.get('scope', DEFAULT_SCOPE)}, {scenarios} scenarios",
        expected_duration_s=round(max_wait + scenarios * _SECONDS_A_SCENARIO, 1),
        boundaries=_boundaries(target, max_wait),
        report_dir=str(report_dir),
    )
    return Window.open(place_of(target.base_url, target.window), record)


def open_bundled_window(run: Run, *, scenarios: int) -> Window:
    """Declare a window on the bundled server of a run, in the run's report folder.

    Nobody else knows of that server. The window is declared all the same, so that what has to happen inside one is
    judged before it happens on a live stack.
    """
    target = run.target
    assert target.base_url is not None
    record = new_record(
        target.base_url,
        operator=operator_named(target.window),
        scope=f"{DEFAULT_SCOPE} on the bundled server, {scenarios} scenarios",
        expected_duration_s=60.0,
        boundaries=_boundaries(target, 0),
        report_dir=str(run.report_dir.resolve()),
    )
    return Window.open(_place_for(run), record)


def require_window(run: Run) -> None:
    """Go on only inside a window that keeps everybody else out.

    Raises:
        NotApplicable: the run needs none.
        Blocked: it lost its window.
    """
    run.rests_beyond("whether the verification window was held")
    if run.window is None:
        raise NotApplicable("the run needs no verification window: what it judges is on this machine")
    if not run.window.is_held(_place_for(run)):
        raise Blocked(
            "the run lost its verification window, so that another may go on beside it",
            unblock="a run whose lock, in the window's folder or database, nobody takes away",
        )


def _place_for(run: Run) -> Place:
    assert run.target.base_url is not None
    if run.bundled is not None:
        return FolderPlace(run.report_dir / "window", origin_key(run.target.base_url), shared=False)
    return place_of(run.target.base_url, run.target.window)


def _urls(target: Target) -> list[str]:
    return [url for url in (target.base_url, target.authorization_server, target.mcp_url) if url is not None]


def _boundaries(target: Target, max_wait: float) -> list[str]:
    limits = target.limits
    told = [f"requests to {', '.join(dict.fromkeys(_urls(target)))} only", f"real waits of {max_wait:g} s in all"]
    if limits.requests is not None:
        told.append(f"at most {limits.requests} requests")
    if limits.requests_per_second is not None:
        told.append(f"at most {limits.requests_per_second:g} requests a second")
    told.append("fuzzing" if limits.allow_fuzzing else "no fuzzing")
    if limits.flow_runs:
        told.append(f"at most {limits.flow_runs} flows in any order")
    told.append("guessing of user codes" if limits.allow_code_guessing else "no guessing of user codes")
    told.append("what the run makes it removes at its end")
    return [*told, *target.window.get("boundaries", [])]
