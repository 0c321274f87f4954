"""A visitor of the owner's pages over plain HTTP: keeps cookies, follows redirects, fills in and sends their forms.

What it sends are the forms that the pages hold, hidden fields and all; it knows controls by their kind and buttons by
their visible names, and nothing of any deployment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from http.cookiejar import Cookie, DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit
from urllib.request import Request as CookieRequest

import httpx

from pdpp_conformance.exchange import Answer, Recorder, origin_of
from pdpp_conformance.html_pages import Choice, Control, HtmlPage, as_it_is, ticked, with_values
from pdpp_conformance.oauth_client import ShownRequest
from pdpp_conformance.patience import TOO_MANY_REQUESTS, Patience, Refusal
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked

MOST_PAGES = 5
"""How many pages the owner walks through for one decision before giving up."""

MOST_REDIRECTS = 8

_REDIRECTS = (301, 302, 303, 307, 308)
_SHORTEST_COOKIE = 8


@dataclass(frozen=True)
class Visit:
    """What one press or one address led to: each answer on the way, and the page at its end."""

    answers: tuple[Answer, ...]
    page: HtmlPage

    @property
    def first(self) -> Answer:
        """The answer to the request itself, before any redirect."""
        return self.answers[0]

    @property
    def last(self) -> Answer:
        return self.answers[-1]

    @property
    def sent_away_to(self) -> str | None:
        """Where the last answer redirects to, and nobody went."""
        location = self.last.header("location")
        return resolve(self.page.url, location) if self.last.status in _REDIRECTS and location else None

    @property
    def summary(self) -> str:
        """The way in a few words: each status, and the title of the page."""
        statuses = " → ".join(str(answer.status) for answer in self.answers)
        return f"{statuses}, {self.page.title[:80]!r}" if self.page.title else statuses


@dataclass(frozen=True)
class Decided:
    """How a decision was made: what was pressed, page by page, and what each press led to."""

    pressed: tuple[Choice, ...]
    visits: tuple[Visit, ...]

    @property
    def end(self) -> Visit:
        return self.visits[-1]


class Visitor:
    """One browser session without a browser.

    Args:
        words: the visible names of the buttons.
        patience: with pages that answer 429; ``None`` for a visitor who takes that for an answer.
        password: the owner's; ``None`` for a visitor who cannot sign in.
        actor: under which name the exchanges are recorded.
        closing: use a connection of its own, and so a source port of its own, for each request.
    """

    def __init__(
        self,
        recorder: Recorder,
        words: ApproverWords,
        patience: Patience | None,
        *,
        username: str | None = None,
        password: str | None = None,
        actor: str = "the owner, by form",
        closing: bool = False,
    ) -> None:
        self._recorder = recorder
        self._words = words
        self.patience = patience
        self._username = username
        self._password = password
        self._actor = actor
        self._closing = closing
        self._jar = httpx.Cookies()
        # Browsers send Secure cookies to this machine over plain http too.
        self._jar.jar.set_policy(DefaultCookiePolicy(secure_protocols=("https", "wss", "http")))
        self.signed_in: Visit | None = None
        """What the sign-in form was answered, the last time it was sent."""
        self.set_cookies: dict[str, str] = {}
        """The last ``Set-Cookie`` of each cookie that gave it a value, by the cookie's name."""
        if password is not None:
            recorder.redactor.register(password, "password")

    # -- cookies -----------------------------------------------------------------------------------------------------

    @property
    def cookies(self) -> list[Cookie]:
        """The cookies it holds now."""
        return list(self._jar.jar)

    @property
    def cookie_pairs(self) -> list[tuple[str, str]]:
        """The names and values of the cookies it holds now."""
        return [(cookie.name, cookie.value or "") for cookie in self.cookies]

    def keep(self, cookies: Iterable[Cookie]) -> None:
        """Take over cookies, as they are."""
        for cookie in cookies:
            self._jar.jar.set_cookie(copy(cookie))

    def keep_pairs(self, pairs: Iterable[tuple[str, str]], url: str) -> None:
        """Take over cookies of which name and value are known, as if ``url`` had set them for all of its host."""
        self._take_cookies((f"{name}={value}; Path=/" for name, value in pairs), url)

    def forget(self, cookie: Cookie) -> None:
        """Drop a cookie, if it is there."""
        if any(
            (held.domain, held.path, held.name) == (cookie.domain, cookie.path, cookie.name) for held in self._jar.jar
        ):
            self._jar.jar.clear(cookie.domain, cookie.path, cookie.name)

    # -- one page after the other ------------------------------------------------------------------------------------

    def open(self, url: str) -> Visit:
        """Go to an address.

        Raises:
            Blocked: it is not the deployment's.
        """
        return self._ask("GET", url)

    def press(self, choice: Choice, *, method: str | None = None) -> Visit:
        """Press a button or a link, and go where that leads.

        Args:
            method: another method to send the same parameters with, in the query.
        """
        if method is not None or choice.form.method != "POST":
            return self._ask(method or "GET", choice.as_query())
        return self._ask("POST", choice.form.url, choice)

    def submit(self, choice: Choice) -> Answer:
        """Press a button, and go no further: who only wants the press to have its effect spares the page behind it."""
        return self._send("POST", choice.form.url, choice)

    def _ask(self, method: str, url: str, choice: Choice | None = None) -> Visit:
        if not self._recorder.is_allowed(url):
            raise Blocked(
                f"the owner's pages lead to {origin_of(url)}, which is not under test",
                unblock="authorization_server in the target file, if that origin is the deployment's",
            )
        answers = [self._send(method, url, choice)]
        for _ in range(MOST_REDIRECTS):
            location = answers[-1].header("location")
            if answers[-1].status not in _REDIRECTS or not location:
                break
            following = resolve(url, location)
            if not self._recorder.is_allowed(following):
                break
            url = following
            # Also after 307: what was typed is not sent a second time to an address that nobody chose.
            answers.append(self._send("HEAD" if method == "HEAD" else "GET", url))
        return Visit(tuple(answers), HtmlPage(url, answers[-1].body if _is_page(answers[-1]) else b""))

    def _send(self, method: str, url: str, choice: Choice | None = None) -> Answer:
        if self.patience is None:
            return self._send_once(method, url, choice)
        return self.patience.outlast(lambda: self._send_once(method, url, choice), refusal_of)

    def _send_once(self, method: str, url: str, choice: Choice | None) -> Answer:
        headers = [("Accept", "text/html,application/xhtml+xml")]
        cookie = self._cookie_header(url)
        if cookie:
            headers.append(("Cookie", cookie))
        if choice is not None:
            headers.append(("Origin", origin_of(url)))
        if self._closing:
            headers.append(("Connection", "close"))
        answer = self._recorder.send(
            method, url, actor=self._actor, headers=headers, form=None if choice is None else choice.pairs
        )
        if set_cookies := answer.headers("set-cookie"):
            self._take_cookies(set_cookies, url)
        for header in set_cookies:
            name, _, value = header.partition(";")[0].partition("=")
            if value.strip():
                self.set_cookies[name.strip()] = header
        return answer

    def _take_cookies(self, cookies: Iterable[str], url: str) -> None:
        headers = [("Set-Cookie", cookie) for cookie in cookies]
        self._jar.extract_cookies(httpx.Response(200, headers=headers, request=httpx.Request("GET", url)))

    def _cookie_header(self, url: str) -> str:
        request = CookieRequest(url)  # noqa: S310 - nothing is sent with it
        self._jar.jar.add_cookie_header(request)
        return request.get_header("Cookie", "")

    # -- signing in --------------------------------------------------------------------------------------------------

    def sign_in_if_asked(self, visit: Visit) -> Visit:
        """Sign in where the page asks for a password.

        Raises:
            Blocked: there is no password, or it is not accepted.
        """
        if visit.page.sign_in is None:
            return visit
        if self._password is None:
            raise Blocked(
                "the owner has to sign in, and no owner password was given",
                unblock="PDPP_OWNER_PASSWORD, or owner.password_command in the target file",
            )
        return self.sign_in(visit, self._password)

    def sign_in(self, visit: Visit, password: str) -> Visit:
        """Send the sign-in form of a page with the password.

        Raises:
            Blocked: the page asks for the password again.
        """
        answered = self.try_password(visit, password)
        for cookie in self.cookies:
            if cookie.value and len(cookie.value) >= _SHORTEST_COOKIE:
                self._recorder.redactor.register(cookie.value, "cookie")
        if answered.page.sign_in is not None or answered.last.status >= 400:
            raise Blocked(
                f"the owner's password was not accepted: {answered.summary}",
                unblock="the right owner password in PDPP_OWNER_PASSWORD, and pages that take it without JavaScript",
            )
        return answered

    def try_password(self, visit: Visit, password: str, *, change: Callable[[Choice], Choice] | None = None) -> Visit:
        """Send the sign-in form of a page once, whatever comes of it.

        Args:
            change: applied to what is sent, last.

        Raises:
            Blocked: the page has no form that takes a password.
        """
        choice = visit.page.sign_in
        if choice is None:
            raise self._stuck(visit, "no form that takes a password")
        field = choice.form.only("password")
        assert field is not None
        values = {field.name: password}
        name_field = choice.form.only("text", "email", "")
        if self._username is not None and name_field is not None:
            values[name_field.name] = self._username
        sent = choice.filled(with_values(values))
        self.signed_in = self.press(sent if change is None else change(sent))
        return self.signed_in

    # -- to the decision ---------------------------------------------------------------------------------------------

    def code_entry(self, verification_uri: str) -> Visit:
        """Go to the page that takes a user code, signing in where asked.

        Raises:
            Blocked: there is none.
        """
        visit = self.sign_in_if_asked(self.open(verification_uri))
        if visit.page.code_entry is None:
            raise self._stuck(visit, "no form that takes a user code")
        return visit

    def enter(self, visit: Visit, user_code: str, *, signing_in: bool = True) -> Visit:
        """Type a user code into the page's form, send it, and sign in where asked."""
        choice = visit.page.code_entry
        if choice is None:
            raise self._stuck(visit, "no form that takes a user code")
        field = choice.form.code_field
        assert field is not None
        answered = self.press(choice.filled(with_values({field.name: user_code})))
        return self.sign_in_if_asked(answered) if signing_in else answered

    def type_code(self, verification_uri: str, user_code: str) -> Visit:
        """Type a user code at the verification URI."""
        return self.enter(self.code_entry(verification_uri), user_code)

    def arrive(self, device: ShownRequest, *, typed: bool = False) -> Visit:
        """Go from the verification URI to the page that offers the decision, and decide nothing.

        Args:
            typed: type the user code, rather than arrive by ``verification_uri_complete`` where there is one.

        Raises:
            Blocked: no such page was found.
        """
        complete = None if typed else device.verification_uri_complete
        visit = self.open(complete) if complete else self.type_code(device.verification_uri, device.user_code)
        entered = complete is None
        for _ in range(MOST_PAGES):
            visit = self.sign_in_if_asked(visit)
            if self.is_decision(visit):
                return visit
            further = visit.page.offers(self._words.proceed)
            if visit.page.code_entry is not None:
                if entered:
                    break  # it was not taken, and a limit of wrong codes is not to be used up
                visit, entered = self.enter(visit, device.user_code), True
            elif further is not None:
                visit = self.press(further.filled(ticked))
            elif visit.page.offers(self._words.approve) is not None:
                return visit  # that it lacks a way to deny is for a check to say
            else:
                break
        raise self._stuck(visit, "no page that offers both approval and denial")

    def is_decision(self, visit: Visit) -> bool:
        """Whether a page offers both approval and denial."""
        return all(visit.page.offers(names) is not None for names in (self._words.approve, self._words.deny))

    def decide(
        self,
        visit: Visit,
        names: Sequence[str],
        *,
        presses: int | None = None,
        change: Callable[[Control], Control] = as_it_is,
        signing_in: bool = False,
    ) -> Decided:
        """Press what bears one of ``names``, and again on the pages that follow while they ask for it.

        Args:
            presses: how often at most.
            change: applied to each control before its form is sent, besides ticking the boxes that have to be ticked.
            signing_in: sign in where a page on the way asks for it.
        """
        pressed: list[Choice] = []
        visits = [visit]
        while len(pressed) < (MOST_PAGES if presses is None else presses):
            choice = visits[-1].page.offers(names, links=not pressed)
            if choice is None:
                break
            pressed.append(choice.filled(ticked).filled(change))
            led = self.press(pressed[-1])
            visits.append(self.sign_in_if_asked(led) if signing_in else led)
        return Decided(tuple(pressed), tuple(visits))

    def _stuck(self, visit: Visit, found: str) -> Blocked:
        if visit.page.needs_javascript:
            return Blocked(
                f"the owner's pages need JavaScript: {visit.summary} has {found}",
                unblock="pages whose forms work without JavaScript; --approver browser judges the rest",
            )
        return Blocked(
            f"the owner, without a browser, found {found}; the last page was {visit.summary}",
            unblock="approver.approve, approver.deny and approver.continue in the target file, as the buttons read",
        )


