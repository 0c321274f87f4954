"""`pdpp owner-agent`: owner-level access for the owner's own local automation, which is no MCP credential."""

from __future__ import annotations

from dataclasses import dataclass

from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.connect import concluded
from pdpp_reference.setup_client.credentials import Credential
from pdpp_reference.setup_client.device_flow import DeviceFlow, tell_codes
from pdpp_reference.setup_client.discovery import Discovery
from pdpp_reference.setup_client.failures import Refused, Usage
from pdpp_reference.setup_client.http import Answer, is_usable
from pdpp_reference.setup_client.kept import KeptCredentials
from pdpp_reference.setup_client.report import Report
from pdpp_reference.setup_client.surroundings import Surroundings
from pdpp_reference.setup_client.tokens import Token, read_token

PREPARATION_SECONDS = 90.0

LABEL = (
    "Trusted owner-agent onboarding: owner-level local automation.",
    "The bearer reads everything of the owner's under /v1/**. It is no MCP credential: /mcp rejects it by design.",
    "For an MCP client use pdpp connect instead.",
)


@dataclass(frozen=True)
class OnboardOptions:
    """What the person asked for."""

    url: str
    client_id: str | None = None
    timeout: float | None = None
    shown_by: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The command as it was typed, to be typed again."""
        words = ["pdpp", "owner-agent", "onboard", self.url]
        words += ["--client-id", self.client_id] if self.client_id is not None else []
        words += ["--timeout", f"{self.timeout:g}"] if self.timeout is not None else []
        return [*words, *self.shown_by]


def onboard(options: OnboardOptions, surroundings: Surroundings, report: Report) -> int:
    """Onboard an owner agent; return the exit status (0, 64, 69, 70 or 75)."""
    return concluded(report, options.words, lambda: Onboarding(options, surroundings, report).onboard())


def tell_status(url: str, surroundings: Surroundings, report: Report) -> None:
    """Tell what is kept for a deployment, and whether its REST surface takes it.

    Raises:
        SetupFailure: nothing is kept, the deployment refuses it, or cannot be reached.
    """
    kept = KeptCredentials(surroundings)
    credential = kept.find(url, "owner")
    report.tell("note", text=f"An owner's bearer for {credential.resource} lies in {kept.path_of(credential)}.")
    report.tell("note", text=LABEL[1])
    http = surroundings.parts.http(
        surroundings.clock, Deadline.after(surroundings.clock, PREPARATION_SECONDS), surroundings.wrap
    )
    try:
        bearer = surroundings.parts.bearer_check(http).bearer(credential.access_token)
        answer = http.patiently(http.get, f"{credential.resource}/streams", bearer)
    finally:
        http.close()
    if answer.status != 200:
        raise Refused(f"{credential.resource} does not take it ({answer.summary}); onboard again")
    report.tell("note", text=f"{credential.resource} takes it.")


class OwnersFlow(DeviceFlow):
    """The device flow whose outcome is an owner's token."""

    def read_token(self, answer: Answer) -> Token:
        return read_token(answer, self._clock.now(), owners=True)


class Onboarding:
    """One onboarding."""

    def __init__(self, options: OnboardOptions, surroundings: Surroundings, report: Report) -> None:
        self._options = options
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._report = report
        self._deadline = Deadline.after(self._clock, options.timeout or PREPARATION_SECONDS)
        self._http = surroundings.parts.http(self._clock, self._deadline, surroundings.wrap)

    def onboard(self) -> None:
        """Discover, authorize, keep; say before and after what the bearer is for.

        Raises:
            SetupFailure: there is no bearer.
        """
        try:
            self._onboard()
        finally:
            self._http.close()

    def _onboard(self) -> None:
        for line in LABEL:
            self._report.tell("note", text=line)
        discovery = self._surroundings.parts.discovery(self._http)
        issuer, query_base = self._offered(discovery)
        server = discovery.authorization_server(issuer)
        if server.metadata.get("device_authorization_endpoint") is None or not server.supports(DEVICE_CODE_GRANT):
            raise Refused(f"{issuer} advertises no device authorization")
        identity = self._surroundings.parts.identity(self._http)
        client_id, how = identity.client_id(server, given=self._options.client_id, kept=None)
        self._report.tell("client", client_id=client_id, how=how)
        flow = OwnersFlow(self._http, self._clock, self._report, self._surroundings.parts.pace, server)
        codes = flow.begin([("client_id", client_id)])
        tell_codes(self._report, self._clock, codes)
        if self._options.timeout is None:
            self._deadline.ends = codes.expires_at
        token = flow.token(codes, [("client_id", client_id)], self._deadline)
        if token.grant_id is not None or token.authorization_details:
            raise Refused("the server's token is scoped to a grant, not an owner's; it was not kept")
        credential = Credential(
            server.issuer,
            query_base,
            query_base,
            client_id,
            token.access_token,
            token.refresh_token,
            token.expires_at,
            token.scope,
            kind="owner",
        )
        path = self._surroundings.parts.store(self._surroundings.folder).keep(credential)
        self._report.tell("stored", path=str(path), resource=query_base, issuer=server.issuer)
        self._report.tell("note", text=LABEL[1])

    def _offered(self, discovery: Discovery) -> tuple[str, str]:
        """Return the authorization server for it, and the base of the owner's REST surface."""
        if not is_usable(self._options.url):
            raise Usage("the URL has to be https (http to this machine only): the deployment's origin")
        document = discovery.root_document(self._options.url)
        block = document.get("pdpp_owner_agent_onboarding")
        if not isinstance(block, dict):
            raise Refused("this deployment offers no owner-agent onboarding")
        issuer, query_base = block.get("authorization_server"), block.get("query_base")
        issuers = document.get("authorization_servers")
        if not (isinstance(issuers, list) and issuer in issuers and is_usable(issuer) and is_usable(query_base)):
            raise Refused("the owner-agent onboarding of this deployment names URLs that it does not vouch for")
        return str(issuer), str(query_base)
