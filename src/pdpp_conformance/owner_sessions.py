"""The owner's session: how it begins, what its cookies are like, where signing in leads, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from http.cookiejar import Cookie
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pdpp_conformance.exchange import Answer, is_loopback, origin_of
from pdpp_conformance.html_pages import Choice, ticked, with_values
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.owner_decisions import owner, sign_out, visitor
from pdpp_conformance.patience import TurnedAway
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.visitor import MOST_PAGES, Visit, Visitor, resolve

_REDIRECTS = (301, 302, 303, 307, 308)
_CSRF = re.compile(r"csrf|xsrf", re.IGNORECASE)

COMMON_PARAMETERS = ("return_to", "next", "redirect", "redirect_to", "continue", "url", "returnUrl", "return")
"""Under which names sign-in pages are often told where to go on; tried where the deployment's own could not be seen."""

Cookies = list[Cookie]
Redirects = list[tuple[str, str]]
"""Each redirect on a way: where it happened, and where it led."""

_STRANGER = "elsewhere.example"


def sign_in_page(run: Run, who: Visitor) -> Visit:
    """Go where the owner is asked to sign in, and stop there.

    That may be at the verification URI, after a code was entered, or after it was confirmed.
    """
    device = run.client().start("trusted_owner_agent")
    visit, entered = who.open(device.verification_uri), False
    for _ in range(MOST_PAGES):
        further = visit.page.offers(run.target.approver.proceed, links=False)
        if visit.page.sign_in is not None:
            break
        if visit.page.code_entry is not None and not entered:
            visit, entered = who.enter(visit, device.user_code, signing_in=False), True
        elif further is not None and entered:
            visit = who.press(further.filled(ticked))
        else:
            break
    return visit


def is_signed_in(run: Run, cookies: Iterable[Cookie]) -> bool:
    """Whether somebody with just these cookies reaches a decision page without a password."""
    who = visitor(run, can_sign_in=False, actor="somebody with the owner's cookies")
    who.keep(cookies)
    try:
        who.arrive(run.client().start("trusted_owner_agent"))
    except TurnedAway:
        raise  # nothing was seen of the cookies
    except Blocked:
        return False
    return True


# -- the answer to a password ------------------------------------------------------------------------------------------


def answer_to_password(run: Run, which: str) -> Answer:
    """Return what the sign-in form was answered to ``the right`` or ``a wrong`` password, sent once a run."""
    if which == "a wrong":
        return run.once("a wrong password", lambda: _send_wrong(run)).first
    who = signed_in_owner(run)
    assert who.signed_in is not None
    return who.signed_in.first


def _send_wrong(run: Run) -> Visit:
    who = visitor(run, actor="somebody who mistypes the password")
    return who.try_password(sign_in_page(run, who), "mistyped-" * 2)


def signed_in_owner(run: Run) -> Visitor:
    """Return the run's one owner without a browser, signed in."""
    who = owner(run)
    if who.signed_in is None:
        page = sign_in_page(run, who)
        if page.page.sign_in is None or run.target.owner_password is None:
            who.sign_in_if_asked(page)
            raise Blocked("nobody was asked for a password", unblock="an owner's page that asks for one")
        who.sign_in(page, run.target.owner_password)
    return who


def judge_not_resent(judge: Judgement, answer: Answer) -> None:
    """RFC 9700 §4.12: no status that has the browser send the password again, to wherever the redirect leads."""
    judge.rests_on(answer)
    judge.that(answer.status not in (307, 308), "no redirect that has the password sent again", answer.summary)


def judge_see_other(judge: Judgement, answer: Answer) -> None:
    """RFC 9700 §4.12: a redirect after credentials is 303.

    Raises:
        NotApplicable: it was answered with a page of its own, and no redirect.
    """
    judge.rests_on(answer)
    if answer.status not in _REDIRECTS:
        raise NotApplicable(f"the password was answered with {answer.status} and no redirect")
    judge.that(answer.status == 303, "303 after the password", answer.summary)


# -- cookies -----------------------------------------------------------------------------------------------------------


def session_cookies(run: Run) -> list[Cookie]:
    """Return the cookies that make the owner's session: each of those without which nobody is signed in.

    Raises:
        Blocked: no cookie is one.
    """
    return run.once("the session's cookies", lambda: _session_cookies(run))


