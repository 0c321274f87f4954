"""The owner's list of grants (OAuth 2.1 §7.9): found by its link, searched for a grant, which its button revokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.html_pages import Choice, HtmlPage, named
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import OAuthClient, TokenResponse, read_token_response
from pdpp_conformance.owner_decisions import decide, owner, owner_pages
from pdpp_conformance.run import CLIENT_NAME, Run
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.visitor import Visit

MOST_CONFIRMATIONS = 3

_CLIENT = "a client to be revoked"


@dataclass(frozen=True)
class Granted:
    """A grant, the client that has it, and its token."""

    client: OAuthClient
    token: TokenResponse = field(repr=False)
    identifiers: tuple[str, ...]
    """What may name it on the owner's pages, most telling first."""


def granted(run: Run) -> Granted:
    """Return a grant of its own to be revoked, its token seen at work; made once a run.

    Raises:
        Blocked: there is none, or its token does not work.
    """
    return run.once("a grant to be revoked", lambda: _grant(run))


def _grant(run: Run) -> Granted:
    client = run.client(_CLIENT, grant_types=(DEVICE_CODE_GRANT, "refresh_token"))
    device = client.start("grant_scoped_mcp", run.one_stream())
    decide(run, device, "approve")
    token = read_token_response(device.poll())
    answer = run.mcp(token.access_token, actor=client.name).request("tools/list")
    if answer.status != 200:
        raise Blocked(
            f"a fresh client token was answered {answer.summary} at the MCP resource",
            unblock="an MCP resource that takes the token",
        )
    grant_id = token.members.get("grant_id")
    own = (client.client_id, f"{CLIENT_NAME}: {_CLIENT}") if run.target.client.registration == "dynamic" else ()
    identifiers = (*([grant_id] if isinstance(grant_id, str) and grant_id else []), *own)
    if not identifiers:
        raise Blocked(
            "a token without grant_id, of a client that others use too, cannot be found in the owner's list",
            unblock="client.registration: dynamic in the target file, or grant_id in the token response",
        )
    return Granted(client, token, tuple(identifiers))


@dataclass(frozen=True)
class Listed:
    """What the owner found: the list, and the button that revokes the grant, where there is one."""

    page: Visit
    button: Choice | None


def find(run: Run, identifiers: Sequence[str], *, surely: bool = False) -> Listed:
    """Look for a grant in the owner's list.

    Args:
        identifiers: what may name it, most telling first.
        surely: the grant may have ended, and no other's button may be taken for its own.

    Raises:
        Blocked: no page links to a list.
    """
    who = owner(run)
    found: Listed | None = None
    for url in owner_pages(run, who):
        for link in named(who.open(url).page.links, run.target.approver.grants):
            page = who.press(link)
            found = Listed(page, _button_of(page.page, identifiers, run, surely=surely))
            if found.button is not None:
                return found
    if found is None:
        raise Blocked(
            "the owner found no link to a list of grants",
            unblock="approver.grants in the target file, with the name that the link bears",
        )
    return found


def listed_while_good(run: Run) -> Listed:
    """Return what the owner found of the grant before it was revoked; looked for once a run.

    Raises:
        Blocked: no page links to a list.
    """
    return run.once("the grant in the owner's list", lambda: find(run, granted(run).identifiers))


def _button_of(page: HtmlPage, identifiers: Sequence[str], run: Run, *, surely: bool = False) -> Choice | None:
    """Return the button that revokes the grant: the one that stands closest to what names it, and alone with it.

    Where there is only one button it may be another grant's, this one having ended: ``surely`` wants it to name the
    grant itself.
    """
    buttons = named([*page.buttons, *page.links], run.target.approver.revoke)
    for identifier in identifiers:
        for choice in buttons:
            if _bears(choice, [identifier]):
                return choice
        chosen = [] if surely and len(buttons) < 2 else _closest(page, identifier, run)
        if len(chosen) == 1:
            return chosen[0]
    return None


def _closest(page: HtmlPage, identifier: str, run: Run) -> list[Choice]:
    """Return the buttons that revoke something and stand closest to what names it."""
    read: dict[HtmlElement, str] = {}
    near = [
        (len(block), choice)
        for choice in named([*page.buttons, *page.links], run.target.approver.revoke)
        if (block := next((text for text in choice.surroundings(read) if identifier in text), None)) is not None
    ]
    closest = min((length for length, _ in near), default=0)
    return [choice for length, choice in near if length == closest]


