"""Owner's pages that others can decide on, look through, write into or read from, and pages that say too little."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest, Flow
from pdpp_reference.authorization_server.consent import NotDecidable
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.owner_pages import edited_page
from pdpp_reference.faults.traffic import AlteredAnswers, Answered
from pdpp_reference.http import FORM, Form, Incoming
from pdpp_reference.owner.attempts import Attempts
from pdpp_reference.owner.decision import HANDLE_FIELD, Decisions
from pdpp_reference.owner.device_page import DevicePage
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.pages import PageRefusal, Pages
from pdpp_reference.owner.sessions import OwnerSession
from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.storage.tables import authorization_requests

declared = Declared()

_SHARED, _MCP, _OWNER, _ENTRY, _DECIDED = (
    "_decision.html",
    "decision_device.html",
    "decision_owner_agent.html",
    "device_code_entry.html",
    "decided.html",
)


# -- pages that say or take too little ---------------------------------------------------------------------------------

edited_page(
    declared,
    "no_code_entry",
    "The verification URI takes no user code.",
    ["UIX-01"],
    {_ENTRY: {'type="text" id="user_code"': 'type="hidden" id="user_code"'}},
)
edited_page(
    declared,
    "form_action_http",
    "A form of the code entry page is sent in clear text over the network.",
    ["UIX-02"],
    {_ENTRY: {'<p class="fine">': '<form action="http://device.example/feedback"></form><p class="fine">'}},
)
edited_page(
    declared,
    "no_device_notice",
    "The decision page does not ask whether the device is in the owner's possession.",
    ["UIX-07"],
    {_SHARED: {", and is the device in your possession?": "?"}},
)
edited_page(
    declared,
    "anonymous_consent",
    "The decision page says nothing of who asks.",
    ["UIX-08", "CHG-15"],
    {
        _SHARED: {
            '<dt>Client ID</dt><dd class="mono">{{ view.client.id }}</dd>': "",
            "<bdi>{{ view.client.name }}</bdi>": "A client",
        }
    },
    why="Both want the client on the page.",
)
edited_page(
    declared,
    "registering_party_hidden",
    "The decision page does not say how the client came to be known, nor that nobody checked it.",
    ["UIX-09", "REG-09"],
    {
        _SHARED: {
            "<dt>Registration</dt><dd>{{ view.client.registration }}"
            "{% if view.client.registered_by_owner %} It was registered while you were signed in.{% endif %}</dd>": "",
            '<span class="tag">Verified</span> What this server knows': "The client",
            '<span class="tag">Not verified</span> What the client says of itself': "More of the client",
            '<p class="fine">Anybody can write anything here. Addresses are shown as text and were not opened.</p>': "",
            '<span class="tag">Not verified</span> What the client says it is for': "What it is for",
        }
    },
    why="A page that tells nothing of the client's standing does not mark what the client says as unverified either.",
)
edited_page(
    declared,
    "scopes_hidden",
    "The decision page asks for access without saying to what.",
    ["UIX-09", "UIX-10", "CHG-15"],
    {
        _SHARED: {
            '<p class="fine mono">{{ source.id }}</p>': "",
            "<bdi>{{ stream.name }}</bdi>": "<bdi>your data</bdi>",
        }
    },
    why="All of them want to see what is asked for.",
)
edited_page(
    declared,
    "rar_hidden",
    "The decision page shows neither the fields nor the time range that are asked for.",
    ["UIX-10"],
    {
        _SHARED: {
            '{% for field in stream.fields %}<code>{{ field }}</code>{{ ", " if not loop.last }}{% endfor %}': "named",
            "; records {{ stream.time_range }}": "",
        }
    },
)
edited_page(
    declared,
    "access_mode_hidden",
    "The decision page does not say for how long access is asked.",
    ["UIX-10"],
    {
        _MCP: {
            "<h3>For how long: {{ view.access_mode[0] | lower }}</h3>": "<h3>For how long</h3>",
            "<p>{{ view.access_mode[1] }}</p>": "<p>As usual.</p>",
        }
    },
)
edited_page(
    declared,
    "not_told_to_decline",
    "The decision page does not tell the owner to decline what they did not start.",
    ["UIX-11"],
    {
        _SHARED: {"<strong>If you did not start this, decline.</strong>": "<strong>Take care.</strong>"},
        _MCP: {"If you did not start this, or the code": "If the code"},
        _OWNER: {"If you did not start this, or the code": "If the code"},
    },
)
edited_page(
    declared,
    "approve_autofocus",
    "The approve button has the focus when the decision page opens.",
    ["UIX-11"],
    {_SHARED: {'value="approve" class="decision approve">': 'value="approve" class="decision approve" autofocus>'}},
)
edited_page(
    declared,
    "deny_is_small_print",
    "Denying is a small word beside a large approve button.",
    ["UIX-11"],
    {
        _SHARED: {
            '<button type="submit" name="action" value="deny" class="decision deny">Deny</button>': (
                '<p><button type="submit" name="action" value="deny" class="quiet">Deny</button></p>'
            )
        }
    },
)
edited_page(
    declared,
    "not_sent_back",
    "After the decision the page leaves the owner where they are.",
    ["UIX-27"],
    {
        _DECIDED: {
            "Go back to your device. It goes on by itself within a few seconds; "
            "there is nothing to copy from here.": "Thank you."
        }
    },
)
edited_page(
    declared,
    "logo_rendered",
    "The decision page shows the picture that the client calls its logo, from the client's host.",
    ["REG-09"],
    {
        _SHARED: {
            "<dd><bdi>{{ value }}</bdi></dd>": (
                '<dd>{% if label == "Logo" %}<img src="{{ value }}" alt="">{% else %}{{ value }}{% endif %}</dd>'
            )
        }
    },
)


# -- what others write -------------------------------------------------------------------------------------------------

edited_page(
    declared,
    "xss_client_name",
    "The client's name is part of the decision page's markup.",
    ["UIX-21"],
    {_SHARED: {"<bdi>{{ view.client.name }}</bdi>": "<bdi>{{ view.client.name | safe }}</bdi>"}},
)
edited_page(
    declared,
    "xss_purpose",
    "The purpose that a client writes is part of the decision page's markup.",
    ["UIX-21"],
    {_SHARED: {"<bdi>{{ source.purpose_description }}</bdi>": "<bdi>{{ source.purpose_description | safe }}</bdi>"}},
)


class _ReflectsTheCode(DevicePage):
    def show(self, incoming: Incoming) -> Response:
        return self._reflecting(super().show(incoming), incoming.request.query_params.get("user_code") or "")

    def enter(self, incoming: Incoming) -> Response:
        return self._reflecting(super().enter(incoming), incoming.form().get("user_code") or "")

    def _reflecting(self, response: Response, user_code: str) -> Response:
        if response.status_code != 400:
            return response
        body = bytes(response.body).replace(b"with that code", f"with the code {user_code}".encode())
        return Response(body, status_code=400, media_type="text/html", headers=self._pages.security_headers())


@declared.replacing("A user code that is not known is shown again as part of the page's markup.", "UIX-21")
def xss_user_code(parts: Collaborators) -> None:
    parts.device_page = _device_page(parts, page=_ReflectsTheCode)


class _Headers(Pages):
    """Pages with some of their headers taken away or changed."""

    def __init__(self, parts: Collaborators, change: Callable[[dict[str, str]], None]) -> None:
        super().__init__(parts.settings)
        self._change = change

    def security_headers(self, form_targets: Sequence[str] = ()) -> dict[str, str]:
        headers = super().security_headers(form_targets)
        self._change(headers)
        return headers


def _without_framing_rules(headers: dict[str, str]) -> None:
    del headers["X-Frame-Options"]
    policy = headers["Content-Security-Policy"]
    headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'; ", "")
    # Said by itself this would keep a page of another origin from showing ours as well.
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"


@declared.replacing("Any page can be shown in a frame of another origin.", "UIX-19")
def no_csp(parts: Collaborators) -> None:
    parts.pages = _Headers(parts, _without_framing_rules)


@declared.replacing("Whatever the owner's pages link to learns their whole address.", "UIX-24")
def referrer_leak(parts: Collaborators) -> None:
    parts.pages = _Headers(parts, lambda headers: headers.update({"Referrer-Policy": "unsafe-url"}))


# -- who decides -------------------------------------------------------------------------------------------------------


def _device_page(
    parts: Collaborators, *, forms: OwnForms | None = None, page: type[DevicePage] = DevicePage
) -> DevicePage:
    attempts = Attempts(parts.store, parts.clock, parts.settings.wrong_codes_per_minute)
    own = forms or OwnForms(parts.settings)
    return page(parts.pages, own, parts.sessions, attempts, parts.consent, parts.decisions)


class _FormsOfAnybody(OwnForms):
    """Forms of any origin, held to their tokens alone."""

    def read(self, incoming: Incoming) -> Form:
        return incoming.form()


class _FormsWithoutToken(_FormsOfAnybody):
    def require_token(self, form: Form, cookie: str, purpose: str) -> None:
        """Demand nothing."""


class _FormsWithOneToken(_FormsOfAnybody):
    def token(self, cookie: str, purpose: str) -> str:
        return super().token("the same for everybody", purpose)


class _UnboundDecisions(Decisions):
    """The request's id is all that says which decision is meant."""

    def handle(self, session: OwnerSession, request: AuthorizationRequest) -> str:
        return request.id

    def open(self, session: OwnerSession, flow: Flow, form: Form) -> str:
        return form.get(HANDLE_FIELD) or ""