def _session_cookies(run: Run) -> list[Cookie]:
    held = signed_in_owner(run).cookies
    if not is_signed_in(run, held):
        raise Blocked(
            "the owner's cookies open no decision page", unblock="a sign-in that is kept in cookies, without JavaScript"
        )
    needed = [cookie for cookie in held if not is_signed_in(run, [other for other in held if other is not cookie])]
    if not needed:
        raise Blocked("no cookie alone makes the session", unblock="an owner's session that is one cookie")
    return needed


def judge_cookies(judge: Judgement, run: Run) -> None:
    """The session's cookies and those against CSRF have the attributes that keep others from them."""
    needed = {cookie.name for cookie in session_cookies(run)}
    given = signed_in_owner(run).set_cookies
    if not needed <= set(given):
        raise Blocked("the session's cookies came by no header", unblock="a session whose cookies are set by header")
    for name, header in given.items():
        if name not in needed and not _CSRF.search(name):
            continue
        missing = missing_attributes(header, https=urlsplit(run.discovery.issuer).scheme == "https")
        if name not in needed:
            missing = [attribute for attribute in missing if attribute != "HttpOnly"]  # forms may have to read it
        judge.that(
            not missing,
            "cookies of the session with HttpOnly, SameSite and, over TLS, Secure",
            f"{name} without {' and '.join(missing) or 'nothing'}",
        )
    if is_loopback(run.discovery.issuer):
        judge.note("on this machine, over plain http, Secure was not asked for")


