"""The owner's pages, driven over real HTTP the way a browser drives them, and the way an attacker would."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests, Event, State
from pdpp_reference.authorization_server.authorize import authorization_response_url
from pdpp_reference.authorization_server.client_id_metadata_document import HttpsMetadataDocuments
from pdpp_reference.authorization_server.clients import Clients, RegistrationMode
from pdpp_reference.authorization_server.consent import Consent, show_user_code
from pdpp_reference.clock import MovableClock
from pdpp_reference.grants.authorization_details import AuthorizationDetail, parse_authorization_details
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import Incoming, json_answer
from pdpp_reference.owner import wording
from pdpp_reference.owner.attempts import Attempts, TooManyAttempts, buckets_of
from pdpp_reference.owner.connect_page import ConnectPage
from pdpp_reference.owner.consent_page import ConsentPage
from pdpp_reference.owner.decision import CHOSEN_BY_OWNER, Decisions, redirect_target
from pdpp_reference.owner.device_page import DevicePage
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.grants_page import GrantsPage
from pdpp_reference.owner.login import LoginPage, own_path
from pdpp_reference.owner.pages import Pages
from pdpp_reference.owner.password import Owners
from pdpp_reference.owner.routes import owner_routes
from pdpp_reference.owner.sessions import OwnerSessions
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.secrets_at_rest import digest, new_credential, new_user_code
from pdpp_reference.settings import AUTHORIZATION_DETAILS_TYPE, Settings
from pdpp_reference.storage.store import Store, open_store
from pdpp_reference.storage.tables import owner_sessions, owners

PASSWORD = "a password & its umlaut: ü"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SPOTIFY = "https://registry.pdpp.dev/connectors/spotify"
FERNWOOD = "https://fernwood-health.example/pdpp"
NO_TLS = ssl.create_default_context()
"""One for all clients: each would read the certificate store anew."""

HOSTILE = "<script>alert(1)</script>\"'><img src=x>\u202eevil"


class Html(HTMLParser):
    """What a test asks of a page: forms with their fields, and the text by the block it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.controls: list[dict[str, str]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text_by_author: dict[str, str] = {"protocol": "", "client": "", "": ""}
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", "".join(self.text_by_author.values()))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag == "form":
            self.forms.append({"action": found["action"], "fields": []})
        if tag in ("input", "button"):
            self.controls.append(found)
            if self.forms and "name" in found:
                self.forms[-1]["fields"].append(found)
        if tag not in ("input", "meta", "link", "img", "br"):
            author = found.get("data-authorship") or (self._open[-1][1] if self._open else "")
            self._open.append((tag, author))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text_by_author[self._open[-1][1] if self._open else ""] += data + " "

    def fields(self, action: str) -> dict[str, str | list[str]]:
        """The fields as a browser would send them without pressing a named button."""
        (form,) = (form for form in self.forms if form["action"] == action)
        sent: dict[str, str | list[str]] = {}
        for control in form["fields"]:
            kind = control.get("type", "text")
            if kind in ("checkbox", "radio"):
                if "checked" in control:
                    sent[control["name"]] = [*sent.get(control["name"], []), control["value"]]
            elif kind != "submit":
                sent[control["name"]] = control.get("value", "")
        return sent

    def tags(self, name: str) -> list[dict[str, str]]:
        return [found for tag, found in self.elements if tag == name]


def read(response: httpx.Response) -> Html:
    return Html(response.text)


@dataclass
class Deployment:
    """The owner's pages on a port, and the parts behind them."""

    settings: Settings
    store: Store
    clock: MovableClock
    clients: Clients
    requests: AuthorizationRequests
    consent: Consent
    grants: Grants
    owners: Owners
    subject_id: str
    opened: list[httpx.Client] = field(default_factory=list)

    def browser(self) -> httpx.Client:
        client = httpx.Client(base_url=self.settings.issuer, verify=NO_TLS)
        self.opened.append(client)
        return client

    def signed_in(self) -> httpx.Client:
        browser = self.browser()
        answer = self.sign_in(browser)
        assert answer.status_code == 303, answer.text
        return browser

    def sign_in(self, browser: httpx.Client, password: str = PASSWORD, return_to: str = "") -> httpx.Response:
        page = browser.get("/owner/login", params={"return_to": return_to} if return_to else None)
        fields = read(page).fields("/owner/login")
        return browser.post("/owner/login", data={**fields, "password": password})

    def client(self, client_id: str, mode: RegistrationMode = "dynamic", **metadata: Any) -> str:
        with self.store.transaction() as connection:
            self.clients.save(connection, client_id, mode, metadata)
        return client_id

    def device_request(
        self, details: tuple[AuthorizationDetail, ...] | None, client_id: str = "pdpp_cli"
    ) -> tuple[str, str]:
        """Stage a device authorization of the owner kind (no details) or the MCP kind; return id and user code."""
        code = new_user_code()
        with self.store.transaction() as connection:
            request_id = self.requests.stage(
                connection,
                flow="device_authorization",
                request_kind="trusted_owner_agent" if details is None else "grant_scoped_mcp",
                client_id=client_id,
                resource=self.settings.resource_origin if details is None else self.settings.mcp_resource,
                authorization_details=details,
                lifetime=600,
                device_code_digest=digest(new_credential()),
                user_code_digest=digest(code),
                interval=5,
            )
        return request_id, show_user_code(code)

    def code_request(
        self,
        details: tuple[AuthorizationDetail, ...] | None = None,
        redirect_uri: str = "http://127.0.0.1:4711/callback?kept=1",
    ) -> tuple[str, str]:
        """Stage a request of the authorization-code flow; return its id and its address at ``/consent``."""
        request_uri = f"urn:ietf:params:oauth:request_uri:{new_credential()}"
        with self.store.transaction() as connection:
            request_id = self.requests.stage(
                connection,
                flow="authorization_code",
                request_kind="grant_scoped_mcp",
                client_id="pdpp_cli",
                resource=self.settings.mcp_resource,
                authorization_details=details,
                lifetime=600,
                request_uri_digest=digest(request_uri),
                redirect_uri=redirect_uri,
                state_parameter="st&te",
                code_challenge="x" * 43,
            )
        return request_id, f"/consent?request_uri={request_uri}"

    def state(self, request_id: str) -> State:
        with self.store.transaction() as connection:
            request = self.requests.by_id(connection, request_id)
        assert request is not None
        return request.state

    def approved_streams(self, request_id: str) -> dict[str, list[str]]:
        with self.store.transaction() as connection:
            request = self.requests.by_id(connection, request_id)
        assert request is not None
        assert request.authorization_details is not None
        return {entry.source_id: [stream.name for stream in entry.streams] for entry in request.authorization_details}

    def grant(self, *entries: dict[str, Any], subject_id: str | None = None) -> list[str]:
        with self.store.transaction() as connection:
            made = self.grants.create(
                connection,
                request_id="req_test",
                client_id="pdpp_cli",
                subject_id=subject_id or self.subject_id,
                resource=self.settings.mcp_resource,
                details=details(*entries),
            )
        return [grant.id for grant in made]


def entry(source_id: str = SPOTIFY, *streams: dict[str, Any], **members: Any) -> dict[str, Any]:
    kind = "connector" if source_id == SPOTIFY else "provider_native"
    return {
        "type": AUTHORIZATION_DETAILS_TYPE,
        "source": {"kind": kind, "id": source_id},
        "purpose_code": "https://pdpp.dev/purpose/personal_ai_assistant",
        "access_mode": "continuous",
        "streams": list(streams) or [{"name": "recently_played"}],
        **members,
    }


def details(*entries: dict[str, Any]) -> tuple[AuthorizationDetail, ...]:
    return parse_authorization_details(
        json.dumps(entries or [entry()]), accepted_type=AUTHORIZATION_DETAILS_TYPE, catalogue=load_catalogue()
    )


def _revoke_with_token(incoming: Incoming) -> Response:
    return json_answer({"by": "token", "grant": incoming.request.path_params["grant_id"]})


def _serve(listening: socket.socket) -> tuple[Deployment, uvicorn.Server]:
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = Settings(issuer=origin, resource_origin=origin)
    clock = MovableClock()
    store = open_store("sqlite://")
    clients = Clients(store, clock, HttpsMetadataDocuments(clock))
    clients.install_pre_registered()
    requests, grants, catalogue = AuthorizationRequests(clock), Grants(clock), load_catalogue()
    consent = Consent(settings, store, clock, requests, clients)
    owners_ = Owners(store, clock, QUICK)
    sessions, pages, forms = OwnerSessions(settings, store, clock), Pages(settings), OwnForms(settings)
    decisions = Decisions(settings, clock, catalogue)
    routes = owner_routes(
        settings,
        pages,
        login=LoginPage(pages, forms, sessions, owners_, Attempts(store, clock, settings.wrong_passwords_per_minute)),
        device=DevicePage(
            pages, forms, sessions, Attempts(store, clock, settings.wrong_codes_per_minute), consent, decisions
        ),
        consent=ConsentPage(
            pages,
            forms,
            sessions,
            consent,
            decisions,
            lambda request, code: authorization_response_url(settings, request, code),
        ),
        grants=GrantsPage(pages, forms, sessions, store, grants, clients, catalogue),
        connect=ConnectPage(settings, pages, sessions, catalogue),
        revoke_with_token=_revoke_with_token,
    )
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off"))
    deployment = Deployment(
        settings, store, clock, clients, requests, consent, grants, owners_, owners_.set_password(PASSWORD)
    )
    return deployment, server


@pytest.fixture(scope="module")
def running() -> Iterator[Deployment]:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    deployment, server = _serve(listening)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield deployment
    server.should_exit = True
    thread.join(10)
    listening.close()
    deployment.store.close()


@pytest.fixture
def here(running: Deployment) -> Iterator[Deployment]:
    """The deployment, a minute later than the test before: nobody's attempts count any more."""
    running.clock.advance(61)
    yield running
    while running.opened:
        running.opened.pop().close()


def open_decision(browser: httpx.Client, user_code: str) -> Html:
    page = browser.get("/device", params={"user_code": user_code})
    assert page.status_code == 200, page.text
    return read(page)


def decide(browser: httpx.Client, page: Html, action: str, **changed: Any) -> httpx.Response:
    return browser.post("/device/decision", data={**page.fields("/device/decision"), "action": action, **changed})


class TestSigningIn:
    def test_is_answered_with_303_and_a_fresh_hardened_cookie(self, here: Deployment) -> None:
        """UIX-23, UIX-29, UIX-31"""
        browser = here.browser()
        planted = new_credential()
        browser.cookies.set("pdpp_owner_session", planted, domain="127.0.0.1")
        answer = here.sign_in(browser)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        (cookie,) = (c for c in answer.headers.get_list("set-cookie") if c.startswith("pdpp_owner_session="))
        assert planted not in cookie
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))

    def test_again_starts_another_session_and_ends_the_first(self, here: Deployment) -> None:
        browser = here.signed_in()
        first = browser.cookies["pdpp_owner_session"]
        here.sign_in(browser)
        assert browser.cookies["pdpp_owner_session"] != first
        stale = here.browser()
        stale.cookies.set("pdpp_owner_session", first)
        assert stale.get("/grants").status_code == 303

    def test_stores_the_session_as_a_digest_only(self, here: Deployment) -> None:
        cookie = here.signed_in().cookies["pdpp_owner_session"]
        with here.store.transaction() as connection:
            stored = connection.execute(select(owner_sessions.c.digest)).scalars().all()
        assert digest(cookie) in stored
        assert cookie.encode() not in stored

    def test_fails_with_the_wrong_password_and_says_so(self, here: Deployment) -> None:
        answer = here.sign_in(here.browser(), "wrong")
        assert answer.status_code == 400
        page = read(answer)
        (field_,) = (control for control in page.controls if control.get("type") == "password")
        assert field_["aria-describedby"] == "password-error"
        assert field_["autocomplete"] == "current-password"
        assert "pdpp_owner_session" not in answer.headers.get("set-cookie", "")

    @pytest.mark.parametrize(
        "return_to",
        [
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "/\t/evil.example/",
            "\\\\evil.example",
            "javascript:alert(1)",
            "evil.example",
            "/\nLocation: https://evil.example",
            "/ü",
        ],
    )
    def test_never_leads_to_another_origin(self, here: Deployment, return_to: str) -> None:
        """UIX-22"""
        browser = here.browser()
        fields = read(browser.get("/owner/login")).fields("/owner/login")
        data = {**fields, "password": PASSWORD, "return_to": return_to}
        assert browser.post("/owner/login", data=data).headers["location"] == "/"
        assert own_path(return_to) is None

    def test_leads_back_to_where_the_owner_came_from(self, here: Deployment) -> None:
        browser = here.browser()
        to_login = browser.get("/device", params={"user_code": "BCDF-GHJK"})
        assert to_login.status_code == 303
        page = read(browser.get(to_login.headers["location"]))
        answer = browser.post("/owner/login", data={**page.fields("/owner/login"), "password": PASSWORD})
        assert answer.headers["location"] == "/device?user_code=BCDF-GHJK"

    def test_needs_the_form_of_the_same_browser(self, here: Deployment) -> None:
        """Login CSRF: a form from elsewhere, or without the anonymous cookie, signs nobody in."""
        theirs = read(here.browser().get("/owner/login")).fields("/owner/login")
        browser = here.browser()
        assert browser.post("/owner/login", data={**theirs, "password": PASSWORD}).status_code == 403
        browser.get("/owner/login")
        assert browser.post("/owner/login", data={**theirs, "password": PASSWORD}).status_code == 403
        assert browser.get("/owner/login", params={"password": PASSWORD}).status_code == 200
        assert "pdpp_owner_session" not in browser.cookies

    def test_is_limited_in_rate_without_a_lock_out_for_good(self, here: Deployment) -> None:
        """UIX-32: also from fresh cookies, also with the right password while it lasts."""
        for _ in range(here.settings.wrong_passwords_per_minute):
            assert here.sign_in(here.browser(), "wrong").status_code == 400
        refused = here.sign_in(here.browser())
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        here.clock.advance(int(refused.headers["retry-after"]))
        assert here.sign_in(here.browser()).status_code == 303

    def test_ends_on_the_server_when_the_owner_signs_out(self, here: Deployment) -> None:
        """UIX-33"""
        browser = here.signed_in()
        cookie = browser.cookies["pdpp_owner_session"]
        request_id, code = here.device_request(details())
        decision = open_decision(browser, code)
        page = read(browser.get("/owner/logout"))
        assert browser.get("/grants").status_code == 200, "GET /owner/logout only asks"
        assert browser.post("/owner/logout", data={"csrf_token": "x"}).status_code == 403
        assert browser.post("/owner/logout", data=page.fields("/owner/logout")).status_code == 303
        browser.cookies.set("pdpp_owner_session", cookie)
        assert decide(browser, decision, "approve").headers["location"].startswith("/owner/login")
        assert here.state(request_id) is State.PENDING

    def test_lasts_as_long_as_the_session_lifetime(self, here: Deployment) -> None:
        browser = here.signed_in()
        here.clock.advance(here.settings.session_lifetime)
        assert browser.get("/grants").status_code == 303

    def test_uses_host_bound_secure_cookies_on_https(self) -> None:
        settings = Settings(issuer="https://as.example", resource_origin="https://as.example")
        response = Response()
        OwnerSessions(settings, open_store("sqlite://"), MovableClock()).start_pre_session(response, "x" * 43)
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-pdpp_pre_session=")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


