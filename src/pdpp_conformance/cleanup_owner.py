"""What only the owner and the resource server can do for a run's cleaning up."""

from __future__ import annotations

from collections.abc import Mapping

from pdpp_conformance.owner_decisions import A_VERIFICATION_URI
from pdpp_conformance.owner_grants import end_grant, end_package
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion


class OwnerOfRun:
    """The owner and the resource server of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        # Where the owner's pages begin, should the run not have asked for codes: nothing is to be made any more.
        named = run.discovery.owner_agent_onboarding.get("owner_approval_url")
        run.once(A_VERIFICATION_URI, lambda: named if isinstance(named, str) else run.discovery.issuer)

    def session_headers(self) -> Mapping[str, str]:
        return self._run.owner_session_headers()

    def end_grant(self, grant_id: str) -> bool:
        return end_grant(self._run, grant_id)

    def end_package(self, package_id: str, grants: int) -> bool:
        return end_package(self._run, package_id, grants)

    def is_active(self, token: str) -> bool | None:
        try:
            active = self._run.introspect(token).member("active")
        except Conclusion:
            return None
        return active if isinstance(active, bool) else None