def refusal_of(answer: Answer) -> Refusal | None:
    """Return what an answer says of when to come back, if it is 429."""
    if answer.status != TOO_MANY_REQUESTS:
        return None
    return Refusal({name.lower(): value for name, value in answer.exchange.response_headers})


def resolve(base: str, location: str) -> str:
    """Return where a browser goes for a ``Location``, by the rules of the WHATWG URL standard that attackers use.

    Tabs and line breaks are dropped, a backslash is a slash, any number of slashes from two on begins an authority, and
    a scheme needs none at all unless it is the page's own.
    """
    cleaned = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(33)))))
    scheme, colon, rest = cleaned.partition(":")
    if not (colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme)):
        scheme, rest = "", cleaned
    if scheme.lower() not in ("", "http", "https"):
        return cleaned
    end = next((index for index, character in enumerate(rest) if character in "?#"), len(rest))
    rest = rest[:end].replace("\\", "/") + rest[end:]
    relative = scheme.lower() in ("", urlsplit(base).scheme) and not rest.startswith("//")
    try:
        if relative:
            return urljoin(base, rest)
        return f"{scheme.lower() or urlsplit(base).scheme}://{rest.lstrip('/')}"
    except ValueError:
        return "about:invalid"


def _is_page(answer: Answer) -> bool:
    return answer.media_type in ("text/html", "application/xhtml+xml", "")