def revoke(run: Run) -> Granted:
    """Let the owner revoke the grant by its button, and confirm where asked; done once a run.

    Raises:
        Blocked: there is no button.
    """
    return run.once("a revoked grant", lambda: _revoke(run))


def _revoke(run: Run) -> Granted:
    grant = granted(run)
    listed_while_good(run)  # whoever asks for it afterwards would find it gone
    listed = find(run, grant.identifiers)
    button = listed.button
    if button is None:
        raise Blocked(
            "the owner found no button that revokes the grant",
            unblock="approver.revoke in the target file, with the name that the button bears",
        )
    _press(run, listed, button, grant.identifiers)
    return grant


def _press(run: Run, listed: Listed, button: Choice, identifiers: Sequence[str]) -> None:
    """Press the button, and confirm where asked; back at the list, what is left there is another grant's button."""
    for _ in range(MOST_CONFIRMATIONS):
        page = owner(run).press(button).page
        confirmation = _button_of(page, identifiers, run)
        if confirmation is None or urlsplit(page.url).path == urlsplit(listed.page.page.url).path:
            return
        button = confirmation


def end_grant(run: Run, grant_id: str) -> bool:
    """Revoke the grant in the owner's list that surely bears this id; return whether it was there.

    Raises:
        Blocked: no page links to a list.
    """
    _sign_in(run)
    listed = find(run, [grant_id], surely=True)
    if listed.button is None:
        return False
    _press(run, listed, listed.button, [grant_id])
    return True


def end_package(run: Run, package_id: str, grants: int) -> bool:
    """Revoke the grants of a package that is in force, each by its button; return whether all were.

    Args:
        grants: how many it has. Where more buttons than that stand as close to its id, some are of other grants, and
            none is pressed.

    Raises:
        Blocked: no page links to a list.
    """
    _sign_in(run)
    for left in range(grants, 0, -1):
        listed = find(run, [package_id])
        buttons = _closest(listed.page.page, package_id, run)
        if len(buttons) != left:
            return False
        owner(run).press(buttons[0])
    return True


def _sign_in(run: Run) -> None:
    who = owner(run)
    if who.signed_in is None:
        for url in owner_pages(run, who):
            who.sign_in_if_asked(who.open(url))


def judge_listed(judge: Judgement, listed: Listed) -> None:
    """The grant stands in the list, with a button that revokes it."""
    judge.that(
        listed.button is not None,
        "the grant in the owner's list, with a way to revoke it",
        f"{listed.page.summary}, {'with' if listed.button else 'without'} it",
    )


def judge_not_offered(judge: Judgement, run: Run, grant: Granted) -> None:
    """The owner's list has no button any more that would revoke the grant: it tells what is in force.

    Raises:
        NotApplicable: the button did not bear what names the grant, and cannot be told from another grant's.
    """
    before = listed_while_good(run).button
    if before is None or not _bears(before, grant.identifiers):
        raise NotApplicable("the button that revokes a grant does not bear its name, and could be any grant's")
    after = find(run, grant.identifiers, surely=True).button
    offered = after is not None and _bears(after, grant.identifiers)
    judge.that(not offered, "no way to revoke the grant again", "a button for it" if offered else "none")


def _bears(button: Choice, identifiers: Sequence[str]) -> bool:
    return any(name in button.form.url or name in dict(button.pairs).values() for name in identifiers)


def judge_dead(judge: Judgement, run: Run, grant: Granted, what: str) -> None:
    """One of the grant's tokens is worth nothing any more."""
    if what == "the access token at the MCP resource":
        answer = run.mcp(grant.token.access_token, actor=grant.client.name).request("tools/list")
        judge.that(answer.status in (401, 403), "401, or 403, at the MCP resource", answer.summary)
    elif what == "the access token at introspection":
        answer = run.introspect(grant.token.access_token)
        judge.that(answer.member("active") is False, "a token that is not active", f"active: {answer.member('active')}")
    else:
        if grant.token.refresh_token is None:
            raise NotApplicable("the grant came with no refresh token")
        answer = grant.client.refresh(grant.token.refresh_token)
        judge.error(answer, ["invalid_grant"])