class TestThePassword:
    def test_once_set_changes_nothing_when_set_again(self) -> None:
        store = open_store("sqlite://")
        owners_ = Owners(store, MovableClock(), QUICK)
        assert owners_.verify("") is None
        subject_id = owners_.set_password("one")
        with store.transaction() as connection:
            before = connection.execute(select(owners)).one()
        assert owners_.set_password("one") == subject_id
        with store.transaction() as connection:
            assert connection.execute(select(owners)).one() == before
        assert subject_id.startswith("sub_")
        assert before.password_hash.startswith("$argon2id$")

    def test_when_replaced_keeps_the_owner_and_ends_every_session(self) -> None:
        store, clock = open_store("sqlite://"), MovableClock()
        owners_ = Owners(store, clock, QUICK)
        subject_id = owners_.set_password("one")
        sessions = OwnerSessions(Settings("http://127.0.0.1", "http://127.0.0.1"), store, clock)
        response = Response()
        sessions.start(_request({}), response, subject_id)
        cookie = response.headers["set-cookie"].partition(";")[0]
        assert sessions.current(_request({"cookie": cookie})) is not None
        assert owners_.set_password("two") == subject_id
        assert sessions.current(_request({"cookie": cookie})) is None
        assert owners_.verify("one") is None
        assert owners_.verify("two") == subject_id