def missing_attributes(header: str, *, https: bool) -> list[str]:
    """Return which of ``HttpOnly``, ``SameSite`` and, over https, ``Secure`` a ``Set-Cookie`` lacks."""
    pairs = [part.strip().partition("=") for part in header.split(";")[1:]]
    attributes = {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
    present = {
        "HttpOnly": "httponly" in attributes,
        "SameSite": attributes.get("samesite") in ("lax", "strict"),
        "Secure": not https or "secure" in attributes,
    }
    return [attribute for attribute, there in present.items() if not there]


@dataclass(frozen=True)
class Planted:
    """The cookies that were in place before somebody signed in, and those held afterwards."""

    before: Cookies = field(repr=False)
    after: Cookies = field(repr=False)


def sign_in_under(run: Run) -> Planted:
    """Sign in with a session's cookie already in place, as somebody else could have set it."""
    stranger = visitor(run, can_sign_in=False, actor="somebody who plants a cookie")
    sign_in_page(run, stranger)
    anonymous = {cookie.name: cookie for cookie in stranger.cookies}
    planted = [
        anonymous.get(cookie.name, _with_value(cookie, (cookie.value or "")[::-1])) for cookie in session_cookies(run)
    ]
    victim = visitor(run, actor="the owner, under a planted cookie")
    victim.keep(planted)
    victim.sign_in_if_asked(sign_in_page(run, victim))
    return Planted(planted, victim.cookies)


def _with_value(cookie: Cookie, value: str) -> Cookie:
    changed = copy(cookie)
    changed.value = value
    return changed


def judge_renewed(judge: Judgement, run: Run, planted: Planted) -> None:
    """Signing in began a session of its own: who planted the cookie is not signed in by it."""
    if not is_signed_in(run, planted.after):
        raise Blocked("the owner could not sign in under a planted cookie", unblock="a sign-in that works then too")
    before, after = ({(cookie.name, cookie.value) for cookie in cookies} for cookies in (planted.before, planted.after))
    kept = before & after
    names = ", ".join(sorted(name for name, _ in kept))
    judge.that(not kept, "another session cookie after signing in", f"the same value of {names or 'none'}")
    judge.that(
        not is_signed_in(run, planted.before),
        "nobody signed in by a cookie from before",
        "the planted cookie is signed in",
    )


# -- where signing in leads --------------------------------------------------------------------------------------------


def _elsewhere(what: str, origin: str) -> str:
    parts = urlsplit(origin)
    return {
        "another site": f"https://{_STRANGER}/",
        "another site without a scheme": f"//{_STRANGER}/",
        "another site behind a backslash": f"/\\{_STRANGER}/",
        "another site behind a tab": f"/\t/{_STRANGER}/",
        "another site with this one as its user name": f"{origin}@{_STRANGER}/",
        "another site whose name begins like this one": f"{parts.scheme}://{parts.hostname}.{_STRANGER}/",
    }[what]


def sign_in_towards(run: Run, what: str) -> Redirects:
    """Sign in at a page that was told to go on to ``what``, in every way in which this deployment's page is told.

    Returns:
        Each redirect on the way: where it happened, and where it led.
    """
    who = visitor(run, actor="the owner, by a stranger's link")
    page = sign_in_page(run, who)
    if page.page.sign_in is None:
        raise Blocked("nobody was asked for a password", unblock="an owner's page that asks for one")
    told = returning_parameters(page)
    target = _elsewhere(what, origin_of(page.page.url))
    hostile = dict.fromkeys(told or COMMON_PARAMETERS, target)
    if run.target.owner_password is None:
        who.sign_in_if_asked(page)
    opened = who.open(_with_query(page.page.url, hostile))
    visits = [opened]
    if opened.page.sign_in is not None:
        visits.append(
            who.try_password(opened, run.target.owner_password or "", change=lambda choice: _aimed(choice, hostile))
        )
        visits.append(who.open(_with_query(page.page.url, hostile)))  # signed in already
    return [
        (answer.exchange.url, answer.header("location") or "")
        for visit in visits
        for answer in visit.answers
        if answer.status in _REDIRECTS
    ]


def returning_parameters(page: Visit) -> list[str]:
    """Return the parameters, of the page's address or form, that tell where to go on on this origin."""
    choice = page.page.sign_in
    pairs = [*parse_qsl(urlsplit(page.page.url).query)]
    if choice is not None:
        pairs += [*parse_qsl(urlsplit(choice.form.url).query)]
        pairs += [(control.name, control.value) for control in choice.form.controls if control.kind == "hidden"]
    origin = origin_of(page.page.url)
    own = [name for name, value in pairs if value.startswith("/") or value.startswith(f"{origin}/") or value == origin]
    return list(dict.fromkeys(own))


def _aimed(choice: Choice, hostile: Mapping[str, str]) -> Choice:
    """Let what is sent say the same as the address, also where the page left it out of its form."""
    in_address = {name for name, _ in parse_qsl(urlsplit(choice.form.url).query)}
    in_form = {control.name for control in choice.form.controls}
    url = _with_query(choice.form.url, hostile) if in_address & set(hostile) else choice.form.url
    filled = choice.filled(with_values(hostile))
    left_out = tuple((name, value) for name, value in hostile.items() if name not in in_form)
    return replace(filled, form=replace(filled.form, url=url), sent=(*filled.sent, *left_out))


def _with_query(url: str, changes: Mapping[str, str]) -> str:
    kept = [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name not in changes]
    return urlunsplit((*urlsplit(url)[:3], urlencode([*kept, *changes.items()]), ""))


def judge_stays_here(judge: Judgement, redirects: Redirects) -> None:
    """No redirect of the sign-in leads a browser where the parameter said."""
    led = [resolve(url, location) for url, location in redirects]
    astray = [url for url in led if (urlsplit(url).hostname or "").endswith(_STRANGER)]
    judge.that(
        not astray,
        "no redirect out of the deployment's own origin",
        f"one to {origin_of(astray[0])}" if astray else f"{len(led)} redirects, none of them",
    )


# -- the end -----------------------------------------------------------------------------------------------------------


def signed_out(run: Run) -> list[Cookie]:
    """Sign in, sign out, and return the cookies that were held in between.

    Raises:
        Blocked: the session did not hold before, or there is no way to sign out.
    """
    who = visitor(run, actor="an owner who signs out")
    who.sign_in_if_asked(sign_in_page(run, who))
    held = who.cookies
    if not is_signed_in(run, held):
        raise Blocked("the owner's cookies opened no decision page", unblock="a sign-in that is kept in cookies")
    sign_out(run, who)
    return held


def judge_ended(judge: Judgement, run: Run, cookies: list[Cookie]) -> None:
    """The cookies of a session that was signed out sign nobody in."""
    alive = is_signed_in(run, cookies)
    judge.that(not alive, "a session that ended on the server", f"its cookies {'still' if alive else 'no longer'} work")
