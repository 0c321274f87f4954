"""The owner's pages over real HTTP: signing in, entering codes, deciding, revoking, and all ways around."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.app import Collaborators
from pdpp_reference.clock import MovableClock
from pdpp_reference.owner import wording
from pdpp_reference.owner.attempts import buckets_of
from pdpp_reference.owner.decision import redirect_target
from pdpp_reference.owner.login import own_path
from pdpp_reference.owner.password import Owners
from pdpp_reference.owner.sessions import PRE_SESSION_COOKIE, SESSION_COOKIE, OwnerSessions
from pdpp_reference.server import LoopbackServer
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings
from pdpp_reference.storage.store import open_store

PASSWORD = "correct horse battery staple"
INTROSPECTION = ("resource-server", "introspection-secret")
SPOTIFY = "https://registry.pdpp.dev/connectors/spotify"
BANK = "https://registry.pdpp.dev/connectors/open-banking"
METADATA_DOCUMENT_CLIENT = "https://agent.example/oauth/client.json"
HOSTILE_NAME = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}'
VERIFIER = "v" * 43
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Everything here is plain http; loading a certificate store for each client would take most of the time."""

PAGES = ["/", "/owner/login", "/owner/logout", "/device", "/device/approved", "/device/denied", "/grants", "/connect"]


# What a browser does, as far as these tests need one.


class _TreeParser(HTMLParser):
    _VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in self._VOID:
            self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


