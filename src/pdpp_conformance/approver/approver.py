"""What the owner does with a device's request, and what the owner saw: the interface of every approver."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pdpp_conformance.oauth_client import DeviceRequest, Kind
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
    """A page as the owner saw it, or the pages of one decision, read as one (:func:`read_as_one`)."""

    url: str
    title: str
    text: str
    """The visible text."""
    main_text: str
    """The visible text of the page's main part, navigation left out, where the page marks one."""
    headings: Sequence[str]
    buttons: Sequence[str]
    """The names of the buttons that can be pressed."""
    links: Sequence[str]
    """The names of the links."""
    link_targets: Sequence[str]
    """Where the links lead, absolute."""
    form_targets: Sequence[str]
    """Where the forms, and buttons with targets of their own, send what is entered, absolute."""
    markup: str = field(repr=False)
    protocol_facts: str
    """The text of what the page presents as verified (``data-authorship="protocol"``)."""
    client_claims: str
    """The text of what the page presents as the client's own words (``data-authorship="client"``)."""
    password_field: bool
    code_field: str
    """Selects the field for a user code; empty where there is none."""
    attachment: Attachment | None = None

    def offers(self, names: Sequence[str]) -> str | None:
        """Return the name of the first button, or else link, that begins with one of ``names``."""
        for offered in (self.buttons, self.links):
            for name in names:
                begins = re.compile(rf"\s*{re.escape(name)}\b", re.IGNORECASE)
                found = next((offer for offer in offered if begins.match(offer)), None)
                if found is not None:
                    return found
        return None


def read_as_one(pages: Sequence[Page]) -> Page:
    """Return the pages of one decision as one page: a deployment may spread over several what the owner has to know.

    Its address, title and picture are the first page's.
    """
    first = pages[0]

    def joined(texts: Iterable[str]) -> str:
        return "\n".join(texts)

    return replace(
        first,
        text=joined(page.text for page in pages),
        main_text=joined(page.main_text for page in pages),
        markup=joined(page.markup for page in pages),
        protocol_facts=joined(page.protocol_facts for page in pages),
        client_claims=joined(page.client_claims for page in pages),
        headings=[heading for page in pages for heading in page.headings],
        buttons=[button for page in pages for button in page.buttons],
        links=[link for page in pages for link in page.links],
        link_targets=[target for page in pages for target in page.link_targets],
        form_targets=[target for page in pages for target in page.form_targets],
    )


@dataclass(frozen=True)
class Decision:
    """What the owner was shown before the decision, on one page or several, and the page that followed it."""

    asked: Page
    concluded: Page


@dataclass(frozen=True)
class Arrival:
    """Where a walk through an authorization request ended."""

    page: Page
    asks: bool
    """Whether the page asks for a decision."""
    redirected_to: str | None
    """The redirect URI with the authorization response in it, once the owner was sent back to the client."""


class Approver(Protocol):
    """The owner, at a browser or otherwise."""

    kind: str

    def prepare(self) -> None:
        """Start whatever takes time to start; what cannot be started is told when it is needed."""
        ...

    def knows_presses(self, kind: Kind) -> bool:
        """Whether it is known how many presses approve a request of a kind, so that a decision can be read whole."""
        ...

    def read(self, device: DeviceRequest, *, complete: bool = False) -> Page:
        """Go to the page that asks for the decision, and decide nothing.

        Where it was seen that the decision takes several pages, they are all walked and read as one.

        Args:
            complete: arrive by ``verification_uri_complete`` instead of typing the user code.
        """
        ...

    def approve(
        self, device: DeviceRequest, *, without_streams: Sequence[str] = (), on_the_page: bool = False
    ) -> Decision:
        """Approve a request, after leaving out the streams named.

        Args:
            on_the_page: what the pages show is what it is done for; else any way that the owner has will do.

        Raises:
            Blocked: the pages cannot be driven so.
        """
        ...

    def deny(self, device: DeviceRequest) -> Decision:
        """Deny a request."""
        ...

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        """Type a user code, right or wrong, and return the page that answers."""
        ...

    def visit(self, url: str) -> Page:
        """Open a page as the owner, who signs in where asked."""
        ...

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        """Open an authorization request (RFC 6749 §4.1.1), sign in where asked, decide, and follow the way back.

        Nothing is sent to the redirect URI.

        Args:
            approve: the owner's decision; ``None`` to stop at the page that asks for it.
        """
        ...

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        """Return the owner's cookies at the deployment, names and values."""
        ...

    def sessions_of_cookies(self) -> Sequence[Sequence[tuple[str, str]]]:
        """Return the cookies of each session that the approver itself may have signed in to."""
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

    def knows_presses(self, kind: Kind) -> bool:
        return True  # nobody presses anything

    def read(self, device: DeviceRequest, *, complete: bool = False) -> Page:
        raise self._nobody()

    def approve(
        self, device: DeviceRequest, *, without_streams: Sequence[str] = (), on_the_page: bool = False
    ) -> Decision:
        raise self._nobody()

    def deny(self, device: DeviceRequest) -> Decision:
        raise self._nobody()

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        raise self._nobody()

    def visit(self, url: str) -> Page:
        raise self._nobody()

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        raise self._nobody()

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        raise self._nobody()

    def sessions_of_cookies(self) -> Sequence[Sequence[tuple[str, str]]]:
        return ()

    def close(self) -> None:
        """Nothing was started."""

    def _nobody(self) -> Blocked:
        reason, unblock = self._blocked
        return Blocked(reason, unblock=unblock)