_BINDING = "What no session has to itself, another session can send as well."


@declared.replacing("A decision needs no form token, and may come from any origin.", "UIX-17", "UIX-26", why=_BINDING)
def csrf_absent(parts: Collaborators) -> None:
    parts.decisions = _UnboundDecisions(parts.settings, parts.clock, parts.catalogue)
    parts.device_page = _device_page(parts, forms=_FormsWithoutToken(parts.settings))


@declared.replacing("All sessions have the same form token.", "UIX-17", "UIX-26", why=_BINDING)
def csrf_global_token(parts: Collaborators) -> None:
    parts.decisions = _UnboundDecisions(parts.settings, parts.clock, parts.catalogue)
    parts.device_page = _device_page(parts, forms=_FormsWithOneToken(parts.settings))


class _TakesJson(DevicePage):
    def decide(self, incoming: Incoming) -> Response:
        session = self._sessions.current(incoming.request)
        if incoming.media_type == FORM or session is None:
            return super().decide(incoming)
        try:
            members = json.loads(incoming.body)
            request_id = str(members[HANDLE_FIELD]).partition(".")[0]
            if members["action"] == "deny":
                self._consent.deny(request_id, session.subject_id)
            else:
                asked = self._consent.by_id(request_id).request.authorization_details
                self._consent.approve(request_id, session.subject_id, asked)
        except (ValueError, KeyError, TypeError, NotDecidable):
            raise PageRefusal(400) from None
        return self._pages.see_other("/device/approved")


