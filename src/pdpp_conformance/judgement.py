"""How a step judges: it says what was expected and what was observed, met or not, and both go into the report."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pdpp_conformance.exchange import Answer
from pdpp_conformance.verdict import Remark, Shortfall, Unmet


class Judgement:
    """The judging of one scenario."""

    def __init__(self) -> None:
        self.expected: str | None = None
        self.observed: str | None = None
        self.notes: list[str] = []
        self.exchanges: list[int] = []
        """Numbers of exchanges outside the scenario that it rests on."""

    def that(self, met: bool, expected: str, observed: str) -> None:
        """Judge one statement.

        Raises:
            Unmet: it does not hold.
        """
        self.expected, self.observed = expected, observed
        if not met:
            raise Unmet(expected, observed)

    def at_most_warn(self, met: bool, expected: str, observed: str) -> None:
        """Judge a statement of which the catalogue says that its opposite is no failure.

        Raises:
            Shortfall: it does not hold.
        """
        self.expected, self.observed = expected, observed
        if not met:
            raise Shortfall(expected, observed)

    def remark(self, met: bool, expected: str, observed: str) -> None:
        """Judge a statement whose opposite is permitted.

        Raises:
            Remark: it does not hold.
        """
        self.expected, self.observed = expected, observed
        if not met:
            raise Remark(expected, observed)

    def equal(self, observed: Any, expected: Any, what: str) -> None:
        """Judge that ``what`` is exactly ``expected``."""
        self.that(observed == expected, f"{what} {_show(expected)}", _show(observed))

    def error(self, answer: Answer, codes: Collection[str], *, statuses: Collection[int] = (400,)) -> None:
        """Judge a refusal of RFC 6749 §5.2: its status, its error code, and that it is a JSON object."""
        expected = f"{_either(statuses)} {_either(codes)} as JSON"
        is_json = answer.media_type == "application/json"
        observed = answer.summary if is_json else f"{answer.summary} ({answer.media_type or 'no content type'})"
        self.that(is_json and answer.status in statuses and answer.error in codes, expected, observed)

    def no_bearer(self, answer: Answer) -> None:
        """Judge that an answer hands out no token."""
        found = [name for name in ("access_token", "refresh_token", "id_token") if answer.member(name) is not None]
        self.that(not found, "no token in the answer", f"{answer.summary} with {', '.join(found) or 'none'}")

    def rests_on(self, *answers: Answer) -> None:
        """Count answers that came before the scenario, or beside it, among its evidence."""
        self.exchanges += [answer.number for answer in answers if answer.number not in self.exchanges]

    def note(self, text: str) -> None:
        """Add a remark that the report shows beside the verdict."""
        if text not in self.notes:
            self.notes.append(text)


def _either(values: Collection[object]) -> str:
    return " or ".join(str(value) for value in values)


def _show(value: Any) -> str:
    text = "absent" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
