"""``python -m scripts.catalogue_table``: write the numbers of the catalogue into the README, between its markers."""

from __future__ import annotations

import re
from pathlib import Path

from pdpp_conformance.catalogue import read_catalogue
from pdpp_conformance.coverage import coverage_of

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
_PLACE = re.compile(r"(<!-- catalogue: .*? -->\n).*?(<!-- /catalogue -->)", re.DOTALL)


def with_table(text: str) -> str:
    """Return the README with the table as the catalogue and the features are now.

    Raises:
        ValueError: the README has no place for it.
    """
    catalogue = read_catalogue(ROOT / "features" / "catalogue", ROOT / "schemas" / "catalogue.schema.json")
    table = coverage_of(ROOT / "features", catalogue).table()
    written, places = _PLACE.subn(lambda found: f"{found[1]}{table}{found[2]}", text)
    if places != 1:
        raise ValueError("the README needs one place between <!-- catalogue: … --> and <!-- /catalogue -->")
    return written


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
