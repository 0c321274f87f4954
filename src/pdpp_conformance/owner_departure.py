"""At the end of a run on a deployment the owner signs out of every session that the run signed in to."""

from __future__ import annotations

from collections.abc import Iterator

from pdpp_conformance.exchange import OffLimits
from pdpp_conformance.owner_decisions import owner_pages, visitor
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion
from pdpp_conformance.visitor import Visitor

ACTOR = "the owner, leaving"


def leave(run: Run) -> str | None:
    """Sign out everywhere; return in a sentence what could not be done, ``None`` where nothing is left signed in."""
    sessions = list(_sessions(run))
    left = 0
    for who in sessions:
        try:
            left += not _signed_out(run, who)
        except (Conclusion, OffLimits):
            left += 1
    if not left:
        return None
    return (
        f"{left} of the owner's {len(sessions)} sessions were not signed out, as the owner found no way to; they end "
        "when the deployment ends them; approver.sign_out in the target file names the link or button"
    )


def _sessions(run: Run) -> Iterator[Visitor]:
    """Yield a visitor for each session of the run's that may be signed in, each value of a cookie once."""
    known: set[frozenset[str]] = set()
    by_form = (who.cookie_pairs for who in run.visitors if who.signed_in)
    for pairs in (*run.approver.sessions_of_cookies(), *by_form):
        values = frozenset(value for _, value in pairs)
        if not pairs or values in known:
            continue
        known.add(values)
        who = visitor(run, can_sign_in=False, actor=ACTOR)
        who.keep_pairs(pairs, run.discovery.issuer)
        yield who


def _signed_out(run: Run, who: Visitor) -> bool:
    """Sign one session out, if it is signed in; return whether it is not signed in any more."""
    names = run.target.approver.sign_out
    asked = False
    for url in owner_pages(run, who):
        visit = who.open(url)
        if visit.page.offers(names) is not None:
            who.decide(visit, names)
            return who.open(url).page.offers(names) is None
        asked = asked or visit.page.sign_in is not None
    return asked
