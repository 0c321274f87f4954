"""What a maintainer acts on: red rows that share a defect as one finding, BLOCKED rows by what would unblock them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]

RED = ("FAIL", "WARN")
"""The verdicts of an unmet row, the worse first."""

_ORDER = (*RED, "INFO")

_LEVEL_ORDER = ("MUST", "PROFILE", "SHOULD", "DERIVED", "ADVISORY")


@dataclass(frozen=True)
class Finding:
    """One defect: the red rows that it explains, the one that says most about it first."""

    number: int
    rows: tuple[Row, ...]

    @property
    def lead(self) -> Row:
        """The row under which the finding is told."""
        return self.rows[0]

    @property
    def others(self) -> tuple[Row, ...]:
        """The rows that the same defect turned red."""
        return self.rows[1:]

    @property
    def verdict(self) -> str:
        """The worst verdict among the rows: FAIL or WARN."""
        return str(self.lead["verdict"])

    @property
    def anchor(self) -> str:
        """The finding's place in `report.html`."""
        return f"finding-{self.number}"

    @property
    def exchanges(self) -> list[int]:
        """Numbers of the exchanges that any of the rows rests on."""
        return sorted({number for row in self.rows for number in row["exchanges"]})


@dataclass(frozen=True)
class BlockedGroup:
    """BLOCKED rows that wait for the same thing."""

    reason: str
    unblock: str | None
    rows: tuple[Row, ...]


def findings(run: Mapping[str, Any]) -> list[Finding]:
    """The run's findings: FAIL before WARN, stronger levels first, then the catalogue's order.

    `same_defect_as` is read as symmetric and transitive, among red rows only: a green row joins nothing. Known
    deviations are no findings; unmet advice is one where the run was asked to fail on it.
    """
    red = [row for row in run["requirements"] if _is_red(row, run["fail_on"]) and not row.get("deviation")]
    position = {row["id"]: index for index, row in enumerate(red)}
    named_by: dict[str, int] = dict.fromkeys(position, 0)
    root = list(range(len(red)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    for index, row in enumerate(red):
        for other in row["same_defect_as"]:
            if other in position:
                named_by[other] += 1
                root[find(index)] = find(position[other])

    # The lead is the row that the others name as the defect, unless a graver row is among them.
    def weight(index: int) -> tuple[int, int, int, int]:
        row = red[index]
        return _ORDER.index(row["verdict"]), _LEVEL_ORDER.index(row["level"]), -named_by[row["id"]], index

    groups: dict[int, list[int]] = {}
    for index in range(len(red)):
        groups.setdefault(find(index), []).append(index)
    ordered = sorted(
        (sorted(group, key=weight) for group in groups.values()), key=lambda group: _rank(red[group[0]], group)
    )
    return [Finding(number, tuple(red[index] for index in group)) for number, group in enumerate(ordered, start=1)]


def blocked(run: Mapping[str, Any]) -> list[BlockedGroup]:
    """The BLOCKED rows, grouped by reason and by what would unblock them, in the order of their first row."""
    groups: dict[tuple[str, str | None], list[Row]] = {}
    for row in run["requirements"]:
        if row["verdict"] == "BLOCKED":
            groups.setdefault((row["reason"] or "no reason was recorded", row["unblock"]), []).append(row)
    return [BlockedGroup(reason, unblock, tuple(rows)) for (reason, unblock), rows in groups.items()]


def known_deviations(run: Mapping[str, Any]) -> list[Row]:
    """The red rows that known deviations account for."""
    return [row for row in run["requirements"] if row.get("deviation")]


def _is_red(row: Row, fail_on: str) -> bool:
    return row["verdict"] in RED or (row["verdict"] == "INFO" and row["level"] == "ADVISORY" and fail_on == "all")


def _rank(lead: Row, group: list[int]) -> tuple[int, int, int]:
    return _ORDER.index(lead["verdict"]), _LEVEL_ORDER.index(lead["level"]), min(group)