@declared.replacing("A decision in JSON needs no form token, whatever it calls itself.", "UIX-18")
def csrf_json_bypass(parts: Collaborators) -> None:
    parts.device_page = _device_page(parts, page=_TakesJson)


class _OpenersDecisions(Decisions):
    """A decision belongs to the session that opened it first, and is taken from whoever brings that session's form."""

    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.settings, parts.clock, parts.catalogue)
        self.openers: dict[str, OwnerSession] = {}

    def handle(self, session: OwnerSession, request: AuthorizationRequest) -> str:
        return super().handle(self.openers.setdefault(request.id, session), request)

    def open(self, session: OwnerSession, flow: Flow, form: Form) -> str:
        return super().open(self.openers.get((form.get(HANDLE_FIELD) or "").partition(".")[0], session), flow, form)


class _OpenersForms(OwnForms):
    def __init__(self, parts: Collaborators, openers: Mapping[str, OwnerSession]) -> None:
        super().__init__(parts.settings)
        self._openers = openers

    def require_token(self, form: Form, cookie: str, purpose: str) -> None:
        opener = self._openers.get((form.get(HANDLE_FIELD) or "").partition(".")[0])
        super().require_token(form, cookie if opener is None else opener.cookie, purpose)


@declared.replacing("Whoever is signed in can send the form of the session that opened the request.", "UIX-26")
def cross_session_approve(parts: Collaborators) -> None:
    decisions = _OpenersDecisions(parts)
    parts.decisions = decisions
    parts.device_page = _device_page(parts, forms=_OpenersForms(parts, decisions.openers))


