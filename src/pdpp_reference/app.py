"""The composition root: every collaborator made once and handed to the next, and the application that serves them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property

from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests
from pdpp_reference.authorization_server.authorize import AuthorizeEndpoint, CodeRequests, authorization_response_url
from pdpp_reference.authorization_server.client_id_metadata_document import (
    AddressPolicy,
    HttpsMetadataDocuments,
    Resolver,
    only_public,
    resolve,
)
from pdpp_reference.authorization_server.clients import Clients, MetadataDocuments
from pdpp_reference.authorization_server.consent import Consent
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint, DeviceCodeGrant
from pdpp_reference.authorization_server.introspection import IntrospectionEndpoint
from pdpp_reference.authorization_server.metadata import MetadataEndpoint, metadata_path
from pdpp_reference.authorization_server.pushed_authorization import PushedAuthorizationEndpoint
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.authorization_server.registration import RegistrationEndpoint
from pdpp_reference.authorization_server.revocation import GrantRevocationEndpoint, RevocationEndpoint
from pdpp_reference.authorization_server.token import (
    AuthorizationCodeGrant,
    RefreshTokenGrant,
    TokenEndpoint,
    TokenGrant,
)
from pdpp_reference.authorization_server.tokens import StoredAccessTokens, Tokens
from pdpp_reference.clock import Clock
from pdpp_reference.errors import OAuthError, RestError
from pdpp_reference.grants.access import AccessTokens
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import Handler, endpoint, oauth_error_answer, rest_error_answer
from pdpp_reference.library import Library, repository
from pdpp_reference.logs import RequestLog, fault_answer
from pdpp_reference.origin import PinnedOrigin
from pdpp_reference.owner.attempts import Attempts
from pdpp_reference.owner.connect_page import ConnectPage
from pdpp_reference.owner.consent_page import ConsentPage
from pdpp_reference.owner.decision import Decisions
from pdpp_reference.owner.device_page import DevicePage
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.grants_page import GrantsPage
from pdpp_reference.owner.login import LoginPage
from pdpp_reference.owner.pages import Pages
from pdpp_reference.owner.password import RFC_9106_LOW_MEMORY, Owners
from pdpp_reference.owner.routes import owner_routes
from pdpp_reference.owner.sessions import OwnerSessions
from pdpp_reference.resource_server.bearer import BearerCheck
from pdpp_reference.resource_server.mcp import McpServer
from pdpp_reference.resource_server.routes import resource_server_routes
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings
from pdpp_reference.sources import SourceCatalogue
from pdpp_reference.storage.store import Store, open_store


class Collaborators:
    """What the deployment is made of: each part is made when it is first asked for, out of the others.

    A part that is replaced before :func:`create_app` is replaced everywhere.

    Args:
        store: an open, migrated database.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Store) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store

    @cached_property
    def catalogue(self) -> SourceCatalogue:
        return load_catalogue()

    # -- clients, requests, grants, tokens --

    @cached_property
    def document_resolver(self) -> Resolver:
        return resolve

    @cached_property
    def document_addresses(self) -> AddressPolicy:
        return only_public

    @cached_property
    def document_authorities(self) -> ssl.SSLContext | None:
        """Who vouches for the servers of documents; ``None`` for the usual certification authorities."""
        return None

    @cached_property
    def documents(self) -> MetadataDocuments:
        return HttpsMetadataDocuments(
            self.clock,
            resolver=self.document_resolver,
            allowed=self.document_addresses,
            tls=self.document_authorities,
        )

    @cached_property
    def clients(self) -> Clients:
        return Clients(self.store, self.clock, self.documents)

    @cached_property
    def registration(self) -> RegistrationEndpoint:
        return RegistrationEndpoint(self.settings, self.store, self.clients, self.subject_of)

    @cached_property
    def requests(self) -> AuthorizationRequests:
        return AuthorizationRequests(self.clock)

    @cached_property
    def grants(self) -> Grants:
        return Grants(self.clock)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.settings, self.clock, self.grants)

    @cached_property
    def access_tokens(self) -> AccessTokens:
        return StoredAccessTokens(self.store, self.tokens)

    @cached_property
    def consent(self) -> Consent:
        return Consent(self.settings, self.store, self.clock, self.requests, self.clients)

    @cached_property
    def redemption(self) -> Redemption:
        return Redemption(self.requests, self.grants, self.tokens)

    # -- the endpoints of the authorization server --

    @cached_property
    def device_authorization(self) -> DeviceAuthorizationEndpoint:
        return DeviceAuthorizationEndpoint(self.settings, self.store, self.clients, self.requests, self.catalogue)

    @cached_property
    def device_code_grant(self) -> TokenGrant:
        return DeviceCodeGrant(self.store, self.clock, self.requests, self.redemption)

    @cached_property
    def refresh_token_grant(self) -> TokenGrant:
        return RefreshTokenGrant(self.store, self.tokens)

    @cached_property
    def grant_revocation(self) -> GrantRevocationEndpoint:
        return GrantRevocationEndpoint(self.store, self.grants, self.tokens)

    @cached_property
    def introspection(self) -> IntrospectionEndpoint:
        return IntrospectionEndpoint(self.settings, self.access_tokens)

    @cached_property
    def revocation(self) -> RevocationEndpoint:
        return RevocationEndpoint(self.store, self.clients, self.tokens)

    # -- the owner --

    @cached_property
    def password_hasher(self) -> PasswordHasher:
        return RFC_9106_LOW_MEMORY

    @cached_property
    def owners(self) -> Owners:
        return Owners(self.store, self.clock, self.password_hasher)

    @cached_property
    def sessions(self) -> OwnerSessions:
        return OwnerSessions(self.settings, self.store, self.clock)

    def subject_of(self, request: Request) -> str | None:
        """Return the owner whose session a request carries."""
        session = self.sessions.current(request)
        return None if session is None else session.subject_id

    @cached_property
    def pages(self) -> Pages:
        return Pages(self.settings)

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.settings, self.clock, self.catalogue)

    @cached_property
    def password_attempts(self) -> Attempts:
        return Attempts(self.store, self.clock, self.settings.wrong_passwords_per_minute)

    @cached_property
    def code_attempts(self) -> Attempts:
        return Attempts(self.store, self.clock, self.settings.wrong_codes_per_minute)

    @cached_property
    def login_page(self) -> LoginPage:
        forms = OwnForms(self.settings)
        return LoginPage(self.pages, forms, self.sessions, self.owners, self.password_attempts)

    @cached_property
    def device_page(self) -> DevicePage:
        forms = OwnForms(self.settings)
        return DevicePage(self.pages, forms, self.sessions, self.code_attempts, self.consent, self.decisions)

    @cached_property
    def grants_page(self) -> GrantsPage:
        forms = OwnForms(self.settings)
        return GrantsPage(self.pages, forms, self.sessions, self.store, self.grants, self.clients, self.catalogue)

    @cached_property
    def library(self) -> Library:
        return Library(self.settings, repository())

    # -- the resource server --

    @cached_property
    def bearer_check(self) -> BearerCheck:
        return BearerCheck(self.settings, self.access_tokens)


