"""Which requirements the specification judges, and what it says of the others: the catalogue against the features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_bdd.feature import get_feature

from pdpp_conformance.catalogue import Catalogue, Requirement
from pdpp_conformance.feature_files import tags_of
from pdpp_conformance.verdict import Level

LEVEL_ORDER = (Level.MUST, Level.PROFILE, Level.SHOULD, Level.DERIVED, Level.ADVISORY)


@dataclass(frozen=True)
class Coverage:
    """The catalogue's requirements, by how the specification deals with them."""

    catalogue: Catalogue
    judged: frozenset[str]
    """Requirements with a scenario."""
    negative: frozenset[str]
    """Those with a scenario that does what has to be refused."""

    @property
    def unexplained(self) -> list[str]:
        """Requirements without a scenario and without a reason."""
        rows = self.catalogue.requirements.values()
        return [row.id for row in rows if row.id not in self.judged and not (row.excluded or row.is_attested)]

    def table(self) -> str:
        """Return the numbers of requirements by level as a Markdown table."""
        lines = [
            "| level | requirements | judged | with a negative scenario | excluded, with a reason | attested |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for level in LEVEL_ORDER:
            rows = [row for row in self.catalogue.requirements.values() if row.level is level]
            lines.append(_line(level.value, self._counts(rows)))
        lines.append(_line("**all**", self._counts(list(self.catalogue.requirements.values()))))
        return "\n".join(lines) + "\n"

    def _counts(self, rows: list[Requirement]) -> Mapping[str, int]:
        unjudged = [row for row in rows if row.id not in self.judged]
        return {
            "all": len(rows),
            "judged": len(rows) - len(unjudged),
            "negative": sum(row.id in self.negative for row in rows),
            "excluded": sum(row.excluded is not None for row in unjudged),
            "attested": sum(row.is_attested and row.excluded is None for row in unjudged),
        }


def coverage_of(features: Path, catalogue: Catalogue) -> Coverage:
    """Read every feature file below a directory and hold it against the catalogue."""
    scenarios = list(_tags_below(features))
    rows = catalogue.requirements.keys()
    return Coverage(
        catalogue,
        judged=frozenset(tag for tags in scenarios for tag in tags & rows),
        negative=frozenset(tag for tags in scenarios if "negative" in tags for tag in tags & rows),
    )


def _tags_below(directory: Path) -> Iterator[frozenset[str]]:
    for path in sorted(directory.rglob("*.feature")):
        feature = get_feature(str(path.parent), path.name)
        for template in feature.scenarios.values():
            yield frozenset(tags_of(feature, template))


def _line(name: str, counts: Mapping[str, int]) -> str:
    return f"| {name} | {' | '.join(str(number) for number in counts.values())} |"