class Page:
    """An HTML answer, read the way a person or a browser reads it."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.headers["content-type"] == "text/html; charset=utf-8", response.text
        self.status = response.status_code
        self.html = response.text
        parser = _TreeParser()
        parser.feed(self.html)
        self.tree = parser.builder.close()

    def find(self, path: str) -> Element:
        (element,) = self.tree.findall(path)
        return element

    def all(self, path: str) -> list[Element]:
        return self.tree.findall(path)

    @property
    def text(self) -> str:
        return words(self.tree)

    @property
    def heading(self) -> str:
        return words(self.find(".//h1"))

    def authored_by(self, author: str) -> str:
        return " ".join(words(block) for block in self.all(f".//*[@data-authorship='{author}']"))

    def fields(self, action: str) -> list[tuple[str, str]]:
        """Return what submitting the form with this action sends, buttons aside."""
        form = self.find(f".//form[@action='{action}']")
        return [
            (box.attrib["name"], box.get("value", ""))
            for box in form.iter("input")
            if box.get("type") not in ("checkbox", "radio") or "checked" in box.attrib
        ]

    def label_of(self, control: Element) -> str:
        return words(self.find(f".//label[@for='{control.attrib['id']}']"))


INLINE = frozenset({"a", "bdi", "code", "span", "strong", "time"})


def words(element: Element) -> str:
    """Return the text as it is read: what is not inline stands apart."""

    def spoken(part: Element) -> str:
        inner = (part.text or "") + "".join(spoken(child) + (child.tail or "") for child in part)
        return inner if part.tag in INLINE else f" {inner} "

    return " ".join(spoken(element).split())


Fields = list[tuple[str, str]]


def without(fields: Fields, name: str, value: str | None = None) -> Fields:
    return [field for field in fields if not (field[0] == name and value in (None, field[1]))]


def replaced(fields: Fields, name: str, value: str) -> Fields:
    return [*without(fields, name), (name, value)]


class Browser(httpx.Client):
    """A browser with its own cookies; redirects are not followed, so that each can be looked at."""

    def __init__(self, base_url: str, local_address: str = "127.0.0.1") -> None:
        super().__init__(
            base_url=base_url, transport=httpx.HTTPTransport(local_address=local_address, verify=NO_TLS), timeout=20
        )

    def page(self, path: str, status: int = 200) -> Page:
        page = Page(self.get(path))
        assert page.status == status, page.text
        return page

    def submit(self, path: str, fields: Fields, **options: Any) -> httpx.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **options.pop("headers", {})}
        return self.post(path, content=urlencode(fields), headers=headers, **options)

    def log_in(self, password: str = PASSWORD, return_to: str | None = None) -> httpx.Response:
        page = self.page("/owner/login" + (f"?return_to={quote(return_to, safe='')}" if return_to else ""))
        return self.submit("/owner/login", replaced(page.fields("/owner/login"), "password", password))

    def enter(self, user_code: str) -> httpx.Response:
        fields = self.page("/device").fields("/device")
        return self.submit("/device", replaced(fields, "user_code", user_code))

    def decision_form(self, request: Mapping[str, Any]) -> Fields:
        return self.page(f"/device?user_code={request['user_code']}").fields("/device/decision")

    def decide(self, fields: Fields, action: str, **options: Any) -> httpx.Response:
        return self.submit("/device/decision", [*fields, ("action", action)], **options)

    @property
    def session_cookie(self) -> str:
        return self.cookies[SESSION_COOKIE]

    def use_session(self, cookie: str) -> None:
        self.cookies.set(SESSION_COOKIE, cookie, domain="127.0.0.1")


# What the tests stage and ask.


@dataclass
class Deployment:
    """The running server, seen by its clients."""

    server: LoopbackServer
    clock: MovableClock
    http: httpx.Client

    @property
    def url(self) -> str:
        return self.server.base_url

    @property
    def resource(self) -> str:
        return f"{self.url}/mcp"

    def request(self, *details: Mapping[str, Any], client_id: str = "pdpp_cli") -> dict[str, Any]:
        """Stage a device authorization: of the MCP kind with details, of the owner kind without."""
        data = {"client_id": client_id}
        if details:
            data |= {"resource": self.resource, "authorization_details": json.dumps(details)}
        answer = self.http.post("/oauth/device_authorization", data=data)
        assert answer.status_code == 200, answer.text
        return {**answer.json(), "client_id": client_id}

    def poll(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.clock.advance(request["interval"] + 1)
        form = {"grant_type": DEVICE_CODE_GRANT, "client_id": request["client_id"]}
        answer = self.http.post("/oauth/token", data={**form, "device_code": request["device_code"]})
        return dict(answer.json())

    def is_pending(self, request: Mapping[str, Any]) -> bool:
        return self.poll(request).get("error") == "authorization_pending"

    def is_active(self, token: str) -> bool:
        answer = self.http.post("/introspect", data={"token": token}, auth=INTROSPECTION)
        return bool(answer.json()["active"])

    def register(self, **members: Any) -> str:
        answer = self.http.post("/oauth/register", json={"grant_types": [DEVICE_CODE_GRANT], **members})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["client_id"])

    def authorize_path(self, details: Sequence[Mapping[str, Any]] = ()) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": "longview",
            "redirect_uri": "http://127.0.0.1:7777/callback",
            "response_type": "code",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": "its own state",
            "resource": self.resource,
        }
        if details:
            query["authorization_details"] = json.dumps(details)
        return f"/oauth/authorize?{urlencode(query)}"

    def redeem_code(self, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "client_id": "longview",
            "code": code,
            "redirect_uri": "http://127.0.0.1:7777/callback",
            "code_verifier": VERIFIER,
        }
        answer = self.http.post("/oauth/token", data=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def entry(
    source: str, *streams: str | Mapping[str, Any], access_mode: str = "continuous", **more: Any
) -> dict[str, Any]:
    return {
        "type": "https://pdpp.dev/data-access",
        "source": {"kind": "connector", "id": source},
        "purpose_code": "https://pdpp.dev/purpose/tests",
        "access_mode": access_mode,
        "streams": [{"name": stream} if isinstance(stream, str) else stream for stream in streams],
        **more,
    }


MUSIC = entry(SPOTIFY, "top_artists", "saved_tracks")
MONEY = entry(BANK, "transactions")


def with_a_cheap_password(parts: Collaborators) -> None:
    parts.owners = Owners(parts.store, parts.clock, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    parts.owners.set_password(PASSWORD)


@pytest.fixture(scope="module")
def running() -> Iterator[Deployment]:
    clock = MovableClock()
    client_id, secret = INTROSPECTION
    server = LoopbackServer(
        clock=clock,
        adjust=with_a_cheap_password,
        introspection_client_id=client_id,
        introspection_client_secret=secret,
    )
    server.start()
    with httpx.Client(base_url=server.base_url, verify=NO_TLS) as http:
        yield Deployment(server, clock, http)
    server.stop()


@pytest.fixture
def deployment(running: Deployment) -> Deployment:
    running.clock.advance(61)  # so that no wrong guess of an earlier test counts
    return running


@pytest.fixture
def visitor(deployment: Deployment) -> Iterator[Browser]:
    with Browser(deployment.url) as browser:
        yield browser


@pytest.fixture
def owner(deployment: Deployment) -> Iterator[Browser]:
    with Browser(deployment.url) as browser:
        assert browser.log_in().status_code == 303
        yield browser


@pytest.fixture
def second_session(deployment: Deployment) -> Iterator[Browser]:
    """The same owner in another browser, at another address."""
    with Browser(deployment.url, "127.0.0.2") as browser:
        assert browser.log_in().status_code == 303
        yield browser


# Signing in and out


def test_the_right_password_starts_a_session(visitor: Browser) -> None:
    answer = visitor.log_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(SESSION_COOKIE)]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "Sign out" in visitor.page("/").text


def test_a_wrong_password_starts_none(visitor: Browser) -> None:
    answer = visitor.log_in("wrong")
    page = Page(answer)
    assert (page.status, SESSION_COOKIE in visitor.cookies) == (400, False)
    assert "not the password" in words(page.find(".//*[@role='alert']"))
    assert page.find(".//input[@id='password']").attrib["aria-describedby"] == "password-error"
    assert "wrong" not in {value for _, value in page.fields("/owner/login")}


def test_on_https_the_cookie_is_secure_and_bound_to_the_host() -> None:
    settings = Settings(issuer="https://pdpp.example", resource_origin="https://pdpp.example")
    store, clock = open_store("sqlite://"), MovableClock()
    subject_id = Owners(store, clock, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)).set_password(PASSWORD)
    response = Response()
    OwnerSessions(settings, store, clock).start(Request({"type": "http", "headers": []}), response, subject_id)
    store.close()
    cookie = response.headers.getlist("set-cookie")[0]
    assert cookie.startswith("__Host-pdpp_owner_session=")
    assert "; Secure" in cookie
    assert "Domain" not in cookie


def test_signing_in_takes_a_fresh_cookie_whatever_the_browser_had(visitor: Browser) -> None:
    planted = "A" * 43
    visitor.use_session(planted)
    visitor.page("/owner/login")
    before = visitor.cookies[PRE_SESSION_COOKIE]
    first = _new_session(visitor.log_in())
    assert first not in (planted, before)
    second = _new_session(visitor.log_in())
    assert second != first
    with Browser(str(visitor.base_url)) as thief:
        for ended in (planted, before, first):
            thief.use_session(ended)
            assert thief.get("/grants").status_code == 303


def _new_session(answer: httpx.Response) -> str:
    cookies = [parse_cookie(value) for value in answer.headers.get_list("set-cookie")]
    return dict(cookies)[SESSION_COOKIE]


def parse_cookie(header: str) -> tuple[str, str]:
    name, _, value = header.partition(";")[0].partition("=")
    return name, value


def test_a_session_ends_by_itself(deployment: Deployment, owner: Browser) -> None:
    deployment.clock.advance(deployment.server.settings.session_lifetime + 1)
    assert owner.get("/grants").headers["location"] == "/owner/login?return_to=%2Fgrants"


def test_signing_out_ends_the_session_on_the_server(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(MUSIC)
    form, kept_cookie = owner.decision_form(request), owner.session_cookie
    fields = owner.page("/owner/logout").fields("/owner/logout")
    answer = owner.submit("/owner/logout", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert SESSION_COOKIE not in owner.cookies
    owner.use_session(kept_cookie)
    refused = owner.decide(form, "approve")
    assert refused.headers["location"].startswith("/owner/login")
    assert deployment.is_pending(request)


def test_signing_out_needs_the_form_of_this_session(owner: Browser) -> None:
    owner.page("/owner/logout")
    assert Page(owner.submit("/owner/logout", [])).status == 403
    assert Page(owner.submit("/owner/logout", [("csrf_token", "x")])).status == 403
    assert owner.get("/grants").status_code == 200


def test_signing_in_needs_the_form_of_this_browser(visitor: Browser) -> None:
    with Browser(str(visitor.base_url)) as attacker:
        foreign = attacker.page("/owner/login").fields("/owner/login")
    assert Page(visitor.submit("/owner/login", replaced(foreign, "password", PASSWORD))).status == 403
    visitor.page("/owner/login")
    for token in ("", "x", dict(foreign)["csrf_token"]):
        fields = [("csrf_token", token), ("password", PASSWORD)]
        assert Page(visitor.submit("/owner/login", fields)).status == 403
    assert SESSION_COOKIE not in visitor.cookies


def test_wrong_passwords_are_limited_and_nobody_is_locked_out(deployment: Deployment, visitor: Browser) -> None:
    for _ in range(5):
        assert visitor.log_in("wrong").status_code == 400
    refused = visitor.log_in(PASSWORD)
    wait = int(refused.headers["retry-after"])
    assert refused.status_code == 429
    assert 0 < wait <= 60
    assert f"{wait} seconds" in Page(refused).text
    with Browser(deployment.url) as fresh_session, Browser(deployment.url, "127.0.0.2") as elsewhere:
        assert fresh_session.log_in(PASSWORD).status_code == 429, "the address is counted on its own"
        assert elsewhere.log_in(PASSWORD).status_code == 303
    deployment.clock.advance(wait)
    assert visitor.log_in(PASSWORD).status_code == 303


def test_a_right_password_resets_no_count(visitor: Browser) -> None:
    for password, status in [("wrong", 400)] * 4 + [(PASSWORD, 303), ("wrong", 400), ("wrong", 429)]:
        assert visitor.log_in(password).status_code == status


def test_wrong_passwords_sent_in_parallel_are_counted(visitor: Browser) -> None:
    fields = replaced(visitor.page("/owner/login").fields("/owner/login"), "password", "wrong")
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: visitor.submit("/owner/login", fields).status_code, range(12)))
    assert set(statuses) <= {400, 429}
    assert statuses.count(400) <= 5


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie:x=y\r\n",
        "javascript:alert(1)",
        "evil.example",
        "@evil.example",
        " //evil.example",
        "/é",
    ],
)
def test_signing_in_never_leads_to_another_site(visitor: Browser, target: str) -> None:
    page = visitor.page(f"/owner/login?return_to={quote(target, safe='')}")
    assert "return_to" not in dict(page.fields("/owner/login"))
    fields = replaced(replaced(page.fields("/owner/login"), "password", PASSWORD), "return_to", target)
    answer = visitor.submit("/owner/login", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert own_path(target) is None


def test_signing_in_leads_back_to_the_page_that_asked(deployment: Deployment, visitor: Browser) -> None:
    request = deployment.request(MUSIC)
    sent = visitor.get(urlsplit(request["verification_uri_complete"])._replace(scheme="", netloc="").geturl())
    assert sent.status_code == 303
    page = visitor.page(sent.headers["location"])
    fields = replaced(page.fields("/owner/login"), "password", PASSWORD)
    back = visitor.submit("/owner/login", fields).headers["location"]
    assert request["user_code"] in visitor.page(back).text


def test_the_parameters_of_other_names_lead_nowhere(visitor: Browser) -> None:
    for name in ("next", "redirect", "redirect_uri", "url", "continue"):
        page = visitor.page(f"/owner/login?{name}=https://evil.example/")
        assert "evil.example" not in page.html


# Entering a code


@pytest.mark.parametrize("spelling", ["{0}-{1}", "{0}{1}", " {0} {1} ", "{0}–{1}", "{0}.{1}", "{0}_{1}\t"])
@pytest.mark.parametrize("lower", [False, True])
def test_a_code_is_accepted_however_it_is_typed(
    deployment: Deployment, owner: Browser, spelling: str, lower: bool
) -> None:
    request = deployment.request(MUSIC)
    typed = spelling.format(*request["user_code"].split("-"))
    answer = owner.enter(typed.lower() if lower else typed)
    assert answer.status_code == 303
    assert words(owner.page(answer.headers["location"]).find(".//p[@class='user-code']")) == request["user_code"]


def test_a_code_needs_its_form(owner: Browser) -> None:
    fields = [("user_code", "BBBB-BBBB")]
    assert Page(owner.submit("/device", fields)).status == 403
    assert Page(owner.submit("/device", [*fields, ("csrf_token", "x")])).status == 403


def _guess_by_link(browser: Browser, code: str) -> httpx.Response:
    return browser.get(f"/device?user_code={code}")


def _guess_by_form(browser: Browser, code: str) -> httpx.Response:
    return browser.enter(code)


@pytest.mark.parametrize("guess", [_guess_by_link, _guess_by_form])
def test_wrong_codes_are_limited_by_session_and_by_address(deployment: Deployment, owner: Browser, guess: Any) -> None:
    request = deployment.request(MUSIC)
    with Browser(deployment.url) as neighbour, Browser(deployment.url, "127.0.0.3") as elsewhere:
        assert neighbour.log_in().status_code == elsewhere.log_in().status_code == 303
        for attempt in range(5):
            assert guess(owner, f"BBBB-BBB{'BCDFG'[attempt]}").status_code == 400
            if attempt == 2:
                assert guess(owner, request["user_code"]).status_code in (200, 303), "a right code resets nothing"
        refused = guess(owner, request["user_code"])
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert guess(neighbour, request["user_code"]).status_code == 429, "another session at the same address"
        with Browser(deployment.url, "127.0.0.4") as moved:
            moved.use_session(owner.session_cookie)
            assert guess(moved, request["user_code"]).status_code == 429, "the same session at another address"
        assert guess(elsewhere, request["user_code"]).status_code in (200, 303)
    deployment.clock.advance(61)
    assert guess(owner, request["user_code"]).status_code in (200, 303)


def test_links_and_forms_share_one_limit(owner: Browser) -> None:
    for guess in (_guess_by_link, _guess_by_form, _guess_by_link, _guess_by_form, _guess_by_link):
        assert guess(owner, "BBBB-BBBB").status_code == 400
    assert _guess_by_form(owner, "BBBB-BBBB").status_code == 429


def test_of_an_ipv6_address_the_network_counts() -> None:
    def bucket(host: str) -> str:
        request = Request({"type": "http", "headers": [], "client": (host, 5)})
        return buckets_of("user code", request, "cookie")[1]

    assert bucket("2001:db8:1:2::1") == bucket("2001:db8:1:2:ffff::9") != bucket("2001:db8:1:3::1")
    assert bucket("::ffff:192.0.2.1") == bucket("192.0.2.1") != bucket("192.0.2.2")


def test_every_code_that_leads_nowhere_gets_the_same_answer(deployment: Deployment, owner: Browser) -> None:
    redeemed, expired = deployment.request(MUSIC), deployment.request(MUSIC)
    forms = [owner.decision_form(expired)]
    assert owner.decide(owner.decision_form(redeemed), "approve").status_code == 303
    assert "access_token" in deployment.poll(redeemed)
    deployment.clock.advance(601)
    approved, denied = deployment.request(MUSIC), deployment.request(MUSIC)
    for request, action in ((approved, "approve"), (denied, "deny")):
        forms.append(owner.decision_form(request))
        assert owner.decide(forms[-1], action).status_code == 303
    codes = ["BBBB-BBBB", "", "?", "x" * 500]
    answers = []
    for code in [*codes, *(request["user_code"] for request in (redeemed, expired, approved, denied))]:
        deployment.clock.advance(31)  # so that two wrong codes at a time are within the limit
        answers.append(owner.enter(code))
        if code:
            answers.append(owner.get("/device", params={"user_code": code}))
    answers += [owner.decide(form, action) for form in forms for action in ("approve", "deny")]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.text for answer in answers}) == 1
    assert len({_stable(answer.headers) for answer in answers}) == 1


def _stable(headers: httpx.Headers) -> str:
    return str(sorted(item for item in headers.items() if item[0] not in ("date", "x-request-id")))


# The decision page


def test_the_page_of_an_mcp_request_tells_all_of_it(deployment: Deployment, owner: Browser) -> None:
    client_id = deployment.register(
        client_name="Morning Briefing",
        client_uri="https://briefing.example/",
        logo_uri="https://briefing.example/logo.png",
    )
    bank = entry(
        BANK,
        {
            "name": "transactions",
            "fields": ["booked_at", "amount"],
            "time_range": {"since": "2026-01-01T00:00:00Z", "until": "2026-07-01T12:30:00Z"},
            "necessity": "optional",
        },
        purpose_description="To sum up the month",
        retention={"max_duration": "P30D", "on_expiry": "delete"},
    )
    request = deployment.request(MUSIC, bank, client_id=client_id)
    page = owner.page(f"/device?user_code={request['user_code']}")
    assert page.heading == "A device asks for access to your data"
    assert words(page.find(".//p[@class='user-code']")) == request["user_code"]
    for said in ("Compare", "in your possession", "If you did not start this, decline."):
        assert said in page.text
    facts, claims = page.authored_by("protocol"), page.authored_by("client")
    for fact in (client_id, "registered itself", deployment.resource, "Request expires", "about 10 minutes"):
        assert fact in facts
    for known in ("Spotify", SPOTIFY, "Bank account", BANK, "Only the fields booked_at, amount", "Continuous".lower()):
        assert known in facts
    assert "from 1 January 2026 up to, but not including, 1 July 2026, 12:30:00 UTC" in facts
    said_by_client = ["Morning Briefing", "https://briefing.example/logo.png", "To sum up the month", "30 days"]
    for claimed in [*said_by_client, "https://pdpp.dev/purpose/tests", "then: delete", "Not verified"]:
        assert claimed in claims
        assert claimed not in facts
    assert not page.all(".//main//img")
    assert request["device_code"] not in page.html


def test_a_metadata_documents_origin_is_a_verified_fact(deployment: Deployment, owner: Browser) -> None:
    parts = deployment.server.parts
    with parts.store.transaction() as connection:
        metadata = {"client_name": "Travel planner", "grant_types": [DEVICE_CODE_GRANT]}
        parts.clients.save(connection, METADATA_DOCUMENT_CLIENT, "client_id_metadata_document", metadata)
    request = deployment.request(MUSIC, client_id=METADATA_DOCUMENT_CLIENT)
    facts = owner.page(f"/device?user_code={request['user_code']}").find(".//div[@data-authorship='protocol'][@role]")
    assert "Origin https://agent.example MCP resource" in words(facts)
    assert METADATA_DOCUMENT_CLIENT in words(facts)


def test_a_client_without_a_name_is_shown_by_its_id(deployment: Deployment, owner: Browser) -> None:
    client_id = deployment.register()
    page = owner.page(f"/device?user_code={deployment.request(MUSIC, client_id=client_id)['user_code']}")
    assert "It gives no name. Go by its client ID." in page.authored_by("client")
    assert client_id in page.authored_by("protocol")


def test_each_stream_has_a_checkbox_called_after_it(deployment: Deployment, owner: Browser) -> None:
    page = owner.page(f"/device?user_code={deployment.request(MUSIC, MONEY)['user_code']}")
    boxes = page.all(".//input[@type='checkbox']")
    assert [page.label_of(box) for box in boxes] == ["top_artists", "saved_tracks", "transactions"]
    assert all("checked" in box.attrib for box in boxes)


@pytest.mark.parametrize("details", [[MUSIC], []], ids=["MCP", "owner"])
def test_denying_is_as_easy_as_approving(deployment: Deployment, owner: Browser, details: list[Any]) -> None:
    page = owner.page(f"/device?user_code={deployment.request(*details)['user_code']}")
    deny, approve = page.all(".//button")
    assert (words(deny), words(approve)) == ("Deny", "Approve")
    assert {deny.attrib["class"], approve.attrib["class"]} == {"decision deny", "decision approve"}
    assert "autofocus" not in page.html


def test_the_page_of_an_owner_agent_says_what_it_is(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request()
    page = owner.page(f"/device?user_code={request['user_code']}")
    assert page.heading == "Trusted owner-agent onboarding: a device asks for owner-level access"
    for said in (
        "owner agent",
        "owner-level access",
        "every stream",
        "in your possession",
        "If you did not start this, decline.",
        "/mcp rejects this token",
        "1 hour",
    ):
        assert said in page.text
    assert words(page.find(".//p[@class='user-code']")) == request["user_code"]
    assert re.findall(r"mcp", page.text, re.IGNORECASE) == ["mcp"], "no word of MCP but that /mcp rejects the token"
    assert "pdpp_cli" in page.authored_by("protocol")
    assert "PDPP command line" in page.authored_by("client")


def test_a_client_registered_by_the_owner_is_marked(deployment: Deployment, owner: Browser) -> None:
    members = {"client_name": "Mine", "grant_types": [DEVICE_CODE_GRANT]}
    client_id = owner.post("/oauth/register", json=members).json()["client_id"]
    page = owner.page(f"/device?user_code={deployment.request(MUSIC, client_id=client_id)['user_code']}")
    assert "registered while you were signed in" in page.authored_by("protocol")


def test_what_comes_from_outside_is_shown_as_text(deployment: Deployment, owner: Browser) -> None:
    client_id = deployment.register(
        client_name=HOSTILE_NAME,
        redirect_uris=["https://a.example/cb"],
        grant_types=[DEVICE_CODE_GRANT, "authorization_code"],
    )
    request = deployment.request(
        entry(SPOTIFY, "top_artists", purpose_description=HOSTILE_NAME, retention={"on_expiry": "<b>never</b>"}),
        client_id=client_id,
    )
    page = owner.page(f"/device?user_code={request['user_code']}")
    assert words(page.find(".//dd[@class='claimed-name']")) == HOSTILE_NAME
    assert "<script" not in page.html
    assert "<b>never" not in page.html
    assert not page.all(".//main//img")
    assert owner.decide(page.fields("/device/decision"), "approve").status_code == 303
    assert "access_token" in deployment.poll(request)
    grants = owner.page("/grants")
    assert HOSTILE_NAME in grants.text
    assert "<script" not in grants.html


@pytest.mark.parametrize("path", ["/device?user_code={}", "/consent?request_uri={}", "/owner/login?return_to={}"])
def test_a_parameter_is_never_reflected_as_markup(owner: Browser, path: str) -> None:
    page = Page(owner.get(path.format(quote('/"><script>alert(1)</script>', safe=""))))
    assert "<script" not in page.html
    assert not page.all(".//script")


def test_the_same_client_is_asked_about_every_time(deployment: Deployment, owner: Browser) -> None:
    for _ in range(2):
        request = deployment.request(MUSIC)
        form = owner.decision_form(request)
        assert deployment.is_pending(request)
        assert owner.decide(form, "approve").headers["location"] == "/device/approved"
        assert "access_token" in deployment.poll(request)


# Deciding


@pytest.mark.parametrize("details", [[MUSIC], []], ids=["MCP", "owner"])
def test_approving_sends_the_owner_back_to_the_device(
    deployment: Deployment, owner: Browser, details: list[Any]
) -> None:
    request = deployment.request(*details)
    answer = owner.decide(owner.decision_form(request), "approve")
    assert answer.status_code == 303
    page = owner.page(answer.headers["location"])
    assert page.heading == "Approved"
    assert "Go back to your device" in page.text
    assert ("owner agent" in page.text) == (not details)
    token = deployment.poll(request)
    for secret in (request["device_code"], request["user_code"], token["access_token"]):
        assert secret not in page.html + owner.page("/grants").html + answer.headers["location"]


@pytest.mark.parametrize("details", [[MUSIC], []], ids=["MCP", "owner"])
def test_denying_ends_the_request(deployment: Deployment, owner: Browser, details: list[Any]) -> None:
    request = deployment.request(*details)
    answer = owner.decide(owner.decision_form(request), "deny")
    assert (answer.status_code, answer.headers["location"]) == (303, "/device/denied")
    assert owner.page("/device/denied").heading == "Denied"
    assert deployment.poll(request)["error"] == "access_denied"


def test_the_token_has_what_the_owner_left_checked(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(MUSIC, MONEY)
    form = owner.decision_form(request)
    kept = [*without(form, "stream"), ("stream", f"{SPOTIFY} saved_tracks")]
    assert owner.decide(kept, "approve").status_code == 303
    token = deployment.poll(request)
    (granted,) = token["authorization_details"]
    assert granted["streams"] == [{"name": "saved_tracks"}]
    assert granted["source"]["id"] == SPOTIFY
    assert token["grant_id"].startswith("grt_")
    assert "grant_package_id" not in token


def test_streams_that_were_not_requested_cannot_be_added(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(entry(SPOTIFY, {"name": "saved_tracks", "fields": ["track"]}))
    form = owner.decision_form(request)
    more = [f"{SPOTIFY} recently_played", f"{BANK} transactions", f"{SPOTIFY} *", "", " ", "saved_tracks"]
    assert owner.decide([*form, *(("stream", value) for value in more)], "approve").status_code == 303
    (granted,) = deployment.poll(request)["authorization_details"]
    assert granted["streams"] == [{"name": "saved_tracks", "fields": ["track"]}]


def test_approving_nothing_shows_the_page_again(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(MUSIC)
    form = owner.decision_form(request)
    page = Page(owner.decide(without(form, "stream"), "approve"))
    assert page.status == 400
    assert "Check at least one stream" in words(page.find(".//*[@role='alert']"))
    assert words(page.find(".//p[@class='user-code']")) == request["user_code"]
    assert not [box for box in page.all(".//input[@type='checkbox']") if "checked" in box.attrib]
    assert deployment.is_pending(request)
    again = [*page.fields("/device/decision"), ("stream", f"{SPOTIFY} top_artists")]
    assert owner.decide(again, "approve").status_code == 303


def test_the_code_that_the_page_brings_along_is_no_way_to_guess(deployment: Deployment, owner: Browser) -> None:
    request, other = deployment.request(MUSIC), deployment.request(MONEY)
    form = without(owner.decision_form(request), "stream")
    assert owner.decide(replaced(form, "shown_code", other["user_code"]), "approve").status_code == 403
    for _ in range(5):
        assert owner.decide(replaced(form, "shown_code", "BBBB-BBBB"), "approve").status_code == 400
    assert owner.decide(replaced(form, "shown_code", "BBBB-BBBB"), "approve").status_code == 429
    assert deployment.is_pending(request)
    assert deployment.is_pending(other)


@pytest.mark.parametrize("action", ["", "allow", "Approve"])
def test_a_decision_is_approve_or_deny(deployment: Deployment, owner: Browser, action: str) -> None:
    request = deployment.request(MUSIC)
    assert Page(owner.decide(owner.decision_form(request), action)).status == 400
    assert deployment.is_pending(request)


@pytest.mark.parametrize("action", ["approve", "deny"])
@pytest.mark.parametrize("details", [[MUSIC], []], ids=["MCP", "owner"])
def test_a_decision_needs_this_sessions_form(
    deployment: Deployment, owner: Browser, second_session: Browser, details: list[Any], action: str
) -> None:
    request = deployment.request(*details)
    mine, theirs = owner.decision_form(request), second_session.decision_form(request)
    foreign_token = dict(theirs)["csrf_token"]
    other_forms_token = dict(owner.page("/device").fields("/device"))["csrf_token"]
    foreign_handle = dict(theirs)["decision"]
    other_handle = dict(owner.decision_form(deployment.request(MONEY)))["decision"]
    request_id, _, mac = dict(mine)["decision"].partition(".")
    forgeries = {
        "no token": without(mine, "csrf_token"),
        "wrong token": replaced(mine, "csrf_token", "A" * 43),
        "no ASCII token": replaced(mine, "csrf_token", "é"),
        "another session's token": replaced(mine, "csrf_token", foreign_token),
        "another form's token": replaced(mine, "csrf_token", other_forms_token),
        "another session's form": theirs,
        "another session's handle": replaced(mine, "decision", foreign_handle),
        "no handle": without(mine, "decision"),
        "a handle without its MAC": replaced(mine, "decision", request_id),
        "another request's MAC": replaced(mine, "decision", f"{request_id}.{other_handle.partition('.')[2]}"),
        "another request": replaced(mine, "decision", f"{other_handle.partition('.')[0]}.{mac}"),
    }
    for name, form in forgeries.items():
        assert Page(owner.decide(form, action)).status == 403, name
    assert Page(second_session.decide(mine, action)).status == 403
    assert deployment.is_pending(request)
    assert owner.decide(mine, action).status_code == 303, "the form itself is good"


@pytest.mark.parametrize("action", ["approve", "deny"])
def test_a_decision_without_a_session_counts_for_nothing(
    deployment: Deployment, owner: Browser, visitor: Browser, action: str
) -> None:
    request = deployment.request(MUSIC)
    form = owner.decision_form(request)
    for cookie in (None, "A" * 43, "short"):
        if cookie is not None:
            visitor.use_session(cookie)
        answer = visitor.decide(form, action)
        assert answer.headers["location"] == "/owner/login?return_to=%2Fdevice"
    assert deployment.is_pending(request)


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_decision_is_taken_from_a_form_only(deployment: Deployment, owner: Browser, media_type: str) -> None:
    request = deployment.request(MUSIC)
    fields = [*owner.decision_form(request), ("action", "approve")]
    body = {
        "application/json": json.dumps(dict(fields)),
        "multipart/form-data; boundary=x": "".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
        )
        + "--x--\r\n",
    }.get(media_type, urlencode(fields))
    answer = owner.post("/device/decision", content=body, headers={"Content-Type": media_type} if media_type else {})
    assert Page(answer).status == 415
    assert deployment.is_pending(request)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_sent_by_another_site_is_refused(
    deployment: Deployment, owner: Browser, headers: dict[str, str]
) -> None:
    request = deployment.request(MUSIC)
    form = owner.decision_form(request)
    assert Page(owner.decide(form, "approve", headers=headers)).status == 403
    assert deployment.is_pending(request)
    own = {"Origin": deployment.url, "Sec-Fetch-Site": "same-origin"}
    assert owner.decide(form, "approve", headers=own).status_code == 303


def test_nothing_is_decided_by_opening_a_page(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(MUSIC)
    form = [*owner.decision_form(request), ("action", "approve")]
    for method in ("GET", "HEAD"):
        assert owner.request(method, f"/device?user_code={request['user_code']}&{urlencode(form)}").status_code == 200
        for path in ("/device/decision", "/consent/decision"):
            refused = owner.request(method, f"{path}?{urlencode(form)}")
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert owner.request(method, f"/device/approved?{urlencode(form)}").status_code == 200
        assert owner.request(method, "/owner/logout").status_code == 200
    assert deployment.is_pending(request)
    assert owner.get("/grants").status_code == 200


def test_an_expired_request_cannot_be_approved(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(MUSIC)
    form = owner.decision_form(request)
    deployment.clock.advance(request["expires_in"])
    answer = Page(owner.decide(form, "approve"))
    assert answer.status == 400
    assert "expired" in words(answer.find(".//*[@role='alert']"))
    assert deployment.poll(request)["error"] == "expired_token"


@pytest.mark.parametrize(("first", "second"), [("approve", "deny"), ("deny", "approve"), ("approve", "approve")])
def test_what_is_decided_stays_decided(deployment: Deployment, owner: Browser, first: str, second: str) -> None:
    request = deployment.request(MUSIC)
    form = owner.decision_form(request)
    assert owner.decide(form, first).status_code == 303
    assert owner.decide(form, second).status_code == 400
    answer = deployment.poll(request)
    assert ("access_token" in answer) == (first == "approve")
    assert owner.decide(form, second).status_code == 400
    assert "access_token" not in deployment.poll(request)


def test_of_parallel_decisions_one_counts(deployment: Deployment, owner: Browser) -> None:
    request = deployment.request(MUSIC)
    form = owner.decision_form(request)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda action: owner.decide(form, action), ["approve", "deny"] * 4))
    (won,) = [answer for answer in answers if answer.status_code == 303]
    assert {answer.status_code for answer in answers} == {303, 400}
    approved = won.headers["location"] == "/device/approved"
    assert ("access_token" in deployment.poll(request)) == approved


# The consent page of the authorization-code flow


def consent(browser: Browser, path: str) -> Page:
    """Follow the authorization endpoint to the decision page."""
    return browser.page(browser.get(path).headers["location"])


def decide_consent(browser: Browser, fields: Fields, action: str) -> httpx.Response:
    return browser.submit("/consent/decision", [*fields, ("action", action)])


def answer_to_client(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 303, response.text
    parts = urlsplit(response.headers["location"])
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "127.0.0.1:7777", "/callback")
    return dict(parse_qsl(parts.query))


def test_what_was_asked_for_is_approved_as_narrowed(deployment: Deployment, owner: Browser) -> None:
    page = consent(owner, deployment.authorize_path([MUSIC, MONEY]))
    assert page.heading == "An application asks for access to your data"
    assert "http://127.0.0.1:7777" in page.authored_by("protocol")
    assert "Longview" in page.authored_by("client")
    form = without(page.fields("/consent/decision"), "stream", f"{SPOTIFY} top_artists")
    answer = answer_to_client(decide_consent(owner, form, "approve"))
    assert answer["state"] == "its own state"
    assert answer["iss"] == deployment.url
    token = deployment.redeem_code(answer["code"])
    assert [[stream["name"] for stream in detail["streams"]] for detail in token["authorization_details"]] == [
        ["saved_tracks"],
        ["transactions"],
    ]


def test_denying_returns_to_the_client(deployment: Deployment, owner: Browser) -> None:
    for details in ([MUSIC], []):
        page = consent(owner, deployment.authorize_path(details))
        answer = answer_to_client(decide_consent(owner, page.fields("/consent/decision"), "deny"))
        assert answer == {"error": "access_denied", "state": "its own state", "iss": deployment.url}


def test_without_details_the_owner_picks(deployment: Deployment, owner: Browser) -> None:
    page = consent(owner, deployment.authorize_path())
    boxes, modes = page.all(".//input[@type='checkbox']"), page.all(".//input[@type='radio']")
    offered = {stream.name for source in deployment.server.parts.catalogue.sources for stream in source.streams}
    assert {page.label_of(box) for box in boxes} == offered
    assert {page.label_of(mode) for mode in modes} == {"Single use", "Continuous"}
    assert not [control for control in (*boxes, *modes) if "checked" in control.attrib]
    assert words(page.all(".//button")[0]) == "Deny"
    form = page.fields("/consent/decision")
    picked = [("stream", f"{SPOTIFY} saved_tracks"), ("stream", f"{SPOTIFY} nothing"), ("stream", "urn:x y")]
    answer = answer_to_client(decide_consent(owner, [*form, *picked, ("access_mode", "single_use")], "approve"))
    (granted,) = deployment.redeem_code(answer["code"])["authorization_details"]
    assert granted["streams"] == [{"name": "saved_tracks"}]
    assert granted["source"] == {"kind": "connector", "id": SPOTIFY}
    assert granted["access_mode"] == "single_use"


@pytest.mark.parametrize(
    ("picked", "complaints"),
    [
        ([], {"streams-error", "mode-error"}),
        ([("access_mode", "continuous")], {"streams-error"}),
        ([("stream", f"{BANK} transactions")], {"mode-error"}),
        ([("stream", f"{BANK} transactions"), ("access_mode", "for ever")], {"mode-error"}),
    ],
)
def test_an_incomplete_choice_is_shown_again(
    deployment: Deployment, owner: Browser, picked: Fields, complaints: set[str]
) -> None:
    form = consent(owner, deployment.authorize_path()).fields("/consent/decision")
    page = Page(decide_consent(owner, [*form, *picked], "approve"))
    assert page.status == 400
    assert {alert.attrib["id"] for alert in page.all(".//*[@role='alert']")} == complaints
    again = page.fields("/consent/decision")
    assert [field for field in picked if field[1] != "for ever"] == [
        field for field in again if field[0] in ("stream", "access_mode")
    ]
    complete = [*without(without(again, "stream"), "access_mode"), ("access_mode", "continuous")]
    answer = decide_consent(owner, [*complete, ("stream", f"{BANK} transactions")], "approve")
    assert "code" in answer_to_client(answer)


@pytest.mark.parametrize("action", ["approve", "deny"])
def test_a_consent_needs_this_sessions_form(
    deployment: Deployment, owner: Browser, second_session: Browser, action: str
) -> None:
    location = owner.get(deployment.authorize_path([MUSIC])).headers["location"]
    mine, theirs = (browser.page(location).fields("/consent/decision") for browser in (owner, second_session))
    device = owner.decision_form(deployment.request(MUSIC))
    for form in (
        without(mine, "csrf_token"),
        replaced(mine, "csrf_token", dict(theirs)["csrf_token"]),
        replaced(mine, "csrf_token", dict(device)["csrf_token"]),
        replaced(mine, "decision", dict(theirs)["decision"]),
        replaced(mine, "decision", dict(device)["decision"]),
        theirs,
    ):
        assert Page(decide_consent(owner, form, action)).status == 403
    assert owner.get(location).status_code == 200, "still pending"
    assert decide_consent(owner, mine, action).status_code == 303


def test_a_consent_is_given_once(deployment: Deployment, owner: Browser) -> None:
    location = owner.get(deployment.authorize_path([MUSIC])).headers["location"]
    form = owner.page(location).fields("/consent/decision")
    assert "code" in answer_to_client(decide_consent(owner, form, "approve"))
    gone = [owner.get(location), owner.get("/consent?request_uri=urn:x"), owner.get("/consent")]
    gone += [decide_consent(owner, form, action) for action in ("approve", "deny")]
    assert {answer.status_code for answer in gone} == {400}
    assert len({answer.text for answer in gone}) == 1


def test_a_consent_asks_for_the_password_first(deployment: Deployment, visitor: Browser) -> None:
    location = visitor.get(deployment.authorize_path([MUSIC])).headers["location"]
    sent = visitor.get(location)
    assert sent.status_code == 303
    back = parse_qs(urlsplit(sent.headers["location"]).query)["return_to"][0]
    assert visitor.log_in(return_to=back).headers["location"] == back
    assert visitor.page(back).heading == "An application asks for access to your data"


def test_the_form_may_be_answered_at_the_clients_origin_only(deployment: Deployment, owner: Browser) -> None:
    response = owner.get(owner.get(deployment.authorize_path([MUSIC])).headers["location"])
    policy = response.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:7777;" in policy


@pytest.mark.parametrize(
    ("redirect_uri", "target"),
    [
        ("https://client.example/cb?x=1", "https://client.example"),
        ("https://user:secret@client.example:8443/cb", "https://client.example:8443"),
        ("http://[::1]:7777/cb", "http://[::1]:7777"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://a;script-src *//cb", None),
        ("https://a b/cb", None),
        ("https://x:99999/", None),
        ("/cb", None),
        ("", None),
    ],
)
def test_of_a_redirect_uri_only_its_origin_reaches_a_header(redirect_uri: str, target: str | None) -> None:
    assert redirect_target(redirect_uri) == target


# Grants


def test_a_grant_is_listed_and_revoked(deployment: Deployment, owner: Browser, second_session: Browser) -> None:
    request = deployment.request(MUSIC, MONEY)
    assert owner.decide(owner.decision_form(request), "approve").status_code == 303
    token = deployment.poll(request)
    page = owner.page("/grants")
    (package,) = [card for card in page.all(".//article") if token["grant_package_id"] in words(card)]
    for said in (
        "PDPP command line",
        "pdpp_cli",
        "Spotify",
        "saved_tracks",
        "Bank account",
        "Continuous",
        "All fields",
    ):
        assert said in words(package)
    actions = [form.attrib["action"] for form in package.iter("form")]
    assert {words(button) for button in package.iter("button")} == {
        "Revoke access to Spotify",
        "Revoke access to Bank account",
    }
    foreign = dict(second_session.page("/grants").fields(actions[0]))["csrf_token"]
    for token_sent in ("", "x", foreign, dict(page.fields(actions[1]))["csrf_token"]):
        assert Page(owner.submit(actions[0], [("csrf_token", token_sent)])).status == 403
    assert owner.get(actions[0]).status_code == 405
    assert deployment.is_active(token["access_token"])
    for action in actions:
        answer = owner.submit(action, page.fields(action))
        assert answer.status_code == 303
        assert "Access revoked." in owner.page(answer.headers["location"]).text
        assert owner.submit(action, page.fields(action)).status_code == 303, "to revoke twice is to revoke"
    assert not deployment.is_active(token["access_token"])
    ended = owner.page("/grants").find(".//section[@class='ended']")
    assert token["grant_package_id"] in words(ended)
    assert not list(ended.iter("form"))


def test_grants_are_the_owners_alone(deployment: Deployment, owner: Browser, visitor: Browser) -> None:
    assert visitor.get("/grants").headers["location"] == "/owner/login?return_to=%2Fgrants"
    assert visitor.submit("/grants/grt_x/revoke", []).headers["location"] == "/owner/login?return_to=%2Fgrants"
    assert Page(owner.submit("/grants/grt_x/revoke", [("csrf_token", "x")])).status == 403
    assert "Access revoked" not in owner.page("/grants?revoked=grt_x").text


# Every page


@pytest.fixture
def answers(deployment: Deployment, owner: Browser, visitor: Browser) -> dict[str, httpx.Response]:
    """An answer of every page and of every refusal."""
    mcp, agent = deployment.request(MUSIC), deployment.request()
    form = owner.decision_form(mcp)
    found = {path: owner.get(path) for path in PAGES}
    found |= {
        "decision MCP": owner.get(f"/device?user_code={mcp['user_code']}"),
        "decision owner": owner.get(f"/device?user_code={agent['user_code']}"),
        "nothing kept": owner.decide(without(form, "stream"), "approve"),
        "consent": owner.get(owner.get(deployment.authorize_path([MUSIC, MONEY])).headers["location"]),
        "consent, picking": owner.get(owner.get(deployment.authorize_path()).headers["location"]),
        "login, wrong": visitor.log_in("wrong"),
        "device, wrong": owner.get("/device?user_code=BBBB-BBBB"),
        "400": owner.get("/device?user_code=a&user_code=b"),
        "400, form": owner.submit("/device/decision", [("csrf_token", "a"), ("csrf_token", "b")]),
        "403": owner.submit("/device/decision", []),
        "404": _foreign_grant(owner),
        "405": owner.get("/device/decision"),
        "413": owner.submit("/device", [("user_code", "x" * 70_000)]),
        "415": owner.post("/device", json={}),
        "authorize": owner.get("/oauth/authorize?client_id=nobody"),
        "redirect": visitor.get("/grants"),
    }
    for _ in range(5):
        found["429"] = owner.get("/device?user_code=BBBB-BBBB")
    for name in ("400", "403", "404", "405", "413", "415", "429"):
        assert found[name].status_code == int(name)
    return found


def _foreign_grant(owner: Browser) -> httpx.Response:
    """Revoke a grant that is not there, with a token that is right: HMAC of the form's purpose under the cookie."""
    digest = hmac.digest(owner.session_cookie.encode(), b"revoke grt_nobody", hashlib.sha256)
    token = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return owner.submit("/grants/grt_nobody/revoke", [("csrf_token", token)])