def _remembering(parts: Collaborators) -> type[DevicePage]:
    class Remembers(DevicePage):
        def show(self, incoming: Incoming) -> Response:
            session, user_code = (
                self._sessions.current(incoming.request),
                incoming.request.query_params.get("user_code"),
            )
            try:
                request = self._consent.by_user_code(user_code or "").request
            except NotDecidable:
                return super().show(incoming)
            if session is None or not _approved_before(parts, request):
                return super().show(incoming)
            self._consent.approve(request.id, session.subject_id, request.authorization_details)
            return self._pages.see_other("/device/approved")

    return Remembers


def _approved_before(parts: Collaborators, request: AuthorizationRequest) -> bool:
    table = authorization_requests.c
    with parts.store.transaction() as connection:
        query = select(table.id).where(table.client_id == request.client_id, table.subject_id.is_not(None))
        return request.authorization_details is not None and connection.execute(query).first() is not None


@declared.replacing("A client that was approved once is approved again without being asked about.", "UIX-25")
def remembered_consent(parts: Collaborators) -> None:
    parts.device_page = _device_page(parts, page=_remembering(parts))


# -- what the owner comes by -------------------------------------------------------------------------------------------


class _Codes:
    """Remembers the latest device code, and shows something of it on the page after an approval."""

    def __init__(self, app: ASGIApp, shown: Callable[[Mapping[str, str]], str]) -> None:
        self._latest: dict[str, str] = {}
        self._shown = shown
        remembering = AlteredAnswers(app, "/oauth/device_authorization", self._remember)
        self.app = AlteredAnswers(remembering, "/device/approved", self._show)

    def _remember(self, answer: Answered) -> None:
        if answer.status == 200:
            self._latest = {"device_code": answer.members["device_code"], "client_id": answer.form["client_id"]}

    def _show(self, answer: Answered) -> None:
        if self._latest:
            answer.body = answer.body.replace(b"</main>", self._shown(self._latest).encode() + b"</main>")


@declared.wrapping(
    "The page after an approval shows the device code.",
    "UIX-27",
    "PRO-13",
    why="Whoever has the device code can redeem it.",
)
def device_code_on_page(app: ASGIApp) -> ASGIApp:
    return _Codes(app, lambda codes: f"<p>Session {codes['device_code']}</p>").app


class _CollectsTokens:
    """Redeems a device code for whoever brings the ticket that stands for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tickets: dict[str, Mapping[str, str]] = {}

    def link(self, codes: Mapping[str, str]) -> str:
        """Return a link that leads to the token."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = codes
        return f'<p><a href="/device/collect?ticket={ticket}">Get the token here</a></p>'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        codes = self._tickets.get(scope.get("query_string", b"").decode().removeprefix("ticket="))
        if scope["type"] != "http" or scope["path"] != "/device/collect" or codes is None:
            await self._app(scope, receive, send)
            return
        body = urlencode({"grant_type": DEVICE_CODE_GRANT, **codes}).encode()
        headers = [(name, value) for name, value in scope["headers"] if name == b"host"]
        headers += [(b"content-type", FORM.encode()), (b"content-length", str(len(body)).encode())]
        at_token = {**scope, "method": "POST", "path": "/oauth/token", "raw_path": b"/oauth/token", "query_string": b""}

        async def given() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**at_token, "headers": headers}, given, send)


@declared.wrapping("The page after an approval links to the token.", "PRO-13")
def exchange_code_on_page(app: ASGIApp) -> ASGIApp:
    collecting = _CollectsTokens(app)
    return _Codes(collecting, collecting.link).app
