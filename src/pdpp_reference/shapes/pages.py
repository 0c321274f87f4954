"""Owner's pages of other shapes: a decision in two steps, and a sign-in that asks for a name."""

from __future__ import annotations

from urllib.parse import urlencode

from jinja2 import BaseLoader, ChoiceLoader, PackageLoader, PrefixLoader
from starlette.responses import Response
from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.faults.traffic import Pairs, RepairedForms
from pdpp_reference.http import Incoming
from pdpp_reference.owner.attempts import Attempts
from pdpp_reference.owner.decision import ACTION_FIELD
from pdpp_reference.owner.device_page import DEVICE_PATH, DevicePage
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.login import LOGIN_PATH
from pdpp_reference.owner.pages import Pages, parameter
from pdpp_reference.settings import Settings

OWNER_USERNAME = "owner"


class TwoStepDevicePage(DevicePage):
    """The decision in two pages: who asks, and then, after "Allow access", what for. Only the second one approves."""

    def __init__(self, parts: Collaborators) -> None:
        codes = Attempts(parts.store, parts.clock, parts.settings.wrong_codes_per_minute)
        own = (OwnForms(parts.settings), parts.sessions, codes, parts.consent, parts.decisions)
        super().__init__(Pages(parts.settings, _templates("first_step")), *own)
        self._review = DevicePage(Pages(parts.settings, _templates("review")), *own)

    def show(self, incoming: Incoming) -> Response:
        """GET /device: the first page, or with ``step=review`` the second; neither decides anything."""
        if parameter(incoming, "step") == "review":
            return self._review.show(incoming)
        return super().show(incoming)

    def decide(self, incoming: Incoming) -> Response:
        """POST /device/decision: both pages deny, the first one leads to the review, and the review approves."""
        form = self._forms.read(incoming)
        if form.get(ACTION_FIELD) == "review":
            where = {"user_code": form.get("shown_code") or "", "step": "review"}
            return self._pages.see_other(f"{DEVICE_PATH}?{urlencode(where)}")
        return self._review.decide(incoming)


def _templates(folder: str) -> BaseLoader:
    """The templates of a shape, before the deployment's own; these are also to be had under ``owner/``."""
    own = PackageLoader("pdpp_reference.owner")
    return ChoiceLoader([PackageLoader(__package__, f"templates/{folder}"), own, PrefixLoader({"owner": own})])


def two_steps(parts: Collaborators) -> None:
    """Ask for the decision in two steps."""
    parts.device_page = TwoStepDevicePage(parts)


def user_name_asked(parts: Collaborators) -> None:
    """Show a sign-in page with a field for the owner's name."""
    parts.pages = Pages(parts.settings, _templates("user_name"))


def user_name_checked(app: ASGIApp, _settings: Settings) -> ASGIApp:
    """Refuse a sign-in under another name, as one with a wrong password is refused."""

    def check(pairs: Pairs) -> Pairs:
        form = dict(pairs)
        named = form.pop("username", "")
        return list((form if named == OWNER_USERNAME else {**form, "password": ""}).items())

    return RepairedForms(app, LOGIN_PATH, check)