def _request(headers: dict[str, str], host: str = "127.0.0.1") -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw, "client": (host, 1234)})


class TestCodeEntry:
    def test_takes_the_code_and_leads_to_the_decision(self, here: Deployment) -> None:
        """UIX-01, UIX-12"""
        browser = here.signed_in()
        _, code = here.device_request(details())
        page = read(browser.get("/device"))
        for typed in (code, code.lower(), code.replace("-", ""), f"  {code[:2]} {code[2:]} "):
            answer = browser.post("/device", data={**page.fields("/device"), "user_code": typed})
            assert answer.status_code == 303
            assert code in read(browser.get(answer.headers["location"])).text

    def test_without_a_session_leads_to_the_login_page(self, here: Deployment) -> None:
        answer = here.browser().post("/device", data={"user_code": "BCDF-GHJK"})
        assert answer.status_code == 303
        back = parse_qs(urlsplit(answer.headers["location"]).query)["return_to"]
        assert back == ["/device?user_code=BCDF-GHJK"]

    def test_answers_unknown_expired_and_decided_codes_alike(self, here: Deployment) -> None:
        """UIX-14, at code entry by GET and POST and at the decision"""
        _, expired = here.device_request(details())
        here.clock.advance(601)
        browser = here.signed_in()
        fields = read(browser.get("/device")).fields("/device")
        denied_id, denied = here.device_request(details())
        approved_id, approved = here.device_request(None)
        late_id, late = here.device_request(details())
        late_page, denied_page = open_decision(browser, late), open_decision(browser, denied)
        here.consent.deny(denied_id, here.subject_id)
        here.consent.approve(approved_id, here.subject_id, None)
        answers = []
        for code in ("BBBB-BBBB", expired, denied, approved, "", HOSTILE):
            here.clock.advance(61)
            answers.append(browser.post("/device", data={**fields, "user_code": code}))
            if code:
                answers.append(browser.get("/device", params={"user_code": code}))
        answers.append(decide(browser, denied_page, "approve"))
        answers.append(decide(browser, denied_page, "deny"))
        here.clock.advance(600)
        answers.append(decide(browser, late_page, "approve"))
        assert {(answer.status_code, answer.text) for answer in answers} == {(400, answers[0].text)}
        assert 'role="alert"' in answers[0].text
        assert 'aria-describedby="code-error code-hint"' in answers[0].text
        assert here.state(late_id) is State.EXPIRED
        assert here.state(denied_id) is State.DENIED

    def test_limits_wrong_codes_by_session_and_address(self, here: Deployment) -> None:
        """UIX-13: by GET as by POST, across connections, not reset by a right code"""
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        fields = read(browser.get("/device")).fields("/device")
        for _ in range(2):
            assert browser.post("/device", data={**fields, "user_code": "BBBB-BBBB"}).status_code == 400
        open_decision(browser, code)
        with httpx.Client(base_url=here.settings.issuer, cookies=browser.cookies, verify=NO_TLS) as other_port:
            for _ in range(3):
                assert other_port.get("/device?user_code=BBBB-BBBB").status_code == 400
            assert other_port.get("/device?user_code=BBBB-BBBB").status_code == 429
        refused = browser.get("/device", params={"user_code": code})
        assert refused.status_code == 429, "a right code during the block is refused too"
        assert refused.headers["retry-after"].isdigit()
        assert here.signed_in().get("/device", params={"user_code": code}).status_code == 429, "the address counts too"
        here.clock.advance(60)
        open_decision(browser, code)
        assert here.state(request_id) is State.PENDING

    def test_admits_no_more_guesses_in_parallel_than_one_by_one(self) -> None:
        store, clock = open_store("sqlite://"), MovableClock()
        attempts = Attempts(store, clock, 5)
        admitted: list[object] = []

        def guess() -> None:
            with suppress(TooManyAttempts):
                admitted.append(attempts.admit(["bucket"]))

        threads = [threading.Thread(target=guess) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(admitted) <= 5

    def test_counts_a_subscribers_whole_ipv6_network_as_one_address(self) -> None:
        one = buckets_of("password", _request({}, "2001:db8:1:2::1"), "x")
        assert one == buckets_of("password", _request({}, "2001:db8:1:2:ffff::9"), "x")
        assert one != buckets_of("password", _request({}, "2001:db8:1:3::1"), "x")
        mapped = buckets_of("password", _request({}, "::ffff:192.0.2.1"), "x")
        assert mapped == buckets_of("password", _request({}, "192.0.2.1"), "x")

    def test_refuses_a_repeated_code_in_the_address(self, here: Deployment) -> None:
        assert here.signed_in().get("/device?user_code=A&user_code=B").status_code == 400


class TestTheDecisionPage:
    def test_of_an_mcp_request_shows_facts_apart_from_claims(self, here: Deployment) -> None:
        """CHG-15, UIX-05, UIX-07, UIX-08, UIX-09, UIX-10, UIX-11"""
        client_id = here.client(
            "dyn_shown",
            client_name="Helpful Assistant",
            client_uri="https://assistant.example/",
            logo_uri="https://assistant.example/logo.png",
        )
        stream = {
            "name": "recently_played",
            "fields": ["track", "artist"],
            "time_range": {"since": "2026-01-01T00:00:00Z", "until": "2026-07-01T00:00:00Z"},
            "necessity": "required",
        }
        asked = entry(SPOTIFY, stream, purpose_description="To suggest concerts.", retention={"max_duration": "P30D"})
        _, code = here.device_request(details(asked), client_id)
        page = open_decision(here.signed_in(), code)
        facts, claims = page.text_by_author["protocol"], page.text_by_author["client"]
        for fact in (client_id, "registered itself", here.settings.mcp_resource, "Spotify", SPOTIFY, "recently_played"):
            assert fact in facts
        for fact in ("track", "artist", "from 1 January 2026 to before 1 July 2026", "until you revoke", "continuous"):
            assert fact in facts
        for claim in ("Helpful Assistant", "https://assistant.example/logo.png", "To suggest concerts.", "30 days"):
            assert claim in claims
            assert claim not in facts
        assert "personal_ai_assistant" in claims
        assert "in about 10 minutes" in facts
        (expiry,) = page.tags("time")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", expiry["datetime"])
        assert code in page.text
        for words in ("A device asks for access", "Compare with the code", "in your possession", "decline"):
            assert words in page.text
        assert [image["src"].partition("?")[0] for image in page.tags("img")] == ["/static/owner.svg"]
        assert not any("assistant.example" in link["href"] for link in page.tags("a"))

    def test_names_the_origin_of_a_client_id_metadata_document(self, here: Deployment) -> None:
        client_id = here.client(
            "https://agent.example/client.json", "client_id_metadata_document", client_name="Agent", redirect_uris=[]
        )
        _, code = here.device_request(details(), client_id)
        page = open_decision(here.signed_in(), code)
        assert re.search(r"Origin\s+https://agent\.example\s", page.text_by_author["protocol"])

    def test_goes_by_the_client_id_where_there_is_no_name(self, here: Deployment) -> None:
        _, code = here.device_request(details(), here.client("dyn_nameless"))
        page = open_decision(here.signed_in(), code)
        assert "It gives no name" in page.text_by_author["client"]
        assert "dyn_nameless" in page.text_by_author["protocol"]

    def test_of_an_owner_agent_says_what_its_token_can_do(self, here: Deployment) -> None:
        """CHG-16, UIX-05, UIX-07, UIX-08"""
        _, code = here.device_request(None)
        page = open_decision(here.signed_in(), code)
        for words in (
            "Trusted owner-agent onboarding",
            "owner agent",
            "owner-level access",
            "/v1",
            "every stream",
            "control plane",
            "1 hour",
            "/mcp rejects this token",
            "in your possession",
            "decline",
            "pdpp_cli",
            "PDPP command line",
            code,
        ):
            assert words in page.text
        assert re.findall(r"mcp", page.text, re.IGNORECASE) == ["mcp"], "only to say that /mcp rejects it"

    def test_of_a_package_shows_every_source(self, here: Deployment) -> None:
        _, code = here.device_request(details(entry(), entry(FERNWOOD, {"name": "workouts"})))
        facts = open_decision(here.signed_in(), code).text_by_author["protocol"]
        assert "Spotify" in facts
        assert "Fernwood Health" in facts

    def test_offers_both_decisions_alike_and_focuses_neither(self, here: Deployment) -> None:
        """UIX-04, UIX-11"""
        for requested in (None, details()):
            _, code = here.device_request(requested)
            browser = here.signed_in()
            text = browser.get("/device", params={"user_code": code}).text
            page = Html(text)
            buttons = [control for control in page.controls if control.get("name") == "action"]
            assert [button["value"] for button in buttons] == ["deny", "approve"], "Enter in a field never approves"
            assert {button["class"].split()[0] for button in buttons} == {"decision"}
            assert ">Deny</button>" in text
            assert ">Approve</button>" in text
            assert "autofocus" not in text
            assert "<script" not in text
            assert text.index("If you did not start this") < text.index(">Deny<")

    def test_escapes_everything_that_others_wrote(self, here: Deployment) -> None:
        """UIX-21"""
        client_id = here.client(HOSTILE, client_name=HOSTILE, client_uri=HOSTILE, policy_uri=["not", "a text"])
        asked = entry(SPOTIFY, purpose_description="<script>1</script>", retention={"on_expiry": HOSTILE})
        _, code = here.device_request(details(asked), client_id)
        browser = here.signed_in()
        text = browser.get("/device", params={"user_code": f"{code}{HOSTILE[:20].lower()}"}).text
        page = Html(browser.get("/device", params={"user_code": code}).text)
        assert page.text.count("<script>alert(1)</script>") >= 4, "shown as text"
        for shown in (page, Html(text)):
            assert not shown.tags("script")
            assert len(shown.tags("img")) == 1
        here.device_request(details(), here.client("dyn_long", client_name="W" * 5000))
        assert "W" * 301 not in open_decision(browser, here.device_request(details(), "dyn_long")[1]).text

    def test_asks_again_each_time(self, here: Deployment) -> None:
        """UIX-25, UIX-06"""
        browser = here.signed_in()
        for _ in range(2):
            request_id, code = here.device_request(details())
            page = open_decision(browser, code)
            assert here.state(request_id) is State.PENDING
            assert decide(browser, page, "approve").status_code == 303

    def test_shows_a_time_range_at_the_end_of_the_calendar(self, here: Deployment) -> None:
        stream = {"name": "recently_played", "time_range": {"since": "0001-01-01T00:00:00+14:00"}}
        _, code = here.device_request(details(entry(SPOTIFY, stream)))
        assert "from 0001-01-01T00:00:00+14:00 on" in open_decision(here.signed_in(), code).text


class TestDeciding:
    def test_approves_and_sends_the_owner_back_to_the_device(self, here: Deployment) -> None:
        """UIX-27"""
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        answer = decide(browser, open_decision(browser, code), "approve")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/device/approved"
        assert here.state(request_id) is State.APPROVED
        page = browser.get("/device/approved")
        assert "Go back to your device" in page.text
        assert code not in page.text
        assert not read(page).controls

    @pytest.mark.parametrize("owner_kind", [True, False])
    def test_denies_either_kind(self, here: Deployment, owner_kind: bool) -> None:
        """UIX-28"""
        browser = here.signed_in()
        request_id, code = here.device_request(None if owner_kind else details())
        answer = decide(browser, open_decision(browser, code), "deny")
        assert answer.headers["location"] == "/device/denied"
        assert here.state(request_id) is State.DENIED
        assert browser.get("/device/denied").status_code == 200

    def test_grants_only_the_streams_the_owner_kept(self, here: Deployment) -> None:
        browser = here.signed_in()
        asked = details(
            entry(SPOTIFY, {"name": "recently_played", "necessity": "required"}, {"name": "saved_tracks"}),
            entry(FERNWOOD, {"name": "workouts"}),
        )
        request_id, code = here.device_request(asked)
        page = open_decision(browser, code)
        assert page.fields("/device/decision")["stream"] == [
            f"{SPOTIFY} recently_played",
            f"{SPOTIFY} saved_tracks",
            f"{FERNWOOD} workouts",
        ]
        added = [f"{SPOTIFY} saved_tracks", f"{SPOTIFY} top_artists", f"{FERNWOOD} body_measurements"]
        assert decide(browser, page, "approve", stream=added).status_code == 303
        assert here.approved_streams(request_id) == {SPOTIFY: ["saved_tracks"]}, "narrowed, never widened"

    def test_asks_again_kindly_when_nothing_was_kept(self, here: Deployment) -> None:
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        page = open_decision(browser, code)
        answer = decide(browser, page, "approve", stream=[])
        assert answer.status_code == 400
        again = read(answer)
        assert "Check at least one stream" in again.text
        assert code in again.text
        assert "stream" not in again.fields("/device/decision"), "as the owner left it"
        assert here.state(request_id) is State.PENDING
        _, other_code = here.device_request(details())
        assert decide(browser, page, "approve", stream=[], shown_code=other_code).status_code == 403

    def test_is_final(self, here: Deployment) -> None:
        """UIX-16, UIX-30"""
        browser = here.signed_in()
        for first, second, state in (
            ("deny", "approve", State.DENIED),
            ("approve", "deny", State.APPROVED),
        ):
            request_id, code = here.device_request(details())
            page = open_decision(browser, code)
            decide(browser, page, first)
            assert decide(browser, page, second).status_code == 400
            assert here.state(request_id) is state
        with here.store.transaction() as connection:
            assert here.requests.fire(connection, request_id, Event.REDEEM)
        assert decide(browser, page, "approve").status_code == 400
        assert here.state(request_id) is State.REDEEMED

    def test_needs_a_session(self, here: Deployment) -> None:
        """UIX-03"""
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        page = open_decision(browser, code)
        assert decide(here.browser(), page, "approve").headers["location"].startswith("/owner/login?")
        assert here.state(request_id) is State.PENDING

    def test_needs_the_forms_own_token(self, here: Deployment) -> None:
        """UIX-17: missing, empty, wrong, another form's; repeated"""
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        page = open_decision(browser, code)
        entry_token = read(browser.get("/device")).fields("/device")["csrf_token"]
        for token in ("", "wrong", "ü", entry_token):
            for action in ("approve", "deny"):
                assert decide(browser, page, action, csrf_token=token).status_code == 403
        right = page.fields("/device/decision")["csrf_token"]
        assert decide(browser, page, "approve", csrf_token=[right, right]).status_code == 400
        assert here.state(request_id) is State.PENDING
        assert decide(browser, page, "approve").status_code == 303, "the control"

    def test_is_bound_to_the_session_that_opened_the_page(self, here: Deployment) -> None:
        """UIX-17, UIX-26"""
        mine, theirs = here.signed_in(), here.signed_in()
        request_id, code = here.device_request(details())
        page, their_page = open_decision(mine, code), open_decision(theirs, code)
        their_fields = their_page.fields("/device/decision")
        assert decide(theirs, page, "approve").status_code == 403
        assert decide(mine, page, "approve", csrf_token=their_fields["csrf_token"]).status_code == 403
        assert decide(theirs, page, "deny", csrf_token=their_fields["csrf_token"]).status_code == 403
        for forged in ("", "x", f"{request_id}.", f"{request_id}.{'A' * 43}"):
            assert decide(mine, page, "approve", decision=forged).status_code == 403
        assert here.state(request_id) is State.PENDING

    @pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", None])
    def test_takes_no_other_media_type(self, here: Deployment, media_type: str | None) -> None:
        """UIX-17, UIX-18: JSON and typeless bodies as well, even with a right token in them"""
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        fields = {**open_decision(browser, code).fields("/device/decision"), "action": "approve"}
        content = httpx.Request("POST", "http://x", data=fields).read() if media_type else b""
        for body in (json.dumps(fields).encode(), content):
            headers = {"content-type": media_type} if media_type else {}
            assert browser.post("/device/decision", content=body, headers=headers).status_code == 415
        assert here.state(request_id) is State.PENDING

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_refuses_what_a_browser_says_comes_from_elsewhere(self, here: Deployment, headers: dict[str, str]) -> None:
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        fields = {**open_decision(browser, code).fields("/device/decision"), "action": "approve"}
        assert browser.post("/device/decision", data=fields, headers=headers).status_code == 403
        assert here.state(request_id) is State.PENDING
        own = {"Origin": here.settings.issuer, "Sec-Fetch-Site": "same-origin"}
        assert browser.post("/device/decision", data=fields, headers=own).status_code == 303

    def test_takes_the_null_origin_that_browsers_send_under_no_referrer(self, here: Deployment) -> None:
        browser = here.signed_in()
        _, code = here.device_request(details())
        fields = {**open_decision(browser, code).fields("/device/decision"), "action": "deny"}
        own = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        assert browser.post("/device/decision", data=fields, headers=own).status_code == 303

    def test_never_happens_by_a_safe_method(self, here: Deployment) -> None:
        """UIX-20"""
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        fields = open_decision(browser, code).fields("/device/decision")
        for method in ("GET", "HEAD", "OPTIONS", "PUT"):
            answer = browser.request(method, "/device/decision", params={**fields, "action": "approve"})
            assert answer.status_code == 405
            assert answer.headers["allow"] == "POST"
        for method in ("GET", "HEAD"):
            assert browser.request(method, "/device", params={"user_code": code, "action": "approve"}).is_success
        assert here.state(request_id) is State.PENDING

    def test_knows_approve_and_deny_only(self, here: Deployment) -> None:
        browser = here.signed_in()
        request_id, code = here.device_request(details())
        page = open_decision(browser, code)
        for action in ("", "Approve", "maybe"):
            assert decide(browser, page, action).status_code == 400
        assert here.state(request_id) is State.PENDING


class TestConsent:
    def test_lets_the_owner_choose_where_the_client_asked_for_nothing_in_particular(self, here: Deployment) -> None:
        browser = here.signed_in()
        request_id, address = here.code_request()
        page = read(browser.get(address))
        fields = page.fields("/consent/decision")
        assert "stream" not in fields, "nothing preselected"
        assert "access_mode" not in fields
        assert "http://127.0.0.1:4711" in page.text_by_author["protocol"]
        assert {box["value"].partition(" ")[0] for box in page.controls if box.get("type") == "checkbox"} == {
            source.id for source in load_catalogue().sources
        }
        chosen = [f"{FERNWOOD} workouts", f"{SPOTIFY} top_artists"]
        answer = browser.post(
            "/consent/decision", data={**fields, "action": "approve", "stream": chosen, "access_mode": "single_use"}
        )
        assert answer.status_code == 303
        returned = urlsplit(answer.headers["location"])
        query = parse_qs(returned.query)
        assert returned.netloc == "127.0.0.1:4711"
        assert query["kept"] == ["1"]
        assert query["state"] == ["st&te"]
        assert len(query["code"][0]) == 43
        assert here.state(request_id) is State.APPROVED
        assert here.approved_streams(request_id) == {SPOTIFY: ["top_artists"], FERNWOOD: ["workouts"]}
        with here.store.transaction() as connection:
            stored = here.requests.by_id(connection, request_id)
        assert stored is not None
        assert stored.authorization_details is not None
        assert {(kept.access_mode, kept.purpose_code) for kept in stored.authorization_details} == {
            ("single_use", CHOSEN_BY_OWNER)
        }

    def test_asks_for_what_is_missing_and_keeps_what_was_chosen(self, here: Deployment) -> None:
        browser = here.signed_in()
        request_id, address = here.code_request()
        fields = {**read(browser.get(address)).fields("/consent/decision"), "action": "approve"}
        no_mode = browser.post("/consent/decision", data={**fields, "stream": [f"{SPOTIFY} top_artists"]})
        no_stream = browser.post("/consent/decision", data={**fields, "access_mode": "continuous"})
        unknown = browser.post("/consent/decision", data={**fields, "access_mode": "for ever", "stream": ["x y"]})
        assert {answer.status_code for answer in (no_mode, no_stream, unknown)} == {400}
        assert read(no_mode).fields("/consent/decision")["stream"] == [f"{SPOTIFY} top_artists"]
        assert read(no_stream).fields("/consent/decision")["access_mode"] == ["continuous"]
        for answer, errors in ((no_mode, ["mode"]), (no_stream, ["streams"]), (unknown, ["streams", "mode"])):
            assert re.findall(r'role="alert" id="(\w+)-error"', answer.text) == errors
            for error in errors:
                assert f'aria-describedby="{error}-error"' in answer.text
        assert here.state(request_id) is State.PENDING

    def test_narrows_what_the_client_asked_for(self, here: Deployment) -> None:
        browser = here.signed_in()
        request_id, address = here.code_request(details(entry(), entry(FERNWOOD, {"name": "workouts"})))
        page = read(browser.get(address))
        assert not [box for box in page.controls if box.get("type") == "radio"]
        fields = {**page.fields("/consent/decision"), "action": "approve", "stream": [f"{FERNWOOD} workouts"]}
        assert browser.post("/consent/decision", data=fields).status_code == 303
        assert here.approved_streams(request_id) == {FERNWOOD: ["workouts"]}

    def test_returns_a_denial_to_the_client_too(self, here: Deployment) -> None:
        browser = here.signed_in()
        request_id, address = here.code_request()
        fields = read(browser.get(address)).fields("/consent/decision")
        answer = browser.post("/consent/decision", data={**fields, "action": "deny"})
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["error"] == ["access_denied"]
        assert query["state"] == ["st&te"]
        assert "code" not in query
        assert here.state(request_id) is State.DENIED
        again = browser.post("/consent/decision", data={**fields, "action": "deny"})
        unknown = browser.get("/consent?request_uri=urn:unknown")
        assert {again.status_code, unknown.status_code, browser.get(address).status_code} == {400}
        assert again.text == unknown.text == browser.get("/consent").text
        assert "location" not in again.headers

    def test_lets_its_form_lead_to_the_clients_origin_and_nowhere_else(self, here: Deployment) -> None:
        _, address = here.code_request()
        policy = here.signed_in().get(address).headers["content-security-policy"]
        assert "form-action 'self' http://127.0.0.1:4711;" in policy

    def test_needs_a_session_a_token_and_its_own_flow(self, here: Deployment) -> None:
        browser, other = here.signed_in(), here.signed_in()
        request_id, address = here.code_request()
        device_id, code = here.device_request(details())
        to_login = here.browser().get(address)
        back = parse_qs(urlsplit(to_login.headers["location"]).query)["return_to"][0]
        assert browser.get(back).status_code == 200
        fields = {**read(browser.get(address)).fields("/consent/decision"), "action": "deny"}
        assert here.browser().post("/consent/decision", data=fields).headers["location"].startswith("/owner/login")
        assert other.post("/consent/decision", data=fields).status_code == 403
        assert browser.post("/consent/decision", data={**fields, "csrf_token": ""}).status_code == 403
        device_handle = open_decision(browser, code).fields("/device/decision")["decision"]
        assert browser.post("/consent/decision", data={**fields, "decision": device_handle}).status_code == 403
        assert here.state(request_id) is here.state(device_id) is State.PENDING

    @pytest.mark.parametrize(
        ("redirect_uri", "target"),
        [
            ("https://app.example/cb?x=1", "https://app.example"),
            ("http://[::1]:4711/cb", "http://[::1]:4711"),
            ("com.example.app:/cb", "com.example.app:"),
            ("https://app.example; script-src *", None),
            ("https://app.example:99999/", None),
            ("", None),
        ],
    )
    def test_puts_nothing_but_an_origin_into_the_policy(self, redirect_uri: str, target: str | None) -> None:
        assert redirect_target(redirect_uri) == target


class TestGrants:
    def test_lists_what_is_in_force_and_what_ended(self, here: Deployment) -> None:
        browser = here.signed_in()
        stream = {"name": "saved_tracks", "fields": ["track"], "time_range": {"until": "2026-07-01T00:00:00Z"}}
        (single,) = here.grant(entry(SPOTIFY, stream))
        package = here.grant(entry(), entry(FERNWOOD, {"name": "workouts"}))
        page = read(browser.get("/grants"))
        for words in (single, *package, "PDPP command line", "pdpp_cli", "Fernwood Health", "before 1 July 2026"):
            assert words in page.text
        assert "gpkg_" in page.text
        assert "Continuous" in page.text
        answer = browser.post(f"/grants/{single}/revoke", data=page.fields(f"/grants/{single}/revoke"))
        assert answer.status_code == 303
        after = browser.get(answer.headers["location"])
        assert "Access revoked." in after.text
        assert f"/grants/{single}/revoke" not in after.text
        assert "Access revoked." not in browser.get(f"/grants?revoked={package[0]}").text, "only of one that ended"
        with here.store.transaction() as connection:
            revoked = here.grants.by_id(connection, single)
        assert revoked is not None
        assert revoked.revoked_at is not None

    def test_are_revoked_by_their_own_form_only(self, here: Deployment) -> None:
        browser = here.signed_in()
        first, second = here.grant(entry(), entry(FERNWOOD, {"name": "workouts"}))
        fields = read(browser.get("/grants")).fields(f"/grants/{first}/revoke")
        assert browser.post(f"/grants/{second}/revoke", data=fields).status_code == 403
        assert browser.post(f"/grants/{first}/revoke", data={"csrf_token": "x"}).status_code == 403
        assert browser.get(f"/grants/{first}/revoke").status_code == 405
        assert here.browser().post(f"/grants/{first}/revoke", data=fields).headers["location"].startswith("/owner")
        with here.store.transaction() as connection:
            assert len(here.grants.of_token(connection, grant_id=first, package_id=None)) == 1

    def test_that_nobody_knows_are_not_found(self, here: Deployment) -> None:
        browser = here.signed_in()
        token = OwnForms(here.settings).token(browser.cookies["pdpp_owner_session"], "revoke grt_unknown")
        answer = browser.post("/grants/grt_unknown/revoke", data={"csrf_token": token})
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")

    def test_are_revoked_with_a_token_elsewhere(self, here: Deployment) -> None:
        answer = here.browser().post("/grants/grt_x/revoke", headers={"Authorization": "Bearer x"})
        assert answer.json() == {"by": "token", "grant": "grt_x"}

    def test_need_a_session(self, here: Deployment) -> None:
        assert here.browser().get("/grants").headers["location"] == "/owner/login?return_to=%2Fgrants"


class TestEveryPage:
    def pages(self, here: Deployment) -> Iterator[httpx.Response]:
        browser = here.signed_in()
        _, mcp = here.device_request(details())
        _, owner = here.device_request(None)
        _, address = here.code_request()
        here.grant(entry())
        for path in ("/", "/connect", "/owner/login", "/owner/logout", "/device", "/device/approved", "/device/denied"):
            yield browser.get(path)
        for path in (f"/device?user_code={mcp}", f"/device?user_code={owner}", address, "/grants", "/consent"):
            yield browser.get(path)
        yield browser.get("/device/decision")
        yield browser.post("/device", data={"csrf_token": "x"})
        yield browser.post("/device", content="{}", headers={"content-type": "application/json"})
        yield browser.post("/device", data={"user_code": "x" * here.settings.max_body_bytes})
        for _ in range(here.settings.wrong_codes_per_minute):
            yield browser.get("/device?user_code=BBBB-BBBB")
        yield browser.get("/device?user_code=BBBB-BBBB")

    def test_cannot_be_framed_leaks_no_address_and_loads_nothing_foreign(self, here: Deployment) -> None:
        """UIX-02, UIX-19, UIX-24"""
        seen = set()
        for page in self.pages(here):
            seen.add(page.status_code)
            policy = page.headers["content-security-policy"]
            for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
                assert directive in policy
            assert page.headers["x-frame-options"] == "DENY"
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["x-content-type-options"] == "nosniff"
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["cross-origin-opener-policy"] == "same-origin"
            html = read(page)
            loaded = [e["href"] for e in html.tags("link")] + [e["src"] for e in html.tags("img")]
            actions = [form["action"] for form in html.forms]
            assert all(address.startswith("/") and not address.startswith("//") for address in loaded + actions)
        assert seen == {200, 400, 403, 405, 413, 415, 429}

    def test_is_navigable_without_seeing_it(self, here: Deployment) -> None:
        titles = set()
        for page in self.pages(here):
            html = read(page)
            assert html.tags("html")[0]["lang"] == "en"
            assert len(html.tags("h1")) == len(html.tags("main")) == 1
            levels = [int(tag[1]) for tag, _ in html.elements if re.fullmatch("h[1-4]", tag)]
            assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
            ids = [attributes["id"] for _, attributes in html.elements if "id" in attributes]
            assert len(ids) == len(set(ids))
            labelled = {label["for"] for label in html.tags("label")}
            for control in html.controls:
                if control.get("type") in ("text", "password", "checkbox", "radio"):
                    assert control["id"] in labelled
            for _, attributes in html.elements:
                for name in ("aria-describedby", "aria-labelledby"):
                    assert set(attributes.get(name, "").split()) <= set(ids)
            titles.add(page.text.partition("<title>")[2].partition("</title>")[0])
        assert len(titles) >= 14

    def test_has_its_style_sheet(self, here: Deployment) -> None:
        browser = here.browser()
        for element in read(browser.get("/")).tags("link"):
            answer = browser.get(element["href"])
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]

    def test_tells_no_detail_of_a_fault_of_its_own(self, here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError(PASSWORD)

        monkeypatch.setattr(here.owners, "verify", broken)
        answer = here.sign_in(here.browser())
        assert answer.status_code == 500
        assert "RuntimeError" not in answer.text
        assert answer.headers["x-frame-options"] == "DENY"


class TestConnect:
    def test_tells_the_two_ways_to_mcp_from_the_owner_agents(self, here: Deployment) -> None:
        """CHG-03, CHG-06"""
        text = read(here.browser().get("/connect")).text
        before, owner_agent = text.split("The trusted owner agent")
        assert "authorization code with PKCE" in before
        assert f"claude mcp add --transport http pdpp {here.settings.mcp_resource}" in before
        assert "grant-scoped device authorization" in before
        for parameter in ("client_id", "resource", "authorization_details", "slow_down"):
            assert parameter in before
        assert "Owner-level local automation" in owner_agent
        assert here.settings.query_base in owner_agent
        assert "never an MCP credential" in owner_agent

    def test_shows_a_request_that_this_server_accepts(self, here: Deployment) -> None:
        text = "".join(read(here.browser().get("/connect")).text_by_author.values())
        shown = re.search(r"authorization_details=(\[.*?\n\])'", text, re.DOTALL)
        assert shown is not None
        assert parse_authorization_details(
            shown[1], accepted_type=AUTHORIZATION_DETAILS_TYPE, catalogue=load_catalogue()
        )


class TestWording:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("P30D", "30 days"),
            ("P1Y6M", "1 year, 6 months"),
            ("PT1H", "1 hour"),
            ("P", "P"),
            ("P1DT", "P1DT"),
            ("a while", "a while"),
        ],
    )
    def test_says_a_duration(self, text: str, words: str) -> None:
        assert wording.duration(text) == words

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(10, "in less than a minute"), (60, "in about a minute"), (540, "in about 9 minutes")],
    )
    def test_says_how_far_ahead(self, seconds: int, words: str) -> None:
        assert wording.in_about(seconds) == words

    def test_says_a_lifetime(self) -> None:
        assert [wording.lasting(n) for n in (3600, 5400, 86400, 61)] == ["1 hour", "90 minutes", "1 day", "61 seconds"]


def test_sessions_that_are_over_are_forgotten(here: Deployment) -> None:
    here.signed_in()
    here.clock.advance(here.settings.session_lifetime + 1)
    here.signed_in()
    with here.store.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(owner_sessions)).scalar_one() == 1
