"""Correct deployments of other shapes than the bundled default, named, so that the judge is seen to be fair to them.

Each shape is one that the wire contract or a standard permits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.faults import Fault, create_faulty_app
from pdpp_reference.resource_server.metadata import ROOT_METADATA_PATH
from pdpp_reference.settings import Settings
from pdpp_reference.shapes import pages, protocol
from pdpp_reference.shapes.origins import ISSUER_PATH, BelowPath, TwoOrigins
from pdpp_reference.shapes.shape import Shape

__all__ = ["SHAPES", "Shape", "UnknownShape", "create_shaped_app", "on_two_origins", "settled", "shapes_named"]

DEVICE_AUTHORIZATION_PATH = "/oauth/device_authorization"


class UnknownShape(Exception):
    """There is no shape of that name; the message is one sentence with the names that come close."""


_DECLARED = (
    Shape(
        "minimal",
        "No client registration, no refresh tokens, no revocation endpoint, and nobody is given introspection "
        "credentials.",
        "Wire contract §2: registration_endpoint is absent when registration is off; §4: refresh_token comes where it "
        "is offered; RFC 8414 §2: registration_endpoint and revocation_endpoint are OPTIONAL; RFC 7662 §2.1: only "
        "authorized callers introspect.",
        settle=lambda settings: replace(
            settings, registration_enabled=False, refresh_tokens_enabled=False, revocation_enabled=False
        ),
        introspection_told=False,
    ),
    Shape(
        "older_type",
        "Authorization details have the type URI of older deployments.",
        "Wire contract §2: an older deployment says pdpp.org.",
        settle=lambda settings: replace(settings, authorization_details_type="https://pdpp.org/data-access"),
    ),
    Shape(
        "short_codes",
        "User codes have six letters, codes live five minutes, and clients may poll every second.",
        "Wire contract §4: elsewhere user codes of six characters and more, 300 seconds and an interval of 1 are seen; "
        "RFC 8628 §3.2, §6.1.",
        settle=lambda settings: replace(settings, device_code_lifetime=300, polling_interval=1),
        apply=protocol.short_codes,
    ),
    Shape(
        "short_sessions",
        "The owner's session ends five minutes after the sign-in, before a device code does.",
        "Wire contract §5 tells no lifetime of the owner's session, and RFC 8628 speaks of none.",
        settle=lambda settings: replace(settings, session_lifetime=300),
    ),
    Shape(
        "two_step",
        'The owner decides in two steps: "Allow access", what it is about, and "Allow access" again.',
        "Wire contract §5: the decision may be a two-step; deny buttons may read Decline.",
        apply=pages.two_steps,
    ),
    Shape(
        "login_with_user_name",
        f"The owner signs in with the user name {pages.OWNER_USERNAME} and the password.",
        "Wire contract §5: login may have a user name.",
        apply=pages.user_name_asked,
        wrap=pages.user_name_checked,
        owner_username=pages.OWNER_USERNAME,
    ),
    Shape(
        "strict_registration",
        "Client registration refuses members that it does not know.",
        "Wire contract §3: some deployments refuse unknown members.",
        apply=protocol.strict_registration,
    ),
    Shape(
        "no_complete_uri",
        "There is no complete verification URI.",
        "RFC 8628 §3.2: verification_uri_complete is OPTIONAL.",
        wrap=protocol.without_members(DEVICE_AUTHORIZATION_PATH, "verification_uri_complete"),
    ),
    Shape(
        "interval_absent",
        "The interval is not told, and is five seconds.",
        "RFC 8628 §3.2: interval is OPTIONAL, and 5 where it is absent.",
        wrap=protocol.without_members(DEVICE_AUTHORIZATION_PATH, "interval"),
    ),
    Shape(
        "always_pending",
        "Nobody is told to slow down, however fast they poll.",
        "RFC 8628 §3.5 never says when slow_down must be sent; catalogue row POL-15.",
        apply=protocol.always_pending,
    ),
    Shape(
        "package_kind",
        "The token of a package is of a kind of its own.",
        "Wire contract §1, §2: mcp_package where the metadata lists it.",
        apply=protocol.package_kind_told,
        wrap=protocol.package_kind_listed,
    ),
    Shape(
        "revoked_is_403",
        "A client token whose grant was revoked is answered 403.",
        "Wire contract §7: a deployment may answer 403 for a revoked grant.",
        apply=protocol.revoked_is_403,
    ),
    Shape(
        "errors_without_request_id",
        "Error objects carry no request id.",
        "RFC 6749 §5.2: error is the only member that is REQUIRED.",
        wrap=protocol.without_request_ids,
    ),
    Shape(
        "handshake_only",
        "The MCP resource speaks the revision with a handshake, MCP 2025-11-25, and no later one.",
        "Wire contract §7 has both revisions; MCP 2025-11-25 Transports: an unsupported MCP-Protocol-Version gets 400.",
        wrap=protocol.handshake_only,
    ),
    Shape(
        "no_owner_block",
        "The servers are on two origins, and the root resource tells agents nothing.",
        "Wire contract §2: a deployment on two origins may leave pdpp_owner_agent_onboarding, and the root's "
        "pdpp_agent_discovery, out.",
        wrap=protocol.without_members(ROOT_METADATA_PATH, "pdpp_owner_agent_onboarding", "pdpp_agent_discovery"),
        two_origins=True,
    ),
    Shape(
        "issuer_with_path",
        "The issuer has a path, and the authorization server and the owner's pages are below it.",
        "RFC 8414 §3.1: the well-known path is inserted between host and path of the issuer.",
        settle=lambda settings: replace(settings, issuer=settings.issuer + ISSUER_PATH),
        wrap=BelowPath,
    ),
    Shape(
        "two_origins",
        "The authorization server and the resource server are on two origins.",
        "Wire contract, first paragraph and §2: on one origin or on two.",
        two_origins=True,
    ),
)

SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in _DECLARED}
"""Every shape by its name, in the order in which several are put together."""


def shapes_named(names: Sequence[str]) -> tuple[Shape, ...]:
    """Return the shapes with these names, each once, in the order in which they are put together.

    Raises:
        UnknownShape: one of them does not exist.
    """
    for name in names:
        if name not in SHAPES:
            close = get_close_matches(name, SHAPES, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(SHAPES)}"
            raise UnknownShape(f"there is no shape called {name[:80]!r}; {hint}")
    return tuple(shape for name, shape in SHAPES.items() if name in names)


def on_two_origins(shapes: Sequence[Shape]) -> bool:
    """Whether one of these shapes gives the resource server an origin of its own."""
    return any(shape.two_origins for shape in shapes)


def settled(settings: Settings, shapes: Sequence[Shape]) -> Settings:
    """Return the settings as these shapes have them."""
    for shape in shapes:
        settings = shape.settle(settings)
    return settings


def create_shaped_app(parts: Collaborators, shapes: Sequence[Shape], faults: Sequence[Fault] = ()) -> ASGIApp:
    """Return the application in these shapes, with these faults in it.

    Args:
        parts: collaborators whose settings are :func:`settled`.
    """
    for shape in shapes:
        shape.apply(parts)
    app = create_faulty_app(parts, faults)
    for shape in shapes:
        if shape.wrap is not None:
            app = shape.wrap(app, parts.settings)
    return TwoOrigins(app, parts.settings) if on_two_origins(shapes) else app
