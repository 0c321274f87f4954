"""Decision pages that hide what the owner has to know, or decide without the owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jinja2 import BaseLoader, Environment, PackageLoader
from starlette.responses import Response

from pdpp_reference.app import Collaborators
from pdpp_reference.faults.fault import Declared
from pdpp_reference.http import Incoming
from pdpp_reference.owner.attempts import Attempts
from pdpp_reference.owner.device_page import DevicePage
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.pages import Pages

declared = Declared()


Passages = Mapping[str, Mapping[str, str]]
"""What is replaced by what, by template."""


class EditedTemplates(BaseLoader):
    """The deployment's own templates, with passages replaced.

    Raises:
        ValueError: a passage does not occur, so that nothing would be wrong.
    """

    def __init__(self, passages: Passages) -> None:
        self._own = PackageLoader("pdpp_reference.owner")
        self._passages = passages
        for template, replaced in passages.items():
            source, _, _ = self._own.get_source(Environment(autoescape=True), template)
            for passage in replaced:
                if passage not in source:
                    raise ValueError(f"{template} has no passage {passage!r}")

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, is_current = self._own.get_source(environment, template)
        for passage, replacement in self._passages.get(template, {}).items():
            source = source.replace(passage, replacement)
        return source, name, is_current


def edited_page(
    declared: Declared, name: str, what: str, rows: Sequence[str], passages: Passages, *, why: str | None = None
) -> None:
    """Declare pages whose templates have passages replaced."""

    def apply(parts: Collaborators) -> None:
        parts.pages = Pages(parts.settings, loader=EditedTemplates(passages))

    apply.__name__ = name
    declared.replacing(what, *rows, why=why)(apply)


def _page(
    name: str, what: str, rows: str | Sequence[str], template: str, passages: dict[str, str], why: str | None = None
) -> None:
    edited_page(declared, name, what, [rows] if isinstance(rows, str) else rows, {template: passages}, why=why)


_SHARED, _MCP, _OWNER = "_decision.html", "decision_device.html", "decision_owner_agent.html"
_SOURCE_ID = '<p class="fine mono">{{ source.id }}</p>'

_page(
    "client_id_not_shown",
    "The decision page does not show the client id.",
    "CHG-15",
    _SHARED,
    {'<dd class="mono">{{ view.client.id }}</dd>': "<dd>known</dd>"},
)
_page(
    "client_id_among_claims",
    "The decision page shows the client id as if the client had made it up.",
    "CHG-15",
    _SHARED,
    {
        '<dd class="mono">{{ view.client.id }}</dd>': "<dd>see below</dd>",
        '<p class="fine">Anybody': '<p>{{ view.client.id }}</p><p class="fine">Anybody',
    },
)
_page(
    "claims_as_facts",
    "The client's name stands among the verified facts.",
    ["CHG-15", "REG-09"],
    _SHARED,
    {"<dt>Client ID</dt>": "<dt>Name</dt><dd>{{ view.client.name }}</dd><dt>Client ID</dt>"},
    why="Both want the name apart from what is verified.",
)
_page(
    "client_name_not_shown",
    "The decision page does not show the client's name.",
    ["CHG-15", "UIX-08"],
    _SHARED,
    {"<bdi>{{ view.client.name }}</bdi>": "Somebody"},
    why="Both want the client's name on the page.",
)
_page(
    "resource_not_shown",
    "The decision page does not show the MCP resource.",
    "CHG-15",
    _SHARED,
    {'<dd class="mono">{{ view.resource }}</dd>': "<dd>this server</dd>"},
)
_page(
    "source_not_shown",
    "The decision page does not show which source is asked for.",
    ["CHG-15", "UIX-09", "UIX-10"],
    _SHARED,
    {'<span role="heading" aria-level="3">{{ source.name }}</span>': "Streams", _SOURCE_ID: ""},
    why="All of them want the source on the page.",
)
_page(
    "source_only_claimed",
    "Which source is asked for stands in the client's own words and in an address, and nowhere else.",
    ["CHG-15", "UIX-09", "UIX-10"],
    _SHARED,
    {
        '<span role="heading" aria-level="3">{{ source.name }}</span>': "Streams",
        _SOURCE_ID: '<p class="fine">More: docs.client.example/{{ source.name | lower }}/help</p>',
        "<dt>Purpose</dt>": "<dt>Source</dt><dd>{{ source.name }}</dd><dd>{{ source.id }}</dd><dt>Purpose</dt>",
    },
    why="All of them want the source on the page, in the server's words.",
)
_page(
    "streams_not_shown",
    "The decision page does not show which streams are asked for.",
    ["CHG-15", "UIX-09", "UIX-10"],
    _SHARED,
    {"<bdi>{{ stream.name }}</bdi>": "<bdi>some data</bdi>"},
    why="All of them want the streams on the page.",
)
_page(
    "expiry_not_shown",
    "The decision page does not say when the request expires.",
    "CHG-15",
    _SHARED,
    {"<dt>Request expires</dt><dd>{{ when(view.expires) }}, {{ view.expires_in }}</dd>": ""},
)
_page(
    "no_deny_button",
    "The decision page offers approval only.",
    ["CHG-15", "UIX-04"],
    _SHARED,
    {'<button type="submit" name="action" value="deny" class="decision deny">Deny</button>': ""},
    why="Both want a way to deny.",
)
_IN_ADVICE = '<strong class="mono">{{ user_code }}</strong>'
edited_page(
    declared,
    "hidden_code",
    "The decision page does not show the user code.",
    ["UIX-05"],
    {
        _SHARED: {'<p class="user-code">{{ user_code }}</p>': ""},
        _MCP: {_IN_ADVICE: "there"},
        _OWNER: {_IN_ADVICE: "there"},
    },
)
_page(
    "not_told_to_compare",
    "The decision page shows the user code and asks nobody to compare it.",
    "UIX-05",
    _SHARED,
    {
        "Compare with the code on your device</h2>": "Your code</h2>",
        "Does the device show exactly this code, and is the device in your possession?": (
            "Is the device in your possession?"
        ),
    },
)
_page(
    "onboarding_not_named",
    "The owner-agent page does not say that it is onboarding.",
    "CHG-16",
    _OWNER,
    {
        "<h1>Trusted owner-agent onboarding: a device asks for owner-level access</h1>": "<h1>A device signs in</h1>",
    },
)
_page(
    "owner_level_not_told",
    "The owner-agent page does not say that the bearer has owner-level access.",
    "CHG-16",
    _OWNER,
    {
        ": a device asks for owner-level access</h1>": "</h1>",
        "<strong>owner-level access</strong> to everything": "access to what is",
        "and trust with everything": "",
    },
)
_page(
    "owner_token_called_mcp_setup",
    "The owner-agent page calls the token a way to set up MCP.",
    "CHG-16",
    _OWNER,
    {"<p><code>/mcp</code> rejects this token, by design.</p>": "<p>Use this token to set up MCP.</p>"},
)
_page(
    "mcp_rejection_untold",
    "The owner-agent page does not say that /mcp rejects the token.",
    "CHG-16",
    _OWNER,
    {"<p><code>/mcp</code> rejects this token, by design.</p>": ""},
)


class _ApprovesWhenOpened(DevicePage):
    def show(self, incoming: Incoming) -> Response:
        response = super().show(incoming)
        session, user_code = self._sessions.current(incoming.request), incoming.request.query_params.get("user_code")
        if session is not None and user_code and response.status_code == 200:
            pending = self._consent.by_user_code(user_code).request
            self._consent.approve(pending.id, session.subject_id, pending.authorization_details)
        return response


@declared.replacing("Opening the complete verification URI approves the request.", "UIX-06")
def auto_approve_get(parts: Collaborators) -> None:
    attempts = Attempts(parts.store, parts.clock, parts.settings.wrong_codes_per_minute)
    forms = OwnForms(parts.settings)
    parts.device_page = _ApprovesWhenOpened(
        parts.pages, forms, parts.sessions, attempts, parts.consent, parts.decisions
    )
