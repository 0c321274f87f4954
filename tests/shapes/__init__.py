"""What the judge may and may not say of each correct shape of the bundled server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Expectation:
    """What a run against one shape is held to."""

    touched: str
    """The requirements that the shape has to do with: ids, and prefixes of ids such as ``REV``."""
    not_passed: str = ""
    """Of which requirements the shape leaves nothing to see, so that PASS would be a verdict for lack of evidence."""
    rightly_found: Mapping[str, str] = field(default_factory=dict)
    """Which requirements are unmet by the catalogue's own words, and why that is right."""

    def touches(self, rows: Iterable[str]) -> bool:
        """Whether the shape has to do with any of these requirements."""
        return any(_is_among(row, self.touched) for row in rows)

    def must_not_pass(self, row: str) -> bool:
        """Whether PASS would be a verdict for lack of evidence."""
        return _is_among(row, self.not_passed)


def _is_among(row: str, ids: str) -> bool:
    return any(row == named or row.startswith(f"{named}-") for named in ids.split())


EXPECTED: Mapping[str, Expectation] = {
    "minimal": Expectation(
        "REF REV INT-02 INT-03 INT-08 REG-01 REG-03 REG-10 CHG-15 DAR-06 POL-05 PRO-02 TOK-05 MET-05",
        not_passed="REF REV-01 REV-02 REV-03 REV-04 REV-05 REV-06 REV-07 REV-09 INT-03 INT-04 INT-05 INT-06 INT-07 "
        "INT-08 INT-09 REG-01 REG-02 REG-03 REG-04 REG-05 REG-06 REG-10 DAR-06 CHG-10 PRO-02",
    ),
    "handshake_only": Expectation("CHG-01 CHG-02 PRM RSC", not_passed="PRM-13"),
    "older_type": Expectation("ASM-19 MET-01 MET-03 MET-18 DAR-16 TOK-07"),
    "short_codes": Expectation(
        "DRS POL-07 POL-09 POL-15 POL-17 POL-18 POL-30 UIX-05",
        rightly_found={
            "DRS-10": "Six of twenty letters are 25.9 bits, fewer than RFC 8628 §5.1 recommends whatever the limit.",
        },
    ),
    "short_sessions": Expectation("UIX-14 UIX-15 UIX-16 UIX-30 UIX-31 REG REF-08 CHG-15 RSC-08 PRO-06"),
    "two_step": Expectation("CHG-15 CHG-16 PRO-07 UIX-05 UIX-06 UIX-16"),
    "login_with_user_name": Expectation("CHG-09 PRO-03 UIX-05"),
    "strict_registration": Expectation("REG DAR-06 POL-11", not_passed="REG-03"),
    "no_complete_uri": Expectation("DRS UIX-05 UIX-06 CHG-15", not_passed="UIX-05 UIX-06"),
    "interval_absent": Expectation("DRS DAR-10 POL-07 POL-15 POL-17 POL-18 POL-30"),
    "always_pending": Expectation("POL-07 POL-15 POL-16 POL-17 POL-18 POL-30", not_passed="POL-15 POL-30"),
    "package_kind": Expectation("MET-10 MET-11 CHG-10 PRO-02 PRO-04"),
    "revoked_is_403": Expectation(
        "POL-13 RSC-08 RSC-28 REV-01 REV-05 REV-09 REF-02 REF-06 PRO-14",
        rightly_found={"RSC-08": "The row itself: 403 instead of 401 is WARN where nothing of the grant is served."},
    ),
    "errors_without_request_id": Expectation("ERR POL-12 POL-02 DAR-04 CHG-02 RSC-03"),
    "no_owner_block": Expectation("ASM PRM MET PRO-11 CHG-02 CHG-08 CHG-09 CHG-16", not_passed="MET-17"),
    "issuer_with_path": Expectation("ASM PRM MET REV-01 REG-01 INT-03 POL-11 UIX-05 UIX-16"),
    "two_origins": Expectation("ASM PRM MET REV-01 REG-01 INT-03 INT-08 CHG-01 UIX-05"),
}
"""What each shape is held to, by its name."""