def test_no_page_is_framed_cached_or_lets_anything_in(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        policy = dict(
            directive.strip().partition(" ")[::2] for directive in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'", name
        assert policy["frame-ancestors"] == "'none'", name
        assert policy["base-uri"] == "'none'", name
        assert policy["form-action"].split()[0] == "'self'", name
        assert "unsafe" not in answer.headers["content-security-policy"], name
        assert answer.headers["x-frame-options"] == "DENY", name
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert answer.headers["referrer-policy"] == "no-referrer", name
        assert answer.headers["cache-control"] == "no-store", name


def test_no_page_loads_or_sends_anything_elsewhere(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        if answer.status_code == 303:
            continue
        page = Page(answer)
        addresses = [
            element.attrib[attribute]
            for element in page.tree.iter()
            for attribute in ("href", "src", "action", "formaction")
            if attribute in element.attrib
        ]
        assert all(re.match(r"/(?!/)|#", address) for address in addresses), (name, addresses)
        scripts = [element.attrib["src"].partition("?")[0] for element in page.all(".//script")]
        assert scripts == (["/static/copy.js"] if name == "/connect" else []), name
        assert not page.all(".//*[@style]"), name


def test_every_page_can_be_read_without_seeing_it(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        if answer.status_code == 303:
            continue
        page = Page(answer)
        assert page.tree.attrib["lang"] == "en"
        assert words(page.find(".//title")), name
        assert len(page.all(".//h1")) == len(page.all(".//main")) == 1, name
        identifiers = [element.attrib["id"] for element in page.tree.iter() if "id" in element.attrib]
        assert len(identifiers) == len(set(identifiers)), name
        for element in page.tree.iter():
            for attribute in ("aria-describedby", "aria-labelledby"):
                assert set(element.get(attribute, "").split()) <= set(identifiers), (name, attribute)
            assert "autofocus" not in element.attrib, name
            assert element.get("tabindex") in (None, "0", "-1"), name
        for control in page.all(".//input"):
            if control.get("type") != "hidden":
                assert page.label_of(control), name
        levels = [int(element.tag[1]) for element in page.tree.iter() if re.fullmatch("h[1-6]", element.tag)]
        assert all(deeper <= level + 1 for level, deeper in pairwise(levels)), (name, levels)


def test_no_post_is_answered_with_a_redirect_that_repeats_it(deployment: Deployment, visitor: Browser) -> None:
    request = deployment.request(MUSIC)
    login = visitor.log_in()
    entered = visitor.enter(request["user_code"])
    decided = visitor.decide(visitor.decision_form(request), "approve")
    out = visitor.submit("/owner/logout", visitor.page("/owner/logout").fields("/owner/logout"))
    assert {answer.status_code for answer in (login, entered, decided, out)} == {303}


def test_the_style_sheet_and_the_icon_are_ours_and_kept(visitor: Browser) -> None:
    page = visitor.page("/")
    for link in page.all(".//link"):
        answer = visitor.get(link.attrib["href"])
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "url(" not in answer.text


def test_the_setup_page_tells_the_ways_apart(deployment: Deployment, visitor: Browser) -> None:
    page = visitor.page("/connect")
    browser, headless, _, agent = page.all(".//section")
    assert deployment.resource in words(browser)
    command = words(headless.findall(".//pre")[1])
    for said in ("client_id", "resource", "authorization_details", "/oauth/device_authorization"):
        assert said in command
    details = json.loads(command.partition("authorization_details=")[2].removesuffix("'"))
    assert deployment.request(*details)["user_code"]
    for said in (
        "never an MCP credential",
        "/mcp rejects that bearer by design",
        f"pdpp owner-agent onboard {deployment.url}",
    ):
        assert said in words(agent)
    assert "owner-agent" not in words(browser) + words(headless)


def test_colours_can_be_told_apart() -> None:
    """WCAG 2.2 §1.4.3: 4.5:1 for text, in both colour schemes."""
    style = (files("pdpp_reference.owner") / "static" / "owner.css").read_text()
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    )
    pairs = [
        *((ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "card", "claim-paper", "code-paper")),
        ("bad", "card"),
        ("bad", "paper"),
        ("on-accent", "accent"),
        ("on-decision", "good"),
        ("on-decision", "bad"),
        ("warn-ink", "warn-paper"),
        ("alert-ink", "alert-paper"),
        ("verified-ink", "verified-paper"),
    ]
    for scheme in (light, dark):
        for text, paper in pairs:
            assert contrast(scheme[text], scheme[paper]) >= 4.5, (text, paper)
        assert contrast(scheme["control"], scheme["card"]) >= 3


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# Words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(10, "in less than a minute"), (60, "in about a minute"), (300, "in about 5 minutes"), (7200, "in about 2 hours")],
)
def test_what_lies_ahead_is_said_roughly(seconds: float, said: str) -> None:
    assert wording.in_about(seconds) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [("P30D", "30 days"), ("P1Y6M", "1 year, 6 months"), ("PT12H", "12 hours"), ("P", "P"), ("soon", "soon")],
)
def test_a_duration_is_said_in_words(written: str, said: str) -> None:
    assert wording.duration(written) == said
