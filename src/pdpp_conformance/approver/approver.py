"""What the owner does with a device's request, and what the owner saw: the interface of every approver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.verdict import Blocked


@dataclass(frozen=True)
class Attachment:
    """A file in the report folder that shows what was seen."""

    name: str
    path: str
    """Relative to the report folder."""
    media_type: str
    caption: str


@dataclass(frozen=True)
class Page:
    """A page as the owner saw it."""

    url: str
    title: str
    text: str
    """The visible text."""
    main_text: str
    """The visible text of the page's main part, navigation left out, where the page marks one."""
    headings: Sequence[str]
    buttons: Sequence[str]
    markup: str = field(repr=False)
    protocol_facts: str = ""
    """The text of what the page presents as verified (``data-authorship="protocol"``)."""
    client_claims: str = ""
    """The text of what the page presents as the client's own words (``data-authorship="client"``)."""
    attachment: Attachment | None = None


@dataclass(frozen=True)
class Decision:
    """The page on which the owner decided, and the page that followed."""

    asked: Page
    concluded: Page


class Approver(Protocol):
    """The owner, at a browser or otherwise."""

    kind: str

    def prepare(self) -> None:
        """Start whatever takes time to start; what cannot be started is told when it is needed."""
        ...

    def read(self, device: DeviceAuthorization, *, complete: bool = False) -> Page:
        """Go to the page that asks for the decision, and decide nothing.

        Args:
            complete: arrive by ``verification_uri_complete`` instead of typing the user code.
        """
        ...

    def approve(self, device: DeviceAuthorization, *, without_streams: Sequence[str] = ()) -> Decision:
        """Approve a request, after leaving out the streams named.

        Raises:
            Blocked: the pages cannot be driven so.
        """
        ...

    def deny(self, device: DeviceAuthorization) -> Decision:
        """Deny a request."""
        ...

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        """Type a user code, right or wrong, and return the page that answers."""
        ...

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        """Return the owner's cookies at the deployment, names and values."""
        ...

    def close(self) -> None:
        """End whatever the approver started."""
        ...


class NoApprover:
    """Nobody plays the owner: whatever needs a decision cannot be judged."""

    kind = "none"

    def __init__(self, reason: str, unblock: str) -> None:
        self._blocked = (reason, unblock)

    def prepare(self) -> None:
        """There is nothing to start."""

    def read(self, device: DeviceAuthorization, *, complete: bool = False) -> Page:
        raise self._nobody()

    def approve(self, device: DeviceAuthorization, *, without_streams: Sequence[str] = ()) -> Decision:
        raise self._nobody()

    def deny(self, device: DeviceAuthorization) -> Decision:
        raise self._nobody()

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        raise self._nobody()

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        raise self._nobody()

    def close(self) -> None:
        """Nothing was started."""

    def _nobody(self) -> Blocked:
        reason, unblock = self._blocked
        return Blocked(reason, unblock=unblock)
