"""Where each of the owner's pages is."""

from __future__ import annotations

from starlette.routing import BaseRoute

from pdpp_reference.http import Handler
from pdpp_reference.owner.connect_page import ConnectPage
from pdpp_reference.owner.consent_page import CONSENT_PATH, ConsentPage
from pdpp_reference.owner.device_page import DEVICE_PATH, DevicePage
from pdpp_reference.owner.grants_page import GRANTS_PATH, GrantsPage
from pdpp_reference.owner.login import LOGIN_PATH, LoginPage
from pdpp_reference.owner.pages import Pages, page_route, static_routes
from pdpp_reference.settings import Settings


def owner_routes(
    settings: Settings,
    pages: Pages,
    *,
    login: LoginPage,
    device: DevicePage,
    consent: ConsentPage,
    grants: GrantsPage,
    connect: ConnectPage,
    revoke_with_token: Handler,
) -> list[BaseRoute]:
    """Return the routes of the owner's pages.

    Args:
        revoke_with_token: answers ``POST /grants/{grant_id}/revoke`` when it comes with an ``Authorization`` header.
    """

    def page(
        path: str, *, get: Handler | None = None, post: Handler | None = None, bearer_post: Handler | None = None
    ) -> BaseRoute:
        most = settings.max_body_bytes
        return page_route(path, pages, max_body_bytes=most, get=get, post=post, bearer_post=bearer_post)

    return [
        page("/", get=login.home),
        page(LOGIN_PATH, get=login.show, post=login.sign_in),
        page("/owner/logout", get=login.show_sign_out, post=login.sign_out),
        page(DEVICE_PATH, get=device.show, post=device.enter),
        page(f"{DEVICE_PATH}/decision", post=device.decide),
        page(f"{DEVICE_PATH}/approved", get=device.approved),
        page(f"{DEVICE_PATH}/denied", get=device.denied),
        page(CONSENT_PATH, get=consent.show),
        page(f"{CONSENT_PATH}/decision", post=consent.decide),
        page(GRANTS_PATH, get=grants.show),
        page(f"{GRANTS_PATH}/{{grant_id}}/revoke", post=grants.revoke, bearer_post=revoke_with_token),
        page("/connect", get=connect.show),
        *static_routes(pages),
    ]