def _as_they_are(_parts: Collaborators) -> None:
    """Adjust nothing."""


def compose(settings: Settings, clock: Clock, adjust: Callable[[Collaborators], None] = _as_they_are) -> Collaborators:
    """Open the database, write what every deployment starts with, and return the parts, none of them made yet.

    Args:
        adjust: replaces parts before any is used.

    Raises:
        StorageError: the database cannot be opened.
    """
    store = open_store(settings.database_url, survives_power_loss=settings.database_survives_power_loss)
    first = Collaborators(settings, clock, store)
    adjust(first)
    first.clients.install_pre_registered()
    if settings.owner_password is not None:
        first.owners.set_password(settings.owner_password)
    parts = Collaborators(settings, clock, store)
    adjust(parts)
    return parts


def create_app(parts: Collaborators) -> ASGIApp:
    """Return the application: authorization server, owner's pages and resource server on one origin."""
    mcp_server = McpServer(parts.settings, parts.catalogue)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with mcp_server.lifespan():
            yield

    app = Starlette(
        routes=[
            *_authorization_server_routes(parts),
            *_owner_routes(parts),
            *parts.library.routes(),
            *resource_server_routes(parts.settings, parts.catalogue, parts.bearer_check, mcp_server),
        ],
        exception_handlers={
            OAuthError: _refused,
            RestError: _refused,
            HTTPException: _no_route_handler(parts),
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    origins = frozenset({parts.settings.issuer, parts.settings.resource_origin})
    return RequestLog(PinnedOrigin(app, origins))


def _authorization_server_routes(parts: Collaborators) -> list[BaseRoute]:
    settings, store, clients, requests = parts.settings, parts.store, parts.clients, parts.requests
    code_requests = CodeRequests(settings, store, requests, parts.catalogue)
    token = TokenEndpoint(
        clients,
        {
            DEVICE_CODE_GRANT: parts.device_code_grant,
            "authorization_code": AuthorizationCodeGrant(store, requests, parts.redemption),
            **({"refresh_token": parts.refresh_token_grant} if settings.refresh_tokens_enabled else {}),
        },
    )

    def error_page(status: int, message: str) -> Response:
        return parts.pages.error(status, message=message)

    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(path, endpoint(handler, max_body_bytes=settings.max_body_bytes), methods=[method])

    routes: list[BaseRoute] = [
        route("GET", metadata_path(settings), MetadataEndpoint(settings).answer),
        route("POST", "/oauth/device_authorization", parts.device_authorization.answer),
        route("POST", "/oauth/token", token.answer),
        route("GET", "/oauth/authorize", AuthorizeEndpoint(settings, clients, code_requests, error_page).answer),
        route("POST", "/oauth/par", PushedAuthorizationEndpoint(settings, clients, code_requests).answer),
        route("POST", "/introspect", parts.introspection.answer),
    ]
    if settings.revocation_enabled:
        routes += [route("POST", "/oauth/revoke", parts.revocation.answer)]
    if settings.registration_enabled:
        routes += [
            route("POST", "/oauth/register", parts.registration.answer),
            route("DELETE", "/oauth/register/{client_id}", parts.registration.remove),
        ]
    return routes


def _owner_routes(parts: Collaborators) -> list[BaseRoute]:
    settings, sessions, pages, decisions = parts.settings, parts.sessions, parts.pages, parts.decisions
    forms = OwnForms(settings)
    return owner_routes(
        settings,
        pages,
        login=parts.login_page,
        device=parts.device_page,
        consent=ConsentPage(
            pages,
            forms,
            sessions,
            parts.consent,
            decisions,
            lambda request, code: authorization_response_url(settings, request, code),
        ),
        grants=parts.grants_page,
        connect=ConnectPage(settings, pages, sessions, parts.catalogue),
        revoke_with_token=parts.grant_revocation.answer,
    )


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, RestError):
        return rest_error_answer(request, error)
    assert isinstance(error, OAuthError)
    return oauth_error_answer(request, error)


async def _failed(request: Request, _error: Exception) -> Response:
    return fault_answer(request)


def _no_route_handler(parts: Collaborators) -> Callable[[Request, Exception], Awaitable[Response]]:
    pages = parts.pages

    async def no_route(request: Request, error: Exception) -> Response:
        """A path or method that nothing answers: a page for a person, the form of RFC 6749 §5.2 for a program."""
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if "text/html" in request.headers.get("accept", ""):
            return pages.error(error.status_code, headers=headers)
        code = "not_found" if error.status_code == 404 else "invalid_request"
        description = "there is nothing here" if error.status_code == 404 else "the method is not allowed here"
        return oauth_error_answer(request, OAuthError(code, description, status=error.status_code, headers=headers))

    return no_route
